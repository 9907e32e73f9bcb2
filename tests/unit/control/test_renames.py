"""A sync that has another name in git: it goes on as what it was, with all that is kept of it."""

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from syncd.config.model import Config, ConnectionConfig, SyncConfig
from syncd.control.alarms import Alarms
from syncd.control.parts import Parts
from syncd.control.pauses import Pauses, renamed
from syncd.engine.executor import Executor, RunReport
from syncd.engine.ports import Counts, RunError, RunScope, RunStatus, Trigger
from syncd.plugins import Plugins
from syncd.sdk import SystemClock
from syncd.store import SyncState, open_store

pytestmark = pytest.mark.anyio
WHEN = datetime(2026, 1, 1, tzinfo=UTC)
ALL = RunScope()


def folder(
    syncs: dict[str, str], connections: tuple[ConnectionConfig, ...] = (ConnectionConfig("acme", "fake"),)
) -> Config:
    """Syncs by name; of what: `acme: mail files`."""
    made = {}
    for name, text in syncs.items():
        connection, _, streams = text.partition(": ")
        made[name] = SyncConfig(name, connection, {stream: {} for stream in streams.split()})
    return Config(connections={one.name: one for one in connections}, syncs=made)


def had(**syncs: str) -> dict[str, SyncState]:
    """What the store remembers."""
    states = {}
    for name, text in syncs.items():
        connection, _, streams = text.partition(": ")
        states[name] = SyncState(name, connection=connection, streams=tuple(sorted(streams.split())))
    return states


@pytest.mark.parametrize(
    ("before", "now", "moves"),
    [
        pytest.param({"a": "acme: mail"}, {"b": "acme: mail"}, {"b": "a"}, id="another name"),
        pytest.param({"a": "acme: mail"}, {"b": "acme: mail files"}, {"b": "a"}, id="and more streams"),
        pytest.param({"a": "acme: mail files"}, {"b": "acme: files"}, {"b": "a"}, id="and fewer"),
        pytest.param({"a": "acme: mail"}, {"b": "acme: files"}, {}, id="another sync"),
        pytest.param({"a": "acme: mail"}, {"b": "other: mail"}, {}, id="another connection"),
        pytest.param({"a": "acme: mail files"}, {"a": "acme: mail", "b": "acme: files"}, {}, id="still configured"),
        pytest.param({"a": "acme: mail"}, {"a": "acme: mail", "b": "acme: files"}, {}, id="one more"),
        pytest.param({"a": "acme: mail", "b": "acme: files tasks"}, {"a": "acme: mail files tasks"}, {}, id="joined"),
        pytest.param(
            {"a": "acme: mail", "b": "acme: files tasks"}, {"c": "acme: mail files tasks"}, {"c": "b"}, id="most streams"
        ),
        pytest.param({"b": "acme: mail", "a": "acme: files"}, {"c": "acme: mail files"}, {"c": "a"}, id="then by name"),
        pytest.param({"a": "acme: mail files"}, {"c": "acme: mail", "b": "acme: files"}, {"b": "a"}, id="only once"),
        pytest.param(
            {"a": "acme: mail", "b": "acme: files"}, {"b": "acme: mail", "c": "acme: files"}, {"c": "b", "b": "a"}, id="chain"
        ),
        pytest.param({"a": "acme: mail", "b": "acme: files"}, {"a": "acme: files", "b": "acme: mail"}, {}, id="swapped"),
        pytest.param({"a": "acme: mail", "b": ""}, {"b": "acme: mail"}, {"b": "a"}, id="a name that was there once"),
        pytest.param({}, {"b": "acme: mail"}, {}, id="nothing is known"),
        pytest.param({"a": "acme: mail"}, {}, {}, id="nothing is configured"),
    ],
)  # fmt: skip
def test_whose_place_a_name_takes(before: dict[str, str], now: dict[str, str], moves: dict[str, str]) -> None:
    found = renamed(folder(now), had(**before))
    assert (found, list(found)) == (moves, list(moves))  # in this order


def test_a_connection_may_have_another_name_too() -> None:
    eu = ConnectionConfig("eu", "fake", previous_name="acme")
    assert renamed(folder({"b": "eu: mail"}, (eu,)), had(a="acme: mail")) == {"b": "a"}
    assert renamed(folder({"a": "eu: mail"}, (eu,)), had(a="acme: mail", b="acme: files")) == {}
    both = (eu, ConnectionConfig("acme", "fake"))  # `previous_name` stays in the YAML for good
    assert renamed(folder({"b": "eu: mail"}, both), had(a="acme: mail")) == {}


class Bench:
    """A daemon's pauses and notices over a real store."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.pauses = Pauses(parts)
        self.alarms = Alarms(parts, self.pauses)

    async def adopt(self, **syncs: str) -> None:
        self.parts.config = folder(syncs)
        await self.pauses.adopt(self.parts.config)

    async def run(self, sync: str) -> int:
        store = self.parts.store
        run = await store.start_run(sync, "acme", Trigger.MANUAL, ALL, WHEN)
        await store.finish_run(run, RunStatus.FAILED, WHEN, counts=Counts(), requests=0, streams=[])
        return run

    async def failed(self, sync: str, run: int = 1) -> None:
        errors = [RunError("SYN-NET-001", "the provider is down")]
        report = RunReport(run, sync, Trigger.SCHEDULED, RunStatus.FAILED, WHEN, WHEN, Counts(), 0, errors=errors)
        await self.pauses.ended(report, ALL)

    async def history(self, sync: str) -> list[int]:
        return [row.id for row in await self.parts.store.runs(sync)]

    async def state(self, sync: str) -> SyncState:
        return (await self.pauses.states(self.parts.config))[sync]

    async def told(self) -> list[tuple[str, bool, datetime]]:
        await self.alarms.check()
        return [(row.title, row.told, row.since) for row in await self.parts.notices.open()]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    config, clock = folder({}), SystemClock()
    store = open_store(tmp_path, clock)
    executor = Executor(store, config, {}, clock=clock, rng=random.Random(0))
    yield Bench(Parts(tmp_path, store, executor, Plugins(), clock, config))
    store.close()


async def test_switch_pause_failures_due_time_and_history_go_along(bench: Bench) -> None:
    await bench.adopt(a="acme: mail", other="acme: files")
    runs = [await bench.run("a") for _ in range(3)]
    for run in runs:
        await bench.failed("a", run)
    await bench.pauses.switch(bench.parts.config.syncs["a"], False)
    await bench.pauses.set_next_due("a", WHEN)
    before = await bench.state("a")
    assert (before.enabled, before.code, before.failures, before.next_due_at) == (False, "SYN-RUN-001", 3, WHEN)
    other = await bench.state("other")
    await bench.adopt(b="acme: mail", other="acme: files")
    assert await bench.state("b") == replace(before, name="b")
    assert await bench.state("other") == other
    assert (await bench.history("b"), await bench.history("a")) == (runs[::-1], [])
    assert "a" not in await bench.parts.store.sync_states()
    await bench.adopt(a="acme: mail", other="acme: files")
    assert await bench.state("a") == before  # and back


async def test_a_name_that_comes_later_still_finds_the_place_that_nobody_took(bench: Bench) -> None:
    await bench.adopt(a="acme: mail")
    await bench.pauses.switch(bench.parts.config.syncs["a"], False)
    await bench.adopt()
    await bench.adopt(b="acme: mail")
    assert (await bench.state("b")).enabled is False


async def test_a_place_that_another_sync_took_is_nobodys_any_more(bench: Bench) -> None:
    await bench.adopt(a="acme: mail", b="acme: files")
    await bench.pauses.switch(bench.parts.config.syncs["a"], False)
    await bench.adopt(b="acme: files mail")
    await bench.adopt(b="acme: files", c="acme: mail")
    assert (await bench.state("c")).enabled is None


async def test_a_sync_that_is_gone_leaves_nothing_to_one_with_other_streams(bench: Bench) -> None:
    await bench.adopt(a="acme: mail")
    run = await bench.run("a")
    await bench.pauses.switch(bench.parts.config.syncs["a"], False)
    await bench.adopt(b="acme: files")
    assert (await bench.state("b")).enabled is None
    assert (await bench.history("a"), await bench.history("b")) == ([run], [])
    await bench.adopt(a="acme: mail", b="acme: files")
    assert (await bench.state("a")).enabled is False  # it comes back as it went


async def test_a_chain_of_names_moves_each_to_its_own(bench: Bench) -> None:
    await bench.adopt(a="acme: mail", b="acme: files")
    runs = [await bench.run("a"), await bench.run("b")]
    await bench.pauses.switch(bench.parts.config.syncs["b"], False)
    await bench.adopt(b="acme: mail", c="acme: files")
    assert [(await bench.state(name)).enabled for name in "bc"] == [None, False]
    assert [await bench.history(name) for name in "bc"] == [[runs[0]], [runs[1]]]


async def test_before_it_is_moved_it_is_seen_as_it_was(bench: Bench) -> None:
    await bench.adopt(a="acme: mail")
    await bench.pauses.switch(bench.parts.config.syncs["a"], False)
    before = await bench.state("a")
    bench.parts.config = folder({"b": "acme: mail"})  # a reload that is still at work
    assert await bench.state("b") == replace(before, name="b")


async def test_a_cut_between_two_moves_is_made_up_for(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    await bench.adopt(a="acme: mail", b="acme: files")
    await bench.pauses.switch(bench.parts.config.syncs["b"], False)
    real = bench.parts.store.set_sync_state

    async def cut(name: str, **changes: object) -> SyncState:
        if name == "b":
            raise OSError("the store is away")
        return await real(name, **changes)

    monkeypatch.setattr(bench.parts.store, "set_sync_state", cut)
    with pytest.raises(OSError, match="away"):
        await bench.adopt(b="acme: mail", c="acme: files")
    monkeypatch.undo()
    await bench.adopt(b="acme: mail", c="acme: files")
    assert [(await bench.state(name)).enabled for name in "bc"] == [None, False]
    assert "a" not in await bench.parts.store.sync_states()


async def test_what_operators_were_told_of_it_is_not_told_anew_and_ends_under_the_new_name(bench: Bench) -> None:
    await bench.adopt(a="acme: mail")
    for _ in range(3):
        await bench.failed("a")
    ((title, told, since),) = await bench.told()
    assert (title, told) == ("a is paused", True)
    await bench.adopt(b="acme: mail")
    assert await bench.told() == [("b is paused", True, since)]
    await bench.pauses.lift(["b"])
    assert await bench.told() == []
    (row,) = await bench.parts.store.notices()
    assert (row.key, row.title, len(row.tellings)) == ("paused:b", "b is resumed", 2)


async def test_a_credentials_notice_is_its_connections(bench: Bench) -> None:
    await bench.adopt(a="acme: mail")
    await bench.parts.store.set_sync_state("a", paused="auto", code="SYN-AUTH-001", reason="acme: refused", since=WHEN)
    before = await bench.told()
    await bench.adopt(b="acme: mail")
    assert await bench.told() == before != []


async def test_a_run_that_began_under_the_former_name_counts_for_its_sync(bench: Bench) -> None:
    await bench.adopt(a="acme: mail")
    run = await bench.run("a")
    await bench.adopt(b="acme: mail")
    await bench.failed("a", run)
    assert (await bench.state("b")).failures == 1
    assert "a" not in await bench.parts.store.sync_states()


async def test_the_scheduler_hears_of_the_former_name_once(bench: Bench) -> None:
    await bench.adopt(a="acme: mail")
    await bench.pauses.set_next_due("a", WHEN + timedelta(days=1))
    await bench.adopt(b="acme: mail")
    due = (await bench.pauses.due_states(bench.parts.config))["b"]
    assert (due.formerly, due.next_due_at) == ("a", WHEN + timedelta(days=1))
    await bench.adopt(b="acme: mail")
    assert (await bench.pauses.due_states(bench.parts.config))["b"].formerly is None
