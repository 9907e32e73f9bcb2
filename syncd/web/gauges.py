"""How things stand, as lines for Prometheus.

Public: Facts, exposition.

The lines are written here, not by prometheus_client's collectors: a thousand syncs make some twenty thousand, which take
those a seventh of a second and this a fiftieth.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from syncd.config.model import Config, Schedule, SyncConfig
from syncd.control.pauses import AUTH_CODE, enabled
from syncd.deliver.occasions import KINDS
from syncd.engine.timetable import next_due, stale_at
from syncd.store import Measures, RunMeasure, StreamMeasure, SyncState

__all__ = ["Facts", "exposition"]

GAUGE, COUNTER = "gauge", "counter"
DRIFT = ("new", "updated", "absent")

Sample = tuple[str, float]  # labels as they stand in braces, value


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is shown. `left`: accounts' streams that runs under way have still to go through; `channels`: how
    many messages wait for each, and whether it fails; `check_age`: seconds since somebody looked what is due."""

    version: str
    config: Config
    now: datetime
    measures: Measures
    states: Mapping[str, SyncState]
    running: set[str]
    left: int
    in_flight: int
    wanted: int
    places: int
    problems: int
    broken_plugins: int
    notices: Mapping[str, int]
    channels: Mapping[str, tuple[int, bool]]
    check_age: float | None


@dataclass(frozen=True, slots=True)
class _Sync:
    config: SyncConfig
    state: SyncState
    last: RunMeasure | None
    running: bool
    now: datetime

    @property
    def lag(self) -> float:
        due, paused = self.state.next_due_at, self.state.paused is not None
        if due is None or paused or self.running or not enabled(self.config, self.state):
            return 0.0
        return max(0.0, (self.now - due).total_seconds())

    @property
    def ended(self) -> float | None:
        return None if self.last is None else self.last.finished_at.timestamp()

    @property
    def took(self) -> float | None:
        return None if self.last is None else (self.last.finished_at - self.last.started_at).total_seconds()

    @property
    def succeeded(self) -> float | None:
        done = None if self.last is None else self.last.completed_at
        return None if done is None else done.timestamp()


@dataclass(frozen=True, slots=True)
class _Stream:
    config: SyncConfig
    measure: StreamMeasure
    limits: "_Limits"
    now: datetime

    @property
    def freshness(self) -> float | None:
        oldest = self.measure.oldest
        return None if oldest is None else max(0.0, (self.now - oldest).total_seconds())

    @property
    def limit(self) -> float | None:
        oldest = self.measure.oldest
        return None if oldest is None else self.limits.of(self.config.schedule, oldest)


OF_SYNC: tuple[tuple[str, str, Callable[[_Sync], float | None]], ...] = (
    ("enabled", "1 unless the sync is switched off.", lambda one: float(enabled(one.config, one.state))),
    ("paused", "1 if failures or a refused credential have paused the sync.",
     lambda one: float(one.state.paused is not None)),
    ("running", "1 while a run is under way.", lambda one: float(one.running)),
    ("failures", "Failed runs in a row.", lambda one: float(one.state.failures)),
    ("lag_seconds", "For how long a run has been due that has not begun.", lambda one: one.lag),
    ("last_run_timestamp_seconds", "When the last run ended.", lambda one: one.ended),
    ("last_run_duration_seconds", "How long the last run took.", lambda one: one.took),
    ("last_success_timestamp_seconds", "When the last run ended that was completed.", lambda one: one.succeeded),
)  # fmt: skip
OF_STREAM: tuple[tuple[str, str, Callable[[_Stream], float | None]], ...] = (
    ("freshness_seconds", "Age of the least fresh part, since it was last read completely.", lambda one: one.freshness),
    ("freshness_limit_seconds", "Twice the interval of the schedule: what is older is not fresh.",
     lambda one: one.limit),
    ("records", "Live records.", lambda one: one.measure.records),
    ("partitions", "Partitions: calendars, folders, drives.", lambda one: one.measure.partitions),
    ("held_deletions", "Deletions that wait for a person.", lambda one: one.measure.held),
    ("quarantined_items", "Items that cannot be read.", lambda one: one.measure.quarantined),
    ("content_retries", "Contents that could not be had yet.", lambda one: one.measure.retries),
)  # fmt: skip


class _Limits:
    """Twice a schedule's interval, in seconds. Walking a cron line takes a millisecond: what was complete between the
    same two due times has the same limit."""

    def __init__(self) -> None:
        self._known: dict[Schedule, tuple[datetime, datetime, float]] = {}

    def of(self, schedule: Schedule, completed: datetime) -> float:
        known = self._known.get(schedule)
        if known is None or not known[0] <= completed < known[1]:
            limit = (stale_at(schedule, completed) - completed).total_seconds()
            known = self._known[schedule] = completed, next_due(schedule, completed), limit
        return known[2]


LIMITS = _Limits()


def exposition(
    facts: Facts,
    throttles: Mapping[tuple[str, str], int],
    waits: Mapping[tuple[str, str], float],
    compares: Mapping[tuple[str, str], int],
    drift: Mapping[tuple[str, str, str], int],
) -> bytes:
    """The lines. Throttles and waits are by connector and connection, compares and drift by connection and stream."""
    page = _Text()
    _whole(page, facts)
    _notices(page, facts)
    _syncs(page, facts)
    _streams(page, facts)
    _connections(page, facts, throttles, waits)
    _drift(page, facts, compares, drift)
    return page.bytes()


class _Text:
    def __init__(self) -> None:
        self._lines: list[str] = []

    def family(self, name: str, about: str, samples: Iterable[Sample], kind: str = GAUGE) -> None:
        name = f"syncd_{name}"
        self._lines += (f"# HELP {name} {about}", f"# TYPE {name} {kind}")
        self._lines += [f"{name}{labels} {value:.16g}" for labels, value in samples]

    def one(self, name: str, about: str, value: float | None) -> None:
        self.family(name, about, [] if value is None else [("", value)])

    def bytes(self) -> bytes:
        return "\n".join([*self._lines, ""]).encode()


def _labels(**labels: str) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _whole(page: _Text, facts: Facts) -> None:
    page.family("info", "The daemon.", [(_labels(version=facts.version), 1)])
    page.one(
        "config_problems", "What is wrong with the configuration folder; 0 means that it is in force.", facts.problems
    )
    page.one("plugins_broken", "Connectors that could not be loaded.", facts.broken_plugins)
    page.one("partitions_in_flight", "Partitions that are being read.", facts.in_flight)
    page.one("partitions_waiting", "Partitions that wait for a place.", facts.wanted)
    page.one("partitions_limit", "Places for partitions in flight.", facts.places)
    page.one("queue_account_streams", "Accounts' streams that runs under way have still to go through.", facts.left)
    page.one("scheduler_check_age_seconds", "Since somebody looked what is due.", facts.check_age)
    page.one("store_size_bytes", "The database file, write-ahead log not counted.", facts.measures.size)


def _notices(page: _Text, facts: Facts) -> None:
    opened = [(_labels(kind=kind), facts.notices.get(kind, 0)) for kind in KINDS]
    channels = [(_labels(channel=name), count, failing) for name, (count, failing) in facts.channels.items()]
    page.family("notices_open", "What operators were told of and is not over.", opened)
    page.family(
        "notice_messages_waiting",
        "Messages that a channel has not taken yet.",
        [(at, count) for at, count, _ in channels],
    )
    page.family(
        "notice_channel_failing", "1 while a channel takes no messages.", [(at, failing) for at, _, failing in channels]
    )


def _syncs(page: _Text, facts: Facts) -> None:
    runs = facts.measures.runs
    syncs = [
        (
            _labels(sync=name, connection=sync.connection),
            _Sync(sync, facts.states[name], runs.get(name), name in facts.running, facts.now),
        )
        for name, sync in facts.config.syncs.items()
    ]
    for name, about, value in OF_SYNC:
        page.family(
            f"sync_{name}", about, [(labels, found) for labels, one in syncs if (found := value(one)) is not None]
        )
    states = [
        (_labels(sync=name, connection=sync.connection, status=runs[name].status), 1)
        for name, sync in facts.config.syncs.items()
        if name in runs
    ]
    page.family("sync_last_run_status", "How the last run ended.", states)


def _streams(page: _Text, facts: Facts) -> None:
    none = StreamMeasure()
    streams = [
        (
            _labels(sync=name, connection=sync.connection, stream=stream),
            _Stream(sync, facts.measures.streams.get((sync.connection, stream), none), LIMITS, facts.now),
        )
        for name, sync in facts.config.syncs.items()
        for stream in sync.streams
    ]
    for name, about, value in OF_STREAM:
        page.family(
            f"stream_{name}", about, [(labels, found) for labels, one in streams if (found := value(one)) is not None]
        )


def _connections(
    page: _Text, facts: Facts, throttles: Mapping[tuple[str, str], int], waits: Mapping[tuple[str, str], float]
) -> None:
    refused = {
        facts.config.syncs[name].connection
        for name, state in facts.states.items()
        if state.paused is not None and state.code == AUTH_CODE and name in facts.config.syncs
    }
    known = [
        ((one.connector, name), _labels(connector=one.connector, connection=name))
        for name, one in facts.config.connections.items()
    ]
    page.family(
        "connection_credential_refused", "1 while the provider refuses the credential.",
        [(labels, key[1] in refused) for key, labels in known])  # fmt: skip
    page.family(
        "throttled_total", "Answers of a provider that say: slow down.",
        [(labels, throttles.get(key, 0)) for key, labels in known], COUNTER)  # fmt: skip
    page.family(
        "throttle_wait_seconds_total", "Seconds that were waited because a provider said so, over all that waited.",
        [(labels, waits.get(key, 0.0)) for key, labels in known], COUNTER)  # fmt: skip


def _drift(
    page: _Text,
    facts: Facts,
    compares: Mapping[tuple[str, str], int],
    drift: Mapping[tuple[str, str, str], int],
) -> None:
    """Counted since the daemon began, for the streams that it has compared; a round may have begun before."""
    streams = sorted({*compares, *((connection, stream) for connection, stream, _ in drift)})
    page.family(
        "full_rounds_total", "Full rounds that read anew what deltas had kept.",
        [(_labels(connection=c, stream=s), compares.get((c, s), 0)) for c, s in streams], COUNTER)  # fmt: skip
    page.family(
        "drift_items_total", "What such rounds found different.",
        [(_labels(connection=c, stream=s, kind=kind), drift.get((c, s, kind), 0)) for c, s in streams for kind in DRIFT],
        COUNTER)  # fmt: skip
