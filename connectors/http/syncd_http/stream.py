"""A stream as the settings describe it.

Public: HttpStream, stream_of.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import Any
from urllib.parse import quote, unquote, urljoin

from syncd.sdk import (
    ACCOUNT,
    DELTA,
    FULL,
    PARTITION,
    REPORTED,
    SWEEP,
    Blob,
    ContentUnavailable,
    Context,
    Item,
    Page,
    Partition,
    ProtocolError,
    Record,
    Reject,
    Stream,
    StreamInfo,
    Tombstone,
    parse_duration,
)

from .api import Api, json_of
from .listing import Reader, Slice
from .paging import Ask, digest_of, origin_of
from .paths import Path
from .plan import Plan, StreamPlan, chain_of
from .progress import Progress, begin, rule_of
from .records import Shape

__all__ = ["HttpStream", "stream_of"]

_REDIRECTS = 5


def stream_of(api: Api, plan: Plan, name: str) -> "HttpStream":
    """A stream of the settings; one that can look at single items where they say how."""
    kind = DetailedStream if plan.streams[name].detail is not None else HttpStream
    return kind(api, plan, name)


class HttpStream(Stream):
    """One listing per partition. Parts are the entries of another stream, where `for_each` names one."""

    def __init__(self, api: Api, plan: Plan, name: str) -> None:
        self.api = api
        self.plan = plan.streams[name]
        self.reader = Reader(api, self.plan)
        self.rule = rule_of(self.plan)
        self.info = _info(
            name, self.plan, self.reader, delta=self.rule.since is not None or self.rule.token is not None
        )
        self.shape = Shape(self.plan, self.info.kind, reports=self.info.deletes is REPORTED)
        self._above = [Above(api, plan.streams[one], one) for one in chain_of(plan.streams, name)]

    async def partitions(self, ctx: Context) -> Sequence[Partition]:
        """One per entry of the streams above, or one in all."""
        parts = [Partition()]
        for above in self._above:
            found = await ctx.gather([above.below(ctx, part, names_of(ctx, self._above, part.id)) for part in parts])
            parts = [one for each in found for one in each]
        return parts

    async def first_part(self, ctx: Context) -> Partition | None:
        """One part, by one request for each of the streams above; None if there is none."""
        part = Partition()
        for above in self._above:
            found = await above.first(ctx, part, names_of(ctx, self._above, part.id))
            if found is None:
                return None
            part = found
        return part

    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        """The listing, from the cursor on."""
        progress = begin(self.rule, ctx)
        kinds: set[type] = set()
        async for part in self.reader.slices(ctx, self.names(ctx), progress.place, progress.params()):
            kinds |= self.shape.ids.kinds(part.entries)
            if len(kinds) > 1:
                raise ProtocolError(f"{self.info.name}: some ids are texts and some are numbers: which are right?")
            items, progress, skipped = self._read(part, progress)
            if part.next is None:
                bookmark = progress.bookmark(part.answer) if DELTA in self.info.scans else None
                yield Page(await self.completed(ctx, items), last=True, bookmark=bookmark, skipped=skipped)
            else:
                yield Page(await self.completed(ctx, items), resume=progress.resume(part.next), skipped=skipped)

    def names(self, ctx: Context) -> dict[str, str]:
        """What placeholders stand for."""
        return names_of(ctx, self._above, ctx.partition.id if ctx.partition else "")

    async def completed(self, ctx: Context, items: list[Item]) -> list[Item]:
        """The items of a page, as they are to be handed over."""
        return items

    async def sample(self, ctx: Context) -> str:
        """The first page only: "ready" and what was found, or what is wrong with it."""
        part = await first_page(self.reader, ctx, self.names(ctx))
        entries, fields = part.entries, _fields(part.entries)
        unread = [found for entry in entries if isinstance(found := self.shape.read(entry).item, Reject)]
        if unread:
            has = f"; an entry has {fields}" if fields else ""
            return f"{len(unread)} of {len(entries)} entries cannot be read ({unread[0].reason}){has}"
        if not entries:
            return "ready: no entries, so that no path could be tried"
        count = f"{len(entries)} {'entry' if len(entries) == 1 else 'entries'} with {fields}"
        return f"ready: {count}{'; more pages follow' if part.next is not None else ''}"

    async def fetch(self, ctx: Context, blob: Blob) -> AsyncIterator[bytes]:
        """The content, in chunks. Redirects are followed to the API itself and to the hosts that the settings name."""
        url = self._content_url(ctx, blob)
        for _ in range(_REDIRECTS):
            async with ctx.http.stream("GET", url, headers=self.api.headers_for(url)) as response:
                if response.has_redirect_location:
                    url = _joined(url, response.headers["location"])
                    continue
                if response.status_code >= 300:
                    await response.aread()
                    gone = ContentUnavailable("gone", f"the API has no such content ({response.status_code})")
                    raise self.api.meanings.error(response, "content", started=False, otherwise=gone)
                async for chunk in response.aiter_bytes():
                    yield chunk
                return
        raise ProtocolError("the content's address leads from one to the next without an end")

    def _content_url(self, ctx: Context, blob: Blob) -> str:
        if "url" in blob.ref:
            return _joined(f"{self.api.root}/", str(blob.ref["url"]))
        assert self.plan.content is not None
        assert self.plan.content.path is not None
        return self.api.url(self.plan.content.path, {**self.names(ctx), "id": blob.ref["id"]})

    def _read(self, part: Slice, progress: Progress) -> tuple[list[Item], Progress, int]:
        items: list[Item] = self.shape.gone(part.answer)
        skipped = 0
        changes: dict[str, tuple[str, float]] = {}
        for entry in part.entries:
            read = self.shape.read(entry)
            if read.item is None:
                skipped += 1
                continue
            if self.rule.since is not None and read.changed is not None and not isinstance(read.item, Reject):
                digest = digest_of(entry)
                changes[read.item.source_id] = (digest, read.changed)
                if progress.is_known(read.item.source_id, digest):
                    continue
            items.append(read.item)
        return items, progress.saw(part.response, changes), skipped


class DetailedStream(HttpStream):
    """A stream whose items can be looked at one by one."""

    async def get(self, ctx: Context, ids: Sequence[str]) -> AsyncIterator[Record | Tombstone | Reject]:
        """Each item as it is now; a Tombstone where the API says 404 or 410."""
        for answer in await ctx.gather([self._look(ctx, one) for one in ids]):
            yield answer

    async def completed(self, ctx: Context, items: list[Item]) -> list[Item]:
        """With `hydrate`, each listed item is replaced by what the API says of it alone."""
        if self.plan.detail is None or not self.plan.detail.hydrate:
            return items
        return await ctx.gather([self._hydrated(ctx, item) for item in items])

    async def _hydrated(self, ctx: Context, item: Item) -> Item:
        if not isinstance(item, Record):
            return item
        found = await self._look(ctx, item.source_id)
        if isinstance(found, Tombstone) and self.info.deletes is not REPORTED:
            return Reject("it went while it was listed", item.source_id)
        return found

    async def _look(self, ctx: Context, source_id: str) -> Record | Tombstone | Reject:
        detail = self.plan.detail
        assert detail is not None
        url = self.api.url(detail.path, {**self.names(ctx), "id": source_id})
        response = await self.api.send(ctx, Ask("GET", url), single=True)
        if response is None:
            return Tombstone(source_id)
        entry = Path(detail.record).first(json_of(response))
        found = self.shape.read(entry).item
        if found is None:
            return Tombstone(source_id)
        if found.source_id != source_id:
            raise ProtocolError(f"{detail.path}: the answer is about another item")
        return found


class Above:
    """A stream whose entries are the parts of another one."""

    def __init__(self, api: Api, plan: StreamPlan, name: str) -> None:
        self.name = name
        self._reader = Reader(api, plan)
        self._title = Path(plan.name) if plan.name else None
        self._shape = Shape(plan, None, reports=False)

    async def below(self, ctx: Context, part: Partition, names: dict[str, str]) -> list[Partition]:
        """The parts inside a part. Raises ProtocolError rather than leave one out."""
        pages = self._reader.slices(ctx, names)
        return [one async for page in pages for one in self._parts(part, page)]

    async def first(self, ctx: Context, part: Partition, names: dict[str, str]) -> Partition | None:
        """The first part inside a part, by one request."""
        page = await first_page(self._reader, ctx, names)
        return next(self._parts(part, page), None)

    def _parts(self, part: Partition, page: Slice) -> Iterator[Partition]:
        for entry in page.entries:
            source_id = self._shape.ids.of(entry)
            if source_id is None:
                raise ProtocolError(f"an entry of {self.name} has no id: its parts cannot be known")
            if self._shape.read(entry).item is None:
                continue
            title = self._title.first(entry) if self._title else None
            name = "/".join([*([part.id] if part.id else []), quote(source_id, safe="")])
            yield Partition(name, title if isinstance(title, str) else "")


def _version(plan: StreamPlan) -> int:
    """Another number for other settings: summaries are then made anew, which is no change of an entry."""
    said = [plan.summary, plan.kind, plan.name, plan.folder]
    return int(digest_of(said)[:7], 16) + 1 if any(said) else 1


def _joined(here: str, link: str) -> str:
    """The address that a link stands for. Raises ContentUnavailable if it is none."""
    try:
        url = urljoin(here, link)
    except ValueError:
        url = ""
    if not url.startswith(("https://", "http://")) or origin_of(url) is None:
        raise ContentUnavailable("malformed", "the content's address is none")
    return url


def _fields(entries: Sequence[Any]) -> str:
    """The fields of the first entries; their names are the API's and may be anything."""
    found = sorted({str(key) for entry in entries[:50] if isinstance(entry, dict) for key in entry})
    shown = [name for name in found if name.isprintable() and len(name) <= 40][:12]
    return ", ".join([*shown, *(["…"] if len(found) > len(shown) else [])])


async def first_page(reader: Reader, ctx: Context, names: dict[str, str]) -> Slice:
    """The first page of a listing, and no more."""
    async with aclosing(reader.slices(ctx, names)) as pages:
        return await anext(pages)


def names_of(ctx: Context, above: Sequence[Above], partition: str) -> dict[str, str]:
    """Account and parts by their placeholders."""
    names: dict[str, str] = {}
    if ctx.account is not None:
        names = {"account.id": ctx.account.id, "account.address": ctx.account.address}
    parts = partition.split("/") if partition else []
    for one, part in zip(above, parts, strict=False):
        names[f"{one.name}.id"] = unquote(part)
    return names


def _info(name: str, plan: StreamPlan, reader: Reader, *, delta: bool) -> StreamInfo:
    tells = delta and (plan.deleted is not None or plan.deleted_ids is not None)
    every: timedelta | None = parse_duration(plan.full_every) if plan.full_every else None
    return StreamInfo(
        name,
        plan.title,
        scans={FULL, DELTA} if delta else {FULL},
        deletes=REPORTED if tells else SWEEP,
        options_schema={"type": "object", "properties": {}, "additionalProperties": False},
        volatile=tuple(plan.volatile),
        identity=PARTITION if plan.identity == "partition" else ACCOUNT,
        full_every=every,
        stable_listing=reader.pager.stable,
        summary_version=_version(plan),
        kind=plan.kind,
    )
