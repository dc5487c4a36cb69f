"""``python -m dlpipe``."""

from dlpipe.cli.main import console

if __name__ == "__main__":
    console()
