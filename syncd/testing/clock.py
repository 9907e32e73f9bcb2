"""A clock that a test moves.

Public: FakeClock.
"""

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta

__all__ = ["FakeClock"]


class FakeClock:
    """A `syncd.sdk.Clock` without real time.

    `auto=True` (the default): whoever sleeps moves the clock himself and goes on at once, so that waits cost nothing.
    `auto=False`: sleepers wait until `advance` (or `run`) has come as far. `slept` keeps every wait asked for.
    """

    def __init__(self, start: datetime | None = None, *, auto: bool = True) -> None:
        self.auto = auto
        self.slept: list[float] = []
        self._start = start or datetime(2026, 1, 1, 12, tzinfo=UTC)
        self._passed = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        if self._start.tzinfo is None:
            raise ValueError("the start must be an aware datetime")

    def now(self) -> datetime:
        return self._start.astimezone(UTC) + timedelta(seconds=self._passed)

    def monotonic(self) -> float:
        return 1000.0 + self._passed

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self.auto or seconds <= 0:
            self._passed += max(0.0, seconds)
            await asyncio.sleep(0)
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._passed + seconds, next(self._order), waiter))
        await waiter

    @property
    def sleeping(self) -> int:
        """How many wait now."""
        return sum(1 for _, _, waiter in self._sleepers if not waiter.done())

    def advance(self, seconds: float) -> None:
        """Move on, and wake those whose time has come, the earliest first."""
        until = self._passed + seconds
        while self._sleepers and self._sleepers[0][0] <= until:
            self._passed, _, waiter = heapq.heappop(self._sleepers)
            if not waiter.done():
                waiter.set_result(None)
        self._passed = until

    async def run(self, seconds: float) -> None:
        """Like `advance`, but whoever wakes acts, and may sleep again, before the clock moves further."""
        until = self._passed + seconds
        await self._settle()
        while self._sleepers and self._sleepers[0][0] <= until:
            self.advance(self._sleepers[0][0] - self._passed)
            await self._settle()
        self.advance(until - self._passed)
        await self._settle()

    @staticmethod
    async def _settle() -> None:
        for _ in range(20):  # turns of the loop; enough for a chain of awaits to reach its next sleep
            await asyncio.sleep(0)
