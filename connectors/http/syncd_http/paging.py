"""Where a listing goes on: page numbers, offsets, cursors, next links in the body or in a Link header.

Public: Ask (a request as values), Seen (one answer), pager_of, Pager, EndedEarly, with_value, origin_of, is_token,
digest_of.

Pure: a pager changes a request, and reads an answer. A place is JSON: it stands in resume points.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

from syncd.sdk import JSON, CursorExpired, ProtocolError
from syncd.sdk.http import httpx

from .links import links_of
from .numerals import encoded, is_sound
from .paths import Path
from .plan import ByCursor, ByOffset, ByPage, Pagination

__all__ = [
    "Ask",
    "EndedEarly",
    "Pager",
    "Place",
    "Seen",
    "digest_of",
    "is_token",
    "origin_of",
    "pager_of",
    "with_value",
]

Place = dict[str, JSON]


@dataclass(frozen=True, slots=True)
class Ask:
    """A request. `params` are of the query, or for a POST with a body, parts of that body."""

    method: str
    url: str
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None


@dataclass(frozen=True, slots=True)
class Seen:
    """An answer: its JSON, its entries, and the response itself."""

    answer: Any
    entries: Sequence[Any]
    response: httpx.Response


def with_value(ask: Ask, name: str, value: Any) -> Ask:
    """The request with one more parameter: in the query, or in the body of one that has a body (`variables.after`)."""
    if ask.body is None:
        return replace(ask, params={**ask.params, name: value})
    return replace(ask, body=_put(ask.body, name.split("."), value))


def _put(body: Any, steps: Sequence[str], value: Any) -> Any:
    if not steps:
        return value
    inside = body if isinstance(body, dict) else {}
    return {**inside, steps[0]: _put(inside.get(steps[0]), steps[1:], value)}


class EndedEarly(ProtocolError):
    """A listing that ended before all entries that it says to have."""


class Pager(ABC):
    """One way of going on. `stable`: False where places are positions, which shift when something is deleted."""

    stable = True

    def first(self) -> Place:
        """The place of the first page."""
        return {}

    @abstractmethod
    def at(self, ask: Ask, place: Place) -> Ask:
        """The request for the page at a place. Raises CursorExpired for a place of another kind."""

    @abstractmethod
    def after(self, place: Place, seen: Seen) -> Place | None:
        """The place of the page that follows; None: that was the last. Raises ProtocolError, EndedEarly among them."""


def pager_of(pagination: Pagination) -> Pager:
    """The pager that the settings ask for."""
    if pagination.page is not None:
        return _Pages(pagination.page)
    if pagination.offset is not None:
        return _Offsets(pagination.offset)
    if pagination.cursor is not None:
        return _Cursors(pagination.cursor)
    if pagination.next_link is not None:
        return _NextLinks(pagination.next_link.path)
    if pagination.link_header is not None:
        return _LinkHeaders(pagination.link_header.rel)
    return _OnePage()


class _OnePage(Pager):
    def at(self, ask: Ask, place: Place) -> Ask:
        return ask

    def after(self, place: Place, seen: Seen) -> Place | None:
        return None


class _Positions(Pager):
    """What page numbers and offsets have in common. `seen`: entries so far; `same`: a digest of the page before.

    Without `total` or `more` a listing ends with an empty page, not with a short one: servers cap pages, or filter them.
    """

    stable = False

    def __init__(self, plan: ByPage | ByOffset, start: int) -> None:
        self._plan = plan
        self._start = start
        self._total = Path(plan.total) if plan.total else None
        self._more = Path(plan.more) if plan.more else None

    def first(self) -> Place:
        return {"at": self._start, "seen": 0}

    def at(self, ask: Ask, place: Place) -> Ask:
        number = place.get("at")
        if not isinstance(number, int):
            raise CursorExpired("the place was made for another way of paging")
        if self._plan.size is not None and self._plan.size_param is not None:
            ask = with_value(ask, self._plan.size_param, self._plan.size)
        return with_value(ask, self._plan.param, number)

    def after(self, place: Place, seen: Seen) -> Place | None:
        count = int(place.get("seen", 0)) + len(seen.entries)
        if not self._goes_on(count, seen):
            return None
        digest = hashlib.sha256(seen.response.content).hexdigest()[:16]
        if digest == place.get("same"):
            raise ProtocolError("one page came twice: the parameter for the page may be another")
        return {"at": self._next(place, len(seen.entries)), "seen": count, "same": digest}

    def _goes_on(self, count: int, seen: Seen) -> bool:
        if self._more is not None:
            return _flag(self._more, seen.answer)
        if self._total is not None:
            return count < self._whole(self._total, count, seen)
        short = self._plan.ends == "short" and self._plan.size is not None and len(seen.entries) < self._plan.size
        return bool(seen.entries) and not short

    def _whole(self, path: Path, count: int, seen: Seen) -> int:
        """The number of all entries, by an answer after `count` of them. An empty page before the last of them is no end."""
        total = path.first(seen.answer)
        if not isinstance(total, int) or isinstance(total, bool) or total < len(seen.entries):
            raise ProtocolError(f"the answer's {path.text} is not the number of all entries")
        if count < total and not seen.entries:
            raise EndedEarly(
                f"a page is empty after {count} entries, but {path.text} says that there are {total}: nothing is concluded "
                "from that; if the API counts what it does not list, leave `total` out"
            )
        return total

    @abstractmethod
    def _next(self, place: Place, entries: int) -> int: ...


class _Pages(_Positions):
    def __init__(self, plan: ByPage) -> None:
        super().__init__(plan, plan.start)

    def _next(self, place: Place, entries: int) -> int:
        return int(place["at"]) + 1


class _Offsets(_Positions):
    def __init__(self, plan: ByOffset) -> None:
        super().__init__(plan, 0)

    def _next(self, place: Place, entries: int) -> int:
        return int(place["at"]) + entries


class _Cursors(Pager):
    def __init__(self, plan: ByCursor) -> None:
        self._param = plan.param
        self._path = Path(plan.path)
        self._more = Path(plan.more) if plan.more else None

    def at(self, ask: Ask, place: Place) -> Ask:
        if not place:
            return ask
        if not isinstance(place.get("cursor"), str | int):
            raise CursorExpired("the place was made for another way of paging")
        return with_value(ask, self._param, place["cursor"])

    def after(self, place: Place, seen: Seen) -> Place | None:
        if self._more is not None and not _flag(self._more, seen.answer):
            return None
        cursor = self._path.first(seen.answer)
        if cursor in (None, "") and self._more is None:
            return None
        if not is_token(cursor):
            raise ProtocolError(f"the answer's {self._path.text} is no cursor")
        if cursor == place.get("cursor"):
            raise ProtocolError("the page leads to itself")
        return {"cursor": cursor}


class _Links(Pager):
    """Next pages by URL: of the API's own origin only, so that no answer leads a credential elsewhere."""

    def at(self, ask: Ask, place: Place) -> Ask:
        if not place:
            return ask
        if not isinstance(place.get("url"), str):
            raise CursorExpired("the place was made for another way of paging")
        return replace(ask, url=_checked(place["url"], ask.url), params={})

    def after(self, place: Place, seen: Seen) -> Place | None:
        link = self._link(seen)
        if link is None:
            return None
        here = str(seen.response.request.url)
        url = _checked(_joined(here, link), here)
        if url in (here, place.get("url")):
            raise ProtocolError("the page leads to itself")
        return {"url": url}

    @abstractmethod
    def _link(self, seen: Seen) -> str | None: ...


class _NextLinks(_Links):
    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def _link(self, seen: Seen) -> str | None:
        link = self._path.first(seen.answer)
        if link in (None, ""):
            return None
        if not isinstance(link, str):
            raise ProtocolError(f"the answer's {self._path.text} is no link")
        return link


class _LinkHeaders(_Links):
    def __init__(self, rel: str) -> None:
        self._rel = rel

    def _link(self, seen: Seen) -> str | None:
        try:
            links = [link for header in seen.response.headers.get_list("link") for link in links_of(header)]
        except ValueError as error:
            raise ProtocolError(f"the answer's Link header cannot be read: {error}") from error
        found = [link for link in links if link.is_a(self._rel)]
        here = str(seen.response.request.url)
        mine = [link for link in found if urldefrag(_joined(here, link.params.get("anchor", ""))).url == here]
        if found and not mine:
            raise ProtocolError(f"the answer's Link header has a {self._rel} page, but of another address (anchor)")
        return mine[0].target or None if mine else None


def _joined(here: str, link: str) -> str:
    try:
        return urljoin(here, link)
    except ValueError as error:
        raise ProtocolError("the answer's link to the next page is none") from error


def _checked(url: str, home: str) -> str:
    if origin_of(url) != origin_of(home):
        raise ProtocolError("the link to the next page leads to another server: refused")
    return url


def origin_of(url: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port; None for what is no URL, or one with a user in it."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
        parsed = httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        return None
    if parts.username is not None or not parts.hostname or parsed.host != parts.hostname:
        return None
    return parts.scheme, parts.hostname, port


def _flag(path: Path, answer: Any) -> bool:
    found = path.first(answer)
    if not isinstance(found, bool):
        raise ProtocolError(f"the answer's {path.text} is neither true nor false")
    return found


def is_token(value: Any) -> bool:
    """Whether it is what an API may want back, as a cursor or a sync token."""
    return type(value) is int or (isinstance(value, str) and value != "" and is_sound(value))


def digest_of(value: Any) -> str:
    """A short digest of JSON, whatever the order of its keys."""
    return hashlib.sha256(encoded(value)).hexdigest()[:12]
