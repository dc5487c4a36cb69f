"""What the user's own code raises in training ends at its line, in at most ten lines; the log has the traceback."""

import re

import pytest
from omegaconf import OmegaConf

from dlpipe.training.error_report import message, one_line, report

CODE = """
import pytorch_lightning as pl, torch
from torch.nn import functional as F
from dlpipe.data import TensorDataModule

class Good(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(784, 10)
    def training_step(self, batch, batch_idx):
        return F.cross_entropy(self.linear(batch[0]), batch[1])

class Shape(Good):
    def training_step(self, batch, batch_idx):
        return self.loss(batch[0].T)  # outer
    def loss(self, x):
        return self.linear(x).sum()  # shapes

class Chained(Good):
    def on_train_start(self):
        try:
            {}["key"]  # missing
        except KeyError as error:
            raise ValueError("no such key") from error  # chained

class Broken(Good):
    def on_train_start(self):
        from mine import wrong_syntax  # of another file

class Exits(Good):
    def on_train_start(self):
        raise SystemExit("enough")  # an exit

class Rank(Good):
    def on_train_batch_start(self, batch, batch_idx):
        raise ValueError(f"bad on {self.global_rank // 9}")  # on each rank

class Numbers(torch.utils.data.Dataset):
    def __len__(self):
        return 40
    def __getitem__(self, index):
        if index == 3:
            raise IndexError("no example 3")  # of a worker
        return torch.zeros(784), 0

class Workers(pl.LightningDataModule):
    def train_dataloader(self):
        return torch.utils.data.DataLoader(Numbers(), batch_size=2, num_workers=1)

class Mine(pl.Callback):
    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        outputs["accuracy"]  # of a callback
"""
MODELS = ("Good", "Shape", "Chained", "Broken", "Exits", "Rank")
SHORT = ("try_one_batch=false", "recipe.max_epochs=1", "hydra.run.dir=r")


@pytest.fixture
def code(install) -> str:
    """Installs the classes above; returns their file."""
    files = {"mine/__init__.py": CODE, "mine/wrong_syntax.py": "x = 1\nif x\n"}
    site = install("dlpipe-mine", {name: f"mine:{name}" for name in MODELS}, files)
    install("dlpipe-mine-data", {"workers": "mine:Workers"}, {}, kind="datasets")
    return str(site / "mine" / "__init__.py")


def place(file, text):
    """The start of the line about the line of CODE with this comment, up to its function."""
    return f"  {file}:{1 + next(n for n, line in enumerate(CODE.splitlines()) if text in line)}, in "


def lines_of_error(result):
    """The last lines that the command printed, from the one about the exception on."""
    lines = result.out.splitlines()
    start = max(n for n, line in enumerate(lines) if re.match(r"(rank \d of \d failed: )?\w+(Error|Exit): ", line))
    return lines[start:]


@pytest.mark.parametrize(
    ("model", "first", "comments"),
    [
        ("Shape", "RuntimeError: mat1 and mat2 shapes", ["# outer", "# shapes"]),
        ("Chained", "ValueError: no such key", ["# chained"]),
        ("Exits", "SystemExit: enough", ["# an exit"]),
    ],
)
def test_error_in_training_ends_at_the_users_lines_and_its_traceback_is_in_the_log(model, first, comments, code, cli):
    result = cli(f"model={model}", *SHORT)
    assert result.code == 1
    lines = lines_of_error(result)
    assert len(lines) <= 10
    assert lines[0].startswith(first)
    frames = [line for line in lines if line.startswith(f"  {code}:")]
    assert [line.partition("in ")[0] + "in " for line in frames] == [place(code, text) for text in comments]
    assert all(line.endswith(text) for line, text in zip(frames, comments, strict=True))
    log = result.folder / "r" / "dlpipe.log"
    assert lines[-1] == f"The full traceback is in {log}"
    assert "Traceback (most recent call last)" in log.read_text()
    assert "Traceback" not in result.out + result.err
    assert "HYDRA" not in result.out + result.err


def test_cause_of_an_exception_is_on_a_line_of_its_own(code, cli):
    assert "  caused by KeyError: 'key'" in lines_of_error(cli("model=Chained", *SHORT))


def test_syntax_error_ends_at_the_line_of_its_file(code, cli):
    lines = lines_of_error(cli("model=Broken", *SHORT))
    assert lines[0].startswith("SyntaxError: ")
    assert lines[1].startswith(place(code, "# of another file"))
    assert lines[2].endswith("wrong_syntax.py:2: if x")


def test_error_in_a_worker_of_the_dataloader_ends_at_the_users_line(code, cli):
    lines = lines_of_error(cli("model=Good", "dataset=workers", *SHORT))
    assert lines[0] == "IndexError: no example 3 (in a worker process of the DataLoader)"
    assert lines[1].startswith(place(code, "# of a worker") + "__getitem__: raise IndexError")


def test_error_in_a_callback_ends_at_its_line(code, cli):
    lines = lines_of_error(cli("model=logreg", "+callbacks.mine._target_=mine.Mine", *SHORT))
    assert lines[0] == "KeyError: 'accuracy'"
    assert lines[1].startswith(place(code, "# of a callback"))


def test_metric_that_is_not_logged_is_reported_with_lightnings_list_and_the_key(cli):
    stopping = ("_target_=pytorch_lightning.callbacks.EarlyStopping", "monitor=val/nope")
    words = [f"+callbacks.early_stopping.{text}" for text in stopping]
    lines = lines_of_error(cli("model=logreg", *words, *SHORT))
    assert lines[0].startswith("RuntimeError: Early stopping conditioned on metric `val/nope` which is not available")
    assert "`val/error`" in lines[0]
    assert lines[1:-1] == ["  raised by callbacks.early_stopping.monitor=val/nope"]


def test_hydra_full_error_prints_the_traceback(code, cli, monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    result = cli("model=Shape", *SHORT)
    assert result.code == 1
    assert "Traceback (most recent call last)" in result.out


def test_failed_sweep_ends_with_code_1_also_with_its_tracebacks(code, cli, monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    result = cli("-m", "model=Shape", *SHORT[:2])
    assert result.code == 1
    assert "Traceback (most recent call last)" in result.out


def test_each_failed_job_of_a_sweep_ends_at_the_users_line(code, cli):
    result = cli("-m", "model=Shape,Chained,Good", *SHORT[:2])
    assert result.code == 1
    for text in ("# shapes", "# chained"):
        assert result.out.count(place(code, text)) == 1
    assert "Traceback" not in result.out + result.err


@pytest.mark.slow
def test_error_of_every_rank_is_reported_once(code, cli):
    result = cli("model=Rank", "trainer=ddp", "trainer.accelerator=cpu", *SHORT)
    assert result.code == 1
    lines = lines_of_error(result)
    assert lines[0].endswith(" of 2 failed: ValueError: bad on 0")
    assert lines[1].startswith(place(code, "# on each rank"))
    assert len(lines) == 3
    assert "Traceback" not in result.out
    assert "Traceback" in (result.folder / "r" / "dlpipe.log").read_text()


def test_error_of_dlpipe_itself_is_called_one(cli, monkeypatch):
    monkeypatch.setattr("dlpipe.training.run.tune_memory", lambda: None + 1)
    monkeypatch.setattr("dlpipe.training.run.torch.set_num_threads", None)
    result = cli("model=logreg", *SHORT)
    assert result.code == 1
    assert lines_of_error(result)[1] == "  This is a fault of dlpipe; please report it with the log"


class UnprintableError(Exception):
    """An exception whose text cannot be made."""

    def __str__(self):
        raise RuntimeError


EMPTY = OmegaConf.create({})


@pytest.mark.parametrize(
    ("error", "first"),
    [
        (ValueError(), "ValueError"),
        (ValueError("  \n"), "ValueError"),
        (UnprintableError(), "UnprintableError: (its message cannot be shown: str() raised RuntimeError)"),
        (ModuleNotFoundError("No module named 'gone'"), "ModuleNotFoundError: No module named 'gone'"),
        (ValueError("x" * 10_000), "ValueError: " + "x" * 288 + "..."),
    ],
)
def test_message_of_any_exception_is_short(error, first):
    assert report(error, EMPTY).splitlines()[0] == first
    assert first.startswith(type(error).__name__)


def test_long_message_has_three_lines_and_the_number_of_the_others():
    error = ValueError("\n".join(f"line {number}" for number in range(100)))
    lines = report(error, EMPTY).splitlines()
    assert lines[:4] == ["ValueError: line 0", "line 1", "line 2", "  ... (97 more lines)"]
    assert len(lines) <= 10


def test_error_about_another_rank_is_no_fault_of_dlpipe():
    lines = report(RuntimeError("[gloo/transport/tcp/pair.cc] Connection closed by peer"), EMPTY).splitlines()
    assert lines[1] == "  Another rank of the run has ended; see its error"


def test_memory_that_does_not_suffice_asks_for_a_smaller_batch():
    assert "choose a smaller recipe.batch_size" in report(MemoryError(), EMPTY)


def test_error_of_a_library_may_be_of_the_users_data():
    lines = report(RuntimeError("element 0 of tensors does not require grad"), EMPTY).splitlines()
    assert lines[1].startswith("  No line of your code raised it. If the model and the data are right: this is a fault")


def test_first_error_of_a_group_is_its_cause():
    error = ValueError("several")
    error.exceptions = [KeyError("first")]  # as an ExceptionGroup of Python 3.11
    assert "  caused by KeyError: 'first'" in report(error, EMPTY).splitlines()


def test_deep_recursion_shows_three_lines():
    def deep():
        deep()

    with pytest.raises(RecursionError) as raised:
        deep()
    lines = report(raised.value, EMPTY).splitlines()
    assert len([line for line in lines if line.endswith("in deep: deep()")]) == 3
    assert len(lines) <= 10


def test_lines_of_an_installed_library_are_not_the_users(tmp_path, monkeypatch):
    package = tmp_path / "site-packages"
    package.mkdir()
    (package / "some_library.py").write_text("def fail():\n    raise OSError('inside')\n")
    monkeypatch.syspath_prepend(str(package))
    import some_library

    with pytest.raises(OSError, match="inside") as raised:
        some_library.fail()  # mine
    assert one_line(raised.value, EMPTY).endswith("some_library.fail()  # mine)")
    chosen = OmegaConf.create({"callbacks": {"x": {"_target_": "some_library.Callback"}}})
    assert one_line(raised.value, chosen).endswith(":2: raise OSError('inside'))")


def test_exception_from_a_worker_is_its_own_last_lines():
    text = (
        "Caught KeyError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n"
        '  File "/a/b.py", line 3, in f\n    g()\n    ^^^\nKeyError: 1\nof two lines'
    )
    assert message(KeyError(1)) == "KeyError: 1"
    assert message(RuntimeError(text)) == "KeyError: 1\nof two lines (in a worker process of the DataLoader)"
