"""What a drive request is about, and the refusals on the way to it (microsoft.md §7, §10).

Public: drive_of, item_of, shown, not_found, check_user_drive, check_site, person_of, store_of.
"""

from typing import TYPE_CHECKING

from syncd_simulator.microsoft.drive_download import address_of
from syncd_simulator.microsoft.drive_store import JSON, Drive, DriveStore, Item, Site
from syncd_simulator.microsoft.drive_view import item_json
from syncd_simulator.microsoft.wire import ApiError, Call, project, select_of

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import MicrosoftWorld, User

NO_SITE, NO_URL = "User's mysite not found.", "Unable to retrieve user's mysite URL."
BARE = b"404 FILE NOT FOUND"
URL = "@microsoft.graph.downloadUrl"


def not_found() -> ApiError:
    """§7: gone between delta and download, or never there."""
    return ApiError(404, "itemNotFound", "The resource could not be found.")


def locked(outer: str) -> ApiError:
    """§10: an administrator locked the site."""
    return ApiError(423, outer, "Access to this site has been blocked.", inner={"code": "resourceLocked"})


def trouble(name: str) -> ApiError:
    """How a drive that was never provisioned, or is out of reach, refuses (§10)."""
    if name in ("bare_404", "file_not_found"):
        return ApiError(404, "", "", body=BARE, headers={"Content-Type": "text/plain; charset=utf-8"})
    if name == "locked":
        return locked("notAllowed")
    status, code, text = {
        "mysite_404": (404, "ResourceNotFound", NO_SITE),
        "mysite_400": (400, "BadRequest", NO_URL),
        "unknown_400": (400, "UnknownError", NO_URL),
        "mysite_429": (429, "TooManyRequests", NO_SITE),
        "401": (401, "unauthenticated", "The caller is not authenticated."),
        "first_access_401": (401, "unauthenticated", "The caller is not authenticated."),
        "no_spo": (400, "BadRequest", "Tenant does not have a SPO license."),
        "no_spo_license": (400, "BadRequest", "Tenant does not have a SPO license."),
    }[name]
    return ApiError(status, code, text)


def store_of(world: "MicrosoftWorld") -> DriveStore:
    """All drives and sites."""
    store: DriveStore = world.sites
    return store


def check_user_drive(user: "User") -> None:
    """Whether this user's drive answers."""
    if user.drive_trouble is not None:
        raise trouble(user.drive_trouble)


def check_site(site: Site) -> None:
    """Whether this site answers."""
    if site.locked is not None:
        raise locked(site.locked)


def site_of(world: "MicrosoftWorld", call: Call) -> Site:
    """The site that the path names, by its id or by its group's."""
    sites = store_of(world).sites
    group = call.args.get("g")
    found = sites.get(call.args.get("s", "")) if group is None else None
    if group is not None:
        found = next((site for site in sites.values() if site.group == group), None)
    if found is None:
        code = "itemNotFound" if group is None else "Request_ResourceNotFound"
        raise ApiError(
            404,
            code,
            "Requested site could not be found"
            if group is None
            else f"Resource '{group}' does not exist or one of its queried reference-property objects are not present.",
        )
    check_site(found)
    return found


def drive_of(world: "MicrosoftWorld", call: Call) -> Drive:
    """The drive that the path names: by its id, as a user's, or as the first library of a site or group."""
    store = store_of(world)
    if "u" in call.args:
        check_user_drive(call.user)
        drive: Drive = call.user.drive
        return drive
    if "d" not in call.args:
        return store.drives[site_of(world, call).drives[0]]
    found = store.drives.get(call.args["d"])
    if found is None:
        raise not_found()
    if found.user is not None:
        check_user_drive(found.user)
    if found.site is not None:
        check_site(store.sites[found.site])
    return found


def item_of(world: "MicrosoftWorld", call: Call) -> tuple[Drive, Item]:
    """The drive and the item that the path names; without an item its root."""
    drive = drive_of(world, call)
    key = call.args.get("i", drive.root)
    item = drive.items.get(drive.root if key == "root" else key)
    if item is None:
        raise not_found()
    return drive, item


def person_of(world: "MicrosoftWorld", item: Item) -> JSON:
    """Who wrote an item, as an identitySet."""
    by = world.users.get(item.by) or world.deleted_users.get(item.by)
    return {"user": {"id": item.by, "displayName": by.name} if by else {"id": item.by}}


def shown(world: "MicrosoftWorld", call: Call, drive: Drive, item: Item, *, delta: bool = False) -> JSON:
    """The item as this request selects it. The download URL is selected as `content.downloadUrl` only (§7)."""
    answer = item_json(
        store_of(world), drive, item, lambda drive, item: address_of(world, call, drive, item),
        delta=delta, person=person_of(world, item),
    )  # fmt: skip
    select = select_of(call)
    if select is None or "*" in select:
        return answer
    answer = project(answer, select)
    if "content.downloadurl" not in {name.lower() for name in select}:
        answer.pop(URL, None)
    return answer
