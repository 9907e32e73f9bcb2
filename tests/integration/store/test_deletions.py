"""Deletions are proposals: sweeps, tombstones, scope, settling, holding, approving, and the ledger through all of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from syncd.engine.ports import Counts, PendingState, RoundEnd, SettlePlan, SettleView
from syncd.sdk import DELTA, FULL, NEVER, PARTITION, Partition, Record, Reject, Tombstone

DAY = timedelta(days=1)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def fill(desk: Any, record: Any, count: int = 3, part: Any = None) -> Any:
    part = part or desk.part()
    desk.full(part, *(record(f"r{n}") for n in range(count)))
    return part


# -- tombstones


def test_a_tombstone_is_a_proposal_until_settled(desk: Any, record: Any) -> None:
    part = fill(desk, record)
    assert desk.delta(part, Tombstone("r0")) == Counts(pending=1, listed=1)
    assert desk.ids() == {"r0", "r1", "r2"}
    assert desk.settle().counts == Counts(deleted=1, pending=-1)
    assert desk.ids() == {"r1", "r2"}
    assert desk.ledger() == Counts(new=3, deleted=1, listed=4)


def test_tombstones_for_what_is_unknown_or_gone_say_nothing(desk: Any, record: Any) -> None:
    part = fill(desk, record)
    desk.delta(part, Tombstone("r0"))
    desk.settle()
    assert desk.delta(part, Tombstone("r0"), Tombstone("never")) == Counts(unchanged=2, listed=2)


def test_a_tombstone_repeated_in_a_run_counts_once(desk: Any, record: Any) -> None:
    part = fill(desk, record)
    desk.delta(part, Tombstone("r0"))
    assert desk.delta(part, Tombstone("r0")) == Counts(unchanged=1, listed=1)
    desk.settle()
    assert desk.ledger() == Counts(new=3, unchanged=1, deleted=1, listed=5)


def test_a_tombstone_left_over_by_an_earlier_run_is_an_absence_when_settled(desk: Any, record: Any) -> None:
    part = fill(desk, record)
    desk.delta(part, Tombstone("r0"))
    desk.next_run()
    assert desk.settle().counts == Counts(deleted=1, absent=1)
    assert desk.ledger() == Counts(deleted=1, absent=1)


def test_a_tombstone_reported_again_in_the_next_run_counts_there(desk: Any, record: Any) -> None:
    part = fill(desk, record)
    desk.delta(part, Tombstone("r0"))
    desk.next_run()
    assert desk.delta(part, Tombstone("r0")) == Counts(pending=1, listed=1)
    desk.settle()
    assert desk.ledger() == Counts(deleted=1, listed=1)


def test_seen_again_drops_the_proposal_and_corrects_the_ledger(desk: Any, record: Any) -> None:
    part = fill(desk, record)
    desk.delta(part, Tombstone("r0"))
    desk.delta(part, record("r0"))
    assert desk.proposed() == []
    assert desk.ledger() == Counts(new=3, unchanged=2, listed=5)


def test_a_reject_with_an_id_shows_that_the_item_exists(desk: Any, record: Any) -> None:
    part = fill(desk, record)
    desk.delta(part, Tombstone("r0"))
    desk.full(part, Reject("unreadable", "r0"), record("r1"), record("r2"))
    assert desk.proposed() == []


def test_the_mark_lets_only_later_rounds_confirm(desk: Any, record: Any) -> None:
    one, two = desk.parts("1", "2")
    fill(desk, record, part=one)
    early = desk.open(two)
    desk.delta(one, Tombstone("r0"))
    desk.apply(early, last=True, bookmark="b")
    view = desk.view()
    assert view is not None
    last = {place.partition_id: place.last_round for place in view.partitions}
    assert last[two.id] <= view.pending[0].mark
    desk.delta(two)
    later = desk.view()
    assert later is not None
    assert {place.partition_id: place.last_round for place in later.partitions}[two.id] > view.pending[0].mark


# -- sweeps


def test_a_full_round_proposes_what_it_did_not_see(desk: Any, record: Any) -> None:
    part = fill(desk, record)
    assert desk.full(part, record("r1")) == Counts(unchanged=1, listed=1)
    assert desk.proposed() == [("r0", "sweep", "open"), ("r2", "sweep", "open")]
    assert desk.settle().counts == Counts(deleted=2, absent=2)
    assert desk.ids() == {"r1"}
    assert desk.ledger().balanced


def test_many_records_are_swept_right_across_blocks(desk: Any, record: Any) -> None:
    part = fill(desk, record, 200)
    kept = [n for n in range(200) if n % 7]
    desk.full(part, *(record(f"r{n}", 2 if n % 5 == 0 else 1) for n in kept))
    assert {key for key, _, _ in desk.proposed()} == {f"r{n}" for n in range(0, 200, 7)}


def test_a_delta_round_sweeps_nothing(desk: Any, record: Any) -> None:
    part = fill(desk, record)
    desk.delta(part, record("r1"))
    assert desk.proposed() == []


def test_a_reject_without_id_forbids_the_sweep_of_its_round_only(desk: Any, record: Any) -> None:
    part = fill(desk, record)
    rnd = desk.open(part)
    desk.apply(rnd, Reject("no id"), resume=1)
    desk.apply(rnd, record("r1"), last=True, bookmark="b")
    assert desk.proposed() == []
    desk.full(part, record("r1"))
    assert len(desk.proposed()) == 2


def test_an_id_that_cannot_be_stored_forbids_the_sweep(desk: Any, record: Any) -> None:
    part = fill(desk, record)
    desk.full(part, record("\ud800"))
    assert desk.proposed() == []


def test_a_stream_that_never_deletes_is_not_swept(make_desk: Any, record: Any) -> None:
    desk = make_desk(deletes=NEVER)
    part = fill(desk, record)
    desk.full(part, record("r1"))
    assert desk.proposed() == []


def test_an_empty_listing_marks_its_proposals(desk: Any, record: Any) -> None:
    part = fill(desk, record)
    outcome = desk.apply(desk.open(part), last=True, bookmark="b")
    assert outcome.empty_listing
    view = desk.view()
    assert [one.empty_listing for one in view.pending] == [True] * 3
    assert view.live == 3


def test_a_listing_of_skipped_items_is_not_empty(desk: Any, record: Any) -> None:
    part = fill(desk, record)
    assert not desk.apply(desk.open(part), skipped=2, last=True, bookmark="b").empty_listing
    assert [one.empty_listing for one in desk.view().pending] == [False] * 3


def test_an_empty_listing_of_an_empty_partition_is_nothing_special(desk: Any) -> None:
    assert not desk.apply(desk.open(desk.part()), last=True, bookmark="b").empty_listing


def test_misses_are_counted_round_by_round(desk: Any, record: Any) -> None:
    part = fill(desk, record)
    for misses in (1, 2):
        desk.full(part, record("r1"), record("r2"))
        assert [one.misses for one in desk.view().pending] == [misses]


# -- leaving scope


def test_changed_options_let_records_leave_scope_instead(desk: Any, record: Any) -> None:
    part = fill(desk, record)
    before = desk.records()
    desk.full(part, record("r1"), scope_changed=True)
    assert desk.proposed() == []
    found = desk.records()
    assert found["r0"] == {**before["r0"], "out_of_scope": True}
    assert "out_of_scope" not in found["r1"]
    assert desk.delta(part, Tombstone("r0")) == Counts(unchanged=1, listed=1)
    assert desk.full(part, record("r0"), record("r1"), record("r2")) == Counts(unchanged=3, listed=3)
    assert desk.records() == before


def test_leaving_scope_drops_a_proposal(desk: Any, record: Any) -> None:
    part = fill(desk, record)
    desk.delta(part, Tombstone("r0"))
    desk.full(part, record("r1"), record("r2"), scope_changed=True)
    assert desk.proposed() == []
    assert desk.ledger().pending == 0
    assert desk.ledger().balanced


def test_records_outside_the_window_leave_scope_those_inside_are_swept(desk: Any) -> None:
    part = desk.part()
    times = {
        "before": NOON - 10 * DAY,
        "inside": NOON,
        "after": NOON + 10 * DAY,
        "reaching in": (NOON - 10 * DAY, NOON),
        "endless": (NOON - 10 * DAY, None),
        "ended": (NOON - 10 * DAY, NOON - 9 * DAY),
        "timeless": None,
    }
    desk.full(part, *(Record(key, {"id": key}, when=when) for key, when in times.items()))
    rnd = desk.open(part)
    desk.apply(rnd, Record("other", {}), resume=1, window=(NOON - DAY, NOON + DAY))
    desk.apply(rnd, last=True, bookmark="b")
    out = {key for key, one in desk.records().items() if "out_of_scope" in one}
    assert out == {"before", "after", "ended"}
    assert {key for key, _, _ in desk.proposed()} == {"inside", "reaching in", "endless", "timeless"}


def test_an_open_window_has_no_far_side(desk: Any) -> None:
    part = desk.part()
    desk.full(part, Record("old", {}, when=NOON - 10 * DAY), Record("far", {}, when=NOON + 10 * DAY))
    desk.full(part, Record("x", {}), window=(NOON, None))
    assert {key for key, one in desk.records().items() if "out_of_scope" in one} == {"old"}
    assert [key for key, _, _ in desk.proposed()] == ["far"]


def test_excluded_partitions_leave_scope_and_come_back(desk: Any, record: Any) -> None:
    part = fill(desk, record)
    assert desk.parts(Partition("", excluded=True)) == []
    assert all(one["out_of_scope"] for one in desk.records().values())
    (back,) = desk.parts("")
    assert back.id == part.id
    assert desk.state(back).cursor is None
    assert desk.state(back).full_due
    assert desk.full(back, record("r0"), record("r1"), record("r2")) == Counts(unchanged=3, listed=3)


# -- partitions that vanish


def test_records_of_a_partition_no_longer_listed_are_proposed_once(desk: Any, record: Any) -> None:
    one, two = desk.parts("1", "2")
    fill(desk, record, part=one)
    desk.parts("2")
    assert {(origin, state) for _, origin, state in desk.proposed()} == {("vanished", "open")}
    view = desk.view()
    assert [place.partition_id for place in view.partitions] == [two.id]
    assert view.live == 3
    desk.settle(desk.hold_all)
    desk.run(desk.store.reject("acme", None, None))
    desk.parts("2")
    assert desk.proposed() == []


def test_a_partition_that_returns_loses_its_proposals(desk: Any, record: Any) -> None:
    part = fill(desk, record)
    desk.parts("other")
    desk.settle(desk.hold_all)
    assert desk.ledger().held == 3
    assert [row.id for row in desk.parts("")] == [part.id]
    assert desk.proposed() == []
    assert desk.ledger() == Counts(new=3, listed=3)


def test_records_that_moved_out_of_a_vanished_partition_live(desk: Any, record: Any) -> None:
    one, two = desk.parts("1", "2")
    fill(desk, record, 2, part=one)
    desk.parts("2")
    desk.full(two, record("r0"))
    desk.settle()
    assert desk.ids() == {"r0"}


# -- settling


def test_settling_does_what_the_plan_says(desk: Any, record: Any) -> None:
    part = fill(desk, record)
    desk.full(part)

    def split(view: SettleView) -> SettlePlan:
        first, second, _ = (one.record_id for one in view.pending)
        return SettlePlan(delete=[first], hold=[second], look_again={part.id: FULL})

    outcome = desk.settle(split)
    assert outcome.counts == Counts(deleted=1, held=1, absent=2)
    assert outcome.look_again == {part.id: FULL}
    assert desk.proposed() == [("r1", "sweep", "held"), ("r2", "sweep", "open")]
    assert desk.run(desk.store.held("acme", ["contacts"])) == 1


def test_settling_nothing_asks_nobody(desk: Any, record: Any) -> None:
    fill(desk, record)
    assert desk.view() is None


def test_ids_that_are_not_proposed_cannot_be_deleted(desk: Any, record: Any) -> None:
    part = fill(desk, record)
    desk.delta(part, Tombstone("r0"))
    every = [row[0] for row in desk.sql("SELECT id FROM record")]
    desk.settle(lambda view: SettlePlan(delete=every))
    assert desk.ids() == {"r1", "r2"}


def test_held_once_counts_once_however_often_settled(desk: Any, record: Any) -> None:
    part = fill(desk, record)
    desk.full(part, record("r0"))
    for _ in range(3):
        desk.settle(desk.hold_all)
    assert desk.ledger() == Counts(new=3, unchanged=1, held=2, listed=4, absent=2)
    desk.settle(desk.delete_all)
    assert desk.ledger() == Counts(new=3, unchanged=1, deleted=2, listed=4, absent=2)


def test_held_records_seen_again_are_held_no_more(desk: Any, record: Any) -> None:
    part = fill(desk, record)
    desk.delta(part, Tombstone("r0"))
    desk.full(part, record("r1"), record("r2"))
    desk.settle(desk.hold_all)
    assert desk.ledger().held == 1
    desk.full(part, record("r0"), record("r1"), record("r2"))
    assert desk.proposed() == []
    assert desk.ledger().held == 0
    assert desk.ledger().balanced


def test_a_held_sweep_makes_the_next_round_full_until_decided(desk: Any, record: Any) -> None:
    part = fill(desk, record)
    desk.full(part, record("r0"))
    desk.settle(desk.hold_all)
    assert desk.state(part).full_due
    desk.run(desk.store.reject("acme", None, None))
    assert not desk.state(part).full_due


def test_a_tombstone_for_what_is_held_stays_held(desk: Any, record: Any) -> None:
    part = fill(desk, record)
    desk.delta(part, Tombstone("r0"))
    desk.settle(desk.hold_all)
    desk.next_run()
    assert desk.delta(part, Tombstone("r0")) == Counts(pending=1, listed=1)
    desk.settle(lambda view: SettlePlan())
    assert desk.ledger() == Counts(held=1, listed=1)
    assert desk.proposed() == [("r0", "reported", "held")]


def test_a_skipped_partition_shows_in_the_view(desk: Any, record: Any) -> None:
    one, two = desk.parts("1", "2")
    fill(desk, record, part=one)
    desk.end(desk.open(two), RoundEnd.SKIPPED)
    desk.delta(one, Tombstone("r0"))
    assert {place.partition_id: place.skipped for place in desk.view().partitions} == {one.id: False, two.id: True}
    desk.next_run()
    assert not any(place.skipped for place in desk.view().partitions)


# -- what deleting does


def test_keep_leaves_the_record_live_and_marked(desk: Any, record: Any) -> None:
    part = fill(desk, record)
    desk.delta(part, Tombstone("r0"))
    desk.settle(deletions="keep")
    kept = desk.records()["r0"]
    assert kept["source_gone_at"] is not None
    assert (kept["change"], kept["version"], kept["deleted_at"]) == ("updated", 2, None)
    desk.full(part, record("r1"), record("r2"))
    assert desk.proposed() == []
    assert desk.delta(part, Tombstone("r0")) == Counts(unchanged=1, listed=1)
    assert desk.delta(part, record("r0")) == Counts(updated=1, listed=1)
    assert "source_gone_at" not in desk.records()["r0"]


def test_purge_removes_payload_and_versions(desk: Any, record: Any) -> None:
    part = fill(desk, record)
    desk.delta(part, record("r0", 2))
    desk.delta(part, Tombstone("r0"))
    desk.settle(deletions="purge")
    gone = desk.records(deleted=True)["r0"]
    assert (gone["data"], gone["summary"], gone["change"]) == (None, {}, "deleted")
    assert desk.sql("SELECT count(*) FROM record_version") == [(0,)]
    assert desk.delta(part, record("r0")) == Counts(new=1, listed=1)
    assert desk.records()["r0"]["version"] == 3


def test_deletions_come_in_the_feed_in_order(desk: Any, record: Any) -> None:
    part = fill(desk, record, 5)
    desk.full(part, record("r2"))
    desk.settle()
    feed = list(desk.store.records("acme", "contacts", since=5))
    assert [(one["seq"], one["source_id"], one["change"]) for one in feed] == [
        (6, "r0", "deleted"), (7, "r1", "deleted"), (8, "r3", "deleted"), (9, "r4", "deleted"),
    ]  # fmt: skip


@pytest.mark.parametrize("mode", ["tombstone", "keep", "purge"])
def test_many_deletions_each_get_a_seq_of_their_own(desk: Any, record: Any, mode: str) -> None:
    part = fill(desk, record, 1300)
    desk.full(part)
    desk.settle(deletions=mode)
    rows = desk.sql("SELECT seq FROM record ORDER BY id")
    assert [row[0] for row in rows] == list(range(1301, 2601))


# -- held: shown, approved, rejected


def test_held_sets_show_what_a_person_decides_on(desk: Any, record: Any) -> None:
    part = fill(desk, record, 8)
    desk.full(part, record("r0"))
    desk.settle(desk.hold_all)
    (one,) = desk.run(desk.store.held_sets("acme", ["contacts"], ["ann@acme.example"]))
    assert (one["stream"], one["account"], one["partition"], one["count"], one["origin"], one["live"]) == (
        "contacts", "ann@acme.example", "", 7, "sweep", 8,
    )  # fmt: skip
    assert one["examples"][0] == {"source_id": "r1", "title": "name of r1"}
    assert len(one["examples"]) == 5
    assert desk.run(desk.store.held_sets("acme", ["mail"], None)) == []
    assert desk.run(desk.store.held_sets("acme", None, ["bob@acme.example"])) == []


def test_held_sets_of_one_size_with_other_records_have_other_digests(desk: Any, record: Any) -> None:
    part = fill(desk, record, 4)
    digests = []
    for listed in (("r0", "r1"), ("r2", "r3"), ("r0", "r1")):
        desk.full(part, *[record(key) for key in listed])
        desk.settle(desk.hold_all)
        (one,) = desk.run(desk.store.held_sets("acme", ["contacts"], None))
        assert one["count"] == 2
        digests.append(one["digest"])
        desk.next_run()
    assert digests[0] == digests[2] != digests[1]


def test_approve_deletes_what_is_held_and_nothing_else(desk: Any, record: Any) -> None:
    part = fill(desk, record, 1200)
    desk.full(part, record("r0"), record("r1"))
    desk.settle(lambda view: SettlePlan(hold=[one.record_id for one in view.pending[:1100]]))
    counts = desk.run(desk.store.approve("acme", ["contacts"], None, "tombstone", desk.now()))
    assert counts == Counts(deleted=1100, absent=1100)
    assert len(desk.ids()) == 100
    assert {state for _, _, state in desk.proposed()} == {"open"}


def test_approve_and_reject_keep_to_their_scope(desk: Any, record: Any) -> None:
    part = fill(desk, record)
    (other,) = desk.parts("", account=desk.bob)
    fill(desk, record, part=other)
    desk.full(part)
    desk.full(other)
    desk.settle(desk.hold_all)
    desk.settle(desk.hold_all, account=desk.bob)
    store = desk.store
    assert desk.run(store.approve("acme", ["mail"], None, "tombstone", desk.now())) == Counts()
    assert desk.run(store.reject("acme", None, ["bob@acme.example"])) == 3
    assert desk.run(store.approve("acme", None, None, "tombstone", desk.now())).deleted == 3
    assert [one["account"] for one in store.records("acme", "contacts")] == ["bob@acme.example"] * 3


def test_rejected_deletions_come_back_with_the_next_full_round(desk: Any, record: Any) -> None:
    part = fill(desk, record)
    desk.full(part, record("r0"))
    desk.settle(desk.hold_all)
    assert desk.run(desk.store.reject("acme", ["contacts"], None)) == 2
    desk.delta(part)
    assert desk.proposed() == []
    desk.full(part, record("r0"))
    assert len(desk.proposed()) == 2


# -- shared partitions


def shared(desk: Any, offers: dict[str, list[int]], complete: bool = True) -> Any:
    whole = {Partition(key, shared=True): accounts for key, accounts in offers.items()}
    return desk.run(desk.store.claim_shared(desk.spec, whole, complete, desk.number, desk.now()))


def test_a_shared_partition_is_read_once_and_its_claimant_stays(desk: Any) -> None:
    (drive,) = shared(desk, {"d": [desk.ann, desk.bob]})
    assert drive.account_id == desk.ann
    (again,) = shared(desk, {"d": [desk.bob, desk.ann]})
    assert (again.id, again.account_id) == (drive.id, desk.ann)


def test_a_hand_over_changes_the_account_and_no_record(make_desk: Any, record: Any) -> None:
    desk = make_desk(name="files")
    (drive,) = shared(desk, {"d": [desk.ann]})
    desk.full(drive, record("a"))
    before = desk.records()["a"]
    stale = desk.open(drive)
    (handed,) = shared(desk, {"d": [desk.bob]})
    assert (handed.id, handed.account_id) == (drive.id, desk.bob)
    state = desk.state(handed)
    assert (state.cursor, state.full_due) == (None, True)
    assert desk.full(handed, record("a")) == Counts(unchanged=1, listed=1)
    assert desk.records()["a"] == {**before, "account": "bob@acme.example"}
    from syncd.engine.ports import StaleRound

    with pytest.raises(StaleRound):
        desk.apply(stale, record("b"), resume=1)


def test_a_shared_partition_vanishes_only_from_complete_listings(make_desk: Any, record: Any) -> None:
    desk = make_desk(name="files")
    (drive,) = shared(desk, {"d": [desk.ann]})
    desk.full(drive, record("a"))
    assert shared(desk, {}, complete=False) == []
    assert desk.proposed() == []
    shared(desk, {}, complete=True)
    assert desk.proposed() == [("a", "vanished", "open")]


def test_own_partitions_do_not_vanish_with_shared_ones(desk: Any, record: Any) -> None:
    fill(desk, record)
    shared(desk, {"d": [desk.ann]})
    shared(desk, {})
    assert desk.proposed() == []


def test_a_record_moves_between_shared_partitions(make_desk: Any, record: Any) -> None:
    desk = make_desk(name="files")
    one, two = shared(desk, {"1": [desk.ann], "2": [desk.bob]})
    desk.full(one, record("a"))
    assert desk.full(two, record("a")) == Counts(updated=1, listed=1)
    assert desk.records()["a"]["account"] == "bob@acme.example"


def test_leftovers_name_what_is_open(desk: Any, record: Any) -> None:
    part = fill(desk, record)
    assert desk.run(desk.store.leftovers("acme", desk.now())).proposals == frozenset()
    desk.delta(part, Tombstone("r0"))
    assert desk.run(desk.store.leftovers("acme", desk.now())).proposals == {(desk.ann, "contacts")}
    desk.settle(desk.hold_all)
    assert desk.view().pending[0].state is PendingState.HELD
    assert desk.run(desk.store.leftovers("acme", desk.now())).proposals == frozenset()


def test_partition_identity_is_proposed_in_its_own_scope(make_desk: Any, record: Any) -> None:
    desk = make_desk(name="calendar", identity=PARTITION)
    one, two = desk.parts("1", "2")
    desk.full(one, record("a"))
    desk.full(two, record("a"))
    desk.apply(desk.open(one, DELTA), Tombstone("a"), last=True, bookmark="b")
    desk.settle()
    assert [doc["partition"] for doc in desk.store.records("acme", "calendar")] == ["2"]
