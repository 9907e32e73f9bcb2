"""The MIME of messages: one as a stream, small ones in batches.

Public: raw_message, raw_messages.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress

from syncd.sdk import Blob, ContentUnavailable, Context, Forbidden, ProtocolError, RateLimited, SyncdError

from .api import IMMUTABLE, Graph, quoted
from .batch import MOST, Batch, Part, TooMuch
from .errors import Fault, refusal
from .outlook import GONE_CODES
from .throttle import CORRUPT

__all__ = ["raw_message", "raw_messages"]

WHAT = "mail content"
CAP = 24 << 20  # bytes of a batch's answer: 18 MiB of mails
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
    """Messages in chains of batches; what a batch does not give is left to `raw_message`."""
    graph = Graph(ctx, "mail", (IMMUTABLE,))
    batch = Batch(graph, serial=True, cap=CAP)
    rest, size = list(blobs), MOST
    while rest:
        some, rest = rest[:size], rest[size:]
        paths = {_path(graph, blob.ref["id"]): blob for blob in some}
        found: dict[str, Part] = {}
        trouble: RateLimited | None = None
        try:
            await batch.get(list(paths), into=found)
        except TooMuch:
            size = max(LEAST, size // 2)
        except RateLimited as error:
            trouble = error
        except Forbidden:
            raise
        except SyncdError as error:
            ctx.log.debug("a batch of mails failed", error=str(error))
        for blob, answer in _answers(paths, found):
            yield blob, answer
        if trouble is not None:
            raise trouble


def _answers(paths: Mapping[str, Blob], found: Mapping[str, Part]) -> list[tuple[Blob, bytes | SyncdError]]:
    answers: list[tuple[Blob, bytes | SyncdError]] = []
    for path, part in found.items():
        if part.status >= 400:
            answers.append((paths[path], _lost(part.fault) or refusal(part.fault, WHAT, "mail")))
        elif part.status == 200:
            with suppress(ProtocolError):  # it came in another shape: it is asked for alone
                answers.append((paths[path], part.content(WHAT)))
    return answers


def _lost(fault: Fault) -> SyncdError | None:
    """What is gone or corrupt stays so (§8)."""
    if fault.http == 404 and fault.has(*GONE_CODES):
        return ContentUnavailable("gone", f"{WHAT}: {fault}")
    if fault.has(*CORRUPT):
        return ContentUnavailable("corrupt", f"{WHAT}: {fault}")
    return None


def _path(graph: Graph, one: str) -> str:
    return f"{graph.user}/messages/{quoted(one)}/$value"


def _headers(graph: Graph) -> dict[str, str]:
    return {**graph.headers((), None), "Accept": "*/*"}
