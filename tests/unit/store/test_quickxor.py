"""QuickXorHash against published vectors, and against the definition byte by byte."""

import base64
import random

import pytest

from syncd.store.quickxor import QuickXor

VECTORS = {
    "": "AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "4a": "SgAAAAAAAAAAAAAAAQAAAAAAAAA=",
    "b5b4": "taAFAAAAAAAAAAAAAgAAAAAAAAA=",
    "d2964f": "0rDEEwAAAAAAAAAAAwAAAAAAAAA=",
    "bcf8280e339f3ba7e6ef54712f": "vMAHChwwg0/s4BTmdQcV4vACAAA=",
}


@pytest.mark.parametrize("given", VECTORS)
def test_published_vectors(given: str) -> None:
    hasher = QuickXor()
    hasher.update(bytes.fromhex(given))
    assert base64.b64encode(hasher.digest()).decode() == VECTORS[given]


def _by_definition(content: bytes) -> bytes:
    state = 0
    for place, byte in enumerate(content):
        for bit in range(8):
            if byte >> bit & 1:
                state ^= 1 << (place * 11 + bit) % 160
    return (state ^ len(content) << 96).to_bytes(20, "little")


@pytest.mark.parametrize("size", [1, 159, 160, 161, 319, 320, 1000, 4801])
def test_pieces_of_any_size_give_what_the_definition_gives(size: int) -> None:
    rng = random.Random(size)
    content = rng.randbytes(size)
    hasher, rest = QuickXor(), content
    while rest:
        step = rng.randrange(1, 400)
        hasher.update(rest[:step])
        rest = rest[step:]
    assert hasher.digest() == _by_definition(content)
