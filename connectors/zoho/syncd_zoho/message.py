"""One mail: from a row of Zoho Mail's listing to a record (§4.4).

Public: record_of, received_of, MIME.

Nearly everything in a row is text: `hasAttachment: "0"`, `receivedTime: "1709887053409"`. Addresses are HTML-escaped, and
"Not Provided" stands for none; a subject is neither.
"""

import html
from collections.abc import Mapping
from email.utils import getaddresses
from functools import lru_cache
from typing import Any
from zlib import crc32

from syncd.sdk import Blob, Record, Reject

from .wire import ident, millis, rfc3339, text

__all__ = ["MIME", "received_of", "record_of"]

MIME = "message/rfc822"
NONE = "not provided"
LONGEST = 65_536  # characters of an address line that are looked at


def record_of(row: Mapping[str, Any], mailbox: str, *, content: bool) -> Record | Reject:
    """A listed message. `mailbox`: its `accountId`, needed to fetch the content."""
    found = row.get("messageId")
    source_id = (
        ident(found) if isinstance(found, str) else None
    )  # as a number, it may have lost digits on its way (§4.6)
    if source_id is None:
        return Reject("a listed message has no id that can be trusted", None, dict(row))
    if "folderId" in row and ident(row["folderId"]) is None:
        return Reject("a listed message whose folder cannot be read", source_id, dict(row))
    if received_of(row) is None:
        return Reject("a listed message has no time of receipt", source_id, dict(row))
    return Record(
        source_id,
        dict(row),
        summary=_summary(row),
        modified_at=millis(row.get("receivedTime")),
        blob=_blob(row, source_id, mailbox) if content else None,
    )


def received_of(row: Mapping[str, Any]) -> int | None:
    """`receivedTime` in ms as a number: as texts, times of different lengths compare wrongly (trap 19)."""
    value = row.get("receivedTime")
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    digits = str(value).strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 18 else None


def _blob(row: Mapping[str, Any], source_id: str, mailbox: str) -> Blob:
    """A message's bytes never change, but for a draft's: then its size, its subject or whom it is for does."""
    shown = f"{row.get('size')}\n{row.get('subject')}\n{row.get('toAddress')}"
    return Blob(
        {"id": source_id, "mailbox": mailbox},
        f"{source_id}-{crc32(shown.encode('utf-8', 'replace')):08x}",
        mime_type=MIME,
    )


def _summary(row: Mapping[str, Any]) -> dict[str, Any]:
    """The common fields. The listing has no Message-ID header; the content does."""
    sender = _addresses(_told(row.get("fromAddress")))
    return {
        "subject": text(row.get("subject")) or None,
        "from": ", ".join(sender) or _told(row.get("sender")) or None,
        "to": list(_addresses(_told(row.get("toAddress")))),
        "date": rfc3339(millis(row.get("sentDateInGMT")) or millis(row.get("receivedTime"))),
        "message_id": None,
    }


def _told(value: Any) -> str:
    """A field as text, unescaped (trap 20)."""
    found = html.unescape(text(value))
    return "" if found.lower() == NONE else found


@lru_cache(maxsize=2048)  # the same few people write and receive nearly all of a mailbox
def _addresses(value: str) -> tuple[str, ...]:
    pairs = getaddresses([value[:LONGEST]])
    return tuple(
        f"{name} <{address}>" if name and address else address or name for name, address in pairs if name or address
    )
