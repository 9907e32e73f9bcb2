"""One event of Zoho Calendar: from a row to a record (§5.3).

Public: item_of, source_id_of, readings_of, modified_of, summary_of, LARGE, STAMP.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from syncd.sdk import Item, Record, Reject, Tombstone

from .wire import ident, mark, rfc3339, stamp, text

__all__ = ["LARGE", "STAMP", "item_of", "modified_of", "readings_of", "source_id_of", "summary_of"]

LARGE = {"Accept": "application/json+large"}  # without it, descriptions are left out (§5.2, trap 25)
STAMP = "%Y%m%dT%H%M%SZ"
DATE = re.compile(r"(\d{4})(\d{2})(\d{2})(?:Z|T000000Z?)?")
LOCAL = re.compile(r"(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})?")
OCCURRENCE = re.compile(r"(.+)_(\d{8}(?:T\d{6}Z)?)", re.DOTALL)


def item_of(row: Mapping[str, Any]) -> Item | None:
    """The item of a row; None for a row that is only a `message` (§5.2)."""
    if row.get("uid") is None and isinstance(row.get("message"), str):
        return None
    source_id = source_id_of(row)
    if source_id is None:
        return Reject("an event whose uid cannot be read", None, dict(row))
    if row.get("estatus") == "deleted":
        return Tombstone(source_id)
    etag = mark(row.get("etag"))
    if row.get("etag") is not None and (etag is None or not etag.isdigit()):
        return Reject("an event whose etag is no number, or has lost its digits", source_id, dict(row))
    if row.get("isallday") not in (None, True, False, "true", "false"):
        return Reject("an event that does not tell whether it is all day", source_id, dict(row))
    summary = summary_of(row)
    return Record(
        source_id,
        dict(row),
        summary=summary,
        etag=etag,
        modified_at=modified_of(row),
        parent=ident(row.get("uid")) if row.get("recurrenceid") else None,
        when=_span(row, summary),
    )


def source_id_of(row: Mapping[str, Any]) -> str | None:
    """The `uid`, and for a changed occurrence its original start too: the series keeps the `uid` (§5.3)."""
    uid, occurrence = ident(row.get("uid")), row.get("recurrenceid")
    if uid is None or occurrence in (None, "", 0):
        return uid
    moment = stamp(occurrence)
    if moment is not None and "T" in str(occurrence):
        return f"{uid}_{moment:%Y%m%dT%H%M%SZ}"
    local = LOCAL.fullmatch(str(occurrence))
    zone = _zone(row)
    if local is not None and zone is not None:
        return f"{uid}_{_in_zone(local, zone):%Y%m%dT%H%M%SZ}"
    return f"{uid}_{str(occurrence).removesuffix('Z') if DATE.fullmatch(str(occurrence)) else occurrence}"


def readings_of(source_id: str) -> list[tuple[str, str | None]]:
    """What a source id may be: `uid` and `recurrenceid`, the likelier first. A uid may end as an occurrence's id does."""
    match = OCCURRENCE.fullmatch(source_id)
    whole: tuple[str, str | None] = (source_id, None)
    return [(match[1], match[2]), whole] if match else [whole]


def modified_of(row: Mapping[str, Any]) -> datetime | None:
    """`lastmodifiedtime`, in seconds: the `etag` alone tells two edits of one second apart (§5.3)."""
    return stamp(row.get("lastmodifiedtime"))


def summary_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The common fields of an event. All-day events have dates, with the end as Zoho gives it."""
    nested = row.get("dateandtime")
    times: Mapping[str, Any] = nested if isinstance(nested, dict) else {}
    all_day = row.get("isallday") is True or str(row.get("isallday")).lower() == "true"
    start, end = (times.get(key) or row.get(key) for key in ("start", "end"))
    zone = None if all_day else _zone(row)
    shown = _date if all_day else lambda value: _moment(value, zone)
    listed = row.get("attendees")
    attendees = listed if isinstance(listed, list) else []
    return {
        "title": text(row.get("title")) or None,
        "start": shown(start),
        "end": shown(end),
        "timezone": None if all_day else text(times.get("timezone")) or None,
        "organizer": text(row.get("organizer")) or None,
        "attendees": [text(one.get("email")) for one in attendees if isinstance(one, dict) and one.get("email")],
        "status": text(row.get("estatus")) or None,
    }


def _date(value: Any) -> str | None:
    match = DATE.match(value) if isinstance(value, str) else None
    return f"{match[1]}-{match[2]}-{match[3]}" if match else None


def _moment(value: Any, zone: ZoneInfo | None) -> str | None:
    """A time with an offset; one without is local, and never UTC unless its zone says so (§10.27)."""
    moment = stamp(value)
    if moment is None and isinstance(value, str) and zone is not None:
        local = LOCAL.fullmatch(value)
        moment = _in_zone(local, zone) if local else None
    return rfc3339(moment)


def _in_zone(local: re.Match[str], zone: ZoneInfo) -> datetime:
    year, month, day, hour, minute, second = (int(part or 0) for part in local.groups())
    return datetime(year, month, day, hour, minute, second, tzinfo=zone).astimezone(UTC)


def _zone(row: Mapping[str, Any]) -> ZoneInfo | None:
    nested = row.get("dateandtime")
    name = nested.get("timezone") if isinstance(nested, dict) else None
    try:
        return ZoneInfo(name) if isinstance(name, str) and name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _span(row: Mapping[str, Any], summary: Mapping[str, Any]) -> tuple[datetime, datetime | None] | None:
    """When the event takes place, for windows: a series goes on, a day has 24 hours and a zone that is not known."""
    start, end = (_instant(summary[key]) for key in ("start", "end"))
    if start is None:
        return None
    if row.get("rrule") and not row.get("recurrenceid"):
        return start, None
    if len(str(summary["start"])) == 10:
        return start, (end or start) + timedelta(days=1)
    return start, max(start, end) if end else start


def _instant(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
