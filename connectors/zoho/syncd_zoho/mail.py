"""Mail: one partition per folder, listed newest first down to what is known (§4).

Public: Mail.

Zoho lists by position and has no filter by time: a delta round reads a folder from the top until it meets what it read
the last time, less an overlap. So new mail is seen at once; what happens to older mail (read or unread, flags, moves,
deletions) is seen by full rounds only, once a day.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import Any

from syncd.sdk import (
    ACCOUNT,
    SWEEP,
    Blob,
    Context,
    CursorExpired,
    Page,
    Partition,
    ProtocolError,
    Record,
    Reject,
    Scan,
    Stream,
    StreamInfo,
    SyncdError,
    Tombstone,
)

from .api import Api
from .cursors import VERSION, read_cursor
from .directory import mailbox_of
from .errors import Fault
from .mailbox import Folder, Rows, folders_of
from .message import record_of
from .rawmail import exists, raw_message
from .wire import ident, mail_data, text

__all__ = ["Mail"]

OVERLAP = 3_600_000  # ms before the newest message known, in which a late one may still turn up
CONTENTS = 20  # per page: one minute's calls (§4.7)
HIDDEN = {"spam", "trash"}
FIRST = {"trash": 0, "inbox": 1, "spam": 2}  # where a message that left its folder is looked for
OPTIONS = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "content": {
            "enum": ["full", "metadata"],
            "default": "full",
            "description": "full: the message itself is kept too, one call each of 20 in a minute; metadata: the listing only.",
        },
        "spam_trash": {
            "type": "boolean",
            "default": True,
            "description": "Whether spam and trash are mirrored. Without them, trashing a message looks like deleting it.",
        },
    },
}


class Mail(Stream):
    """The mailbox of an account that the token reads. Ids survive a move between folders (§4.6)."""

    info = StreamInfo(
        "mail",
        "Zoho Mail",
        deletes=SWEEP,
        identity=ACCOUNT,
        volatile=("threadCount",),  # it grows with every answer to the message
        options_schema=OPTIONS,
        full_every=timedelta(days=1),
        stable_listing=False,
    )

    async def partitions(self, ctx: Context) -> Sequence[Partition]:
        assert ctx.account is not None
        folders = await folders_of(ctx, await mailbox_of(ctx, ctx.account))
        hide = ctx.options.get("spam_trash") is False
        return [_partition(folder, hide) for folder in folders]

    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        cursor = read_cursor(ctx.cursor)
        mailbox = str(cursor.get("mailbox") or await _mailbox(ctx))
        since = _since(cursor) if ctx.scan is Scan.DELTA else None
        newest = int(cursor.get("newest") or 0)
        now = int(ctx.clock.now().timestamp() * 1000)
        place: dict[str, Any] = {"v": VERSION, "mailbox": mailbox}
        folder = Folder(ctx, mailbox, _folder(ctx))
        items: list[Record | Reject] = []
        async with aclosing(folder.walk(int(cursor.get("start") or 1), cursor.get("last") or ())) as walk:
            async for found in walk:
                newest = max(newest, min(found.newest, now))  # a time to come would hide all mail until then
                rows = [record_of(row, mailbox, content=_with_content(ctx)) for row in found.rows]
                *parts, items = await _portions(ctx, rows)
                for part in parts:
                    yield Page(part)
                if found.final or _is_known(found, since):
                    break
                resume = {**place, "newest": newest, "since": since, "start": found.start, "last": list(found.last)}
                yield Page(items, resume=None if found.start is None else resume)
        yield Page(items, last=True, bookmark={**place, "newest": newest})

    def fetch(self, ctx: Context, blob: Blob) -> AsyncIterator[bytes]:
        return raw_message(ctx, str(blob.ref["mailbox"]), str(blob.ref["id"]))

    async def get(self, ctx: Context, ids: Sequence[str]) -> AsyncIterator[Record | Tombstone | Reject]:
        """§4.6: (folder, id) goes stale. Gone is what is in no folder; `originalmessage` is asked without one."""
        mailbox = await _mailbox(ctx)
        folders: list[str] | None = None
        for one in ids:
            if not await exists(ctx, mailbox, one):
                yield Tombstone(one)
                continue
            folders = folders or _search_order(await folders_of(ctx, mailbox), _folder(ctx))
            yield await _found(ctx, mailbox, one, folders)


async def _found(ctx: Context, mailbox: str, one: str, folders: list[str]) -> Record | Reject:
    """A message that exists, wherever it lives now."""
    api = Api(ctx, "mail", "mail")
    for folder in folders:
        path = f"/api/accounts/{mailbox}/folders/{folder}/messages/{one}/details"
        try:
            data = mail_data(await api.get(path, "mail details", None, _elsewhere), "mail details")
        except _Elsewhere:
            continue
        if not isinstance(data, dict):
            raise ProtocolError("mail details: the answer is not an object")
        item = record_of({**data, "messageId": one}, mailbox, content=_with_content(ctx))
        if isinstance(item, Record):
            item.partition = folder
        return item
    return Reject("the message exists, and none of the folders has it", one)


class _Elsewhere(SyncdError):
    """The message is not in this folder."""


def _elsewhere(fault: Fault) -> SyncdError | None:
    return _Elsewhere(str(fault)) if fault.http in (400, 404) else None


async def _mailbox(ctx: Context) -> str:
    assert ctx.account is not None
    return await mailbox_of(ctx, ctx.account)


async def _portions(ctx: Context, items: list[Record | Reject]) -> list[list[Record | Reject]]:
    """The items in pages small enough that their contents arrive within a minute; never none."""
    wanted = [item for item in items if isinstance(item, Record) and item.blob is not None]
    held = await ctx.known([item.source_id for item in wanted]) if wanted else {}
    parts: list[list[Record | Reject]] = [[]]
    count = 0
    for item in items:
        new = isinstance(item, Record) and item.blob is not None and held.get(item.source_id) != item.blob.tag
        if new and count == CONTENTS:
            parts.append([])
            count = 0
        count += new
        parts[-1].append(item)
    return parts


def _with_content(ctx: Context) -> bool:
    return bool(ctx.options.get("content", "full") != "metadata")


def _is_known(found: Rows, since: int | None) -> bool:
    """Whether a delta round has met what it read the last time (trap 17)."""
    return since is not None and found.oldest is not None and found.oldest <= since - OVERLAP


def _folder(ctx: Context) -> str:
    return ctx.partition.id if ctx.partition else ""


def _partition(folder: dict[str, Any], hide: bool) -> Partition:
    """§4.3: a folder inside spam or trash reports its parent's type, whatever its name."""
    one = ident(folder.get("folderId"))
    if one is None:
        raise ProtocolError("mail folders: a folder has no id")
    title = text(folder.get("path")) or text(folder.get("folderName"))
    return Partition(one, title, excluded=hide and text(folder.get("folderType")).lower() in HIDDEN)


def _search_order(folders: list[dict[str, Any]], own: str) -> list[str]:
    found = [(text(one.get("folderType")).lower(), ident(one.get("folderId"))) for one in folders]
    found.sort(key=lambda one: (one[1] != own, FIRST.get(one[0], 9)))
    return [one for _, one in found if one is not None]


def _since(cursor: dict[str, Any]) -> int:
    """From where on a delta round reads: of a round that was cut, where that began."""
    since = cursor.get("since", cursor.get("newest"))
    if not isinstance(since, int):
        raise CursorExpired("the cursor has no time")
    return since
