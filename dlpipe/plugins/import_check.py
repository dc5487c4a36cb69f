"""Import plugin entries and print one line of JSON each: null, or why the import failed. ``doctor`` runs this file."""

import json
import sys

from dlpipe.errors import PluginError
from dlpipe.plugins.load_class import load_class

MARK = "dlpipe-import "  # distinguishes these lines from what a plugin prints


def main(names: list[str]) -> None:
    """Import each ``kind:owner/name``."""
    for name in names:
        kind, _, qualified = name.partition(":")
        try:
            load_class(kind, qualified)  # type: ignore[arg-type]  # doctor passes one of KINDS
            failure = None
        except PluginError as error:
            failure = str(error).splitlines()[0]
        print(MARK + json.dumps(failure), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
