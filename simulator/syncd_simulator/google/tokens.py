"""Opaque page and sync tokens: a sealed list of values with a checksum, so that garbage is told from old."""

import base64
import binascii
import zlib
from typing import Any

import orjson


class BadToken(Exception):
    """The text is no token of this kind."""


def seal(kind: str, *values: Any) -> str:
    """A token of `kind` carrying JSON-able values."""
    body = orjson.dumps([kind, *values])
    check = zlib.crc32(body).to_bytes(4, "big")
    return base64.urlsafe_b64encode(check + body).decode().rstrip("=")


def unseal(kind: str, text: str) -> list[Any]:
    """The values of a token made by `seal(kind, …)`; BadToken otherwise."""
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        values = orjson.loads(data[4:])
    except (ValueError, binascii.Error) as error:
        raise BadToken(text) from error
    if zlib.crc32(data[4:]).to_bytes(4, "big") != data[:4] or values[0] != kind:
        raise BadToken(text)
    return list(values[1:])


def digest(*values: Any) -> str:
    """A short fingerprint of request parameters."""
    return format(zlib.crc32(orjson.dumps(values)), "08x")
