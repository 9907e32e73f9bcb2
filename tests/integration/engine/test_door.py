"""Imports, checks, dry runs, events, reports, and what a run costs."""

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from syncd.config.model import ConnectionLimits
from syncd.engine.events import PageCommitted, RunFinished, RunStarted, as_json
from syncd.engine.executor import RunReport, RunRequest, UnknownName
from syncd.engine.ports import RunScope
from syncd.engine.report import account_results
from syncd.sdk import Account, AuthFailed, Forbidden, RateLimited, StreamInfo, SyncdError, Transient
from syncd.store import SqlStore
from tests.integration.engine.script import PartedStream, World, bench

pytestmark = pytest.mark.anyio

KEYS = ["run", "sync", "trigger", "status", "started_at", "finished_at", "duration_s", "counts", "requests", "streams", "errors"]  # fmt: skip


async def test_the_report_is_the_contracts_object(tmp_path: Path) -> None:
    world = World()
    world.add_people(2)
    world.place("items", "u1").put("a")
    world.place("items", "u2").always = Forbidden("no")
    async with bench(world, tmp_path) as b:
        report = await b.run()
        shown = report.to_json()
        assert list(shown) == KEYS
        assert shown["started_at"] == "2026-01-01T12:00:00Z"
        assert shown["counts"] == {
            "new": 1, "updated": 0, "unchanged": 0, "deleted": 0, "failed": 0, "held": 0, "pending": 0, "skipped": 0,
        }  # fmt: skip
        assert list(shown["streams"][0]) == ["stream", "status", "accounts", "counts"]
        assert shown["streams"][0]["accounts"] == 2
        assert list(shown["errors"][0]) == ["code", "message", "stream", "account", "partition", "source_id", "hint"]
        row = await b.store.get_run(shown["run"])
        assert row is not None
        assert RunReport.of(row).to_json() == shown
        results = account_results(row, await b.store.run_counts(row.id), await b.store.accounts("acme"))
        assert [(one["account"], one["status"]) for one in results["items"]] == [
            ("p1@acme.example", "completed"),
            ("p2@acme.example", "skipped"),
        ]


async def test_import_shows_who_is_new_and_who_is_gone(tmp_path: Path) -> None:
    world = World(StreamInfo("items"), StreamInfo("mail"))
    world.people = [Account("u1", "ann@acme.example", "Ann", "admin", streams={"mail": "unavailable: no licence"})]
    async with bench(world, tmp_path, imported=False) as b:
        report = await b.executor.import_accounts("acme")
        assert report.to_json() == {
            "connection": "acme",
            "accounts": [
                {
                    "account": "ann@acme.example",
                    "name": "Ann",
                    "role": "admin",
                    "state": "active",
                    "streams": {"items": "ready", "mail": "unavailable: no licence"},
                }
            ],
            "new": ["ann@acme.example"],
            "gone": [],
        }
        world.people = [Account("u2", "bob@acme.example")]
        second = (await b.executor.import_accounts("acme")).to_json()
        assert (second["new"], second["gone"]) == (["bob@acme.example"], ["ann@acme.example"])
        with pytest.raises(UnknownName):
            await b.executor.import_accounts("other")


async def test_an_import_is_complete_or_nothing(tmp_path: Path) -> None:
    world = World()
    world.add_people(3)
    async with bench(world, tmp_path) as b:
        world.people = world.people[:1]
        world.account_faults = [Transient("broke off", exhausted=True)]
        with pytest.raises(Transient):
            await b.executor.import_accounts("acme")
        assert [row.gone_at for row in await b.store.accounts("acme")] == [None] * 3
        world.account_faults = [Transient("once"), RateLimited(retry_after=5), None]
        assert len((await b.executor.import_accounts("acme")).gone) == 2


async def test_another_organisation_is_refused(tmp_path: Path) -> None:
    world = World()
    async with bench(world, tmp_path) as b:
        world.people = [Account("x1", "eve@other.example", organization="other")]
        with pytest.raises(SyncdError) as caught:
            await b.executor.import_accounts("acme")
        assert caught.value.code == "SYN-ACCOUNT-003"


async def test_check_tells_what_is_missing(tmp_path: Path) -> None:
    world = World(StreamInfo("items"), StreamInfo("mail"))
    async with bench(world, tmp_path) as b:
        world.ready = {"mail": "missing scope"}
        assert await b.executor.check("acme") == {"items": "ready", "mail": "missing scope"}
        world.ready = AuthFailed("no")
        with pytest.raises(AuthFailed):
            await b.executor.check("acme")


async def test_a_missing_connector_is_named(tmp_path: Path) -> None:
    async with bench(World(), tmp_path, imported=False) as b:
        b.executor._connectors = {}
        report = await b.run()
        assert (str(report.status), report.exit_code, report.errors[0].code) == ("failed", 1, "SYN-PLUGIN-002")
        assert b.executor.running() == []
        with pytest.raises(SyncdError):
            await b.executor.submit(RunRequest("nightly", dry_run=True))


async def test_a_dry_run_counts_and_writes_nothing(tmp_path: Path) -> None:
    world = World(StreamInfo("items"), StreamInfo("boxes"), kinds={"boxes": PartedStream})
    world.place("items").put(*"abcdefgh")
    world.place("boxes", "u1", "in").put("x", "y")
    async with bench(world, tmp_path) as b:

        async def dry(**scope: Any) -> RunReport:
            request = RunRequest("nightly", scope=RunScope(**scope), dry_run=True)
            return await (await b.executor.submit(request)).report()

        first = await dry()
        assert (first.run, str(first.status), first.counts.new, first.exit_code) == (None, "completed", 10, 0)
        assert b.records() == {}
        assert await b.store.runs("nightly") == []
        await b.run()
        world.place("items").drop("a")
        world.place("items").put("b", colour="red")
        delta = await dry(streams=("items",))
        assert (delta.counts.updated, delta.counts.deleted, delta.counts.new) == (1, 1, 0)
        full = await dry(full=True)
        assert (full.counts.updated, full.counts.deleted, full.counts.unchanged) == (1, 1, 8)
        assert list(full.to_json()) == KEYS
        real = await b.run()
        assert (real.counts.updated, real.counts.deleted) == (1, 1)
        world.place("items").drop(*"bcdefgh")
        world.place("boxes", "u1", "in").always = AuthFailed("no")
        refused = await dry()
        assert refused.exit_code == 77


async def test_events_tell_the_story_and_slow_listeners_get_totals(tmp_path: Path) -> None:
    world = World()
    world.place("items").put(*[f"i{n:03}" for n in range(30)])
    async with bench(world, tmp_path) as b:
        handle = await b.executor.submit(RunRequest("nightly"))
        events = [event async for event in handle.events()]
        assert isinstance(events[0], RunStarted)
        assert isinstance(events[-1], RunFinished)
        pages = [event for event in events if isinstance(event, PageCommitted)]
        assert pages[-1].counts.new == 30
        assert as_json(events[-1])["event"] == "run_finished"
        slow = handle.events()
        assert [type(event) for event in [one async for one in slow]] == [RunStarted]  # it is over


async def test_two_listeners_and_one_that_leaves_early(tmp_path: Path) -> None:
    world = World()
    go = asyncio.Event()
    world.place("items").put("a")
    world.place("items").faults = {0: go.wait}
    async with bench(world, tmp_path) as b:
        handle = await b.executor.submit(RunRequest("nightly"))
        leaving = handle.events()
        assert isinstance(await anext(leaving), RunStarted)
        await leaving.aclose()  # type: ignore[attr-defined]
        go.set()
        assert isinstance([event async for event in handle.events()][-1], RunFinished)


class Counting:
    """Counts the calls of the store."""

    calls: list[str]

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self.calls = []

    def __getattr__(self, name: str) -> Any:
        if name not in ("known", "children"):  # handed on to the connector, not called
            self.calls.append(name)
        return getattr(self._store, name)


async def test_a_cycle_without_changes_costs_two_calls_per_partition(tmp_path: Path) -> None:
    world = World(StreamInfo("items"), StreamInfo("boxes"), kinds={"boxes": PartedStream})
    world.add_people(5)
    for n in range(1, 6):
        world.place("items", f"u{n}").put("a")
        world.place("boxes", f"u{n}", "in").put("b")
        world.place("boxes", f"u{n}", "out").put("c")
    counted: list[Counting] = []

    def wrap(store: SqlStore) -> Counting:
        counted.append(Counting(store))
        return counted[-1]

    async with bench(world, tmp_path, wrap=wrap) as b:
        await b.run()
        counted[0].calls.clear()
        report = await b.run()
        assert str(report.status) == "completed"
        calls = counted[0].calls
        assert (calls.count("open_round"), calls.count("apply_page")) == (15, 15)
        assert calls.count("listed") == 5  # what a listing of boxes begins with
        rest = sorted(set(calls) - {"open_round", "apply_page", "listed"})
        assert rest == [
            "accounts",
            "claim_shared",
            "finish_run",
            "get_run",
            "held",
            "leftovers",
            "run_counts",
            "start_run",
        ]
        assert len(calls) - 35 <= 12


async def test_memory_does_not_grow_with_the_number_of_partitions(tmp_path: Path) -> None:
    class Thin:
        """A store that does next to nothing, so that only the engine's memory is seen."""

        def __init__(self, store: SqlStore) -> None:
            self._store = store

        def __getattr__(self, name: str) -> Any:
            return getattr(self._store, name)

    peaks = []
    for count in (100, 400):
        world = World()
        world.add_people(count)
        async with bench(world, tmp_path / str(count), wrap=Thin) as b:
            await b.run()
            gc.collect()
            tracemalloc.start()
            await b.run()
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    # rows of accounts and results grow by little; tasks, clients and pages of all partitions would be 10 kB each
    assert (peaks[1] - peaks[0]) / 300 < 4000, peaks


class Bearer(httpx.Auth):
    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        answer = yield httpx.Request("POST", "https://token.test/")
        if answer.status_code == 429:
            raise RateLimited(retry_after=600)
        if answer.status_code == 400:
            raise AuthFailed("invalid_grant")
        request.headers["Authorization"] = "Bearer x"
        yield request


async def test_requests_are_counted_token_requests_included(tmp_path: Path) -> None:
    world = World()
    world.signing = Bearer()
    world.http = lambda request: httpx.Response(200, json={})
    world.place("items").put("a")
    async with bench(world, tmp_path) as b:
        assert (await b.run()).requests == 2


async def test_a_throttled_token_endpoint_means_later_and_a_refusal_means_77(tmp_path: Path) -> None:
    world = World()
    world.signing = Bearer()
    status = 429
    world.http = lambda request: httpx.Response(status if request.url.host == "token.test" else 200, json={})
    world.place("items").put("a")
    async with bench(world, tmp_path, limits=ConnectionLimits()) as b:
        report = await b.run()
        assert (str(report.status), report.exit_code, report.auth_failed) == ("partial", 75, False)
        b.later(hours=1)
        status = 400
        report = await b.run()
        assert (str(report.status), report.exit_code, report.auth_failed) == ("failed", 77, True)


async def test_a_new_configuration_makes_a_new_connection_only_if_it_differs(tmp_path: Path) -> None:
    async with bench(World(), tmp_path) as b:
        first = b.executor._connections["acme"]
        b.configure(pause_after=9)
        assert b.executor._connections["acme"] is first
        config = b.executor.config
        changed = replace(config.connections["acme"], settings={"x": 1})
        b.executor.configure(replace(config, connections={"acme": changed}))
        await b.run()
        assert b.executor._connections["acme"] is not first


async def test_a_configuration_that_changes_while_a_connection_is_opened_is_the_one_it_gets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(World(), tmp_path, imported=False) as b:
        config, bind = b.executor.config, b.store.bind_connection
        changed = replace(config.connections["acme"], settings={"x": 1})

        async def reloaded(*arguments: Any) -> None:
            await bind(*arguments)
            b.executor.configure(replace(config, connections={"acme": changed}))

        monkeypatch.setattr(b.store, "bind_connection", reloaded)
        await b.import_all()
        assert b.executor._connections["acme"].config is changed


async def test_a_run_that_is_just_being_started_is_not_overlooked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    world.place("items").put("a")
    async with bench(world, tmp_path) as b:
        starting, goes_on, start_run = asyncio.Event(), asyncio.Event(), b.store.start_run

        async def slow(*arguments: Any) -> int:
            starting.set()
            await goes_on.wait()
            return await start_run(*arguments)

        monkeypatch.setattr(b.store, "start_run", slow)
        submitted = asyncio.create_task(b.executor.submit(RunRequest("nightly")))
        await starting.wait()
        assert not b.executor.running()
        begun = asyncio.create_task(b.executor.begun())
        await asyncio.sleep(0)
        goes_on.set()
        assert [handle.run for handle in await begun] == [(await submitted).run]
        await (await submitted).report()
