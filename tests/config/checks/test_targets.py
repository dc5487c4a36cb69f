"""Which objects a config may instantiate with ``_target_``."""

import pytest
from omegaconf import OmegaConf
from pytorch_lightning.callbacks import Timer
from pytorch_lightning.loggers import Logger

from dlpipe.config.checks.targets import resolve_target

TIMER = "pytorch_lightning.callbacks.Timer"
DDP = "pytorch_lightning.strategies.DDPStrategy"


@pytest.fixture
def message():
    """The problems with a node, one per line."""

    def problems(node, where="callbacks.x"):
        found = []
        assert (resolve_target(OmegaConf.create(node), where, found) is None) == bool(found)
        return "\n".join(map(str, found))

    return problems


def test_target_of_the_expected_type_is_accepted():
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
def test_each_config_node_accepts_only_its_own_type(message, where, path):
    assert message({"_target_": path}, where) == ""
    other = "optimizer" if where.startswith(("callbacks", "logger")) else "logger.x"
    assert f"{other}._target_={path}: makes no " in message({"_target_": path}, other)


@pytest.mark.parametrize("path", ["os.system", "builtins.exec", "logging.FileHandler", "os", "torch.tensor"])
def test_target_of_another_type_is_refused(message, path):
    wanted = "makes no Callback; name a class of that kind, or a function annotated to return one"
    assert message({"_target_": path}) == f"callbacks.x._target_={path}: {wanted}"


@pytest.mark.parametrize("node", [{}, {"a": 1}, {"_target_": 3}, {"_target_": None}, {"_target_": {"_target_": TIMER}}])
def test_node_without_target_is_reported(message, node):
    assert message(node) == "callbacks.x: has no _target_; name a class, such as package.module.Class"


@pytest.mark.parametrize("path", ["no.Such", "torch.optim.Foo", "", "..", "a b"])
def test_failed_import_is_reported_on_one_line(message, path, capfd):
    assert message({"_target_": path}).startswith(f"callbacks.x._target_={path}: cannot be imported: ")
    assert "\n" not in message({"_target_": path})
    assert capfd.readouterr().err == ""


def test_module_that_exits_on_import_is_reported(message, tmp_path, monkeypatch):
    (tmp_path / "leaves.py").write_text("raise SystemExit('good bye')")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "callbacks.x._target_=leaves.Class: cannot be imported: " in message({"_target_": "leaves.Class"})


def test_nested_object_must_match_the_annotation_of_its_argument(message):
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
def test_nested_object_of_another_type_is_refused_at_any_depth(message, name, value):
    said = message({"_target_": TIMER, name: value})
    assert f"callbacks.x.{name}" in said
    assert "_target_=" in said
    assert (
        "makes no timedelta" in said
        or "no object is allowed here: the annotation of the argument names no class" in said
    )


def test_logger_function_with_another_return_annotation_is_refused(message, tmp_path, monkeypatch):
    (tmp_path / "makers.py").write_text("def plain(): ...\ndef other() -> int: ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("plain", "other"):
        assert f"makes no {Logger.__name__}" in message({"_target_": f"makers.{name}"}, "logger.x")
