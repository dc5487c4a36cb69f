"""``check OVERRIDES``: both passes of checks, and nothing run."""

from dlpipe.checks import light
from dlpipe.cli import split_flags
from dlpipe.errors import Problem, RequestError


def main(*arguments: str) -> int:
    """Say that the request could be run.

    Raises:
        RequestError: it could not; with every problem found.
    """
    flags, overrides = split_flags(list(arguments))
    stray = [flag for flag in flags if flag not in ("-m", "--multirun")]
    if stray:
        raise RequestError(Problem(flag, "check takes overrides and --multirun only") for flag in stray)
    jobs = light.check(overrides, multirun=bool(flags), output_key="sweep" if flags else "run")
    from dlpipe.checks import full  # which imports torch: not before the light pass is through

    full.check(jobs)
    cfg = jobs[0][1]
    print(f"nothing is wrong with it: model={cfg.model.name} dataset={cfg.dataset.name}; nothing was run or written")
    return 0
