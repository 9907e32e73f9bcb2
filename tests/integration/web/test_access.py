"""Who gets in: the token, where it comes from, and what is open without it."""

import stat
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from starlette.routing import Route

from syncd.config.model import DaemonConfig
from syncd.sdk import Secret
from syncd.testing import FakeClock
from syncd.web.access import CLIENTS, TOKEN_FILE, Access, Attempts
from tests.integration.web.conftest import Web

pytestmark = pytest.mark.anyio
OPEN = {"/healthz", "/readyz", "/login"}


async def test_every_route_but_health_and_login_refuses_who_has_no_token(web: Web) -> None:
    asked = 0
    async with web.client(token=False) as client:
        for path, method in _routes(web):
            answer = await client.request(method, path, json={} if method == "POST" else None)
            if path in OPEN:
                assert answer.status_code == 200 or method == "POST"
                continue
            asked += 1
            assert answer.status_code == 401, (method, path)
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.json().keys() == {"code", "message", "hint", "exit_code"}
            assert answer.json()["code"] == "SYN-API-001"
    assert asked > 30


def _routes(web: Web) -> list[tuple[str, str]]:
    described = [(path, method.upper()) for path, methods in web.app.openapi()["paths"].items() for method in methods]
    others = [
        (route.path, method)
        for route in web.app.routes
        if isinstance(route, Route)
        for method in (route.methods or {"GET"}) - {"HEAD"}
    ]
    return sorted({*described, *others, ("/", "GET"), ("/api/v1/openapi.json", "GET"), ("/nowhere", "GET")})


async def test_a_wrong_token_is_refused_and_the_right_one_lets_in(web: Web) -> None:
    async with web.client(token=False) as client:
        for header in ("Bearer wrong", "Bearer ", "Basic " + web.access.token(), web.access.token()):
            answer = await client.get("/api/v1/status", headers={"authorization": header})
            assert answer.status_code == 401
            assert "invalid_token" in answer.headers["www-authenticate"]
        header = f"bearer {web.access.token()}"
        assert (await client.get("/api/v1/status", headers={"authorization": header})).status_code == 200


async def test_a_wrong_token_counts_more_than_a_good_session(web: Web) -> None:
    async with web.client(token=False) as client:
        await client.post("/login", data={"token": web.access.token()})
        assert (await client.get("/api/v1/status")).status_code == 200
        assert (await client.get("/api/v1/status", headers={"authorization": "Bearer no"})).status_code == 401


async def test_who_guesses_tokens_has_to_wait_and_others_do_not(web: Web) -> None:
    async with web.client(token=False) as client:
        for _ in range(60):
            answer = await client.get("/api/v1/status", headers={"authorization": "Bearer guess"})
        assert answer.status_code == 401
        answer = await client.get("/api/v1/status", headers={"authorization": "Bearer guess"})
        assert (answer.status_code, answer.json()["code"]) == (429, "SYN-API-002")
        assert 0 < int(answer.headers["retry-after"]) <= 61
        right = {"authorization": f"Bearer {web.access.token()}"}
        assert (await client.get("/api/v1/status", headers=right)).status_code == 429
    elsewhere = httpx.ASGITransport(app=web.app, client=("127.0.0.9", 1))
    async with httpx.AsyncClient(transport=elsewhere, base_url="http://127.0.0.1:8642") as client:
        assert (await client.get("/api/v1/status", headers=right)).status_code == 200
    web.clock.advance(61)
    async with web.client() as client:
        assert (await client.get("/api/v1/status")).status_code == 200


async def test_a_browser_is_shown_to_the_login_and_back(web: Web) -> None:
    async with web.client(token=False, headers={"accept": "text/html,*/*;q=0.8"}) as client:
        answer = await client.get("/records?connection=acme&text=a%20b")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/login?next=/records%3Fconnection%3Dacme%26text%3Da%2520b"
        assert (await client.get("/")).headers["location"] == "/login"
        assert (await client.get("/api/v1/status")).status_code == 401
        assert (await client.post("/syncs/nightly/run")).headers["location"] == "/login"
        forms = {"accept": "application/json"}
        assert (await client.post("/syncs/nightly/run", headers=forms)).status_code == 401


def test_a_made_token_is_for_its_owner_only_and_stays(tmp_path: Path) -> None:
    token = _access(tmp_path, DaemonConfig()).token()
    file = tmp_path / TOKEN_FILE
    assert len(token) >= 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o644)
    assert _access(tmp_path, DaemonConfig()).token() == token == file.read_text().strip()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [TOKEN_FILE]


def test_an_empty_token_file_opens_nothing(tmp_path: Path) -> None:
    (tmp_path / TOKEN_FILE).write_text("\n")
    access = _access(tmp_path, DaemonConfig())
    assert len(access.token()) >= 32
    assert not access.knows(b"")


def test_a_configured_token_is_read_anew_and_outlives_its_source(tmp_path: Path) -> None:
    source = tmp_path / "token"
    source.write_text("first-token\n")
    access = _access(tmp_path, DaemonConfig(token=Secret(source.read_text, "${file:token}")))
    assert access.knows(b"first-token")
    source.write_text("second-token\n")
    assert access.knows(b"second-token")
    assert not access.knows(b"first-token")
    source.unlink()
    assert access.knows(b"second-token")
    assert not (tmp_path / TOKEN_FILE).exists()


def test_another_configured_token_that_cannot_be_read_is_not_the_last_one(tmp_path: Path) -> None:
    config = DaemonConfig(token=Secret(lambda: "old-token-value", "${env:OLD}"))
    held = [config]
    access = Access(tmp_path, lambda: held[0], FakeClock())
    assert access.knows(b"old-token-value")
    held[0] = replace(config, token=Secret((tmp_path / "missing").read_text, "${file:missing}"))
    with pytest.raises(OSError, match="missing"):
        access.knows(b"old-token-value")


def test_attempts_of_ever_new_clients_take_no_more_room(tmp_path: Path) -> None:
    attempts = Attempts(FakeClock(), 1, 60.0)
    for number in range(CLIENTS + 10):
        attempts.wrong(str(number))
    assert attempts.wait("0") == 0.0  # forgotten
    assert attempts.wait(str(CLIENTS + 9)) == 60.0
    attempts.right(str(CLIENTS + 9))
    assert attempts.wait(str(CLIENTS + 9)) == 0.0


def _access(state: Path, config: DaemonConfig) -> Access:
    return Access(state, lambda: config, FakeClock())
