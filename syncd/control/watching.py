"""What changes, for whoever watches: the dashboard's cards, scripts that wait.

Public: Changes, watch.

An event names what is different now and not how: who cares asks again. So a slow listener misses nothing, however many
changes come, and one that listens to nothing costs nothing.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from syncd.engine.executor import Executor, RunHandle
from syncd.engine.ports import Counts
from syncd.engine.report import counts_json
from syncd.sdk import Clock

__all__ = ["Changes", "watch"]

EVERY = 1.0  # seconds between two looks at the progress of runs

Event = dict[str, Any]


class Changes:
    """Hands on that a sync, a connection or the configuration has changed."""

    def __init__(self) -> None:
        self._listeners: list[_Listener] = []

    def tell(self, event: str, **names: Any) -> None:
        """`event` with what names it: `tell("sync", sync="nightly")`."""
        for listener in self._listeners:
            listener.put({"event": event, **names})

    def listen(self) -> "_Listener":
        """Changes from now on; use it as a context manager."""
        return _Listener(self._listeners)


class _Listener:
    """One watcher's backlog: the same change waits once."""

    def __init__(self, listeners: "list[_Listener]") -> None:
        self._listeners = listeners
        self._waiting: dict[tuple[Any, ...], Event] = {}
        self._ready = asyncio.Event()

    def __enter__(self) -> "_Listener":
        self._listeners.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._listeners.remove(self)

    def put(self, event: Event) -> None:
        self._waiting[tuple(event.items())] = event
        self._ready.set()

    async def some(self) -> list[Event]:
        """What has changed since the last time; waits for something."""
        await self._ready.wait()
        self._ready.clear()
        events = list(self._waiting.values())
        self._waiting.clear()
        return events


async def watch(changes: Changes, executor: Executor, clock: Clock) -> AsyncIterator[Event]:
    """`hello` at once, then every change, and while runs are under way their progress, where there is any."""
    yield {"event": "hello"}
    seen: dict[int, Event] = {}
    with changes.listen() as listener:
        while True:
            for event in await _within(EVERY, listener, clock):
                yield event
            running = executor.running()
            for handle in running:
                progress = _progress(handle)
                if handle.run is not None and seen.get(handle.run) != progress:
                    seen[handle.run] = progress
                    yield progress
            for over in seen.keys() - {handle.run for handle in running}:
                del seen[over]


async def _within(seconds: float, listener: _Listener, clock: Clock) -> list[Event]:
    """What changes, or nothing once that time has passed."""
    tick = asyncio.ensure_future(clock.sleep(seconds))
    some = asyncio.ensure_future(listener.some())
    try:
        await asyncio.wait({tick, some}, return_when=asyncio.FIRST_COMPLETED)
        return some.result() if some.done() else []
    finally:
        for task in (tick, some):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def _progress(handle: RunHandle) -> Event:
    totals = Counts()
    for counts in handle.progress.totals().values():
        totals.add(counts)
    return {
        "event": "progress",
        "run": handle.run,
        "sync": handle.sync,
        "requests": handle.progress.requests,
        "counts": counts_json(totals),
    }
