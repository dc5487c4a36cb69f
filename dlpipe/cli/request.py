"""A request from the command line: its flags, and its overrides, composed and checked."""

from typing import TYPE_CHECKING

from dlpipe.cli.flags import Request, parse
from dlpipe.cli.plugin_verbs import plugin_verbs
from dlpipe.cli.verbs import VERBS
from dlpipe.did_you_mean import did_you_mean
from dlpipe.errors import Problem, RequestError, refuse
from dlpipe.plugins import registry
from dlpipe.training.distributed.rank_info import get_rank_info

if TYPE_CHECKING:
    from dlpipe.config.checks.config_checks import Job


def read_request(words: list[str], verb: str = "") -> "tuple[Request, list[Job]]":
    """Parse and check the words after a verb, or those of a run; a RequestError has every problem found.

    Where the words are not overrides, but can be read as some, the error has the command line to type instead.
    """
    try:
        return _read(words, verb)
    except RequestError as error:
        from dlpipe.cli.corrections import corrected_words, correction

        problem = correction(words, [verb] if verb else [])
        if problem is None:
            raise
        problems = [problem]
        try:
            _read(corrected_words(words), verb)
        except RequestError as others:
            problems += others.problems
        raise RequestError(problems) from error


def _read(words: list[str], verb: str) -> "tuple[Request, list[Job]]":
    from dlpipe.config.checks import config_checks

    request = parse(words)
    registry.user_conf_dirs[:] = request.config_dirs
    if not verb:
        refuse(map(_no_override, _no_overrides(request.overrides)))
    key = "sweep" if request.multirun else "run"
    return request, config_checks.check(request.overrides, request.multirun, key if get_rank_info().rank == 0 else None)


def _no_overrides(words: list[str]) -> list[str]:
    """The words that are no overrides; of a misspelt verb, the verb without its arguments."""
    wrong = [word for word in words if "=" not in word and not word.startswith("~")]
    is_verb = wrong[:1] == words[:1] and any(did_you_mean(word, _verbs()) for word in wrong[:1])
    return wrong[:1] if is_verb else wrong


def _verbs() -> list[str]:
    return [*VERBS, *plugin_verbs()]


def _no_override(word: str) -> Problem:
    verbs = _verbs()
    there_are = f"verbs: {', '.join(verbs)}; overrides: key=value"
    return Problem(word, f"neither a verb nor an override; {did_you_mean(word, verbs)}{there_are}")
