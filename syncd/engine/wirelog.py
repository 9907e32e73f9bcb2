"""The log's line for a provider request: enough to follow it, nothing that tells whose data it is about.

Public: tell, template.
"""

import re

from syncd.engine.log import logger
from syncd.sdk.http import httpx

__all__ = ["tell", "template"]

WORD = re.compile(r"(?:\$?[A-Za-z]{1,24}|[A-Za-z]{1,12}(?:[._-][A-Za-z]{1,12}){1,2}|v\d{1,2}(?:\.\d{1,2})?)")
ID = "{id}"

log = logger()


def tell(request: httpx.Request, connection: str, number: str, status: int | None, seconds: float) -> None:
    """`status` None: no answer came. No header, no query, no body, and of the path only what names no item."""
    log.debug(
        "provider request",
        request=number,
        connection=connection,
        method=request.method,
        host=request.headers.get("host", request.url.host),
        path=template(request.url.path),
        status=status,
        ms=round(seconds * 1000, 1),
    )


def template(path: str) -> str:
    """The path with {id} for each part that is no plain word or version: `/users/{id}/messages`.

    A word in a path may be a person's all the same (a folder's name); what an API calls things are words too.
    """
    return "/".join(part if not part or WORD.fullmatch(part) else _call(part) for part in path.split("/"))


def _call(part: str) -> str:
    """A function of OData (`delta(token='…')`) keeps its name."""
    name, bracket, _ = part.partition("(")
    return f"{name}({ID})" if bracket and WORD.fullmatch(name) else ID
