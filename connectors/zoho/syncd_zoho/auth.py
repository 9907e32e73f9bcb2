"""Signing in: one access token per refresh token, asked for as rarely as can be.

Public: ZohoAuth.

Zoho's token endpoint (§3) says everything with HTTP 200, gives 10 tokens in 10 minutes per refresh token and falls silent
for half an hour when asked more often. So: success is an `access_token` and nothing else, a request is not sent when the
ten are used up (counted over restarts), and only a 401 that speaks of the token leads to a new one.
"""

import hashlib
from collections.abc import Hashable, Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from syncd.sdk import (
    Account,
    AuthFailed,
    BearerAuth,
    Clock,
    ProtocolError,
    RateLimited,
    Secret,
    SyncdError,
    Token,
    Transient,
    retry_after_seconds,
)
from syncd.sdk.http import httpx

from .errors import CLIENT_REFUSED, TOKEN_BUDGET, TOKEN_REFUSED, WRONG_CENTER, fault_of, is_token_fault
from .settings import center_of, data_center, overridden, reveal, token_url

__all__ = ["ZohoAuth"]

MINTS = 10  # token requests (§3.4) …
PERIOD = 600.0  # … in so many seconds
SILENCE = 600.0  # seconds to stay away from a throttled token endpoint (§3.3)
LIFETIME = 3600.0
LONGEST = 86_400.0  # seconds; a longer life is milliseconds misread (§3.2)
TOKEN_CODES = {"invalid_code", "invalid_grant", "invalid_token"}
CLIENT_CODES = {"invalid_client", "invalid_client_secret", "unauthorized_client"}
OTHER_CODES = {
    "invalid_redirect_uri",
    "general_error",
    "access_denied",
    "invalid_request",
    "invalid_scope",
    "unsupported_grant_type",
}


class ZohoAuth(BearerAuth):
    """Access tokens of one connection."""

    scheme = "Zoho-oauthtoken"  # whatever `token_type` says (§3.2, trap 3)

    def __init__(self, settings: Mapping[str, Any], clock: Clock | None = None) -> None:
        super().__init__(clock)
        self._settings = settings

    def key(self, account: Account | None, stream: str | None) -> Hashable:
        """One token per accounts host, client and refresh token, for all accounts and streams (§3.4)."""
        secret = self._settings.get("refresh_token")
        named = secret.reference if isinstance(secret, Secret) else ""
        return token_url(self._settings), str(self._settings.get("client_id")), named

    def refused(self, response: httpx.Response) -> bool:
        """A scope that is lacking and WorkDrive's R008 are 401s too, and no fault of the token (§3.6, trap 9)."""
        return is_token_fault(fault_of(response))

    def outlive(self, request: httpx.Request) -> None:
        """Make the next request ask for a token, unless another than this one's has come already."""
        for key, (token, _) in list(self._tokens.items()):
            if request.headers.get("Authorization") == f"{self.scheme} {token}":
                self._tokens[key] = token, 0.0

    def token_request(self, key: Hashable) -> httpx.Request:
        """The refresh, in the body: query strings leak into logs (§3.1). RateLimited if it may not be sent now."""
        form = {
            "grant_type": "refresh_token",
            "client_id": str(self._settings["client_id"]),
            "client_secret": reveal(self._settings["client_secret"]),
            "refresh_token": reveal(self._settings["refresh_token"]),
        }
        whose = (token_url(self._settings), form["client_id"], form["refresh_token"])
        self._spend(hashlib.sha256("\n".join(whose).encode()).hexdigest())
        headers = {"Accept": "application/json"}
        return httpx.Request("POST", token_url(self._settings), data=form, headers=headers)

    def parse(self, key: Hashable, response: httpx.Response) -> Token:
        """Success is an object with `access_token`; the HTTP status proves nothing in either direction (§3.3)."""
        try:
            answer = orjson.loads(response.content)
        except orjson.JSONDecodeError as error:
            raise Transient(f"the token endpoint answered {response.status_code} without JSON") from error
        if not isinstance(answer, dict):
            raise ProtocolError("the token endpoint's answer is not an object")
        token = answer.get("access_token")
        if not isinstance(token, str) or not token:
            raise self._refusal(answer, response)
        self._compare(answer.get("api_domain"))
        return Token(token, _lifetime(answer))

    def _spend(self, seed: str) -> None:
        """Count one token request, over restarts too; RateLimited if all of them are used up or Zoho wants silence."""
        now = self.clock.now().timestamp()
        kept = self.vault.load()
        if kept.get("seed") != seed:  # another refresh token: it has its own ten
            kept = {"seed": seed}
        mints = [at for at in _numbers(kept.get("mints")) if now - PERIOD < at <= now]
        quiet = [until - now for until in _numbers([kept.get("quiet_until")]) if now < until <= now + PERIOD]
        wait = max([*quiet, *([mints[-MINTS] + PERIOD - now] if len(mints) >= MINTS else [])], default=0.0)
        if wait > 0:
            words = "asked for silence" if quiet else f"gives {MINTS} access tokens in {PERIOD:.0f} s"
            raise RateLimited(f"Zoho's token endpoint {words}", wait, scope="connection", code=TOKEN_BUDGET)
        self.vault.save({"seed": seed, "mints": [*mints, now]})

    def _refusal(self, answer: Mapping[str, Any], response: httpx.Response) -> SyncdError:
        """§3.3. The throttle is known by `status` or by the lack of a known code: its words come in any language."""
        error, status = answer.get("error"), response.status_code
        error = error if error is None or isinstance(error, str) else str(error)
        center = data_center(self._settings)
        if error in TOKEN_CODES:
            return AuthFailed(
                f"Zoho refuses the refresh token ({error}): it was revoked, or it belongs to another data centre than "
                f"`{center}`; Zoho does not say which",
                code=TOKEN_REFUSED,
            )
        if error in CLIENT_CODES:
            return AuthFailed(
                f"Zoho refuses the OAuth client ({error}): client id or secret are wrong, or are those of another data "
                f"centre than `{center}`",
                code=CLIENT_REFUSED,
            )
        if error in OTHER_CODES and answer.get("status") != "failure":
            return AuthFailed(
                f"Zoho gives no access token ({error}): the refresh token was revoked or is incomplete, or data centre "
                f"`{center}` is not the organisation's",
                code=TOKEN_REFUSED,
            )
        if error is None and answer.get("status") != "failure":
            words = f"the token endpoint answered {status} without an access token"
            return Transient(words) if status >= 500 else ProtocolError(words)
        return self._throttled(f"Zoho's token endpoint is throttled: {status} {error}", retry_after_seconds(response))

    def _throttled(self, message: str, wait: float | None) -> RateLimited:
        """Never a pause: a healthy account comes back by itself, if it is left alone (§3.3, trap 5)."""
        pause = max(SILENCE, wait or 0.0)
        until = self.clock.now().timestamp() + min(pause, PERIOD)
        self.vault.save({**self.vault.load(), "quiet_until": until})
        return RateLimited(message[:300], pause, scope="connection", code=TOKEN_BUDGET)

    def _compare(self, api_domain: Any) -> None:
        """`api_domain` must be the configured data centre's (§2.2); nothing is ever sent there because it is named."""
        if not isinstance(api_domain, str) or not api_domain:
            return
        mine, theirs = data_center(self._settings), center_of(api_domain)
        own = [overridden(self._settings, product) for product in ("crm", "workdrive")]
        named = {_origin(url) for url in own if url}
        if theirs == mine or _origin(api_domain) in named or (theirs is None and named):
            return
        found = f"data centre `{theirs}`" if theirs else "a place that is no data centre of Zoho known here"
        raise AuthFailed(
            f"the access token is for {api_domain}: {found}, while `data_center` says `{mine}`", code=WRONG_CENTER
        )


def _lifetime(answer: Mapping[str, Any]) -> float:
    """`expires_in` is in milliseconds where `expires_in_sec` is there too (§3.2)."""
    found = answer.get("expires_in_sec", answer.get("expires_in", LIFETIME))
    try:
        seconds = float(found)
    except (TypeError, ValueError):
        return LIFETIME
    return seconds if 0 < seconds <= LONGEST else LIFETIME


def _numbers(values: Any) -> list[float]:
    return sorted(one for one in values if isinstance(one, int | float)) if isinstance(values, list) else []


def _origin(url: str) -> str:
    return "{0.scheme}://{0.netloc}".format(urlsplit(url.lower()))
