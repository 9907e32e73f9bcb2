"""A dry run: pages are read and compared, nothing is written and no content is fetched.

Public: DryRun.

What its counts mean: new, updated, unchanged, failed and skipped are what a real run of this moment would count, contents
left out of account. `deleted` is the tombstones for live records plus an estimate of what a sweep would find: live
records of the partition less those listed (moves between partitions are not recognised). `held` replaces `deleted` of an
account's stream where the brake would hold it. Rounds that were cut are read from their beginning.
"""

from collections.abc import Mapping
from dataclasses import replace

from syncd.config.model import SyncConfig
from syncd.engine.chain import Ahead, Chain, Stopped
from syncd.engine.connections import Connection
from syncd.engine.discovery import ask_partitions, covered
from syncd.engine.events import Progress, RunFinished, RunStarted
from syncd.engine.policy import Failure, decide, describe
from syncd.engine.ports import AccountRow, Counts, OpenRound, PartitionState, Peek, RunError, RunStatus
from syncd.engine.report import AUTH, DEFERRED, RunReport, RunRequest, counts_json
from syncd.engine.round import plan_round
from syncd.engine.settle import brake
from syncd.engine.stop import Stop
from syncd.engine.verdict import Facts, verdict
from syncd.engine.work import Engine, Outcome, RunWork, StreamWork, client_of, each
from syncd.sdk import FULL, AuthFailed, Deletes, Page, Partition, SyncdError
from syncd.sdk.errors import Next

__all__ = ["DryRun"]

_OUTCOMES = {
    Next.WAIT: Outcome.DEFERRED,
    Next.SKIP: Outcome.SKIPPED,
    Next.FORGET: Outcome.SKIPPED,
    Next.SKIP_ACCOUNT: Outcome.GONE,
    Next.PAUSE: Outcome.REFUSED,
}
MOST_ERRORS = 1000


class DryRun:
    """Like Run, for looking only."""

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
        self._work = RunWork(
            engine, connection, sync, run, request.scope.full, engine.clock.now(), stop, progress, dry=True
        )
        self._errors: list[RunError] = []
        self._error_count = 0
        self._streams: dict[str, Facts] = {}
        self._own = Facts()
        self._shared: dict[str, set[str]] = {}
        self._accounts = 0

    async def execute(self) -> RunReport:
        try:
            await self._everything()
        except Exception as error:
            self._own.broken = True
            self._own.outcomes[Outcome.REFUSED if isinstance(error, AuthFailed) else Outcome.FAILED] += 1
            self._error(describe(error, code=None if isinstance(error, SyncdError) else "SYN-STATE-002"))
        report = self._report()
        self._work.progress.publish(RunFinished(None, report.sync, report.status, report.counts, report.requests))
        return report

    async def _everything(self) -> None:
        run = self._work
        known = await run.store.accounts(run.connection.name)
        filters = (run.connection.config.accounts, run.sync.accounts)
        accounts = covered(known, filters, self._request.scope.accounts)
        if not accounts:
            raise SyncdError("no imported, active account matches", code="SYN-ACCOUNT-002")
        self._accounts = len(accounts)
        names = self._request.scope.streams or tuple(run.sync.streams)
        unknown = [name for name in names if name not in run.sync.streams or name not in run.connection.streams]
        if unknown:
            raise SyncdError(f"there is no stream {unknown[0]} in {run.sync.name}", code="SYN-CONF-002")
        works = [StreamWork.of(run.connection, run.sync, name) for name in names]
        self._streams = {name: Facts() for name in names}
        self._shared = {name: set() for name in names}
        trigger = self._request.trigger
        run.progress.publish(RunStarted(None, run.sync.name, run.connection.name, trigger, names, len(accounts)))
        limit = min(run.engine.concurrency, run.connection.concurrency)
        pairs = ((work, account) for work in works for account in accounts if not run.stop)
        await each(pairs, limit, lambda pair: self._account(*pair))

    async def _account(self, work: StreamWork, account: AccountRow) -> None:
        run, facts = self._work, self._streams[work.name]
        async with run.engine.slots:
            listed = await ask_partitions(run, work, account)
            if not isinstance(listed, list):
                facts.outcomes[listed.outcome] += 1
                if listed.error is not None:
                    self._error(listed.error)
                return
            mine = [part for part in listed if not part.excluded and self._is_mine(work.name, part)]
            counts, live = Counts(), 0
            for peek in await run.store.peek(work.spec, account.id, mine):
                counts.add(await self._partition(work, account, peek))
                live += peek.live
        self._settle(counts, live)
        facts.counts.add(counts)
        run.progress.account_done(work.name)

    def _is_mine(self, stream: str, partition: Partition) -> bool:
        """Own partitions are; shared ones belong to whoever comes first."""
        if not partition.shared:
            return True
        seen = self._shared[stream]
        first = partition.id not in seen
        seen.add(partition.id)
        return first

    async def _partition(self, work: StreamWork, account: AccountRow, peek: Peek) -> Counts:
        run, facts = self._work, self._streams[work.name]
        state = replace(peek.state, resume=None, resume_scan=None)
        counts = Counts()
        for restart in (False, True):
            rnd = self._round(work, peek, PartitionState(live_records=peek.live > 0) if restart else state)
            counts = Counts()
            try:
                await self._read(work, account, rnd, peek, counts)
                facts.outcomes[Outcome.COMPLETED] += 1
                return counts
            except Stopped:
                facts.outcomes[Outcome.CANCELLED] += 1
                return counts
            except Exception as error:
                decision = decide(error, Failure(tries=99, restarts=99 if restart else 0), run.engine.rng)
                if decision.next is Next.FULL_ROUND:
                    continue
                outcome = _OUTCOMES.get(decision.next, Outcome.FAILED)
                facts.outcomes[outcome] += 1
                if outcome is Outcome.REFUSED:
                    run.stop.request(AUTH)
                if outcome is not Outcome.GONE:
                    where = {"stream": work.name, "account": account.label, "partition": peek.row.partition.id}
                    self._error(describe(error, code=decision.code, **where))
                return counts
        return counts

    def _round(self, work: StreamWork, peek: Peek, state: PartitionState) -> OpenRound:
        run = self._work
        now = run.clock.now()
        plan = plan_round(state, work.spec, now, run.full, run.sync.full_every)
        return OpenRound(0, 0, peek.row, work.spec, 0, plan, now, state.full_at)

    async def _read(self, work: StreamWork, account: AccountRow, rnd: OpenRound, peek: Peek, counts: Counts) -> None:
        run = self._work
        place = {"scan": rnd.plan.scan, "cursor": rnd.plan.cursor, "full_at": rnd.full_at}
        ctx = run.context(work, account, rnd.partition.partition, **place)
        chain, pages = Chain(work.spec.info), work.stream.pages(ctx)
        ahead = Ahead(pages, work.name, client_of(ctx), run.engine.inactivity, run.engine.patience)
        unwatch = run.stop.watch(ahead.wake)
        seen: set[int] = set()  # hashes of the ids listed, eight bytes each
        try:
            while True:
                page = await ahead.take()
                if page is None:
                    raise chain.ended()
                chain.admit(page)
                outcome = await run.store.apply_page(rnd, page, {}, run.clock.now(), dry=True)
                counts.add(outcome.counts)
                for entry in outcome.errors:
                    self._error(entry)
                seen.update(_ids(page))
                run.progress.committed(work.name, account.label, outcome.counts)
                if page.last:
                    break
        finally:
            unwatch()
            await ahead.close()
        self._absences(rnd, peek, counts, seen)

    @staticmethod
    def _absences(rnd: OpenRound, peek: Peek, counts: Counts, seen: set[int]) -> None:
        """Tombstones become deletions, and what a full round did not list an estimate of more."""
        counts.deleted += counts.pending
        counts.pending = 0
        if rnd.plan.scan is FULL and rnd.spec.info.deletes is not Deletes.NEVER and not rnd.plan.scope_changed:
            absent = max(0, peek.live - (len(seen) - counts.new))
            counts.deleted += absent
            counts.absent += absent

    def _settle(self, counts: Counts, live: int) -> None:
        empty = counts.absent > 0 and counts.listed == 0
        if counts.deleted and brake(counts.deleted, live, self._work.sync.max_delete, empty=empty):
            counts.held, counts.deleted = counts.deleted, 0

    # -- the end

    def _error(self, error: RunError) -> None:
        self._error_count += 1
        if len(self._errors) < MOST_ERRORS:
            self._errors.append(self._work.hinted(error))

    def _report(self) -> RunReport:
        run, total = self._work, Facts(cut=bool(self._work.stop))
        total.add(self._own)
        entries: list[Mapping[str, object]] = []
        for name, facts in self._streams.items():
            total.add(facts)
            entries.append(
                {
                    "stream": name,
                    "status": str(verdict(facts)),
                    "accounts": self._accounts,
                    "counts": counts_json(facts.counts),
                }
            )
        status = verdict(total)
        reason = AUTH if total.outcomes[Outcome.REFUSED] else DEFERRED if total.all_deferred else None
        return RunReport(
            None,
            run.sync.name,
            self._request.trigger,
            RunStatus(status),
            run.began_at,
            run.clock.now(),
            total.counts,
            run.progress.requests,
            entries,
            self._errors,
            self._error_count,
            reason,
            dry_run=True,
        )


def _ids(page: Page) -> list[int]:
    return [hash(item.source_id) for item in page.items if getattr(item, "data", None) is not None]
