"""A backup is one state of the store, whole; restored, it goes on where that state was."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from syncd.engine.ports import Busy, Content
from syncd.sdk import FULL, Blob, Partition, Record, Tombstone
from syncd.store import (
    BackupUnderWay,
    FeedTooOld,
    KeysMissing,
    Made,
    NewerSchema,
    StoreUnusable,
    make_backup,
    open_store,
    read_manifest,
    restore_backup,
    vaults,
)
from syncd.store import restore as restoring


def content(desk: Any, rnd: Any, key: str, data: bytes) -> tuple[Blob, Content]:
    blob = Blob(key, "1", len(data))

    async def chunks() -> AsyncIterator[bytes]:
        yield data

    return blob, desk.run(desk.store.store_content(rnd, key, blob, chunks(), max_size=None))


def data_of(key: str) -> bytes:
    return f"content of {key} ".encode() * 3000


def fill(desk: Any, *keys: str, scan: Any = FULL) -> None:
    rnd = desk.open(desk.part(Partition("p", "Folder")), scan)
    stored = {key: content(desk, rnd, key, data_of(key)) for key in keys}
    items = [Record(key, {"id": key}, summary={"name": key}, blob=blob) for key, (blob, _) in stored.items()]
    contents = {key: one for key, (_, one) in stored.items()}
    desk.apply(rnd, *items, contents=contents, last=True, bookmark={"after": len(keys)})


@pytest.fixture
def filled(make_desk: Any) -> Any:
    desk = make_desk(name="files", kind="file")
    fill(desk, "a", "b", "c")
    vaults(desk.folder, desk.store.cipher)("acme", None).save({"refresh_token": "t"})
    return desk


def back_up(desk: Any, place: Path) -> Made:
    *_, made = make_backup(desk.folder, place, desk.now(), "1")
    assert isinstance(made, Made)
    return made


def bring_back(desk: Any, place: Path, state: Path) -> Any:
    """The desk, on the restored state directory."""
    list(restore_backup(place, state))
    desk.store.close()
    desk.folder = state
    desk.store = open_store(state, desk.clock, keys=desk.keys)
    return desk


def shown(desk: Any) -> dict[str, Any]:
    return {key: {**one, "seq": 0} for key, one in {**desk.records(), **desk.records(deleted=True)}.items()}


def contents(desk: Any) -> dict[str, bytes]:
    held = {key: one["summary"]["blob"]["sha256"] for key, one in desk.records().items()}
    return {key: b"".join(desk.store.blob(sha) or [b"missing"]) for key, sha in held.items()}


def test_what_was_backed_up_is_there_again_and_goes_on_by_delta(filled: Any, tmp_path: Path) -> None:
    place, before = tmp_path / "backup", shown(filled)
    made = back_up(filled, place)
    assert (made.files, made.missing) == (5, 0)
    manifest = read_manifest(place)
    assert (manifest["files"], manifest["bytes"], manifest["encrypted"]) == (5, made.bytes, bool(filled.keys))
    subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=place, check=True)
    fill(filled, "lost")  # after the backup
    bring_back(filled, place, tmp_path / "new")
    assert shown(filled) == before
    assert contents(filled) == {key: data_of(key) for key in "abc"}
    assert vaults(filled.folder, filled.store.cipher)("acme", None).load() == {"refresh_token": "t"}
    filled.run(filled.store.close_dead_runs(filled.now()))
    filled.begin()
    part = filled.part(Partition("p", "Folder"))
    assert filled.state(part).cursor == {"after": 3}
    assert filled.delta(part, Record("lost", {"id": "lost"}), Tombstone("a")).new == 1
    assert filled.ids() == {"a", "b", "c", "lost"}


def test_readers_of_the_lost_future_begin_anew(filled: Any, tmp_path: Path) -> None:
    back_up(filled, tmp_path / "backup")
    fill(filled, "lost")
    newest = max(one["seq"] for one in filled.records(since=0).values())
    bring_back(filled, tmp_path / "backup", tmp_path / "new")
    with pytest.raises(FeedTooOld):
        filled.records(since=newest)
    again = max(one["seq"] for one in filled.records(since=0).values())
    assert again > newest
    assert filled.records(since=again) == {}


def test_contents_that_are_dropped_meanwhile_are_in_the_backup(filled: Any, tmp_path: Path) -> None:
    steps = make_backup(filled.folder, tmp_path / "backup", filled.now(), "1")
    while next(steps).done == 0:
        pass  # the database is copied
    filled.delta(filled.part(Partition("p", "Folder")), Tombstone("a"), Tombstone("b"))
    filled.settle(deletions="purge")
    fill(filled, "new")
    assert list(steps)[-1].missing == 0
    filled.run(filled.store.collect_blobs())
    assert contents(filled).keys() == {"c", "new"}
    files = list((filled.folder / "blobs").glob("??/*"))
    assert len(files) == 2, "what was kept for the backup goes after it"
    bring_back(filled, tmp_path / "backup", tmp_path / "new")
    assert contents(filled) == {key: data_of(key) for key in "abc"}


def test_a_purge_and_a_backup_do_not_meet(filled: Any, tmp_path: Path) -> None:
    filled.finish()
    target = filled.run(filled.store.purge_target("acme", [], []))
    steps = make_backup(filled.folder, tmp_path / "backup", filled.now(), "1")
    next(steps)
    with pytest.raises(BackupUnderWay):
        filled.run(filled.store.erasure().begin(target))
    steps.close()
    filled.run(filled.store.erasure().begin(target))
    with pytest.raises(BackupUnderWay):
        back_up(filled, tmp_path / "backup")
    with pytest.raises(Busy):
        filled.begin()


def test_half_a_backup_never_looks_whole(filled: Any, tmp_path: Path) -> None:
    place = tmp_path / "backups" / "monday"
    place.parent.mkdir()
    for steps in range(1, 4):
        source = make_backup(filled.folder, place, filled.now(), "1")
        for _ in range(steps):
            next(source)
        assert not place.exists()
        source.close()
        assert list(place.parent.iterdir()) == []
    (place.parent / ".monday.partial-killed").mkdir()  # as kill -9 leaves it
    back_up(filled, place)
    assert [path.name for path in place.parent.iterdir()] == ["monday"]


def test_a_missing_file_is_counted_and_fetched_again(filled: Any, tmp_path: Path) -> None:
    gone = min((filled.folder / "blobs").glob("??/*"))
    gone.unlink()
    assert back_up(filled, tmp_path / "backup").missing == 1
    bring_back(filled, tmp_path / "backup", tmp_path / "new")
    assert list(contents(filled).values()).count(b"missing") == 1


def test_nothing_is_overwritten(filled: Any, tmp_path: Path) -> None:
    place = tmp_path / "backup"
    back_up(filled, place)
    for there in (place, filled.folder / "inside", tmp_path / "no" / "where"):
        with pytest.raises(StoreUnusable):
            back_up(filled, there)
    with pytest.raises(StoreUnusable, match="holds a store already"):
        list(restore_backup(place, filled.folder))
    assert filled.ids() == {"a", "b", "c"}


@pytest.mark.parametrize("file", ["syncd.db", "SHA256SUMS", "manifest.json", "blobs", "credentials"])
@pytest.mark.parametrize("how", ["changed", "removed", "link"])
def test_a_damaged_backup_is_refused_and_leaves_no_trace(filled: Any, tmp_path: Path, file: str, how: str) -> None:
    place, state = tmp_path / "backup", tmp_path / "new"
    back_up(filled, place)
    path = next((path for path in sorted((place / file).rglob("*")) if path.is_file()), place / file)
    original = path.read_bytes()
    path.unlink()
    if how == "changed":
        path.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
    elif how == "link":
        path.symlink_to("/etc/hostname")
    with pytest.raises(StoreUnusable):
        list(restore_backup(place, state))
    assert [one for one in state.rglob("*") if one.is_file() and one.name != "daemon.lock"] == []


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "blobs/aa/../../evil", "syncd.db.part", "api-token"])
def test_a_backup_writes_nowhere_else(filled: Any, tmp_path: Path, name: str) -> None:
    place = tmp_path / "backup"
    back_up(filled, place)
    sums = place / "SHA256SUMS"
    sums.write_text(f"{'0' * 64}  {name}\n" + sums.read_text())
    manifest = json.loads((place / "manifest.json").read_text())
    manifest |= {"sums": hashlib.sha256(sums.read_bytes()).hexdigest(), "files": manifest["files"] + 1}
    (place / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(StoreUnusable, match="damaged"):
        list(restore_backup(place, tmp_path / "new"))


@pytest.mark.parametrize("change", [{"schema": "9999"}, {"format": 2}])
def test_a_backup_of_a_newer_syncd_is_refused(filled: Any, tmp_path: Path, change: dict[str, Any]) -> None:
    place = tmp_path / "backup"
    back_up(filled, place)
    manifest = json.loads((place / "manifest.json").read_text())
    (place / "manifest.json").write_text(json.dumps({**manifest, **change}))
    with pytest.raises(NewerSchema):
        list(restore_backup(place, tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_a_restore_that_was_killed_begins_anew(filled: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, state = tmp_path / "backup", tmp_path / "new"
    back_up(filled, place)
    (tmp_path / "killed").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(
            restoring, "_finish", lambda state: shutil.copytree(state, tmp_path / "killed", dirs_exist_ok=True)
        )
        list(restore_backup(place, state))
    killed = tmp_path / "killed"
    with pytest.raises(StoreUnusable, match="was cut"):
        open_store(killed, filled.clock, keys=filled.keys)
    bring_back(filled, place, killed)
    assert contents(filled) == {key: data_of(key) for key in "abc"}


@pytest.mark.parametrize("keys", [(bytes(range(32)),)], ids=["sealed"])
def test_an_encrypted_store_stays_encrypted_and_says_which_keys_it_needs(filled: Any, tmp_path: Path) -> None:
    from syncd.store.keys import key_id

    place = tmp_path / "backup"
    back_up(filled, place)
    everything = b"".join(path.read_bytes() for path in place.rglob("*") if path.is_file())
    assert b"content of a" not in everything
    assert read_manifest(place)["keys"] == [key_id(filled.keys[0])]
    list(restore_backup(place, tmp_path / "new"))
    with pytest.raises(KeysMissing):
        open_store(tmp_path / "new", filled.clock)


def test_a_restored_place_holds_no_run_and_no_message_of_then(filled: Any, tmp_path: Path) -> None:
    back_up(filled, tmp_path / "backup")
    bring_back(filled, tmp_path / "backup", tmp_path / "new")
    assert filled.run(filled.store.close_dead_runs(filled.now() + timedelta(seconds=1))) == 1
    filled.begin()
