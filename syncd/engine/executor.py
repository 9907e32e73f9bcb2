"""The public door of the engine: runs of syncs, imports and checks, for the daemon and the command line alike.

Public: Executor, RunHandle (and RunRequest, RunReport, Busy, UnknownName, handed on from where they are defined).

    async with Executor(store, config, connectors) as executor:
        handle = await executor.submit(RunRequest("acme-nightly"))
        async for event in handle.events(): ...
        report = await handle.report()
"""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Self

from syncd.config.model import Config, ConnectionConfig, SyncConfig
from syncd.engine.connections import Connection, TransportFactory, VaultOf
from syncd.engine.dry import DryRun
from syncd.engine.events import Event, Progress
from syncd.engine.imports import ImportReport, check_connection, import_accounts
from syncd.engine.log import logger
from syncd.engine.metrics import SILENT, Metrics
from syncd.engine.policy import describe
from syncd.engine.ports import Busy, Store
from syncd.engine.report import CANCELLED, RELOAD, SHUTDOWN, RunReport, RunRequest
from syncd.engine.run import Engine, Run
from syncd.engine.stillborn import Stillborn
from syncd.engine.stop import Stop
from syncd.engine.watch import Stall, Watch, Where, folders_of
from syncd.engine.work import Slots
from syncd.sdk import Clock, Connector, SyncdError, SystemClock

__all__ = ["Busy", "Executor", "RunHandle", "RunReport", "RunRequest", "UnknownName"]

HEARTBEAT = 20.0  # seconds between two signs of life


class UnknownName(LookupError):
    """The name is not in the configuration (SYN-CONF-002)."""

    code = "SYN-CONF-002"


class RunHandle:
    """A run that is under way, or over. `joined`: it was there before it was asked for, and covers what was asked."""

    def __init__(
        self, run: int | None, request: RunRequest, task: "asyncio.Task[RunReport]", progress: Progress, stop: Stop
    ) -> None:
        self.run = run
        self.request = request
        self.joined = False
        self._task = task
        self._progress = progress
        self._stop = stop

    @property
    def sync(self) -> str:
        return self.request.sync

    @property
    def done(self) -> bool:
        return self._task.done()

    @property
    def stopping(self) -> bool:
        """It was asked to end and has not ended yet."""
        return bool(self._stop)

    @property
    def progress(self) -> Progress:
        """The totals so far."""
        return self._progress

    async def report(self) -> RunReport:
        """Wait for the end. Cancelling this wait does not touch the run."""
        return await asyncio.shield(self._task)

    def events(self) -> AsyncIterator[Event]:
        """Events from now on until the run is over; begins with RunStarted."""
        return self._progress.listen()

    def cancel(self, reason: str = CANCELLED) -> None:
        """End the run after the page it has in hand."""
        self._stop.request(reason)

    def abandon(self) -> None:
        """End the run now: what is committed stays, what is in hand is dropped."""
        self._task.cancel()


class Executor:
    """Runs syncs of one configuration against one store. One per process; start it with `async with`."""

    def __init__(
        self,
        store: Store,
        config: Config,
        connectors: Mapping[str, Connector],
        *,
        clock: Clock | None = None,
        rng: random.Random | None = None,
        transport: TransportFactory | None = None,
        heartbeat: float = HEARTBEAT,
        vault_of: VaultOf | None = None,
        metrics: Metrics = SILENT,
    ) -> None:
        self.config = config
        self._store = store
        self._connectors = connectors
        self._clock: Clock = clock or SystemClock()
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._transport = transport
        self._vault_of = vault_of
        self._heartbeat = heartbeat
        self.metrics = metrics
        self._engine = Engine(store, self._clock, self._rng, config.daemon.concurrency, metrics=metrics)
        self._connections: dict[str, Connection] = {}
        self._retired: list[Connection] = []
        self._bound: set[tuple[str, str, str | None]] = set()
        self._runs: dict[str, RunHandle] = {}  # by sync
        self._others: set[asyncio.Task[RunReport]] = set()  # dry runs
        self._unclosed: dict[int, str] = {}  # runs that are over, though the store could not be told; and why not
        self._starting = asyncio.Lock()
        self._closing = False
        self._pulse: asyncio.Task[None] | None = None
        self._weigher: asyncio.Task[None] | None = None
        self._watch = Watch(folders_of(connectors), self._held_up)
        self._blamed: set[tuple[int, str]] = set()  # runs and lines
        self._notes: set[asyncio.Task[None]] = set()
        self._log = logger()

    async def __aenter__(self) -> Self:
        self._pulse = asyncio.create_task(self._beat(), name="syncd heartbeat")
        self._weigher = asyncio.create_task(self._engine.scales.watch(), name="syncd scales")
        self._watch.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End what is running after its page, close all connections. May be called twice."""
        await self.drain(grace=30.0)
        self._watch.stop()
        await asyncio.gather(*self._notes, return_exceptions=True)
        for task in (self._pulse, self._weigher):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        for connection in [*self._connections.values(), *self._retired]:
            await connection.aclose()
        self._connections.clear()
        self._retired.clear()

    # -- configuration

    def configure(self, config: Config) -> None:
        """Use another configuration for what is started from now on. Runs under way keep the one they began with.

        Connections whose configuration is the same keep their tokens and their pacing.
        """
        for name, connection in list(self._connections.items()):
            if config.connections.get(name) != connection.config:
                self._retired.append(self._connections.pop(name))
        self.config = config
        self._engine.resize(config.daemon.concurrency)

    def forget(self, connection: str) -> None:
        """Drop the access tokens of a connection, after its secret changed."""
        if connection in self._connections:
            self._connections[connection].forget()

    def purged(self, connection: str) -> None:
        """Forget what is remembered of stored rows: some are gone, and others may get their numbers."""
        self._engine.listings.clear()
        self.forget(connection)

    # -- runs

    async def submit(self, request: RunRequest) -> RunHandle:
        """Start a run, or join the one under way if that covers what is asked.

        Raises Busy if one is under way that does not, or if this process is ending; UnknownName if there is no such
        sync or its connection is not configured. A connection that cannot be put together (its connector is missing,
        its settings are refused) makes a failed run; a dry run raises instead.
        """
        async with self._starting:
            sync = self._sync(request.sync)
            if self._closing:
                raise Busy("a process that is ending")
            present = self._runs.get(request.sync)
            if present is not None and not request.dry_run:
                return _join(present, request)
            return await self._start(sync, request)

    def running(self) -> Sequence[RunHandle]:
        """The runs under way in this process."""
        return list(self._runs.values())

    async def begun(self) -> Sequence[RunHandle]:
        """The runs under way, when those that are just being started have begun."""
        async with self._starting:
            return self.running()

    @property
    def slots(self) -> Slots:
        """The places for partitions in flight."""
        return self._engine.slots

    def handle(self, run: int) -> RunHandle | None:
        """A run under way in this process, by its number."""
        return next((handle for handle in self._runs.values() if handle.run == run), None)

    def cancel(self, run: int, reason: str = CANCELLED) -> bool:
        """End a run after the page it has in hand. False if it is not under way in this process."""
        handle = self.handle(run)
        if handle is not None:
            handle.cancel(reason)
        return handle is not None

    async def cancel_sync(self, name: str, reason: str = RELOAD) -> RunReport | None:
        """End the run of a sync after its page and wait for that; None if none is under way."""
        handle = self._runs.get(name)
        if handle is None:
            return None
        handle.cancel(reason)
        return await handle.report()

    async def drain(self, grace: float) -> None:
        """Take no more work; let runs commit the page in hand for `grace` seconds, then abandon it."""
        self._closing = True
        async with self._starting:
            handles = list(self._runs.values())
        for handle in handles:
            handle.cancel(SHUTDOWN)
        tasks = {handle._task for handle in handles} | self._others
        for task in self._others:
            task.cancel()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # -- connections

    async def import_accounts(self, connection: str) -> ImportReport:
        """Import the organisation of a connection. Raises SyncdError; nothing is stored then."""
        return await import_accounts(self._engine, await self._connection(connection))

    async def check(self, connection: str) -> Mapping[str, str]:
        """Try the credential: per stream `ready` or what is missing. Raises AuthFailed if it is refused as a whole."""
        return await check_connection(self._engine, await self._connection(connection))

    # -- inside

    def _sync(self, name: str) -> SyncConfig:
        if name not in self.config.syncs:
            raise UnknownName(f"there is no sync named {name}")
        return self.config.syncs[name]

    async def _connection(self, name: str) -> Connection:
        """The connection's runtime. Raises UnknownName, or SyncdError (SYN-PLUGIN-002) without its connector."""
        config = self._configured(name)
        while (known := (name, config.connector, config.previous_name)) not in self._bound:
            await self._store.bind_connection(*known)
            self._bound.add(known)
            config = self._configured(name)  # another one, if it was reloaded meanwhile
        if name not in self._connections:
            self._connections[name] = Connection.open(
                config,
                self._connectors,
                self._clock,
                self._rng,
                self._transport,
                self._vault_of,
                self.metrics,
            )
        return self._connections[name]

    def _configured(self, name: str) -> ConnectionConfig:
        if name not in self.config.connections:
            raise UnknownName(f"there is no connection named {name}")
        return self.config.connections[name]

    async def _start(self, sync: SyncConfig, request: RunRequest) -> RunHandle:
        try:
            connection = await self._connection(sync.connection)
        except UnknownName:
            raise
        except Exception as error:
            if request.dry_run:
                raise
            return await self._fail(sync, request, error)
        stop = Stop()
        if request.dry_run:
            progress = Progress()
            dry = DryRun(self._engine, connection, sync, request, 0, stop, progress)
            handle = self._begin(request, dry, progress, stop)
            self._others.add(handle._task)
        else:
            progress = Progress(await self._new_run(sync, request))
            run = Run(self._engine, connection, sync, request, progress.run or 0, stop, progress)
            handle = self._begin(request, run, progress, stop)
            self._runs[sync.name] = handle
        connection.users += 1
        handle._task.add_done_callback(lambda _: self._ended(handle, connection))
        return handle

    async def _fail(self, sync: SyncConfig, request: RunRequest, error: Exception) -> RunHandle:
        """A run whose connection cannot be put together is shown as failed."""
        config = self.config.connections.get(sync.connection)
        progress = Progress(await self._new_run(sync, request))
        job = Stillborn(self._store, self._clock, progress.run or 0, error, progress)
        handle = self._begin(request, job, progress, Stop())
        handle._task.add_done_callback(partial(self._measure, config.connector if config else ""))
        handle._task.add_done_callback(partial(self._note_unclosed, progress.run))
        return handle

    def _note_unclosed(self, run: int | None, task: "asyncio.Task[RunReport]") -> None:
        """The store would show it as running, and keep its sync from running, for as long as this process lives."""
        error = None if task.cancelled() else task.exception()
        if run is not None and (error is not None or task.cancelled()):
            self._unclosed[run] = str(error or "it was ended at once")

    async def _close_unclosed(self) -> None:
        """Close in the store what is over. Raises what the store raises: it is tried again."""
        for run, why in list(self._unclosed.items()):
            error = SyncdError(f"the end of the run could not be stored: {why}", code="SYN-STATE-002")
            if await self._store.close_run(run, describe(error), self._clock.now()):
                self._log.warning("a run's end is stored only now", run=run, error=why)
            self._unclosed.pop(run, None)

    async def _new_run(self, sync: SyncConfig, request: RunRequest) -> int:
        await self._close_unclosed()
        now = self._clock.now()
        return await self._store.start_run(sync.name, sync.connection, request.trigger, request.scope, now)

    @staticmethod
    def _begin(request: RunRequest, job: Run | DryRun | Stillborn, progress: Progress, stop: Stop) -> RunHandle:
        task = asyncio.create_task(job.execute(), name=f"run {progress.run} of {request.sync}")
        task.add_done_callback(lambda _: progress.finish())
        return RunHandle(progress.run, request, task, progress, stop)

    def _ended(self, handle: RunHandle, connection: Connection) -> None:
        connection.users -= 1
        if not handle.request.dry_run:
            self._measure(connection.config.connector, handle._task)
            self._note_unclosed(handle.run, handle._task)
        self._others.discard(handle._task)
        self._blamed = {one for one in self._blamed if one[0] != handle.run}
        if self._runs.get(handle.sync) is handle:
            del self._runs[handle.sync]

    def _measure(self, connector: str, task: "asyncio.Task[RunReport]") -> None:
        lost = task.cancelled() or task.exception() is not None
        self.metrics.run_ended(connector, "lost" if lost else str(task.result().status))

    def _held_up(self, stall: Stall) -> None:
        """The event loop stood still: name who did it, in the run too if it was one's; each line once per run."""
        self._log.warning(str(stall), connector=stall.connector)
        if stall.connector is None:
            return
        self.metrics.held_up(stall.connector, stall.seconds)
        where = stall.where
        if where is None or not where.run or (where.run, stall.line) in self._blamed:
            return
        self._blamed.add((where.run, stall.line))
        note = asyncio.create_task(self._note(stall, where), name="note of a blocked loop")
        self._notes.add(note)
        note.add_done_callback(self._notes.discard)

    async def _note(self, stall: Stall, where: Where) -> None:
        error = SyncdError(str(stall), code="SYN-PLUGIN-003")
        entry = describe(error, stream=where.stream, account=where.account, partition=where.partition)
        try:
            await self._store.add_errors(where.run, [entry])
        except Exception as fault:  # it stands in the log
            self._log.warning("a note could not be stored", error=str(fault))

    async def _beat(self) -> None:
        """Say that this process lives, and close connections that nobody uses any more."""
        while True:
            await asyncio.sleep(self._heartbeat)
            try:
                await self._store.heartbeat(self._clock.now())
                await self._close_unclosed()
            except Exception as error:  # the store is away: the next beat tries again
                self._log.warning("heartbeat failed", error=str(error))
            for connection in [one for one in self._retired if not one.users]:
                self._retired.remove(connection)
                await connection.aclose()


def _join(present: RunHandle, request: RunRequest) -> RunHandle:
    if not present.request.scope.covers(request.scope) or present.stopping:
        raise Busy("this process", present.run)
    joined = RunHandle(present.run, present.request, present._task, present._progress, present._stop)
    joined.joined = True
    return joined
