"""Cursors of this connector: JSON objects with a version.

Public: VERSION, read_cursor.
"""

from typing import Any

from syncd.sdk import JSON, CursorExpired

__all__ = ["VERSION", "read_cursor"]

VERSION = 1


def read_cursor(cursor: JSON) -> dict[str, Any]:
    """The cursor's fields, {} if there is none. One of another version is as good as expired."""
    if cursor is None:
        return {}
    if not isinstance(cursor, dict) or cursor.get("v") != VERSION:
        raise CursorExpired("the cursor was written by another version of the connector")
    return cursor
