"""Classify sentences, in batches as HuggingFace's collators make them."""

import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader
from torchmetrics.classification import BinaryAccuracy
from torchmetrics.functional.classification import binary_accuracy

VOCABULARY = 50


def collate(rows):
    """Pad input_ids with 0; the attention_mask is 1 at tokens."""
    input_ids = pad_sequence([torch.tensor(row["input_ids"]) for row in rows], batch_first=True)
    labels = torch.tensor([row["label"] for row in rows])
    return {"input_ids": input_ids, "attention_mask": (input_ids != 0).long(), "labels": labels}


class Sentences(pl.LightningDataModule):
    """Sentences of token 1 to 49; label 1 has more of the upper half."""

    def __init__(self, train_batch_size: int = 8, eval_batch_size: int = 32):
        super().__init__()
        self.train_batch_size = train_batch_size
        self.eval_batch_size = eval_batch_size

    def setup(self, stage: str | None = None):
        generator = torch.Generator().manual_seed(5)
        rows = []
        for _ in range(160):
            length = int(torch.randint(3, 12, (), generator=generator))
            tokens = torch.randint(1, VOCABULARY, (length,), generator=generator)
            rows.append({"input_ids": tokens.tolist(), "label": int((tokens >= 25).float().mean() > 0.5)})
        self.dataset = {"train": rows[:80], "validation": rows[80:120], "test": rows[120:]}

    def train_dataloader(self):
        return DataLoader(self.dataset["train"], self.train_batch_size, shuffle=True, collate_fn=collate)

    def val_dataloader(self):
        return DataLoader(self.dataset["validation"], self.eval_batch_size, collate_fn=collate)

    def test_dataloader(self):
        return DataLoader(self.dataset["test"], self.eval_batch_size, collate_fn=collate)


class TextClassifier(pl.LightningModule):
    """The mean of the tokens' embeddings and a linear layer."""

    def __init__(
        self,
        embedding_dim: int = 8,
        num_labels: int = 2,
        learning_rate: float = 0.01,
        warmup_steps: int = 20,
        weight_decay: float = 0.01,
    ):
        super().__init__()
        self.save_hyperparameters()
        self.embedding = nn.Embedding(VOCABULARY, embedding_dim, padding_idx=0)
        self.dropout = nn.Dropout(0.1)
        self.classifier = nn.Linear(embedding_dim, num_labels)
        self.test_accuracy = BinaryAccuracy()
        self.outputs = []

    def forward(self, input_ids, attention_mask, labels=None):
        mask = attention_mask.unsqueeze(-1)
        pooled = (self.embedding(input_ids) * mask).sum(1) / mask.sum(1)
        logits = self.classifier(self.dropout(pooled))
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return {"loss": loss, "logits": logits}

    def training_step(self, batch, batch_idx):
        output = self(**batch)
        self.log("train_loss", output["loss"], prog_bar=True)
        return output

    def validation_step(self, batch, batch_idx):
        output = self(**batch)
        self.outputs.append((output["loss"], output["logits"].argmax(1), batch["labels"]))

    def on_validation_epoch_end(self):
        losses, predictions, labels = zip(*self.outputs, strict=True)
        self.outputs.clear()
        self.log("val_loss", torch.stack(losses).mean(), prog_bar=True)
        self.log("val_acc", binary_accuracy(torch.cat(predictions), torch.cat(labels)))

    def test_step(self, batch, batch_idx):
        output = self(**batch)
        self.test_accuracy(output["logits"].argmax(1), batch["labels"])
        self.log("test_acc", self.test_accuracy)

    def predict_step(self, batch, batch_idx):
        logits = self(batch["input_ids"], batch["attention_mask"])["logits"]
        return {"label": logits.argmax(1), "score": logits.softmax(1).max(1).values}

    def configure_optimizers(self):
        no_decay = ["bias"]
        named = list(self.named_parameters())
        groups = [
            {
                "params": [p for n, p in named if not any(nd in n for nd in no_decay)],
                "weight_decay": self.hparams.weight_decay,
            },
            {"params": [p for n, p in named if any(nd in n for nd in no_decay)], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=self.hparams.learning_rate, eps=1e-8)
        warmup = self.hparams.warmup_steps
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / warmup))
        return [optimizer], [{"scheduler": scheduler, "interval": "step", "frequency": 1}]
