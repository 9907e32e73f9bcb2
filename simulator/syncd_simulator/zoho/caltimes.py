"""The time formats of Zoho Calendar (zoho.md §5.2, §5.3, §5.5): basic ISO in several shapes.

Public: Moment, basic, cut_short, instant, local, moment_of, offset, utc.
"""

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

__all__ = ["BadTime", "Moment", "basic", "cut_short", "instant", "local", "moment_of", "offset", "utc", "zone_of"]

Moment = datetime | date  # a date: all-day
STAMP = re.compile(r"\d{8}T\d{6}(Z|[+-]\d{4})?")


class BadTime(ValueError):
    """The text is no time in a documented format."""


def zone_of(name: str | None, fallback: str = "UTC") -> ZoneInfo:
    """An IANA zone; BadTime for an unknown name."""
    try:
        return ZoneInfo(name or fallback)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise BadTime(f"timezone {name}") from error


def moment_of(text: str, zone: ZoneInfo) -> Moment:
    """`20240101`, `20240101T100000Z`, `20240101T100000+0530`, or local time of `zone` without offset."""
    if re.fullmatch(r"\d{8}", text):
        return _parsed(text, "%Y%m%d").date()
    match = STAMP.fullmatch(text)
    if match is None:
        raise BadTime(text)
    if match[1] is None:
        return _parsed(text, "%Y%m%dT%H%M%S").replace(tzinfo=zone)
    if match[1] == "Z":
        return _parsed(text[:-1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC).astimezone(zone)
    return _parsed(text, "%Y%m%dT%H%M%S%z").astimezone(zone)


def _parsed(text: str, form: str) -> datetime:
    try:
        return datetime.strptime(text, form)  # noqa: DTZ007
    except ValueError as error:
        raise BadTime(text) from error


def instant(moment: Moment, zone: ZoneInfo) -> float:
    """Seconds since the epoch; a date begins at midnight of `zone`."""
    if isinstance(moment, datetime):
        return moment.timestamp()
    return datetime(moment.year, moment.month, moment.day, tzinfo=zone).timestamp()


def local(moment: Moment) -> str:
    """`20170722T150000` or `20170722`: what stands at the top level, without offset."""
    return moment.strftime("%Y%m%dT%H%M%S" if isinstance(moment, datetime) else "%Y%m%d")


def offset(moment: Moment) -> str:
    """`20170722T150000+0530`; `…Z` in UTC; `20170722` all-day."""
    if not isinstance(moment, datetime):
        return moment.strftime("%Y%m%d")
    if moment.utcoffset() == timedelta() and getattr(moment.tzinfo, "key", "UTC") == "UTC":
        return moment.strftime("%Y%m%dT%H%M%SZ")
    return moment.strftime("%Y%m%dT%H%M%S%z")


def basic(moment: Moment) -> str:
    """UTC `20170721T044131Z`, or the date."""
    if not isinstance(moment, datetime):
        return moment.strftime("%Y%m%d")
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def utc(millis: int) -> str:
    """`20170721T044131Z`: whole seconds."""
    return datetime.fromtimestamp(millis // 1000, UTC).strftime("%Y%m%dT%H%M%SZ")


def cut_short(millis: int) -> str:
    """`createdtime`: zero minutes and seconds are left out, `20170713T10Z` (§5.3)."""
    moment = datetime.fromtimestamp(millis // 1000, UTC)
    if moment.second:
        return moment.strftime("%Y%m%dT%H%M%SZ")
    return moment.strftime("%Y%m%dT%H%MZ" if moment.minute else "%Y%m%dT%HZ")
