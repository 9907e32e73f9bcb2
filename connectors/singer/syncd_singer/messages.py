"""The lines that a tap writes.

Public: Message, RecordMessage, SchemaMessage, StateMessage, VersionMessage, OtherMessage, message_of.
"""

import json
from typing import Any

import msgspec

__all__ = [
    "Message",
    "OtherMessage",
    "RecordMessage",
    "SchemaMessage",
    "StateMessage",
    "VersionMessage",
    "message_of",
]


class RecordMessage(msgspec.Struct, frozen=True, tag="RECORD"):
    """`record` stays as it was written: numbers keep all their digits."""

    stream: str
    record: msgspec.Raw


class SchemaMessage(msgspec.Struct, frozen=True, tag="SCHEMA"):
    stream: str
    schema: dict[str, Any]
    key_properties: list[str] | None = None


class StateMessage(msgspec.Struct, frozen=True, tag="STATE"):
    value: Any


class VersionMessage(msgspec.Struct, frozen=True, tag="ACTIVATE_VERSION"):
    """Records of the stream with any other version are no more."""

    stream: str
    version: int


class OtherMessage(msgspec.Struct, frozen=True):
    """Of a type that the specification does not have."""

    type: str


Message = RecordMessage | SchemaMessage | StateMessage | VersionMessage | OtherMessage

_known: msgspec.json.Decoder[Message] = msgspec.json.Decoder(
    RecordMessage | SchemaMessage | StateMessage | VersionMessage
)
_any = msgspec.json.Decoder(OtherMessage)
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
KNOWN = {"RECORD", "SCHEMA", "STATE", "ACTIVATE_VERSION"}


def message_of(line: bytes) -> Message:
    """Raises ValueError if the line is no message."""
    try:
        return _known.decode(line)
    except UNREADABLE as error:
        other = _unreadable_record(line) or _other(line)
        if other is None:
            raise ValueError(str(error)) from error
        return other


def _other(line: bytes) -> OtherMessage | None:
    try:
        other = _any.decode(line)
    except UNREADABLE:
        return None
    return None if other.type in KNOWN else other


def _unreadable_record(line: bytes) -> RecordMessage | None:
    """A record of which only Python can make sense (NaN, half a surrogate pair): one bad record, not a bad tap."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("type") != "RECORD" or not isinstance(found.get("stream"), str):
        return None
    return RecordMessage(found["stream"], msgspec.Raw(line)) if "record" in found else None
