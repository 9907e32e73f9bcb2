"""WorkDrive's door: whose it is, its roots, and the pages of one folder (wire reference §7.1, §7.2, §7.6).

Public: Drive, Listing, Entry, Missing, no_workdrive, name_of.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import msgspec

from syncd.sdk import AccountGone, Context, Partition, ProtocolError, Reject, SyncdError

from .api import Api, Params
from .errors import NO_SERVICE, Fault
from .settings import FILES, TEAM_FOLDERS, TEAMS
from .slices import Sliced
from .wire import drive_data, ident, text, wrapped

__all__ = ["Drive", "Entry", "Listing", "Missing", "name_of", "no_workdrive"]

STREAM = "files"
BASE = "/workdrive/api/v1"
HEADERS = {"Accept": "application/vnd.api+json"}
PAGE_SIZE = 1000  # §7.2: the most that is known to work with a cursor
MOST_PAGES = 2_000  # of a list that is read at once: team folders
ANY = f"{TEAMS},{TEAM_FOLDERS},{FILES}"  # which of them tells whose token it is, no document says
GONE = "R008"  # §7.6: trashed, deleted, never there, or not for this account


class Missing(ProtocolError):
    """R008: WorkDrive does not show this id to this account. Asking again is of no use and ends in a penalty (§7.6)."""


class Entry(msgspec.Struct):
    """What is looked at in an item; all else stays bytes. Types are Zoho's to choose (§7.3), so few are demanded."""

    id: str
    attributes: dict[str, Any]


class Links(msgspec.Struct):
    cursor: dict[str, Any] | None = None


class Envelope(msgspec.Struct):
    data: list[msgspec.Raw]
    links: Links | None = None


ENTRIES = Sliced(Envelope, "data", Entry, "id")


@dataclass(slots=True)
class Listing:
    """One page of a folder. `following`: the cursor of the next page, None on the last."""

    entries: Iterator[tuple[Entry, bytes] | Reject]
    following: str | None


class Drive:
    """Requests to WorkDrive in the name of the credential's owner."""

    def __init__(self, ctx: Context) -> None:
        self.api = Api(ctx, "workdrive", STREAM)

    async def get(self, path: str, what: str, scope: str, params: Params | None = None, lane: Any = None) -> Any:
        """The answer to a GET below the base. Missing for R008."""
        return await self.api.get(BASE + path, what, params, _missing, headers=HEADERS, lane=lane, scope=scope)

    async def data(self, path: str, what: str, scope: str) -> Any:
        """`data` of a small answer: an object or a list."""
        return drive_data(await self.get(path, what, scope), what)

    # -- roots (§7.1)

    async def teams(self) -> tuple[str, list[str], bool]:
        """The user's id, the teams' ids, and whether the account is a single user's. AccountGone: no WorkDrive."""
        try:
            me = await self.data("/users/me", "WorkDrive user", ANY)
            user = _id(me, "WorkDrive user")
            if str(_attributes(me).get("edition") or "").upper() == "PERSONAL":
                return user, [], True
            teams = wrapped(await self.data(f"/users/{quote(user, safe='')}/teams", "WorkDrive teams", TEAMS))
        except Missing as error:
            raise no_workdrive(str(error)) from error
        if not teams:
            raise no_workdrive("the account is a member of no WorkDrive team")
        return user, list(dict.fromkeys(_id(team, "WorkDrive team") for team in teams)), False

    async def private_space(self, user: str) -> str:
        """The root of "My Folders" of a user, or of a team's user."""
        what = "private space"
        spaces = wrapped(await self.data(f"/users/{quote(user, safe='')}/privatespace", what, f"{TEAMS},{FILES}"))
        if not spaces:
            raise ProtocolError(f"{what}: WorkDrive names none")
        return _id(spaces[0], what)

    async def team_user(self, team: str) -> str:
        """The id of this account inside a team: another one than the user's (§10.16)."""
        return _id(await self.data(f"/teams/{quote(team, safe='')}/currentuser", "team user", TEAMS), "team user")

    async def private_roots(self) -> list[str]:
        """The roots of "My Folders": one per team, or one for a single user."""
        return await self.roots_of(*await self.teams())

    async def roots_of(self, user: str, teams: list[str], single: bool) -> list[str]:
        """The same, of what `teams` gave."""
        try:
            if single:
                return [await self.private_space(user)]
            return list(dict.fromkeys([await self.private_space(await self.team_user(team)) for team in teams]))
        except Missing as error:
            raise ProtocolError(f"WorkDrive does not show a private space: {error}") from error

    async def team_folders(self) -> list[Partition]:
        """All team folders of all teams. Two routes are in use (§7.1); the second is asked where the first is none."""
        _, teams, _ = await self.teams()
        found: dict[str, Partition] = {}
        for team in teams:
            async for folder in self.folders(team):
                key = _id(folder, "team folders")
                found.setdefault(key, Partition(key, name_of(_attributes(folder)) or "", shared=True))
        return list(found.values())

    async def folders(self, team: str) -> AsyncIterator[dict[str, Any]]:
        """The team folders of a team, as they are listed."""
        route, what = f"/teams/{quote(team, safe='')}/", "team folders"
        path, token = route + "workspaces", None
        seen: set[str] = set()
        while True:
            params: Params = {"page[next]": token} if token else {}
            try:
                response = await self.api.get(
                    BASE + path, what, params, _unknown_route, headers=HEADERS, scope=TEAM_FOLDERS
                )
            except _NoRoute as error:
                if path.endswith("/teamfolders"):
                    raise ProtocolError(str(error)) from error
                path = route + "teamfolders"
                continue
            head, _ = ENTRIES.read(response.content, what)
            for folder in wrapped(drive_data(response, what)):
                yield folder
            token = _following(head.links, None, what)
            if token is None:
                return
            if token in seen or len(seen) >= MOST_PAGES:
                raise ProtocolError(f"{what}: the pages would never end")
            seen.add(token)

    # -- one folder (§7.2)

    async def page(self, folder: str, token: str | None = None, *, again: bool = False) -> Listing:
        """A page of a folder. Only `page[next]` is taken out of the link that Zoho gives (§10.14).

        First pages travel in WorkDrive's own lane; further ones, and those of a listing made `again`, in the folder's,
        which is the narrower: Zoho counts listings of the same folder (§10.12).
        """
        params: Params = {"page[limit]": PAGE_SIZE, "page[next]": token or "0"}
        lane = ("folder", folder) if token or again else None
        what = f"folder {folder}"
        response = await self.get(f"/files/{quote(folder, safe='')}/files", what, FILES, params, lane)
        head, entries = ENTRIES.read(response.content, what)
        return Listing(entries, _following(head.links, len(head.data), what))

    async def ids(self, folder: str) -> set[str]:
        """The ids that a folder holds when it is listed again."""
        found: set[str] = set()
        token, seen = None, set[str]()
        while True:
            listing = await self.page(folder, token, again=True)
            for entry in listing.entries:
                if isinstance(entry, Reject):
                    if entry.source_id is not None:
                        found.add(entry.source_id)
                else:
                    found.add(entry[0].id)
            token = listing.following
            if token is None:
                return found
            if token in seen:
                raise ProtocolError(f"folder {folder}: WorkDrive repeats a cursor; the pages would never end")
            seen.add(token)


def no_workdrive(why: str) -> AccountGone:
    """§7.6: R008 on the very first call is no deletion; there is no WorkDrive for this account."""
    return AccountGone(f"no WorkDrive: {why}", state="no WorkDrive", code=NO_SERVICE)


def name_of(attributes: Mapping[str, Any]) -> str | None:
    """An item's name: the plain one, not the one that is escaped for HTML (§7.3)."""
    return text(attributes.get("name")) or text(attributes.get("display_attr_name")) or None


def _following(links: Links | None, rows: int | None, what: str) -> str | None:
    """The next page's cursor. The end is where `has_next` is false, however short the page (§10.14)."""
    cursor = links.cursor if links else None
    if cursor is None:
        if rows is not None and rows >= PAGE_SIZE:
            raise ProtocolError(f"{what}: a full page without a cursor")
        return None
    more = cursor.get("has_next")
    if more in (False, "false"):
        return None
    if more not in (True, "true"):
        raise ProtocolError(f"{what}: the cursor does not say whether more follows")
    url = cursor.get("next")
    token = dict(parse_qsl(urlsplit(url).query)).get("page[next]") if isinstance(url, str) else None
    if not token:
        raise ProtocolError(f"{what}: more follows, and the link has no page[next]")
    return token


class _NoRoute(ProtocolError):
    """The route does not exist."""


def _missing(fault: Fault) -> SyncdError | None:
    return Missing(f"{fault}") if fault.is_(GONE) else None


def _unknown_route(fault: Fault) -> SyncdError | None:
    if fault.is_(GONE) or fault.http in (404, 405):
        return _NoRoute(f"team folders: {fault}")
    return None


def _id(value: Any, what: str) -> str:
    """The id of an object, or of the one object in a list."""
    one = value[0] if isinstance(value, list) and len(value) == 1 else value
    found = ident(one.get("id")) if isinstance(one, dict) else None
    if found is None:
        raise ProtocolError(f"{what}: the answer has no id")
    return found


def _attributes(value: Any) -> dict[str, Any]:
    found = value.get("attributes") if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}
