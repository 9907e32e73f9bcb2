"""One mail: from Gmail's answers to a record (wire reference §7).

Public: record_of, MIME, LARGEST_CONTENT, raw_bytes, Unreadable.

`data` has the same shape whichever format was asked for: the message resource without `raw`, with `labelIds` always
there and sorted. A change of labels is one update then, and reading a mailbox again is none.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.header import decode_header
from email.utils import getaddresses, parsedate_to_datetime
from functools import lru_cache
from typing import Any

import orjson

from syncd.sdk import Blob, Record

__all__ = ["LARGEST_CONTENT", "MIME", "Unreadable", "raw_bytes", "record_of"]

MIME = "message/rfc822"
LARGEST_CONTENT = 1 << 20  # bytes that may come with a record, by contract
WANTED = re.compile(
    rb"^(subject|from|to|date|message-id)[ \t]*:[ \t]*(.*(?:\r?\n[ \t].*)*)", re.IGNORECASE | re.MULTILINE
)  # an unfolded line may go on in the next
FOLD = re.compile(rb"\r?\n(?=[ \t])")
END = re.compile(rb"\r?\n\r?\n")
LONGEST = 8_192  # characters of a header that are looked at
MOST_HEADERS = 262_144  # bytes


class Unreadable(Exception):
    """A message that makes no sense; its text is the reason of a Reject."""


def record_of(message: dict[str, Any], asked: str, kind: str) -> Record:
    """A message resource as a record. `asked`: the id asked for; `kind`: what for.

    `raw`: data, summary and content. `minimal`: the labels of a message whose content is held. `large`: as `raw` from
    the headers alone, content to be fetched. `metadata`: headers in `data`, no content at all. Raises Unreadable.
    """
    if message.get("id") != asked:
        raise Unreadable("the answer is another message")
    content = raw_bytes(message.pop("raw", None)) if kind == "raw" else None
    headers = _from_raw(content) if content is not None else _from_payload(message)
    if kind != "metadata":
        message.pop("payload", None)
    message["labelIds"] = _labels(message)
    return Record(
        asked,
        orjson.dumps(message),
        summary=None if kind == "minimal" else orjson.dumps(_summary(headers, message)),
        blob=None if kind == "metadata" else _blob(asked, content),
        partial=kind == "minimal" and "internalDate" not in message,
    )


def raw_bytes(raw: Any) -> bytes:
    """base64url, with or without padding (§1.3). Raises Unreadable."""
    if not isinstance(raw, str):
        raise Unreadable("the answer has no raw message")
    try:
        text = raw.encode("ascii").rstrip(b"=")
        return base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise Unreadable("the raw message is not base64url") from error


def _blob(identity: str, content: bytes | None) -> Blob:
    """A message's bytes never change, so its id is their tag."""
    small = content is not None and len(content) <= LARGEST_CONTENT
    size = len(content) if content is not None else None
    return Blob({"id": identity}, identity, size, content=content if small else None, mime_type=MIME)


def _labels(message: Mapping[str, Any]) -> list[str]:
    labels = message.get("labelIds", [])  # left out when empty (§1.3)
    if not isinstance(labels, list) or not all(isinstance(one, str) for one in labels):
        raise Unreadable("labelIds is not a list of texts")
    return sorted(labels)


def _summary(headers: Mapping[str, str], message: Mapping[str, Any]) -> dict[str, Any]:
    """The common fields. Labels are not among them: they are in `data`, and change alone."""
    sender = _addresses(headers.get("from", ""))
    return {
        "subject": _decoded(headers["subject"]) if "subject" in headers else None,
        "from": ", ".join(sender) if sender else None,
        "to": list(_addresses(headers.get("to", ""))),
        "date": _date(headers.get("date", "")) or _internal(message.get("internalDate")),
        "message_id": _clean(headers["message-id"]) if "message-id" in headers else None,
    }


def _from_raw(content: bytes) -> dict[str, str]:
    end = END.search(content, 0, MOST_HEADERS)
    found: dict[str, str] = {}
    for match in WANTED.finditer(content, 0, end.start() + 1 if end else min(len(content), MOST_HEADERS)):
        value = FOLD.sub(b"", match.group(2)[:LONGEST]).strip()
        found.setdefault(match.group(1).decode().lower(), _text(value))
    return found


def _from_payload(message: Mapping[str, Any]) -> dict[str, str]:
    payload = message.get("payload")
    listed = payload.get("headers") if isinstance(payload, dict) else None
    found: dict[str, str] = {}
    for header in listed if isinstance(listed, list) else ():
        if isinstance(header, dict) and isinstance(header.get("name"), str) and isinstance(header.get("value"), str):
            found.setdefault(header["name"].lower(), header["value"][:LONGEST].strip())
    return found


@lru_cache(maxsize=2048)  # the same few people write and receive nearly all of a mailbox
def _addresses(value: str) -> tuple[str, ...]:
    return tuple(_shown_address(_decoded(name), address) for name, address in getaddresses([value]) if name or address)


def _shown_address(name: str, address: str) -> str:
    return f"{name} <{_clean(address)}>" if name and address else _clean(address or name)


def _decoded(value: str) -> str:
    """RFC 2047 words as text; what cannot be decoded stays as it is."""
    if "=?" not in value:
        return _clean(value)
    try:
        words = decode_header(value)
        return _clean("".join(_word(text, charset) for text, charset in words))
    except (HeaderParseError, ValueError, LookupError):
        return _clean(value)


def _word(text: bytes | str, charset: str | None) -> str:
    if isinstance(text, str):
        return text
    try:
        return text.decode(charset or "ascii")
    except (LookupError, ValueError):
        return text.decode("utf-8", "replace")


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _clean(value: str) -> str:
    return value.replace("\x00", "").encode("utf-8", "replace").decode().strip()


def _date(value: str) -> str | None:
    try:
        moment = parsedate_to_datetime(value)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
    return _shown(moment)


def _internal(value: Any) -> str | None:
    """`internalDate`: milliseconds, as a string."""
    try:
        return _shown(datetime.fromtimestamp(int(value) // 1000, UTC))
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _shown(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
