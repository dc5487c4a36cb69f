"""``python -m dlpipe``, and the console script ``dlpipe``."""

import sys


class Interrupted(KeyboardInterrupt):
    """Ctrl-C. Python's own exception makes the process die by the signal if it was once raised inside ``exec``."""


def console() -> None:
    """Run the command line; Ctrl-C ends it with one line at any time, also while it imports."""
    try:
        import signal

        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a shell's background job ignores it
            signal.signal(signal.SIGINT, _interrupt)
        from dlpipe.cli.main import main

        code = main(sys.argv[1:])
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a traceback of the exit would not help
    except KeyboardInterrupt:  # while importing
        print("dlpipe: interrupted", file=sys.stderr)
        code = 130  # 128 + SIGINT, as in `main`
    sys.exit(code)


def _interrupt(*signal_and_frame: object) -> None:
    raise Interrupted


if __name__ == "__main__":
    console()
