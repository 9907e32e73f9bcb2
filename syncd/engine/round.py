"""Rounds: read one partition page by page and commit each page.

Public: plan_round (pure: how the next round reads), run_round. Everything else here may change without notice.
"""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from syncd.engine.chain import Ahead, Chain, Stopped
from syncd.engine.client import TooLong
from syncd.engine.contents import Fetcher
from syncd.engine.holdings import Reading
from syncd.engine.pacing import LONGEST_BACKOFF
from syncd.engine.policy import Failure, decide, describe
from syncd.engine.ports import (
    Busy,
    Counts,
    NotListed,
    OpenRound,
    PartitionState,
    Retry,
    RoundEnd,
    RoundPlan,
    RunError,
    StaleRound,
    StreamSpec,
)
from syncd.engine.stop import to_its_end
from syncd.engine.watch import folder_of
from syncd.engine.work import FINISH, Job, Outcome, RoundOutcome, client_of, pause, unless_stopped
from syncd.sdk import (
    DELTA,
    FULL,
    JSON,
    AccountGone,
    Context,
    Deletes,
    Page,
    ProtocolError,
    RateLimited,
    Record,
    Reject,
    SyncdError,
    Tombstone,
)
from syncd.sdk.errors import LONGEST_WAIT, Next

__all__ = ["RESUME_FOR", "NotDue", "plan_round", "run_round"]

RESUME_FOR = timedelta(days=7)  # a full round cut longer ago starts over: too much has changed since
THROTTLES = 20  # in a row, without progress, that give no time: then the partition is left alone for a while


AHEAD = timedelta(days=1)  # a moment so far ahead was stored by a clock that was wrong
FARTHEST = timedelta(seconds=LONGEST_WAIT) + AHEAD  # no provider's wait reaches beyond


class NotDue(Exception):
    """The provider asked not to be asked before `until`."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"not due before {until}")
        self.until = until


class StoreFault(SyncdError):
    """The store could not take what was handed to it."""

    default_code = "SYN-STATE-002"


def plan_round(
    state: PartitionState,
    spec: StreamSpec,
    now: datetime,
    full_requested: bool = False,
    full_every: timedelta | None = None,
    requested_at: datetime | None = None,
) -> RoundPlan:
    """How the next round reads.

    Full where there is no cursor, where options differ from those of the last complete round, where one is due, was
    asked for, or is all that the stream can do. A round that was cut goes on if it was read with the same options and
    is no less than what is wanted now; one that was cut before a full round was `requested_at` is not.
    """
    changed = state.options_digest is not None and state.options_digest != spec.options_digest
    full = FULL in spec.info.scans and (
        full_requested
        or changed
        or state.cursor is None
        or state.full_due
        or DELTA not in spec.info.scans
        or _is_old(state.full_at, now, full_every, spec.info.full_every)
    )
    scan = FULL if full else DELTA
    if _goes_on(state, spec, scan, now, requested_at if full_requested else None):
        return RoundPlan(scan, state.resume, True, changed and full)
    return RoundPlan(scan, None if full else state.cursor, False, changed and full)


def _is_old(full_at: datetime | None, now: datetime, *every: timedelta | None) -> bool:
    limits = [limit for limit in every if limit is not None]
    return full_at is None or full_at - now > AHEAD or (bool(limits) and now - full_at >= min(limits))


def _goes_on(
    state: PartitionState, spec: StreamSpec, scan: object, now: datetime, requested_at: datetime | None
) -> bool:
    if state.resume is None or state.resume_scan is not scan or state.resume_options_digest != spec.options_digest:
        return False
    began = state.resume_began_at
    if began is None:
        return requested_at is None
    return now - began < RESUME_FOR and (requested_at is None or began >= requested_at)


async def run_round(job: Job) -> RoundOutcome:
    """Read one partition: one round, or as many as it takes where the provider loses its place.

    Never raises for what one partition can do wrong; a cancelled task gives its lease back and travels on.
    """
    return await _Reader(job).run()


@dataclass(slots=True)
class _Reader:
    """One partition's way through a run."""

    job: Job
    result: RoundOutcome = field(default_factory=lambda: RoundOutcome(Outcome.FAILED))
    tries: int = 0
    failing_since: float | None = None
    failed_at: set[int] = field(default_factory=set)  # places at which something went wrong
    restarts: int = 0
    cursor: JSON = None
    had_records: bool = False
    compares: bool = False  # reads in full what deltas have kept so far
    waiting: dict[str, Retry] = field(init=False)  # contents that earlier runs could not have

    def __post_init__(self) -> None:
        self.waiting = {one.source_id: one for one in self.job.retries}

    async def run(self) -> RoundOutcome:
        rnd = None
        while True:
            try:
                if self.job.run.stop:
                    raise Stopped
                rnd = await self._open()
                if rnd is None:
                    return self.result
                if await self._rounds(rnd):
                    return self.result
            except Stopped:
                return await self._end(rnd, RoundEnd.CANCELLED, Outcome.CANCELLED)
            except asyncio.CancelledError:
                await to_its_end(self._end(rnd, RoundEnd.CANCELLED, Outcome.CANCELLED))
                raise

    # -- opening

    async def _open(self) -> OpenRound | None:
        job = self.job
        try:
            return await job.run.store.open_round(job.run.run, job.row, job.work.spec, job.run.clock.now(), self._plan)
        except NotDue as error:
            self.result.outcome = Outcome.DEFERRED
            wait = (error.until - job.run.clock.now()).total_seconds()
            throttle = RateLimited(
                f"the provider asked not to be asked before {error.until:%Y-%m-%d %H:%M:%S} UTC", wait
            )
            self.result.error = describe(throttle, **job.where)
        except NotListed:  # purged since it was listed
            self.result.outcome = Outcome.VANISHED
        except Busy as error:
            self.result.outcome = Outcome.LOST
            self.result.error = describe(_lost(str(error)), **job.where)
        except Exception as error:
            self.result.outcome = Outcome.FAILED
            self.result.error = describe(error, code="SYN-STATE-002", **job.where)
        return None

    def _plan(self, state: PartitionState) -> RoundPlan:
        run, now = self.job.run, self.job.run.clock.now()
        if state.due_at is not None and now < state.due_at <= now + FARTHEST:
            raise NotDue(state.due_at)
        self.had_records = state.live_records
        plan = plan_round(state, self.job.work.spec, now, self.job.full, run.sync.full_every, run.began_at)
        again = plan.scan is FULL and DELTA in self.job.work.spec.info.scans and not plan.scope_changed
        self.compares = again and state.full_at is not None
        return plan

    # -- reading

    async def _rounds(self, rnd: OpenRound) -> bool:
        """Read the round, again and again where that helps. True: the partition is through; False: open a new round."""
        self.cursor = rnd.plan.cursor
        if self.compares and not rnd.plan.resume:
            self.job.run.engine.metrics.compared(self.job.run.connection.name, self.job.work.name)
        ctx = self.job.run.context(
            self.job.work,
            self.job.account,
            rnd.partition.partition,
            place=self.job.place,
            scan=rnd.plan.scan,
            full_at=rnd.full_at,
            lookup=partial(self.job.run.store.known, rnd.partition.id),
            offspring=partial(self.job.run.store.children, rnd.partition.id),
        )
        while True:
            try:
                await self._read(rnd, replace(ctx, cursor=self.cursor))
                self.result.outcome = Outcome.COMPLETED
                return True
            except Stopped:
                raise
            except Exception as error:
                again = await self._after(rnd, ctx, error)
                if again is not None:
                    return again

    async def _read(self, rnd: OpenRound, ctx: Context) -> None:
        job = self.job
        fetcher = Fetcher(job, rnd, ctx)
        pages = job.work.stream.pages(ctx)
        ahead = Ahead(pages, job.work.name, client_of(ctx), job.run.engine.inactivity, job.run.engine.patience)
        unwatch = job.run.stop.watch(ahead.wake)
        roots = (pages, job.work.stream, job.run.connection.connector)
        reading = Reading(roots, folder_of(job.run.connection.connector), ahead.fail)
        try:
            with job.run.engine.scales.weighing(reading):
                await self._take(rnd, fetcher, ahead)
        finally:
            unwatch()
            if not await ahead.close():
                await self._show([describe(_endless(job.work.name), **job.where)])

    async def _take(self, rnd: OpenRound, fetcher: Fetcher, ahead: Ahead) -> None:
        """Page after page, until the last is committed."""
        chain = Chain(self.job.work.spec.info)
        while True:
            page = await ahead.take()
            if page is None:
                raise chain.ended()
            chain.admit(page)
            if page.last and await ahead.take() is not None:
                raise chain.went_on()
            self._brought(page)
            if page.last:
                await self._retry(fetcher)
            await self._commit(rnd, fetcher, page)
            if page.last:
                return
            if self.job.run.stop:
                raise Stopped

    def _brought(self, page: Page) -> None:
        """A round that tells of an item anew, or of its end, leaves nothing of it to be tried again as it was."""
        for item in page.items if self.waiting else ():
            if isinstance(item, Tombstone) or (isinstance(item, Record) and item.blob is not None):
                self.waiting.pop(item.source_id, None)

    async def _retry(self, fetcher: Fetcher) -> None:
        """Before the last page is committed: contents that earlier runs could not have, of items that stayed as they were."""
        if not self.waiting:
            return
        waiting, self.waiting = list(self.waiting.values()), {}
        counts = await fetcher.retry(waiting)
        self.result.listed += counts.listed
        await self._show(fetcher.errors)
        fetcher.errors.clear()

    async def _commit(self, rnd: OpenRound, fetcher: Fetcher, page: Page) -> None:
        run = self.job.run
        contents = await unless_stopped(fetcher.contents(page), run.stop, FINISH) if _has_blobs(page) else {}
        try:
            outcome = await run.store.apply_page(rnd, page, contents, run.clock.now())
        except (SyncdError, StaleRound):
            raise
        except Exception as error:
            raise StoreFault(f"a page could not be stored: {type(error).__name__}: {error}") from error
        if page.resume is not None:
            self.cursor = page.resume
        self.result.pages += 1
        self.result.listed += outcome.counts.listed
        self.result.settle |= outcome.counts.pending > 0 or self._swept(rnd, page)
        await self._show([*self._rejects(page), *fetcher.errors, *outcome.errors])
        fetcher.errors.clear()
        run.progress.committed(self.job.work.name, self.job.account.label, outcome.counts)
        self._measure(outcome.counts)

    def _measure(self, counts: Counts) -> None:
        run, stream = self.job.run, self.job.work.name
        run.engine.metrics.counted(run.connector, stream, counts)
        if self.compares:
            run.engine.metrics.differed(run.connection.name, stream, "new", counts.new)
            run.engine.metrics.differed(run.connection.name, stream, "updated", counts.updated)

    def _swept(self, rnd: OpenRound, page: Page) -> bool:
        full = rnd.plan.scan is FULL and self.job.work.spec.info.deletes is not Deletes.NEVER
        return full and page.last and self.had_records

    def _rejects(self, page: Page) -> list[RunError]:
        return [
            describe(_unreadable(item), source_id=item.source_id, **self.job.where)
            for item in page.items
            if isinstance(item, Reject)
        ]

    async def _show(self, errors: list[RunError]) -> None:
        if errors:
            await self.job.run.note(errors)

    # -- after an error

    async def _after(self, rnd: OpenRound, ctx: Context, error: Exception) -> bool | None:
        """True: the partition is through, False: open a new round, None: go on with this one."""
        self._note_place()
        if isinstance(error, RateLimited) and not isinstance(error, TooLong):
            return await self._wait(rnd, ctx, error)
        run = self.job.run
        now = run.clock.monotonic()
        elapsed = 0.0 if self.failing_since is None else now - self.failing_since
        decision = decide(error, Failure(self.tries - 1, elapsed, self.restarts), run.engine.rng)
        match decision.next:
            case Next.WAIT:
                assert isinstance(error, RateLimited)
                await self._defer(rnd, error)
            case Next.RETRY:
                self.failing_since = now if self.failing_since is None else self.failing_since
                await pause(decision.wait or 0.0, run.clock, run.stop)
                return await self._again(rnd)
            case Next.FULL_ROUND:
                self.restarts += 1
                await self._give_back(rnd, RoundEnd.EXPIRED)
                return False
            case Next.SKIP:
                await self._end(rnd, RoundEnd.SKIPPED, Outcome.SKIPPED, error)
            case Next.FORGET:
                await self._end(rnd, RoundEnd.GONE, Outcome.VANISHED, error)
            case Next.SKIP_ACCOUNT:
                self.result.state = error.state if isinstance(error, AccountGone) else None
                await self._end(rnd, RoundEnd.SKIPPED, Outcome.GONE)
            case Next.PAUSE:
                await self._end(rnd, RoundEnd.FAILED, Outcome.REFUSED, error)
            case _:
                outcome = Outcome.LOST if isinstance(error, StaleRound) else Outcome.FAILED
                await self._end(rnd, RoundEnd.FAILED, outcome, error, decision.code)
        return True

    def _note_place(self) -> None:
        """Count failures in a row. Only a failure at a place where nothing failed before means that there was progress:
        pages alone prove none, a round without resume points yields the same ones again."""
        place = hash(repr(self.cursor))
        if place not in self.failed_at:
            self.failed_at.add(place)
            self.tries, self.failing_since = 0, None
        self.tries += 1

    async def _wait(self, rnd: OpenRound, ctx: Context, error: RateLimited) -> bool | None:
        """The connector found a "slow down" by itself: wait as the client would have."""
        try:
            if self.tries > THROTTLES:
                raise TooLong(error.message, error.retry_after or LONGEST_BACKOFF)
            await unless_stopped(client_of(ctx).hold_back(error), self.job.run.stop)
        except TooLong as too_long:
            await self._defer(rnd, too_long)
            return True
        return await self._again(rnd)

    async def _again(self, rnd: OpenRound) -> bool | None:
        """Go on where the round stands. A full one that begins its listing anew becomes another round: what the first try
        has seen may be gone, and the second one's bookmark does not tell of it any more."""
        if rnd.plan.scan is not FULL or self.cursor is not None or not self.result.pages:
            return None
        await self._give_back(rnd, RoundEnd.CANCELLED)
        return False

    async def _defer(self, rnd: OpenRound, error: RateLimited) -> None:
        until = self.job.run.clock.now() + timedelta(seconds=error.retry_after or LONGEST_BACKOFF)
        await self._end(rnd, RoundEnd.DEFERRED, Outcome.DEFERRED, error, until=until)

    async def _end(
        self,
        rnd: OpenRound | None,
        end: RoundEnd,
        outcome: Outcome,
        error: BaseException | None = None,
        code: str | None = None,
        until: datetime | None = None,
    ) -> RoundOutcome:
        self.result.outcome = outcome
        if error is not None:
            self.result.error = describe(error, code=code, **self.job.where)
        if rnd is not None and outcome is not Outcome.LOST:
            await self._give_back(rnd, end, until)
        return self.result

    async def _give_back(self, rnd: OpenRound, end: RoundEnd, until: datetime | None = None) -> None:
        run = self.job.run
        try:
            await run.store.end_round(rnd, end, run.clock.now(), until=until)
        except Exception as error:
            fault = StoreFault(f"a round could not be ended: {type(error).__name__}: {error}")
            self.result.outcome = Outcome.FAILED
            self.result.error = self.result.error or describe(fault, **self.job.where)


def _lost(why: str) -> SyncdError:
    return SyncdError(f"this partition is being read by another process: {why}", code="SYN-RUN-003")


def _endless(name: str) -> SyncdError:
    return SyncdError(f"{name}.pages() does not end when it is cancelled: it was left alone", code="SYN-PLUGIN-004")


def _unreadable(item: Reject) -> ProtocolError:
    return ProtocolError(item.reason, code="SYN-ITEM-001")


def _has_blobs(page: Page) -> bool:
    return any(getattr(item, "blob", None) is not None for item in page.items)
