"""The token host: client credentials with secret or certificate, and delegated refresh (microsoft.md §2).

Public: Credentials, AccessToken, TokenError, AADSTS.
"""

import base64
import binascii
import secrets
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote_plus

import orjson

from syncd_simulator.microsoft import assertion
from syncd_simulator.microsoft.aadsts import AADSTS
from syncd_simulator.microsoft.wire import JSON, ApiError, Call, Reply

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import MicrosoftWorld, User

__all__ = ["AADSTS", "AccessToken", "Credentials", "TokenError"]

LIFETIME = 3599
INACTIVE = 90 * 86400.0  # after which an unused refresh token is dead
LOGIN = "https://login.microsoftonline.com"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class TokenError(Exception):
    """A refusal of the token host, by its AADSTS number."""

    def __init__(self, number: int, text: str | None = None) -> None:
        super().__init__(number)
        self.number, self.text = number, text


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A bearer; `user` is None for the app itself."""

    user: "User | None"
    expires: float


@dataclass(slots=True)
class Grant:
    """What a refresh token stands for. `error` is the AADSTS number that its use meets."""

    user: "User"
    used: float
    error: int | None = None


class Credentials:
    """One app of one tenant. Knobs: `disabled`, `secret_expires` (a time), `grants[token].error`, `tokens`."""

    def __init__(self, world: "MicrosoftWorld") -> None:
        self.world = world
        self.client_id = world.guid()
        self.client_secret = "8Q~" + secrets.token_urlsafe(27)
        self.secret_expires = float("inf")
        self.disabled = False
        self.login_root = LOGIN
        self.tokens: dict[str, AccessToken] = {}
        self.grants: dict[str, Grant] = {}
        self.used_jtis: set[str] = set()
        self.issued = 0

    def certificate(self) -> JSON:
        """`private_key` and `certificate` (PEM) that the app is registered with."""
        return {"private_key": assertion.private_pem(), "certificate": assertion.certificate_pem()}

    def rotate_secret(self) -> None:
        """The old secret stops working."""
        self.client_secret = "8Q~" + secrets.token_urlsafe(27)

    def grant(self, user: "User") -> str:
        """A refresh token from a sign-in of `user`."""
        token = "0.AX0A" + secrets.token_urlsafe(120)
        self.grants[token] = Grant(user, self.world.now())
        return token

    def revoke(self, user: "User") -> None:
        """The administrator revoked the user's sessions (50173)."""
        for grant in self.grants.values():
            if grant.user is user:
                grant.error = 50173

    def issue(self, user: "User | None" = None) -> str:
        """A bearer for the app, or for a signed-in user; good for an hour of world time."""
        self.issued += 1
        claims = {
            "aud": self.world.graph_root, "tid": self.world.tenant, "appid": self.client_id,
            "exp": int(self.world.now()) + LIFETIME,
        }  # fmt: skip
        if user is None and self.world.permissions:
            claims["roles"] = sorted(self.world.permissions)
        parts = ({"typ": "JWT", "alg": "RS256", "kid": "sim"}, claims)
        head = ".".join(base64.urlsafe_b64encode(orjson.dumps(part)).decode().rstrip("=") for part in parts)
        token = f"{head}.{secrets.token_urlsafe(32)}"
        self.tokens[token] = AccessToken(user, self.world.now() + LIFETIME)
        return token

    # -- what Graph asks ------------------------------------------------------------------------------------------

    def bearer(self, call: Call) -> AccessToken | None:
        """The living token that a request carries."""
        token = self.tokens.get(_bearer_text(call))
        return token if token is not None and token.expires > self.world.now() else None

    def refusal(self, call: Call) -> ApiError:
        """401 for a request without a living token (§10)."""
        text = _bearer_text(call)
        message = "CompactToken parsing failed with error code: 80049217"
        if not text:
            message = "Access token is empty."
        elif text in self.tokens:
            message = "Lifetime validation failed, the token is expired."
        challenge = f'Bearer realm="", authorization_uri="{self.login_root}/common/oauth2/authorize"'
        return ApiError(401, "InvalidAuthenticationToken", message, headers={"WWW-Authenticate": challenge})

    # -- the token endpoint ---------------------------------------------------------------------------------------

    def token(self, call: Call) -> Reply:
        """`POST /{tenant}/oauth2/v2.0/token`."""
        form = {name: values[-1] for name, values in parse_qs(call.body.decode("utf-8", "replace")).items()}
        try:
            return Reply(200, self._granted(call, form), {"Content-Type": "application/json; charset=utf-8"})
        except TokenError as error:
            return refused(self.world.now(), error.number, error.text)

    def _granted(self, call: Call, form: dict[str, str]) -> JSON:
        tenant = unquote_plus(call.path.strip("/").partition("/")[0])
        if tenant.lower() not in (self.world.tenant, self.world.domain):
            raise TokenError(90002, f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID.")
        _basic(call, form)
        if form.get("client_id") != self.client_id:
            raise TokenError(700016, f"Application with identifier '{form.get('client_id', '')}' was not found in the "
                             f"directory '{self.world.organisation}'.")  # fmt: skip
        if self.disabled:
            raise TokenError(7000112)
        self._authenticate(call, form, tenant)
        if form.get("grant_type") == "client_credentials":
            self._check_scope(call, form.get("scope", ""))
            return self._answer(None)
        if form.get("grant_type") == "refresh_token":
            return self._refreshed(form)
        raise TokenError(70003, "The app requested an unsupported grant type.")

    def _authenticate(self, call: Call, form: dict[str, str], tenant: str) -> None:
        secret = form.get("client_secret")
        if secret is not None:
            if secret != self.client_secret:
                raise TokenError(7000215)
            if self.world.now() >= self.secret_expires:
                raise TokenError(7000222)
        elif form.get("client_assertion") and form.get("client_assertion_type") == ASSERTION:
            audiences = {f"{root}/{tenant}/oauth2/v2.0/token" for root in (call.root, self.login_root)}
            number = assertion.fault(
                form["client_assertion"], self.client_id, audiences, self.used_jtis, self.world.now()
            )
            if number is not None:
                raise TokenError(number)
        else:
            raise TokenError(7000216 if form.get("grant_type") == "client_credentials" else 7000218)

    def _check_scope(self, call: Call, scope: str) -> None:
        """§1: one resource, this cloud's, and `.default`."""
        wanted = scope.split()
        if len({one.rpartition("/")[0] for one in wanted}) > 1:
            raise TokenError(700022)
        if len(wanted) != 1 or wanted[0] not in (f"{call.root}/.default", f"{self.world.graph_root}/.default"):
            raise TokenError(70011, f"The provided request must include a 'scope' input parameter. The provided value "
                             f"for the input parameter 'scope' is not valid. The scope {scope} is not valid.")  # fmt: skip

    def _refreshed(self, form: dict[str, str]) -> JSON:
        """§2.3: a new refresh token, and the old one is dead from now on."""
        token = form.get("refresh_token", "")
        grant = self.grants.get(token)
        if grant is None:
            raise TokenError(70008)
        if grant.error is not None:
            raise TokenError(grant.error)
        if self.world.now() - grant.used > INACTIVE:
            raise TokenError(700082)
        if grant.user.id not in self.world.users or not grant.user.account_enabled:
            raise TokenError(50173)
        answer = self._answer(grant.user)
        if "offline_access" in form.get("scope", "offline_access").split():
            grant.error = 50173
            answer["refresh_token"] = self.grant(grant.user)
        grant.used = self.world.now()
        return answer | {"scope": form.get("scope", "")}

    def _answer(self, user: "User | None") -> JSON:
        return {
            "token_type": "Bearer", "expires_in": LIFETIME, "ext_expires_in": LIFETIME,
            "access_token": self.issue(user),
        }  # fmt: skip


def refused(now: float, number: int, text: str | None = None) -> Reply:
    """§2.2: `error` is a string here, and the time has a space."""
    status, error, usual = AADSTS[number]
    stamp = f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M:%SZ}"
    trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
    said = f"AADSTS{number}: {text or usual}"
    body: JSON = {
        "error": error,
        "error_description": f"{said}\r\nTrace ID: {trace}\r\nCorrelation ID: {correlation}\r\nTimestamp: {stamp}",
        "error_codes": [number], "timestamp": stamp, "trace_id": trace, "correlation_id": correlation,
        "error_uri": f"{LOGIN}/error?code={number}",
    }  # fmt: skip
    if error == "invalid_grant":
        body["suberror"] = "consent_required" if number == 65001 else "bad_token"
    return Reply(status, body, {"Content-Type": "application/json; charset=utf-8"})


def _bearer_text(call: Call) -> str:
    text = call.headers.get("authorization", "")
    return text[7:].strip() if text.lower().startswith("bearer ") else ""


def _basic(call: Call, form: dict[str, str]) -> None:
    """HTTP Basic is another place for id and secret, each URL-encoded."""
    scheme, _, text = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return
    try:
        name, _, secret = base64.b64decode(text).decode().partition(":")
    except (ValueError, binascii.Error):
        return
    form.setdefault("client_id", unquote_plus(name))
    form.setdefault("client_secret", unquote_plus(secret))
