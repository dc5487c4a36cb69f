"""The LSTM of reviews: its numbers against the formula and torch's cell, its padding, its dropout, its predictions."""

import pytest
import pytorch_lightning as pl
import torch

from dlpipe import DataError
from dlpipe.data import Ragged
from dlpipe_language.sentiment import LstmSentiment, mean_over_words

SMALL = ("model=lstm", "model.embedding_size=6", "model.num_hidden=6", "dataset.bucket=5")


@pytest.fixture
def model():
    torch.manual_seed(0)
    return LstmSentiment(9, embedding_size=5, num_hidden=4).double().eval()


def batch():
    reviews = Ragged.of([torch.tensor([1, 2, 3, 4]), torch.tensor([5]), torch.tensor([6, 7])])
    return reviews.padded(torch.arange(3)), torch.tensor([0, 1, 1]), reviews.lengths


def test_the_parameters_are_those_of_the_tutorial():
    model = LstmSentiment(10000)
    trained = {name: tuple(p.shape) for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {
        "embeddings.weight": (10000, 128),
        "lstm.weight_ih_l0": (512, 128),
        "lstm.weight_hh_l0": (512, 128),
        "lstm.bias_ih_l0": (512,),
        "output.weight": (2, 128),
        "output.bias": (2,),
    }
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == 1_411_842  # as published
    words = model.embeddings.weight.detach()
    assert 0 <= float(words.min()) < float(words.max()) < 0.01
    for gate in (*model.lstm.weight_ih_l0.chunk(4), *model.lstm.weight_hh_l0.chunk(4)):
        torch.testing.assert_close(gate @ gate.t(), torch.eye(128), atol=1e-5, rtol=0)
    assert float(model.output.weight.detach().std()) == pytest.approx(0.01, rel=0.2)
    assert not any(p.any() for name, p in model.named_parameters() if "bias" in name)


def test_logits_are_those_of_the_formula(model):
    """Gates i, f, c, o, step by step; then the mean over the words and the classifier of half of it."""
    words, _, lengths = batch()
    weight, recurrent, bias = (
        parameter.detach() for parameter in (model.lstm.weight_ih_l0, model.lstm.weight_hh_l0, model.lstm.bias_ih_l0)
    )
    for row in range(3):
        hidden, cell, total = torch.zeros(4), torch.zeros(4), torch.zeros(4)
        hidden, cell, total = hidden.double(), cell.double(), total.double()
        for word in words[row, : lengths[row]]:
            z = weight @ model.embeddings.weight.detach()[word] + recurrent @ hidden + bias
            i, f, c, o = z.chunk(4)
            cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(c)
            hidden = torch.sigmoid(o) * torch.tanh(cell)
            total = total + hidden
        wanted = model.output.weight @ (total / lengths[row] * 0.5) + model.output.bias
        torch.testing.assert_close(model(words, lengths)[row], wanted, rtol=1e-10, atol=1e-14)


def test_padding_changes_no_output_no_loss_and_no_gradient(model):
    words, labels, lengths = batch()
    loss = torch.nn.functional.cross_entropy(model(words, lengths), labels)
    alone = torch.stack(
        [
            torch.nn.functional.cross_entropy(
                model(words[row : row + 1, : lengths[row]], lengths[row : row + 1]), labels[row : row + 1]
            )
            for row in range(3)
        ]
    ).mean()
    torch.testing.assert_close(loss, alone, rtol=1e-12, atol=1e-14)
    trained = [p for p in model.parameters() if p.requires_grad]
    found, wanted = torch.autograd.grad(loss, trained), torch.autograd.grad(alone, trained)
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-14)
    assert not found[0][8].any()  # a word that is not there
    assert not found[0][0].any()  # nor is what stands beyond the ends


def test_gradients_are_those_of_differences(model):
    words, _, lengths = batch()

    def logits(*parameters):
        names = [name for name, p in model.named_parameters() if p.requires_grad]
        return torch.func.functional_call(model, dict(zip(names, parameters, strict=True)), (words, lengths))

    assert torch.autograd.gradcheck(logits, tuple(p for p in model.parameters() if p.requires_grad))


def test_the_mean_is_over_the_words_that_are_there():
    outputs = torch.arange(12.0).view(2, 3, 2)
    found = mean_over_words(outputs, torch.tensor([3, 1]))
    assert found.tolist() == [[2.0, 3.0], [6.0, 7.0]]


def test_dropout_leaves_out_entries_and_evaluation_scales():
    """Not torch's dropout, which scales in training: the tutorial's scales the mean in evaluation."""
    torch.manual_seed(0)
    model = LstmSentiment(9, embedding_size=5, num_hidden=300, dropout=0.25)
    torch.nn.init.eye_(model.output.weight)
    words, _, lengths = batch()
    whole = mean_over_words(model.lstm(model.embeddings(words))[0], lengths)[:, :2]
    drawn = torch.stack([model(words, lengths) for _ in range(4000)]).detach()
    assert ((drawn == 0) | (drawn - whole).abs().lt(1e-7)).all()
    kept = float((drawn != 0).double().mean())
    assert abs(kept - 0.75) < 5 * (0.75 * 0.25 / drawn.numel()) ** 0.5
    torch.testing.assert_close(model.eval()(words, lengths), whole * 0.75)


def test_word_dropout_leaves_out_whole_words_in_training_alone():
    torch.manual_seed(0)
    model = LstmSentiment(9, embedding_size=5, num_hidden=4, word_dropout=0.25)
    seen = []
    model.lstm.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach()))
    words = torch.randint(9, (50, 40))
    vectors = model.embeddings(words).detach()
    model(words, torch.full((50,), 40))
    left_out = (seen[0] == 0).all(2)
    torch.testing.assert_close(seen[0][~left_out], vectors[~left_out] / 0.75)
    assert abs(float(left_out.double().mean()) - 0.25) < 5 * (0.25 * 0.75 / 2000) ** 0.5
    model.eval()(words, torch.full((50,), 40))
    torch.testing.assert_close(seen[1], vectors)


def test_the_penalty_is_on_the_classifier_alone():
    model = LstmSentiment(9, embedding_size=5, num_hidden=4, l2=0.1)
    decayed, rest = model.parameter_groups()
    assert decayed["params"] == [model.output.weight]
    assert decayed["weight_decay"] == pytest.approx(0.2)
    assert rest["weight_decay"] == 0
    assert float(model.penalty()) == pytest.approx(0.1 * float(model.output.weight.detach().square().sum()))
    assert all(p is not model.lstm.bias_hh_l0 for p in rest["params"])


def test_a_run_learns_and_says_what_reviews_are(cli):
    """With Adam, as a few hundred updates of Adadelta only begin to learn."""
    options = ("optimizer=adam", "optimizer.lr=0.01", "recipe.max_epochs=6", "model.validate_every=120")
    result = cli(*SMALL, "model.dropout=0.1", *options)
    assert result.code == 0, result.err
    (line,) = (line for line in result.out.splitlines() if line.startswith("test error"))
    assert float(line.split()[2]) < 25
    run_dir = str(result.run_dir)
    good = cli("predict", run_dir, "--text", "The plot was superb. The music was charming. The cast was brilliant.")
    assert good.out.startswith("positive, probability 0.")
    bad = cli("predict", run_dir, "--text", "the plot was dull . the music was awful . xyzzy & xyzzy")
    assert bad.out.startswith("negative, probability 0.")
    assert bad.out.splitlines()[1] == "unknown words: &amp; xyzzy"
    assert cli("predict", run_dir, "--text", " ").out == "no words\n"
    long = cli("predict", run_dir, "--text", "the plot was dull . " * 2500)
    assert long.out.splitlines()[1] == "only the first 10000 of 12500 words are read"


def test_a_dataset_without_reviews_is_told():
    with pytest.raises(DataError, match=r"lstm is trained on reviews .*, and LightningDataModule has none: choose"):
        LstmSentiment(9).predict_text("good", pl.LightningDataModule())
