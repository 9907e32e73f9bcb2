"""Mail: every folder with a delta feed of its own, and the messages' MIME (wire reference §8).

Public: MailStream.
"""

from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

from syncd.sdk import Blob, Context, Page, Partition, Record, Reject, Stream, StreamInfo, SyncdError, Tombstone

from .api import IMMUTABLE, Graph, quoted
from .folders import known_folder, mail_folders
from .message import FIELDS, Message, query, record_alone, record_of
from .mime import raw_message, raw_messages
from .outlook import Feed, looked_at, pages_of
from .wire import Sliced

__all__ = ["MailStream"]

WHAT = "mail"
ITEMS = Sliced(Message)
OPTIONS: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "content": {
            "enum": ["full", "metadata"],
            "default": "full",
            "description": "full: the message itself is kept too; metadata: its properties only.",
        },
        "spam_trash": {
            "type": "boolean",
            "default": True,
            "description": "Whether junk mail and deleted items are mirrored.",
        },
    },
}


class MailStream(Stream):
    """A mailbox. One partition per folder; a message keeps its id when it moves (§1)."""

    info = StreamInfo("mail", "Mail", options_schema=OPTIONS)

    async def partitions(self, ctx: Context) -> Sequence[Partition]:
        return await mail_folders(ctx, spam_trash=ctx.options.get("spam_trash", True) is not False)

    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        assert ctx.partition is not None
        graph = Graph(ctx, WHAT, (IMMUTABLE,))
        folder = f"{graph.user}/mailFolders/{quoted(ctx.partition.id)}/messages"
        record = partial(record_of, content=ctx.options.get("content", "full") != "metadata")
        feed = Feed(WHAT, query(f"{folder}/delta"), query(folder), ITEMS, record, FIELDS)
        async for page in pages_of(ctx, graph, feed):
            yield page

    async def fetch(self, ctx: Context, blob: Blob) -> AsyncIterator[bytes]:
        async for chunk in raw_message(ctx, blob.ref["id"]):
            yield chunk

    async def fetch_many(self, ctx: Context, blobs: Sequence[Blob]) -> AsyncIterator[tuple[Blob, bytes | SyncdError]]:
        async for answer in raw_messages(ctx, blobs):
            yield answer

    async def get(self, ctx: Context, ids: Sequence[str]) -> AsyncIterator[Record | Tombstone | Reject]:
        """A feed says `deleted` of moves and deletions alike; the message itself says where it is (§8)."""
        graph = Graph(ctx, WHAT, (IMMUTABLE,))
        paths = {one: query(f"{graph.user}/messages/{quoted(one)}") for one in ids}
        here = ctx.partition.id if ctx.partition is not None else None
        dumpster: list[str | None] = []
        async for item in looked_at(graph, WHAT, paths, record_alone):
            if isinstance(item, Record) and item.partition != here:
                dumpster = dumpster or [await known_folder(graph, "recoverableitemsdeletions")]
                if item.partition is not None and item.partition == dumpster[0]:
                    yield Tombstone(item.source_id)  # deleted by its owner, and kept for administrators only
                    continue
            yield item
