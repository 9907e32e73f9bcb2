"""Which accounts a run covers, and which partitions an account's stream has.

Public: covered (pure), discover, ask_partitions, Discovery.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from syncd.config.model import AccountFilter
from syncd.engine.asking import Refused, ask
from syncd.engine.chain import Stopped
from syncd.engine.policy import describe
from syncd.engine.ports import AccountRow, PartitionRow, RunError
from syncd.engine.work import Listing, Outcome, Place, RunWork, StreamWork
from syncd.sdk import Partition, ProtocolError, Stream

__all__ = ["Discovery", "ask_partitions", "covered", "discover"]

BELIEVED = timedelta(days=1)  # how long an import's word on what an account lacks saves asking


def covered(
    accounts: Sequence[AccountRow], filters: Sequence[AccountFilter], names: tuple[str, ...] | None
) -> list[AccountRow]:
    """The imported, active accounts that all filters cover, and that `names` (address, label or id) names if given."""
    wanted = None if names is None else {name.casefold() for name in names}
    return [
        row
        for row in accounts
        if row.gone_at is None
        and row.account.state == "active"
        and all(one.covers(row.account) for one in filters)
        and (wanted is None or not wanted.isdisjoint(_names(row)))
    ]


def _names(row: AccountRow) -> set[str]:
    return {row.account.address.casefold(), row.label.casefold(), row.account.id.casefold()}


@dataclass(slots=True)
class Discovery:
    """What became of asking. `rows`: own partitions to read; `shared`: offered, not claimed yet; `settle`: the
    listing may have changed, so deletions may be proposed."""

    outcome: Outcome
    rows: Sequence[PartitionRow] = ()
    shared: Sequence[Partition] = ()
    settle: bool = False
    error: RunError | None = None
    state: str | None = None


async def discover(
    run: RunWork, work: StreamWork, account: AccountRow, *, afresh: bool = False, place: Place | None = None
) -> Discovery:
    """Ask for the partitions of an account's stream; streams that have one only are not asked.

    `afresh`: tell the store, also when the listing is the same as last time.
    """
    if state := _has_none(run, work, account):
        return Discovery(Outcome.GONE, state=state)
    listed = await ask_partitions(run, work, account, place)
    if isinstance(listed, Discovery):
        return listed
    own = tuple(partition for partition in listed if not partition.shared)
    shared = [partition for partition in listed if partition.shared]
    try:
        rows, changed = await _own(run, work, account, own, afresh)
    except Exception as error:
        fault = describe(error, code="SYN-STATE-002", stream=work.name, account=account.label)
        return Discovery(Outcome.FAILED, error=fault)
    return Discovery(Outcome.COMPLETED, rows, shared, changed)


def _has_none(run: RunWork, work: StreamWork, account: AccountRow) -> str | None:
    """The state of a stream that the import found the account not to have; a day later it is tried all the same.

    So is one that was imported in the future: the clock was wrong then.
    """
    fresh = timedelta(0) <= run.clock.now() - account.imported_at < BELIEVED
    return account.account.streams.get(work.name) if fresh and work.name in account.unavailable else None


async def _own(
    run: RunWork, work: StreamWork, account: AccountRow, own: tuple[Partition, ...], afresh: bool
) -> tuple[Sequence[PartitionRow], bool]:
    """The store's rows for a listing; an unchanged listing is not stored again."""
    key, listings = (account.id, work.name), run.engine.listings
    last = listings.get(key)
    mark = Listing.mark_of(own, work.spec.options_digest)
    if last is not None and last.mark == mark and not afresh:
        read = [partition for partition in own if not partition.excluded]
        return [PartitionRow(row, account.id, one) for row, one in zip(last.rows, read, strict=True)], False
    rows = await run.store.list_partitions(work.spec, account.id, own, run.run, run.clock.now())
    listings[key] = Listing(mark, array("q", (row.id for row in rows)))
    return rows, own != (Partition(),)


async def ask_partitions(
    run: RunWork, work: StreamWork, account: AccountRow, place: Place | None = None
) -> list[Partition] | Discovery:
    """All partitions that the account's stream has now, or what became of asking."""
    if type(work.stream).partitions is Stream.partitions:
        return [Partition()]
    last = [row.partition for row in await run.store.listed(work.spec, account.id)]
    ctx = run.context(work, account, place=place, partitions=last)

    async def question() -> list[Partition]:
        return _checked(await work.stream.partitions(ctx), work.name)

    try:
        return await ask(run, ctx, question, stream=work.name, account=account.label)
    except Refused as refused:
        return Discovery(refused.outcome, error=refused.error, state=refused.state)
    except Stopped:
        return Discovery(Outcome.CANCELLED)


def _checked(listed: object, name: str) -> list[Partition]:
    if not isinstance(listed, Sequence) or not all(isinstance(one, Partition) for one in listed):
        raise ProtocolError(f"stream {name}: partitions() gave something else than a sequence of Partition")
    if len({one.id for one in listed}) != len(listed):
        raise ProtocolError(f"stream {name}: partitions() listed the same id twice")
    return list(listed)
