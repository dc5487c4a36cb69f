"""Energies by name."""

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any

from dlpipe import PluginError, load_plugin
from dlpipe_hmc.check_energy import check_form
from dlpipe_hmc.energy import Energy


def build_energy(name: str, options: Mapping[str, Any]) -> Energy:
    """The energy that is registered under a name, or has a dotted path.

    A config may be anybody's, so nothing else is called: what is registered came with an installed distribution, and
    what a path leads to has to be an `Energy`, which is known before it is made.

    Args:
        name: such as ``banana``, or ``my_module.MyEnergy``.
        options: arguments of its class.

    Raises:
        ValueError: it cannot be imported, is no energy, or does not take the options.
    """
    found = _import(name) if "." in name else _registered(name)
    is_made = "." not in name or isinstance(found, type)
    if options and not is_made:
        raise ValueError(f"energy {name} is no class, so that it takes no energy_options; got {dict(options)}")
    energy: Energy = _make(found, name, options) if is_made else found
    check_form(energy, name)
    return energy


def _registered(name: str) -> Any:
    try:
        return load_plugin("energy", name)
    except PluginError as error:
        message = f"{error}; or give the dotted path of your own, such as my_module.MyEnergy"
        raise ValueError(message) from error


def _import(path: str) -> Any:
    """The `Energy`, a class or an object, at a dotted path."""
    module, _, attribute = path.rpartition(".")
    package = module.partition(".")[0]
    if package in sys.stdlib_module_names:  # some of its modules act when they are imported, and none has an energy
        raise ValueError(f"energy {path} is part of Python's standard library, which has no energies")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        message = f"is {package} in the folder that you are in, or installed?"
        raise ValueError(f"energy {path} cannot be imported: {error}; {message}") from error
    except AttributeError as error:
        raise ValueError(f"energy {path} cannot be imported: {error}") from error
    cls = found if isinstance(found, type) else type(found)
    if Energy not in cls.__mro__:
        raise ValueError(
            f"energy {path} is not a dlpipe_hmc.energy.Energy; let its class inherit from that, or register it in the "
            "entry-point group dlpipe.energies"
        )
    return found


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
