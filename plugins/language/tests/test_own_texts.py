"""Your own texts: folders of files and files of lines, how they are divided, and what is wrong with them."""

import logging

import pytest
import torch

from dlpipe import DataError
from dlpipe_language.division import Place, divide
from dlpipe_language.labelled_lines import LabelledLines
from dlpipe_language.text_folder import TextFolder

BATCHES = {"batch_size": 2, "shuffle": True, "drop_last": False, "bucket": 1, "eval_batch_size": 10, "seed": 0}


def loaded(cls, path, **options):
    data = cls(**{"directory" if path.is_dir() else "file": str(path), **BATCHES, **options})
    data.prepare_data()
    data.setup("fit")
    return data


def texts_of(data, split):
    x, y = data.splits[split]
    words = [" ".join(data.vocabulary.words[number] for number in x[row].tolist()) for row in range(len(x))]
    return [(text, data.class_names[label]) for text, label in zip(words, y.tolist(), strict=True)]


def all_texts(data):
    return sorted(pair for split in ("train", "val", "test") for pair in texts_of(data, split))


@pytest.fixture
def folder(tmp_path):
    """A function that writes files below a folder; by default ten texts of each of two classes."""

    def write(files=None):
        own = files or {f"{name}/{number}.txt": f"{name} number {number}" for name in "ab" for number in range(10)}
        for name, content in own.items():
            path = tmp_path / "texts" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path / "texts"

    return write


@pytest.fixture
def lines(tmp_path):
    """A function that writes a file, and returns it; by default ten lines of each of two classes."""

    def write(content=None):
        path = tmp_path / "reviews.tsv"
        content = content or "".join(f"{name}\t{name} number {row}\n" for row in range(10) for name in ("good", "bad"))
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_a_folder_for_each_class_is_divided_and_every_class_is_in_each_split(folder):
    data = loaded(TextFolder, folder())
    assert data.class_names == ["a", "b"]
    assert {name: torch.bincount(split.y).tolist() for name, split in data.splits.items()} == {
        "train": [6, 6],
        "val": [2, 2],
        "test": [2, 2],
    }
    assert len(data.vocabulary) == data.num_words
    assert data.vocabulary.words[:3] == ["<PAD>", "<UNK>", "number"]


def test_folders_of_the_splits_are_taken_as_they_are_and_a_missing_one_is_divided_off_training(folder):
    names = [f"{split}/{name}/{row}.txt" for split in ("train", "test") for name in ("neg", "pos") for row in range(5)]
    data = loaded(TextFolder, folder({name: name.replace("/", " ") for name in names}))
    assert {name: len(split.x) for name, split in data.splits.items()} == {"train": 8, "val": 2, "test": 10}
    assert [label for _, label in texts_of(data, "test")] == ["neg"] * 5 + ["pos"] * 5
    assert {text.split()[0] for text, _ in texts_of(data, "val")} <= {"train", "<UNK>"}


def test_the_division_depends_on_the_split_seed_and_the_names_alone(folder):
    path = folder()
    first, other_order, other_seed = (
        loaded(TextFolder, path, **changes) for changes in ({}, {"seed": 7}, {"split_seed": 1})
    )
    assert texts_of(first, "val") == texts_of(other_order, "val")
    assert [texts_of(first, name) for name in first.splits] != [texts_of(other_seed, name) for name in first.splits]
    places = [Place(None, name, f"{name}/{number}.txt") for name in "ab" for number in range(10)]
    rows = divide(places, {"val": 0.2, "test": 0.3}, 5, "texts", "folder")
    assert {name: len(own) for name, own in rows.items()} == {"train": 10, "val": 4, "test": 6}
    mixed = divide(places[::-1], {"val": 0.2, "test": 0.3}, 5, "texts", "folder")
    assert {places[row] for row in rows["val"]} == {places[::-1][row] for row in mixed["val"]}


def test_the_vocabulary_is_that_of_the_training_texts_most_frequent_words_first(lines):
    path = lines()
    data = loaded(LabelledLines, path)
    train = " ".join(text for text, _ in texts_of(data, "train")).split()
    counts = [train.count(word) for word in data.vocabulary.words[2:]]
    assert counts == sorted(counts, reverse=True)
    assert min(counts) == 1
    small = loaded(LabelledLines, path, num_words=5)
    assert small.vocabulary.words == data.vocabulary.words[:5]
    assert int(small.splits["train"].x.values.max()) == 4
    with pytest.raises(DataError, match=r"dataset.num_words=99: there are \d+; take as many or fewer"):
        loaded(LabelledLines, path, num_words=99)


def test_what_only_the_files_tell_is_returned_for_the_config_and_taken_back_from_it(lines):
    path = lines()
    found = LabelledLines(file=str(path), **BATCHES).options_from_files()
    assert (found["num_classes"], found["class_names"]) == (2, ["bad", "good"])
    assert all_texts(loaded(LabelledLines, path, **found)) == all_texts(loaded(LabelledLines, path))
    path.write_text(path.read_text().replace("number", "digit"))
    with pytest.raises(DataError, match=r"reviews.tsv has other words or classes than when the run began.*: bring"):
        loaded(LabelledLines, path, **found)


def test_lines_may_have_a_byte_order_mark_windows_line_ends_empty_lines_and_fasttexts_labels(lines):
    rows = [f"{name}\tsome {name}" for name in ("x", "y") for _ in range(4)]
    plain = loaded(LabelledLines, lines("\n".join(rows)))
    windows = loaded(LabelledLines, lines(b"\xef\xbb\xbf" + "\r\n".join([*rows, "", ""]).encode()))
    fasttext = loaded(LabelledLines, lines("\n".join("__label__" + row.replace("\t", " ") for row in rows)))
    assert all_texts(plain) == all_texts(windows) == all_texts(fasttext)


def test_words_are_in_lower_case_in_any_alphabet(lines):
    data = loaded(LabelledLines, lines("".join(f"{label}\tÉTÉ Привет, it's\n" for label in "aaabbb")))
    assert data.vocabulary.words[2:] == ["&apos;s", ",", "it", "été", "привет"]
    assert data.words_of("Été ПРИВЕТ") == ["été", "привет"]


def test_classes_that_are_numbers_are_in_the_order_of_the_numbers(lines):
    data = loaded(LabelledLines, lines("".join(f"{row % 11}\ttext\n" for row in range(66))))
    assert data.class_names == [str(number) for number in range(11)]


def test_a_folder_may_have_a_file_for_each_split(tmp_path):
    for name in ("train.tsv", "test.txt"):
        (tmp_path / name).write_text("".join(f"{label}\t{name} {label}\n" for label in "abab"))
    data = loaded(LabelledLines, tmp_path, val_fraction=0.5)
    assert {name: len(split.x) for name, split in data.splits.items()} == {"train": 2, "val": 2, "test": 4}
    assert list(data.checksums()) == ["test.txt", "train.tsv"]


def test_texts_are_tokenized_once(folder, own_cache, monkeypatch):
    path = folder()
    first = loaded(TextFolder, path)
    (entry,) = own_cache.rglob("*.npz")
    assert entry.parent.name == "texts"
    monkeypatch.setattr("dlpipe_language.tokenized.review_words", lambda _: pytest.fail("tokenized again"))
    assert all_texts(loaded(TextFolder, path, split_seed=3)) != []
    assert all_texts(loaded(TextFolder, path)) == all_texts(first)


def test_a_long_text_is_read_up_to_ten_thousand_words(lines, caplog):
    data = loaded(LabelledLines, lines("".join(f"{label}\t{'word ' * 10_001}\n" for label in "aaabbb")))
    assert int(data.splits["train"].x.lengths.max()) == 10_000
    assert "of 6 texts only the first 10000 words are read: line 1, ..." in caplog.text


GOOD = {f"{name}/{number}.txt": "text" for name in "ab" for number in range(3)}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"a/3.txt": b""},
            r"1 of 7 texts in .*texts cannot be used: a/3.txt: it is empty \(0 bytes\). Correct them, or",
        ),
        (
            {"a/3.txt": b"one\ncaf\xe9"},
            r"a/3.txt: line 2, byte 4 is 0xE9, which is not UTF-8: convert the file, for ex",
        ),
        ({"a/3.txt": "text".encode("utf-16")}, r"a/3.txt: line 1, byte 1 is 0xFF, which is not UTF-8"),
        ({"a/3.txt": b"t\0e\0x\0t\0"}, r"a/3.txt: line 1, byte 2 is NUL, as in no text: convert the file to UTF-8"),
        ({"a/3.txt": b" \r\n "}, r"a/3.txt: has no words"),
        ({"a/3.txt": b"a " * 2**20}, r"a/3.txt: it has 2097152 bytes; a text has at most 1048576"),
        ({"a/3.txt/file": b""}, r"a/3.txt cannot be read: Is a directory"),
        ({"c/notes.pdf": b""}, r"texts/c has no .txt file"),
        (
            {"c/1.txt": b"text"},
            r"texts has 1 text of class 'c' \(c/1.txt\): 1 for validation and 1 for the test leave n",
        ),
        ({"c/1.txt": b"", "c/2.txt": b""}, r"has no text of class 'c' that can be used: c/1.txt: it is empty"),
        ({"c$${x}/1.txt": b"a", "c$${x}/2.txt": b"a", "c$${x}/3.txt": b"a"}, r"the class 'c\$\$\{x\}'; rename it"),
    ],
)
def test_what_is_wrong_with_a_folder_is_said_with_its_place(folder, files, message):
    with pytest.raises(DataError, match=message):
        loaded(TextFolder, folder(GOOD | files))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"1.txt": "text"}, r"texts has no folders: expected one for each class, with .txt files"),
        ({"a/1.txt": "x", "a/2.txt": "x", "a/3.txt": "x"}, r"has the class 'a' alone; a classifier needs two"),
        (
            {"train/a/1.txt": "x", "train/b/1.txt": "x", "test/a/1.txt": "x"},
            r"texts/test has no folder b, which .*texts/train has: add it, or move the other one away",
        ),
        ({"train/a/1.txt": "x", "tst/a/1.txt": "x"}, r"has the folder tst beside train; expected train, val and test"),
        (
            {f"{name}/1.txt": "x" for name in ("train/a", "train/b", "val/a", "val/b", "test/a", "test/b", "test/c")},
            r"test has the class 'c', and training has no texts of it",
        ),
    ],
)
def test_a_folder_of_another_form_is_refused(folder, files, message):
    with pytest.raises(DataError, match=message):
        loaded(TextFolder, folder(files))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "no tab here",
            r"1 of 9 lines in .*reviews.tsv cannot be used: line 3: has no tab between label and text. Corr",
        ),
        (b"a\tcaf\xe9", r"line 3: byte 6 is 0xE9, which is not UTF-8"),
        ("a\t ", r"line 3: has no text"),
        ("\ttext", r"line 3: has no label"),
        ("__label__a __label__b text", r"line 3: has two labels; a text has one class"),
        (
            "c\tlonely",
            r"reviews.tsv has 1 line of class 'c' \(line 3\): 1 for validation and 1 for the test leave none",
        ),
    ],
)
def test_what_is_wrong_with_a_line_is_said_with_its_number(lines, line, message):
    rows = [f"{label}\ttext".encode() for label in "abababab"]
    rows.insert(2, line if isinstance(line, bytes) else line.encode())
    with pytest.raises(DataError, match=message):
        loaded(LabelledLines, lines(b"\n".join(rows)))


def test_bad_files_and_lines_are_left_out_if_asked_and_counted_in_one_line(folder, lines, caplog):
    caplog.set_level(logging.INFO)
    data = loaded(TextFolder, folder(GOOD | {"a/3.txt": b"", "a/4.txt": b"\xff", "b/x.md": b""}), on_bad_file="skip")
    assert sum(len(split.x) for split in data.splits.values()) == 6
    own = [record.getMessage() for record in caplog.records if record.name.endswith(".own_texts")]
    assert len(own) == 2
    assert "1 files or folders that are no .txt are not used, such as " in own[0]
    assert "2 of 8 texts in " in own[1]
    assert "are left out: a/3.txt: it is empty (0 bytes); a/4.txt: line 1, byte 1 is 0xFF" in own[1]
    caplog.clear()
    bad = "".join(f"no tab {row}\n" for row in range(7))
    data = loaded(LabelledLines, lines("a\tx\nb\tx\n" * 3 + bad), on_bad_line="skip")
    assert sum(len(split.x) for split in data.splits.values()) == 6
    (line,) = [record.getMessage() for record in caplog.records if record.name.endswith(".own_texts")]
    assert line.endswith("line 11: has no tab between label and text; and 2 more")
    with pytest.raises(DataError, match=r"7 of 7 lines in .* cannot be used: .* and 2 more. Correct them$"):
        loaded(LabelledLines, lines(bad), on_bad_line="skip")


@pytest.mark.parametrize(
    ("cls", "options", "message"),
    [
        (TextFolder, {}, "dataset.directory says where the texts are: dataset.directory=/home/you/texts"),
        (TextFolder, {"directory": "/nowhere"}, "dataset.directory=/nowhere is no folder"),
        (
            LabelledLines,
            {},
            "dataset.file=FILE, or dataset.directory=DIR with files train, val and test; neither is given",
        ),
        (
            LabelledLines,
            {"file": "/a", "directory": "/b"},
            "dataset.file=FILE, or dataset.directory=DIR .*; both are given",
        ),
        (LabelledLines, {"file": "/nowhere.tsv"}, "dataset.file=/nowhere.tsv is no file"),
        (LabelledLines, {"directory": "/nowhere"}, "dataset.directory=/nowhere is no folder"),
    ],
)
def test_where_the_data_is_must_be_given(cls, options, message):
    with pytest.raises(DataError, match=message):
        cls(**options, **BATCHES).options_from_files()


def test_a_file_without_lines_or_with_nothing_is_refused(lines):
    path = lines("\n\n")
    with pytest.raises(DataError, match=r"reviews.tsv has no lines"):
        loaded(LabelledLines, path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"reviews.tsv is empty \(0 bytes\)"):
        loaded(LabelledLines, path)


def test_two_files_for_a_split_and_none_for_training_are_refused(tmp_path):
    (tmp_path / "test.tsv").write_text("a\tb\n")
    with pytest.raises(DataError, match=r"has no file train.tsv or train.txt"):
        loaded(LabelledLines, tmp_path)
    for name in ("train.txt", "train.tsv"):
        (tmp_path / name).write_text("a\tb\n")
    with pytest.raises(DataError, match=r"has train.tsv and train.txt for train; move one away"):
        loaded(LabelledLines, tmp_path)
