"""Traced steps against autograd and torch.optim, in float64 to 1e-12 over many steps; and where they are not used."""

import random
from collections import Counter

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils._python_dispatch import TorchDispatchMode

from dlpipe.data import EpochSampler, Split, TensorMinibatches
from dlpipe.training.quiet import quiet_lightning
from dlpipe.training.speed import shapes, support, tracing, updates
from dlpipe.training.speed.chunks import take_chunks
from dlpipe.training.speed.direct_call import direct_call
from dlpipe.training.speed.fused import fused_step
from dlpipe.training.speed.traceable import NotTraceableError
from dlpipe.training.speed.tracing import trace_training_step
from dlpipe.training.speed.updates import FusedUpdates, update_rates

X = torch.tensor([0.3, 0.7, 0.2])


class Base(pl.LightningModule):
    """Two dense layers; a subclass says what else the loss depends on."""

    def __init__(self, **options):
        super().__init__()
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 3)
        self.options = {"lr": 0.1, **options}

    def forward(self, x):
        return self.second(torch.tanh(self.first(x)))

    def training_step(self, batch, batch_idx):
        return F.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self):
        decayed = {"params": [self.first.weight, self.second.weight], "weight_decay": 0.01}
        taken = set(map(id, decayed["params"]))
        rest = {"params": [p for p in self.parameters() if id(p) not in taken]}
        return torch.optim.SGD([decayed, rest], **self.options)


class Penalised(Base):
    def training_step(self, batch, batch_idx):
        penalty = self.first.weight.abs().sum() + self.second.weight.square().sum()
        return super().training_step(batch, batch_idx) + 0.01 * penalty


class ConstantGradient(Base):
    """The gradient of two parameters is the same at every minibatch."""

    def training_step(self, batch, batch_idx):
        return super().training_step(batch, batch_idx) + 0.01 * self.first.bias.sum() + self.second.bias.mean()


class Recurrent(Base):
    def forward(self, x):
        for _ in range(3):
            x = torch.tanh(self.first(x))
        return self.second(x)


class Tied(Base):
    """An autoencoder whose decoder is its encoder's transpose."""

    def training_step(self, batch, batch_idx):
        x = batch[0].sigmoid()
        hidden = torch.sigmoid(self.first(x))
        return F.binary_cross_entropy_with_logits(hidden @ self.first.weight, x)


class SharedWeight(Base):
    def __init__(self, **options):
        super().__init__(**options)
        self.third = nn.Linear(6, 6)
        self.third.weight = self.first.weight

    def forward(self, x):
        return self.second(self.third(torch.tanh(self.first(x))))


class Unused(Base):
    """A use that the loss does not depend on, and a layer without any: no gradient, so no decay either."""

    def __init__(self, **options):
        super().__init__(**options)
        self.third = nn.Linear(6, 6)

    def training_step(self, batch, batch_idx):
        self.third(batch[0])
        return F.cross_entropy(self.second(batch[0]), batch[1])


class ProductOfWeights(Base):
    """The gradient of each factor is a product with the other, as it is before the update."""

    def forward(self, x):
        return x @ (self.second.weight @ self.first.weight).t()


class Frozen(Base):
    def __init__(self, **options):
        super().__init__(**options)
        self.first.weight.requires_grad_(False)


class Convolved(Base):
    def __init__(self, **options):
        super().__init__(**options)
        self.conv = nn.Conv1d(1, 1, 3, padding=1)

    def forward(self, x):
        return super().forward(self.conv(x.unsqueeze(1)).squeeze(1))


class Sequence(Base):
    def forward(self, x):
        return super().forward(torch.stack([x, x + 1], 1)).mean(1)


class WithoutBias(Base):
    def __init__(self, **options):
        super().__init__(**options)
        self.first = nn.Linear(6, 6, bias=False)


class Samples(Base):
    """Dropout, and a sample without a gradient."""

    def forward(self, x):
        with torch.no_grad():
            mask = torch.bernoulli(torch.full_like(x, 0.5))
        return super().forward(F.dropout(x * mask, 0.2))


class OwnGenerator(Base):
    def __init__(self, **options):
        super().__init__(**options)
        self.generator = torch.Generator().manual_seed(7)

    def forward(self, x):
        return super().forward(torch.bernoulli(x.sigmoid(), generator=self.generator))


class Normalised(Base):
    """Running statistics are buffers that a step writes to."""

    def __init__(self, **options):
        super().__init__(**options)
        self.norm = nn.BatchNorm1d(6)

    def forward(self, x):
        return super().forward(self.norm(x))


class Chain(Base):
    """Persistent contrastive divergence: the chain is a buffer that continues from step to step."""

    def __init__(self, **options):
        super().__init__(**options)
        self.register_buffer("chain", torch.zeros(5, 6))

    def free_energy(self, v):
        return -F.softplus(self.first(v)).sum(1).mean()

    def training_step(self, batch, batch_idx):
        with torch.no_grad():
            hidden = torch.bernoulli(torch.sigmoid(self.first(self.chain)))
            self.chain.copy_(torch.bernoulli(torch.sigmoid(hidden @ self.first.weight)))
        return self.free_energy(batch[0].sigmoid()) - self.free_energy(self.chain)


class Scheduled(Base):
    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.99)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Options:
    strength = 1.0


class Adjusted(Base):
    """What the loss depends on changes between epochs: an attribute, an object's, and which layers learn."""

    def __init__(self, **options):
        super().__init__(**options)
        self.weighting, self.penalty = 1.0, Options()

    def on_train_epoch_start(self):
        self.weighting *= 0.9
        self.penalty.strength *= 0.8
        if self.current_epoch == 3:
            self.second.weight.requires_grad_(False)

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        return loss * self.weighting + self.penalty.strength * self.first.weight.square().sum()


class InDict(Base):
    def training_step(self, batch, batch_idx):
        return {"loss": super().training_step(batch, batch_idx)}


class ByItem(Base):
    """A value that is read is read again at every step."""

    def training_step(self, batch, batch_idx):
        return super().training_step(batch, batch_idx) * batch[0].max().item()


class WithoutIndex(Base):
    def training_step(self, batch):
        return super().training_step(batch, None)


def data(dtype=torch.float64, examples=50):
    x = torch.randn(examples, 6, dtype=dtype)
    return TensorMinibatches(Split(x, (x[:, 0] > 0).long() + (x[:, 1] > 0).long()), 5, EpochSampler(examples, 1, True))


def train(make_module, fused=True, dtype=torch.float64, epochs=20, chunk=4, callbacks=(), loader=None, **options):
    """The trained module, and how many of its updates were fused."""
    torch.manual_seed(2)
    module = make_module().to(dtype)
    callback = FusedUpdates()
    with quiet_lightning():
        trainer = pl.Trainer(
            callbacks=[*([callback] if fused else []), *callbacks],
            max_epochs=epochs,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            **options,
        )
        take_chunks(trainer, chunk)
        trainer.fit(module, loader() if loader else data(dtype))
    return module, callback.updates


def assert_same_weights(module, reference, atol):
    assert module.state_dict().keys() == reference.state_dict().keys()
    for name, tensor in reference.state_dict().items():
        torch.testing.assert_close(module.state_dict()[name], tensor, rtol=0, atol=atol, msg=name)


ALIKE = [
    *(
        Base,
        Penalised,
        ConstantGradient,
        Recurrent,
        Tied,
        SharedWeight,
        Unused,
        ProductOfWeights,
        Frozen,
        Convolved,
        Sequence,
        WithoutBias,
    ),
    *(Samples, OwnGenerator, Normalised, Chain, Scheduled, InDict, WithoutIndex, ByItem),
]


@pytest.mark.parametrize("chunk", [1, 4])
@pytest.mark.parametrize("make_module", ALIKE)
def test_fused_updates_are_those_of_sgd(make_module, chunk):
    reference, _ = train(make_module, fused=False, chunk=chunk)
    module, fused = train(make_module, chunk=chunk)
    assert fused == 200
    assert_same_weights(module, reference, 1e-12)


@pytest.mark.parametrize("chunk", [1, 4])
def test_a_step_is_traced_again_when_what_it_depends_on_changes(chunk):
    reference, _ = train(Adjusted, fused=False, chunk=chunk, epochs=6)
    module, fused = train(Adjusted, chunk=chunk, epochs=6)
    assert fused == 60
    assert_same_weights(module, reference, 1e-12)


def test_a_last_minibatch_of_another_size_has_a_trace_of_its_own():
    reference, _ = train(Base, fused=False, loader=lambda: data(examples=48))
    module, fused = train(Base, loader=lambda: data(examples=48))
    assert fused == 200
    assert_same_weights(module, reference, 1e-12)


def with_optimizer(make_optimizer, base=Base, schedule=None):
    """A module that is trained by another optimizer, perhaps with an LR scheduler that steps at every update."""

    class Optimized(base):
        def configure_optimizers(self):
            optimizer = make_optimizer(self.parameters())
            if not schedule:
                return optimizer
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule(optimizer), "interval": "step"}}

    return Optimized


OPTIMIZERS = {
    "sgd": lambda p, **o: torch.optim.SGD(p, lr=0.1, weight_decay=0.01, **o),
    "momentum": lambda p, **o: torch.optim.SGD(p, lr=0.05, momentum=0.9, dampening=0.1, weight_decay=0.01, **o),
    "nesterov": lambda p, **o: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, **o),
    "maximize": lambda p, **o: torch.optim.SGD(p, lr=0.001, maximize=True, **o),
    "a rate that is a tensor": lambda p: torch.optim.SGD(p, lr=torch.tensor(0.1)),
    "adam": lambda p, **o: torch.optim.Adam(p, lr=0.01, **o),
    "amsgrad": lambda p, **o: torch.optim.Adam(p, lr=0.01, amsgrad=True, weight_decay=0.01, **o),
    "adamw": lambda p, **o: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1, **o),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01),
    "adadelta": lambda p: torch.optim.Adadelta(p, lr=1.0),
}
LIMITS = {
    "as it is": {},
    "clipped by norm": {"gradient_clip_val": 0.05},
    "clipped by value": {"gradient_clip_val": 0.01, "gradient_clip_algorithm": "value"},
    "accumulated": {"accumulate_grad_batches": 3},
    "both": {"accumulate_grad_batches": 4, "gradient_clip_val": 0.02},
}


def decay(optimizer):
    return torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.99)


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_traced_steps_with_any_optimizer_are_those_of_autograd(optimizer, limits):
    make_module = with_optimizer(optimizer, schedule=decay)
    reference, _ = train(make_module, fused=False, chunk=1, epochs=2, **limits)
    module, fused = train(make_module, epochs=2, **limits)
    assert fused == 20
    assert_same_weights(module, reference, 1e-9)
    assert not torch.equal(train(make_module, epochs=1, **limits)[0].first.weight, module.first.weight)


@pytest.mark.parametrize("make_module", ALIKE)
def test_traced_gradients_are_those_of_autograd(make_module):
    adam = with_optimizer(OPTIMIZERS["adam"], make_module)
    limits = {"gradient_clip_val": 0.05, "accumulate_grad_batches": 2}
    reference, _ = train(adam, fused=False, epochs=4, **limits)
    module, fused = train(adam, epochs=4, **limits)
    assert fused == 40
    assert_same_weights(module, reference, 1e-9)


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize("optimizer", ["momentum", "adam", "adamw", "rmsprop"])
def test_with_the_same_kernel_a_traced_run_has_the_bits_of_one_that_is_not(optimizer, limits):
    options = {} if optimizer == "rmsprop" else {"fused": True}
    make_module = with_optimizer(lambda parameters: OPTIMIZERS[optimizer](parameters, **options))
    runs = [train(make_module, fused, torch.float32, epochs=4, **limits)[0] for fused in (False, True)]
    assert_same_weights(*runs, 0)


@pytest.mark.parametrize(
    ("optimizer", "options", "kernel"),
    [
        ("adam", {}, True),
        ("momentum", {}, True),
        ("adam", {"foreach": True}, None),
        ("adam", {"fused": False}, False),
        ("sgd", {}, None),  # the update is a part of the traced step
    ],
)
def test_the_kernel_of_an_optimizer_is_torchs_fused_one_unless_it_says_another(optimizer, options, kernel):
    kernels = []

    class Look(pl.Callback):
        def on_train_end(self, trainer, pl_module):
            kernels.append(trainer.optimizers[0].param_groups[0]["fused"])

    train(with_optimizer(lambda parameters: OPTIMIZERS[optimizer](parameters, **options)), epochs=1, callbacks=[Look()])
    assert kernels == [kernel]


def test_the_state_of_an_optimizer_is_as_before_the_comparison_at_the_first_update():
    """Adam counts its steps; one more would show in the correction of its means."""
    steps = []

    class Look(pl.Callback):
        def on_train_end(self, trainer, pl_module):
            steps.append({int(state["step"]) for state in trainer.optimizers[0].state.values()})

    train(with_optimizer(OPTIMIZERS["adam"]), epochs=1, callbacks=[Look()])
    assert steps == [{10}]


class Shapes(TorchDispatchMode):
    """Note the shape of every tensor that an operation makes."""

    def __init__(self):
        super().__init__()
        self.made = []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        out = operation(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor) and not operation._schema.is_mutable and not operation.is_view:
            self.made.append(tuple(out.shape))
        return out


@pytest.mark.parametrize("make_module", [Base, Recurrent, SharedWeight, Tied, Chain])
def test_the_gradient_of_a_weight_is_never_formed(make_module):
    module, batch = make_module(), next(iter(data(torch.float32)))
    module.first.weight.requires_grad_(True)
    optimizer = module.configure_optimizers()
    step = fused_step(trace_training_step(module, batch, tuple(batch)), optimizer.param_groups)
    with torch.no_grad(), Shapes() as shapes:
        step(*batch, -0.1, 0.9, -0.1, 1.0)
    assert len(shapes.made) > 5
    assert not {(6, 6), (3, 6), (6, 3)} & set(shapes.made)
    with Shapes() as shapes:
        torch.autograd.grad(module.training_step(batch, 0), module.first.weight)
    assert (6, 6) in shapes.made  # so it would be seen


class Wide(pl.LightningModule):
    """Encoder, decoder and a penalty on a second code share a weight: three products are its gradient."""

    def __init__(self, by_rows):
        super().__init__()
        weight = torch.randn(30, 40) if by_rows else torch.randn(40, 30).t()
        self.weight = nn.Parameter(weight)

    def training_step(self, batch, batch_idx):
        x, y = batch
        code = torch.sigmoid(x @ self.weight)
        return (code @ self.weight.t() - x).square().sum() + (self.weight.t() @ y.t()).cos().sum()


class Calls(TorchDispatchMode):
    """Count how often each operation is called."""

    def __init__(self):
        super().__init__()
        self.counts = Counter()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.counts[operation] += 1
        return operation(*args, **(kwargs or {}))


@pytest.mark.parametrize("by_rows", [True, False])
@pytest.mark.parametrize(("examples", "products"), [(4, 1), (8, 3)])
def test_a_gradient_of_several_small_products_is_one_product(by_rows, examples, products):
    module = Wide(by_rows).double()
    x, y = batch = torch.rand(2, examples, 30, dtype=torch.float64)
    loss = module.training_step((x, y), 0)
    (gradient,) = torch.autograd.grad(loss, module.weight)
    expected = module.weight.detach() * 0.9 - 0.1 * gradient
    groups = torch.optim.SGD(module.parameters(), lr=0.1, weight_decay=1.0).param_groups
    step = fused_step(trace_training_step(module, (x, y), tuple(batch)), groups)
    with torch.no_grad(), Calls() as calls:
        step(x, y, -0.1, 0.9)
    assert calls.counts[torch.ops.aten.addmm_.default] == products
    torch.testing.assert_close(module.weight.detach(), expected, rtol=0, atol=1e-12)


def test_in_float32_a_small_decay_is_not_lost_in_rounding():
    """1 - 2e-6 is 1 - 2.03e-6 in float32: 1 % too much decay, were it not compensated."""
    group = {"params": [torch.zeros(1)], "lr": 0.01, "weight_decay": 2e-4}
    rounding_error, kept = [1.0], 1.0
    for _ in range(20000):
        _, factor = update_rates([group], rounding_error)
        assert factor == np.float32(factor)
        kept *= factor
    assert kept == pytest.approx((1 - 2e-6) ** 20000, abs=1e-7)


class Logs(Base):
    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.log("loss", loss, on_step=False, on_epoch=True)
        self.log("constant", 2.0, on_step=False, on_epoch=True)
        self.log_dict({"norm": self.first.weight.norm()}, on_step=False, on_epoch=True)
        return loss


@pytest.mark.parametrize("chunk", [1, 4])
def test_what_a_step_logs_is_logged(chunk):
    seen = []

    class Look(pl.Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            seen.append({name: float(value) for name, value in trainer.callback_metrics.items()})

    for fused in (False, True):
        _, count = train(Logs, fused, epochs=3, chunk=chunk, callbacks=[Look()])
        assert count == 30 * fused
    assert seen[0].keys() == {"loss", "constant", "norm"}
    assert seen[3:] == [pytest.approx(metrics, abs=1e-12) for metrics in seen[:3]]


class Looks(Base):
    def on_after_backward(self):
        pass


class LooksFromOutside(pl.Callback):
    def on_before_optimizer_step(self, *arguments):
        pass


def test_a_trace_that_is_made_within_a_window_keeps_the_gradients_of_the_window():
    """The last minibatch of an epoch, of another size, is the second of its window."""
    options = {"loader": lambda: data(examples=48), "accumulate_grad_batches": 4, "epochs": 2}
    for optimizer in ("sgd", "adam"):
        make_module = with_optimizer(OPTIMIZERS[optimizer])
        reference, _ = train(make_module, fused=False, **options)
        module, fused = train(make_module, **options)
        assert fused == 20
        assert_same_weights(module, reference, 1e-9)


class SomeLayers(Unused):
    """The optimizer has some of the module's layers alone."""

    trained = "second"

    def configure_optimizers(self):
        return torch.optim.SGD(getattr(self, self.trained).parameters(), lr=0.1, momentum=0.9)


class TrainsUnused(SomeLayers):
    trained = "third"


def test_a_parameter_that_is_not_the_optimizers_has_no_gradient():
    class WithAnother(SomeLayers):
        def training_step(self, batch, batch_idx):
            return Base.training_step(self, batch, batch_idx)

    module, fused = train(WithAnother, epochs=2)
    assert fused == 20
    assert module.first.weight.grad is None
    assert_same_weights(module, train(WithAnother, fused=False, epochs=2)[0], 1e-12)


class StepsByLoss(torch.optim.SGD):
    def step(self, closure):
        return super().step(closure)


class NeedsLoss(Base):
    def configure_optimizers(self):
        return StepsByLoss(self.parameters(), lr=0.1)


class AnothersParameter(Base):
    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(1))]})
        return optimizer


class HookedWeight(Base):
    def __init__(self, **options):
        super().__init__(**options)
        self.first.weight.register_hook(lambda gradient: gradient * 0.5)


class HookedLayer(Base):
    def __init__(self, **options):
        super().__init__(**options)
        self.first.register_forward_hook(lambda *_: None)


class HasArray(Base):
    def __init__(self, **options):
        super().__init__(**options)
        self.table = np.ones(3)


class Changing(Base):
    """Steps that are not the same at every minibatch; what says how they differ."""

    def change(self, loss, batch, batch_idx):
        raise NotImplementedError

    def training_step(self, batch, batch_idx):
        return self.change(super().training_step(batch, batch_idx), batch, batch_idx)


class ByIndex(Changing):
    def change(self, loss, batch, batch_idx):
        return loss * (batch_idx + 1)


class ByComparedIndex(Changing):
    def change(self, loss, batch, batch_idx):
        return loss * 2 if batch_idx == 3 else loss


class ByEpoch(Changing):
    def change(self, loss, batch, batch_idx):
        return loss / (1 + self.current_epoch)


class ByValue(Changing):
    def change(self, loss, batch, batch_idx):
        return loss * 2 if loss > 1 else loss


class ByNumpy(Changing):
    def change(self, loss, batch, batch_idx):
        return loss * float(batch[0].numpy().max())


class ByRandom(Changing):
    def change(self, loss, batch, batch_idx):
        return loss * random.random()


class ByNumpyRandom(Changing):
    def change(self, loss, batch, batch_idx):
        return loss * np.random.rand()


class Counts(Changing):
    count = 0

    def change(self, loss, batch, batch_idx):
        self.count += 1
        return loss / self.count


class Keeps(Changing):
    def change(self, loss, batch, batch_idx):
        self.last = loss.detach()
        return loss


class ReturnsMore(Changing):
    def change(self, loss, batch, batch_idx):
        return {"loss": loss, "inputs": batch[0]}


class AsFastWithout(Base):
    can_be_fused = False


class Nested(TensorMinibatches):
    def __iter__(self):
        return ([batch.x, {"label": batch.y}] for batch in super().__iter__())


class TakesNested(Base):
    def training_step(self, batch, batch_idx):
        return super().training_step((batch[0], batch[1]["label"]), batch_idx)


def nested():
    loader = data()
    loader.__class__ = Nested
    return loader


class PrecededStep(Base):
    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        optimizer.register_step_pre_hook(lambda *_: None)
        return optimizer


NOT_FUSED = {
    "mixed precision": (Base, {"precision": "bf16-mixed", "dtype": torch.float32}, "the precision is mixed"),
    "a hook of the module": (Looks, {}, "Looks overrides on_after_backward"),
    "a hook of a callback": (Base, {"callbacks": [LooksFromOutside()]}, "LooksFromOutside overrides on_before_opt"),
    "another's parameter": (AnothersParameter, {}, "the optimizer has parameters that are not the module's"),
    "a closure": (NeedsLoss, {}, "the optimizer evaluates the loss itself"),
    "no gradient for the optimizer": (TrainsUnused, {}, "the loss does not depend on the optimizer's parameters"),
    "the module's word": (AsFastWithout, {}, "AsFastWithout is as fast without"),
    "a hook before the step": (PrecededStep, {}, "the optimizer has hooks that precede its step"),
    "a hook of a weight": (HookedWeight, {}, "first.weight has hooks"),
    "a hook of a layer": (HookedLayer, {}, "first has hooks"),
    "an array": (HasArray, {}, "self.table is a ndarray, which may change unseen"),
    "the number of the minibatch": (ByIndex, {}, "training_step uses batch_idx"),
    "the compared number": (ByComparedIndex, {}, "training_step uses batch_idx"),
    "the epoch": (ByEpoch, {}, "training_step uses the trainer"),
    "a comparison": (ByValue, {}, "data-dependent"),
    "a number from numpy": (ByNumpy, {}, ""),
    "random": (ByRandom, {}, "training_step draws numbers outside torch"),
    "numpy.random": (ByNumpyRandom, {}, "training_step draws numbers outside torch"),
    "a count": (Counts, {}, "training_step sets attributes"),
    "a tensor that is kept": (Keeps, {}, "training_step sets attributes"),
    "more than a loss": (ReturnsMore, {}, "training_step returns a dict, not a loss alone"),
    "nested minibatches": (TakesNested, {"loader": nested}, "a minibatch is a list that holds more than tensors"),
}


@pytest.mark.parametrize(("make_module", "options", "why"), NOT_FUSED.values(), ids=NOT_FUSED)
def test_the_reason_why_updates_are_not_fused_is_logged_once(make_module, options, why, caplog):
    def seeded():
        random.seed(4)
        np.random.seed(4)
        return make_module()

    with caplog.at_level("INFO", logger="dlpipe"):
        module, fused = train(seeded, epochs=3, **options)
    assert fused == 0
    messages = [r.message for r in caplog.records if r.name.startswith("dlpipe") and "Fused updates" in r.message]
    assert len(messages) == (why is not None)
    assert why is None or (messages[0].startswith("Fused updates disabled: ") and why in messages[0])
    reference, _ = train(seeded, fused=False, epochs=3, **options)
    assert_same_weights(module, reference, 0)
    assert vars(module).keys() == vars(reference).keys()


def test_a_model_with_very_many_weights_is_trained_by_autograd(monkeypatch, caplog):
    monkeypatch.setattr(support, "MOST_WEIGHTS", 10)
    with caplog.at_level("INFO", logger="dlpipe"):
        _, fused = train(Base, epochs=1)
    assert fused == 0
    assert "Fused updates disabled: it gains nothing for more than 10 weights" in caplog.text


class WithoutOptimizer(Base):
    def configure_optimizers(self):
        return None


@pytest.mark.filterwarnings("ignore:`LightningModule.configure_optimizers` returned `None`")
def test_nothing_is_said_where_there_is_nothing_to_update(caplog):
    with caplog.at_level("INFO", logger="dlpipe"):
        _, fused = train(WithoutOptimizer, epochs=1)
    assert fused == 0
    assert "Fused updates" not in caplog.text


def test_a_trace_that_gives_other_numbers_is_detected_and_undone(monkeypatch, caplog):
    def wrong(trace, groups):
        step = fused_step(trace, groups)
        return lambda *arguments: step(*arguments[:2], *(1.01 * rate for rate in arguments[2:]))

    monkeypatch.setattr(updates, "fused_step", wrong)
    with caplog.at_level("INFO", logger="dlpipe"):
        module, fused = train(Chain, epochs=3)
    assert fused == 0
    assert "Fused updates disabled: the traced step gives other numbers" in caplog.text
    assert_same_weights(module, train(Chain, fused=False, epochs=3)[0], 0)


def test_a_trace_that_fails_is_detected_and_undone(monkeypatch, caplog):
    def failing(trace, groups):
        return lambda *arguments: torch.zeros(2) + torch.zeros(3)

    monkeypatch.setattr(updates, "fused_step", failing)
    with caplog.at_level("INFO", logger="dlpipe"):
        module, fused = train(Base, epochs=3)
    assert fused == 0
    assert "the traced step fails: The size of tensor a" in caplog.text
    assert_same_weights(module, train(Base, fused=False, epochs=3)[0], 0)


@pytest.mark.parametrize(
    ("error", "reason"),
    [(RuntimeError("first line\nsecond line"), "RuntimeError: first line"), (ValueError(), "ValueError()")],
)
def test_what_tracing_raises_is_logged_in_one_line(error, reason, monkeypatch, caplog):
    def fails(*arguments, **options):
        raise error

    monkeypatch.setattr(tracing, "make_fx", fails)
    with caplog.at_level("INFO", logger="dlpipe"):
        train(Base, epochs=1)
    assert f"Fused updates disabled: {reason}" in [record.message for record in caplog.records]


class Hook:
    """A hook of an optimizer's step, which notes what it sees and pulls the weights to zero."""

    def __init__(self, reads_gradients=True):
        self.reads_gradients = reads_gradients
        self.seen = []

    def __call__(self, optimizer, args, kwargs):
        assert torch.is_grad_enabled()
        assert args == (optimizer,)
        weights = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        self.seen += [weight.detach().clone() for weight in weights]
        if self.reads_gradients:
            self.seen += [weight.grad.clone() for weight in weights]
        for weight in weights:
            weight.data *= 0.99


def with_hooks(optimizer, *hooks):
    for hook in hooks:
        optimizer.register_step_post_hook(hook)
    return optimizer


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("reads_gradients", [True, False])
def test_hooks_that_follow_an_optimizers_step_see_what_they_see_in_lightning(reads_gradients, optimizer, limits):
    found, wanted = [Hook(), Hook(reads_gradients)], [Hook(), Hook(reads_gradients)]
    if not reads_gradients:
        del found[0], wanted[0]

    def hooked(hooks):
        return with_optimizer(lambda parameters: with_hooks(OPTIMIZERS[optimizer](parameters), *hooks))

    module, fused = train(hooked(found), epochs=2, **limits)
    assert fused == 20
    assert_same_weights(module, train(hooked(wanted), fused=False, chunk=1, epochs=2, **limits)[0], 1e-9)
    for own, other in zip(found, wanted, strict=True):
        assert len(own.seen) > 0
        torch.testing.assert_close(own.seen, other.seen, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("reads_gradients", [True, False])
def test_sgd_updates_in_place_only_if_no_hook_reads_gradients(reads_gradients):
    make_module = with_optimizer(lambda parameters: with_hooks(OPTIMIZERS["sgd"](parameters), Hook(reads_gradients)))
    module, fused = train(make_module, epochs=1, chunk=1)
    assert fused == 10
    assert (module.first.weight.grad is not None) == reads_gradients


def test_a_hook_that_is_registered_in_mid_run_is_called_from_then_on():
    class Register(pl.Callback):
        def __init__(self):
            self.hook = Hook()

        def on_train_epoch_start(self, trainer, pl_module):
            if trainer.current_epoch == 1:
                trainer.optimizers[0].register_step_post_hook(self.hook)

    found, wanted = Register(), Register()
    module, fused = train(Base, epochs=3, callbacks=[found])
    assert fused == 30
    assert_same_weights(module, train(Base, fused=False, epochs=3, callbacks=[wanted])[0], 1e-9)
    torch.testing.assert_close(found.hook.seen, wanted.hook.seen, rtol=1e-9, atol=1e-12)


def test_hooks_of_every_optimizer_see_what_they_see_in_lightning():
    def seen_by_hook(**options):
        own = Hook(reads_gradients=False)
        handle = register_optimizer_step_post_hook(own)
        try:
            _, fused = train(Base, epochs=2, **options)
        finally:
            handle.remove()
        return own.seen, fused

    found, fused = seen_by_hook()
    wanted, _ = seen_by_hook(fused=False, chunk=1)
    assert fused == 20
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-12)


class Growing(TensorMinibatches):
    """Minibatches of 1, 2, 3, ... examples, as many as there are."""

    def __iter__(self):
        return (self.split.first(count) for count in range(1, 1 + len(self)))


def growing():
    loader = data(examples=100)
    loader.__class__ = Growing
    return loader


class Unrolled(Base):
    """As many operations as examples: no trace holds for two shapes."""

    def training_step(self, batch, batch_idx):
        return sum(super(Unrolled, self).training_step(example, 0) for example in zip(*batch, strict=True))


class LogsCount(Base):
    """What is logged depends on the number of examples, which a trace keeps."""

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.log("train/loss", loss, on_step=False, on_epoch=True, batch_size=batch[0].shape[0])
        return loss


class Halves(Base):
    """Different operations for an odd number of examples."""

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        return loss if batch[0].shape[0] % 2 else 2 * loss


class ScalesByCount(Base):
    def training_step(self, batch, batch_idx):
        return super().training_step(batch, batch_idx) * (0.1 * batch[0].shape[0])


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("base", [Base, Recurrent, Tied, Convolved, Sequence, Samples, ScalesByCount])
def test_one_trace_of_variable_sizes_is_the_step_for_all_shapes_after_the_first_two(base, optimizer):
    make_module = with_optimizer(OPTIMIZERS[optimizer], base)
    callback = FusedUpdates()
    module, _ = train(make_module, fused=False, epochs=2, loader=growing, callbacks=[callback])
    assert callback.updates == 40
    assert callback.budget.traces == 3
    assert_same_weights(module, train(make_module, fused=False, epochs=2, loader=growing)[0], 1e-9)


@pytest.mark.parametrize(("base", "fused"), [(Unrolled, 16), (LogsCount, 16), (Halves, 32)])
def test_a_trace_of_variable_sizes_is_not_used_where_the_operations_differ(base, fused):
    """Half of the shapes, or all but a few, have no trace: a trace has to be worth its time."""
    module, updates = train(base, epochs=2, loader=growing)
    assert updates == fused
    assert_same_weights(module, train(base, fused=False, epochs=2, loader=growing)[0], 1e-12)


def test_whether_a_trace_of_variable_sizes_holds_is_asked_once_for_each_shape(monkeypatch):
    asked = []

    def no(trace, layouts):
        asked.append(str(layouts))
        return False

    monkeypatch.setattr(updates, "holds_for", no)
    train(Base, epochs=3, loader=growing)
    assert len(asked) == len(set(asked)) > 3


@pytest.mark.parametrize("examples", [2, 40])
def test_joined_products_do_not_hold_a_trace_of_variable_sizes_to_some_sizes(examples):
    module, batch = Wide(True), (torch.rand(4, 30), torch.rand(4, 30))
    trace = trace_training_step(module, batch, batch, variable_sizes=True)
    fused_step(trace, torch.optim.SGD(module.parameters(), lr=0.1).param_groups)
    assert shapes.holds_for(trace, shapes.layouts_of((torch.rand(examples, 30), torch.rand(examples, 30))))


def test_a_checkpoint_of_an_older_version_is_loaded_and_traces_are_made_anew():
    callback = FusedUpdates()
    old = {"rounding_error": [1.0], "traced_keys": ["x"], "updates": 5, "traces": 1, "disabled": False}
    callback.load_state_dict(old)
    assert (callback.updates, callback.budget.traces) == (5, 0)


def test_a_trace_of_variable_sizes_that_fails_is_tried_once(monkeypatch):
    asked = []

    def fails(*arguments, variable_sizes=False):
        asked.append(variable_sizes)
        if variable_sizes:
            raise NotTraceableError("sizes")
        return trace_training_step(*arguments)

    monkeypatch.setattr(updates, "trace_training_step", fails)
    _, fused = train(Base, epochs=2, loader=growing)
    assert fused == 14
    assert asked.count(True) == 1


def test_a_shape_beyond_the_first_few_is_traced_once_it_was_seen_often(monkeypatch):
    monkeypatch.setattr(shapes, "SEEN_BEFORE_TRACE", 4)
    monkeypatch.setattr(shapes, "UPDATES_PER_TRACE", 2)
    callback = FusedUpdates()
    module, _ = train(Unrolled, fused=False, epochs=6, loader=growing, callbacks=[callback])
    assert callback.updates == 3 * 8 + 3 * 20
    assert callback.budget.traces == 20
    assert_same_weights(module, train(Unrolled, fused=False, epochs=6, loader=growing)[0], 1e-12)


def test_the_rounding_error_of_the_decay_is_in_the_checkpoint():
    other = FusedUpdates()
    other.load_state_dict({**other.state_dict(), "rounding_error": [1.5, 0.5]})
    seen = []

    class Look(pl.Callback):
        def on_train_start(self, trainer, pl_module):
            seen.append(other.state_dict())

    train(Base, fused=False, epochs=1, callbacks=[other, Look()])
    assert [state["rounding_error"] for state in seen] == [[1.5, 0.5]]


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        (torch.ops.aten.add.Scalar, (X, 1, 2)),
        (torch.ops.aten.sub.Scalar, (X, 1, 2)),
        (torch.ops.aten.rsub.Scalar, (X, 1, 2)),
        (torch.ops.aten.div.Tensor, (X, 3)),
        (torch.ops.aten.pow.Tensor_Scalar, (X, 2)),
        (torch.ops.aten.stack.default, ([X, X],)),
        (torch.ops.aten.gather.default, (X, 0, torch.tensor([1, 0]))),
        (torch.ops.aten.index_select.default, (X, 0, torch.tensor([1, 0]))),
        (torch.ops.aten.where.self, (X > 0.5, X, 1 - X)),
        (torch.ops.aten.binary_cross_entropy_with_logits.default, (X, X)),
        (torch.ops.aten._log_softmax_backward_data.default, (X, X, 0, torch.float32)),
    ],
)
def test_a_direct_call_takes_the_arguments_of_the_overload(operation, arguments):
    torch.testing.assert_close(direct_call(operation)(*arguments), operation(*arguments))
