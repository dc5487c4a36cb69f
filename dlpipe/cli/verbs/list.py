"""``list``: what is installed."""

from collections.abc import Sequence

from dlpipe.config.catalogue import choices
from dlpipe.plugins import health, registry, source
from dlpipe.plugins.registry import PluginEntry


def main() -> int:
    """Print models, datasets, optimizers and plugins; imports none of them."""
    for kind in registry.KINDS:
        _print(
            f"{kind}s", [(_name(offer), offer.distribution, _first_line(offer)) for offer in registry.available(kind)]
        )
    _print("optimizers", [(name, "", "") for name in choices("optimizer")])
    _print("plugins", _plugin_rows())
    return 0


def _name(offer: PluginEntry) -> str:
    """The name to type: qualified where another distribution offers the same."""
    same = [other for other in registry.available(offer.kind) if other.name == offer.name]
    return offer.name if len(same) == 1 else offer.qualified_name


def _first_line(offer: PluginEntry) -> str:
    state = health.status(offer)
    found = source.read_class(offer)
    return state if state != "ok" else (found.docstring.partition("\n")[0] if found else "")


def _plugin_rows() -> list[tuple[str, str, str]]:
    rows: dict[str, tuple[str, str, str]] = {}
    for offer in registry.all_entries():
        state = health.status(offer)
        earlier = rows.get(offer.distribution)
        if earlier is None or earlier[2] == "ok":
            message = f"{offer.name}: {state}" if state.startswith("broken") else state
            rows[offer.distribution] = (offer.distribution, offer.version, message)
    return [rows[name] for name in sorted(rows)]


def _print(title: str, rows: Sequence[tuple[str, str, str]]) -> None:
    print(title)
    if not rows:
        print("  none installed")
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(2)]
    for name, owner, said in rows:
        print(f"  {name:{widths[0]}}  {owner:{widths[1]}}  {said}".rstrip())
    print()
