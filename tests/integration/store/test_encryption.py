"""A store with keys: nothing to read in its files, nothing to move about, and nothing to see of it from outside."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from syncd.engine.ports import Content, ContentState
from syncd.sdk import Account, Blob, Partition, Record, Reject, Tombstone
from syncd.store import Damaged, KeysMissing, StoreFailed, open_store, rotation, vaults
from syncd.store import rotate as rotate_module

OLD, NEW = bytes(range(32)), bytes(range(1, 33))
WORD = b"Topsecret"  # stands in all that must not be read
SMALL, LARGE = b"small Topsecret " * 8, b"large Topsecret " * 12_000
FAILED = Content(ContentState.FAILED, reason="timeout", code="SYN-CONTENT-002")


@pytest.fixture
def keys() -> tuple[bytes, ...]:
    return (OLD,)


async def chunks(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 70_000):
        yield data[start : start + 70_000]


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def give(desk: Any, keys: Sequence[bytes]) -> None:
    """Open the store again with other keys."""
    desk.keys = keys
    desk.reopen()


def store_content(desk: Any, rnd: Any, key: str, data: bytes, tag: str = "Topsecret tag") -> tuple[Blob, Content]:
    blob = Blob(key, tag, hash="md5:" + hashlib.md5(data, usedforsecurity=False).hexdigest(), mime_type="text/plain")
    return blob, desk.run(desk.store.store_content(rnd, key, blob, chunks(data), max_size=None))


def item(key: str, text: str = "Topsecret", **more: Any) -> Record:
    name = f"{text} {key}"
    return Record(key, {"id": key, "text": text * 40}, summary={"name": name, "kind": "file"}, name=name, **more)


def fill(desk: Any) -> None:
    """One of everything that the store keeps."""
    desk.run(
        desk.store.import_accounts(
            "acme", [Account("1", "ann@acme.example"), Account("2", "bob@acme.example")], desk.now(),
            bookmark={"token": "Topsecret"},
        )
    )  # fmt: skip
    part = desk.part(Partition("p", "Topsecret folder"))
    rnd = desk.open(part)
    small, large = store_content(desk, rnd, "small", SMALL), store_content(desk, rnd, "large", LARGE)
    folder = item("folder")
    items = [folder, item("small", parent="folder", blob=small[0]), item("large", parent="folder", blob=large[0])]
    items += [item("lost", blob=Blob("Topsecret ref", "Topsecret tag")), item("gone")]
    contents = {"small": small[1], "large": large[1], "lost": FAILED}
    reject = Reject("Topsecret reason", "bad", b'{"Topsecret": 1}')
    desk.apply(rnd, *items, reject, contents=contents, resume={"at": "Topsecret"})
    store_content(desk, rnd, "later", b"Topsecret too")
    desk.apply(rnd, item("small", "Topsecret again", parent="folder", blob=small[0]), resume={"at": "Topsecret"})
    desk.delta(desk.part(Partition("p", "Topsecret folder")), item("folder", "Topsecret dir"), Tombstone("gone"))
    desk.settle()
    desk.open(part)
    vaults(desk.folder, desk.store.cipher)("acme", None).save({"refresh_token": "Topsecret"})


def bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def outputs(desk: Any) -> dict[str, Any]:
    """All that a reader can see, less moments."""
    seen: dict[str, Any] = {
        name: [_timeless(one) for one in desk.records(**query).values()]
        for name, query in (("records", {}), ("deleted", {"deleted": True}), ("since", {"since": 0}))
    }
    for data in (SMALL, LARGE):
        seen[sha(data)] = b"".join(desk.store.blob(sha(data)) or [])
    state = desk.state(desk.part(Partition("p", "Topsecret folder")))
    seen["state"] = (state.cursor, state.resume, state.full_due)
    seen["place"] = desk.run(desk.store.import_place("acme"))[0]
    retries = desk.run(desk.store.retries(desk.spec, desk.ann, desk.now()))
    seen["retries"] = [(one.source_id, one.blob.ref, one.blob.tag, one.partition.partition) for one in retries]
    seen["credential"] = vaults(desk.folder, desk.store.cipher)("acme", None).load()
    return seen


def _timeless(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if not name.endswith("_at")}


def rotate(desk: Any, *, fresh: bool = False, stop: int | None = None) -> list[Any]:
    """A whole rotation; with `stop` the process dies at that write."""
    write, left = desk.store._write, [stop]

    async def mortal(job: Any, *, durable: bool = False) -> Any:
        if left[0] is not None:
            left[0] -= 1
            if left[0] < 0:
                raise StoreFailed("killed")
        return await write(job, durable=durable)

    async def go() -> list[Any]:
        run = desk.store.rotation()
        run._write = mortal
        return [one async for one in run.run(fresh=fresh)]

    return list(desk.run(go()))


def test_no_word_of_the_content_is_in_any_file(make_desk: Any) -> None:
    desk = make_desk(name="files", kind="file")
    fill(desk)
    assert desk.run(desk.store.key_status())["clear"] == {}
    assert WORD not in bytes_of(desk.folder)
    desk.store.close()
    everything = bytes_of(desk.folder)
    assert WORD not in everything
    for data in (SMALL, LARGE):  # neither may anybody find out who has a known content
        assert sha(data).encode() not in everything
        assert hashlib.md5(data, usedforsecurity=False).hexdigest().encode() not in everything


@pytest.mark.parametrize("keys", [()], ids=["clear"])
def test_readers_see_the_same_with_and_without_keys(make_desk: Any) -> None:
    clear, sealed = make_desk(name="files", kind="file"), make_desk(name="files", kind="file")
    give(sealed, (OLD,))
    for desk in (clear, sealed):
        fill(desk)
    assert outputs(clear) == outputs(sealed)
    assert clear.sql("SELECT count(*) FROM v1_files") == [(4,)]
    assert sealed.sql("SELECT count(*) FROM sqlite_master WHERE type = 'view'") == [(0,)]


def test_content_is_found_by_the_hash_of_it_and_by_the_providers(make_desk: Any) -> None:
    desk = make_desk(name="files", kind="file")
    fill(desk)
    rnd = desk.open(desk.part(Partition("p", "Topsecret folder")))
    blob = Blob("other", "1", hash="md5:" + hashlib.md5(LARGE, usedforsecurity=False).hexdigest())
    plan = desk.run(desk.store.plan_contents(rnd, [("other", blob)]))
    assert plan.settled["other"].sha256 == sha(LARGE)
    assert desk.store.blob(sha(b"never seen")) is None
    assert b"".join(desk.store.blob(sha(LARGE))) == LARGE


@pytest.mark.parametrize("keys", [()], ids=["clear"])
@pytest.mark.parametrize("fresh", [False, True])
def test_a_store_begun_in_clear_is_sealed_wherever_a_rotation_is_killed(
    make_desk: Any, fresh: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "BATCH", 2)
    desk = make_desk(name="files", kind="file")
    fill(desk)
    before = outputs(desk)
    rows = desk.sql("SELECT id, seq, version, state FROM record ORDER BY id")
    give(desk, (OLD,))
    assert WORD in bytes_of(desk.folder)
    for stop in range(0, 60, 3):
        try:
            rotate(desk, fresh=fresh and stop == 0, stop=stop)
        except StoreFailed:
            assert outputs(desk) == before
            give(desk, (OLD,))
        else:
            break
    else:
        pytest.fail("the rotation never ended")
    assert outputs(desk) == before
    assert desk.sql("SELECT id, seq, version, state FROM record ORDER BY id") == rows
    assert desk.run(desk.store.key_status())["clear"] == {}
    desk.store.close()
    assert WORD not in bytes_of(desk.folder)


@pytest.mark.parametrize("keys", [()], ids=["clear"])
def test_the_next_full_round_after_encryption_changes_nothing(make_desk: Any) -> None:
    desk = make_desk()
    records = [Record(str(n), {"n": n, "x": "y" * 300}, summary={"name": str(n)}) for n in range(20)]
    desk.full(desk.part(), *records)
    give(desk, (OLD,))
    for _ in ("mixed", "sealed"):
        counts = desk.full(desk.part(), *records)
        assert (counts.unchanged, counts.updated, counts.new) == (20, 0, 0)
        rotate(desk)
    rotate(desk, fresh=True)
    assert desk.full(desk.part(), *records).unchanged == 20
    assert {one["version"] for one in desk.records().values()} == {1}


def test_a_new_key_costs_one_row_and_the_old_one_is_not_needed_any_more(make_desk: Any) -> None:
    desk = make_desk(name="files", kind="file")
    fill(desk)
    before, payloads = outputs(desk), desk.sql("SELECT data FROM payload ORDER BY record_id")
    give(desk, (NEW, OLD))
    assert [one["needed"] for one in desk.run(desk.store.key_status())["keys"]] == [True, True]
    rotate(desk)
    assert [one["needed"] for one in desk.run(desk.store.key_status())["keys"]] == [True, False]
    assert desk.sql("SELECT data FROM payload ORDER BY record_id") == payloads
    give(desk, (NEW,))
    assert outputs(desk) == before
    desk.store.close()
    with pytest.raises(KeysMissing):
        open_store(desk.folder, desk.clock, keys=(OLD,))
    give(desk, (NEW,))


def test_a_new_data_key_seals_everything_anew(make_desk: Any) -> None:
    desk = make_desk(name="files", kind="file")
    fill(desk)
    before = outputs(desk)
    last = rotate(desk, fresh=True)
    assert not any(one.damaged for one in last)
    assert outputs(desk) == before
    status = desk.run(desk.store.key_status())
    assert [(one["data_key"], one["seals"], bool(one["values"])) for one in status["data_keys"]] == [
        (1, False, False),
        (2, True, True),
    ]
    assert status["data_keys"][1]["values"] == {
        "records": 5, "versions": 2, "partitions": 1, "imports": 1, "unreadable items": 1,
        "contents to try again": 1, "downloads": 1, "contents": 3, "credentials": 1,
    }  # fmt: skip
    assert len([path for path in (desk.folder / "blobs").rglob("*") if path.is_file()]) == 1


@pytest.mark.parametrize("given", [(), (NEW,)], ids=["none", "another"])
def test_without_its_key_a_store_is_refused_and_left_alone(make_desk: Any, given: Any) -> None:
    desk = make_desk(name="files", kind="file")
    fill(desk)
    needed = desk.run(desk.store.key_status())["keys"][0]["key"]
    desk.store.close()
    before = bytes_of(desk.folder)
    with pytest.raises(KeysMissing, match=needed) as refused:
        open_store(desk.folder, desk.clock, keys=given)
    assert refused.value.code == "SYN-KEY-001"
    assert bytes_of(desk.folder) == before
    desk.reopen()


@pytest.mark.parametrize("column", ["data", "summary", "blob"])
def test_payloads_that_changed_places_are_refused(make_desk: Any, column: str) -> None:
    desk = make_desk(name="files", kind="file")
    fill(desk)
    _swap(desk, column)
    with pytest.raises(Damaged, match=r"(small|large)") as refused:
        desk.records()
    assert refused.value.code == "SYN-KEY-003"


def _swap(desk: Any, column: str) -> None:
    sql = f"SELECT y.record_id, y.{column} FROM payload y JOIN record r ON r.id = y.record_id WHERE r.source_id = ?"
    (one,), (other,) = desk.sql(sql, "small"), desk.sql(sql, "large")
    for (key, _), (_, value) in ((one, other), (other, one)):
        desk.run(
            desk.store._write(
                lambda tx, k=key, v=value: tx.run(f"UPDATE payload SET {column} = ? WHERE record_id = ?", (v, k))
            )
        )


@pytest.mark.parametrize("place", [1, 8, 40, -1])
def test_a_flipped_bit_is_found(make_desk: Any, place: int) -> None:
    desk = make_desk(name="files", kind="file")
    fill(desk)
    (key, data), *_ = desk.sql("SELECT record_id, data FROM payload")
    broken = bytearray(data)
    broken[place] ^= 1
    desk.run(
        desk.store._write(lambda tx: tx.run("UPDATE payload SET data = ? WHERE record_id = ?", (bytes(broken), key)))
    )
    with pytest.raises(Damaged):
        desk.records()


def test_a_damaged_payload_is_replaced_by_the_providers_and_told(make_desk: Any) -> None:
    desk = make_desk()
    part = desk.part()
    desk.full(part, item("a"), item("b"))
    _damage(desk, "a")
    rnd = desk.open(part)
    outcome = desk.apply(rnd, item("a", "changed"), item("b"), last=True, bookmark="b")
    assert (outcome.counts.updated, outcome.counts.unchanged) == (1, 1)
    assert [(one.code, one.source_id) for one in outcome.errors] == [("SYN-KEY-003", "a")]
    assert desk.records()["a"]["summary"]["name"] == "changed a"


def test_a_rotation_has_what_is_damaged_read_again(make_desk: Any) -> None:
    desk = make_desk()
    part = desk.part()
    desk.full(part, item("a"), item("b"))
    _damage(desk, "a")
    events = rotate(desk, fresh=True)
    assert sum(one.damaged for one in events if one.what == "records") == 1
    assert desk.state(part).full_due
    assert desk.full(part, item("a"), item("b")).updated == 1
    assert desk.records()["a"]["data"]["id"] == "a"


def _damage(desk: Any, source_id: str) -> None:
    where = "record_id = (SELECT id FROM record WHERE source_id = ?)"
    sql = f"UPDATE payload SET data = CAST(substr(data, 1, 3) || zeroblob(60) AS BLOB) WHERE {where}"
    desk.run(desk.store._write(lambda tx: tx.run(sql, (source_id,))))


def test_a_damaged_cursor_is_a_lost_cursor(make_desk: Any) -> None:
    desk = make_desk()
    part = desk.part()
    desk.full(part, item("a"))
    assert desk.state(part).cursor == "b"
    desk.run(
        desk.store._write(
            lambda tx: tx.run("UPDATE partition SET cursor = CAST(substr(cursor, 1, 3) || zeroblob(40) AS BLOB)")
        )
    )
    state = desk.state(part)
    assert (state.cursor, state.full_due) == (None, True)


@pytest.mark.parametrize("how", ["cut at a frame", "cut", "flipped", "another content", "grown"])
def test_a_file_that_was_touched_is_refused_before_it_gives_anything_wrong(make_desk: Any, how: str) -> None:
    desk = make_desk(name="files", kind="file")
    rnd = desk.open(desk.part())
    first = store_content(desk, rnd, "a", LARGE)[1]
    (path,) = [one for one in (desk.folder / "blobs").rglob("*") if one.is_file()]
    raw = path.read_bytes()
    if how == "another content":
        store_content(desk, rnd, "b", LARGE[::-1])
        other = next(one for one in (desk.folder / "blobs").rglob("*") if one.is_file() and one != path)
        raw = other.read_bytes()
    changed = {
        "cut at a frame": raw[: 80 + (65_536 + 16) * 2],
        "cut": raw[:-1],
        "flipped": raw[:-1] + bytes([raw[-1] ^ 1]),
        "grown": raw + b"x",
    }.get(how, raw)
    path.write_bytes(changed)
    given = bytearray()
    with pytest.raises(Damaged) as refused:
        given.extend(chain.from_iterable(desk.store.blob(first.sha256)))
    assert refused.value.code == "SYN-KEY-003"
    assert LARGE.startswith(given)
    assert not given or how == "flipped"


def test_a_record_that_got_a_new_id_can_still_be_read(make_desk: Any) -> None:
    desk = make_desk(name="files", kind="file")
    part = desk.part()
    rnd = desk.open(part)
    blob, content = store_content(desk, rnd, "a", SMALL)
    desk.apply(rnd, item("a", blob=blob), contents={"a": content}, resume=1)
    desk.apply(rnd, item("a", "second", blob=blob), resume=2)
    desk.apply(rnd, item("z", "third", blob=blob, previous_ids=("a",)), last=True, bookmark="b")
    assert {key: (one["version"], one["summary"]["path"]) for key, one in desk.records().items()} == {
        "z": (3, "third z")
    }
    assert not any(one.damaged for one in rotate(desk, fresh=True))
    key = desk.sql("SELECT id FROM record")[0][0]
    view = desk.run(desk.store.record_view(key))
    assert [one["summary"]["name"] for one in view["versions"]] == ["second a", "Topsecret a"]


def test_a_connection_with_a_new_name_keeps_all_of_it(make_desk: Any) -> None:
    desk = make_desk(name="files", kind="file")
    fill(desk)
    before = {key: one["data"] for key, one in desk.records().items()}
    desk.run(desk.store.bind_connection("renamed", "google", "acme"))
    assert {one["source_id"]: one["data"] for one in desk.store.records("renamed", "files")} == before


def test_a_second_process_that_meets_a_newer_data_key_reads_it(make_desk: Any) -> None:
    desk = make_desk()
    desk.full(desk.part(), item("a"))
    other = open_store(desk.folder, desk.clock, keys=(OLD,))
    try:
        rotate(desk, fresh=True)
        assert [one["source_id"] for one in other.records("acme", "contacts")] == ["a"]
    finally:
        other.close()


def test_no_nonce_is_used_twice(make_desk: Any) -> None:
    desk = make_desk()
    part = desk.part()
    desk.full(part, *[item(str(n)) for n in range(50)])
    nonces = [
        row[0]
        for row in desk.sql(
            "SELECT substr(data, 4, 12) FROM payload UNION ALL SELECT substr(summary, 4, 12) FROM payload"
        )
    ]
    assert len(set(nonces)) == len(nonces) == 100


def test_syncs_go_on_during_a_rotation(make_desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "BATCH", 5)
    desk = make_desk()
    part = desk.part()
    desk.full(part, *[item(str(n)) for n in range(40)])
    rnd = desk.open(part)

    async def go() -> None:
        number = 0
        async for _ in desk.store.rotation().run(fresh=True):
            page = [item(str(number), "changed"), item(f"new {number}")]
            from syncd.sdk import Page

            await desk.store.apply_page(rnd, Page(page, resume=number), {}, desk.now())
            number += 1
        assert number > 8

    desk.run(go())
    assert not any(one["summary"]["name"] == "" for one in desk.records().values())
    assert len(desk.records()) > 48
    status = desk.run(desk.store.key_status())
    assert status["data_keys"][0]["values"] == {}


def test_large_content_streams_with_little_memory(make_desk: Any) -> None:
    import tracemalloc

    desk = make_desk(name="files")
    rnd = desk.open(desk.part())
    piece = os.urandom(256 * 1024)

    async def much() -> AsyncIterator[bytes]:
        for _ in range(128):
            yield piece
            await asyncio.sleep(0)

    tracemalloc.start()
    try:
        content = desk.run(desk.store.store_content(rnd, "a", Blob("a", "1"), much(), max_size=None))
        total = sum(len(chunk) for chunk in desk.store.blob(content.sha256))
        rotate(desk, fresh=True)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == 128 * len(piece)
    assert peak < 8 * 1024 * 1024


@pytest.mark.parametrize("keys", [()], ids=["clear"])
def test_a_rotation_that_dies_before_the_old_pages_are_gone_is_ended_by_the_next(
    make_desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(database: Any) -> None:
        raise StoreFailed("killed")

    desk = make_desk(name="files", kind="file")
    fill(desk)
    give(desk, (OLD,))
    with monkeypatch.context() as patch:
        patch.setattr(rotate_module, "scrub", dies)
        with pytest.raises(StoreFailed):
            rotate(desk)
    assert desk.run(desk.store.key_status())["clear"] == {}
    assert WORD in bytes_of(desk.folder)
    rotate(desk)
    desk.store.close()
    assert WORD not in bytes_of(desk.folder)
