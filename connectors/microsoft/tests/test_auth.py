"""Signing in: the token endpoint's answers (wire reference §2) and what each means."""

import asyncio
import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx
import jsonschema
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from microsoft_answers import ANA, BOB, ROOT, SECRET, TENANT, Microsoft, error
from syncd_microsoft.auth import MicrosoftAuth
from syncd_microsoft.settings import SCHEMA, origins, scope, token_url, version_root

from syncd.sdk import AccountGone, AuthFailed, ProtocolError, RateLimited, Secret, Transient

pytestmark = pytest.mark.anyio


def entra(status: int, word: str, number: int | None = None, text: str = "Something.", **more: Any) -> httpx.Response:
    described = f"AADSTS{number}: {text}\r\nTrace ID: t\r\nCorrelation ID: c\r\nTimestamp: 2020-07-03 10:55:12Z"
    body = {
        "error": word,
        "error_description": described if number else text,
        "timestamp": "2020-07-03 10:55:12Z",
        "trace_id": "t",
        "correlation_id": "c",
        **({"error_codes": [number]} if number else {}),
        **more,
    }
    return httpx.Response(status, json=body)


def form(request: httpx.Request) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(request.content.decode()).items()}


async def ask(microsoft: Microsoft, path: str = "/users", account=ANA) -> httpx.Response:
    if not microsoft.requests:
        microsoft.answer = lambda request: httpx.Response(200, json={})
    return await microsoft.client(account, None).get(ROOT + path)


@pytest.fixture(scope="session")
def pair() -> tuple[str, str, x509.Certificate]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "syncd")])
    begun = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begun)
        .not_valid_after(begun + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), private, certificate


async def test_a_secret_is_sent_as_documented(microsoft) -> None:
    await ask(microsoft)
    (request,) = microsoft.token_requests
    assert str(request.url) == f"https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert form(request) == {
        "client_id": microsoft.settings["client_id"],
        "scope": "https://graph.microsoft.com/.default",
        "grant_type": "client_credentials",
        "client_secret": SECRET,
    }
    assert microsoft.requests[0].headers["authorization"] == "Bearer eyJ.1"


async def test_one_token_serves_all_accounts_and_is_renewed_five_minutes_early(microsoft) -> None:
    await ask(microsoft)
    await asyncio.gather(*[ask(microsoft, account=one) for one in (ANA, BOB, None, ANA)])
    assert len(microsoft.token_requests) == 1


async def test_many_requests_at_once_lead_to_one_token_request(microsoft) -> None:
    microsoft.answer = lambda request: httpx.Response(200, json={})
    await asyncio.gather(*[ask(microsoft) for _ in range(8)])
    assert len(microsoft.token_requests) == 1


async def test_a_token_is_given_back_five_minutes_before_its_end(microsoft) -> None:
    auth = MicrosoftAuth(microsoft.settings, microsoft.clock)
    microsoft.auth = auth
    await ask(microsoft)
    microsoft.clock.advance(3599 - 305)
    await ask(microsoft)
    assert len(microsoft.token_requests) == 1
    microsoft.clock.advance(10)
    await ask(microsoft)
    assert len(microsoft.token_requests) == 2


async def test_a_certificate_signs_an_assertion(pair) -> None:
    certificate, private, parsed = pair
    microsoft = Microsoft(certificate=certificate, private_key=Secret(lambda: private, "${file:key}"))
    del microsoft.settings["client_secret"]
    microsoft.auth = microsoft.connector.auth(microsoft.settings)
    await ask(microsoft)
    sent = form(microsoft.token_requests[0])
    assert sent["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assert "client_secret" not in sent
    told = jwt.decode(
        sent["client_assertion"],
        parsed.public_key(),
        algorithms=["PS256"],
        audience=str(microsoft.token_requests[0].url),
    )
    assert told["iss"] == told["sub"] == sent["client_id"]
    assert 300 <= told["exp"] - told["iat"] <= 600
    assert told["nbf"] == told["iat"]
    thumbprint = base64.urlsafe_b64encode(
        hashlib.sha256(parsed.public_bytes(serialization.Encoding.DER)).digest()
    ).decode()
    assert jwt.get_unverified_header(sent["client_assertion"]) == {
        "alg": "PS256",
        "typ": "JWT",
        "x5t#S256": thumbprint.rstrip("="),
    }


async def test_each_assertion_has_an_id_of_its_own(pair) -> None:
    certificate, private, _ = pair
    microsoft = Microsoft(certificate=certificate, private_key=Secret(lambda: private, "${file:key}"))
    auth = microsoft.auth
    ids = set()
    for _ in range(2):
        assertion = form(auth.token_request(None))["client_assertion"]
        ids.add(jwt.decode(assertion, options={"verify_signature": False})["jti"])
    assert len(ids) == 2


@pytest.mark.parametrize("broken", ["certificate", "private_key", "other key"])
async def test_an_unusable_certificate_is_the_connections_failure(pair, broken) -> None:
    certificate, private, _ = pair
    if broken == "certificate":
        certificate = "no pem"
    elif broken == "private_key":
        private = "no pem"
    else:
        private = (
            rsa.generate_private_key(public_exponent=65537, key_size=2048)
            .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            .decode()
        )
    microsoft = Microsoft(certificate=certificate, private_key=Secret(lambda: private, "${file:key}"))
    with pytest.raises(AuthFailed) as caught:
        await ask(microsoft)
    assert caught.value.code == "SYN-MICROSOFT-003"
    assert microsoft.token_requests == []


TABLE = [
    (entra(401, "invalid_client", 7000215, "Invalid client secret is provided."), AuthFailed, "SYN-MICROSOFT-001"),
    (entra(401, "invalid_client", 7000222, "The provided client secret keys are expired."), AuthFailed, "SYN-MICROSOFT-002"),
    (entra(401, "invalid_client", 7000216), AuthFailed, "SYN-MICROSOFT-001"),
    (entra(401, "invalid_client", 7000218), AuthFailed, "SYN-MICROSOFT-001"),
    (entra(401, "invalid_client", 700027), AuthFailed, "SYN-MICROSOFT-003"),
    (entra(400, "unauthorized_client", 700016), AuthFailed, "SYN-MICROSOFT-004"),
    (entra(400, "unauthorized_client", 7000112), AuthFailed, "SYN-MICROSOFT-004"),
    (entra(400, "invalid_request", 90002), AuthFailed, "SYN-MICROSOFT-005"),
    (entra(400, "invalid_grant", 65001, suberror="consent_required"), AuthFailed, "SYN-MICROSOFT-006"),
    (entra(400, "invalid_scope", 70011), AuthFailed, "SYN-MICROSOFT-009"),
    (entra(400, "invalid_scope", 700022), AuthFailed, "SYN-MICROSOFT-009"),
    (entra(400, "invalid_grant", 70008), AuthFailed, "SYN-MICROSOFT-007"),
    (entra(400, "invalid_grant", 700082), AuthFailed, "SYN-MICROSOFT-007"),
    (entra(400, "invalid_grant", 50173), AuthFailed, "SYN-MICROSOFT-007"),
    (entra(400, "invalid_grant", 70043), AuthFailed, "SYN-MICROSOFT-007"),
    (entra(400, "invalid_grant", 50076), AuthFailed, "SYN-MICROSOFT-008"),
    (entra(400, "interaction_required", 50079), AuthFailed, "SYN-MICROSOFT-008"),
    (entra(400, "interaction_required", 53003), AuthFailed, "SYN-MICROSOFT-008"),
    (entra(400, "invalid_request", 90033), Transient, "SYN-NET-001"),
    (entra(500, "server_error", 90006), Transient, "SYN-NET-001"),
    (entra(400, "invalid_request", 90024), Transient, "SYN-NET-001"),
    (entra(400, "temporarily_unavailable"), Transient, "SYN-NET-001"),
    (entra(400, "invalid_grant", 50196), RateLimited, "SYN-RATE-001"),
    (entra(401, "invalid_client"), AuthFailed, "SYN-MICROSOFT-001"),
    (entra(400, "unauthorized_client"), AuthFailed, "SYN-MICROSOFT-004"),
    (entra(400, "invalid_scope"), AuthFailed, "SYN-MICROSOFT-009"),
    (entra(400, "interaction_required"), AuthFailed, "SYN-MICROSOFT-008"),
    (httpx.Response(429, text="slow", headers={"Retry-After": "7"}), RateLimited, "SYN-RATE-001"),
    (httpx.Response(503, text="busy", headers={"Retry-After": "7"}), RateLimited, "SYN-RATE-001"),
    (httpx.Response(502, text="<html>"), Transient, "SYN-NET-001"),
    (httpx.Response(404, text="<html>"), ProtocolError, "SYN-PROTO-001"),
    (httpx.Response(200, text="<html>"), ProtocolError, "SYN-PROTO-001"),
    (httpx.Response(200, json=[]), ProtocolError, "SYN-PROTO-001"),
    (httpx.Response(200, json={"token_type": "Bearer"}), ProtocolError, "SYN-PROTO-001"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "kind", "code"), TABLE, ids=lambda one: str(one)[:24])
async def test_what_each_refusal_means(microsoft, answer, kind, code) -> None:
    microsoft.token = lambda request: httpx.Response(answer.status_code, content=answer.content, headers=answer.headers)
    with pytest.raises(kind) as caught:
        await ask(microsoft)
    assert caught.value.code == code
    assert len(microsoft.token_requests) == 1
    assert microsoft.requests == []
    assert SECRET not in str(caught.value)


async def test_a_refusal_names_the_number_and_the_catalogue_says_what_to_click(microsoft) -> None:
    microsoft.token = lambda request: entra(
        401, "invalid_client", 7000222, "The provided client secret keys are expired."
    )
    with pytest.raises(AuthFailed, match="AADSTS7000222") as caught:
        await ask(microsoft)
    hints = {entry.code: entry.hint for entry in microsoft.connector.info.errors}
    assert "entra.microsoft.com" in hints[caught.value.code]
    assert "Certificates & secrets" in hints[caught.value.code]


async def test_a_throttled_token_endpoint_says_for_how_long(microsoft) -> None:
    microsoft.token = lambda request: httpx.Response(429, headers={"Retry-After": "12.5"})
    with pytest.raises(RateLimited) as caught:
        await ask(microsoft)
    assert caught.value.retry_after == 12.5
    assert caught.value.scope == "connection"


def delegated(refresh: str = "0.refresh-one") -> Microsoft:
    microsoft = Microsoft(refresh_token=Secret(lambda: refresh, "${env:R}"))
    minted = iter(range(1, 100))

    def token(request: httpx.Request) -> httpx.Response:
        number = next(minted)
        return httpx.Response(
            200,
            json={"access_token": f"at-{number}-x", "expires_in": 3599, "refresh_token": f"0.rotated-{number}"},
        )

    microsoft.token = token
    return microsoft


async def test_a_rotated_refresh_token_is_kept_and_used_next_time() -> None:
    microsoft = delegated()
    await ask(microsoft, "/me")
    microsoft.auth.forget()
    await ask(microsoft, "/me")
    first, second = map(form, microsoft.token_requests)
    assert first["grant_type"] == "refresh_token"
    assert first["refresh_token"] == "0.refresh-one"
    assert first["client_secret"] == SECRET
    assert "offline_access" in first["scope"].split()
    assert second["refresh_token"] == "0.rotated-1"
    seed = hashlib.sha256(b"0.refresh-one").hexdigest()
    assert microsoft.auth.vault.load() == {"seed": seed, "refresh_token": "0.rotated-2"}


async def test_a_new_refresh_token_of_the_operator_wins_over_the_kept_one() -> None:
    microsoft = delegated("0.refresh-two")
    microsoft.auth.vault.save(
        {"seed": hashlib.sha256(b"0.refresh-one").hexdigest(), "refresh_token": "0.rotated-of-one"}
    )
    await ask(microsoft, "/me")
    assert form(microsoft.token_requests[0])["refresh_token"] == "0.refresh-two"


async def test_a_refused_refresh_token_is_not_tried_again() -> None:
    microsoft = delegated()
    microsoft.token = lambda request: entra(400, "invalid_grant", None, "expired")
    with pytest.raises(AuthFailed) as caught:
        await ask(microsoft, "/me")
    assert caught.value.code == "SYN-MICROSOFT-007"
    assert len(microsoft.token_requests) == 1


async def test_an_answer_without_a_new_refresh_token_keeps_the_old_one() -> None:
    microsoft = delegated()
    microsoft.token = lambda request: httpx.Response(200, json={"access_token": "at-long", "expires_in": 10})
    await ask(microsoft, "/me")
    assert microsoft.auth.vault.load() == {}


async def test_claims_that_a_401_asks_for_are_passed_on() -> None:
    microsoft = delegated()
    wanted = '{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}'
    challenge = f'Bearer realm="", error="insufficient_claims", claims="{base64.b64encode(wanted.encode()).decode()}"'
    answers = [httpx.Response(401, json={}, headers={"WWW-Authenticate": challenge}), httpx.Response(200, json={})]
    microsoft.answer = lambda request: answers.pop(0)
    microsoft.requests.append(httpx.Request("GET", ROOT))
    assert (await ask(microsoft, "/me")).status_code == 200
    first, second = map(form, microsoft.token_requests)
    assert "claims" not in first
    assert second["claims"] == wanted


async def test_a_drives_401_is_not_the_tokens_fault(microsoft) -> None:
    await ask(microsoft)
    microsoft.answer = lambda request: httpx.Response(401, json=error("unauthenticated"))
    for number in range(3):
        answer = await ask(microsoft, f"/users/u{number}/drive?$select=id")
        assert answer.status_code == 401
    assert len(microsoft.token_requests) == 1
    assert len(microsoft.requests) == 1 + 3


async def test_drives_that_blame_the_token_cost_one_new_token_and_not_one_each(microsoft) -> None:
    await ask(microsoft)
    microsoft.answer = lambda request: httpx.Response(401, json=error("InvalidAuthenticationToken"))
    for number in range(5):
        await ask(microsoft, f"/users/u{number}/drive?$select=id")
    assert len(microsoft.token_requests) == 2


@pytest.mark.parametrize("path", ["/drives/b!1/root/delta", "/drives/b!1/items/01/content", "/sites/s1/drives"])
async def test_a_drive_that_was_found_before_follows_the_tokens_rule_each_time(microsoft, path) -> None:
    await ask(microsoft)
    revoked = {"Bearer eyJ.1"}
    microsoft.answer = lambda request: (
        httpx.Response(401, json=error("InvalidAuthenticationToken"))
        if request.headers["authorization"] in revoked
        else httpx.Response(200, json={})
    )
    assert (await ask(microsoft, path)).status_code == 200
    revoked.add("Bearer eyJ.2")  # again, seconds later
    assert (await ask(microsoft, path)).status_code == 200
    assert len(microsoft.token_requests) == 3


async def test_trap_35_a_users_drive_leaves_the_token_of_the_others_alone(microsoft) -> None:
    await ask(microsoft)
    microsoft.answer = lambda request: httpx.Response(401, json=error("InvalidAuthenticationToken"))
    await ask(microsoft, "/users/u1/drive")
    await ask(microsoft, "/users/u2/drive")
    assert len(microsoft.token_requests) == 2  # one doubt, for both
    with pytest.raises(AccountGone):
        await microsoft.partitions("files")


@pytest.mark.parametrize(
    ("cloud", "login", "graph"),
    [
        ("global", "https://login.microsoftonline.com", "https://graph.microsoft.com"),
        ("us-gov", "https://login.microsoftonline.us", "https://graph.microsoft.us"),
        ("us-dod", "https://login.microsoftonline.us", "https://dod-graph.microsoft.us"),
        ("china", "https://login.chinacloudapi.cn", "https://microsoftgraph.chinacloudapi.cn"),
    ],
)
def test_roots_of_the_national_clouds(cloud, login, graph) -> None:
    values = {"tenant": "t", "client_id": "c", "cloud": cloud}
    assert token_url(values) == f"{login}/t/oauth2/v2.0/token"
    assert version_root(values) == f"{graph}/v1.0"
    assert scope(values) == f"{graph}/.default"
    assert set(origins(values)) == {login, graph}
    named = {"tenant": "t", "client_id": "c", "endpoints": {"graph": graph + "/"}}
    assert (token_url(named), scope(named)) == (token_url(values), scope(values))


def test_a_proxy_changes_roots_and_not_the_scope() -> None:
    values = {"tenant": "t", "endpoints": {"login": "http://127.0.0.1:9000", "graph": "http://127.0.0.1:9000"}}
    assert token_url(values) == "http://127.0.0.1:9000/t/oauth2/v2.0/token"
    assert version_root(values) == "http://127.0.0.1:9000/v1.0"
    assert scope(values) == "https://graph.microsoft.com/.default"


@pytest.mark.parametrize(
    ("values", "valid"),
    [
        ({"client_secret": "x"}, True),
        ({"certificate": "x", "private_key": "y"}, True),
        ({"refresh_token": "x"}, True),
        ({"refresh_token": "x", "client_secret": "y"}, True),
        ({}, False),
        ({"certificate": "x"}, False),
        ({"client_secret": "x", "certificate": "y", "private_key": "z"}, False),
        ({"client_secret": "x", "tenant": "common"}, False),
        ({"client_secret": "x", "cloud": "germany"}, False),
        ({"client_secret": "x", "endpoints": {"graph": "http://127.0.0.1:1", "login": "http://127.0.0.1:1"}}, True),
        ({"client_secret": "x", "endpoints": {"token": "http://127.0.0.1:1"}}, False),
    ],
)
def test_the_settings_schema(values, valid) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    problems = list(jsonschema.Draft202012Validator(SCHEMA).iter_errors({"tenant": "t", "client_id": "c", **values}))
    assert (not problems) is valid
