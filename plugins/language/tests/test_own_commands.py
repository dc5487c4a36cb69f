"""Your own texts and sentences on the command line: trained on, resumed to the same bits, predicted, and refused."""

import json
import signal
import subprocess

import pytest

from dlpipe_language import flights, synthetic_reviews

LSTM = ("model=lstm", "model.embedding_size=6", "model.num_hidden=6", "model.dropout=0.1", "model.validate_every=null")
ADAM = ("optimizer=adam", "optimizer.lr=0.01", "recipe.batch_size=8")
SLU = ("model=rnn_slu", "model.embedding_size=6", "model.num_hidden=10", "model.window=3")


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """A folder of the synthetic reviews, a file each."""
    folder = tmp_path_factory.mktemp("texts")
    for split, reviews in synthetic_reviews._generate().items():
        for number, (text, label) in enumerate(reviews[:250]):
            path = folder / ("poor", "fine")[label] / f"{split}{number}.txt"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text.replace(" . ", " .\n"))
    return folder


@pytest.fixture(scope="module")
def sentences(tmp_path_factory):
    """A folder of the synthetic requests for flights in CoNLL's form."""
    folder = tmp_path_factory.mktemp("sentences")
    for split, requests in flights._generate()[2].items():
        rows = ["".join(f"{word}\t{tag}\n" for word, tag in request) for request in requests]
        (folder / f"{split}.conll").write_text("\n".join(rows))
    return folder


def test_a_killed_run_on_a_folder_of_texts_ends_in_the_same_bits_and_predicts_with_its_classes(
    cli, texts, tmp_path, dlpipe_process
):
    run = [*LSTM, *ADAM, "dataset=text_folder", f"dataset.directory={texts}", "recipe.max_epochs=6"]
    whole = cli(*run, "hydra.run.dir=whole").folder / "whole"
    killed = whole.with_name("killed")
    words = [*run, "dataset.bucket=1", f"hydra.run.dir={killed}"]
    with dlpipe_process(words, cwd=killed.parent, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("epoch 2,"):
                process.kill()
    assert process.returncode == -signal.SIGKILL
    assert "Resuming from checkpoint" in cli("resume", str(killed)).out
    for name in ("metrics.csv", "weights.safetensors"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name
    assert json.loads((whole / "summary.json").read_text())["test"]["test/error"] < 25
    assert len(json.loads((whole / "provenance.json").read_text())["data"]["text_folder"]) == 64

    (tmp_path / "own.txt").write_bytes(
        b"\xef\xbb\xbfThe plot was superb.\r\nThe music was charming. The cast was brilliant.\r\n"
    )
    (tmp_path / "other.txt").write_text("the plot was dull .\nthe music was awful .\n")
    result = cli("predict", str(whole), str(tmp_path / "own.txt"), str(tmp_path / "other.txt"))
    assert result.code == 0, result.err
    assert [line.split(",")[0] for line in result.out.splitlines()] == ["fine", "", "poor"]
    assert cli("predict", str(whole), "--text", "the plot was dull .").out.startswith("poor, probability 0.")


def test_the_classes_and_sizes_are_those_of_the_file(cli, tmp_path):
    path = tmp_path / "own.tsv"
    path.write_text("".join(f"{label}\ta {label} text\n" for label in ("red", "green", "blue") for _ in range(10)))
    options = ("dataset=labelled_lines", f"dataset.file={path}", "recipe.max_epochs=20", *ADAM)
    result = cli(*LSTM, *options)
    assert result.code == 0, result.err
    assert "test error 0.000000 %" in result.out
    config = (result.run_dir / "config.yaml").read_text()
    assert "class_names:\n  - blue\n  - green\n  - red\n" in config
    assert config.count("num_classes: 3") == 2
    own = "red\ta red text\na blue text\nno\tlabel\n"
    (tmp_path / "new.tsv").write_text(own)
    found = cli("predict", str(result.run_dir), str(tmp_path / "new.tsv")).out.splitlines()
    assert [line.split(",")[0] for line in found][::2][:2] == ["red", "blue"]
    path.write_text(path.read_text().replace("text", "words"))
    changed = cli("predict", str(result.run_dir), "--text", "a red text")
    assert changed.code == 2
    assert "own.tsv has other words or classes than when the run began" in changed.err


def test_tagged_sentences_train_as_the_same_from_a_grammar_and_are_predicted_with_or_without_tags(
    cli, sentences, tmp_path
):
    options = ("recipe.max_epochs=2", "recipe.lr=0.1")
    grammar = cli(*SLU, *options, "hydra.run.dir=grammar").folder / "grammar"
    own = grammar.with_name("own")
    dataset = ("dataset=tagged_sentences", f"dataset.directory={sentences}")
    assert cli(*SLU, *options, *dataset, f"hydra.run.dir={own}").code == 0
    assert (own / "metrics.csv").read_bytes() == (grammar / "metrics.csv").read_bytes()
    assert "vocabulary_sha256" in (own / "config.yaml").read_text()
    (tmp_path / "tagged").write_text("flights O\nto O\nboston O\n\nlist\tO\nxyzzy\tO\n")
    (tmp_path / "plain").write_text("flights\nto\nboston\n\nlist\nxyzzy\n")
    (tmp_path / "wide").write_text("flights to boston\n")
    with_tags, without, wide = (cli("predict", str(own), str(tmp_path / n)) for n in ("tagged", "plain", "wide"))
    assert with_tags.out == without.out
    rows = [row.split() for row in with_tags.out.splitlines()]
    assert [row[0] for row in rows[:3]] == ["flights", "to", "boston"]
    assert rows[3] == []
    assert rows[5][:1] + rows[5][2:] == ["xyzzy", "(unknown", "word)"]
    assert wide.code == 2
    assert "wide: line 1: has 3 columns; expected a word and its tag" in wide.err


@pytest.mark.parametrize(
    ("model", "options", "content", "message"),
    [
        (
            LSTM,
            ("dataset=labelled_lines", "dataset.file={}"),
            b"a\tx\nno tab\n",
            "own cannot be used: line 2: has no tab",
        ),
        (LSTM, ("dataset=labelled_lines", "dataset.file={}"), b"", "own is empty (0 bytes)"),
        (LSTM, ("dataset=text_folder",), b"", "dataset.directory says where the texts are"),
        (LSTM, ("dataset=text_folder", "dataset.directory={}"), b"", "own is no folder"),
        (SLU, ("dataset=tagged_sentences", "dataset.file={}"), b"a O\n\nb\n", "line 3: has the word 'b' and no tag"),
        (SLU, ("dataset=labelled_lines", "dataset.file={}"), b"", "dataset 'labelled_lines' has no num_labels; choose"),
    ],
)
def test_a_bad_file_is_refused_in_one_line_before_anything_is_written(cli, tmp_path, model, options, content, message):
    (tmp_path / "own").write_bytes(content)
    result = cli(*model, *(option.format(tmp_path / "own") for option in options))
    assert result.code == 2
    (line,) = result.err.splitlines()[1:]
    assert message in line
    assert list(result.folder.iterdir()) == []
