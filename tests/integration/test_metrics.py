"""What Prometheus is shown: right after what happened, bounded, and quick."""

import asyncio
import random
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from syncd.config.model import CronSchedule, MaxDelete
from syncd.engine.timetable import stale_at
from syncd.engine.work import Slots
from syncd.sdk import Secret
from syncd.store import StoreFailed
from syncd.store.database import Tx
from syncd.web.gauges import _escaped, _Limits
from tests.support.observed import Observed, observed

pytestmark = pytest.mark.anyio


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Observed]:
    async with observed(tmp_path / "state") as made:
        yield made


async def test_a_run_shows_in_freshness_records_and_counters(place: Observed) -> None:
    before = await place.scrape()
    assert before.value("syncd_stream_freshness_seconds", stream="notes") is None
    assert before.value("syncd_stream_records", stream="notes") == 0
    report = await place.sync()
    place.clock.advance(600)
    after = await place.scrape()
    assert after.value("syncd_stream_freshness_seconds", sync="nightly", connection="acme", stream="notes") >= 600
    assert after.value("syncd_stream_freshness_limit_seconds", stream="notes") == 7200
    assert after.value("syncd_stream_records", stream="notes") == report.streams[0]["counts"]["new"] > 0
    assert after.value("syncd_items_total", stream="notes", outcome="new") == report.streams[0]["counts"]["new"]
    assert after.value("syncd_runs_total", connector="notes", status="completed") == 1
    assert after.value("syncd_sync_last_run_status", status="completed") == 1
    assert after.value("syncd_sync_last_success_timestamp_seconds") == report.finished_at.timestamp()
    assert after.value("syncd_partitions_total", stream="notes", outcome="completed") == 5
    assert after.value("syncd_partitions_in_flight") == after.value("syncd_partitions_waiting") == 0
    assert after.value("syncd_info", version="1.2.3") == 1


async def test_every_request_is_counted_with_its_outcome(place: Observed) -> None:
    imported = (await place.scrape()).value("syncd_request_duration_seconds_count", outcome="ok") or 0
    report = await place.sync()
    after = await place.scrape()
    assert after.value("syncd_request_duration_seconds_count", connector="notes", outcome="ok") == (
        imported + report.requests
    )


async def test_waits_that_a_provider_asks_for_are_counted(place: Observed) -> None:
    assert (await place.scrape()).value("syncd_throttled_total", connector="notes", connection="acme") == 0
    place.source.api.busy = 3
    await place.sync()
    after = await place.scrape()
    assert after.value("syncd_throttled_total", connection="acme") == 3
    assert after.value("syncd_throttle_wait_seconds_total", connection="acme") > 0


async def test_what_a_full_round_finds_different_is_drift_and_what_a_delta_brings_is_not(place: Observed) -> None:
    await place.sync()
    for _ in range(6):
        place.source.change(place.rng)
    await place.sync()
    assert "syncd_full_rounds_total" not in (await place.scrape()).samples
    ada = place.source.api.living("u0")[0]
    ada.text += " that no delta told"  # `changed` stays as it was
    await place.sync(full=True)
    after = await place.scrape()
    assert after.value("syncd_full_rounds_total", connection="acme", stream="notes") == 5
    assert after.value("syncd_drift_items_total", stream="notes", kind="updated") == 1
    assert after.value("syncd_drift_items_total", stream="notes", kind="new") == 0
    assert after.value("syncd_drift_items_total", stream="tags", kind="new") is None  # it has no deltas


async def test_drift_of_a_round_that_began_before_the_daemon_is_shown_too(place: Observed) -> None:
    counted = place.control.parts.executor.metrics
    counted.differed("acme", "notes", "updated", 2)
    scrape = await place.scrape()
    assert scrape.value("syncd_drift_items_total", stream="notes", kind="updated") == 2
    assert scrape.value("syncd_full_rounds_total", stream="notes") == 0


async def test_held_deletions_and_unreadable_items_show_until_they_are_decided(tmp_path: Path) -> None:
    async with observed(tmp_path / "state", max_delete=MaxDelete(count=0)) as place:
        await place.sync()
        place.source.delete(place.rng)
        place.source.api.lost = 1
        await place.sync(full=True)
        scrape = await place.scrape()
        assert (scrape.value("syncd_stream_held_deletions", stream="notes") or 0) >= 1
        assert scrape.value("syncd_stream_quarantined_items", stream="notes") == 1
        await place.control.decide("nightly", True)
        assert (await place.scrape()).value("syncd_stream_held_deletions", stream="notes") == 0


async def test_a_pause_by_a_refused_credential_shows_at_the_sync_and_the_connection(place: Observed) -> None:
    connection = place.control.parts.config.connections["acme"]
    assert (await place.scrape()).value("syncd_connection_credential_refused", connection="acme") == 0
    wrong = replace(connection, settings={**connection.settings, "client_secret": Secret(lambda: "wrong", "${env:X}")})
    place.configure(connections={"acme": wrong})
    await place.sync()
    await place.control.alarms.check()
    after = await place.scrape()
    assert after.value("syncd_sync_paused", sync="nightly") == 1
    assert after.value("syncd_connection_credential_refused", connection="acme") == 1
    assert after.value("syncd_notices_open", kind="credential_refused") == 1
    assert after.value("syncd_notice_messages_waiting", channel="${env:OPS}") == 1
    assert after.value("syncd_sync_lag_seconds", sync="nightly") == 0


async def test_a_due_run_that_does_not_begin_lags(place: Observed) -> None:
    await place.control.scheduler.adopt(place.control.parts.config)
    place.clock.advance(3 * 3600)
    lag = (await place.scrape()).value("syncd_sync_lag_seconds", sync="nightly")
    assert lag is not None
    assert 3600 < lag < 3 * 3600


async def test_problems_of_the_folder_are_shown_at_once(place: Observed) -> None:
    assert (await place.scrape()).value("syncd_config_problems") == 0
    place.control.parts.problems = ["one", "two"]  # type: ignore[list-item]
    assert (await place.scrape()).value("syncd_config_problems") == 2


async def test_no_label_holds_an_account_or_a_text_of_the_provider(place: Observed) -> None:
    place.source.api.lost = 1
    await place.sync()
    await place.sync(full=True)
    text = await place.text()
    assert "@acme.example" not in text
    assert not re.search(r"ünïcödé|inbox|attic", text)


async def test_the_store_is_asked_again_only_after_a_commit(place: Observed, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[None] = []
    measures = place.control.parts.store.measures

    async def counted() -> Any:
        asked.append(None)
        return await measures()

    monkeypatch.setattr(type(place.control.parts.store), "measures", lambda _: counted())
    first, second = await place.text(), await place.text()
    assert _without_process(first) == _without_process(second)
    assert len(asked) == 1
    await place.control.switch("nightly", False)
    assert (await place.scrape()).value("syncd_sync_enabled", sync="nightly") == 0
    assert len(asked) == 2


async def test_a_store_that_is_away_fails_the_scrape_and_the_next_one_works(
    place: Observed, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_: object) -> Any:
        raise StoreFailed("the store is away")

    with monkeypatch.context() as patched:
        patched.setattr(type(place.control.parts.store), "measures", away)
        with pytest.raises(StoreFailed):
            await place.text()
    assert (await place.scrape()).value("syncd_sync_enabled") == 1


async def test_a_thousand_syncs_fit_a_page_without_a_query_for_each(
    place: Observed, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    rows = Tx.rows

    def counted(tx: Tx, sql: str, parameters: Any = ()) -> Any:
        asked.append(sql)
        return rows(tx, sql, parameters)

    monkeypatch.setattr(Tx, "rows", counted)
    nightly = place.control.parts.config.syncs["nightly"]
    many = {f"sync-{n}": replace(nightly, name=f"sync-{n}", streams={"notes": {}}) for n in range(1000)}
    place.configure(syncs=many)
    scrape = await place.scrape()
    assert len(scrape.samples["syncd_sync_enabled"]) == len(scrape.samples["syncd_stream_records"]) == 1000
    assert len(asked) < 12


async def test_numbers_are_those_of_syncd_status(place: Observed) -> None:
    store = place.control.parts.store
    for turn in range(4):
        await place.sync(full=turn == 2)
        measured = (await store.measures()).streams
        for one in await store.numbers([("acme", "notes"), ("acme", "tags")]):
            found = measured[one.connection, one.stream]
            assert (found.records, found.oldest, found.held) == (one.records, one.oldest, one.held)
        place.clock.advance(100)
        for person in list(place.source.api.people.values())[turn % 2 :: 2]:
            person.notebooks = person.notebooks[1:]  # its partition is gone
        place.source.change(place.rng)


@pytest.mark.parametrize("line", ["0 2 * * *", "*/20 * * * 1-5", "0 9,17 * * 1"])
def test_the_limit_of_freshness_is_twice_the_interval_wherever_in_it_one_asks(line: str) -> None:
    limits, schedule = _Limits(), CronSchedule(line, "Europe/Madrid")
    rng = random.Random(line)
    for _ in range(60):
        at = datetime(2026, 10, 20, tzinfo=UTC) + timedelta(seconds=rng.randrange(14 * 86400))
        assert limits.of(schedule, at) == (stale_at(schedule, at) - at).total_seconds()


async def test_places_are_counted_also_where_somebody_gives_up_waiting() -> None:
    slots = Slots(1)
    async with slots:
        waiting = asyncio.create_task(slots.acquire())
        await asyncio.sleep(0)
        assert (slots.taken, slots.wanted) == (1, 1)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert (slots.taken, slots.wanted) == (1, 0)
    assert (slots.taken, slots.wanted) == (0, 0)
    assert not slots.locked()


def test_labels_are_escaped() -> None:
    assert _escaped('a"b\\c\nd') == 'a\\"b\\\\c\\nd'


def _without_process(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("process_")]
