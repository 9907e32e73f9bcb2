"""WorkDrive over HTTP: roots, listings, items, content and exports (zoho.md §7).

Public: ROUTES, gate. Writes are in workdrive_write.py, throttles in workdrive_guard.py. Choices: cursor texts may be
used again; a listing that neither sends `page[next]` nor `page[offset]` begins at offset 0; native documents cannot be
downloaded, only exported; `{editor}/api/{version}/download/{id}` serves all three editors.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

from syncd_simulator.zoho import errors, workdrive_view, workdrive_write
from syncd_simulator.zoho.wire import JSON, ApiError, Call, Reply, Route
from syncd_simulator.zoho.workdrive_guard import count_listing, gate, gone
from syncd_simulator.zoho.workdrive_store import Cursor, Entry, WorkDriveStore, export
from syncd_simulator.zoho.workdrive_view import document

if TYPE_CHECKING:
    from syncd_simulator.zoho.world import ZohoWorld

__all__ = ["ROUTES", "gate"]

DEFAULT_PAGE, OFFSET_CAP, CURSOR_CAP = 50, 200, 1000  # §7.2
CONTENT_SCOPES = (("WorkDrive.files.READ",), ("ZohoFiles.files.READ",))  # §7.4: both
FORMATS = {  # §7.4, the office format first
    "writer": ("docx", "pdf", "odt", "rtf", "txt", "html"),
    "sheet": ("xlsx", "pdf", "ods", "csv"),
    "show": ("pptx", "pdf", "odp"),
}
OFFICE = "application/vnd.openxmlformats-officedocument."
MEDIA_TYPES = {
    "pdf": "application/pdf", "png": "image/png", "jpg": "image/jpeg", "txt": "text/plain", "csv": "text/csv",
    "html": "text/html", "docx": OFFICE + "wordprocessingml.document", "xlsx": OFFICE + "spreadsheetml.sheet",
    "pptx": OFFICE + "presentationml.presentation",
}  # fmt: skip
BINARY = "application/octet-stream"


def _store(world: "ZohoWorld", call: Call) -> WorkDriveStore:
    """The WorkDrive of a caller who has access at all (§7.6)."""
    store = WorkDriveStore.of(world)
    if call.user.id in store.no_access:
        raise gone()
    store.space(call.user.id, world.now())
    return store


def _entry(world: "ZohoWorld", call: Call) -> Entry:
    entry = _store(world, call).visible(call.user.id, call.args["id"])
    if entry is None:
        raise gone()
    return entry


def _base(call: Call) -> str:
    return f"{call.base_url}/workdrive/api/v1"


# -- roots (§7.1) -------------------------------------------------------------------------------------------------------


def users_me(world: "ZohoWorld", call: Call) -> Reply:
    """The caller."""
    _store(world, call)
    return document(workdrive_view.me(world, call.user, _base(call)))


def user_teams(world: "ZohoWorld", call: Call) -> Reply:
    """The teams of the caller; none for a single-user account."""
    store = _store(world, call)
    if call.args["id"] not in (call.user.id, store.space(call.user.id, world.now()).team_user):
        raise gone()
    return document([] if call.user.id in store.personal else [workdrive_view.team(world, _base(call))])


def _in_team(world: "ZohoWorld", call: Call) -> WorkDriveStore:
    store = _store(world, call)
    if call.args["team"] != store.team or call.user.id in store.personal:
        raise gone()
    return store


def teams_get(world: "ZohoWorld", call: Call) -> Reply:
    """One team."""
    _in_team(world, call)
    return document(workdrive_view.team(world, _base(call)))


def teams_currentuser(world: "ZohoWorld", call: Call) -> Reply:
    """The caller as a member: the team-user id, which opens the private space."""
    space = _in_team(world, call).space(call.user.id, world.now())
    return document(workdrive_view.person(space, call.user, _base(call)))


def teams_users(world: "ZohoWorld", call: Call) -> Reply:
    """All members."""
    store = _in_team(world, call)
    members = [user for user in world.users.values() if user.id not in store.personal]
    shown = [workdrive_view.person(store.space(user.id, world.now()), user, _base(call)) for user in members]
    return _by_offset(world, call, shown)


def users_privatespace(world: "ZohoWorld", call: Call) -> Reply:
    """A list of one. A member of a team is asked for by the team-user id, a single user by the user id."""
    store = _store(world, call)
    space = store.space(call.user.id, world.now())
    expected = call.user.id if call.user.id in store.personal else space.team_user
    if call.args["id"] != expected:
        raise gone()
    return document([workdrive_view.private_space(space, _base(call))])


def teams_workspaces(world: "ZohoWorld", call: Call) -> Reply:
    """The team folders that the caller is a member of."""
    store = _in_team(world, call)
    mine = [folder for folder in store.folders.values() if call.user.id in folder.members]
    return _by_offset(
        world, call, [workdrive_view.team_folder(world, folder, call.user, _base(call)) for folder in mine]
    )


def workspaces_get(world: "ZohoWorld", call: Call) -> Reply:
    """One team folder."""
    folder = _store(world, call).folders.get(call.args["id"])
    if folder is None or call.user.id not in folder.members:
        raise gone()
    return document(workdrive_view.team_folder(world, folder, call.user, _base(call)))


def _by_offset(world: "ZohoWorld", call: Call, items: list[JSON]) -> Reply:
    """Lists that come whole unless a page is asked for."""
    if call.get("page[limit]") is None and call.get("page[offset]") is None:
        return document(items)
    offset, limit = _number(call, "page[offset]", 0), _number(call, "page[limit]", DEFAULT_PAGE)
    limit = world.capped("workdrive", min(limit, OFFSET_CAP))
    return document(items[offset : offset + limit])


def _number(call: Call, name: str, default: int) -> int:
    text = call.get(name)
    if text is None:
        return default
    if not text.isdigit():
        raise ApiError(400, "F6004", f"Invalid value for {name}")
    return int(text)


# -- items and listings (§7.2, §7.3) ------------------------------------------------------------------------------------


def files_get(world: "ZohoWorld", call: Call) -> Reply:
    """One file or folder."""
    return document(workdrive_view.item(world, _entry(world, call), call.user, _base(call)))


def files_list(world: "ZohoWorld", call: Call) -> Reply:
    """What lies in a folder: by cursor with `page[next]` (first `0`), else by offset. Trashed items never."""
    folder = _entry(world, call)
    if not folder.is_folder:
        raise gone()
    at = call.get("page[next]")
    first = at in (None, "0") and _number(call, "page[offset]", 0) == 0
    count_listing(world, call, folder.id, first_page=first)
    entries = _sorted(WorkDriveStore.of(world).listed(folder.id), call)
    return _by_number(world, call, entries) if at is None else _by_cursor(world, call, folder, entries, at)


def folders_list(world: "ZohoWorld", call: Call) -> Reply:
    """The folders of a private space."""
    call.query["filter[type]"] = ["folder"]
    return files_list(world, call)


def _key(entry: Entry) -> tuple[str, str]:
    return entry.name.casefold(), entry.id


def _sorted(entries: list[Entry], call: Call) -> list[Entry]:
    kind = call.get("filter[type]")
    if kind in ("folder", "folders"):
        entries = [entry for entry in entries if entry.is_folder]
    elif kind is not None and kind not in ("all", "allfiles"):
        entries = [entry for entry in entries if kind == entry.type or (kind == "files" and not entry.is_folder)]
    return sorted(entries, key=_key, reverse=call.get("sort") == "-name")


def _by_number(world: "ZohoWorld", call: Call, entries: list[Entry]) -> Reply:
    offset, limit = _number(call, "page[offset]", 0), _number(call, "page[limit]", DEFAULT_PAGE)
    limit = world.capped("workdrive", min(limit or DEFAULT_PAGE, OFFSET_CAP))
    return document(_shown(world, call, entries[offset : offset + limit]))


def _by_cursor(world: "ZohoWorld", call: Call, folder: Entry, entries: list[Entry], at: str) -> Reply:
    store = WorkDriveStore.of(world)
    limit = world.capped("workdrive", min(_number(call, "page[limit]", DEFAULT_PAGE) or DEFAULT_PAGE, CURSOR_CAP))
    after = ("", "") if at == "0" else _place(store, call, folder, at)
    if at != "0":
        backwards = call.get("sort") == "-name"
        entries = [entry for entry in entries if (_key(entry) < after if backwards else _key(entry) > after)]
    page = entries[:limit]
    after = _key(page[-1]) if page else after
    text = store.cursor(Cursor(call.user.id, folder.id, after))
    following = f"{_base(call)}/files/{folder.id}/files?page%5Bnext%5D={quote(text)}&page%5Blimit%5D={DEFAULT_PAGE}"
    links = {"cursor": {"has_next": len(entries) > limit, "next": following}}
    return document(_shown(world, call, page), links=links)


def _place(store: WorkDriveStore, call: Call, folder: Entry, text: str) -> tuple[str, str]:
    cursor = store.cursors.get(text)
    if cursor is None or (cursor.user, cursor.folder) != (call.user.id, folder.id):
        raise ApiError(400, "F6004", "Invalid value for page[next]")
    return cursor.after


def _shown(world: "ZohoWorld", call: Call, entries: list[Entry]) -> list[JSON]:
    return [workdrive_view.item(world, entry, call.user, _base(call)) for entry in entries]


# -- content (§7.4) -----------------------------------------------------------------------------------------------------


def download(world: "ZohoWorld", call: Call) -> Reply:
    """The bytes of an uploaded file, or a range of them."""
    _check_scopes(world, call)
    entry = _entry(world, call)
    if entry.is_folder or entry.is_native:
        raise ApiError(400, "F6020", "The resource cannot be downloaded")
    if entry.refused:
        raise ApiError(403, "F6021", "Download is not allowed for this file")
    kind = MEDIA_TYPES.get(entry.extension, BINARY)
    return _bytes(call, entry.content or b"", kind, entry.name)


def export_document(world: "ZohoWorld", call: Call) -> Reply:
    """A native document in another format, by its editor."""
    _check_scopes(world, call)
    entry = _entry(world, call)
    if entry.type != call.args["editor"]:
        raise ApiError(400, "F6020", "The resource cannot be exported by this editor")
    form = call.get("format") or FORMATS[entry.type][0]
    if form not in FORMATS[entry.type]:
        raise ApiError(400, "F6004", "Invalid value for format")
    kind = MEDIA_TYPES.get(form, BINARY)
    return _bytes(call, export(entry, form), kind, f"{entry.name}.{form}")


def _export_of(editor: str) -> Callable[["ZohoWorld", Call], Reply]:
    def handler(world: "ZohoWorld", call: Call) -> Reply:
        call.args["editor"] = editor
        return export_document(world, call)

    handler.__name__ = f"{editor}_download"
    return handler


def _check_scopes(world: "ZohoWorld", call: Call) -> None:
    assert call.token is not None
    if not all(world.credentials.allows(call.token, scopes) for scopes in CONTENT_SCOPES):
        raise errors.missing_scope(call.product)


def _bytes(call: Call, content: bytes, kind: str, name: str) -> Reply:
    headers = {
        "Content-Type": kind,
        "Accept-Ranges": "bytes",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}",
    }
    span = _range(call.headers.get("range", ""), len(content))
    if span is None:
        return Reply(200, content, headers)
    if not span:
        return Reply(416, b"", headers | {"Content-Range": f"bytes */{len(content)}"})
    headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{len(content)}"
    return Reply(206, content[span.start : span.stop], headers)


def _range(text: str, size: int) -> range | None:
    """The span of a `Range` header: None when there is none to honour, empty when it cannot be satisfied."""
    unit, _, spans = text.partition("=")
    first, dash, last = spans.partition("-")
    if unit.strip() != "bytes" or not dash or not (first + last).isdigit():
        return None
    if not first:
        return range(max(0, size - int(last)), size)
    end = min(int(last), size - 1) if last else size - 1
    return range(int(first), end + 1)


# -- routes -------------------------------------------------------------------------------------------------------------

V1 = "/workdrive/api/v1"
FILES = ("WorkDrive.files.READ",)
TEAM = ("WorkDrive.team.READ",)
FOLDERS = ("WorkDrive.workspace.READ", "WorkDrive.teamfolders.READ")
# an account without any of these scopes cannot even ask who it is
ANY = TEAM + FILES + FOLDERS

ROUTES = [
    Route("GET", f"{V1}/users/me", users_me, "workdrive", ANY),
    Route("GET", f"{V1}/users/{{id}}/teams", user_teams, "workdrive", TEAM),
    Route("GET", f"{V1}/users/{{id}}/privatespace", users_privatespace, "workdrive", TEAM + FILES),
    Route("GET", f"{V1}/teams/{{team}}", teams_get, "workdrive", TEAM),
    Route("GET", f"{V1}/teams/{{team}}/currentuser", teams_currentuser, "workdrive", TEAM),
    Route("GET", f"{V1}/teams/{{team}}/users", teams_users, "workdrive", TEAM),
    Route("GET", f"{V1}/teams/{{team}}/workspaces", teams_workspaces, "workdrive", FOLDERS),
    Route("GET", f"{V1}/teams/{{team}}/teamfolders", teams_workspaces, "workdrive", FOLDERS),
    Route("GET", f"{V1}/workspaces/{{id}}", workspaces_get, "workdrive", FOLDERS),
    Route("GET", f"{V1}/teamfolders/{{id}}", workspaces_get, "workdrive", FOLDERS),
    Route("GET", f"{V1}/files/{{id}}", files_get, "workdrive", FILES),
    Route("GET", f"{V1}/files/{{id}}/files", files_list, "workdrive", FILES),
    Route("GET", f"{V1}/files/{{id}}/folders", folders_list, "workdrive", FILES),
    Route("GET", f"{V1}/privatespace/{{id}}/files", files_list, "workdrive", FILES),
    Route("GET", f"{V1}/privatespace/{{id}}/folders", folders_list, "workdrive", FILES),
    Route("GET", f"{V1}/download/{{id}}", download, "workdrive"),
    Route("GET", "/v1/workdrive/download/{id}", download, "download"),
    *(
        Route("GET", f"/{editor}/api/{version}/download/{{id}}", _export_of(editor), "workdrive")
        for editor in FORMATS
        for version in ("v1", "v2")
    ),
    *workdrive_write.ROUTES,
]
