"""The store as one object: each method hands a function of its module to the writer or to a reader.

Public: SqlStore, open_store.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import EllipsisType
from typing import Any, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from syncd.engine.ports import (
    AccountRow,
    Content,
    ContentPlan,
    Counts,
    ImportResult,
    Leftovers,
    OpenRound,
    PageOutcome,
    PartitionRow,
    PartitionState,
    Peek,
    Retry,
    RoundEnd,
    RoundPlan,
    RunError,
    RunRow,
    RunScope,
    RunStatus,
    SettleOutcome,
    SettlePlan,
    SettleView,
    StreamSpec,
    Trigger,
)
from syncd.sdk import JSON, Account, Blob, Clock, Page, Partition

from . import (
    accounts as people,
)
from . import (
    browse,
    ledger,
    migrate,
    notices,
    pages,
    partitions,
    purge,
    queries,
    restore,
    retries,
    runs,
    settle,
    states,
    upkeep,
)
from . import (
    contents as content,
)
from . import (
    keys as encryption,
)
from .browse import Listing, Wanted
from .contents import Blobs, Download
from .database import Database, Tx
from .erasing import Erasure
from .errors import StoreFailed, StoreUnusable
from .measures import Measures, measures
from .notices import MessageRow, NoticePlan, NoticeRow
from .owners import Owners
from .queries import StreamNumbers
from .retention import retain
from .rotate import Rotation, key_status
from .search import SearchIndex
from .settle import Agreed
from .states import SyncState
from .values import LAST
from .writer import Undo, Writer

__all__ = ["SqlStore", "open_store"]

T = TypeVar("T")
READERS = 4  # threads


def open_store(
    state_dir: Path,
    clock: Clock,
    url: str = "sqlite",
    *,
    read_only: bool = False,
    keys: Sequence[bytes] = (),
    observe: Callable[[float], None] | None = None,
) -> "SqlStore":
    """Open the store in a state directory; make or migrate it as needed. A `read_only` one does neither.

    `keys`: the operator's encryption keys; the first encrypts, all decrypt. `observe` is told how long each transaction
    of the writer took. Raises StoreUnusable if the directory or the
    database cannot be used, NewerSchema if a newer syncd has written it, KeysMissing if other keys are needed.
    """
    blobs = Blobs(state_dir)
    if (state_dir / restore.MARKER).exists():
        raise StoreUnusable(f"a restore into {state_dir} was cut", hint="run `syncd restore` again")
    try:
        if not read_only:
            state_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
            blobs.prepare()
    except OSError as error:
        raise StoreUnusable(f"cannot use {state_dir}: {error.strerror}") from error
    database = Database(state_dir, url, read_only=read_only)
    try:
        with database.connect() as connection:
            encryption.check(database, connection, keys)
            migrate.upgrade(connection, allowed=not read_only)
        database.cipher = encryption.unlock(database, keys, clock.now())
    except SQLAlchemyError as error:
        database.close()
        raise StoreUnusable(f"cannot use {database.path}: {getattr(error, 'orig', error)}") from error
    except BaseException:
        database.close()
        raise
    blobs.cipher = database.cipher
    return SqlStore(database, blobs, Owners(state_dir), clock, keys, observe)


class SqlStore:
    """Implements `syncd.engine.ports.Store`, and the read side for the command line and the API.

    Everything is a coroutine of any event loop, but for `records` and `blob`: those are plain iterators, of constant
    memory however much they give (iterate them in a thread from async code).
    """

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        owners: Owners,
        clock: Clock,
        keys: Sequence[bytes] = (),
        observe: Callable[[float], None] | None = None,
    ) -> None:
        self.path = database.path
        self.cipher = database.cipher
        self._database = database
        self._blobs = blobs
        self._owners = owners
        self._clock = clock
        self._keys = tuple(keys)
        self._readers = ThreadPoolExecutor(READERS, "store-read")
        self._writer = None if database.read_only else Writer(database, observe)
        self._cleaned = False
        search = self._words = SearchIndex(database.path.parent)
        self._search = None if database.cipher.sealing else search
        if database.cipher.sealing and not database.read_only:
            search.drop()  # its words lie in clear
        if self._writer is not None and database.read(upkeep.rebooted):
            self._writer.submit(upkeep.after_start, durable=True).result()

    def close(self) -> None:
        """Finish what is being written and let go of everything. Safe to call twice."""
        if self._writer is not None:
            self._writer.close()
        self._readers.shutdown()
        self._database.close()
        self._owners.close()

    async def _write(self, job: Callable[[Tx], T | Undo[T]], *, durable: bool = False) -> T:
        if self._writer is None:
            raise StoreFailed("the store is open for reading only")
        return await self._writer.write(job, durable=durable)

    async def _alone(self, job: Callable[[Tx], T]) -> T:
        """Outside of any transaction, while nobody else of this process writes."""
        if self._writer is None:
            raise StoreFailed("the store is open for reading only")
        result: T = await asyncio.wrap_future(self._writer.submit(job, alone=True))
        return result

    async def _read(self, job: Callable[[Tx], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._database.read, job)

    # -- connections and accounts
    async def bind_connection(self, name: str, connector: str, previous_name: str | None) -> None:
        await self._write(lambda tx: people.bind_connection(tx, name, connector, previous_name))

    async def import_accounts(
        self,
        connection: str,
        accounts: Sequence[Account],
        now: datetime,
        *,
        departed: Sequence[str] | None = None,
        bookmark: JSON = None,
        last: datetime | EllipsisType | None = ...,
    ) -> ImportResult | None:
        job = partial(people.import_accounts, connection=connection, accounts=accounts, now=now, departed=departed,
                      bookmark=bookmark, last=last)  # fmt: skip
        return await self._write(job, durable=True)

    async def import_place(self, connection: str) -> tuple[JSON, datetime | None]:
        return await self._read(lambda tx: people.import_place(tx, connection))

    async def accounts(self, connection: str) -> Sequence[AccountRow]:
        return await self._read(lambda tx: people.all_accounts(tx, connection))

    async def imported_at(self, connection: str) -> datetime | None:
        return await self._read(lambda tx: people.imported_at(tx, connection))

    async def listed(self, spec: StreamSpec, account_id: int) -> Sequence[PartitionRow]:
        return await self._read(lambda tx: partitions.listed(tx, spec, account_id))

    async def set_stream_state(self, account_id: int, stream: str, state: str) -> None:
        await self._write(lambda tx: people.set_stream_state(tx, account_id, stream, state))

    # -- runs
    async def start_run(self, sync: str, connection: str, trigger: Trigger, scope: RunScope, now: datetime) -> int:
        job = partial(
            runs.start_run, owners=self._owners, sync=sync, connection=connection, trigger=trigger, scope=scope, now=now
        )
        return await self._write(job)

    async def close_dead_runs(self, now: datetime) -> int:
        """Close runs whose process died, and forget it. `start_run` does it for its own sync."""
        return await self._write(lambda tx: runs.close_dead_runs(tx, self._owners, now))

    async def close_abandoned(self, now: datetime) -> None:
        """As `close_dead_runs`, for those who look again and again: only read where all is well."""
        if await self._read(lambda tx: runs.abandoned(tx, self._owners, now)):
            await self.close_dead_runs(now)

    async def close_run(self, run: int, error: RunError, now: datetime) -> bool:
        return await self._write(lambda tx: runs.close_run(tx, run, error, now))

    async def add_errors(self, run: int, errors: Sequence[RunError]) -> None:
        await self._write(lambda tx: runs.add_errors(tx, run, errors))

    async def run_counts(self, run: int) -> Mapping[tuple[int, str], Counts]:
        return await self._read(lambda tx: ledger.run_counts(tx, run))

    async def finish_run(
        self,
        run: int,
        status: RunStatus,
        now: datetime,
        *,
        counts: Counts,
        requests: int,
        streams: Sequence[Mapping[str, Any]],
        reason: str | None = None,
    ) -> None:
        """Also puts all that the run committed on the disk."""
        job = partial(
            runs.finish_run, run=run, status=status, now=now, counts=counts, requests=requests, streams=streams,
            reason=reason,
        )  # fmt: skip
        await self._write(job, durable=True)

    async def get_run(self, run: int) -> RunRow | None:
        return await self._read(lambda tx: runs.get_run(tx, run))

    async def latest_runs(self, syncs: Sequence[str]) -> tuple[Mapping[str, int], Mapping[str, RunRow]]:
        """Sync → the run under way, sync → the last one that is over; in two statements however many there are."""
        return await self._read(lambda tx: runs.latest_runs(tx, syncs))

    async def run_points(self, sync: str, limit: int, before: int | None = None) -> list[dict[str, Any]]:
        """Runs of a sync, newest first, as a table or a chart shows them."""
        return await self._read(lambda tx: browse.run_points(tx, sync, limit, before))

    async def runs(self, sync: str | None, limit: int = 50, before: int | None = None) -> Sequence[RunRow]:
        """Newest first, of one sync or, with None, of all."""
        return await self._read(lambda tx: runs.list_runs(tx, sync, limit, before))

    # -- partitions
    async def list_partitions(
        self, spec: StreamSpec, account_id: int, listed: Sequence[Partition], run: int, now: datetime
    ) -> Sequence[PartitionRow]:
        return await self._write(lambda tx: partitions.list_partitions(tx, spec, account_id, listed, run, now))

    async def claim_shared(
        self, spec: StreamSpec, offers: Mapping[Partition, Sequence[int]], complete: bool, run: int, now: datetime
    ) -> Sequence[PartitionRow]:
        return await self._write(lambda tx: partitions.claim_shared(tx, spec, offers, complete, run, now))

    async def open_round(
        self,
        run: int,
        partition: PartitionRow,
        spec: StreamSpec,
        now: datetime,
        plan: Callable[[PartitionState], RoundPlan],
    ) -> OpenRound:
        return await self._write(lambda tx: partitions.open_round(tx, self._owners, run, partition, spec, now, plan))

    async def plan_contents(self, rnd: OpenRound, blobs: Sequence[tuple[str, Blob]]) -> ContentPlan:
        return await self._read(lambda tx: content.plan(tx, self._blobs, rnd, blobs))

    async def store_content(
        self, rnd: OpenRound, source_id: str, blob: Blob, chunks: AsyncIterator[bytes], *, max_size: int | None
    ) -> Content:
        if not self._cleaned:
            self._cleaned = True
            await self._in_thread(self._blobs.clean, self._owners.locked)
        download = Download(self._blobs, self._owners.id, blob, max_size)
        try:
            async for chunk in chunks:
                await self._fed(download, chunk)
            done = await self._in_thread(download.finish) if download.large else download.finish()
            job = partial(content.place, blobs=self._blobs, rnd=rnd, source_id=source_id, blob=blob, content=done,
                          download=download)  # fmt: skip
            alias = await self._write(job)
            if download.large:
                await self._in_thread(content.flush_folder, self._blobs, alias)
            return done
        finally:
            download.discard()

    def small_content(self, blob: Blob, raw: bytes) -> Content | None:
        return content.small(self._blobs, self._owners.id, blob, raw)

    async def _fed(self, download: Download, chunk: bytes) -> None:
        """Large chunks are hashed and written in a thread, small ones are not worth the way there."""
        if len(chunk) < content.INLINE:
            download.feed(chunk)
        else:
            await self._in_thread(download.feed, chunk)

    async def _in_thread(self, call: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, call, *arguments)

    async def known(self, partition_id: int, source_ids: Sequence[str]) -> dict[str, str | None]:
        return await self._read(lambda tx: content.known_tags(tx, partition_id, source_ids))

    async def children(self, partition_id: int, parents: Sequence[str]) -> dict[str, list[str]]:
        return await self._read(lambda tx: content.children(tx, partition_id, parents))

    async def apply_page(
        self, rnd: OpenRound, page: Page, contents: Mapping[str, Content], now: datetime, *, dry: bool = False
    ) -> PageOutcome:
        def job(tx: Tx) -> PageOutcome | Undo[PageOutcome]:
            outcome = pages.apply_page(tx, rnd, page, contents, now, dry=dry)
            return Undo(outcome) if dry else outcome

        return await self._write(job)

    async def end_round(self, rnd: OpenRound, end: RoundEnd, now: datetime, *, until: datetime | None = None) -> None:
        await self._write(lambda tx: partitions.end_round(tx, rnd, end, now, until))

    async def peek(self, spec: StreamSpec, account_id: int, listed: Sequence[Partition]) -> Sequence[Peek]:
        return await self._read(lambda tx: partitions.peek(tx, spec, account_id, listed))

    # -- deletions
    async def settle(
        self, run: int, spec: StreamSpec, account_id: int, now: datetime, decide: Callable[[SettleView], SettlePlan]
    ) -> SettleOutcome:
        outcome = await self._write(lambda tx: settle.settle(tx, run, spec, account_id, now, decide))
        if spec.deletions == "purge" and outcome.counts.deleted:
            await self.collect_blobs()
        return outcome

    async def held(self, connection: str, streams: Sequence[str]) -> int:
        return await self._read(lambda tx: settle.held(tx, connection, streams))

    async def leftovers(self, connection: str, now: datetime) -> Leftovers:
        return await self._read(lambda tx: queries.leftovers(tx, connection))

    async def held_sets(
        self, connection: str, streams: Sequence[str] | None = None, named: Sequence[str] | None = None
    ) -> list[dict[str, Any]]:
        """Held deletions by stream, account, partition and origin, with examples; None means all."""
        return await self._read(lambda tx: settle.held_sets(tx, connection, streams, _ids(tx, connection, named)))

    async def approve(
        self,
        connection: str,
        streams: Sequence[str] | None,
        named: Sequence[str] | None,
        mode: str,
        now: datetime,
        agreed: Agreed | None = None,
    ) -> Counts | None:
        """Apply held deletions (`mode` as in `deletions:`), all or none: with `agreed`, None if it does not agree to them."""
        counts = await self._write(
            lambda tx: settle.approve(tx, connection, streams, _ids(tx, connection, named), mode, now, agreed),
            durable=True,
        )
        if mode == "purge":
            await self.collect_blobs()
        return counts

    async def reject(
        self,
        connection: str,
        streams: Sequence[str] | None,
        named: Sequence[str] | None,
        agreed: Agreed | None = None,
    ) -> int | None:
        """Drop held deletions; their records stay live. How many: with `agreed`, None if it does not agree to them."""
        return await self._write(
            lambda tx: settle.reject(tx, connection, streams, _ids(tx, connection, named), agreed), durable=True
        )

    async def reset(self, connection: str, streams: Sequence[str] | None, named: Sequence[str] | None) -> int:
        """Forget cursors; data stays. A round under way goes on, but cannot bring its place back. How many partitions."""
        return await self._write(
            lambda tx: upkeep.reset(tx, connection, streams, _ids(tx, connection, named)), durable=True
        )

    # -- contents to try again
    async def retries(self, spec: StreamSpec, account_id: int, now: datetime) -> Sequence[Retry]:
        return await self._write(lambda tx: retries.waiting(tx, spec, account_id))

    async def settle_retry(self, run: int, retry: Retry, spec: StreamSpec, content: Content, now: datetime) -> Counts:
        return await self._write(lambda tx: retries.settle(tx, run, retry, spec, content, now))

    async def ping(self) -> None:
        """Come back once the writer has made an empty commit and a reader has read: both get somewhere."""
        await self._write(lambda tx: None)
        await self._read(lambda tx: tx.value("SELECT 1"))

    async def rest(self) -> None:
        """Give back the memory that work took. What comes next finds everything as before, a little later."""
        if self._writer is not None:
            await asyncio.wrap_future(self._writer.submit(lambda tx: tx.run("PRAGMA shrink_memory"), alone=True))
        await self._in_thread(self._database.rest)

    # -- ownership
    async def heartbeat(self, now: datetime) -> None:
        await self._write(lambda tx: self._owners.heartbeat(tx, now))

    # -- runtime switches
    async def sync_state(self, name: str) -> SyncState:
        return await self._read(lambda tx: states.get(tx, name))

    async def sync_states(self) -> Mapping[str, SyncState]:
        return await self._read(states.all_states)

    async def put_off(self) -> Mapping[tuple[str, str], datetime]:
        """(connection, stream) → when a partition that its provider put off may go on; past moments included."""
        return await self._read(states.put_off)

    async def set_sync_state(self, name: str, **changes: Any) -> SyncState:
        """Set some of SyncState's fields, leave the others."""
        return await self._write(lambda tx: states.change(tx, name, changes), durable=True)

    async def remember_syncs(self, has: Mapping[str, tuple[str | None, Sequence[str]]]) -> None:
        """What each sync covers: connection and streams. By that it is known again under another name."""
        await self._write(lambda tx: states.remember(tx, has), durable=True)

    async def set_next_due(self, name: str, due: datetime | None) -> None:
        """Not worth a wait for the disk: a due time lost in a power cut is found again."""
        await self._write(lambda tx: states.change(tx, name, {"next_due_at": due}))

    async def set_next_dues(self, dues: Mapping[str, datetime]) -> None:
        await self._write(lambda tx: states.set_dues(tx, dues))

    # -- notices to operators
    async def notices(self) -> Sequence[NoticeRow]:
        return await self._read(notices.all_notices)

    async def settle_notices(self, decide: Callable[[Sequence[NoticeRow]], NoticePlan], now: datetime) -> NoticePlan:
        """Show the pure `decide` what was noticed so far, and do what it says, in one transaction."""
        return await self._write(lambda tx: notices.settle(tx, decide, now), durable=True)

    async def notice_messages(self, channel: str, limit: int) -> Sequence[MessageRow]:
        return await self._read(lambda tx: notices.messages(tx, channel, limit))

    async def waiting_messages(self) -> Mapping[str, int]:
        """How many messages wait, by channel."""
        return await self._read(notices.waiting)

    async def drop_messages(self, ids: Sequence[int]) -> None:
        """They were sent, or are too old."""
        await self._write(lambda tx: notices.drop_messages(tx, ids), durable=True)

    async def forget_channels(self, kept: Sequence[str]) -> int:
        """Drop what waits for all other channels."""
        return await self._write(lambda tx: notices.forget_channels(tx, kept))

    async def held_counts(self) -> Mapping[tuple[str, str], int]:
        """(connection, stream) → undecided held deletions, where there are any."""
        return await self._read(notices.held_counts)

    async def oldest_rounds(self) -> Mapping[tuple[str, str], datetime]:
        """(connection, stream) → when its least fresh partition was last read completely, or became known."""
        return await self._read(notices.oldest_rounds)

    # -- reading
    def records(
        self,
        connection: str,
        stream: str,
        account: str | None = None,
        since: int | None = None,
        deleted: bool = False,
        limit: int | None = None,
        after: int | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Documents by `seq`, of one state of the database. Raises FeedTooOld when `since` reaches too far back."""
        with self._database.reading() as tx:
            yield from queries.documents(
                tx, connection, stream, account=account, since=since, deleted=deleted, limit=limit, after=after
            )

    async def record(self, connection: str, stream: str, source_id: str) -> list[dict[str, Any]]:
        """The documents of that id, tombstones too: one, unless accounts or partitions of the stream share the id."""
        return await self._read(lambda tx: list(queries.by_id(tx, connection, stream, source_id)))

    def blob(self, sha256: str) -> Iterator[bytes] | None:
        """A content in chunks; None if it is not held (any more)."""
        return self._database.read(lambda tx: content.read(tx, self._blobs, sha256))

    async def browse(self, wanted: Wanted) -> Listing:
        """A page of records, newest first. Words are looked up in the index, and where there is none, record by record."""
        return await self._read(partial(self._browse, wanted))

    def _browse(self, wanted: Wanted, tx: Tx) -> Listing:
        words = browse.words_of(wanted.text)
        if self._search is None or wanted.deleted or not words:
            return browse.listing(tx, wanted)
        scope = browse.scope_of(tx, wanted)
        if scope.empty:
            return Listing([], None)
        before, most = wanted.before or LAST, wanted.limit + 1
        return browse.found(tx, self._search.find(words, scope, before, most), wanted.limit)

    async def index_some(self) -> bool:
        """Take a batch of changes into the search index. False when there is nothing left to do."""
        index = self._search
        return index is not None and await self._read(index.catch_up)

    @property
    def indexed(self) -> bool:
        """Whether there is a search index: not with encryption keys, since its words would lie in clear."""
        return self._search is not None

    async def searchable(self) -> bool:
        """Whether the index knows all that the store knows; True where words are looked up in the records themselves."""
        index = self._search
        return index is None or not await self._read(index.behind)

    async def record_view(self, key: int) -> dict[str, Any] | None:
        """One record with payload, place and versions, by the number that `browse` gives."""
        return await self._read(lambda tx: browse.record_view(tx, key))

    async def stream_counts(self) -> list[dict[str, Any]]:
        """Every stream with its accounts and live records."""
        return await self._read(browse.stream_counts)

    async def stream_names(self) -> list[tuple[str, str]]:
        """(connection, stream) of every stream."""
        return await self._read(browse.stream_names)

    async def connection_counts(self, name: str | None = None) -> dict[str, dict[str, Any]]:
        """Connection → its organisation, its last import, its accounts; of all, or of one."""
        return await self._read(lambda tx: browse.connection_counts(tx, name))

    async def numbers(self, streams: Sequence[tuple[str, str]]) -> list[StreamNumbers]:
        """Accounts, records, held deletions and freshness of (connection, stream) pairs."""
        return await self._read(lambda tx: queries.numbers(tx, streams))

    async def measures(self) -> Measures:
        """Numbers of all streams and syncs at once, for metrics."""
        return await self._read(measures)

    @property
    def commits(self) -> int:
        """How many transactions this process has committed: while it stays the same, so does all that it has written."""
        return 0 if self._writer is None else self._writer.commits

    async def organization(self, connection: str) -> str | None:
        """The organisation that the connection is bound to, since its first import."""
        sql = "SELECT organization FROM connection WHERE name = ?"
        found: str | None = await self._read(lambda tx: tx.value(sql, (connection,)))
        return found

    # -- encryption
    @property
    def keys(self) -> Sequence[bytes]:
        """The operator's keys that the store was opened with."""
        return self._keys

    def rotation(self) -> Rotation:
        """Needs keys: `keys` must not be empty."""
        return Rotation(self, self._database, self._blobs, self._owners.id, self._keys, self._clock)

    async def key_status(self, *, counts: bool = True) -> dict[str, Any]:
        """Keys, data keys, and with `counts` how many values lie under each or in clear: that takes a look at all."""
        return await self._read(lambda tx: key_status(tx, self.path.parent, self._keys, counts=counts))

    # -- purging
    async def purge_target(
        self, connection: str, accounts: Sequence[str], streams: Sequence[str], former: str | None = None
    ) -> purge.Target:
        """What these names mean now; empty means all. Raises purge.Unknown."""
        return await self._read(lambda tx: purge.resolve(tx, connection, accounts, streams, former))

    async def purge_preview(self, target: purge.Target) -> dict[str, Any]:
        """What a purge would remove, counted."""
        return await self._read(lambda tx: purge.preview(tx, target))

    async def connection_name(self, number: int) -> str:
        """By its number in the store."""
        return str(await self._read(lambda tx: tx.value("SELECT name FROM connection WHERE id = ?", (number,))))

    def erasure(self) -> Erasure:
        return Erasure(self, self._database, self._blobs, self._owners, self._words, self._clock)

    # -- upkeep
    async def collect_blobs(self) -> int:
        """Remove contents that a purge or retention has left without a reference. How many were looked at."""
        total = 0
        while count := await self._write(lambda tx: upkeep.doomed_blobs(tx, self._blobs)):
            total += count
        return total

    async def retain(
        self, now: datetime, *, runs_for: timedelta, tombstones_for: timedelta, versions_for: timedelta
    ) -> dict[str, int]:
        """Remove history past its time and unused contents, in small transactions. How much of each."""
        return await retain(
            self, self._blobs, now, runs_for=runs_for, tombstones_for=tombstones_for, versions_for=versions_for
        )


def _ids(tx: Tx, connection: str, named: Sequence[str] | None) -> list[int] | None:
    return None if named is None else people.matching_accounts(tx, connection, named)
