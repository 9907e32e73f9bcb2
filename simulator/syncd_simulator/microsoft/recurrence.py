"""Recurring series: which local dates a `patternedRecurrence` names (microsoft.md §16).

Public: PATTERNS, RANGES, BadRecurrence, dates, filled. A series has at most one occurrence per calendar day, so an
occurrence is named by its date in the series' zone; time of day and zone are the calendar's business.
"""

from calendar import monthrange
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from itertools import count
from typing import Any

JSON = dict[str, Any]
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
INDEXES = {"first": 0, "second": 1, "third": 2, "fourth": 3, "last": -1}
PATTERNS = {  # what each type needs beside `interval`
    "daily": (),
    "weekly": ("daysOfWeek",),
    "absoluteMonthly": ("dayOfMonth",),
    "relativeMonthly": ("daysOfWeek",),
    "absoluteYearly": ("month", "dayOfMonth"),
    "relativeYearly": ("month", "daysOfWeek"),
}
RANGES = ("endDate", "noEnd", "numbered")
NO_DATE = "0001-01-01"
PATTERN_BLANKS: JSON = {"month": 0, "dayOfMonth": 0, "firstDayOfWeek": "sunday", "index": "first"}
RANGE_BLANKS: JSON = {"endDate": NO_DATE, "recurrenceTimeZone": "", "numberOfOccurrences": 0}
LAST_YEAR = 9000


class BadRecurrence(ValueError):
    """The pattern or range is not a valid one."""


def dates(recurrence: JSON) -> Iterator[date]:
    """The local dates of all occurrences, in order; for `noEnd` without end."""
    pattern, scope = recurrence["pattern"], recurrence["range"]
    first = date.fromisoformat(scope["startDate"])
    last = date.fromisoformat(scope["endDate"]) if scope["type"] == "endDate" else None
    left = scope["numberOfOccurrences"] if scope["type"] == "numbered" else None
    for made, day in enumerate(_from(first, pattern)):
        if (last and day > last) or (left is not None and made >= left):
            return
        yield day


def filled(recurrence: Any, start: date) -> JSON:
    """A recurrence as it is read back: blanks filled in (§16). BadRecurrence when it cannot be accepted.

    Fields that the type does not use are validated all the same, and the range must begin on the day of `start`.
    """
    if not isinstance(recurrence, dict) or set(recurrence) - {"pattern", "range"}:
        raise BadRecurrence("recurrence takes a pattern and a range.")
    pattern, scope = recurrence.get("pattern"), recurrence.get("range")
    if not isinstance(pattern, dict) or not isinstance(scope, dict):
        raise BadRecurrence("recurrence needs both pattern and range.")
    return {"pattern": _pattern(pattern), "range": _range(scope, start)}


def _pattern(given: JSON) -> JSON:
    kind = given.get("type")
    if kind not in PATTERNS:
        raise BadRecurrence(f"'{kind}' is not a recurrence pattern type.")
    for name in PATTERNS[kind]:
        if not given.get(name):
            raise BadRecurrence(f"A pattern of type {kind} needs {name}.")
    checks: dict[str, Callable[[Any], bool]] = {
        "interval": lambda value: isinstance(value, int) and value >= 1,
        "month": lambda value: isinstance(value, int) and 0 <= value <= 12,
        "dayOfMonth": lambda value: isinstance(value, int) and 0 <= value <= 31,
        "daysOfWeek": lambda value: isinstance(value, list) and all(day in WEEKDAYS for day in value),
        "firstDayOfWeek": lambda value: value in WEEKDAYS,
        "index": lambda value: value in INDEXES,
    }
    values = {"interval": 1, **given}
    for name, check in checks.items():
        if name in values and not check(values[name]):
            raise BadRecurrence(f"The value of {name} is not valid.")
    shown = {"type": kind, "interval": values["interval"]}
    shown |= {name: values.get(name, blank) for name, blank in PATTERN_BLANKS.items()}
    if values.get("daysOfWeek"):
        shown["daysOfWeek"] = list(values["daysOfWeek"])
    return shown


def _range(given: JSON, start: date) -> JSON:
    kind = given.get("type")
    if kind not in RANGES:
        raise BadRecurrence(f"'{kind}' is not a recurrence range type.")
    try:
        first = date.fromisoformat(given.get("startDate", ""))
        last = date.fromisoformat(given["endDate"]) if kind == "endDate" else None
    except (KeyError, TypeError, ValueError):
        raise BadRecurrence("The range needs dates of the form yyyy-MM-dd.") from None
    if first != start:
        raise BadRecurrence("The range's startDate must be the date of the event's start.")
    if last is not None and last < first:
        raise BadRecurrence("The range ends before it starts.")
    if kind == "numbered" and not (isinstance(number := given.get("numberOfOccurrences"), int) and number >= 1):
        raise BadRecurrence("A numbered range needs numberOfOccurrences.")
    shown = {"type": kind, "startDate": first.isoformat(), **RANGE_BLANKS}
    wanted = {"endDate": ("endDate",), "numbered": ("numberOfOccurrences",), "noEnd": ()}[kind]
    return shown | {name: given[name] for name in (*wanted, "recurrenceTimeZone") if given.get(name)}


def _from(first: date, pattern: JSON) -> Iterator[date]:
    days: dict[str, Callable[[date, JSON], Iterator[date]]] = {
        "daily": _daily, "weekly": _weekly,
        "absoluteMonthly": _monthly, "relativeMonthly": _monthly,
        "absoluteYearly": _yearly, "relativeYearly": _yearly,
    }  # fmt: skip
    return (day for day in days[pattern["type"]](first, pattern) if day >= first)


def _daily(first: date, pattern: JSON) -> Iterator[date]:
    for number in count():
        yield first + timedelta(days=number * pattern["interval"])


def _weekly(first: date, pattern: JSON) -> Iterator[date]:
    opens = WEEKDAYS.index(pattern.get("firstDayOfWeek", "sunday"))
    week = first - timedelta(days=(first.weekday() - opens) % 7)
    offsets = sorted((WEEKDAYS.index(name) - opens) % 7 for name in set(pattern["daysOfWeek"]))
    for number in count():
        for offset in offsets:
            yield week + timedelta(weeks=number * pattern["interval"], days=offset)


def _monthly(first: date, pattern: JSON) -> Iterator[date]:
    for number in count():
        month = first.month - 1 + number * pattern["interval"]
        year = first.year + month // 12
        if year > LAST_YEAR:
            return
        if (day := _in_month(year, month % 12 + 1, pattern)) is not None:
            yield day


def _yearly(first: date, pattern: JSON) -> Iterator[date]:
    for year in range(first.year, LAST_YEAR, pattern["interval"]):
        if (day := _in_month(year, pattern["month"], pattern)) is not None:
            yield day


def _in_month(year: int, month: int, pattern: JSON) -> date | None:
    """The occurrence of one month: a day of the month (the last one of a short month, §16) or the nth that fits."""
    length = monthrange(year, month)[1]
    if pattern["type"].startswith("absolute"):
        return date(year, month, min(pattern["dayOfMonth"], length))
    wanted = set(pattern["daysOfWeek"])
    fitting = [
        day for number in range(1, length + 1) if WEEKDAYS[(day := date(year, month, number)).weekday()] in wanted
    ]
    return fitting[INDEXES[pattern.get("index", "first")]]
