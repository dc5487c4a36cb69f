"""Tables."""

import gzip
import logging

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import datasets

from dlpipe import DataError
from dlpipe_files.table import Table


@pytest.fixture
def load(options):
    """A function that sets up a table and returns it."""

    def run(path, **changes):
        data = Table(file=str(path), **options | changes)
        for name, value in data.options_from_files().items():
            if getattr(data, name) is None:
                setattr(data, name, value)
        data.prepare_data()
        data.setup("fit")
        return data

    return run


@pytest.fixture
def people(tmp_path):
    """Thirty rows: a number with a missing value, a category with one, the target."""
    rows = [f"{age},{('red', 'blue')[age % 2]},{('no', 'yes')[age % 3 == 0]}" for age in range(30)]
    rows[4], rows[5] = ",red,no", "5,NA,no"
    path = tmp_path / "people.csv"
    path.write_text("\n".join(["age,colour,bought", *rows]))
    return path


def features(data):
    return {name: split.x for name, split in data.splits.items()}


def test_the_last_column_is_the_target_and_its_values_the_classes(wine, load):
    data = load(wine)
    assert (data.target, data.task) == ("target", "classification")
    assert (data.class_names, data.num_features, data.num_classes) == (["0", "1", "2"], 13, 3)
    assert {name: len(split.x) for name, split in data.splits.items()} == {"train": 106, "val": 36, "test": 36}


def test_numbers_are_standardised_by_the_training_rows(wine, load):
    data = load(wine)
    x = data.splits["train"].x.double()
    np.testing.assert_allclose(x.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(x.std(0, correction=0), 1, atol=1e-6)
    assert (data.splits["test"].x.mean(0).abs() > 1e-3).any()


def test_every_row_keeps_its_values_and_its_label(wine, load):
    data = load(wine)
    frame = pd.read_csv(wine)
    for name, rows in data._rows(data._table()[0]).items():
        x, y = data.splits[name]
        assert y.tolist() == frame["target"].iloc[rows].tolist()
        order = np.argsort(frame["proline"].iloc[rows].to_numpy(), kind="stable")
        assert (x[order, -1].diff() >= 0).all()


def test_categories_are_one_hot_and_missing_values_are_imputed_and_reported(people, load, caplog):
    caplog.set_level(logging.INFO)
    data = load(people)
    assert data.num_features == 3
    x = torch.cat([*features(data).values()])
    assert set(x[:, 1:].flatten().tolist()) == {0.0, 1.0}
    assert (x[:, 1:].sum(1) == 1).all()
    assert (x[:, 0] == 0).sum() == 1
    assert "missing values of 30 rows, imputed from training: age 1, colour 1" in caplog.messages
    assert "classification of column 'bought', by 2 columns" in caplog.messages


def test_the_split_depends_on_its_seed(wine, load):
    assert torch.equal(features(load(wine))["val"], features(load(wine))["val"])
    assert not torch.equal(features(load(wine, split_seed=1))["val"], features(load(wine))["val"])


@pytest.mark.parametrize("form", ["parquet", "semicolons", "tabs", "gzip", "latin-1", "byte order mark"])
def test_the_same_table_in_another_form_is_the_same(people, load, tmp_path, form):
    text = people.read_text().replace("red", "rouge")
    people.write_text(text)
    path = tmp_path / "other.csv"
    if form == "parquet":
        pd.read_csv(people).to_parquet(path.with_suffix(".parquet"))
        path = path.with_suffix(".parquet")
    elif form == "gzip":
        path.write_bytes(gzip.compress(text.encode()))
    elif form == "latin-1":
        path.write_text(text.replace("rouge", "réd"), encoding="latin-1")
    else:
        written = {
            "semicolons": text.replace(",", ";"),
            "tabs": text.replace(",", "\t"),
            "byte order mark": "\ufeff" + text,
        }
        path.write_text(written[form], encoding="utf-8")
    other = features(load(path, encoding="latin-1" if form == "latin-1" else "utf-8"))
    for name, x in features(load(people)).items():
        torch.testing.assert_close(other[name], x)


def test_a_target_of_many_numbers_is_a_regression(tmp_path, load):
    path = tmp_path / "diabetes.csv"
    frame = datasets.load_diabetes(as_frame=True).frame
    frame.to_csv(path, index=False)
    data = load(path)
    assert (data.task, data.num_classes, data.class_names) == ("regression", None, None)
    y = torch.cat([split.y for split in data.splits.values()])
    assert y.dtype == torch.float32
    assert sorted(y.tolist()) == sorted(frame["target"])


def test_numbers_may_be_categories_columns_left_out_and_the_target_any(people, load):
    data = load(people, target="colour", categorical=["age"], ignore=["bought"], on_bad_row="skip", max_categories=30)
    assert data.class_names == ["blue", "red"]
    assert data.num_features == len(data.splits["train"].x)


def test_rows_that_cannot_be_used_are_skipped_and_counted(people, load, caplog):
    caplog.set_level(logging.INFO)
    people.write_text(
        people.read_text().replace("\n7,", "\nseven,").replace("9,blue,yes", "9,blue,yes,more") + "\n1,red,"
    )
    data = load(people, on_bad_row="skip")
    assert sum(len(x) for x in features(data).values()) == 28
    (line,) = [message for message in caplog.messages if "skipped" in message]
    assert line.startswith("3 of 31 rows skipped: ")
    assert "line 11 has 4 cells, and the header 3" in line
    assert "line 9, column 'age': 'seven' is no number, as the others are" in line
    assert "line 32, column 'bought': the value is missing" in line


def test_another_file_is_encoded_as_the_training_rows_in_any_order_of_columns_and_without_a_target(
    wine, load, tmp_path
):
    data = load(wine)
    frame = pd.read_csv(wine)
    columns = [name for name in frame.columns if name != "target"][::-1]
    frame[columns].to_csv(tmp_path / "new.csv", index=False)
    x = data.read_examples(tmp_path / "new.csv")
    rows = data._rows(data._table()[0])["test"]
    torch.testing.assert_close(x[rows], data.splits["test"].x)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("age,colour\n1,green", r"line 2, column 'colour': 'green' is none of the categories blue, red"),
        ("age,color\n1,red", r"has no column 'colour'; did you mean 'color'\?"),
        ("age,colour\nx,red\ny,red", r"line 2, column 'age': 'x' is no number.* \(and 1 more\)"),
        ("age,colour\n1,red,3", "line 2 has 3 cells, and the header 2"),
    ],
)
def test_a_file_to_predict_that_does_not_fit_is_refused(people, load, tmp_path, text, message):
    (tmp_path / "new.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        load(people).read_examples(tmp_path / "new.csv")


def test_a_missing_value_in_a_file_to_predict_is_imputed(people, load, tmp_path):
    (tmp_path / "new.csv").write_text("age,colour\n,red\n")
    assert load(people).read_examples(tmp_path / "new.csv").tolist() == [[0.0, 0.0, 1.0]]


def test_texts_that_a_config_would_change_come_back_unchanged(tmp_path, load, options):
    path = tmp_path / "odd.csv"
    rows = "".join(f'"{value}",{index % 2}\n' for index, value in enumerate(["${x}", "???", "yes", "1e3", "ü"] * 6))
    path.write_text("odd,y\n" + rows, encoding="utf-8")
    data = load(path)
    assert data.num_features == 5
    (tmp_path / "new.csv").write_text('odd\n"${x}"\n'.replace("odd", "odd,z").replace('"\n', '",1\n'))
    assert data.read_examples(tmp_path / "new.csv").sum() == 1


def test_a_category_that_training_lacks_is_all_zeros_and_reported(tmp_path, load, caplog):
    caplog.set_level(logging.INFO)
    path = tmp_path / "rare.csv"
    path.write_text(
        "kind,size,y\n" + "".join(f"{'rare' if row == 3 else 'ab'[row % 2]},{row},{row % 2}\n" for row in range(30))
    )
    for seed in range(20):
        data = load(path, split_seed=seed)
        if data.num_features == 3:
            break
    assert any(message.startswith("1 texts are no category in training, and all 0: ") for message in caplog.messages)
    assert sum((x[:, :2].sum(1) == 0).sum().item() for x in features(data).values()) == 1
