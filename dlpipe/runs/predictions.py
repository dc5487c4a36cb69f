"""Predictions as files; the type and shape of what ``predict_step`` returns decide the format."""

import contextlib
import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dlpipe.atomic import atomic_write
from dlpipe.errors import DlpipeError
from dlpipe.figures import save_png
from dlpipe.runs.directory import finite, write_text

MAX_COLUMNS = 100  # of a table; longer vectors are an array
COLOURS = (1, 3)  # channels of a picture
NAMES = re.compile(r"predictions\.(csv|npy|jsonl)|[0-9]{5,}\.png")  # of all files that are written here


@contextlib.contextmanager
def replace_predictions(folder: Path) -> Iterator[None]:
    """Remove the predictions that are in a folder, or in one for a DataLoader in it, and are not written meanwhile."""
    folders = [folder, *(path for path in folder.glob("*") if path.name.isdecimal() and path.is_dir())]
    files = [path for each in folders for path in each.glob("*") if NAMES.fullmatch(path.name) and path.is_file()]
    earlier = {path: path.stat().st_ino for path in files}
    yield
    for path, inode in earlier.items():
        if path.stat().st_ino == inode:  # a file that is written atomically is another one
            path.unlink()
    for each in folders[1:]:
        if not any(each.iterdir()):
            each.rmdir()


def write_predictions(folder: Path, batches: Sequence[Any], names: Sequence[str] | None = None) -> str:
    """Write what ``predict_step`` returned for each batch; returns where and what in one line.

    Arrays (examples, ...) of one shape are joined: a table in ``predictions.csv`` for numbers and for vectors of at
    most `MAX_COLUMNS`, a PNG file each for uint8 pictures, ``predictions.npy`` for others. Everything else becomes
    ``predictions.jsonl``, with a line for each example where the batch has them, else for the batch.

    Args:
        folder: for the files.
        batches: tensors or arrays (examples, ...); or numbers, strings, and dicts and lists of all these.
        names: of the examples; by default they are numbered from 0.

    Raises:
        DlpipeError: a prediction has another type, or is None.
    """
    folder.mkdir(parents=True, exist_ok=True)
    joined = _join(batches)
    if joined is None:
        return _write_lines(folder / "predictions.jsonl", batches)
    if (pictures := _as_pictures(joined)) is not None:
        return _write_pictures(folder, pictures)
    if joined.ndim == 1 or (joined.ndim == 2 and joined.shape[1] <= MAX_COLUMNS):
        return _write_table(folder / "predictions.csv", joined, names or [str(index) for index in range(len(joined))])
    path = folder / "predictions.npy"
    with atomic_write(path) as temporary_path, temporary_path.open("wb") as file:
        np.save(file, joined)
    return f"{path}: {joined.dtype} array {' x '.join(map(str, joined.shape))}"


def _join(batches: Sequence[Any]) -> NDArray[Any] | None:
    """All examples in one array; None if they are no arrays, or differ in shape."""
    arrays = [_array(batch) for batch in batches if isinstance(batch, (Tensor, np.ndarray))]
    same = len({array.shape[1:] for array in arrays if array.ndim}) == 1 and all(array.ndim for array in arrays)
    return np.concatenate(arrays) if same and len(arrays) == len(batches) else None


def _array(value: Tensor | NDArray[Any]) -> NDArray[Any]:
    if isinstance(value, np.ndarray):
        return value
    value = value.detach().cpu()
    is_numpys = not value.is_floating_point() or value.element_size() > 2  # numpy has no bfloat16
    return np.asarray((value if is_numpys else value.float()).numpy())


def _as_pictures(joined: NDArray[Any]) -> NDArray[np.uint8] | None:
    """(pictures, height, width) or (pictures, height, width, 3 or 4) of uint8; channels may also come first."""
    if joined.dtype != np.uint8 or joined.ndim not in (3, 4):
        return None
    if joined.ndim == 3:
        return joined
    if joined.shape[1] in COLOURS and joined.shape[-1] not in COLOURS:
        joined = np.moveaxis(joined, 1, -1)
    if joined.shape[-1] == 1:
        return joined[..., 0]
    return joined if joined.shape[-1] in (3, 4) else None


def _write_pictures(folder: Path, pictures: NDArray[np.uint8]) -> str:
    for index, picture in enumerate(pictures):
        save_png(np.ascontiguousarray(picture), folder / f"{index:05}.png")
    return f"{folder}: 00000.png to {len(pictures) - 1:05}.png"


def _write_table(path: Path, values: NDArray[Any], names: Sequence[str]) -> str:
    columns = ["prediction"] if values.ndim == 1 else [f"prediction_{index}" for index in range(values.shape[1])]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["example", *columns])
    writer.writerows([name, *map(str, np.atleast_1d(row))] for name, row in zip(names, values, strict=True))
    write_text(path, text.getvalue())
    return f"{path}: {len(values)} rows of {' '.join([columns[0], *(['to', columns[-1]] if len(columns) > 1 else [])])}"


def _write_lines(path: Path, batches: Sequence[Any]) -> str:
    lines = [json.dumps(finite(plain), ensure_ascii=False) for batch in batches for plain in examples_of(batch)]
    write_text(path, "".join(f"{line}\n" for line in lines))
    return f"{path}: {len(lines)} lines"


def examples_of(batch: Any) -> Iterator[Any]:
    """The predictions of a batch, one by one: rows of its arrays, items of its lists; the batch if it has neither."""
    plain = _plain(batch)
    if isinstance(plain, list):
        yield from plain
    elif isinstance(plain, dict) and _is_a_table(plain):
        yield from (dict(zip(plain, row, strict=True)) for row in zip(*plain.values(), strict=True))
    else:
        yield plain


def _is_a_table(plain: dict[str, Any]) -> bool:
    return all(isinstance(value, list) for value in plain.values()) and len({len(v) for v in plain.values()}) == 1


def _plain(value: Any) -> Any:
    if isinstance(value, (Tensor, np.ndarray)):
        return _array(value).tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (str, int, float)):
        return value
    raise DlpipeError(
        f"predict_step returned a {type(value).__name__}, which cannot be written; return tensors, arrays, numbers, "
        "strings, or dicts and lists of them"
    )
