"""Who administers the organisation.

Public: roles.
"""

from collections.abc import AsyncIterator

from syncd.sdk import Context, Forbidden

from .api import Graph, quoted
from .batch import Batch
from .errors import refusal
from .wire import Chain, decode, list_of, text_of

__all__ = ["GLOBAL_ADMINISTRATOR", "roles"]

GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"  # §9: the template's id is the same in every tenant
WHAT = "directory roles"
MOST_PAGES = 100
PATIENCE = 120.0  # seconds


async def roles(ctx: Context) -> dict[str, str] | None:
    """User id → "admin" or "delegated_admin", for those who have a role; None where the app may not know.

    Roles held through a group, or only eligible ones, do not show (§9).
    """
    graph = Graph(ctx, None, needs="roles")
    try:
        listed = [one async for one in _activated(graph)]
        paths = {f"/directoryRoles/{quoted(one)}/members": is_admin for one, is_admin in listed}
        parts = await Batch(graph, serial=False, patience=PATIENCE).get(list(paths))
        found: dict[str, str] = {}
        for path, part in parts.items():
            if part.status == 404:  # deactivated meanwhile
                continue
            if part.status >= 400:
                raise refusal(part.fault, WHAT, "roles")
            members = list_of(part.json(WHAT), WHAT)
            for member in members:
                if str(member.get("@odata.type", "#microsoft.graph.user")).lower() == "#microsoft.graph.user":
                    _raise_to(found, text_of(member, "id", WHAT), paths[path])
    except Forbidden as error:
        ctx.log.warning("roles are not known", error=str(error))
        return None
    return found


async def _activated(graph: Graph) -> AsyncIterator[tuple[str, bool]]:
    """The roles in use: id, and whether it is that of Global Administrators."""
    chain, where = Chain(WHAT, MOST_PAGES), "/directoryRoles"
    while where:
        page = decode((await graph.get(where, WHAT)).content, WHAT)
        for role in list_of(page, WHAT):
            yield text_of(role, "id", WHAT), role.get("roleTemplateId") == GLOBAL_ADMINISTRATOR
        link = page.get("@odata.nextLink")
        where = chain.follow(link) if isinstance(link, str) and link else ""


def _raise_to(found: dict[str, str], user: str, is_admin: bool) -> None:
    if is_admin:
        found[user] = "admin"
    else:
        found.setdefault(user, "delegated_admin")
