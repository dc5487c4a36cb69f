"""Your own tagged sentences: CoNLL's two columns, their words and tags, and what is wrong with a file."""

import logging

import pytest

from dlpipe import DataError
from dlpipe_language.slot_filling import score_pairs
from dlpipe_language.slots import ALL
from dlpipe_language.tagged_sentences import TaggedSentences
from dlpipe_language.vocabulary import tagged_word

BATCHES = {"batch_size": 1, "shuffle": True, "drop_last": False, "bucket": 1, "eval_batch_size": 10, "seed": 0}
SENTENCE = "Flights O\nto\tO\nBoston  B-city\nat O\n7pm B-time\n"


def loaded(path, **options):
    data = TaggedSentences(**{"directory" if path.is_dir() else "file": str(path), **BATCHES, **options})
    data.prepare_data()
    data.setup("fit")
    return data


def sentences_of(data, split):
    x, y = data.splits[split]
    return [
        [
            (data.vocabulary.words[word], data.labels[label])
            for word, label in zip(x[row].tolist(), y[row].tolist(), strict=True)
        ]
        for row in range(len(x))
    ]


@pytest.fixture
def conll(tmp_path):
    """A function that writes a file, by default of ten sentences, and returns it."""

    def write(content=None):
        path = tmp_path / "own.conll"
        content = "\n".join([SENTENCE] * 10) if content is None else content
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_a_file_is_divided_and_its_words_are_in_lower_case_with_digits_replaced(conll):
    data = loaded(conll())
    assert {name: len(split.x) for name, split in data.splits.items()} == {"train": 6, "val": 2, "test": 2}
    assert data.vocabulary.words == ["<UNK>", "DIGITpm", "at", "boston", "flights", "to"]
    assert data.labels == ["B-city", "B-time", "O"]
    wanted = [("flights", "O"), ("to", "O"), ("boston", "B-city"), ("at", "O"), ("DIGITpm", "B-time")]
    assert sentences_of(data, "test") == [wanted, wanted]
    assert list(data.checksums()) == ["own.conll"]


@pytest.mark.parametrize(
    ("word", "written"),
    [("10:30", "DIGITDIGIT:DIGITDIGIT"), ("DIGITDIGIT", "DIGITDIGIT"), ("<UNK>", "<UNK>"), ("Digit", "digit")],
)
def test_words_that_are_written_as_in_atis_stay_as_they_are(word, written):
    assert tagged_word(word) == written


def test_a_folder_with_files_is_divided_by_them(tmp_path):
    for name in ("train.conll", "dev.txt", "test.tsv", "README.md"):
        (tmp_path / name).write_text(SENTENCE)
    data = loaded(tmp_path, min_count=1)
    assert {name: len(split.x) for name, split in data.splits.items()} == {"train": 1, "val": 1, "test": 1}


def test_rare_words_are_unknown(conll):
    assert loaded(conll(), min_count=7).vocabulary.words == ["<UNK>"]


def test_byte_order_marks_and_the_line_ends_of_windows_are_accepted(conll):
    plain = loaded(conll())
    windows = loaded(conll(b"\xef\xbb\xbf" + "\n\n".join([SENTENCE] * 10).replace("\n", "\r\n").encode()))
    for name in plain.splits:
        assert sentences_of(plain, name) == sentences_of(windows, name)


def test_a_tag_that_only_the_test_has_counts_as_an_error_and_is_named(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    (tmp_path / "train.txt").write_text("\n".join([SENTENCE] * 5))
    (tmp_path / "test.txt").write_text("\n" + SENTENCE.replace("B-time", "B-hour"))
    data = loaded(tmp_path)
    assert data.labels == ["B-city", "B-time", "O", "B-hour"]
    assert "tags that no training sentence has count as errors: B-hour (test.txt line 2)" in caplog.text


def test_what_only_the_file_tells_is_returned_for_the_config_and_taken_back_from_it(conll):
    path = conll()
    found = TaggedSentences(file=str(path), **BATCHES).options_from_files()
    assert (found["num_words"], found["num_labels"]) == (6, 3)
    assert loaded(path, **found).num_words == 6
    path.write_text(path.read_text().replace("Boston", "Denver"))
    with pytest.raises(DataError, match=r"own.conll has other words or classes than when the run began"):
        loaded(path, **found)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "a O x\n",
            r"line 62: has 3 columns; expected a word and its tag; of more columns keep two, for example with aw",
        ),
        (
            "a O\nb\n",
            r"1 of 11 sentences in .*own.conll cannot be used: line 63: has the word 'b' and no tag; expected",
        ),
        (b"caf\xe9 O\n", r"line 62: byte 4 is 0xE9, which is not UTF-8"),
        ("a Bcity\n", r"line 62: begins a sentence with the tag 'Bcity'; expected O, B-TYPE or I-TYPE, as other sent"),
        ("a O\n" * 10_001, r"line 62: begins a sentence of 10001 words; put an empty line after each sentence"),
    ],
)
def test_what_is_wrong_with_a_line_is_said_with_its_number(conll, content, message):
    whole = (
        "\n".join([SENTENCE] * 10 + [""]).encode()
        + b"\n"
        + (content if isinstance(content, bytes) else content.encode())
    )
    with pytest.raises(DataError, match=message):
        loaded(conll(whole))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"own.conll is empty \(0 bytes\)"),
        ("\n \n", r"own.conll has no sentences"),
        (SENTENCE, r"own.conll has 1 sentence \(line 1\): 1 for validation and 1 for the test leave none for training"),
        (
            "a\nb O\n\n" * 4,
            r"4 of 4 sentences in .* cannot be used: line 1: has the word 'a' and no tag; .*Correct them$",
        ),
    ],
)
def test_a_file_without_enough_sentences_is_refused(conll, content, message):
    with pytest.raises(DataError, match=message):
        loaded(conll(content), on_bad_line="skip")


def test_tags_that_are_missing_in_half_of_the_lines_are_left_out_with_their_sentences_if_asked(conll, caplog):
    caplog.set_level(logging.INFO)
    data = loaded(conll("\n".join([SENTENCE, "a\nb O\n"] * 8)), on_bad_line="skip")
    assert sum(len(split.x) for split in data.splits.values()) == 8
    (line,) = [record.getMessage() for record in caplog.records]
    assert "8 of 16 sentences in " in line
    assert line.endswith("; and 3 more")


def test_f1_of_tags_that_are_no_chunks_is_the_fraction_of_words_that_are_right():
    names = ["NOUN", "VERB", "DET"]
    score = score_pairs([([0, 1, 2, 0], [0, 1, 1, 0])], names)
    assert score[ALL].f1 == score[ALL].precision == pytest.approx(0.75)
    assert score["NOUN"].f1 == 1
    assert score_pairs([([0, 1], [0, 1])], ["B-a", "I-a"])[ALL].total == 1
