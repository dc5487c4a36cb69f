"""The recurrent network for slot filling."""

from collections.abc import Sequence
from typing import Annotated, Literal, final

import numpy as np
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from dlpipe import DataError
from dlpipe.data import SequenceBatch, length_mask
from dlpipe_language.embeddings import OntoUnitSphere, nearest
from dlpipe_language.halving import HalveAndGoBack
from dlpipe_language.pictures import neighbour_picture, slot_picture
from dlpipe_language.recurrence import elman, elman_backwards, jordan
from dlpipe_language.sentences import NO_LABEL, LabelledSentences
from dlpipe_language.slots import ALL, SlotScore, are_chunked, slot_scores
from dlpipe_language.vocabulary import truncate_words
from dlpipe_language.windows import check_window, context_windows

Positive = Annotated[int, Field(gt=0)]
Level = Annotated[float, Field(ge=0, lt=1)]


@final
class RnnSlu(pl.LightningModule):
    """An Elman or Jordan network over windows of word embeddings, which labels each word.

    The loss is the mean over sentences of the mean over a sentence's words of -log p(label). After every update each
    embedding, that of the padding included, is normalised to length 1.

    Args:
        num_words: size of the vocabulary; there is one more embedding, for padding.
        num_labels: number of labels.
        recurrence: ``elman`` feeds the previous word's hidden units back, ``jordan`` its output; ``bidirectional`` adds
            an Elman network of the same size that runs backwards (Schuster and Paliwal, 1997, Bidirectional recurrent
            neural networks).
        window: odd number of words that the network sees at each word, the word itself in the middle.
        embedding_size: size of a word's embedding.
        num_hidden: recurrent units.
        input_dropout: probability that an entry of a window is dropped in training; 0 in the tutorial.
        hidden_dropout: the same for the hidden units.
        halve_after: epochs without a better val/f1 after which the best weights are restored and the learning rate is
            halved, then again after each epoch; None never halves.
        least_lr: training stops below this learning rate.

    Raises:
        ValueError: ``window`` is even.

    Source: "Recurrent Neural Networks with Word Embeddings"; embeddings and weights from 0.2 U[-1, 1],
    biases and initial states 0.
    """

    def __init__(
        self,
        num_words: Positive,
        num_labels: Positive,
        recurrence: Literal["elman", "jordan", "bidirectional"] = "elman",
        window: Positive = 7,
        embedding_size: Positive = 50,
        num_hidden: Positive = 200,
        input_dropout: Level = 0.0,
        hidden_dropout: Level = 0.0,
        halve_after: Positive | None = 10,
        least_lr: Annotated[float, Field(ge=0)] = 1e-5,
    ) -> None:
        super().__init__()
        check_window(window)
        self.recurrence = recurrence
        self.window = window
        self.padding = num_words
        self.input_dropout = input_dropout
        self.hidden_dropout = hidden_dropout
        self.halve_after = halve_after
        self.least_lr = least_lr
        num_fed_back = num_labels if recurrence == "jordan" else num_hidden
        directions = 2 if recurrence == "bidirectional" else 1
        self.embeddings = _uniform(num_words + 1, embedding_size)
        self.weight_in = _uniform(window * embedding_size, num_hidden)
        self.weight_recurrent = _uniform(num_fed_back, num_hidden)
        self.weight_out = _uniform(directions * num_hidden, num_labels)
        self.bias_in = nn.Parameter(torch.zeros(num_hidden))
        self.bias_out = nn.Parameter(torch.zeros(num_labels))
        self.initial = nn.Parameter(torch.zeros(num_fed_back))
        if recurrence == "bidirectional":
            self.weight_in_back = _uniform(window * embedding_size, num_hidden)
            self.weight_recurrent_back = _uniform(num_hidden, num_hidden)
            self.bias_in_back = nn.Parameter(torch.zeros(num_hidden))
            self.initial_back = nn.Parameter(torch.zeros(num_hidden))
        self._sentences: list[tuple[list[int], list[int]]] = []  # gold and predicted labels of the current evaluation

    def configure_callbacks(self) -> list[pl.Callback]:
        """Callbacks that normalise the embeddings and halve the learning rate."""
        halving = [HalveAndGoBack("val/f1", self.halve_after, self.least_lr)] if self.halve_after else []
        return [OntoUnitSphere(self.embeddings), *halving]

    def forward(self, words: Tensor) -> Tensor:
        """Logits (examples, steps, num_labels) of the numbers of words (examples, steps)."""
        seen = F.embedding(context_windows(words, self.window, self.padding), self.embeddings).flatten(2)
        if self.training and self.input_dropout:
            seen = F.dropout(seen, self.input_dropout)
        inputs = _affine(seen, self.weight_in, self.bias_in)
        if self.recurrence == "jordan":
            hidden = jordan(inputs, self.weight_recurrent, self.initial, self.weight_out, self.bias_out)
        else:
            hidden = elman(inputs, self.weight_recurrent, self.initial)
        if self.recurrence == "bidirectional":
            back, lengths = _affine(seen, self.weight_in_back, self.bias_in_back), (words != self.padding).sum(1)
            backwards = elman_backwards(back, self.weight_recurrent_back, self.initial_back, lengths)
            hidden = torch.cat([hidden, backwards], 2)
        if self.training and self.hidden_dropout:
            hidden = F.dropout(hidden, self.hidden_dropout)
        return _affine(hidden, self.weight_out, self.bias_out)

    def training_step(self, batch: SequenceBatch, batch_idx: int) -> Tensor:
        """The loss of a minibatch."""
        words, labels, lengths = batch
        return sentence_loss(self(words), labels, lengths)

    def validation_step(self, batch: SequenceBatch, batch_idx: int) -> None:
        """Log val/loss and val/error, of words, and collect the labels for val/f1."""
        self._evaluate("val", batch)

    def test_step(self, batch: SequenceBatch, batch_idx: int) -> None:
        """Log test/loss and test/error, of words, and collect the labels for test/f1."""
        self._evaluate("test", batch)

    def _evaluate(self, split: str, batch: SequenceBatch) -> None:
        words, labels, lengths = batch
        logits = self(words)
        predicted = logits.argmax(2)
        count = int(lengths.sum())
        wrong = ((predicted != labels) & length_mask(lengths, words.shape[1])).sum() / count
        self.log(f"{split}/loss", sentence_loss(logits, labels, lengths), batch_size=len(words))
        self.log(f"{split}/error", wrong, batch_size=count)
        self._sentences += label_pairs(labels, predicted, lengths)

    def on_validation_epoch_end(self) -> None:
        """Log val/f1."""
        self._log_f1("val")

    def on_test_epoch_end(self) -> None:
        """Log test/f1, test/precision and test/recall."""
        self._log_f1("test")

    def _log_f1(self, split: str) -> None:
        names = self._sentences_of(self.trainer.datamodule).labels  # type: ignore[attr-defined]  # Lightning sets it
        score = score_pairs(self._sentences, names)[ALL]
        self._sentences = []
        self.log(f"{split}/f1", score.f1)
        if split == "test":
            self.log_dict({"test/precision": score.precision, "test/recall": score.recall})

    def check_data(self, data: pl.LightningDataModule) -> None:
        """Check that the dataset has labelled sentences and the model's numbers of words and labels.

        Raises:
            DataError: it is another kind of dataset, or the numbers differ.
        """
        dataset = self._sentences_of(data)
        for option, configured, actual in (
            ("num_words", self.padding, dataset.num_words),
            ("num_labels", len(self.bias_out), dataset.num_labels),
        ):
            if configured != actual:
                raise DataError(f"model.{option}={configured}: the dataset has {actual}")

    def _sentences_of(self, data: pl.LightningDataModule) -> LabelledSentences:
        if not isinstance(data, LabelledSentences):
            message = f"rnn_slu is trained on sentences whose words are labelled, and {type(data).__name__} has none"
            raise DataError(f"{message}: choose atis or synthetic_flights, or tagged_sentences for your own")
        return data

    def predict_step(self, batch: SequenceBatch, batch_idx: int) -> Tensor:
        """Probabilities (examples, steps, num_labels)."""
        return torch.softmax(self(batch[0]), 2)

    def predict_text(self, text: str, data: pl.LightningDataModule) -> list[str]:
        """One line per word with its slot; unknown words are marked."""
        dataset = self._sentences_of(data)
        words, notes = truncate_words(dataset.words_of(text))
        if not words:
            return ["no words"]
        numbers = torch.tensor([[dataset.vocabulary.number(word) for word in words]], device=self.device)
        with torch.inference_mode():
            labels = self(numbers)[0].argmax(1).tolist()
        width = max(map(len, words))
        lines = [
            f"{word:{width}}  {dataset.labels[label]}" + ("" if word in dataset.vocabulary else "  (unknown word)")
            for word, label in zip(words, labels, strict=True)
        ]
        return lines + notes

    def data_figures(self, data: pl.LightningDataModule) -> dict[str, NDArray[np.uint8]]:
        """The nearest neighbours of frequent words, and F1 of each type of slot on the test set."""
        dataset = self._sentences_of(data)
        sentences: list[tuple[list[int], list[int]]] = []
        for words, labels, lengths in dataset.test_dataloader():
            predicted = self(words.to(self.device)).argmax(2)
            sentences += label_pairs(labels, predicted, lengths)
        counts = torch.bincount(dataset.splits["train"].x.values.cpu(), minlength=self.padding)
        frequent = counts.topk(min(20, self.padding)).indices
        near = nearest(self.embeddings[: self.padding], min(5, self.padding - 1))
        word = dataset.vocabulary.words
        table = {word[row]: [word[other] for other in near[row].tolist()] for row in frequent.tolist()}
        return {"neighbours": neighbour_picture(table), "slots": slot_picture(score_pairs(sentences, dataset.labels))}


def label_pairs(gold: Tensor, predicted: Tensor, lengths: Tensor) -> list[tuple[list[int], list[int]]]:
    """Gold and predicted labels of each sentence, without padding; both (sentences, steps), lengths (sentences,)."""
    rows = zip(gold.tolist(), predicted.tolist(), lengths.tolist(), strict=True)
    return [(labels[:length], guesses[:length]) for labels, guesses, length in rows]


def score_pairs(sentences: Sequence[tuple[list[int], list[int]]], names: Sequence[str]) -> dict[str, SlotScore]:
    """`slot_scores` of pairs of label numbers; if labels are not of chunks, each word is a slot of its own.

    Precision, recall and F1 of all are then the fraction of words whose label is right.
    """
    if not are_chunked(names):
        names = [f"B-{name}" for name in names]
    gold, predicted = ([[names[label] for label in pair[side]] for pair in sentences] for side in (0, 1))
    return slot_scores(gold, predicted)


def sentence_loss(logits: Tensor, labels: Tensor, lengths: Tensor) -> Tensor:
    """The mean over sentences of the mean over a sentence's words of -log p(label).

    Args:
        logits: (sentences, steps, labels).
        labels: (sentences, steps), padded with `NO_LABEL`.
        lengths: (sentences,).
    """
    if len(labels) == 1:  # the same value in fewer calls
        return F.cross_entropy(logits[0], labels[0], ignore_index=NO_LABEL)
    losses = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=NO_LABEL, reduction="none")
    return (losses.view(labels.shape).sum(1) / lengths).mean()


def _affine(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x weight + bias in one call: (examples, steps, columns) of x (examples, steps, rows)."""
    return torch.addmm(bias, x.flatten(0, 1), weight).view(*x.shape[:2], -1)


def _uniform(rows: int, columns: int) -> nn.Parameter:
    return nn.Parameter(torch.empty(rows, columns).uniform_(-0.2, 0.2))
