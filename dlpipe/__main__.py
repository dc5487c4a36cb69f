"""``python -m dlpipe``."""

import sys

from dlpipe.cli.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
