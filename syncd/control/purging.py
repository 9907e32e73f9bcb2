"""Purging: what would go and what would be left, and then the purge itself.

Public: Purges.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

from syncd.engine.log import logger
from syncd.engine.ports import Busy, Purging
from syncd.sdk import SyncdError
from syncd.store import BackupUnderWay, PurgeTarget, UnknownToPurge

from .errors import BUSY, ControlError, unknown
from .parts import Parts

__all__ = ["Purges"]

Event = dict[str, Any]
NOT_REACHED = (
    "backups of the state directory, copies of it and snapshots of its disk",
    "what was exported or read through the API, SQL or the command line before",
    "logs that were written (journald, containers, metrics)",
    "the provider: nothing is changed there",
)


class Purges:
    """What `syncd purge` does. One purge at a time; it goes on when nobody follows it any more."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._one = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._finished: set[str] = set()  # connections of which an interrupted purge was finished here
        self._failing = False

    async def preview(self, connection: str, accounts: Sequence[str] = (), streams: Sequence[str] = ()) -> Event:
        """What a purge would remove and what it cannot reach. `shown` stands for exactly this: give it back to purge."""
        found = await self._target(connection, accounts, streams)
        return await self._shown(found, connection, accounts, streams)

    async def purge(
        self, connection: str, accounts: Sequence[str] = (), streams: Sequence[str] = (), shown: str | None = None
    ) -> AsyncIterator[Event]:
        """Remove it for good. With `shown`, only what a person has seen. Events, the last one `report`."""
        target = await self._target(connection, accounts, streams)
        before = await self._shown(target, connection, accounts, streams)
        if shown is not None and shown != before["shown"]:
            raise ControlError(
                f"what a purge of {connection} would remove has changed since it was shown: nothing was removed",
                hint=f"look again: `syncd purge {connection} --dry-run`",
                exit_code=BUSY,
                status=409,
            )
        if self._one.locked():
            raise _busy(f"{connection} cannot be purged: another purge is under way")
        events: asyncio.Queue[Event | None] = asyncio.Queue()
        async with self._one:
            if target is not None:
                await self._begin(connection, target)
            task = self._start(connection, target, events)
        while (event := await events.get()) is not None:
            yield event
        await self._ended(task)
        yield {"event": "report", "report": {**before, "purged": True}, "exit_code": 0}

    async def resume(self) -> None:
        """Finish what a killed or failed purge has left. What fails again is tried at the next call."""
        if self._one.locked():
            return
        async with self._one:
            erasure = self._parts.store.erasure()
            for target in await erasure.unfinished():
                logger().warning("an interrupted purge goes on")
                try:
                    async for _ in erasure.finish(target):
                        pass
                except SyncdError as error:
                    self._tell(error)
                    return
                name = await self._parts.store.connection_name(target.connection)
                self._finished.add(name)
                self._parts.executor.purged(name)
                logger().warning("an interrupted purge is finished")
            self._failing = False

    async def settle(self) -> None:
        """End what is under way; the next process finishes it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- inside

    async def _target(self, connection: str, accounts: Sequence[str], streams: Sequence[str]) -> PurgeTarget | None:
        """None if it is what was purged a moment ago."""
        config = self._parts.config.connections.get(connection)
        former = None if config is None else config.previous_name
        try:
            return await self._parts.store.purge_target(connection, accounts, streams, former)
        except UnknownToPurge as error:
            if error.kind.startswith("account") and connection in self._finished:
                return None
            raise unknown(error.kind, error.name, error.known) from error

    async def _shown(
        self, target: PurgeTarget | None, connection: str, accounts: Sequence[str], streams: Sequence[str]
    ) -> Event:
        nothing = {"accounts": [], "streams": [], "contents": {"count": 0, "bytes": 0, "shared": 0}, "errors": 0}
        found = {**nothing, "handed_over": 0}
        if target is not None:
            found = await self._parts.store.purge_preview(target)
        answer = {
            "connection": connection,
            "account": list(accounts),
            "stream": list(streams),
            **found,
            "credentials": bool(target and target.vaults),
            "comes_back": self._comes_back(connection, accounts, streams),
            "not_reached": list(NOT_REACHED),
        }
        return {**answer, "shown": _digest(answer)}

    def _comes_back(self, connection: str, accounts: Sequence[str], streams: Sequence[str]) -> str:
        """What brings it back; empty if nothing will."""
        if connection not in self._parts.config.connections:
            return ""
        if accounts and not streams:
            return (
                "an account that is still in the organisation is found again by the next import and mirrored anew:"
                " name it under `accounts: exclude` of the connection to keep it out"
            )
        users = [
            name
            for name, sync in sorted(self._parts.config.syncs.items())
            if sync.connection == connection and (not streams or set(streams) & set(sync.streams))
        ]
        if not users:
            return ""
        return f"the next run of {', '.join(users)} reads it again: take it out of the YAML first to keep it out"

    async def _begin(self, connection: str, target: PurgeTarget) -> None:
        try:
            await self._parts.store.erasure().begin(target)
        except Purging as error:
            raise _busy(f"{error}", "wait for it, or let the process that does it end") from error
        except Busy as busy:
            hint = f"wait for it, or `syncd cancel {busy.run}`; `syncd disable NAME` keeps the next one from starting"
            raise _busy(f"run {busy.run} is under way on {connection}: nothing was removed", hint) from busy
        except BackupUnderWay as error:
            raise _busy(error.message) from error

    def _start(
        self, connection: str, target: PurgeTarget | None, events: "asyncio.Queue[Event | None]"
    ) -> "asyncio.Task[None]":
        task = asyncio.create_task(self._work(connection, target, events), name="purge")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _work(self, connection: str, target: PurgeTarget | None, events: "asyncio.Queue[Event | None]") -> None:
        try:
            async with self._one:
                if target is not None:
                    async for step in self._parts.store.erasure().finish(target):
                        events.put_nowait({"event": "progress", "what": step.what, "done": step.done})
        finally:
            self._parts.executor.purged(connection)
            events.put_nowait(None)

    async def _ended(self, task: "asyncio.Task[None]") -> None:
        try:
            await task
        except asyncio.CancelledError:
            if not task.cancelled():
                raise
            raise _busy("the purge was interrupted: the next start of syncd finishes it") from None
        except SyncdError as error:
            hint = error.hint or "syncd tries again by itself"
            raise ControlError(f"the purge is not finished: {error.message}", code=error.code, hint=hint) from error

    def _tell(self, error: SyncdError) -> None:
        if not self._failing:
            logger().error("an interrupted purge cannot be finished yet; it is tried again", error=error.message)
        self._failing = True


def _busy(message: str, hint: str = "wait for it") -> ControlError:
    return ControlError(message, code="SYN-RUN-003", hint=hint, exit_code=BUSY)


def _digest(answer: Event) -> str:
    """Of what is meant, not of how much that is at the moment: syncs go on while a person reads."""
    meant = (
        answer["connection"],
        sorted(name.casefold() for name in answer["account"]),
        sorted(answer["stream"]),
        answer["accounts"],
        [one["stream"] for one in answer["streams"]],
        answer["credentials"],
    )
    return hashlib.sha256(repr(meant).encode()).hexdigest()[:16]
