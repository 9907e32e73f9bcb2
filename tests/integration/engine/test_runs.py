"""A sync from import to report, on the real store."""

from pathlib import Path

import pytest

from tests.integration.engine.script import World, bench

pytestmark = pytest.mark.anyio


async def test_first_sync_brings_everything_and_balances(tmp_path: Path) -> None:
    world = World()
    world.place("items").put("a", "b", "c", "d", "e")
    async with bench(world, tmp_path) as b:
        report = await b.run()
        assert report.errors == () or not report.errors
        assert (str(report.status), report.counts.new) == ("completed", 5)
        assert report.exit_code == 0
        assert set(b.records()) == {"a", "b", "c", "d", "e"}
        again = await b.run()
        assert (str(again.status), again.counts.new, again.counts.listed) == ("completed", 0, 0)
    assert [scan for scan, _ in world.place("items").rounds] == ["full", "delta"]
