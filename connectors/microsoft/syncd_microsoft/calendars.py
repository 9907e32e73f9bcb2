"""The calendars of a mailbox (wire reference §6).

Public: calendars, Groups.
"""

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, TypeAlias

from syncd.sdk import Context, Partition

from .api import IMMUTABLE, Graph, page_size, quoted
from .batch import Batch, Part
from .errors import no_mailbox, refusal
from .outlook import mailbox_fault
from .wire import LONGEST_LIST, Chain, decode, list_of, text_of

__all__ = ["Groups", "calendars"]

LIST = "calendars"
GROUPS = "calendar groups"
PAGE = page_size(100)
MOST = 50_000  # mailboxes whose groups are remembered

Groups: TypeAlias = MutableMapping[str, Sequence[str]]
"""The calendar groups that each mailbox had the last time: a guess that spares a request, never believed."""


async def calendars(ctx: Context, groups: Groups) -> list[Partition]:
    """All calendars that the mailbox lists; those that the options leave out are `excluded`."""
    return await _Calendars(ctx, groups).all()


class _Calendars:
    """The calendars of a mailbox, those of further groups included."""

    def __init__(self, ctx: Context, groups: Groups) -> None:
        self._graph = Graph(ctx, "calendar", (IMMUTABLE,))
        self._groups = groups
        self._every = ctx.options.get("calendars") == "all"
        self._address = ctx.account.address.casefold() if ctx.account else ""
        self._found: dict[str, Partition] = {}

    async def all(self) -> list[Partition]:
        """One request, unless there are several groups that were not there the last time.

        The plain list is that of the default group (§6).
        """
        user = self._graph.user
        listing, groups = f"{user}/calendars", f"{user}/calendarGroups"
        guess = [f"{groups}/{quoted(one)}/calendars" for one in self._groups.get(user, ())]
        parts = await self._ask([listing, groups], guess)
        await self._take(parts[listing])
        ids = list(dict.fromkeys(text_of(one, "id", GROUPS) for one in await self._list(parts[groups], GROUPS)))
        if len(ids) > 1:
            paths = [f"{groups}/{quoted(one)}/calendars" for one in ids]
            parts |= await self._ask([path for path in paths if path not in parts])
            for path in paths:
                await self._take(parts[path])
        self._remember(user, ids)
        return list(self._found.values())

    def _remember(self, user: str, ids: list[str]) -> None:
        if len(self._groups) >= MOST:
            self._groups.clear()
        self._groups[user] = tuple(ids) if len(ids) > 1 else ()

    async def _ask(self, paths: list[str], guess: Sequence[str] = ()) -> dict[str, Part]:
        """The answers; a guess that is refused is left out, all else must succeed."""
        if not paths:
            return {}
        parts = await Batch(self._graph, serial=True).get([*paths, *guess], [PAGE], until=_refused)
        for path, part in parts.items():
            if part.status >= 400 and path not in guess:
                raise no_mailbox(part.fault, LIST) or refusal(part.fault, LIST, "calendar")
        return {path: part for path, part in parts.items() if part.status < 400}

    async def _take(self, part: Part) -> None:
        for entry in await self._list(part, LIST):
            one = text_of(entry, "id", LIST)
            excluded = not (self._every or self._owned(entry))
            self._found.setdefault(one, Partition(one, str(entry.get("name") or ""), excluded=excluded))

    async def _list(self, part: Part, what: str) -> list[dict[str, Any]]:
        """A list to its end."""
        page, found = part.json(what), []
        chain = Chain(what, LONGEST_LIST)
        while True:
            found += list_of(page, what)
            link = page.get("@odata.nextLink")
            if not isinstance(link, str) or not link:
                return found
            response = await self._graph.get(chain.follow(link), what, mailbox_fault(what), prefer=[PAGE])
            page = decode(response.content, what)

    def _owned(self, entry: Mapping[str, Any]) -> bool:
        """Calendars shared to the user are in the list too (§6): not those of others, unless they may be written."""
        if entry.get("canEdit") is True or entry.get("isDefaultCalendar") is True:
            return True
        owner = entry.get("owner")
        address = owner.get("address") if isinstance(owner, dict) else None
        return not isinstance(address, str) or not address or address.casefold() == self._address


def _refused(part: Part) -> bool:
    """Whether an answer speaks of the mailbox as a whole."""
    return part.status >= 400 and no_mailbox(part.fault, LIST) is not None
