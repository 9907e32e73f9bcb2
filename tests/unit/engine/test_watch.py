"""A blocked event loop is noticed and the connector's line is named."""

import asyncio
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from syncd.engine.watch import LIMIT, TICK, Stall, Watch, Where, at, folders_of
from syncd.testing.notes_connector import NotesConnector

HERE = Path(__file__)


def frame() -> FrameType:
    return sys._getframe()


def watch(told: list[Stall], found: Any = frame, folder: Path = HERE) -> Watch:
    return Watch({"notes": folder}, told.append, found)


def test_a_loop_that_lives_is_not_talked_about() -> None:
    told: list[Stall] = []
    one = watch(told)
    for step in range(1, 9):
        one.look(step * TICK + LIMIT)
        one.beat(step * TICK)
    assert told == []


def test_a_line_of_a_connector_is_named_with_the_time_that_it_took() -> None:
    told: list[Stall] = []
    one = watch(told)
    one.beat(10.0)
    told.clear()
    one.look(11.0)
    one.look(11.5)
    one.look(12.0)
    one.beat(13.45)
    assert [round(stall.seconds, 2) for stall in told] == [3.2]
    assert told[0].connector == "notes"
    assert told[0].line.startswith("test_watch.py:")
    assert " in frame" in told[0].line
    assert "the connector notes blocked the event loop for 3.2 s at" in str(told[0])
    one.beat(13.7)
    assert len(told) == 1


def test_the_innermost_line_of_the_connector_counts_not_that_of_a_library() -> None:
    told: list[Stall] = []

    def within_a_library() -> FrameType:
        found: list[FrameType] = []
        sorted([1], key=lambda _: found.append(sys._getframe()) or 0)  # type: ignore[func-returns-value]
        return found[0]

    one = watch(told, within_a_library)
    one.look(5.0)
    one.beat(5.1)
    assert told[0].connector == "notes"


def test_where_no_connector_is_on_the_stack_none_is_blamed() -> None:
    told: list[Stall] = []
    one = watch(told, folder=Path("/elsewhere"))
    one.look(5.0)
    one.beat(5.1)
    assert told[0].connector is None
    assert str(told[0]).startswith("syncd itself")


def test_a_look_that_finds_a_connector_counts_more_than_one_before_it() -> None:
    told: list[Stall] = []
    frames: list[FrameType | None] = [None, frame()]
    one = watch(told, lambda: frames.pop(0))
    one.look(5.0)
    one.look(5.2)
    one.look(5.4)  # nothing more is asked: the list is empty
    one.beat(5.5)
    assert told[0].connector == "notes"


def test_a_machine_that_is_merely_slow_is_nobodys_fault() -> None:
    told: list[Stall] = []

    def select() -> FrameType:
        return sys._getframe()

    one = watch(told, select)
    one.look(5.0)
    one.beat(5.1)
    assert told == []


@pytest.mark.anyio
async def test_a_blocking_call_in_a_task_is_named_with_what_the_task_is_about() -> None:
    told: list[Stall] = []
    one = Watch({"notes": HERE}, told.append, limit=0.05)
    one.start()

    async def deeper() -> None:
        while one._caught is None:
            time.sleep(0.01)  # noqa: ASYNC251 - what is noticed

    try:
        with at(Where(7, "notes", "ann@a.example", "p1")):
            await asyncio.create_task(deeper())
        async with asyncio.timeout(10):
            while not told:  # noqa: ASYNC110 - told by the loop's own timer
                await asyncio.sleep(0.01)
    finally:
        one.stop()
    assert told[0].connector == "notes"
    assert told[0].line.endswith(" in deeper")
    assert told[0].where == Where(7, "notes", "ann@a.example", "p1")


@pytest.mark.anyio
async def test_a_task_is_about_what_it_was_before_once_a_place_is_left() -> None:
    from syncd.engine import watch as module

    task = asyncio.current_task()
    assert task is not None
    with at(Where(1)):
        with at(Where(2)):
            assert module._tasks[task] == Where(2)
        assert module._tasks[task] == Where(1)
    assert task not in module._tasks


def test_a_connectors_code_lies_in_its_package() -> None:
    folders = folders_of({"notes": NotesConnector()})
    assert folders["notes"].name == "notes_connector.py"
