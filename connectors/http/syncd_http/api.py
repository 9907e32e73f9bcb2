"""The door to one API: a request made, its answer judged and read.

Public: Api, json_of.
"""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

import msgspec

from syncd.sdk import Account, AccountGone, Context, PartitionGone, ProtocolError, SyncdError
from syncd.sdk.http import httpx

from .answers import Meanings
from .numerals import number_of, whole_of
from .paging import Ask, origin_of
from .plan import Plan
from .templates import filled_path

__all__ = ["Api", "json_of"]

_decode = msgspec.json.Decoder(float_hook=number_of).decode


class Api:
    """What all requests of a connection share."""

    def __init__(self, plan: Plan) -> None:
        self.root = plan.base_url.rstrip("/")
        self.meanings = Meanings(plan.errors, plan.rate_limit)
        self.headers = {"Accept": "application/json", **plan.headers}
        self.peopled = plan.accounts is not None
        self._key = plan.auth.query.name if plan.auth.query is not None else None

    def url(self, path: str, names: Mapping[str, str]) -> str:
        return self.root + filled_path(path, names)

    def without_key(self, url: str) -> str:
        """The URL as it may be kept: APIs put the key of the request into the links that they give."""
        return url if self._key is None else str(httpx.URL(url).copy_remove_param(self._key))

    def headers_for(self, url: str) -> dict[str, str]:
        """The headers of a request for content: those of the settings are for the API itself."""
        mine = origin_of(url) == origin_of(self.root)
        return {**(self.headers if mine else {}), "Accept": "*/*"}

    async def send(
        self, ctx: Context, ask: Ask, *, started: bool = False, single: bool = False
    ) -> httpx.Response | None:
        """The answer; None where the settings say that it means "nothing here". Raises what else it means.

        `started`: the request goes on from a cursor, which may have expired. `single`: it is about one item, and 404 and
        410 say that there is no such item.
        """
        request = ctx.http.build_request(
            ask.method,
            ask.url,
            params=dict(ask.params) or None,
            headers=httpx.Headers(
                {**self.headers, **ask.headers}, encoding="utf-8"
            ),  # addresses may be of any language
            json=ask.body,
            extensions={"syncd.safe": True},
        )
        response = await ctx.http.send(request)
        means = self.meanings.of(response)
        if means == "ignore" or (single and means is None and response.status_code in (404, 410)):
            return None
        if response.status_code >= 300 or means is not None:
            what = f"{ask.method} {request.url.path}"
            raise self.meanings.error(response, what, started=started, otherwise=self.gone(ctx, what))
        return response

    def gone(self, ctx: Context, what: str) -> SyncdError:
        """What an address that is not there means, where no rule says it."""
        if ctx.partition is not None and ctx.partition.id:
            return PartitionGone(f"{what}: the API knows no such thing")
        if self.peopled and isinstance(ctx.account, Account):
            return AccountGone(f"{what}: the API knows no such thing for this account")
        return ProtocolError(f"{what}: the API knows no such address; is the path right?")


def json_of(response: httpx.Response) -> Any:
    """The body as JSON. Raises ProtocolError. What is wrong with one text or number of it shows when that is encoded."""
    body = response.content
    try:
        try:
            return _decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError):  # half a character is no reason to give up on all items
            text = body.decode(json.detect_encoding(body), "surrogateescape")
            return json.loads(text, parse_constant=_refuse, parse_float=number_of, parse_int=whole_of)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"{response.request.url.path}: the answer is not JSON") from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
