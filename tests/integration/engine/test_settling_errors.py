"""What `get` may raise while deletions are settled: each error keeps its own code and consequence, and deletes nothing."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from syncd.sdk import (
    AccountGone,
    AuthFailed,
    Context,
    Forbidden,
    ProtocolError,
    RateLimited,
    Record,
    Reject,
    StreamInfo,
    Tombstone,
    Transient,
)
from tests.integration.engine.script import PartedStream, World, bench

pytestmark = pytest.mark.anyio

BOXES = StreamInfo("boxes")


class Odd(Exception):
    pass


def silent(raises: list[Exception]) -> type[PartedStream]:
    """A stream whose `get` raises these, one after the other, and then finds nothing."""

    class Silent(PartedStream):
        async def get(self, ctx: Context, ids: Sequence[str]) -> AsyncIterator[Record | Tombstone | Reject]:
            for key in ids:
                if raises:
                    raise raises.pop(0)
                yield Tombstone(key)

    return Silent


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (Odd("what"), "SYN-PLUGIN-001", "partial"),
        (Forbidden("no"), "SYN-AUTH-002", "partial"),
        (Transient("down"), "SYN-NET-001", "partial"),
        (ProtocolError("what"), "SYN-PROTO-001", "partial"),
        (ProtocolError("what", code="SYN-OWN-001"), "SYN-OWN-001", "partial"),
        (RateLimited(retry_after=4000), "SYN-RATE-001", "partial"),
        (AuthFailed("bad"), "SYN-AUTH-001", "failed"),
        (AccountGone("no mailbox", state="unavailable: no mailbox"), None, "completed"),
    ],
)
async def test_an_error_of_get_keeps_its_code_and_deletes_nothing(
    tmp_path: Path, error: Exception, code: str | None, status: str
) -> None:
    world = World(BOXES, kinds={"boxes": silent([error] * 100)})
    inbox = world.place("boxes", partition="inbox")
    inbox.put("a", "b", "c")
    async with bench(world, tmp_path) as b:
        await b.run()
        inbox.drop("a")
        report = await b.run()
        assert (str(report.status), report.counts.pending, report.counts.deleted) == (status, 1, 0)
        assert [entry.code for entry in report.errors] == ([code] if code else [])
        assert set(b.records("boxes")) == {"a", "b", "c"}


@pytest.mark.parametrize("error", [Transient("down"), ProtocolError("what"), RateLimited(retry_after=20)])
async def test_get_is_asked_again_where_that_may_help(tmp_path: Path, error: Exception) -> None:
    world = World(BOXES, kinds={"boxes": silent([error, error])})
    inbox = world.place("boxes", partition="inbox")
    inbox.put("a", "b", "c")
    async with bench(world, tmp_path) as b:
        await b.run()
        inbox.drop("a")
        report = await b.run()
        assert (str(report.status), report.counts.pending, report.counts.deleted) == ("completed", 0, 1)
        assert set(b.records("boxes")) == {"b", "c"}


async def test_an_answer_to_another_question_is_no_answer(tmp_path: Path) -> None:
    class Confused(PartedStream):
        async def get(self, ctx: Context, ids: Sequence[str]) -> AsyncIterator[Record | Tombstone | Reject]:
            yield Tombstone("a")
            yield Tombstone("b")

    world = World(BOXES, kinds={"boxes": Confused})
    inbox = world.place("boxes", partition="inbox")
    inbox.put("a", "b", "c")
    async with bench(world, tmp_path) as b:
        await b.run()
        inbox.drop("a")
        report = await b.run()
        assert [entry.code for entry in report.errors] == ["SYN-PROTO-001"]
        assert set(b.records("boxes")) == {"a", "b", "c"}


async def test_get_is_told_the_partition_also_of_one_that_is_gone_or_was_not_read_through(tmp_path: Path) -> None:
    asked: list[str | None] = []

    class Told(PartedStream):
        async def get(self, ctx: Context, ids: Sequence[str]) -> AsyncIterator[Record | Tombstone | Reject]:
            asked.append(None if ctx.partition is None else ctx.partition.id)
            for key in ids:
                yield Tombstone(key)

    world = World(BOXES, kinds={"boxes": Told})
    old, torn = (world.place("boxes", partition=name) for name in ("old", "torn"))
    old.put("a")
    torn.put("b", *[f"c{n}" for n in range(6)])
    async with bench(world, tmp_path) as b:
        await b.run()
        del world.places["boxes", "u1", "old"]
        torn.drop("b")
        torn.put(*[f"c{n}" for n in range(6)])
        torn.faults = {torn.asked + 1: Transient("down", exhausted=True)}  # after the page with the tombstone
        report = await b.run()
        assert sorted(str(one) for one in asked) == ["old", "torn"]
        assert {error.code for error in report.errors} == {"SYN-NET-001"}
        assert set(b.records("boxes")) == {f"c{n}" for n in range(6)}
