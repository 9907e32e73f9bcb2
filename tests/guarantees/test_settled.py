"""The settled rules of the contract, end to end: syncd and the Google connector against a simulated organisation.

docs/guarantees.md says which test holds which rule.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from syncd_simulator import Editor, GoogleWorld, SimClock, User

from syncd.config.model import AccountFilter, ConnectionLimits, Deletions, MaxDelete
from syncd.engine.executor import RunReport
from syncd.sdk import SyncdError
from tests.support.mirror import Lab

pytestmark = pytest.mark.anyio

START = 1_790_000_000.0


class Office:
    """An organisation of a few people with nothing but what a test puts there."""

    def __init__(self, folder: Path, people: int = 1) -> None:
        self.world = GoogleWorld(7, SimClock.manual(START))
        names = ("Ada", "Bob", "Cid")[:people]
        self.people = [self.world.add_user(name, "Doe", admin=name == "Ada") for name in names]
        self.editor = Editor(self.world, 7)
        self.folder = folder

    def lab(self, streams: Any, **options: Any) -> Lab:
        streams = streams if isinstance(streams, Mapping) else {streams: {}}
        return Lab(self.world, self.folder, streams, **options)

    def root(self, user: User) -> str:
        return self.world.drive.views[user.id].root

    def contacts(self, count: int, user: User | None = None) -> list[str]:
        return [self.editor.add_contact(user or self.people[0]) for _ in range(count)]


def found(lab: Lab, stream: str, **query: Any) -> dict[str, dict[str, Any]]:
    return {record["source_id"]: record for record in lab.records(stream, **query)}


def tally(report: RunReport) -> tuple[str, dict[str, int]]:
    """Status, and the counts that say that something happened."""
    counts = {name: number for name, number in vars_of(report).items() if number}
    return str(report.status), counts


def vars_of(report: RunReport) -> dict[str, int]:
    names = ("new", "updated", "deleted", "failed", "held", "pending")
    return {name: getattr(report.counts, name) for name in names}


# -- what is a deletion and what is not


async def test_trashing_a_mail_is_an_update_and_deleting_it_a_tombstone(tmp_path: Path) -> None:
    office = Office(tmp_path)
    mail = office.editor.add_mail(office.people[0])
    async with office.lab("mail") as lab:
        await lab.sync()
        office.editor.trash_mail(office.people[0], mail)
        assert tally(await lab.sync()) == ("completed", {"updated": 1})
        assert "TRASH" in found(lab, "mail")[mail.id]["data"]["labelIds"]
        office.editor.delete_mail(office.people[0], mail)
        assert tally(await lab.sync()) == ("completed", {"deleted": 1})
        assert found(lab, "mail") == {}


async def test_drafts_and_spam_are_mirrored_with_their_labels(tmp_path: Path) -> None:
    office = Office(tmp_path)
    draft = office.editor.add_mail(office.people[0], labels=["DRAFT"])
    spam = office.editor.add_mail(office.people[0], labels=["SPAM"])
    async with office.lab("mail") as lab:
        await lab.sync()
        labels = {key: record["data"]["labelIds"] for key, record in found(lab, "mail").items()}
    assert labels == {draft.id: ["DRAFT"], spam.id: ["SPAM"]}


async def test_trashing_a_file_is_an_update_and_deleting_it_a_tombstone(tmp_path: Path) -> None:
    office = Office(tmp_path)
    file = office.editor.add_file(office.people[0])
    async with office.lab("files") as lab:
        await lab.sync()
        office.editor.trash_file(office.people[0], file)
        assert tally(await lab.sync()) == ("completed", {"updated": 1})
        assert found(lab, "files")[file.id]["data"]["trashed"] is True
        office.editor.delete_file(office.people[0], file)
        assert tally(await lab.sync()) == ("completed", {"deleted": 1})
        assert found(lab, "files") == {}


async def test_a_calendar_no_longer_listed_is_a_deletion_and_a_hidden_one_is_not(tmp_path: Path) -> None:
    office = Office(tmp_path)
    [ada] = office.people
    hidden, gone = office.editor.add_calendar(ada), office.editor.add_calendar(ada)
    kept = office.editor.add_event(ada, hidden)["id"]
    lost = office.editor.add_event(ada, gone)["id"]
    async with office.lab("calendar") as lab:
        await lab.sync()
        assert found(lab, "calendar").keys() == {kept, lost}
        with office.world.lock:
            ada.calendars.entries[hidden.id].hidden = True
        office.editor.delete_calendar(ada, gone)
        assert tally(await lab.sync()) == ("completed", {"deleted": 1})
        assert found(lab, "calendar").keys() == {kept}


async def test_deletions_keep_leaves_the_record_live_and_says_since_when(tmp_path: Path) -> None:
    office = Office(tmp_path)
    name = office.contacts(3)[0]
    async with office.lab("contacts", deletions=Deletions.KEEP) as lab:
        await lab.sync()
        office.editor.delete_contact(office.people[0], name)
        await lab.sync()
        record = found(lab, "contacts")[name]
        assert record["source_gone_at"]
        assert record["deleted_at"] is None


async def test_deletions_purge_drops_payload_and_content_at_once(tmp_path: Path) -> None:
    office = Office(tmp_path)
    mail = office.editor.add_mail(office.people[0])
    async with office.lab("mail", deletions=Deletions.PURGE) as lab:
        await lab.sync()
        sha = found(lab, "mail")[mail.id]["summary"]["blob"]["sha256"]
        assert lab.store.blob(sha) is not None
        office.editor.delete_mail(office.people[0], mail)
        await lab.sync()
        assert lab.store.blob(sha) is None
        assert not found(lab, "mail", deleted=True)[mail.id].get("data")


# -- files: paths, shared drives, contents


async def test_renaming_a_folder_changes_paths_and_updates_no_child(tmp_path: Path) -> None:
    office = Office(tmp_path)
    [ada] = office.people
    folder = office.editor.add_folder(ada)
    file = office.editor.add_file(ada, name="plan.txt", parent=folder.id)
    async with office.lab("files") as lab:
        await lab.sync()
        before = found(lab, "files")[file.id]
        office.editor.rename_file(ada, folder)
        assert tally(await lab.sync()) == ("completed", {"updated": 1})
        after = found(lab, "files")[file.id]
    assert (after["version"], after["seq"]) == (before["version"], before["seq"])
    assert before["summary"]["path"] != after["summary"]["path"]
    assert after["summary"]["path"].endswith(f"{folder.name}/plan.txt")


async def test_a_shared_drive_is_mirrored_once_and_handed_over_in_place(tmp_path: Path) -> None:
    office = Office(tmp_path, people=2)
    ada, bob = office.people
    drive = office.editor.add_drive(ada, bob)
    file = office.editor.add_file(ada, drive, parent=drive.id)
    async with office.lab("files") as lab:
        assert tally(await lab.sync()) == ("completed", {"new": 1})
        before = found(lab, "files")[file.id]
        claimant, other = (ada, bob) if before["account"] == ada.address else (bob, ada)
        with office.world.lock:
            office.world.drive.set_member(drive, claimant.id, None, office.world.now())
        assert tally(await lab.sync()) == ("completed", {})
        after = found(lab, "files")[file.id]
    assert (after["account"], after["version"], after["seq"]) == (other.address, 1, before["seq"])
    assert (after["partition"], before["partition"]) == (drive.id, drive.id)


async def test_a_shared_drive_left_out_by_an_option_leaves_scope(tmp_path: Path) -> None:
    office = Office(tmp_path)
    drive = office.editor.add_drive(office.people[0])
    file = office.editor.add_file(office.people[0], drive, parent=drive.id)
    async with office.lab("files") as lab:
        await lab.sync()
        lab.reconfigure(streams={"files": {"shared": False}})
        assert tally(await lab.sync()) == ("completed", {})
        office.editor.rename_file(office.people[0], file)
        await lab.sync()
        record = found(lab, "files")[file.id]
        assert (record["version"], record["deleted_at"]) == (1, None)


async def test_content_false_keeps_the_blobs_that_are_there(tmp_path: Path) -> None:
    office = Office(tmp_path)
    file = office.editor.add_file(office.people[0], content=b"kept")
    async with office.lab("files") as lab:
        await lab.sync()
        blob = found(lab, "files")[file.id]["summary"]["blob"]
        lab.reconfigure(streams={"files": {"content": False}})
        await lab.sync()
        await lab.store.collect_blobs()
        assert found(lab, "files")[file.id]["summary"]["blob"] == blob
        assert b"".join(lab.store.blob(blob["sha256"]) or []) == b"kept"


async def test_a_file_above_max_size_is_skipped_and_fetched_once_the_limit_allows(tmp_path: Path) -> None:
    office = Office(tmp_path)
    file = office.editor.add_file(office.people[0], content=b"x" * 5000)
    async with office.lab({"files": {"max_size": "1KB"}}) as lab:
        assert tally(await lab.sync()) == ("completed", {"new": 1})
        assert found(lab, "files")[file.id]["summary"]["blob"] == {"skipped": "too_large"}
        assert office.world.requests.by_method["drive.files.get"] == 0
        lab.reconfigure(streams={"files": {"max_size": "1MB"}})
        assert str((await lab.sync()).status) == "completed"
        blob = found(lab, "files")[file.id]["summary"]["blob"]
        assert (blob.get("size"), blob.get("skipped")) == (5000, None)


async def test_a_file_that_may_be_downloaded_at_last_is_fetched(tmp_path: Path) -> None:
    office = Office(tmp_path)
    [ada] = office.people
    file = office.editor.add_file(ada, content=b"x" * 500)
    file.can_download = False
    async with office.lab("files") as lab:
        await lab.sync()
        assert found(lab, "files")[file.id]["summary"]["blob"] == {"skipped": "forbidden"}
        with office.world.lock:
            file.can_download = True
            office.world.drive.touch(file, ada.id, office.world.now())
        assert tally(await lab.sync()) == ("completed", {"updated": 1})
        assert found(lab, "files")[file.id]["summary"]["blob"]["size"] == 500


async def test_a_native_document_is_its_office_export(tmp_path: Path) -> None:
    office = Office(tmp_path)
    document = office.editor.add_native(office.people[0], kind="document")
    async with office.lab("files") as lab:
        await lab.sync()
        blob = found(lab, "files")[document.id]["summary"]["blob"]
        assert blob["mime_type"] == "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
        assert lab.store.blob(blob["sha256"]) is not None


async def test_folders_shortcuts_and_files_are_told_apart(tmp_path: Path) -> None:
    office = Office(tmp_path)
    [ada] = office.people
    folder, file = office.editor.add_folder(ada), office.editor.add_file(ada)
    shortcut = office.editor.add_shortcut(ada)
    assert shortcut is not None
    async with office.lab("files") as lab:
        await lab.sync()
        kinds = {key: record["summary"]["kind"] for key, record in found(lab, "files").items()}
    assert kinds == {folder.id: "folder", file.id: "file", shortcut.id: "shortcut"}


async def test_the_same_content_is_downloaded_once_in_a_connection(tmp_path: Path) -> None:
    office = Office(tmp_path)
    first = office.editor.add_file(office.people[0], content=b"the same" * 100)
    async with office.lab("files") as lab:
        await lab.sync()
        asked = office.world.requests.by_method["drive.files.get"]
        second = office.editor.add_file(office.people[0], content=b"the same" * 100)
        assert tally(await lab.sync()) == ("completed", {"new": 1})
        assert office.world.requests.by_method["drive.files.get"] == asked
        records = found(lab, "files")
        assert records[first.id]["summary"]["blob"]["sha256"] == records[second.id]["summary"]["blob"]["sha256"]


async def test_content_with_a_wrong_hash_is_fetched_once_more_then_failed_and_tried_next_run(tmp_path: Path) -> None:
    office = Office(tmp_path)
    file = office.editor.add_file(office.people[0], content=b"right" * 100)
    wrong = office.world.faults.rewrite_bytes(lambda _: b"wrong" * 100, path=rf"/files/{file.id}$", times=None)
    async with office.lab("files") as lab:
        report = await lab.sync()
        assert (tally(report), report.exit_code) == (("partial", {"failed": 1}), 3)
        assert [(error.code, error.source_id) for error in report.errors] == [("SYN-CONTENT-003", file.id)]
        assert (wrong.hits, found(lab, "files").keys()) == (2, {file.id})
        office.world.faults.clear()
        assert str((await lab.sync()).status) == "completed"
        blob = found(lab, "files")[file.id]["summary"]["blob"]
        assert b"".join(lab.store.blob(blob["sha256"]) or []) == b"right" * 100


# -- calendars and mail: what a summary says


async def test_all_day_events_have_bare_dates_and_timed_ones_utc_with_their_zone(tmp_path: Path) -> None:
    office = Office(tmp_path)
    [ada] = office.people
    madrid = "Europe/Madrid"
    day = office.editor.add_event(ada, start={"date": "2026-10-12"}, end={"date": "2026-10-13"})["id"]
    timed = office.editor.add_event(
        ada,
        start={"dateTime": "2026-10-12T10:00:00+02:00", "timeZone": madrid},
        end={"dateTime": "2026-10-12T11:00:00+02:00", "timeZone": madrid},
    )["id"]
    async with office.lab("calendar") as lab:
        await lab.sync()
        records = found(lab, "calendar")
    times = {key: [records[key]["summary"].get(name) for name in ("start", "end", "timezone")] for key in records}
    assert times[day][:2] == ["2026-10-12", "2026-10-13"]
    assert times[timed] == ["2026-10-12T08:00:00Z", "2026-10-12T09:00:00Z", madrid]


async def test_subjects_are_decoded_and_the_blob_of_a_mail_is_its_raw_mime(tmp_path: Path) -> None:
    office = Office(tmp_path)
    raw = b"From: a@b.example\r\nTo: ada.doe@acme.example\r\nSubject: =?utf-8?q?Caf=C3=A9?=\r\n\r\nHello\r\n"
    mail = office.editor.add_mail(office.people[0], raw)
    async with office.lab("mail") as lab:
        await lab.sync()
        summary = found(lab, "mail")[mail.id]["summary"]
        assert summary["subject"] == "Café"
        assert b"".join(lab.store.blob(summary["blob"]["sha256"]) or []) == raw


# -- leaving scope


async def test_an_account_filtered_out_keeps_its_records_and_comes_back_as_it_was(tmp_path: Path) -> None:
    office = Office(tmp_path, people=2)
    ada, bob = office.people
    [kept], [changed, gone] = office.contacts(1, ada), office.contacts(2, bob)
    async with office.lab("contacts") as lab:
        await lab.sync()
        lab.reconfigure(accounts=AccountFilter(exclude=(bob.address,)))
        office.editor.delete_contact(bob, gone)
        office.editor.edit_contact(bob, changed)
        assert tally(await lab.sync()) == ("completed", {})
        records = found(lab, "contacts")
        assert {key: record["version"] for key, record in records.items()} == {kept: 1, changed: 1, gone: 1}
        lab.reconfigure(accounts=AccountFilter())
        assert tally(await lab.sync()) == ("completed", {"updated": 1, "deleted": 1})


async def test_changed_options_let_unseen_records_leave_scope_without_a_deletion(tmp_path: Path) -> None:
    office = Office(tmp_path)
    [ada] = office.people
    spam, kept = office.editor.add_mail(ada, labels=["SPAM"]), office.editor.add_mail(ada)
    async with office.lab("mail") as lab:
        await lab.sync()
        lab.reconfigure(streams={"mail": {"spam_trash": False}})
        assert tally(await lab.sync()) == ("completed", {})
        assert found(lab, "mail").keys() == {spam.id, kept.id}
        lab.reconfigure(streams={"mail": {}})
        await lab.sync()
        assert {record["version"] for record in lab.records("mail")} == {1}


# -- accounts, connections, names


async def test_a_rename_changes_the_label_only(tmp_path: Path) -> None:
    office = Office(tmp_path, people=2)
    bob = office.people[1]
    [name] = office.contacts(1, bob)
    async with office.lab("contacts") as lab:
        await lab.sync()
        office.world.rename_user(bob, "robert.doe@acme.example")
        result = await lab.executor.import_accounts("acme")
        assert (list(result.new), list(result.gone)) == ([], [])
        assert tally(await lab.sync()) == ("completed", {})
        record = found(lab, "contacts")[name]
        assert (record["account"], record["version"]) == ("robert.doe@acme.example", 1)


async def test_an_address_given_to_another_id_is_a_new_account(tmp_path: Path) -> None:
    office = Office(tmp_path, people=2)
    bob = office.people[1]
    [old] = office.contacts(1, bob)
    async with office.lab("contacts") as lab:
        await lab.sync()
        office.world.delete_user(bob)
        other = office.world.add_user("Bob", "Other", bob.address)
        [new] = office.contacts(1, other)
        await lab.executor.import_accounts("acme")
        assert tally(await lab.sync()) == ("completed", {"new": 1})
        accounts = {key: record["account"] for key, record in found(lab, "contacts").items()}
        assert accounts == {old: f"{bob.address}#{bob.id}", new: bob.address}


@pytest.mark.parametrize("left", ["suspended", "vanished"])
async def test_records_of_an_account_that_left_stay(tmp_path: Path, left: str) -> None:
    office = Office(tmp_path, people=2)
    bob = office.people[1]
    office.contacts(2, bob)
    async with office.lab("contacts") as lab:
        await lab.sync()
        if left == "suspended":
            office.world.suspend_user(bob)
        else:
            office.world.delete_user(bob)
        await lab.executor.import_accounts("acme")
        assert tally(await lab.sync(full=True)) == ("completed", {})
        assert len(lab.records("contacts")) == 2
        [row] = [row for row in await lab.store.accounts("acme") if row.label == bob.address]
        assert (row.account.state == "suspended", row.gone_at is not None) == (left == "suspended", left == "vanished")


async def test_renaming_a_sync_changes_nothing(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.contacts(3)
    async with office.lab("contacts") as lab:
        await lab.sync()
        sync = replace(lab.sync_config, name="other")
        lab.config = replace(lab.config, syncs={"all": sync})  # the name it is asked for by does not matter
        lab.executor.configure(lab.config)
        office.world.requests.clear()
        report = await lab.sync()
        assert (tally(report), report.sync) == (("completed", {}), "other")
        assert office.world.requests.by_method["people.people.connections.list"] == 1
        assert {record["version"] for record in lab.records("contacts")} == {1}


async def test_a_connection_moves_with_all_it_has_by_previous_name(tmp_path: Path) -> None:
    office = Office(tmp_path)
    names = office.contacts(3)
    async with office.lab("contacts") as lab:
        await lab.sync()
        connection = replace(lab.config.connections["acme"], name="acme-new", previous_name="acme")
        sync = replace(lab.sync_config, connection="acme-new")
        lab.config = replace(lab.config, connections={"acme-new": connection}, syncs={"all": sync})
        await lab.restart()
        assert tally(await lab.sync()) == ("completed", {})
        moved = list(lab.store.records("acme-new", "contacts"))
        assert {record["source_id"] for record in moved} == set(names)
        assert {(record["connection"], record["version"]) for record in moved} == {("acme-new", 1)}
        assert lab.records("contacts") == []


async def test_a_second_organisation_is_refused_and_nothing_of_it_is_stored(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.contacts(2)
    async with office.lab("contacts") as lab:
        await lab.sync()
        office.world.customer_id = "C0another"
        office.world.add_user("Eve", "Evil", "eve@evil.example")
        with pytest.raises(SyncdError, match="C0another"):
            await lab.executor.import_accounts("acme")
        assert [row.label for row in await lab.store.accounts("acme")] == ["ada.doe@acme.example"]
        assert len(lab.records("contacts")) == 2


# -- what readers see


async def test_the_feed_has_deletions_and_the_list_of_tombstones_the_last_payload(tmp_path: Path) -> None:
    office = Office(tmp_path)
    [gone, kept] = office.contacts(2)
    async with office.lab("contacts") as lab:
        await lab.sync()
        seq = max(record["seq"] for record in lab.records("contacts"))
        payload = found(lab, "contacts")[gone]["data"]
        office.editor.delete_contact(office.people[0], gone)
        await lab.sync()
        assert [(r["source_id"], r["change"]) for r in lab.records("contacts", since=seq)] == [(gone, "deleted")]
        assert found(lab, "contacts").keys() == {kept}
        [tombstone] = lab.records("contacts", deleted=True)
        assert (tombstone["source_id"], tombstone["data"]) == (gone, payload)
        assert tombstone["deleted_at"]


async def test_an_id_that_returns_is_added_with_the_next_version_and_its_first_sight(tmp_path: Path) -> None:
    office = Office(tmp_path)
    [name, _] = office.contacts(2)
    async with office.lab("contacts") as lab:
        await lab.sync()
        first = found(lab, "contacts")[name]
        office.editor.delete_contact(office.people[0], name)
        office.world.clock.advance(60)
        await lab.sync()
        [tombstone] = lab.records("contacts", deleted=True)
        with office.world.lock:
            office.people[0].contacts.put(name, {"names": [{"givenName": "Back"}]}, office.world.now())
        office.world.clock.advance(60)
        assert tally(await lab.sync()) == ("completed", {"new": 1})
        back = found(lab, "contacts")[name]
    assert (back["change"], back["version"]) == ("added", tombstone["version"] + 1)
    assert (back["first_seen_at"], back["deleted_at"]) == (first["first_seen_at"], None)


# -- the brake


def no_contacts(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key == "nextSyncToken"}


@pytest.mark.parametrize("count", [1, 3])
async def test_an_empty_listing_is_held_however_few(tmp_path: Path, count: int) -> None:
    office = Office(tmp_path)
    office.contacts(count)
    async with office.lab("contacts") as lab:
        await lab.sync()
        office.world.faults.rewrite_json(no_contacts, method="people.people.connections.list")
        report = await lab.sync(full=True)
        assert (tally(report), report.exit_code) == (("held", {"held": count}), 4)
        assert len(lab.records("contacts")) == count


@pytest.mark.parametrize(
    ("live", "dropped", "held"),
    [(12, 9, False), (39, 10, False), (38, 10, True), (12, 10, True)],
)
async def test_the_brake_holds_from_ten_items_and_above_the_share(
    tmp_path: Path, live: int, dropped: int, held: bool
) -> None:
    office = Office(tmp_path)
    names = office.contacts(live)
    async with office.lab("contacts", max_delete=MaxDelete(share=0.25)) as lab:
        await lab.sync()
        for name in names[:dropped]:
            office.editor.delete_contact(office.people[0], name)
        new = office.contacts(1)
        report = await lab.sync()
        expected = {"new": 1, "held" if held else "deleted": dropped}
        assert tally(report) == ("held" if held else "completed", expected)
        assert len(lab.records("contacts")) == live + 1 - (0 if held else dropped)
        assert new[0] in found(lab, "contacts")


async def test_rejected_deletions_stay_live_until_a_later_full_round_disagrees_and_approve_applies(
    tmp_path: Path,
) -> None:
    office = Office(tmp_path)
    names = office.contacts(20)
    async with office.lab("contacts", max_delete=MaxDelete(share=0.25)) as lab:
        await lab.sync()
        for name in names[:12]:
            office.editor.delete_contact(office.people[0], name)
        await lab.sync()
        assert await lab.store.reject("acme", None, None) == 12
        assert tally(await lab.sync()) == ("completed", {})
        assert len(lab.records("contacts")) == 20
        assert tally(await lab.sync(full=True)) == ("held", {"held": 12})
        counts = await lab.store.approve("acme", None, None, "tombstone", lab.clock.now())
        assert counts.deleted == 12
        assert len(lab.records("contacts")) == 8
        assert tally(await lab.sync()) == ("completed", {})


async def test_while_a_sweep_is_held_the_next_round_is_full(tmp_path: Path) -> None:
    office = Office(tmp_path)
    names = office.contacts(3)
    async with office.lab("contacts") as lab:
        await lab.sync()
        office.world.faults.rewrite_json(no_contacts, method="people.people.connections.list")
        assert str((await lab.sync(full=True)).status) == "held"
        assert tally(await lab.sync()) == ("completed", {})  # a delta would have seen nothing
        assert found(lab, "contacts").keys() == set(names)


# -- credentials, throttling, states


async def test_a_refused_credential_is_77(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.contacts(2)
    async with office.lab("contacts") as lab:
        await lab.sync()
        await lab.restart()
        office.world.credentials.rotate_key()
        report = await lab.sync()
        assert (report.auth_failed, report.exit_code) == (True, 77)
        assert len(lab.records("contacts")) == 2


async def test_one_refused_account_is_partial(tmp_path: Path) -> None:
    office = Office(tmp_path, people=2)
    ada, bob = office.people
    office.contacts(2, ada)
    office.contacts(2, bob)
    async with office.lab("contacts") as lab:
        office.world.suspend_user(bob)  # the import does not know yet
        report = await lab.sync()
        assert (tally(report)[0], report.exit_code, report.auth_failed) == ("partial", 3, False)
        assert {record["account"] for record in lab.records("contacts")} == {ada.address}
        assert {error.account for error in report.errors} == {bob.address}


THROTTLED = b'{"error": "rate_limit_exceeded", "error_description": "slow down"}'


async def test_a_throttled_token_endpoint_is_75_if_nothing_could_be_done_and_never_77(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.contacts(2)
    async with office.lab("contacts") as lab:
        await lab.sync()
        await lab.restart()
        office.world.faults.raw(429, THROTTLED, "application/json", api="token", times=None)
        report = await lab.sync()
        assert (report.exit_code, report.auth_failed) == (75, False)
        office.world.faults.clear()
        office.world.clock.advance(3600)
        assert str((await lab.sync()).status) == "completed"


async def test_retry_after_is_waited_out_in_full(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.contacts(2)
    async with office.lab("contacts") as lab:
        fault = office.world.faults.answer("rate_limit_429", retry_after=120, method="people.people.connections.list")
        before = office.world.clock.time()
        assert tally(await lab.sync()) == ("completed", {"new": 2})
        assert (fault.hits, 120 <= office.world.clock.time() - before < 180) == (1, True)


@pytest.mark.parametrize(("everybody", "code"), [(True, 75), (False, 3)])
async def test_a_wait_beyond_max_wait_is_put_off(tmp_path: Path, everybody: bool, code: int) -> None:
    office = Office(tmp_path, people=2)
    ada, bob = office.people
    office.contacts(2, ada)
    office.contacts(2, bob)
    async with office.lab("contacts") as lab:
        user = {} if everybody else {"user": bob.address}
        office.world.faults.answer(
            "rate_limit_429", retry_after=900, method="people.people.connections.list", times=None, **user
        )
        before = office.world.clock.time()
        report = await lab.sync()
        assert (report.exit_code, report.auth_failed) == (code, False)
        assert office.world.clock.time() - before < 600
        office.world.faults.clear()
        office.world.clock.advance(900)
        assert str((await lab.sync()).status) == "completed"
        assert len(lab.records("contacts")) == 4


async def test_max_wait_is_the_operators(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.contacts(1)
    async with office.lab("contacts") as lab:
        connection = replace(lab.config.connections["acme"], limits=ConnectionLimits(max_wait=timedelta(seconds=10)))
        lab.config = replace(lab.config, connections={"acme": connection})
        lab.executor.configure(lab.config)
        office.world.faults.answer("rate_limit_429", retry_after=60, method="people.people.connections.list")
        assert (await lab.sync()).exit_code == 75


async def test_an_account_without_a_mailbox_is_a_state_and_the_run_completed(tmp_path: Path) -> None:
    office = Office(tmp_path, people=2)
    ada, bob = office.people
    office.editor.add_mail(ada)
    bob.mailbox_setup = False
    async with office.lab("mail") as lab:
        report = await lab.sync()
        assert (tally(report), list(report.errors)) == (("completed", {"new": 1}), [])
        states = {row.label: row.account.streams.get("mail") for row in await lab.store.accounts("acme")}
        assert states == {ada.address: None, bob.address: "unavailable: no mailbox"}


async def test_a_lost_cursor_of_the_provider_is_a_full_round_and_no_change(tmp_path: Path) -> None:
    office = Office(tmp_path)
    names = office.contacts(5)
    async with office.lab("contacts") as lab:
        await lab.sync()
        office.world.expire("people", office.people[0])
        office.editor.delete_contact(office.people[0], names[0])
        report = await lab.sync()
        assert (tally(report), list(report.errors)) == (("completed", {"deleted": 1}), [])
        assert {record["version"] for record in lab.records("contacts")} == {1}


async def test_reset_reads_everything_again_and_changes_nothing(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.contacts(3)
    async with office.lab("contacts") as lab:
        await lab.sync()
        await lab.store.reset("acme", None, None)
        report = await lab.sync()
        assert (tally(report), report.counts.unchanged) == (("completed", {}), 3)
