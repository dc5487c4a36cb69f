"""Train a run, compose its config, and list what is installed, from Python."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from dlpipe.config.checks import config_checks
from dlpipe.errors import Problem, refuse
from dlpipe.plugins import class_source, registry
from dlpipe.python_api.contexts import config_dir_added, own_settings_of_torch, training_logged
from dlpipe.python_api.run import Run
from dlpipe.runs.directory import CONFIG


def run(*overrides: str, config_dir: str | Path | None = None) -> Run:
    """Train and test a model: ``dlpipe.run("model=lenet", "recipe.max_epochs=3")``.

    Args:
        overrides: as on the command line, except for those of Hydra itself other than ``hydra.run.dir``.
        config_dir: a folder of your own YAML, as ``--config-dir``.

    Raises:
        RequestError: the overrides are wrong; it has all problems, and nothing was written.
        DlpipeError: the run failed.
        KeyboardInterrupt: the run was interrupted and has saved a checkpoint.
    """
    from dlpipe.config.prepare import prepare_jobs
    from dlpipe.training import run as training

    refuse(
        Problem(text, "is for Hydra's command line; from Python, hydra.run.dir is the only one of its keys")
        for text in overrides
        if text.lstrip("+~").startswith("hydra") and not text.startswith("hydra.run.dir=")
    )
    with config_dir_added(config_dir), own_settings_of_torch():
        jobs = config_checks.check(list(overrides), multirun=False, output_key="run")
        directory = Path(str(jobs[0][1].hydra.run.dir)).absolute()
        prepared = prepare_jobs(jobs).relocated(str(directory))
        with training_logged(directory), _hydra_config(jobs[0][1], directory):
            training.run(prepared)
    return Run(directory)


def compose(*overrides: str, config_dir: str | Path | None = None) -> DictConfig:
    """The config that these overrides compose, checked but not trained; raises a RequestError as `run` does."""
    with config_dir_added(config_dir):
        ((_, config),) = config_checks.check(list(overrides), multirun=False, output_key=None)
    return DictConfig({name: node for name, node in config.items() if name not in ("hydra", "output_dir")})


def models() -> dict[str, str]:
    """Installed models: the name to type after ``model=``, and the first line of the docstring."""
    return _installed("model")


def datasets() -> dict[str, str]:
    """Installed datasets: the name to type after ``dataset=``, and the first line of the docstring."""
    return _installed("dataset")


def _installed(kind: registry.Kind) -> dict[str, str]:
    sources = {entry.name: class_source.read_class(entry) for entry in registry.available(kind)}
    return {name: source.docstring.partition("\n")[0] if source else "" for name, source in sorted(sources.items())}


@contextlib.contextmanager
def _hydra_config(config: DictConfig, directory: Path) -> Iterator[None]:
    """Write the files of Hydra that a run's directory has, and let the loggers read the overrides."""
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(config)
    if not (directory / CONFIG).is_file():  # another run's are left as they are
        folder = directory / str(config.hydra.output_subdir)
        folder.mkdir(parents=True, exist_ok=True)
        task = DictConfig({name: node for name, node in config.items() if name != "hydra"})
        nodes = {"config": task, "hydra": {"hydra": config.hydra}, "overrides": config.hydra.overrides.task}
        for name, node in nodes.items():
            OmegaConf.save(node, folder / f"{name}.yaml")
    try:
        yield
    finally:
        HydraConfig.instance().cfg = before
