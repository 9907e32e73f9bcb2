"""Everything that a connector may import. Version 1 of the contract; see docs/connectors.md.

    from syncd.sdk import Connector, ConnectorInfo, Stream, StreamInfo, Page, Record

httpx comes from `syncd.sdk.http`.
"""

from .clock import Clock, SystemClock
from .connector import Connector, Pushable, Stream, Writable
from .context import Context
from .errors import (
    AccountGone,
    AuthFailed,
    ContentUnavailable,
    CursorExpired,
    Explanation,
    Forbidden,
    PartitionGone,
    ProtocolError,
    RateLimited,
    SyncdError,
    Transient,
    VersionConflict,
)
from .hooks import hookimpl
from .oauth import BearerAuth, Token, Vault
from .origins import origins_of
from .secrets import Secret, conceal, redact
from .throttle import retry_after_seconds, retryable
from .types import (
    ACCOUNT,
    DELTA,
    FULL,
    JSON,
    NEVER,
    PARTITION,
    REPORTED,
    SWEEP,
    Account,
    Blob,
    Bookmark,
    ConnectorInfo,
    Deletes,
    Departed,
    Identity,
    Item,
    Lane,
    Limits,
    Page,
    Partition,
    Record,
    Reject,
    Scan,
    StreamInfo,
    Tombstone,
)
from .units import parse_duration, parse_size

API_VERSION = 1

__all__ = [
    "ACCOUNT",
    "API_VERSION",
    "DELTA",
    "FULL",
    "JSON",
    "NEVER",
    "PARTITION",
    "REPORTED",
    "SWEEP",
    "Account",
    "AccountGone",
    "AuthFailed",
    "BearerAuth",
    "Blob",
    "Bookmark",
    "Clock",
    "Connector",
    "ConnectorInfo",
    "ContentUnavailable",
    "Context",
    "CursorExpired",
    "Deletes",
    "Departed",
    "Explanation",
    "Forbidden",
    "Identity",
    "Item",
    "Lane",
    "Limits",
    "Page",
    "Partition",
    "PartitionGone",
    "ProtocolError",
    "Pushable",
    "RateLimited",
    "Record",
    "Reject",
    "Scan",
    "Secret",
    "Stream",
    "StreamInfo",
    "SyncdError",
    "SystemClock",
    "Token",
    "Tombstone",
    "Transient",
    "Vault",
    "VersionConflict",
    "Writable",
    "conceal",
    "hookimpl",
    "origins_of",
    "parse_duration",
    "parse_size",
    "redact",
    "retry_after_seconds",
    "retryable",
]
