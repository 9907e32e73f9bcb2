"""Retention: what is past its time goes a little at a time, with the contents and the space that it took."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from syncd.engine.ports import Content, RunError
from syncd.sdk import Blob, Partition, Record, Tombstone
from syncd.store import StoreFailed, upkeep

DAY = timedelta(days=1)
PART = Partition("p", "Folder")


def content(desk: Any, rnd: Any, key: str, data: bytes) -> tuple[Blob, Content]:
    blob = Blob(key, "1", len(data))

    async def chunks() -> AsyncIterator[bytes]:
        yield data

    return blob, desk.run(desk.store.store_content(rnd, key, blob, chunks(), max_size=None))


def retain(
    desk: Any, *, runs: timedelta = DAY, tombstones: timedelta = DAY, versions: timedelta = DAY
) -> dict[str, int]:
    now = desk.now() + 2 * DAY
    job = desk.store.retain(now, runs_for=runs, tombstones_for=tombstones, versions_for=versions)
    found: dict[str, int] = desk.run(job)
    return found


def files(desk: Any) -> int:
    return len(list((desk.folder / "blobs").glob("??/*")))


def test_it_says_how_much_went_and_nothing_the_second_time(make_desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "CHUNK", 2)  # several transactions of each kind
    desk = make_desk(name="files", kind="file")
    rnd = desk.open(desk.part(PART))
    blob, stored = content(desk, rnd, "0", b"x" * 20_000)
    items = [Record("0", {"id": "0"}, blob=blob), *(Record(str(n), {"id": n}) for n in range(1, 8))]
    desk.apply(rnd, *items, contents={"0": stored}, last=True, bookmark="b")
    desk.delta(desk.part(PART), Record("7", {"id": "again"}), *(Tombstone(str(n)) for n in range(5)))
    desk.settle()
    desk.run(desk.store.add_errors(desk.number, [RunError("SYN-X", "m")] * 3))
    desk.finish()
    gone = retain(desk)
    assert {name: gone.get(name) for name in ("tombstones", "versions", "contents")} == {
        "tombstones": 5, "versions": 1, "contents": 1
    }  # fmt: skip
    assert gone["runs"] == 3 + 1 + 1  # errors, a ledger, the run itself
    assert desk.ids() == {"5", "6", "7"}
    assert files(desk) == 0
    assert retain(desk) == {}


def test_a_content_whose_record_never_came_goes_and_one_under_way_stays(make_desk: Any) -> None:
    desk = make_desk(name="files", kind="file")
    rnd = desk.open(desk.part(PART))
    content(desk, rnd, "later", b"x" * 20_000)  # its page is still to come
    content(desk, rnd, "never", b"y" * 20_000)
    with pytest.raises(StoreFailed, match="FOREIGN KEY"):
        desk.run(desk.store._write(lambda tx: tx.run("UPDATE content_journal SET partition_id = 99")))
    desk.run(desk.store._write(lambda tx: tx.run("DELETE FROM content_journal WHERE source_id = 'never'")))
    assert retain(desk)["contents"] == 1
    assert files(desk) == 1
    blob, stored = content(desk, rnd, "later", b"x" * 20_000)
    desk.apply(rnd, Record("later", {"id": 1}, blob=blob), contents={"later": stored}, last=True, bookmark="b")
    assert retain(desk).get("contents") is None
    assert files(desk) == 1


def test_a_file_that_no_row_knows_goes(make_desk: Any) -> None:
    """As a process leaves it that dies between giving it its name and the commit."""
    desk = make_desk(name="files", kind="file")
    stray = desk.folder / "blobs" / "ab" / ("c" * 62)
    stray.parent.mkdir()
    stray.write_bytes(b"x")
    assert retain(desk) == {"files without a record": 1}
    assert not stray.exists()


def test_free_pages_go_back_to_the_file_system(make_desk: Any) -> None:
    desk = make_desk()
    part = desk.part()
    big = "x" * 4000
    desk.full(part, *(Record(str(n), {"id": n, "big": f"{n}{big}"}) for n in range(2000)))
    desk.delta(part, *(Tombstone(str(n)) for n in range(1900)))
    desk.settle()
    size = desk.sql("SELECT page_count FROM pragma_page_count()")[0][0]
    gone = retain(desk)
    assert gone["pages given back"] > 100
    assert desk.sql("SELECT page_count FROM pragma_page_count()")[0][0] <= size - gone["pages given back"]
    ((free, pages),) = desk.sql("SELECT freelist_count, page_count FROM pragma_freelist_count(), pragma_page_count()")
    assert free <= pages // 20 + 1
    assert len(desk.records()) == 100


def test_a_killed_one_goes_on(make_desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "CHUNK", 2)
    desk = make_desk()
    desk.full(desk.part(), *(Record(str(n), {"id": n}) for n in range(12)))
    desk.delta(desk.part(), *(Tombstone(str(n)) for n in range(10)))
    desk.settle()
    write, left = desk.store._write, 3

    async def mortal(job: Any, *, durable: bool = False) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise StoreFailed("killed")
        return await write(job, durable=durable)

    desk.store._write = mortal
    with pytest.raises(StoreFailed):
        retain(desk)
    assert 0 < len(desk.records(deleted=True)) < 10
    desk.store._write = write
    retain(desk)
    assert (desk.records(deleted=True), desk.ids()) == ({}, {"10", "11"})


@pytest.mark.parametrize("keys", [()], ids=["clear"])
def test_finding_old_tombstones_does_not_look_at_live_records(desk: Any) -> None:
    """It happens inside a write, for which syncs wait."""
    sql = "SELECT id, stream_id, seq FROM record WHERE state = 3 AND state_at < ? ORDER BY state_at LIMIT ?"
    (plan,) = {row[3] for row in desk.sql(f"EXPLAIN QUERY PLAN {sql}", 1, 1)}
    assert "ix_record_state_at" in plan
