"""Starting syncs when they are due.

Public: Scheduler, DueState (what is remembered of a sync), DueStore (who remembers it).

Due times are saved, so that a restart keeps them: one that passed while nobody was there gives one run, with the
trigger `startup`. A due time that comes while the sync is running, switched off or paused is dropped, not kept for
later. The wall clock may jump: forward, it is downtime (one run); back, times that the schedule would never give are
worked out anew (see `timetable.settle_due`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from syncd.config.model import Config, SyncConfig
from syncd.engine.log import logger
from syncd.engine.ports import Trigger
from syncd.engine.timetable import first_due, next_due, phase_of, settle_due
from syncd.sdk import Clock

__all__ = ["DueState", "DueStore", "Scheduler"]

Start = Callable[[str, Trigger], Awaitable[bool]]

JUMP = 5.0  # seconds that the clocks may part between two looks

log = logger()


@dataclass(frozen=True, slots=True)
class DueState:
    """A sync as the scheduler must know it. `active`: neither switched off nor paused."""

    next_due_at: datetime | None = None
    active: bool = True
    again_at: datetime | None = None  # a provider asked to come back then; sooner than the schedule counts
    formerly: str | None = None  # its name in the configuration before, if that was another


class DueStore(Protocol):
    """Where due times are kept."""

    async def due_states(self, config: Config) -> Mapping[str, DueState]:
        """Of every sync of the configuration."""

    async def set_next_due(self, sync: str, due: datetime) -> None: ...

    async def set_next_dues(self, dues: Mapping[str, datetime]) -> None:
        """Of many syncs at once."""


class Scheduler:
    """Looks once a second what is due. `start` begins a run and says whether it did; it must not wait for its end."""

    def __init__(self, store: DueStore, clock: Clock, start: Start, *, seed: str = "") -> None:
        self._store = store
        self._clock = clock
        self._start = start
        self._seed = seed
        self._config = Config()
        self._one = asyncio.Lock()  # a look never sees half of a new configuration
        self._startup = True
        self._looked: tuple[datetime, float] | None = None
        self._again: dict[str, datetime] = {}
        self.checked: float | None = None
        """When a look ended, by the monotonic clock: the daemon's watchdog goes by it."""
        self.following: tuple[str, datetime] | None = None
        """The sync that is due next, as the last look saw it."""

    async def adopt(self, config: Config) -> None:
        """Take a configuration over: what is new, or has another schedule, gets a due time; all others keep theirs."""
        async with self._one:
            old, self._config = self._config, config
            try:
                await self._set_due_times(old, config)
            except BaseException:
                self._config = old  # the next one that is adopted makes up for it
                raise

    async def _set_due_times(self, old: Config, config: Config) -> None:
        now, states = self._clock.now(), await self._store.due_states(config)
        dues: dict[str, datetime] = {}
        for name, sync in config.syncs.items():
            saved, former = states[name].next_due_at, states[name].formerly or name
            before = old.syncs.get(former)
            if former in self._again:
                self._again[name] = self._again[former]
            if saved is None or (before is not None and before.schedule != sync.schedule):
                due = self._first(sync, now)
            elif before is not None:
                continue
            else:
                due = settle_due(sync.schedule, saved, now) if self._startup else self._first(sync, now)
            if due != saved:
                dues[name] = due
        if dues:
            await self._store.set_next_dues(dues)

    async def check(self) -> None:
        """Start what is due. The first check after the start makes up for downtime."""
        async with self._one:
            await self._check()

    async def _check(self) -> None:
        trigger = Trigger.STARTUP if self._startup else Trigger.SCHEDULED
        self._startup = False
        now, states = self._clock.now(), await self._store.due_states(self._config)
        set_back = self._set_back(now)
        for name, sync in self._config.syncs.items():
            state = states[name]
            if state.next_due_at is None:
                await self._store.set_next_due(name, self._first(sync, now))
            elif state.next_due_at <= now:
                await self._due(name, sync, state, now, trigger)
            elif state.again_at is not None and state.again_at <= now and state.active:
                await self._again_due(name, state.again_at, trigger)
            elif set_back:
                await self._mend(name, sync, state.next_due_at, now)
        due = ((state.next_due_at, name) for name, state in states.items() if state.active and state.next_due_at)
        first = min(((at, name) for at, name in due if at > now), default=None)
        self.following = None if first is None else (first[1], first[0])
        self.checked = self._clock.monotonic()

    async def _due(self, name: str, sync: SyncConfig, state: DueState, now: datetime, trigger: Trigger) -> None:
        """The next due time is saved first: a run that brings the daemon down must not be started over and over."""
        await self._store.set_next_due(name, next_due(sync.schedule, now, state.next_due_at))
        if state.active:
            await self._begin(name, trigger)

    async def _again_due(self, name: str, again_at: datetime, trigger: Trigger) -> None:
        """Once per time that the provider named: if that run does not get further, the schedule is soon enough."""
        if self._again.get(name) != again_at:
            self._again[name] = again_at
            await self._begin(name, trigger)

    async def _begin(self, name: str, trigger: Trigger) -> None:
        """One sync that cannot be started does not keep the others from it."""
        try:
            started = await self._start(name, trigger)
        except Exception as error:
            log.error("a due sync could not be started", sync=name, error=str(error), exc_info=error)
            return
        if not started:
            log.info("due while it is running: left out", sync=name)

    async def _mend(self, name: str, sync: SyncConfig, saved: datetime, now: datetime) -> None:
        right = settle_due(sync.schedule, saved, now)
        if right != saved:
            log.warning("the clock was set back; due time worked out anew", sync=name, due=right.isoformat())
            await self._store.set_next_due(name, right)

    def _set_back(self, now: datetime) -> bool:
        """Whether the wall clock has lost more than a few seconds on the monotonic one since the last look."""
        before, self._looked = self._looked, (now, self._clock.monotonic())
        if before is None:
            return False
        return (now - before[0]).total_seconds() < self._looked[1] - before[1] - JUMP

    def _first(self, sync: SyncConfig, now: datetime) -> datetime:
        return first_due(sync.schedule, now, phase_of(sync.name, self._seed))
