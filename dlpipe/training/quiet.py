"""Hints of Lightning and matplotlib that do not apply to us, kept off the terminal."""

import contextlib
import logging
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet_lightning() -> Iterator[None]:
    """Keep Lightning's hints about hardware, workers and logging intervals off the terminal."""
    for name in ("pytorch_lightning", "lightning_fabric", "lightning", "matplotlib"):
        logging.getLogger(name).setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # a minibatch is a slice: there is no worker to add, and csv rows are written once an epoch
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message="The number of training batches")
        # a module without validation_step, or a dataset without validation data, is trained all the same
        warnings.filterwarnings("ignore", message=".*`val_dataloader`.*")
        # every rank evaluates all examples, so each has the mean over all of them already
        warnings.filterwarnings("ignore", message=r".*self\.log\('(val|test)\b.*sync_dist=True.*")
        # Lightning 2.6 with torch 2.13: its own use of a pytree class
        warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
        yield
