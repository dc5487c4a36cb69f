"""Sentences with labels: ATIS' folds, real and made up, what is wrong with them, and the synthetic requests."""

import gzip
import pickle

import numpy as np
import pytest

from dlpipe import DataError
from dlpipe_language.atis import Atis
from dlpipe_language.flights import SyntheticFlights
from dlpipe_language.vocabulary import travel_words

BATCHES = {"batch_size": 1, "shuffle": True, "drop_last": False, "bucket": 1, "eval_batch_size": 10, "seed": 0}
WORDS = {"<UNK>": 0, "flights": 1, "boston": 2}
LABELS = {"O": 0, "B-city": 1}


def sentences(*rows):
    """A set as a fold has it: words, tables (which nothing reads) and labels."""
    arrays = [(np.array(words, np.int32), np.array(labels, np.int32)) for words, labels in rows]
    return [words for words, _ in arrays], [words for words, _ in arrays], [labels for _, labels in arrays]


GOOD = sentences(([1, 0, 2], [0, 0, 1]), ([2], [1]))


@pytest.fixture
def fold(tmp_path):
    """A function that writes fold 3, and gives the arguments of a dataset that reads it."""

    def write(train=GOOD, val=GOOD, test=GOOD, words=WORDS, labels=LABELS, content=None, **changes):
        names = {"words2idx": words, "labels2idx": labels, "tables2idx": {}}
        path = tmp_path / "atis.fold3.pkl.gz"
        path.write_bytes(gzip.compress(pickle.dumps(content or (train, val, test, names), 4)))
        places = {"fold": 3, "directory": str(tmp_path), "offline": True}
        return {**places, "num_words": 3, "num_labels": 2, **BATCHES, **changes}

    return write


def test_a_fold_is_read(fold):
    data = Atis(**fold())
    data.setup("fit")
    x, y = data.splits["train"]
    assert [x[row].tolist() for row in range(2)] == [[1, 0, 2], [2]]
    assert [y[row].tolist() for row in range(2)] == [[0, 0, 1], [1]]
    assert x.fill == 3
    assert data.vocabulary.words == ["<UNK>", "flights", "boston"]
    assert data.labels == ["O", "B-city"]
    assert list(data.checksums()) == ["atis.fold3.pkl.gz"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"train": sentences(([1, 3], [0, 0]))},
            r"train has word numbers from 1 to 3; the dictionary has 0 to 2",
        ),
        (
            {"val": sentences(([1, 2], [0, 5]))},
            r"val has label numbers from 0 to 5; the dictionary has 0 to 1: ta",
        ),
        ({"test": sentences(([-1], [0]))}, r"test has word numbers from -1 to -1"),
        ({"train": sentences(([1, 2], [0]))}, r"train: sequence number 0 from 0 has 2 entries but 1 labels"),
        ({"train": sentences(([1], [0]), ([], []))}, r"train has an empty sequence, number 1 from 0; leave it out"),
        ({"train": ([], [], [])}, r"pkl.gz is not .train, val, test, dictionaries. of sentences: no sequences"),
        ({"content": "nothing"}, r"pkl.gz is not .train, val, test, dictionaries. of sentences"),
        ({"words": {"<UNK>": 1, "flights": 2, "boston": 3}}, r"its dictionaries do not number from 0"),
        ({"num_words": 10}, r"dataset.num_words=10: there are 3; set it to 3"),
        ({"num_labels": 3}, r"dataset.num_labels=3: there are 2; set it to 2"),
        ({"words": {"a": 0, "flights": 1, "boston": 2}}, r"its words have no <UNK>, which other words are"),
        ({"train": ([np.zeros((2, 2), int)], [], [np.zeros(2, int)])}, r"what a sentence holds is not a row of whole"),
        ({"train": ([np.zeros(2)], [], [np.zeros(2, int)])}, r"what a sentence holds is not a row of whole numbers"),
        ({"fold": 2}, r"no atis.fold2.pkl.gz in .*. Put it there, or leave dataset.directory out to look in DLPIPE"),
    ],
)
def test_what_is_wrong_with_a_fold_is_told(fold, changes, message):
    with pytest.raises(DataError, match=message):
        Atis(**fold(**changes)).setup("fit")


def test_a_fold_that_does_not_exist_is_told_before_anything_is_made(cli):
    result = cli("model=rnn_slu", "dataset=atis", "dataset.fold=5")
    assert result.code == 2
    assert "dataset.fold=5: must be less than or equal to 4" in result.err
    assert list(result.folder.iterdir()) == []


@pytest.mark.parametrize(("fold", "words"), [(0, 45266), (1, 45163), (2, 45208), (3, 45376), (4, 45388)])
def test_the_real_folds_are_whole(real_atis, fold, words):
    options = {"directory": str(real_atis), "offline": True, "num_words": 572, "num_labels": 127, **BATCHES}
    data = Atis(fold=fold, **options)
    data.setup("fit")
    assert [len(data.splits[name].x) for name in ("train", "val", "test")] == [3983, 995, 893]
    assert len(data.splits["train"].x.values) == words
    assert len(data.splits["test"].x.values) == 9198
    message = [data.vocabulary.words[number] for number in data.splits["test"].x[0].tolist()]
    request = "I would like to find a flight from Charlotte to Las Vegas that makes a stop in St. Louis"
    assert message == data.words_of(request)
    outside = data.labels.index("O")
    assert float((data.splits["test"].y.values == outside).double().mean()) == pytest.approx(0.60176, abs=5e-6)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Flights to St. Louis, at 1030 o'clock?\"", "flights to st. louis at DIGITDIGITDIGITDIGIT o'clock"),
        ("from boston. to sfo.", "from boston to sfo"),
        ("st louis", "st. louis"),
        ("What's the DC10? I'd say don't", "what 's the dc10 i 'd say don 't"),
        ("7pm, 10:30 may 5.", "DIGIT pm DIGITDIGITDIGITDIGIT may DIGIT"),
        (" , . ", ""),
    ],
)
def test_requests_are_written_as_atis_writes_them(text, words):
    assert travel_words(text, {"st.", "o'clock", "dc10"}) == words.split()


def test_every_word_of_atis_is_written_as_it_is(real_atis):
    options = {"directory": str(real_atis), "offline": True, "num_words": 572, "num_labels": 127, **BATCHES}
    data = Atis(fold=3, **options)
    data.setup("fit")
    special = [word for word in data.vocabulary.words if word.startswith(("DIGIT", "<"))]
    assert len(special) == 6
    assert all(data.words_of(word) == [word] for word in data.vocabulary.words if word not in special)


def test_synthetic_requests_are_the_same_for_every_seed_and_well_labelled():
    options = {"num_words": 100, "num_labels": 23, **BATCHES}
    first, second = SyntheticFlights(**options), SyntheticFlights(**options | {"seed": 5})
    for data in (first, second):
        data.setup("fit")
    assert {name: len(split.x) for name, split in first.splits.items()} == {"train": 600, "val": 150, "test": 150}
    assert first.checksums() == second.checksums()
    for name, split in first.splits.items():
        for row in range(len(split.x)):
            labels = [first.labels[number] for number in split.y[row].tolist()]
            for before, label in zip(["O", *labels], labels, strict=False):
                assert not label.startswith("I-") or before[2:] == label[2:], (name, row, labels)
