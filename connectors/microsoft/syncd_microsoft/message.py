"""One message of Graph as a record.

Public: Message, SELECT, FIELDS, MIME, record_of, record_alone, query.
"""

import hashlib
from typing import Any

import msgspec
import orjson

from syncd.sdk import Blob, Record

from .wire import instant, rfc3339

__all__ = ["FIELDS", "MIME", "SELECT", "Message", "query", "record_alone", "record_of"]

MIME = "message/rfc822"
# §8: a change in a property that is not selected may not be reported at all; isRead must be here. Bodies are in the MIME.
SELECT = (
    "subject,from,sender,toRecipients,ccRecipients,bccRecipients,replyTo,receivedDateTime,sentDateTime,createdDateTime,"
    "lastModifiedDateTime,internetMessageId,conversationId,parentFolderId,isRead,isDraft,flag,importance,categories,"
    "hasAttachments,bodyPreview,inferenceClassification,changeKey"
)
FIELDS = frozenset(SELECT.split(","))
Maybe = msgspec.UNSET


class Address(msgspec.Struct):
    name: str | None = None
    address: str | None = None


class Recipient(msgspec.Struct):
    emailAddress: Address | None = None  # noqa: N815 - the provider's spelling

    def __str__(self) -> str:
        one = self.emailAddress
        if one is None:
            return ""
        return f"{one.name} <{one.address}>" if one.name and one.address else one.address or one.name or ""


class Message(msgspec.Struct):
    """What is looked at in a message; all else stays bytes."""

    id: str
    removed: dict[str, Any] | None = msgspec.field(default=None, name="@removed")
    etag: str | None = msgspec.field(default=None, name="@odata.etag")
    subject: str | msgspec.UnsetType | None = Maybe
    sender: Recipient | msgspec.UnsetType | None = msgspec.field(default=Maybe, name="from")
    toRecipients: list[Recipient] | msgspec.UnsetType | None = Maybe  # noqa: N815
    sentDateTime: str | msgspec.UnsetType | None = Maybe  # noqa: N815
    receivedDateTime: str | msgspec.UnsetType | None = Maybe  # noqa: N815
    lastModifiedDateTime: str | None = None  # noqa: N815
    internetMessageId: str | msgspec.UnsetType | None = Maybe  # noqa: N815
    hasAttachments: bool | msgspec.UnsetType | None = Maybe  # noqa: N815
    bodyPreview: str | msgspec.UnsetType | None = Maybe  # noqa: N815
    isDraft: bool | msgspec.UnsetType | None = Maybe  # noqa: N815
    parentFolderId: str | None = None  # noqa: N815
    changeKey: str | None = None  # noqa: N815


encode = msgspec.json.Encoder().encode


def query(path: str) -> str:
    """A path with the properties that are mirrored."""
    return f"{path}?$select={SELECT}"


def record_of(message: Message, data: bytes, partial: bool, *, content: bool) -> Record:
    """A message of a feed. `partial`: properties may be missing, which did not change."""
    return Record(
        message.id,
        data,
        summary=encode(_summary(message, partial)),
        etag=message.etag,
        modified_at=instant(message.lastModifiedDateTime),
        blob=_blob(message) if content else None,
        partial=partial,
    )


def record_alone(one: str, item: dict[str, Any]) -> Record:
    """A message that was asked for: merged into the one held, since annotations differ from those in a feed."""
    message = msgspec.convert(item, Message)
    found = record_of(message, orjson.dumps(item), True, content=False)
    found.source_id = one
    found.partition = message.parentFolderId or None
    return found


def _blob(message: Message) -> Blob | None:
    """The MIME. None where too little is told to say whether it changed: what is held stays.

    Flags and categories are not in it, so marking as read costs no download; a draft may change with every save.
    """
    if message.isDraft is True:
        return Blob({"id": message.id}, f"draft:{message.changeKey or message.etag}", mime_type=MIME)
    parts = (
        message.internetMessageId,
        message.subject,
        message.sentDateTime,
        message.receivedDateTime,
        message.hasAttachments,
        message.bodyPreview,
    )
    if message.isDraft is Maybe or Maybe in parts:
        return None
    tag = hashlib.sha256(repr(parts).encode("utf-8", "replace")).hexdigest()[:32]
    return Blob({"id": message.id}, tag, mime_type=MIME)


def _summary(message: Message, partial: bool) -> dict[str, Any]:
    """The common fields; of a partial item those that it tells."""
    found: dict[str, Any] = {}
    if not partial or message.subject is not Maybe:
        found["subject"] = message.subject or None
    if not partial or message.sender is not Maybe:
        found["from"] = (str(message.sender) or None) if isinstance(message.sender, Recipient) else None
    if not partial or message.toRecipients is not Maybe:
        found["to"] = [text for one in message.toRecipients or () if (text := str(one))]
    if not partial or message.sentDateTime is not Maybe:
        found["date"] = rfc3339(message.sentDateTime or message.receivedDateTime or None)
    if not partial or message.internetMessageId is not Maybe:
        found["message_id"] = message.internetMessageId or None
    return found
