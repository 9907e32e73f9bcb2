"""Browsers: logging in, staying, leaving, and requests that other sites forge."""

import re

import httpx
import pytest
import structlog
from structlog.testing import capture_logs

from syncd.web.sessions import COOKIE
from tests.integration.web.conftest import HERE, Web, served
from tests.system.site import FakeSite

pytestmark = pytest.mark.anyio


async def _login(web: Web, client: httpx.AsyncClient, **more: str) -> httpx.Response:
    return await client.post("/login", data={"token": web.access.token(), **more}, headers={"origin": HERE})


async def _csrf(client: httpx.AsyncClient) -> str:
    """What the forms of the session's pages carry."""
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', (await client.get("/")).text)
    assert found is not None
    return found[1]


async def test_the_token_opens_a_session_in_a_closed_cookie(web: Web) -> None:
    async with web.client(token=False) as client:
        answer = await _login(web, client, next="/syncs/nightly?x=1")
        assert (answer.status_code, answer.headers["location"]) == (303, "/syncs/nightly?x=1")
        parts = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
        assert parts == {"httponly", "samesite=strict", "path=/", "max-age=43200"}
        assert web.access.token() not in answer.headers["set-cookie"]
        assert (await client.get("/api/v1/status")).status_code == 200


async def test_the_cookie_is_for_https_only_where_the_browser_came_that_way(web: Web) -> None:
    async with web.client(token=False) as client:
        headers = {"origin": "https://syncd.acme.example", "sec-fetch-site": "same-origin"}
        answer = await client.post("/login", data={"token": web.access.token()}, headers=headers)
        assert "secure" in answer.headers["set-cookie"].lower()


@pytest.mark.parametrize(
    "where", ["//evil.example", "https://evil.example", "/\\evil.example", "\\/evil", "", "/\t/evil.example", "x"]
)
async def test_a_login_leads_nowhere_else(web: Web, where: str) -> None:
    async with web.client(token=False) as client:
        assert (await _login(web, client, next=where)).headers["location"] == "/"
        assert (await client.get("/login", params={"next": where})).headers["location"] == "/"


async def test_a_wrong_token_shows_the_page_again_and_after_five_the_client_waits(web: Web) -> None:
    async with web.client(token=False) as client:
        for _ in range(5):
            answer = await client.post("/login", data={"token": "<wrong>", "next": '/"><script>'})
            assert answer.status_code == 401
            assert "<script>" not in answer.text
            assert COOKIE not in answer.cookies
        answer = await _login(web, client)
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) <= 61
        web.clock.advance(61)
        assert (await _login(web, client)).status_code == 303


async def test_a_session_ends_after_half_a_day(web: Web) -> None:
    async with web.client(token=False) as client:
        await _login(web, client)
        web.clock.advance(12 * 3600)
        assert (await client.get("/api/v1/status")).status_code == 200
        web.clock.advance(1)
        assert (await client.get("/api/v1/status")).status_code == 401


async def test_another_token_ends_all_sessions(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    async with web.client(token=False) as client:
        await _login(web, client)
        monkeypatch.setattr(web.access, "_made", "another-token-than-before")
        assert (await client.get("/api/v1/status")).status_code == 401


async def test_logging_out_ends_the_session_also_for_who_kept_the_cookie(web: Web) -> None:
    async with web.client(token=False) as client:
        await _login(web, client)
        cookie = client.cookies[COOKIE]
        answer = await client.post("/logout", data={"csrf": await _csrf(client)}, headers={"origin": HERE})
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
        assert COOKIE not in client.cookies
    async with web.client(token=False, headers={"cookie": f"{COOKIE}={cookie}"}) as kept:
        assert (await kept.get("/api/v1/status")).status_code == 401


async def test_a_forged_cookie_is_no_session(web: Web) -> None:
    async with web.client(token=False) as client:
        await _login(web, client)
        good = client.cookies[COOKIE]
    for cookie in (
        good[:-1] + ("A" if good[-1] != "A" else "B"),
        "x" + good,
        "",
        '"',
        "a.b.c",
        "\xff.é",
        good.split(".")[0],
    ):
        headers = {"cookie": f"{COOKIE}={cookie}".encode("latin-1")}
        async with web.client(token=False) as forged:
            assert (await forged.get("/api/v1/status", headers=headers)).status_code == 401, cookie


async def test_what_a_session_changes_needs_proof_of_its_own_page(web: Web) -> None:
    path = "/api/v1/syncs/nightly/disable"
    async with web.client(token=False) as client:
        await _login(web, client)
        csrf = await _csrf(client)
        refused = [
            await client.post(path),
            await client.post(path, headers={"x-csrf-token": "wrong"}),
            await client.post(path, data={"csrf": "wrong"}),
            await client.post(path, data={"csrf": ""}),
            await client.post(path, headers={"x-csrf-token": csrf, "origin": "http://evil.example"}),
            await client.post(path, headers={"x-csrf-token": csrf, "origin": "null"}),
            await client.post(path, headers={"x-csrf-token": csrf, "origin": "http://127.0.0.1:1"}),
            await client.post(path, headers={"x-csrf-token": csrf, "sec-fetch-site": "cross-site"}),
            await client.post(path, headers={"x-csrf-token": csrf, "sec-fetch-site": "same-site", "origin": HERE}),
            await client.request("DELETE", path),
        ]
        assert [answer.status_code for answer in refused] == [403] * len(refused)
        assert refused[0].json()["code"] == "SYN-API-004"
        assert (await web.control.reports.card("nightly"))["enabled"] is True
        accepted = [
            await client.post(path, headers={"x-csrf-token": csrf}),
            await client.post(path, headers={"x-csrf-token": csrf, "origin": HERE}),
            await client.post(path, headers={"sec-fetch-site": "same-origin"}, data={"csrf": csrf, "other": "é"}),
        ]
        assert [answer.status_code for answer in accepted] == [200] * len(accepted)
        assert (await web.control.reports.card("nightly"))["enabled"] is False


async def test_a_csrf_token_of_another_session_is_none(web: Web) -> None:
    async with web.client(token=False) as one, web.client(token=False) as two:
        await _login(web, one)
        await _login(web, two)
        headers = {"x-csrf-token": await _csrf(two)}
        assert (await one.post("/api/v1/syncs/nightly/disable", headers=headers)).status_code == 403


async def test_a_body_that_was_looked_into_still_reaches_the_page(web: Web) -> None:
    """The form's other fields are there after the guard has read its csrf field."""
    async with web.client(token=False) as client:
        await _login(web, client)
        headers = {"content-type": "application/x-www-form-urlencoded"}
        body = f"csrf={await _csrf(client)}&" + "x=1&" * 50_000
        answer = await client.post("/api/v1/syncs/nightly/runs", content=body, headers=headers)
        assert answer.status_code == 422  # read to its end, and no JSON
        answer = await client.post("/api/v1/syncs/nightly/runs", content=body + "x" * (1 << 20), headers=headers)
        assert answer.status_code == 413


async def test_a_login_from_another_site_is_refused(web: Web) -> None:
    async with web.client(token=False) as client:
        headers = {"origin": "http://evil.example"}
        answer = await client.post("/login", data={"token": web.access.token()}, headers=headers)
        assert answer.status_code == 403
        assert COOKIE not in answer.cookies


async def test_neither_token_nor_cookie_is_logged(web: Web) -> None:
    structlog.reset_defaults()
    with capture_logs() as logged:
        async with web.client(token=False) as client:
            await client.post("/login", data={"token": "a-wrong-token-to-see"})
            await _login(web, client)
            cookie = client.cookies[COOKIE]
            await client.get("/api/v1/status", headers={"authorization": "Bearer a-wrong-token-to-see"})
            await client.get(f"/api/v1/records?token={web.access.token()}")
    assert any("wrong token" in entry["event"] for entry in logged)
    for secret in ("a-wrong-token-to-see", web.access.token(), cookie):
        assert secret not in repr(logged)


async def test_a_session_that_was_ended_stays_so_over_a_restart(site: FakeSite) -> None:
    async with served(site) as web, web.client(token=False) as client:
        await _login(web, client)
        cookie = client.cookies[COOKIE]
        await client.post("/logout", data={"csrf": await _csrf(client)})
    async with served(site) as web, web.client(token=False, headers={"cookie": f"{COOKIE}={cookie}"}) as client:
        assert (await client.get("/api/v1/status")).status_code == 401


async def test_a_form_of_a_page_whose_session_is_over_leads_to_the_login_and_back(web: Web) -> None:
    async with web.client(token=False, headers={"accept": "text/html", "referer": f"{HERE}/runs/3?x=1"}) as client:
        answer = await client.post("/syncs/nightly/run", data={"csrf": "x"}, headers={"origin": HERE})
        assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/runs/3")
