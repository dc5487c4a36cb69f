"""Files as people have them: each mistake is one line that says where it is, before anything is written."""

import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image


def cut(path):
    path.write_bytes(path.read_bytes()[:-40])


def frames(path):
    Image.new("L", (8, 6)).save(path, "TIFF", save_all=True, append_images=[Image.new("L", (8, 6), 1)])


def loop(path):
    path.symlink_to(path.parent)


def dead_link(path):
    path.symlink_to("nowhere.png")


def own_link(path):
    path.symlink_to(path.name)


def without_classes(root):
    for path in sorted(root.rglob("*.png")):
        path.rename(root / f"{path.parent.name}{path.name}")
    for name in ("cat", "dog"):
        (root / name).rmdir()


def one_picture(root):
    for number in range(1, 6):
        (root / "dog" / f"{number}.png").unlink()


def unknown_class(root):
    for split, kind in (("train", "cat"), ("test", "cta")):
        (root / split).mkdir()
        (root / "cat" / f"{int(split == 'test')}.png").rename(root / f"{split}.png")
        (root / split / kind).mkdir()
        (root / f"{split}.png").rename(root / split / kind / "0.png")


PICTURES = {
    "no directory": (
        lambda p: p.rename(p.with_name("pictured")),
        r"no directory .*pictures; did you mean 'pictured'\? ",
    ),
    "empty directory": (
        lambda p: [one.rename(p.parent / one.name) for one in p.iterdir()],
        "has no class folders: put",
    ),
    "an empty class": (lambda p: (p / "emu").mkdir(), r"the class folder \S*/emu has no pictures: add some"),
    "no pictures by name": (
        lambda p: [(p / "emu").mkdir(), (p / "emu" / "a.txt").touch()],
        r"emu has no pictures \(1 files with other suffixes\)",
    ),
    "loose pictures": (without_classes, "has 12 pictures and no class folders: put the pictures of each class into"),
    "folders in a class": (lambda p: (p / "cat" / "more").mkdir(), "cat has the folder 'more'; a class folder holds"),
    "a symlink loop": (lambda p: loop(p / "cat" / "loop"), "cat has the folder 'loop'; a class folder holds"),
    "a symlink to itself": (lambda p: own_link(p / "cat" / "a.png"), r"cat/a\.png cannot be read: Too many levels"),
    "a dead symlink": (lambda p: dead_link(p / "cat" / "a.png"), r"cat/a\.png cannot be read: No such file"),
    "a truncated picture": (
        lambda p: cut(p / "dog" / "3.png"),
        r"dog/3\.png is not an image that can be read: .*trunc",
    ),
    "0 bytes": (lambda p: (p / "dog" / "3.png").write_bytes(b""), r"dog/3\.png is empty: it has 0 bytes"),
    "a text": (lambda p: (p / "dog" / "3.png").write_text("x"), r"dog/3\.png is not an image .*no format that Pillow"),
    "a huge picture": (
        lambda p: (p / "dog" / "3.pgm").write_bytes(b"P5 60000 60000 255 "),
        r"dog/3\.pgm is too large: Image size",
    ),
    "frames": (lambda p: frames(p / "dog" / "3.tif"), r"dog/3\.tif has 2 frames"),
    "one picture of a class": (one_picture, "class 'dog' has 1 example, and a split needs one for each of 3 parts"),
    "a class that only test has": (
        unknown_class,
        r"test has the class 'cta', which train has not; did you mean 'cat'\?",
    ),
    "a name for a config": (lambda p: (p / "cat").rename(p / "${cat}"), r"which a config cannot hold"),
    "two validation sets": (
        lambda p: [(p / name / "cat").mkdir(parents=True) for name in ("train", "val", "valid")],
        "has val and valid; only one of them may be there",
    ),
}
ROWS = "a,b,y\n" + "".join(f"{row},{row % 3},{'no' if row % 2 else 'yes'}\n" for row in range(12))
TABLES = {
    "no file": (lambda p: p.rename(p.with_name("tables.csv")), r"no file .*table\.csv; did you mean 'tables\.csv'\?"),
    "a folder": (lambda p: [p.unlink(), p.mkdir()], r"table\.csv is a folder; name a file in it"),
    "0 bytes": (lambda p: p.write_bytes(b""), r"table\.csv is empty: it has 0 bytes"),
    "a header alone": (lambda p: p.write_text("a,b\n"), r"table\.csv has a header and no rows"),
    "no header": (lambda p: p.write_text(ROWS.replace("a,b,y", "7,8,9")), r"begins with numbers \(7, 8, 9, ...\): add"),
    "a header twice": (lambda p: p.write_text(ROWS.replace("a,b", "b,b")), "has the column 'b' 2 times; rename one"),
    "an index of pandas": (lambda p: p.write_text(ROWS.replace("a,b", ",b")), r"column 1 has no name.*index=False"),
    "one column": (lambda p: p.write_text("a\n1\n2\n"), "has one column, 'a'; expected several"),
    "a ragged row": (lambda p: p.write_text(ROWS.replace("5,2,no", "5,2")), r"line 7 has 2 cells, and the header 3"),
    "a long row": (lambda p: p.write_text(ROWS.replace("5,2,no", "5,2,no,1")), r"line 7 has 4 cells.*on_bad_row=skip"),
    "an open quote": (
        lambda p: p.write_text(ROWS.replace("5,2", '5,"2')),
        r"line \d+ is no CSV: unexpected end of data",
    ),
    "mixed encodings": (
        lambda p: p.write_bytes(ROWS.encode().replace(b"5,2,no", b"5,2,n\xe9")),
        r"line 7 is no utf-8: byte 0xe9; save the file as UTF-8, or set dataset\.encoding=latin-1",
    ),
    "UTF-16": (lambda p: p.write_text(ROWS, encoding="utf-16"), r"line 1 is no utf-8.*dataset\.encoding=utf-16"),
    "a column without values": (
        lambda p: p.write_text(re.sub(r"(?m)^(\d+),\d", r"\1,", ROWS)),
        "column 'b' has no values",
    ),
    "a text among numbers": (
        lambda p: p.write_text(ROWS.replace("\n5,", "\nfive,")),
        r"line 7, column 'a': 'five' is no",
    ),
    "infinity": (lambda p: p.write_text(ROWS.replace("\n5,", "\ninf,")), r"line 7, column 'a': inf is not finite"),
    "NaN in the target": (
        lambda p: p.write_text(ROWS.replace("5,2,no", "5,2,nan")),
        "line 7, column 'y': the value is mis",
    ),
    "infinity in the target": (
        lambda p: p.write_text("a,y\n" + "".join(f"{i},{i / 7}\n" for i in range(30)) + "1,inf\n"),
        r"line 32, column 'y': inf is not finite",
    ),
    "a class with one row": (
        lambda p: p.write_text(ROWS.replace("5,2,no", "5,2,perhaps")),
        "class 'perhaps' has 1 example",
    ),
    "names": (
        lambda p: p.write_text("name,y\n" + "".join(f"n{i},{i % 2}\n" for i in range(200))),
        "set dataset.ignore",
    ),
    "parquet that is cut": (
        lambda p: [pd.DataFrame({"a": [1, 2], "y": [0, 1]}).to_parquet(p), cut(p)],
        "is truncated, damaged or no Parquet file: ",
    ),
    "parquet of dates": (
        lambda p: pd.DataFrame({"a": pd.to_datetime(["2020-01-01"] * 9), "y": [0, 1, 2] * 3}).to_parquet(p),
        "column 'a' holds Timestamp, not numbers or texts",
    ),
}


def idx(array, kind=8):
    return bytes([0, 0, kind, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def replaced(name, content):
    return lambda folder: (folder / name).write_bytes(content)


IDX = {
    "no directory": (lambda p: p.rename(p.with_name("elsewhere")), "no directory .*digits; set dataset.directory"),
    "wrong magic": (replaced("c", b"\x89PNG" + bytes(99)), r"it has a .*; no idx files of unsigned bytes: c"),
    "floats": (replaced("c", idx(np.zeros((2, 2, 2), np.float32), 13)), "no idx files of unsigned bytes: c"),
    "a cut file": (
        lambda p: cut(p / "c"),
        r"/c has \d+ bytes, but the dimensions \(1400, 8, 8\) in its header require",
    ),
    "fewer labels": (replaced("d", idx(np.zeros(396, np.uint8))), r"/a has 397 images and \S*/d 396 labels"),
    "a file missing": (lambda p: (p / "d").unlink(), "must have two idx files of images and two of labels"),
    "another size": (
        replaced("a", idx(np.zeros((397, 8, 9), np.uint8))),
        r"has images of \(8, 8\) and \S* of \(8, 9\)",
    ),
}
CASES = [
    *(("image_folder", "pictures", "directory", kind, *case) for kind, case in PICTURES.items()),
    *(("table", "table.csv", "file", kind, *case) for kind, case in TABLES.items()),
    *(("idx", "digits", "directory", kind, *case) for kind, case in IDX.items()),
]


@pytest.mark.parametrize(
    ("name", "source", "key", "kind", "damage", "message"),
    CASES,
    ids=lambda v: v if isinstance(v, str) and len(v) < 30 else "",
)
def test_a_mistake_is_one_line_that_says_where_it_is(
    name, source, key, kind, damage, message, cli, pictures, digits, tmp_path
):
    (tmp_path / "table.csv").write_text(ROWS)
    damage(tmp_path / source)
    result = cli("check", "model=logreg", f"dataset={name}", f"dataset.{key}={tmp_path / source}")
    assert result.code == 2, result.out
    (line,) = result.err.splitlines()[1:]
    assert re.match(rf"  dataset={name}: .*{message}", line), line
    assert result.written == []
