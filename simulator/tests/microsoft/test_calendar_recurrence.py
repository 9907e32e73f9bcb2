"""Recurrence patterns and ranges, and the Windows zones that they are meant in."""

from datetime import UTC, date, datetime
from itertools import islice
from typing import Any

import pytest
from syncd_simulator.microsoft.calendar_zones import CUSTOM, ZONES, zone_of
from syncd_simulator.microsoft.recurrence import BadRecurrence, dates, filled

NO_END: dict[str, Any] = {"type": "noEnd"}


def first(count: int, start: str, pattern: dict[str, Any], scope: dict[str, Any] = NO_END) -> list[str]:
    day = date.fromisoformat(start)
    recurrence = filled({"pattern": {"interval": 1} | pattern, "range": {"startDate": start} | scope}, day)
    return [each.isoformat()[5:] for each in islice(dates(recurrence), count)]


@pytest.mark.parametrize(
    ("start", "pattern", "expected"),
    [
        ("2026-02-27", {"type": "daily", "interval": 2}, ["02-27", "03-01", "03-03"]),
        ("2026-11-03", {"type": "weekly", "daysOfWeek": ["thursday", "tuesday"]}, ["11-03", "11-05", "11-10"]),
        ("2026-01-31", {"type": "absoluteMonthly", "dayOfMonth": 31}, ["01-31", "02-28", "03-31", "04-30"]),
        ("2026-11-01", {"type": "relativeMonthly", "daysOfWeek": ["wednesday"], "index": "second"}, ["11-11", "12-09"]),
        ("2026-11-01", {"type": "relativeMonthly", "daysOfWeek": ["wednesday"], "index": "last"}, ["11-25", "12-30"]),
        ("2026-11-21", {"type": "absoluteYearly", "month": 2, "dayOfMonth": 29}, ["02-28", "02-29"]),
        ("2026-11-21", {"type": "relativeYearly", "month": 3, "daysOfWeek": ["sunday"], "index": "last"}, ["03-28"]),
    ],
)
def test_patterns_name_the_days_that_they_say(start: str, pattern: dict[str, Any], expected: list[str]) -> None:
    if pattern["type"] == "absoluteYearly":  # of 2027 and of the leap year 2028
        assert first(2, start, pattern) == expected
    else:
        assert first(len(expected), start, pattern) == expected


def test_several_days_of_a_relative_month_mean_the_nth_day_that_fits() -> None:
    workdays = {"type": "relativeMonthly", "daysOfWeek": ["monday", "tuesday", "wednesday", "thursday", "friday"]}
    assert first(3, "2026-01-01", workdays | {"index": "last"}) == ["01-30", "02-27", "03-31"]
    assert first(3, "2026-08-01", workdays | {"index": "first"}) == ["08-03", "09-01", "10-01"]


def test_the_first_day_of_the_week_decides_which_weeks_an_interval_skips() -> None:
    pattern = {"type": "weekly", "interval": 2, "daysOfWeek": ["sunday", "tuesday"]}
    assert first(4, "2026-11-17", pattern | {"firstDayOfWeek": "monday"}) == ["11-17", "11-22", "12-01", "12-06"]
    assert first(4, "2026-11-17", pattern | {"firstDayOfWeek": "sunday"}) == ["11-17", "11-29", "12-01", "12-13"]


def test_ranges_end_inclusively_or_by_number_or_never() -> None:
    daily = {"type": "daily"}
    assert first(9, "2026-11-21", daily, {"type": "endDate", "endDate": "2026-11-23"}) == ["11-21", "11-22", "11-23"]
    assert first(9, "2026-11-21", daily, {"type": "numbered", "numberOfOccurrences": 2}) == ["11-21", "11-22"]
    assert len(first(500, "2026-11-21", daily)) == 500


def test_unused_fields_read_back_as_blanks() -> None:
    shown = filled(
        {"pattern": {"type": "daily", "interval": 1}, "range": {"type": "noEnd", "startDate": "2026-11-21"}},
        date(2026, 11, 21),
    )
    assert shown == {
        "pattern": {
            "type": "daily", "interval": 1, "month": 0, "dayOfMonth": 0, "firstDayOfWeek": "sunday", "index": "first",
        },
        "range": {
            "type": "noEnd", "startDate": "2026-11-21", "endDate": "0001-01-01", "recurrenceTimeZone": "",
            "numberOfOccurrences": 0,
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "scope"),
    [
        ({"type": "hourly"}, {}),
        ({"type": "weekly"}, {}),
        ({"type": "absoluteYearly", "dayOfMonth": 3}, {}),
        ({"type": "daily", "interval": 0}, {}),
        ({"type": "daily", "index": "fifth"}, {}),
        ({"type": "daily"}, {"startDate": "2026-11-22"}),
        ({"type": "daily"}, {"type": "endDate"}),
        ({"type": "daily"}, {"type": "endDate", "endDate": "2026-11-20"}),
        ({"type": "daily"}, {"type": "numbered", "numberOfOccurrences": 0}),
        ({"type": "daily"}, {"type": "forever"}),
    ],
)
def test_what_is_incomplete_or_wrong_is_refused_even_in_unused_fields(
    pattern: dict[str, Any], scope: dict[str, Any]
) -> None:
    recurrence = {
        "pattern": {"interval": 1} | pattern,
        "range": {"type": "noEnd", "startDate": "2026-11-21"} | scope,
    }
    with pytest.raises(BadRecurrence):
        filled(recurrence, date(2026, 11, 21))


def test_zones_are_known_by_windows_names_and_a_custom_one_counts_as_utc() -> None:
    summer = datetime(2026, 7, 1, 12, tzinfo=zone_of("Pacific Standard Time"))
    assert summer.astimezone(UTC).hour == 19
    assert zone_of(CUSTOM) is UTC
    assert zone_of("Europe/Paris").utcoffset(summer.replace(tzinfo=None)) is not None
    assert all(zone_of(name) for name in ZONES)
    for unknown in ("Mars Standard Time", "Europe/Madrid"):  # of IANA names only the listed ones work
        with pytest.raises(KeyError):
            zone_of(unknown)
