"""A throttled token endpoint, and ten tokens in ten minutes that are used up, end the command soon: try later (§3.3, §3.4)."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from syncd_simulator import serve
from syncd_simulator.zoho import ZohoWorld, tiny_zoho, zoho_app

from tests.support.process import Site
from tests.support.providers.zoho import Zoho

SOON = 30.0  # seconds, of real time
TRY_LATER = 75
WAITING = {"SYN-RATE-001", "SYN-ZOHO-005"}


class Office(Site):
    """An organisation that has been imported, with one token of ten."""

    def __init__(self, folder: Path, world: ZohoWorld, url: str) -> None:
        super().__init__(folder, world, url, {"contacts": {}, "calendar": {}}, provider=Zoho())
        self.world = world
        self.run("import", "acme")

    def tried(self) -> tuple[float, list[str]]:
        """A run: how long it took, and the codes of its errors."""
        began = time.monotonic()
        (report,) = self.run("sync", "all", "--json", code=TRY_LATER)
        return time.monotonic() - began, [error["code"] for error in report["errors"]]

    def state_of_sync(self) -> tuple[str, object]:
        (card,) = self.run("status", "--json", code=None)["syncs"]
        return card["state"], card["paused"]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    world = tiny_zoho(1)
    server = serve(zoho_app(world))
    try:
        yield Office(tmp_path, world, server.url)
    finally:
        server.stop()


@pytest.mark.parametrize("words", ["token_throttle", "token_throttle_localised"])
def test_a_throttled_token_endpoint_is_left_alone_until_later(office: Office, words: str) -> None:
    fault = office.world.faults.answer(words, times=None)
    for _ in range(4):  # three failed runs would pause a sync
        took, codes = office.tried()
        assert took < SOON
        assert set(codes) <= WAITING
    assert fault.hits == 1
    assert office.state_of_sync() == ("waiting", None)


def test_no_eleventh_token_is_asked_for(office: Office) -> None:
    (file,) = (office.state / "credentials").glob("*.json")
    kept = json.loads(file.read_text())
    file.write_text(json.dumps({**kept, "mints": kept["mints"] * 10}))
    asked = office.world.requests.total
    took, codes = office.tried()
    assert took < SOON
    assert set(codes) <= WAITING
    assert office.world.requests.total == asked
    assert office.state_of_sync() == ("waiting", None)
