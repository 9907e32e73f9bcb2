"""Mirror: identity, moves, renames, partial records, sweeps; and what `differences` says."""

import pytest

from syncd.sdk import PARTITION, Item, Record, Reject, StreamInfo, Tombstone
from syncd.testing import Mirror, differences


def mirror(**info: object) -> Mirror:
    return Mirror(StreamInfo("notes", **info))  # type: ignore[arg-type]


@pytest.mark.parametrize("gone_first", [True, False])
def test_a_move_is_no_deletion_in_either_order(gone_first: bool) -> None:
    held = mirror()
    held.apply("inbox", Record("a", {"v": 1}))
    steps: list[tuple[str, Item]] = [("inbox", Tombstone("a")), ("work", Record("a", {"v": 2}))]
    for partition, item in steps if gone_first else steps[::-1]:
        held.apply(partition, item)
    held.settle()
    assert [kept.partition for kept in held.live.values()] == ["work"]


def test_the_same_id_in_two_partitions_is_two_records_where_identity_says_so() -> None:
    held = mirror(identity=PARTITION)
    held.apply("one", Record("a", {}))
    held.apply("two", Record("a", {}))
    held.apply("two", Tombstone("a"))
    held.settle()
    assert list(held.live) == [("one", "a")]


def test_a_renamed_record_is_one_record() -> None:
    held = mirror()
    held.apply("", Record("old", {"v": 1}))
    held.apply("", Record("new", {"v": 2}, previous_ids=["older", "old"]))
    assert list(held.live) == [("", "new")]


def test_an_old_id_beside_the_new_one_is_proposed_for_deletion() -> None:
    held = mirror()
    held.apply("", Record("old", {}))
    held.apply("", Record("new", {}))
    held.apply("", Record("new", {}, previous_ids=["old"]))
    held.settle()
    assert list(held.live) == [("", "new")]


def test_a_partial_record_is_merged_and_null_clears() -> None:
    held = mirror()
    held.apply("", Record("a", {"x": 1, "y": 2}))
    held.apply("", Record("a", b'{"y": null, "z": 3}', partial=True))
    held.apply("", Record("b", {"z": 3}, partial=True))
    assert held.live[("", "a")].data == {"x": 1, "z": 3}
    assert held.rejected == {"b"}


def test_a_sweep_proposes_what_was_not_seen_in_that_partition() -> None:
    held = mirror()
    for partition, name in (("p", "a"), ("p", "b"), ("q", "c")):
        held.apply(partition, Record(name, {}))
    held.sweep("p", {("", "a")})
    held.settle()
    assert sorted(held.live) == [("", "a"), ("", "c")]


def test_differences_are_gaps_inventions_stale_data_and_wrong_partitions() -> None:
    held = mirror(volatile=["etag"])
    held.apply("p", Record("a", {"v": 1, "etag": 1}))
    held.apply("p", Record("x", {}))
    truth = {"p": {"b": None}, "q": {"a": {"v": 1, "etag": 9}}}
    found = "\n".join(differences(held, truth))
    assert "missing in the mirror: 'b'" in found
    assert "not at the source: 'x'" in found
    assert "a is kept in partition 'p'" in found
    held.apply("q", Record("a", {"v": 2}))
    assert "data.v is 2" in "\n".join(differences(held, truth))


def test_what_was_rejected_is_not_missing_in_silence() -> None:
    held = mirror()
    held.apply("", Reject("odd", "b"))
    assert not list(differences(held, {"": {"b": None}}))
    assert list(differences(held, {"": {"c": None}}))
    held.apply("", Reject("odd"))
    assert not list(differences(held, {"": {"c": None}}))
