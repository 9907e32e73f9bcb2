"""What the engine needs of a store, and the values that pass between them.

Public: Store (the port) and the values in __all__. `syncd.store` implements it for SQLite and, next, PostgreSQL;
nothing here knows SQL. All methods are coroutines; all datetimes are aware and in UTC.

The rules behind every method stand in docs/decisions/0002-page-transaction.md: read it first.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import EllipsisType
from typing import Any, Protocol

from syncd.sdk import JSON, Account, Blob, Identity, Page, Partition, Scan, StreamInfo

__all__ = [
    "Absence",
    "AccountRow",
    "Busy",
    "Content",
    "ContentPlan",
    "ContentState",
    "Counts",
    "ImportResult",
    "Leftovers",
    "OpenRound",
    "OtherOrganization",
    "PageOutcome",
    "PartitionRow",
    "PartitionState",
    "Peek",
    "Pending",
    "PendingOrigin",
    "PendingState",
    "Purging",
    "Retry",
    "RoundEnd",
    "RoundPlan",
    "RunError",
    "RunRow",
    "RunScope",
    "RunStatus",
    "SettleOutcome",
    "SettlePlan",
    "SettleView",
    "StaleRound",
    "Store",
    "StreamSpec",
    "Trigger",
]


class Trigger(StrEnum):
    SCHEDULED = "scheduled"
    MANUAL = "manual"
    WEBHOOK = "webhook"
    STARTUP = "startup"


class RunStatus(StrEnum):
    """In the order of the worst first; `running` is none of them yet."""

    FAILED = "failed"
    CANCELLED = "cancelled"
    HELD = "held"
    PARTIAL = "partial"
    COMPLETED = "completed"
    RUNNING = "running"


class StaleRound(Exception):
    """The round's fence is no longer the partition's: somebody took over. Nothing was written."""


class Busy(Exception):
    """The partition, or the sync's run, is held by a living process. `owner` says which, `run` its run if known."""

    def __init__(self, owner: str, run: int | None = None) -> None:
        super().__init__(f"held by {owner}")
        self.owner = owner
        self.run = run


RETRIES = 1000  # contents of one account's stream that one run tries again


class NotListed(LookupError):
    """What stands under a partition's number in the store is not that partition: it is gone, or another's by now."""


class Purging(Busy):
    """Data of the connection is being removed for good: nothing is read into it meanwhile."""

    def __init__(self, connection: str) -> None:
        super().__init__("a purge")
        self.connection = connection

    def __str__(self) -> str:
        return f"a purge of {self.connection} is under way"


class OtherOrganization(Exception):
    """The accounts belong to another organisation than the one the connection is bound to."""

    def __init__(self, bound: str, given: str) -> None:
        super().__init__(f"the connection is bound to organisation {bound}, the credential belongs to {given}")
        self.bound = bound
        self.given = given


@dataclass(slots=True)
class Counts:
    """A ledger. `listed` = the sum of the outcomes less `absent` (absences that a sweep found, inside the outcomes)."""

    new: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    failed: int = 0
    held: int = 0
    pending: int = 0
    skipped: int = 0
    listed: int = 0
    absent: int = 0

    def add(self, other: "Counts") -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def outcomes(self) -> int:
        return (
            self.new
            + self.updated
            + self.unchanged
            + self.deleted
            + self.failed
            + self.held
            + self.pending
            + self.skipped
        )

    @property
    def balanced(self) -> bool:
        return self.listed + self.absent == self.outcomes


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """One stream of one connection as the store needs to know it. `options_digest` binds cursors to options."""

    connection: str
    info: StreamInfo
    options_digest: str = ""
    deletions: str = "tombstone"  # tombstone | keep | purge


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An imported account. `label` is what outputs show: the address, or `<address>#<id>` once it belongs to another.

    `unavailable`: streams that the import itself, not a later run, found the account not to have.
    """

    id: int
    account: Account
    label: str
    imported_at: datetime
    gone_at: datetime | None = None
    unavailable: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ImportResult:
    accounts: Sequence[AccountRow]
    new: Sequence[str]
    gone: Sequence[str]


@dataclass(frozen=True, slots=True)
class PartitionRow:
    """A partition as the store knows it. `account_id`: whose, or the claiming member of a shared one."""

    id: int
    account_id: int
    partition: Partition


@dataclass(frozen=True, slots=True)
class PartitionState:
    """What decides how the next round of a partition reads."""

    cursor: JSON = None
    options_digest: str | None = None  # of the last completed round
    full_due: bool = False  # reset, a held sweep, a hand-over
    full_at: datetime | None = None  # when the last complete full round began
    resume: JSON = None  # of the round that was cut
    resume_scan: Scan | None = None  # its scan; None if no round was cut
    resume_began_at: datetime | None = None
    resume_options_digest: str | None = None
    live_records: bool = False
    due_at: datetime | None = None  # deferred by the provider until then


@dataclass(frozen=True, slots=True)
class Peek:
    """A partition as a dry run sees it; one never stored has id 0. `live`: its live, in-scope records."""

    row: PartitionRow
    state: PartitionState
    live: int = 0


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What earlier runs left behind, as (account id, stream): proposals still open, contents due to be tried again."""

    proposals: frozenset[tuple[int, str]] = frozenset()
    retries: frozenset[tuple[int, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class RoundPlan:
    """How the round reads. `resume`: go on with the round that was cut; `scope_changed`: absences leave scope."""

    scan: Scan
    cursor: JSON
    resume: bool
    scope_changed: bool = False


@dataclass(frozen=True, slots=True)
class OpenRound:
    """A round under a lease. Hand it to `apply_page` and `end_round`; the fence in it proves the lease."""

    id: int
    run: int
    partition: PartitionRow
    spec: StreamSpec
    fence: int
    plan: RoundPlan
    began_at: datetime
    full_at: datetime | None


class RoundEnd(StrEnum):
    """How a round ended that did not end with a page's `last`."""

    FAILED = "failed"  # resume point stays
    CANCELLED = "cancelled"  # resume point stays
    DEFERRED = "deferred"  # resume point stays; due again at `until`
    SKIPPED = "skipped"  # Forbidden: counts as through when deletions are settled
    GONE = "gone"  # PartitionGone: it counts as not listed any more until it is listed again
    EXPIRED = "expired"  # cursor and resume point are forgotten: the next round is full


class ContentState(StrEnum):
    STORED = "stored"
    SKIPPED = "skipped"  # can never be had: `reason`
    FAILED = "failed"  # not this time: `reason`; a retry row commits with the page


@dataclass(frozen=True, slots=True)
class Content:
    """What became of a record's content before its page's transaction.

    `small`: the bytes themselves, where the page's own transaction keeps them (`Store.small_content`).
    """

    state: ContentState
    sha256: str | None = None
    size: int | None = None
    mime_type: str | None = None
    reason: str | None = None
    code: str | None = None
    small: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ContentPlan:
    """Which contents of a page must be fetched, and which are settled already (same tag, journal, known hash)."""

    fetch: Sequence[tuple[str, Blob]]  # (source id, blob)
    settled: Mapping[str, Content]


@dataclass(frozen=True, slots=True)
class PageOutcome:
    """What a page did. `errors`: items that the store itself refused, to be shown with the run.

    Items that came as Reject, and contents that failed, are not among them: the engine knows and shows those.
    """

    counts: Counts
    round_complete: bool = False
    empty_listing: bool = False
    errors: Sequence["RunError"] = ()


class PendingOrigin(StrEnum):
    REPORTED = "reported"  # a tombstone from the provider
    SWEEP = "sweep"  # not seen by a complete full round
    VANISHED = "vanished"  # its partition is no longer listed


class PendingState(StrEnum):
    OPEN = "open"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Pending:
    """A proposed deletion. `mark`: rounds with a greater id began after it was seen; `misses`: full rounds that missed it."""

    record_id: int
    source_id: str
    partition_id: int
    origin: PendingOrigin
    state: PendingState
    mark: int
    misses: int
    run: int
    empty_listing: bool = False
    partition: Partition = field(default_factory=Partition)  # as stored; it may be gone by now


@dataclass(frozen=True, slots=True)
class Absence:
    """A partition's place in settling: the id of its last finished round, and whether it was skipped in this run."""

    partition_id: int
    last_round: int
    skipped: bool


@dataclass(frozen=True, slots=True)
class SettleView:
    """All that deciding on one account's stream needs. `live` counts live, in-scope records, pending ones included."""

    identity: Identity
    stable_listing: bool
    live: int
    pending: Sequence[Pending]
    partitions: Sequence[Absence]
    run: int


@dataclass(frozen=True, slots=True)
class SettlePlan:
    """The decision: record ids to delete, to hold, to leave alone after all (`withdraw`: the provider still has them),
    and the partitions that need a second look first (id → scan).
    """

    delete: Sequence[int] = ()
    hold: Sequence[int] = ()
    withdraw: Sequence[int] = ()
    look_again: Mapping[int, Scan] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SettleOutcome:
    counts: Counts
    look_again: Mapping[int, Scan]


@dataclass(frozen=True, slots=True)
class Retry:
    """Content that could not be had when its record landed."""

    partition: PartitionRow
    source_id: str
    blob: Blob
    attempts: int


@dataclass(frozen=True, slots=True)
class RunError:
    """One entry of a run's `errors`. `detail`: a traceback, for people who ask for it."""

    code: str
    message: str
    stream: str | None = None
    account: str | None = None
    partition: str | None = None
    source_id: str | None = None
    hint: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class RunScope:
    """What a run covers; None means all that the sync has."""

    streams: tuple[str, ...] | None = None
    accounts: tuple[str, ...] | None = None
    full: bool = False

    def covers(self, other: "RunScope") -> bool:
        def wide(mine: tuple[str, ...] | None, theirs: tuple[str, ...] | None) -> bool:
            return mine is None or (theirs is not None and set(theirs) <= set(mine))

        return (
            wide(self.streams, other.streams) and wide(self.accounts, other.accounts) and (self.full or not other.full)
        )


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run as kept. `streams`: per stream {stream, status, accounts, counts}; `reason`: why cancelled or failed."""

    id: int
    sync: str
    connection: str
    trigger: Trigger
    status: RunStatus
    scope: RunScope
    started_at: datetime
    finished_at: datetime | None = None
    counts: Counts = field(default_factory=Counts)
    requests: int = 0
    streams: Sequence[Mapping[str, Any]] = ()
    errors: Sequence[RunError] = ()
    reason: str | None = None
    error_count: int = 0  # all of them; `errors` keeps the first 1,000


class Store(Protocol):
    """One writer, many readers. Every write method is one transaction (several may share a commit)."""

    # -- connections and accounts
    async def bind_connection(self, name: str, connector: str, previous_name: str | None) -> None:
        """Make the connection known; a connection known as `previous_name` only is renamed with all its state."""

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
        """Store a complete listing: accounts not listed are marked gone, nothing more. Raises OtherOrganization.

        With `departed` it is what changed since the last import: only those are marked gone. `bookmark`: where the
        next import goes on. With `last`, `imported_at` as it was when reading began: None, and nothing is stored, if
        another import has ended since.
        """

    async def import_place(self, connection: str) -> tuple[JSON, datetime | None]:
        """The last import's bookmark, and when accounts were last listed completely; None each if there is none."""

    async def accounts(self, connection: str) -> Sequence[AccountRow]:
        """All accounts ever imported, gone ones included, by address."""

    async def imported_at(self, connection: str) -> datetime | None:
        """When the last import finished."""

    async def listed(self, spec: StreamSpec, account_id: int) -> Sequence[PartitionRow]:
        """The account's own partitions as last listed, excluded ones too, less those found gone since."""

    async def set_stream_state(self, account_id: int, stream: str, state: str) -> None:
        """Show that an account's stream is `ready` or why not."""

    # -- runs
    async def start_run(self, sync: str, connection: str, trigger: Trigger, scope: RunScope, now: datetime) -> int:
        """Begin a run under this process's ownership. Raises Busy while the sync has one of a living process.

        A running run of a dead process is closed as `cancelled` (SYN-RUN-002) first.
        """

    async def add_errors(self, run: int, errors: Sequence[RunError]) -> None: ...

    async def close_run(self, run: int, error: RunError, now: datetime) -> bool:
        """End a run that nobody can finish any more, with what the ledger has of it, as cancelled (`interrupted`).

        False if it was over already.
        """

    async def run_counts(self, run: int) -> Mapping[tuple[int, str], Counts]:
        """The ledger as committed: (account id, stream) → counts."""

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
    ) -> None: ...

    async def get_run(self, run: int) -> RunRow | None: ...

    async def runs(self, sync: str, limit: int = 50, before: int | None = None) -> Sequence[RunRow]:
        """Past and present runs, newest first, without their errors' details."""

    # -- partitions
    async def list_partitions(
        self, spec: StreamSpec, account_id: int, listed: Sequence[Partition], run: int, now: datetime
    ) -> Sequence[PartitionRow]:
        """Store a complete listing of one account's own (not shared) partitions and give those to read, in its order.

        Partitions no longer listed: their live records become pending deletions (VANISHED). Excluded ones: their
        records leave scope and their cursor is forgotten. A partition that returns loses its VANISHED proposals.
        """

    async def claim_shared(
        self, spec: StreamSpec, offers: Mapping[Partition, Sequence[int]], complete: bool, run: int, now: datetime
    ) -> Sequence[PartitionRow]:
        """Give each shared partition to one of the accounts that list it: the present claimant if it is among them.

        A hand-over sets `full_due`. Where nobody offers a known one and `complete` is true, it has vanished.
        """

    async def open_round(
        self,
        run: int,
        partition: PartitionRow,
        spec: StreamSpec,
        now: datetime,
        plan: Callable[[PartitionState], RoundPlan],
    ) -> OpenRound:
        """Take the lease, raise the fence, and begin (or go on with) a round as the pure `plan` says.

        Raises Busy, or NotListed if the row was purged since it was listed, its number given to another or not.
        """

    async def plan_contents(self, rnd: OpenRound, blobs: Sequence[tuple[str, Blob]]) -> ContentPlan:
        """Which of these contents must be fetched: tag differs from the stored one, no journal, hash unknown."""

    async def store_content(
        self, rnd: OpenRound, source_id: str, blob: Blob, chunks: AsyncIterator[bytes], *, max_size: int | None
    ) -> Content:
        """Stream content to its place, verify size and hash, journal it by source id and tag.

        Raises ProtocolError (code SYN-CONTENT-003) if it does not match; ContentUnavailable("too_large") above
        `max_size`. Errors of `chunks` pass through; nothing of a broken download stays.
        """

    def small_content(self, blob: Blob, raw: bytes) -> Content | None:
        """Content that came with its item, checked like any; its page's transaction keeps it. None if it is too large
        for that: then it goes through `store_content`. Raises ProtocolError (code SYN-CONTENT-003).
        """

    async def known(self, partition_id: int, source_ids: Sequence[str]) -> dict[str, str | None]:
        """Live records among these ids in this partition → tag of the content held, or None."""

    async def children(self, partition_id: int, parents: Sequence[str]) -> dict[str, list[str]]:
        """Live records of this partition with one of these parents, by parent."""

    async def apply_page(
        self, rnd: OpenRound, page: Page, contents: Mapping[str, Content], now: datetime, *, dry: bool = False
    ) -> PageOutcome:
        """Commit records, proposals, quarantine, seq numbers, cursor and counts together. Raises StaleRound.

        Returns after COMMIT. With `page.last` the round is complete: a full one sweeps, the lease is given back.
        Safe to repeat with the same page: the second time counts as unchanged. `dry`: all is rolled back, only the
        counts are true; the round may come from a Peek then (no lease, id and fence 0, partition id 0 if unknown).
        """

    async def end_round(self, rnd: OpenRound, end: RoundEnd, now: datetime, *, until: datetime | None = None) -> None:
        """Give the lease back without completing the round. A stale round is ignored."""

    async def peek(self, spec: StreamSpec, account_id: int, listed: Sequence[Partition]) -> Sequence[Peek]:
        """For a dry run: what is known of these partitions, shared ones included. Nothing is written."""

    # -- deletions
    async def settle(
        self, run: int, spec: StreamSpec, account_id: int, now: datetime, decide: Callable[[SettleView], SettlePlan]
    ) -> SettleOutcome:
        """Show the pure `decide` what is proposed for one account's stream, and do what it says, in one transaction."""

    async def held(self, connection: str, streams: Sequence[str]) -> int:
        """How many undecided held deletions there are."""

    async def leftovers(self, connection: str, now: datetime) -> Leftovers:
        """One look at the start of a run, so that accounts with nothing open cost no further questions."""

    # -- contents to try again
    async def retries(self, spec: StreamSpec, account_id: int, now: datetime) -> Sequence[Retry]: ...

    async def settle_retry(self, run: int, retry: Retry, spec: StreamSpec, content: Content, now: datetime) -> Counts:
        """Attach content that could be had at last (one `updated`), or count one more failure."""

    # -- ownership
    async def heartbeat(self, now: datetime) -> None:
        """Say that this process lives; for machines that cannot see its lock file."""
