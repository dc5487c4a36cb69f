"""A model that is trained in several stages, such as layer-wise pre-training and then fine-tuning."""

from dlpipe.stages.stage import Stage

__all__ = ["Stage"]
