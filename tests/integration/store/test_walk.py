"""Any sequence of pages against a model of a few lines: records, versions, feed, ledger and counters agree."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncd.sdk import DELTA, FULL, Reject, Tombstone

KEYS = [f"k{n}" for n in range(8)]
KEY = st.sampled_from(KEYS)
ITEM = st.one_of(
    st.tuples(st.just("put"), KEY, st.integers(0, 2)),
    st.tuples(st.just("gone"), KEY),
    st.tuples(st.just("bad"), KEY),
)
STEP = st.one_of(
    st.tuples(st.just("full"), st.integers(0, 1), st.lists(st.lists(ITEM, max_size=6), max_size=3)),
    st.tuples(st.just("delta"), st.integers(0, 1), st.lists(st.lists(ITEM, max_size=6), max_size=3)),
    st.tuples(st.just("settle"), st.sampled_from(["delete", "hold", "wait"])),
    st.tuples(st.just("decide"), st.sampled_from(["approve", "reject"])),
    st.tuples(st.just("next run")),
    st.tuples(st.just("reopen")),
)


class Model:
    """What a mirror of two partitions should hold: id → [partition, value, version, live], and what is proposed."""

    def __init__(self) -> None:
        self.records: dict[str, list[Any]] = {}
        self.proposed: dict[str, str] = {}
        self.changes = 0

    def apply(self, part: int, items: list[tuple[Any, ...]], seen: set[str]) -> None:
        last = {item[1]: item for item in items if item[0] != "bad"}
        bad = {item[1] for item in items if item[0] == "bad"}
        for key, item in last.items():
            if item[0] == "put":
                self.put(part, key, item[2], seen)
        for key, item in last.items():
            record = self.records.get(key)
            if item[0] == "gone" and record and record[3] and record[0] == part:
                self.proposed.setdefault(key, "open")
        for key in bad:
            if key in self.records and self.records[key][3]:
                seen.add(key)
                self.proposed.pop(key, None)

    def put(self, part: int, key: str, value: int, seen: set[str]) -> None:
        seen.add(key)
        self.proposed.pop(key, None)
        record = self.records.get(key)
        if record is None:
            self.records[key] = [part, value, 1, True]
        elif record[:2] == [part, value] and record[3]:
            return
        else:
            self.records[key] = [part, value, record[2] + 1, True]
        self.changes += 1

    def sweep(self, part: int, seen: set[str]) -> None:
        for key, record in self.records.items():
            if record[3] and record[0] == part and key not in seen:
                self.proposed.setdefault(key, "open")

    def delete(self, keys: list[str]) -> None:
        for key in keys:
            self.records[key][3] = False
            del self.proposed[key]
            self.changes += 1


def items_of(record: Any, page: list[tuple[Any, ...]]) -> list[Any]:
    made = {
        "put": lambda key, value: record(key, value),
        "gone": lambda key: Tombstone(key),
        "bad": lambda key: Reject("unreadable", key),
    }
    return [made[kind](*rest) for kind, *rest in page]


def check(desk: Any, model: Model) -> None:
    live = {key: one for key, one in model.records.items() if one[3]}
    found = desk.records()
    assert {
        key: [int(one["partition"]), one["data"]["value"], one["version"], True] for key, one in found.items()
    } == live
    assert set(desk.records(deleted=True)) == set(model.records) - set(live)
    assert {key: state for key, _, state in desk.proposed()} == model.proposed
    ledger = desk.ledger()
    assert ledger.balanced, ledger
    assert min(ledger.new, ledger.held, ledger.pending, ledger.absent, ledger.unchanged) >= 0, ledger
    counters = desk.sql(
        "SELECT p.live, (SELECT count(*) FROM record r WHERE r.partition_id = p.id AND r.state = 0) FROM partition p"
    )
    assert all(kept == counted for kept, counted in counters)
    seqs = [one["seq"] for one in desk.store.records("acme", "contacts", since=0)]
    assert seqs == sorted(set(seqs))
    assert desk.sql("SELECT value FROM counter WHERE name = 'seq'") == [(model.changes,)]


def take(desk: Any, parts: Any, model: Model, record: Any, step: tuple[Any, ...]) -> None:
    kind, *rest = step
    if kind in ("full", "delta"):
        number, pages = rest
        rnd, seen = desk.open(parts[number], FULL if kind == "full" else DELTA), set[str]()
        for index, page in enumerate(pages):
            for _ in range(1 + index % 2):  # every second page comes twice
                outcome = desk.apply(rnd, *items_of(record, page), resume=index)
                assert outcome.counts.balanced
            model.apply(number, page, seen)
        desk.apply(rnd, last=True, bookmark="b")
        if kind == "full":
            model.sweep(number, seen)
    elif kind == "settle":
        settle(desk, model, rest[0])
    elif kind == "decide":
        held = [key for key, state in model.proposed.items() if state == "held"]
        if rest[0] == "approve":
            desk.run(desk.store.approve("acme", None, None, "tombstone", desk.now()))
            model.delete(held)
        else:
            desk.run(desk.store.reject("acme", None, None))
            model.proposed = {key: state for key, state in model.proposed.items() if state != "held"}
    elif kind == "next run":
        desk.next_run()
    else:
        desk.reopen()
        desk.begin()


def settle(desk: Any, model: Model, how: str) -> None:
    from syncd.engine.ports import SettlePlan

    opened = [key for key, state in model.proposed.items() if state == "open"]

    def decide(view: Any) -> SettlePlan:
        ids = [one.record_id for one in view.pending if str(one.state) == "open"]
        return SettlePlan(delete=ids if how == "delete" else (), hold=ids if how == "hold" else ())

    desk.settle(decide)
    if how == "delete":
        model.delete(opened)
    elif how == "hold":
        model.proposed.update(dict.fromkeys(opened, "held"))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(steps=st.lists(STEP, max_size=12))
def test_any_sequence_of_pages_agrees_with_the_model(
    steps: list[tuple[Any, ...]], make_desk: Any, template: Path, record: Any, desk_class: Any
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(template / "syncd.db", Path(folder) / "syncd.db")
        desk = desk_class(Path(folder))
        try:
            parts, model = desk.parts("0", "1"), Model()
            for step in steps:
                take(desk, parts, model, record, step)
                check(desk, model)
        finally:
            desk.close()


@pytest.fixture
def desk_class(make_desk: Any) -> Any:
    return type(make_desk())
