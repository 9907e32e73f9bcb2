"""A whole message as a stream of bytes, however large.

Public: raw_message, decoded.
"""

import binascii
import re
from collections.abc import AsyncIterator
from urllib.parse import quote

from syncd.sdk import ContentUnavailable, Context, ProtocolError, SyncdError
from syncd.sdk.http import httpx

from .api import HEADERS, Api
from .errors import Fault, obtainable, of_item
from .hydrate import MESSAGES

__all__ = ["decoded", "raw_message"]

OPENING = re.compile(rb'"raw"\s*:\s*"')
MOST_BEFORE = 262_144  # bytes of JSON in which `raw` must begin
STRANGE = re.compile(rb"[^A-Za-z0-9+/]")
PLAIN = bytes.maketrans(b"-_", b"+/")


async def raw_message(ctx: Context, message: str) -> AsyncIterator[bytes]:
    """The message's bytes. Raises ContentUnavailable if it is gone, or refused alone."""
    api = Api(ctx, "gmail", "mail")
    request = ctx.http.stream(
        "GET",
        f"{api.root}{MESSAGES}/{quote(message, safe='')}",
        params=api.query({"format": "raw", "fields": "raw"}),
        headers=HEADERS,
        extensions=api.extensions,
    )
    with obtainable():
        async with request as response:
            if response.status_code >= 400:
                await response.aread()
                raise api.problem(response, f"mail {message}", _never)
            async for chunk in decoded(response):
                yield chunk


async def decoded(response: httpx.Response) -> AsyncIterator[bytes]:
    """The value of `raw` in a JSON answer, decoded on the way. Raises ProtocolError if it is cut or is no base64url."""
    before, rest, inside = b"", b"", False
    async for chunk in response.aiter_bytes():
        if not inside:
            before += chunk
            opening = OPENING.search(before)
            if opening is None:
                if len(before) > MOST_BEFORE:
                    break
                continue
            chunk, inside = before[opening.end() :], True
        ends = [place for place in (chunk.find(b'"'), chunk.find(b"\\")) if place >= 0]
        text = rest + (chunk[: min(ends)] if ends else chunk).rstrip(b"=").translate(PLAIN)
        whole = len(text) if ends else len(text) // 4 * 4
        text, rest = text[:whole], text[whole:]
        yield _bytes(text)
        if ends:  # a backslash can only begin an escaped "=": padding, that is the end too
            return
    raise ProtocolError("mail: the raw message is cut" if inside else "mail: the answer has no raw message")


def _bytes(text: bytes) -> bytes:
    if STRANGE.search(text):
        raise ProtocolError("mail: the raw message is not base64url")
    try:
        return binascii.a2b_base64(text + b"=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ProtocolError("mail: the raw message is not base64url") from error


def _never(fault: Fault) -> SyncdError | None:
    reason = "gone" if fault.http == 404 else "forbidden" if of_item(fault) else None
    return ContentUnavailable(reason, f"content unavailable ({reason}): {fault}") if reason else None
