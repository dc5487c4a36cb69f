"""Private names of Lightning are used in one file, and these are they: what an upgrade has to be checked for."""

import ast
from pathlib import Path

import lightning_fabric
import pytest
import pytorch_lightning

ROOT = Path(__file__).parents[2]
ONLY = ROOT / "dlpipe" / "training" / "lightning_private.py"
OTHERS = sorted(path for path in (ROOT / "dlpipe").rglob("*.py") if path != ONLY)

PINNED = {
    # loops
    "_AutomaticOptimization",
    "_FitLoop",
    "_TrainingEpochLoop",
    "_batches_that_stepped",
    "_is_training_done",
    "_loaded_from_state_dict",
    "_num_ready_batches_reached",
    "_should_accumulate",
    # data
    "_DataFetcher",
    "_DataLoaderIterDataFetcher",
    "_Stateful",
    "_idx",
    "_iterator",
    "_on_before_batch_transfer",
    # self.log
    "_Metadata",
    "_ResultMetric",
    "_Sync",
    "_callback_metrics",
    "_current_fx_name",
    "_first_loop_iter",
    "_logger_connector",
    "_results",
    "_seen_batches_per_dataloader",
    "_should",
    "_sync",
    # loggers
    "_experiment_id",
    "_initialized",
    # strategies and modules
    "_MultiProcessingLauncher",
    "_state_dict_type",
    "_trainer",
}
# torch's, or ours, though Lightning spells a name of its own like that
NOT_LIGHTNINGS = {
    "_backward_hooks",
    "_forward_hooks",
    "_forward_pre_hooks",
    "_name",
    "_op",
    "_update_count",
    "_version",
}


def is_private(name):
    return name.startswith("_") and not name.startswith("__") and name != "_"


def defined(tree):
    """Names of the functions and classes in a file, and of what it assigns."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            for target in ast.walk(node):
                if isinstance(target, (ast.Attribute, ast.Name)) and isinstance(target.ctx, ast.Store):
                    yield target.attr if isinstance(target, ast.Attribute) else target.id


def used(tree):
    """Names that a file imports, reads from objects, passes as keywords or writes as strings, but not its own."""
    own = set(defined(tree)) - PINNED
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (node.module or "").split(".")
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (part for alias in node.names for part in alias.name.split("."))
        elif isinstance(node, ast.Attribute):
            is_own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls") and node.attr in own
            yield from [] if is_own else [node.attr]
        elif isinstance(node, ast.keyword):
            yield node.arg or ""
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.fixture(scope="module")
def of_lightning():
    """Every private name that Lightning defines."""
    files = [
        file for package in (pytorch_lightning, lightning_fabric) for file in Path(package.__path__[0]).rglob("*.py")
    ]
    names = {name for file in files for name in defined(ast.parse(file.read_text(encoding="utf-8")))}
    return {name for name in names if is_private(name)} - NOT_LIGHTNINGS


def test_private_names_of_lightning_are_used_in_one_file_only(of_lightning):
    assert len(OTHERS) > 80
    found = {str(path.relative_to(ROOT)): of_lightning & set(used(ast.parse(path.read_text()))) for path in OTHERS}
    assert {path: sorted(names) for path, names in found.items() if names} == {}


def test_the_private_names_are_these():
    names = {name for name in used(ast.parse(ONLY.read_text())) if is_private(name)}
    assert names - NOT_LIGHTNINGS == PINNED


def test_lightning_still_has_the_private_names(of_lightning):
    assert sorted(PINNED - of_lightning) == []


@pytest.mark.parametrize(
    "source",
    [
        "from pytorch_lightning.loops.fit_loop import _FitLoop",
        "trainer._logger_connector.on_batch_start(batch)",
        "getattr(strategy, '_state_dict_type')",
        "_Sync(_should=True)",
        "class Loop(FitLoop):\n    def count(self):\n        self._batches_that_stepped = 1",
    ],
)
def test_each_way_to_use_a_private_name_is_seen(source, of_lightning):
    assert of_lightning & set(used(ast.parse(source)))


def test_an_attribute_that_a_class_sets_itself_is_its_own(of_lightning):
    source = "class Ours:\n    def __init__(self):\n        self._batch = 0\n        print(self._batch)"
    assert "_batch" in of_lightning
    assert "_batch" not in set(used(ast.parse(source)))
