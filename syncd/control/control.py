"""The commands, used alike by the command line, the API and signals.

Public: Control. Methods give plain JSON-able values, as the contract of the command line names them, and raise
ControlError; `sync` and `follow` give events, the last one `report`; `records` and `blob` give bytes as they are read.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from syncd.config.model import Config, SyncConfig
from syncd.engine.executor import RunReport, RunRequest, UnknownName
from syncd.engine.ports import RunScope, Trigger
from syncd.engine.report import account_results
from syncd.engine.scheduler import Scheduler
from syncd.sdk import AuthFailed, SyncdError, redact
from syncd.store import Damaged, FeedTooOld

from . import statuses
from .alarms import Alarms
from .browse import Browse
from .credentials import Credentials
from .errors import BUSY, USAGE, ControlError, unknown
from .failures import refusal_of
from .hashes import check_sha256
from .keys import Keys
from .parts import Parts
from .pauses import AUTH_CODE, Pauses, enabled
from .purging import Purges
from .reloads import Reloads
from .reports import Reports
from .running import Runs
from .views import account_view, channel_json, connectors_json, notice_json, time_json
from .watching import Changes, watch

__all__ = ["Control"]

T = TypeVar("T")
Event = dict[str, Any]
CHUNK = 200  # records read at once in a thread


class Control:
    """All that can be asked of syncd."""

    local = True

    def __init__(self, parts: Parts, *, seed: str = "") -> None:
        self.parts = parts
        self.pauses = Pauses(parts)
        self.alarms = Alarms(parts, self.pauses)
        self.credentials = Credentials(parts, self.pauses)
        self.changes = Changes()
        self.runs = Runs(parts, self._ended, self.changes)
        self.browse = Browse(parts)
        self.keys = Keys(parts)
        self.purges = Purges(parts)
        self.scheduler = Scheduler(self.pauses, parts.clock, self.runs.start_due, seed=seed)
        self.reloads = Reloads(parts, self.runs, self.adopt)
        self.reports = Reports(parts, self.pauses, self.scheduler)

    async def adopt(self, config: Config) -> None:
        """Make connections known, drop switches that are settled; in a daemon, set due times."""
        for connection in config.connections.values():
            await self.parts.store.bind_connection(connection.name, connection.connector, connection.previous_name)
        await self.pauses.adopt(config)
        await self.alarms.adopt(config)
        if self.parts.daemon is not None:
            await self.scheduler.adopt(config)

    async def _ended(self, report: RunReport, scope: RunScope) -> None:
        """What follows from a run that is over."""
        try:
            await self.pauses.ended(report, scope)
        finally:
            self._changed(report.sync)

    def _changed(self, sync: str) -> None:
        """Its card is another now, and operators may have to be told. A pause may concern the connection's other syncs."""
        self.alarms.nudge()
        config = self.parts.config.syncs.get(sync)
        for name, other in self.parts.config.syncs.items():
            if config is not None and other.connection == config.connection:
                self.changes.tell("sync", sync=name)

    def watch(self) -> AsyncIterator[Event]:
        """What changes, without an end: `sync`, `connection`, `configuration`, and `progress` of runs."""
        return watch(self.changes, self.parts.executor, self.parts.clock)

    # -- reports

    async def status(self, names: Collection[str] | None = None) -> dict[str, Any]:
        """The object of `status --json`; with `names` of these syncs only."""
        return await statuses.status(self.parts, self.pauses, names)

    async def accounts(self, connection: str) -> list[dict[str, Any]]:
        config = self.parts.connection(connection)
        streams = [stream.info.name for stream in self.parts.connector(config).streams()]
        return [account_view(row, streams, config.accounts) for row in await self.parts.store.accounts(connection)]

    async def history(self, sync: str, limit: int = 50, before: int | None = None) -> list[dict[str, Any]]:
        """Runs of a sync, newest first; also of one that is no longer configured."""
        rows = await self.parts.store.runs(sync, limit, before)
        if not rows:
            self.parts.sync(sync)
        return [RunReport.of(row).to_json() for row in rows]

    async def show(self, run: int) -> dict[str, Any]:
        """A run with its results per account, and every error's detail."""
        row = await self.runs.row(run)
        ledger = await self.parts.store.run_counts(run)
        results = account_results(row, ledger, await self.parts.store.accounts(row.connection))
        report = replace(RunReport.of(row), accounts=results).to_json(accounts=True)
        for shown, error in zip(report["errors"], row.errors, strict=True):
            shown["detail"] = error.detail
        return {**report, "connection": row.connection, "reason": row.reason, "error_count": row.error_count}

    def connectors(self) -> dict[str, Any]:
        return connectors_json(self.parts.plugins)

    # -- runs

    async def startable(self, names: Sequence[str], streams: Sequence[str] = ()) -> None:
        """Raises ControlError if one of the syncs does not exist or lacks one of the streams: then start none of them."""
        for name in names:
            self.parts.streams(self.parts.sync(name), streams)

    def sync(
        self,
        name: str,
        *,
        streams: Sequence[str] = (),
        accounts: Sequence[str] = (),
        full: bool = False,
        dry_run: bool = False,
    ) -> AsyncIterator[Event]:
        """Run a sync now and follow it. Whoever stops listening does not stop the run."""
        self.parts.streams(self.parts.sync(name), streams)
        scope = RunScope(tuple(streams) or None, tuple(accounts) or None, full)
        return self.runs.sync(RunRequest(name, Trigger.MANUAL, scope, dry_run))

    def follow(self, run: int) -> AsyncIterator[Event]:
        return self.runs.follow(run)

    async def cancel(self, run: int) -> dict[str, Any]:
        row = await self.runs.cancel(run)
        return {"run": run, "sync": row.sync, "cancelled": True}

    def cancel_soon(self, runs: Sequence[int]) -> None:
        """End these runs of this process after the page they have in hand."""
        for run in runs:
            self.parts.executor.cancel(run)

    def end_now(self) -> None:
        """End all runs of this process at once: what is committed stays, pages in hand are dropped."""
        for handle in self.parts.executor.running():
            handle.abandon()

    # -- switches

    async def switch(self, sync: str, on: bool) -> dict[str, Any]:
        config = self.parts.sync(sync)
        state = await self.pauses.switch(config, on)
        self._changed(sync)
        note = "" if state.enabled is None else "differs from `enabled` in the YAML until that says the same"
        if on and state.paused is not None:
            note = f"still paused ({state.code}): `syncd resume {sync}`"
        return {"sync": sync, "enabled": on, "state": "enabled" if on else "disabled", "note": note}

    async def resume(self, sync: str) -> dict[str, Any]:
        """Lift a pause. One that a refused credential caused is lifted for the connection, if the credential works now."""
        config = self.parts.sync(sync)
        before = await self.parts.store.sync_state(sync)
        note = "" if enabled(config, before) else f"it is disabled: `syncd enable {sync}`"
        if before.paused is not None and before.code == AUTH_CODE:
            note = await self._prove(config) or note
        else:
            with suppress(UnknownName):
                self.parts.executor.forget(config.connection)
        await self.pauses.lift([sync])
        self._changed(sync)
        after = await self.parts.store.sync_state(sync)
        state = "was not paused" if before.paused is None else "resumed"
        due = time_json(after.next_due_at)
        return {"sync": sync, "enabled": enabled(config, before), "state": state, "note": note, "next_run": due}

    async def _prove(self, sync: SyncConfig) -> str:
        """Raises ControlError if the credential is refused still; a note if trying it brought no answer."""
        error = await self.credentials.proven(sync.connection)
        if isinstance(error, AuthFailed):
            self.alarms.nudge()
            refusal = self._as_control_error(error)
            refusal.message = f"the credential of {sync.connection} is still refused: {refusal.message}"
            raise refusal from error
        return "" if error is None else f"its credential could not be tried: {redact(str(error))}"

    # -- notices

    async def notices(self) -> dict[str, Any]:
        """How the channels do, and what operators were told that is not over."""
        return {
            "channels": [channel_json(one) for one in await self.parts.notices.channels()],
            "open": [notice_json(one) for one in await self.parts.notices.open()],
        }

    async def notify_test(self) -> list[dict[str, Any]]:
        """Send a test message to each channel now."""
        return await self.parts.notices.test()

    # -- organisations

    async def import_accounts(self, connection: str) -> dict[str, Any]:
        config = self.parts.connection(connection)
        self.parts.connector(config)
        try:
            report = await self.parts.executor.import_accounts(connection)
        except SyncdError as error:
            raise self._as_control_error(error) from error
        self.changes.tell("connection", connection=connection)
        listed = [row for row in report.accounts if row.gone_at is None]
        accounts = [account_view(row, report.streams, config.accounts) for row in listed]
        return {**report.to_json(), "accounts": accounts}

    async def check(self, connection: str | None = None) -> list[dict[str, Any]]:
        """Each connection by itself: one that is refused does not keep the others from being tried."""
        names = [self.parts.connection(connection).name] if connection else sorted(self.parts.config.connections)
        return list(await asyncio.gather(*[self._check(name) for name in names]))

    async def _check(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = {"connection": name, "ok": False, "streams": {}, "error": None, "exit_code": 0}
        try:
            streams = dict(await self.parts.executor.check(name))
        except SyncdError as error:
            refusal = self._as_control_error(error)
            return {**answer, "error": refusal.to_json(), "exit_code": refusal.exit_code}
        ready = all(state.partition(":")[0] == "ready" for state in streams.values())
        return {**answer, "ok": ready, "streams": streams, "exit_code": 0 if ready else 3}

    # -- encryption

    async def keys_status(self, *, counts: bool = True) -> dict[str, Any]:
        return await self.keys.status(counts=counts)

    def keys_rotate(self, *, data_key: bool = False) -> AsyncIterator[Event]:
        return self.keys.rotate(data_key=data_key)

    # -- purging

    async def purge_preview(
        self, connection: str, accounts: Sequence[str] = (), streams: Sequence[str] = ()
    ) -> dict[str, Any]:
        return await self.purges.preview(connection, accounts, streams)

    async def purge(
        self, connection: str, accounts: Sequence[str] = (), streams: Sequence[str] = (), shown: str | None = None
    ) -> AsyncIterator[Event]:
        async for event in self.purges.purge(connection, accounts, streams, shown):
            yield event
        self.changes.tell("connection", connection=connection)

    # -- decisions

    async def reset(self, sync: str, streams: Sequence[str] = (), accounts: Sequence[str] = ()) -> dict[str, Any]:
        config = self.parts.sync(sync)
        chosen = self.parts.streams(config, streams)
        await self._known_accounts(config.connection, accounts)
        count = await self.parts.store.reset(config.connection, chosen, list(accounts) or None)
        return {"sync": sync, "streams": list(chosen), "partitions": count}

    async def held(self, sync: str, streams: Sequence[str] = (), accounts: Sequence[str] = ()) -> dict[str, Any]:
        """Held deletions in sets. `shown` stands for exactly these: give it back with the decision."""
        config = self.parts.sync(sync)
        chosen = self.parts.streams(config, streams)
        await self._known_accounts(config.connection, accounts)
        sets = await self.parts.store.held_sets(config.connection, chosen, list(accounts) or None)
        count, shown = sum(one["count"] for one in sets), _digest(sets)
        return {"sync": sync, "count": count, "sets": [_without_digest(one) for one in sets], "shown": shown}

    async def decide(
        self,
        sync: str,
        approve: bool,
        streams: Sequence[str] = (),
        accounts: Sequence[str] = (),
        shown: str | None = None,
    ) -> dict[str, Any]:
        """Apply or drop held deletions. With `shown`, only if they are still those that a person has seen."""
        config, held = self.parts.sync(sync), await self.held(sync, streams, accounts)
        mode = str(config.deletions) if approve else None
        scope = (config.connection, self.parts.streams(config, streams), list(accounts) or None)
        decided = await self._decided(scope, mode, held["shown"] if shown is None else shown)
        if decided is None:
            raise ControlError(
                f"what {sync} holds has changed since it was shown: nothing was decided",
                hint=f"look again: `syncd {'approve' if approve else 'reject'} {sync}`",
                exit_code=BUSY,
                status=409,
            )
        self._changed(sync)
        return {
            "sync": sync,
            "decision": "approved" if approve else "rejected",
            "decided": decided,
            "sets": held["sets"],
        }

    async def _decided(
        self, scope: tuple[str, Sequence[str], Sequence[str] | None], mode: str | None, shown: str
    ) -> int | None:
        """How many deletions were applied, or dropped without a `mode`; None if others than those shown are held now."""

        def agreed(sets: Sequence[Mapping[str, Any]]) -> bool:
            return _digest(sets) == shown

        if mode is None:
            return await self.parts.store.reject(*scope, agreed)
        counts = await self.parts.store.approve(*scope, mode, self.parts.clock.now(), agreed)
        return None if counts is None else counts.deleted

    async def _known_accounts(self, connection: str, names: Sequence[str]) -> None:
        if not names:
            return
        known = {row.label.casefold(): row.label for row in await self.parts.store.accounts(connection)}
        for name in names:
            if name.casefold() not in known:
                raise unknown(f"account of {connection}", name, known.values())

    # -- configuration

    async def plan(self, folder: str, files: Mapping[str, str]) -> dict[str, Any]:
        return await self.reloads.plan(Path(folder), files)

    async def reload(self) -> dict[str, Any]:
        answer = await self.reloads.reload()
        self.alarms.nudge()
        self.changes.tell("configuration")
        return answer

    async def validate(self, folder: str, files: Mapping[str, str]) -> dict[str, Any]:
        return await self.reloads.validate(Path(folder), files)

    # -- data

    async def records(self, **query: Any) -> AsyncIterator[bytes]:
        """Documents as JSON, one each, read in a thread a few hundred at a time."""
        import orjson

        await self._known_stream(query["connection"], query["stream"])
        if query.get("account"):
            await self._known_accounts(query["connection"], [query["account"]])
        if query.get("since") is not None and query.get("after"):
            query = {**query, "since": max(query["since"], query["after"])}  # the place in the feed that matters
        try:
            async for document in _in_thread(lambda: self.parts.store.records(**query)):
                yield orjson.dumps(document)
        except (Damaged, FeedTooOld) as error:
            raise self._as_control_error(error) from error

    async def record(
        self, connection: str, stream: str, source_id: str, account: str | None = None, partition: str | None = None
    ) -> bytes:
        """One record by the provider's id, as JSON; `account` and `partition` where several have it."""
        import orjson

        await self._known_stream(connection, stream)
        found = [
            one
            for one in await self.parts.store.record(connection, stream, source_id)
            if (account is None or one["account"].casefold() == account.casefold())
            and (partition is None or one["partition"] == partition)
        ]
        if not found:
            raise ControlError(f"{connection} has no record {source_id!r} in {stream}", exit_code=USAGE, status=404)
        if len(found) > 1:
            places = ", ".join(f"account {one['account']} partition {one['partition']!r}" for one in found[:5])
            hint = f"name account and partition: {places}"
            raise ControlError(
                f"{len(found)} records have the id {source_id!r}", hint=hint, exit_code=USAGE, status=409
            )
        return orjson.dumps(found[0])

    async def _known_stream(self, connection: str, stream: str) -> None:
        config = self.parts.connection(connection)
        names = [one.info.name for one in self.parts.connector(config).streams()]
        if stream not in names:
            raise unknown(f"stream of {config.connector}", stream, names)

    async def blob(self, sha256: str) -> AsyncIterator[bytes]:
        check_sha256(sha256)
        chunks = await asyncio.to_thread(self.parts.store.blob, sha256)
        if chunks is None:
            raise ControlError(f"no content is held under {sha256}", status=404)
        async for chunk in _in_thread(lambda: chunks, 1):
            yield chunk

    # -- inside

    def _as_control_error(self, error: SyncdError) -> ControlError:
        more = [entry for one in self.parts.plugins.connectors.values() for entry in one.info.errors]
        refusal = refusal_of(error, more)
        if error.code == "SYN-RUN-003":  # something else is under way
            refusal.exit_code = BUSY
        return refusal


def _digest(sets: Sequence[Mapping[str, Any]]) -> str:
    keys = [(one["stream"], one["account"], one["partition"], one["origin"], one["digest"]) for one in sets]
    return hashlib.sha256(repr(sorted(keys)).encode()).hexdigest()[:16]


def _without_digest(held: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in held.items() if key != "digest"}


async def _in_thread(make: Callable[[], Iterator[T]], size: int = CHUNK) -> AsyncIterator[T]:
    """A plain iterator's elements, read in a thread of its own; closed there when the reader leaves."""
    thread, loop = ThreadPoolExecutor(1, "read"), asyncio.get_running_loop()
    source = await loop.run_in_executor(thread, make)

    def some() -> list[T]:
        return [element for _, element in zip(range(size), source, strict=False)]  # in this order: none is lost

    try:
        while batch := await loop.run_in_executor(thread, some):
            for element in batch:
                yield element
    finally:
        thread.submit(getattr(source, "close", lambda: None))  # after what the thread is still reading
        thread.shutdown(wait=False)
