"""Energies by name."""

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from dlpipe_hmc.check_energy import check_form
from dlpipe_hmc.energies.banana import Banana
from dlpipe_hmc.energies.funnel import Funnel
from dlpipe_hmc.energies.gaussian_rbm import GaussianRBM
from dlpipe_hmc.energies.tutorial_gaussian import tutorial_gaussian
from dlpipe_hmc.energy import Energy

ENERGIES: dict[str, Callable[..., Energy]] = {
    "gaussian": tutorial_gaussian,
    "banana": Banana,
    "funnel": Funnel,
    "gaussian_rbm": GaussianRBM,
}


def build_energy(name: str, options: Mapping[str, Any]) -> Energy:
    """The energy with one of our names, or with the dotted path of a class or of an energy.

    Args:
        name: such as ``banana``, or ``my_module.MyEnergy``.
        options: arguments of its class.

    Raises:
        ValueError: it cannot be imported, does not take the options, or is not an energy.
    """
    energy_or_class: Any = ENERGIES.get(name) or _import(name)
    is_made = name in ENERGIES or isinstance(energy_or_class, type)
    if options and not is_made:
        raise ValueError(f"energy {name} is no class, so that it takes no energy_options; got {dict(options)}")
    energy: Energy = _make(energy_or_class, name, options) if is_made else energy_or_class
    check_form(energy, name)
    return energy


def _import(path: str) -> Any:
    module, _, attribute = path.rpartition(".")
    if not module:
        raise ValueError(
            f"no energy {path!r}; there are {', '.join(ENERGIES)}, and the dotted path of your own, such as "
            "my_module.MyEnergy"
        )
    try:
        return getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        question = f"is {module.partition('.')[0]} in the folder that you are in, or installed?"
        raise ValueError(f"energy {path} cannot be imported: {error}; {question}") from error
    except AttributeError as error:
        raise ValueError(f"energy {path} cannot be imported: {error}") from error


def _make(cls: Callable[..., Any], name: str, options: Mapping[str, Any]) -> Any:
    signature = inspect.signature(cls)
    try:
        signature.bind(**options)
    except TypeError as error:
        takes = ", ".join(signature.parameters) or "none"
        raise ValueError(f"energy_options={dict(options)}: {error}; energy {name} takes {takes}") from error
    try:
        return cls(**options)
    except Exception as error:  # user code may raise anything
        given = f" with energy_options={dict(options)}" if options else ""
        reason = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise ValueError(f"energy {name} cannot be made{given}: {reason}") from error
