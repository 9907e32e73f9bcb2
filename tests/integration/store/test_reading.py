"""The read side: documents, the feed, paths, numbers, and the SQL views."""

import json
import threading
from datetime import timedelta
from typing import Any

import pytest

from syncd.engine.ports import RoundEnd
from syncd.sdk import Record, Tombstone
from syncd.store import FeedTooOld

FIELDS = [
    "connection", "account", "stream", "partition", "source_id", "seq", "version", "change", "first_seen_at",
    "last_changed_at", "deleted_at", "summary", "data",
]  # fmt: skip


def test_a_document_has_the_contract_s_fields(desk: Any) -> None:
    (part,) = desk.parts("p")
    desk.full(part, Record("a", {"x": 1}, summary={"name": "A", "emails": []}))
    (document,) = desk.store.records("acme", "contacts")
    assert list(document) == FIELDS
    assert document == {
        "connection": "acme", "account": "ann@acme.example", "stream": "contacts", "partition": "p", "source_id": "a",
        "seq": 1, "version": 1, "change": "added", "first_seen_at": document["last_changed_at"],
        "last_changed_at": document["last_changed_at"], "deleted_at": None, "summary": {"name": "A", "emails": []},
        "data": {"x": 1},
    }  # fmt: skip
    assert document["first_seen_at"].startswith("2026-01-01T00:00:")
    assert document["first_seen_at"].endswith("Z")
    json.dumps(document)


def test_nothing_known_is_nothing_listed(desk: Any) -> None:
    assert list(desk.store.records("nobody", "contacts")) == []
    assert list(desk.store.records("acme", "mail")) == []


def test_live_records_tombstones_and_feed_are_three_views(desk: Any, record: Any) -> None:
    part = desk.part()
    desk.full(part, record("a"), record("b"), record("c"))
    desk.delta(part, record("a", 2), Tombstone("b"))
    desk.settle()
    store = desk.store
    assert [one["source_id"] for one in store.records("acme", "contacts")] == ["c", "a"]
    assert [one["source_id"] for one in store.records("acme", "contacts", deleted=True)] == ["b"]
    feed = [(one["seq"], one["source_id"], one["change"]) for one in store.records("acme", "contacts", since=3)]
    assert feed == [(4, "a", "updated"), (5, "b", "deleted")]
    assert [one["seq"] for one in store.records("acme", "contacts", since=0)] == [3, 4, 5]
    assert [one["seq"] for one in store.records("acme", "contacts", since=3, deleted=True)] == [5]
    assert [one["seq"] for one in store.records("acme", "contacts", limit=1)] == [3]
    assert list(store.records("acme", "contacts", limit=0)) == []


def test_long_listings_come_whole_and_in_order(desk: Any, record: Any) -> None:
    desk.full(desk.part(), *(record(f"r{n}") for n in range(1201)))
    found = [one["seq"] for one in desk.store.records("acme", "contacts")]
    assert found == list(range(1, 1202))
    assert len(list(desk.store.records("acme", "contacts", limit=1000))) == 1000


def test_a_listing_shows_one_state_of_the_database(desk: Any, record: Any) -> None:
    part = desk.part()
    desk.full(part, *(record(f"r{n}") for n in range(1100)))
    listing = desk.store.records("acme", "contacts")
    first = next(listing)
    desk.delta(part, *(record(f"r{n}", 2) for n in range(1100)))
    rest = list(listing)
    assert {one["version"] for one in [first, *rest]} == {1}
    assert len(rest) == 1099


def test_an_abandoned_listing_lets_go(desk: Any, record: Any) -> None:
    desk.full(desk.part(), record("a"), record("b"))
    for _ in range(50):
        listing = desk.store.records("acme", "contacts")
        next(listing)
        listing.close()
    assert desk.store._database.engine.pool.checkedout() == 1  # the writer's


def test_records_can_be_listed_from_other_threads(desk: Any, record: Any) -> None:
    desk.full(desk.part(), *(record(f"r{n}") for n in range(50)))
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(len(list(desk.store.records("acme", "contacts")))))
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [50] * 12


# -- the feed's floor


def test_the_feed_is_refused_behind_its_oldest_tombstone(desk: Any, record: Any) -> None:
    part = desk.part()
    desk.full(part, record("a"), record("b"))
    desk.delta(part, Tombstone("a"))
    desk.settle()
    days = timedelta(days=1)
    job = desk.store.retain(desk.now() + days, runs_for=days, tombstones_for=days / 2, versions_for=days)
    desk.run(job)
    assert list(desk.store.records("acme", "contacts", deleted=True)) == []
    with pytest.raises(FeedTooOld) as caught:
        list(desk.store.records("acme", "contacts", since=2))
    assert (caught.value.floor, caught.value.code) == (3, "SYN-FEED-001")
    whole = [(one["source_id"], one["version"], one["seq"]) for one in desk.store.records("acme", "contacts", since=0)]
    assert whole == [("b", 1, 4)]  # given again above the floor, so that who read everything can go on from there
    assert list(desk.store.records("acme", "contacts", since=4)) == []
    assert desk.delta(part, record("a")).new == 1


def test_retention_keeps_what_is_young_or_running(desk: Any, record: Any) -> None:
    part = desk.part()
    desk.full(part, record("a"))
    desk.delta(part, record("a", 2), Tombstone("z"))
    old = desk.number
    desk.next_run()
    days = timedelta(days=1)
    desk.run(desk.store.retain(desk.now(), runs_for=days, tombstones_for=days, versions_for=days))
    assert desk.run(desk.store.get_run(old)) is not None
    assert desk.sql("SELECT count(*) FROM record_version") == [(1,)]
    desk.run(desk.store.retain(desk.now() + 2 * days, runs_for=days, tombstones_for=days, versions_for=days))
    assert desk.run(desk.store.get_run(old)) is None
    assert desk.run(desk.store.get_run(desk.number)) is not None
    assert desk.sql("SELECT count(*) FROM record_version") == [(0,)]


# -- paths


def file(key: str, name: str, parent: str | None = None) -> Record:
    return Record(key, {"id": key, "name": name, "parent": parent}, summary={"name": name}, name=name, parent=parent)


def paths(desk: Any) -> dict[str, str | None]:
    return {key: one["summary"].get("path") for key, one in desk.records().items()}


def test_paths_come_from_parents_and_follow_renames(make_desk: Any) -> None:
    desk = make_desk(name="files")
    part = desk.part()
    desk.full(part, file("1", "Projects", "root"), file("2", "Plan", "1"), file("3", "a.txt", "2"), file("4", "top"))
    assert paths(desk) == {"1": "Projects", "2": "Projects/Plan", "3": "Projects/Plan/a.txt", "4": "top"}
    before = desk.records()["3"]["version"]
    desk.delta(part, file("1", "Archive", "root"))
    assert paths(desk)["3"] == "Archive/Plan/a.txt"
    assert desk.records()["3"]["version"] == before


def test_a_loop_of_parents_ends(make_desk: Any) -> None:
    desk = make_desk(name="files")
    desk.full(desk.part(), file("a", "A", "b"), file("b", "B", "a"), file("c", "C", "c"), file("d", "D", "a"))
    assert paths(desk) == {"a": "B/A", "b": "A/B", "c": "C", "d": "B/A/D"}


def test_paths_stay_within_the_partition(make_desk: Any) -> None:
    desk = make_desk(name="files")
    one, two = desk.parts("1", "2")
    desk.full(one, file("folder", "Folder"))
    desk.full(two, file("x", "x", "folder"))
    assert paths(desk)["x"] == "x"


def test_other_kinds_have_no_path(desk: Any) -> None:
    desk.full(desk.part(), file("a", "A"))
    assert paths(desk) == {"a": None}


# -- numbers


def numbers(desk: Any) -> Any:
    (one,) = desk.run(desk.store.numbers([("acme", "contacts")]))
    return one


def test_numbers_of_a_stream(desk: Any, record: Any) -> None:
    assert (numbers(desk).accounts, numbers(desk).records, numbers(desk).oldest) == (0, 0, None)
    (mine,), (yours,) = desk.parts(""), desk.parts("", account=desk.bob)
    assert numbers(desk).freshness(desk.now()) is None
    desk.full(mine, record("a"), record("b"))
    first = desk.clock.time
    desk.full(yours, record("c"))
    found = numbers(desk)
    assert (found.accounts, found.records, found.oldest) == (2, 3, first)
    assert found.freshness(first + timedelta(seconds=9)) == 9
    desk.delta(mine, Tombstone("a"))
    desk.settle()
    assert numbers(desk).records == 2


def test_a_partition_never_complete_ages_from_its_discovery_unless_refused(desk: Any, record: Any) -> None:
    one, two = desk.parts("1", "2")
    known = desk.clock.time
    desk.full(one, record("a"))
    assert numbers(desk).oldest == known
    desk.end(desk.open(two), RoundEnd.SKIPPED)
    assert numbers(desk).oldest > known


def test_a_vanished_partition_ages_nobody(desk: Any, record: Any) -> None:
    one, two = desk.parts("1", "2")
    desk.full(one, record("a"))
    desk.full(two, record("b"))
    newer = desk.clock.time
    desk.parts("2")
    assert numbers(desk).oldest == newer


def test_the_counters_equal_a_recount(desk: Any, record: Any) -> None:
    one, two = desk.parts("1", "2")
    desk.full(one, *(record(f"r{n}") for n in range(6)))
    desk.full(two, record("r0"), record("r9"))
    desk.full(one, record("r1"), record("r2"), scope_changed=True)
    desk.full(two, record("r0"))
    desk.settle(deletions="keep")
    rows = desk.sql(
        "SELECT p.live, p.kept, sum(r.state = 0), sum(r.state IN (1, 2)) FROM partition p"
        " JOIN record r ON r.partition_id = p.id GROUP BY p.id"
    )
    assert all((live, kept) == (a, b) for live, kept, a, b in rows)
    assert [row[:2] for row in rows] == [(2, 3), (1, 1)]


# -- views


@pytest.mark.parametrize("keys", [()], ids=["clear"])
def test_views_show_live_records_as_text(make_desk: Any) -> None:
    desk = make_desk()
    part = desk.part()
    desk.full(part, Record("a", {"x": 1}, summary={"name": "Ann", "emails": ["a@x", "b@x"]}), Record("b", {}))
    desk.delta(part, Tombstone("b"))
    desk.settle()
    (row,) = desk.sql("SELECT connection, account, source_id, seq, name, emails, first_seen_at FROM v1_contacts")
    assert row[:6] == ("acme", "ann@acme.example", "a", 1, "Ann", '["a@x","b@x"]')
    assert row[6].startswith("2026-01-01T00:00:")
    assert desk.sql("SELECT * FROM v1_events") == []


@pytest.mark.parametrize("keys", [()], ids=["clear"])
def test_the_files_view_has_path_and_content(make_desk: Any) -> None:
    from syncd.engine.ports import Content, ContentState
    from syncd.sdk import Blob

    desk = make_desk(name="files")
    rnd = desk.open(desk.part())
    desk.run(desk.store._write(lambda tx: tx.run("INSERT INTO blob (sha256, size, doomed) VALUES ('ab', 9, FALSE)")))
    last = Record("2", {}, summary={"name": "x.txt", "size": 9}, name="x.txt", parent="1", blob=Blob("r", "t"))
    stored = {"2": Content(ContentState.STORED, "ab", 9, "text/plain")}
    desk.apply(rnd, file("1", "Folder", "loop"), file("loop", "Loop", "1"), last, contents=stored, resume=1)
    rows = desk.sql("SELECT source_id, name, path, size, blob_sha256 FROM v1_files ORDER BY source_id")
    assert rows == [
        ("1", "Folder", "Loop/Folder", None, None),
        ("2", "x.txt", "Loop/Folder/x.txt", 9, "ab"),
        ("loop", "Loop", "Folder/Loop", None, None),
    ]


@pytest.mark.parametrize(
    ("name", "view", "summary"),
    [
        ("calendar", "v1_events", {"title": "T", "start": "2026-01-01", "end": "2026-01-02", "organizer": "o"}),
        ("mail", "v1_messages", {"subject": "S", "from": "f", "to": ["t"], "date": "d", "message_id": "m"}),
    ],
)
@pytest.mark.parametrize("keys", [()], ids=["clear"])
def test_events_and_messages_have_views(make_desk: Any, name: str, view: str, summary: dict[str, Any]) -> None:
    desk = make_desk(name=name)
    desk.full(desk.part(), Record("a", {}, summary=summary))
    columns = ", ".join(f'"{field}"' for field in summary)
    (row,) = desk.sql(f"SELECT {columns} FROM {view}")
    assert [json.loads(value) if str(value).startswith("[") else value for value in row] == list(summary.values())
