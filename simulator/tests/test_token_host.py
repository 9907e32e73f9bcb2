"""The token host: check order and refusals of google.md §2."""

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

CONTACTS = "https://www.googleapis.com/auth/contacts.readonly"


def refusal(response: Any) -> tuple[int, str, str]:
    body = response.json()
    assert set(body) == {"error", "error_description"}
    return response.status_code, body["error"], body["error_description"]


def test_a_good_assertion_gives_a_bearer_for_3599_seconds(site: Any) -> None:
    answer = site.token().json()
    assert set(answer) == {"access_token", "expires_in", "token_type"}
    assert answer["expires_in"] == 3599
    headers = {"Authorization": "Bearer " + answer["access_token"]}
    ask = {"params": {"personFields": "names"}, "headers": headers}
    assert site.http.get("/v1/people/me/connections", **ask).status_code == 200
    site.clock.advance(3600)
    expired = site.http.get("/v1/people/me/connections", **ask)
    assert (expired.status_code, expired.json()["error"]["status"]) == (401, "UNAUTHENTICATED")


def other_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


SIGNATURE = (400, "invalid_grant", "Invalid JWT Signature.")
NO_ACCOUNT = (400, "invalid_grant", "Invalid grant: account not found")
NO_SCOPE = (400, "invalid_scope", "Invalid OAuth scope or ID token audience provided.")
WINDOW = (
    400, "invalid_grant",
    "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp "
    "values in the JWT claim.",
)  # fmt: skip


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"key": "other"}, SIGNATURE),
        ({"kid": "rotated"}, SIGNATURE),
        ({"alg": "HS256", "key": "secret-of-at-least-thirty-two-bytes!"}, SIGNATURE),
        ({"iss": "nobody@x.iam.gserviceaccount.com"}, NO_ACCOUNT),
        ({"iat": None}, (400, "invalid_grant", "Invalid JWT: iat (issued at) is not set.")),
        ({"exp": None}, (400, "invalid_grant", "Invalid JWT: exp (expiration time) is not set.")),
        ({"iat": -7200, "exp": -3600}, WINDOW),
        ({"iat": 600, "exp": 4000}, WINDOW),
        ({"exp": 9000}, WINDOW),
        ({"scope": ""}, NO_SCOPE),
        ({"aud": "https://example.org/token"}, (400, "invalid_grant", "Invalid JWT: Failed audience check.")),
        ({"scope": "", "aud": "https://example.org/token"}, NO_SCOPE),
        ({"iss": "nobody@x", "iat": None}, NO_ACCOUNT),
        ({"sub": "ghost@acme.example"}, (400, "invalid_grant", "Invalid email or User ID")),
    ],
)
def test_refusals_in_their_order(site: Any, claims: dict[str, Any], expected: tuple[int, str, str]) -> None:
    if claims.get("key") == "other":
        claims = claims | {"key": other_key()}
    assert refusal(site.token(**claims)) == expected


@pytest.mark.parametrize(
    "claims",
    [
        {"iat": 200, "exp": 3700},
        {"iat": -3590, "exp": 5},
    ],
)
def test_windows_that_are_accepted(site: Any, claims: dict[str, Any]) -> None:
    assert site.token(**claims).status_code == 200


def test_garbage_is_an_invalid_request(site: Any) -> None:
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    for text in ("x", "a.b.c", base64.urlsafe_b64encode(json.dumps({}).encode()).decode()):
        assert refusal(site.grant(grant_type=grant, assertion=text)) == (400, "invalid_request", "Bad Request")


def test_an_unknown_scope_gives_an_id_token_and_no_access_token(site: Any) -> None:
    answer = site.token(scope=CONTACTS + " https://www.googleapis.com/auth/contact")
    assert answer.status_code == 200
    assert set(answer.json()) == {"id_token"}


def test_accounts_and_subjects_that_are_gone(site: Any) -> None:
    user = site.world.user("alan.turing@acme.example")
    site.world.suspend_user(user)
    assert refusal(site.token(sub=user.address)) == (403, "access_denied", "Account restricted")
    site.world.delete_user(user)
    assert refusal(site.token(sub=user.address))[2] == "The account has been deleted"
    site.clock.advance(30 * 86400)
    assert refusal(site.token(sub=user.address)) == (400, "invalid_request", 'Invalid impersonation "sub" field')
    site.world.credentials.account.state = "disabled"
    assert refusal(site.token())[2] == "Robot is disabled."
    site.world.credentials.account.state = "deleted"
    assert refusal(site.token()) == NO_ACCOUNT


def test_a_rotated_key_is_a_bad_signature(site: Any) -> None:
    assertion = site.assertion()
    site.world.credentials.rotate_key()
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert refusal(site.grant(grant_type=grant, assertion=assertion)) == SIGNATURE


def test_without_a_subject_the_service_account_speaks_for_itself(site: Any) -> None:
    scopes = "https://www.googleapis.com/auth/admin.directory.user.readonly https://mail.google.com/"
    headers = {"Authorization": "Bearer " + site.token(sub=None, scope=scopes).json()["access_token"]}
    users = site.http.get("/admin/directory/v1/users", params={"customer": "my_customer"}, headers=headers)
    assert (users.status_code, users.json()["error"]["errors"][0]["reason"]) == (403, "forbidden")
    mail = site.http.get("/gmail/v1/users/me/profile", headers=headers)
    assert (mail.status_code, mail.json()["error"]["message"]) == (400, "Precondition check failed.")


def refresh(site: Any, **changes: str) -> Any:
    world = site.world
    form = {
        "grant_type": "refresh_token", "client_id": world.client_id, "client_secret": world.client_secret,
        "refresh_token": world.refresh_token(site.admin, [CONTACTS]),
    }  # fmt: skip
    return site.grant(**(form | changes))


def test_refresh_tokens(site: Any) -> None:
    answer = refresh(site).json()
    assert set(answer) == {"access_token", "expires_in", "scope", "token_type"}
    assert refusal(refresh(site, refresh_token="1//gone"))[2] == "Token has been expired or revoked."
    assert refusal(refresh(site, refresh_token="gone"))[2] == "Bad Request"
    assert refusal(refresh(site, client_secret="x"))[:2] == (401, "invalid_client")
    assert refusal(refresh(site, client_id="x"))[:2] == (401, "invalid_client")
    site.world.credentials.client_error = ("deleted_client", "The OAuth client was deleted.")
    assert refusal(refresh(site)) == (401, "deleted_client", "The OAuth client was deleted.")


def test_revoking_kills_the_bearer_and_the_grant(site: Any) -> None:
    bearer = refresh(site).json()["access_token"]
    assert site.http.post("/revoke", data={"token": bearer}).status_code == 200
    headers = {"Authorization": f"Bearer {bearer}"}
    params = {"personFields": "names"}
    assert site.http.get("/v1/people/me/connections", params=params, headers=headers).status_code == 401
    assert site.world.credentials.grants == {}


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("/drive/v3/files", 403, "forbidden"),
        ("/gmail/v1/users/me/profile", 401, "required"),
        ("/calendar/v3/users/me/calendarList", 401, "required"),
        ("/admin/directory/v1/users", 401, "required"),
    ],
)
def test_no_authorization_header(site: Any, path: str, status: int, reason: str) -> None:
    response = site.http.get(path)
    assert (response.status_code, response.json()["error"]["errors"][0]["reason"]) == (status, reason)
