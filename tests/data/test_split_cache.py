"""The in-memory cache of the splits loaded last."""

import gc
import weakref

import numpy as np
import pytest
import torch

from dlpipe.data import Split, idx_images
from dlpipe.data.idx_images import IdxImages
from dlpipe.data.split_cache import cached_splits, clear_split_cache


@pytest.fixture(autouse=True)
def nothing_loaded():
    clear_split_cache()
    yield
    clear_split_cache()


def some():
    return {"train": Split(torch.rand(3, 2), torch.zeros(3, dtype=torch.int64))}


def test_the_same_source_is_loaded_once():
    first = cached_splits("a", some)
    assert cached_splits("a", some)["train"].x is first["train"].x


def test_another_source_replaces_the_first_in_the_cache():
    first = cached_splits("a", some)
    held = weakref.ref(first["train"].x)
    cached_splits("b", some)
    del first
    gc.collect()
    assert held() is None


def test_splits_are_loaded_again_after_a_write_to_a_tensor():
    first = cached_splits("a", some)
    first["train"].first(2).x[0].mul_(2)  # a view of a view
    assert cached_splits("a", some)["train"].x is not first["train"].x


def test_changes_to_the_returned_dict_do_not_reach_the_cache():
    del cached_splits("a", some)["train"]
    assert set(cached_splits("a", some)) == {"train"}


def test_inference_tensors_are_not_cached():
    with torch.inference_mode():
        first = cached_splits("a", some)
    assert cached_splits("a", some)["train"].x is not first["train"].x


@pytest.fixture
def reads(monkeypatch):
    """The image files that were read."""
    seen = []
    read = idx_images._images_and_labels
    monkeypatch.setattr(idx_images, "_images_and_labels", lambda x, y: seen.append(x.name) or read(x, y))
    return seen


PLUGIN = "from dlpipe.data import IdxFiles, IdxImages, RemoteFile\n\n\nclass Bars(IdxImages):\n"


@pytest.fixture
def bars_installed(install, bars_dataset, write, bars, tmp_path):
    """Installs the dataset ``bars`` as a plugin; returns the overrides that select it."""
    made: type[IdxImages] = bars_dataset()
    code = f"{PLUGIN}    dataset_name, num_validation = 'bars', 20\n    idx_files = {made.idx_files!r}\n"
    yaml = "defaults: [mnist, _self_]\nname: bars\nimage_shape: [1, 4, 4]\nnum_features: 16\nnum_classes: 2\n"
    files = {"acme_bars/__init__.py": code, "acme_bars/conf/dataset/bars.yaml": yaml}
    install("acme-bars", {"bars": "acme_bars:Bars"}, files, kind="datasets")
    folder = write(tmp_path / "bars", bars)
    return [
        "model=logreg",
        "dataset=bars",
        f"dataset.directory={folder}",
        "recipe.batch_size=10",
        "trainer.max_epochs=1",
    ]


def test_the_checks_and_the_run_read_the_data_once(bars_installed, cli, reads):
    result = cli(*bars_installed)
    assert result.code == 0, result.err
    assert reads == ["train_images", "test_images"]


def test_the_jobs_of_a_sweep_read_the_data_once(bars_installed, cli, reads):
    result = cli(*bars_installed, "-m", "seed=1,2")
    assert result.code == 0, result.err
    assert len(result.run_dirs) == 2
    assert reads == ["train_images", "test_images"]


def test_files_that_have_changed_are_read_again(bars_dataset, bars, idx_bytes, module_options, write, tmp_path):
    before, after = bars, bars | {"test_labels": idx_bytes(np.zeros(20, np.uint8))}
    sums = []
    for files in (before, after):
        data = bars_dataset(files)(directory=str(write(tmp_path, files)), **module_options())
        data.prepare_data()
        sums.append(int(data.load_splits()["test"].y.sum()))
    assert sums[0] > 0
    assert sums[1] == 0
