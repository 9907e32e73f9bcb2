"""The lines that a tap writes.

Public: Message, RecordMessage, SchemaMessage, StateMessage, VersionMessage, OtherMessage, message_of.
"""

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
KNOWN = {"RECORD", "SCHEMA", "STATE", "ACTIVATE_VERSION"}


def message_of(line: bytes) -> Message:
    """Raises ValueError if the line is no message."""
    try:
        return _known.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        try:
            other = _any.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise ValueError(str(error)) from error
        if other.type in KNOWN:
            raise ValueError(str(error)) from error
        return other
