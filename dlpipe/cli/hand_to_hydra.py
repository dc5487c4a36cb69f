"""Hand a checked command line to Hydra."""

import sys

from dlpipe.plugins import registry

FAILED = 1


def hand_to_hydra(arguments: list[str]) -> int:
    """Let Hydra run the task; it takes its arguments from ``sys.argv`` and exits by itself when it fails."""
    import hydra
    from hydra.errors import CompactHydraException

    from dlpipe.cli.hydra_task import task
    from dlpipe.config.compose import VERSION_BASE

    sys.argv = [sys.argv[0], *arguments]
    try:
        hydra.main(config_path=str(registry.conf_dir()), config_name="config", version_base=VERSION_BASE)(task)()
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else FAILED
    except CompactHydraException:  # with HYDRA_FULL_ERROR=1, Hydra raises it
        return FAILED
    return 0
