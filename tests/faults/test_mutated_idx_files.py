"""Damaged idx files, and headers with a wrong size: an error that names the file, or the data as it is."""

import gzip
import hashlib
import random
import struct

import numpy as np
import pytest

from dlpipe import DlpipeError
from dlpipe.data import IdxFiles, IdxImages, RemoteFile
from dlpipe.data.pixel_scaling import scale_pixels

pytestmark = pytest.mark.timeout(300)
NAMES = ("train_images", "train_labels", "test_images", "test_labels")
COUNTS = (0, 1, 7, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1)
LOADING = {
    "image_shape": [1, 4, 4],
    "num_features": 16,
    "num_classes": 2,
    "batch_size": 5,
    "shuffle": False,
    "drop_last": False,
    "eval_batch_size": 100,
    "eval_drop_last": False,
    "seed": 1,
}


def idx(array):
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def small_files():
    rng = np.random.default_rng(0)
    images = {f"{split}_images": rng.integers(256, size=(n, 4, 4)) for split, n in (("train", 30), ("test", 10))}
    labels = {f"{split}_labels": rng.integers(2, size=n) for split, n in (("train", 30), ("test", 10))}
    return {name: idx(array.astype(np.uint8)) for name, array in (images | labels).items()}


def lying(content, draw):
    """The file with another number of dimensions, another size, or another magic number."""
    changed = bytearray(content)
    kind = draw.choice(["count", "count", "rank", "magic"])
    if kind == "count":
        at = 4 * draw.randint(1, content[3])
        changed[at : at + 4] = struct.pack(">I", draw.choice(COUNTS))
    elif kind == "rank":
        changed[3] = draw.randrange(256)
    else:
        changed[:4] = draw.choice([b"\0\0\x0d\3", b"\0\0\x08\0", b"\x1f\x8b\x08\0", b"PK\3\4", draw.randbytes(4)])
    return bytes(changed)


@pytest.fixture
def splits_of(tmp_path):
    """Loads the splits of four files with the right checksums, by the code that reads MNIST."""

    def load(files, resident_bytes):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)

        class Small(IdxImages):
            dataset_name = "small"
            num_validation = 10
            idx_files = IdxFiles(
                **{name: RemoteFile(name, hashlib.sha256(files[name]).hexdigest(), ()) for name in NAMES}
            )

        data = Small(directory=str(folder), resident_bytes=resident_bytes, **LOADING)
        data.prepare_data()
        data.setup("fit")
        return data.splits

    return load


def test_a_mutated_idx_file_is_refused_by_name_or_read_as_it_is(splits_of, mutated, little_memory, tmp_path):
    whole, message, read = small_files(), [], 0
    for number in range(400):
        draw = random.Random(number)
        name, change = draw.choice(NAMES), draw.choice([mutated, mutated, lying])
        content = change(whole[name], draw)
        if draw.random() < 0.5:  # damaged before it was compressed, or after
            content = draw.choice([gzip.compress(content, mtime=0), mutated(gzip.compress(whole[name], mtime=0), draw)])
        try:
            splits = splits_of(whole | {name: content}, draw.choice([None, 0]))
        except DlpipeError as error:
            message.append(str(error))
            continue
        read += 1
        shapes = {split: (tuple(x.shape), tuple(y.shape)) for split, (x, y) in splits.items()}
        assert shapes == {"train": ((20, 16), (20,)), "val": ((10, 16), (10,)), "test": ((10, 16), (10,))}, number
        if "images" in name:
            pixels = (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content)[16:]
            kept = [splits[split].x for split in (("train", "val") if "train" in name else ("test",))]
            assert b"".join((256 * scale_pixels(x)).byte().numpy().tobytes() for x in kept) == pixels, number
    assert len(message) > 200
    assert read > 20
    named = [text for text in message if str(tmp_path) in text or "has labels from" in text]
    assert [text for text in message if text not in named or "\n" in text] == []


@pytest.mark.parametrize("count", COUNTS[3:])
def test_no_memory_is_allocated_for_images_that_only_the_header_claims(count, splits_of, little_memory):
    whole = small_files()
    claimed = whole["train_images"][:4] + struct.pack(">I", count) + whole["train_images"][8:]
    for content in (claimed, gzip.compress(claimed)):
        with pytest.raises(DlpipeError, match=r"train_images has 496 bytes, but .* require \d+"):
            splits_of(whole | {"train_images": content}, None)
