"""quickXorHash, the content hash of OneDrive and SharePoint (microsoft.md §7).

Public: quick_xor_hash.
"""

import base64

WIDTH = 160  # bits of state
SHIFT = 11  # bit offset from one byte to the next
SIZE = WIDTH // 8


def quick_xor_hash(content: bytes) -> str:
    """Base64 of the 20 bytes: byte i is XORed in at bit (11 * i) mod 160, the length into the last 8 bytes.

    Offsets repeat every 160 bytes, so bytes that far apart are first XORed together: one big XOR for each round.
    """
    folded = 0
    for start in range(0, len(content), WIDTH):
        folded ^= int.from_bytes(content[start : start + WIDTH], "little")
    state = 0
    for index, byte in enumerate(folded.to_bytes(WIDTH, "little")):
        state ^= byte << (index * SHIFT % WIDTH)
    state = (state & ((1 << WIDTH) - 1)) ^ (state >> WIDTH)  # what ran over the end starts again at bit 0
    state ^= len(content) << (WIDTH - 64)
    return base64.b64encode(state.to_bytes(SIZE, "little")).decode()
