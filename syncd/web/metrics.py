"""`/metrics`: how things stand and what was counted, for Prometheus.

Public: mount, Prometheus (implements `syncd.engine.metrics.Metrics`).

How things stand is read from the store when somebody asks, and kept until something is committed; see `gauges`. No label
holds an account, a path or a text of a provider: connections, syncs, streams and connectors bound their number.
"""

import asyncio
from collections import Counter as Tally
from dataclasses import dataclass
from datetime import timedelta

import prometheus_client
from fastapi import FastAPI, Response
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest

from syncd.config.model import Config
from syncd.control.control import Control
from syncd.engine.events import Progress
from syncd.engine.ports import Counts
from syncd.store import Measures, SyncState

from .gauges import Facts, exposition

__all__ = ["Prometheus", "mount"]

TYPE = "text/plain; version=0.0.4; charset=utf-8"
REQUEST_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
COMMIT_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
ITEMS = ("new", "updated", "unchanged", "deleted", "held", "failed", "skipped")
TRUSTED = timedelta(seconds=15).total_seconds()  # what was read is read again after that, whoever may have written


class Prometheus:
    """Counters with a registry of their own. `throttles`, `waits` and `drift` are shown for all that is configured."""

    def __init__(self) -> None:
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.throttles: Tally[tuple[str, str]] = Tally()  # connector, connection
        self.waits: dict[tuple[str, str], float] = {}
        self.compares: Tally[tuple[str, str]] = Tally()  # connection, stream
        self.drift: Tally[tuple[str, str, str]] = Tally()  # connection, stream, kind
        self._requests = Histogram(
            "syncd_request_duration_seconds", "Requests to providers, until the answer began.",
            ("connector", "outcome"), buckets=REQUEST_SECONDS, registry=registry)  # fmt: skip
        self._items = Counter(
            "syncd_items", "Items by what became of them.", ("connector", "stream", "outcome"), registry=registry
        )
        self._partitions = Counter(
            "syncd_partitions", "Partitions that runs have read, by how that ended.",
            ("connector", "stream", "outcome"), registry=registry)  # fmt: skip
        self._runs = Counter("syncd_runs", "Runs that are over.", ("connector", "status"), registry=registry)
        self._held_up = Counter(
            "syncd_event_loop_blocked_seconds", "Seconds for which a connector's own code stopped everything.",
            ("connector",), registry=registry)  # fmt: skip
        self._commits = Histogram(
            "syncd_store_commit_duration_seconds", "Transactions of the store's writer.",
            buckets=COMMIT_SECONDS, registry=registry)  # fmt: skip

    def requested(self, connector: str, outcome: str, seconds: float) -> None:
        self._requests.labels(connector, outcome).observe(seconds)

    def throttled(self, connector: str, connection: str) -> None:
        self.throttles[connector, connection] += 1

    def waited(self, connector: str, connection: str, seconds: float) -> None:
        key = connector, connection
        self.waits[key] = self.waits.get(key, 0.0) + seconds

    def counted(self, connector: str, stream: str, counts: Counts) -> None:
        """What waits for settling is counted once it is settled."""
        for name in ITEMS:
            if (count := getattr(counts, name)) > 0:
                self._items.labels(connector, stream, name).inc(count)

    def compared(self, connection: str, stream: str) -> None:
        self.compares[connection, stream] += 1

    def differed(self, connection: str, stream: str, kind: str, count: int) -> None:
        self.drift[connection, stream, kind] += count

    def partition_ended(self, connector: str, stream: str, outcome: str) -> None:
        self._partitions.labels(connector, stream, outcome).inc()

    def run_ended(self, connector: str, status: str) -> None:
        self._runs.labels(connector, status).inc()

    def held_up(self, connector: str, seconds: float) -> None:
        self._held_up.labels(connector).inc(seconds)

    def committed(self, seconds: float) -> None:
        self._commits.observe(seconds)


def mount(app: FastAPI, control: Control) -> None:
    """Add GET /metrics."""
    page = _Page(control)

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(await page.text(), media_type=TYPE)


@dataclass(frozen=True, slots=True)
class _Stored:
    """What the store said, after so many commits, at this time of the monotonic clock."""

    config: Config
    commits: int
    at: float
    measures: Measures
    states: dict[str, SyncState]
    notices: Tally[str]
    waiting: dict[str, int]


class _Page:
    """Puts the page together. The store is asked once at a time, however many ask."""

    def __init__(self, control: Control) -> None:
        self._control = control
        counted = control.parts.executor.metrics
        self._counted = counted if isinstance(counted, Prometheus) else Prometheus()
        self._stored: _Stored | None = None
        self._one = asyncio.Lock()

    async def text(self) -> bytes:
        async with self._one:
            facts, counted = self._facts(await self._read()), self._counted
            given = (dict(counted.throttles), dict(counted.waits), dict(counted.compares), dict(counted.drift))
            return await asyncio.to_thread(lambda: exposition(facts, *given) + generate_latest(counted.registry))

    async def _read(self) -> _Stored:
        parts, old = self._control.parts, self._stored
        config, commits, now = parts.config, parts.store.commits, parts.clock.monotonic()
        if old and old.config is config and old.commits == commits and now - old.at < TRUSTED:
            return old
        self._stored = new = _Stored(
            config,
            commits,
            now,
            await parts.store.measures(),
            await self._control.pauses.states(config),
            Tally(row.kind for row in await parts.notices.open()),
            {one.name: one.waiting for one in await parts.notices.channels()},
        )
        return new

    def _facts(self, stored: _Stored) -> Facts:
        parts, executor = self._control.parts, self._control.parts.executor
        checked = self._control.scheduler.checked
        running = executor.running()
        return Facts(
            version=str((parts.daemon or {}).get("version", "")),
            config=stored.config,
            now=parts.clock.now(),
            measures=stored.measures,
            states=stored.states,
            running={one.sync for one in running},
            left=sum(_left(one.progress) for one in running),
            in_flight=executor.slots.taken,
            wanted=executor.slots.wanted,
            places=parts.config.daemon.concurrency,
            problems=len(parts.problems),
            broken_plugins=len(parts.plugins.broken),
            notices=stored.notices,
            channels={name: (count, name in parts.notices.failing()) for name, count in stored.waiting.items()},
            check_age=None if checked is None else parts.clock.monotonic() - checked,
        )


def _left(progress: Progress) -> int:
    """Accounts' streams that a run has still to go through."""
    if progress.started is None:
        return 0
    return max(0, progress.accounts * len(progress.started.streams) - sum(progress.done.values()))
