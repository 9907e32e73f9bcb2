"""Commands in processes forked from a server that has imported everything already: seconds less than a fresh interpreter.

Public: Forked, run_command.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable
from typing import Any

PRELOADED = ["syncd.daemon", "syncd.web.api", "syncd.web.server", "syncd.cli.app", "alembic.command", "syncd_google"]


class Forked:
    """A process that runs `target(*arguments)`; both must be picklable."""

    def __init__(self, target: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        self._process = context.Process(target=target, args=arguments)
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait(self, seconds: float) -> int:
        self._process.join(seconds)
        assert self._process.exitcode is not None, f"still there after {seconds} s"
        return self._process.exitcode


def run_command(arguments: tuple[str, ...], environment: dict[str, str], log: str) -> None:
    """In the forked process: `syncd *arguments` as if started with this environment, stderr into `log`."""
    from syncd.cli.app import run

    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.exit(run(arguments))
