"""Signing in: Zoho's token endpoint says everything with 200, and counts (wire reference §3)."""

import asyncio
from urllib.parse import parse_qs

import httpx
import pytest
from syncd_zoho.auth import ZohoAuth

from syncd.sdk import AuthFailed, ProtocolError, RateLimited, Secret, Transient

pytestmark = pytest.mark.anyio
URL = "https://calendar.zoho.eu/api/v1/calendars"
THROTTLE = {
    "error_description": "You have made too many requests continuously. Please try again after some time.",
    "error": "Access Denied",
    "status": "failure",
}


def ok(request):
    return httpx.Response(200, json={"calendars": []})


async def sign_in(zoho, body, status=200):
    zoho.answer = ok
    zoho.token = lambda request: (
        httpx.Response(status, json=body) if isinstance(body, dict | list) else httpx.Response(status, text=body)
    )
    return await zoho.client.get(URL)


async def test_the_refresh_goes_in_the_body_and_the_token_in_its_own_scheme(zoho):
    zoho.answer = ok
    await zoho.client.get(URL)
    [asked] = zoho.token_requests
    assert str(asked.url) == "https://accounts.zoho.eu/oauth/v2/token"
    assert parse_qs(asked.content.decode()) == {
        "grant_type": ["refresh_token"],
        "client_id": ["1000.CLIENT"],
        "client_secret": ["secret-of-the-client"],
        "refresh_token": ["1000.refresh.token"],
    }
    assert zoho.requests[0].headers["authorization"] == "Zoho-oauthtoken 1000.access.1"


async def test_many_requests_at_once_lead_to_one_token(zoho):
    zoho.answer = ok
    await asyncio.gather(*(zoho.client.get(URL) for _ in range(20)))
    assert len(zoho.token_requests) == 1


@pytest.mark.parametrize(
    "body", [{"expires_in": 3600}, {"expires_in_sec": 3600, "expires_in": 3600000}, {"expires_in": 3600000}]
)
async def test_the_life_of_a_token_is_an_hour_in_every_spelling(zoho, body):
    await sign_in(zoho, {"access_token": "1000.a", **body})
    zoho.clock.pass_(3600 - 300)
    await zoho.client.get(URL)
    assert len(zoho.token_requests) == 1
    zoho.clock.pass_(240)
    await zoho.client.get(URL)
    assert len(zoho.token_requests) == 2


@pytest.mark.parametrize("status", [200, 400, 500])
async def test_an_access_token_is_success_whatever_the_status(zoho, status):
    assert (await sign_in(zoho, {"access_token": "1000.a"}, status)).status_code == 200


@pytest.mark.parametrize(
    "code", ["invalid_code", "invalid_client", "invalid_client_secret", "invalid_redirect_uri", "general_error"]
)
@pytest.mark.parametrize("status", [200, 400])
async def test_known_refusals_are_for_good_and_name_the_data_centre(zoho, code, status):
    with pytest.raises(AuthFailed) as raised:
        await sign_in(zoho, {"error": code}, status)
    assert code in str(raised.value)
    assert "data centre" in str(raised.value)
    assert "`eu`" in str(raised.value)


@pytest.mark.parametrize(
    "body",
    [
        THROTTLE,
        {"error_description": "您已连续发出太多请求。请过一段时间再试。", "error": "访问被拒绝", "status": "failure"},
        {"error": "Acceso denegado"},
        {"error": "general_error", "status": "failure"},
    ],
)
@pytest.mark.parametrize("status", [200, 400])
async def test_the_throttle_is_a_wait_in_any_language(zoho, body, status):
    with pytest.raises(RateLimited) as raised:
        await sign_in(zoho, body, status)
    assert raised.value.retry_after == 600
    assert raised.value.scope == "connection"


async def test_after_a_throttle_the_endpoint_is_left_alone_for_ten_minutes_also_over_a_restart(zoho):
    with pytest.raises(RateLimited):
        await sign_in(zoho, THROTTLE)
    again = ZohoAuth(zoho.settings, zoho.clock)
    again.vault = zoho.auth.vault
    zoho.client.auth = again
    zoho.clock.pass_(599)
    with pytest.raises(RateLimited) as raised:
        await zoho.client.get(URL)
    assert raised.value.retry_after == pytest.approx(1)
    assert len(zoho.token_requests) == 1
    zoho.clock.pass_(2)
    zoho.token = zoho.mint
    assert (await zoho.client.get(URL)).status_code == 200


@pytest.mark.parametrize("status", [200, 400, 503])
async def test_an_html_page_is_a_fault_that_passes(zoho, status):
    with pytest.raises(Transient):
        await sign_in(zoho, "<html>busy</html>", status)


@pytest.mark.parametrize("body", [[], {}, {"access_token": None}, {"access_token": ""}, {"access_token": 5}])
async def test_an_answer_that_is_nothing_is_no_token(zoho, body):
    with pytest.raises(ProtocolError):
        await sign_in(zoho, body)
    assert zoho.requests == []


@pytest.mark.parametrize(
    "domain", ["https://www.zohoapis.eu", "https://api.zoho.eu", "https://sandbox.zohoapis.eu", None]
)
async def test_the_api_domain_of_the_own_data_centre_is_fine(zoho, domain):
    assert (await sign_in(zoho, {"access_token": "1000.a", "api_domain": domain})).status_code == 200


@pytest.mark.parametrize("domain", ["https://www.zohoapis.com", "https://www.zohoapis.com.cn", "https://evil.example"])
async def test_another_api_domain_is_a_clear_failure(zoho, domain):
    with pytest.raises(AuthFailed, match=r"data_center") as raised:
        await sign_in(zoho, {"access_token": "1000.a", "api_domain": domain})
    assert domain in str(raised.value)
    assert zoho.requests == []


async def test_an_operators_own_gateway_may_name_itself(zoho):
    zoho.settings["endpoints"] = {"crm": "http://127.0.0.1:9000"}
    assert (await sign_in(zoho, {"access_token": "a", "api_domain": "http://127.0.0.1:9000"})).status_code == 200


async def test_the_eleventh_token_in_ten_minutes_is_not_asked_for(zoho):
    zoho.answer = ok
    for _ in range(10):
        zoho.auth.forget()
        await zoho.client.get(URL)
        zoho.clock.pass_(30)
    zoho.auth.forget()
    with pytest.raises(RateLimited) as raised:
        await zoho.client.get(URL)
    assert len(zoho.token_requests) == 10
    assert raised.value.retry_after == pytest.approx(300)
    zoho.clock.pass_(301)
    await zoho.client.get(URL)
    assert len(zoho.token_requests) == 11


async def test_the_ten_are_counted_over_restarts_and_for_each_refresh_token_alone(zoho):
    zoho.answer = ok
    for _ in range(10):
        zoho.auth.forget()
        await zoho.client.get(URL)
    again = ZohoAuth(zoho.settings, zoho.clock)
    again.vault = zoho.auth.vault
    zoho.client.auth = again
    with pytest.raises(RateLimited):
        await zoho.client.get(URL)
    zoho.settings["refresh_token"] = Secret(lambda: "1000.another", "${env:OTHER}")
    assert (await zoho.client.get(URL)).status_code == 200


async def test_nothing_secret_is_kept_in_the_vault(zoho):
    zoho.answer = ok
    await zoho.client.get(URL)
    kept = repr(zoho.auth.vault.load())
    assert "1000.access" not in kept
    assert "1000.refresh" not in kept
