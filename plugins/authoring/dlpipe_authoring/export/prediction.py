"""What a model predicts for a batch: its ``predict_step`` or, as for `predict`, its ``forward`` of the first item."""

from collections.abc import Callable
from typing import Any

from pytorch_lightning import LightningModule
from pytorch_lightning.utilities.model_helpers import is_overridden

from dlpipe import DlpipeError
from dlpipe.figures import predict_batch


def prediction_of(model: LightningModule, name: str) -> tuple[str, Callable[[Any], Any]]:
    """The method that predicts, in words, and the function of a batch.

    Raises:
        DlpipeError: the model has no prediction: it samples, or has neither method.
    """
    weights_alone = "--format safetensors exports its weights"
    if is_overridden("predict_step", model, LightningModule):
        return "predict_step", lambda batch: predict_batch(model, batch, 0)
    if callable(getattr(type(model), "sample", None)):
        raise DlpipeError(
            f"model {name!r} has no predict_step: it is a generative model, whose method sample draws at random, so "
            f"there is no prediction to export; python -m dlpipe sample RUN samples it, {weights_alone}"
        )
    if is_overridden("forward", model, LightningModule):
        return "forward", lambda batch: model(batch[0] if isinstance(batch, (list, tuple)) else batch)
    raise DlpipeError(f"model {name!r} cannot predict: it has no predict_step, and no forward; {weights_alone}")
