"""Calendars and files against the simulated Microsoft: edits, cut rounds, full rounds in between, dead cursors."""

import hashlib
import random
from datetime import UTC, datetime
from typing import Any

import pytest
from calendar_files_world import Small
from syncd_simulator.microsoft import Editor, tiny_microsoft

from syncd.sdk import FULL, Partition
from syncd.testing.jsontree import without

pytestmark = pytest.mark.anyio
OURS = {"@odata.type", "contentSha256"}  # annotations of the wire, and what the simulator's truth says beside it


def mirror(seed: int, stream: str, **options: Any) -> tuple[Small, Editor]:
    world = tiny_microsoft(seed)
    return Small(world, next(iter(world.users.values())), stream, **options), Editor(world, seed)


def expect_truth(small: Small) -> None:
    """What is live is what is there. Calendars are compared within their windows: elsewhere nothing is known."""
    truth = small.world.snapshot(small.user, small.stream.info.name)
    for partition in (one.id for one in small.listed if not one.excluded):
        window = _window(small.bookmarks[partition])
        live = small.live[partition]
        listed = truth.get(partition, {})  # empty ones are not in it
        there = {one for one, item in listed.items() if _within(item, window)}
        assert there <= live.keys() <= listed.keys() | _out_of_reach(truth, window)
        for one in there & live.keys():
            assert _compared(live[one], small, window) == _compared(listed[one], small, window)


def _window(bookmark: Any) -> tuple[datetime, datetime] | None:
    if "from" not in bookmark:
        return None
    return datetime.fromisoformat(bookmark["from"]), datetime.fromisoformat(bookmark["to"])


def _within(item: dict[str, Any], window: tuple[datetime, datetime] | None) -> bool:
    """Whether an item must be known; a series need not take place within the window at all."""
    if window is None:
        return True
    start, end = (datetime.fromisoformat(item[side]["dateTime"]).replace(tzinfo=UTC) for side in ("start", "end"))
    return item["type"] != "seriesMaster" and start < window[1] and end > window[0]


def _out_of_reach(truth: dict[str, Any], window: tuple[datetime, datetime] | None) -> set[str]:
    """What may have moved to another calendar while no window shows it."""
    return {one for items in truth.values() for one, item in items.items() if window and not _within(item, window)}


def _compared(item: dict[str, Any], small: Small, window: tuple[datetime, datetime] | None) -> dict[str, Any]:
    kept: dict[str, Any] = without(item, small.stream.info.volatile)
    found = {key: value for key, value in kept.items() if key not in OURS}
    if window and "cancelledOccurrences" in found:
        first, last = window[0].date().isoformat(), window[1].date().isoformat()
        found["cancelledOccurrences"] = sorted(
            one for one in found["cancelledOccurrences"] if first <= one[-10:] <= last
        )
    if "folder" in found:
        found["folder"] = {}
    return found


def expect_cancellations(small: Small) -> None:
    """Series that are live say the same of what is cancelled in the window."""
    truth = small.world.snapshot(small.user, "calendar")
    for partition, items in small.live.items():
        window = _window(small.bookmarks[partition])
        for one, item in items.items():
            if item["type"] == "seriesMaster" and one in truth.get(partition, ()):
                assert _compared(item, small, window) == _compared(truth[partition][one], small, window)


@pytest.mark.parametrize("stream", ["calendar", "files"])
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_edits_arrive_and_nothing_else_changes(stream: str, seed: int) -> None:
    small, editor = mirror(seed, stream)
    await small.sync()
    rng = random.Random(seed)
    for _ in range(12):
        for _ in range(rng.randint(1, 4)):
            editor.random_edit(stream, small.user)
        if rng.random() < 0.1:
            small.world.expire(stream, small.user)
        await small.sync(FULL if rng.random() < 0.2 else None, cut=1 if rng.random() < 0.5 else None)
        expect_truth(small)
        if stream == "calendar":
            expect_cancellations(small)
        await small.sync()
        assert small.changes == 0
    assert small.rejects == []


async def test_nothing_new_in_a_drive_is_one_request() -> None:
    small, _ = mirror(5, "files")
    await small.sync()
    small.requests = 0
    await small.sync()
    assert (small.requests, small.changes) == (1, 0)


async def test_contents_are_what_is_there() -> None:
    small, editor = mirror(6, "files")
    editor.add_file(small.user, name="a.bin", content=b"x" * 70_000)
    await small.sync()
    (drive,) = small.listed
    truth = small.world.snapshot(small.user, "files")[drive.id]
    fetched = 0
    for one, blob in small.blobs.items():
        if blob.skip is None and "contentSha256" in truth[one]:
            ctx = small.context(partition=Partition(drive.id))
            content = b"".join([chunk async for chunk in small.stream.fetch(ctx, blob)])
            assert hashlib.sha256(content).hexdigest() == truth[one]["contentSha256"]
            fetched += 1
    assert fetched >= 2


async def test_a_drive_made_anew_is_found_by_its_other_id() -> None:
    small, editor = mirror(7, "files")
    await small.sync()
    before = small.listed[0].id
    editor.recreate_drive(small.user)
    await small.sync()
    await small.sync()
    assert [one.id for one in small.listed] != [before]
    assert small.listed[0].id in small.bookmarks
