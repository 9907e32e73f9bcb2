"""The form in which the store keeps what it is told: in clear, or sealed under a data key.

Public: Cipher (the door), Clear, CLEAR, the columns (DATA, SUMMARY, …), of_record, of_row, is_sealed, number_of.

Whoever reads or writes one of these columns goes through the transaction's `cipher`. A sealed value says under which
data key it is, so that values in clear and under several keys may lie side by side while a rotation goes on. It is
bound to its *place*: moved to another row or column it does not open. See docs/decisions/0005-encryption.md.
"""

import binascii
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Protocol, TypeVar

from .errors import KeysMissing

__all__ = [
    "BLOB",
    "BOOKMARK",
    "CHECKSUM",
    "CLEAR",
    "CONTENT",
    "CREDENTIAL",
    "CURSOR",
    "DATA",
    "DESCRIPTOR",
    "HASH",
    "MIME",
    "NAME",
    "REST",
    "RESUME",
    "SUMMARY",
    "TAG",
    "TITLE",
    "WANTED",
    "WHY",
    "Cipher",
    "Clear",
    "FileSealer",
    "is_sealed",
    "number_of",
    "of_record",
    "of_row",
]

B = TypeVar("B", bytes, bytes | None)
S = TypeVar("S", str, str | None)

DATA, SUMMARY, DESCRIPTOR, NAME, TAG, MIME = b"data", b"summary", b"descriptor", b"name", b"tag", b"mime"  # of a record
WANTED, REST, WHY = b"wanted", b"rest", b"why"  # of items without content, or that could not be read
TITLE, CURSOR, RESUME, BOOKMARK = b"title", b"cursor", b"resume", b"bookmark"  # of partitions and connections
CREDENTIAL = b"credential"  # of a sign-in
CONTENT, CHECKSUM = b"content", b"checksum"  # of contents; their aliases' kinds are BLOB and HASH
BLOB, HASH = "blob", "hash"

MARKS = (b"\x01", b"\x02")  # a sealed value begins with one; JSON and text never do
TEXT_MARK = "\x01"


def of_record(stream: int, scope: int, source_id: str) -> bytes:
    """The place of a record's columns: its identity, which neither a new name of its connection nor a hand-over changes."""
    return f"\0{stream}\0{scope}\0{source_id}".encode()


def of_row(table: str, key: int | str, more: str = "") -> bytes:
    """The place of another table's row."""
    return f"\0{table}\0{key}\0{more}".encode()


class FileSealer(Protocol):
    """Content on its way into a sealed file: what `head` and `feed` give is written in turn, `finish` closes it."""

    def alias(self, kind: str, value: str) -> str:
        """As `Cipher.alias`, under the data key that seals this file."""

    def head(self) -> bytes:
        """Stands for the beginning until `finish` knows it."""

    def feed(self, chunk: bytes) -> bytes: ...

    def finish(self, sha256: str, size: int) -> tuple[bytes, bytes]:
        """The end of the file, and its beginning, which takes the place of `head`."""


class Cipher(Protocol):
    """`seal` and `open` undo each other at the same column and place; None stays None.

    `open` raises Damaged for what was changed or moved. An *alias* stands for a value that rows are found by and that
    must not be guessed: the SHA-256 of a content, a provider's checksum.
    """

    sealing: bool

    def seal(self, raw: B, column: bytes, place: bytes) -> B: ...

    def open(self, kept: B, column: bytes, place: bytes) -> B: ...

    def seal_text(self, text: S, column: bytes, place: bytes) -> S: ...

    def open_text(self, kept: S, column: bytes, place: bytes) -> S: ...

    def digest(self, raw: bytes) -> bytes:
        """Of a payload: equal for equal bytes, and of no use to who guesses them without the key."""

    def alias(self, kind: str, value: str) -> str:
        """The alias that new rows get."""

    def aliases(self, kind: str, value: str) -> Sequence[str]:
        """All that rows may have, the newest first: older keys', and the value itself in clear."""

    def file_sealer(self) -> FileSealer | None:
        """For a new file; None if it lies in clear."""

    def read_file(self, path: Path, alias: str, value: str, chunk: int) -> Iterator[bytes]:
        """A content's file in chunks. Raises Damaged before the first of them if it is cut or another content's."""


class Clear:
    """Everything as it came."""

    sealing = False

    def seal(self, raw: B, column: bytes, place: bytes) -> B:
        if raw is not None and raw[:1] in MARKS:  # only an unreadable item can: nothing in clear may look sealed
            return b"\xef\xbf\xbd" + raw[1:]
        return raw

    def open(self, kept: B, column: bytes, place: bytes) -> B:
        if kept is not None and kept[:1] in MARKS:
            raise KeysMissing("a value is encrypted, and this process was started without encryption keys")
        return kept

    def seal_text(self, text: S, column: bytes, place: bytes) -> S:
        if text is not None and text[:1] == TEXT_MARK:
            return "\ufffd" + text[1:]
        return text

    def open_text(self, kept: S, column: bytes, place: bytes) -> S:
        if kept is not None and kept[:1] == TEXT_MARK:
            raise KeysMissing("a value is encrypted, and this process was started without encryption keys")
        return kept

    def digest(self, raw: bytes) -> bytes:
        return sha256(raw).digest()

    def alias(self, kind: str, value: str) -> str:
        return value

    def aliases(self, kind: str, value: str) -> Sequence[str]:
        return (value,)

    def file_sealer(self) -> FileSealer | None:
        return None

    def read_file(self, path: Path, alias: str, value: str, chunk: int) -> Iterator[bytes]:
        with path.open("rb") as file:
            while part := file.read(chunk):
                yield part


CLEAR = Clear()


def number_of(head: bytes | str) -> int:
    """Under which data key a value is, by its beginning: three bytes, five characters of a text. 0: in clear."""
    if isinstance(head, str):
        if head[:1] != TEXT_MARK:
            return 0
        head = binascii.a2b_base64(head[1:5])
    return int.from_bytes(head[1:3], "big") if head[:1] in MARKS else 0


def is_sealed(alias: str) -> bool:
    """Whether a row under this alias, and what belongs to it, is sealed: a value itself has no dot in it."""
    return "." in alias
