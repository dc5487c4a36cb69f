"""Sweeps made by hand: their record, and the summaries of their jobs."""

import json

import pytest

from dlpipe.sweeps.record import append


@pytest.fixture
def write_job():
    """Add a job to a sweep: its record, and its summary if it has a value or a test; returns its directory.

    The setting is that of the overrides without the seed, unless one is given.
    """

    def write(
        folder,
        number,
        overrides,
        value=None,
        metric="val/error",
        mode="min",
        test=None,
        status="finished",
        error="",
        setting=None,
    ):
        name = f"{number}-job"
        seeds = [text.removeprefix("seed=") for text in overrides if text.startswith("seed=")]
        setting = setting or " ".join(text for text in overrides if not text.startswith("seed=")) or "default"
        append(folder, "planned", name, identity=name, setting=setting, overrides=overrides)
        if status != "waiting":
            append(folder, status, name, error=error)
        if value is None and test is None:
            return folder / name
        (folder / name).mkdir()
        best = None if value is None else {"metric": metric, "value": value, "update": 5, "epoch": 1, "mode": mode}
        summary = {"status": status, "seed": int(seeds[0]) if seeds else 1234, "best": best, "test": test or {}}
        (folder / name / "summary.json").write_text(json.dumps(summary))
        return folder / name

    return write
