"""History past its time, contents that nothing refers to, and the space that they took.

Public: retain.

Every step is a small transaction that looks for what is still there: one that is cut goes on at the next time, and syncs
come in between.
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from . import upkeep
from .contents import Blobs
from .database import Tx
from .strays import Hands, remove_strays

__all__ = ["retain"]


async def retain(
    hands: Hands,
    blobs: Blobs,
    now: datetime,
    *,
    runs_for: timedelta,
    tombstones_for: timedelta,
    versions_for: timedelta,
) -> dict[str, int]:
    """Remove it all. How much of each was removed, where anything was."""
    gone: Counter[str] = Counter()
    await _find_unused(hands)
    for what, job in (
        ("tombstones", partial(upkeep.drop_tombstones, before=now - tombstones_for)),
        ("versions", partial(upkeep.drop_versions, before=now - versions_for)),
        ("runs", partial(upkeep.drop_runs, before=now - runs_for)),
        ("contents", partial(upkeep.doomed_blobs, blobs=blobs)),
    ):
        gone[what] += await _all(hands, job)
    async for count in remove_strays(hands, blobs):
        gone["files without a record"] += count
    gone["pages given back"] += await _all(hands, upkeep.return_pages)
    return {what: count for what, count in gone.items() if count}


async def _all(hands: Hands, job: Callable[[Tx], int]) -> int:
    total = 0
    while count := await hands._write(job):
        total += count
    return total


async def _find_unused(hands: Hands) -> None:
    """Doom contents whose record never came. They are looked for by a reader: nobody waits for that."""
    after: Any = ""
    while True:
        found, after = await hands._read(partial(upkeep.unused_blobs, after=after))
        if found:
            await hands._write(partial(upkeep.doom, names=found))
        if not after:
            return
