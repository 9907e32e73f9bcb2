"""One run of one sync: whom it covers, every partition once, deletions settled, and what it all amounts to.

Public: Run (and Engine, RunReport, handed on).

Accounts' streams are worked off by a few workers that take them from an iterator, so that memory does not grow with their
number. A stream's shared partitions are claimed when every account has said which it sees.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

from syncd.config.model import SyncConfig
from syncd.engine.asking import Refused
from syncd.engine.chain import Stopped
from syncd.engine.connections import Connection
from syncd.engine.discovery import Discovery, covered, discover
from syncd.engine.events import PartitionBegan, PartitionEnded, Progress, RunFinished, RunStarted
from syncd.engine.imports import import_if_due
from syncd.engine.ledger import Ledger, finish
from syncd.engine.log import about, logger
from syncd.engine.policy import describe
from syncd.engine.ports import RETRIES, AccountRow, Leftovers, PartitionRow, Retry
from syncd.engine.report import AUTH, SHUTDOWN, RunReport, RunRequest
from syncd.engine.round import run_round
from syncd.engine.settle import Look, settle_stream
from syncd.engine.stop import Stop, to_its_end
from syncd.engine.watch import Where, at
from syncd.engine.work import Engine, Job, Outcome, Place, RoundOutcome, RunWork, StreamWork, each, unless_stopped
from syncd.sdk import DELTA, AuthFailed, Partition, Scan, Stream, SyncdError

__all__ = ["Engine", "Run", "RunReport"]

log = logger()

WAITING = 4  # accounts' streams begun per place for a partition in flight


@dataclass(slots=True)
class _Stream:
    """One stream in this run. `waiting`: accounts that have not said yet which partitions they see; `unsettled`: those
    whose deletions could not be settled."""

    work: StreamWork
    waiting: int
    complete: bool = True
    unsettled: set[int] = field(default_factory=set)
    lost: set[int] = field(default_factory=set)  # accounts that turned out not to have the service: they claim nothing
    deleted: dict[int, int] = field(default_factory=dict)  # by account: the brake is for a run, not for a settling
    offers: dict[str, tuple[Partition, list[int]]] = field(default_factory=dict)
    late: dict[int, "_Part"] = field(default_factory=dict)  # accounts that wait for shared partitions

    @property
    def name(self) -> str:
        return self.work.name


@dataclass(slots=True)
class _Part:
    """One account's stream in this run. `through`: partitions read to their end; `open`: steps still to come."""

    stream: _Stream
    account: AccountRow
    through: dict[int, PartitionRow] = field(default_factory=dict)
    outcomes: set[Outcome] = field(default_factory=set)
    settle: bool = False
    tried: set[int] = field(default_factory=set)  # partitions that were begun and not found gone
    vanished: bool = False  # a partition was found gone: ask anew which there are
    listed_again: bool = False
    open: int = 1
    again: bool = False  # was through before
    retries: dict[int, list[Retry]] = field(default_factory=dict)


class Run:
    """A run from its first to its last moment. `run` is its number in the store."""

    def __init__(
        self,
        engine: Engine,
        connection: Connection,
        sync: SyncConfig,
        request: RunRequest,
        run: int,
        stop: Stop,
        progress: Progress,
    ) -> None:
        self._request = request
        self._work = RunWork(engine, connection, sync, run, request.scope.full, engine.clock.now(), stop, progress)
        self._ledger = Ledger(self._work)
        self._accounts: dict[int, AccountRow] = {}
        self._left = Leftovers()
        self._narrowed = request.scope.accounts is not None

    async def execute(self) -> RunReport:
        """Do it all. The report says how it ended; an exception means that not even that could be stored."""
        run = self._work
        with about(run=run.run, sync=run.sync.name, connection=run.connection.name):
            log.info("run begins", trigger=str(self._request.trigger), full=run.full)
            report = await self._executed()
            report.log(log)
            return report

    async def _executed(self) -> RunReport:
        try:
            await self._everything()
        except asyncio.CancelledError:
            self._work.stop.request(SHUTDOWN)
            self._ledger.cut = True
        except Exception as error:
            self._broken(error)
        report = await to_its_end(finish(self._ledger))
        self._work.progress.publish(RunFinished(report.run, report.sync, report.status, report.counts, report.requests))
        return report

    def _broken(self, error: Exception) -> None:
        """What ends a run as a whole."""
        known = isinstance(error, SyncdError)
        entry = describe(error, code=None if known else "SYN-STATE-002")
        self._ledger.broke(Outcome.REFUSED if isinstance(error, AuthFailed) else Outcome.FAILED, entry)

    # -- whom and what

    async def _everything(self) -> None:
        run = self._work
        await self._import()
        accounts = await self._cover()
        works = [StreamWork.of(run.connection, run.sync, name) for name in self._names()]
        streams = [_Stream(work, len(accounts)) for work in works]
        self._ledger.begin([stream.name for stream in streams], accounts)
        run.progress.accounts = len(accounts)
        run.progress.publish(
            RunStarted(
                run.run,
                run.sync.name,
                run.connection.name,
                self._request.trigger,
                tuple(stream.name for stream in streams),
                len(accounts),
            )
        )
        self._left = await run.store.leftovers(run.connection.name, run.clock.now())
        await each(self._parts(streams, accounts), self._workers(), self._part)

    def _workers(self) -> int:
        """More than there are places: accounts that a provider makes wait leave theirs to others."""
        return WAITING * min(self._work.engine.concurrency, self._work.connection.concurrency)

    async def _import(self) -> None:
        """An automatic import that fails leaves the accounts as they were, unless the credential is refused."""
        try:
            await unless_stopped(import_if_due(self._work.engine, self._work.connection), self._work.stop)
        except Stopped:
            self._ledger.cut = True
        except AuthFailed:
            raise
        except SyncdError as error:
            self._ledger.errors.append(describe(error))
            self._ledger.trouble = True

    async def _cover(self) -> list[AccountRow]:
        run = self._work
        known = await run.store.accounts(run.connection.name)
        filters = (run.connection.config.accounts, run.sync.accounts)
        accounts = covered(known, filters, self._request.scope.accounts)
        if not accounts:
            raise SyncdError(
                f"none of the {len(known)} imported accounts is active and matches", code="SYN-ACCOUNT-002"
            )
        self._accounts = {row.id: row for row in accounts}
        return accounts

    def _names(self) -> list[str]:
        """The streams to read. Raises SyncdError for one that the sync or the connector does not have."""
        run, scope = self._work, self._request.scope.streams
        names = list(run.sync.streams) if scope is None else list(scope)
        for name in names:
            if name not in run.sync.streams or name not in run.connection.streams:
                raise SyncdError(f"there is no stream {name} in {run.sync.name}", code="SYN-CONF-002")
        return names

    def _parts(self, streams: list[_Stream], accounts: list[AccountRow]) -> Iterator[_Part]:
        """Every account's stream, one stream after the other: neighbours are of different accounts."""
        for stream in streams:
            for account in accounts:
                if self._work.stop:
                    self._ledger.cut = True
                    return
                yield _Part(stream, account)

    # -- one account's stream

    async def _part(self, part: _Part) -> None:
        with about(stream=part.stream.name, account=part.account.label):
            await self._go_through(part)

    async def _go_through(self, part: _Part) -> None:
        run, stream, account = self._work, part.stream, part.account
        key = (account.id, stream.name)
        async with Place(run.engine.slots) as place:
            afresh = key in self._left.proposals
            found = await discover(run, stream.work, account, afresh=afresh, place=place)
        if found.outcome is not Outcome.COMPLETED:
            await self._undiscovered(part, found)
            return
        part.settle = found.settle or key in self._left.proposals
        if key in self._left.retries:
            await self._retries(part)
        for partition in found.shared:
            stream.offers.setdefault(partition.id, (partition, []))[1].append(account.id)
        if found.shared:
            part.open += 1
            stream.late[account.id] = part
        last = self._has_said(stream)
        if not found.rows and not found.shared:
            part.outcomes.add(Outcome.COMPLETED)
            self._ledger.count(stream.name, Outcome.COMPLETED)
        await self._partitions([(part, row) for row in found.rows])
        if part.vanished:
            await self._list_again(part)
        await self._through(part)
        if last:
            await self._shared(stream)

    async def _list_again(self, part: _Part) -> None:
        """A partition is gone that was listed: read what a new listing shows instead, once."""
        found = await discover(self._work, part.stream.work, part.account, afresh=True)
        if found.outcome is not Outcome.COMPLETED:
            await self._count(part, RoundOutcome(found.outcome, found.error, state=found.state))
            return
        part.settle |= found.settle
        part.listed_again = True
        rows = {row.id: row for row in found.rows}
        part.through = {number: row for number, row in part.through.items() if number in rows}
        await self._partitions([(part, row) for number, row in rows.items() if number not in part.tried])
        if not part.outcomes:
            part.outcomes.add(Outcome.COMPLETED)
            self._ledger.count(part.stream.name, Outcome.COMPLETED)

    async def _undiscovered(self, part: _Part, found: Discovery) -> None:
        """The partitions of this account's stream are not known: nothing of it is read, or concluded, in this run."""
        if found.outcome is not Outcome.GONE or part.stream.name not in part.account.unavailable:
            part.stream.complete = False  # who had no such service at the import already sees nothing of it either
        if found.outcome is Outcome.GONE:
            part.stream.lost.add(part.account.id)
        last = self._has_said(part.stream)
        result = RoundOutcome(found.outcome, found.error, state=found.state)
        await self._count(part, result)
        await self._show_state(part)
        self._ledger.account(part.stream.name, part.account, part.outcomes)
        self._work.progress.account_done(part.stream.name)
        if last:
            await self._shared(part.stream)

    @staticmethod
    def _has_said(stream: _Stream) -> bool:
        """Note that one more account has said what it sees; whether it was the last."""
        stream.waiting -= 1
        return stream.waiting == 0

    async def _retries(self, part: _Part) -> None:
        run = self._work
        waiting = await run.store.retries(part.stream.work.spec, part.account.id, run.clock.now())
        if len(waiting) == RETRIES:
            self._ledger.trouble = True
            late = SyncdError(
                f"{RETRIES} contents are tried again in this run, and more are waiting", code="SYN-CONTENT-002"
            )
            self._ledger.errors.append(describe(late, stream=part.stream.name, account=part.account.label))
        for retry in waiting:
            part.retries.setdefault(retry.partition.id, []).append(retry)

    async def _shared(self, stream: _Stream) -> None:
        """Every account has said what it sees: claim what is shared, read it, and settle those who waited for it."""
        if not self._work.stop:
            await self._partitions(await self._claims(stream))
            await self._vanished(stream)
        elif stream.offers:
            self._ledger.cut = True
        for part in list(stream.late.values()):
            await self._through(part)
        stream.late.clear()

    async def _claims(self, stream: _Stream) -> list[tuple[_Part, PartitionRow]]:
        run = self._work
        complete = self._heard_all(stream)
        if not stream.offers and not complete:
            return []
        offers = {partition: sorted(ids) for partition, ids in stream.offers.values()}
        if not complete:
            offers = await self._sticky(stream, offers)
        rows = await run.store.claim_shared(stream.work.spec, offers, complete, run.run, run.clock.now())
        out = []
        for row in rows:
            part = stream.late.get(row.account_id)
            if part is not None and not row.partition.excluded:
                part.settle = True
                out.append((part, row))
        return out

    async def _vanished(self, stream: _Stream) -> None:
        """Settle for accounts whose shared partitions nobody lists any more: they did not wait for a claim."""
        if not self._heard_all(stream):
            return
        left = await self._work.store.leftovers(self._work.connection.name, self._work.clock.now())
        done = {*stream.late, *stream.unsettled}
        for account_id, name in sorted(left.proposals):
            if name == stream.name and account_id in self._accounts and account_id not in done:
                part = _Part(stream, self._accounts[account_id], settle=True, again=True)
                listed = await self._work.store.listed(stream.work.spec, account_id)
                part.through = {row.id: row for row in listed if not row.partition.excluded}
                await self._through(part)

    def _heard_all(self, stream: _Stream) -> bool:
        """Whether every account has said which partitions it sees."""
        asked = type(stream.work.stream).partitions is not Stream.partitions
        return asked and stream.complete and not self._narrowed

    async def _sticky(self, stream: _Stream, offers: dict[Partition, list[int]]) -> dict[Partition, list[int]]:
        """Where not everybody was heard, what somebody else has claimed stays his, and is left to a later run; unless he
        has no such service any more: then somebody who lists it goes on."""
        known = await self._work.store.peek(stream.work.spec, 0, list(offers))
        claimed = {one.row.partition.id: one.row.account_id for one in known if one.row.id}
        return {
            part: ids
            for part, ids in offers.items()
            if part.id not in claimed or claimed[part.id] in ids or claimed[part.id] in stream.lost
        }

    # -- partitions

    async def _partitions(self, rows: list[tuple[_Part, PartitionRow]]) -> None:
        if len(rows) == 1:
            await self._partition(*rows[0])
        elif rows:
            await each(rows, min(self._workers(), len(rows)), lambda pair: self._partition(*pair))

    async def _partition(self, part: _Part, row: PartitionRow, *, full: bool = False) -> Outcome:
        with about(stream=part.stream.name, account=part.account.label, partition=row.partition.id):
            return await self._read(part, row, full)

    async def _read(self, part: _Part, row: PartitionRow, full: bool) -> Outcome:
        run, work = self._work, part.stream.work
        if run.stop:
            await self._count(part, RoundOutcome(Outcome.CANCELLED))
            return Outcome.CANCELLED
        part.tried.add(row.id)
        retries = part.retries.pop(row.id, [])
        where = (run.run, work.name, part.account.label, row.partition.id)
        async with Place(run.engine.slots) as place:
            if run.progress.watched:
                run.progress.publish(PartitionBegan(*where))
            with at(Where(*where)):
                result = await run_round(Job(run, work, part.account, row, full or run.full, retries, place))
        if run.progress.watched:
            run.progress.publish(PartitionEnded(*where, str(result.outcome)))
        if result.outcome is Outcome.VANISHED:
            run.engine.listings.pop((part.account.id, work.name), None)
            if not part.listed_again and not row.partition.shared:
                part.vanished = True
                part.tried.discard(row.id)
                return Outcome.VANISHED
            result.outcome = Outcome.SKIPPED
        if result.outcome is Outcome.COMPLETED:
            part.through[row.id] = row
        elif result.outcome is Outcome.FAILED:
            run.engine.listings.pop((part.account.id, work.name), None)
        part.settle |= result.settle
        await self._count(part, result)
        return result.outcome

    async def _count(self, part: _Part, result: RoundOutcome) -> None:
        """Take an outcome into the run's books; a refused credential ends the run."""
        run = self._work
        part.outcomes.add(result.outcome)
        run.engine.metrics.partition_ended(run.connector, part.stream.name, str(result.outcome))
        await self._ledger.outcome(part.stream.name, result)
        if result.outcome is Outcome.REFUSED:
            run.stop.request(AUTH)
        if result.outcome is Outcome.GONE:
            state = result.state or "unavailable"
            await run.store.set_stream_state(part.account.id, part.stream.name, state)

    async def _through(self, part: _Part) -> None:
        """One step of an account's stream is through; after the last, deletions are settled."""
        part.open -= 1
        if part.open:
            return
        stream = part.stream
        if part.settle and Outcome.REFUSED not in part.outcomes:
            trouble = await self._settle(part)
            if trouble is not None:
                stream.unsettled.add(part.account.id)
                await self._count(part, trouble)
        if not part.again:
            await self._show_state(part)
            self._ledger.account(stream.name, part.account, part.outcomes)
            self._work.progress.account_done(stream.name)

    async def _settle(self, part: _Part) -> RoundOutcome | None:
        """Settle an account's stream; what went wrong, if it did: its proposals stay open then."""
        stream, account = part.stream, part.account
        rows = {number: row.partition for number, row in part.through.items()}
        try:
            before = stream.deleted.get(account.id, 0)
            counts = await settle_stream(self._work, stream.work, account, rows, self._look(part), before)
            stream.deleted[account.id] = before + counts.deleted
        except Stopped:
            return RoundOutcome(Outcome.CANCELLED)
        except Refused as refused:
            return RoundOutcome(refused.outcome, refused.error, state=refused.state)
        except Exception as error:
            code = error.code if isinstance(error, SyncdError) else "SYN-STATE-002"
            return RoundOutcome(Outcome.FAILED, describe(error, code=code, stream=stream.name, account=account.label))
        metrics = self._work.engine.metrics
        metrics.counted(self._work.connector, stream.name, counts)
        if counts.absent > 0 and DELTA in stream.work.spec.info.scans:
            metrics.differed(self._work.connection.name, stream.name, "absent", counts.absent)
        return None

    def _look(self, part: _Part) -> Look:
        async def look(partition_id: int, scan: Scan) -> bool:
            row = part.through.get(partition_id)
            if row is None or self._work.stop:
                return False
            return await self._partition(part, row, full=scan is Scan.FULL) is Outcome.COMPLETED

        return look

    async def _show_state(self, part: _Part) -> None:
        """An account's stream that works again says so."""
        before = part.account.account.streams.get(part.stream.name, "ready")
        if before != "ready" and Outcome.COMPLETED in part.outcomes and Outcome.GONE not in part.outcomes:
            await self._work.store.set_stream_state(part.account.id, part.stream.name, "ready")
