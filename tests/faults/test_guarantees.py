"""What syncd promises (DESIGN §7, and the settled questions of §4), seen from outside: the real engine, store and Google
connector follow a simulated organisation.

docs/guarantees.md says which test holds which promise; those of a single part stand with that part, the settled rules in
tests/guarantees.
"""

import json
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from syncd_simulator import GoogleWorld, SimClock
from syncd_simulator.google.edits import Editor
from syncd_simulator.google.seed import large_contacts, tiny_organisation
from syncd_simulator.google.world import User

from syncd.config.model import MaxDelete
from syncd.engine.executor import RunReport, RunRequest
from syncd.engine.ports import RunScope, RunStatus
from tests.support.mirror import Lab
from tests.support.truth import differences

pytestmark = pytest.mark.anyio

START = 1_790_000_000.0
Options = dict[str, dict[str, Any]]


@asynccontextmanager
async def lab(folder: Path, streams: Options, world: GoogleWorld | None = None, **sync: Any) -> AsyncIterator[Lab]:
    """An organisation of three, mirrored once. The brake is the default one unless `max_delete` says otherwise."""
    world = world or tiny_organisation(7, SimClock.manual(START))
    async with Lab(world, folder, streams, **{"max_delete": MaxDelete(), **sync}) as one:
        first = await one.sync()
        assert first.status is RunStatus.COMPLETED, first.to_json()
        yield one


def people(one: Lab) -> list[User]:
    return list(one.world.users.values())


EDITORS: WeakKeyDictionary[Lab, Editor] = WeakKeyDictionary()


def editor(one: Lab) -> Editor:
    return EDITORS.setdefault(one, Editor(one.world, 3))


def counts(report: RunReport) -> tuple[int, int, int]:
    return report.counts.new, report.counts.updated, report.counts.deleted


def by_id(one: Lab, stream: str, **query: Any) -> dict[str, dict[str, Any]]:
    return {record["source_id"]: record for record in one.records(stream, **query)}


def versions(one: Lab, stream: str) -> dict[tuple[str, str, str], int]:
    return {(r["account"], r["partition"], r["source_id"]): r["version"] for r in one.records(stream)}


def codes(report: RunReport) -> set[str]:
    return {error.code for error in report.errors}


# -- §7.2 the ledger, §7.5 isolation


async def test_a_run_with_a_missing_item_is_not_completed(tmp_path: Path) -> None:
    async with lab(tmp_path, {"contacts": {}}) as one:
        ada, grace, _ = people(one)
        lost, landed = editor(one).add_contact(ada), editor(one).add_contact(grace)

        def unreadable(answer: Any) -> Any:
            for person in answer.get("connections", ()):
                if person["resourceName"] == lost:
                    person["names"] = "not a list"
            return answer

        one.world.faults.rewrite_json(unreadable, api="people", times=None)
        report = await one.sync()
        assert (report.status, report.exit_code) == (RunStatus.PARTIAL, 3)
        assert (report.counts.new, report.counts.failed) == (1, 1)
        [error] = report.errors
        assert (error.code, error.source_id, error.account) == ("SYN-ITEM-001", lost, ada.address)
        assert landed in by_id(one, "contacts")
        assert lost not in by_id(one, "contacts")


async def test_an_item_unreadable_once_is_not_missing_for_long(tmp_path: Path) -> None:
    """A delta shows an item once: after a reject the next round is full."""
    async with lab(tmp_path, {"contacts": {}}) as one:
        [ada, *_] = people(one)
        lost = editor(one).add_contact(ada)
        one.world.faults.rewrite_json(lambda answer: answer | {"connections": [17]}, api="people", user=ada.address)
        assert (await one.sync()).status is RunStatus.PARTIAL
        one.world.clock.advance(60)
        assert (await one.sync()).status is RunStatus.COMPLETED
        assert lost in by_id(one, "contacts")
        one.world.requests.clear()
        one.world.clock.advance(60)
        assert counts(await one.sync()) == (0, 0, 0)
        assert one.world.requests.total == 3  # deltas again


async def test_every_run_balances_listed_against_outcomes(tmp_path: Path) -> None:
    async with lab(tmp_path, {"contacts": {}, "calendar": {"calendars": "all"}, "files": {}, "mail": {}}) as one:
        edits = editor(one)
        for _ in range(3):
            for _ in range(12):
                edits.random_edit()
            report = await one.sync()
            assert report.counts.balanced, report.counts
            assert report.counts.listed > 0


# -- §7.3 cursors


@pytest.mark.parametrize(
    ("stream", "api"), [("contacts", "people"), ("calendar", "calendar"), ("files", "drive"), ("mail", "gmail")]
)
async def test_a_lost_cursor_is_a_non_event_same_records_same_versions(tmp_path: Path, stream: str, api: str) -> None:
    async with lab(tmp_path, {stream: {}}, max_delete=MaxDelete(1.0)) as one:
        before = versions(one, stream)
        for user in people(one):
            one.world.expire(api, user)
        report = await one.sync()
        assert (report.status, report.exit_code, list(report.errors)) == (RunStatus.COMPLETED, 0, [])
        assert counts(report) == (0, 0, 0)
        assert versions(one, stream) == before


async def test_deletions_during_a_lost_cursor_are_found_by_the_full_round(tmp_path: Path) -> None:
    async with lab(tmp_path, {"contacts": {}}) as one:
        [ada, *_] = people(one)
        gone = editor(one).delete_contact(ada)
        one.world.expire("people", ada)
        report = await one.sync()
        assert (report.status, report.counts.deleted) == (RunStatus.COMPLETED, 1)
        assert gone in by_id(one, "contacts", deleted=True)


async def test_reset_forgets_cursors_and_nothing_else(tmp_path: Path) -> None:
    async with lab(tmp_path, {"contacts": {}, "mail": {}}) as one:
        before = versions(one, "contacts"), versions(one, "mail")
        await one.store.reset("acme", None, None)
        report = await one.sync()
        assert (report.status, counts(report)) == (RunStatus.COMPLETED, (0, 0, 0))
        assert (versions(one, "contacts"), versions(one, "mail")) == before


# -- §7.4 deletions


async def test_a_file_that_moves_between_shared_drives_is_one_update(tmp_path: Path) -> None:
    async with lab(tmp_path, {"files": {}}) as one:
        ada, grace, _ = people(one)
        here, there = (editor(one).add_drive(ada, grace, name=name) for name in ("Here", "There"))
        file = editor(one).add_file(ada, here)
        for drive in (here, there):
            editor(one).add_file(ada, drive)
        await one.sync()
        before = by_id(one, "files")[file.id]
        assert before["partition"] == here.id
        one.world.clock.advance(60)
        one.world.drive.move(file, there.id, one.world.now())
        report = await one.sync()
        assert (report.status, counts(report)) == (RunStatus.COMPLETED, (0, 1, 0))
        after = by_id(one, "files")[file.id]
        assert (after["partition"], after["version"]) == (there.id, before["version"] + 1)
        assert differences(one, "files") == []


# -- leaving scope is not deletion


async def test_leaving_scope_by_spam_and_trash_is_not_deletion(tmp_path: Path) -> None:
    async with lab(tmp_path, {"mail": {}}) as one:
        for _ in range(5):
            editor(one).trash_mail(people(one)[0])
        await one.sync()
        before = versions(one, "mail")
        one.reconfigure(streams={"mail": {"spam_trash": False}})
        report = await one.sync()
        assert (report.status, counts(report)) == (RunStatus.COMPLETED, (0, 0, 0))
        assert versions(one, "mail") == before


# -- accounts


async def test_a_sync_covers_imported_accounts_only(tmp_path: Path) -> None:
    async with lab(tmp_path, {"contacts": {}}) as one:
        newcomer = one.world.add_user("New", "Comer")
        added = editor(one).add_contact(newcomer)
        assert (await one.sync()).streams[0]["accounts"] == 3
        assert added not in by_id(one, "contacts")
        await one.executor.import_accounts("acme")
        assert (await one.sync()).streams[0]["accounts"] == 4
        assert added in by_id(one, "contacts")


# -- the change feed


async def test_a_run_without_edits_changes_nothing_and_asks_once_per_partition(tmp_path: Path) -> None:
    async with lab(tmp_path, {"contacts": {}, "calendar": {"calendars": "all"}, "files": {}, "mail": {}}) as one:
        one.world.requests.clear()
        report = await one.sync()
        assert (report.status, counts(report), report.counts.listed) == (RunStatus.COMPLETED, (0, 0, 0), 0)
        calendars = sum(len(user.calendars.shown()) for user in people(one))
        drives = len(one.world.drive.drives)
        assert one.world.requests.by_method == {
            "people.people.connections.list": 3,
            "calendar.calendarList.list": 3,
            "calendar.events.list": calendars,
            "drive.drives.list": 3,
            "drive.changes.list": 3 + drives,
            "gmail.users.history.list": 3,
        }


# -- content


@pytest.mark.parametrize(
    ("knob", "value", "reason"),
    [("refusal", "cannotDownloadAbusiveFile", "malware"), ("export_size", 11 * 1024 * 1024, "export_limit")],
)
async def test_content_that_can_never_be_had_is_skipped_with_its_reason(
    tmp_path: Path, knob: str, value: Any, reason: str
) -> None:
    async with lab(tmp_path, {"files": {}}) as one:
        [ada, *_] = people(one)
        file = editor(one).add_native(ada, kind="document") if knob == "export_size" else editor(one).add_file(ada)
        setattr(file, knob, value)
        report = await one.sync()
        assert (report.status, report.counts.failed) == (RunStatus.COMPLETED, 0), report.to_json()
        assert by_id(one, "files")[file.id]["summary"]["blob"] == {"skipped": reason}


# -- throttling, waits, credentials


async def test_token_throttle_without_a_time_is_75_not_77_and_asks_less_and_less(tmp_path: Path) -> None:
    async with lab(tmp_path, {"contacts": {}}) as one:
        one.executor.forget("acme")
        answer = json.dumps({"error": "rate_limit_exceeded", "error_description": "slow down"}).encode()
        one.world.faults.raw(429, answer, "application/json", api="token", times=None)
        one.world.requests.clear()
        report = await one.sync()
        assert (report.exit_code, report.auth_failed, report.deferred) == (75, False, True)
        assert codes(report) == {"SYN-RATE-001"}
        assert one.world.requests.by_method["token"] < 60  # three accounts, five minutes each


async def test_an_endpoint_that_only_fails_is_tried_five_times_and_the_rest_lands(tmp_path: Path) -> None:
    async with lab(tmp_path, {"contacts": {}, "mail": {}}) as one:
        [ada, *_] = people(one)
        mail = editor(one).add_mail(ada)
        one.world.faults.answer("backend_error", api="people", times=None)
        one.world.requests.clear()
        began = one.world.now()
        report = await one.sync()
        assert (report.status, codes(report)) == (RunStatus.PARTIAL, {"SYN-NET-001"})
        assert 3 * 4 <= one.world.requests.by_method["people.people.connections.list"] <= 3 * 5
        assert one.world.now() - began < 4 * 60
        assert mail.id in by_id(one, "mail")
        one.world.faults.clear()
        assert (await one.sync()).status is RunStatus.COMPLETED


# -- summaries as they are promised


async def test_partition_is_empty_for_contacts_mail_and_my_drive_and_the_id_elsewhere(tmp_path: Path) -> None:
    async with lab(tmp_path, {"contacts": {}, "calendar": {}, "files": {}, "mail": {}}) as one:
        for stream in ("contacts", "mail"):
            assert {record["partition"] for record in one.records(stream)} == {""}
        assert {record["partition"] for record in one.records("files")} == {"", *one.world.drive.drives}
        assert "" not in {record["partition"] for record in one.records("calendar")}


# -- §7.8 memory


async def test_memory_does_not_grow_with_the_number_of_records(tmp_path: Path) -> None:
    peaks = []
    for size in (3_000, 15_000):
        world = large_contacts(size, 1, SimClock.manual(START))
        async with Lab(world, tmp_path / str(size), {"contacts": {}}) as one:
            tracemalloc.start(1)
            report = await one.sync()
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
            assert report.counts.new == size
    assert peaks[1] < peaks[0] * 1.3 + 2_000_000, peaks


# -- what was asked for


async def test_a_narrowed_run_reads_only_what_was_asked_for(tmp_path: Path) -> None:
    async with lab(tmp_path, {"contacts": {}, "mail": {}}) as one:
        ada, grace, _ = people(one)
        one.world.requests.clear()
        scope = RunScope(streams=("contacts",), accounts=(grace.address,))
        report = await (await one.executor.submit(RunRequest("all", scope=scope))).report()
        assert report.status is RunStatus.COMPLETED
        assert one.world.requests.by_method == {"people.people.connections.list": 1}
        assert set(one.world.requests.by_user) == {grace.address}
        assert ada.address not in one.world.requests.by_user


async def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    async with lab(tmp_path, {"contacts": {}}) as one:
        added = editor(one).add_contact(people(one)[0])
        report = await (await one.executor.submit(RunRequest("all", dry_run=True))).report()
        assert (report.run, report.counts.new) == (None, 1)
        assert added not in by_id(one, "contacts")
        assert (await one.sync()).counts.new == 1
