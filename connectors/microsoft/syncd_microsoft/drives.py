"""Which drives there are: a user's OneDrive and the document libraries of SharePoint (wire reference §7).

Public: drives, onedrive, vanished.
"""

from syncd.sdk import AccountGone, Context, Forbidden, Partition, PartitionGone, ProtocolError, SyncdError

from .api import Graph
from .errors import Fault, no_drive
from .sites import Libraries
from .wire import decode, text_of

__all__ = ["drives", "onedrive", "vanished"]

WHAT = "files"


async def drives(ctx: Context, libraries: Libraries) -> list[Partition]:
    """The user's OneDrive, without a request if it is known already, and with `shared: true` every document library.

    A drive's id is its cursor's key: a OneDrive that was made anew has another (§7). An app may be let into single
    sites and no OneDrive (`Sites.Selected`): that one is refused is an error only where there is nothing else.
    """
    own = [one for one in ctx.partitions if not one.shared]
    shared = ctx.options.get("shared") is True
    if own and not shared:
        return own
    graph = Graph(ctx, WHAT)
    missing: AccountGone | Forbidden | None = None
    if not own:
        try:
            own = [await onedrive(graph)]
        except (AccountGone, Forbidden) as error:
            missing = error
    found = {one.id: one for one in own}
    if shared:
        for library in await _libraries(graph, libraries, missing is None):
            found.setdefault(library.id, library)
    if missing is not None and not found:
        raise missing
    if isinstance(missing, Forbidden):
        ctx.log.warning("the OneDrive is left out, the document libraries are not", why=str(missing))
    return list(found.values())


async def _libraries(graph: Graph, libraries: Libraries, has_own: bool) -> list[Partition]:
    """None where the organisation has no SharePoint; who has no OneDrive either then has nothing."""
    try:
        return await libraries.all(graph)
    except AccountGone:
        if not has_own:
            raise
        return []


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
