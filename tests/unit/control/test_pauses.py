"""When a sync rests, and what ends that."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from syncd.config.model import Config, ConnectionConfig, SyncConfig
from syncd.control.alarms import Alarms
from syncd.control.parts import Parts
from syncd.control.pauses import Pauses
from syncd.control.statuses import status
from syncd.engine.executor import Executor, RunReport
from syncd.engine.ports import Counts, RunError, RunScope, RunStatus, Trigger
from syncd.engine.report import AUTH, DEFERRED
from syncd.plugins import Plugins
from syncd.sdk import SystemClock
from syncd.store import SyncState, open_store

pytestmark = pytest.mark.anyio
WHEN = datetime(2026, 1, 1, tzinfo=UTC)
ALL = RunScope()


class Bench:
    """Two syncs of one connection and one of another, a real store, and what operators would be told."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.pauses = Pauses(parts)
        self.alarms = Alarms(parts, self.pauses)

    async def noticed(self) -> list[str]:
        """Titles of what is wrong, as told."""
        await self.alarms.check()
        return [row.title for row in await self.parts.notices.open() if row.told]

    async def ended(self, status: RunStatus, sync: str = "a", scope: RunScope = ALL, **more: object) -> None:
        errors = [RunError("SYN-NET-001", "the provider is down")] if status is RunStatus.FAILED else []
        report = RunReport(1, sync, Trigger.SCHEDULED, status, WHEN, WHEN, Counts(), 0, errors=errors)
        await self.pauses.ended(replace(report, **more), scope)  # type: ignore[arg-type]

    async def state(self, sync: str = "a") -> SyncState:
        return await self.parts.store.sync_state(sync)

    async def paused(self) -> set[str]:
        states = await self.pauses.states(self.parts.config)
        return {name for name, state in states.items() if state.paused}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    syncs = [SyncConfig("a", "one", {"x": {}}), SyncConfig("b", "one", {"y": {}}), SyncConfig("c", "two", {"x": {}})]
    config = Config(
        connections={name: ConnectionConfig(name, "fake") for name in ("one", "two")},
        syncs={sync.name: sync for sync in syncs},
    )
    clock = SystemClock()
    store = open_store(tmp_path, clock)
    executor = Executor(store, config, {}, clock=clock, rng=random.Random(0))
    yield Bench(Parts(tmp_path, store, executor, Plugins(), clock, config))
    store.close()


async def test_three_failures_in_a_row_pause_once_and_tell_once(bench: Bench) -> None:
    for _ in range(2):
        await bench.ended(RunStatus.FAILED)
    assert await bench.paused() == set()
    for _ in range(3):
        await bench.ended(RunStatus.FAILED)
    state = await bench.state()
    assert (state.paused, state.code, state.failures) == ("auto", "SYN-RUN-001", 5)
    assert state.reason == "3 failed runs in a row; the last one: the provider is down (SYN-NET-001)"
    assert await bench.noticed() == ["a is paused"]
    assert await bench.paused() == {"a"}


@pytest.mark.parametrize("status", [RunStatus.COMPLETED, RunStatus.PARTIAL, RunStatus.HELD])
async def test_any_run_that_got_through_breaks_the_row(bench: Bench, status: RunStatus) -> None:
    for outcome in (RunStatus.FAILED, RunStatus.FAILED, status, RunStatus.FAILED, RunStatus.FAILED):
        await bench.ended(outcome)
    assert await bench.paused() == set()


async def test_cancelled_and_put_off_runs_count_for_nothing(bench: Bench) -> None:
    for _ in range(2):
        await bench.ended(RunStatus.FAILED)
    await bench.ended(RunStatus.CANCELLED)
    await bench.ended(RunStatus.FAILED, reason=DEFERRED)
    assert (await bench.state()).failures == 2


async def test_a_refused_credential_pauses_the_connection_and_tells_once(bench: Bench) -> None:
    await bench.ended(RunStatus.FAILED, "a", reason=AUTH)
    await bench.ended(RunStatus.FAILED, "b", reason=AUTH)
    assert await bench.paused() == {"a", "b"}
    assert (await bench.state("b")).code == "SYN-AUTH-001"
    assert await bench.noticed() == ["the credential of one is refused"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("SYN-AUTH-001", "one: the secret has expired."),
        ("SYN-MICROSOFT-007", "one: the secret has expired (SYN-MICROSOFT-007)"),
    ],
)
async def test_a_pause_names_the_cause_by_its_own_code_too(bench: Bench, code: str, reason: str) -> None:
    errors = [RunError(code, "the secret has expired.")]
    await bench.ended(RunStatus.FAILED, "a", reason=AUTH, errors=errors)
    state = await bench.state()
    assert (state.code, state.reason) == ("SYN-AUTH-001", reason)
    await bench.noticed()
    (notice,) = await bench.parts.notices.open()
    assert notice.text.endswith(f"More: syncd explain {code}")
    await bench.pauses.still_refused("one", "the secret has expired.")
    assert (await bench.state()).reason == reason  # the same cause
    await bench.pauses.still_refused("one", "another word")
    assert (await bench.state()).reason == "one: another word"


async def test_a_success_proves_the_credential_for_all(bench: Bench) -> None:
    await bench.ended(RunStatus.FAILED, "a", reason=AUTH)
    await bench.ended(RunStatus.COMPLETED, "b")
    assert await bench.paused() == set()


async def test_a_success_does_not_lift_another_syncs_failures(bench: Bench) -> None:
    for _ in range(3):
        await bench.ended(RunStatus.FAILED, "a")
    await bench.ended(RunStatus.COMPLETED, "b")
    assert await bench.paused() == {"a"}
    await bench.ended(RunStatus.COMPLETED, "a")
    assert (await bench.state()).failures == 0
    assert await bench.paused() == set()


async def test_a_mistyped_account_is_no_failure(bench: Bench) -> None:
    wrong = [RunError("SYN-ACCOUNT-002", "no imported account matches")]
    for _ in range(3):
        await bench.ended(RunStatus.FAILED, scope=RunScope(accounts=("x",)), errors=wrong)
    assert await bench.paused() == set()
    for _ in range(3):
        await bench.ended(RunStatus.FAILED, errors=wrong)
    assert await bench.paused() == {"a"}


async def test_the_switch_wins_until_the_yaml_agrees(bench: Bench) -> None:
    sync = bench.parts.config.syncs["a"]
    assert (await bench.pauses.switch(sync, False)).enabled is False
    await bench.pauses.adopt(bench.parts.config)
    assert (await bench.state()).enabled is False  # the YAML still says true
    off = replace(bench.parts.config, syncs={**bench.parts.config.syncs, "a": replace(sync, enabled=False)})
    await bench.pauses.adopt(off)
    assert (await bench.state()).enabled is None
    assert (await bench.pauses.switch(sync, True)).enabled is None  # nothing to say otherwise


@pytest.mark.parametrize(
    "ask",
    [
        lambda bench: status(bench.parts, bench.pauses),
        lambda bench: bench.pauses.refused_connections(),
        lambda bench: bench.pauses.credential_works("one"),
        lambda bench: bench.ended(RunStatus.FAILED, reason=AUTH),
    ],
    ids=["status", "refused", "works", "ended"],
)
async def test_a_reload_in_the_middle_of_a_question_does_not_mix_two_configurations(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, ask: Callable[[Bench], Awaitable[Any]]
) -> None:
    config, states = bench.parts.config, bench.parts.store.sync_states
    added = SyncConfig("new", "one", {"z": {}})

    async def reloaded() -> Any:
        found = await states()
        bench.parts.config = replace(config, syncs={**config.syncs, "new": added})
        return found

    monkeypatch.setattr(bench.parts.store, "sync_states", reloaded)
    answer = await ask(bench)
    if answer:
        assert [one["name"] for one in answer["syncs"]] == ["a", "b", "c"]
    assert "new" in bench.parts.config.syncs
