"""The verbs of ``python -m dlpipe VERB``: one module each, which imports torch only when the verb is executed."""

import importlib

from dlpipe.cli.verb_parser import VerbParser

VERBS = ("list", "show", "doctor", "check", "resume", "reproduce", "inspect", "test", "predict", "figures", "sample")


def run_verb(name: str, words: list[str]) -> int:
    """Execute a verb, or print its help; returns the exit code.

    Raises:
        RequestError: the verb does not accept these arguments.
    """
    module = importlib.import_module(f"dlpipe.cli.verbs.{name}")
    parser = VerbParser(name, description=(module.__doc__ or "").partition("\n")[0])
    module.add_arguments(parser)
    if "-h" in words or "--help" in words:
        print(parser.format_help(), end="")
        return 0
    return int(module.main(parser.parse_words(words)))
