"""Deletions are proposals: what becomes of them at the end of an account's stream.

Public: decide (pure: what is confirmed, what is held, where a second look is needed), brake (pure), settle_stream (asks the
store, has the proposals confirmed by the stream's `get` or by second looks, asks again), Answers.

The rules stand in docs/decisions/0002-page-transaction.md, "Pending deletions".
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from operator import attrgetter

from syncd.config.model import MaxDelete
from syncd.engine.asking import ask
from syncd.engine.ports import (
    AccountRow,
    Counts,
    Pending,
    PendingOrigin,
    PendingState,
    SettleOutcome,
    SettlePlan,
    SettleView,
)
from syncd.engine.work import RunWork, StreamWork
from syncd.sdk import Identity, Partition, ProtocolError, Record, Scan, Tombstone

__all__ = ["FROM", "LOOKS", "Answers", "Look", "brake", "decide", "settle_stream"]

FROM = 10  # deletions below this are never held for their share
LOOKS = 2  # times that the same run looks again
MISSES = 2  # listings that must miss a record where a listing is paged by position

ASKED = 100  # items that one call of `get` is asked for

Look = Callable[[int, Scan], Awaitable[bool]]


@dataclass(slots=True)
class Answers:
    """What `get` said of proposed deletions, by record id. In neither: it has not been asked.

    `elsewhere`: partitions, by the provider's id, where some of them live now.
    """

    gone: set[int] = field(default_factory=set)
    alive: set[int] = field(default_factory=set)
    elsewhere: set[str] = field(default_factory=set)

    def add(self, others: "Answers") -> None:
        """Make these the answers of both."""
        self.gone |= others.gone
        self.alive |= others.alive
        self.elsewhere |= others.elsewhere


def decide(
    view: SettleView, max_delete: MaxDelete, *, final: bool = True, answers: Answers | None = None, before: int = 0
) -> SettlePlan:
    """What to delete, to hold, and to look at again. `before`: what this run has deleted of this account's stream already.

    While something is to be looked at again and this is not the `final` question, nothing is decided: the brake must
    see all deletions of a run at once. With `answers` nothing needs a second look: the provider has been asked.
    """
    opens = [one for one in view.pending if one.state is PendingState.OPEN]
    looks: dict[int, Scan] = {}
    if answers is None:
        confirmed = [one for one in opens if _confirmed(one, view, looks)]
        alive: tuple[int, ...] = ()
    else:
        confirmed = [one for one in opens if one.record_id in answers.gone]
        alive = tuple(one.record_id for one in opens if one.record_id in answers.alive)
    if looks and not final:
        return SettlePlan(look_again=looks)
    ids = tuple(one.record_id for one in confirmed)
    held_again = [one for one in view.pending if one.state is PendingState.HELD and one.run == view.run]
    stopped = [*confirmed, *held_again]
    if brake(len(stopped) + before, view.live + before, max_delete, empty=any(one.empty_listing for one in stopped)):
        return SettlePlan(hold=ids, withdraw=alive, look_again=looks)
    return SettlePlan(delete=ids, withdraw=alive, look_again=looks)


def _confirmed(one: Pending, view: SettleView, looks: dict[int, Scan]) -> bool:
    """Whether nothing speaks for the record any more; what must be looked at first goes into `looks`."""
    sure = True
    if one.origin is PendingOrigin.SWEEP and not view.stable_listing and one.misses < MISSES:
        looks[one.partition_id] = Scan.FULL
        sure = False
    if view.identity is Identity.PARTITION:
        return sure
    for other in view.partitions:
        if other.partition_id != one.partition_id and not other.skipped and other.last_round <= one.mark:
            looks.setdefault(other.partition_id, Scan.DELTA)
            sure = False
    return sure


def brake(proposals: int, live: int, max_delete: MaxDelete, *, empty: bool) -> bool:
    """Whether so many deletions need a person. `empty`: a full listing of something that had records listed nothing."""
    if empty:
        return True
    if max_delete.count is not None and proposals > max_delete.count:
        return True
    return max_delete.share is not None and proposals >= FROM and proposals > max_delete.share * live


async def settle_stream(
    run: RunWork,
    work: StreamWork,
    account: AccountRow,
    partitions: Mapping[int, Partition],
    look: Look,
    before: int = 0,
) -> Counts:
    """Settle one account's stream, of which this run has deleted `before` already; `look` reads a partition again and says whether that went well.

    Raises Refused where `get` has no answer, and Stopped: the proposals stay open then.
    """
    if work.stream.can_get:
        return await _settle_by_get(run, work, account, partitions, look, before)
    total = Counts()
    for turn in range(LOOKS + 1):
        final = turn == LOOKS or bool(run.stop)
        outcome = await _ask(run, work, account.id, final, before)
        total.add(outcome.counts)
        if final or not outcome.look_again:
            return total
        if not await _look(outcome.look_again, look):
            total.add((await _ask(run, work, account.id, True, before)).counts)
            return total
    return total


async def _settle_by_get(
    run: RunWork,
    work: StreamWork,
    account: AccountRow,
    partitions: Mapping[int, Partition],
    look: Look,
    before: int,
) -> Counts:
    """The provider itself is asked about every proposed deletion, outside of any transaction.

    What lives in another partition now, though that one's round did not show it, is met by reading that one in full.
    """
    proposed: list[Pending] = []

    def show(view: SettleView) -> SettlePlan:
        proposed.extend(one for one in view.pending if one.state is PendingState.OPEN)
        return SettlePlan()

    await run.store.settle(run.run, work.spec, account.id, run.clock.now(), show)
    answers = Answers()
    for partition_id, group in groupby(sorted(proposed, key=_by_partition), _by_partition):
        ours = list(group)
        where = partitions.get(partition_id, ours[0].partition)  # gone, or its round failed: it is asked all the same
        for start in range(0, len(ours), ASKED):
            if not run.stop:
                chunk = ours[start : start + ASKED]
                await _get(run, work, account, where, chunk, answers)
    for partition_id, partition in partitions.items():
        if partition.id in answers.elsewhere and not run.stop:
            await look(partition_id, Scan.FULL)
    question = partial(decide, max_delete=run.sync.max_delete, answers=answers, before=before)
    return (await run.store.settle(run.run, work.spec, account.id, run.clock.now(), question)).counts


_by_partition = attrgetter("partition_id")


async def _get(
    run: RunWork,
    work: StreamWork,
    account: AccountRow,
    partition: Partition,
    proposed: Sequence[Pending],
    answers: Answers,
) -> None:
    wanted = {one.source_id: one.record_id for one in proposed}
    ctx = run.context(work, account, partition)

    async def question() -> Answers:
        found = Answers()
        async for item in work.stream.get(ctx, list(wanted)):
            if item.source_id not in wanted:
                raise ProtocolError(f"get() answered for {item.source_id!r}, which it was not asked for")
            (found.gone if isinstance(item, Tombstone) else found.alive).add(wanted[item.source_id])
            if isinstance(item, Record) and item.partition is not None and item.partition != partition.id:
                found.elsewhere.add(item.partition)
        return found

    answers.add(await ask(run, ctx, question, stream=work.name, account=account.label))


async def _ask(run: RunWork, work: StreamWork, account_id: int, final: bool, before: int) -> SettleOutcome:
    question = partial(decide, max_delete=run.sync.max_delete, final=final, before=before)
    return await run.store.settle(run.run, work.spec, account_id, run.clock.now(), question)


async def _look(wanted: Mapping[int, Scan], look: Look) -> bool:
    went_well = False
    for partition_id, scan in wanted.items():
        went_well |= await look(partition_id, scan)
    return went_well
