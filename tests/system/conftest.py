"""Sites: one of its own, or one that a module's tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.site import Daemon, FakeSite


@pytest.fixture
def site(tmp_path: Path) -> FakeSite:
    return FakeSite(tmp_path / "s")


@pytest.fixture
def daemon(site: FakeSite) -> Iterator[Daemon]:
    """A daemon whose accounts are imported."""
    with site.daemon() as running:
        running.http.post("/connections/acme/import").raise_for_status()
        yield running
