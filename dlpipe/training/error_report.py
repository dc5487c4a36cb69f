"""An exception of the user's code in at most ten lines: its message, and the lines of that code in its traceback."""

import itertools
import linecache
import logging
import os
import re
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import torch
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from dlpipe.errors import DlpipeError, PluginError
from dlpipe.plain_config import flat, plain
from dlpipe.plugins import registry

log = logging.getLogger(__name__)
FILE_ONLY = {"file_only": True}  # of a record that the terminal shows only with HYDRA_FULL_ERROR=1
LIBRARIES = ("dlpipe", "torch", "pytorch_lightning", "lightning_fabric", "lightning_utilities", "hydra", "omegaconf")
SITES = {"site-packages", "dist-packages"}
MOST_MESSAGE_LINES, MOST_FRAMES, MOST_CHARACTERS = 3, 3, 300
# in the messages about a rank whose peer has gone
PEER_GONE = "closed by peer|reset by peer|Broken pipe|[Gg]loo|NCCL"
# how a worker process of a DataLoader sends its exception
WORKER = "Original Traceback (most recent call last):\n"
FRAME = re.compile(r'^ *File "(.+)", line (\d+)(?:, in (.+))?$', re.MULTILINE)


class RankError(Exception):
    """The `report` of a rank's exception, for the process that started the rank."""


class Frame(NamedTuple):
    """One line of a traceback."""

    file: str
    line: int
    function: str

    @property
    def source(self) -> str:
        """The line's text."""
        return linecache.getline(self.file, self.line).strip()

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" + (f", in {self.function}" if self.function else "")
        return _cut(f"  {where}: {self.source}")


def log_error(error: BaseException, config: DictConfig, cause: str | None = None) -> None:
    """Log `report`, and before it the full traceback, to the run's log file alone."""
    if _log_file() or _wants_traceback():
        log.error("%s", "".join(traceback.format_exception(error)).rstrip(), extra=FILE_ONLY)
    log.error("%s", report(error, config, cause))


def report(error: BaseException, config: DictConfig, cause: str | None = None) -> str:
    """The exception's message, the last lines of the user's code in its traceback, and where the full traceback is.

    Args:
        error: the exception.
        config: the run's: the packages of its model, dataset and callbacks are the user's code, wherever they lie.
        cause: why it may have been raised where no line of the user's code is in the traceback.
    """
    chain = _chain(error)
    lines = _message_lines(error)
    if len(chain) > 1:
        lines.append(_cut(f"  caused by {message(chain[-1])}"))
    frames = user_frames(error, config)
    lines += [str(frame) for frame in frames[-MOST_FRAMES:]]
    if not frames:
        key = config_key(error, config)
        lines.append(f"  raised by {key}" if key else f"  {cause or _likely_cause(chain[-1])}")
    file = _log_file()
    lines.append(f"The full traceback is in {file}" if file else "HYDRA_FULL_ERROR=1 prints the full traceback")
    return "\n".join(lines)


def one_line(error: BaseException, config: DictConfig) -> str:
    """The exception with the last line of the user's code in its traceback; a DlpipeError without its type."""
    what = _text(error) if isinstance(error, DlpipeError) else message(error)
    places = [f"{frame.file}:{frame.line}: {frame.source}" for frame in user_frames(error, config)[-1:]]
    place = places[0] if places else config_key(error, config)
    return " ".join(what.split()) + (f" ({place})" if place else "")


def message(error: BaseException) -> str:
    """``ValueError: text``; of an exception from a DataLoader's worker process, without the traceback in its text."""
    text = _text(error)
    if WORKER in text:
        return f"{_worker_message(text)} (in a worker process of the DataLoader)"
    return f"{type(error).__name__}: {text}" if text.strip() else type(error).__name__


def user_frames(error: BaseException, config: DictConfig) -> list[Frame]:
    """The traceback's lines outside of Python, dlpipe and installed libraries; if there are none, its cause's."""
    packages = _user_packages(config)
    for each in _chain(error):
        if found := [frame for frame in _frames(each) if _is_users(frame.file, packages)]:
            return found
    return []


def config_key(error: BaseException, config: DictConfig) -> str | None:
    """The key of the library's callback or logger that raised an exception, with the value that its message names."""
    values = flat(plain(config))
    targets = {k: v for k, v in values.items() if k.endswith("._target_") and k.startswith(("callbacks.", "logger."))}
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        owner = type(frame.f_locals.get("self"))
        for key, path in targets.items():
            if owner.__module__.partition(".")[0] != "dlpipe" and str(path).rpartition(".")[2] == owner.__name__:
                node = key.removesuffix("_target_")
                named = [f"{k}={v}" for k, v in values.items() if k.startswith(node) and _mentions(error, v)]
                return named[0] if named else node[:-1]
    return None


def _mentions(error: BaseException, value: object) -> bool:
    return isinstance(value, str) and value in _text(error)


def _chain(error: BaseException) -> list[BaseException]:
    """The exception, and the one that it was raised from, and so on."""
    chain = [error]
    while len(chain) < 100:
        last = chain[-1]
        cause = last.__cause__ or (None if last.__suppress_context__ else last.__context__)
        cause = cause or next(iter(getattr(last, "exceptions", ())), None)  # of an ExceptionGroup
        if cause is None or cause in chain:
            break
        chain.append(cause)
    return chain


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as failure:  # the exception's class may be the user's
        return f"(its message cannot be shown: str() raised {type(failure).__name__})"


def _message_lines(error: BaseException) -> list[str]:
    lines = [line for line in message(error).splitlines() if line.strip()]
    rest = len(lines) - MOST_MESSAGE_LINES
    return [_cut(line) for line in lines[:MOST_MESSAGE_LINES]] + ([f"  ... ({rest} more lines)"] if rest > 0 else [])


def _cut(line: str) -> str:
    return line if len(line) <= MOST_CHARACTERS else f"{line[:MOST_CHARACTERS]}..."


def _frames(error: BaseException) -> Iterator[Frame]:
    for frame, line in traceback.walk_tb(error.__traceback__):
        yield Frame(frame.f_code.co_filename, line or 0, frame.f_code.co_name)
    if isinstance(error, SyntaxError) and error.filename:
        yield Frame(error.filename, error.lineno or 0, "")
    _, worker, text = _text(error).partition(WORKER)
    if worker:
        yield from (Frame(file, int(line), function or "") for file, line, function in FRAME.findall(text))


def _worker_message(text: str) -> str:
    """What follows the last frame of a worker's traceback: its exception."""
    lines = text.splitlines()
    last = max(index for index, line in enumerate(lines) if FRAME.match(line) or line + "\n" == WORKER)
    return "\n".join(itertools.dropwhile(lambda line: line.startswith("    "), lines[last + 1 :]))


def _user_packages(config: DictConfig) -> set[str]:
    """The packages of the model, the dataset and all that the config instantiates, but for the libraries'."""
    names = {str(value) for key, value in flat(plain(config)).items() if key.endswith("._target_")}
    for kind in registry.KINDS:
        with suppress(PluginError, OmegaConfBaseException):  # a stored config may be damaged
            names.add(registry.find(kind, str(config[kind].name)).package)
    return {name.partition(".")[0] for name in names} - set(LIBRARIES)


def _is_users(file: str, packages: set[str]) -> bool:
    if file.startswith("<"):  # generated code
        return False
    parts = Path(file).parts
    sites = [index for index, part in enumerate(parts[:-1]) if part in SITES]
    if sites:
        return parts[sites[-1] + 1].removesuffix(".py") in packages
    return not any(Path(file).is_relative_to(folder) for folder in _library_folders())


def _library_folders() -> Iterator[Path]:
    yield from (Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib"))
    yield from (Path(str(sys.modules[name].__file__)).parent for name in LIBRARIES if name in sys.modules)


def _likely_cause(error: BaseException) -> str:
    """Why an exception without a line of the user's code was raised."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return "The memory does not suffice; choose a smaller recipe.batch_size"
    if re.search(PEER_GONE, message(error)):
        return "Another rank of the run has ended; see its error"
    files = [frame.file for frame in _frames(error)]
    fault = "This is a fault of dlpipe; please report it with the log"
    if files and Path(files[-1]).is_relative_to(Path(str(sys.modules["dlpipe"].__file__)).parent):
        return fault
    return f"No line of your code raised it. If the model and the data are right: {fault[0].lower()}{fault[1:]}"


def _log_file() -> str | None:
    """The file that the run logs to."""
    files = [handler.baseFilename for handler in logging.root.handlers if isinstance(handler, logging.FileHandler)]
    return files[0] if files else None


def _wants_traceback() -> bool:
    return os.environ.get("HYDRA_FULL_ERROR") == "1"
