"""Decisions on held deletions, from the run that holds them to the one that would not."""

from pathlib import Path
from typing import Any

import pytest

from syncd.control.control import Control
from syncd.control.errors import ControlError
from syncd.control.parts import Parts
from syncd.engine.ports import RunStatus
from syncd.plugins import Plugins
from syncd.sdk import StreamInfo
from tests.integration.engine.script import World, bench

pytestmark = pytest.mark.anyio


async def test_what_becomes_held_before_the_decision_is_stored_is_not_decided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(StreamInfo("items"))
    place = world.place("items")
    place.put(*[f"o{n:03}" for n in range(40)])
    async with bench(world, tmp_path) as b:
        control = Control(Parts(tmp_path, b.store, b.executor, Plugins(), b.clock, b.executor.config))
        await b.run()
        place.drop(*[f"o{n:03}" for n in range(12)])
        await b.run(full=True)
        held = control.held

        async def late(*scope: Any) -> Any:
            monkeypatch.undo()
            found = await held(*scope)
            place.drop("o020")
            await b.run(full=True)
            return found

        monkeypatch.setattr(control, "held", late)
        with pytest.raises(ControlError, match="has changed since it was shown"):
            await control.decide("nightly", True, shown=(await held("nightly"))["shown"])
        assert len(b.records()) == 40


async def test_only_the_records_that_were_shown_are_decided(tmp_path: Path) -> None:
    world = World(StreamInfo("items"))
    place = world.place("items")
    place.size = 200
    place.put(*[f"o{n:03}" for n in range(30)])
    async with bench(world, tmp_path) as b:
        control = Control(Parts(tmp_path, b.store, b.executor, Plugins(), b.clock, b.executor.config))
        await b.run()
        place.drop(*[f"o{n:03}" for n in range(12)])
        assert (await b.run(full=True)).status is RunStatus.HELD
        shown = await control.held("nightly")
        assert "digest" not in shown["sets"][0]
        place.put("o000", "o001")
        place.drop("o020", "o021")
        await b.run(full=True)
        again = await control.held("nightly")
        assert again["count"] == shown["count"] == 12
        for approve in (True, False):
            with pytest.raises(ControlError, match="has changed since it was shown"):
                await control.decide("nightly", approve, shown=shown["shown"])
        assert len(b.records()) == 30
        assert (await control.decide("nightly", True, shown=again["shown"]))["decided"] == 12
        assert {"o000", "o001"} <= set(b.records())
