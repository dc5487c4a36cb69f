"""The summary of a run: summary.json and the last lines on the terminal."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from dlpipe.metrics import format_metric, format_value
from dlpipe.runs.directory import SUMMARY, write_json
from dlpipe.runs.stage_result import StageResult


@dataclass
class Summary:
    """The numbers of one run; ``status`` is finished, interrupted, diverged, pruned or failed.

    ``max_chunk_batches`` is the most minibatches that one step of Lightning's loop took. For a model with stages,
    updates and seconds are totals, epochs and best are those of the last stage, and ``stages`` has each stage's.
    """

    model: str
    dataset: str
    seed: int
    status: str
    stopped_by: str
    epochs: int
    updates: int
    seconds: float
    updates_per_second: float
    max_chunk_batches: int
    best: dict[str, Any] | None
    test: dict[str, float]
    evaluated: dict[str, int]
    targets: list[dict[str, Any]] = field(default_factory=list)
    stages: list[dict[str, Any]] = field(default_factory=list)

    def write(self, run_dir: Path) -> None:
        """Write summary.json."""
        write_json(run_dir / SUMMARY, asdict(self))


def summarise(cfg: DictConfig, results: list[StageResult], status: str, test: dict[str, float]) -> Summary:
    """The summary of a run, from the results of its stages (at least one) and its test metrics."""
    last = results[-1]
    updates, seconds = sum(result.updates for result in results), sum(result.seconds for result in results)
    targets = OmegaConf.to_container(cfg.recipe.targets)
    return Summary(
        model=cfg.model.name,
        dataset=cfg.dataset.name,
        seed=cfg.seed,
        status=status,
        stopped_by=last.stopped_by if status == "finished" else status,
        epochs=last.epochs,
        updates=updates,
        seconds=seconds,
        updates_per_second=updates / seconds if seconds else 0.0,
        max_chunk_batches=last.max_chunk_batches,
        best=last.best,
        test=test,
        evaluated=last.evaluated,
        targets=compare_with_targets(targets, cfg.dataset.name, last.best, test),  # type: ignore[arg-type]
        stages=[asdict(result) for result in results if result.name],
    )


def compare_with_targets(
    targets: list[dict[str, Any]],
    dataset: str,
    best: dict[str, Any] | None,
    test: dict[str, float],
) -> list[dict[str, Any]]:
    """The targets for this dataset, each with the run's value and whether it reaches the target.

    Values are rounded to eight decimals, the precision that the tutorials print.
    """
    values = dict(test)
    if best:
        values[best["metric"]] = best["value"]
    compared = []
    for target in targets:
        if target["dataset"] == dataset:
            value = values.get(target["metric"])
            sign = -1 if target.get("mode") == "max" else 1
            reached = value is not None and sign * round(value, 8) <= sign * round(target["value"], 8)
            compared.append({**target, "run": value, "reached": reached})
    return compared


def lines(summary: Summary) -> list[str]:
    """The summary as lines for the terminal."""
    messages = [_stage_line(stage) for stage in summary.stages]
    if summary.best:
        best = summary.best
        messages.append(
            f"best {format_metric(best['metric'], best['value'])} at update {best['update']} (epoch {best['epoch']})"
        )
    messages += [format_metric(name, value) for name, value in summary.test.items()]
    messages.append(
        f"stopped in epoch {summary.epochs} after {summary.updates} updates by {summary.stopped_by}; "
        f"{summary.seconds:.1f} s, {summary.updates_per_second:.1f} updates/s"
    )
    for target in summary.targets:
        name = target["metric"]
        verdict = "reached" if target["reached"] else "not reached"
        messages.append(
            f"target {format_metric(name, target['value'])} ({target['source']}): {verdict}{_by(name, target)}"
        )
    return messages


def _stage_line(stage: dict[str, Any]) -> str:
    best = f", best {format_metric(stage['best']['metric'], stage['best']['value'])}" if stage["best"] else ""
    return (
        f"stage {stage['name']}: {stage['epochs']} epochs, {stage['updates']} updates, {stage['seconds']:.1f} s{best}"
    )


def _by(name: str, target: dict[str, Any]) -> str:
    return f" with {format_value(name, target['run'])}" if target["run"] is not None else ""
