"""A listing, page by page.

Public: Reader (a listing of the settings, ready to be read), Slice.
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any

from syncd.sdk import Context, CursorExpired, ProtocolError
from syncd.sdk.http import httpx

from .api import Api, json_of
from .paging import Ask, EndedEarly, Place, Seen, digest_of, pager_of, with_value
from .paths import Path
from .plan import Listing
from .templates import Names, filled, filled_body

__all__ = ["Reader", "Slice"]


@dataclass(frozen=True, slots=True)
class Slice:
    """One page: its entries, its whole answer, and the place of the page behind it (None: it was the last)."""

    entries: list[Any]
    answer: Any
    response: httpx.Response | None
    next: Place | None


class Reader:
    """One listing: of accounts, or of a stream."""

    def __init__(self, api: Api, listing: Listing) -> None:
        self.api = api
        self.pager = pager_of(listing.pagination)
        self._listing = listing
        self._records = Path(listing.records)

    def request(self, names: Names) -> Ask:
        """The request for the first page, with ids filled in."""
        one = self._listing
        params = {name: _filled(value, names) for name, value in one.params.items()}
        headers = {name: _header(name, filled(value, names)) for name, value in one.headers.items()}
        body = filled_body(one.body, names) if one.body is not None else ({} if one.method == "POST" else None)
        return Ask(one.method, self.api.url(one.path, names), params, headers, body)

    async def slices(
        self, ctx: Context, names: Names, place: Place | None = None, more: Mapping[str, Any] | None = None
    ) -> AsyncGenerator[Slice, None]:
        """The pages from `place` on. `more`: parameters that the round adds (since when, a sync token)."""
        ask = self.request(names)
        for name, value in (more or {}).items():
            ask = with_value(ask, name, value)
        resumed = place is not None
        place = self.pager.first() if place is None else place
        been = {digest_of(place)}
        while True:
            try:
                page = await self._page(ctx, ask, place, started=bool(more) or len(been) > 1 or bool(ctx.cursor))
            except EndedEarly as error:
                if resumed:  # pages read before may be to blame: from the same place it would end so for ever
                    raise CursorExpired(error.message) from error
                raise
            yield page
            if page.next is None:
                return
            if (key := digest_of(page.next)) in been:
                raise ProtocolError(f"{self._listing.path}: the pages go in a circle")
            been.add(key)
            place = page.next

    async def _page(self, ctx: Context, ask: Ask, place: Place, *, started: bool) -> Slice:
        try:
            asked = self.pager.at(ask, place)
        except ProtocolError as error:  # a place of an earlier version of these settings
            raise CursorExpired("the place belongs to another server") from error
        response = await self.api.send(ctx, asked, started=started)
        if response is None:
            return Slice([], None, None, None)
        answer = json_of(response)
        entries = self._entries(answer)
        following = self.pager.after(place, Seen(answer, entries, response))
        if following is not None and "url" in following:
            following = {"url": self.api.without_key(following["url"])}
        return Slice(entries, answer, response, following)

    def _entries(self, answer: Any) -> list[Any]:
        found = self._records.entries(answer)
        if found is None:
            if self._listing.optional_records and self._records.first(answer) is None and isinstance(answer, dict):
                return []
            raise ProtocolError(f"{self._listing.path}: the answer has no list at {self._records.text!r}")
        return found


def _header(name: str, value: str) -> str:
    """A header's value. Raises ProtocolError for an id or address that no header can hold."""
    if not value.isprintable():
        raise ProtocolError(f"an id or address of the provider cannot stand in the header {name}")
    return value.strip()


def _filled(value: Any, names: Names) -> Any:
    if isinstance(value, str):
        return filled(value, names)
    return [_filled(item, names) for item in value] if isinstance(value, list) else value
