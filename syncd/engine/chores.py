"""Periodic chores of the daemon: the due check, heartbeats, looking at the configuration again.

Public: Chores.

A `schedule.Scheduler` keeps the list; its jobs go by the injected monotonic clock, so that a wall clock set back or
forward delays nothing. A chore is a coroutine function and runs as a task of its own: one that raises is logged (once
when it begins to fail, once when it works again) and stops neither itself nor the others; one that is still running
when it is due again is left out that time.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import schedule

from syncd.engine.log import logger
from syncd.sdk import Clock

__all__ = ["TICK", "Chores"]

TICK = 0.25  # seconds between looks at the list
Chore = Callable[[], Awaitable[object]]

log = logger()


class _Job(schedule.Job):
    """A job that is due by a monotonic clock, in seconds, and keeps its phase."""

    def __init__(self, seconds: float, first: float, chores: "Chores") -> None:
        super().__init__(1, chores.timer)
        self.length = seconds
        self.monotonic = chores.clock.monotonic
        self.due = self.monotonic() + first

    @property
    def should_run(self) -> bool:
        return self.monotonic() >= self.due

    def __lt__(self, other: "_Job") -> bool:
        return self.due < other.due

    def run(self) -> Any:
        self.due += self.length * ((self.monotonic() - self.due) // self.length + 1)
        assert self.job_func is not None
        return self.job_func()

    def _schedule_next_run(self) -> None:
        """Done by `run`: schedule's own way reads the naive local time."""


class Chores:
    """A list of things to do every so often. `run` works through it until it is cancelled."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.timer = schedule.Scheduler()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._failing: set[str] = set()

    def every(self, interval: timedelta, name: str, chore: Chore, *, first: timedelta | None = None) -> None:
        """Do `chore` every `interval`, the first time one interval from now, or `first`."""
        _Job(interval.total_seconds(), (first or interval).total_seconds(), self).tag(name).do(self._start, name, chore)

    async def run(self) -> None:
        try:
            while True:
                self.timer.run_pending()
                await self.clock.sleep(TICK)
        finally:
            await self._stop()

    def _start(self, name: str, chore: Chore) -> None:
        if name not in self._running:
            task = asyncio.get_running_loop().create_task(self._guarded(name, chore), name=f"chore {name}")
            self._running[name] = task
            task.add_done_callback(lambda _: self._running.pop(name, None))

    async def _guarded(self, name: str, chore: Chore) -> None:
        try:
            await chore()
        except Exception:
            if name not in self._failing:
                self._failing.add(name)
                log.exception("a periodic chore fails; it is tried again each time", chore=name)
        else:
            if name in self._failing:
                self._failing.discard(name)
                log.info("a periodic chore works again", chore=name)

    async def _stop(self) -> None:
        self.timer.clear()
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
