"""The LSTM for sentiment analysis of reviews."""

from typing import Annotated, Any, final

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from dlpipe import DataError
from dlpipe.data import SequenceBatch, length_mask
from dlpipe_language.history import HistoryStopping
from dlpipe_language.texts import ClassifiedTexts
from dlpipe_language.vocabulary import truncate_words
from dlpipe_supervised.classifier import log_scores
from dlpipe_supervised.losses import negative_log_likelihood

Positive = Annotated[int, Field(gt=0)]
Level = Annotated[float, Field(ge=0, lt=1)]


@final
class LstmSentiment(pl.LightningModule):
    """softmax(W m + b), where m is the mean over a review's words of the outputs of an LSTM over their embeddings.

    Args:
        num_words: size of the vocabulary.
        embedding_size: size of a word's embedding.
        num_hidden: units of the LSTM.
        word_dropout: probability that a word's embedding is zeroed in training, the others being scaled up; 0 in the
            tutorial.
        dropout: probability that an entry of m is zeroed in training; in evaluation m is multiplied by 1 - dropout.
        l2: weight of sum W^2 in the loss.
        patience: validations without improvement of val/error before training stops, see `History`; None never stops.
        validate_every: updates between validations, counted across epochs; None validates after each epoch.
        num_classes: number of classes.

    Source: "LSTM Networks for Sentiment Analysis"; embeddings from 0.01 U[0, 1], the matrices of each gate orthogonal,
    W from 0.01 N(0, 1), biases 0, also the forget gate's.
    """

    can_be_fused = False  # torch's LSTM is one call already, beside which a trace saves nothing

    def __init__(
        self,
        num_words: Positive,
        embedding_size: Positive = 128,
        num_hidden: Positive = 128,
        word_dropout: Level = 0.0,
        dropout: Level = 0.5,
        l2: Annotated[float, Field(ge=0)] = 0.0,
        patience: Positive | None = 10,
        validate_every: Positive | None = 370,
        num_classes: Positive = 2,
    ) -> None:
        super().__init__()
        self.word_dropout = word_dropout
        self.dropout = dropout
        self.l2 = l2
        self.patience = patience
        self.validate_every = validate_every
        self.embeddings = nn.Embedding(num_words, embedding_size)
        self.lstm = nn.LSTM(embedding_size, num_hidden, batch_first=True)
        self.output = nn.Linear(num_hidden, num_classes)
        nn.init.uniform_(self.embeddings.weight, 0, 0.01)
        for name, parameter in self.lstm.named_parameters():
            if name.startswith("bias"):
                nn.init.zeros_(parameter)
            else:
                for gate in parameter.chunk(4):
                    nn.init.orthogonal_(gate)
        nn.init.zeros_(self.output.bias)
        nn.init.normal_(self.output.weight, std=0.01)
        self.lstm.bias_hh_l0.requires_grad_(False)  # torch has two biases, which would learn twice as fast as one

    def configure_callbacks(self) -> list[pl.Callback]:
        """The callback that schedules validations and stops by their history."""
        return [HistoryStopping("val/error", self.patience, self.validate_every)]

    def forward(self, words: Tensor, lengths: Tensor) -> Tensor:
        """Logits (texts, num_classes) of numbers of words (texts, steps), padded, and the texts' lengths (texts,)."""
        vectors = self.embeddings(words)
        if self.training and self.word_dropout:
            vectors = vectors * F.dropout(torch.ones_like(vectors[:, :, :1]), self.word_dropout)
        outputs, _ = self.lstm(vectors)
        mean = mean_over_words(outputs, lengths)
        keep_probability = 1 - self.dropout
        mean = mean * (torch.rand_like(mean) < keep_probability) if self.training else mean * keep_probability
        return self.output(mean)  # type: ignore[no-any-return]  # nn.Module calls give Any

    def parameter_groups(self) -> list[dict[str, Any]]:
        """W with a decay of 2 * l2, the gradient of l2 * sum W^2; the other parameters without."""
        trained = [p for p in self.parameters() if p.requires_grad and p is not self.output.weight]
        return [
            {"params": [self.output.weight], "weight_decay": 2 * self.l2},
            {"params": trained, "weight_decay": 0.0},
        ]

    @torch.no_grad()
    def penalty(self) -> Tensor:
        """l2 * sum W^2, which the weight decay implements; a scalar."""
        return self.l2 * self.output.weight.square().sum()

    def training_step(self, batch: SequenceBatch, batch_idx: int) -> Tensor:
        """The negative log-likelihood of a minibatch; l2 is left to the optimizer."""
        words, labels, lengths = batch
        return negative_log_likelihood(self(words, lengths), labels)

    def validation_step(self, batch: SequenceBatch, batch_idx: int) -> None:
        """Log val/loss and val/error."""
        words, labels, lengths = batch
        log_scores(self, "val", self(words, lengths), labels)

    def test_step(self, batch: SequenceBatch, batch_idx: int) -> None:
        """Log test/loss and test/error."""
        words, labels, lengths = batch
        log_scores(self, "test", self(words, lengths), labels)

    def check_data(self, data: pl.LightningDataModule) -> None:
        """Check that the dataset has texts with classes, and the model's numbers of words and classes.

        Raises:
            DataError: it is another kind of dataset, or the numbers differ.
        """
        texts = self._texts_of(data)
        for option, configured, actual in (
            ("num_words", self.embeddings.num_embeddings, texts.num_words),
            ("num_classes", self.output.out_features, texts.num_classes),
        ):
            if configured != actual:
                raise DataError(f"model.{option}={configured}: the dataset has {actual}")

    def _texts_of(self, data: pl.LightningDataModule) -> ClassifiedTexts:
        if not isinstance(data, ClassifiedTexts):
            kind = "reviews or other texts with classes, such as positive and negative"
            message = f"lstm is trained on {kind}, and {type(data).__name__} has none"
            own = "text_folder or labelled_lines for your own"
            raise DataError(f"{message}: choose imdb, imdb_pickles or synthetic_reviews, or {own}")
        return data

    def predict_step(self, batch: SequenceBatch, batch_idx: int) -> Tensor:
        """Probabilities (texts, num_classes)."""
        words, _, lengths = batch
        return torch.softmax(self(words, lengths), 1)

    def predict_text(self, text: str, data: pl.LightningDataModule) -> list[str]:
        """A line with the likelier class and its probability, then lines about words that were not read."""
        texts = self._texts_of(data)
        words, notes = truncate_words(texts.words_of(text))
        if not words:
            return ["no words"]
        numbers = torch.tensor([[texts.vocabulary.number(word) for word in words]], device=self.device)
        with torch.inference_mode():
            (probabilities,) = torch.softmax(self(numbers, torch.tensor([len(words)], device=self.device)), 1)
        label = int(probabilities.argmax())
        unknown = sorted({word for word in words if word not in texts.vocabulary})
        warning = [f"unknown words: {' '.join(unknown)}"] if unknown else []
        return [f"{texts.class_names[label]}, probability {float(probabilities[label]):.6f}", *warning, *notes]


def mean_over_words(outputs: Tensor, lengths: Tensor) -> Tensor:
    """The mean over each sequence's own steps, padding excluded: (sequences, units).

    Args:
        outputs: (sequences, steps, units).
        lengths: (sequences,).
    """
    mask = length_mask(lengths, outputs.shape[1]).to(outputs.dtype)
    return torch.bmm(mask.unsqueeze(1), outputs).squeeze(1) / lengths.unsqueeze(1)
