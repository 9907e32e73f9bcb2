"""Sealed files: content in frames that are sealed one by one, so that memory stays flat however large it is.

Public: SealedFile (writes), read_sealed.

    head     magic, data key's number (2 bytes), salt (16), sealed: SHA-256 and size of the content
    frames   64 KiB of content each, the last one shorter; a tag of 16 bytes behind each

Each file has a key of its own, derived from its salt; a frame's nonce is its place in the file and whether it is the
last. The head says which content it is, and how much of it: a file that was cut, or put in place of another, is refused
before its first byte is given.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .errors import Damaged

__all__ = ["FRAME", "SealedFile", "read_sealed"]

MAGIC = b"syncd\x01"
FRAME = 64 * 1024
TAG = 16
NUMBER, SALT, FACTS = 2, 16, 32 + 8 + TAG
START = len(MAGIC) + NUMBER + SALT
HEAD = START + FACTS
MORE, LAST, ABOUT = 0, 1, 2


class SealedFile:
    """Seals one file; see `FileSealer`."""

    def __init__(self, number: int, key: bytes, alias: Callable[[str, str], str]) -> None:
        self.alias = alias
        self._start = MAGIC + number.to_bytes(NUMBER, "big") + os.urandom(SALT)
        self._cipher = _cipher(key, self._start)
        self._rest = bytearray()
        self._frames = 0

    def head(self) -> bytes:
        return bytes(HEAD)

    def feed(self, chunk: bytes) -> bytes:
        """What of it fills whole frames. One frame's worth is kept back: the last one has a mark."""
        self._rest += chunk
        out = []
        done = 0
        while len(self._rest) - done > FRAME:
            out.append(self._frame(bytes(self._rest[done : done + FRAME]), MORE))
            done += FRAME
        del self._rest[:done]
        return b"".join(out)

    def finish(self, sha256: str, size: int) -> tuple[bytes, bytes]:
        facts = bytes.fromhex(sha256) + size.to_bytes(8, "big")
        return self._frame(bytes(self._rest), LAST), self._start + self._cipher.encrypt(
            _nonce(0, ABOUT), facts, self._start
        )

    def _frame(self, part: bytes, mark: int) -> bytes:
        self._frames += 1
        return self._cipher.encrypt(_nonce(self._frames, mark), part, None)


def read_sealed(path: Path, sha256: str, key_of: Callable[[int], bytes]) -> Iterator[bytes]:
    """The content of this SHA-256. Raises Damaged before the first byte, or at a frame that was changed."""
    with path.open("rb") as file:
        head = file.read(HEAD)
        try:
            if len(head) != HEAD or not head.startswith(MAGIC):
                raise ValueError("no head")
            cipher = _cipher(key_of(int.from_bytes(head[len(MAGIC) : len(MAGIC) + NUMBER], "big")), head[:START])
            facts = cipher.decrypt(_nonce(0, ABOUT), head[START:], head[:START])
            frames = max(1, -(-int.from_bytes(facts[32:], "big") // FRAME))
            whole = HEAD + int.from_bytes(facts[32:], "big") + frames * TAG
            if facts[:32].hex() != sha256 or os.fstat(file.fileno()).st_size != whole:
                raise ValueError("another file")
            for number in range(1, frames + 1):
                mark = LAST if number == frames else MORE
                yield cipher.decrypt(_nonce(number, mark), file.read(FRAME + TAG), None)
        except (InvalidTag, ValueError) as error:
            raise Damaged(f"the stored content {sha256} is damaged: it is not what syncd has written there") from error


def _cipher(key: bytes, start: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, start, b"syncd 1 file").derive(key))


def _nonce(frame: int, mark: int) -> bytes:
    return frame.to_bytes(11, "big") + bytes([mark])
