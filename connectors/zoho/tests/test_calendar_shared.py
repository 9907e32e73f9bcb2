"""A colleague's calendar that the credential's owner may write: mirrored once, like the owner's own (§5.1)."""

from pathlib import Path

import pytest
from syncd_simulator import SimClock
from syncd_simulator.zoho import Editor, tiny_zoho
from syncd_simulator.zoho.calendars import calendars_of

from tests.support.mirror import Lab
from tests.support.providers.zoho import Zoho

pytestmark = pytest.mark.anyio


async def test_a_calendar_that_may_be_written_is_mirrored_once_and_leaves_scope_with_the_right(tmp_path: Path) -> None:
    world = tiny_zoho(1, SimClock.manual(1_790_000_000.0))
    world.limits.enabled = False
    colleague = next(user for user in world.users.values() if user is not world.owner)
    theirs = calendars_of(world).default(colleague)
    event = Editor(world, 1).add_event(colleague, theirs)
    theirs.shared[world.owner.id] = "edit"
    async with Lab(world, tmp_path, {"calendar": {"past": "90d", "future": "90d"}}, provider=Zoho()) as lab:
        assert str((await lab.sync()).status) == "completed"
        assert [(one["account"], one["partition"]) for one in _of(lab, event)] == [(world.owner.address, theirs.uid)]
        theirs.shared[world.owner.id] = "view"
        report = await lab.sync()
        assert (str(report.status), report.counts.deleted) == ("completed", 0)
        assert len(_of(lab, event)) == 1  # leaving scope is no deletion


def _of(lab: Lab, event: str) -> list[dict[str, str]]:
    return [one for one in lab.records("calendar") if one["source_id"] == event]
