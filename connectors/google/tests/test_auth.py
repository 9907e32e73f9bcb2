"""Signing in: the token host's answers (wire reference §2) and what each means."""

import asyncio
from urllib.parse import parse_qs

import httpx
import jwt
import orjson
import pytest
from syncd_google import GoogleConnector
from syncd_google.settings import SCOPES, origins

from syncd.sdk import Account, AccountGone, AuthFailed, Forbidden, ProtocolError, RateLimited, Secret, Transient

pytestmark = pytest.mark.anyio
ANA = Account("1001", "ana@acme.example")
UNDELEGATED = "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes requested."


def oauth(status: int, error: str, description: str = "") -> httpx.Response:
    return httpx.Response(status, json={"error": error, "error_description": description})


def claims(request: httpx.Request) -> dict:
    form = parse_qs(request.content.decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    return jwt.decode(form["assertion"][0], options={"verify_signature": False})


async def ask(google, stream="contacts", account: Account | None = ANA) -> httpx.Response:
    google.answer = google.answer if google.requests else (lambda request: httpx.Response(200, json={}))
    return await google.client.get(
        "https://people.googleapis.com/v1/x", extensions={"syncd.account": account, "syncd.stream": stream}
    )


async def test_assertion_names_user_least_scope_and_fixed_audience(google, key_json) -> None:
    await ask(google, "mail")
    form = parse_qs(google.token_requests[0].content.decode())
    token = form["assertion"][0]
    told = claims(google.token_requests[0])
    assert told["sub"] == "ana@acme.example"
    assert told["scope"] == "https://www.googleapis.com/auth/gmail.readonly"
    assert told["aud"] == "https://oauth2.googleapis.com/token"
    assert told["exp"] == told["iat"] + 3600
    assert jwt.get_unverified_header(token) == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    assert google.requests[0].headers["authorization"] == "Bearer ya29.1"


async def test_one_token_per_user_and_scope_set_asked_for_once(google) -> None:
    bob = Account("1002", "bob@acme.example")
    await asyncio.gather(
        *[ask(google, "mail") for _ in range(5)],
        ask(google, "mail", bob),
        ask(google, "files"),
        ask(google, None, None),
    )
    asked = sorted((claims(one)["sub"], claims(one)["scope"].rsplit("/")[-1]) for one in google.token_requests)
    assert asked == [
        ("admin@acme.example", "admin.directory.user.readonly"),
        ("ana@acme.example", "drive.readonly"),
        ("ana@acme.example", "gmail.readonly"),
        ("bob@acme.example", "gmail.readonly"),
    ]


TABLE = [
    (oauth(400, "invalid_request", "Bad Request"), AuthFailed, "SYN-GOOGLE-001"),
    (oauth(400, "invalid_grant", "Invalid JWT Signature."), AuthFailed, "SYN-GOOGLE-001"),
    (oauth(400, "invalid_grant", "Invalid grant: account not found"), AuthFailed, "SYN-GOOGLE-001"),
    (oauth(400, "invalid_grant", "Robot is disabled."), AuthFailed, "SYN-GOOGLE-001"),
    (oauth(400, "invalid_grant", "Invalid JWT: iat (issued at) is not set."), AuthFailed, "SYN-GOOGLE-009"),
    (oauth(400, "invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim."), AuthFailed, "SYN-GOOGLE-009"),
    (oauth(400, "invalid_grant", "Invalid JWT: Failed audience check."), AuthFailed, "SYN-GOOGLE-001"),
    (oauth(400, "invalid_scope", "Invalid OAuth scope or ID token audience provided."), AuthFailed, "SYN-GOOGLE-001"),
    (httpx.Response(200, json={"id_token": "eyJ"}), AuthFailed, "SYN-AUTH-001"),
    (oauth(400, "invalid_grant", "Invalid email or User ID"), AccountGone, "SYN-ACCOUNT-001"),
    (oauth(400, "invalid_grant", "Not a valid email"), AccountGone, "SYN-ACCOUNT-001"),
    (oauth(400, "invalid_grant", "The account has been deleted"), AccountGone, "SYN-ACCOUNT-001"),
    (oauth(400, "invalid_request", 'Invalid impersonation "sub" field'), AccountGone, "SYN-ACCOUNT-001"),
    (oauth(400, "invalid_request", "Invalid impersonation prn email address"), AccountGone, "SYN-ACCOUNT-001"),
    (oauth(403, "access_denied", "Requested client not authorized."), Forbidden, "SYN-GOOGLE-007"),
    (oauth(403, "access_denied", "Account restricted"), Forbidden, "SYN-GOOGLE-007"),
    (oauth(403, "invalid_account", "Forbidden"), Forbidden, "SYN-GOOGLE-007"),
    (oauth(400, "invalid_grant", "Account suspended"), AccountGone, "SYN-ACCOUNT-001"),
    (oauth(401, "invalid_client", "The OAuth client was not found."), AuthFailed, "SYN-GOOGLE-003"),
    (oauth(401, "disabled_client", "The OAuth client was disabled."), AuthFailed, "SYN-GOOGLE-003"),
    (oauth(401, "deleted_client", "The OAuth client was deleted."), AuthFailed, "SYN-GOOGLE-003"),
    (oauth(500, "internal_failure", "Backend Error"), Transient, "SYN-NET-001"),
    (oauth(503, "temporarily_unavailable"), Transient, "SYN-NET-001"),
    (oauth(400, "server_error"), Transient, "SYN-NET-001"),
    (httpx.Response(429, text="slow down", headers={"Retry-After": "7"}), RateLimited, "SYN-RATE-001"),
    (httpx.Response(503, text="busy", headers={"Retry-After": "7"}), RateLimited, "SYN-RATE-001"),
    (httpx.Response(404, text="<html>"), ProtocolError, "SYN-PROTO-001"),
    (httpx.Response(200, text="<html>"), ProtocolError, "SYN-PROTO-001"),
    (httpx.Response(200, json=[]), ProtocolError, "SYN-PROTO-001"),
    (httpx.Response(400, json={"error": {"code": 400}}), ProtocolError, "SYN-PROTO-001"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "error", "code"), TABLE, ids=lambda one: str(one)[:20])
async def test_trap_27_token_host_errors(google, answer, error, code) -> None:
    google.token = lambda request: httpx.Response(answer.status_code, content=answer.content, headers=answer.headers)
    with pytest.raises(error) as caught:
        await ask(google)
    assert caught.value.code == code
    assert len(google.token_requests) == 1
    assert google.requests == []


async def test_a_user_error_about_the_admin_is_the_connections(google) -> None:
    google.token = lambda request: oauth(400, "invalid_grant", "Invalid email or User ID")
    with pytest.raises(AuthFailed, match=r"admin@acme\.example"):
        await ask(google, None, None)


async def test_trap_26_no_delegation_is_the_connections_failure_without_a_refresh_loop(google) -> None:
    google.token = lambda request: oauth(401, "unauthorized_client", UNDELEGATED)
    with pytest.raises(AuthFailed) as caught:
        await ask(google, "contacts")
    assert caught.value.code == "SYN-GOOGLE-002"
    probes = len(google.token_requests)
    assert probes == len(SCOPES)
    with pytest.raises(AuthFailed):
        await ask(google, "mail")
    assert len(google.token_requests) == probes + 1


async def test_one_missing_scope_is_forbidden_and_named(google) -> None:
    def token(request):
        if "gmail" in claims(request)["scope"]:
            return oauth(401, "unauthorized_client", UNDELEGATED)
        return httpx.Response(200, json={"access_token": "ya29.good", "expires_in": 3599})

    google.token = token
    with pytest.raises(Forbidden, match=r"gmail\.readonly") as caught:
        await ask(google, "mail")
    assert caught.value.code == "SYN-GOOGLE-004"
    assert len(google.token_requests) == 2, "the refused one, and one probe"
    assert (await ask(google, "contacts")).status_code == 200


@pytest.mark.parametrize(
    "about_admin",
    [
        oauth(400, "invalid_grant", "Invalid email or User ID"),
        oauth(400, "invalid_grant", "The account has been deleted"),
        oauth(403, "access_denied", "Account restricted"),
    ],
)
async def test_an_admin_that_is_refused_proves_nothing_about_the_delegation(google, about_admin) -> None:
    def token(request):
        told = claims(request)
        if "contacts" in told["scope"]:
            return oauth(401, "unauthorized_client", UNDELEGATED)
        if told["sub"] == "admin@acme.example":
            return httpx.Response(about_admin.status_code, content=about_admin.content)
        return httpx.Response(200, json={"access_token": "ya29.good", "expires_in": 3599})

    google.token = token
    for asked in (len(SCOPES), len(SCOPES) + 1):
        with pytest.raises(Forbidden, match=r"ana@acme.example.*contacts\.readonly") as caught:
            await ask(google, "contacts")
        assert caught.value.code == "SYN-GOOGLE-004"
        assert len(google.token_requests) == asked, "probed once"
    assert (await ask(google, "mail")).status_code == 200


async def test_a_key_that_is_refused_while_probing_is_the_connections_failure(google) -> None:
    def token(request):
        if "contacts" in claims(request)["scope"]:
            return oauth(401, "unauthorized_client", UNDELEGATED)
        return oauth(400, "invalid_grant", "Invalid JWT Signature.")

    google.token = token
    with pytest.raises(AuthFailed) as caught:
        await ask(google, "contacts")
    assert caught.value.code == "SYN-GOOGLE-001"


async def test_calendar_takes_the_one_wide_scope_where_the_two_narrow_ones_are_not_granted(google) -> None:
    def token(request):
        if claims(request)["scope"] == "https://www.googleapis.com/auth/calendar.readonly":
            return httpx.Response(200, json={"access_token": "ya29.wide", "expires_in": 3599})
        return oauth(401, "unauthorized_client", UNDELEGATED)

    google.token = token
    people = [Account(str(n), f"u{n}@acme.example") for n in range(5)]
    answers = await asyncio.gather(*[ask(google, "calendar", one) for one in people])
    assert {one.status_code for one in answers} == {200}
    await ask(google, "calendar", Account("9", "late@acme.example"))
    assert "calendar.readonly" in claims(google.token_requests[-1])["scope"]
    assert len(google.token_requests) <= 11


async def test_a_401_fetches_one_fresh_token_and_tries_once_more(google) -> None:
    google.requests.append(None)
    google.answer = lambda request: httpx.Response(401, json={})
    assert (await ask(google)).status_code == 401
    assert len(google.token_requests) == 2
    assert len(google.requests) == 3


async def test_refresh_token_is_one_token_for_all(key_json) -> None:
    values = {
        "client_id": "c.apps",
        "client_secret": Secret(lambda: "hush-hush", "${env:S}"),
        "refresh_token": Secret(lambda: "1//refresh", "${env:R}"),
    }
    seen = []

    def handle(request):
        if request.url.host == "oauth2.googleapis.com":
            seen.append(parse_qs(request.content.decode()))
            return httpx.Response(
                200, json={"access_token": "ya29.x", "expires_in": 3599, "scope": "a b", "token_type": "Bearer"}
            )
        return httpx.Response(200, json={})

    async with httpx.AsyncClient(transport=httpx.MockTransport(handle), auth=GoogleConnector().auth(values)) as client:
        for stream in ("mail", "contacts"):
            await client.get(
                "https://gmail.googleapis.com/x",
                extensions={"syncd.account": Account("1", "a@b.c"), "syncd.stream": stream},
            )
    assert seen == [
        {
            "client_id": ["c.apps"],
            "client_secret": ["hush-hush"],
            "refresh_token": ["1//refresh"],
            "grant_type": ["refresh_token"],
        }
    ]


@pytest.mark.parametrize(
    "answer",
    [
        oauth(400, "invalid_grant", "Token has been expired or revoked."),
        oauth(400, "invalid_grant", "Bad Request"),
        oauth(400, "invalid_grant", "reauth related error (invalid_rapt)"),
        oauth(401, "invalid_client", "Unauthorized"),
    ],
)
async def test_refresh_token_refused_is_the_connections_failure(answer) -> None:
    values = {"client_id": "c", "client_secret": "hush-hush", "refresh_token": "1//refresh"}
    transport = httpx.MockTransport(lambda request: httpx.Response(answer.status_code, content=answer.content))
    async with httpx.AsyncClient(transport=transport, auth=GoogleConnector().auth(values)) as client:
        with pytest.raises(AuthFailed) as caught:
            await client.get("https://gmail.googleapis.com/x")
    assert caught.value.code == "SYN-GOOGLE-003"
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "{}", "[]", "no json", '{"client_email": "a", "private_key": "no pem"}'])
async def test_a_bad_key_file_is_auth_failed(content) -> None:
    values = {"service_account": Secret(lambda: content, "${file:/k}"), "admin": "a@b.c"}
    async with httpx.AsyncClient(
        transport=httpx.MockTransport(lambda r: httpx.Response(200)), auth=GoogleConnector().auth(values)
    ) as client:
        with pytest.raises(AuthFailed) as caught:
            await client.get("https://gmail.googleapis.com/x")
    assert caught.value.code == "SYN-GOOGLE-001"


async def test_a_rotated_key_is_picked_up(service, key_json, google) -> None:
    names = iter(["one@x", "two@x", "two@x"])
    service["service_account"] = Secret(
        lambda: orjson.dumps({**orjson.loads(key_json), "client_email": next(names)}).decode(), "${f}"
    )
    google.settings["endpoints"] = {"token": "https://oauth2.googleapis.com/token"}
    await ask(google, "mail")
    await ask(google, "files")
    assert [claims(one)["iss"] for one in google.token_requests] == ["one@x", "two@x"]


def test_origins_are_those_of_the_endpoints(service) -> None:
    assert origins(service) == [
        "https://admin.googleapis.com", "https://gmail.googleapis.com", "https://oauth2.googleapis.com",
        "https://people.googleapis.com", "https://www.googleapis.com",
    ]  # fmt: skip
    one = "http://127.0.0.1:9000"
    names = ("people", "calendar", "drive", "gmail", "admin")
    assert origins({**service, "endpoints": dict.fromkeys(names, one) | {"token": one + "/token"}}) == [one]


def test_token_uri_of_the_key_file_is_used_only_where_it_is_confidential(key_json) -> None:
    def values(uri):
        return {
            "service_account": orjson.dumps({**orjson.loads(key_json), "token_uri": uri}).decode(),
            "admin": "a@b.c",
        }

    assert "http://127.0.0.1:9000" in origins(values("http://127.0.0.1:9000/token"))
    assert "http://evil.example" not in origins(values("http://evil.example/token"))
