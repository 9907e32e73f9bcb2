"""Large pages, read at the speed of slices and with the patience of a hostile wire.

Public: Sliced.

A page is sliced: the few key fields by a msgspec Struct, the item itself as the bytes that came. A page with broken UTF-8,
endless numbers or absurd nesting is cut at its items' borders without recursion, and each item is then judged alone.
"""

import re
from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec
import orjson

from syncd.sdk import ProtocolError, Reject, Transient

from .wire import LONGEST_ID, ident

__all__ = ["Sliced"]

T = TypeVar("T")
E = TypeVar("E")
TOKENS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},]', re.DOTALL)
SHAPES = bytes.maketrans(b"123456789E", b"000000000e")  # numbers by their shape
ENDLESS = b"0" * 300


class Sliced(Generic[E, T]):
    """How one kind of page is read: `envelope` (a Struct whose `key` is list[msgspec.Raw]) and `item` (a Struct)."""

    def __init__(self, envelope: type[E], key: str, item: type[T], id_key: str) -> None:
        self._envelope = msgspec.json.Decoder(envelope)
        self._item = msgspec.json.Decoder(item)
        self._key = key
        self._id_key = id_key

    def read(self, body: bytes, what: str) -> tuple[E, Iterator[tuple[T, bytes] | Reject]]:
        """The page's head, and its items: typed and raw, or a Reject for one that cannot be read."""
        if body.lstrip()[:1] == b"<":
            raise Transient(f"{what}: Zoho answered with an HTML page")
        if _tame(body) or _sound(body):
            try:
                head = self._envelope.decode(body)
                return head, self._fast(getattr(head, self._key))
            except RecursionError:
                pass
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                if _sound(body):
                    raise ProtocolError(f"{what}: the answer is not what it should be ({error})") from error
        return self._slow(body, what)

    def _fast(self, raws: list[msgspec.Raw]) -> Iterator[tuple[T, bytes] | Reject]:
        read = self._item.decode
        for raw in raws:
            data = bytes(raw)
            try:
                yield read(data), data
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                yield Reject(f"unreadable item: {error}", _item_id(data, self._id_key), data)

    def _slow(self, body: bytes, what: str) -> tuple[E, Iterator[tuple[T, bytes] | Reject]]:
        rest, items = _lift(body, self._key)
        if not _sound(rest):
            raise ProtocolError(f"{what}: the answer is not sound JSON")
        try:
            head = self._envelope.decode(rest)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise ProtocolError(f"{what}: the answer is not what it should be ({error})") from error
        return head, (self._judge(data) for data in items)

    def _judge(self, data: bytes) -> tuple[T, bytes] | Reject:
        if not _sound(data):
            return Reject("unreadable item: it is not sound JSON", _item_id(data, self._id_key), data)
        try:
            return self._item.decode(data), data
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return Reject(f"unreadable item: {error}", _item_id(data, self._id_key), data)


def _tame(body: bytes) -> bool:
    """Whether a page holds nothing that slicing would let through unseen: bad UTF-8 in a key, endless numbers.

    msgspec checks all else on its way. False only means that `_sound` must look: a text may well contain such digits.
    """
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError:
            return False
    shapes = body.translate(SHAPES, b"+")
    return ENDLESS not in shapes and b"0e000" not in shapes


def _sound(body: bytes) -> bool:
    """Whether JSON may be sliced without looking into it: good UTF-8, whole escapes, sane depth, finite numbers.

    orjson reads a number without end as infinite and writes that as null: a null more than there was gives it away.
    """
    try:
        return orjson.dumps(orjson.loads(body)).count(b"null") == body.count(b"null")
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return False


def _lift(body: bytes, key: str) -> tuple[bytes, list[bytes]]:
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


def _item_id(data: bytes, key: str) -> str | None:
    """The id of an unreadable item, if that at least can be read; a nested `key` is not taken for it."""
    try:
        value = orjson.loads(data)
        return ident(value.get(key)) if isinstance(value, dict) else None
    except orjson.JSONDecodeError:
        return _found_id(data, key)


def _found_id(data: bytes, key: str) -> str | None:
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
