"""Occurrences of recurring events: the part of RFC 5545 that calendars of this simulator use.

FREQ daily/weekly/monthly/yearly with INTERVAL, COUNT, UNTIL, BYDAY, BYMONTHDAY, and EXDATE lines.
"""

import itertools
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from syncd_simulator.google.wire import JSON

WEEKDAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
MOST = 5000  # occurrences looked at for one series
Moment = datetime | date


def moment_of(when: JSON, fallback_zone: str = "UTC") -> Moment:
    """The start or end of an event: a date for all-day events, else an aware datetime in its own zone."""
    if "date" in when:
        return date.fromisoformat(when["date"])
    moment = datetime.fromisoformat(when["dateTime"])
    zone = ZoneInfo(when.get("timeZone") or fallback_zone)
    return moment.astimezone(zone) if moment.tzinfo else moment.replace(tzinfo=zone)


def instant(moment: Moment) -> float:
    """Seconds since the epoch; dates count from midnight UTC."""
    if isinstance(moment, datetime):
        return moment.timestamp()
    return datetime.combine(moment, time(), UTC).timestamp()


def span(event: JSON) -> tuple[float, float]:
    """First start and end of an event, as instants."""
    return instant(moment_of(event["start"])), instant(moment_of(event["end"]))


def stamp(moment: Moment) -> str:
    """The suffix of an instance id (§5.4): `20260131T102000Z`, or `20260131` all-day."""
    if isinstance(moment, datetime):
        return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    return moment.strftime("%Y%m%d")


def occurrences(master: JSON) -> Iterator[Moment]:
    """The slots of a series in order, at most MOST of them."""
    start = moment_of(master["start"])
    rule = _rule(master)
    excluded = _excluded(master)
    for slot in itertools.islice(_slots(start, rule), MOST):
        if stamp(slot) not in excluded:
            yield slot


def between(master: JSON, lower: float, upper: float) -> Iterator[Moment]:
    """Slots whose event ends after `lower` and starts before `upper`."""
    begin, end = span(master)
    for slot in occurrences(master):
        at = instant(slot)
        if at >= upper:
            return
        if at + end - begin > lower:
            yield slot


def instance(master: JSON, slot: Moment) -> JSON:
    """The virtual instance of a series at `slot`."""
    begin, end = moment_of(master["start"]), moment_of(master["end"])
    event = {key: value for key, value in master.items() if key != "recurrence"}
    event["id"] = f"{master['id']}_{stamp(slot)}"
    event["recurringEventId"] = master["id"]
    event["start"] = when_of(slot, master["start"])
    if (isinstance(slot, datetime) and isinstance(begin, datetime) and isinstance(end, datetime)) or (
        not isinstance(begin, datetime) and not isinstance(end, datetime)
    ):
        event["end"] = when_of(slot + (end - begin), master["end"])
    event["originalStartTime"] = event["start"]
    return event


def when_of(moment: Moment, like: JSON) -> JSON:
    """The JSON of a moment, in the form and zone of `like`."""
    if isinstance(moment, datetime):
        return {"dateTime": moment.isoformat(timespec="seconds")} | (
            {"timeZone": like["timeZone"]} if "timeZone" in like else {}
        )
    return {"date": moment.isoformat()}


def _rule(master: JSON) -> dict[str, str]:
    for line in master.get("recurrence", ()):
        name, _, value = line.partition(":")
        if name.upper().startswith("RRULE"):
            return dict(part.split("=", 1) for part in value.split(";"))
    return {"FREQ": "DAILY", "COUNT": "1"}


def _excluded(master: JSON) -> set[str]:
    found: set[str] = set()
    for line in master.get("recurrence", ()):
        name, _, value = line.partition(":")
        if name.upper().startswith("EXDATE"):
            zone = name.partition("TZID=")[2] or "UTC"
            found.update(_exdate(text, zone) for text in value.split(","))
    return found


def _exdate(text: str, zone: str) -> str:
    if "T" not in text or text.endswith("Z"):
        return text
    return stamp(datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=ZoneInfo(zone)))


def _slots(start: Moment, rule: dict[str, str]) -> Iterator[Moment]:
    count = int(rule.get("COUNT", MOST))
    until = rule.get("UNTIL", "")
    made = 0
    for day in _days(start if not isinstance(start, datetime) else start.date(), rule):
        slot: Moment = datetime.combine(day, start.timetz()) if isinstance(start, datetime) else day
        if instant(slot) < instant(start):
            continue
        if made >= count or (until and stamp(slot)[: len(until)] > until):
            return
        made += 1
        yield slot


def _days(first: date, rule: dict[str, str]) -> Iterator[date]:
    step = int(rule.get("INTERVAL", "1"))
    days: Any = {"DAILY": _daily, "WEEKLY": _weekly, "MONTHLY": _monthly, "YEARLY": _yearly}[rule["FREQ"]]
    found: Iterator[date] = days(first, step, rule)
    return found


def _daily(first: date, step: int, _: dict[str, str]) -> Iterator[date]:
    for number in itertools.count():
        yield first + timedelta(days=number * step)


def _weekly(first: date, step: int, rule: dict[str, str]) -> Iterator[date]:
    named = rule.get("BYDAY", WEEKDAYS[first.weekday()]).split(",")
    wanted = sorted(WEEKDAYS.index(name) for name in named)
    monday = first - timedelta(days=first.weekday())
    for number in itertools.count():
        for day in wanted:
            yield monday + timedelta(weeks=number * step, days=day)


def _monthly(first: date, step: int, rule: dict[str, str]) -> Iterator[date]:
    for number in itertools.count():
        month = first.month - 1 + number * step
        day = _in_month(first.year + month // 12, month % 12 + 1, first, rule)
        if day is not None:
            yield day


def _in_month(year: int, month: int, first: date, rule: dict[str, str]) -> date | None:
    named = rule.get("BYDAY")
    try:
        if not named:
            return date(year, month, int(rule.get("BYMONTHDAY", first.day)))
        nth, weekday = int(named[:-2] or 1), WEEKDAYS.index(named[-2:])
        if nth < 0:
            last = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
            return last - timedelta(days=(last.weekday() - weekday) % 7 + 7 * (-nth - 1))
        opening = date(year, month, 1)
        return opening.replace(day=1 + (weekday - opening.weekday()) % 7 + 7 * (nth - 1))
    except ValueError:
        return None


def _yearly(first: date, step: int, _: dict[str, str]) -> Iterator[date]:
    for number in itertools.count():
        try:
            yield first.replace(year=first.year + number * step)
        except ValueError:
            continue
