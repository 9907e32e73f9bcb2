"""WorkDrive keeps the connector contract, against the simulator."""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from syncd_simulator import SimClock
from syncd_simulator.zoho import DOCUMENTED, Editor, tiny_zoho, zoho_app
from syncd_zoho import ZohoConnector
from syncd_zoho.settings import SCOPES

from syncd.sdk import JSON, Account, Secret
from syncd.testing.suite import StreamSuite
from tests.support.mirror import Lab
from tests.support.providers.zoho import Zoho

BASE = "http://127.0.0.1:9"  # nobody listens: requests stay in this process
KEPT = ("id", "type", "attributes")
TROUBLES = ("server_error", "bad_gateway", "unavailable", "gateway_timeout", "html_500", "html_200", "workdrive_509")


class DriveSource:
    """The owner's WorkDrive with its team folders; pages of two."""

    def __init__(self, seed: int) -> None:
        self.world = tiny_zoho(seed)
        self.world.limits.enabled = False
        self.world.page_cap = {"workdrive": 2}
        self.editor = Editor(self.world, seed)
        self.settings: Mapping[str, Any] = {
            key: Secret(lambda value=value: value, "${env:X}") if key in ("client_secret", "refresh_token") else value
            for key, value in self.world.settings(BASE).items()
        }
        self.options: Mapping[str, JSON] = {"shared": True}

    def transport(self) -> httpx.AsyncBaseTransport:
        return httpx.ASGITransport(zoho_app(self.world))

    def accounts(self) -> Mapping[str, str]:
        return {user.zuid: user.address for user in self.world.users.values()}

    def truth(self, account: Account) -> Mapping[str, Mapping[str, JSON]]:
        return {
            part: {key: {name: item[name] for name in KEPT} for key, item in items.items()}
            for part, items in self.world.snapshot(self.world.owner, "files").items()
        }

    def change(self, rng: random.Random) -> None:
        self.editor.rng = rng
        self.editor.random_edit("files")

    def delete(self, rng: random.Random) -> None:
        self.editor.rng = rng
        next(edit for edit in self.editor.edits_of("files") if "delete_file" in repr(edit))()

    def troubles(self) -> Mapping[str, Any]:
        return {
            name: lambda name=name: self.world.faults.answer(name, times=2) for name in TROUBLES if name in DOCUMENTED
        }

    def calm(self) -> None:
        self.world.faults.clear()


GRANTED = {scope for scopes in SCOPES.values() for scope in scopes.split(",")}


@pytest.mark.anyio
async def test_without_the_grant_contents_fail_loudly_and_come_once_it_is_given(tmp_path: Path) -> None:
    world = tiny_zoho(1, SimClock.manual())
    world.limits.enabled = False
    world.credentials.granted_scopes = GRANTED - {"ZohoFiles.files.READ"}
    async with Lab(world, tmp_path, {"files": {}}, provider=Zoho()) as lab:
        report = await lab.sync()
        assert (str(report.status), report.exit_code) == ("partial", 3)
        assert report.counts.failed > 0
        assert {error.code for error in report.errors} <= {"SYN-ZOHO-004", "SYN-CONTENT-002"}
        assert all("ZohoFiles.files.READ" in error.message for error in report.errors)
        assert all("new refresh token" in (error.hint or "") for error in report.errors)
        assert _contents(lab) == set()
        world.credentials.granted_scopes = GRANTED
        world.clock.advance(86_400)
        assert str((await lab.sync()).status) == "completed"
        assert len(_contents(lab)) == report.counts.failed


def _contents(lab: Lab) -> set[str]:
    """The files whose content is held."""
    blobs = {one["source_id"]: one["summary"].get("blob") or {} for one in lab.records("files")}
    return {key for key, blob in blobs.items() if "sha256" in blob}


class TestZohoFiles(StreamSuite):
    connector, stream, seeds, idle_requests = ZohoConnector(), "files", 1, 30

    def source(self, seed: int) -> Any:
        return DriveSource(seed)
