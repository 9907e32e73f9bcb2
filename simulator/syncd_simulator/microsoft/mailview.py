"""How a message looks: its properties, made only when selected, and its attachments (microsoft.md §8).

Public: shown, attachments, DEFAULT, name_and_address.
"""

import base64
import hashlib
import html
from collections.abc import Callable
from email import message_from_bytes
from email.message import Message
from typing import TYPE_CHECKING, Any

from syncd_simulator.microsoft.mailbox import Mail
from syncd_simulator.microsoft.wire import JSON, Call

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import MicrosoftWorld

__all__ = ["DEFAULT", "attachments", "shown"]

PREVIEW = 255


def _person(who: tuple[str, str]) -> JSON:
    return {"emailAddress": {"name": who[0], "address": who[1]}}


def _body(call: Call, mail: Mail) -> JSON:
    if call.prefer.get("outlook.body-content-type", "").lower() == "text":
        return {"contentType": "text", "content": mail.text}
    text = html.escape(mail.text, quote=False).replace("\n", "<br>\r\n")
    return {"contentType": "html", "content": f"<html><head></head><body>{text}</body></html>"}


Maker = Callable[["MicrosoftWorld", Call, Mail], Any]
DEFAULT: dict[str, Maker] = {
    "createdDateTime": lambda world, call, mail: world.stamp(mail.created),
    "lastModifiedDateTime": lambda world, call, mail: world.stamp(mail.modified),
    "changeKey": lambda world, call, mail: world.change_key(mail.seq),
    "categories": lambda world, call, mail: mail.categories,
    "receivedDateTime": lambda world, call, mail: world.stamp(mail.received),
    "sentDateTime": lambda world, call, mail: world.stamp(mail.sent),
    "hasAttachments": lambda world, call, mail: mail.has_attachments,
    "internetMessageId": lambda world, call, mail: f"<{mail.message_id}>",
    "subject": lambda world, call, mail: mail.subject,
    "bodyPreview": lambda world, call, mail: mail.text[:PREVIEW],
    "importance": lambda world, call, mail: mail.importance,
    "parentFolderId": lambda world, call, mail: mail.folder,
    "conversationId": lambda world, call, mail: mail.conversation,
    "isDeliveryReceiptRequested": lambda world, call, mail: False,
    "isReadReceiptRequested": lambda world, call, mail: False,
    "isRead": lambda world, call, mail: mail.is_read,
    "isDraft": lambda world, call, mail: mail.is_draft,
    "webLink": lambda world, call, mail: "https://outlook.example/owa/?ItemID=" + mail.plain[:24],
    "inferenceClassification": lambda world, call, mail: "focused",
    "body": lambda world, call, mail: _body(call, mail),
    "sender": lambda world, call, mail: _person(mail.sender),
    "from": lambda world, call, mail: _person(mail.sender),
    "toRecipients": lambda world, call, mail: [_person(who) for who in mail.to],
    "ccRecipients": lambda world, call, mail: [],
    "bccRecipients": lambda world, call, mail: [],
    "replyTo": lambda world, call, mail: [],
    "flag": lambda world, call, mail: {"flagStatus": mail.flag},
}
ON_REQUEST: dict[str, Maker] = {
    "internetMessageHeaders": lambda world, call, mail: [
        {"name": name, "value": str(value)} for name, value in message_from_bytes(mail.raw).items()
    ],
    "uniqueBody": lambda world, call, mail: _body(call, mail),
    "conversationIndex": lambda world, call, mail: base64.b64encode(mail.conversation[8:30].encode()).decode(),
}
BODIES = {"body", "bodyPreview", "uniqueBody"}
KNOWN = frozenset({"id", *DEFAULT, *ON_REQUEST})
BY_LOWER = {name.lower(): name for name in (*DEFAULT, *ON_REQUEST)}


def shown(world: "MicrosoftWorld", call: Call, mail: Mail, select: list[str] | None, *, typed: bool = False) -> JSON:
    """A message with the selected properties; `typed` adds the type, as delta rounds do. Meeting mail always says it."""
    item: JSON = {"@odata.etag": f'W/"{world.change_key(mail.seq)}"', "id": mail.key if call.immutable else mail.plain}
    if typed or mail.meeting:
        item["@odata.type"] = "#microsoft.graph.eventMessageRequest" if mail.meeting else "#microsoft.graph.message"
    names = list(DEFAULT) if select is None else [BY_LOWER[n.lower()] for n in select if n.lower() in BY_LOWER]
    basic = not world.permissions & {"Mail.Read", "Mail.ReadWrite"} and not (call.token and call.token.user)
    for name in names:
        if basic and name in BODIES:
            continue
        item[name] = (DEFAULT.get(name) or ON_REQUEST[name])(world, call, mail)
    return item


def attachments(world: "MicrosoftWorld", call: Call, mail: Mail) -> list[JSON]:
    """The files of a message, with their content."""
    found = [part for part in message_from_bytes(mail.raw).walk() if part.get_filename()]
    return [_attachment(world, call, mail, part, number) for number, part in enumerate(found)]


def _attachment(world: "MicrosoftWorld", call: Call, mail: Mail, part: Message, number: int) -> JSON:
    content = part.get_payload(decode=True)
    data = content if isinstance(content, bytes) else b""
    owner = mail.key if call.immutable else mail.plain
    tail = base64.urlsafe_b64encode(hashlib.blake2b(f"{number}".encode(), digest_size=12).digest()).decode()
    return {
        "@odata.type": "#microsoft.graph.fileAttachment", "@odata.mediaContentType": part.get_content_type(),
        "id": owner.rstrip("=") + "ABEgAQ" + tail + "=", "lastModifiedDateTime": world.stamp(mail.modified),
        "name": part.get_filename(), "contentType": part.get_content_type(), "size": len(data) + 200,
        "isInline": "inline" in str(part.get("Content-Disposition", "")), "contentId": part.get("Content-ID"),
        "contentLocation": None, "contentBytes": base64.b64encode(data).decode(),
    }  # fmt: skip
