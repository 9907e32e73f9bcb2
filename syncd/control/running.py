"""Starting runs and following them, also those of other processes.

Public: Runs.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from syncd.engine.events import as_json
from syncd.engine.executor import Busy, RunHandle, RunReport, RunRequest, UnknownName
from syncd.engine.log import logger
from syncd.engine.ports import Counts, Purging, RunRow, RunScope, RunStatus, Trigger
from syncd.engine.report import RELOAD
from syncd.store import StoreUnusable

from .errors import BUSY, USAGE, ControlError
from .parts import Parts
from .watching import Changes

__all__ = ["Runs"]

POLL = 0.5  # seconds between looks at a run of another process

Ended = Callable[[RunReport, RunScope], Coroutine[Any, Any, None]]
Event = dict[str, Any]


class Runs:
    """The runs of this process. `ended` is told of each once it is over, before those who follow it are."""

    def __init__(self, parts: Parts, ended: Ended, changes: Changes) -> None:
        self._parts = parts
        self._ended = ended
        self._changes = changes
        self._endings: dict[int, asyncio.Task[None]] = {}
        self._again: set[asyncio.Task[None]] = set()

    async def start(self, request: RunRequest) -> RunHandle:
        """Start a run, or join the one under way that covers it. Raises Busy."""
        handle = await self._parts.executor.submit(request)
        self._changes.tell("sync", sync=request.sync)
        if handle.run is not None and handle.run not in self._endings:
            task = asyncio.create_task(self._end(handle), name=f"end of run {handle.run}")
            self._endings[handle.run] = task
            task.add_done_callback(lambda _: self._endings.pop(handle.run or 0, None))
        return handle

    async def start_due(self, sync: str, trigger: Trigger) -> bool:
        """For the scheduler: False if the sync is running already."""
        if any(handle.sync == sync for handle in self._parts.executor.running()):
            return False
        try:
            await self.start(RunRequest(sync, trigger))
        except Busy:
            return False
        return True

    async def sync(self, request: RunRequest) -> AsyncIterator[Event]:
        """Start and follow; a run that is under way and covers it is followed instead, whoever holds it."""
        try:
            handle = await self.start(request)
        except Busy as busy:
            async for event in self._join(request, busy):
                yield event
            return
        except UnknownName as error:
            raise ControlError(str(error), code=UnknownName.code, exit_code=USAGE) from error
        async for event in self._follow(handle):
            yield event

    async def follow(self, run: int) -> AsyncIterator[Event]:
        """Follow a run by its number."""
        handle = self._parts.executor.handle(run)
        source = self._follow(handle) if handle is not None else self._poll(await self.row(run))
        async for event in source:
            yield event

    async def row(self, run: int) -> RunRow:
        row = await self._parts.store.get_run(run)
        if row is None:
            raise ControlError(
                f"there is no run {run}", code="", hint="`syncd history NAME` lists runs", exit_code=USAGE, status=404
            )
        return row

    async def cancel(self, run: int) -> RunRow:
        await self._parts.store.close_abandoned(self._parts.clock.now())
        row = await self.row(run)
        if row.status is not RunStatus.RUNNING:
            raise ControlError(f"run {run} is over: {row.status}", hint=f"`syncd show {run}`", status=409)
        if not self._parts.executor.cancel(run):
            raise ControlError(
                f"run {run} is under way in another process",
                code="SYN-RUN-003",
                hint="interrupt that process (Ctrl-C or SIGTERM): it ends after the page it has in hand",
                exit_code=BUSY,
            )
        return row

    async def restart(self, sync: str, *, again: bool) -> None:
        """End the sync's run after its page, because its configuration changed, and start it anew in the background."""
        handle = next((one for one in await self._parts.executor.begun() if one.sync == sync), None)
        if handle is None:
            return
        handle.cancel(RELOAD)
        if again:
            task = asyncio.create_task(self._start_again(handle), name=f"restart of {sync}")
            self._again.add(task)
            task.add_done_callback(self._again.discard)

    async def settle(self) -> None:
        """Wait until all that runs have ended for is written down."""
        for task in self._again:
            task.cancel()
        await asyncio.gather(*self._again, *self._endings.values(), return_exceptions=True)

    # -- inside

    async def _start_again(self, handle: RunHandle) -> None:
        await handle.report()
        request = RunRequest(handle.sync, handle.request.trigger, handle.request.scope)
        try:
            await self.start(request)
        except Exception as error:  # gone again meanwhile, busy elsewhere: its schedule will come
            logger().warning("not started again after the reload", sync=handle.sync, error=str(error))

    async def _end(self, handle: RunHandle) -> None:
        try:
            await self._ended(await handle.report(), handle.request.scope)
        except asyncio.CancelledError:
            raise
        except StoreUnusable as error:  # it goes on when the store does; those who follow the run are told
            logger().error("a run's end could not be stored", sync=handle.sync, run=handle.run, error=str(error))
        except Exception as error:
            logger().error("what follows a run's end failed", sync=handle.sync, run=handle.run, exc_info=error)

    async def _join(self, request: RunRequest, busy: Busy) -> AsyncIterator[Event]:
        if isinstance(busy, Purging):
            message = f"{request.sync}: {busy}"
            raise ControlError(message, code="SYN-RUN-003", hint="wait until it is over", exit_code=BUSY)
        row = await self._parts.store.get_run(busy.run) if busy.run is not None else None
        ours = busy.run is not None and self._parts.executor.handle(busy.run) is not None
        if row is None or ours or request.dry_run or not row.scope.covers(request.scope):
            what = f"run {busy.run}" if busy.run is not None else "a run"
            raise ControlError(
                f"{request.sync}: {what} is under way and does not cover what was asked ({busy})",
                code="SYN-RUN-003",
                hint="wait for it (`syncd status`)" + (f", or `syncd cancel {busy.run}`" if busy.run else ""),
                exit_code=BUSY,
            )
        async for event in self._poll(row):
            yield event

    async def _follow(self, handle: RunHandle) -> AsyncIterator[Event]:
        yield {"event": "run", "run": handle.run, "sync": handle.sync, "joined": handle.joined}
        async for event in handle.events():
            yield as_json(event)
        report = await handle.report()
        ending = self._endings.get(handle.run or 0)
        if ending is not None:
            await asyncio.shield(ending)
        yield {"event": "report", "report": report.to_json(), "exit_code": report.exit_code}

    async def _poll(self, row: RunRow) -> AsyncIterator[Event]:
        """A run of another process, as far as the store shows it."""
        yield {"event": "run", "run": row.id, "sync": row.sync, "joined": True}
        while row.status is RunStatus.RUNNING:
            streams = await self._ledger(row.id)
            yield {"event": "progress", "run": row.id, "streams": streams}
            await self._parts.clock.sleep(POLL)
            await self._parts.store.close_abandoned(self._parts.clock.now())  # its process may be gone
            row = await self.row(row.id)
        report = RunReport.of(row)
        yield {"event": "report", "report": report.to_json(), "exit_code": report.exit_code}

    async def _ledger(self, run: int) -> list[dict[str, Any]]:
        totals: dict[str, Counts] = {}
        for (_, stream), counts in (await self._parts.store.run_counts(run)).items():
            totals.setdefault(stream, Counts()).add(counts)
        return [
            {"stream": stream, "counts": {name: getattr(counts, name) for name in Counts.__slots__}}
            for stream, counts in totals.items()
        ]
