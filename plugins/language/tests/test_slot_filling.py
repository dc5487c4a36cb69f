"""The slot filling network: its numbers, its embeddings, its learning rate, and its predictions."""

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

import dlpipe
from dlpipe import DataError
from dlpipe.data import Ragged
from dlpipe.training.speed.updates import FusedUpdates
from dlpipe_language.embeddings import nearest, to_unit_sphere
from dlpipe_language.flights import SyntheticFlights
from dlpipe_language.sentences import NO_LABEL
from dlpipe_language.slot_filling import RnnSlu, sentence_loss

SMALL = ("model=rnn_slu", "model.num_hidden=10", "model.embedding_size=8", "model.window=3")


@pytest.fixture(params=["elman", "jordan", "bidirectional"])
def model(request):
    torch.manual_seed(0)
    return RnnSlu(9, 4, request.param, window=3, embedding_size=5, num_hidden=6).double()


def test_the_parameters_are_those_of_the_tutorial():
    model = RnnSlu(572, 127)
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    assert shapes == {
        "embeddings": (573, 50),
        "weight_in": (350, 200),
        "weight_recurrent": (200, 200),
        "weight_out": (200, 127),
        "bias_in": (200,),
        "bias_out": (127,),
        "initial": (200,),
    }
    assert 0.19 < float(model.weight_in.detach().abs().max()) <= 0.2
    assert not model.initial.any()


def test_padding_changes_no_output_no_loss_and_no_gradient(model):
    sentences = [torch.tensor([1, 2, 3, 4]), torch.tensor([5]), torch.tensor([6, 7])]
    labels = [torch.tensor([0, 1, 2, 3]), torch.tensor([1]), torch.tensor([2, 0])]
    x, y = Ragged.of(sentences, padding_value=9), Ragged.of(labels, padding_value=NO_LABEL)
    together = model(x.padded(torch.arange(3)))
    for row, words in enumerate(sentences):
        torch.testing.assert_close(together[row, : len(words)], model(words[None])[0], rtol=1e-12, atol=1e-14)
    loss = sentence_loss(together, y.padded(torch.arange(3)), x.lengths)
    alone = [
        sentence_loss(model(words[None]), own[None], torch.tensor([len(words)]))
        for words, own in zip(sentences, labels, strict=True)
    ]
    torch.testing.assert_close(loss, torch.stack(alone).mean(), rtol=1e-12, atol=1e-14)
    found = torch.autograd.grad(loss, list(model.parameters()))
    wanted = torch.autograd.grad(torch.stack(alone).mean(), list(model.parameters()))
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("recurrence", ["elman", "jordan", "bidirectional"])
def test_a_slot_is_told_from_the_words_before_and_if_bidirectional_from_those_after(recurrence):
    torch.manual_seed(0)
    model = RnnSlu(9, 4, recurrence, window=1, embedding_size=5, num_hidden=6).double()
    base, first, last = (model(torch.tensor([words]))[0] for words in ([1, 2, 3, 4], [5, 2, 3, 4], [1, 2, 3, 5]))
    assert not torch.equal(base[3], first[3])
    assert torch.equal(base[0], last[0]) == (recurrence != "bidirectional")


def test_slots_are_told_from_both_ends(cli):
    result = cli(*SMALL, "model.recurrence=bidirectional", "recipe.max_epochs=2")
    assert result.code == 0, result.err
    assert cli("predict", str(result.run_dir), "--text", "flights to boston").code == 0
    assert cli("figures", str(result.run_dir)).code == 0


def test_the_loss_is_the_mean_over_a_sentences_words():
    logits = torch.randn(1, 3, 4, dtype=torch.float64)
    labels = torch.tensor([[2, 0, 1]])
    wanted = -sum(torch.log_softmax(logits[0, step], 0)[labels[0, step]] for step in range(3)) / 3
    torch.testing.assert_close(sentence_loss(logits, labels, torch.tensor([3])), wanted)


def test_embeddings_end_on_the_unit_sphere(cli):
    result = cli(*SMALL, "recipe.max_epochs=1", "trainer.limit_train_batches=50")
    assert result.code == 0, result.err
    lengths = dlpipe.load(result.run_dir).embeddings.norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths))


def test_a_vector_of_zeros_stays():
    vectors = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    to_unit_sphere(vectors)
    torch.testing.assert_close(vectors, torch.tensor([[0.0, 0.0], [0.6, 0.8]]))


def test_neighbours_are_those_with_the_largest_cosine():
    vectors = torch.tensor([[1.0, 0.0], [5.0, 1.0], [0.0, 1.0], [-1.0, 0.0]])
    assert nearest(vectors, 2)[:2].tolist() == [[1, 2], [0, 2]]


def test_the_learning_rate_is_halved_and_the_best_weights_come_back(cli):
    """At a rate that is too large nothing gets better: it is halved after each epoch, until it is too small."""
    options = ("recipe.max_epochs=60", "model.halve_after=2", "model.least_lr=0.5", "trainer.limit_train_batches=15")
    result = cli(*SMALL, "recipe.lr=1.5", *options)
    assert result.code == 0, result.err
    assert "no new best val/f1: the best weights again, and learning rate 0.75" in result.out
    assert "by max_epochs" not in result.out


def test_an_even_window_is_refused(cli):
    result = cli("model=rnn_slu", "model.window=4")
    assert result.code == 2
    assert "window=4: a window has a word in its middle; take an odd number, such as 5" in result.err
    assert list(result.folder.iterdir()) == []


def test_a_dataset_without_labelled_words_is_told():
    with pytest.raises(DataError, match="labelled, and LightningDataModule has none: choose atis or synthetic_flights"):
        RnnSlu(9, 4).check_data(pl.LightningDataModule())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("model=rnn_slu dataset=synthetic_reviews model.num_labels=2", "labelled, and SyntheticReviews has none"),
        ("model=rnn_slu model.num_labels=2", "dataset=synthetic_flights: model.num_labels=2: the dataset has 23"),
        (
            "model=lstm dataset=synthetic_flights model.num_classes=2",
            "negative, and SyntheticFlights has none: choose imdb, imdb_pickles",
        ),
        ("model=lstm model.num_words=9", "dataset=synthetic_reviews: model.num_words=9: the dataset has 99"),
        ("model=lstm dataset=digits", "model.num_words: dataset 'digits' has no num_words; choose another dataset"),
    ],
)
def test_another_dataset_is_refused_before_anything_is_made(cli, words, message):
    result = cli(*words.split())
    assert result.code == 2
    assert message in result.err
    assert list(result.folder.iterdir()) == []


@pytest.mark.parametrize("recurrence", ["elman", "bidirectional"])
def test_one_trace_is_for_sentences_of_all_lengths(recurrence, cli, monkeypatch):
    counted = []
    monkeypatch.setattr(FusedUpdates, "on_train_end", lambda self, *_: counted.append((self.updates, self.budget)))
    words = (*SMALL, f"model.recurrence={recurrence}", "recipe.max_epochs=1", "trainer.limit_train_batches=60")
    run_dir = cli(*words).run_dir
    assert "disabled" not in (run_dir / "dlpipe.log").read_text()
    ((updates, budget),) = counted
    assert (updates, budget.traces) == (60, 3)


def test_its_figures_show_neighbours_and_slots():
    options = {"batch_size": 1, "shuffle": True, "drop_last": False, "bucket": 1, "eval_batch_size": 50, "seed": 0}
    data = SyntheticFlights(num_words=100, num_labels=23, **options)
    data.setup("fit")
    torch.manual_seed(0)
    figures = RnnSlu(100, 23, window=3, embedding_size=5, num_hidden=6).eval().data_figures(data)
    assert sorted(figures) == ["neighbours", "slots"]
    for picture in figures.values():
        assert picture.dtype == np.uint8
        assert picture.ndim == 3
        assert picture.std() > 1


def test_words_are_printed_with_their_slots(cli):
    run_dir = cli(*SMALL, "recipe.max_epochs=1", "trainer.limit_train_batches=50").run_dir
    result = cli("predict", str(run_dir), "--text", "Flights to St. Louis, or xyzzy")
    assert result.code == 0, result.err
    assert [line.split()[0] for line in result.out.splitlines()] == ["flights", "to", "st.", "louis", "or", "xyzzy"]
    assert result.out.splitlines()[-1].endswith("(unknown word)")
    assert cli("predict", str(run_dir), "--text", " ").out == "no words\n"
    (run_dir / "texts").write_text("show flights\n\nlist flights\n")
    assert cli("predict", str(run_dir), str(run_dir / "texts")).out.splitlines()[2:5] == ["", "no words", ""]
    both = cli("predict", str(run_dir), "--text", "flights", str(run_dir / "texts"))
    assert "reads texts: give --text TEXT, not both" in both.err
    (run_dir / "empty").touch()
    assert "empty is empty" in cli("predict", str(run_dir), str(run_dir / "empty")).err
    assert "reads texts: give --text TEXT, or files of a text a line" in cli("predict", str(run_dir)).err
    assert "nowhere cannot be read as text" in cli("predict", str(run_dir), "nowhere").err
    assert "unrecognized arguments: --txt; usage: python -m dlpipe predict" in cli("predict", str(run_dir), "--txt").err
