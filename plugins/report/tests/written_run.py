"""A directory of a run that nobody trained."""

import json

import yaml

CONFIG = {
    "model": {"name": "mlp", "num_hidden": 500},
    "dataset": {"name": "digits"},
    "optimizer": {"lr": 0.1, "nesterov": True},
    "recipe": {"targets": []},
    "seed": 1,
}
SUMMARY = {
    "model": "mlp",
    "dataset": "digits",
    "seed": 1,
    "status": "finished",
    "stopped_by": "max_epochs",
    "epochs": 3,
    "updates": 60,
    "seconds": 6.0,
    "updates_per_second": 10.0,
    "max_chunk_batches": 1,
    "best": {"metric": "val/error", "value": 0.25, "update": 40, "epoch": 2, "mode": "min"},
    "test": {"test/error": 0.5, "test/loss": 2.5},
    "evaluated": {"val": 100, "test": 100},
    "targets": [],
    "stages": [],
}
PROVENANCE = {
    "started": "2026-01-02T03:04:05+00:00",
    "command": ["python", "/here/dlpipe/__main__.py", "model=mlp", "hydra.run.dir='/there'"],
    "overrides": ["model=mlp", "resume=auto"],
    "libraries": {"torch": "2.13.0", "numpy": "2.4.6", "dlpipe": "0.1.0", "pytorch-lightning": "2.6.6"},
    "git": {"commit": "a" * 40, "modified": False},
    "data": {"digits.npz": "b" * 64},
    "machine": {"platform": "Linux", "python": "3.11.7", "cpu": "Z80", "cpus": 2, "threads": 1, "gpus": []},
}
METRICS = "step,epoch,val/error\n19,0,0.5\n39,1,0.25\n59,2,0.3\n"


def write_run(folder, name, config=None, provenance=None, metrics=METRICS, summary=SUMMARY, **changes):
    """Write ``folder/name`` with other values than the usual ones; ``changes`` are of the summary, None writes none."""
    path = folder / name
    path.mkdir(parents=True)
    whole = {**CONFIG, **(config or {}), "output_dir": str(path), "logger": {"path": f"{path}/metrics.csv"}}
    (path / "config.yaml").write_text("format: 1\n" + yaml.safe_dump(whole, sort_keys=False))
    (path / "provenance.json").write_text(json.dumps({**PROVENANCE, **(provenance or {})}))
    (path / "metrics.csv").write_text(metrics)
    if summary is not None:
        (path / "summary.json").write_text(json.dumps({**summary, **changes}))
    return path
