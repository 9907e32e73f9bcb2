"""The MIME of messages: one as a stream, small ones in batches.

Public: raw_message, raw_messages.
"""

from collections.abc import AsyncIterator, Sequence

from syncd.sdk import AccountGone, Blob, ContentUnavailable, Context, Forbidden, ProtocolError, RateLimited, SyncdError

from .api import IMMUTABLE, Graph, quoted
from .batch import MOST, Batch, Part, TooMuch
from .errors import Fault, refusal
from .outlook import is_gone
from .throttle import CORRUPT

__all__ = ["raw_message", "raw_messages"]

WHAT = "mail content"
CAP = 6 << 20  # bytes of a batch's answer, of which several copies are held for a moment
LEAST = 2


async def raw_message(ctx: Context, one: str) -> AsyncIterator[bytes]:
    """A message's bytes as they come (§8). Raises ContentUnavailable for what can never be had."""
    graph = Graph(ctx, "mail", (IMMUTABLE,))
    request = ctx.http.stream(
        "GET", graph.address(_path(graph, one)), headers=_headers(graph), extensions=dict(graph.extensions)
    )
    async with request as response:
        if response.status_code >= 400:
            await response.aread()
            raise graph.problem(response, WHAT, _lost)
        async for chunk in response.aiter_bytes():
            yield chunk


async def raw_messages(ctx: Context, blobs: Sequence[Blob]) -> AsyncIterator[tuple[Blob, bytes | SyncdError]]:
    """Messages in chains of batches; what a batch does not give is an error, and left to `raw_message`."""
    graph = Graph(ctx, "mail", (IMMUTABLE,))
    batch = Batch(graph, serial=True, cap=CAP)
    rest, size = list(blobs), MOST
    while rest:
        some, rest = rest[:size], rest[size:]
        paths = {_path(graph, blob.ref["id"]): blob for blob in some}
        found: dict[str, Part] = {}
        trouble: SyncdError = ProtocolError(f"{WHAT}: it is to be fetched alone")
        try:
            await batch.get(list(paths), into=found)
        except TooMuch:
            size = max(LEAST, size // 2)
        except (Forbidden, AccountGone):
            raise
        except SyncdError as error:
            trouble = error
        for path, blob in paths.items():
            if path in found or not isinstance(trouble, RateLimited):
                yield blob, _answer(found.get(path), trouble)
        if isinstance(trouble, RateLimited):
            raise trouble


def _answer(part: Part | None, trouble: SyncdError) -> bytes | SyncdError:
    if part is None:
        return trouble
    if part.status >= 400:
        return _lost(part.fault) or refusal(part.fault, WHAT, "mail")
    try:
        return part.content(WHAT)
    except ProtocolError as error:
        return error


def _lost(fault: Fault) -> SyncdError | None:
    """What is gone or corrupt stays so (§8)."""
    if is_gone(fault):
        return ContentUnavailable("gone", f"{WHAT}: {fault}")
    if fault.has(*CORRUPT):
        return ContentUnavailable("corrupt", f"{WHAT}: {fault}")
    return None


def _path(graph: Graph, one: str) -> str:
    return f"{graph.user}/messages/{quoted(one)}/$value"


def _headers(graph: Graph) -> dict[str, str]:
    return {**graph.headers((), None), "Accept": "*/*"}
