"""Hosts, headers, sizes, and what is told of what goes wrong."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

import syncd.web
from syncd.store import Damaged
from syncd.web.security import _is_ours
from tests.integration.web.conftest import Web

pytestmark = pytest.mark.anyio

OURS = ["127.0.0.1", "127.0.0.1:8642", "localhost", "LOCALHOST:1", "[::1]:8642", "[::1]", "127.9.9.9", "localhost."]
OTHERS = [
    "evil.example",
    "evil.example:8642",
    "localhost.evil.example",
    "127.0.0.1.nip.io",
    "10.0.0.1",
    "[2001:db8::1]",
    "2130706433",
    "",
    ":8642",
    "127.0.0.1:8642@evil.example",
    "127.0.0.1, evil.example",
    "[::1",
    "a b",
    "xn--lcalhost-54a",
]


@pytest.mark.parametrize("host", OTHERS)
async def test_a_name_that_others_may_point_here_is_not_answered(web: Web, host: str) -> None:
    async with web.client(headers={"host": host}) as client:
        answer = await client.get("/api/v1/status")
        assert (answer.status_code, answer.json()["code"]) == (421, "SYN-API-003")
        assert (await client.get("/login")).status_code == 421
        assert (await client.get("/healthz")).status_code == 200  # health checks come by any name


@pytest.mark.parametrize("host", OURS)
async def test_loopback_is_answered_by_each_of_its_names(web: Web, host: str) -> None:
    async with web.client(headers={"host": host}) as client:
        assert (await client.get("/api/v1/status")).status_code == 200


@pytest.mark.parametrize(
    ("host", "listen", "ours"),
    [
        ("syncd.acme.example", "syncd.acme.example:8642", True),
        ("SYNCD.acme.example:80", "syncd.acme.example:8642", True),
        ("other.acme.example", "syncd.acme.example:8642", False),
        ("10.1.2.3:8642", "0.0.0.0:8642", True),
        ("[2001:db8::1]", "[::]:8642", True),
        ("evil.example", "0.0.0.0:8642", False),
        ("10.1.2.3", "10.1.2.3:8642", True),
        ("10.1.2.4", "10.1.2.3:8642", False),
        ("10.1.2.4", "syncd.acme.example:1", False),
    ],
)
def test_which_hosts_are_ours_follows_the_address_listened_on(host: str, listen: str, ours: bool) -> None:
    assert _is_ours(host, listen) is ours


async def test_the_host_is_not_looked_at_on_the_unix_socket(web: Web) -> None:
    """No web page gets there; the command line says `Host: syncd`."""
    assert await _asked(web, ("/run/syncd.sock", None), b"syncd") == 200


async def test_a_request_without_one_host_is_malformed(web: Web) -> None:
    assert await _asked(web, ("127.0.0.1", 8642), b"127.0.0.1") == 200
    assert await _asked(web, ("127.0.0.1", 8642), b"127.0.0.1", b"evil.example") == 400
    assert await _asked(web, ("127.0.0.1", 8642)) == 400


async def _asked(web: Web, server: tuple[str, int | None], *hosts: bytes) -> int:
    """The status of a request that comes in on that address."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {web.access.token()}".encode()), *[(b"host", host) for host in hosts]]
    scope = {
        "type": "http", "method": "GET", "path": "/api/v1/status", "raw_path": b"/api/v1/status", "query_string": b"",
        "headers": headers, "server": server, "client": None, "scheme": "http", "http_version": "1.1", "root_path": "",
    }  # fmt: skip
    await web.app(scope, receive, send)
    return int(sent[0]["status"])


async def test_every_answer_is_hardened_the_bad_ones_too(web: Web) -> None:
    _break(web.app, RuntimeError("secret-inside"))
    async with web.client() as client, web.client(token=False) as stranger:
        answers = [
            await client.get("/api/v1/status"),
            await client.get("/healthz"),
            await stranger.get("/api/v1/status"),
            await stranger.get("/login"),
            await client.get("/nowhere"),
            await client.get("/api/v1/nowhere"),
            await client.delete("/api/v1/status"),
            await client.post("/api/v1/check", content=b"{"),
            await client.get("/api/v1/broken"),
            await client.get("/api/v1/status", headers={"host": "evil.example"}),
        ]
    assert [answer.status_code for answer in answers] == [200, 200, 401, 200, 404, 404, 405, 422, 500, 421]
    for answer in answers:
        headers = answer.headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "same-origin"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert "server" not in headers


async def test_what_pages_are_made_of_is_kept_by_browsers_and_nothing_else(web: Web) -> None:
    style = next(path.name for path in (Path(syncd.web.__file__).parent / "static").glob("*.css"))
    async with web.client(token=False) as client:
        answer = await client.get(f"/static/{style}")
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")
        assert (
            await client.get(f"/static/{style}", headers={"if-none-match": answer.headers["etag"]})
        ).status_code == 304
        assert (await client.get("/static/../security.py")).status_code in (401, 404)
        assert (await client.get("/static/..%2fsecurity.py")).status_code == 404


async def test_errors_of_the_api_all_look_alike(web: Web) -> None:
    async with web.client() as client:
        for answer in (
            await client.get("/api/v1/nowhere"),
            await client.delete("/api/v1/status"),
            await client.post("/api/v1/check", content=b"{"),
            await client.post("/api/v1/check", json={"conection": "acme"}),
            await client.get("/api/v1/runs/0"),
            await client.get("/api/v1/runs/99999999999999999999999999"),
            await client.get("/api/v1/blobs/..%2f..%2fetc"),
        ):
            assert answer.status_code in (404, 405, 422)
            assert answer.json().keys() == {"code", "message", "hint", "exit_code"}
            assert answer.json()["message"]
        assert (await client.delete("/api/v1/status")).headers["allow"] == "GET"


async def test_what_nobody_expected_is_logged_with_its_trace_and_told_without(web: Web) -> None:
    _break(web.app, RuntimeError("secret-inside"))
    async with web.client() as client:
        with capture_logs() as logged:
            answer = await client.get("/api/v1/broken")
    assert answer.status_code == 500
    assert answer.json()["message"] == "unexpected RuntimeError"
    assert "secret-inside" not in answer.text
    assert "Traceback" not in answer.text
    (entry,) = [one for one in logged if one["log_level"] == "error"]
    assert entry["path"] == "/api/v1/broken"
    assert entry["exc_info"]


async def test_what_the_catalogue_knows_is_told_with_its_code_and_hint(web: Web) -> None:
    _break(web.app, Damaged("the stored record is damaged"))
    async with web.client() as client:
        answer = await client.get("/api/v1/broken")
    assert answer.status_code == 500
    told = answer.json()
    assert (told["code"], told["message"]) == ("SYN-KEY-003", "the stored record is damaged")
    assert told["hint"]


async def test_a_broken_error_page_still_tells_the_error(web: Web) -> None:
    def broken(request: object, error: object) -> None:
        raise KeyError("template")

    web.app.state.error_page = broken
    async with web.client(headers={"accept": "text/html"}) as client:
        answer = await client.get("/nowhere")
    assert (answer.status_code, answer.json()["message"]) == (404, "Not Found")


def _break(app: FastAPI, error: Exception) -> None:
    async def broken() -> None:
        raise error

    app.add_api_route("/api/v1/broken", broken, include_in_schema=False)


async def test_bodies_have_a_limit_and_folders_a_wider_one(web: Web) -> None:
    async with web.client() as client:
        large = {"connection": "x" * (1 << 20)}
        refused = await client.post("/api/v1/check", json=large)
        assert refused.status_code == 413
        assert refused.json()["message"] == "the request is larger than what this is for"
        assert refused.headers["x-content-type-options"] == "nosniff"
        assert (await client.post("/api/v1/check", json=large, headers={"host": "evil.example"})).status_code == 421

        async def drip() -> AsyncIterator[bytes]:
            for _ in range(40):
                yield b"x" * (1 << 15)

        chunked = await client.post("/api/v1/check", content=drip(), headers={"content-type": "application/json"})
        assert (chunked.status_code, bool(chunked.json()["message"])) == (413, True)
        folder = {"folder": "/x", "files": {f"{n}.yaml": "# " + "x" * 900_000 for n in range(3)}}
        assert (await client.post("/api/v1/validate", json=folder)).status_code == 200


async def test_it_is_ready_while_the_store_answers_and_somebody_looks_what_is_due(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with web.client(token=False) as client:
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()) == (200, {"ready": True, "reasons": []})
        checked = web.control.scheduler.checked
        assert checked is not None
        monkeypatch.setattr(web.control.scheduler, "checked", checked - 31)
        late = await client.get("/readyz")
        assert late.status_code == 503
        assert "due" in late.json()["reasons"][0]

        async def fails() -> None:
            raise OSError("disk on fire")

        monkeypatch.setattr(web.control.parts.store, "ping", fails)
        both = await client.get("/readyz")
        assert len(both.json()["reasons"]) == 2
        assert "fire" not in both.text  # whoever asks may be anybody
        assert (await client.get("/healthz")).text == "ok\n"


async def test_a_daemon_that_has_not_looked_yet_is_not_ready(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web.control.scheduler, "checked", None)
    async with web.client(token=False) as client:
        assert (await client.get("/readyz")).json() == {
            "ready": False,
            "reasons": ["the scheduler has not begun yet"],
        }
