"""What writes to contacts and events share: nothing over a newer version, nothing twice (wire reference §14, §15).

Public: Writes, Gone, once, tagged, tag_search, holds, without_notes.

Each write is one request after the other: a mailbox bears four at once, those of rounds included (§11).
"""

import html
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import msgspec
import orjson

from syncd.sdk import JSON, Context, Forbidden, PartitionGone, ProtocolError, SyncdError, VersionConflict
from syncd.sdk.http import httpx

from .api import IMMUTABLE, Graph
from .errors import PERMISSION_MISSING, Fault, no_mailbox
from .events import Moment, instant_of
from .outlook import is_gone
from .wire import Chain, decode, list_of

__all__ = ["Gone", "Writes", "holds", "once", "tag_search", "tagged", "without_notes"]

# One constant name for ever: each distinct one takes a slot of the mailbox (§14).
TAG = "String {8f2b6a34-51c7-4e0d-9d1a-6f3b0c7e2a95} Name syncdLink"
NAMESPACE = uuid.UUID("2d9a4c1e-7b50-4f6e-8c33-a1e5d0f79b42")
STALE_CODES = ("errorirresolvableconflict", "resourcemodified")
FEW_PAGES = 20  # of a search that finds one item at the most
MARKUP = re.compile(r"(?is)<head\b.*?</head>|<[^>]*>")


class Gone(PartitionGone):
    """What was to be written to is not there any more: for a create its folder or calendar."""


def once(idempotency_key: str) -> str:
    """A GUID that stands for the key, whatever is in it: the same for the same key."""
    return str(uuid.uuid5(NAMESPACE, idempotency_key))


def tagged(guid: str) -> dict[str, Any]:
    """The property by which a created item is found again (§14)."""
    return {"singleValueExtendedProperties": [{"id": TAG, "value": guid}]}


def tag_search(guid: str) -> str:
    """The query that finds it."""
    test = f"singleValueExtendedProperties/Any(ep: ep/id eq '{TAG}' and ep/value eq '{guid}')"
    return "$filter=" + quote(test, safe="")


def without_notes(data: Mapping[str, JSON], read_only: frozenset[str]) -> dict[str, Any]:
    """What may be sent: no annotations, nothing that the server keeps by itself."""
    return {key: value for key, value in data.items() if "@" not in key and key not in read_only}


class Writes:
    """Writes in the name of one account. `what` names the item in errors, `permission` what the app needs for it."""

    def __init__(self, ctx: Context, stream: str, what: str, permission: str) -> None:
        self.graph = Graph(ctx, stream, (IMMUTABLE,))
        self.what = what
        self.permission = permission

    async def send(
        self, method: str, where: str, body: Any = None, *, etag: str | None = None, repeatable: bool = False
    ) -> httpx.Response:
        """One write. VersionConflict for a stale `etag`, Gone for what is not there; `repeatable`: twice is as once."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        headers |= {"If-Match": etag} if etag is not None else {}
        response = await self.graph.ctx.http.request(
            method,
            self.graph.address(where),
            content=None if body is None else orjson.dumps(body),
            headers=self.graph.headers((), headers),
            extensions={**self.graph.extensions, "syncd.safe": repeatable},
        )
        if response.status_code >= 400:
            raise self.graph.problem(response, f"{self.what}: {method}", self._means)
        return response

    async def read(self, where: str) -> dict[str, Any] | None:
        """The item as it is now; None if it is gone."""
        try:
            return decode((await self.graph.get(where, self.what, self._means)).content, self.what)
        except Gone:
            return None

    async def find(self, listing: str, guid: str) -> dict[str, Any] | None:
        """The item that an earlier call with the same key made; a page of a search may be empty and go on (§3)."""
        where, chain = f"{listing}?{tag_search(guid)}", Chain(self.what, FEW_PAGES)
        while True:
            page = decode((await self.graph.get(where, self.what, self._means)).content, self.what)
            if found := list_of(page, self.what):
                return found[0]
            link = page.get("@odata.nextLink")
            if not isinstance(link, str) or not link:
                return None
            where = chain.follow(link)

    async def change(self, where: str, body: Mapping[str, Any], etag: str | None) -> dict[str, Any]:
        """PATCH. On 412 the item is read again: it may have these very values, by a call whose answer was lost; or it
        may not have changed at all, since 412 comes transiently too (§14): then once more. Else VersionConflict.
        """
        for last in (False, True):
            try:
                return decode((await self.send("PATCH", where, body, etag=etag)).content, self.what)
            except Gone as error:
                raise VersionConflict(f"{self.what}: it is not there any more") from error
            except VersionConflict as error:
                now = await self.read(where)
                if now is None:
                    raise VersionConflict(f"{self.what}: it is not there any more") from error
                if holds(body, now):
                    return now
                if last or (etag is not None and now.get("@odata.etag") != etag):
                    raise
        raise AssertionError("unreachable")

    async def remove(
        self, where: str, etag: str | None, select: str, guard: Callable[[dict[str, Any]], None] | None = None
    ) -> None:
        """DELETE of the version that was looked at. What is gone needs no deleting. `guard` raises what speaks against it."""
        for last in (False, True):
            now = await self.read(f"{where}?$select={select}")
            if now is None:
                return
            seen = now.get("@odata.etag")
            if etag is not None and seen != etag:
                raise VersionConflict(f"{self.what}: it has changed since {etag}")
            if guard is not None:
                guard(now)
            try:
                await self.send("DELETE", where, etag=seen if isinstance(seen, str) else None)
            except Gone:
                return
            except VersionConflict:
                if last:
                    raise
                continue
            return

    def _means(self, fault: Fault) -> SyncdError | None:
        if fault.http == 412 or (fault.http == 409 and fault.has(*STALE_CODES)):
            return VersionConflict(f"{self.what}: {fault}")
        if is_gone(fault):
            return Gone(f"{self.what}: {fault}")
        mailbox = no_mailbox(fault, self.what)
        if mailbox is None and fault.http == 403:
            needs = f"{self.permission} is needed, and the right to write there"
            return Forbidden(f"{self.what}: Microsoft answered {fault}; {needs}", code=PERMISSION_MISSING)
        return mailbox


# -- whether what is there is what was sent -------------------------------------------------------------------------


def holds(sent: Any, found: Any, name: str = "") -> bool:
    """Whether `found` has the values of `sent`; the server adds properties, digits and markup of its own (§14)."""
    if name in ("start", "end"):
        return bool(_instant(sent) == _instant(found))
    if name == "body" and isinstance(sent, Mapping) and isinstance(found, Mapping):
        return _text(sent.get("content")) == _text(found.get("content"))
    if name == "singleValueExtendedProperties":
        return True  # not shown unless asked for
    if isinstance(sent, Mapping):
        return isinstance(found, Mapping) and all(holds(value, found.get(key), key) for key, value in sent.items())
    if isinstance(sent, list) and sent:
        return isinstance(found, list) and len(found) == len(sent) and all(map(holds, sent, found))
    empty: tuple[Any, ...] = (None, "", [])
    return bool(sent == found) or (sent in empty and found in empty)


def _instant(moment: Any) -> Any:
    try:
        return instant_of(msgspec.convert(moment, Moment))
    except msgspec.ValidationError as error:
        raise ProtocolError("an event's time is no object of dateTime and timeZone") from error


def _text(content: Any) -> str:
    """A body without markup: what is read back may differ from what was sent (§14)."""
    return " ".join(html.unescape(MARKUP.sub(" ", content)).split()) if isinstance(content, str) else ""
