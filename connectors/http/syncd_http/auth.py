"""Signing in: bearer token, basic, a header, a query parameter, OAuth2.

Public: auth_of.

Secrets are revealed at each use, so that one that was rotated is picked up. A rotated refresh token goes into the vault before
the access token that came with it is used.
"""

import base64
import hashlib
import math
from collections.abc import Callable, Generator, Hashable
from typing import Any

from syncd.sdk import AuthFailed, BearerAuth, ProtocolError, Secret, Token, conceal, redact
from syncd.sdk.http import httpx

from .answers import Meanings, parsed
from .plan import Auth, OAuth2, Plan

__all__ = ["auth_of"]

_LIFETIME = 3600.0  # seconds, where the endpoint does not say
_LONGEST = 86_400.0


def auth_of(plan: Plan, meanings: Meanings) -> httpx.Auth | None:
    """What the settings ask for; None for an open API."""
    auth = plan.auth
    if auth.oauth2 is not None:
        return OAuth2Auth(auth.oauth2, meanings)
    sign = _signature(auth)
    return Signed(sign) if sign is not None else None


def _signature(auth: Auth) -> Callable[[httpx.Request], None] | None:
    def bearer(request: httpx.Request) -> None:
        request.headers["Authorization"] = f"Bearer {_clean(auth.bearer)}"

    def basic(request: httpx.Request) -> None:
        assert auth.basic is not None
        request.headers["Authorization"] = _basic(auth.basic.username, _reveal(auth.basic.password))

    def header(request: httpx.Request) -> None:
        assert auth.header is not None
        request.headers[auth.header.name] = auth.header.prefix + _clean(auth.header.value)

    def query(request: httpx.Request) -> None:
        assert auth.query is not None
        request.url = request.url.copy_set_param(auth.query.name, _reveal(auth.query.value).strip())

    ways = {"bearer": bearer, "basic": basic, "header": header, "query": query}
    return next((way for name, way in ways.items() if getattr(auth, name) is not None), None)


class Signed(httpx.Auth):
    """The same signature on every request."""

    def __init__(self, sign: Callable[[httpx.Request], None]) -> None:
        self._sign = sign

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        try:
            self._sign(request)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise AuthFailed(f"a secret cannot be used: {redact(reason or type(error).__name__)}") from error
        yield request


class OAuth2Auth(BearerAuth):
    """Client credentials, or a refresh token (RFC 6749 §4.4, §6)."""

    def __init__(self, plan: OAuth2, meanings: Meanings) -> None:
        super().__init__()
        self._plan = plan
        self._meanings = meanings

    def token_request(self, key: Hashable) -> httpx.Request:
        """The request to the token endpoint. Raises OSError or ValueError if a secret cannot be read."""
        plan = self._plan
        form = dict(plan.params)
        headers = {"Accept": "application/json"}
        form["grant_type"] = "client_credentials" if plan.refresh_token is None else "refresh_token"
        if plan.refresh_token is not None:
            form["refresh_token"] = self._refresh_token()
        if plan.scope is not None:
            form["scope"] = plan.scope
        secret = None if plan.client_secret is None else _reveal(plan.client_secret)
        if plan.client_in == "basic":
            headers["Authorization"] = _basic(plan.client_id, secret or "")
        else:
            form |= {"client_id": plan.client_id} | ({} if secret is None else {"client_secret": secret})
        return httpx.Request("POST", plan.token_url, data=form, headers=headers)

    def parse(self, key: Hashable, response: httpx.Response) -> Token:
        """The access token. Raises AuthFailed if the client or its refresh token is refused."""
        if response.status_code >= 400 and (later := self._meanings.later(response)) is not None:
            raise later
        answer = parsed(response)
        if response.status_code >= 300:
            raise AuthFailed(f"the token endpoint answered {response.status_code}{_error_of(answer)}")
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
            if isinstance(answer, dict) and isinstance(answer.get("error"), str):  # some say so with 200
                raise AuthFailed(f"the token endpoint refuses{_error_of(answer)}")
            raise ProtocolError("the token endpoint's answer has no access token")
        rotated = answer.get("refresh_token")
        if self._plan.refresh_token is not None and isinstance(rotated, str) and rotated:
            self.vault.save({"refresh_token": conceal(rotated), "from": self._origin()})
        return Token(conceal(token), _lifetime(answer.get("expires_in")))

    def _refresh_token(self) -> str:
        """The one that was rotated last; the configured one if that is another than it came from."""
        kept = self.vault.load()
        if kept.get("from") == self._origin() and isinstance(kept.get("refresh_token"), str):
            return conceal(str(kept["refresh_token"]))
        return _reveal(self._plan.refresh_token)

    def _origin(self) -> str:
        return hashlib.sha256(_reveal(self._plan.refresh_token).encode()).hexdigest()


def _error_of(answer: Any) -> str:
    """The error's name, where it is one of RFC 6749's form: other texts may hold anything."""
    name = answer.get("error") if isinstance(answer, dict) else None
    good = isinstance(name, str) and len(name) <= 40 and name.replace("_", "").isalpha() and name.isascii()
    return f": {name}" if good else ""


def _lifetime(value: Any) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return _LIFETIME
    return min(seconds, _LONGEST) if math.isfinite(seconds) and seconds > 0 else _LIFETIME


def _basic(user: str, password: str) -> str:
    return "Basic " + conceal(base64.b64encode(f"{user}:{password}".encode()).decode())


def _reveal(value: Any) -> str:
    return value.reveal() if isinstance(value, Secret) else str(value)


def _clean(value: Any) -> str:
    """A secret that can stand in a header. Raises ValueError for one that cannot, without saying it."""
    text = _reveal(value).strip()
    if not text or not text.isascii() or not text.isprintable():
        raise ValueError("it is empty, or holds characters that no header can")
    return text
