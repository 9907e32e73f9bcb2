"""Paths into an item's JSON, as `StreamInfo.volatile` writes them.

Public: steps_of.
"""

import re
from functools import lru_cache

__all__ = ["steps_of"]

STEP = re.compile(r"((?:[^.\\]|\\[.\\]|\\(?![.\\]))*)(\.|\Z)")
ESCAPED = re.compile(r"\\([.\\])")


@lru_cache(maxsize=1024)
def steps_of(path: str) -> tuple[str, ...]:
    r"""The keys on the way: `a.b` is two. A dot within a key is written `\.`, as in `@odata\.etag`, a backslash `\\`."""
    steps, place = [], 0
    while True:
        match = STEP.match(path, place)
        assert match is not None  # it may be empty, and ends at a dot or at the end
        steps.append(ESCAPED.sub(r"\1", match[1]))
        if not match[2]:
            return tuple(steps)
        place = match.end()
