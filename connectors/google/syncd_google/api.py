"""One account's door to one API of Google.

Public: Api, HEADERS, LANES, Meaning, Params.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from syncd.sdk import Context, Lane, SyncdError
from syncd.sdk.http import httpx

from .errors import Fault, fault_of, later, refusal
from .settings import DEFAULT_ROOTS, is_single, root

__all__ = ["HEADERS", "LANES", "Api", "Meaning", "Params"]

# Google compresses only for a User-Agent that contains "gzip" (§11).
HEADERS = {"User-Agent": "syncd-google/0.1 (gzip)", "Accept-Encoding": "gzip"}

# A project's quota is an API's (§3.1): one that is used up holds back that API alone. Wider than any of them: it is Google
# who says when it is enough.
LANES = {api: Lane(2_000, 1.0, per="connection") for api in DEFAULT_ROOTS}

Meaning: TypeAlias = Callable[[Fault], SyncdError | None]
"""What a fault means to one request in particular; None: nothing special."""

Params: TypeAlias = Mapping[str, str | int | None]


class Api:
    """Requests to one API in the name of one account, for one stream.

    Answers below 400 come back; all others are raised: as RateLimited or Transient if they mean "later", else as what
    the request's `means` says, else as what `refusal` says. `auth` signs in otherwise than the connection does.
    """

    def __init__(self, ctx: Context, api: str, stream: str | None, auth: httpx.Auth | None = None) -> None:
        self.ctx = ctx
        self.root = root(ctx.settings, api)
        self.single = is_single(ctx.settings)
        self.extensions: dict[str, Any] = {
            "syncd.account": ctx.account,
            "syncd.stream": stream,
            "syncd.lane": api,
        }
        self.auth: Any = auth or httpx.USE_CLIENT_DEFAULT
        self.quota_user = "" if self.single else _quota_user(ctx)

    async def get(self, path: str, what: str, params: Params, means: Meaning | None = None) -> httpx.Response:
        """GET `path` below the root. `what` names the request in errors; parameters that are None are left out."""
        response = await self.ctx.http.get(
            self.root + path, params=self.query(params), headers=HEADERS, extensions=self.extensions, auth=self.auth
        )
        if response.status_code >= 400:
            raise self.problem(response, what, means)
        return response

    def query(self, params: Params) -> list[tuple[str, str | int | float | bool | None]]:
        """The parameters, with those common to all requests: bodies are indented unless asked otherwise (§1.2)."""
        pairs: list[tuple[str, str | int | float | bool | None]]
        pairs = [(key, value) for key, value in params.items() if value is not None]
        pairs.append(("prettyPrint", "false"))
        if self.quota_user:
            pairs.append(("quotaUser", self.quota_user))
        return pairs

    def problem(self, response: httpx.Response, what: str, means: Meaning | None = None) -> SyncdError:
        """The error for an answer of 400 or above (body read)."""
        waiting = later(response)
        if waiting is not None:
            return waiting
        fault = fault_of(response)
        special = means(fault) if means else None
        return special or refusal(fault, what, single=self.single)


def _quota_user(ctx: Context) -> str:
    """A stable word for the account: without it all users of a service account share one user's quota (§3.1)."""
    return hashlib.sha256(ctx.account.id.encode()).hexdigest()[:32] if ctx.account else ""
