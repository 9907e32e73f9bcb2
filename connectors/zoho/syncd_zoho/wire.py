"""From bytes to checked values: the envelopes of every product, ids and times.

Public: decode, mail_data, mail_rows, drive_data, crm_rows, listed, wrapped, ident, mark, text, millis, stamp, rfc3339, iso,
LONGEST_ID.

There is no common shape of Zoho's answers (§1): one reader per envelope, each gives the data or raises an SDK error.
Ids have 18 to 19 digits: they are kept as strings, numbers are taken as exact integers, and a float is refused, since
it has lost digits already (§10.41).
"""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from syncd.sdk import ProtocolError, Transient
from syncd.sdk.http import httpx

from .api import Meaning
from .errors import fault_of, postponed, refusal

__all__ = [
    "LONGEST_ID",
    "crm_rows",
    "decode",
    "drive_data",
    "ident",
    "iso",
    "listed",
    "mail_data",
    "mail_rows",
    "mark",
    "millis",
    "rfc3339",
    "stamp",
    "text",
    "wrapped",
]

LONGEST_ID = 2048  # characters
LEAST_ID = 1_000_000  # Zoho's ids have at least seven digits: a smaller number is none
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STAMP = re.compile(r"(\d{4})(\d{2})(\d{2})(?:T(\d{2})(\d{2})?(\d{2})?)?(Z|[+-]\d{2}:?\d{2})?")


def decode(response: httpx.Response, what: str) -> Any:
    """An answer's JSON. Transient for an HTML page (a front door under load), ProtocolError for anything else."""
    try:
        return orjson.loads(response.content)
    except orjson.JSONDecodeError as error:
        if response.content.lstrip()[:1] == b"<":
            raise Transient(f"{what}: Zoho answered with an HTML page") from error
        raise ProtocolError(f"{what}: the answer is not JSON ({error})") from error


def mail_data(response: httpx.Response, what: str, means: Meaning | None = None) -> Any:
    """`data` of Mail's envelope (§4.1). The code inside counts, as a number or as text, whatever the HTTP status."""
    body = decode(response, what)
    status = body.get("status") if isinstance(body, dict) else None
    code = status.get("code") if isinstance(status, dict) else None
    if not isinstance(code, int | str) or not str(code).isdigit():
        raise ProtocolError(f"{what}: the answer has no status.code")
    if int(code) >= 400:
        fault = replace(fault_of(response), http=int(code), product="mail")
        raise postponed(fault, None) or (means and means(fault)) or refusal(fault, what)
    return body.get("data")


def mail_rows(response: httpx.Response, what: str) -> list[dict[str, Any]]:
    """The rows of a collection of Mail. An object that says `errorCode` is no row (§4.1)."""
    data = mail_data(response, what)
    if isinstance(data, dict) and "errorCode" in data:
        raise ProtocolError(f"{what}: the answer is an error in a success ({data['errorCode']})")
    return objects([] if data is None else wrapped(data), what)


def drive_data(response: httpx.Response, what: str) -> Any:
    """`data` of a JSON:API answer (§7): an object or a list."""
    body = decode(response, what)
    if not isinstance(body, dict) or not isinstance(body.get("data"), dict | list):
        raise ProtocolError(f"{what}: the answer has no data")
    return body["data"]


def crm_rows(response: httpx.Response, what: str, key: str = "data") -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows and `info` of a CRM listing (§8.1). 204 is no rows; 304 too: the caller knows what it asked (§10.31)."""
    if response.status_code in (204, 304) or not response.content:
        return [], {}
    body = decode(response, what)
    if not isinstance(body, dict) or not isinstance(body.get(key), list):
        raise ProtocolError(f"{what}: the answer has no list {key}")
    info = body.get("info")
    return objects(body[key], what), info if isinstance(info, dict) else {}


def listed(response: httpx.Response, key: str, what: str) -> list[dict[str, Any]]:
    """The list `key` of a plain object: calendars, events, contacts."""
    body = decode(response, what)
    if not isinstance(body, dict) or not isinstance(body.get(key), list):
        raise ProtocolError(f"{what}: the answer has no list {key}")
    return objects(body[key], what)


def wrapped(value: Any) -> list[Any]:
    """A list, or the one thing that stands for a list of one (§4.2)."""
    return value if isinstance(value, list) else [value]


def objects(rows: list[Any], what: str) -> list[dict[str, Any]]:
    """The rows, if all are objects."""
    if not all(isinstance(row, dict) for row in rows):
        raise ProtocolError(f"{what}: a row is not an object")
    return rows


def ident(value: Any) -> str | None:
    """An id as text: a string, or an exact number of some length (old answers). None for floats above all (§10.41)."""
    if isinstance(value, str):
        return value if 0 < len(value) <= LONGEST_ID else None
    if isinstance(value, int) and not isinstance(value, bool) and value >= LEAST_ID:
        return str(value)
    return None


def mark(value: Any) -> str | None:
    """A text or an exact number that is only compared: an `etag`, a `ctag`."""
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def text(value: Any) -> str:
    """A text without characters that a database refuses; "" for anything else."""
    return value.replace("\x00", "").encode("utf-8", "replace").decode().strip() if isinstance(value, str) else ""


def millis(value: Any) -> datetime | None:
    """Milliseconds since 1970, as a number or as quoted text; None for -1 ("never", §6.1) and what cannot be read."""
    try:
        number = int(value) if isinstance(value, str | int) and not isinstance(value, bool) else -1
        return EPOCH + timedelta(milliseconds=number) if number > 0 else None
    except (ValueError, OverflowError):
        return None


def stamp(value: Any) -> datetime | None:
    """Calendar's basic ISO, cut short as it may be (§5.3): `20170713T10Z`, `20170722T150000+0530`. Aware, in UTC.

    None without an offset: such a time is local to a zone that it does not name (§10.27).
    """
    match = STAMP.fullmatch(value) if isinstance(value, str) else None
    if match is None or match[7] is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    try:
        offset = "+00:00" if match[7] == "Z" else match[7][:3] + ":" + match[7][-2:]
        zone = datetime.fromisoformat(f"2000-01-01T00:00:00{offset}").tzinfo
        return datetime(year, month, day, hour, minute, second, tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def iso(value: Any) -> datetime | None:
    """CRM's ISO 8601 with an offset (§8.1), aware, in UTC; None for anything else."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        return moment.astimezone(UTC) if moment is not None and moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def rfc3339(moment: datetime | None) -> str | None:
    """A time as RFC 3339 in UTC."""
    if moment is None:
        return None
    shown = moment.astimezone(UTC).isoformat(timespec="milliseconds" if moment.microsecond else "seconds")
    return shown.replace("+00:00", "Z")
