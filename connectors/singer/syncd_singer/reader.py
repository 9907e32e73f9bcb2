"""From messages to pages: pure, without the process.

Public: Reader, place_of.

A place (resume point or bookmark) is {"state": the tap's state, "version": the version of the table that was read}.
"""

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from syncd.sdk import (
    DELTA,
    FULL,
    JSON,
    CursorExpired,
    Item,
    Page,
    ProtocolError,
    Record,
    Reject,
    Scan,
    SyncdError,
    Tombstone,
)

from . import errors
from .messages import (
    Message,
    OtherMessage,
    RecordMessage,
    SchemaMessage,
    StateMessage,
    VersionMessage,
    message_of,
)

__all__ = ["Reader", "place_of"]

PAGE_ITEMS = 500
PAGE_BYTES = 4 * 1024 * 1024
PAGE_SECONDS = 10.0  # a state that comes later than this after the last page ends a page: a slow tap gets on, too
LARGEST_PLACE = 250 * 1024  # bytes of JSON; the engine's limit is 256 KiB
SHORT = 16  # characters of a number: so many digits a float always holds
DELETED = "_sdc_deleted_at"


def place_of(cursor: JSON) -> tuple[JSON, int | None]:
    """State and version of a place; a place that is none is taken for an expired one."""
    if cursor is None:
        return None, None
    if not isinstance(cursor, dict) or "state" not in cursor:
        raise CursorExpired("the place is not of a Singer tap")
    return cursor["state"], cursor.get("version")


@dataclass(slots=True)
class Reader:
    """Takes lines, gives pages. `names`: what the stream is called in messages. `key`: overrides the tap's.

    `deletes`: whether records that are marked as deleted become tombstones. `keyless`: whether a stream without key
    properties can be read (ids are then digests of the records). `now`: seconds of the clock.
    """

    tap: str
    names: frozenset[str]
    scan: Scan
    now: Callable[[], float]
    state: JSON = None
    version: int | None = None
    key: list[str] | None = None
    deletes: bool = False
    keyless: bool = True
    ignored: set[str] = field(default_factory=set)
    _keys: list[str] | None = None  # None before the stream's schema
    _items: list[Item] = field(default_factory=list)
    _bytes: int = 0
    _mark: JSON = None  # the place of the last state
    _marked: int = 0  # how many of the items came before it
    _read: int = 0
    _kinds: set[type] = field(default_factory=set)
    _paged: float = field(init=False)  # when the last page was made

    def __post_init__(self) -> None:
        self._paged = self.now()

    def pages(self, lines: list[bytes]) -> Iterator[Page]:
        """The pages that these lines complete."""
        for line in lines:
            if not line.strip():
                continue
            message = self._message(line)
            self._take(message)
            if self._is_full() or (isinstance(message, StateMessage) and self._is_late()):
                yield self._page()

    def kept(self) -> Page | None:
        """What came before the last state, once the tap has failed; None if that is on its way already."""
        return None if self._mark is None else Page(self._items[: self._marked], resume=self._mark)

    def last(self) -> Page:
        """The end of the round, once the tap has ended well."""
        if self._keys is None and self.scan is FULL:
            raise self._wrong("ended without a word about the stream: does it know how to select one?")
        bookmark = self._place()
        if _size(bookmark) > LARGEST_PLACE:
            raise self._wrong(f"has a state of more than {LARGEST_PLACE} bytes")
        return Page(self._items, last=True, bookmark=bookmark)

    def _message(self, line: bytes) -> Message:
        try:
            return message_of(line)
        except ValueError as error:
            raise self._wrong(f"wrote a line that is no Singer message ({error}): {_shown(line)}") from error

    def _take(self, message: Message) -> None:
        match message:
            case RecordMessage() if message.stream in self.names:
                self._record(bytes(message.record))
            case SchemaMessage() if message.stream in self.names:
                self._schema(message)
            case StateMessage():
                self._state(message.value)
            case VersionMessage() if message.stream in self.names:
                self._activate(message.version)
            case OtherMessage(type="BATCH"):
                raise self._wrong("writes its records to files (BATCH): switch that off in its configuration")
            case OtherMessage():
                self.ignored.add(message.type)

    def _schema(self, message: SchemaMessage) -> None:
        self._keys = self.key or message.key_properties or []
        if not self._keys and not self.keyless:
            raise SyncdError(
                f"{self.tap} gives the stream no key, so that changes cannot be told from new records: name one in `key`, "
                "or read the stream with `replication: full`",
                code=errors.NO_STREAM,
            )

    def _record(self, raw: bytes) -> None:
        if self._keys is None:
            raise self._wrong("wrote a record before the stream's schema")
        self._read += 1
        self._bytes += len(raw)
        self._items.append(self._item(raw, self._keys))

    def _item(self, raw: bytes, keys: list[str]) -> Item:
        try:
            record = _decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return Reject(f"a record that cannot be read: {error}", data=_shown(raw))
        if not isinstance(record, dict):
            return Reject("a record that is no object", data=_shown(raw))
        source_id = self._id(record, keys) if keys else _digest(record)
        if source_id is None:
            return Reject(f"a record without its key ({', '.join(keys)})", data=raw)
        if self.deletes and record.get(DELETED) is not None:
            return Tombstone(source_id)
        return Record(source_id, raw)

    def _id(self, record: dict[str, Any], keys: list[str]) -> str | None:
        """The text of one key, the JSON of several. None if one is missing or is nothing that names."""
        values = [record.get(key) for key in keys]
        if any(not isinstance(value, str | int | float | Decimal) or value == "" for value in values):
            return None
        if len(values) > 1:
            return _encode(values).decode()
        self._kinds.add(str if isinstance(values[0], str) else int)
        if len(self._kinds) > 1:
            raise self._wrong("writes some ids as texts and some as numbers: which are right?")
        return values[0] if isinstance(values[0], str) else _encode(values[0]).decode()

    def _state(self, value: JSON) -> None:
        """A state holds for the records before it; one before the first record is where we came from, or a lie."""
        self.state = value
        place = self._place()
        if self._read and _size(place) <= LARGEST_PLACE:
            self._mark, self._marked = place, len(self._items)

    def _activate(self, version: int) -> None:
        """In a delta round, a version that is not the one read so far means: all else is deleted."""
        if self.scan is DELTA and version != self.version:
            raise CursorExpired(f"{self.tap} reads the stream anew (version {version})")
        self.version = version

    def _place(self) -> JSON:
        return {"state": self.state, "version": self.version}

    def _is_full(self) -> bool:
        return len(self._items) >= PAGE_ITEMS or self._bytes >= PAGE_BYTES

    def _is_late(self) -> bool:
        return self._mark is not None and self.now() - self._paged >= PAGE_SECONDS

    def _page(self) -> Page:
        """A state may be older than the page's last items: a round that is cut then reads those again, which is harmless."""
        page = Page(self._items, resume=self._mark)
        self._items, self._bytes, self._mark, self._marked, self._paged = [], 0, None, 0, self.now()
        return page

    def _wrong(self, what: str) -> ProtocolError:
        return ProtocolError(f"{self.tap} {what}", code=errors.WRONG_OUTPUT)


def _digest(record: dict[str, Any]) -> str:
    """An id for a record without a key: what it says, less what a tap adds about the time of reading."""
    said = {name: value for name, value in record.items() if not name.startswith("_sdc_")}
    return hashlib.sha256(_encode(said)).hexdigest()


def _number(text: str) -> float | Decimal:
    """A float where one says the same, else a Decimal: what differs in the last digit only has another id."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is out of range")
    try:
        return value if len(text) <= SHORT or Decimal(text) == Decimal(repr(value)) else Decimal(text)
    except ArithmeticError:  # its exponent has twenty digits: nothing but zero
        return value


_decode = msgspec.json.Decoder(float_hook=_number).decode
_encode = msgspec.json.Encoder(order="deterministic", decimal_format="number").encode


def _size(place: JSON) -> int:
    return len(msgspec.json.encode(place))


def _shown(line: bytes) -> str:
    return line[:200].decode("utf-8", "replace")
