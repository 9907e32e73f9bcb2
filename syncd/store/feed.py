"""Where the change feed is not complete any more.

Public: raise_floor, break_feed.

Who asks for changes after a `seq` below a stream's floor is told to read everything again (FeedTooOld). To go on after
that, a reader needs a `seq` at or above the floor: so the newest record that is left is given again, as it is, with a number above it.
"""

from .database import Tx
from .records import DELETED

__all__ = ["break_feed", "raise_floor"]


def raise_floor(tx: Tx, stream: int, floor: int) -> None:
    """Something that the feed told, or should have told, up to `floor` is gone."""
    if not tx.run("UPDATE stream SET feed_floor = ? WHERE id = ? AND feed_floor < ?", (floor, stream, floor)):
        return
    newest = tx.row(
        f"SELECT id, seq FROM record WHERE stream_id = ? AND state < {DELETED} ORDER BY seq DESC LIMIT 1",  # noqa: S608
        (stream,),
    )
    if newest is not None and newest[1] < floor:
        tx.run("UPDATE record SET seq = ? WHERE id = ?", (tx.numbers("seq", 1), newest[0]))


def break_feed(tx: Tx, stream: int) -> None:
    """Records of the stream went without a tombstone: every position that was given out so far is too old."""
    raise_floor(tx, stream, tx.numbers("seq", 1))
