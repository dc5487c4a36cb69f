"""The groups and options of the config tree, read from its folders."""

from dlpipe.plugins import registry


def groups() -> list[str]:
    """The config groups that a user chooses from."""
    return ["model", "dataset", "optimizer", "scheduler", "trainer", "callbacks", "logger", "recipe"]


def choices(group: str) -> list[str]:
    """The options of a group, from the core's and the plugins' ``conf/``."""
    folders = [registry.conf_dir(), *registry.added_conf_dirs().values()]
    return sorted({path.stem for folder in folders for path in (folder / group).glob("*.yaml")})
