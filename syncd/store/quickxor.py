"""Microsoft's QuickXorHash: the only checksum that OneDrive for Business and SharePoint give.

Public: QuickXor (with `update` and `digest` like hashlib's).

Byte i of the content is XORed into a state of 160 bits at bit (11 * i) mod 160. Bytes that lie 160 apart meet the same
place, so whole blocks of 160 bytes are XORed together first, as large integers; only one block is then spread out.
Source: github.com/OneDrive/onedrive-api-docs, quickxorhash.md.
"""

__all__ = ["QuickXor"]

BITS = 160
BLOCK = 160  # bytes after which the places repeat: 11 and 160 have no common divisor
SHIFT = 11
MASK = (1 << BITS) - 1
LENGTH_BYTES = 8


class QuickXor:
    """Feed it with `update`; `digest` gives 20 bytes."""

    def __init__(self) -> None:
        self._block = 0  # the XOR of all blocks so far, little-endian
        self._rest = b""
        self._size = 0

    def update(self, chunk: bytes) -> None:
        self._size += len(chunk)
        data = self._rest + chunk
        whole = len(data) - len(data) % BLOCK
        if whole:
            self._block ^= _folded(memoryview(data)[:whole])
        self._rest = data[whole:]

    def digest(self) -> bytes:
        block = self._block ^ int.from_bytes(self._rest, "little")
        state = 0
        for place, byte in enumerate(block.to_bytes(BLOCK, "little")):
            shifted = byte << (place * SHIFT) % BITS
            state ^= (shifted & MASK) | (shifted >> BITS)
        state ^= self._size << (BITS - 8 * LENGTH_BYTES)
        return (state & MASK).to_bytes(BITS // 8, "little")


def _folded(data: memoryview) -> int:
    """The XOR of all blocks: the two halves are XORed until one block is left, so the work is a few large steps."""
    blocks = len(data) // BLOCK
    value = int.from_bytes(data, "little")
    while blocks > 1:
        upper = blocks // 2
        kept = blocks - upper
        bits = 8 * BLOCK * kept
        value = (value & ((1 << bits) - 1)) ^ (value >> bits)
        blocks = kept
    return value
