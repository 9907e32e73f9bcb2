"""Small conversions: moments as integers, JSON as bytes.

Public: micros, moment, rfc3339, dumps, loads, exactly, encode, storable, LAST.

A moment is kept as microseconds since 1970 in UTC: eight bytes, the same in every database, no time zone to lose.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

__all__ = ["LAST", "dumps", "encode", "exactly", "loads", "micros", "moment", "rfc3339", "storable"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
SHORT = 15  # digits that a double always holds
LONG = re.compile(rb"[0-9][0-9.]{15}")
LAST = 2**62  # microseconds: an end of time that fits an integer


def micros(when: datetime | None) -> int | None:
    """An aware moment as an integer; None stays None."""
    return None if when is None else (when - EPOCH) // TICK


def moment(value: int | None) -> datetime | None:
    return None if value is None else EPOCH + timedelta(microseconds=value)


def rfc3339(value: int | None) -> str | None:
    """As outputs show it: UTC, with Z, fractions of a second only where there are any."""
    when = moment(value)
    return None if when is None else when.isoformat().replace("+00:00", "Z")


def dumps(value: Any) -> bytes:
    """JSON with sorted keys. What orjson cannot take (an integer above 64 bits, a key that is no string) stdlib takes.

    A given value always goes the same way, so its digest is stable.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def loads(raw: bytes | str) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return json.loads(raw)  # integers above 64 bits, if it is JSON at all


def exactly(raw: bytes) -> Any:
    """As `loads`, with numbers that a double cannot hold as (spelling,): two that differ in the last digit differ."""
    if LONG.search(raw) is None:
        return loads(raw)
    return json.loads(raw, parse_float=_spelt, parse_int=_spelt)


def _spelt(number: str) -> Any:
    return (number,) if len(number) > SHORT else json.loads(number)


def storable(text: str | None) -> str | None:
    """A text as every database takes it: what it cannot hold (NUL, half characters) becomes U+FFFD."""
    if text is None or (text.isascii() and "\0" not in text):
        return text
    return text.replace("\0", "\ufffd").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def encode(value: Mapping[str, Any] | bytes | None) -> bytes | None:
    """What a connector gave, as bytes: bytes stay as they came."""
    return value if value is None or isinstance(value, bytes) else dumps(value)
