"""Who holds up the event loop: a thread that looks on, and names the line.

Public: Watch, Stall, Where, at (what the present task is about), folder_of, folders_of.

One blocking call of one plugin stops every run, the API and the service manager's sign of life. Nothing in the process can
interrupt it, but it can be named: while the loop stands still the thread reads the stack of the loop's thread, and the
innermost line that belongs to a connector is the one to mend.
"""

import asyncio
import sys
import threading
from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary

from syncd.engine.log import logger
from syncd.sdk import Connector

__all__ = ["LIMIT", "Stall", "Watch", "Where", "at", "folder_of", "folders_of"]

LIMIT = 1.0  # seconds for which the loop may stand still
TICK = 0.25  # seconds between two looks, and between two signs of life
HOPELESS = 15.0  # seconds after which it is told without waiting for the end

log = logger()


@dataclass(frozen=True, slots=True)
class Where:
    """What a task is about. `run` is 0 outside of runs."""

    run: int
    stream: str | None = None
    account: str | None = None
    partition: str | None = None


@dataclass(frozen=True, slots=True)
class Stall:
    """The loop stood still for so many seconds. `connector`: whose line it is, None if no plugin was on the stack."""

    seconds: float
    line: str
    connector: str | None = None
    where: Where | None = None

    def __str__(self) -> str:
        who = f"the connector {self.connector}" if self.connector else "syncd itself"
        return f"{who} blocked the event loop for {self.seconds:.1f} s at {self.line}"


_about: ContextVar[Where | None] = ContextVar("syncd_about", default=None)
_tasks: "WeakKeyDictionary[asyncio.Task[Any], Where]" = WeakKeyDictionary()


@contextmanager
def at(where: Where) -> Iterator[None]:
    """The present task, and those that it starts inside, are about this."""
    task = asyncio.current_task()
    before = None if task is None else _tasks.get(task)
    token = _about.set(where)
    if task is not None:
        _tasks[task] = where
    try:
        yield
    finally:
        _about.reset(token)
        if task is not None and before is None:
            _tasks.pop(task, None)
        elif task is not None and before is not None:
            _tasks[task] = before


def _task(
    loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any] | Generator[Any, None, Any], **more: Any
) -> "asyncio.Task[Any]":
    """asyncio's own task, remembered with what its maker is about: no other thread can read a task's context."""
    task = asyncio.Task(work, loop=loop, **more)
    about = _about.get()
    if about is not None:
        _tasks[task] = about
    return task


def folders_of(connectors: Mapping[str, Connector]) -> dict[str, Path]:
    """Where each connector's code lies: the folder of its package, or its file."""
    return {name: folder_of(connector) for name, connector in connectors.items()}


def folder_of(connector: Connector) -> Path:
    """Where its code lies."""
    module = type(connector).__module__
    top = module.partition(".")[0]
    package = getattr(sys.modules.get(top), "__file__", None)
    if package is not None and Path(package).name == "__init__.py" and top != "syncd":
        return Path(package).parent
    return Path(getattr(sys.modules.get(module), "__file__", None) or module)


class Watch:
    """Looks after one event loop. `tell` is called on the loop, after each time that it stood still.

    `stack` gives the innermost frame of the loop's thread.
    """

    def __init__(
        self,
        folders: Mapping[str, Path],
        tell: Callable[[Stall], None],
        stack: Callable[[], FrameType | None] | None = None,
        limit: float = LIMIT,
    ) -> None:
        self._limit = limit
        self._folders = folders
        self._tell = tell
        self._stack = stack or self._frame
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread_id = 0
        self._beaten = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._caught: Stall | None = None
        self._said = False
        self._over = threading.Event()

    def start(self) -> None:
        """Look after the loop that runs this."""
        self._loop = asyncio.get_running_loop()
        self._thread_id = threading.get_ident()
        if self._loop.get_task_factory() is None:
            self._loop.set_task_factory(_task)
        self._beat_again(self._loop)
        threading.Thread(target=self._run, args=(self._loop,), name="syncd watch", daemon=True).start()

    def stop(self) -> None:
        """May be called twice."""
        self._over.set()
        if self._timer is not None:
            self._timer.cancel()
        if self._loop is not None and self._loop.get_task_factory() is _task:
            self._loop.set_task_factory(None)

    def beat(self, now: float) -> None:
        """On the loop: it lives. If it stood still until now, say so."""
        late, caught = now - self._beaten - TICK, self._caught
        self._beaten, self._caught, self._said = now, None, False
        if caught is not None and late > self._limit:
            self._tell(Stall(late, caught.line, caught.connector, caught.where))

    def look(self, now: float) -> None:
        """In the thread: if the loop stands still, see where. A look that finds a plugin counts more than one that does not."""
        still = now - self._beaten - TICK
        if still <= self._limit:
            return
        if self._caught is None or self._caught.connector is None:
            self._caught = self._see(still) or self._caught
        if still > HOPELESS and not self._said and self._caught is not None:
            self._said = True
            log.error("the event loop stands still", connector=self._caught.connector, line=self._caught.line)

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        while not self._over.wait(TICK):
            self.look(loop.time())

    def _beat_again(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        if self._timer is None:
            self._beaten = now
        self._timer = loop.call_later(TICK, self._beat_again, loop)
        self.beat(now)

    def _frame(self) -> FrameType | None:
        return sys._current_frames().get(self._thread_id)

    def _see(self, still: float) -> Stall | None:
        """The line at which the loop's thread is; None where it only waits for events: then the machine is slow."""
        frame = self._stack()
        if frame is None or frame.f_code.co_name == "select":
            return None
        place = _line(frame, None)
        while frame is not None:
            for name, folder in self._folders.items():
                if Path(frame.f_code.co_filename).is_relative_to(folder):
                    return Stall(still, _line(frame, folder), name, self._where())
            frame = frame.f_back
        return Stall(still, place, None, self._where())

    def _where(self) -> Where | None:
        task = None if self._loop is None else asyncio.current_task(self._loop)
        return None if task is None else _tasks.get(task)


def _line(frame: FrameType, folder: Path | None) -> str:
    path = Path(frame.f_code.co_filename)
    shown = path.name if folder is None else path.relative_to(folder.parent)
    return f"{shown}:{frame.f_lineno} in {frame.f_code.co_name}"
