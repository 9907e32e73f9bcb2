"""When a sync is due. Tables with the arithmetic in a comment; all expectations in UTC."""

from datetime import UTC, datetime, timedelta

import pytest

from syncd.config.model import CronSchedule, EverySchedule, Schedule
from syncd.engine.timetable import LARGEST_SHARE, first_due, next_due, phase_of, settle_due, stale_at


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if len(text) < 20 else datetime.fromisoformat(text)


NIGHTLY = CronSchedule("0 2 * * *", "UTC", "daily-2am")
TWICE = CronSchedule("0 0,12 * * *", "UTC", "every-12h")

CRON = [
    # cron, zone, after (UTC), due (UTC)
    ("0 2 * * *", "UTC", "2026-11-21 01:59:59", "2026-11-21 02:00"),
    ("0 2 * * *", "UTC", "2026-11-21 02:00:00", "2026-11-22 02:00"),  # strictly later
    ("0 0,12 * * *", "UTC", "2026-11-21 00:00", "2026-11-21 12:00"),
    ("0 0,12 * * *", "UTC", "2026-11-21 12:00", "2026-11-22 00:00"),
    ("0 2 * * 1-5", "Europe/Madrid", "2026-11-20 01:00", "2026-11-23 01:00"),  # Friday → Monday, 02:00 CET = 01:00
    ("0 2 29 2 *", "UTC", "2026-03-01 00:00", "2028-02-29 02:00"),  # leap day
    ("0 2 31 * *", "UTC", "2026-08-31 02:00", "2026-10-31 02:00"),  # September has 30
    ("0 2 L * *", "UTC", "2026-02-01 00:00", "2026-02-28 02:00"),  # the month's last day
    ("30 23 31 12 *", "America/Sao_Paulo", "2026-06-01 00:00", "2027-01-01 02:30"),  # 23:30 -03
    # Madrid, 29 March 2026: 02:00 CET → 03:00 CEST at 01:00 UTC
    ("30 2 * * *", "Europe/Madrid", "2026-03-28 12:00", "2026-03-29 01:00"),  # in the gap: at the shift
    ("30 2 * * *", "Europe/Madrid", "2026-03-29 01:00", "2026-03-30 00:30"),  # once
    ("0 2 * * *", "Europe/Madrid", "2026-03-28 12:00", "2026-03-29 01:00"),
    ("0 */2 * * *", "Europe/Madrid", "2026-03-28 23:00", "2026-03-29 01:00"),  # 02:00 is skipped: at the shift
    ("30 2,3 * * *", "Europe/Madrid", "2026-03-29 01:00", "2026-03-29 01:30"),  # 03:30 CEST exists
    # Madrid, 25 October 2026: 03:00 CEST → 02:00 CET at 01:00 UTC
    ("30 2 * * *", "Europe/Madrid", "2026-10-24 12:00", "2026-10-25 00:30"),  # the first 02:30
    ("30 2 * * *", "Europe/Madrid", "2026-10-25 00:30", "2026-10-26 01:30"),  # not the second
    ("30 2 * * *", "Europe/Madrid", "2026-10-25 01:15", "2026-10-26 01:30"),  # asked within the second hour
    ("0 * * * *", "Europe/Madrid", "2026-10-25 00:00", "2026-10-25 02:00"),  # a doubled hour once: 02:00, then 03:00
    # São Paulo, 4 November 2018: 00:00 → 01:00 at 03:00 UTC; 18 February 2018: 24:00 → 23:00 at 02:00 UTC
    ("0 0 * * *", "America/Sao_Paulo", "2018-11-03 12:00", "2018-11-04 03:00"),
    ("30 0 * * *", "America/Sao_Paulo", "2018-11-03 12:00", "2018-11-04 03:00"),
    ("30 0 * * *", "America/Sao_Paulo", "2018-11-04 03:00", "2018-11-05 02:30"),
    ("30 23 * * *", "America/Sao_Paulo", "2018-02-17 12:00", "2018-02-18 01:30"),
    ("30 23 * * *", "America/Sao_Paulo", "2018-02-18 01:30", "2018-02-19 02:30"),
    # Lord Howe, half an hour: 4 October 2026 02:00 +10:30 → 02:30 +11 at 15:30 UTC the day before
    ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03 00:00", "2026-10-03 15:30"),
    ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03 15:30", "2026-10-04 15:15"),
    # … and back: 5 April 2026 02:00 +11 → 01:30 +10:30 at 15:00 UTC the day before
    ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04 00:00", "2026-04-04 14:45"),
    ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04 14:45", "2026-04-05 15:15"),
]


@pytest.mark.parametrize(("cron", "zone", "after", "due"), CRON)
def test_cron_times(cron: str, zone: str, after: str, due: str) -> None:
    assert next_due(CronSchedule(cron, zone), at(after)) == at(due)


@pytest.mark.parametrize("zone", ["Europe/Madrid", "America/Sao_Paulo", "Australia/Lord_Howe", "Pacific/Apia"])
@pytest.mark.parametrize("cron", ["30 2 * * *", "0 0 * * *", "15 1,2,3 * * *"])
def test_walking_a_year_always_goes_forward_and_misses_no_local_day(cron: str, zone: str) -> None:
    moment, days = at("2011-01-01 12:00"), 0
    while moment < at("2012-01-01 12:00"):
        following = next_due(CronSchedule(cron, zone), moment)
        assert moment < following <= moment + timedelta(days=2)  # Samoa left out 30 December 2011
        moment, days = following, days + 1
    assert days >= 365 * len(cron.split()[1].split(",")) - 1


EVERY = [
    # interval, after, last due, due
    (15, "2026-01-01 00:00:00", None, "2026-01-01 00:00:15"),
    (15, "2026-01-01 00:00:00", "2026-01-01 00:00:00", "2026-01-01 00:00:15"),
    (15, "2026-01-01 00:00:47", "2026-01-01 00:00:10", "2026-01-01 00:00:55"),  # 10 + 3 · 15, phase kept
    (3600, "2026-01-05 10:20:00", "2026-01-01 00:30:00", "2026-01-05 10:30:00"),  # four days of downtime
    (
        3600,
        "2026-01-01 00:00:00",
        "2026-01-01 05:00:00",
        "2026-01-01 01:00:00",
    ),  # a last time in the future is no phase
]


@pytest.mark.parametrize(("seconds", "after", "last", "due"), EVERY)
def test_intervals_keep_their_phase(seconds: int, after: str, last: str | None, due: str) -> None:
    schedule = EverySchedule(timedelta(seconds=seconds))
    assert next_due(schedule, at(after), at(last) if last else None) == at(due)


def test_the_answer_is_in_utc_whatever_zone_was_asked_in() -> None:
    madrid = datetime.fromisoformat("2026-06-01T03:30:00+02:00")
    assert next_due(NIGHTLY, madrid).utcoffset() == timedelta(0)
    assert next_due(EverySchedule(timedelta(minutes=1)), madrid).utcoffset() == timedelta(0)


def test_jitter_is_bounded_steady_and_spreads() -> None:
    shares = [phase_of(f"sync-{number}", "seed") for number in range(200)]
    assert shares == [phase_of(f"sync-{number}", "seed") for number in range(200)]
    assert shares != [phase_of(f"sync-{number}", "other") for number in range(200)]
    assert all(-LARGEST_SHARE <= share <= LARGEST_SHARE for share in shares)
    assert min(shares) < -0.08
    assert max(shares) > 0.08


def test_jitter_shifts_intervals_once_and_cron_never() -> None:
    now, schedule = at("2026-01-01 00:00:00"), EverySchedule(timedelta(seconds=100))
    first = first_due(schedule, now, 0.05)
    assert first == at("2026-01-01 00:01:45")  # 100 · 1.05
    assert next_due(schedule, first, first) == first + timedelta(seconds=100)
    assert first_due(schedule, now, 7.0) == at("2026-01-01 00:01:50")  # bounded
    assert first_due(NIGHTLY, now, 0.1) == at("2026-01-01 02:00")
    assert first_due(TWICE, now, 0.1) == at("2026-01-01 12:00")


SAVED = [
    # schedule, saved, now, settled
    (NIGHTLY, "2026-01-01 02:00", "2026-01-04 09:00", "2026-01-01 02:00"),  # downtime: stays, one catch-up run
    (NIGHTLY, "2026-01-05 02:00", "2026-01-04 09:00", "2026-01-05 02:00"),
    (NIGHTLY, "2031-01-05 02:00", "2026-01-04 09:00", "2026-01-05 02:00"),  # saved by a clock five years ahead
    (EverySchedule(timedelta(seconds=60)), "2026-01-04 09:00:30", "2026-01-04 09:00:00", "2026-01-04 09:00:30"),
    (
        EverySchedule(timedelta(seconds=60)),
        "2026-01-04 10:00:30",
        "2026-01-04 09:00:00",
        "2026-01-04 09:01:06",
    ),  # set back
]


@pytest.mark.parametrize(("schedule", "saved", "now", "settled"), SAVED)
def test_a_clock_set_back_never_stops_a_sync(
    schedule: CronSchedule | EverySchedule, saved: str, now: str, settled: str
) -> None:
    assert settle_due(schedule, at(saved), at(now)) == at(settled)


@pytest.mark.parametrize(
    ("schedule", "completed", "stale"),
    [
        (EverySchedule(timedelta(seconds=15)), "2026-01-01T00:00:03+00:00", "2026-01-01T00:00:33+00:00"),
        (CronSchedule("0 2 * * *"), "2026-01-01 02:10", "2026-01-03 02:10"),
        (CronSchedule("0 2 * * *"), "2026-01-01 02:00", "2026-01-03 02:00"),
        (CronSchedule("0 2 * * 1-5"), "2026-01-02 02:10", "2026-01-06 02:10"),  # a Friday: Monday, then Tuesday
        (CronSchedule("0 2 * * 1-5"), "2026-01-01 02:10", "2026-01-05 02:10"),  # a Thursday: Friday, then Monday
        (CronSchedule("0 2 * * *", "Europe/Madrid"), "2026-03-28 01:10", "2026-03-30 00:10"),  # an hour is lost
    ],
)
def test_something_is_stale_after_twice_its_interval(schedule: Schedule, completed: str, stale: str) -> None:
    assert stale_at(schedule, at(completed)) == at(stale)
