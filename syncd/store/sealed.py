"""Sealed values: AES-256-GCM under a data key, bound to their place.

Public: Sealed (a Cipher), DataKey, LARGEST_KEY.

A value is: a mark (1 as it is, 2 compressed), the data key's number in two bytes, a random nonce of twelve, the
ciphertext with its tag. Mark, number, column and place are authenticated with it. Texts are the same in base64 behind a
mark.
"""

import binascii
import hmac
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from backports import zstd
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .cipher import CLEAR, DATA, MARKS, TEXT_MARK, is_sealed
from .errors import Damaged
from .files import SealedFile, read_sealed

__all__ = ["LARGEST_KEY", "DataKey", "Sealed"]

B = TypeVar("B", bytes, bytes | None)
S = TypeVar("S", str, str | None)

PLAIN, PACKED = MARKS
HEAD = 3  # bytes: mark and number
NONCE = 12
LARGEST_KEY = 2**16 - 1
WORTH_PACKING = 2048  # bytes of a payload from which compressing pays: unpacking costs as much as parsing 4 KiB


_threads = threading.local()  # a compressor each: making one costs more than what it does


def _packed(raw: bytes) -> bytes:
    compressor = getattr(_threads, "compressor", None)
    if compressor is None:
        compressor = _threads.compressor = zstd.ZstdCompressor(level=1)
    packed: bytes = compressor.compress(raw, compressor.FLUSH_FRAME)
    return packed


class DataKey:
    """One data key, and what is derived from it for each use."""

    def __init__(self, number: int, secret: bytes) -> None:
        self.number = number
        self.plain = PLAIN + number.to_bytes(2, "big")
        self.packed = PACKED + number.to_bytes(2, "big")
        self.plain_text = TEXT_MARK + binascii.b2a_base64(self.plain, newline=False).decode()
        self.values = AESGCM(_derived(secret, "values"))
        self.digests = _derived(secret, "digests")
        self.names = _derived(secret, "names")
        self.files = _derived(secret, "files")

    def alias(self, kind: str, value: str) -> str:
        return f"{hmac.digest(self.names, f'{kind}:{value}'.encode(), 'sha256').hex()}.{self.number}"


def _derived(secret: bytes, use: str) -> bytes:
    return HKDF(SHA256(), 32, None, b"syncd 1 " + use.encode()).derive(secret)


class Sealed:
    """Seals under the newest data key, opens under all. `load` reads them anew when an unknown one is met."""

    sealing = True

    def __init__(self, load: Callable[[], Mapping[int, DataKey]]) -> None:
        self._load = load
        self.reload()

    def reload(self) -> None:
        keys = dict(self._load())
        self._keys = keys
        self.current = keys[max(keys)]

    def _key(self, number: int) -> DataKey:
        if number not in self._keys:
            self.reload()  # another process has made a new one
        if number not in self._keys:
            raise Damaged(f"a stored value names data key {number}, which there never was")
        return self._keys[number]

    def seal(self, raw: B, column: bytes, place: bytes) -> B:
        if raw is None:
            return raw
        key = self.current
        head, body = key.plain, raw
        if column == DATA and len(raw) >= WORTH_PACKING:
            head, body = key.packed, _packed(raw)
        nonce = os.urandom(NONCE)
        return head + nonce + key.values.encrypt(nonce, body, head + column + place)

    def open(self, kept: B, column: bytes, place: bytes) -> B:
        if kept is None or kept[:1] not in MARKS:
            return kept
        head = kept[:HEAD]
        key = self._key(int.from_bytes(head[1:], "big"))
        try:
            raw = key.values.decrypt(kept[HEAD : HEAD + NONCE], kept[HEAD + NONCE :], head + column + place)
        except (InvalidTag, ValueError) as error:
            raise damaged(column, place) from error
        return zstd.decompress(raw) if head[:1] == PACKED else raw

    def seal_text(self, text: S, column: bytes, place: bytes) -> S:
        if text is None:
            return text
        sealed = self.seal(text.encode(), column, place)
        return TEXT_MARK + binascii.b2a_base64(sealed, newline=False).decode()

    def open_text(self, kept: S, column: bytes, place: bytes) -> S:
        if kept is None or kept[:1] != TEXT_MARK:
            return kept
        try:
            sealed = binascii.a2b_base64(kept[1:])
        except binascii.Error as error:
            raise damaged(column, place) from error
        return self.open(sealed, column, place).decode()

    def digest(self, raw: bytes) -> bytes:
        return hmac.digest(self.current.digests, raw, "sha256")

    def alias(self, kind: str, value: str) -> str:
        return self.current.alias(kind, value)

    def aliases(self, kind: str, value: str) -> Sequence[str]:
        keys = self._keys
        return (*(keys[number].alias(kind, value) for number in sorted(keys, reverse=True)), value)

    def file_sealer(self) -> SealedFile:
        key = self.current
        return SealedFile(key.number, key.files, key.alias)

    def read_file(self, path: Path, alias: str, value: str, chunk: int) -> Iterator[bytes]:
        if not is_sealed(alias):
            return CLEAR.read_file(path, alias, value, chunk)
        return read_sealed(path, value, lambda number: self._key(number).files)


def damaged(column: bytes, place: bytes) -> Damaged:
    """Names the value by its place, for people."""
    _, *parts = place.decode("utf-8", "replace").split("\0")
    where = f"{parts[2]} in stream {parts[0]}" if parts[0].isdigit() else " ".join(part for part in parts if part)
    return Damaged(f"the stored {column.decode()} of {where} is damaged: it is not what syncd has written there")
