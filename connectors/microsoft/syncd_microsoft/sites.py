"""The document libraries of SharePoint (wire reference §7).

Public: Libraries.
"""

import asyncio
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from syncd.sdk import CursorExpired, Forbidden, Partition, ProtocolError, SyncdError

from .api import Graph, quoted
from .batch import Batch, Part
from .errors import Fault, no_drive, refusal
from .settings import is_delegated
from .wire import LONGEST_LIST, Chain, decode, list_of, text_of

__all__ = ["Libraries"]

WHAT = "files"
SITES = "sites"
LIBRARIES = "document libraries"
LIBRARY = "documentlibrary"
FRESH = 60.0  # seconds for which a listing is news to an account that has not had it
PATIENCE = 20.0  # seconds that an account waits for another one's listing, which the provider may be holding up

BySite: TypeAlias = Mapping[str, tuple[Partition, ...]]


@dataclass(slots=True)
class _Listing:
    """The last listing of a connection. `had_by`: the accounts that were given it: who asks again wants a new one."""

    by_site: BySite = field(default_factory=dict)
    began_at: float | None = None
    had_by: set[str] = field(default_factory=set)
    under_way: asyncio.Event | None = None

    def is_news_to(self, account: str, now: float) -> bool:
        return self.began_at is not None and now - self.began_at < FRESH and account not in self.had_by


class Libraries:
    """All libraries of the organisation, which are the same for all accounts of a connection.

    The accounts of a run share one listing: who asks while it is under way waits for it. No account gets the same one
    twice, so a later run of the same accounts lists anew.
    """

    def __init__(self) -> None:
        # By event loop, since those who wait for each other share one.
        self._of: MutableMapping[asyncio.AbstractEventLoop, dict[tuple[str, ...], _Listing]] = WeakKeyDictionary()

    async def all(self, graph: Graph) -> list[Partition]:
        """The libraries that there are, and those last seen in sites that refuse to list theirs now."""
        account = graph.ctx.account
        assert account is not None
        listing = self._of.setdefault(asyncio.get_running_loop(), {}).setdefault(_connection(graph), _Listing())
        waited_for: asyncio.Event | None = None
        while not listing.is_news_to(account.id, graph.ctx.clock.monotonic()):
            other = listing.under_way
            if other is None or other is waited_for:
                await _anew(graph, listing)
                break
            waited_for = other
            await _wait(graph, other)
        listing.had_by.add(account.id)
        return list({one.id: one for some in listing.by_site.values() for one in some}.values())


def _connection(graph: Graph) -> tuple[str, ...]:
    """Who sees the same sites: all accounts of an app, but each user with a sign-in of his own."""
    settings, account = graph.ctx.settings, graph.ctx.account
    alone = account.id if account is not None and is_delegated(settings) else ""
    return graph.root, str(settings.get("tenant")), str(settings.get("client_id")), alone


async def _anew(graph: Graph, listing: _Listing) -> None:
    began_at = graph.ctx.clock.monotonic()
    mine = listing.under_way = asyncio.Event()
    try:
        listing.by_site = await _Sites(graph, listing.by_site).libraries()
        listing.began_at, listing.had_by = began_at, set()
    finally:
        mine.set()
        if listing.under_way is mine:
            listing.under_way = None


async def _wait(graph: Graph, other: asyncio.Event) -> None:
    """Until it is set, but no longer than PATIENCE: whoever it waits for may itself wait for a place that we hold."""
    waits = [asyncio.ensure_future(other.wait()), asyncio.ensure_future(graph.ctx.clock.sleep(PATIENCE))]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waits:
            one.cancel()


class _Sites:
    """All sites of the organisation and their libraries. `before`: what each site had when it was last listed."""

    def __init__(self, graph: Graph, before: BySite) -> None:
        self._graph = graph
        self._before = before

    async def libraries(self) -> BySite:
        """By site. Personal sites are the users' OneDrives. One site's refusal is no other site's.

        What a site refuses to list stays as it was; where that is not known, `get` keeps the records. Sites that are
        gone are left out.
        """
        titles = {
            text_of(site, "id", SITES): str(site.get("displayName") or site.get("name") or "")
            for site in await self._all()
            if site.get("isPersonalSite") is not True
        }
        paths = {f"/sites/{quoted(one)}/drives?$select=id,name,driveType": one for one in titles}
        found: dict[str, tuple[Partition, ...]] = {}
        for path, part in (await Batch(self._graph, serial=False, patience=60.0).get(list(paths))).items():
            site = paths[path]
            try:
                drives = [library for one in await self._drives(part) if (library := _library(one, titles[site]))]
            except (Forbidden, ProtocolError, CursorExpired) as error:
                self._graph.ctx.log.warning("a site does not list its libraries", site=titles[site], why=str(error))
                if part.status not in (404, 410):
                    found[site] = self._before.get(site, ())
                continue
            found[site] = tuple(drives)
        return found

    async def _all(self) -> list[dict[str, Any]]:
        """Every site; where that is refused, those that a search finds."""
        try:
            return await self._list("/sites/getAllSites?$select=id,name,displayName,isPersonalSite", SITES)
        except (Forbidden, ProtocolError):
            return await self._list("/sites?search=*", SITES)

    async def _drives(self, part: Part) -> list[dict[str, Any]]:
        if part.status >= 400:
            raise refusal(part.fault, LIBRARIES, WHAT)
        page = part.json(LIBRARIES)
        link = page.get("@odata.nextLink")
        return list_of(page, LIBRARIES) + (await self._list(link, LIBRARIES) if isinstance(link, str) and link else [])

    async def _list(self, where: str, what: str) -> list[dict[str, Any]]:
        chain, found = Chain(what, LONGEST_LIST), []
        while True:
            page = decode((await self._graph.get(where, what, _no_sharepoint)).content, what)
            found += list_of(page, what)
            link = page.get("@odata.nextLink")
            if not isinstance(link, str) or not link:
                return found
            where = chain.follow(link)


def _no_sharepoint(fault: Fault) -> SyncdError | None:
    """The organisation's lack of a licence is a state, as a user's lack of a drive is (§10)."""
    return no_drive(fault, SITES) if fault.says("spo license") else None


def _library(drive: dict[str, Any], site: str) -> Partition | None:
    if str(drive.get("driveType") or LIBRARY).lower() != LIBRARY:
        return None
    title = " / ".join(part for part in (site, str(drive.get("name") or "")) if part)
    return Partition(text_of(drive, "id", LIBRARIES), title, shared=True)
