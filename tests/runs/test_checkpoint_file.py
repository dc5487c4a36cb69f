"""Reading damaged or malicious checkpoints, and ``inspect``."""

import bz2
import gzip
import lzma
import os
import pickle
import random

import pytest
import torch
from safetensors.torch import save_file

from dlpipe import DlpipeError
from dlpipe.runs.checkpoint_file import read_checkpoint


class Malicious:
    """Runs a command when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.fixture
def run_dir(cli):
    return cli("model=logreg", "recipe.max_epochs=2", "hydra.run.dir=run").run_dir


@pytest.mark.parametrize("save", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content))])
@pytest.mark.parametrize("forced", [False, True])
def test_function_in_a_malicious_checkpoint_is_reported_and_not_called(save, forced, tmp_path, monkeypatch, cli):
    if forced:
        monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    bad = tmp_path / "bad.ckpt"
    save({"state_dict": Malicious(tmp_path / "ran")}, bad)
    with pytest.raises(DlpipeError, match=r"bad\.ckpt is refused: .*: would call (posix|nt)\.system"):
        read_checkpoint(bad)
    result = cli("inspect", str(bad))
    assert result.code == 2
    assert "would call posix.system" in result.err or "would call nt.system" in result.err
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"\x80\x04N.", b"PK\x03\x04" + bytes(100)])
def test_file_that_is_not_a_checkpoint_is_refused(content, tmp_path):
    (tmp_path / "bad.ckpt").write_bytes(content)
    with pytest.raises(DlpipeError, match=r"bad\.ckpt (cannot be read|is refused|is not a checkpoint)"):
        read_checkpoint(tmp_path / "bad.ckpt")


@pytest.mark.parametrize("module", [gzip, bz2, lzma])
@pytest.mark.parametrize("name", ["last.ckpt", "weights.safetensors"])
def test_the_message_about_a_compressed_checkpoint_names_the_compression(module, name, tmp_path, cli):
    path = tmp_path / name
    if name == "last.ckpt":
        torch.save({"state_dict": {}}, path)
    else:
        save_file({"weight": torch.zeros(3)}, path)
    path.write_bytes(module.compress(path.read_bytes()))
    compression = {gzip: "gzip", bz2: "bzip2", lzma: "xz"}[module]
    result = cli("inspect", str(path))
    assert result.code == 2
    assert result.err == f"dlpipe: {path} is compressed by {compression}: decompress it, and keep its name\n"


def test_safetensors_whose_header_has_the_length_of_a_signature_are_read(tmp_path):
    header = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'.ljust(0x8B1F)  # the first bytes of gzip
    (tmp_path / "a.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    assert read_checkpoint(tmp_path / "a.safetensors")["state_dict"]["a"] == 0


def test_missing_file_is_reported(tmp_path, cli):
    assert f"no checkpoint {tmp_path / 'none.ckpt'}" in cli("inspect", str(tmp_path / "none.ckpt")).err


def test_inspect_shows_the_content(run_dir, cli):
    result = cli("inspect", str(run_dir / "checkpoints" / "last.ckpt"))
    assert result.code == 0
    for line in (
        "after 44 updates and 2 whole epochs",
        "  seed: 1234",
        f"  output_dir: {run_dir}",
        "  linear.weight  10x784  float32",
        "it holds tensors and plain containers only: loading it calls nothing",
    ):
        assert line in result.out.splitlines()
    assert f"torch {torch.__version__}" in result.out
    assert "val/error 0." in result.out


def test_flipped_bit_is_detected(run_dir, tmp_path):
    weights = read_checkpoint(run_dir / "checkpoints" / "last.ckpt")["state_dict"]["linear.weight"]
    content = bytearray((run_dir / "checkpoints" / "last.ckpt").read_bytes())
    content[content.index(weights.numpy().tobytes()) + 3] ^= 1
    (tmp_path / "bad.ckpt").write_bytes(content)
    with pytest.raises(DlpipeError, match=r"bad.ckpt cannot be read: checksum mismatch in .*\. It is damaged"):
        read_checkpoint(tmp_path / "bad.ckpt")


def test_a_mutated_checkpoint_is_read_or_refused_with_a_clear_error(run_dir, tmp_path):
    """Bytes changed, cut out or cut off at random, half of them in the pickle and the archive's directory."""
    whole = (run_dir / "checkpoints" / "last.ckpt").read_bytes()
    weights = read_checkpoint(run_dir / "checkpoints" / "last.ckpt")["state_dict"]
    draw, bad = random.Random(6), tmp_path / "bad.ckpt"
    message = []
    for number in range(300):
        content = bytearray(whole)
        middle = 3000 if number % 2 else len(content)
        for _ in range(draw.choice([1, 3, 30])):
            content[draw.randrange(middle)] = draw.randrange(256)
        if number % 5 == 0:
            content = content[: draw.randrange(len(content))]
        if number % 7 == 0:
            start = draw.randrange(len(content) + 1)
            del content[start : start + 100]
        bad.write_bytes(content)
        try:
            found = read_checkpoint(bad)
            assert all(found["state_dict"][name].equal(tensor) for name, tensor in weights.items())
        except DlpipeError as error:
            message.append(str(error))
    assert len(message) > 100
    assert [text for text in message if not text.startswith(str(bad)) or "\n" in text] == []
