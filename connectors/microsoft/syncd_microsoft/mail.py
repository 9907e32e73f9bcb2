"""Mail: every folder with a delta feed of its own, and the messages' MIME (wire reference §8).

Public: MailStream.
"""

from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

from syncd.sdk import Blob, Context, Page, Partition, Record, Reject, Stream, StreamInfo, SyncdError, Tombstone

from .api import IMMUTABLE, Graph, quoted
from .folders import HIDDEN_BY_OPTION, known_folders, mail_folders
from .message import FIELDS, Message, query, record_alone, record_of
from .mime import raw_message, raw_messages
from .outlook import ETAGS, Feed, looked_at, pages_of
from .push import Push
from .wire import Sliced

__all__ = ["MailStream"]

WHAT = "mail"
ITEMS = Sliced(Message)
DUMPSTER = ("recoverableitemsdeletions",)  # what owners deleted for good, and administrators can still see
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
            "description": "Whether junk mail and deleted items are mirrored. Without them, deleting a message to "
            "Deleted Items looks like deleting it for good.",
        },
    },
}


class MailStream(Stream, Push):
    """A mailbox. One partition per folder; a message keeps its id when it moves (§1)."""

    info = StreamInfo("mail", "Mail", options_schema=OPTIONS, volatile=ETAGS)

    async def partitions(self, ctx: Context) -> Sequence[Partition]:
        return await mail_folders(ctx, spam_trash=_spam_trash(ctx))

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
        """A feed says `deleted` of moves and deletions alike; the message itself says where it is (§8).

        What is now where this mailbox's mirror does not look is gone for it.
        """
        graph = Graph(ctx, WHAT, (IMMUTABLE,))
        paths = {one: query(f"{graph.user}/messages/{quoted(one)}") for one in ids}
        here = ctx.partition.id if ctx.partition is not None else None
        beyond: set[str] | None = None
        async for item in looked_at(graph, WHAT, paths, record_alone):
            if isinstance(item, Record) and item.partition != here:
                if beyond is None:
                    beyond = await known_folders(
                        graph, DUMPSTER if _spam_trash(ctx) else (*DUMPSTER, *HIDDEN_BY_OPTION)
                    )
                if item.partition in beyond:
                    yield Tombstone(item.source_id)
                    continue
            yield item


def _spam_trash(ctx: Context) -> bool:
    return ctx.options.get("spam_trash", True) is not False
