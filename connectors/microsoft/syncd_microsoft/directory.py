"""The organisation's users: a full listing, then users/delta (wire reference §9).

Public: accounts.
"""

import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from syncd.sdk import (
    JSON,
    Account,
    Bookmark,
    Context,
    CursorExpired,
    Departed,
    Forbidden,
    ProtocolError,
    Scan,
    SyncdError,
)

from .api import Graph, quoted
from .batch import Batch
from .cursors import VERSION, read_cursor
from .errors import Fault, dead_cursor, refusal
from .people import FIELDS, Person, person_of
from .probes import look_at
from .roles import roles
from .settings import is_delegated
from .wire import LONGEST_LIST, Chain, decode, list_of, text_of

__all__ = ["accounts", "probe_users"]

WHAT = "users"
PAGE_SIZE = 999  # §9: the most
PATIENCE = 120.0  # seconds
REMEMBERED = 400  # accounts without a mailbox or a drive that each import looks at again (§10: a licence takes a while)
GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
LISTING = f"/users?$select={FIELDS}&$top={PAGE_SIZE}"
LATEST = f"/users/delta?$select={FIELDS}&$deltatoken=latest"


async def accounts(ctx: Context) -> AsyncIterator[Account | Departed | Bookmark]:
    """All accounts, or with a cursor those that changed; then the place where the next import goes on."""
    if is_delegated(ctx.settings):
        yield await _myself(ctx)
        return
    importing = _Import(ctx)
    source = importing.changed() if ctx.scan is Scan.DELTA and ctx.cursor is not None else importing.everybody()
    async for one in source:
        yield one


async def probe_users(ctx: Context) -> None:
    """The cheapest request that the import needs. Raises what is missing."""
    await Graph(ctx, None, needs=WHAT).get("/users?$select=id&$top=1", WHAT)


class _Import:
    """One import. The bookmark: users' deltaLink, who has which role, the organisation's id, who lacks something."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.graph = Graph(ctx, None, needs=WHAT)
        self.organization: str | None = None
        self.roles: dict[str, str] = {}
        self.absent: dict[str, list[str]] = {}

    async def everybody(self) -> AsyncIterator[Account | Departed | Bookmark]:
        """A complete listing. The place of the next import is taken before it, so that nothing falls in between."""
        place = await self._latest()
        self.organization = await self._organization()
        known = await roles(self.ctx)
        self.roles = known or {}
        chain, where = Chain(WHAT, LONGEST_LIST), LISTING
        while where:
            page = decode((await self.graph.get(where, WHAT)).content, WHAT)
            for account in await self._accounts([person_of(user) for user in list_of(page, WHAT)]):
                yield account
            link = page.get("@odata.nextLink")
            where = chain.follow(link) if isinstance(link, str) and link else ""
        if place is not None:
            yield Bookmark(self._bookmark(place, known))

    async def changed(self) -> AsyncIterator[Account | Departed | Bookmark]:
        """What users/delta tells, who has another role than before without being told of, and who lacked something."""
        cursor = read_cursor(self.ctx.cursor)
        link, before = cursor.get("delta"), cursor.get("roles")
        if not isinstance(link, str) or not link:
            raise CursorExpired("the import's place has no deltaLink")
        if not self.graph.at_home(link):  # the connection's endpoints changed
            raise CursorExpired("the import's place belongs to another Graph")
        self.organization = cursor.get("organization")
        last, place = await self._round(link)
        known = await roles(self.ctx)
        self.roles = known if known is not None else dict(before or {})
        gone = [Departed(one, _reason(user)) for one, user in last.items() if "@removed" in user]
        for departed in gone:
            yield departed
        people = [person_of(user) for user in last.values() if "@removed" not in user]
        others = _differing(before, self.roles) if isinstance(before, dict) else set()
        lacking: Mapping[str, list[str]] = cursor.get("absent") or {}
        again = lacking.keys() - last.keys() - others
        others = (others | again) - last.keys()
        missing = [person.id for person in people if not person.whole] + sorted(others)
        people = [person for person in people if person.whole] + await self._fetch(missing)
        for account in await self._accounts(people):
            if account.id not in again or sorted(account.streams) != lacking[account.id]:
                yield account
        yield Bookmark(self._bookmark(place, self.roles if isinstance(before, dict) or known is not None else None))

    def _bookmark(self, place: str, known: Mapping[str, str] | None) -> JSON:
        held = None if known is None else dict(known)
        return {
            "v": VERSION,
            "delta": place,
            "roles": held,
            "organization": self.organization,
            "absent": dict(list(self.absent.items())[:REMEMBERED]),
        }

    async def _round(self, link: str) -> tuple[dict[str, dict[str, Any]], str]:
        """A delta round: the last word on each user (deleted and restored may both come), and its deltaLink."""
        found: dict[str, dict[str, Any]] = {}
        chain, where = Chain(WHAT, LONGEST_LIST), link
        while True:
            response = await self.graph.get(where, WHAT, _expired)
            page = decode(response.content, WHAT)
            for user in list_of(page, WHAT):
                one = text_of(user, "id", WHAT)
                found.pop(one, None)
                found[one] = user
            following, place = page.get("@odata.nextLink"), page.get("@odata.deltaLink")
            if isinstance(place, str) and place:
                return found, place
            if not isinstance(following, str) or not following:
                raise ProtocolError(f"{WHAT}: a page of the round has no link to go on from")
            where = chain.follow(following)

    async def _latest(self) -> str | None:
        """The deltaLink of now; None where there is none to be had: then every import is a full one."""
        try:
            return (await self._round(LATEST))[1]
        except (CursorExpired, ProtocolError) as error:
            self.ctx.log.info("no delta of users", error=str(error))
            return None

    async def _organization(self) -> str | None:
        """The tenant's immutable id."""
        try:
            response = await Graph(self.ctx, None, needs="organization").get("/organization?$select=id", "organization")
        except Forbidden:
            tenant = str(self.ctx.settings.get("tenant", ""))
            return tenant.lower() if GUID.fullmatch(tenant) else None
        listed = list_of(decode(response.content, "organization"), "organization")
        return text_of(listed[0], "id", "organization") if listed else None

    async def _accounts(self, people: Sequence[Person]) -> list[Account]:
        found = await look_at(self.ctx, people)
        self.absent |= {one.id: sorted(found[one.id].streams) for one in people if found[one.id].streams}
        return [
            one.account(self.roles.get(one.id, "user"), self.organization, found[one.id].purpose, found[one.id].streams)
            for one in people
        ]

    async def _fetch(self, ids: Iterable[str]) -> list[Person]:
        """Users by id; one that is gone meanwhile is left to the next round."""
        paths = [f"/users/{quoted(one)}?$select={FIELDS}" for one in ids]
        parts = await Batch(self.graph, serial=False, patience=PATIENCE).get(paths)
        found: list[Person] = []
        for part in parts.values():
            if part.status == 404:
                continue
            if part.status >= 400:
                raise refusal(part.fault, WHAT, WHAT)
            found.append(person_of(part.json(WHAT)))
        return found


async def _myself(ctx: Context) -> Account:
    """The one user whose refresh token it is."""
    response = await Graph(ctx, None, needs=WHAT).get(f"/me?$select={FIELDS}", WHAT)
    return person_of(decode(response.content, WHAT)).account("user", None, None, {})


def _expired(fault: Fault) -> SyncdError | None:
    return dead_cursor(fault, WHAT)


def _reason(user: Mapping[str, Any]) -> str:
    """§9: `changed` is the recycle bin, `deleted` is for good."""
    removed = user.get("@removed")
    reason = removed.get("reason") if isinstance(removed, dict) else None
    return "soft-deleted" if reason == "changed" else "deleted"


def _differing(before: Mapping[str, Any], now: Mapping[str, str]) -> set[str]:
    return {one for one in before.keys() | now.keys() if before.get(one) != now.get(one)}
