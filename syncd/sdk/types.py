"""What a connector hands over: accounts, partitions, pages of items.

Public: everything in __all__. Words as in docs/design: a *page* carries *items*; an item is a Record, a Tombstone or a
Reject; `resume` is a safe restart inside the round, `bookmark` the start of the next delta round.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeAlias

from .errors import Explanation

__all__ = [
    "ACCOUNT",
    "DELTA",
    "FULL",
    "JSON",
    "NEVER",
    "PARTITION",
    "REPORTED",
    "SWEEP",
    "Account",
    "Blob",
    "Bookmark",
    "ConnectorInfo",
    "Deletes",
    "Departed",
    "Identity",
    "Item",
    "Lane",
    "Limits",
    "Page",
    "Partition",
    "Record",
    "Reject",
    "Scan",
    "StreamInfo",
    "Tombstone",
]

JSON: TypeAlias = Any  # str | int | float | bool | None | list[JSON] | dict[str, JSON]


class Scan(StrEnum):
    """How a round reads: everything, or what changed since the bookmark."""

    FULL = "full"
    DELTA = "delta"


class Deletes(StrEnum):
    """How deletions become known: REPORTED by delta rounds, by the SWEEP after a full round only, or NEVER.

    A complete full round sweeps for REPORTED and SWEEP alike.
    """

    REPORTED = "reported"
    SWEEP = "sweep"
    NEVER = "never"


class Identity(StrEnum):
    """Within what a source id is unique: the whole ACCOUNT's stream, or a PARTITION of it."""

    ACCOUNT = "account"
    PARTITION = "partition"


FULL, DELTA = Scan.FULL, Scan.DELTA
REPORTED, SWEEP, NEVER = Deletes.REPORTED, Deletes.SWEEP, Deletes.NEVER
ACCOUNT, PARTITION = Identity.ACCOUNT, Identity.PARTITION


class Blob:
    """Content that belongs to a record; fetched only when `tag` differs from the stored one.

    `ref`: whatever `Stream.fetch` needs to get it (JSON). `tag`: changes when the content may have changed. `size`: in
    bytes, if known. `hash`: "md5:<hex>", "sha1:<hex>", "sha256:<hex>" or "quickxor:<base64>" (Microsoft's
    QuickXorHash) as the provider gives it: verified after the download, and content already stored under the same hash in the connection is not downloaded again. `content`: the
    bytes themselves, if they came with the item (at most 1 MiB). `mime_type`: of the content, also when it differs
    from the item's (an export). `skip`: a reason why the content can never be had; then it is not asked for.
    """

    __slots__ = ("content", "hash", "mime_type", "ref", "size", "skip", "tag")

    def __init__(
        self,
        ref: JSON,
        tag: str,
        size: int | None = None,
        hash: str | None = None,  # noqa: A002 - the contract's word
        content: bytes | None = None,
        *,
        mime_type: str | None = None,
        skip: str | None = None,
    ) -> None:
        self.ref = ref
        self.tag = tag
        self.size = size
        self.hash = hash
        self.content = content
        self.mime_type = mime_type
        self.skip = skip

    def __repr__(self) -> str:
        return f"Blob({self.ref!r}, {self.tag!r})"


class Record:
    """An item as the provider has it now.

    `data`: the provider's item, as a dict, or as raw JSON bytes (faster: not parsed again). `summary`: the common
    fields of its kind; None keeps the stored one (or none at all for a new record). `parent` and `name`: for a tree of
    files, the parent's source id and the own name, from which the store derives paths. `when`: the time, or span of
    time, that a window is compared with; aware. `previous_ids`: ids that this item had before: the record is renamed,
    not replaced. `partial`: the top-level fields of `data` and of `summary` are merged into the stored ones, null
    clears; a partial record of an unknown id is an incomplete item and is refused. `partition`: in answers of `get`
    only, the partition where the item lives now. `volatile`: paths that are volatile in this item besides its stream's (a
    folder's size, which follows from its content).
    """

    __slots__ = (
        "blob", "data", "etag", "modified_at", "name", "parent", "partial", "partition", "previous_ids", "source_id", "summary",
        "volatile", "when",
    )  # fmt: skip

    def __init__(
        self,
        source_id: str,
        data: dict[str, JSON] | bytes,
        *,
        summary: Mapping[str, JSON] | bytes | None = None,
        etag: str | None = None,
        modified_at: datetime | None = None,
        blob: Blob | None = None,
        parent: str | None = None,
        name: str | None = None,
        when: datetime | tuple[datetime, datetime | None] | None = None,
        previous_ids: Sequence[str] = (),
        partial: bool = False,
        partition: str | None = None,
        volatile: Sequence[str] = (),
    ) -> None:
        self.source_id = source_id
        self.data = data
        self.summary = summary
        self.etag = etag
        self.modified_at = modified_at
        self.blob = blob
        self.parent = parent
        self.name = name
        self.when = when
        self.previous_ids = previous_ids
        self.partial = partial
        self.partition = partition
        self.volatile = volatile

    def __repr__(self) -> str:
        return f"Record({self.source_id!r})"


class Tombstone:
    """The provider says that an item is gone from this partition. A proposal: the store decides."""

    __slots__ = ("source_id",)

    def __init__(self, source_id: str) -> None:
        self.source_id = source_id

    def __repr__(self) -> str:
        return f"Tombstone({self.source_id!r})"


class Reject:
    """One item that cannot be read: counted, kept in quarantine, never fatal.

    Without a `source_id` the round can prove no absences, so its sweep is left out.
    """

    __slots__ = ("data", "reason", "source_id")

    def __init__(self, reason: str, source_id: str | None = None, data: JSON | bytes = None) -> None:
        self.reason = reason
        self.source_id = source_id
        self.data = data

    def __repr__(self) -> str:
        return f"Reject({self.reason!r}, {self.source_id!r})"


Item: TypeAlias = Record | Tombstone | Reject


class Page:
    """Items, plus where to go on.

    `resume`: after this page is committed, a round that is cut may start again here (JSON, at most 256 KiB; it comes
    back as `ctx.cursor`). None: the last known resume point stays. `last`: nothing follows. `bookmark`: on the last
    page, where the next delta round starts (JSON, at most 256 KiB). `skipped`: how many items were listed that by
    design are not stored. `window`: the span of time that this full round covers; records outside it are not swept.
    """

    __slots__ = ("bookmark", "items", "last", "resume", "skipped", "window")

    def __init__(
        self,
        items: Sequence[Item],
        resume: JSON = None,
        last: bool = False,
        bookmark: JSON = None,
        skipped: int = 0,
        window: tuple[datetime | None, datetime | None] | None = None,
    ) -> None:
        self.items = items
        self.resume = resume
        self.last = last
        self.bookmark = bookmark
        self.skipped = skipped
        self.window = window

    def __repr__(self) -> str:
        return f"Page({len(self.items)} items, last={self.last})"


@dataclass(frozen=True, slots=True)
class Partition:
    """A part of one account's stream with a cursor of its own.

    `id`: as the provider has it; "" where the account's stream has one cursor only. `shared`: seen by several accounts
    and mirrored once per connection. `excluded`: the provider lists it, the options leave it out: its records leave
    scope, which is not a deletion.
    """

    id: str = ""
    title: str = ""
    shared: bool = False
    excluded: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """A person or resource of the organisation.

    `id`: the provider's immutable id. `address`: the primary e-mail address now. `role`: admin, delegated_admin or
    user. `state`: active, suspended, … : only active ones are synced. `streams`: per stream "ready", or why not
    ("unavailable: no licence"); streams left out are ready. `organization`: the organisation's immutable id. `kind`:
    person, or for a resource shared, room, equipment or service.
    """

    id: str
    address: str
    name: str = ""
    role: str = "user"
    state: str = "active"
    streams: Mapping[str, str] = field(default_factory=dict)
    organization: str | None = None
    kind: str = "person"


@dataclass(frozen=True, slots=True)
class Departed:
    """In a delta import: this account has left the organisation. `id`: its immutable id."""

    id: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Bookmark:
    """The last thing that `Connector.accounts` yields: where the next import goes on (JSON, at most 256 KiB)."""

    value: JSON


@dataclass(frozen=True, slots=True)
class Lane:
    """A budget of its own inside a connection: at most `requests` in any `seconds`, `per` "account" or "connection".

    A request takes it by `extensions={"syncd.lane": "name"}`, or `("name", key)` for a budget of that name per key.
    """

    requests: int
    seconds: float
    per: str = "account"


@dataclass(frozen=True, slots=True)
class Limits:
    """Built-in pacing of a connector; `limits:` in YAML replace it, upwards too.

    `account_*` count per account, the others for the connection as a whole. `lanes`: further budgets by name.
    """

    requests_per_second: float | None = None
    concurrency: int = 16
    account_requests_per_second: float | None = None
    account_concurrency: int = 4
    lanes: Mapping[str, Lane] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What a stream is able to do. The engine never tries and sees.

    `volatile`: dotted paths into `data` (`*` for every element of a list or key of an object, `\\.` for a dot within a
    key, as in `@odata\\.etag`) that are left out when payloads are compared. `full_every`: a full round at least this often. `stable_listing`: False where a listing is
    paged by position, so that two listings must miss a record before it counts as absent. `summary_version`: raise it
    when summaries are made differently: they are written anew without counting as changes. `kind`: contact, event,
    file or message, for the common views; known by itself for the four common streams.
    """

    name: str
    title: str = ""
    scans: frozenset[Scan] | set[Scan] = frozenset({Scan.FULL, Scan.DELTA})
    deletes: Deletes = Deletes.REPORTED
    options_schema: Mapping[str, JSON] = field(default_factory=dict)
    volatile: Sequence[str] = ()
    identity: Identity = Identity.ACCOUNT
    full_every: timedelta | None = None
    stable_listing: bool = True
    summary_version: int = 1
    kind: str | None = None

    def __post_init__(self) -> None:
        common = {"contacts": "contact", "calendar": "event", "files": "file", "mail": "message"}
        object.__setattr__(self, "scans", frozenset(self.scans))
        object.__setattr__(self, "volatile", tuple(self.volatile))
        object.__setattr__(self, "title", self.title or self.name)
        object.__setattr__(self, "kind", self.kind or common.get(self.name))


@dataclass(frozen=True, slots=True)
class ConnectorInfo:
    """What a connector is. `api`: the version of this SDK's contract that it was written for.

    `settings_schema`: JSON Schema (2020-12) of `connections.NAME.settings`; a property with `"x-secret": true` must be
    written as a `${…}` reference and reaches the connector as a Secret. `errors`: the connector's own catalogue
    entries. `request_id`: the header in which the provider takes a request's id, a UUID that stands in syncd's log too.
    """

    name: str
    title: str = ""
    api: int = 1
    settings_schema: Mapping[str, JSON] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    errors: Sequence[Explanation] = ()
    request_id: str | None = None
