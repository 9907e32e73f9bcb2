"""Contents: streamed, verified, journalled, found again, tried again, removed."""

import hashlib
import stat
from collections.abc import AsyncIterator
from typing import Any

import pytest

from syncd.engine.ports import Content, ContentState, Counts, PageOutcome
from syncd.sdk import Blob, ContentUnavailable, ProtocolError, Record, Tombstone

SMALL, LARGE = b"small", b"0123456789abcdef" * 4096  # 64 KiB
FAILED = Content(ContentState.FAILED, reason="timeout", code="SYN-CONTENT-002")


async def stream(data: bytes, size: int = 5000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def broken(data: bytes) -> AsyncIterator[bytes]:
    yield data
    raise ConnectionError("cut")


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def item(blob: Blob | None, value: int = 1) -> Record:
    return Record("f", {"value": value}, summary={"name": "f"}, blob=blob)


class Shelf:
    """One partition and what an engine does with contents."""

    def __init__(self, desk: Any) -> None:
        self.desk = desk
        self.part = desk.part()
        self.rnd = desk.open(self.part)

    def store(self, blob: Blob, data: bytes, source_id: str = "f", max_size: int | None = None) -> Content:
        job = self.desk.store.store_content(self.rnd, source_id, blob, stream(data), max_size=max_size)
        content: Content = self.desk.run(job)
        return content

    def plan(self, blob: Blob, source_id: str = "f") -> Content | None:
        """What is known already, None if it must be fetched."""
        plan = self.desk.run(self.desk.store.plan_contents(self.rnd, [(source_id, blob)]))
        assert len(plan.fetch) + len(plan.settled) == 1
        found: Content | None = plan.settled.get(source_id)
        return found

    def apply(self, record: Record, content: Content | None = None) -> PageOutcome:
        contents = {} if content is None else {record.source_id: content}
        outcome: PageOutcome = self.desk.apply(self.rnd, record, contents=contents, resume=1)
        return outcome

    def doc(self) -> dict[str, Any]:
        found: dict[str, Any] = self.desk.records()["f"]
        return found

    def files(self) -> list[str]:
        folder = self.desk.folder / "blobs"
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def shelf(make_desk: Any) -> Shelf:
    return Shelf(make_desk(name="files"))


@pytest.mark.parametrize("data", [b"", SMALL, b"x" * 16 * 1024, LARGE])
def test_content_and_record_appear_as_one_change(shelf: Shelf, data: bytes) -> None:
    blob = Blob("ref", "t1", size=len(data), hash=f"md5:{hashlib.md5(data).hexdigest()}", mime_type="text/plain")
    content = shelf.store(blob, data)
    assert shelf.desk.ids() == set()
    assert shelf.apply(item(blob), content).counts == Counts(new=1, listed=1)
    assert shelf.doc()["summary"]["blob"] == {"sha256": sha(data), "size": len(data), "mime_type": "text/plain"}
    assert b"".join(shelf.desk.store.blob(sha(data))) == data


@pytest.mark.parametrize("keys", [()], ids=["clear"])
def test_large_content_is_a_private_file_small_content_a_row(shelf: Shelf) -> None:
    shelf.store(Blob("r", "t"), SMALL)
    assert shelf.files() == []
    shelf.store(Blob("r", "t"), LARGE)
    name = sha(LARGE)
    assert shelf.files() == [f"{name[:2]}/{name[2:]}"]
    assert stat.S_IMODE((shelf.desk.folder / "blobs" / name[:2] / name[2:]).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("promise", "fine"),
    [
        ({"hash": "md5:" + hashlib.md5(LARGE).hexdigest().upper()}, True),
        ({"hash": "sha1:" + hashlib.sha1(LARGE).hexdigest()}, True),
        ({"hash": "sha256:" + sha(LARGE)}, True),
        ({"hash": "blake9:unknown"}, True),
        ({"hash": "quickxor:AAAAAAAAAAAAAAAAAAAAAAAAAAA="}, False),
        ({"hash": "md5:" + "0" * 32}, False),
        ({"size": 3}, False),
    ],
)
def test_content_is_verified(shelf: Shelf, promise: dict[str, Any], fine: bool) -> None:
    if fine:
        assert shelf.store(Blob("r", "t", **promise), LARGE).sha256 == sha(LARGE)
        return
    with pytest.raises(ProtocolError) as caught:
        shelf.store(Blob("r", "t", **promise), LARGE)
    assert caught.value.code == "SYN-CONTENT-003"
    assert shelf.files() == []
    assert shelf.plan(Blob("r", "t", **promise)) is None


def test_content_above_the_limit_is_refused_midway(shelf: Shelf) -> None:
    with pytest.raises(ContentUnavailable) as caught:
        shelf.store(Blob("r", "t"), LARGE, max_size=20_000)
    assert caught.value.reason == "too_large"
    assert shelf.files() == []
    assert shelf.store(Blob("r", "t"), LARGE, max_size=len(LARGE)).size == len(LARGE)


def test_a_broken_download_leaves_nothing(shelf: Shelf) -> None:
    with pytest.raises(ConnectionError):
        shelf.desk.run(shelf.desk.store.store_content(shelf.rnd, "f", Blob("r", "t"), broken(LARGE), max_size=None))
    assert shelf.files() == []


def test_a_finished_download_is_not_repeated_after_a_crash(shelf: Shelf) -> None:
    blob = Blob("r", "t1", mime_type="a/b")
    content = shelf.store(blob, LARGE)
    shelf.desk.reopen()
    assert shelf.plan(blob) == content
    assert shelf.plan(Blob("r", "t2")) is None


def test_the_journal_forgets_what_has_landed(shelf: Shelf) -> None:
    blob = Blob("r", "t1")
    shelf.apply(item(blob), shelf.store(blob, SMALL))
    assert shelf.desk.sql("SELECT count(*) FROM content_journal") == [(0,)]
    assert shelf.plan(blob) == Content(ContentState.STORED, sha(SMALL), len(SMALL))


def test_content_known_by_its_hash_is_not_downloaded_again(shelf: Shelf) -> None:
    digest = f"md5:{hashlib.md5(LARGE).hexdigest()}"
    shelf.store(Blob("r", "t", hash=digest), LARGE)
    again = Blob("other", "tag", size=len(LARGE), hash=digest.upper().replace("MD5", "md5"), mime_type="x/y")
    assert shelf.plan(again, "g") == Content(ContentState.STORED, sha(LARGE), len(LARGE), "x/y")
    assert shelf.plan(Blob("other", "tag", size=1, hash=digest), "g") is None


def test_a_hash_says_nothing_in_another_connection(shelf: Shelf, record: Any) -> None:
    from dataclasses import replace

    from syncd.sdk import Account, Partition

    desk = shelf.desk
    digest = f"md5:{hashlib.md5(LARGE).hexdigest()}"
    shelf.store(Blob("r", "t", hash=digest), LARGE)
    desk.run(desk.store.bind_connection("other", "google", None))
    (row,) = desk.run(desk.store.import_accounts("other", [Account("9", "eve@other.example")], desk.now())).accounts
    spec = replace(desk.spec, connection="other")
    (part,) = desk.run(desk.store.list_partitions(spec, row.id, [Partition()], desk.number, desk.now()))
    foreign = replace(shelf.rnd, partition=part, spec=spec)
    plan = desk.run(desk.store.plan_contents(foreign, [("f", Blob("r", "t", hash=digest))]))
    assert len(plan.fetch) == 1


@pytest.mark.parametrize("keys", [()], ids=["clear"])
def test_a_file_that_was_lost_is_fetched_again(shelf: Shelf) -> None:
    blob = Blob("r", "t1")
    shelf.apply(item(blob), shelf.store(blob, LARGE))
    name = sha(LARGE)
    (shelf.desk.folder / "blobs" / name[:2] / name[2:]).unlink()
    assert shelf.plan(blob) is None
    shelf.store(blob, LARGE)
    assert len(shelf.files()) == 1


def test_a_new_tag_with_the_same_content_is_no_change(shelf: Shelf) -> None:
    first, second = Blob("r", "t1"), Blob("r", "t2")
    shelf.apply(item(first), shelf.store(first, SMALL))
    before = shelf.doc()
    assert shelf.plan(second) is None
    assert shelf.apply(item(second), shelf.store(second, SMALL)).counts == Counts(unchanged=1, listed=1)
    assert shelf.doc() == before
    assert shelf.plan(second) is not None


@pytest.mark.parametrize("keys", [()], ids=["clear"])
def test_new_content_is_a_change(shelf: Shelf) -> None:
    first, second = Blob("r", "t1"), Blob("r", "t2")
    shelf.apply(item(first), shelf.store(first, SMALL))
    assert shelf.apply(item(second), shelf.store(second, LARGE)).counts == Counts(updated=1, listed=1)
    assert (shelf.doc()["version"], shelf.doc()["summary"]["blob"]["sha256"]) == (2, sha(LARGE))
    assert shelf.desk.sql("SELECT sha256 FROM record_version") == [(sha(SMALL),)]


def test_content_that_is_no_longer_asked_for_stays(shelf: Shelf) -> None:
    blob = Blob("r", "t1")
    shelf.apply(item(blob), shelf.store(blob, SMALL))
    shelf.apply(item(None, 2))
    shelf.apply(item(Blob("r", "t9"), 3))
    assert shelf.doc()["summary"]["blob"]["sha256"] == sha(SMALL)


def test_content_that_can_never_be_had_is_skipped_with_its_reason(shelf: Shelf) -> None:
    blob = Blob("r", "t1", skip="export_limit")
    content = shelf.plan(blob)
    assert content == Content(ContentState.SKIPPED, reason="export_limit")
    assert shelf.apply(item(blob), content).counts == Counts(new=1, listed=1)
    assert shelf.doc()["summary"]["blob"] == {"skipped": "export_limit"}
    assert shelf.plan(Blob("r", "t1")) == content


def test_content_that_failed_lets_the_record_land_without_it(shelf: Shelf) -> None:
    blob = Blob({"id": 7}, "t1", size=5, mime_type="a/b")
    assert shelf.apply(item(blob), FAILED).counts == Counts(failed=1, listed=1)
    assert "blob" not in shelf.doc()["summary"]
    (retry,) = shelf.desk.run(shelf.desk.store.retries(shelf.desk.spec, shelf.desk.ann, shelf.desk.now()))
    assert (retry.source_id, retry.attempts, retry.partition.id) == ("f", 1, shelf.part.id)
    assert (retry.blob.ref, retry.blob.tag, retry.blob.size, retry.blob.mime_type) == ({"id": 7}, "t1", 5, "a/b")
    assert shelf.desk.run(shelf.desk.store.leftovers("acme", shelf.desk.now())).retries == {(shelf.desk.ann, "files")}


def test_failed_content_of_an_unchanged_record_keeps_what_is_held(shelf: Shelf) -> None:
    first, second = Blob("r", "t1"), Blob("r", "t2")
    shelf.apply(item(first), shelf.store(first, SMALL))
    before = shelf.doc()
    assert shelf.apply(item(second), FAILED).counts == Counts(failed=1, listed=1)
    assert shelf.doc() == before
    assert shelf.plan(second) is None


def retry_of(shelf: Shelf) -> Any:
    (retry,) = shelf.desk.run(shelf.desk.store.retries(shelf.desk.spec, shelf.desk.ann, shelf.desk.now()))
    return retry


def settle_retry(shelf: Shelf, retry: Any, content: Content) -> Counts:
    desk = shelf.desk
    counts: Counts = desk.run(desk.store.settle_retry(desk.number, retry, desk.spec, content, desk.now()))
    return counts


def test_content_had_at_last_is_one_update(shelf: Shelf) -> None:
    blob = Blob("r", "t1")
    shelf.apply(item(blob), FAILED)
    retry = retry_of(shelf)
    assert settle_retry(shelf, retry, FAILED) == Counts(failed=1, listed=1)
    retry = retry_of(shelf)
    assert retry.attempts == 2
    content = shelf.store(retry.blob, SMALL)
    assert settle_retry(shelf, retry, content) == Counts(updated=1, listed=1)
    assert (shelf.doc()["version"], shelf.doc()["summary"]["blob"]["sha256"]) == (2, sha(SMALL))
    assert settle_retry(shelf, retry, content) == Counts()
    assert shelf.plan(blob) == content
    assert shelf.desk.ledger("files").balanced


def test_a_retry_of_a_record_that_is_gone_is_dropped(shelf: Shelf) -> None:
    blob = Blob("r", "t1")
    shelf.apply(item(blob), FAILED)
    retry = retry_of(shelf)
    shelf.desk.apply(shelf.rnd, Tombstone("f"), resume=2)
    shelf.desk.settle()
    assert settle_retry(shelf, retry, shelf.store(blob, SMALL)) == Counts()
    assert shelf.desk.sql("SELECT count(*) FROM content_retry") == [(0,)]


def test_a_retry_for_an_older_tag_does_not_overwrite_newer_content(shelf: Shelf) -> None:
    old, new = Blob("r", "t1"), Blob("r", "t2")
    shelf.apply(item(old), FAILED)
    retry = retry_of(shelf)
    late = shelf.store(old, SMALL)
    shelf.apply(item(new, 2), shelf.store(new, LARGE))
    assert settle_retry(shelf, retry, late) == Counts()
    assert shelf.doc()["summary"]["blob"]["sha256"] == sha(LARGE)


def test_purged_content_goes_unless_something_else_holds_it(shelf: Shelf) -> None:
    one, two = Blob("r", "t1"), Blob("s", "t1")
    shelf.apply(item(one), shelf.store(one, LARGE))
    other = Record("g", {"x": 1}, blob=two)
    shelf.apply(other, shelf.store(two, LARGE, "g"))
    for key, left in (("f", 1), ("g", 0)):
        shelf.desk.apply(shelf.rnd, Tombstone(key), resume=key)
        shelf.desk.settle(deletions="purge")
        assert len(shelf.files()) == left
    assert shelf.desk.store.blob(sha(LARGE)) is None


def test_purging_lets_older_versions_content_go_too(shelf: Shelf) -> None:
    first, second = Blob("r", "t1"), Blob("r", "t2")
    shelf.apply(item(first), shelf.store(first, LARGE))
    shelf.apply(item(second), shelf.store(second, LARGE + b"!"))
    assert len(shelf.files()) == 2
    shelf.desk.apply(shelf.rnd, Tombstone("f"), resume=2)
    shelf.desk.settle(deletions="purge")
    assert shelf.files() == []


def test_content_removed_between_plan_and_page_fails_the_item_only(shelf: Shelf) -> None:
    blob = Blob("r", "t1")
    content = shelf.store(blob, LARGE)
    shelf.desk.run(shelf.desk.store._write(lambda tx: tx.run("DELETE FROM blob")))
    assert shelf.apply(item(blob), content).counts == Counts(failed=1, listed=1)
    assert "blob" not in shelf.doc()["summary"]


def test_downloads_of_dead_processes_are_cleaned_those_of_living_ones_stay(shelf: Shelf) -> None:
    folder = shelf.desk.folder / "blobs" / "tmp"
    (folder / "0123-left").write_bytes(LARGE)
    (folder / f"{shelf.desk.store._owners.id}-mine").write_bytes(LARGE)
    shelf.store(Blob("r", "t"), SMALL)
    assert [path.name.partition("-")[2] for path in folder.iterdir()] == ["mine"]


def test_known_tells_the_tags_of_live_records_here(shelf: Shelf) -> None:
    blob = Blob("r", "t1")
    shelf.apply(item(blob), shelf.store(blob, SMALL))
    shelf.apply(Record("g", {"x": 1}))
    known = shelf.desk.run(shelf.desk.store.known(shelf.part.id, ["f", "g", "h"]))
    assert known == {"f": "t1", "g": None}
