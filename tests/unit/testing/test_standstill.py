"""Where an event loop stands still is named: the connector's line, not that of the library it called."""

import asyncio
import threading

from syncd.testing.standstill import Standstill

HERE = __name__.partition(".")[0]


def waits_for_a_library() -> None:
    threading.Event().wait(0.3)


def watched(home: set[str], *, blocks: bool) -> Standstill:
    async def body() -> Standstill:
        still = Standstill(home)
        async with still.watched():
            await asyncio.sleep(0.02)
            if blocks:
                waits_for_a_library()
        return still

    return asyncio.run(body())


def test_the_line_of_ones_own_code_is_named() -> None:
    still = watched({HERE}, blocks=True)
    assert still.longest >= 0.3
    assert still.place.endswith("in waits_for_a_library")
    assert "test_standstill.py:" in still.place


def test_without_code_of_ones_own_the_innermost_line_is_named() -> None:
    assert "threading.py:" in watched({"nowhere"}, blocks=True).place


def test_nothing_is_left_running() -> None:
    before = threading.active_count()
    watched({HERE}, blocks=False)
    assert threading.active_count() == before
