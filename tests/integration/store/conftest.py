"""A desk to try the store at: a store with two accounts and a run, and short words for what an engine does with it."""

import asyncio
import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from syncd.engine.ports import (
    Content,
    Counts,
    OpenRound,
    PageOutcome,
    PartitionRow,
    PartitionState,
    RoundEnd,
    RoundPlan,
    RunScope,
    RunStatus,
    SettleOutcome,
    SettlePlan,
    SettleView,
    StreamSpec,
    Trigger,
)
from syncd.sdk import DELTA, FULL, Account, Item, Page, Partition, Record, Scan, StreamInfo
from syncd.store import SqlStore, open_store

START = datetime(2026, 1, 1, tzinfo=UTC)
KEY = bytes(range(32))
FILES = ("syncd.db", "blobs")


class Clock:
    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


def delete_all(view: SettleView) -> SettlePlan:
    return SettlePlan(delete=[one.record_id for one in view.pending])


def hold_all(view: SettleView) -> SettlePlan:
    return SettlePlan(hold=[one.record_id for one in view.pending])


class Desk:
    """`run(coroutine)` runs to the end; `full` and `delta` read a whole round of one partition in one page."""

    delete_all = staticmethod(delete_all)
    hold_all = staticmethod(hold_all)

    def __init__(self, folder: Path, keys: Sequence[bytes] = (), **info: Any) -> None:
        self.folder = folder
        self.keys = keys
        self.clock = Clock()
        self.loop = asyncio.new_event_loop()
        self.store: SqlStore = open_store(folder, self.clock, keys=keys)
        self.spec = StreamSpec("acme", StreamInfo(**{"name": "contacts", **info}), "options")
        self.run(self.store.bind_connection("acme", "google", None))
        listed = [Account("1", "ann@acme.example"), Account("2", "bob@acme.example")]
        rows = self.run(self.store.import_accounts("acme", listed, self.now())).accounts
        self.ann, self.bob = (row.id for row in rows)
        self.number = self.begin()

    def run(self, coroutine: Any) -> Any:
        return self.loop.run_until_complete(coroutine)

    def now(self) -> datetime:
        return self.clock.now()

    def begin(self) -> int:
        self.number = self.run(self.store.start_run("all", "acme", Trigger.MANUAL, RunScope(), self.now()))
        return self.number

    def finish(self, status: RunStatus = RunStatus.COMPLETED, streams: Sequence[Mapping[str, Any]] = ()) -> None:
        job = self.store.finish_run(self.number, status, self.now(), counts=Counts(), requests=0, streams=streams)
        self.run(job)

    def next_run(self) -> int:
        self.finish()
        return self.begin()

    def parts(self, *ids: str | Partition, account: int | None = None) -> Sequence[PartitionRow]:
        listed = [one if isinstance(one, Partition) else Partition(one) for one in ids]
        job = self.store.list_partitions(self.spec, account or self.ann, listed, self.number, self.now())
        rows: Sequence[PartitionRow] = self.run(job)
        return rows

    def part(self, key: str = "") -> PartitionRow:
        return self.parts(key)[0]

    def state(self, part: PartitionRow) -> PartitionState:
        found: list[PartitionState] = []

        def plan(state: PartitionState) -> RoundPlan:
            found.append(state)
            return RoundPlan(Scan.DELTA, state.cursor, state.resume is not None)

        self.end(self.run(self.store.open_round(self.number, part, self.spec, self.now(), plan)), RoundEnd.FAILED)
        return found[0]

    def open(
        self, part: PartitionRow, scan: Scan = FULL, *, resume: bool = False, scope_changed: bool = False
    ) -> OpenRound:
        def plan(state: PartitionState) -> RoundPlan:
            return RoundPlan(scan, state.resume if resume else state.cursor, resume, scope_changed)

        rnd: OpenRound = self.run(self.store.open_round(self.number, part, self.spec, self.now(), plan))
        return rnd

    def end(self, rnd: OpenRound, how: RoundEnd, until: datetime | None = None) -> None:
        self.run(self.store.end_round(rnd, how, self.now(), until=until))

    def apply(
        self,
        rnd: OpenRound,
        *items: Item,
        contents: Mapping[str, Content] | None = None,
        dry: bool = False,
        **page: Any,
    ) -> PageOutcome:
        whole = Page(list(items), **page)
        outcome: PageOutcome = self.run(self.store.apply_page(rnd, whole, contents or {}, self.now(), dry=dry))
        return outcome

    def full(self, part: PartitionRow, *items: Item, scope_changed: bool = False, **page: Any) -> Counts:
        rnd = self.open(part, FULL, scope_changed=scope_changed)
        return self.apply(rnd, *items, last=True, bookmark="b", **page).counts

    def delta(self, part: PartitionRow, *items: Item, **page: Any) -> Counts:
        return self.apply(self.open(part, DELTA), *items, last=True, bookmark="b", **page).counts

    def settle(self, decide: Any = delete_all, account: int | None = None, **spec: Any) -> SettleOutcome:
        from dataclasses import replace

        whole = replace(self.spec, **spec)
        job = self.store.settle(self.number, whole, account or self.ann, self.now(), decide)
        outcome: SettleOutcome = self.run(job)
        return outcome

    def view(self, account: int | None = None) -> SettleView | None:
        """What settling would show now; None if nothing is proposed."""
        seen: list[SettleView] = []

        def look(view: SettleView) -> SettlePlan:
            seen.append(view)
            return SettlePlan()

        self.settle(look, account)
        return seen[0] if seen else None

    def proposed(self) -> list[tuple[str, str, str]]:
        view = self.view()
        return [] if view is None else [(one.source_id, str(one.origin), str(one.state)) for one in view.pending]

    def ledger(self, stream: str = "contacts", account: int | None = None) -> Counts:
        found: Counts = self.run(self.store.run_counts(self.number)).get((account or self.ann, stream), Counts())
        return found

    def records(self, **query: Any) -> dict[str, dict[str, Any]]:
        return {one["source_id"]: one for one in self.store.records("acme", self.spec.info.name, **query)}

    def ids(self) -> set[str]:
        return set(self.records())

    def sql(self, text: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.store._database.read(lambda tx: tx.rows(text, parameters))]

    def reopen(self) -> None:
        self.store.close()
        self.store = open_store(self.folder, self.clock, keys=self.keys)

    def close(self) -> None:
        self.store.close()
        self.loop.close()


def rec(key: str, value: Any = 1, **more: Any) -> Record:
    return Record(key, {"id": key, "value": value}, summary={"name": f"name of {key}"}, **more)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty database: copying it is a hundred times faster than migrating."""
    folder = tmp_path_factory.mktemp("template")
    open_store(folder, Clock()).close()
    return folder


@pytest.fixture(params=["clear", "sealed"])
def keys(request: pytest.FixtureRequest) -> tuple[bytes, ...]:
    """Every test holds with encryption keys too, but for those that look into tables or open the store by themselves."""
    return (KEY,) if request.param == "sealed" else ()


@pytest.fixture
def make_desk(template: Path, tmp_path: Path, keys: tuple[bytes, ...]) -> Iterator[Any]:
    desks: list[Desk] = []

    def make(**info: Any) -> Desk:
        folder = tmp_path / f"state{len(desks)}"
        folder.mkdir()
        shutil.copy(template / "syncd.db", folder / "syncd.db")
        desks.append(Desk(folder, keys, **info))
        return desks[-1]

    yield make
    for desk in desks:
        desk.close()


@pytest.fixture
def desk(make_desk: Any) -> Desk:
    made: Desk = make_desk()
    return made


@pytest.fixture
def record() -> Any:
    return rec
