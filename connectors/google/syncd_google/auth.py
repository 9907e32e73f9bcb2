"""Signing in: a token per user and scope set, from a service account's key or from one refresh token.

Public: GoogleAuth.

Rules from the wire reference §2. The token host's errors have their own shape (`error` a string, §13.27) and their own
classes: what concerns the key, the delegation or the client is the connection's, what concerns `sub` is one user's.
"""

import asyncio
from collections.abc import AsyncGenerator, Hashable, Mapping
from typing import Any, NamedTuple

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from syncd.sdk import (
    Account,
    AccountGone,
    AuthFailed,
    BearerAuth,
    Clock,
    Forbidden,
    ProtocolError,
    RateLimited,
    SyncdError,
    Token,
    Transient,
    retry_after_seconds,
)
from syncd.sdk.http import httpx

from .errors import CLOCK_WRONG, CONSENT_GONE, KEY_REFUSED, NOT_DELEGATED, SCOPE_MISSING, USER_REFUSED
from .settings import DIRECTORY, SCOPES, is_single, key_file, reveal, token_url

__all__ = ["GoogleAuth", "TokenKey"]

AUDIENCE = "https://oauth2.googleapis.com/token"  # always, wherever the request goes (§2.1)
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LIFETIME = 3600  # seconds; the longest that Google allows
RECENT = 120.0  # seconds for which a token that was given proves that the delegation as such works
BACKEND = {"internal_failure", "server_error", "temporarily_unavailable"}
CLIENT = {"invalid_client", "disabled_client", "deleted_client"}
KEY_WORDS = ("invalid jwt signature", "account not found", "robot is disabled")
TIME_WORDS = ("short-lived token", "(issued at)", "(expiration time)")
GONE_WORDS = ("invalid email or user id", "not a valid email", "has been deleted", "invalid impersonation")


class TokenKey(NamedTuple):
    """Which token: for whom, for what (a stream's name or DIRECTORY), and whether for an account or the `admin`."""

    subject: str
    purpose: str
    own: bool = False


class Undelegated(Exception):
    """`unauthorized_client`: the delegation is missing, or one scope of it. Which, only another scope set can tell.

    `asked`: which of the purpose's scope sets was refused.
    """

    def __init__(self, key: TokenKey, asked: int, fault: str) -> None:
        super().__init__(fault)
        self.key = key
        self.asked = asked
        self.fault = fault


class GoogleAuth(BearerAuth):
    """Tokens of one connection."""

    def __init__(self, settings: Mapping[str, Any], clock: Clock | None = None) -> None:
        super().__init__(clock)
        self._settings = settings
        self._single = is_single(settings)
        self._wider: dict[str, int] = {}
        self._asked: dict[TokenKey, int] = {}
        self._signer: tuple[str, RSAPrivateKey] | None = None
        self._given = float("-inf")
        self._probing = asyncio.Lock()
        self._probed = float("-inf")
        self._refused = False  # whether all that was probed was refused as the scope in question was

    def key(self, account: Account | None, stream: str | None) -> TokenKey:
        """One token for all with a refresh token; else one per user and scope set (§2.1)."""
        if self._single:
            return TokenKey("", DIRECTORY)
        purpose = stream if stream in SCOPES else DIRECTORY
        if account is None or purpose == DIRECTORY:
            return TokenKey(str(self._settings.get("admin", "")), purpose)
        return TokenKey(account.address, purpose, own=True)

    def purpose(self, stream: str) -> httpx.Auth:
        """Signs in for a stream where the request itself belongs to none (`check`)."""
        return _Purpose(self, stream)

    def token_request(self, key: Hashable) -> httpx.Request:
        form = self._refresh_form() if self._single else self._assertion_form(_key(key))
        return httpx.Request("POST", token_url(self._settings), data=form, headers={"Accept": "application/json"})

    def parse(self, key: Hashable, response: httpx.Response) -> Token:
        if response.status_code != 200:
            raise self._refusal(_key(key), response)
        try:
            answer = orjson.loads(response.content)
            token, lifetime = answer.get("access_token"), float(answer.get("expires_in", LIFETIME - 1))
        except (orjson.JSONDecodeError, AttributeError, TypeError, ValueError) as error:
            raise ProtocolError("the token endpoint's answer cannot be read") from error
        if isinstance(token, str) and token:
            self._given = self.clock.monotonic()
            return Token(token, lifetime)
        if "id_token" in answer:
            raise AuthFailed(
                "Google gave an identity instead of an access token: it does not know a scope that was asked for",
                hint="The scopes asked for are " + " ".join(self.scopes(_key(key).purpose)),
            )
        raise ProtocolError("the token endpoint's answer has no access_token")

    def scopes(self, purpose: str) -> tuple[str, ...]:
        """The scope set asked for now."""
        return SCOPES[purpose][self._wider.get(purpose, 0)]

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """The SDK's flow; a refused scope set is tried again as the wider one, then probed: scope or delegation?"""
        while True:
            flow = super().async_auth_flow(request)
            try:
                outgoing = await anext(flow)
                while True:
                    outgoing = await flow.asend((yield outgoing))
            except StopAsyncIteration:
                return
            except Undelegated as error:
                refused = error
            finally:
                await flow.aclose()
            if not self._widen(refused.key.purpose, refused.asked):
                break
        async with self._probing:
            probes = self._probes(refused)
            undelegated = 0
            for probe in probes:
                answer = yield self.token_request(probe)
                await answer.aread()
                works = self._works(probe, answer)
                if works:
                    break
                undelegated += works is False
            if probes:
                self._probed, self._refused = self.clock.monotonic(), undelegated == len(probes)
            raise self._verdict(refused)

    def _widen(self, purpose: str, asked: int) -> bool:
        """Go on to a stream's next scope set, unless another request already did; back to the first if there is none."""
        if self._wider.get(purpose, 0) == asked:
            self._wider[purpose] = (asked + 1) % len(SCOPES[purpose])
        return asked + 1 < len(SCOPES[purpose])

    def _probes(self, refused: Undelegated) -> list[TokenKey]:
        """Tokens of other scopes to ask for; none where the question was settled a moment ago."""
        if self._recently(self._given) or self._recently(self._probed):
            return []
        admin = str(self._settings.get("admin", ""))
        return [TokenKey(admin, purpose) for purpose in SCOPES if purpose != refused.key.purpose]

    def _works(self, probe: TokenKey, answer: httpx.Response) -> bool | None:
        """Whether a token of another scope is given. None: the probe's subject is refused, which proves neither."""
        try:
            self._keep(probe, self.parse(probe._replace(own=True), answer))
        except Undelegated:
            return False
        except (AccountGone, Forbidden):
            return None
        return True

    def _verdict(self, refused: Undelegated) -> SyncdError:
        """The delegation as such is missing only where that is proven: without proof it is one account's refusal."""
        scopes = " ".join(SCOPES[refused.key.purpose][0])
        if self._refused and not self._recently(self._given):
            return AuthFailed(f"Google gives no token with any scope: {refused.fault}", code=NOT_DELEGATED)
        return Forbidden(
            f"Google gives no token for {refused.key.subject} with {scopes}: {refused.fault}", code=SCOPE_MISSING
        )

    def _recently(self, moment: float) -> bool:
        return self.clock.monotonic() - moment < RECENT

    def _assertion_form(self, key: TokenKey) -> dict[str, str]:
        file = key_file(self._settings)
        issued = int(self.clock.now().timestamp())
        self._asked[key] = self._wider.get(key.purpose, 0)
        claims = {
            "iss": file["client_email"],
            "scope": " ".join(self.scopes(key.purpose)),
            "aud": AUDIENCE,
            "sub": key.subject,
            "iat": issued,
            "exp": issued + LIFETIME,
        }
        headers = {"kid": file["private_key_id"]} if isinstance(file.get("private_key_id"), str) else {}
        assertion = jwt.encode(claims, self._private_key(file["private_key"]), algorithm="RS256", headers=headers)
        return {"grant_type": GRANT, "assertion": assertion}

    def _private_key(self, pem: str) -> RSAPrivateKey:
        """The parsed key; parsed again only when the file changed, since that costs more than a signature."""
        if self._signer is None or self._signer[0] != pem:
            self._signer = (pem, _parse_key(pem))
        return self._signer[1]

    def _refresh_form(self) -> dict[str, str]:
        return {
            "client_id": str(self._settings["client_id"]),
            "client_secret": reveal(self._settings["client_secret"]),
            "refresh_token": reveal(self._settings["refresh_token"]),
            "grant_type": "refresh_token",
        }

    def _refusal(self, key: TokenKey, response: httpx.Response) -> SyncdError:
        error, text = _oauth_error(response)
        fault = f"{response.status_code} {error}: {text}".strip(": ")
        later = _later(response, error, fault)
        if later is not None:
            return later
        if not error:
            return ProtocolError(f"the token endpoint answered {fault}")
        if error in CLIENT or self._single:
            return AuthFailed(f"Google refuses the credential: {fault}", code=CONSENT_GONE)
        if error == "unauthorized_client":
            raise Undelegated(key, self._asked.get(key, 0), fault)
        return _service_refusal(key, error, text.lower(), fault)


class _Purpose(httpx.Auth):
    def __init__(self, auth: GoogleAuth, stream: str) -> None:
        self._auth = auth
        self._stream = stream

    def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        request.extensions["syncd.stream"] = self._stream
        return self._auth.async_auth_flow(request)


def _parse_key(pem: str) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError) as error:
        raise AuthFailed("the key file's private_key cannot be read", code=KEY_REFUSED) from error
    if not isinstance(key, RSAPrivateKey):
        raise AuthFailed("the key file's private_key is not an RSA key", code=KEY_REFUSED)
    return key


def _service_refusal(key: TokenKey, error: str, text: str, fault: str) -> SyncdError:
    """§2.1's table for service accounts: first what concerns the key, then what concerns the user."""
    if any(words in text for words in KEY_WORDS):
        return AuthFailed(f"Google refuses the service account: {fault}", code=KEY_REFUSED)
    if any(words in text for words in TIME_WORDS):
        return AuthFailed(f"Google refuses the time of the signed request: {fault}", code=CLOCK_WRONG)
    gone = any(words in text for words in GONE_WORDS)
    about_user = gone or error in ("access_denied", "invalid_account", "invalid_grant")
    if "audience" in text or not about_user:
        return AuthFailed(f"Google refuses the signed request: {fault}", code=KEY_REFUSED)
    if not key.own:
        return AuthFailed(
            f"Google gives no access in the name of the admin {key.subject}: {fault}",
            hint="`admin` must be the primary address of an active administrator of the organisation.",
        )
    message = f"Google gives no access in the name of {key.subject}: {fault}"
    if gone:
        return AccountGone(message, state="deleted", hint="`syncd import CONNECTION` looks at the accounts again.")
    if "suspended" in text:
        return AccountGone(message, state="suspended")
    return Forbidden(message, code=USER_REFUSED)


def _later(response: httpx.Response, error: str, fault: str) -> RateLimited | Transient | None:
    """§2.1: retry 408, 429, 500, 503, 504 and three words, nothing else."""
    wait = retry_after_seconds(response)
    if (
        response.status_code == 429
        or error == "rate_limit_exceeded"
        or (response.status_code == 503 and wait is not None)
    ):
        return RateLimited(f"the token endpoint answered {fault}", wait, scope="connection")
    if response.status_code == 408 or response.status_code >= 500 or error in BACKEND:
        return Transient(f"the token endpoint answered {fault}")
    return None


def _oauth_error(response: httpx.Response) -> tuple[str, str]:
    """`error` and `error_description`; an empty `error` if the body is something else."""
    try:
        answer = orjson.loads(response.content)
        error, text = answer.get("error"), answer.get("error_description")
    except (orjson.JSONDecodeError, AttributeError):
        return "", response.content[:200].decode("utf-8", "replace")
    if not isinstance(error, str):
        return "", str(error)[:200]
    return error, str(text)[:300] if text is not None else ""


def _key(key: Hashable) -> TokenKey:
    assert isinstance(key, TokenKey)
    return key
