"""The accounts host, data centres and token errors."""

import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest


def test_a_refresh_token_buys_an_access_token(site: Any) -> None:
    body = site.token().json()
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 3600
    assert body["api_domain"] == site.endpoints["crm"]
    assert "ZohoMail.messages.READ" in body["scope"].split()


@pytest.mark.parametrize("form", [("grant_type",), ("refresh_token", "client_secret"), ()])
def test_parameters_may_stand_in_query_and_form(site: Any, form: tuple[str, ...]) -> None:
    known = site.world.credentials
    values = {
        "grant_type": "refresh_token", "client_id": known.client_id, "client_secret": known.client_secret,
        "refresh_token": known.refresh_token(site.owner),
    }  # fmt: skip
    response = site.http.post(
        f"{site.endpoints['accounts']}/oauth/v2/token",
        params={name: value for name, value in values.items() if name not in form},
        data={name: value for name, value in values.items() if name in form},
    )
    assert "access_token" in response.json()


def test_older_servers_give_milliseconds_too(site: Any) -> None:
    site.world.credentials.expires_in_sec = True
    body = site.token().json()
    assert (body["expires_in_sec"], body["expires_in"]) == (3600, 3_600_000)


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password"}, "general_error"),
        ({"refresh_token": ""}, "general_error"),
        ({"client_id": "1000.OTHER"}, "invalid_client"),
        ({"grant_type": "authorization_code", "code": "1000.x.y"}, "invalid_code"),
    ],
)
def test_refusals_are_words_in_json(site: Any, form: dict[str, str], error: str) -> None:
    response = site.token(**form)
    assert (response.status_code, response.json()) == (200, {"error": error})


def test_a_self_client_exchanges_its_code_once(site: Any) -> None:
    code = site.world.credentials.code(site.owner, frozenset({"ZohoMail.accounts.READ"}))
    body = site.token(grant_type="authorization_code", code=code).json()
    assert body["scope"] == "ZohoMail.accounts.READ"
    assert "access_token" in site.token(refresh_token=body["refresh_token"]).json()
    assert site.token(grant_type="authorization_code", code=code).json() == {"error": "invalid_code"}


def test_a_code_lives_three_minutes(site: Any) -> None:
    code = site.world.credentials.code(site.owner)
    site.clock.advance(181)
    assert site.token(grant_type="authorization_code", code=code).json() == {"error": "invalid_code"}


def test_the_16th_token_ends_the_oldest(site: Any) -> None:
    site.world.limits.enabled = False
    tokens = [site.token().json()["access_token"] for _ in range(16)]
    statuses = [
        site.http.get(
            f"{site.endpoints['mail']}/api/accounts", headers={"Authorization": f"Zoho-oauthtoken {token}"}
        ).status_code
        for token in tokens
    ]
    assert statuses == [401] + [200] * 15


def test_the_21st_refresh_token_ends_the_first_and_its_access_tokens(site: Any) -> None:
    grants = [site.world.credentials.grant(site.owner) for _ in range(20)]
    access = site.token(refresh_token=grants[0].refresh_token).json()["access_token"]
    site.world.credentials.grant(site.owner)
    assert site.token(refresh_token=grants[0].refresh_token).json() == {"error": "invalid_code"}
    assert access not in site.world.credentials.tokens


def test_access_tokens_live_for_an_hour(site: Any) -> None:
    headers = site.bearer()
    for seconds, status in ((3599, 200), (2, 401)):
        site.clock.advance(seconds)
        assert site.http.get(f"{site.endpoints['mail']}/api/accounts", headers=headers).status_code == status


def test_a_revoked_refresh_token_ends_with_its_access_tokens(site: Any) -> None:
    access, refresh = site.token().json()["access_token"], site.world.credentials.refresh_token(site.owner)
    url = f"{site.endpoints['accounts']}/oauth/v2/token/revoke"
    assert site.http.post(url, params={"token": refresh}).json() == {"status": "success"}
    assert site.token(refresh_token=refresh).json() == {"error": "invalid_code"}
    headers = {"Authorization": f"Zoho-oauthtoken {access}"}
    assert site.http.get(f"{site.endpoints['mail']}/api/accounts", headers=headers).status_code == 401


def test_a_refresh_token_is_unknown_in_another_data_centre(site: Any) -> None:
    site.endpoints = site.world.endpoints(site.url, "us")
    assert site.token().json() == {"error": "invalid_code"}
    site.world.credentials.multi_dc = False
    assert site.token().json() == {"error": "invalid_client"}


@pytest.mark.parametrize(("product", "path"), [("mail", "/api/accounts"), ("contacts", "/api/v1/sync/self/contacts")])
def test_tokens_of_one_data_centre_are_refused_in_another(site: Any, product: str, path: str) -> None:
    other, headers = site.world.endpoints(site.url, "ca"), site.bearer()
    assert site.http.get(site.endpoints[product] + path, headers=headers).status_code == 200
    assert site.http.get(other[product] + path, headers=headers).status_code == 401


def test_serverinfo_lists_every_data_centre(site: Any) -> None:
    body = site.http.get(f"{site.endpoints['accounts']}/oauth/serverinfo").json()
    assert body["locations"]["eu"] == site.endpoints["accounts"]
    assert body["locations"]["ca"] == f"{site.url}/ca"
    real = site.http.get(f"{site.url}/oauth/serverinfo", headers={"Host": "accounts.zoho.com"}).json()
    assert real["locations"]["ca"] == "https://accounts.zohocloud.ca"


def test_the_identity_has_the_zuid_as_number(site: Any) -> None:
    body = site.get("accounts", "/oauth/user/info")
    assert (body["ZUID"], body["Email"]) == (int(site.owner.zuid), site.owner.address)
    status, body = site.refused("accounts", "/oauth/user/info", scopes=["ZohoMail.accounts.READ"])
    assert status == 401


@pytest.mark.parametrize(
    ("product", "path", "body"),
    [
        ("mail", "/api/accounts",
         {"status": {"code": 401, "description": "Invalid Input"}, "data": {"errorCode": "INVALID_OAUTHTOKEN"}}),
        ("crm", "/crm/v8/Contacts",
         {"code": "INVALID_TOKEN", "details": {}, "message": "invalid oauth token", "status": "error"}),
        ("workdrive", "/workdrive/api/v1/users/me", {"errors": [{"id": "F7003", "title": "Invalid OAuth token."}]}),
    ],
)  # fmt: skip
def test_every_product_refuses_a_bad_token_in_its_own_words(site: Any, product: str, path: str, body: Any) -> None:
    headers = {"Authorization": "Zoho-oauthtoken 1000.no.such"}
    response = site.http.get(site.endpoints[product] + path, headers=headers)
    assert (response.status_code, response.json()) == (401, body)
    assert ("expired_token" in response.headers.get("www-authenticate", "")) is (product == "workdrive")


def test_crm_tells_a_missing_header_from_a_bad_token(site: Any) -> None:
    response = site.http.get(f"{site.endpoints['crm']}/crm/v8/Contacts")
    assert (response.status_code, response.json()["code"]) == (401, "AUTHENTICATION_FAILURE")


@pytest.mark.parametrize(
    ("held", "status"),
    [("ZohoCalendar.event.READ", 403), ("ZohoCalendar.calendar.READ", 200), ("ZohoCalendar.calendar.ALL", 200)],
)
def test_scopes_open_what_they_name(site: Any, held: str, status: int) -> None:
    assert site.ask("GET", "calendar", "/api/v1/calendars", scopes=[held]).status_code == status


def test_dates_of_answers_follow_the_world(site: Any) -> None:
    site.clock.advance(86400 * 400)
    shown = site.ask("GET", "calendar", "/api/v1/calendars").headers["date"]
    assert time.strftime("%d %b %Y", time.gmtime(site.clock.time())) in shown


def test_a_second_consent_gives_no_refresh_token_unless_asked_for(site: Any) -> None:
    known, found = site.world.credentials, []
    query = {"client_id": known.client_id, "response_type": "code", "redirect_uri": "http://app.example/cb"}
    for more in (
        {"access_type": "online"},
        {"access_type": "offline"},
        {"access_type": "offline", "prompt": "consent"},
    ):
        consent = site.http.get(f"{site.endpoints['accounts']}/oauth/v2/auth", params=query | more)
        code = parse_qs(urlsplit(consent.headers["location"]).query)["code"][0]
        body = site.token(grant_type="authorization_code", code=code, redirect_uri="http://app.example/cb").json()
        found.append("refresh_token" in body)
    assert found == [False, False, True]


def test_a_code_is_bound_to_its_redirect(site: Any) -> None:
    code = site.world.credentials.code(site.owner, redirect_uri="http://app.example/cb")
    body = site.token(grant_type="authorization_code", code=code, redirect_uri="http://other.example").json()
    assert body == {"error": "invalid_redirect_uri"}


def test_tokens_of_production_are_refused_in_the_sandbox(site: Any) -> None:
    for host, status in (("www.zohoapis.eu", 200), ("sandbox.zohoapis.eu", 401), ("www.zohoapis.com", 401)):
        response = site.http.get(f"{site.url}/crm/v8/org", headers=site.bearer() | {"Host": host})
        assert response.status_code == status


def test_the_api_domain_can_be_wrong(site: Any) -> None:
    site.world.credentials.api_domain = "https://www.zohoapis.com"
    assert site.token().json()["api_domain"] == "https://www.zohoapis.com"
