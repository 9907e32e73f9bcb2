"""What the parts of a run share: the engine's surroundings, one stream's work, one partition's job.

Public: Engine, Listing, RunWork, StreamWork, Job, Place, Outcome, RoundOutcome, each, pause,
unless_stopped, client_of.
"""

import asyncio
import hashlib
import random
from array import array
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Self, TypeVar

import orjson

from syncd.config.model import SyncConfig
from syncd.engine.alive import INACTIVITY, PATIENCE
from syncd.engine.chain import Stopped
from syncd.engine.client import PacedClient
from syncd.engine.connections import Connection
from syncd.engine.events import Progress
from syncd.engine.holdings import Scales
from syncd.engine.metrics import SILENT, Metrics
from syncd.engine.policy import with_hint
from syncd.engine.ports import AccountRow, PartitionRow, Retry, RunError, Store, StreamSpec
from syncd.engine.stop import Stop
from syncd.sdk import JSON, Clock, Context, Partition, Stream
from syncd.sdk.units import parse_size

__all__ = [
    "Engine",
    "Job",
    "Listing",
    "Outcome",
    "RoundOutcome",
    "RunWork",
    "StreamWork",
    "client_of",
    "each",
    "pause",
    "unless_stopped",
]

FINISH = 10.0  # seconds that contents in hand have left once the run is to stop

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Listing:
    """What is kept of an account's own partitions between runs: enough to see that they are the same, and no more.

    There are as many as accounts have streams. `rows`: the store's ids of those that are read, in the listing's order.
    """

    mark: bytes
    rows: "array[int]"

    @staticmethod
    def mark_of(own: Iterable[Partition], options_digest: str) -> bytes:
        """The same for the same partitions under the same options."""
        lines = (f"{one.id}\0{one.title}\0{one.excluded:d}" for one in own)
        text = "\0\0".join((options_digest, *lines))
        return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()


class Slots(asyncio.Semaphore):
    """Places for partitions in flight, that knows how many are taken, and how many wait for one."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.taken = 0
        self.wanted = 0

    async def acquire(self) -> Literal[True]:
        self.wanted += 1
        try:
            await super().acquire()
        finally:
            self.wanted -= 1
        self.taken += 1
        return True

    def release(self) -> None:
        self.taken -= 1
        super().release()


class Engine:
    """The surroundings of all runs in this process. `slots`: partitions in flight, over all runs."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        rng: random.Random,
        concurrency: int,
        inactivity: float = INACTIVITY,
        patience: float = PATIENCE,
        metrics: Metrics = SILENT,
    ) -> None:
        self.store = store
        self.clock = clock
        self.rng = rng
        self.inactivity = inactivity
        self.patience = patience
        self.scales = Scales()
        self.metrics = metrics
        self.concurrency = max(1, concurrency)
        self.slots = Slots(self.concurrency)
        self.listings: dict[tuple[int, str], Listing] = {}  # (account, stream) → its own partitions, as last listed

    def resize(self, concurrency: int) -> None:
        """Use another number of slots for runs that begin from now on."""
        if concurrency != self.concurrency:
            self.concurrency = max(1, concurrency)
            self.slots = Slots(self.concurrency)


class Place:
    """One of the places for partitions in flight. Left while the provider makes the partition wait, so that others go on.

    `async with` takes and gives it back; `leave` and `come_back` may be called by several tasks of the partition.
    """

    __slots__ = ("_held", "_lock", "_slots")

    def __init__(self, slots: asyncio.Semaphore) -> None:
        self._slots = slots
        self._held = False
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self.come_back()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        """Give the place to others. Does nothing if it is left already."""
        if self._held:
            self._held = False
            self._slots.release()

    async def come_back(self) -> None:
        """Have a place again."""
        async with self._lock:
            if not self._held:
                await self._slots.acquire()
                self._held = True


@dataclass(slots=True)
class StreamWork:
    """One stream of a sync: how it is read and stored."""

    stream: Stream
    spec: StreamSpec
    options: Mapping[str, JSON]
    max_size: int | None

    @classmethod
    def of(cls, connection: Connection, sync: SyncConfig, name: str) -> "StreamWork":
        """Raises KeyError if the connector has no such stream, ValueError if `max_size` is no size."""
        stream, options = connection.streams[name], sync.streams[name]
        size = options.get("max_size")
        spec = StreamSpec(connection.name, stream.info_with(options), _digest(options), str(sync.deletions))
        return cls(stream, spec, options, parse_size(size) if isinstance(size, str) else size)

    @property
    def name(self) -> str:
        return self.spec.info.name


def _digest(options: Mapping[str, JSON]) -> str:
    raw = orjson.dumps(dict(options), option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=str)
    return hashlib.sha256(raw).hexdigest()[:32]


@dataclass(slots=True)
class RunWork:
    """One run, as its parts see it. `run` is 0 in a dry run."""

    engine: Engine
    connection: Connection
    sync: SyncConfig
    run: int
    full: bool
    began_at: datetime
    stop: Stop
    progress: Progress
    dry: bool = False

    @property
    def store(self) -> Store:
        return self.engine.store

    @property
    def clock(self) -> Clock:
        return self.engine.clock

    @property
    def connector(self) -> str:
        return self.connection.config.connector

    def hinted(self, error: RunError) -> RunError:
        """The entry with a hint, by the catalogue or by what the connector says of its own codes."""
        return with_hint(error, self.connection.connector.info.errors)

    async def note(self, errors: Sequence[RunError]) -> None:
        """Keep them with the run."""
        await self.store.add_errors(self.run, [self.hinted(error) for error in errors])

    def context(
        self, work: StreamWork, account: AccountRow, partition: Partition | None = None, **more: Any
    ) -> Context:
        """The surroundings for one call of the stream."""
        return self.connection.context(
            self.progress,
            account=account.account,
            stream=work.name,
            partition=partition,
            options=work.options,
            **more,
        )


class Outcome(StrEnum):
    """How a partition, or an account's stream, came out of a run."""

    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"  # Forbidden
    VANISHED = "vanished"  # PartitionGone: the provider is asked anew which partitions there are
    GONE = "unavailable"  # AccountGone: no fault
    DEFERRED = "deferred"
    CANCELLED = "cancelled"
    REFUSED = "refused"  # AuthFailed: the run ends
    LOST = "lost"  # to another process


@dataclass(slots=True)
class RoundOutcome:
    """How a partition came out. `settle`: something may be proposed for deletion. `listed`: items committed."""

    outcome: Outcome
    error: RunError | None = None
    settle: bool = False
    pages: int = 0
    listed: int = 0
    state: str | None = None  # of the account's stream, with GONE


@dataclass(slots=True)
class Job:
    """One partition to read in this run. `full`: read everything, whatever the cursor says."""

    run: RunWork
    work: StreamWork
    account: AccountRow
    row: PartitionRow
    full: bool = False
    retries: list[Retry] = field(default_factory=list)
    place: Place | None = None

    @property
    def where(self) -> dict[str, str]:
        return {
            "stream": self.work.name,
            "account": self.account.label,
            "partition": self.row.partition.id,
        }


def client_of(ctx: Context) -> PacedClient:
    """The context's client as what it is."""
    assert isinstance(ctx.http, PacedClient)
    return ctx.http


async def each(
    things: Iterable[T], limit: int, act: Callable[[T], Coroutine[Any, Any, object]], *, gently: bool = False
) -> None:
    """Do `act` for everything, at most `limit` at once, taking from the iterable as places become free.

    The first error is raised; it ends the others at once, or (`gently`) lets those under way finish.
    """
    source = iter(things)
    failed = False

    async def worker() -> None:
        nonlocal failed
        for thing in source:
            try:
                await act(thing)
            except BaseException:
                failed = True
                raise
            if failed:
                return

    tasks = [asyncio.create_task(worker()) for _ in range(max(1, limit))]
    try:
        if gently:
            await asyncio.wait(tasks)
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def pause(seconds: float, clock: Clock, stop: Stop) -> None:
    """Sleep, unless the run is to stop: then raise Stopped."""
    await unless_stopped(clock.sleep(seconds), stop)


async def unless_stopped(act: Awaitable[T], stop: Stop, grace: float = 0.0) -> T:
    """What `act` gives; when the run is to stop it has `grace` more seconds, then it is cancelled: Stopped."""
    task: asyncio.Task[T] = asyncio.ensure_future(_awaited(act))
    loop = asyncio.get_running_loop()
    unwatch = stop.watch(lambda: _later(loop, grace, task))
    try:
        return await task
    except asyncio.CancelledError:
        if task.cancelled() and stop:
            raise Stopped from None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise
    finally:
        unwatch()


def _later(loop: asyncio.AbstractEventLoop, grace: float, task: "asyncio.Task[T]") -> None:
    loop.call_later(grace, task.cancel)


async def _awaited(act: Awaitable[T]) -> T:
    return await act
