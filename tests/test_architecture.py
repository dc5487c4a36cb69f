"""The dependency rule, read from the imports; and the docs against the code."""

import ast
import sys
from pathlib import Path

import pytest

from dlpipe.plugins.registry import config_options
from dlpipe.settings import Core, Recipe

ROOT = Path(__file__).parents[1]
CORE = sorted((ROOT / "dlpipe").rglob("*.py"))
PLUGINS = sorted(path for path in (ROOT / "plugins").rglob("dlpipe_*/**/*.py") if "tests" not in path.parts)
# what a plugin may import of the core
PUBLIC = {
    "dlpipe",
    "dlpipe.atomic",
    "dlpipe.data",
    "dlpipe.did_you_mean",
    "dlpipe.epoch_mean",
    "dlpipe.figures",
    "dlpipe.metrics",
    "dlpipe.plain_config",
    "dlpipe.stages",
    "dlpipe.testing",
}
# pure functions: torch, the standard library and one another only
MATHS = [
    path
    for path in PLUGINS
    if path.stem
    in (
        *("losses", "initialisation", "corruption", "reconstruction", "contraction"),
        *("energy", "gibbs", "contrastive_divergence", "pseudo_likelihood", "sampling", "ais", "exact"),
        *("leapfrog", "metropolis", "move", "step_size"),
        *("recurrence", "conditional", "generation"),
    )
]


# the rooms of the core from the top floor down; a room imports only from floors below its own
FLOORS = (
    {"__init__", "__main__"},  # the public names
    {"python_api"},
    {"cli", "pytest_plugin"},
    {"sweeps", "testing"},
    {"config"},
    {"training"},
    {"runs"},
    {"data", "epoch_mean", "figures", "plugins", "stages"},
    {"contract", "metrics_csv", "settings"},
    {"errors", "plain_config", "metrics", "atomic", "did_you_mean", "yaml_limits"},
    {"operating_system"},
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def room_of(path):
    """The folder or the file directly below dlpipe/."""
    return path.relative_to(ROOT / "dlpipe").parts[0].removesuffix(".py")


def rooms_imported(source):
    """The rooms that a file's text imports from, also inside functions, but for annotations alone."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "dlpipe":
            yield from (alias.name if alias.name in FLOOR_OF else "__init__" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("dlpipe."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("dlpipe."))


def arrows_up(room, source):
    """What a file in a room must not import: rooms of its own floor or above it."""
    above = {other for other in rooms_imported(source) if FLOOR_OF[other] <= FLOOR_OF[room]}
    return sorted(above - {room} - ({"__init__"} if "__version__" in source else set()))


def imports(path):
    """Dotted names of everything a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_the_files_are_found():
    assert len(CORE) > 30
    assert len(PLUGINS) > 5
    assert len(MATHS) == 22  # two plugins have a reconstruction, and two an energy


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_downwards_only(path):
    assert arrows_up(room_of(path), path.read_text()) == []


def test_an_import_that_goes_up_is_found():
    assert arrows_up("runs", "from dlpipe.training.build import build_model") == ["training"]
    assert arrows_up("data", "def late():\n    import dlpipe.config.compose") == ["config"]
    assert arrows_up("figures", "from dlpipe import stages") == ["stages"]
    assert arrows_up("cli", "from dlpipe.config import compose\nfrom dlpipe.errors import Problem") == []
    assert arrows_up("contract", "if TYPE_CHECKING:\n    from dlpipe.stages import Stage") == []


def test_every_room_has_a_floor():
    assert {room_of(path) for path in CORE} == set(FLOOR_OF)


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_core_imports_no_plugin(path):
    plugins = {plugin.name for plugin in (ROOT / "plugins").glob("*/dlpipe_*")}
    assert plugins
    assert not [name for name in imports(path) if name.partition(".")[0] in plugins]


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_plugin_imports_the_cores_public_names_only(path):
    assert not [name for name in imports(path) if name.partition(".")[0] == "dlpipe" and name not in PUBLIC]


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_plugin_imports_only_plugins_that_it_declares(path):
    package = next(part for part in path.parts if part.startswith("dlpipe_"))
    declared = (ROOT / "plugins" / path.relative_to(ROOT / "plugins").parts[0] / "pyproject.toml").read_text()
    for name in imports(path):
        top = name.partition(".")[0]
        if top.startswith("dlpipe_") and top != package:
            assert top.replace("_", "-") in declared, f"{path} imports {top}"


@pytest.mark.parametrize("path", MATHS, ids=lambda path: str(path.relative_to(ROOT / "plugins")))
def test_maths_imports_torch_and_the_standard_library_only(path):
    maths = {f"{other.parent.name}.{other.stem}" for other in MATHS}
    found = {name if name in maths else name.partition(".")[0] for name in imports(path)}
    assert found <= {"torch", *sys.stdlib_module_names, *maths}


@pytest.mark.parametrize("path", [*CORE, *PLUGINS], ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_one_concept_of_readable_length(path):
    assert len(path.read_text().splitlines()) <= 300


def test_every_key_and_choice_of_the_config_is_documented():
    text = (ROOT / "docs" / "configuration.md").read_text()
    words = [
        *Recipe.model_fields,
        *Core.model_fields,
        *config_options("optimizer"),
        *config_options("logger"),
        *config_options("trainer"),
        *config_options("scheduler"),
        *config_options("launcher"),
    ]
    assert [word for word in words if f"`{word}`" not in text and f"={word}`" not in text] == []


def test_the_readme_opens_with_the_two_commands():
    lines = (ROOT / "README.md").read_text().splitlines()
    commands = [line for line in lines if line.startswith("pip install -r requirements.txt &&")]
    assert commands == [
        "pip install -r requirements.txt && python -m dlpipe model=lenet",
        "pip install -r requirements.txt && pytest -n auto --maxprocesses 4 --dist loadfile",
    ]
    assert (ROOT / ".ci" / "run").read_text().count(commands[1]) == 1
