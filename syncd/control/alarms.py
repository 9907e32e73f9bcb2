"""Looks at how things are, and has operators told.

Public: Alarms.
"""

import asyncio
from datetime import datetime, timedelta

from syncd.config.model import Config, Schedule
from syncd.deliver.occasions import CREDENTIAL_REFUSED, HELD, KINDS, PAUSED, Situation, ending, occasions

from .parts import Parts
from .pauses import Pauses, enabled

__all__ = ["Alarms"]

EVERY = timedelta(seconds=10)  # between two looks that nothing asked for
REST = 10  # times as long as a look has taken, nobody looks again: however much happens, this costs little
OF_A_COMMAND = (CREDENTIAL_REFUSED, PAUSED, HELD)  # what a process that is no daemon can judge


class Alarms:
    """`nudge` after anything that may matter; `tick` every second; or `check` at once."""

    def __init__(self, parts: Parts, pauses: Pauses) -> None:
        self._parts = parts
        self._pauses = pauses
        self._nudged = parts.daemon is not None
        self._looked = float("-inf")
        self._took = 0.0
        self._watched: dict[str, tuple[Schedule, datetime]] = {}

    async def adopt(self, config: Config) -> None:
        """Take over the channels of a configuration."""
        await self._parts.notices.configure(config.daemon.notify)
        if self._parts.daemon is not None:
            await self._parts.notices.forget_others()
            self._nudged = True

    def nudge(self) -> None:
        """Something has happened: the next tick looks."""
        self._nudged = True

    async def tick(self) -> None:
        """Look if there is a reason to, and let what waits be sent."""
        ago = self._parts.clock.monotonic() - self._looked
        every = EVERY.total_seconds()
        if ago >= (min(every, REST * self._took) if self._nudged else every):
            await self.check()
        self._parts.notices.deliver()

    async def finish(self, seconds: float) -> None:
        """For a command that ends: what its runs have brought is noted, and told if that is quick."""
        if self._nudged and self._parts.daemon is None:
            await self.check()
            await self._parts.notices.flush(seconds)
        await self._parts.notices.aclose()

    async def check(self) -> None:
        """Look at everything and settle the notices."""
        self._nudged, self._looked = False, self._parts.clock.monotonic()
        config = self._parts.config
        facts = await self._situation(config)
        judged = KINDS if self._parts.daemon is not None else OF_A_COMMAND
        found = [one for one in await asyncio.to_thread(occasions, facts) if one.kind in judged]
        await self._parts.notices.settle(found, judged, lambda row: ending(row, config))
        self._took = self._parts.clock.monotonic() - self._looked

    async def _situation(self, config: Config) -> Situation:
        parts, states = self._parts, await self._pauses.states(config)
        self._watch(
            config, {name for name, one in states.items() if one.paused is None and enabled(config.syncs[name], one)}
        )
        return Situation(
            config,
            states,
            parts.clock.now(),
            held=await parts.store.held_counts(),
            oldest=await parts.store.oldest_rounds() if parts.daemon is not None else {},
            watched={name: since for name, (_, since) in self._watched.items()},
            problems=parts.problems,
            told={row.key for row in await parts.notices.open()},
        )

    def _watch(self, config: Config, active: set[str]) -> None:
        """Remember since when each sync could run by the schedule that it has now."""
        now = self._parts.clock.now()
        for name in self._watched.keys() - active:
            del self._watched[name]
        for name in active:
            schedule, known = config.syncs[name].schedule, self._watched.get(name)
            if known is None or known[0] != schedule:
                self._watched[name] = (schedule, now)
