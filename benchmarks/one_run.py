"""One measurement, in a process of its own: prints one line of JSON."""

import argparse
import dataclasses
import json
import resource
import sys
import tempfile
from pathlib import Path
from typing import Any

from cases import CASES, DEVICES, VARIANTS, Case
from through_dlpipe import ONE_AT_A_TIME, RefusedError, dlpipe


def main(arguments: list[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("variant", choices=VARIANTS)
    parser.add_argument("threads", type=int)
    parser.add_argument("--device", choices=DEVICES, default="cpu")
    parser.add_argument("--most-updates", type=int, help="measure one epoch of so many updates, after another")
    asked = parser.parse_args(arguments)
    case = CASES[asked.case]
    if asked.most_updates:
        case = dataclasses.replace(case, epochs=2, most_updates=asked.most_updates)
    with tempfile.TemporaryDirectory() as folder:
        result = measure(case, asked.variant, asked.threads, asked.device, Path(folder))
    print(json.dumps({"case": asked.case, "variant": asked.variant, "threads": asked.threads, **result}))


def measure(case: Case, variant: str, threads: int, device: str, folder: Path) -> dict[str, Any]:
    """Numbers of the epochs after the first, or why there are none."""
    try:
        _, *epochs = epochs_of(case, variant, threads, device, folder)
    except RefusedError:
        if variant == "dlpipe":
            raise
        return {"skipped": f"the core refuses {' '.join(ONE_AT_A_TIME)}"}
    seconds, updates = (sum(column) for column in zip(*epochs, strict=True))
    return {
        "updates": updates,
        "microseconds_per_update": 1e6 * seconds / updates,
        "examples_per_second": case.batch_size * updates / seconds,
        "peak_mib": peak_mib(),
    }


def epochs_of(case: Case, variant: str, threads: int, device: str, folder: Path) -> list[tuple[float, int]]:
    """Seconds and updates of each epoch; a variant imports only what it needs, as its memory is measured too."""
    if variant in ("plain", "compiled", "dataloader"):
        import loops

        return getattr(loops, variant)(case, threads, device)  # type: ignore[no-any-return]  # getattr gives Any
    if variant == "by hand":
        from by_hand import by_hand

        return by_hand(case, threads, device)
    if variant == "lightning":
        from stock_lightning import lightning

        return lightning(case, threads, device, folder)
    return dlpipe(case, threads, device, folder, () if variant == "dlpipe" else ONE_AT_A_TIME)


def peak_mib() -> float:
    """The most memory that this process ever had resident."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)  # bytes on macOS, KiB on Linux


if __name__ == "__main__":
    main(sys.argv[1:])
