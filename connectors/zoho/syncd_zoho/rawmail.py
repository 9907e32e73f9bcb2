"""A whole message as a stream of bytes, however large.

Public: raw_message, exists.

`originalmessage` (§4.6) has no folder in its path, and answers with the JSON envelope: the message is the text `content`
in it. It is decoded on the way, so that a large mail is never held as a whole.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing

import orjson

from syncd.sdk import ContentUnavailable, Context, ProtocolError, SyncdError, Transient
from syncd.sdk.http import httpx

from .api import HEADERS, Api, Meaning
from .errors import Fault, is_token_fault, ungranted
from .settings import MESSAGES
from .wire import mail_data

__all__ = ["exists", "raw_message"]

OPENING = re.compile(rb'"content"\s*:\s*"')
ENVELOPE = 65_536  # bytes of JSON in which `content` must begin, and in which an error ends
CUT = re.compile(rb"\\u[0-9a-fA-F]{0,3}$")  # an escape that goes on
HALF = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}$")  # the first of a pair of escapes


async def raw_message(ctx: Context, mailbox: str, message: str) -> AsyncGenerator[bytes, None]:
    """The message's bytes. Raises ContentUnavailable if it is gone."""
    api, what = Api(ctx, "mail", "mail", MESSAGES), f"mail {message}"

    def means(fault: Fault) -> SyncdError | None:
        return ungranted(fault, what, MESSAGES) or _gone(fault)

    def means_inside(fault: Fault) -> SyncdError | None:
        """Of an answer of 200. Signing in has not looked into it: the token may only be old."""
        if is_token_fault(fault):
            api.renew(response)
            return Transient(f"{what}: Zoho answered {fault}")
        return means(fault)

    async with _request(api, mailbox, message) as response:
        if response.status_code >= 400:
            await response.aread()
            raise api.problem(response, what, means)
        async for chunk in decoded(response, means_inside):
            yield chunk


async def exists(ctx: Context, mailbox: str, message: str) -> bool:
    """Whether the message is anywhere in the mailbox: only the beginning is read."""
    try:
        async with aclosing(raw_message(ctx, mailbox, message)) as chunks:
            async for _ in chunks:
                return True
    except ContentUnavailable:
        return False
    return True


async def decoded(response: httpx.Response, means: Meaning | None = None) -> AsyncIterator[bytes]:
    """The text `content` of a JSON answer as UTF-8. ProtocolError if it is cut; what an error envelope says is raised."""
    before, rest, inside = b"", b"", False
    async for chunk in response.aiter_bytes():
        if inside:
            piece = rest + chunk
        else:
            before += chunk
            opening = OPENING.search(before)
            if opening is None:
                if len(before) > ENVELOPE:
                    break
                continue
            piece, inside = before[opening.end() :], True
        end = _end(piece)
        if end >= 0:
            yield _text(piece[:end])
            return
        whole = _whole(piece)
        rest = piece[whole:]
        yield _text(piece[:whole])
    if inside:
        raise ProtocolError("mail: the raw message is cut")
    mail_data(httpx.Response(200, content=before, request=response.request), "mail", means)
    raise ProtocolError("mail: the answer has no raw message")


def _end(piece: bytes) -> int:
    """Where the text ends: its first quote that is not escaped; -1 if that is still to come."""
    place = piece.find(b'"')
    while place >= 0:
        if not _odd_slashes(piece, place):
            return place
        place = piece.find(b'"', place + 1)
    return -1


def _whole(piece: bytes) -> int:
    """How much of an unfinished text can be decoded: no escape, no pair of escapes and no character may be cut."""
    end = len(piece)
    if _odd_slashes(piece, end):
        end -= 1
    cut = CUT.search(piece, max(0, end - 5), end)
    if cut is not None and not _odd_slashes(piece, cut.start()):
        end = cut.start()
    half = HALF.search(piece, max(0, end - 6), end)
    if half is not None and not _odd_slashes(piece, half.start()):
        end = half.start()
    for back in range(1, min(4, end) + 1):  # a character of several bytes begins with one of 0xC0 and above
        byte = piece[end - back]
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return end if back >= length else end - back
        if byte < 0x80:
            break
    return end


def _odd_slashes(piece: bytes, end: int) -> bool:
    """Whether an odd number of backslashes stands before `end`: the last one is an escape's, then."""
    begin = end
    while begin and piece[begin - 1] == 0x5C:
        begin -= 1
    return (end - begin) % 2 == 1


def _text(piece: bytes) -> bytes:
    try:
        found = orjson.loads(b'"' + piece + b'"')
    except orjson.JSONDecodeError as error:
        raise ProtocolError("mail: the raw message is not JSON text") from error
    assert isinstance(found, str)
    return found.encode()


def _request(api: Api, mailbox: str, message: str) -> AbstractAsyncContextManager[httpx.Response]:
    path = f"{api.root}/api/accounts/{mailbox}/messages/{message}/originalmessage"
    return api.ctx.http.stream("GET", path, headers=HEADERS, extensions=api.extensions())


def _gone(fault: Fault) -> SyncdError | None:
    """A route that is not there says nothing about the message (§4.1)."""
    if fault.http == 404 and not fault.is_("URL_RULE_NOT_CONFIGURED"):
        return ContentUnavailable("gone", f"content unavailable: {fault}")
    return None
