"""What can be wrong with the store itself.

StoreUnusable    the state directory or the database cannot be read or written
├── NewerSchema  the database was written by a newer syncd
├── KeysMissing  what it holds is encrypted, and none of the keys given opens it
├── Damaged      an encrypted value was changed, moved or cut since it was written
└── StoreFailed  a statement failed: disk full, database locked for too long, file damaged
BadKey           an encryption key that is not one
FeedTooOld       the change feed no longer reaches back that far
"""

from syncd.sdk import SyncdError

__all__ = ["BadKey", "Damaged", "FeedTooOld", "KeysMissing", "NewerSchema", "StoreFailed", "StoreUnusable"]


class StoreUnusable(SyncdError):
    """The state directory, or the database in it, cannot be used. The message says why."""

    default_code = "SYN-STATE-002"


class NewerSchema(StoreUnusable):
    """The database's schema is not one that this version knows. Nothing was changed."""


class KeysMissing(StoreUnusable):
    """What the database holds is encrypted under keys that were not given. Nothing was changed."""

    default_code = "SYN-KEY-001"


class Damaged(StoreUnusable):
    """An encrypted value or file is not what was written there."""

    default_code = "SYN-KEY-003"


class BadKey(SyncdError):
    """An encryption key that is not 32 bytes in base64 or hexadecimal digits. The message never shows it."""

    default_code = "SYN-KEY-002"


class StoreFailed(StoreUnusable):
    """The database refused a statement; nothing of its transaction was written."""


class BackupUnderWay(StoreFailed):
    """What is asked for must wait for the end of a backup."""

    default_code = "SYN-RUN-003"


class FeedTooOld(SyncdError):
    """Tombstones after `since` are no longer kept: the reader must read everything again. `floor`: the oldest good SEQ."""

    default_code = "SYN-FEED-001"

    def __init__(self, since: int, floor: int) -> None:
        super().__init__(f"deletions after seq {since} are no longer kept: read everything again (oldest: {floor})")
        self.since = since
        self.floor = floor
