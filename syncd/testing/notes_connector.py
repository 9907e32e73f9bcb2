"""A connector for `syncd.testing.notes` that uses everything the SDK has: a model to copy from.

Public: NotesConnector, with the streams `notes` (delta, notebooks as partitions, attachments, single items, writing,
notifications) and `tags` (full rounds by position).
"""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from datetime import datetime
from typing import Any

from syncd.sdk import (
    FULL,
    JSON,
    SWEEP,
    Account,
    AuthFailed,
    BearerAuth,
    Blob,
    Connector,
    ConnectorInfo,
    Context,
    CursorExpired,
    Forbidden,
    Item,
    Limits,
    Page,
    Partition,
    ProtocolError,
    Pushable,
    RateLimited,
    Record,
    Reject,
    Scan,
    Stream,
    StreamInfo,
    SyncdError,
    Token,
    Tombstone,
    Transient,
    VersionConflict,
    Writable,
    retryable,
)
from syncd.sdk.http import httpx

from .jsontree import strict_problem

__all__ = ["NotesConnector"]

NO_OPTIONS = {"type": "object", "additionalProperties": False, "properties": {}}


def document(response: httpx.Response) -> dict[str, JSON]:
    """The answer's JSON object, or the error that it means."""
    if response.status_code == 410:
        raise CursorExpired("the place is too old")
    if response.status_code == 412:
        raise VersionConflict("the note has changed")
    if response.status_code in (401, 403, 404):
        raise Forbidden(f"the provider answered {response.status_code}")
    if response.status_code != 200:
        raise ProtocolError(f"the provider answered {response.status_code}")
    try:
        tree = response.json()
    except (ValueError, RecursionError) as error:
        raise ProtocolError("the answer is not JSON") from error
    if not isinstance(tree, dict):
        raise ProtocolError("the answer is not a JSON object")
    return tree


def listed(tree: dict[str, JSON], name: str) -> list[JSON]:
    """A list that must be there."""
    found = tree.get(name)
    if not isinstance(found, list):
        raise ProtocolError(f"the answer has no list {name!r}")
    return found


def text(tree: JSON, name: str) -> str:
    """A text that must be there."""
    found = tree.get(name) if isinstance(tree, dict) else None
    if not isinstance(found, str) or not found or strict_problem(found):
        raise ProtocolError(f"{name!r} is not a text")
    return found


def optional(tree: dict[str, JSON], name: str) -> str | None:
    """A text that may be missing, but not be something else."""
    return None if tree.get(name) is None else text(tree, name)


async def send(
    ctx: Context, method: str, path: str, body: JSON, key: str | None = None, etag: str | None = None
) -> httpx.Response:
    """A request that changes something. With a key it may be repeated."""
    headers = {name: value for name, value in (("Idempotency-Key", key), ("If-Match", etag)) if value is not None}
    safe = {"syncd.safe": key is not None}
    return await ctx.http.request(method, ctx.settings["root"] + path, json=body, headers=headers, extensions=safe)


def written(tree: dict[str, JSON]) -> Record:
    """The note as it is now."""
    if isinstance(item := item_of(tree), Record):
        return item
    raise ProtocolError("the answer to a write is no note")


def kept(ctx: Context, hook: dict[str, JSON]) -> JSON:
    """What a subscription's end is, and half of the way there the time to renew."""
    now = ctx.clock.now()
    try:
        until = datetime.fromisoformat(text(hook, "expires"))
        renew = now + (until - now) / 2
    except (ValueError, TypeError, OverflowError) as error:
        raise ProtocolError("a hook's end is no time") from error
    return {"id": text(hook, "id"), "expires_at": until.isoformat(), "renew_at": renew.isoformat()}


class NotesAuth(BearerAuth):
    """Trades the client secret for a token."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self._settings = settings

    def token_request(self, key: Hashable) -> httpx.Request:
        body = {"client_secret": self._settings["client_secret"].reveal()}
        return httpx.Request("POST", f"{self._settings['root']}/token", json=body)

    def parse(self, key: Hashable, response: httpx.Response) -> Token:
        later = retryable(response)
        if later is not None:
            raise later
        if response.status_code != 200:
            raise AuthFailed(f"the token endpoint answered {response.status_code}")
        tree = document(response)
        life = tree.get("expires_in")
        if isinstance(life, bool) or not isinstance(life, int | float) or not 0 < life < 10**9:
            raise ProtocolError("the token has no lifetime")
        return Token(text(tree, "access_token"), float(life))


class Tags(Stream):
    """Everything, by position, each time: the provider knows no changes of tags."""

    info = StreamInfo("tags", scans={FULL}, deletes=SWEEP, stable_listing=False, options_schema=NO_OPTIONS)

    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        assert ctx.account is not None
        offset = int((ctx.cursor or {}).get("offset", 0))
        while True:
            query = {"offset": offset}
            tree = document(await ctx.http.get(f"{ctx.settings['root']}/users/{ctx.account.id}/tags", params=query))
            tags, total = listed(tree, "tags"), tree.get("total")
            offset += len(tags)
            if not isinstance(total, int) or isinstance(total, bool) or total < offset or (not tags and offset < total):
                raise ProtocolError("the listing does not add up")
            yield Page([item_of(tag) for tag in tags], resume={"offset": offset}, last=offset >= total)
            if offset >= total:
                return


class WritesNotes(Writable):
    """The provider knows idempotency keys and conditional requests: there is nothing to look for beforehand."""

    async def create(self, ctx: Context, data: Mapping[str, JSON], *, idempotency_key: str) -> Record:
        assert ctx.account is not None
        assert ctx.partition is not None
        path = f"/users/{ctx.account.id}/notebooks/{ctx.partition.id}/notes"
        return written(document(await send(ctx, "POST", path, data, idempotency_key)))

    async def update(
        self, ctx: Context, source_id: str, data: Mapping[str, JSON], *, etag: str | None, idempotency_key: str
    ) -> Record:
        assert ctx.account is not None
        path = f"/users/{ctx.account.id}/notes/{source_id}"
        return written(document(await send(ctx, "PUT", path, data, idempotency_key, etag)))

    async def delete(self, ctx: Context, source_id: str, *, etag: str | None, idempotency_key: str) -> None:
        assert ctx.account is not None
        path = f"/users/{ctx.account.id}/notes/{source_id}"
        response = await send(ctx, "DELETE", path, None, idempotency_key, etag)
        if response.status_code != 404:  # what is not there needs no deleting
            document(response)


class PushesNotes(Pushable):
    """A call is signed with the subscription's secret; it says whose notes changed, which a delta round finds out anyway."""

    async def subscribe(self, ctx: Context, url: str, secret: str) -> JSON:
        assert ctx.account is not None
        body = {"url": url, "user": ctx.account.id, "secret": secret}
        return kept(ctx, document(await send(ctx, "POST", "/hooks", body)))

    async def renew(self, ctx: Context, subscription: JSON) -> JSON:
        response = await send(ctx, "POST", f"/hooks/{text(subscription, 'id')}", None)
        return None if response.status_code == 404 else kept(ctx, document(response))

    async def unsubscribe(self, ctx: Context, subscription: JSON) -> None:
        response = await send(ctx, "DELETE", f"/hooks/{text(subscription, 'id')}", None)
        if response.status_code != 404:
            document(response)

    def verify(self, headers: Mapping[str, str], body: bytes, subscription: JSON, secret: str) -> bool:
        given = {name.lower(): value for name, value in headers.items()}.get("notes-signature", "")
        wanted = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode()):
            return False
        call = json.loads(body)  # the provider signed it
        return isinstance(call, dict) and call.get("hook") == text(subscription, "id")


class Notes(WritesNotes, PushesNotes, Stream):
    """Notes by notebook, with attachments."""

    info = StreamInfo("notes", volatile=("changed",), options_schema=NO_OPTIONS)

    async def partitions(self, ctx: Context) -> Sequence[Partition]:
        assert ctx.account is not None
        tree = document(await ctx.http.get(f"{ctx.settings['root']}/users/{ctx.account.id}/notebooks"))
        return [Partition(text(book, "id"), text(book, "title")) for book in listed(tree, "notebooks")]

    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        assert ctx.account is not None
        assert ctx.partition is not None
        delta = ctx.scan is Scan.DELTA
        home = f"{ctx.settings['root']}/users/{ctx.account.id}/notebooks/{ctx.partition.id}"
        url, key = (f"{home}/changes", "since") if delta else (f"{home}/notes", "page")
        place = ctx.cursor
        while True:
            tree = document(await ctx.http.get(url, params={key: place} if place else {}))
            items = self.changes(tree) if delta else [item_of(note) for note in listed(tree, "notes")]
            following = optional(tree, "next")
            if following is None:
                yield Page(items, last=True, bookmark=text(tree, "sync"))
                return
            if following == place:
                raise ProtocolError("the page leads to itself")
            place = following
            yield Page(items, resume=place)

    @staticmethod
    def changes(tree: dict[str, JSON]) -> list[Item]:
        items: list[Item] = []
        for change in listed(tree, "changes"):
            if isinstance(change, dict) and "gone" in change and "note" not in change:
                items.append(gone_of(change))
            else:
                items.append(item_of(change.get("note") if isinstance(change, dict) else change))
        return items

    async def get(self, ctx: Context, ids: Sequence[str]) -> AsyncIterator[Record | Tombstone | Reject]:
        assert ctx.account is not None
        for name in ids:
            response = await ctx.http.get(f"{ctx.settings['root']}/users/{ctx.account.id}/notes/{name}")
            if response.status_code == 404:
                yield Tombstone(name)
                continue
            item = item_of(document(response))
            yield item if isinstance(item, Record) and item.source_id == name else Reject("another note came", name)

    async def fetch(self, ctx: Context, blob: Blob) -> AsyncIterator[bytes]:
        async with ctx.http.stream("GET", f"{ctx.settings['root']}/attachments/{blob.ref}") as response:
            if response.status_code != 200:
                raise Forbidden(f"the provider answered {response.status_code}")
            async for chunk in response.aiter_bytes():
                yield chunk

    async def fetch_many(self, ctx: Context, blobs: Sequence[Blob]) -> AsyncIterator[tuple[Blob, bytes | SyncdError]]:
        async def one(blob: Blob) -> tuple[Blob, bytes | SyncdError]:
            try:
                return blob, b"".join([chunk async for chunk in self.fetch(ctx, blob)])
            except Forbidden as error:
                return blob, error

        for answer in await ctx.gather([one(blob) for blob in blobs]):
            yield answer


def gone_of(change: dict[str, JSON]) -> Item:
    try:
        return Tombstone(text(change, "gone"))
    except ProtocolError as error:
        return Reject(str(error))


def item_of(tree: JSON) -> Item:
    """A note or a tag; a Reject if it cannot be read."""
    try:
        name = text(tree, "id")
    except ProtocolError as error:
        return Reject(str(error))
    if problem := strict_problem(tree):
        return Reject(problem, name)
    attachment = tree.get("attachment")
    try:
        blob = None if attachment is None else blob_of(attachment)
        return Record(name, tree, etag=str(tree["changed"]) if "changed" in tree else None, blob=blob)
    except ProtocolError as error:
        return Reject(str(error), name)


def blob_of(attachment: JSON) -> Blob:
    ref, digest = text(attachment, "ref"), text(attachment, "sha256")
    size = attachment.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ProtocolError("the attachment has no size")
    return Blob(ref, tag=digest, size=size, hash=f"sha256:{digest}")


class NotesConnector(Connector):
    info = ConnectorInfo(
        "notes",
        "Notes",
        settings_schema={
            "type": "object",
            "additionalProperties": False,
            "required": ["root", "client_secret"],
            "properties": {"root": {"type": "string"}, "client_secret": {"type": "string", "x-secret": True}},
        },
        limits=Limits(requests_per_second=20),
    )

    def streams(self) -> Sequence[Stream]:
        return [Notes(), Tags()]

    def auth(self, settings: Mapping[str, Any]) -> httpx.Auth:
        return NotesAuth(settings)

    def origins(self, settings: Mapping[str, Any]) -> Sequence[str]:
        return [settings["root"]]

    def retryable(self, response: httpx.Response) -> RateLimited | Transient | None:
        if response.status_code == 403 and b"busy" in response.content:
            return RateLimited("the provider is busy")
        return retryable(response)

    async def accounts(self, ctx: Context) -> AsyncIterator[Account]:
        page: str | None = None
        while True:
            query = {"page": page} if page else {}
            tree = document(await ctx.http.get(f"{ctx.settings['root']}/users", params=query))
            for user in listed(tree, "users"):
                state = text(user, "state")
                yield Account(text(user, "id"), text(user, "email"), text(user, "name"), state=state)
            before, page = page, optional(tree, "next")
            if page is None:
                return
            if page == before:
                raise ProtocolError("the page leads to itself")
