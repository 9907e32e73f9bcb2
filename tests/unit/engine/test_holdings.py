"""What a connector keeps is counted, and nothing else is."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from syncd.engine.holdings import Reading, Scales, held_by, resident
from syncd.sdk import Context, SystemClock
from syncd.sdk.http import httpx

MIB = 1024 * 1024


async def keeping(ctx: Any, kept: Any) -> AsyncIterator[int]:
    mine = [kept]
    yield len(mine)
    yield len(mine)


@pytest.mark.anyio
async def test_the_local_names_of_a_generator_count() -> None:
    pages = keeping(None, {"deep": [(bytes(MIB), 1)]})
    await anext(pages)
    assert MIB < held_by([pages], 99 * MIB) < 2 * MIB


@pytest.mark.anyio
async def test_what_the_engine_gave_does_not_count() -> None:
    async with httpx.AsyncClient() as client:
        ctx = Context(http=client, clock=SystemClock(), log=None, settings={"x": bytes(5 * MIB)})
        pages = keeping(ctx, [])
        await anext(pages)
        assert held_by([pages], 99 * MIB) < MIB


def test_a_thing_that_is_reached_twice_counts_once_and_rings_end() -> None:
    one = bytes(MIB)
    ring: list[Any] = [one, one]
    ring.append(ring)
    assert held_by([ring, ring], 99 * MIB) < 2 * MIB


def test_what_a_closure_keeps_counts_and_what_its_module_has_does_not() -> None:
    big = bytes(MIB)

    def kept() -> int:
        return len(big)

    assert MIB < held_by([kept], 99 * MIB) < 2 * MIB
    assert held_by([test_a_thing_that_is_reached_twice_counts_once_and_rings_end], 99 * MIB) < MIB


def test_counting_stops_where_it_is_enough() -> None:
    assert MIB < held_by([[bytes(MIB) for _ in range(50)]], MIB) < 4 * MIB


@pytest.mark.anyio
async def test_nobody_is_weighed_until_the_process_has_grown() -> None:
    weights = iter([100 * MIB, 100 * MIB + 5, 90 * MIB, 100 * MIB, 200 * MIB, 200 * MIB])
    scales, failed = Scales(lambda: next(weights)), list[Exception]()
    scales.heaviest = MIB
    with scales.weighing(Reading(([bytes(2 * MIB)],), None, failed.append)):
        for expected in (0, 0, 0, 0, 1, 1):
            await scales.look()
            assert len(failed) == expected
    assert scales.readings == set()
    assert "keeps" in str(failed[0])


def test_the_process_has_a_weight() -> None:
    assert resident() > MIB
    assert asyncio.iscoroutinefunction(Scales.watch)
