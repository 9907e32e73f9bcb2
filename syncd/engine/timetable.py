"""When a sync is due: pure arithmetic, no clock of its own.

Public: next_due, first_due, settle_due, stale_at, phase_of.

All datetimes are aware; answers are in UTC. The rules, as the configuration contract puts them:

- Cron times are local to the schedule's zone (UTC if none is given). A time in the gap of a change to summer time runs
  once, at the shift; a time in a doubled hour runs once, the first time. That holds for every cron line, `*` hours
  included: who wants a plain interval writes `every:`.
- An `every:` schedule keeps its phase: due times are whole intervals after the last one, however long runs take.
- After downtime there is one catch-up run, not one for each time missed.
- Jitter: cron times are what the operator wrote and get none. An `every:` schedule is shifted once, when it is first
  seen, by up to a tenth of its interval either way, so that many syncs of one interval spread out. The share is made
  from the sync's name and a seed that the caller gives, so that it is the same after a restart.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim

from syncd.config.model import CronSchedule, EverySchedule, Schedule

__all__ = ["LARGEST_SHARE", "first_due", "next_due", "phase_of", "settle_due", "stale_at"]

LARGEST_SHARE = 0.1  # of the interval, either way
MINUTE = timedelta(minutes=1)


def next_due(schedule: Schedule, after: datetime, last_due: datetime | None = None) -> datetime:
    """The first due time later than `after`.

    `last_due`, the due time before, gives an `every:` schedule its phase; without one it is a whole interval on.
    """
    if isinstance(schedule, CronSchedule):
        return _next_cron(schedule, after)
    return _next_interval(schedule, after, last_due)


def first_due(schedule: Schedule, now: datetime, share: float = 0.0) -> datetime:
    """The due time of a sync that has none yet, or whose schedule has changed. `share` as `phase_of` gives it."""
    if isinstance(schedule, CronSchedule):
        return _next_cron(schedule, now)
    return _utc(now) + schedule.interval * (1 + max(-LARGEST_SHARE, min(LARGEST_SHARE, share)))


def settle_due(schedule: Schedule, saved: datetime, now: datetime) -> datetime:
    """The saved due time, unless the clock has gone back so far that it can no longer be right.

    A past one stays (it is what a catch-up run is for). A future one that the schedule would not give comes
    from a wrong clock or an older schedule: it is worked out anew, so that a clock set back never stops a sync.
    """
    if saved <= now:
        return saved
    if isinstance(schedule, EverySchedule):
        return min(saved, _utc(now) + schedule.interval * (1 + LARGEST_SHARE))
    return _next_cron(schedule, now)


@lru_cache(maxsize=8192)  # it is asked every few seconds of every sync, and walking a cron line takes 0.3 ms
def stale_at(schedule: Schedule, completed: datetime) -> datetime:
    """When something last complete at `completed` is no longer fresh: after twice its interval.

    Of a cron line, whose gaps differ, those two count that follow the due time before: what was complete on a Friday is
    not stale on a Sunday if nothing is due before Monday.
    """
    if isinstance(schedule, EverySchedule):
        return _utc(completed) + 2 * schedule.interval
    second = _next_cron(schedule, _next_cron(schedule, completed))
    return _utc(completed) + (second - _last_cron(schedule, completed))


def phase_of(name: str, seed: str) -> float:
    """A sync's jitter: a share between -0.1 and 0.1 that depends on its name and the seed only."""
    digest = hashlib.sha256(f"{seed}\0{name}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") / 2**64 * 2 - 1) * LARGEST_SHARE


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _next_interval(schedule: EverySchedule, after: datetime, last_due: datetime | None) -> datetime:
    if last_due is None or last_due > after:
        return _utc(after) + schedule.interval
    whole = (after - last_due) // schedule.interval + 1
    return _utc(last_due) + schedule.interval * whole


def _next_cron(schedule: CronSchedule, after: datetime) -> datetime:
    """Walk the cron line over wall-clock times, and place each on the time line once."""
    zone = ZoneInfo(schedule.timezone)
    wall = after.astimezone(zone).replace(tzinfo=None)
    for candidate in CronSim(schedule.cron, wall):
        due = _on_time_line(candidate, zone)
        if due > after:
            return due
    raise ValueError(f"cron {schedule.cron!r} has no time to come")


def _last_cron(schedule: CronSchedule, until: datetime) -> datetime:
    """The last due time not after `until`."""
    zone = ZoneInfo(schedule.timezone)
    wall = until.astimezone(zone).replace(tzinfo=None) + MINUTE
    for candidate in CronSim(schedule.cron, wall, reverse=True):
        due = _on_time_line(candidate, zone)
        if due <= until:
            return due
    raise ValueError(f"cron {schedule.cron!r} has no time behind it")


def _on_time_line(wall: datetime, zone: ZoneInfo) -> datetime:
    """The instant of a wall-clock time: the first of two, or the shift if the clocks skip it."""
    moment = wall.replace(tzinfo=zone, fold=0)
    while moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != moment.replace(tzinfo=None):
        moment += MINUTE
    return moment.astimezone(UTC)
