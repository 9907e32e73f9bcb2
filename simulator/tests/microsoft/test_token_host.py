"""The token host."""

import base64
import hashlib
import time
import uuid
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from syncd_simulator.microsoft.aadsts import AADSTS


def with_secret(site: Any, **changes: str) -> dict[str, str]:
    form = {
        "client_id": site.world.credentials.client_id, "client_secret": site.world.credentials.client_secret,
        "scope": "https://graph.microsoft.com/.default", "grant_type": "client_credentials",
    }  # fmt: skip
    return {name: value for name, value in (form | changes).items() if value}


def number(response: Any) -> int:
    body = response.json()
    assert isinstance(body["error"], str)
    assert body["error_description"].startswith(f"AADSTS{body['error_codes'][0]}: ")
    assert "T" not in body["timestamp"]
    return int(body["error_codes"][0])


def test_a_secret_gives_a_bearer_without_refresh_token(site: Any) -> None:
    answer = site.token(**with_secret(site)).json()
    assert {*answer} == {"token_type", "expires_in", "ext_expires_in", "access_token"}
    assert answer["expires_in"] == 3599
    headers = {"Authorization": f"Bearer {answer['access_token']}"}
    assert site.http.get("/v1.0/users", headers=headers).status_code == 200


def test_basic_works_too(site: Any) -> None:
    credentials = site.world.credentials
    answer = site.http.post(
        f"/{site.world.tenant}/oauth2/v2.0/token", auth=(credentials.client_id, credentials.client_secret),
        data={"grant_type": "client_credentials", "scope": f"{site.url}/.default"},
    )  # fmt: skip
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("changes", "expected", "status", "error"),
    [
        ({"client_secret": "wrong"}, 7000215, 401, "invalid_client"),
        ({"client_secret": ""}, 7000216, 401, "invalid_client"),
        ({"client_id": str(uuid.uuid4())}, 700016, 400, "unauthorized_client"),
        ({"scope": "https://graph.microsoft.us/.default"}, 70011, 400, "invalid_scope"),
        ({"scope": "https://graph.microsoft.com/User.Read"}, 70011, 400, "invalid_scope"),
        ({"scope": "https://graph.microsoft.com/.default https://vault.azure.net/.default"}, 700022, 400, "invalid_scope"),
    ],
)  # fmt: skip
def test_misuse(site: Any, changes: dict[str, str], expected: int, status: int, error: str) -> None:
    answer = site.token(**with_secret(site, **changes))
    assert (answer.status_code, answer.json()["error"], number(answer)) == (status, error, expected)


def test_unknown_tenants_and_common_are_refused(site: Any) -> None:
    for tenant in ("common", str(uuid.uuid4())):
        assert number(site.token(tenant, **with_secret(site))) == 90002
    assert site.token(site.world.domain, **with_secret(site)).status_code == 200


def test_secret_expiry_and_disabled_app(site: Any) -> None:
    site.world.credentials.secret_expires = site.world.now() + 10
    assert site.token(**with_secret(site)).status_code == 200
    site.clock.advance(11)
    assert number(site.token(**with_secret(site))) == 7000222
    site.world.credentials.disabled = True
    assert number(site.token(**with_secret(site))) == 7000112


@pytest.mark.parametrize("wanted", sorted(AADSTS))
def test_every_refusal_on_demand(site: Any, wanted: int) -> None:
    site.world.faults.answer(f"aadsts_{wanted}", api="token")
    answer = site.token(**with_secret(site))
    assert number(answer) == wanted
    assert answer.status_code == AADSTS[wanted][0]
    assert site.token(**with_secret(site)).status_code == 200


def test_a_bearer_expires_on_the_clock(site: Any) -> None:
    headers = {"Authorization": f"Bearer {site.token(**with_secret(site)).json()['access_token']}"}
    site.clock.advance(3590)
    assert site.http.get("/v1.0/users", headers=headers).status_code == 200
    site.clock.advance(10)
    answer = site.http.get("/v1.0/users", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "InvalidAuthenticationToken"
    assert "expired" in answer.json()["error"]["message"]


def assertion(site: Any, alg: str = "PS256", **changes: Any) -> str:
    pair = site.world.certificate()
    der = x509.load_pem_x509_certificate(pair["certificate"].encode()).public_bytes(Encoding.DER)
    digest, name = (hashlib.sha256(der), "x5t#S256") if alg == "PS256" else (hashlib.sha1(der), "x5t")
    thumbprint = base64.urlsafe_b64encode(digest.digest()).decode().rstrip("=")
    now, client = int(time.time()), site.world.credentials.client_id
    claims = {
        "aud": f"{site.url}/{site.world.tenant}/oauth2/v2.0/token", "iss": client, "sub": client,
        "jti": str(uuid.uuid4()), "nbf": now, "iat": now, "exp": now + 600,
    }  # fmt: skip
    headers = {name: changes.pop("thumbprint", thumbprint)}
    return jwt.encode(claims | changes, pair["private_key"], alg, headers=headers)


def signed(site: Any, text: str) -> Any:
    return site.token(**with_secret(
        site, client_secret="", client_assertion=text,
        client_assertion_type="urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    ))  # fmt: skip


@pytest.mark.parametrize("alg", ["PS256", "RS256"])
def test_an_assertion_of_either_form_is_good(site: Any, alg: str) -> None:
    assert signed(site, assertion(site, alg)).status_code == 200


def test_an_assertion_for_the_public_login_host_is_good(site: Any) -> None:
    aud = f"https://login.microsoftonline.com/{site.world.tenant}/oauth2/v2.0/token"
    assert signed(site, assertion(site, aud=aud)).status_code == 200


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"thumbprint": "AAAA"}, 700027), ({"iss": "somebody"}, 700027), ({"sub": "somebody"}, 700027),
        ({"aud": "https://elsewhere.example/token"}, 700023), ({"exp": 1}, 700024), ({"nbf": 2**34}, 700024),
    ],
)  # fmt: skip
def test_a_bad_assertion(site: Any, changes: dict[str, Any], expected: int) -> None:
    assert number(signed(site, assertion(site, **changes))) == expected


def test_a_forged_signature(site: Any) -> None:
    head, claims, _ = assertion(site).split(".")
    other = assertion(site).split(".")[2]
    assert number(signed(site, f"{head}.{claims}.{other}")) == 700027


def test_a_jti_counts_once(site: Any) -> None:
    text = assertion(site)
    assert signed(site, text).status_code == 200
    assert number(signed(site, text)) == 700025


def refresh(site: Any, token: str, **changes: str) -> Any:
    scope = "https://graph.microsoft.com/Mail.Read offline_access"
    return site.token(**with_secret(site, grant_type="refresh_token", refresh_token=token, scope=scope, **changes))


def test_a_refresh_gives_a_new_token_and_kills_the_old(site: Any) -> None:
    old = site.world.refresh_token(site.grace)
    answer = refresh(site, old).json()
    assert answer["refresh_token"] != old
    assert number(refresh(site, old)) == 50173
    assert refresh(site, answer["refresh_token"]).status_code == 200


def test_a_signed_in_user_sees_the_own_mailbox_only(site: Any) -> None:
    answer = refresh(site, site.world.refresh_token(site.grace)).json()
    headers = {"Authorization": f"Bearer {answer['access_token']}"}
    own = site.http.get("/v1.0/me/messages", headers=headers)
    assert own.status_code == 200
    assert own.json()["value"]
    other = site.http.get(f"/v1.0/users/{site.ada.id}/messages", headers=headers)
    assert (other.status_code, other.json()["error"]["code"]) == (403, "ErrorAccessDenied")


def test_refresh_tokens_die_of_revocation_inactivity_and_leave(site: Any) -> None:
    revoked, idle, leaver = (site.world.refresh_token(user) for user in (site.ada, site.grace, site.alan))
    site.world.credentials.revoke(site.ada)
    assert number(refresh(site, revoked)) == 50173
    site.world.suspend_user(site.alan)
    assert number(refresh(site, leaver)) == 50173
    site.clock.advance(91 * 86400)
    assert number(refresh(site, idle)) == 700082
    assert number(refresh(site, "made up")) == 70008
