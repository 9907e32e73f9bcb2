"""The traps of the wire reference §18 that concern calendars and files, by number."""

from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest
from calendar_answers import CAL, Round, event, exception, master, mondays, occurrence, page, removed
from files_answers import CURSOR, DRIVE, ME, ROOT_ITEM, TARGET, XOR, below, content, delta, folder, found_at, full, item
from files_answers import gone as deleted
from files_answers import page as drive_page
from microsoft_answers import ANA, ROOT, fail, where

from syncd.sdk import AccountGone, CursorExpired, Record, Scan, Tombstone

pytestmark = pytest.mark.anyio
USER = f"/users/{ANA.id}"


@pytest.fixture
def calendar(microsoft) -> Round:
    """From 2026-06-01 to 2026-07-16: seven Mondays."""
    now = datetime(2026, 6, 15, 12, tzinfo=UTC)
    microsoft.clock.advance((now - microsoft.clock.now()).total_seconds())
    return Round(microsoft, past="14d", future="0d")


def data(record: Record) -> Any:
    return orjson.loads(record.data)


def summary(record: Record) -> Any:
    return orjson.loads(record.summary)


def cancelled(record: Record) -> list[str]:
    return [one.rpartition(".")[2] for one in data(record)["cancelledOccurrences"]]


async def test_trap_10_occurrences_get_their_subject_from_a_series_that_is_asked_for(calendar: Round) -> None:
    calendar.table = {f"{USER}/events/M": master(subject="standup")}
    await calendar.full(page(*mondays("2026-06-01", 7)))
    assert list(calendar.records) == ["M"]
    assert summary(calendar.records["M"])["title"] == "standup"
    assert calendar.asked[-1] == "/$batch"
    calendar.table = {}  # gone meanwhile: nothing is left of it
    await calendar.delta(page(*mondays("2026-06-01", 7)))
    assert calendar.records == {}


async def test_trap_11_a_series_is_no_event_on_the_date_of_its_first_occurrence(calendar: Round) -> None:
    await calendar.full(page(master(), *mondays("2026-06-01", 7)))
    series = calendar.records["M"]
    assert summary(series)["type"] == "series"
    assert summary(series)["recurrence"] == "FREQ=WEEKLY;INTERVAL=1;BYDAY=MO;WKST=SU"
    assert series.when == (datetime(2026, 1, 5, 9, tzinfo=UTC), None)


async def test_trap_12_a_deleted_occurrence_vanishes_by_comparing(calendar: Round) -> None:
    await calendar.full(page(master(), *mondays("2026-06-01", 7)))
    assert cancelled(calendar.records["M"]) == []
    await calendar.delta(page(master(), *mondays("2026-06-01", 7, "2026-06-29")))
    assert cancelled(calendar.records["M"]) == ["2026-06-29"]
    assert data(calendar.records["M"])["cancelledOccurrences"] == ["OID.M.2026-06-29"]
    assert calendar.gone == []


async def test_trap_13_a_new_window_is_a_new_round_that_does_not_miss_what_is_past(calendar: Round) -> None:
    await calendar.full(page(event("old", "2026-06-02T08:00:00", "2026-06-02T09:00:00")))
    first = calendar.pages[0].window
    calendar.microsoft.clock.advance(30 * 86_400)
    await calendar.full(page())
    second = calendar.pages[0].window
    assert second[0] > first[0]
    assert second[1] > first[1]
    assert calendar.gone == []
    assert calendar.records["old"].when[1] < second[0]  # outside: the sweep leaves it alone
    stream = calendar.microsoft.stream("calendar")
    assert stream.info.full_every.days < (first[1] - datetime(2026, 6, 15, tzinfo=UTC)).days


async def test_trap_13_an_event_moved_out_of_the_window_is_alive(calendar: Round) -> None:
    await calendar.full(page(event("E", "2026-06-02T08:00:00", "2026-06-02T09:00:00")))
    await calendar.delta(page(removed("E")))
    assert calendar.gone == ["E"]  # a proposal
    calendar.microsoft.routes({f"{USER}/events/E": event("E", "2031-06-02T08:00:00", "2031-06-02T09:00:00")})
    (answer,) = await calendar.microsoft.get("calendar", ["E"], partition=CAL)
    assert isinstance(answer, Record)


async def test_trap_20_a_renamed_folder_is_one_item_and_paths_follow(microsoft) -> None:
    (first,) = await full(microsoft, drive_page(ROOT_ITEM, folder("F"), item("A", parentReference={"id": "F"})))
    renamed = await delta(microsoft, ROOT_ITEM, folder("F2", id="F"))
    records = {one.source_id: one for one in [*first.items, *renamed.items]}
    assert len(renamed.items) == 1

    def path(one: str) -> str:
        record = records.get(one)
        return "" if record is None else f"{path(record.parent or '')}/{record.name}"

    assert path("A") == "/F2/A.txt"
    assert "path" not in summary(records["A"])


async def test_trap_21_unchanged_ancestors_are_no_changes(microsoft) -> None:
    (first,) = await full(microsoft, drive_page(ROOT_ITEM, folder("F"), item("A")))
    along = {**folder("F"), "size": 4711, "folder": {"childCount": 9}}
    again = await delta(microsoft, {**ROOT_ITEM, "size": 4711}, along, item("B"))
    assert [one.source_id for one in again.items] == ["F", "B"]  # the root is no record
    folder_again, file = again.items
    volatile = {*microsoft.stream("files").info.volatile, *folder_again.volatile}
    assert {"size", "folder.childCount"} <= volatile
    assert "size" not in {*microsoft.stream("files").info.volatile, *file.volatile}  # a file's is its own
    before, after = data(first.items[0]), data(again.items[0])
    for one in (before, after):
        del one["size"], one["folder"]["childCount"]
    assert before == after
    assert summary(first.items[0]) == summary(again.items[0])


async def test_trap_22_a_folders_tombstone_spares_what_moved_elsewhere(microsoft) -> None:
    """A moved out of F later in the round; B is still in it."""
    held = below(F=["A", "B"])
    links = {"@odata.nextLink": f"{ROOT}/n2"}
    microsoft.replies(drive_page(deleted("F"), **links), drive_page(item("A", parentReference={"id": "G"})))
    pages = await microsoft.pages("files", scan=Scan.DELTA, partition=DRIVE, cursor=CURSOR, **held)
    last_word = {one.source_id: type(one) for page in pages for one in page.items}
    assert last_word == {"F": Tombstone, "A": Record, "B": Tombstone}
    microsoft.replies(drive_page(item("A", parentReference={"id": "G"}), **links), drive_page(deleted("F")))
    pages = await microsoft.pages("files", scan=Scan.DELTA, partition=DRIVE, cursor=CURSOR, **held)
    last_word = {one.source_id: type(one) for page in pages for one in page.items}
    assert last_word == {"A": Record, "F": Tombstone, "B": Tombstone}


async def test_trap_23_a_onenote_package_is_kept_without_content(microsoft) -> None:
    notebook = {key: value for key, value in item("N").items() if key != "file"}
    part = item("S", name="Section.one", file={"mimeType": "application/msonenote"})
    (found,) = await full(microsoft, drive_page({**notebook, "package": {"type": "oneNote"}}, part))
    package, section = found.items
    assert (summary(package)["kind"], package.blob) == ("package", None)
    assert section.blob.skip == "no_content"  # it would answer 503 for ever


async def test_trap_24_a_file_without_hash_keeps_its_tag(microsoft) -> None:
    """So does one in Office's format whose bytes SharePoint rewrote: no promise is made that could be broken."""
    plain = item("A", file={"mimeType": "text/plain"}, cTag='"c1"')
    office = item("B", name="Plan.xlsx")
    (first,) = await full(microsoft, drive_page(plain, office))
    again = await delta(microsoft, {**plain, "eTag": '"2"'}, {**office, "eTag": '"2"'})
    assert [one.blob.tag for one in first.items] == [one.blob.tag for one in again.items] == ['"c1"', f"quickxor:{XOR}"]
    assert [(one.blob.hash, one.blob.size) for one in again.items] == [(None, None), (None, None)]


async def test_trap_25_the_download_host_sees_no_authorization(microsoft) -> None:
    microsoft.replies(found_at(), httpx.Response(200, content=b"abc"))
    assert await content(microsoft) == b"abc"
    assert ["authorization" in request.headers for request in microsoft.requests] == [True, False]
    assert str(microsoft.requests[1].url) == TARGET


async def test_trap_26_an_expired_address_is_renewed_once(microsoft) -> None:
    fresh = "https://acme-my.sharepoint.com/download?tempauth=v2"
    microsoft.replies(found_at(), httpx.Response(403), found_at(fresh), httpx.Response(200, content=b"abc"))
    assert await content(microsoft) == b"abc"
    assert [str(request.url) for request in microsoft.requests[1::2]] == [TARGET, fresh]


async def test_trap_27_a_first_round_has_no_token(microsoft) -> None:
    await full(microsoft, drive_page(item("A")))
    assert where(microsoft.requests[0]) == "/drives/b!D1/root/delta"
    assert "latest" not in str(microsoft.requests[0].url)


@pytest.mark.parametrize("code", ["resyncChangesUploadDifferences", "resyncChangesApplyDifferences"])
async def test_trap_28_a_resync_is_a_full_round_and_each_absence_is_asked_about(microsoft, code: str) -> None:
    answer = fail(410, "resyncRequired", code, headers={"location": f"{ROOT}/drives/b!D1/root/delta?token="})
    microsoft.answer = lambda request: answer
    with pytest.raises(CursorExpired):
        await microsoft.pages("files", scan=Scan.DELTA, partition=DRIVE, cursor=CURSOR)
    microsoft.routes({"/drives/b!D1/items/there": item("there")})
    there, gone = await microsoft.get("files", ["there", "gone"], partition=DRIVE)
    assert isinstance(there, Record)
    assert isinstance(gone, Tombstone)


async def test_trap_44_all_day_events_keep_their_dates_and_end_on_the_next_midnight(calendar: Round) -> None:
    day = {"isAllDay": True, "originalStartTimeZone": "Tonga Standard Time"}
    await calendar.full(page(event("D", "2026-06-10T00:00:00", "2026-06-11T00:00:00", **day)))
    found = summary(calendar.records["D"])
    assert (found["start"], found["end"], found["timezone"]) == ("2026-06-10", "2026-06-11", None)


async def test_trap_45_windows_zones_are_mapped_and_unknown_ones_are_utc(calendar: Round) -> None:
    start, end = "2026-06-10T08:00:00", "2026-06-10T09:00:00"
    zones = {"A": "Pacific Standard Time", "B": "tzone://Microsoft/Custom", "C": "Europe/Madrid", "D": None}
    await calendar.full(page(*(event(one, start, end, originalStartTimeZone=zone) for one, zone in zones.items())))
    found = {one: summary(record)["timezone"] for one, record in calendar.records.items()}
    assert found == {"A": "America/Los_Angeles", "B": "UTC", "C": "Europe/Madrid", "D": "UTC"}
    assert {summary(record)["start"] for record in calendar.records.values()} == {"2026-06-10T08:00:00Z"}


async def test_trap_45_a_series_in_an_unknown_zone_is_reckoned_in_utc(calendar: Round) -> None:
    rule = master()["recurrence"]
    custom = {**rule, "range": {**rule["range"], "recurrenceTimeZone": "tzone://Microsoft/Custom"}}
    series = master(recurrence=custom, originalStartTimeZone="tzone://Microsoft/Custom")
    nine = [occurrence(f"2026-06-{day:02}T09:00:00") for day in (1, 8, 15, 22, 29)]
    july = [occurrence(f"2026-07-{day:02}T09:00:00") for day in (6, 13)]
    await calendar.full(page(series, *nine[:2], *nine[3:], *july))
    assert cancelled(calendar.records["M"]) == ["2026-06-15"]


async def test_trap_33_a_drive_that_answers_404_keeps_its_data(microsoft) -> None:
    microsoft.routes({ME: fail(404, "ResourceNotFound", "User's mysite not found.")})
    with pytest.raises(AccountGone):
        await microsoft.pages("files", scan=Scan.DELTA, partition=DRIVE, cursor=CURSOR)


async def test_an_exception_counts_by_its_slot_and_not_by_its_time(calendar: Round) -> None:
    moved = exception("X", "2026-06-08T08:00:00", "2026-06-11T08:00:00")
    await calendar.full(page(master(), *mondays("2026-06-01", 7, "2026-06-08"), moved))
    assert cancelled(calendar.records["M"]) == []
