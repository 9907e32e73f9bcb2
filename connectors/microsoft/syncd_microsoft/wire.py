"""From bytes to checked values, at the speed of slices and with the patience of a hostile wire.

Public: decode, text_of, list_of, Links, Sliced, sound, item_id, Chain, instant, rfc3339, LONGEST_LIST.

A page is sliced: its links and the few key fields of each item by msgspec Structs, the item itself as the bytes that
came. msgspec skips what it does not need without looking at it, so a page with strange bytes or endless numbers is
parsed once more by orjson, and one that is not sound goes through `lift`, item by item.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import msgspec
import orjson

from syncd.sdk import ProtocolError, Reject

__all__ = [
    "LONGEST_LIST",
    "Chain",
    "Links",
    "Sliced",
    "decode",
    "instant",
    "item_id",
    "list_of",
    "rfc3339",
    "sound",
    "text_of",
]

T = TypeVar("T")
TOKENS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},]', re.DOTALL)
LONGEST_ID = 2048  # characters
LONGEST_LIST = 5_000  # pages of a list that is read to its end at once: users, folders, calendars

SHAPES = bytes.maketrans(b"123456789E", b"000000000e")  # numbers by their shape
ENDLESS = b"0" * 300


class Chain:
    """Guards a chain of pages: a link that was there before would never end."""

    def __init__(self, what: str, most: int | None = None) -> None:
        self._what = what
        self._most = most
        self._seen: set[int] = set()

    def follow(self, link: str) -> str:
        """The link, if it is new. ProtocolError otherwise."""
        mark = hash(link)
        if mark in self._seen:
            raise ProtocolError(f"{self._what}: Microsoft repeats a nextLink; the pages would never end")
        self._seen.add(mark)
        if self._most is not None and len(self._seen) > self._most:
            raise ProtocolError(f"{self._what}: more than {self._most} pages; they would never end")
        return link


def decode(body: bytes | bytearray, what: str) -> dict[str, Any]:
    """A JSON object. ProtocolError for anything else."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ProtocolError(f"{what}: the answer is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise ProtocolError(f"{what}: the answer is a JSON {type(value).__name__}, not an object")
    return value


def text_of(value: Any, key: str, what: str) -> str:
    """A field that must be a non-empty string. ProtocolError otherwise."""
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, str) or not found:
        raise ProtocolError(f"{what}: the answer has no {key}")
    return found


def list_of(page: dict[str, Any], what: str) -> list[dict[str, Any]]:
    """The objects in `value`. ProtocolError if it is missing or holds anything else."""
    found = page.get("value")
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ProtocolError(f"{what}: the answer has no list of objects in value")
    return found


class Links(msgspec.Struct):
    """A page's envelope: where to go on is in the body, never in headers (§1, §18.8)."""

    value: list[msgspec.Raw]
    next: str | None = msgspec.field(default=None, name="@odata.nextLink")
    delta: str | None = msgspec.field(default=None, name="@odata.deltaLink")

    def one(self, what: str) -> str:
        """The page's one link in a delta round (§3). ProtocolError if there are none or both, or an empty one."""
        if bool(self.next) == bool(self.delta):
            raise ProtocolError(f"{what}: a page has {'two links' if self.next else 'no link'} to go on from")
        return self.next or self.delta or ""


class Sliced(Generic[T]):
    """How one kind of page is read; `item` is the Struct of what is looked at in an item."""

    def __init__(self, item: type[T]) -> None:
        self._envelope = msgspec.json.Decoder(Links)
        self._item = msgspec.json.Decoder(item)

    def read(self, body: bytes, what: str) -> tuple[Links, Iterator[tuple[T, bytes] | Reject]]:
        """The page's links, and its items: typed and raw, or a Reject for one that cannot be read."""
        if _tame(body) or sound(body):
            try:
                head = self._envelope.decode(body)
                return head, self._fast(head.value)
            except RecursionError:
                pass
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                if sound(body):
                    raise ProtocolError(f"{what}: the answer is not what it should be ({error})") from error
        return self._slow(body, what)

    def one(self, data: bytes) -> tuple[T, bytes] | Reject:
        """A single item that came alone."""
        return self._judge(data)

    def _fast(self, raws: list[msgspec.Raw]) -> Iterator[tuple[T, bytes] | Reject]:
        read = self._item.decode
        for raw in raws:
            data = bytes(raw)
            try:
                yield read(data), data
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                yield Reject(f"unreadable item: {error}", item_id(data), data)

    def _slow(self, body: bytes, what: str) -> tuple[Links, Iterator[tuple[T, bytes] | Reject]]:
        rest, items = lift(body, "value")
        if not sound(rest):
            raise ProtocolError(f"{what}: the answer is not sound JSON")
        try:
            head = self._envelope.decode(rest)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise ProtocolError(f"{what}: the answer is not what it should be ({error})") from error
        return head, (self._judge(data) for data in items)

    def _judge(self, data: bytes) -> tuple[T, bytes] | Reject:
        if not sound(data):
            return Reject("unreadable item: it is not sound JSON", item_id(data), data)
        try:
            return self._item.decode(data), data
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return Reject(f"unreadable item: {error}", item_id(data), data)


def _tame(body: bytes) -> bool:
    """Whether a page holds nothing that slicing would let through unseen: bad UTF-8 in a key, endless numbers."""
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError:
            return False
    shapes = body.translate(SHAPES)
    return ENDLESS not in shapes and b"0e000" not in shapes and b"0e+000" not in shapes


def sound(body: bytes) -> bool:
    """Whether JSON may be sliced without looking into it: good UTF-8, whole escapes, sane depth, finite numbers.

    orjson reads a number without end as infinite and writes that as null: a null more than there was gives it away.
    """
    try:
        return orjson.dumps(orjson.loads(body)).count(b"null") == body.count(b"null")
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return False


def lift(body: bytes, key: str) -> tuple[bytes, list[bytes]]:
    """Cut the array `key` of the top-level object into its elements, without recursion.

    Gives the body with that array emptied, and the elements' bytes. A body without the array is given back as it is.
    """
    wanted = f'"{key}"'.encode()
    depth, start, begun = 0, -1, -1
    items: list[bytes] = []
    for token in TOKENS.finditer(body):
        mark = token.group()
        if mark in (b"{", b"["):
            depth += 1
            if begun == -2 and depth == 2 and mark == b"[":
                begun = start = token.end()
        elif mark in (b"}", b"]"):
            depth -= 1
            if begun >= 0 and depth == 1:
                items.append(body[start : token.start()].strip())
                return body[:begun] + body[token.start() :], [item for item in items if item]
        elif mark == b",":
            if begun >= 0 and depth == 2:
                items.append(body[start : token.start()].strip())
                start = token.end()
            elif begun == -2 and depth == 1:
                begun = -1
        elif depth == 1 and begun == -1 and mark == wanted:
            begun = -2
    return body, []


def item_id(data: bytes, key: str = "id") -> str | None:
    """The id of an unreadable item, if that at least can be read; a nested `id` is not taken for it."""
    depth, found = 0, False
    for token in TOKENS.finditer(data):
        mark = token.group()
        if mark in (b"{", b"["):
            depth += 1
        elif mark in (b"}", b"]"):
            depth -= 1
        elif depth == 1 and found and mark != b",":
            return _plain(mark)
        elif depth == 1:
            found = mark == f'"{key}"'.encode() and data[token.end() :].lstrip()[:1] == b":"
    return None


def _plain(literal: bytes) -> str | None:
    try:
        value = orjson.loads(literal)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST_ID else None


def instant(value: str | None) -> datetime | None:
    """An RFC 3339 time with offset, aware, in UTC; None for anything else. Seven digits of a second are fine."""
    if not value:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def rfc3339(value: str | None) -> str | None:
    """A time with offset as RFC 3339 in UTC; what cannot be read is given back as it is."""
    moment = instant(value)
    if moment is None:
        return value or None
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds").replace("+00:00", "Z")
