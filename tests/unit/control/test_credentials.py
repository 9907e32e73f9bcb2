"""A refused credential: when it is tried again, and what that brings."""

import random
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from syncd.config.model import Config, ConnectionConfig, SyncConfig
from syncd.control.credentials import Credentials
from syncd.control.parts import Parts
from syncd.control.pauses import Pauses
from syncd.engine.executor import Executor, RunReport
from syncd.engine.ports import Counts, RunError, RunScope, RunStatus, Trigger
from syncd.engine.report import AUTH
from syncd.plugins import Plugins
from syncd.sdk import AuthFailed, Secret, Transient
from syncd.store import SyncState, open_store
from syncd.testing.clock import FakeClock

pytestmark = pytest.mark.anyio
WHEN = datetime(2026, 1, 1, tzinfo=UTC)


class Bench:
    """Two syncs of one connection, whose key is in a file, and a provider that knows which key is good."""

    def __init__(self, folder: Path, clock: FakeClock) -> None:
        self.key = folder / "key"
        self.key.write_text("old")
        self.good, self.down, self.tries = "new", False, 0
        settings = {"key": Secret(self.key.read_text, "${file:key}")}
        syncs = {name: SyncConfig(name, "acme", {name: {}}) for name in ("a", "b")}
        config = Config(connections={"acme": ConnectionConfig("acme", "fake", settings)}, syncs=syncs)
        self.clock = clock
        store = open_store(folder, clock)
        executor = Executor(store, config, {}, clock=clock)
        executor.check = self._check  # type: ignore[method-assign]
        self.parts = Parts(folder, store, executor, Plugins(), clock, config)
        self.pauses = Pauses(self.parts)
        self.credentials = Credentials(self.parts, self.pauses, random.Random(1))

    async def _check(self, connection: str) -> Mapping[str, str]:
        self.tries += 1
        if self.down:
            raise Transient("the provider is away")
        if self.key.read_text() != self.good:
            raise AuthFailed(f"refused for the {self.tries}. time")
        return {}

    async def refuse(self) -> None:
        """A run meets the refusal."""
        errors = [RunError("SYN-AUTH-001", "refused by a run")]
        report = RunReport(
            1, "a", Trigger.SCHEDULED, RunStatus.FAILED, WHEN, WHEN, Counts(), 0, errors=errors, reason=AUTH
        )
        await self.pauses.ended(report, RunScope())

    async def live(self, seconds: int) -> int:
        """The chore, every five seconds; how often the credential was tried."""
        before = self.tries
        for _ in range(0, seconds, 5):
            await self.credentials.look()
            self.clock.advance(5)
        return self.tries - before

    async def state(self, sync: str = "a") -> SyncState:
        return await self.parts.store.sync_state(sync)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path, FakeClock(auto=False))
    await bench.credentials.look()  # the daemon runs; nothing is refused yet
    yield bench
    bench.parts.store.close()


async def test_a_changed_secret_is_tried_at_once_and_the_syncs_are_due_now(bench: Bench) -> None:
    await bench.refuse()
    await bench.live(30)
    assert bench.tries == 0
    bench.key.write_text("new")
    await bench.live(5)
    assert bench.tries == 1
    for sync in ("a", "b"):
        state = await bench.state(sync)
        assert (state.paused, state.code, state.failures) == (None, None, 0)
        assert state.next_due_at is not None
        assert state.next_due_at <= bench.clock.now()


async def test_a_secret_that_changed_and_is_refused_too_keeps_the_pause_and_updates_its_reason(bench: Bench) -> None:
    await bench.refuse()
    since = (await bench.state()).since
    await bench.live(10)
    bench.key.write_text("worse")
    await bench.live(30)
    state = await bench.state()
    assert (state.paused, state.since) == ("auto", since)
    assert state.reason == "acme: refused for the 1. time"
    assert bench.tries == 1


async def test_it_is_tried_after_a_minute_and_then_hourly(bench: Bench) -> None:
    await bench.refuse()
    assert await bench.live(60) == 0
    assert await bench.live(10) == 1  # it may have changed while it was being refused
    assert await bench.live(3200) == 0
    assert await bench.live(800) == 1
    bench.good = "old"  # consent is back
    assert await bench.live(4000) == 1
    assert (await bench.state()).paused is None


async def test_a_restarted_daemon_tries_it_at_once(bench: Bench) -> None:
    await bench.refuse()
    bench.key.write_text("new")  # while it was down
    bench.credentials = Credentials(bench.parts, bench.pauses)
    await bench.live(5)
    assert (await bench.state()).paused is None


async def test_a_provider_that_is_away_proves_nothing_and_is_asked_ever_less(bench: Bench) -> None:
    await bench.refuse()
    bench.down = True
    bench.key.write_text("new")
    await bench.live(5)
    assert (await bench.state()).paused == "auto"
    tries = await bench.live(3600)
    assert 4 <= tries <= 8
    bench.down = False
    await bench.live(4000)
    assert (await bench.state()).paused is None


async def test_a_secret_whose_file_is_gone_is_tried_once_it_is_back(bench: Bench) -> None:
    bench.key.unlink()
    await bench.refuse()
    await bench.live(10)
    bench.key.write_text("new")
    await bench.live(5)
    assert (await bench.state()).paused is None


async def test_a_credential_that_passes_the_test_and_fails_the_run_is_not_tried_in_a_circle(bench: Bench) -> None:
    bench.good = "old"
    lifted = 0
    for _ in range(360):  # an hour
        if (await bench.state()).paused is None:
            lifted += 1
            await bench.refuse()
        await bench.live(10)
    assert lifted <= 3


async def test_switches_of_people_stay(bench: Bench) -> None:
    sync = bench.parts.config.syncs["a"]
    await bench.refuse()
    await bench.pauses.switch(sync, False)
    await bench.parts.store.set_sync_state("b", paused="manual", code=None, reason="not now")
    bench.key.write_text("new")
    await bench.live(100)
    assert bench.tries == 0  # nothing would run
    await bench.credentials.proven("acme")
    assert (await bench.state("a")).enabled is False
    assert (await bench.state("b")).paused == "manual"
