"""The web application in this process, on a small mirrored organisation of its own."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from syncd.control.control import Control
from syncd.daemon import assembled
from syncd.testing import FakeClock
from syncd.web.access import Access
from syncd.web.app import create_app
from tests.system.site import FakeSite, notes

HERE = "http://127.0.0.1:8642"


@dataclass
class Web:
    """The app with its parts. `clock` is that of sessions and attempts."""

    site: FakeSite
    control: Control
    access: Access
    app: FastAPI
    clock: FakeClock
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    def client(self, *, token: bool = True, server: str = HERE, **more: Any) -> httpx.AsyncClient:
        """A client of the daemon, with the token or without."""
        headers = {"authorization": f"Bearer {self.access.token()}"} if token else {}
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=server, headers={**headers, **more.pop("headers", {})})

    async def sync(self, name: str = "nightly") -> Any:
        """Run a sync to its end; its report."""
        return [event async for event in self.control.sync(name)][-1]["report"]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSite]:
    made = FakeSite(tmp_path / "s")
    made.save(notes={"ann@acme.example": [*notes("a", 12), {"id": "people/c1", "title": "Slashed"}]})
    monkeypatch.syspath_prepend(str(made.folder / "plugins"))
    monkeypatch.setenv("FAKE_KEY", made.environment["FAKE_KEY"])
    yield made
    sys.modules.pop("fake_connector", None)


@asynccontextmanager
async def served(site: FakeSite) -> AsyncIterator[Web]:
    """The app on a site's folders, as the daemon has it."""
    facts: dict[str, object] = {"running": True, "pid": 1, "version": "0"}
    async with assembled(site.config, site.state, daemon=facts) as control:
        clock = FakeClock()
        access = Access(site.state, lambda: control.parts.config.daemon, clock)
        stop = asyncio.Event()
        web = Web(site, control, access, create_app(control, stop, "0", access), clock, stop)
        await control.scheduler.check()
        yield web


@pytest.fixture
async def web(site: FakeSite) -> AsyncIterator[Web]:
    """Accounts are imported; nothing is mirrored yet."""
    async with served(site) as made:
        await made.control.import_accounts("acme")
        yield made
