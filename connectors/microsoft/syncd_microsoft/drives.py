"""Which drives there are: a user's OneDrive and the document libraries of SharePoint (wire reference §7).

Public: drives, onedrive, vanished.
"""

from typing import Any

from syncd.sdk import AccountGone, Context, Forbidden, Partition, PartitionGone, ProtocolError, SyncdError

from .api import Graph, quoted
from .batch import Batch, Part
from .errors import Fault, no_drive, refusal
from .wire import LONGEST_LIST, Chain, decode, list_of, text_of

__all__ = ["drives", "onedrive", "vanished"]

WHAT = "files"
SITES = "sites"
LIBRARIES = "document libraries"
LIBRARY = "documentlibrary"


async def drives(ctx: Context) -> list[Partition]:
    """The user's OneDrive, without a request if it is known already, and with `shared: true` every document library.

    A drive's id is its cursor's key: a OneDrive that was made anew has another (§7).
    """
    own = [one for one in ctx.partitions if not one.shared]
    shared = ctx.options.get("shared") is True
    if own and not shared:
        return own
    graph = Graph(ctx, WHAT)
    missing: AccountGone | None = None
    if not own:
        try:
            own = [await onedrive(graph)]
        except AccountGone as error:
            missing = error
    found = {one.id: one for one in own}
    if shared:
        for library in await _Sites(graph).libraries():
            found.setdefault(library.id, library)
    if missing is not None and not found:
        raise missing
    return list(found.values())


async def onedrive(graph: Graph) -> Partition:
    """The user's drive. AccountGone where there is none, in any of the ways in which Microsoft says so (§10)."""
    response = await graph.get(
        f"{graph.user}/drive?$select=id,name,driveType", "OneDrive", lambda fault: no_drive(fault, "OneDrive")
    )
    drive = decode(response.content, "OneDrive")
    return Partition(text_of(drive, "id", "OneDrive"), str(drive.get("name") or "OneDrive"))


async def vanished(graph: Graph, fault: Fault) -> SyncdError:
    """What it means that a drive answers 404: the user's is another one now, or there is none; nothing is deleted."""
    partition = graph.ctx.partition
    if partition is None or partition.shared:
        return PartitionGone(f"{WHAT}: {fault}")
    try:
        now = await onedrive(graph)
    except SyncdError as error:
        return error
    if now.id != partition.id:
        return PartitionGone(f"{WHAT}: the user has another OneDrive now")
    return ProtocolError(f"{WHAT}: the user's OneDrive is there, and its contents are not: {fault}")


class _Sites:
    """All sites of the organisation and their libraries."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    async def libraries(self) -> list[Partition]:
        """Personal sites are the users' OneDrives. Sites that are locked or gone are left out; `get` keeps their records."""
        sites = {
            f"/sites/{quoted(text_of(site, 'id', SITES))}/drives?$select=id,name,driveType": str(
                site.get("displayName") or site.get("name") or ""
            )
            for site in await self._all()
            if site.get("isPersonalSite") is not True
        }
        found: list[Partition] = []
        for path, part in (await Batch(self._graph, serial=False).get(list(sites))).items():
            if part.status in (404, 410, 423) or (part.status == 403 and part.fault.has("resourcelocked")):
                self._graph.ctx.log.warning("a site is left out", site=sites[path], why=str(part.fault))
                continue
            found += [library for one in await self._drives(part) if (library := _library(one, sites[path]))]
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
            page = decode((await self._graph.get(where, what)).content, what)
            found += list_of(page, what)
            link = page.get("@odata.nextLink")
            if not isinstance(link, str) or not link:
                return found
            where = chain.follow(link)


def _library(drive: dict[str, Any], site: str) -> Partition | None:
    if str(drive.get("driveType") or LIBRARY).lower() != LIBRARY:
        return None
    title = " / ".join(part for part in (site, str(drive.get("name") or "")) if part)
    return Partition(text_of(drive, "id", LIBRARIES), title, shared=True)
