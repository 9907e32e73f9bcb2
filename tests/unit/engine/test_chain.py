"""Pages one ahead, chains judged, places given back."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from syncd.engine.chain import Ahead, Chain, Endless, Stopped
from syncd.engine.events import BACKLOG, PageCommitted, PartitionEnded, Progress, RunFinished
from syncd.engine.ports import Counts, RunStatus
from syncd.engine.stop import Stop
from syncd.engine.work import Place, each, unless_stopped
from syncd.sdk import Page, ProtocolError, Record, StreamInfo, Transient

pytestmark = pytest.mark.anyio


class Caller:
    """A client that asks nothing."""

    activity = 0
    waiting = 0
    given_up = False


async def test_the_stream_reads_and_cleans_up_in_one_task() -> None:
    tasks = []

    async def pages() -> AsyncIterator[Page]:
        try:
            for n in range(3):
                tasks.append(asyncio.current_task())
                async with asyncio.timeout(5):  # a scope held across a yield needs one task for all of it
                    yield Page([], resume=n)
        finally:
            tasks.append(asyncio.current_task())

    ahead = Ahead(pages(), "s", Caller())
    assert isinstance(await ahead.take(), Page)
    await ahead.close()
    assert len(set(tasks)) == 1
    assert len(tasks) >= 2  # the page, and the clean-up


async def test_a_stream_that_waits_or_asks_is_not_hanging() -> None:
    caller = Caller()
    go = asyncio.Event()

    async def pages() -> AsyncIterator[Page]:
        await go.wait()
        yield Page([])

    ahead = Ahead(pages(), "s", caller, inactivity=0.05)
    taking = asyncio.create_task(ahead.take())
    caller.waiting = 1
    await asyncio.sleep(0.2)
    assert not taking.done()
    caller.waiting = 0
    with pytest.raises(Transient, match="nothing came"):
        await taking
    await ahead.close()


async def test_a_stop_wakes_whoever_waits_for_a_page() -> None:
    async def pages() -> AsyncIterator[Page]:
        await asyncio.Event().wait()
        yield Page([])

    ahead, stop = Ahead(pages(), "s", Caller()), Stop()
    stop.watch(ahead.wake)
    taking = asyncio.create_task(ahead.take())
    await asyncio.sleep(0)
    stop.request("reload")
    stop.request("later")
    with pytest.raises(Stopped):
        await taking
    assert stop.reason == "reload"
    await ahead.close()


def read(resumes: Iterable[Any], *items: Record) -> None:
    chain = Chain(StreamInfo("s"))
    for resume in resumes:
        chain.admit(Page(list(items), resume=resume))


def test_every_cycle_of_resume_points_is_found_without_remembering_them() -> None:
    for lead in range(5):
        for length in range(2, 9):
            walk = [f"lead{n}" for n in range(lead)] + [f"cycle{n}" for n in range(length)] * 10
            with pytest.raises(ProtocolError, match="already left"):
                read(walk, Record("a", {}))


def test_a_long_honest_chain_passes() -> None:
    chain = Chain(StreamInfo("s"))
    for n in range(5000):
        chain.admit(Page([Record("a", {})] if n % 2 else [], resume=n // 2 if n % 2 else n))


def test_empty_pages_without_end_are_an_error() -> None:
    with pytest.raises(Endless, match="empty pages"):
        read(range(20_000))


def test_the_same_items_without_end_are_an_error() -> None:
    with pytest.raises(Endless, match="the same items"):
        read(range(5_000), Record("a", {}))


async def test_work_is_bounded_and_the_first_error_ends_it() -> None:
    flying = most = 0

    async def act(n: int) -> None:
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        await asyncio.sleep(0.001)
        flying -= 1
        if n == 50:
            raise ValueError(n)

    taken: list[int] = []

    def source() -> Any:
        for n in range(10_000):
            taken.append(n)
            yield n

    with pytest.raises(ValueError, match="50"):
        await each(source(), 4, act)
    assert most == 4
    assert len(taken) < 60


async def test_a_place_is_given_back_once_whatever_happens() -> None:
    slots = asyncio.Semaphore(1)
    async with Place(slots) as place:
        place.leave()
        place.leave()
        async with Place(slots):
            back = [asyncio.create_task(place.come_back()) for _ in range(2)]
            await asyncio.sleep(0)
            assert not any(task.done() for task in back)
        await asyncio.gather(*back)
        assert slots.locked()
    assert slots._value == 1


async def test_grace_lets_what_is_in_hand_finish() -> None:
    stop = Stop()

    async def slow() -> str:
        await asyncio.sleep(0.05)
        return "done"

    stop.request("x")
    assert await unless_stopped(slow(), stop, 5.0) == "done"
    with pytest.raises(Stopped):
        await unless_stopped(slow(), stop)


async def test_a_slow_listener_neither_grows_nor_misses_the_end() -> None:
    progress = Progress(1)
    listening = progress.listen()
    first = asyncio.ensure_future(anext(listening))
    await asyncio.sleep(0)
    for n in range(5 * BACKLOG):
        progress.committed("items", "ann", Counts(new=1, listed=1))
        progress.publish(PartitionEnded(1, "items", "ann", str(n), "completed"))
    progress.publish(RunFinished(1, "nightly", RunStatus.COMPLETED, Counts(), 0))
    events = [await first] + [event async for event in listening]
    assert len(events) <= BACKLOG + 2
    assert isinstance(events[-1], RunFinished)
    assert max(event.counts.new for event in events if isinstance(event, PageCommitted)) == 5 * BACKLOG
