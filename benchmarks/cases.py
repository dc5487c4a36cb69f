"""What is measured: the cases and the ways to train each. Imports no torch, as the process that starts the runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

NUM_EXAMPLES = 50_000
VARIANTS = ("plain", "compiled", "by hand", "dataloader", "lightning", "dlpipe", "dlpipe, K = 1")
DEVICES = ("cpu", "gpu")


@dataclass(frozen=True)
class Case:
    """A model on MNIST, if no other dataset is named, with the hyper-parameters of its recipe.

    Args:
        model: dlpipe's name of it.
        batch_size: examples in a minibatch.
        lr: of the optimizer.
        optimizer: a class of torch.optim.
        l2: weight of sum W^2 in the loss.
        epochs: to train, the first as warm-up.
        most_updates: where an epoch takes long, only so many updates of it.
        stage: of a model with stages, the one that is measured.
        dataset: dlpipe's name of it.
        num_examples: that an epoch sees.
        options: of the optimizer, where torch's defaults are not the recipe's.
        clip: the largest norm of the gradient; None where it is not clipped.
        overrides: of dlpipe's command line, beside those of every case.
    """

    model: str
    batch_size: int
    lr: float
    optimizer: str = "SGD"
    l2: float = 0.0
    epochs: int = 2
    most_updates: int | None = None
    stage: str = ""
    dataset: str = "mnist"
    num_examples: int = NUM_EXAMPLES
    options: Mapping[str, float] = field(default_factory=dict)
    clip: float | None = None
    overrides: tuple[str, ...] = ()

    @property
    def updates(self) -> int:
        """Updates an epoch; a last minibatch that is not full is dropped."""
        whole = self.num_examples // self.batch_size
        return min(whole, self.most_updates or whole)

    @property
    def label(self) -> str:
        """The case in a table."""
        stage = f" {self.stage}" if self.stage else ""
        optimizer = "" if self.optimizer == "SGD" and not self.options else f", {self.optimizer}"
        momentum = " with momentum" if "momentum" in self.options else ""
        clip = "" if self.clip is None else ", clipped"
        return f"{self.model}{stage}, batch {self.batch_size}{optimizer}{momentum}{clip}"


CASES = {
    "logreg600": Case("logreg", 600, 0.13, epochs=11),
    "logreg20": Case("logreg", 20, 0.13),
    "mlp": Case("mlp", 20, 0.01, l2=0.0001),
    "mlp_momentum": Case("mlp", 20, 0.01, l2=0.0001, options={"momentum": 0.9}, overrides=("optimizer.momentum=0.9",)),
    "mlp_adam": Case("mlp", 20, 0.001, optimizer="Adam", l2=0.0001, overrides=("optimizer=adam", "optimizer.lr=0.001")),
    "lenet": Case("lenet", 500, 0.1, most_updates=20),
    "lenet_adam": Case(
        "lenet", 500, 0.001, optimizer="Adam", most_updates=20, overrides=("optimizer=adam", "optimizer.lr=0.001")
    ),
    "da": Case("da", 20, 0.1),
    "ca": Case("ca", 10, 0.01, most_updates=2500),
    "sda_pretrain": Case("sda", 1, 0.001, most_updates=5000, stage="pretrain/0"),
    "sda_finetune": Case("sda", 1, 0.1, most_updates=2500, stage="finetune"),
    "rbm": Case("rbm", 20, 0.1, most_updates=500),
    "dbn_pretrain": Case("dbn", 10, 0.01, most_updates=1000, stage="pretrain/0"),
    "dbn_finetune": Case("dbn", 10, 0.1, most_updates=500, stage="finetune"),
    "rnn_rbm": Case("rnn_rbm", 1, 0.001, most_updates=1000, dataset="nottingham"),
    "rnn_slu": Case(
        "rnn_slu",
        1,
        0.0970806646812754,
        most_updates=1000,
        dataset="atis",
        num_examples=3983,
        overrides=("dataset.fold=3",),
    ),
    "lstm": Case(
        "lstm",
        16,
        1.0,
        optimizer="Adadelta",
        dataset="imdb_pickles",
        num_examples=2000,
        options={"rho": 0.95},
        # validation at the end of an epoch, where the clock expects it; as many test reviews as the tutorial takes
        overrides=("model.validate_every=null", "dataset.test_size=500"),
    ),
    "third_party": Case("third_party", 20, 0.001, optimizer="Adam"),
    "third_party_clipped": Case(
        "third_party", 20, 0.001, optimizer="Adam", clip=1.0, overrides=("trainer.gradient_clip_val=1.0",)
    ),
}
