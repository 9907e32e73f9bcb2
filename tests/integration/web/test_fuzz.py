"""The API's own description turned against it: whatever fits it is served, whatever does not is refused, nothing crashes."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from structlog.testing import capture_logs

from syncd.sdk import SystemClock
from syncd.web.server import Tcp
from tests.integration.web.conftest import served
from tests.system.site import FakeSite, notes

ENDLESS = "/api/v1/events"
KNOWN = {
    "name": {"/syncs/": "nightly", "/connections/": "acme"},
    "connection": "acme",
    "stream": "notes",
    "code": "SYN-NET-001",
}
FOLDERS = ("/api/v1/plan", "/api/v1/validate")  # not every text is a configuration, not every key a file's name

IGNORED_AUTH, POSITIVE = schemathesis.checks.load_all_checks() or (
    schemathesis.checks.ignored_auth,  # it cannot take away a token that is given with each call; see test_access
    schemathesis.checks.positive_data_acceptance,
)


class Served:
    """The app in a thread with an event loop of its own, on a mirror that holds deletions."""

    def __init__(self, site: FakeSite) -> None:
        self.site = site
        self.url = self.token = ""
        self.logged: list[Any] = []
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve()))

    def __enter__(self) -> "Served":
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        self._loop.close()

    async def _serve(self) -> None:
        with capture_logs() as self.logged:
            async with served(self.site) as web:
                await web.control.import_accounts("acme")
                await web.sync()
                self.site.save(notes={"ann@acme.example": notes("a", 1)})
                await web.sync()
                tcp = Tcp(web.app, lambda: "127.0.0.1:0", SystemClock())
                serving = asyncio.create_task(tcp.run(self._stop))
                for _ in range(500):
                    await asyncio.sleep(0 if tcp.addresses else 0.01)
                self.url, self.token = f"http://{tcp.addresses[0]}", web.access.token()
                self._ready.set()
                await self._stop.wait()
                web.stop.set()
                await serving


@pytest.fixture
def running(site: FakeSite) -> Iterator[Served]:
    with Served(site) as made:
        yield made


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: str(mode.value))
def test_what_fits_the_description_is_served_and_what_does_not_is_refused(
    running: Served, mode: GenerationMode
) -> None:
    _fuzz(running, mode, examples=3)


@pytest.mark.nightly
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: str(mode.value))
def test_the_same_for_an_hour(running: Served, mode: GenerationMode) -> None:
    _fuzz(running, mode, examples=2000)


def _fuzz(running: Served, mode: GenerationMode, examples: int) -> None:
    headers = {"authorization": f"Bearer {running.token}"}
    schema = schemathesis.openapi.from_url(f"{running.url}/api/v1/openapi.json", headers=headers)
    tried = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path == ENDLESS:
            continue
        tried += 1

        @seed(20261121)
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def holds(case: Any) -> None:
            left_out = [IGNORED_AUTH, *([POSITIVE] if case.operation.path in FOLDERS else [])]
            case.call_and_validate(headers=headers, excluded_checks=left_out, timeout=20)
            if mode is GenerationMode.POSITIVE:
                _name_what_is_there(case)
                case.call_and_validate(headers=headers, excluded_checks=left_out, timeout=20)

        holds()
    assert tried > 25
    assert not [entry for entry in running.logged if entry["event"] == "a request failed"]


def _name_what_is_there(case: Any) -> None:
    """The same request about what exists: most of the code lies behind a name that is known."""
    for values in (case.path_parameters or {}, case.query or {}):
        for name in values.keys() & KNOWN.keys():
            known = KNOWN[name]
            if isinstance(known, dict):
                known = next((word for part, word in known.items() if part in case.operation.path), values[name])
            values[name] = known
