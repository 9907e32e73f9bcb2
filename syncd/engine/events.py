"""Progress of runs for whoever watches: the terminal, the dashboard, server-sent events.

Public: Progress (what a run publishes into), the event classes, Event.

Nothing here is done per record. With nobody listening an event costs one test. A slow listener gets the latest totals of
a stream rather than every page, so that it can neither hold up a run nor grow in memory.
"""

import asyncio
from collections.abc import AsyncIterator, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from syncd.engine.ports import Counts, RunStatus, Trigger

__all__ = [
    "Event",
    "PageCommitted",
    "PartitionBegan",
    "PartitionEnded",
    "Progress",
    "RunFinished",
    "RunStarted",
    "as_json",
]

BACKLOG = 1000  # events that a listener may be behind; the oldest partition events are dropped first


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run began. `accounts`: how many it covers, known once they are resolved."""

    run: int | None
    sync: str
    connection: str
    trigger: Trigger
    streams: tuple[str, ...]
    accounts: int


@dataclass(frozen=True, slots=True)
class PartitionBegan:
    run: int | None
    stream: str
    account: str
    partition: str


@dataclass(frozen=True, slots=True)
class PartitionEnded:
    """A partition is through. `outcome`: completed, failed, skipped, deferred, cancelled or gone."""

    run: int | None
    stream: str
    account: str
    partition: str
    outcome: str


@dataclass(frozen=True, slots=True)
class PageCommitted:
    """A page landed. `counts`, `requests` and `accounts_done` are totals of the stream, or run, so far."""

    run: int | None
    stream: str
    account: str
    counts: Counts
    requests: int
    accounts_done: int


@dataclass(frozen=True, slots=True)
class RunFinished:
    run: int | None
    sync: str
    status: RunStatus
    counts: Counts
    requests: int


Event = RunStarted | PartitionBegan | PartitionEnded | PageCommitted | RunFinished


def as_json(event: Event) -> dict[str, Any]:
    """The event as an object for JSON: its fields, plus `event` with its name."""
    out: dict[str, Any] = {"event": _snake(type(event).__name__)}
    for name in type(event).__slots__:
        value = getattr(event, name)
        if isinstance(value, Counts):
            value = {key: getattr(value, key) for key in Counts.__slots__}
        out[name] = list(value) if isinstance(value, tuple) else value
    return out


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


class _Listener:
    """One watcher's backlog: totals of a stream replace each other, everything else queues."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, Event] = {}
        self._serial = 0
        self._ready = asyncio.Event()
        self.closed = False

    def put(self, event: Event) -> None:
        key: Hashable
        if isinstance(event, PageCommitted):
            key = event.stream
            self._waiting.pop(key, None)
        else:
            self._serial += 1
            key = self._serial
        self._waiting[key] = event
        if len(self._waiting) > BACKLOG:
            self._drop()
        self._ready.set()

    def close(self) -> None:
        self.closed = True
        self._ready.set()

    def _drop(self) -> None:
        for key, event in self._waiting.items():
            if isinstance(event, PartitionBegan | PartitionEnded):
                del self._waiting[key]
                return

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            while self._waiting:
                yield self._waiting.pop(next(iter(self._waiting)))
            if self.closed:
                return
            self._ready.clear()
            await self._ready.wait()


@dataclass(slots=True)
class Progress:
    """A run's totals so far, and its listeners.

    `listed` and `pages` count what was committed by this process; the ledger that decides is the store's.
    """

    run: int | None = None
    requests: int = 0
    accounts: int = 0
    streams: dict[str, Counts] = field(default_factory=dict)
    pages: int = 0
    done: dict[str, int] = field(default_factory=dict)
    started: RunStarted | None = None
    _listeners: list[_Listener] = field(default_factory=list)
    _finished: bool = False

    def publish(self, event: Event) -> None:
        """Hand an event to everybody who listens. RunFinished ends their iteration."""
        if isinstance(event, RunStarted):
            self.started = event
        for listener in self._listeners:
            listener.put(event)
        if isinstance(event, RunFinished):
            self.finish()

    def committed(self, stream: str, account: str, counts: Counts) -> None:
        """Add a page to the totals and tell the listeners."""
        self.pages += 1
        total = self.streams.setdefault(stream, Counts())
        total.add(counts)
        if self._listeners:
            snapshot = Counts()
            snapshot.add(total)
            done = self.done.get(stream, 0)
            self.publish(PageCommitted(self.run, stream, account, snapshot, self.requests, done))

    def account_done(self, stream: str) -> None:
        self.done[stream] = self.done.get(stream, 0) + 1

    @property
    def watched(self) -> bool:
        return bool(self._listeners)

    def finish(self) -> None:
        """End the iteration of all listeners."""
        self._finished = True
        for listener in self._listeners:
            listener.close()

    async def listen(self) -> AsyncIterator[Event]:
        """Events from now on, beginning with RunStarted if the run has begun, until the run is finished."""
        listener = _Listener()
        if self.started is not None:
            listener.put(self.started)
        if self._finished:
            listener.close()
        self._listeners.append(listener)
        try:
            async for event in listener:
                yield event
        finally:
            self._listeners.remove(listener)

    def totals(self) -> Mapping[str, Counts]:
        return self.streams
