"""Rounds over one module of the CRM: everything, or what changed and what was deleted (wire reference §8.1, §8.2).

Public: Round, read_by_ids, discover, complete.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from syncd.sdk import (
    JSON,
    Context,
    CursorExpired,
    Forbidden,
    Item,
    Page,
    ProtocolError,
    Record,
    Reject,
    Scan,
    Tombstone,
)

from .crm_api import MOST_FIELDS, MOST_IDS, MOST_PAGES, Answer, Crm, FieldsGone, Listed, Row, TokenLost, TooFar
from .crm_records import TIMES, Summary, instant_of, record_of
from .cursors import VERSION, read_cursor
from .wire import ident, iso

__all__ = ["Fields", "Round", "complete", "discover", "read_by_ids"]

OVERLAP = timedelta(seconds=1)  # §8.1
RETENTION = timedelta(days=59)  # §8.2: the bin forgets after 60 days
FIELDS_AGE = timedelta(days=1)  # new fields are looked for as often
RESTARTS = 20  # of one walk, for lost page tokens: they live for a day


@dataclass(slots=True)
class Fields:
    """All fields of a module, cut into requests of at most 50 names (§8.1, §10.32)."""

    names: list[str]

    @classmethod
    def of(cls, found: Sequence[str], first: Sequence[str]) -> "Fields":
        """`first`: those that must be in the first request, as far as they exist; the times always."""
        head = [name for name in first if name in TIMES or name in found]
        return cls(list(dict.fromkeys([*head, *found])))

    @property
    def listed(self) -> list[str]:
        return self.names[:MOST_FIELDS]

    @property
    def rest(self) -> list[list[str]]:
        return [self.names[at : at + MOST_FIELDS] for at in range(MOST_FIELDS, len(self.names), MOST_FIELDS)]


@dataclass(slots=True)
class Walk:
    """A walk by Modified_Time, ascending. `after`: where it began (None: at the beginning of time); `high`: the latest
    time seen; `ordered`: whether all came in order, so that nothing before `high` is missing."""

    after: datetime | None = None
    high: datetime | None = None
    token: str | None = None
    number: int | None = None  # of the page, where the CRM gives no token
    ordered: bool = True
    restarts: int = 0
    seen: set[int] = field(default_factory=set)  # page tokens of this walk

    def note(self, rows: Sequence[Listed]) -> None:
        for row in rows:
            at = None if isinstance(row, Reject) else instant_of(row)
            if at is None:
                continue
            if self.high is not None and at < self.high - OVERLAP:
                self.ordered = False
            self.high = at if self.high is None else max(self.high, at)

    def follow(self, answer: Answer, what: str) -> None:
        """Go to the next page: by token, which alone reaches beyond 2,000 records (§10.33)."""
        if answer.token is None:
            self.number = (self.number or 1) + 1
            if self.token is not None or self.number > MOST_PAGES:
                raise ProtocolError(f"{what}: more follows, and the CRM gives no page token")
            return
        mark = hash(answer.token)
        if mark in self.seen:
            raise ProtocolError(f"{what}: the CRM repeats a page token; the pages would never end")
        self.seen.add(mark)
        self.token, self.number = answer.token, None

    def again(self) -> bool:
        """Begin a new walk: at the latest time if all came in order, else where this one began. False: no further than it."""
        start = self.high - OVERLAP if self.ordered and self.high else None
        moved = start is not None and (self.after is None or start > self.after)
        self.after = start if moved else self.after
        self.high, self.token, self.number, self.ordered, self.seen = None, None, None, True, set()
        return moved

    @property
    def state(self) -> dict[str, JSON]:
        place: dict[str, JSON] = {"after": _text(self.after), "high": _text(self.high), "ordered": self.ordered}
        return {**place, "token": self.token, "page": self.number}

    @classmethod
    def read(cls, state: Any) -> "Walk":
        if not isinstance(state, dict):
            return cls()
        after, high = iso(state.get("after")), iso(state.get("high"))
        return cls(after, high, state.get("token"), state.get("page"), state.get("ordered") is True)


class Round:
    """One round of a module.

    A full one walks all records by time of change. So does a delta, from its watermark on, and then reads the deletions
    since. The next watermark is the server's time before the first page; what changes meanwhile comes again (§8.1).
    """

    def __init__(self, ctx: Context, crm: Crm, first: Sequence[str], summary: Summary) -> None:
        self.ctx = ctx
        self.crm = crm
        self.first = first
        self.summary = summary
        self.what = f"CRM {crm.module}"
        cursor = read_cursor(ctx.cursor)
        self.delta = ctx.scan is Scan.DELTA
        self.since = iso(cursor.get("since"))
        self.began = iso(cursor.get("began"))
        names = cursor.get("fields")
        self.fields = Fields([str(name) for name in names]) if isinstance(names, list) and names else None
        self.fields_at = iso(cursor.get("fields_at"))
        self.walk = Walk.read(cursor.get("walk"))
        self.deletions: int | None = cursor.get("deletions")

    async def pages(self) -> AsyncIterator[Page]:
        """All pages from the cursor on."""
        if self.delta:
            self._check_age(self.ctx.clock.now())
        await self._learn_fields()
        if self.deletions is None:
            async for page in self._changes():
                yield page
        if self.delta:
            async for page in self._deleted():
                yield page

    # -- fields

    async def _learn_fields(self) -> None:
        """Ask for the fields in a full round, and once a day in deltas. A new one asks for a full round."""
        now = self.began or self.ctx.clock.now()
        fresh = self.fields_at is not None and now - self.fields_at < FIELDS_AGE
        if self.fields is not None and (fresh or self.began is not None):
            return
        found, at = await discover(self.crm, self.first)
        if self.fields is not None and self.delta and not set(found.names) <= set(self.fields.names):
            raise CursorExpired(f"{self.what}: the module has new fields")
        self.fields, self.fields_at = found, at
        if self.began is None:
            self.began = at

    # -- changes

    async def _changes(self) -> AsyncIterator[Page]:
        base = self.since - OVERLAP if self.delta and self.since else None
        if self.walk.after is None:
            self.walk.after = base
        while True:
            answer = await self._next_page()
            if self.began is None:
                self.began = answer.at
            if self.delta:
                self._check_age(answer.at)
            items = await self._items(answer.rows)
            self.walk.note(answer.rows)
            if not answer.more:
                break
            if not answer.rows:
                raise ProtocolError(f"{self.what}: an empty page that says that more follows")
            self.walk.follow(answer, self.what)
            yield Page(items, resume=self._place(walk=self.walk.state))
        if not self.delta:
            yield Page(items, last=True, bookmark=self._bookmark())
            return
        self.deletions = 1
        if items:
            yield Page(items, resume=self._place(deletions=1))

    async def _next_page(self) -> Answer:
        """The page where the walk stands, in a new walk if need be: lost tokens, and more than one walk can show."""
        assert self.fields is not None
        while True:
            walk = self.walk
            try:
                return await self.crm.page(self.fields.listed, since=walk.after, token=walk.token, number=walk.number)
            except TokenLost as error:
                walk.restarts += 1
                if not (walk.token or walk.number) or walk.restarts > RESTARTS:
                    raise CursorExpired(str(error)) from error
                walk.again()
            except TooFar as error:
                if not walk.again():
                    raise ProtocolError(f"{error}: more records of one moment than the CRM shows") from error
            except FieldsGone as error:
                if not self.delta:
                    raise ProtocolError(str(error)) from error
                raise CursorExpired(str(error)) from error

    async def _items(self, rows: Sequence[Listed]) -> list[Item]:
        """One bad row is refused by itself; several rows of which none has an id are an answer that makes no sense."""
        assert self.fields is not None
        if len(rows) > 1 and not any(_id_of(row) for row in rows):
            raise ProtocolError(f"{self.what}: no record of the page has an id")
        whole = await complete(self.ctx, self.crm, rows, self.fields)
        return [row if isinstance(row, Reject) else record_of(row, self.summary) for row in whole]

    # -- deletions

    async def _deleted(self) -> AsyncIterator[Page]:
        """§8.2. Which of them live again is for `get` to say: a restored record leaves this list."""
        assert self.since is not None
        number = self.deletions or 1
        while True:
            try:
                answer = await self.crm.deleted(self.since - OVERLAP, number)
            except (TooFar, TokenLost) as error:
                raise CursorExpired(f"{self.what}: more deletions than the CRM lists ({error})") from error
            items = list(_tombstones(answer.rows))
            if not answer.more:
                yield Page(items, last=True, bookmark=self._bookmark())
                return
            if not answer.rows:
                raise ProtocolError(f"{self.what}: an empty page of deletions that says that more follows")
            number += 1
            yield Page(items, resume=self._place(deletions=number))

    def _check_age(self, now: datetime) -> None:
        """After a longer stop deletions have been forgotten: a full round finds them (§10.36)."""
        if self.since is None:
            raise CursorExpired(f"{self.what}: the cursor has no time")
        if now - self.since > RETENTION:
            raise CursorExpired(f"{self.what}: not read since {_text(self.since)}; the CRM forgets deletions")

    # -- places

    def _bookmark(self) -> JSON:
        assert self.began is not None
        return {"v": VERSION, "since": _text(self.began), **self._known()}

    def _place(self, **more: JSON) -> JSON:
        return {"v": VERSION, "since": _text(self.since), "began": _text(self.began), **self._known(), **more}

    def _known(self) -> dict[str, JSON]:
        """The fields go with the place: a page token is bound to them (§8.1)."""
        names = self.fields.names if self.fields else []
        return {"fields": list(names), "fields_at": _text(self.fields_at)}


async def discover(crm: Crm, first: Sequence[str]) -> tuple[Fields, datetime | None]:
    """All fields of the module; the usual ones, and no time, where the token may not list them."""
    try:
        found, at = await crm.fields()
    except Forbidden as error:
        crm.ctx.log.warning(
            "only the usual fields are read: the token may not list a module's fields", error=str(error)
        )
        return Fields(list(first)), None
    return Fields.of(found, first), at


async def complete(ctx: Context, crm: Crm, rows: Sequence[Listed], fields: Fields) -> list[Listed]:
    """The rows of a listing with the fields that did not fit into its request: by ids (§8.1).

    A record that is gone by then is left out: `get` is asked before anything is deleted for it.
    """
    rest = fields.rest
    ids = [key for row in rows if not isinstance(row, Reject) and (key := ident(row.get("id")))] if rest else []
    if not ids:
        return list(rows)
    batches = [ids[at : at + MOST_IDS] for at in range(0, len(ids), MOST_IDS)]
    more: dict[str, Row] = {}
    for answer in await ctx.gather([crm.by_ids(batch, names) for batch in batches for names in rest]):
        for key, row in answer.items():
            more.setdefault(key, {}).update(row)
    whole: list[Listed] = []
    for one in rows:
        key = None if isinstance(one, Reject) else ident(one.get("id"))
        if isinstance(one, Reject) or key is None:
            whole.append(one)
        elif key in more:
            whole.append({**more[key], **one})
    return whole


async def read_by_ids(
    ctx: Context, crm: Crm, ids: Sequence[str], first: Sequence[str], summary: Summary
) -> AsyncIterator[Record | Tombstone | Reject]:
    """Records by id; what no listing shows any more, converted and unapproved ones included, is gone (§8.1)."""
    fields, _ = await discover(crm, first)
    for at in range(0, len(ids), MOST_IDS):
        batch = list(ids[at : at + MOST_IDS])
        found = await crm.by_ids(batch, fields.listed)
        rows = await complete(ctx, crm, list(found.values()), fields)
        whole = {ident(row.get("id")): row for row in rows if not isinstance(row, Reject)}
        for source_id in batch:
            row = whole.get(source_id)
            yield Tombstone(source_id) if row is None else record_of(row, summary)


def _id_of(row: Listed) -> str | None:
    return row.source_id if isinstance(row, Reject) else ident(row.get("id"))


def _tombstones(rows: Sequence[Listed]) -> Iterator[Item]:
    for row in rows:
        key = None if isinstance(row, Reject) else ident(row.get("id"))
        if isinstance(row, Reject):
            yield row
        elif key is None:
            yield Reject("a deletion without an id", None, row)
        else:
            yield Tombstone(key)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")
