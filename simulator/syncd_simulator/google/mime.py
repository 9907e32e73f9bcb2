"""Mail as bytes: composing RFC 5322 messages quickly, and Gmail's `payload` tree of one (google.md §7.1)."""

import base64
from collections.abc import Callable, Sequence
from email import message_from_bytes
from email.header import Header, decode_header, make_header
from email.message import Message
from email.utils import formatdate

from syncd_simulator.google.wire import JSON

Attachment = tuple[str, str, bytes]  # file name, type, content


def b64url(data: bytes) -> str:
    """The encoding of `bytes` fields."""
    return base64.urlsafe_b64encode(data).decode()


def from_b64url(text: str) -> bytes:
    """Tolerant of missing padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _header(text: str) -> str:
    return text if text.isascii() else Header(text, "utf-8").encode()


def compose(
    message_id: str, sender: str, to: str, subject: str, moment: float, text: str, *,
    html: str | None = None, attachments: Sequence[Attachment] = (), extra: Sequence[tuple[str, str]] = (),
) -> bytes:  # fmt: skip
    """A message with text, optional HTML alternative and attachments; boundaries derive from `message_id`."""
    lines = [
        f"From: {_header(sender)}", f"To: {to}", f"Subject: {_header(subject)}",
        f"Date: {formatdate(moment)}", f"Message-ID: <{message_id}>", "MIME-Version: 1.0",
        *(f"{name}: {value}" for name, value in extra),
    ]  # fmt: skip
    content = _text("plain", text)
    if html is not None:
        content = _multipart("alternative", "a" + message_id[:16], [content, _text("html", html)])
    if attachments:
        content = _multipart("mixed", "m" + message_id[:16], [content, *map(_attachment, attachments)])
    return ("\r\n".join(lines) + "\r\n" + content).encode()


def _text(subtype: str, text: str) -> str:
    body = text.replace("\r\n", "\n").replace("\n", "\r\n")
    encoding = "7bit" if body.isascii() else "8bit"
    return f"Content-Type: text/{subtype}; charset=UTF-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{body}\r\n"


def _attachment(attachment: Attachment) -> str:
    name, mime, content = attachment
    return (
        f'Content-Type: {mime}; name="{name}"\r\nContent-Disposition: attachment; filename="{name}"\r\n'
        f"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(content).decode().replace("\n", "\r\n")
    )


def _multipart(subtype: str, boundary: str, parts: list[str]) -> str:
    boundary = "".join(c for c in boundary if c.isalnum())
    head = f'Content-Type: multipart/{subtype}; boundary="{boundary}"\r\n\r\n'
    return head + "".join(f"--{boundary}\r\n{part}\r\n" for part in parts) + f"--{boundary}--\r\n"


# -- reading --------------------------------------------------------------------------------------------------------

AttachmentId = Callable[[str], str]  # part id -> attachment id


def headers_of(raw: bytes) -> list[JSON]:
    """The header block, unfolded."""
    head = raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    return _headers(message_from_bytes(head))


def _headers(message: Message) -> list[JSON]:
    return [
        {"name": name, "value": str(value).replace("\r\n", "").replace("\n", "")} for name, value in message.items()
    ]


def payload(raw: bytes, attachment_id: AttachmentId) -> JSON:
    """The tree of parts: text is inline in `body.data`, attachments have an id."""
    return _part(message_from_bytes(raw), "", attachment_id)


def _part(message: Message, part_id: str, attachment_id: AttachmentId) -> JSON:
    part: JSON = {
        "partId": part_id,
        "mimeType": message.get_content_type(),
        "filename": message.get_filename() or "",
        "headers": _headers(message),
    }
    if message.is_multipart() and message.get_content_maintype() == "multipart":
        prefix = part_id + "." if part_id else ""
        part["body"] = {"size": 0}
        part["parts"] = [_part(inner, f"{prefix}{index}", attachment_id) for index, inner in enumerate(_inner(message))]
        return part
    data = content_of(message)
    part["body"] = {"size": len(data)}
    if part["filename"] or message.get_content_maintype() != "text":
        part["body"]["attachmentId"] = attachment_id(part_id)
    elif data:
        part["body"]["data"] = b64url(data)
    return part


def _inner(message: Message) -> list[Message]:
    found = message.get_payload()
    return [item for item in found if isinstance(item, Message)] if isinstance(found, list) else []


def content_of(message: Message) -> bytes:
    """The decoded content of a leaf part."""
    data = message.get_payload(decode=True)
    if isinstance(data, bytes):
        return data
    return b"".join(inner.as_bytes() for inner in _inner(message))


def find_part(raw: bytes, part_id: str) -> bytes | None:
    """The content of the part with this id."""
    message = message_from_bytes(raw)
    for number in part_id.split(".") if part_id else []:
        inner = _inner(message)
        if not number.isdigit() or int(number) >= len(inner):
            return None
        message = inner[int(number)]
    return content_of(message)


def snippet_of(raw: bytes) -> str:
    """The first words of the first text."""
    for part in message_from_bytes(raw).walk():
        if part.get_content_maintype() == "text":
            return " ".join(content_of(part).decode("utf-8", "replace").split())[:100]
    return ""


def subject_of(raw: bytes) -> str:
    """The decoded subject."""
    return str(make_header(decode_header(message_from_bytes(raw)["Subject"] or "")))
