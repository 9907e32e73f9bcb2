"""Asking a run to end after the page it has in hand; and closing its books even if it is ended at once.

Public: Stop, to_its_end.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

__all__ = ["Stop", "to_its_end"]

T = TypeVar("T")


class Stop:
    """A run's stop sign. Rounds look at it between pages; those that wait for one are woken through `watch`."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._watchers: dict[int, Callable[[], None]] = {}
        self._serial = 0

    def __bool__(self) -> bool:
        return self.reason is not None

    def request(self, reason: str) -> None:
        """Stop for this reason; the first reason stays."""
        if self.reason is None:
            self.reason = reason
            for wake in list(self._watchers.values()):
                wake()

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` when the stop comes (at once if it has); gives the function that ends the watching."""
        self._serial += 1
        key = self._serial
        self._watchers[key] = wake
        if self:
            wake()
        return lambda: self._watchers.pop(key, None) and None


async def to_its_end(act: Awaitable[T]) -> T:
    """What `act` gives, however often its waiter is cancelled meanwhile: the store must not be closed beneath it."""
    task: asyncio.Task[T] = asyncio.ensure_future(_awaited(act))
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait({task})
    return task.result()


async def _awaited(act: Awaitable[T]) -> T:
    return await act
