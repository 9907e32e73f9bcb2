"""From bytes to checked values, at the speed of slices and with the patience of a hostile wire.

Public: decode, text_of, next_token, sound, Sliced, lift, item_id, Chain, rfc3339, instant.

A page is sliced: the few key fields by a msgspec Struct, the item itself as the bytes that came. msgspec skips what it
does not need without looking at it, so the page is parsed once by orjson to see that it is sound. One with broken UTF-8,
lone surrogates, endless numbers or absurd nesting goes through `lift`, which finds the items' borders without recursion,
and each item is then judged alone.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo

import msgspec
import orjson

from syncd.sdk import ProtocolError, Reject

__all__ = [
    "LONGEST_LIST",
    "Chain",
    "Sliced",
    "decode",
    "instant",
    "item_id",
    "lift",
    "next_token",
    "rfc3339",
    "sound",
    "text_of",
]

T = TypeVar("T")
E = TypeVar("E")
TOKENS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},]', re.DOTALL)
LONGEST_ID = 2048  # characters
LONGEST_LIST = 2_000  # pages of a list that is read to its end at once: users, calendars, shared drives

SHAPES = bytes.maketrans(b"123456789E", b"000000000e")  # numbers by their shape
ENDLESS = b"0" * 300


class Chain:
    """Guards a chain of pages: a token that was there before would never end (examples §2).

    `most` tokens at the most, where nobody else looks at the pages as they come.
    """

    def __init__(self, what: str, most: int | None = None) -> None:
        self._what = what
        self._most = most
        self._seen: set[int] = set()

    def follow(self, token: str) -> str:
        """The token, if it is new. ProtocolError otherwise, and for an empty one."""
        if not token:
            raise ProtocolError(f"{self._what}: Google gives an empty page token")
        mark = hash(token)
        if mark in self._seen:
            raise ProtocolError(f"{self._what}: Google repeats a page token; the pages would never end")
        self._seen.add(mark)
        if self._most is not None and len(self._seen) > self._most:
            raise ProtocolError(f"{self._what}: more than {self._most} pages; they would never end")
        return token


def decode(body: bytes, what: str) -> dict[str, Any]:
    """A JSON object. ProtocolError for anything else."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ProtocolError(f"{what}: the answer is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise ProtocolError(f"{what}: the answer is a JSON {type(value).__name__}, not an object")
    return value


def next_token(page: dict[str, Any], what: str) -> str | None:
    """A page's `nextPageToken`; None on the last page. ProtocolError if it is no text."""
    return text_of(page, "nextPageToken", what) if page.get("nextPageToken") is not None else None


def text_of(value: dict[str, Any], key: str, what: str) -> str:
    """A field that must be a non-empty string. ProtocolError otherwise."""
    found = value.get(key)
    if not isinstance(found, str) or not found:
        raise ProtocolError(f"{what}: the answer has no {key}")
    return found


class Sliced(Generic[E, T]):
    """How one kind of page is read: `envelope` (a Struct whose `key` is list[msgspec.Raw]) and `item` (a Struct)."""

    def __init__(self, envelope: type[E], key: str, item: type[T], id_key: str) -> None:
        self._envelope = msgspec.json.Decoder(envelope)
        self._item = msgspec.json.Decoder(item)
        self._key = key
        self._id_key = id_key

    def read(self, body: bytes, what: str) -> tuple[E, Iterator[tuple[T, bytes] | Reject]]:
        """The page's head, and its items: typed and raw, or a Reject for one that cannot be read."""
        if tame(body) or sound(body):
            try:
                head = self._envelope.decode(body)
                return head, self._fast(getattr(head, self._key))
            except RecursionError:
                pass
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                if sound(body):
                    raise ProtocolError(f"{what}: the answer is not what it should be ({error})") from error
        return self._slow(body, what)

    def _fast(self, raws: list[msgspec.Raw]) -> Iterator[tuple[T, bytes] | Reject]:
        read = self._item.decode
        for raw in raws:
            data = bytes(raw)
            try:
                yield read(data), data
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                yield Reject(f"unreadable item: {error}", item_id(data, self._id_key), data)

    def _slow(self, body: bytes, what: str) -> tuple[E, Iterator[tuple[T, bytes] | Reject]]:
        rest, items = lift(body, self._key)
        if not sound(rest):
            raise ProtocolError(f"{what}: the answer is not sound JSON")
        try:
            head = self._envelope.decode(rest)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise ProtocolError(f"{what}: the answer is not what it should be ({error})") from error
        return head, (self._judge(data) for data in items)

    def _judge(self, data: bytes) -> tuple[T, bytes] | Reject:
        if not sound(data):
            return Reject("unreadable item: it is not sound JSON", item_id(data, self._id_key), data)
        try:
            return self._item.decode(data), data
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return Reject(f"unreadable item: {error}", item_id(data, self._id_key), data)


def tame(body: bytes) -> bool:
    """Whether a page holds nothing that slicing would let through unseen: bad UTF-8 in a key, endless numbers.

    msgspec checks all else on its way. False only means that `sound` must look: a text may well contain such digits.
    """
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


def item_id(data: bytes, key: str) -> str | None:
    """The id of an unreadable item, if that at least can be read; a nested `key` is not taken for it."""
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
    """An RFC 3339 time with offset, aware, in UTC; None for anything else."""
    if not value:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def rfc3339(value: str | None, zone: str | None = None) -> str | None:
    """A time as RFC 3339 in UTC. A time without offset is taken in `zone`; what cannot be read is given back as it is."""
    if not value:
        return None
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=ZoneInfo(zone or "UTC"))
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError, KeyError, OSError):
        return value
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds").replace("+00:00", "Z")
