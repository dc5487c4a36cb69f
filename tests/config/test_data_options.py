"""A dataset whose files alone tell how many features and classes it has."""

import json

import pytest
import yaml

DATASET = """
import json, torch
from pathlib import Path
from dlpipe import DataError
from dlpipe.data import Split, TensorDataModule

class Points(TensorDataModule):
    def __init__(self, file: str, class_names: list[str] | None = None, **options):
        super().__init__(**options)
        self.file, self.class_names = Path(file), class_names
    def content(self):
        if not self.file.is_file():
            raise DataError(f"no file {self.file}")
        return json.loads(self.file.read_text())
    def options_from_files(self):
        content = self.content()
        with open(content["calls"], "a") as calls:
            calls.write("x")
        return {"num_features": len(content["x"][0]), "num_classes": 2, "class_names": ["no", "yes"]}
    def load_splits(self):
        x = torch.tensor(self.content()["x"])
        return {name: Split(x, (x.sum(1) > 0).long()) for name in ("train", "val", "test")}
    def read_examples(self, path):
        return torch.tensor(json.loads(path.read_text()))
"""
YAML = """
name: points
file: ???
image_shape: null
num_features: null
num_classes: null
batch_size: ${recipe.batch_size}
shuffle: false
drop_last: false
eval_batch_size: 100
eval_drop_last: false
seed: ${seed}
"""


@pytest.fixture
def points(install, tmp_path):
    """The file of an installed dataset, and the one that counts the calls of its method."""
    files = {"points/__init__.py": DATASET, "points/conf/dataset/points.yaml": YAML}
    install("dlpipe-points", {"points": "points:Points"}, files, kind="datasets")
    calls = tmp_path / "calls"
    file = tmp_path / "points.json"
    file.write_text(json.dumps({"x": [[1.0, 2.0, 1.0], [-1.0, -2.0, -1.0]] * 10, "calls": str(calls)}))
    return file, calls


def request(file, *overrides):
    return ["model=logreg", "dataset=points", f"dataset.file={file}", "recipe.max_epochs=2", *overrides]


@pytest.fixture
def run(cli, points):
    result = cli(*request(points[0]))
    assert result.code == 0, result.err
    return result


def test_the_model_is_built_with_what_the_files_tell_and_the_config_stores_it(run):
    config = yaml.safe_load((run.run_dir / "config.yaml").read_text())
    assert config["dataset"]["num_features"] == config["model"]["num_features"] == 3
    assert config["model"]["num_classes"] == 2
    assert config["dataset"]["class_names"] == ["no", "yes"]


def test_predict_reads_a_file_as_the_dataset_does_and_prints_the_names_of_the_classes(run, cli, points, tmp_path):
    points[0].unlink()  # the training data may not be there
    (tmp_path / "new.json").write_text("[[5.0, 5.0, 5.0], [-5.0, -5.0, -5.0]]")
    result = cli("predict", str(run.run_dir), str(tmp_path / "new.json"))
    assert [line.split(",")[0].split(": ")[1] for line in result.out.splitlines()] == ["yes", "no"]


def test_predict_names_the_true_class_of_a_test_example(run, cli):
    first = cli("predict", str(run.run_dir)).out.splitlines()[0]
    assert first.startswith("test[0]: yes, ")
    assert first.endswith("true label yes")


def test_a_run_that_is_resumed_or_tested_does_not_ask_again(run, cli, points):
    before = points[1].read_text()
    assert cli("resume", str(run.run_dir), "recipe.max_epochs=3").code == 0
    assert cli("test", str(run.run_dir)).code == 0
    assert cli("reproduce", str(run.run_dir)).code == 0
    assert points[1].read_text() == before


def test_a_value_that_is_typed_wins(cli, points):
    result = cli(*request(points[0], "dataset.num_classes=5"))
    assert yaml.safe_load((result.run_dir / "config.yaml").read_text())["model"]["num_classes"] == 5


def test_check_and_a_sweep_fill_them_in_too(cli, points):
    assert cli("check", *request(points[0])).code == 0
    result = cli("-m", *request(points[0], "seed=1,2"))
    assert result.code == 0, result.err
    assert [yaml.safe_load((d / "config.yaml").read_text())["model"]["num_features"] for d in result.run_dirs] == [3, 3]


def test_a_sweep_over_two_files_builds_two_models(cli, points):
    folder = cli("list").folder
    content = json.loads(points[0].read_text())
    for name, repeats in (("a", 1), ("b", 2)):
        wide = json.dumps(content | {"x": [row * repeats for row in content["x"]]})
        (folder / f"{name}.json").write_text(wide)
    result = cli("-m", *request("a.json,b.json"))
    assert result.code == 0, result.err
    assert [yaml.safe_load((d / "config.yaml").read_text())["model"]["num_features"] for d in result.run_dirs] == [3, 6]


def test_a_run_that_is_queued_again_resumes(cli, points):
    overrides = request(points[0], "resume=auto", "hydra.run.dir=run")
    assert cli(*overrides).code == 0
    result = cli(*overrides)
    assert result.code == 0, result.err
    assert "nothing is left to train" in result.out + result.err


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda file: file.unlink(), "dataset=points: no file {}"),
        (lambda file: file.write_text("{"), "dataset=points: JSONDecodeError: Expecting property name"),
    ],
)
def test_files_that_cannot_be_read_are_one_problem_before_anything_is_written(cli, points, write, message):
    write(points[0])
    result = cli(*request(points[0]))
    assert result.code == 2
    assert message.format(points[0]) in result.err
    assert "1 problem in this request; nothing was run or written" in result.err


def test_options_that_the_dataset_does_not_take_are_reported_alone(cli, points):
    result = cli(*request(points[0], "dataset.num_features=-3"))
    assert result.code == 2
    assert "dataset.num_features=-3" in result.err
    assert "1 problem" in result.err
