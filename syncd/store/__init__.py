"""The store: all that syncd knows, in one database and one folder of contents. The only place with SQL.

    store = open_store(state_dir, clock)

Public: open_store, vaults (what sign-ins must remember), SqlStore (implements `syncd.engine.ports.Store`; read side and upkeep beside it), SyncState,
StreamNumbers, Wanted and Listing (a look around), NoticeRow, NoticePlan and MessageRow (notices to operators), and the errors StoreUnusable, NewerSchema, StoreFailed, FeedTooOld.

How data is kept stands in docs/store-format.md; the rules of the page transaction in
docs/decisions/0002-page-transaction.md.
"""

from .browse import Listing, Wanted
from .errors import FeedTooOld, NewerSchema, StoreFailed, StoreUnusable
from .notices import MessageRow, NoticePlan, NoticeRow
from .queries import StreamNumbers
from .states import SyncState
from .store import SqlStore, open_store
from .vault import vaults

__all__ = [
    "FeedTooOld",
    "Listing",
    "MessageRow",
    "NewerSchema",
    "NoticePlan",
    "NoticeRow",
    "SqlStore",
    "StoreFailed",
    "StoreUnusable",
    "StreamNumbers",
    "SyncState",
    "Wanted",
    "open_store",
    "vaults",
]
