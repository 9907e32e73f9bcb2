"""Mail: one partition per folder, listed newest first down to what is known (§4).

Public: Mail.

Zoho lists by position and has no filter by time: a delta round reads a folder from the top until it meets what it read
the last time, less an overlap, and at least one page of 200. What happened there (new mail, read or unread, flags, moves,
deletions) is seen at once; what happens to older mail is seen by full rounds only, once a day.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import Any

from syncd.sdk import (
    ACCOUNT,
    Blob,
    Context,
    CursorExpired,
    Item,
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
from .hydrate import hydrated, with_content
from .mailbox import Folder, Top, folders_of
from .message import record_of
from .rawmail import exists, raw_message
from .settings import MESSAGES, root
from .wire import ident, mail_data, text

__all__ = ["Mail"]

OVERLAP = 3_600_000  # ms before the newest message known, in which a late one may still turn up
MOST = 10_000  # mailboxes that are remembered
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
        identity=ACCOUNT,
        volatile=("threadCount",),  # it grows with every answer to the message
        options_schema=OPTIONS,
        full_every=timedelta(days=1),
        stable_listing=False,
    )

    def __init__(self) -> None:
        # `accountId` by host and account: it never changes, and asking for it costs one call in 20 per folder (§4.7)
        self._mailboxes: dict[tuple[str, str], str] = {}

    async def partitions(self, ctx: Context) -> Sequence[Partition]:
        assert ctx.account is not None
        mailbox = await mailbox_of(ctx, ctx.account)
        if len(self._mailboxes) >= MOST:
            self._mailboxes.clear()
        self._mailboxes[root(ctx.settings, "mail"), ctx.account.id] = mailbox
        folders = await folders_of(ctx, mailbox)
        hide = ctx.options.get("spam_trash") is False
        return [_partition(folder, hide) for folder in folders]

    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        cursor = read_cursor(ctx.cursor)
        mailbox = str(cursor.get("mailbox") or await self._mailbox(ctx))
        reading = _full(ctx, mailbox, cursor) if ctx.scan is Scan.FULL else _delta(ctx, mailbox, cursor)
        async with aclosing(reading) as pages:
            async for page in pages:
                yield page

    def fetch(self, ctx: Context, blob: Blob) -> AsyncIterator[bytes]:
        return raw_message(ctx, str(blob.ref["mailbox"]), str(blob.ref["id"]))

    async def get(self, ctx: Context, ids: Sequence[str]) -> AsyncIterator[Record | Tombstone | Reject]:
        """§4.6: (folder, id) goes stale. Gone is what is in no folder; `originalmessage` is asked without one."""
        mailbox = await self._mailbox(ctx)
        folders: list[str] | None = None
        for one in ids:
            if not await exists(ctx, mailbox, one):
                yield Tombstone(one)
                continue
            folders = folders or _search_order(await folders_of(ctx, mailbox), _folder(ctx))
            yield await _found(ctx, mailbox, one, folders)

    async def _mailbox(self, ctx: Context) -> str:
        assert ctx.account is not None
        known = self._mailboxes.get((root(ctx.settings, "mail"), ctx.account.id))
        return known or await mailbox_of(ctx, ctx.account)


async def _full(ctx: Context, mailbox: str, cursor: dict[str, Any]) -> AsyncGenerator[Page, None]:
    """The folder as a whole."""
    newest, top = int(cursor.get("newest") or 0), Top(None)
    folder = Folder(ctx, mailbox, _folder(ctx))
    begun: Mapping[str, Any] | None = (cursor.get("top") or {}) if cursor.get("start") else None
    items: list[Item] = []

    def place() -> dict[str, Any]:
        kept = top.kept if begun is None else begun
        return {"v": VERSION, "mailbox": mailbox, "newest": newest, "top": kept}

    async with aclosing(folder.walk(int(cursor.get("start") or 1), cursor.get("last") or ())) as walk:
        async for found in walk:
            newest = max(newest, _until_now(ctx, found.newest))
            for row in found.rows:
                top.take(row)
            *parts, items = await hydrated(ctx, mailbox, found.rows)
            for part in parts:
                yield Page(part)
            if found.final:
                break
            goes_on = found.start is not None
            yield Page(items, resume={**place(), "start": found.start, "last": list(found.last)} if goes_on else None)
    yield Page(items, last=True, bookmark=place())


async def _delta(ctx: Context, mailbox: str, cursor: dict[str, Any]) -> AsyncGenerator[Page, None]:
    """From the top down to what was known, less an overlap: a few pages, read again if the round is cut."""
    since, newest, top = _since(cursor), _since(cursor), Top(cursor.get("top"))
    folder = Folder(ctx, mailbox, _folder(ctx))
    items: list[Item] = []
    oldest: int | None = None
    async with aclosing(folder.walk()) as walk:
        async for found in walk:
            newest = max(newest, _until_now(ctx, found.newest))
            *parts, items = await hydrated(ctx, mailbox, [row for row in found.rows if top.take(row)])
            for part in parts:
                yield Page(part)
            oldest = None if found.final else found.oldest
            if found.final or (oldest is not None and oldest <= since - OVERLAP):  # trap 17
                break
            yield Page(items)
    items += map(Tombstone, top.gone(oldest))
    place = {"v": VERSION, "mailbox": mailbox, "newest": newest, "top": top.kept}
    yield Page(items, last=True, bookmark=place)


def _until_now(ctx: Context, moment: int) -> int:
    """A watermark in the future would hide all mail until then."""
    return min(moment, int(ctx.clock.now().timestamp() * 1000))


async def _found(ctx: Context, mailbox: str, one: str, folders: list[str]) -> Record | Reject:
    """A message that exists, wherever it lives now."""
    api = Api(ctx, "mail", "mail", MESSAGES)
    for folder in folders:
        path = f"/api/accounts/{mailbox}/folders/{folder}/messages/{one}/details"
        try:
            data = mail_data(await api.get(path, "mail details", None, _elsewhere), "mail details")
        except _Elsewhere:
            continue
        if not isinstance(data, dict):
            raise ProtocolError("mail details: the answer is not an object")
        item = record_of({**data, "messageId": one}, mailbox, content=with_content(ctx))
        if isinstance(item, Record):
            item.partition = folder
        return item
    return Reject("the message exists, and none of the folders has it", one)


class _Elsewhere(SyncdError):
    """The message is not in this folder."""


def _elsewhere(fault: Fault) -> SyncdError | None:
    return _Elsewhere(str(fault)) if fault.http in (400, 404) else None


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
    newest = cursor.get("newest")
    if not isinstance(newest, int):
        raise CursorExpired("the cursor has no time")
    return newest
