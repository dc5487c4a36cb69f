"""Texts of a user's files in a run's config."""

from collections.abc import Iterable

from dlpipe import DataError


def check_text(text: str, what: str) -> None:
    """Refuse a text that a YAML file of OmegaConf does not give back: an interpolation, ``???``, what is no UTF-8.

    Raises:
        DataError: naming ``what``.
    """
    if "${" in text or text == "???" or not text.isprintable():
        raise DataError(f"{what} is named {text!r}, which a config cannot hold (${{...}}, ???, control characters)")


def natural_order(names: Iterable[str]) -> list[str]:
    """Names in the order of their numbers if all are whole numbers, else of the alphabet."""
    listed = list(names)
    is_numbers = all(name.lstrip("-").isdecimal() for name in listed)
    return sorted(listed, key=lambda name: (int(name) if is_numbers else 0, name))
