"""The page transaction: what becomes of each item, and what a reader sees afterwards."""

from dataclasses import replace
from typing import Any

import pytest

from syncd.engine.ports import Counts, RoundEnd, StaleRound
from syncd.sdk import DELTA, FULL, PARTITION, Page, ProtocolError, Record, Reject, Tombstone


def test_new_unchanged_updated(desk: Any, record: Any) -> None:
    part = desk.part()
    assert desk.full(part, record("a"), record("b")) == Counts(new=2, listed=2)
    assert desk.delta(part, record("a"), record("b", 2)) == Counts(updated=1, unchanged=1, listed=2)
    found = desk.records()
    assert (found["a"]["version"], found["a"]["change"], found["a"]["seq"]) == (1, "added", 1)
    assert (found["b"]["version"], found["b"]["change"], found["b"]["seq"]) == (2, "updated", 3)
    assert found["b"]["data"] == {"id": "b", "value": 2}
    assert found["b"]["first_seen_at"] < found["b"]["last_changed_at"]


def test_a_page_applied_twice_changes_nothing(desk: Any, record: Any) -> None:
    rnd = desk.open(desk.part())
    items = [record("a"), record("b"), Tombstone("zz")]
    desk.apply(rnd, *items, resume=1)
    before = desk.records()
    assert desk.apply(rnd, *items, resume=1).counts == Counts(unchanged=3, listed=3)
    assert desk.records() == before


def test_a_last_page_applied_twice_proposes_nothing(desk: Any, record: Any) -> None:
    part = desk.part()
    desk.full(part, record("a"), record("b"))
    rnd = desk.open(part, FULL)
    for _ in range(2):
        counts = desk.apply(rnd, record("a"), record("b"), last=True, bookmark="c").counts
        assert counts == Counts(unchanged=2, listed=2)
    assert desk.proposed() == []


def test_the_last_of_several_items_with_one_id_counts(desk: Any, record: Any) -> None:
    counts = desk.full(desk.part(), record("a", 1), record("a", 2), Tombstone("b"), record("b"))
    assert counts == Counts(new=2, unchanged=2, listed=4)
    assert desk.records()["a"]["data"]["value"] == 2


@pytest.mark.parametrize("keys", [()], ids=["clear"])
def test_superseded_payloads_are_kept_as_versions(desk: Any, record: Any) -> None:
    part = desk.part()
    desk.full(part, record("a", 1))
    desk.delta(part, record("a", 2))
    desk.delta(part, record("a", 3))
    rows = desk.sql("SELECT version, data FROM record_version ORDER BY version")
    assert rows == [(1, b'{"id":"a","value":1}'), (2, b'{"id":"a","value":2}')]


def test_key_order_and_spelling_are_no_change(desk: Any) -> None:
    part = desk.part()
    desk.full(part, Record("a", b'{"x": 1, "y": "\\u00e9"}'))
    assert desk.delta(part, Record("a", '{"y":"é","x":1}'.encode())) == Counts(unchanged=1, listed=1)
    assert desk.delta(part, Record("a", b'{"x":true,"y":"\xc3\xa9"}')) == Counts(updated=1, listed=1)


def test_volatile_paths_are_no_change(make_desk: Any) -> None:
    desk = make_desk(volatile=("etag", "names.*.meta", "map.*.at", "list.*"))
    part = desk.part()

    def item(etag: str, meta: int, at: int, rest: list[int], name: str = "N") -> Record:
        data = {"etag": etag, "names": [{"n": name, "meta": meta}], "map": {"k": {"at": at}}, "list": rest}
        return Record("a", data)

    desk.full(part, item("1", 1, 1, [1]))
    assert desk.delta(part, item("2", 2, 2, [2, 3])) == Counts(unchanged=1, listed=1)
    assert desk.records()["a"]["data"]["etag"] == "1"
    assert desk.delta(part, item("2", 2, 2, [2, 3], "M")) == Counts(updated=1, listed=1)


def test_a_path_may_be_volatile_in_one_item_and_not_in_another(make_desk: Any) -> None:
    desk = make_desk(volatile=("etag",))
    part = desk.part()
    desk.full(part, Record("folder", {"size": 1}, volatile=("size",)), Record("file", {"size": 1}))
    again = [Record("folder", {"size": 2, "etag": "2"}, volatile=("size",)), Record("file", {"size": 2, "etag": "2"})]
    assert desk.delta(part, *again) == Counts(unchanged=1, updated=1, listed=2)
    assert {key: record["data"]["size"] for key, record in desk.records().items()} == {"folder": 1, "file": 2}


def test_partial_items_merge_and_null_clears(desk: Any) -> None:
    part = desk.part()
    desk.full(part, Record("a", {"x": 1, "y": 2}, summary={"name": "A"}))
    counts = desk.delta(part, Record("a", {"y": None, "z": 3}, partial=True))
    assert counts == Counts(updated=1, listed=1)
    found = desk.records()["a"]
    assert found["data"] == {"x": 1, "z": 3}
    assert found["summary"] == {"name": "A"}
    assert desk.delta(part, Record("a", {"z": 3}, partial=True)) == Counts(unchanged=1, listed=1)


def test_a_partial_item_of_an_unknown_id_is_refused(desk: Any) -> None:
    rnd = desk.open(desk.part(), DELTA)
    outcome = desk.apply(rnd, Record("a", {"x": 1}, partial=True), last=True, bookmark="b")
    assert outcome.counts == Counts(failed=1, listed=1)
    assert [(error.code, error.source_id) for error in outcome.errors] == [("SYN-ITEM-001", "a")]
    assert desk.ids() == set()


@pytest.mark.parametrize(
    "data", [b"", b"[1]", b'{"a":', b'{"a":"\xff"}', b'{"a":"\\ud800"}', b'{"a":1} x', {"a": object()}]
)
def test_a_payload_that_is_no_json_object_fails_alone(desk: Any, record: Any, data: Any) -> None:
    rnd = desk.open(desk.part())
    outcome = desk.apply(rnd, record("good"), Record("bad", data), last=True, bookmark="b")
    assert outcome.counts == Counts(new=1, failed=1, listed=2)
    assert desk.ids() == {"good"}
    assert [error.source_id for error in outcome.errors] == ["bad"]


@pytest.mark.parametrize("key", ["", "a\0b", "\ud800", "x" * 3000])
def test_an_id_that_cannot_be_stored_fails_alone(desk: Any, record: Any, key: str) -> None:
    outcome = desk.apply(desk.open(desk.part()), record("good"), record(key), last=True, bookmark="b")
    assert outcome.counts == Counts(new=1, failed=1, listed=2)
    assert desk.ids() == {"good"}


@pytest.mark.parametrize("key", ["", "a\0b", "\ud800", "x" * 3000])
@pytest.mark.parametrize("keys", [()], ids=["clear"])
def test_a_reject_whose_id_cannot_be_stored_has_none(desk: Any, key: str) -> None:
    assert desk.full(desk.part(), Reject("odd", key, b"raw")) == Counts(failed=1, listed=1)
    assert desk.sql("SELECT source_id, reason FROM quarantine") == [(None, "odd")]


def test_strange_texts_beside_the_payload_do_not_fail_the_page(desk: Any, record: Any) -> None:
    item = record("a", etag="\ud800", name="x\0y", parent="\udfff")
    assert desk.full(desk.part(), item) == Counts(new=1, listed=1)


@pytest.mark.parametrize("keys", [()], ids=["clear"])
def test_rejects_are_counted_and_kept_until_readable(desk: Any, record: Any) -> None:
    part = desk.part()
    desk.full(part, record("a"))
    counts = desk.delta(part, Reject("no name", "a", {"x": 1}), Reject("no id", None, b"raw"))
    assert counts == Counts(failed=2, listed=2)
    assert desk.sql("SELECT source_id, reason FROM quarantine ORDER BY id") == [("a", "no name"), (None, "no id")]
    desk.delta(part, record("a", 2))
    assert desk.sql("SELECT reason FROM quarantine") == [("no id",)]
    desk.full(part, record("a", 2))
    assert desk.sql("SELECT reason FROM quarantine") == []


def test_skipped_items_are_listed(desk: Any) -> None:
    assert desk.full(desk.part(), skipped=3) == Counts(skipped=3, listed=3)


def test_summary_none_keeps_the_stored_one(desk: Any) -> None:
    part = desk.part()
    desk.full(part, Record("a", {"x": 1}, summary={"name": "A"}))
    desk.delta(part, Record("a", {"x": 2}))
    assert desk.records()["a"]["summary"] == {"name": "A"}


def test_summaries_of_an_older_version_are_written_anew_without_a_change(make_desk: Any) -> None:
    desk = make_desk()
    part = desk.part()
    desk.full(part, Record("a", {"x": 1}, summary={"name": "A"}))
    before = desk.records()["a"]
    desk.spec = replace(desk.spec, info=replace(desk.spec.info, summary_version=2))
    assert desk.delta(part, Record("a", {"x": 1}, summary={"name": "B"})) == Counts(unchanged=1, listed=1)
    assert desk.records()["a"] == {**before, "summary": {"name": "B"}}


def test_an_id_that_returns_is_added_with_the_next_version(desk: Any, record: Any) -> None:
    part = desk.part()
    desk.full(part, record("a"))
    first = desk.records()["a"]
    desk.delta(part, Tombstone("a"))
    desk.settle()
    gone = desk.records(deleted=True)["a"]
    assert (gone["change"], gone["version"], gone["data"]) == ("deleted", 1, first["data"])
    assert gone["deleted_at"] is not None
    assert desk.delta(part, record("a")) == Counts(new=1, listed=1)
    back = desk.records()["a"]
    assert (back["change"], back["version"], back["deleted_at"]) == ("added", 2, None)
    assert back["first_seen_at"] == first["first_seen_at"]
    assert back["seq"] == 3


# -- renames


def test_a_record_with_a_former_id_is_renamed_in_place(desk: Any, record: Any) -> None:
    part = desk.part()
    desk.full(part, record("old"))
    before = desk.records()["old"]
    assert desk.delta(part, record("new", previous_ids=["older", "old"])) == Counts(updated=1, listed=1)
    found = desk.records()
    assert set(found) == {"new"}
    assert (found["new"]["version"], found["new"]["first_seen_at"]) == (2, before["first_seen_at"])
    assert desk.delta(part, Tombstone("old")) == Counts(unchanged=1, listed=1)


def test_a_former_id_is_proposed_where_the_new_one_exists(desk: Any, record: Any) -> None:
    part = desk.part()
    desk.full(part, record("old"), record("new"))
    assert desk.delta(part, record("new", 2, previous_ids=["old"])) == Counts(updated=1, listed=1)
    assert desk.proposed() == [("old", "reported", "open")]
    assert desk.settle().counts == Counts(deleted=1, absent=1)
    assert desk.ids() == {"new"}
    assert desk.ledger().balanced


def test_a_rename_reported_with_a_tombstone_for_the_old_id(desk: Any, record: Any) -> None:
    part = desk.part()
    desk.full(part, record("old"))
    counts = desk.delta(part, Tombstone("old"), record("new", previous_ids=["old"]))
    assert counts == Counts(updated=1, unchanged=1, listed=2)
    assert desk.ids() == {"new"}
    assert desk.proposed() == []


def test_two_renames_that_swap_ids_in_one_page_lose_nothing(desk: Any, record: Any) -> None:
    part = desk.part()
    desk.full(part, record("a", 1), record("b", 2))
    desk.delta(part, record("b", 1, previous_ids=["a"]), record("a", 2, previous_ids=["b"]))
    found = desk.records()
    assert {key: one["data"]["value"] for key, one in found.items()} == {"a": 2, "b": 1}
    assert desk.proposed() == []


# -- identity and moves


def test_a_move_seen_in_its_new_place_first(desk: Any, record: Any) -> None:
    old, new = desk.parts("old", "new")
    desk.full(old, record("a"))
    assert desk.full(new, record("a")) == Counts(updated=1, listed=1)
    assert desk.records()["a"]["partition"] == "new"
    assert desk.delta(old, Tombstone("a")) == Counts(unchanged=1, listed=1)
    assert desk.proposed() == []
    assert desk.records()["a"]["version"] == 2


def test_a_move_seen_as_a_deletion_first(desk: Any, record: Any) -> None:
    old, new = desk.parts("old", "new")
    desk.full(old, record("a"))
    assert desk.delta(old, Tombstone("a")) == Counts(pending=1, listed=1)
    assert desk.delta(new, record("a")) == Counts(updated=1, listed=1)
    assert desk.proposed() == []
    assert desk.ledger() == Counts(new=1, updated=1, unchanged=1, listed=3)
    assert desk.ids() == {"a"}


def test_a_moved_record_is_not_swept_from_its_old_place(desk: Any, record: Any) -> None:
    old, new = desk.parts("old", "new")
    desk.full(old, record("a"), record("b"))
    desk.full(new, record("a"))
    desk.full(old, record("b"))
    assert desk.proposed() == []


def test_ids_of_a_partitioned_stream_live_apart(make_desk: Any, record: Any) -> None:
    desk = make_desk(name="calendar", identity=PARTITION)
    one, two = desk.parts("one", "two")
    desk.full(one, record("a", 1))
    assert desk.full(two, record("a", 2)) == Counts(new=1, listed=1)
    assert [doc["partition"] for doc in desk.store.records("acme", "calendar")] == ["one", "two"]


def test_accounts_do_not_share_ids(desk: Any, record: Any) -> None:
    (mine,), (yours,) = desk.parts(""), desk.parts("", account=desk.bob)
    desk.full(mine, record("a", 1))
    assert desk.full(yours, record("a", 2)) == Counts(new=1, listed=1)
    assert len(list(desk.store.records("acme", "contacts"))) == 2
    assert len(desk.records(account="bob@acme.example")) == 1


# -- rounds, cursors, fences


def test_cursor_and_resume_move_with_the_page(desk: Any, record: Any) -> None:
    part = desk.part()
    rnd = desk.open(part)
    desk.apply(rnd, record("a"), resume={"page": 2})
    desk.apply(rnd, record("b"))
    desk.end(rnd, RoundEnd.FAILED)
    state = desk.state(part)
    assert (state.cursor, state.resume, state.resume_scan) == (None, {"page": 2}, FULL)
    again = desk.open(part, resume=True)
    assert again.id == rnd.id
    assert again.began_at == rnd.began_at
    desk.apply(again, record("c"), last=True, bookmark=["mark"])
    state = desk.state(part)
    assert (state.cursor, state.resume, state.full_at, state.options_digest) == (
        ["mark"], None, rnd.began_at, "options",
    )  # fmt: skip


def test_a_resumed_full_round_remembers_what_it_saw(desk: Any, record: Any) -> None:
    part = desk.part()
    desk.full(part, record("a"), record("b"), record("c"))
    rnd = desk.open(part)
    desk.apply(rnd, record("a"), resume=1)
    desk.reopen()
    desk.begin()
    desk.apply(desk.open(part, resume=True), record("b"), last=True, bookmark="b")
    assert desk.proposed() == [("c", "sweep", "open")]


def test_a_round_that_is_not_resumed_sees_afresh(desk: Any, record: Any) -> None:
    part = desk.part()
    desk.full(part, record("a"), record("b"))
    rnd = desk.open(part)
    desk.apply(rnd, record("a"), resume=1)
    desk.end(rnd, RoundEnd.FAILED)
    desk.full(part, record("b"))
    assert desk.proposed() == [("a", "sweep", "open")]
    assert desk.sql("SELECT count(*) FROM seen") == [(0,)]


def test_a_stale_round_writes_nothing(desk: Any, record: Any) -> None:
    part = desk.part()
    stale = desk.open(part)
    desk.open(part)
    with pytest.raises(StaleRound):
        desk.apply(stale, record("a"), resume=1)
    desk.end(stale, RoundEnd.FAILED)
    assert desk.ids() == set()
    assert desk.sql("SELECT lease_owner IS NULL FROM partition") == [(0,)]


def test_a_round_that_was_given_back_is_stale(desk: Any, record: Any) -> None:
    rnd = desk.open(desk.part())
    desk.end(rnd, RoundEnd.CANCELLED)
    with pytest.raises(StaleRound):
        desk.apply(rnd, record("a"))


def test_a_delta_stream_without_bookmark_is_an_incomplete_chain(desk: Any, record: Any) -> None:
    rnd = desk.open(desk.part())
    with pytest.raises(ProtocolError):
        desk.apply(rnd, record("a"), last=True)
    assert desk.ids() == set()


def test_a_stream_without_deltas_needs_no_bookmark(make_desk: Any, record: Any) -> None:
    desk = make_desk(scans={FULL})
    assert desk.apply(desk.open(desk.part()), record("a"), last=True).round_complete


def test_a_resume_point_may_not_be_huge(desk: Any) -> None:
    rnd = desk.open(desk.part())
    with pytest.raises(ProtocolError):
        desk.apply(rnd, resume="x" * 300_000)


def test_an_expired_cursor_is_forgotten_and_nothing_else(desk: Any, record: Any) -> None:
    part = desk.part()
    desk.full(part, record("a"))
    before = desk.records()
    desk.end(desk.open(part, DELTA), RoundEnd.EXPIRED)
    state = desk.state(part)
    assert (state.cursor, state.resume, state.full_due) == (None, None, True)
    assert desk.full(part, record("a")) == Counts(unchanged=1, listed=1)
    assert desk.records() == before
    assert desk.state(part).full_due is False


def test_a_deferred_partition_is_due_later(desk: Any) -> None:
    part = desk.part()
    until = desk.now()
    desk.end(desk.open(part), RoundEnd.DEFERRED, until)
    assert desk.state(part).due_at == until


def test_a_dry_page_counts_and_leaves_no_trace(desk: Any, record: Any) -> None:
    part = desk.part()
    desk.full(part, record("a"), record("b"))
    before = desk.sql("SELECT * FROM partition"), desk.ledger()
    rnd = desk.open(part, DELTA)
    counts = desk.apply(rnd, record("a", 2), record("n"), Tombstone("b"), dry=True, last=True, bookmark="z").counts
    assert counts == Counts(new=1, updated=1, pending=1, listed=3)
    desk.end(rnd, RoundEnd.CANCELLED)
    assert set(desk.records()) == {"a", "b"}
    assert desk.records()["a"]["version"] == 1
    assert desk.ledger() == before[1]
    assert desk.proposed() == []


def test_a_dry_page_of_a_partition_never_stored(desk: Any, record: Any) -> None:
    from syncd.engine.ports import OpenRound, PartitionRow, PartitionState, RoundPlan
    from syncd.sdk import Partition

    (peek,) = desk.run(desk.store.peek(desk.spec, desk.ann, [Partition("new")]))
    assert (peek.row, peek.state) == (PartitionRow(0, desk.ann, Partition("new")), PartitionState())
    rnd = OpenRound(0, 0, peek.row, desk.spec, 0, RoundPlan(FULL, None, False), desk.now(), None)
    assert desk.apply(rnd, record("a"), dry=True, last=True, bookmark="b").counts == Counts(new=1, listed=1)
    assert desk.sql("SELECT count(*) FROM partition") == [(0,)]


def test_a_reset_in_the_midst_of_a_round_is_not_undone_by_it(desk: Any, record: Any) -> None:
    part = desk.part()
    desk.full(part, record("a"))
    rnd = desk.open(part, DELTA)
    desk.apply(rnd, record("b"), resume=1)
    assert desk.run(desk.store.reset("acme", ["contacts"], None)) == 1
    desk.apply(rnd, record("c"), resume=2)
    desk.apply(rnd, record("d"), last=True, bookmark="later")
    state = desk.state(part)
    assert (state.cursor, state.resume, state.full_due) == (None, None, True)
    assert desk.ids() == {"a", "b", "c", "d"}


def test_what_a_reset_round_had_seen_is_forgotten_with_it(desk: Any, record: Any) -> None:
    part = desk.part()
    desk.full(part, record("a"), record("b"))
    rnd = desk.open(part)
    desk.apply(rnd, record("a"), resume=1)
    desk.run(desk.store.reset("acme", None, ["ann@acme.example"]))
    desk.end(rnd, RoundEnd.FAILED)
    assert desk.state(part).resume is None
    desk.full(part, record("b"))
    assert desk.proposed() == [("a", "sweep", "open")]


def test_pages_of_several_partitions_share_a_commit_and_fail_alone(desk: Any, record: Any) -> None:
    import asyncio

    one, two, three = desk.parts("1", "2", "3")
    rounds = [desk.open(one), desk.open(two), desk.open(three)]
    rounds[1] = replace(rounds[1], fence=99)

    async def at_once() -> list[Any]:
        jobs = [
            desk.store.apply_page(rnd, Page([record(f"r{n}")], last=True, bookmark="b"), {}, desk.now())
            for n, rnd in enumerate(rounds)
        ]
        return await asyncio.gather(*jobs, return_exceptions=True)

    first, second, third = desk.run(at_once())
    assert isinstance(second, StaleRound)
    assert first.counts == third.counts == Counts(new=1, listed=1)
    assert desk.ids() == {"r0", "r2"}
