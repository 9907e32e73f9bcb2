"""A daemon's parts in this process, on the notes provider and a clock of the test's, with `/metrics`.

Public: observed, Observed.
"""

import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from syncd.config.model import AccountFilter, Config, ConnectionConfig, EverySchedule, SyncConfig
from syncd.control.control import Control
from syncd.control.parts import Parts
from syncd.engine.executor import Executor, RunReport, RunRequest
from syncd.engine.ports import RunScope
from syncd.plugins import Plugins
from syncd.sdk import Connector, Secret
from syncd.store import open_store
from syncd.testing import FakeClock
from syncd.testing.notes import NotesSource
from syncd.testing.notes_connector import NotesConnector
from syncd.web.metrics import Prometheus, mount

__all__ = ["Observed", "observed"]

HOURLY = EverySchedule(timedelta(hours=1))


@dataclass
class Observed:
    """`sync()` runs "nightly" (streams notes and tags of "acme"); `scrape()` reads the page."""

    source: NotesSource
    clock: FakeClock
    control: Control
    app: FastAPI
    rng: random.Random = field(default_factory=lambda: random.Random(0))

    async def sync(self, *, full: bool = False, name: str = "nightly") -> RunReport:
        handle = await self.control.parts.executor.submit(RunRequest(name, scope=RunScope(full=full)))
        report = await handle.report()
        await self.control.pauses.ended(report, handle.request.scope)
        return report

    async def text(self) -> str:
        transport = httpx.ASGITransport(app=self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://syncd") as client:
            answer = await client.get("/metrics")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        return answer.text

    async def scrape(self) -> "Scrape":
        return Scrape(await self.text())

    def configure(self, **changes: Any) -> None:
        """Put another configuration in force."""
        parts = self.control.parts
        parts.config = replace(parts.config, **changes)
        parts.executor.configure(parts.config)


class Scrape:
    """What Prometheus would take from a page. `types`: by name of a family."""

    def __init__(self, text: str) -> None:
        self.samples: dict[str, list[tuple[dict[str, str], float]]] = {}
        self.types: dict[str, str] = {}
        for family in text_string_to_metric_families(text):
            self.types[family.name] = family.type
            for sample in family.samples:
                self.samples.setdefault(sample.name, []).append((sample.labels, sample.value))

    def value(self, name: str, **labels: str) -> float | None:
        """The one sample that has these labels, whatever others it has; None if there is none."""
        found = [value for have, value in self.samples.get(name, []) if labels.items() <= have.items()]
        assert len(found) < 2, f"{name} {labels}: {len(found)} samples"
        return found[0] if found else None

    def labels(self, name: str) -> set[str]:
        return {label for have, _ in self.samples.get(name, []) for label in have}


@asynccontextmanager
async def observed(folder: Path, connector: Connector | None = None, **sync: Any) -> AsyncIterator[Observed]:
    """Accounts are imported, nothing is mirrored yet."""
    source, clock = NotesSource(1), FakeClock()
    config = configuration(source.settings, **sync)
    prometheus, connectors = Prometheus(), {"notes": connector or NotesConnector()}
    store = open_store(folder, clock, observe=prometheus.committed)
    executor = Executor(
        store,
        config,
        connectors,
        clock=clock,
        rng=random.Random(0),
        transport=source.transport,
        metrics=prometheus,
    )
    facts: dict[str, object] = {"running": True, "version": "1.2.3"}
    try:
        async with executor:
            parts = Parts(folder, store, executor, Plugins(connectors=connectors), clock, config, daemon=facts)
            control, app = Control(parts), FastAPI()
            mount(app, control)
            await control.alarms.adopt(config)
            await executor.import_accounts("acme")
            yield Observed(source, clock, control, app)
    finally:
        store.close()


def configuration(settings: Mapping[str, Any], **sync: Any) -> Config:
    given: dict[str, Any] = {"schedule": HOURLY, "accounts": AccountFilter(), **sync}
    acme = ConnectionConfig("acme", "notes", settings)
    nightly = SyncConfig("nightly", "acme", {"notes": {}, "tags": {}}, **given)
    base = Config(connections={"acme": acme}, syncs={"nightly": nightly})
    return replace(base, daemon=replace(base.daemon, notify=(Secret(lambda: "json://127.0.0.1:9", "${env:OPS}"),)))
