"""Answers that are sent as they come: server-sent events and lines of JSON.

Public: event_stream, json_lines, begun, EVENTS, NDJSON.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, TypeVar

from fastapi import Response
from fastapi.responses import StreamingResponse

from syncd.control.errors import ControlError
from syncd.engine.log import logger
from syncd.sdk import redact

from .answers import failure

__all__ = ["EVENTS", "NDJSON", "begun", "event_stream", "json_lines"]

log = logger()

T = TypeVar("T")
EVENTS, NDJSON = "text/event-stream", "application/x-ndjson"
BATCH = 1 << 16  # bytes of lines that are sent at once
KEEP_ALIVE = 15.0  # seconds of silence after which a comment is sent, so that a reader who left is noticed


async def event_stream(events: AsyncIterator[dict[str, Any]], stop: asyncio.Event) -> Response:
    """Each event one `data:` line. What keeps the first from coming is an HTTP error, not a stream that ends with one."""
    return StreamingResponse(_events(await begun(events), stop), media_type=EVENTS)


async def json_lines(lines: AsyncIterator[bytes], stop: asyncio.Event) -> Response:
    """One document a line."""
    return StreamingResponse(_lines(await begun(lines), stop), media_type=NDJSON)


async def begun(source: AsyncIterator[T]) -> AsyncIterator[T]:
    """The same iterator, once its first element is there: errors before that reach the caller as such."""
    try:
        first = [await anext(source)]
    except StopAsyncIteration:
        first = []
    return _chained(first, source)


async def _chained(first: list[T], rest: AsyncIterator[T]) -> AsyncIterator[T]:
    for element in first:
        yield element
    async for element in rest:
        yield element


async def _events(events: AsyncIterator[dict[str, Any]], stop: asyncio.Event) -> AsyncIterator[bytes]:
    try:
        async for event in _until(stop, events):
            yield b": still here\n\n" if event is None else _data(event)
    except Exception as error:  # half an answer must say why it is one
        known = error if isinstance(error, ControlError) else failure(error)
        if known is not error:
            log.error("a stream of events ended early", error=str(error), exc_info=known.code == "")
        yield _data({"event": "error", **known.to_json()})


def _data(event: dict[str, Any]) -> bytes:
    return b"data: " + redact(json.dumps(event)).encode() + b"\n\n"


async def _lines(lines: AsyncIterator[bytes], stop: asyncio.Event) -> AsyncIterator[bytes]:
    """Many lines per chunk: a chunk costs far more than a line."""
    batch = bytearray()
    async for line in lines:
        batch += line
        batch += b"\n"
        if len(batch) >= BATCH:
            yield bytes(batch)
            batch.clear()
            if stop.is_set():
                raise ControlError("the daemon is stopping")  # a cut answer must not look complete
    yield bytes(batch)


async def _until(stop: asyncio.Event, source: AsyncIterator[T]) -> AsyncIterator[T | None]:
    """Elements of `source` until it ends or `stop` is set; None whenever nothing came for a while."""
    stopped: asyncio.Future[Any] = asyncio.ensure_future(stop.wait())
    following: asyncio.Future[Any] | None = None
    try:
        while True:
            following = following or asyncio.ensure_future(anext(source))
            await asyncio.wait({following, stopped}, timeout=KEEP_ALIVE, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                try:
                    yield following.result()
                except StopAsyncIteration:
                    return
                following = None
            elif stopped.done():
                return
            else:
                yield None
    finally:
        stopped.cancel()
        if following is not None and not following.done():
            following.cancel()
            with suppress(asyncio.CancelledError, StopAsyncIteration):
                await following
