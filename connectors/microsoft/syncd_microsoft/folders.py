"""The folders of a mailbox, at any depth.

Public: mail_folders, known_folders, HIDDEN_BY_OPTION.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from syncd.sdk import Context, Partition, ProtocolError, SyncdError

from .api import IMMUTABLE, Graph, page_size, quoted
from .batch import Batch
from .errors import Fault, no_mailbox, refusal
from .outlook import mailbox_fault
from .wire import LONGEST_LIST, Chain, decode, list_of, text_of

__all__ = ["HIDDEN_BY_OPTION", "known_folders", "mail_folders"]

WHAT = "mail folders"
PAGE = page_size(500)
SEARCH = "#microsoft.graph.mailsearchfolder"  # shows messages of other folders once more (§8)
HIDDEN_BY_OPTION = ("junkemail", "deleteditems")
DEEPEST = 300  # levels of folders; Exchange allows 300
HIDDEN = "includeHiddenFolders=true"


@dataclass(frozen=True, slots=True)
class Folder:
    id: str
    parent: str
    title: str


async def mail_folders(ctx: Context, *, spam_trash: bool) -> list[Partition]:
    """Every folder with messages of its own. Without `spam_trash`, junk and deleted items are listed and left out."""
    graph = Graph(ctx, "mail", (IMMUTABLE,))
    folders = await _flat(graph)
    left_out = set() if spam_trash else _below(folders, await known_folders(graph, HIDDEN_BY_OPTION))
    return [Partition(one.id, one.title, excluded=one.id in left_out) for one in folders.values()]


async def known_folders(graph: Graph, names: Sequence[str]) -> set[str]:
    """The ids of the folders with these well-known names; a mailbox need not have them."""
    paths = [f"{graph.user}/mailFolders/{name}?$select=id" for name in names]
    parts = await Batch(graph, serial=True).get(paths)
    found: set[str] = set()
    for part in parts.values():
        if part.status == 200:
            found.add(text_of(part.body, "id", WHAT))
        elif part.status != 404 or no_mailbox(part.fault, WHAT):
            raise no_mailbox(part.fault, WHAT) or refusal(part.fault, WHAT, "mail")
    return found


async def _flat(graph: Graph) -> dict[str, Folder]:
    """The whole tree from one flat feed (§8): the plain listing is shallow (§18.15).

    A mailbox without room for a feed, and a server that knows none, are walked through.
    """
    try:
        return await _feed(graph, f"{graph.user}/mailFolders/delta?{HIDDEN}")
    except _Walk:
        pass
    try:
        return await _feed(graph, f"{graph.user}/mailFolders/delta")
    except _Walk:
        return await _walk(graph)


class _Walk(SyncdError):
    """There is no such feed here."""


async def _feed(graph: Graph, first: str) -> dict[str, Folder]:
    """The last word on each folder in one round (§3)."""

    def means(fault: Fault) -> SyncdError | None:
        if (fault.http == 400 and where == first) or fault.has("errorquotaexceeded"):
            return _Walk(str(fault))
        return no_mailbox(fault, WHAT)

    found: dict[str, Folder] = {}
    chain, where = Chain(WHAT, LONGEST_LIST), first
    while True:
        page = decode((await graph.get(where, WHAT, means, prefer=[PAGE])).content, WHAT)
        _take(found, page)
        link = page.get("@odata.nextLink")
        if not isinstance(link, str) or not link:
            if not page.get("@odata.deltaLink"):
                raise ProtocolError(f"{WHAT}: the round ends without a deltaLink")
            return found
        where = chain.follow(link)


def _take(found: dict[str, Folder], page: dict[str, Any]) -> list[str]:
    """Note a page of folders; gives the ids of those that have children."""
    parents: list[str] = []
    for folder in list_of(page, WHAT):
        one = text_of(folder, "id", WHAT)
        if "@removed" in folder:
            found.pop(one, None)
        elif str(folder.get("@odata.type", "")).lower() != SEARCH:
            found[one] = Folder(one, str(folder.get("parentFolderId") or ""), str(folder.get("displayName") or ""))
            if folder.get("childFolderCount"):
                parents.append(one)
    return parents


async def _walk(graph: Graph) -> dict[str, Folder]:
    """Level by level, where there is no feed."""
    found: dict[str, Folder] = {}
    level = await _list(graph, found, f"{graph.user}/mailFolders?{HIDDEN}")
    for _ in range(DEEPEST):
        if not level:
            return found
        below = [f"{graph.user}/mailFolders/{quoted(one)}/childFolders?{HIDDEN}" for one in level]
        level = [one for path in below for one in await _list(graph, found, path)]
    raise ProtocolError(f"{WHAT}: deeper than Exchange allows")


async def _list(graph: Graph, found: dict[str, Folder], where: str) -> list[str]:
    parents: list[str] = []
    chain = Chain(WHAT, LONGEST_LIST)
    while where:
        page = decode((await graph.get(where, WHAT, mailbox_fault(WHAT), prefer=[PAGE])).content, WHAT)
        parents += _take(found, page)
        link = page.get("@odata.nextLink")
        where = chain.follow(link) if isinstance(link, str) and link else ""
    return parents


def _below(folders: Mapping[str, Folder], roots: set[str]) -> set[str]:
    """These folders, and all inside them."""
    found = set(roots)
    while more := {one.id for one in folders.values() if one.parent in found and one.id not in found}:
        found |= more
    return found
