"""The six patterns, their RRULEs, and Windows' zones, by the wire reference §16."""

from datetime import date

import orjson
import pytest
from syncd_microsoft.recurrence import Rule, rule_of
from syncd_microsoft.windows_zones import ZONES, iana, zone

PLACEHOLDERS = {"month": 0, "dayOfMonth": 0, "index": "first", "firstDayOfWeek": "sunday", "interval": 1}
ENDLESS = {"type": "noEnd", "endDate": "0001-01-01", "numberOfOccurrences": 0}


def rule(kind: str, start: str, *, span: dict | None = None, zone: str = "UTC", **pattern) -> Rule:
    found = rule_of(
        orjson.dumps(
            {
                "pattern": {**PLACEHOLDERS, "type": kind, **pattern},
                "range": {**ENDLESS, "startDate": start, "recurrenceTimeZone": zone, **(span or {})},
            }
        )
    )
    assert found is not None
    return found


def dates(found: Rule, last: str) -> list[str]:
    return [one.isoformat() for one in found.dates(date.fromisoformat(last))]


def test_daily() -> None:
    found = rule("daily", "2026-02-27", interval=2)
    assert dates(found, "2026-03-05") == ["2026-02-27", "2026-03-01", "2026-03-03", "2026-03-05"]
    assert found.text(all_day=False) == "FREQ=DAILY;INTERVAL=2"


def test_weekly_counts_weeks_from_their_first_day() -> None:
    """Sunday the 4th and Monday the 5th are of one week that begins on Sunday, of two that begin on Monday."""
    days = {"daysOfWeek": ["sunday", "monday"], "interval": 2}
    sunday = rule("weekly", "2026-01-04", firstDayOfWeek="sunday", **days)
    assert dates(sunday, "2026-01-20") == ["2026-01-04", "2026-01-05", "2026-01-18", "2026-01-19"]
    monday = rule("weekly", "2026-01-04", firstDayOfWeek="monday", **days)
    assert dates(monday, "2026-01-20") == ["2026-01-04", "2026-01-12", "2026-01-18"]
    assert monday.text(all_day=False) == "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU;WKST=MO"


def test_the_31st_of_a_short_month_is_its_last_day() -> None:
    found = rule("absoluteMonthly", "2026-01-31", dayOfMonth=31)
    assert dates(found, "2026-04-30") == ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]
    assert found.text(all_day=False) == "FREQ=MONTHLY;INTERVAL=1;BYMONTHDAY=31"


@pytest.mark.parametrize(
    ("index", "days", "first", "text"),
    [
        ("second", ["wednesday"], "2026-01-14", "FREQ=MONTHLY;BYDAY=2WE"),
        ("last", ["wednesday"], "2026-01-28", "FREQ=MONTHLY;BYDAY=-1WE"),
        (
            "first",
            ["monday", "tuesday", "wednesday", "thursday", "friday"],
            "2026-01-01",
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1",
        ),
        ("last", ["saturday", "sunday"], "2026-01-31", "FREQ=MONTHLY;BYDAY=SA,SU;BYSETPOS=-1"),
    ],
)
def test_relative_months(index: str, days: list[str], first: str, text: str) -> None:
    found = rule("relativeMonthly", "2026-01-01", index=index, daysOfWeek=days)
    assert dates(found, "2026-01-31") == [first]
    assert found.text(all_day=False) == text


def test_years() -> None:
    leap = rule("absoluteYearly", "2024-02-29", month=2, dayOfMonth=29)
    assert dates(leap, "2026-12-31") == ["2024-02-29", "2025-02-28", "2026-02-28"]
    assert leap.text(all_day=True) == "FREQ=YEARLY;INTERVAL=1;BYMONTH=2;BYMONTHDAY=29"
    thanks = rule("relativeYearly", "2026-11-26", month=11, index="fourth", daysOfWeek=["thursday"])
    assert dates(thanks, "2027-12-31") == ["2026-11-26", "2027-11-25"]
    assert thanks.text(all_day=True) == "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH"


def test_the_first_occurrence_may_be_later_than_the_start() -> None:
    found = rule("weekly", "2026-01-01", daysOfWeek=["monday"], span={"type": "numbered", "numberOfOccurrences": 2})
    assert dates(found, "2026-12-31") == ["2026-01-05", "2026-01-12"]
    assert found.end() == date(2026, 1, 12)
    assert found.text(all_day=False).endswith(";COUNT=2")


def test_an_end_date_is_inclusive_and_local() -> None:
    found = rule("daily", "2026-01-01", zone="Pacific Standard Time", span={"type": "endDate", "endDate": "2026-01-02"})
    assert dates(found, "2026-12-31") == ["2026-01-01", "2026-01-02"]
    assert found.text(all_day=False).endswith("UNTIL=20260103T075959Z")
    assert found.text(all_day=True).endswith("UNTIL=20260102")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"{}",
        b'{"pattern":{"type":"hourly"},"range":{"type":"noEnd","startDate":"2026-01-01"}}',
        b'{"pattern":{"type":"weekly","daysOfWeek":["someday"]},"range":{"type":"noEnd","startDate":"2026-01-01"}}',
        b'{"pattern":{"type":"daily"},"range":{"type":"noEnd","startDate":"soon"}}',
        b'{"pattern":{"type":"absoluteYearly","month":13,"dayOfMonth":1},"range":{"startDate":"2026-01-01"}}',
    ],
)
def test_what_is_no_rule_is_none(raw: bytes) -> None:
    assert rule_of(raw) is None


def test_an_empty_or_unknown_zone_is_that_of_the_event_else_utc() -> None:
    raw = b'{"pattern":{"type":"daily"},"range":{"type":"noEnd","startDate":"2026-01-01","recurrenceTimeZone":""}}'
    assert rule_of(raw, "Romance Standard Time").zone == "Romance Standard Time"
    assert rule_of(raw, "tzone://Microsoft/Custom").zone == "UTC"


def test_every_windows_zone_has_an_iana_zone_that_exists() -> None:
    assert len(ZONES) > 130
    assert all(zone(name).key == found for name, found in ZONES.items() if found != "Etc/UTC")
    assert (iana("Romance Standard Time"), iana("india standard time")) == ("Europe/Paris", "Asia/Calcutta")
    assert (iana("UTC"), iana("Europe/Madrid")) == ("UTC", "Europe/Madrid")
    assert iana("tzone://Microsoft/Custom") is iana("") is iana(None) is iana("../UTC") is None
