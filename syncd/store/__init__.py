"""The store: all that syncd knows, in one database and one folder of contents. The only place with SQL.

    store = open_store(state_dir, clock)

Public: open_store, vaults (what sign-ins must remember), SqlStore (implements `syncd.engine.ports.Store`; read side and upkeep beside it), SyncState,
StreamNumbers, Measures (with StreamMeasure and RunMeasure), Wanted and Listing (a look around), NoticeRow, NoticePlan and MessageRow (notices to operators), and the errors StoreUnusable, NewerSchema, StoreFailed, KeysMissing, BadKey, Damaged, FeedTooOld; parse_key and generate, for encryption keys.

How data is kept stands in docs/store-format.md; the rules of the page transaction in
docs/decisions/0002-page-transaction.md.
"""

from .backup import Made, Progress, make_backup
from .browse import Listing, Wanted
from .errors import BackupUnderWay, BadKey, Damaged, FeedTooOld, KeysMissing, NewerSchema, StoreFailed, StoreUnusable
from .keys import generate, parse_key
from .measures import Measures, RunMeasure, StreamMeasure
from .notices import MessageRow, NoticePlan, NoticeRow
from .purge import Target as PurgeTarget
from .purge import Unknown as UnknownToPurge
from .queries import StreamNumbers
from .restore import read_manifest, restore_backup
from .rotate import Rotation
from .states import SyncState
from .store import SqlStore, open_store
from .vault import vaults

__all__ = [
    "BackupUnderWay",
    "BadKey",
    "Damaged",
    "FeedTooOld",
    "KeysMissing",
    "Listing",
    "Made",
    "Measures",
    "MessageRow",
    "NewerSchema",
    "NoticePlan",
    "NoticeRow",
    "Progress",
    "PurgeTarget",
    "Rotation",
    "RunMeasure",
    "SqlStore",
    "StoreFailed",
    "StoreUnusable",
    "StreamMeasure",
    "StreamNumbers",
    "SyncState",
    "UnknownToPurge",
    "Wanted",
    "generate",
    "make_backup",
    "open_store",
    "parse_key",
    "read_manifest",
    "restore_backup",
    "vaults",
]
