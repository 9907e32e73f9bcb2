"""One account's door to one product of Zoho.

Public: Api, Meaning, Params.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from syncd.sdk import Context, SyncdError
from syncd.sdk.http import httpx

from .errors import Fault, fault_of, later, refusal
from .settings import SCOPES, root

__all__ = ["Api", "Meaning", "Params"]

HEADERS = {"Accept": "application/json"}
LANES = {"mail": "mail", "calendar": "calendar", "workdrive": "workdrive", "download": "workdrive", "crm": "crm"}

Meaning: TypeAlias = Callable[[Fault], SyncdError | None]
"""What a fault means to one request in particular; None: nothing special."""

Params: TypeAlias = Mapping[str, str | int | None]


class Api:
    """Requests to one product (a key of `settings.PRODUCTS`), for one stream (a key of `settings.SCOPES`).

    Answers below 400 come back as they are (204 and 304 have no body); all others are raised: as RateLimited or
    Transient if they mean "later", else as what the request's `means` says, else as what `errors.refusal` says. Requests
    travel in the product's lane; `lane` puts one into another. `root`: the product's root, without a slash at the end.
    """

    def __init__(self, ctx: Context, product: str, stream: str) -> None:
        self.ctx = ctx
        self.root = root(ctx.settings, product)
        self.product = product
        self.scope = SCOPES.get(stream, "")

    async def get(
        self,
        path: str,
        what: str,
        params: Params | None = None,
        means: Meaning | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        lane: Any = None,
    ) -> httpx.Response:
        """GET `path` below the root. `what` names the request in errors; parameters that are None are left out."""
        response = await self.ctx.http.get(
            self.root + path,
            params=query(params),
            headers={**HEADERS, **(headers or {})},
            extensions=self.extensions(lane),
        )
        if response.status_code >= 400:
            raise self.problem(response, what, means)
        return response

    def extensions(self, lane: Any = None) -> dict[str, Any]:
        """For requests made otherwise (a streamed download): who answers, and in which lane it travels."""
        found: dict[str, Any] = {"zoho.product": self.product}
        named = lane or LANES.get(self.product)
        if named:
            found["syncd.lane"] = named
        return found

    def problem(self, response: httpx.Response, what: str, means: Meaning | None = None) -> SyncdError:
        """The error for an answer of 400 or above (body read)."""
        waiting = later(response)
        if waiting is not None:
            return waiting
        fault = fault_of(response)
        special = means(fault) if means else None
        return special or refusal(fault, what, self.scope)


def query(params: Params | None) -> list[tuple[str, str | int | float | bool | None]]:
    """The parameters that have a value."""
    return [(key, value) for key, value in (params or {}).items() if value is not None]
