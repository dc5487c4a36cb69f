"""Training through ``python -m dlpipe``'s own path, in this process."""

import json
import sys
from pathlib import Path

from cases import Case

# the core takes one minibatch a Lightning step
ONE_AT_A_TIME = ("max_chunk_batches=1",)


class RefusedError(Exception):
    """The core does not know a key of the request."""


def dlpipe(
    case: Case, threads: int, device: str, folder: Path, overrides: tuple[str, ...] = ()
) -> list[tuple[float, int]]:
    """Seconds and updates of each epoch.

    Raises:
        RefusedError: dlpipe refuses the request.
    """
    path = folder / "clock.json"
    on = "trainer=gpu" if device == "gpu" else "trainer=default"
    run(case, threads, folder, on, "+callbacks.clock._target_=clock.Clock", f"+callbacks.clock.path={path}", *overrides)
    return json.loads(path.read_text())  # type: ignore[no-any-return]  # JSON


def run(case: Case, threads: int, folder: Path, *overrides: str) -> None:
    """One command line, with the default callbacks and without early stopping.

    Raises:
        RefusedError: dlpipe refuses the request.
    """
    from dlpipe.cli.main import DONE, WRONG, main

    install_third_party(folder / "site-packages")
    code = main([*request(case), f"threads={threads}", f"hydra.run.dir={folder / 'run'}", *overrides])
    if code == WRONG:
        raise RefusedError
    if code != DONE:
        raise SystemExit(code)


def request(case: Case) -> list[str]:
    """The command line that trains a case."""
    stage = case.stage.partition("/")[0]
    # fine-tuning has the recipe's own values, and pre-training some of its own
    length = f"recipe.stages.{stage}" if stage == "pretrain" else "recipe"
    return [
        f"model={case.model}",
        f"dataset={case.dataset}",
        f"recipe.batch_size={case.batch_size}",
        "recipe.shuffle=false",
        f"{length}.max_epochs={case.epochs}",
        f"{length}.patience=null",
        "recipe.keep_every_n_epochs=null",
        *([f"stages=[{case.stage}]"] if stage else []),
        *([] if case.most_updates is None else [f"trainer.limit_train_batches={case.updates}"]),
        *case.overrides,
    ]


def install_third_party(site: Path) -> None:
    """Make `third_party.py` a plugin of this process: what pip would write, on sys.path."""
    info = site / "dlpipe_third_party-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: dlpipe-third-party\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[dlpipe.models]\nthird_party = third_party:ThirdParty\n")
    sys.path.append(str(site))
