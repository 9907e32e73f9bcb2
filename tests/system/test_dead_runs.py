"""Runs whose process was killed: whoever looks at them, or follows them, learns that they are over."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from syncd.control.running import Runs
from syncd.engine.ports import RunRow
from tests.system.site import FakeSite


@pytest.fixture
def gated(site: FakeSite) -> FakeSite:
    """A run of its stays under way."""
    site.run("import", "acme")
    site.save(gate=str(site.gate))
    return site


def test_a_command_that_is_killed_in_its_run_is_not_shown_as_running_for_ever(gated: FakeSite) -> None:
    command = gated.start("sync", "nightly", "--json")
    with gated.daemon() as running:
        running.until(lambda: running.sync()["state"] == "running")
        command.kill()
        command.communicate()
        running.until(lambda: running.sync()["state"] == "idle")
        (run,) = running.runs()
        assert (run["status"], [error["code"] for error in run["errors"]]) == ("cancelled", ["SYN-RUN-002"])


def test_who_follows_a_run_whose_process_is_killed_is_told(gated: FakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    follow, command = Runs._poll, gated.start("sync", "nightly", "--json")

    def following(self: Runs, row: RunRow) -> AsyncIterator[dict[str, Any]]:
        command.kill()
        command.communicate()
        return follow(self, row)

    monkeypatch.setattr(Runs, "_poll", following)
    while not gated.json("history", "nightly"):
        assert command.poll() is None
    (report,) = gated.json("sync", "nightly", code=1)
    assert (report["run"], report["status"]) == (1, "cancelled")


def test_a_run_whose_process_was_killed_needs_no_cancelling(gated: FakeSite) -> None:
    with gated.daemon() as running:
        command = gated.start("sync", "nightly", "--json")
        started = running.until(running.runs)
        running.stop(9)
        command.communicate()
    gated.run("cancel", str(started[0]["run"]), code=1)
    assert gated.json("history", "nightly")[0]["status"] == "cancelled"
