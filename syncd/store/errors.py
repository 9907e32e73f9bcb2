"""What can be wrong with the store itself.

StoreUnusable    the state directory or the database cannot be read or written
├── NewerSchema  the database was written by a newer syncd
└── StoreFailed  a statement failed: disk full, database locked for too long, file damaged
FeedTooOld       the change feed no longer reaches back that far
"""

from syncd.sdk import SyncdError

__all__ = ["FeedTooOld", "NewerSchema", "StoreFailed", "StoreUnusable"]


class StoreUnusable(SyncdError):
    """The state directory, or the database in it, cannot be used. The message says why."""

    default_code = "SYN-STATE-002"


class NewerSchema(StoreUnusable):
    """The database's schema is not one that this version knows. Nothing was changed."""


class StoreFailed(StoreUnusable):
    """The database refused a statement; nothing of its transaction was written."""


class FeedTooOld(SyncdError):
    """Tombstones after `since` are no longer kept: the reader must read everything again. `floor`: the oldest good SEQ."""

    default_code = "SYN-FEED-001"

    def __init__(self, since: int, floor: int) -> None:
        super().__init__(f"deletions after seq {since} are no longer kept: read everything again (oldest: {floor})")
        self.since = since
        self.floor = floor
