"""What a config may have made by naming its class."""

import pytest
from omegaconf import OmegaConf
from pytorch_lightning.callbacks import Timer
from pytorch_lightning.loggers import Logger

from dlpipe.config.checks.objects import resolve_target

TIMER = "pytorch_lightning.callbacks.Timer"
DDP = "pytorch_lightning.strategies.DDPStrategy"


@pytest.fixture
def message():
    """The problems with a node, one a line."""

    def problems(node, where="callbacks.x"):
        found = []
        assert (resolve_target(OmegaConf.create(node), where, found) is None) == bool(found)
        return "\n".join(map(str, found))

    return problems


def test_a_class_of_the_kind_is_found():
    assert resolve_target({"_target_": TIMER}, "callbacks.x", []) is Timer


@pytest.mark.parametrize(
    ("where", "path"),
    [
        ("callbacks.x", TIMER),
        ("logger.x", "dlpipe.training.loggers.csv.MetricsCsv"),
        ("logger.x", "dlpipe.training.loggers.wandb.wandb_logger"),  # a function
        ("trainer", "pytorch_lightning.Trainer"),
        ("optimizer", "dlpipe.training.optimizers.full_batch.FullBatch"),
        ("scheduler", "torch.optim.lr_scheduler.ReduceLROnPlateau"),
        ("scheduler", "dlpipe.training.optimizers.schedules.InverseTime"),
    ],
)
def test_every_place_takes_its_kind_and_no_other(message, where, path):
    assert message({"_target_": path}, where) == ""
    other = "optimizer" if where.startswith(("callbacks", "logger")) else "logger.x"
    assert f"{other}._target_={path}: makes no " in message({"_target_": path}, other)


@pytest.mark.parametrize("path", ["os.system", "builtins.exec", "logging.FileHandler", "os", "torch.tensor"])
def test_what_is_of_no_kind_is_refused(message, path):
    wanted = "makes no Callback; name a class of that kind, or a function annotated to return one"
    assert message({"_target_": path}) == f"callbacks.x._target_={path}: {wanted}"


@pytest.mark.parametrize("node", [{}, {"a": 1}, {"_target_": 3}, {"_target_": None}, {"_target_": {"_target_": TIMER}}])
def test_a_node_without_a_class_is_told(message, node):
    assert message(node) == "callbacks.x: has no _target_; name a class, such as package.module.Class"


@pytest.mark.parametrize("path", ["no.Such", "torch.optim.Foo", "", "..", "a b"])
def test_what_cannot_be_imported_is_told_in_a_line(message, path, capfd):
    assert message({"_target_": path}).startswith(f"callbacks.x._target_={path}: cannot be imported: ")
    assert "\n" not in message({"_target_": path})
    assert capfd.readouterr().err == ""


def test_a_module_that_exits_when_imported_is_told(message, tmp_path, monkeypatch):
    (tmp_path / "leaves.py").write_text("raise SystemExit('good bye')")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "callbacks.x._target_=leaves.Class: cannot be imported: " in message({"_target_": "leaves.Class"})


def test_objects_inside_are_those_that_the_argument_is_annotated_with(message):
    hour = {"_target_": "datetime.timedelta", "hours": 1}
    assert message({"_target_": TIMER, "duration": hour}) == ""
    assert message({"_target_": "pytorch_lightning.Trainer", "strategy": {"_target_": DDP}}, "trainer") == ""
    refused = message({"_target_": "pytorch_lightning.Trainer", "strategy": hour}, "trainer")
    assert refused.startswith("trainer.strategy._target_=datetime.timedelta: makes no Strategy; ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("duration", {"_target_": "subprocess.Popen", "args": "ls"}),
        ("duration", {"a": [{"_target_": "subprocess.Popen"}]}),
        ("interval", {"_target_": "subprocess.Popen"}),
        ("unknown", {"_target_": "datetime.timedelta"}),
        ("_args_", [{"_target_": "datetime.timedelta"}]),
    ],
)
def test_no_other_object_is_made_inside_at_any_depth(message, name, value):
    said = message({"_target_": TIMER, name: value})
    assert f"callbacks.x.{name}" in said
    assert "_target_=" in said
    assert "makes no timedelta" in said or "no object is made here: the argument is annotated with no class" in said


def test_a_logger_annotated_otherwise_is_refused(message, tmp_path, monkeypatch):
    (tmp_path / "makers.py").write_text("def plain(): ...\ndef other() -> int: ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("plain", "other"):
        assert f"makes no {Logger.__name__}" in message({"_target_": f"makers.{name}"}, "logger.x")
