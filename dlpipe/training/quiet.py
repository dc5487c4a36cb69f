"""Silence hints of Lightning and matplotlib that do not apply to dlpipe."""

import contextlib
import logging
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence Lightning's hints about hardware, workers and logging intervals; log its other messages as our own."""
    for name in ("pytorch_lightning", "lightning_fabric", "lightning", "matplotlib"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("pytorch_lightning.profilers").setLevel(logging.INFO)  # the table that trainer.profiler asks for
    with _logged_by_the_root(logging.getLogger("pytorch_lightning")), warnings.catch_warnings():
        # 16 and bf16 are short for 16-mixed and bf16-mixed
        warnings.filterwarnings("ignore", message=".*is supported for historical reasons")
        # minibatches are slices, so workers would not help; csv rows are written once per epoch
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message="The number of training batches")
        # a module without validation_step, or a dataset without validation data, is still trained
        warnings.filterwarnings("ignore", message=".*`val_dataloader`.*")
        # every rank evaluates all examples, so its mean needs no all-reduce
        warnings.filterwarnings("ignore", message=r".*self\.log\('(val|test).*sync_dist=True.*")
        # Lightning 2.6 uses a pytree class that torch 2.13 deprecates
        warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
        # Lightning wraps the module for DDP on a stream of its own; the numbers are right
        warnings.filterwarnings("ignore", message="The AccumulateGrad node's stream does not match")
        # a resumed run has checkpoints
        warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty")
        # the user removed a callback when the run was resumed
        warnings.filterwarnings("ignore", message=".*callbacks used to create the checkpoint need to be provided.*")
        yield


@contextlib.contextmanager
def _logged_by_the_root(logger: logging.Logger) -> Iterator[None]:
    """Lightning gives its logger a handler of its own, for stderr alone, if it is imported before logging is set up."""
    handlers, propagate = logger.handlers, logger.propagate
    logger.handlers, logger.propagate = [], True
    try:
        yield
    finally:
        logger.handlers, logger.propagate = handlers, propagate
