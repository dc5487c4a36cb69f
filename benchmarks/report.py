"""From measurements, as `one_run.py` and `start_up.py` print them, to Markdown tables.

``python benchmarks/report.py FILE... --page PAGE`` makes one table of the files of several `throughput.py --json FILE`.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from cases import CASES
from start_up import WORDS

Measurement = dict[str, Any]
MARKERS = ("<!-- table -->", "<!-- /table -->")


def main(arguments: list[str]) -> None:
    """Merge files of measurements and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "files", nargs="+", type=measured_in, help="written by throughput.py --json FILE, on one machine"
    )
    parser.add_argument("--page", type=page, help="write the tables between the markers of this Markdown file")
    asked = parser.parse_args(arguments)
    text = tables(merged(asked.files))
    print(text)
    if asked.page:
        write_between_markers(asked.page, text)


def measured_in(text: str) -> dict[str, Any]:
    """What a file of `throughput.py --json` holds."""
    try:
        found = json.loads(Path(text).read_text(encoding="utf-8"))
        if not {"machine", "measurements", "start_up"} <= set(found):
            raise ValueError("it was not written by throughput.py --json")
    except (OSError, ValueError, TypeError) as error:
        raise argparse.ArgumentTypeError(f"{text}: {error}") from error
    return found  # type: ignore[no-any-return]  # JSON


def page(text: str) -> Path:
    """A file with markers for tables."""
    path = Path(text)
    try:
        between_markers(path)
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return path


def merged(files: list[dict[str, Any]]) -> dict[str, Any]:
    """The rounds of several files as those of one, the cases in the order of `cases.CASES`.

    Raises:
        SystemExit: they are not of one machine and the same versions.
    """
    machine = files[0]["machine"]
    if any({**found["machine"], "date": machine["date"]} != machine for found in files):
        raise SystemExit("the files are of several machines or versions: their ratios would mean nothing")
    seen: Counter[tuple[Any, ...]] = Counter()
    measured = []
    for found in files:
        for own in found["measurements"]:
            key = own["case"], own["variant"], own["threads"], own["neighbour"]
            measured.append({**own, "round": seen[key]})
            seen[key] += 1
    measured.sort(key=lambda own: list(CASES).index(own["case"]))
    start_up = [seconds for found in files for seconds in found["start_up"]]
    last = max(found["machine"]["date"] for found in files)
    least, most = min(seen.values()), max(seen.values())
    rounds = str(most) if least == most else f"{least} to {most}"
    return {"machine": {**machine, "date": last}, "rounds": rounds, "measurements": measured, "start_up": start_up}


def heading(machine: dict[str, Any], rounds: int | str) -> str:
    """What the numbers below belong to."""
    gpu = f"{machine['gpu']}; " if machine["gpu"] else ""
    versions = f"Python {machine['python']}, torch {machine['torch']}, Lightning {machine['lightning']}"
    return (
        f"{gpu}{machine['cpu']}, {machine['cores']} cores; {versions}; {machine['date']}. "
        f"Medians of {rounds} rounds (least to most)."
    )


def tables(found: dict[str, Any]) -> str:
    """Everything that was measured, and on what machine."""
    measured = found["measurements"]
    parts = [heading(found["machine"], found["rounds"])]
    for threads in unique(m["threads"] for m in measured if not m["neighbour"]):
        parts += [f"**{threads} thread{'s' if threads > 1 else ''}**", throughput(measured, threads)]
    if any(m["neighbour"] for m in measured):
        parts += ["**dlpipe beside one busy process**", neighbour(measured)]
    parts += [f"**a short run**: `python -m dlpipe {' '.join(WORDS)}`", start_up(found["start_up"])]
    return "\n\n".join(parts)


def throughput(measured: list[Measurement], threads: int) -> str:
    """A row for each case and variant; ratios of speeds are of the same round."""
    alone = [m for m in measured if m["threads"] == threads and not m["neighbour"]]
    rows = []
    for case, variant in unique((m["case"], m["variant"]) for m in alone):
        own = of(alone, case=case, variant=variant)
        if "skipped" in own[0]:
            rows.append([CASES[case].label, variant, f"skipped: {own[0]['skipped']}", "", "", "", "", ""])
            continue
        rows.append(
            [
                CASES[case].label,
                variant,
                spread([m["microseconds_per_update"] for m in own]),
                spread([m["examples_per_second"] for m in own]),
                *(spread(ratios(own, of(alone, case=case, variant=other)), ".2f") for other in ("plain", "lightning")),
                spread(ratios(own, limits(of(alone, case=case))), ".2f"),
                f"{max(m['peak_mib'] for m in own):.0f}",
            ]
        )
    header = ["case", "variant", "µs per update", "examples/s", "× plain", "× lightning", "× limit", "peak MiB"]
    return markdown(header, rows)


def limits(measured: list[Measurement]) -> list[Measurement]:
    """Of each round the faster of derivatives by hand and `torch.compile`."""
    candidates = [m for m in measured if m["variant"] in ("by hand", "compiled") and "skipped" not in m]
    rounds = unique(m["round"] for m in candidates)
    return [max(of(candidates, round=number), key=lambda m: m["examples_per_second"]) for number in rounds]


def neighbour(measured: list[Measurement]) -> str:
    """A row for each case and number of threads: what a busy neighbour costs."""
    beside = [m for m in measured if m["neighbour"]]
    rows = []
    for case, threads in unique((m["case"], m["threads"]) for m in beside):
        alone = [m for m in of(measured, case=case, threads=threads, variant="dlpipe") if not m["neighbour"]]
        own = of(beside, case=case, threads=threads)
        rates = [spread([m["examples_per_second"] for m in some]) for some in (alone, own)]
        rows.append([CASES[case].label, str(threads), *rates, spread(ratios(own, alone), ".2f")])
    return markdown(["case", "threads", "examples/s alone", "beside it", "× alone"], rows)


def start_up(rounds: list[dict[str, float]]) -> str:
    """A row for each phase and each sum, in order."""
    phases = {phase: [times[phase] for times in rounds] for phase in rounds[0]}
    return markdown(["phase", "seconds"], [[phase, spread(seconds, ".2f")] for phase, seconds in phases.items()])


def of(measured: list[Measurement], **wanted: Any) -> list[Measurement]:
    """The measurements with these values."""
    return [m for m in measured if all(m[name] == value for name, value in wanted.items())]


def ratios(own: list[Measurement], others: list[Measurement]) -> list[float]:
    """Speed over that of the other measurement of the same round; none where the other was not measured."""
    reference = {m["round"]: m["examples_per_second"] for m in others}
    return [m["examples_per_second"] / reference[m["round"]] for m in own if m["round"] in reference]


def spread(values: Sequence[float], form: str = ",.0f") -> str:
    """Median, least and most; nothing of no values."""
    if not values:
        return ""
    least, most = min(values), max(values)
    return f"{median(values):{form}} ({least:{form}} to {most:{form}})"


def unique(items: Iterable[Any]) -> list[Any]:
    """The items without repetition, in the order of their first appearance."""
    return list(dict.fromkeys(items))


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """A table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in [header, ["---"] * len(header), *rows])


def write_between_markers(path: Path, table: str) -> None:
    """Replace what stands between the markers of a file.

    Raises:
        ValueError: it does not have each marker once.
    """
    before, _, after = _parts(path)
    begin, end = MARKERS
    path.write_text(f"{before}{begin}\n{table}\n{end}{after}", encoding="utf-8")


def between_markers(path: Path) -> str:
    """What stands there; raises as `write_between_markers`."""
    return _parts(path)[1]


def _parts(path: Path) -> tuple[str, str, str]:
    text = path.read_text(encoding="utf-8")
    if [text.count(marker) for marker in MARKERS] != [1, 1]:
        raise ValueError(f"{path} must have {' and '.join(MARKERS)} once each")
    begin, end = MARKERS
    before, _, rest = text.partition(begin)
    between, _, after = rest.partition(end)
    return before, between, after


if __name__ == "__main__":
    main(sys.argv[1:])
