"""``check OVERRIDES``: both passes of checks, and nothing run."""

from dlpipe.cli.flags import parse
from dlpipe.config.checks import config_checks
from dlpipe.errors import Problem, RequestError
from dlpipe.plugins import registry


def main(*arguments: str) -> int:
    """Say that the request could be run.

    Raises:
        RequestError: it could not; with every problem found.
    """
    request = parse(list(arguments))
    if request.print_only_flags:
        raise RequestError(
            [Problem(" ".join(request.print_only_flags), "check takes overrides, --multirun and --config-dir only")]
        )
    registry.user_conf_dirs[:] = request.config_dirs
    jobs = config_checks.check(request.overrides, request.multirun, "sweep" if request.multirun else "run")
    from dlpipe.config.prepare import prepare_jobs  # which imports torch: not before the config checks have passed

    prepare_jobs(jobs)
    cfg = jobs[0][1]
    print(f"nothing is wrong with it: model={cfg.model.name} dataset={cfg.dataset.name}; nothing was run or written")
    return 0
