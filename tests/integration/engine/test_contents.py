"""Contents are fetched before their page lands; what cannot be had never holds up anything else."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from syncd.config.model import ConnectionLimits
from syncd.sdk import (
    AuthFailed,
    Blob,
    ContentUnavailable,
    Forbidden,
    ProtocolError,
    RateLimited,
    StreamInfo,
    Transient,
)
from tests.integration.engine.script import BatchStream, Place, World, bench

pytestmark = pytest.mark.anyio


def sha(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def with_blobs(world: World, count: int = 1, **facts: Any) -> Place:
    place = world.place("items")
    for n in range(1, count + 1):
        place.put(f"a{n}")
        place.blobs[f"a{n}"] = Blob(f"ref{n}", "t1", **facts)
        world.contents[f"ref{n}"] = f"content {n}".encode()
    return place


def batching() -> World:
    return World(StreamInfo("items"), kinds={"items": BatchStream})


def blob_of(b: Any, key: str = "a1") -> Any:
    return b.records()[key]["summary"].get("blob") if b.records()[key].get("summary") else None


async def test_record_and_content_appear_as_one_change_and_are_fetched_once(tmp_path: Path) -> None:
    world = World()
    with_blobs(world, 4)
    async with bench(world, tmp_path) as b:
        report = await b.run()
        assert (str(report.status), report.counts.new) == ("completed", 4)
        assert b"".join(b.store.blob(sha(b"content 1"))) == b"content 1"
        await b.run(full=True)
    assert sorted(world.fetched) == ["ref1", "ref2", "ref3", "ref4"]


async def test_content_that_came_with_the_item_is_not_asked_for(tmp_path: Path) -> None:
    world = World()
    with_blobs(world, 1, content=b"came along")
    async with bench(world, tmp_path) as b:
        await b.run()
        assert b"".join(b.store.blob(sha(b"came along"))) == b"came along"
    assert world.fetched == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(ContentUnavailable("malware"), "malware"), (Forbidden("no"), "forbidden")],
)
async def test_content_that_can_never_be_had_is_no_failure(tmp_path: Path, answer: Exception, reason: str) -> None:
    world = World()
    with_blobs(world, 2)
    world.contents["ref1"] = answer
    async with bench(world, tmp_path) as b:
        report = await b.run()
        assert (str(report.status), report.counts.new, report.counts.failed) == ("completed", 2, 0)
        assert blob_of(b) == {"skipped": reason}


async def test_content_with_a_reason_to_skip_or_too_large_is_not_asked_for(tmp_path: Path) -> None:
    world = World()
    place = with_blobs(world, 3)
    place.blobs["a1"].skip = "no export format"
    place.blobs["a2"].size = 2000
    world.contents["ref3"] = b"x" * 1500  # size not known beforehand
    async with bench(world, tmp_path, streams={"items": {"max_size": "1KB"}}) as b:
        report = await b.run()
        assert str(report.status) == "completed"
        assert blob_of(b, "a1") == {"skipped": "no export format"}
        assert blob_of(b, "a2") == {"skipped": "too_large"}
        assert blob_of(b, "a3") == {"skipped": "too_large"}
    assert world.fetched == ["ref3"]


@pytest.mark.parametrize(
    ("answer", "code", "asked"),
    [
        (Transient("down", exhausted=True), "SYN-CONTENT-002", 1),
        (Transient("down"), "SYN-CONTENT-002", 2),
        (ProtocolError("odd"), "SYN-CONTENT-002", 2),
        (KeyError("odd"), "SYN-PLUGIN-001", 2),
    ],
)
async def test_content_that_cannot_be_had_now_is_tried_again_by_the_next_run(
    tmp_path: Path, answer: Exception, code: str, asked: int
) -> None:
    world = World()
    with_blobs(world, 2)
    world.contents["ref1"] = answer
    async with bench(world, tmp_path) as b:
        report = await b.run()
        assert (str(report.status), report.counts.new, report.counts.failed) == ("partial", 1, 1)
        assert [(e.code, e.source_id) for e in report.errors] == [(code, "a1")]
        assert world.fetched.count("ref1") == asked
        assert set(b.records()) == {"a1", "a2"}
        world.contents["ref1"] = b"at last"
        b.later(days=1)
        report = await b.run()
        assert (str(report.status), report.counts.updated) == ("completed", 1)
        assert b"".join(b.store.blob(sha(b"at last"))) == b"at last"
        assert (await b.run()).counts == type(report.counts)()


async def test_content_that_still_fails_says_so_each_run(tmp_path: Path) -> None:
    world = World()
    with_blobs(world, 1)
    world.contents["ref1"] = ProtocolError("odd")
    async with bench(world, tmp_path) as b:
        await b.run()
        b.later(days=1)
        report = await b.run()
        assert (str(report.status), report.counts.failed) == ("partial", 1)
        assert [(e.code, e.source_id) for e in report.errors] == [("SYN-CONTENT-002", "a1")]


@pytest.mark.parametrize("full", [False, True])
async def test_content_of_an_item_that_changed_is_not_tried_again_as_it_was(tmp_path: Path, full: bool) -> None:
    world = World()
    place = with_blobs(world, 12)
    world.contents["ref1"] = ProtocolError("odd")
    async with bench(world, tmp_path) as b:
        await b.run()
        world.contents["new"] = b"new"
        place.put("a1", changed=True)
        place.blobs["a1"] = Blob("new", "t2")
        world.fetched.clear()
        report = await b.run(full=full)
        assert (str(report.status), report.counts.updated, report.counts.failed) == ("completed", 1, 0)
        assert world.fetched == ["new"]
        assert (await b.run()).counts == type(report.counts)()


async def test_content_of_an_item_that_is_deleted_is_not_tried_again(tmp_path: Path) -> None:
    world = World()
    place = with_blobs(world, 2)
    world.contents["ref1"] = ProtocolError("odd")
    async with bench(world, tmp_path) as b:
        await b.run()
        place.drop("a1")
        world.fetched.clear()
        report = await b.run()
        assert (str(report.status), report.counts.deleted, world.fetched) == ("completed", 1, [])


async def test_a_full_round_asks_once_for_content_that_still_fails(tmp_path: Path) -> None:
    world = World()
    with_blobs(world, 2)
    world.contents["ref1"] = Transient("down", exhausted=True)
    async with bench(world, tmp_path) as b:
        await b.run()
        world.fetched.clear()
        report = await b.run(full=True)
        assert (str(report.status), report.counts.failed, world.fetched) == ("partial", 1, ["ref1"])


async def test_a_hash_that_does_not_match_is_fetched_once_more(tmp_path: Path) -> None:
    world = World()
    with_blobs(world, 1, hash="md5:" + hashlib.md5(b"right").hexdigest())
    world.contents["ref1"] = [b"wrong", b"right"]
    async with bench(world, tmp_path) as b:
        report = await b.run()
        assert (str(report.status), world.fetched) == ("completed", ["ref1", "ref1"])


async def test_a_hash_that_never_matches_fails_the_item(tmp_path: Path) -> None:
    world = World()
    with_blobs(world, 1, hash="md5:" + hashlib.md5(b"right").hexdigest())
    async with bench(world, tmp_path) as b:
        report = await b.run()
    assert (str(report.status), [e.code for e in report.errors]) == ("partial", ["SYN-CONTENT-003"])
    assert len(world.fetched) == 2


async def test_a_content_host_that_is_down_is_not_asked_for_every_file(tmp_path: Path) -> None:
    world = World()
    place = with_blobs(world, 40)
    place.size = 100
    for ref in world.contents:
        world.contents[ref] = Transient("down", exhausted=True)
    async with bench(world, tmp_path) as b:
        report = await b.run()
        assert (report.counts.failed, len(b.records())) == (40, 40)
    assert len(world.fetched) <= 6  # three, and those under way


async def test_a_throttle_is_waited_out_and_one_too_long_defers_the_partition(tmp_path: Path) -> None:
    world = World()
    with_blobs(world, 1)
    world.contents["ref1"] = [RateLimited(retry_after=30), b"content"]
    async with bench(world, tmp_path) as b:
        assert str((await b.run()).status) == "completed"
        assert 30 in b.clock.slept
    world = World()
    with_blobs(world, 1)
    world.contents["ref1"] = RateLimited(retry_after=3000)
    async with bench(world, tmp_path / "two") as b:
        report = await b.run()
        assert (report.exit_code, report.counts.listed) == (75, 0)


async def test_a_refused_credential_ends_the_run(tmp_path: Path) -> None:
    world = World()
    with_blobs(world, 1)
    world.contents["ref1"] = AuthFailed("no")
    async with bench(world, tmp_path) as b:
        assert (await b.run()).exit_code == 77


async def test_small_contents_come_in_batches(tmp_path: Path) -> None:
    world = batching()
    place = with_blobs(world, 120)
    place.size = 200
    async with bench(world, tmp_path, limits=ConnectionLimits(concurrency=4)) as b:
        report = await b.run()
        assert (str(report.status), report.counts.new) == ("completed", 120)
        assert b"".join(b.store.blob(sha(b"content 77"))) == b"content 77"
    assert (sum(world.batches), max(world.batches), world.fetched) == (120, 50, [])


async def test_what_a_batch_does_not_answer_is_fetched_alone(tmp_path: Path) -> None:
    world = batching()
    place = with_blobs(world, 5)
    place.size = 10
    place.blobs["a5"].size = 5_000_000
    world.contents["ref1"] = [b"content 1"]  # left out of the batch
    world.contents["ref2"] = Forbidden("no")
    world.contents["ref3"] = Transient("down", exhausted=True)
    world.contents["ref5"] = b"x" * 5_000_000
    async with bench(world, tmp_path) as b:
        report = await b.run()
        assert (report.counts.new, report.counts.failed) == (4, 1)
        assert blob_of(b, "a2") == {"skipped": "forbidden"}
    assert sorted(world.fetched) == ["ref1", "ref3", "ref5"]


async def test_downloads_finished_before_a_cut_are_not_repeated(tmp_path: Path) -> None:
    world = World()
    with_blobs(world, 3)
    world.contents["ref3"] = RateLimited(retry_after=3000)
    async with bench(world, tmp_path) as b:
        await b.run()
        world.contents["ref3"] = b"now"
        b.later(hours=1)
        report = await b.run()
        assert (str(report.status), report.counts.new) == ("completed", 3)
    assert world.fetched.count("ref1") == 1
