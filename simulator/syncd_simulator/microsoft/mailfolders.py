"""Mail folders: the shallow list, the flat delta, well-known names (microsoft.md §8).

Public: API, READ, WRITE, ROUTES, folder_of.
"""

from typing import TYPE_CHECKING, Any

from syncd_simulator.microsoft import delta
from syncd_simulator.microsoft.listing import check_id, page
from syncd_simulator.microsoft.mailbox import WELL_KNOWN, Folder
from syncd_simulator.microsoft.wire import JSON, ApiError, Call, Reply, project, select_of, unsupported

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import MicrosoftWorld

__all__ = ["API", "READ", "ROUTES", "WRITE", "folder_of"]

API = "mail"
READ = {"Mail.Read", "Mail.ReadWrite", "Mail.ReadBasic.All"}
WRITE = {"Mail.ReadWrite"}
FIELDS = ("id", "displayName", "parentFolderId", "childFolderCount", "unreadItemCount", "totalItemCount",
          "isHidden")  # fmt: skip
OTHER_NAMES = {"clutter", "scheduled", "conflicts", "localfailures", "serverfailures", *WELL_KNOWN}


def folder_of(call: Call, name: str = "f", code: str = "ErrorItemNotFound") -> Folder:
    """The folder that the path names, by id or well-known name; 404 when it is gone."""
    key = call.args[name]
    folder = call.user.mailbox.mail_folder(key)
    if folder is None:
        if key.lower() not in OTHER_NAMES:
            check_id(key)
        raise ApiError(404, code, "The specified object was not found in the store.")
    return folder


def shown(call: Call, folder: Folder) -> JSON:
    """A folder; search folders say so by their type."""
    box = call.user.mailbox
    mails = messages_of(call, folder)
    item: JSON = {"@odata.type": "#microsoft.graph.mailSearchFolder"} if folder.search else {}
    return item | {
        "id": folder.id, "displayName": folder.name, "parentFolderId": folder.parent,
        "childFolderCount": sum(f.parent == folder.id and not f.hidden for f in box.mail_folders.values()),
        "unreadItemCount": sum(not mail.is_read for mail in mails),
        "totalItemCount": len(mails),
        "isHidden": folder.hidden,
    }  # fmt: skip


def messages_of(call: Call, folder: Folder) -> list[Any]:
    """What a folder shows; a search folder shows unread messages of all folders."""
    if folder.search:
        return [mail for mail in call.user.mailbox.mails.values() if not mail.is_read]
    return list(folder.items.values())


def _children(world: "MicrosoftWorld", call: Call, parent: str) -> JSON:
    """One level, without hidden folders unless asked for."""
    box, select = call.user.mailbox, select_of(call, FIELDS, "mailFolder")
    hidden = (call.get("includeHiddenFolders") or "").lower() == "true"
    found = [f for f in box.children(box.mail_folders, parent) if hidden or not f.hidden]
    context = f"users('{call.user.id}')/mailFolders"
    return page(world, call, API, found, lambda folder: project(shown(call, folder), select), context)


def list_folders(world: "MicrosoftWorld", call: Call) -> JSON:
    """§8: direct children of the root only."""
    return _children(world, call, call.user.mailbox.root)


def list_children(world: "MicrosoftWorld", call: Call) -> JSON:
    """Direct children of one folder."""
    return _children(world, call, folder_of(call).id)


def get_folder(world: "MicrosoftWorld", call: Call) -> JSON:
    """One folder."""
    return project(shown(call, folder_of(call)), select_of(call, FIELDS, "mailFolder"))


def folders_delta(world: "MicrosoftWorld", call: Call) -> Reply:
    """The whole tree, flat; never messages."""
    return delta.answer(world, call, lambda first: _feed(world, first))


def _feed(world: "MicrosoftWorld", call: Call) -> delta.Feed:
    unsupported(call, "$filter", "$orderby", "$expand", "$search")
    box, select = call.user.mailbox, select_of(call, FIELDS, "mailFolder")

    def show(now: Call, key: str) -> JSON | None:
        folder = box.mail_folders.get(key)
        if folder is None:
            return None
        return {"@odata.type": "#microsoft.graph.mailFolder"} | project(shown(now, folder), select)

    def gone(now: Call, key: str, version: Any) -> JSON:
        return {"@odata.type": "#microsoft.graph.mailFolder", "id": key, "@removed": {"reason": "deleted"}}

    return delta.Feed(
        ("mailFolders", call.user.id), API, "outlook", f"/users/{call.user.id}/mailfolders/delta",
        "Collection(mailFolder)", lambda: {folder.id: folder.seq for folder in box.tree(box.root)}, show, gone,
        owner=call.user,
    )  # fmt: skip


ROUTES: list[Any] = [
    ("GET", "/users/{u}/mailFolders", list_folders),
    ("GET", "/users/{u}/mailFolders/delta", folders_delta),
    ("GET", "/users/{u}/mailFolders/{f}", get_folder),
    ("GET", "/users/{u}/mailFolders/{f}/childFolders", list_children),
]
