"""A purge leaves nothing behind, in rows and in the bytes of every file, and nothing of anybody else is missing."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from syncd.engine.ports import Busy, Content, Purging, RunError, RunScope, Trigger
from syncd.sdk import Account, Blob, Partition, Record, Reject, Tombstone
from syncd.store import StoreFailed, vaults

TABLES = {
    "account_id": ("account", "id"),
    "partition_id": ("quarantine", "content_journal", "content_retry", "seen", "record", "pending_deletion"),
}
SHARED = Partition("drive", "Common drive", shared=True)


def content(desk: Any, rnd: Any, key: str, data: bytes) -> tuple[Blob, Content]:
    blob = Blob(key, "1", len(data), f"md5:{hashlib.md5(data, usedforsecurity=False).hexdigest()}")

    async def chunks() -> AsyncIterator[bytes]:
        yield data

    return blob, desk.run(desk.store.store_content(rnd, key, blob, chunks(), max_size=None))


def item(word: str, key: str, version: int = 1, blob: Blob | None = None) -> Record:
    data = {"id": f"{word}-{key}", "text": f"{word} {key} {version} " * 40}
    return Record(f"{word}-{key}", data, summary={"name": f"{word} name"}, name=f"{word} name", blob=blob)


def fill(desk: Any, account: int, word: str, label: str) -> bytes:
    """Everything that an account can leave behind; the content that only it has."""
    own, common = f"{word} file ".encode() * 4000, b"common file " * 4000
    part = desk.parts(Partition(f"{word}-box", f"{word} folder"), account=account)[0]
    rnd = desk.open(part)
    first, second = content(desk, rnd, f"{word}-own", own), content(desk, rnd, f"{word}-common", common)
    contents = {f"{word}-own": first[1], f"{word}-common": second[1]}
    items = [item(word, "own", blob=first[0]), item(word, "common", blob=second[0]), item(word, "gone")]
    reject = Reject(f"{word} reason", f"{word}-bad", f'{{"{word}": 1}}'.encode())
    desk.apply(rnd, *items, reject, contents=contents, last=True, bookmark=f"{word} bookmark")
    desk.delta(part, item(word, "own", 2, first[0]), Tombstone(f"{word}-gone"))
    desk.settle(account=account)
    desk.delta(part, Tombstone(f"{word}-common"))
    desk.settle(desk.hold_all, account=account)
    content(desk, desk.open(part), f"{word}-later", f"{word} later".encode())
    told = [RunError("SYN-X", f"{word} failed", "files", label, f"{word}-box", f"{word}-own", detail=f"{word} trace")]
    told.append(RunError("SYN-X", f"somebody failed: {label}", "files"))
    desk.run(desk.store.add_errors(desk.number, told))
    return own


@pytest.fixture
def filled(make_desk: Any) -> Any:
    desk = make_desk(name="files", kind="file")
    desk.run(desk.store._write(lambda tx: tx.rows("PRAGMA secure_delete=OFF")))  # some builds of SQLite have it on
    desk.own = {name: fill(desk, key, name, label) for name, key, label in (
        ("Annsecret", desk.ann, "ann@acme.example"), ("Bobsecret", desk.bob, "bob@acme.example")
    )}  # fmt: skip
    desk.run(desk.store.set_sync_state("all", reason="ann@acme.example: refused"))
    vaults(desk.folder, desk.store.cipher)("acme", None).save({"refresh_token": "Tokensecret"})
    while desk.run(desk.store.index_some()):
        pass
    troubled = [{"account": f"{name}@acme.example", "status": "refused"} for name in ("ann", "bob")]
    desk.finish(streams=[{"stream": "files", "counts": {"new": 1}, "troubled": troubled}])
    return desk


def purge(desk: Any, *accounts: str, streams: tuple[str, ...] = (), stop: int | None = None) -> None:
    """A whole purge; with `stop` the process dies at that write."""

    async def go() -> None:
        erasure = desk.store.erasure()
        if stop is not None:
            erasure._write = mortal(erasure._write, stop)
        todo = await erasure.unfinished()
        if not todo:
            todo = [await desk.store.purge_target("acme", accounts, streams)]
            await erasure.begin(todo[0])
        for target in todo:
            async for _ in erasure.finish(target):
                pass

    desk.run(go())


def mortal(write: Any, left: int) -> Any:
    async def one(job: Any, *, durable: bool = False) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise StoreFailed("killed")
        return await write(job, durable=durable)

    return one


def bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def seen(desk: Any, word: str) -> dict[str, Any]:
    """What is shown of one account's records."""
    every = {**desk.records(), **desk.records(deleted=True)}
    return {key: {**one, "seq": 0} for key, one in every.items() if key.startswith(word)}


def test_an_account_leaves_no_row_and_no_byte_and_the_other_one_everything(filled: Any) -> None:
    before, clear = seen(filled, "Bobsecret"), not filled.keys
    assert clear is (b"Annsecret file" in bytes_of(filled.folder))
    shown = filled.run(
        filled.store.purge_preview(filled.run(filled.store.purge_target("acme", ["ann@acme.example"], [])))
    )
    assert shown["accounts"] == ["ann@acme.example"]
    assert shown["streams"] == [
        {"stream": "files", "partitions": 1, "records": 2, "tombstones": 1, "versions": 1, "unreadable": 1, "held": 1,
         "retries": 0}
    ]  # fmt: skip
    assert shown["contents"] == {"count": 2, "bytes": len(filled.own["Annsecret"]) + 15, "shared": 1}
    purge(filled, "Ann@acme.example")
    left = bytes_of(filled.folder)
    assert b"Annsecret" not in left
    assert b"ann@acme" not in left.lower()
    assert (b"Bobsecret file" in left, b"Tokensecret" in left) == (clear, clear)
    assert seen(filled, "Bobsecret") == before
    assert not seen(filled, "Annsecret")
    assert filled.sql("SELECT message FROM run_error ORDER BY id") == [
        ("Bobsecret failed",), ("somebody failed: bob@acme.example",)
    ]  # fmt: skip
    for data, held in (
        (filled.own["Annsecret"], False),
        (filled.own["Bobsecret"], True),
        (b"common file " * 4000, True),
    ):
        assert (filled.store.blob(hashlib.sha256(data).hexdigest()) is not None) is held
    assert filled.sql("SELECT count(*) FROM blob_hash") == [(3,)]
    (files,) = filled.run(filled.store.get_run(filled.number)).streams
    assert files["troubled"] == [{"account": "bob@acme.example", "status": "refused"}]
    for table in TABLES["partition_id"]:
        sql = f"SELECT count(*) FROM {table} WHERE partition_id NOT IN (SELECT id FROM partition)"
        assert filled.sql(sql) == [(0,)], table
    assert filled.sql("SELECT name FROM meta WHERE name LIKE 'purge%'") == []


def test_a_connection_leaves_its_name_and_the_counts_of_its_runs(filled: Any) -> None:
    purge(filled)
    left = bytes_of(filled.folder)
    for word in (b"Annsecret", b"Bobsecret", b"ann@acme", b"bob@acme", b"Tokensecret", b"common file"):
        assert word not in left, word
    assert filled.sql("SELECT count(*) FROM run") == [(1,)]
    assert filled.sql("SELECT (SELECT count(*) FROM blob), (SELECT count(*) FROM run_scope)") == [(0, 0)]
    assert filled.sql("SELECT name, organization, imported_at FROM connection") == [("acme", None, None)]


def test_a_content_that_another_connection_has_stays_there_only(filled: Any) -> None:
    filled.run(filled.store.bind_connection("other", "google", None))
    listed = [Account("1", "eve@other.example")]
    eve = filled.run(filled.store.import_accounts("other", listed, filled.now())).accounts[0].id
    filled.spec = type(filled.spec)("other", filled.spec.info, "options")
    filled.number = filled.run(filled.store.start_run("o", "other", Trigger.MANUAL, RunScope(), filled.now()))
    fill(filled, eve, "Evesecret", "eve@other.example")
    purge(filled)  # while the other connection syncs
    rows = "SELECT c.name, count(*) FROM blob_hash h JOIN connection c ON c.id = h.connection_id GROUP BY 1"
    assert filled.sql(rows) == [("other", 3)]
    assert filled.store.blob(hashlib.sha256(b"common file " * 4000).hexdigest()) is not None
    assert filled.sql("SELECT account FROM run_error") == [("eve@other.example",), (None,)]


def test_one_stream_of_an_account_leaves_its_others(make_desk: Any) -> None:
    desk = make_desk(name="files", kind="file")
    fill(desk, desk.ann, "Filesecret", "ann@acme.example")
    desk.spec = type(desk.spec)("acme", type(desk.spec.info)("mail"), "options")
    fill(desk, desk.ann, "Mailword", "ann@acme.example")
    desk.finish()
    purge(desk, "ann@acme.example", streams=("files",))
    left = bytes_of(desk.folder)
    assert b"Filesecret file" not in left
    assert b"Filesecret-box" not in left
    assert seen(desk, "Mailword")
    assert desk.sql("SELECT count(*) FROM account") == [(2,)]


def test_wherever_it_is_killed_a_second_one_finishes_it(make_desk: Any) -> None:
    reached = set()
    for stop in range(1, 40, 2):
        desk = make_desk(name="files", kind="file")
        fill(desk, desk.ann, "Annsecret", "ann@acme.example")
        fill(desk, desk.bob, "Bobsecret", "bob@acme.example")
        desk.finish()
        before = seen(desk, "Bobsecret")
        try:
            purge(desk, "ann@acme.example", stop=stop)
        except StoreFailed:
            reached.add(stop)
            with pytest.raises(Purging):
                desk.begin()
            desk.reopen()
            purge(desk)
        assert b"Annsecret" not in bytes_of(desk.folder)
        assert seen(desk, "Bobsecret") == before
        desk.begin()
        desk.finish()
        desk.store.close()
        if stop not in reached:
            break
    assert len(reached) > 5


def test_nothing_is_purged_under_a_run(make_desk: Any) -> None:
    desk = make_desk(name="files", kind="file")
    fill(desk, desk.ann, "Annsecret", "ann@acme.example")
    before = seen(desk, "Annsecret")
    with pytest.raises(Busy) as caught:
        purge(desk, "ann@acme.example")
    assert caught.value.run == desk.number
    assert seen(desk, "Annsecret") == before


def test_a_reader_of_the_feed_begins_anew_once(filled: Any) -> None:
    from syncd.store import FeedTooOld

    newest = max(one["seq"] for one in filled.records(since=0).values())
    purge(filled, "ann@acme.example")
    with pytest.raises(FeedTooOld):
        filled.records(since=newest)
    again = filled.records(since=0)
    assert again
    assert filled.records(since=max(one["seq"] for one in again.values())) == {}


def test_shared_partitions_pass_to_another_account_and_go_with_the_last(make_desk: Any) -> None:
    desk = make_desk(name="files", kind="file")
    for account in (desk.ann, desk.bob):
        desk.parts(account=account)
    offers = {SHARED: [desk.ann, desk.bob]}
    (row,) = desk.run(desk.store.claim_shared(desk.spec, offers, True, desk.number, desk.now()))
    desk.full(row, item("Common", "file"))
    desk.finish()
    purge(desk, "ann@acme.example")
    assert [one["account"] for one in desk.records().values()] == ["bob@acme.example"]
    purge(desk, "bob@acme.example")
    assert desk.records() == {}
    assert b"Common name" not in bytes_of(desk.folder)


def test_a_purged_account_can_be_imported_and_mirrored_again(filled: Any) -> None:
    purge(filled, "ann@acme.example")
    listed = [Account("1", "ann@acme.example"), Account("2", "bob@acme.example")]
    result = filled.run(filled.store.import_accounts("acme", listed, filled.now()))
    assert list(result.new) == ["ann@acme.example"]
    filled.begin()
    ann = next(row.id for row in result.accounts if row.label == "ann@acme.example")
    assert filled.full(filled.parts("", account=ann)[0], item("Again", "1")).new == 1
