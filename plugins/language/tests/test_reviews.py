"""Reviews: how they are divided, which words are known, and IMDB from its text and from the tutorial's files."""

import gzip
import io
import pickle
import tarfile

import pytest
import torch

from dlpipe import DataError
from dlpipe.data import sha256_of
from dlpipe_language.imdb import Imdb
from dlpipe_language.imdb_pickles import ImdbPickles
from dlpipe_language.moses import review_words
from dlpipe_language.reviews import words_by_frequency
from dlpipe_language.synthetic_reviews import SyntheticReviews

BATCHES = {"batch_size": 2, "shuffle": True, "drop_last": False, "bucket": 1, "eval_batch_size": 10, "seed": 0}
WHOLE = {"num_words": 6, "validation": 0.25, "shorter_than": None, "test_size": None, **BATCHES}


def test_words_are_those_of_moses():
    assert review_words("It's <br />GOOD!\nyes") == ["it", "&apos;s", "&lt;", "br", "/", "&gt;", "good", "!", "yes"]
    assert review_words("ÉTÉ, 10/10 don't...") == ["ÉtÉ", ",", "10", "/", "10", "don", "&apos;t", "..."]
    assert review_words(" \n ") == []


def test_words_are_numbered_by_how_often_they_occur():
    assert words_by_frequency([["b", "a", "c"], ["c", "é", "a"], ["c"]]) == ["<PAD>", "<UNK>", "c", "a", "b", "é"]


@pytest.fixture
def archive(tmp_path):
    """A function that writes an archive of reviews, and gives the arguments of a dataset that reads it."""

    def write(reviews=None, name="aclImdb_labeled.tar.xz", **changes):
        folder = tmp_path / "data"
        folder.mkdir(exist_ok=True)
        texts = {
            "train/pos/10_8": "good good fun\nnot read",
            "train/pos/9_7": "good plot",
            "train/neg/0_1": "bad plot, bad",
            "train/neg/1_3": "bad bad end",
            "test/pos/0_9": "good film",
            "test/neg/0_2": "bad good bad bad",
        }
        with tarfile.open(folder / name, "w:xz" if name.endswith("xz") else "w:gz") as tar:
            for path, text in (reviews or texts).items():
                entry = tarfile.TarInfo(f"aclImdb/{path}.txt")
                entry.size = len(text.encode())
                tar.addfile(entry, io.BytesIO(text.encode()))
        return {"directory": str(folder), "offline": True, **WHOLE, **changes}

    return write


def texts_of(data, split):
    x, y = data.splits[split]
    return [(" ".join(data.vocabulary.words[n] for n in x[row].tolist()), int(y[row])) for row in range(len(x))]


@pytest.mark.parametrize("name", ["aclImdb_labeled.tar.xz", "aclImdb_v1.tar.gz"])
def test_imdb_is_read_from_its_archive(archive, name):
    data = Imdb(**archive(name=name))
    data.setup("fit")
    assert data.vocabulary.words == ["<PAD>", "<UNK>", "bad", "good", "plot", ","]
    assert texts_of(data, "test") == [("good <UNK>", 1), ("bad good bad bad", 0)]
    divided = texts_of(data, "train") + texts_of(data, "val")
    wanted = [("good good <UNK>", 1), ("good plot", 1), ("bad plot , bad", 0), ("bad bad <UNK>", 0)]
    assert sorted(divided) == sorted(wanted)
    assert len(data.splits["val"].x) == 1
    assert list(data.checksums()) == [name]


def test_the_reviews_are_in_the_order_of_their_numbers_positive_ones_first(archive):
    words, parts = Imdb(**archive()).load_reviews()
    x, y = parts["train"]
    assert [words[int(x[row][-1])] for row in range(4)] == ["plot", "fun", "bad", "end"]
    assert y.tolist() == [1, 1, 0, 0]


def test_an_archive_is_taken_apart_once(archive, own_cache, monkeypatch):
    options = archive()
    Imdb(**options).prepare_data()
    (entry,) = own_cache.rglob("*.npz")
    assert entry.name.startswith(sha256_of(Imdb(**options).path()))
    monkeypatch.setattr("dlpipe_language.imdb.review_words", lambda _: pytest.fail("it was taken apart again"))
    data = Imdb(**options)
    data.setup("fit")
    assert len(data.splits["test"].x) == 2


def test_the_division_is_the_same_for_every_seed(archive):
    first, second = Imdb(**archive()), Imdb(**archive(seed=7))
    for data in (first, second):
        data.setup("fit")
    assert texts_of(first, "val") == texts_of(second, "val")


def test_long_reviews_are_left_out_of_training_alone(archive):
    data = Imdb(**archive(shorter_than=4, validation=0.34))
    data.setup("fit")
    assert sorted(texts_of(data, "train") + texts_of(data, "val")) == [
        ("bad bad <UNK>", 0),
        ("good good <UNK>", 1),
        ("good plot", 1),
    ]
    assert len(data.splits["test"].x) == 2
    tested = Imdb(**archive(test_size=1))
    tested.setup("fit")
    assert len(tested.splits["test"].x) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_words": 100}, "dataset.num_words=100: there are 8; take as many or fewer"),
        ({"shorter_than": 2}, "dataset.shorter_than=2 leaves no review: the shortest has 2 words; take"),
        ({"test_size": 3}, "dataset.test_size=3: there are 2; take fewer, or null"),
        ({"validation": 0.01}, r"dataset.validation=0.01 of \d+ reviews leaves none for validation; take between 1/"),
        ({"validation": 0.99}, r"dataset.validation=0.99 of \d+ reviews leaves none for training; take between 1/"),
        (
            {"directory": "/nowhere"},
            "no aclImdb_v1.tar.gz in /nowhere. Put it there, or leave out dataset.directory to search",
        ),
    ],
)
def test_what_cannot_be_is_told(archive, changes, message):
    with pytest.raises(DataError, match=message):
        Imdb(**archive(**changes)).setup("fit")


def test_another_archive_is_told(archive):
    with pytest.raises(DataError, match="xz has no reviews in aclImdb/train/neg, aclImdb/test/pos, aclImdb/test/"):
        Imdb(**archive({"train/pos/0_9": "good"})).prepare_data()


def test_an_empty_review_is_told(archive):
    kinds = ("train/pos/0_9", "train/neg/0_1", "test/pos/0_9", "test/neg/0_1")
    with pytest.raises(DataError, match=r"xz: review number 1 from 0 of test has no words; take a good copy"):
        Imdb(**archive({kind: "" if kind == kinds[3] else "a b c d" for kind in kinds})).prepare_data()


@pytest.mark.parametrize("name", ["aclImdb_labeled.tar.xz", "aclImdb_v1.tar.gz"])
@pytest.mark.parametrize("damage", [lambda b: b"", lambda b: b[: len(b) // 2], lambda b: b"no archive" * 100])
def test_a_damaged_archive_is_told(archive, tmp_path, name, damage):
    options = archive(name=name)
    path = tmp_path / "data" / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=rf"{name} cannot be read: .*; remove it, and take a good copy"):
        Imdb(**options).prepare_data()


def test_the_message_about_a_bad_review_names_it(archive, tmp_path):
    options = archive(name="aclImdb_v1.tar.gz")
    path = tmp_path / "data" / "aclImdb_v1.tar.gz"
    for content, message in ((b"\xff", "invalid start byte"), (bytes(2**20 + 1), "declares 1048577 bytes")):
        with tarfile.open(path, "w:bz2") as tar:
            entry = tarfile.TarInfo("aclImdb/train/pos/7_8.txt")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        with pytest.raises(DataError, match=rf"aclImdb_v1\.tar\.gz.* aclImdb/train/pos/7_8\.txt:? .*{message}"):
            Imdb(**options).prepare_data()


@pytest.fixture
def pickles(tmp_path):
    """A function that writes the two files of the tutorial, and gives the arguments of a dataset that reads them."""

    def write(
        train=([[2, 3], [4, 2, 2], [5], [6, 3]], [1, 1, 0, 0]), test=([[2], [3, 1]], [1, 0]), words=None, **changes
    ):
        names = words or {"good": 2, "bad": 3, "plot": 4, "end": 5, "\xc3\xa9": 6}
        (tmp_path / "imdb.pkl").write_bytes(pickle.dumps(train, 2) + pickle.dumps(test, 2))
        (tmp_path / "imdb.dict.pkl.gz").write_bytes(gzip.compress(pickle.dumps(names, 2)))
        return {"directory": str(tmp_path), **WHOLE, "num_words": 7, **changes}

    return write


def test_the_tutorials_files_are_read(pickles):
    data = ImdbPickles(**pickles())
    data.setup("fit")
    assert data.vocabulary.words == ["<PAD>", "<UNK>", "good", "bad", "plot", "end", "é"]
    assert texts_of(data, "test") == [("good", 1), ("bad <UNK>", 0)]
    assert sorted(data.checksums()) == ["imdb.dict.pkl.gz", "imdb.pkl"]


def test_the_tutorials_files_are_read_once(pickles, monkeypatch):
    options = pickles()
    first = ImdbPickles(**options)
    first.setup("fit")
    monkeypatch.setattr("dlpipe_language.imdb_pickles.read_pickles", lambda *_: pytest.fail("they were read again"))
    second = ImdbPickles(**options)
    second.setup("fit")
    for name in ("train", "val", "test"):
        assert texts_of(second, name) == texts_of(first, name)


class Called:
    """What a malicious pickle would call."""

    def __reduce__(self):
        return print, ("it was called",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": Called()}, "imdb.pkl is refused: it would call __builtin__.print"),
        ({"train": ([[2]], [2])}, "is not .reviews, labels. twice: 1 reviews do not have a label each, 0 or 1"),
        ({"train": ([[2]], [0.5])}, "twice: 1 reviews do not have a label each, 0 or 1"),
        ({"train": ([[2], [3]], [1])}, "twice: 2 reviews do not have a label each, 0 or 1"),
        ({"train": ([[0]], [1])}, "twice: what a review holds is not numbers of words, which begin at 1"),
        ({"train": ([[2.5]], [1])}, "twice: what a review holds is not numbers of words, which begin at 1"),
        ({"train": ([], [])}, "is not .reviews, labels. twice: no sequences"),
        ({"train": 7}, "is not .reviews, labels. twice: "),
        ({"test": ([[2]], [1, 0])}, "twice: 1 reviews do not have a label each, 0 or 1"),
        ({"words": {"good": 3}}, "is no dictionary of words and numbers: its words are not numbered from 2"),
        ({"words": ["good"]}, "is no dictionary of words and numbers: "),
        ({"directory": "/nowhere"}, "no imdb.pkl.gz and no imdb.pkl in /nowhere; dataset=imdb takes the reviews from"),
    ],
)
def test_bad_files_are_told(pickles, changes, message, capsys):
    with pytest.raises(DataError, match=message):
        ImdbPickles(**pickles(**changes)).setup("fit")
    assert capsys.readouterr().out == ""


def test_synthetic_reviews_are_balanced_and_the_same_for_every_seed():
    first, second = (SyntheticReviews(**WHOLE | {"num_words": 99, "seed": seed}) for seed in (0, 1))
    first.setup("fit")
    second.setup("fit")
    assert {name: len(split.x) for name, split in first.splits.items()} == {"train": 900, "val": 300, "test": 300}
    assert first.checksums() == second.checksums()
    torch.testing.assert_close(first.splits["val"].x.values, second.splits["val"].x.values)
    assert first.splits["test"].y.double().mean() == 0.5


@pytest.mark.slow
def test_the_real_reviews_are_those_of_the_tutorials_files(real_imdb):
    """Moses' rules have changed since 2014 for a quote after another: 99 of 100 reviews have the same words."""
    options = {"directory": str(real_imdb), **WHOLE}
    words, parts = Imdb(offline=True, **options).load_reviews()
    legacy_words, legacy_parts = ImdbPickles(**options).load_reviews()
    assert words[:12] == legacy_words[:12]
    for part in ("train", "test"):
        x, legacy = parts[part].x, legacy_parts[part].x
        assert len(x) == len(legacy) == 25000
        torch.testing.assert_close(parts[part].y, legacy_parts[part].y)
        same = [
            [words[n] for n in x[row].tolist()] == [legacy_words[n] for n in legacy[row].tolist()]
            for row in range(0, 25000, 25)
        ]
        assert sum(same) > 975
    assert int((legacy_parts["train"].x.lengths < 100).sum()) == 2105
