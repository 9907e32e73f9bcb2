"""Signing in at Entra: one token per connection, by client secret, certificate or refresh token.

Public: MicrosoftAuth.

Rules from the wire reference §2. The token endpoint's errors have their own shape: `error` is a string (§18.50).
"""

import base64
import hashlib
import re
import uuid
from collections.abc import Hashable, Mapping
from typing import Any

import jwt
import orjson
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from syncd.sdk import (
    AuthFailed,
    BearerAuth,
    Clock,
    ProtocolError,
    RateLimited,
    SyncdError,
    Token,
    Transient,
    conceal,
)
from syncd.sdk.http import httpx

from .errors import (
    APP_UNKNOWN,
    CERTIFICATE_REFUSED,
    CONSENT_MISSING,
    POLICY_REFUSES,
    SCOPE_WRONG,
    SECRET_EXPIRED,
    SECRET_REFUSED,
    SIGN_IN_AGAIN,
    TENANT_UNKNOWN,
    fault_of,
    opens_drive,
)
from .settings import is_delegated, reveal, scope, token_url
from .throttle import wait_of

__all__ = ["MicrosoftAuth"]

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_LIFE = 600  # seconds (§2.1)
EARLIER = 75.0  # seconds; with the SDK's own margin a token is renewed 5 minutes early (§2.1)
LIFETIME = 3599.0  # seconds, where the answer does not say
LOOP_WAIT = 300.0  # seconds after "too many identical token requests" (AADSTS50196)
DRIVE_DOUBT = 600.0  # seconds in which the 401 of somebody's drive is not blamed on the token a second time
AADSTS = re.compile(r"AADSTS(\d+)")
CLAIMS = re.compile(r'claims="([A-Za-z0-9+/=_-]+)"')

NUMBERS: dict[int, str] = {  # §2.2
    7000215: SECRET_REFUSED,
    7000216: SECRET_REFUSED,
    7000218: SECRET_REFUSED,
    7000222: SECRET_EXPIRED,
    700027: CERTIFICATE_REFUSED,
    700016: APP_UNKNOWN,
    7000112: APP_UNKNOWN,
    90002: TENANT_UNKNOWN,
    900023: TENANT_UNKNOWN,
    65001: CONSENT_MISSING,
    70011: SCOPE_WRONG,
    700022: SCOPE_WRONG,
    70008: SIGN_IN_AGAIN,
    700082: SIGN_IN_AGAIN,
    50173: SIGN_IN_AGAIN,
    70043: SIGN_IN_AGAIN,
    50076: POLICY_REFUSES,
    50079: POLICY_REFUSES,
    53003: POLICY_REFUSES,
}
WORDS: dict[str, str] = {  # for numbers that are not known: they may change (§2.2)
    "unauthorized_client": APP_UNKNOWN,
    "invalid_scope": SCOPE_WRONG,
    "consent_required": CONSENT_MISSING,
    "interaction_required": POLICY_REFUSES,
    "invalid_tenant": TENANT_UNKNOWN,
}
BUSY_NUMBERS = {90033, 90006, 90024}
BUSY_WORDS = {"temporarily_unavailable", "server_error"}
LOOP = 50196


class MicrosoftAuth(BearerAuth):
    """The token of one connection."""

    def __init__(self, settings: Mapping[str, Any], clock: Clock | None = None) -> None:
        super().__init__(clock)
        self._settings = settings
        self._delegated = is_delegated(settings)
        self._signer: tuple[str, str, RSAPrivateKey, str] | None = None
        self._doubted = float("-inf")
        self._claims: str | None = None

    def refused(self, response: httpx.Response) -> bool:
        """A user's drive that its owner never opened answers 401 to a good token (§10): that is not the token's fault.

        Where such an answer speaks of the token all the same, a fresh one is tried once in a while, not per user. A
        drive that is asked for by its own id was found before: its 401 is the token's, as everywhere (§18.35). An answer
        that asks for claims (continuous access evaluation) says what the next token must carry.
        """
        self._claims = _claims(response.headers.get("www-authenticate", "")) if self._delegated else None
        if not opens_drive(response.request.url.path):
            return True
        if not fault_of(response).has("invalidauthenticationtoken"):
            return False
        if self.clock.monotonic() - self._doubted < DRIVE_DOUBT:
            return False
        self._doubted = self.clock.monotonic()
        return True

    def token_request(self, key: Hashable) -> httpx.Request:
        form = self._refresh_form() if self._delegated else self._app_form()
        return httpx.Request("POST", token_url(self._settings), data=form, headers={"Accept": "application/json"})

    def parse(self, key: Hashable, response: httpx.Response) -> Token:
        if response.status_code != 200:
            raise _refusal(response, certificate="certificate" in self._settings, delegated=self._delegated)
        try:
            answer = orjson.loads(response.content)
            token, lifetime = answer.get("access_token"), float(answer.get("expires_in", LIFETIME))
        except (orjson.JSONDecodeError, AttributeError, TypeError, ValueError) as error:
            raise ProtocolError("the token endpoint's answer cannot be read") from error
        if not isinstance(token, str) or not token:
            raise ProtocolError("the token endpoint's answer has no access_token")
        self._claims = None
        if self._delegated:
            self._remember(answer.get("refresh_token"))
        return Token(token, lifetime - EARLIER)

    def _app_form(self) -> dict[str, str]:
        form = {
            "client_id": str(self._settings["client_id"]),
            "scope": scope(self._settings),
            "grant_type": "client_credentials",
        }
        if "certificate" in self._settings:
            return {**form, "client_assertion_type": ASSERTION_TYPE, "client_assertion": self._assertion()}
        return {**form, "client_secret": reveal(self._settings["client_secret"]).strip()}

    def _refresh_form(self) -> dict[str, str]:
        """The newest refresh token: the one kept, unless the operator has put in another since (§2.3)."""
        given = reveal(self._settings["refresh_token"]).strip()
        kept = self.vault.load()
        newest = kept.get("refresh_token") if kept.get("seed") == _seed(given) else None
        form = {
            "client_id": str(self._settings["client_id"]),
            "scope": f"{scope(self._settings)} offline_access",
            "grant_type": "refresh_token",
            "refresh_token": conceal(newest) if isinstance(newest, str) and newest else given,
        }
        if self._claims:
            form["claims"] = self._claims
        if "client_secret" in self._settings:
            form["client_secret"] = reveal(self._settings["client_secret"]).strip()
        return form

    def _remember(self, rotated: Any) -> None:
        """Keep a new refresh token before the access token is used: the old one may be worth nothing now (§2.3)."""
        if isinstance(rotated, str) and rotated:
            seed = _seed(reveal(self._settings["refresh_token"]).strip())
            self.vault.save({"seed": seed, "refresh_token": conceal(rotated)})

    def _assertion(self) -> str:
        """A signed claim to be the app (§2.1); its audience is the token URL that it is sent to."""
        key, thumbprint = self._key_and_thumbprint()
        issued = int(self.clock.now().timestamp())
        client = str(self._settings["client_id"])
        claims = {
            "aud": token_url(self._settings),
            "iss": client,
            "sub": client,
            "jti": str(uuid.uuid4()),
            "nbf": issued,
            "iat": issued,
            "exp": issued + ASSERTION_LIFE,
        }
        return jwt.encode(claims, key, algorithm="PS256", headers={"x5t#S256": thumbprint})

    def _key_and_thumbprint(self) -> tuple[RSAPrivateKey, str]:
        """Parsed again only when a file changed, since that costs more than a signature."""
        certificate, private = reveal_public(self._settings["certificate"]), reveal(self._settings["private_key"])
        if self._signer is None or self._signer[:2] != (certificate, private):
            self._signer = (certificate, private, *_matching(certificate, private))
        return self._signer[2], self._signer[3]


def reveal_public(value: Any) -> str:
    """A setting that is no secret; it may have come as one."""
    return value if isinstance(value, str) else reveal(value)


def _matching(certificate: str, private: str) -> tuple[RSAPrivateKey, str]:
    """The private key, and the certificate's thumbprint. AuthFailed if they are unreadable or do not belong together."""
    try:
        public = x509.load_pem_x509_certificate(certificate.encode())
    except ValueError as error:
        raise AuthFailed("`certificate` is not a certificate in PEM", code=CERTIFICATE_REFUSED) from error
    try:
        key = load_pem_private_key(private.encode(), None)
    except (ValueError, TypeError) as error:
        raise AuthFailed("`private_key` is not a private key in PEM", code=CERTIFICATE_REFUSED) from error
    if not isinstance(key, RSAPrivateKey):
        raise AuthFailed("`private_key` is not an RSA key", code=CERTIFICATE_REFUSED)
    if public.public_key() != key.public_key():
        raise AuthFailed("`private_key` does not belong to `certificate`", code=CERTIFICATE_REFUSED)
    digest = public.fingerprint(hashes.SHA256())
    return key, base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _claims(challenge: str) -> str | None:
    """The claims that a 401 asks for, as the token endpoint wants them: JSON."""
    found = CLAIMS.search(challenge)
    if found is None:
        return None
    text = found.group(1).replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4)).decode()
    except ValueError:
        return None


def _seed(refresh_token: str) -> str:
    return hashlib.sha256(refresh_token.encode()).hexdigest()


def _refusal(response: httpx.Response, *, certificate: bool, delegated: bool) -> SyncdError:
    fault = fault_of(response)
    word = fault.codes[0] if fault.codes else ""
    numbers = _numbers(response, fault.message)
    said = f"{response.status_code} {word}: {fault.message.splitlines()[0][:300] if fault.message else ''}".strip(": ")
    waiting = _later(response, word, numbers, said)
    if waiting is not None:
        return waiting
    if not word:
        return ProtocolError(f"the token endpoint answered {said}")
    code = next((NUMBERS[number] for number in numbers if number in NUMBERS), None) or WORDS.get(word)
    if code is None and word == "invalid_client":
        code = CERTIFICATE_REFUSED if certificate else SECRET_REFUSED
    if code is None and word in ("invalid_grant", "bad_token") and delegated:
        code = SIGN_IN_AGAIN
    return AuthFailed(f"Entra refuses the credential: {said}", code=code)


def _later(response: httpx.Response, word: str, numbers: list[int], said: str) -> RateLimited | Transient | None:
    wait = wait_of(response.headers)
    status = response.status_code
    if status == 429 or (status == 503 and wait is not None):
        return RateLimited(f"the token endpoint answered {said}", wait, scope="connection")
    if LOOP in numbers:
        return RateLimited(f"the token endpoint answered {said}", wait or LOOP_WAIT, scope="connection")
    if status == 408 or status >= 500 or word in BUSY_WORDS or BUSY_NUMBERS.intersection(numbers):
        return Transient(f"the token endpoint answered {said}")
    return None


def _numbers(response: httpx.Response, message: str) -> list[int]:
    """`error_codes`, and the number that the text begins with."""
    try:
        listed = orjson.loads(response.content).get("error_codes")
    except (orjson.JSONDecodeError, AttributeError):
        listed = None
    found = [one for one in listed if isinstance(one, int)] if isinstance(listed, list) else []
    return found + [int(number) for number in AADSTS.findall(message)]
