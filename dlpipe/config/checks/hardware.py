"""Checks of the Trainer's arguments for hardware, in words that Lightning's own messages do not have."""

import re
from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig
from pytorch_lightning.accelerators import AcceleratorRegistry, CUDAAccelerator, MPSAccelerator
from pytorch_lightning.strategies import StrategyRegistry

from dlpipe.did_you_mean import did_you_mean
from dlpipe.errors import Problem, format_list
from dlpipe.plain_config import plain

# Lightning builds a list of the requested devices before their number can be checked
MOST_DIGITS = 4
PRECISIONS = ("32-true", "16-mixed", "bf16-mixed", "16-true", "bf16-true", "64-true")
# what Lightning takes too: the short names, and what needs NVIDIA's Transformer Engine
OTHER_PRECISIONS = ("32", "16", "bf16", "64", "transformer-engine", "transformer-engine-float16")
STRATEGIES = ("auto", "ddp", "ddp_find_unused_parameters_true", "fsdp")  # those to choose from
ON_GPUS = ("gpu", "cuda", "mps")


def hardware_problems(config: DictConfig) -> list[Problem]:
    """Problems with ``accelerator``, ``devices``, ``strategy`` and ``precision`` of the Trainer on this machine.

    Objects with ``_target_`` are Lightning's to check, and so is an accelerator for neither CPU nor GPU.
    """
    options: Any = plain(config.trainer)
    accelerator, devices = options.get("accelerator", "auto"), str(options.get("devices", "auto"))
    if devices.isdigit() and len(devices) > MOST_DIGITS:
        return [Problem(f"trainer.devices={devices}", f"must be at most {'9' * MOST_DIGITS}")]
    found = [*_precision_problems(options.get("precision")), *_strategy_problems(options.get("strategy"))]
    if not isinstance(accelerator, str):
        return found
    found += _accelerator_problems(accelerator)
    if accelerator == "cpu" or (accelerator == "auto" and not _num_gpus()):
        found += _problems_on_cpu(options, accelerator)
    elif accelerator in ("auto", *ON_GPUS) and _num_gpus():
        found += _problems_on_gpus(devices)
    return found


def _num_gpus() -> int:
    return CUDAAccelerator.auto_device_count() or int(MPSAccelerator.is_available())


def _precision_problems(precision: Any) -> Iterator[Problem]:
    if precision is not None and str(precision) not in PRECISIONS + OTHER_PRECISIONS:
        suggestion = did_you_mean(str(precision), PRECISIONS)
        yield Problem(
            f"trainer.precision={precision}", f"no such precision; {suggestion}there are {', '.join(PRECISIONS)}"
        )


def _strategy_problems(strategy: Any) -> Iterator[Problem]:
    known = ("auto", *StrategyRegistry.available_strategies())
    if isinstance(strategy, str) and strategy.lower() not in known:
        suggestion = did_you_mean(strategy, STRATEGIES)
        yield Problem(
            f"trainer.strategy={strategy}", f"no such strategy; {suggestion}there are {', '.join(STRATEGIES)}"
        )


def _accelerator_problems(accelerator: str) -> Iterator[Problem]:
    names = ("auto", "cpu", "gpu", *sorted(AcceleratorRegistry.available_accelerators() - {"cpu"}))
    where = f"trainer.accelerator={accelerator}"
    if accelerator not in names:
        yield Problem(where, f"no such accelerator; {did_you_mean(accelerator, names)}there are {format_list(names)}")
    elif accelerator in ON_GPUS and not _num_gpus():
        yield Problem(where, "PyTorch finds no GPU on this machine; trainer=default is one process on the CPU")


def _problems_on_cpu(options: dict[str, Any], accelerator: str) -> Iterator[Problem]:
    devices, strategy = options.get("devices", "auto"), options.get("strategy")
    if not re.fullmatch("auto|0*[1-9][0-9]*", str(devices)):
        yield Problem(f"trainer.devices={devices}", "must be a number of processes on the CPU, from 1, or auto")
    if isinstance(strategy, str) and strategy.lower().startswith("fsdp"):
        yield Problem(
            f"trainer.strategy={strategy}", f"needs GPUs, and trainer.accelerator={accelerator} has none; choose ddp"
        )
    if str(options.get("precision")) in ("16", "16-mixed"):
        message = "mixed precision with float16 needs a GPU; on the CPU choose bf16-mixed or 32-true"
        yield Problem(f"trainer.precision={options['precision']}", message)


def _problems_on_gpus(devices: str) -> Iterator[Problem]:
    where, count = f"trainer.devices={devices}", _num_gpus()
    if devices == "0" or not re.fullmatch(r"auto|-1|\[?[0-9][0-9, ]*\]?", devices):
        yield Problem(where, "must be a number of GPUs, from 1, a list of their indices, or auto")
    elif devices.isdecimal() and int(devices) > count:
        yield Problem(
            where, f"this machine has {count} GPU{'s' if count > 1 else ''}; set trainer.devices={count} or less"
        )
