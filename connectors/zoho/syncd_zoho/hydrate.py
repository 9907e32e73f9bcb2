"""Listed messages with their contents: a message that is new is fetched with its record, since each call counts (§4.7).

Public: hydrated, with_content.

Only the content has the Message-ID, which the listing lacks: so the summary of a message that is held already is kept.
"""

import re
from collections.abc import Sequence
from typing import Any

from syncd.sdk import Blob, ContentUnavailable, Context, Forbidden, Item, ProtocolError, Record, Transient

from .message import record_of
from .rawmail import raw_message
from .wire import text

__all__ = ["hydrated", "with_content"]

PORTION = 20  # contents per page: one minute's calls (§4.7)
LARGEST = 1 << 20  # bytes that may come with a record, by contract
HEADERS = 262_144  # bytes in which headers are looked for
END = re.compile(rb"\r?\n\r?\n")
MESSAGE_ID = re.compile(rb"^message-id[ \t]*:[ \t]*(?:\r?\n[ \t]+)?([^\r\n]{1,998})", re.IGNORECASE | re.MULTILINE)


def with_content(ctx: Context) -> bool:
    """Whether messages are mirrored with their content."""
    return bool(ctx.options.get("content", "full") != "metadata")


async def hydrated(ctx: Context, mailbox: str, rows: Sequence[dict[str, Any]]) -> list[list[Item]]:
    """The rows as items, in portions whose contents arrive within a minute; never none."""
    items = [record_of(row, mailbox, content=with_content(ctx)) for row in rows]
    wanted = [item for item in items if isinstance(item, Record) and item.blob is not None]
    held = await ctx.known([item.source_id for item in wanted]) if wanted else {}
    portions: list[list[Item]] = [[]]
    todo: list[Record] = []
    for item in items:
        if isinstance(item, Record) and item.blob is not None:
            if held.get(item.source_id) == item.blob.tag:
                item.summary = None
            elif len(todo) == PORTION:
                await ctx.gather(_fill(ctx, mailbox, one) for one in todo)
                portions.append([])
                todo = [item]
            else:
                todo.append(item)
        portions[-1].append(item)
    await ctx.gather(_fill(ctx, mailbox, one) for one in todo)
    return portions


async def _fill(ctx: Context, mailbox: str, record: Record) -> None:
    """Put the content into the record. What cannot be had now is left to the engine, which counts and tries again."""
    assert record.blob is not None
    parts: list[bytes] = []
    size = 0
    try:
        async for chunk in raw_message(ctx, mailbox, record.source_id):
            parts.append(chunk)
            size += len(chunk)
            if size > LARGEST:
                break
    except (ContentUnavailable, Forbidden, ProtocolError, Transient):
        return
    content = b"".join(parts)
    if size <= LARGEST:
        blob = record.blob
        record.blob = Blob(blob.ref, blob.tag, size, content=content, mime_type=blob.mime_type)
    record.summary = {**dict(record.summary or {}), "message_id": _message_id(content)}  # type: ignore[arg-type]


def _message_id(content: bytes) -> str | None:
    end = END.search(content, 0, HEADERS)
    match = MESSAGE_ID.search(content, 0, end.start() + 1 if end else HEADERS)
    return text(match[1].decode("utf-8", "replace")) or None if match else None
