"""Mail: one mailbox, ids listed and messages fetched in batches, then by history (wire reference §7).

Public: Mail.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from syncd.sdk import (
    JSON,
    Blob,
    ContentUnavailable,
    Context,
    CursorExpired,
    Item,
    Page,
    ProtocolError,
    Record,
    Reject,
    Scan,
    Stream,
    StreamInfo,
    SyncdError,
    Tombstone,
)

from .api import Api, Params
from .cursors import VERSION, read_cursor
from .errors import Fault, no_mailbox
from .hydrate import MESSAGES, Hydrator, kinds
from .rawmail import raw_message
from .wire import Chain, decode, next_token

__all__ = ["Mail"]

WHAT = "mail"
PAGE_SIZE = 500  # §7.1: the most
MOST_IDS = 5_000  # in a resume point: 100 kB
HIDDEN = {"SPAM", "TRASH"}
OPTIONS = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "content": {
            "enum": ["full", "metadata"],
            "default": "full",
            "description": "full: the message itself is kept too; metadata: labels and headers only.",
        },
        "spam_trash": {
            "type": "boolean",
            "default": True,
            "description": "Whether spam and trash are mirrored. Without them, trashing a message looks like deleting it.",
        },
    },
}


class Mail(Stream):
    """A mailbox. The place in its history is taken before listing; labels change, messages never do."""

    info = StreamInfo(
        "mail",
        "Gmail",
        volatile=("historyId", "sizeEstimate", "snippet"),
        options_schema=OPTIONS,
    )

    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        mailbox = _Mailbox(ctx)
        place = await mailbox.place()
        while True:
            items: list[Item] = []
            if not place.todo and place.more:
                items += await mailbox.advance(place)
            page, error = await mailbox.fill(place, items)
            if page.items or page.skipped or not error:  # an empty page too: the engine sees whether there is an end
                yield page
            if page.last:
                return
            if error:
                raise error

    async def fetch(self, ctx: Context, blob: Blob) -> AsyncIterator[bytes]:
        async for chunk in raw_message(ctx, blob.ref["id"]):
            yield chunk

    async def fetch_many(self, ctx: Context, blobs: Sequence[Blob]) -> AsyncIterator[tuple[Blob, bytes | SyncdError]]:
        """Small messages, in batches."""
        hydrator, rest = Hydrator(ctx), list(blobs)
        while rest:
            some = {str(blob.ref["id"]): blob for blob in rest[: hydrator.size]}
            rest = rest[hydrator.size :]
            async for answer in _contents(ctx, hydrator, some):
                yield answer


@dataclass(slots=True)
class _Place:
    """Where a round stands. `since`: the history it reads, None while it lists; `bookmark`: where the next one starts.

    `page`: the token of the next page; `read`: that of the page which `todo` is from. `first`: with what to begin on it.
    """

    since: str | None
    bookmark: str | None
    page: str | None = None
    more: bool = True
    todo: list[str] = field(default_factory=list)
    read: str | None = None
    first: str | None = None

    def resume(self) -> JSON:
        """A safe restart. Where there is too much to do to write it down, the page is read once more, up to its place."""
        fields = {"since": self.since, "bookmark": self.bookmark}
        if len(self.todo) > MOST_IDS:
            return {"v": VERSION, **fields, "page": self.read, "more": True, "todo": [], "first": self.todo[0]}
        return {"v": VERSION, **fields, "page": self.page, "more": self.more, "todo": self.todo}

    def ahead(self, touched: Sequence[str]) -> Sequence[str]:
        """What is to do of the page that was read: all, but for what was done of it before a restart."""
        first, self.first = self.first, None
        return touched[touched.index(first) :] if first in touched else touched


class _Mailbox:
    """One round through a mailbox."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.api = Api(ctx, "gmail", WHAT)
        self.hydrator = Hydrator(ctx)
        self.chain = Chain(WHAT)
        self.content = ctx.options.get("content", "full") != "metadata"
        self.spam_trash = ctx.options.get("spam_trash", True) is not False

    async def place(self) -> _Place:
        """Where to start. A full round takes the mailbox's history id before it lists (§7.2.1)."""
        cursor = read_cursor(self.ctx.cursor)
        if "more" in cursor:
            place = _Place(cursor["since"], cursor["bookmark"], cursor["page"], cursor["more"], list(cursor["todo"]))
            place.first = cursor.get("first")
            return place
        if self.ctx.scan is Scan.DELTA:
            if not cursor.get("history"):
                raise CursorExpired("the cursor has no history id")
            return _Place(cursor["history"], None)
        profile = decode((await self.api.get("/gmail/v1/users/me/profile", WHAT, {}, no_mailbox)).content, WHAT)
        return _Place(None, _number(profile, "historyId"))

    async def advance(self, place: _Place) -> list[Item]:
        """Read the next ids to do; gives what needs no second look."""
        return await (self._list(place) if place.since is None else self._history(place))

    async def fill(self, place: _Place, items: list[Item]) -> tuple[Page, SyncdError | None]:
        """The next page: some of the messages to do, and the error for which the others must wait."""
        some, rest = place.todo[: self.hydrator.size], place.todo[self.hydrator.size :]
        held = await self.ctx.known(some) if some else {}
        got = await self.hydrator.messages(kinds(some, held, self.content))
        place.todo = got.left + rest
        skipped = 0
        for item in got.items:
            if self.spam_trash or not isinstance(item, Record) or not _hidden(item):
                items.append(item)
            elif item.source_id in held:
                items.append(Tombstone(item.source_id))
            else:
                skipped += 1
        if place.since is None:  # vanished between the listing and the look
            skipped += len(got.gone)
        else:
            items += [Tombstone(one) for one in got.gone]
        if place.todo or place.more or got.error:
            return Page(items, resume=place.resume(), skipped=skipped), got.error
        return Page(items, last=True, bookmark={"v": VERSION, "history": place.bookmark}, skipped=skipped), None

    async def _list(self, place: _Place) -> list[Item]:
        params: Params = {
            "maxResults": PAGE_SIZE,
            "includeSpamTrash": "true" if self.spam_trash else "false",
            "pageToken": place.page,
        }
        used = place.page is not None
        response = await self.api.get(MESSAGES, WHAT, params, lambda fault: _listing_fault(fault, used))
        page = decode(response.content, WHAT)
        found = _Found()
        found.add(_list_of(page, "messages"), found.touched)
        place.todo = list(place.ahead(list(found.touched)))
        self._turn(place, page)
        return [*found.rejects]

    async def _history(self, place: _Place) -> list[Item]:
        """A page of history. The id to go on from is the first page's: later pages may be newer than what they tell."""
        params: Params = {"startHistoryId": place.since, "maxResults": PAGE_SIZE, "pageToken": place.page}
        response = await self.api.get("/gmail/v1/users/me/history", WHAT, params, _history_fault)
        page = decode(response.content, WHAT)
        place.bookmark = place.bookmark or _number(page, "historyId")
        found = _touched(_list_of(page, "history"))
        place.todo = [one for one in place.ahead(list(found.touched)) if one not in found.gone]
        self._turn(place, page)
        return [*found.rejects, *(Tombstone(one) for one in found.gone)]

    def _turn(self, place: _Place, page: dict[str, Any]) -> None:
        token = next_token(page, WHAT)
        place.read = place.page
        place.more = token is not None
        place.page = None if token is None else self.chain.follow(token)


@dataclass(slots=True)
class _Found:
    """Ids from a listing or a history, in order and once each, and what has no id."""

    touched: dict[str, None] = field(default_factory=dict)
    gone: dict[str, None] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)

    def add(self, entries: list[Any], into: dict[str, None]) -> None:
        for entry in entries:
            one = entry.get("id") if isinstance(entry, dict) else None
            if isinstance(one, str) and one:
                into[one] = None
            else:
                self.rejects.append(Reject("a listed message has no id", None, entry))


def _touched(history: list[Any]) -> _Found:
    """Messages that were added or changed labels, and those deleted for good. `messages[]` repeats them (§7.2.3)."""
    found = _Found()
    for record in history:
        if not isinstance(record, dict) or not isinstance(record.get("id"), str):
            found.rejects.append(Reject("a history record cannot be read", None, record))
            continue
        for kind in ("messagesAdded", "labelsAdded", "labelsRemoved"):
            found.add(_messages_of(record, kind), found.touched)
        found.add(_messages_of(record, "messagesDeleted"), found.gone)
    return found


def _messages_of(record: dict[str, Any], kind: str) -> list[Any]:
    return [entry.get("message") if isinstance(entry, dict) else entry for entry in _list_of(record, kind)]


async def _contents(
    ctx: Context, hydrator: Hydrator, some: dict[str, Blob]
) -> AsyncIterator[tuple[Blob, bytes | SyncdError]]:
    got = await hydrator.messages(dict.fromkeys(some, "raw"))
    answers: dict[str, bytes | SyncdError] = {}
    for item in got.items:
        if isinstance(item, Record) and item.blob is not None and item.blob.content is not None:
            answers[item.source_id] = item.blob.content
    for one in got.gone:
        answers[one] = ContentUnavailable("gone")
    for one in got.left:
        answers[one] = got.error or ProtocolError("mail: no answer")
    for one, blob in some.items():
        if one not in answers:
            answers[one] = await _alone(ctx, one)
        yield blob, answers[one]


async def _alone(ctx: Context, one: str) -> bytes | SyncdError:
    """A message that a batch does not give: larger than expected, or unreadable."""
    try:
        return b"".join([chunk async for chunk in raw_message(ctx, one)])
    except SyncdError as error:
        return error


def _listing_fault(fault: Fault, used: bool) -> SyncdError | None:
    if used and fault.http in (400, 404) and not fault.is_("failedPrecondition", "FAILED_PRECONDITION"):
        return CursorExpired(f"{WHAT}: {fault}")
    return no_mailbox(fault)


def _history_fault(fault: Fault) -> SyncdError | None:
    """§7.2.7, §13.2: 404 here is a cursor that is too old; a garbled one is a 400."""
    if fault.http == 404 or (fault.http == 400 and fault.is_("invalidArgument", "INVALID_ARGUMENT")):
        return CursorExpired(f"{WHAT}: {fault}")
    return no_mailbox(fault)


def _hidden(record: Record) -> bool:
    assert isinstance(record.data, bytes)
    return not HIDDEN.isdisjoint(decode(record.data, WHAT)["labelIds"])


def _list_of(value: dict[str, Any], key: str) -> list[Any]:
    """A list that is left out when empty (§1.3)."""
    found = value.get(key, [])
    if not isinstance(found, list):
        raise ProtocolError(f"mail: {key} is not a list")
    return found


def _number(value: dict[str, Any], key: str) -> str:
    """A 64-bit number: a string in REST (§13.20), accepted as a number too."""
    found = value.get(key)
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    if not isinstance(found, str) or not found.isdecimal():
        raise ProtocolError(f"mail: the answer has no {key}")
    return found
