"""One account's door to one product of Zoho.

Public: Api, Meaning, Params, NOT_OWNER.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from syncd.sdk import AccountGone, Context, SyncdError
from syncd.sdk.http import httpx

from .auth import ZohoAuth
from .errors import Fault, fault_of, is_token_fault, later, refusal, status_of
from .settings import SCOPES, root

__all__ = ["NOT_OWNER", "Api", "Meaning", "Params"]

NOT_OWNER = "unavailable: the credential's owner only"  # the state of an account's streams that `self` does not mean

HEADERS = {"Accept": "application/json"}
LANES = {"mail": "mail", "calendar": "calendar", "workdrive": "workdrive", "download": "workdrive", "crm": "crm"}

Meaning: TypeAlias = Callable[[Fault], SyncdError | None]
"""What a fault means to one request in particular; None: nothing special."""

Params: TypeAlias = Mapping[str, str | int | None]


class Api:
    """Requests to one product (a key of `settings.PRODUCTS`), for one stream (a key of `settings.SCOPES`).

    Answers below 400, inside too, come back as they are (204 and 304 have no body); all others are raised: as RateLimited or
    Transient if they mean "later", else as what the request's `means` says, else as what `errors.refusal` says. Requests
    travel in the product's lane; `lane` puts one into another. `root`: the product's root, without a slash at the end.
    `scope`: what a request needs, named in errors; unless given, all that the stream needs.

    Most products know the token's user alone: for any other account there is no door to them (AccountGone), or the
    owner's data would be taken for that account's.
    """

    def __init__(self, ctx: Context, product: str, stream: str, scope: str = "") -> None:
        if ctx.account is not None and ctx.account.streams.get(stream) == NOT_OWNER:
            raise AccountGone(f"{stream} of {ctx.account.address} cannot be read by another's token", state=NOT_OWNER)
        self.ctx = ctx
        self.root = root(ctx.settings, product)
        self.product = product
        self.scope = scope or SCOPES.get(stream, "")

    async def get(
        self,
        path: str,
        what: str,
        params: Params | None = None,
        means: Meaning | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        lane: Any = None,
        scope: str = "",
    ) -> httpx.Response:
        """GET `path` below the root. `what` names the request in errors; parameters that are None are left out."""

        async def ask() -> httpx.Response:
            extensions = self.extensions(lane)
            sent = {**HEADERS, **(headers or {})}
            return await self.ctx.http.get(self.root + path, params=query(params), headers=sent, extensions=extensions)

        response = await ask()
        if response.status_code < 400 and status_of(response) == 401 and is_token_fault(fault_of(response)):
            self.renew(response)
            response = await ask()
        if status_of(response) >= 400:
            raise self.problem(response, what, means, scope)
        return response

    def renew(self, response: httpx.Response) -> None:
        """After an answer of 200 that refuses the token, where signing in does not look: the next one is a fresh one."""
        auth = self.ctx.http.auth
        if isinstance(auth, ZohoAuth):
            auth.outlive(response.request)

    def extensions(self, lane: Any = None) -> dict[str, Any]:
        """For requests made otherwise (a streamed download): who answers, and in which lane it travels."""
        found: dict[str, Any] = {"zoho.product": self.product}
        named = lane or LANES.get(self.product)
        if named:
            found["syncd.lane"] = named
        return found

    def problem(self, response: httpx.Response, what: str, means: Meaning | None = None, scope: str = "") -> SyncdError:
        """The error for an answer of 400 or above (body read)."""
        waiting = later(response)
        if waiting is not None:
            return waiting
        fault = fault_of(response)
        special = means(fault) if means else None
        return special or refusal(fault, what, scope or self.scope)


def query(params: Params | None) -> list[tuple[str, str | int | float | bool | None]]:
    """The parameters that have a value."""
    return [(key, value) for key, value in (params or {}).items() if value is not None]
