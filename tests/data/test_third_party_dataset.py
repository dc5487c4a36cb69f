"""An idx dataset that a plugin adds, from its files to a trained model."""

import hashlib
import json
import shutil

import pytest

# what a third party writes, in all
PLUGIN = '''
from dlpipe.data import IdxFiles, IdxImages, RemoteFile


class Bars(IdxImages):
    """Bars on the left or on the right."""

    dataset_name = "bars"
    num_validation = 20
    idx_files = IdxFiles(
        train_images=RemoteFile("train_images", "{train_images}", ()),
        train_labels=RemoteFile("train_labels", "{train_labels}", ()),
        test_images=RemoteFile("test_images", "{test_images}", ()),
        test_labels=RemoteFile("test_labels", "{test_labels}", ()),
    )
'''
YAML = """
defaults: [mnist, _self_]
name: bars
image_shape: [1, 4, 4]
num_features: 16
num_classes: 2
"""


@pytest.fixture
def bars_plugin(install, bars, write, tmp_path, monkeypatch):
    """Installs the dataset ``bars``, with its files in ``$DLPIPE_DATA``; returns their folder."""
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in bars.items()}
    files = {"acme_bars/__init__.py": PLUGIN.format(**sums), "acme_bars/conf/dataset/bars.yaml": YAML}
    install("acme-bars", {"bars": "acme_bars:Bars"}, files, kind="datasets")
    monkeypatch.setenv("DLPIPE_DATA", str(tmp_path / "data"))
    return write(tmp_path / "data" / "bars", bars)


def test_a_plugin_adds_an_idx_dataset_in_a_few_lines(bars_plugin, cli):
    result = cli("model=logreg", "dataset=bars", "recipe.batch_size=10", "trainer.max_epochs=40")
    assert result.code == 0, result.err
    summary = json.loads((result.run_dir / "summary.json").read_text())
    assert summary["evaluated"] == {"val": 20, "test": 20}
    assert summary["test"]["test/error"] == 0


def test_the_checksums_of_an_idx_dataset_are_in_the_runs_provenance(bars_plugin, bars, cli):
    result = cli("model=logreg", "dataset=bars", "recipe.batch_size=10", "trainer.max_epochs=1")
    provenance = json.loads((result.run_dir / "provenance.json").read_text())
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in bars.items()}
    assert sums.items() <= provenance["data"].items()


@pytest.mark.parametrize(
    "damage",
    [lambda content: content[:-5], lambda content: content[:20] + bytes([content[20] ^ 1]) + content[21:]],
    ids=["truncated", "bit flipped"],
)
def test_a_damaged_idx_file_is_refused_and_nothing_is_written(bars_plugin, cli, damage):
    path = bars_plugin / "test_images"
    path.write_bytes(damage(path.read_bytes()))
    result = cli("model=logreg", "dataset=bars")
    assert result.code == 2
    assert f"dataset=bars: {path} is damaged or a different file" in result.err
    assert result.written == []


@pytest.fixture
def downloads(bars_plugin, monkeypatch):
    """Bars that are on a server only; returns the names of the files that are downloaded."""
    monkeypatch.delenv("DLPIPE_DATA")
    names = []

    def download(file, folder):
        names.append(file.name)
        return shutil.copy(bars_plugin / file.name, folder)

    monkeypatch.setattr("dlpipe.data.files.download", download)
    return names


def test_check_downloads_nothing_and_logs_what_it_leaves_out(downloads, own_cache, cli, caplog):
    result = cli("check", "model=logreg", "dataset=bars", "model.num_classes=1")
    assert (result.code, downloads, list(own_cache.iterdir())) == (0, [], [])
    assert "dataset=bars is not checked, and one minibatch is not tried, before a run downloads it: no " in caplog.text


@pytest.mark.parametrize(
    ("override", "message"),
    [("offline=true", "Put them there"), ("dataset.directory=typo", "is not a folder")],
)
def test_check_refuses_data_that_a_run_could_not_download(override, message, downloads, cli):
    result = cli("check", "model=logreg", "dataset=bars", override)
    assert (result.code, downloads) == (2, [])
    assert message in result.err


def test_a_run_tries_one_minibatch_of_the_data_that_it_has_downloaded_before_it_writes(downloads, cli):
    result = cli("model=logreg", "dataset=bars", "recipe.batch_size=10", "model.num_classes=1")
    assert (result.code, result.written, len(downloads)) == (2, [], 4)
    assert "one minibatch does not go through training: IndexError" in result.err


def test_a_run_from_a_memory_map_has_the_same_numbers_as_from_memory(bars_plugin, cli):
    summaries, predicted = [], []
    for budget in ("null", "0"):
        overrides = ["recipe.batch_size=7", "recipe.shuffle=true", "trainer.max_epochs=5", f"hydra.run.dir=of_{budget}"]
        result = cli("model=logreg", "dataset=bars", f"dataset.resident_bytes={budget}", *overrides)
        assert result.code == 0, result.err
        assert ("bars stays a memory map" in result.out + result.err) == (budget == "0")
        summaries.append(json.loads((result.folder / f"of_{budget}" / "summary.json").read_text()))
        predicted.append(cli("predict", f"of_{budget}").out)
    for key in ("best", "test", "updates", "max_chunk_batches"):
        assert summaries[0][key] == summaries[1][key]
    assert predicted[0] == predicted[1]
    assert "test[0]" in predicted[0]
