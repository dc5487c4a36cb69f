"""Checkpoints that declare more than they hold: refused before memory is allocated."""

import io
import pickle
import resource
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from dlpipe import DlpipeError
from dlpipe.runs.checkpoint_file import read_checkpoint

LARGE = 10**10
SMALL = {"state_dict": {"w": torch.arange(1000, dtype=torch.float32), "part": torch.arange(10)[2:5]}}


def rewritten(path, change, method=zipfile.ZIP_STORED):
    """The checkpoint with every member changed by ``change(name, content)``."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(buffer, "w", method) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    path.write_bytes(buffer.getvalue())


def with_count(pickled, old, new):
    """The pickle with a number of 16 bits replaced by one of any length."""
    number = pickle.dumps(old, 2)[2:-1]
    assert pickled.count(number) == 1 or old == 1000
    return pickled.replace(number, pickle.dumps(new, 2)[2:-1])


def compressed_zeros(path):
    """8 MB that decompress to 8 GB take too long to make for a test; 64 KB to 64 MB are refused alike."""
    rewritten(path, lambda name, content: bytes(2**26) if name.endswith("data/0") else content, zipfile.ZIP_DEFLATED)


def large_storage(path):
    rewritten(path, lambda name, content: with_count(content, 1000, LARGE) if name.endswith(".pkl") else content)


def no_record(path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            if not name.endswith("data/0"):
                new.writestr(name, old.read(name))
    path.write_bytes(buffer.getvalue())


def large_tensor(path):
    """The storage as it is, and a tensor in it that declares more."""

    def change(name, content):
        if not name.endswith(".pkl"):
            return content
        number, large = b"M\xe8\x03", pickle.dumps(LARGE, 2)[2:-1]
        first, last = content.index(number), content.rindex(number)
        assert first < last  # the storage's, the tensor's
        return content[:last] + large + content[last + len(number) :]

    rewritten(path, change)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (compressed_zeros, r"the archive declares 671\d+ bytes, but the file has \d+"),
        (large_storage, r"storage 0 declares 40000000000 bytes, but its record has 4000"),
        (large_tensor, r"storage 0 declares 40000000000 bytes, but its record has 4000"),
        (no_record, r"storage 0 declares 4000 bytes, but its record has 0"),
    ],
)
def test_a_checkpoint_that_declares_more_than_it_holds_is_refused_without_the_memory(tmp_path, damage, message, cli):
    path = tmp_path / "bad.ckpt"
    torch.save(SMALL, path)
    damage(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DlpipeError, match=rf"bad\.ckpt cannot be read: {message}\. It is damaged"):
        read_checkpoint(path)
    assert cli("inspect", str(path)).code == 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**17  # KiB


def test_a_checkpoint_of_the_old_format_that_declares_more_than_it_holds_is_refused(tmp_path):
    path = tmp_path / "bad.ckpt"
    torch.save(SMALL, path, _use_new_zipfile_serialization=False)
    assert torch.equal(read_checkpoint(path)["state_dict"]["w"], SMALL["state_dict"]["w"])
    path.write_bytes(with_count(path.read_bytes(), 1000, LARGE))
    with pytest.raises(DlpipeError, match=r"its storages declares 400000000\d\d bytes, but the file has \d+"):
        read_checkpoint(path)


def test_every_kind_of_tensor_that_torch_saves_is_still_read(tmp_path):
    sparse, weight = torch.eye(3).to_sparse(), torch.nn.Parameter(torch.ones(2, 2).t())
    content = {"sparse": sparse, "weight": weight, "none": torch.zeros(0), "expanded": torch.ones(1).expand(5)}
    content |= {
        "bytes": b"x",
        "array": bytearray(b"xy"),
        "half": torch.ones(3, dtype=torch.bfloat16),
        "scalar": weight.sum(),
    }
    torch.save(content, tmp_path / "a.ckpt")
    found = read_checkpoint(tmp_path / "a.ckpt")
    assert found["sparse"].to_dense().equal(torch.eye(3))
    assert [found[name].shape for name in ("weight", "none", "expanded", "half")] == [(2, 2), (0,), (5,), (3,)]


@pytest.mark.parametrize("name", ["weights.safetensors", "best.ckpt"])
def test_a_safetensors_file_is_known_by_its_content(tmp_path, name, cli):
    save_file({"w": torch.ones(2)}, tmp_path / name)
    assert read_checkpoint(tmp_path / name)["state_dict"]["w"].tolist() == [1, 1]
    assert "  w  2  float32" in cli("inspect", str(tmp_path / name)).out
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-4])
    with pytest.raises(DlpipeError, match=rf"{name} cannot be read: .*It is damaged"):
        read_checkpoint(tmp_path / name)


def test_a_checkpoint_is_known_by_its_content(tmp_path, cli):
    torch.save(SMALL, tmp_path / "weights.safetensors")
    assert "  w     1000  float32" in cli("inspect", str(tmp_path / "weights.safetensors")).out
