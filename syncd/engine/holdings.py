"""What connectors keep in memory: looked at when the process has grown, and bounded for each partition.

Public: Scales (looks, and ends whoever holds too much), Reading (what it looks at), held_by.

Python does not say whose memory is whose. What a partition's generator can reach through its local names, and what its
connector's modules, classes and instances can reach, is counted object by object. That takes a while, so it is done only
when the process as a whole has grown by STEP since the last look, and beside the event loop.
"""

import asyncio
import gc
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

from syncd.engine.chain import TooMuch
from syncd.engine.log import logger
from syncd.sdk import Context

__all__ = ["HEAVIEST", "STEP", "Reading", "Scales", "held_by", "resident"]

HEAVIEST = 512 * 1024 * 1024  # bytes that one partition may keep
STEP = 64 * 1024 * 1024  # bytes of growth that lead to a look
EVERY = 1.0  # seconds between two looks at the process
OBJECTS = 5_000_000  # that are counted at most: whoever keeps more keeps too much
OTHERS = frozenset({"asyncio", "_asyncio", "httpx", "httpcore", "anyio", "ssl", "logging", "structlog", "threading"})
STATM = Path("/proc/self/statm")
PAGE = os.sysconf("SC_PAGE_SIZE")

log = logger()


@dataclass(frozen=True, eq=False, slots=True)
class Reading:
    """A partition being read. `roots`: the connector's objects; `folder`: its code; `fail` ends the reading with an error."""

    roots: tuple[object, ...]
    folder: Path | None
    fail: Callable[[Exception], None]


def resident() -> int:
    """Bytes of this process in memory; 0 where the system does not say."""
    try:
        return int(STATM.read_text().split()[1]) * PAGE
    except (OSError, ValueError, IndexError):
        return 0


class Scales:
    """Weighs what is being read. `weight` gives the bytes of the process."""

    def __init__(self, weight: Callable[[], int] = resident) -> None:
        self.readings: set[Reading] = set()
        self.heaviest = HEAVIEST
        self.step = STEP
        self._weight = weight
        self._level: int | None = None

    @contextmanager
    def weighing(self, reading: Reading) -> Iterator[None]:
        """While this reading goes on."""
        self.readings.add(reading)
        try:
            yield
        finally:
            self.readings.discard(reading)

    async def watch(self) -> None:
        """For ever."""
        while True:
            try:
                await self.look()
            except Exception as error:  # an object that does not let itself be measured
                log.warning("what connectors keep could not be measured", error=repr(error))
            await asyncio.sleep(EVERY)

    async def look(self) -> None:
        """If the process has grown, end every reading whose connector keeps too much."""
        now = self._weight()
        if self._level is None or now < self._level:
            self._level = now
        if now - self._level < self.step:
            return
        self._level = now
        for reading in list(self.readings):
            held = await asyncio.to_thread(self._held, reading)
            if held > self.heaviest:
                reading.fail(TooMuch(f"the connector keeps {held >> 20} MiB, more than {self.heaviest >> 20} MiB"))

    def _held(self, reading: Reading) -> int:
        roots = [*reading.roots]
        if reading.folder is not None:
            roots += _globals(reading.folder)
        return held_by(roots, self.heaviest)


def held_by(roots: Iterable[object], enough: int) -> int:
    """The bytes of all that can be reached from `roots`, but for what is the engine's; counting stops above `enough`."""
    seen: set[int] = set()
    waiting = [one for one in roots if not _foreign(one)]
    total = 0
    while waiting and total <= enough:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if len(seen) > OBJECTS:
            return enough + 1
        total += sys.getsizeof(one, 0)
        waiting += [other for other in _within(one) if not _foreign(other)]
    return total


def _within(one: object) -> list[object]:
    if isinstance(one, FunctionType):  # not its globals: they are everything
        return [*(one.__closure__ or ()), *(one.__defaults__ or ())]
    return gc.get_referents(one)


def _foreign(one: object) -> bool:
    if one is None or isinstance(one, ModuleType | type | CodeType | Context):
        return True
    top, _, rest = str(type(one).__module__).partition(".")
    return top in OTHERS or (top == "syncd" and not rest.startswith(("sdk", "testing")))


def _globals(folder: Path) -> Iterator[object]:
    """What a connector's modules and classes keep."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file is None or not Path(file).is_relative_to(folder):
            continue
        for one in list(vars(module).values()):
            if isinstance(one, type) and one.__module__ == name:
                yield from list(vars(one).values())
            elif not isinstance(one, FunctionType):
                yield one
