"""The tables, declared once; migrations create them, all other modules speak SQL. See docs/store-format.md.

Public: METADATA and the row classes.

Moments are integers (microseconds since 1970, UTC). Payloads, summaries and cursors are JSON bytes, which the cipher
(cipher.py) seals where there are keys. Wide columns live apart from `record`, whose rows stay small: comparing a page reads only those.
"""

from typing import Any, ClassVar

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, MetaData, Text, UniqueConstraint
from sqlalchemy import text as sqltext
from sqlmodel import Field, SQLModel

__all__ = ["METADATA"]

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

HAS_CONTENT = sqltext("sha256 IS NOT NULL")
PUT_OFF = sqltext("due_at IS NOT NULL")
IS_TOMBSTONE = sqltext("state = 3")
KEY = BigInteger().with_variant(Integer(), "sqlite")  # SQLite numbers rows by itself only for INTEGER


class Table(SQLModel):
    metadata: ClassVar[MetaData] = METADATA


def key() -> Any:
    return Field(default=None, primary_key=True, sa_type=KEY)


def number(default: int | None = 0, *, nullable: bool = False, **more: Any) -> Any:
    return Field(default=default, nullable=nullable, sa_type=BigInteger, **more)


def maybe(**more: Any) -> Any:
    """A number or a moment that may be absent."""
    return number(None, nullable=True, **more)


def refers(target: str, *, index: bool = False, primary_key: bool = False) -> Any:
    return Field(sa_type=BigInteger, foreign_key=target, nullable=False, index=index, primary_key=primary_key)


def text(*, nullable: bool = False, **more: Any) -> Any:
    return Field(default=None, nullable=nullable, sa_type=Text, **more)


def raw(*, nullable: bool = True) -> Any:
    return Field(default=None, nullable=nullable, sa_type=LargeBinary)


class Connection(Table, table=True):
    """`listed_at`: when the accounts were last listed completely; imports since then went on from `import_bookmark`."""

    id: int = key()
    name: str = text(unique=True)
    connector: str = text()
    organization: str | None = text(nullable=True)
    imported_at: int | None = maybe()
    import_bookmark: bytes | None = raw()
    listed_at: int | None = maybe()


class Account(Table, table=True):
    """`streams`: states as imported; `learned`: states that runs found since, which go before them."""

    __table_args__ = (UniqueConstraint("connection_id", "source_id"), Index(None, "connection_id", "label"))
    id: int = key()
    connection_id: int = refers("connection.id")
    source_id: str = text()
    address: str = text()
    label: str = text()
    name: str = text()
    kind: str = text()
    role: str = text()
    state: str = text()
    streams: bytes = raw(nullable=False)
    learned: bytes = raw(nullable=False)
    imported_at: int = number()
    gone_at: int | None = maybe()


class Stream(Table, table=True):
    """`feed_floor`: the highest seq of a tombstone that was removed; the feed is complete only after it."""

    __table_args__ = (UniqueConstraint("connection_id", "name"),)
    id: int = key()
    connection_id: int = refers("connection.id")
    name: str = text()
    kind: str | None = text(nullable=True)
    feed_floor: int = number()


class Partition(Table, table=True):
    """`holder`: the account whose own it is, 0 for a shared one. `round_*`: the round that is open or was cut.

    `missed`: the provider said it is gone, and no listing has shown it since. `live` and `kept` count its records in state live, and gone-but-kept or out of scope.
    """

    __table_args__ = (
        UniqueConstraint("stream_id", "holder", "source_id"),
        Index(None, "account_id", "stream_id"),
        Index(None, "due_at", sqlite_where=PUT_OFF, postgresql_where=PUT_OFF),
    )
    id: int = key()
    stream_id: int = refers("stream.id")
    account_id: int = refers("account.id")
    holder: int = number()
    source_id: str = text()
    title: str = text()
    shared: bool = Field(nullable=False)
    excluded: bool = Field(nullable=False)
    created_at: int = number()
    gone_at: int | None = maybe()
    missed: bool = Field(nullable=False)
    lease_owner: str | None = text(nullable=True)
    lease_run: int | None = maybe()
    fence: int = number()
    cursor: bytes | None = raw()
    options_digest: str | None = text(nullable=True)
    full_due: bool = Field(nullable=False)
    full_at: int | None = maybe()
    last_round: int = number()
    last_completed_at: int | None = maybe()
    due_at: int | None = maybe()
    skipped_run: int | None = maybe()
    resume: bytes | None = raw()
    round_id: int | None = maybe()
    round_scan: str | None = text(nullable=True)
    round_began_at: int | None = maybe()
    round_options_digest: str | None = text(nullable=True)
    round_listed: int = number()
    round_unproven: bool = Field(nullable=False)
    round_window: bytes | None = raw()
    live: int = number()
    kept: int = number()


class Record(Table, table=True):
    """A mirrored item, without its payload. `id` is its first `seq`. `state`: see records.py.

    Index for the feed: (stream_id, seq); for the sweep: partition_id; for blobs in use: sha256; for retention: state_at.
    """

    __table_args__ = (
        UniqueConstraint("stream_id", "scope", "source_id"),
        Index(None, "stream_id", "seq"),
        Index(None, "sha256", sqlite_where=HAS_CONTENT, postgresql_where=HAS_CONTENT),
        Index(None, "state_at", sqlite_where=IS_TOMBSTONE, postgresql_where=IS_TOMBSTONE),
    )
    id: int = Field(default=None, primary_key=True, sa_type=KEY, sa_column_kwargs={"autoincrement": False})
    stream_id: int = number()
    scope: int = number()
    source_id: str = text()
    partition_id: int = refers("partition.id", index=True)
    state: int = Field(default=0, nullable=False)
    state_at: int | None = maybe()
    seq: int = number()
    version: int = Field(default=1, nullable=False)
    change: str = text()
    digest: bytes = raw(nullable=False)
    summary_version: int = Field(default=1, nullable=False)
    tag: str | None = text(nullable=True)
    sha256: str | None = text(nullable=True)
    seen_round: int = number()
    first_seen_at: int = number()
    last_changed_at: int = number()
    parent: str | None = text(nullable=True)
    name: str | None = text(nullable=True)
    when_start: int | None = maybe()
    when_end: int | None = maybe()


class Payload(Table, table=True):
    """What a record holds. `blob`: {sha256, size, mime_type} or {skipped}, as outputs show it. Absent once purged."""

    record_id: int = Field(
        primary_key=True, foreign_key="record.id", sa_type=KEY, sa_column_kwargs={"autoincrement": False}
    )
    data: bytes = raw(nullable=False)
    summary: bytes | None = raw()
    blob: bytes | None = raw()
    etag: str | None = text(nullable=True)
    modified_at: int | None = maybe()


class RecordVersion(Table, table=True):
    """A superseded payload. `superseded_at`: when the next version came."""

    __tablename__ = "record_version"
    __table_args__ = (Index(None, "sha256", sqlite_where=HAS_CONTENT, postgresql_where=HAS_CONTENT),)
    record_id: int = refers("record.id", primary_key=True)
    version: int = Field(primary_key=True)
    seq: int = number()
    changed_at: int = number()
    superseded_at: int = number(index=True)
    sha256: str | None = text(nullable=True)
    data: bytes = raw(nullable=False)
    summary: bytes | None = raw()
    blob: bytes | None = raw()


class PendingDeletion(Table, table=True):
    """A proposed deletion. `ledger`: how `ledger_run` has counted it so far (see ledger.py)."""

    __tablename__ = "pending_deletion"
    __table_args__ = (Index(None, "stream_id", "scope"),)
    record_id: int = Field(
        primary_key=True, foreign_key="record.id", sa_type=KEY, sa_column_kwargs={"autoincrement": False}
    )
    stream_id: int = number()
    scope: int = number()
    partition_id: int = refers("partition.id", index=True)
    origin: str = text()
    state: str = text()
    mark: int = number()
    misses: int = number()
    run_id: int = number()
    empty_listing: bool = Field(nullable=False)
    proposed_at: int = number()
    ledger: int = number()
    ledger_run: int = number()


class Seen(Table, table=True):
    """Unchanged records that a partition's open full round has seen, 32 ids to a row; emptied when the next begins.

    A listing mostly comes in the order in which it came first, so that a page's ids fill their blocks.
    """

    __table_args__ = ({"sqlite_with_rowid": False},)
    partition_id: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    block: int = Field(primary_key=True, sa_type=BigInteger)
    bits: int = number()


class Quarantine(Table, table=True):
    """Items that could not be read, each once. `key`: the source id, or a digest where there is none."""

    __table_args__ = (UniqueConstraint("partition_id", "key"),)
    id: int = key()
    partition_id: int = refers("partition.id")
    key: str = text()
    source_id: str | None = text(nullable=True)
    reason: str = text()
    data: bytes | None = raw()
    run_id: int = number()
    round_id: int = number()
    at: int = number()


class Blob(Table, table=True):
    """Content by its SHA-256, or an alias of it (cipher.py), as in all columns of this name; then `digest` is that SHA-256, sealed.

    `content` holds small ones, larger ones are files. `doomed`: to be removed if unused.
    """

    sha256: str = text(primary_key=True)
    digest: bytes | None = raw()
    size: int = number()
    content: bytes | None = raw()
    doomed: bool = Field(default=False, nullable=False, index=True)


class BlobHash(Table, table=True):
    """The provider's hash of a content that this connection holds."""

    __tablename__ = "blob_hash"
    connection_id: int = refers("connection.id", primary_key=True)
    hash: str = text(primary_key=True)
    sha256: str = text(index=True)


class ContentJournal(Table, table=True):
    """Finished downloads whose page is not yet committed."""

    __tablename__ = "content_journal"
    partition_id: int = refers("partition.id", primary_key=True)
    source_id: str = text(primary_key=True)
    tag: str = text()
    sha256: str = text(index=True)
    size: int = number()
    mime_type: str | None = text(nullable=True)


class ContentRetry(Table, table=True):
    """Content that could not be had when its record landed. `blob`: what is needed to ask again."""

    __tablename__ = "content_retry"
    partition_id: int = refers("partition.id", primary_key=True)
    source_id: str = text(primary_key=True)
    blob: bytes = raw(nullable=False)
    attempts: int = number()
    code: str | None = text(nullable=True)
    reason: str | None = text(nullable=True)


class Run(Table, table=True):
    __table_args__ = (Index(None, "sync", "id"), Index(None, "sync", "status", "id"), Index(None, "status"))
    id: int = key()
    sync: str = text()
    connection: str = text()
    trigger: str = text()
    status: str = text()
    scope: bytes = raw(nullable=False)
    started_at: int = number()
    finished_at: int | None = maybe()
    counts: bytes | None = raw()
    requests: int = number()
    streams: bytes | None = raw()
    reason: str | None = text(nullable=True)
    error_count: int = number()
    owner: str = text()


class RunScope(Table, table=True):
    """The ledger of one account's stream in one run."""

    __tablename__ = "run_scope"
    run_id: int = refers("run.id", primary_key=True)
    account_id: int = refers("account.id", primary_key=True)
    stream_id: int = refers("stream.id", primary_key=True)
    n_new: int = number()
    n_updated: int = number()
    n_unchanged: int = number()
    n_deleted: int = number()
    n_failed: int = number()
    n_held: int = number()
    n_pending: int = number()
    n_skipped: int = number()
    n_listed: int = number()
    n_absent: int = number()


class RunError(Table, table=True):
    __tablename__ = "run_error"
    id: int = key()
    run_id: int = refers("run.id", index=True)
    code: str = text()
    message: str = text()
    stream: str | None = text(nullable=True)
    account: str | None = text(nullable=True)
    partition: str | None = text(nullable=True)
    source_id: str | None = text(nullable=True)
    hint: str | None = text(nullable=True)
    detail: str | None = text(nullable=True)


class Owner(Table, table=True):
    """A process that holds runs and leases. `place`: machine and state directory; there, its lock file tells."""

    id: str = text(primary_key=True)
    place: str = text()
    pid: int = number()
    started_at: int = number()
    heartbeat_at: int = number()


class SyncState(Table, table=True):
    """Runtime switches of a sync. `enabled`: None means as the configuration says."""

    __tablename__ = "sync_state"
    name: str = text(primary_key=True)
    enabled: bool | None = Field(default=None, nullable=True)
    paused: str | None = text(nullable=True)
    code: str | None = text(nullable=True)
    reason: str | None = text(nullable=True)
    since: int | None = maybe()
    failures: int = number()
    next_due_at: int | None = maybe()


class Notice(Table, table=True):
    """Something that operators are told of. `open`: it is so now; `told`: what they heard last. See notices.py."""

    key: str = text(primary_key=True)
    kind: str = text()
    title: str = text()
    body: str = text()
    open: bool = Field(nullable=False)
    told: bool = Field(nullable=False)
    since: int = number()
    changed_at: int = number()
    tellings: bytes = raw(nullable=False)


class NoticeMessage(Table, table=True):
    """A message that waits for a channel; gone once it was sent."""

    __tablename__ = "notice_message"
    __table_args__ = (Index(None, "channel", "id"),)
    id: int = key()
    channel: str = text()
    at: int = number()
    content: bytes = raw(nullable=False)


class DataKey(Table, table=True):
    """What seals values: a secret of syncd's own, wrapped under an operator's key (keys.py). The newest seals."""

    __tablename__ = "data_key"
    id: int = Field(default=None, primary_key=True, sa_type=KEY, sa_column_kwargs={"autoincrement": False})
    key_id: str = text()
    wrapped: bytes = raw(nullable=False)
    created_at: int = number()


class Counter(Table, table=True):
    """Numbers given out under one lock per commit: `seq` of changes (and records), ids of rounds."""

    name: str = text(primary_key=True)
    value: int = number()


class Meta(Table, table=True):
    name: str = text(primary_key=True)
    value: str = text()
