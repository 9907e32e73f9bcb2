"""Occurrences of repeating events: FREQ with INTERVAL, COUNT, UNTIL, BYDAY, BYMONTHDAY of RFC 5545.

Public: BadRule, check, slots.
"""

import itertools
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

__all__ = ["BadRule", "check", "slots"]

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
LAST = date.max.toordinal() - 366
MOST = 5000  # occurrences looked at for one series

Rule = dict[str, str]
DAY = "(MO|TU|WE|TH|FR|SA|SU)"
NEVER = re.compile(r"(?!)")
SHAPES = {"WEEKLY": re.compile(f"{DAY}(,{DAY})*"), "MONTHLY": re.compile(f"([+-]?[1-5])?{DAY}")}  # of BYDAY


class BadRule(ValueError):
    """The text is no rule that this calendar knows."""


def check(text: str) -> Rule:
    """The parts of a rule; BadRule when it is malformed."""
    try:
        rule = dict(part.split("=", 1) for part in text.split(";"))
        days = SHAPES.get(rule["FREQ"], NEVER)
        if rule["FREQ"] not in STEPS or int(rule.get("INTERVAL", "1")) < 1 or int(rule.get("COUNT", "1")) < 1:
            raise BadRule(text)
        if "BYDAY" in rule and not days.fullmatch(rule["BYDAY"]):
            raise BadRule(text)
        if not 1 <= int(rule.get("BYMONTHDAY", "1")) <= 31:
            raise BadRule(text)
    except (ValueError, KeyError) as error:
        raise BadRule(text) from error
    return rule


def slots(start: datetime | date, text: str) -> Iterator[datetime | date]:
    """The starts of all occurrences in order, at most MOST."""
    rule = check(text)
    first = start.date() if isinstance(start, datetime) else start
    most = min(int(rule.get("COUNT", MOST)), MOST)
    made = 0
    for day in itertools.islice(STEPS[rule["FREQ"]](first, rule), 4 * MOST):
        slot = datetime.combine(day, start.timetz()) if isinstance(start, datetime) else day
        if day < first:
            continue
        if made >= most or _after(slot, rule.get("UNTIL", "")):
            return
        made += 1
        yield slot


def _after(slot: datetime | date, until: str) -> bool:
    if not until:
        return False
    if isinstance(slot, datetime) and "T" in until:
        return slot.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ") > until
    return slot.strftime("%Y%m%d") > until[:8]


def _daily(first: date, rule: Rule) -> Iterator[date]:
    step = int(rule.get("INTERVAL", "1"))
    return (date.fromordinal(number) for number in range(first.toordinal(), LAST, step))


def _weekly(first: date, rule: Rule) -> Iterator[date]:
    step = int(rule.get("INTERVAL", "1"))
    wanted = sorted(WEEKDAYS.index(name) for name in rule.get("BYDAY", WEEKDAYS[first.weekday()]).split(","))
    monday = first.toordinal() - first.weekday()
    for number in range(monday, LAST, 7 * step):
        for day in wanted:
            yield date.fromordinal(number + day)


def _monthly(first: date, rule: Rule) -> Iterator[date]:
    step = int(rule.get("INTERVAL", "1"))
    for month in range(first.month - 1, 12 * (date.max.year - first.year), step):
        day = _in_month(first.year + month // 12, month % 12 + 1, first, rule)
        if day is not None:
            yield day


def _in_month(year: int, month: int, first: date, rule: Rule) -> date | None:
    named = rule.get("BYDAY")
    try:
        opening = date(year, month, 1)
        if not named:
            return opening.replace(day=int(rule.get("BYMONTHDAY", first.day)))
        nth, weekday = int(named[:-2] or 1), WEEKDAYS.index(named[-2:])
        if nth < 0:
            last = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
            return last - timedelta(days=(last.weekday() - weekday) % 7 + 7 * (-nth - 1))
        return opening.replace(day=1 + (weekday - opening.weekday()) % 7 + 7 * (nth - 1))
    except ValueError:
        return None


def _yearly(first: date, rule: Rule) -> Iterator[date]:
    step = int(rule.get("INTERVAL", "1"))
    for year in range(first.year, date.max.year, step):
        try:
            yield first.replace(year=year)
        except ValueError:
            continue


STEPS: dict[str, Callable[[date, Rule], Iterator[date]]] = {
    "DAILY": _daily,
    "WEEKLY": _weekly,
    "MONTHLY": _monthly,
    "YEARLY": _yearly,
}
