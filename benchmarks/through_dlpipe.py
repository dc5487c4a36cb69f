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
    part = () if case.most_updates is None else (f"trainer.limit_train_batches={case.updates}",)
    stage = (f"stages=[{case.stage}]", *(f"recipe.stages.{case.stage.partition('/')[0]}.{v}" for v in values(case)))
    code = main(
        [
            f"model={case.model}",
            f"dataset={case.dataset}",
            f"threads={threads}",
            *(f"recipe.{value}" for value in values(case)),
            "recipe.keep_every_n_epochs=null",
            f"hydra.run.dir={folder / 'run'}",
            *part,
            *(stage if case.stage else ()),
            *case.overrides,
            *overrides,
        ]
    )
    if code == WRONG:
        raise RefusedError
    if code != DONE:
        raise SystemExit(code)


def values(case: Case) -> list[str]:
    """Of the recipe, or of a stage's part of it."""
    return [
        f"batch_size={case.batch_size}",
        f"max_epochs={case.epochs}",
        "shuffle=false",
        "patience=null",
    ]


def install_third_party(site: Path) -> None:
    """Make `third_party.py` a plugin of this process: what pip would write, on sys.path."""
    info = site / "dlpipe_third_party-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: dlpipe-third-party\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[dlpipe.models]\nthird_party = third_party:ThirdParty\n")
    sys.path.append(str(site))
