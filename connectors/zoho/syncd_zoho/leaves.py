"""Pages of contacts by position, as both listings have them (§6.1, §6.3).

Public: WHAT, PAGE_SIZE, Listing, Leaf, Entry, leaves.
"""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias

import msgspec

from syncd.sdk import Context, ProtocolError, Reject
from syncd.sdk.http import httpx

from .api import Api, Meaning, Params
from .people import Person
from .slices import Sliced

__all__ = ["PAGE_SIZE", "WHAT", "Entry", "Leaf", "Listing", "leaves"]

WHAT = "contacts"
PAGE_SIZE = 100  # §6.1: the most is unpublished; this is what is used in the field
INCLUDE = "emails,phones,ims,urls,address"  # §10.30: sub-lists come on request only

Entry: TypeAlias = tuple[Person, bytes] | Reject


class Listing(msgspec.Struct):
    """A page. `has_more` alone tells whether it is the last (§6.1)."""

    contacts: list[msgspec.Raw]
    status_code: int | str = 200
    has_more: bool | None = None


PEOPLE = Sliced(Listing, "contacts", Person, "contact_id")


@dataclass(slots=True)
class Leaf:
    """One page: contacts with an id, and what could not be read. `at`: Zoho's clock (ms) when it was asked for."""

    page: int
    entries: list[Entry]
    last: bool
    at: int


async def leaves(
    ctx: Context,
    path: str,
    page: int,
    *,
    rows: Sliced[Listing, Any] = PEOPLE,
    also: str = "",
    params: Params | None = None,
    means: Meaning | None = None,
) -> AsyncIterator[Leaf]:
    """Page after page to the last, less what the page before had: a contact that is new shifts all that follow."""
    api, previous = Api(ctx, WHAT, WHAT), set[str]()
    while True:
        asked: Params = {**(params or {}), "page": page, "per_page": PAGE_SIZE, "include": also + INCLUDE}
        began = ctx.clock.monotonic()
        response = await api.get(path, WHAT, asked, means)
        head, people = rows.read(response.content, WHAT)
        if str(head.status_code) != "200":
            raise ProtocolError(f"contacts: the answer says status_code {head.status_code}")
        entries, previous = _fresh(people, previous)
        last = not (head.contacts if head.has_more is None else head.has_more)  # never by a short page (§6.1)
        if not last and not entries:
            raise ProtocolError("contacts: a page has nothing new and says that more follow; they would never end")
        yield Leaf(page, entries, last, _asked_at(ctx, response, began))
        if last:
            return
        page += 1


def _fresh(people: Iterable[Entry], previous: set[str]) -> tuple[list[Entry], set[str]]:
    """What is new on this page, and its ids."""
    entries: list[Entry] = []
    ids: set[str] = set()
    for entry in people:
        if type(entry) is tuple:
            source_id: str | None = entry[0].contact_id
            if not source_id:
                entry = Reject("a contact without an id", None, entry[1])
            elif source_id in previous:
                continue
        else:
            source_id = entry.source_id  # type: ignore[union-attr]
        if source_id:
            ids.add(source_id)
        entries.append(entry)
    return entries, ids


def _asked_at(ctx: Context, response: httpx.Response, began: float) -> int:
    """The server's time before the request, in ms: the answer's `Date` less what it took. This clock's without one."""
    took = max(0.0, ctx.clock.monotonic() - began)
    try:
        date = parsedate_to_datetime(response.headers.get("date", ""))
    except (TypeError, ValueError):
        date = ctx.clock.now()
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0, int((date.timestamp() - took) * 1000))
