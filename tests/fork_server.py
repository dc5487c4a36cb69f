"""A process that has imported what a run needs, and forks for each command line of `python -m dlpipe`.

    python tests/fork_server.py SOCKET

The imports take most of a short run's time. A message over the socket has the words of one command line, its working
folder and its environment; with it come the child's three streams and a pipe, which gets the child's process id and,
once it has ended, its wait status, in four bytes each. The server ends when the other end of the socket is closed.
"""

import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
from typing import Any

# what most runs import, except what starts a thread (scikit-learn imports pyarrow), and what asks for the plugins
IMPORTS = ("torch", "pytorch_lightning", "joblib", "matplotlib.backends.backend_agg", "hydra.core.utils")
OURS = ("config.checks.config_checks", "config.prepare", "data.digits", "training.run", "training.speed.chunks")


def main(connection: socket.socket) -> None:
    """Fork for each message; a child leaves the loop and ends as `python -m dlpipe` does."""
    for name in (*IMPORTS, *(f"dlpipe.{name}" for name in OURS)):
        importlib.import_module(name)
    assert len(os.listdir("/proc/self/task")) == 1, "a thread would not be in the children"
    gc.freeze()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a background job of a shell, as CI may be
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel forgets keepers that have ended
    while message := socket.recv_fds(connection, 1 << 20, 4):
        if not message[0]:
            return
        if os.fork() == 0:
            connection.close()
            if keep_child(*message[1]):
                os._exit(0)
            become(**json.loads(message[0]))
            return
        for descriptor in message[1]:
            os.close(descriptor)


def keep_child(stdin: int, stdout: int, stderr: int, report: int) -> bool:
    """Fork the child, report its process id, wait for its end and report its status; False in the child."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid:
        for descriptor in (0, 1, 2, stdin, stdout, stderr):
            os.close(descriptor)
        os.write(report, pid.to_bytes(4, "little"))
        os.write(report, os.waitpid(pid, 0)[1].to_bytes(4, "little"))
        return True
    os.close(report)
    for number, descriptor in enumerate((stdin, stdout, stderr)):
        os.dup2(descriptor, number)
        os.close(descriptor)
    return False


def become(words: list[str], folder: str, environment: dict[str, str], new_session: bool) -> Any:
    """Run one command line as a new process would."""
    if new_session:
        os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    paths = environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:1] = [folder, *filter(None, paths)]
    sys.argv = ["dlpipe", *words]
    runpy.run_module("dlpipe", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
