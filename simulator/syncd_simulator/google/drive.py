"""Drive API v3: changes, listings, content, exports, writes, shared drives (google.md §6)."""

import re
from collections.abc import Iterator
from typing import Any

from syncd_simulator.clock import rfc3339
from syncd_simulator.google import errors, fields
from syncd_simulator.google.changelog import ChangeLog
from syncd_simulator.google.drivequery import compile_query
from syncd_simulator.google.driveview import (
    CHANGE,
    DEFAULT_FILE,
    DRIVE,
    EXPORTS,
    FILE,
    Viewer,
    export_types,
    person_json,
)
from syncd_simulator.google.files import DRIVE_KEY, FOLDER, NATIVE, SHORTCUT, TOKEN_STEP, File, SharedDrive
from syncd_simulator.google.tokens import BadToken, digest, seal, unseal
from syncd_simulator.google.upload import read_upload
from syncd_simulator.google.wire import JSON, ApiError, Call, Handler, Reply, Route, scopes
from syncd_simulator.google.world import GoogleWorld

CONTENT = scopes("drive", "drive.readonly", "drive.file")
READ = CONTENT | scopes("drive.metadata", "drive.metadata.readonly")
WRITE = scopes("drive", "drive.file")
DRIVES = scopes("drive", "drive.readonly")
EXPORT_LIMIT = 10 * 1024 * 1024
PAGE_TOKEN_LIFE = 6 * 3600.0
REFUSALS = {
    "cannotDownloadFile": "This file cannot be downloaded by the user.",
    "cannotDownloadAbusiveFile": "This file has been identified as malware or spam and cannot be downloaded.",
    "downloadQuotaExceeded": "The download quota for this file has been exceeded.",
    "insufficientFilePermissions": "The user does not have sufficient permissions for this file.",
    "appNotAuthorizedToFile": "The user has not granted the app access to the file.",
    "domainPolicy": "The domain administrators have disabled Drive apps.",
}


def _invalid(location: str) -> ApiError:
    return ApiError(400, "invalid", "Invalid Value", location=location)


def _no_file(file_id: str) -> ApiError:
    return ApiError(404, "notFound", f"File not found: {file_id}.", location="fileId")


def _forbidden(reason: str, message: str | None = None) -> ApiError:
    return ApiError(403, reason, message or REFUSALS[reason])


def _selection(call: Call, known: dict[str, Any]) -> fields.Tree | None:
    """The checked `fields` of a request; None when there are none."""
    text = call.get("fields")
    if not text:
        return None
    tree = fields.parse(text)
    fields.check(tree, known)
    return tree


def _file_names(tree: fields.Tree | None, *path: str) -> Any:
    """Which file fields to compute: the default projection without `fields`, None for all."""
    if tree is None:
        return DEFAULT_FILE
    for name in path:
        if name in tree:
            tree = tree[name]
        elif "*" in tree:
            tree = tree["*"]
        else:
            return frozenset()
        if tree is None:
            return None
    return None if "*" in tree else tree.keys()


def _all_drives(call: Call) -> bool:
    return call.flag("supportsAllDrives") or call.flag("supportsTeamDrives")


def _everything(call: Call) -> bool:
    """§6.2.4: both flags are needed to see shared-drive items in lists and changes."""
    includes = call.flag("includeItemsFromAllDrives") or call.flag("includeTeamDriveItems")
    return _all_drives(call) and includes


def _file(world: GoogleWorld, call: Call, name: str = "fileId") -> File:
    """The file of the path; 404 also for no access and for shared-drive items without supportsAllDrives."""
    file_id = call.args[name]
    return _by_id(world, call, file_id)


def _by_id(world: GoogleWorld, call: Call, file_id: str) -> File:
    key = world.drive.views[call.user.id].root if file_id == "root" else file_id
    file = world.drive.visible(call.user.id, key)
    if file is None or (file.drive_id is not None and not _all_drives(call)):
        raise _no_file(file_id)
    return file


def _drive(world: GoogleWorld, call: Call, drive_id: str) -> SharedDrive:
    drive = world.drive.drives.get(drive_id)
    if drive is None or call.user.id not in drive.members:
        raise ApiError(404, "notFound", f"Shared drive not found: {drive_id}", location="driveId")
    return drive


# -- changes --------------------------------------------------------------------------------------------------------


def _log(world: GoogleWorld, call: Call) -> tuple[ChangeLog, int]:
    """The log that the request reads, and its number."""
    drive_id = call.get("driveId")
    if drive_id:
        drive = _drive(world, call, drive_id)
        return drive.log, drive.number
    view = world.drive.views[call.user.id]
    return view.log, view.number


def start_page_token(world: GoogleWorld, call: Call) -> JSON:
    """`GET changes/startPageToken`."""
    _selection(call, {"kind": None, "startPageToken": None})
    log, number = _log(world, call)
    seen = log.visible(world.now(), world.delay.get("drive", 0.0))
    return {"kind": "drive#startPageToken", "startPageToken": _change_token(seen, number)}


def _change_token(seen: int, number: int) -> str:
    """The position after which to go on; the log's number is inside, so that logs cannot be mixed up."""
    return str((seen + 1) * TOKEN_STEP + number)


def _position(log: ChangeLog, number: int, text: str | None) -> int:
    if not text:
        raise ApiError(400, "required", "Required parameter: pageToken", location="pageToken")
    if not text.isdigit() or int(text) % TOKEN_STEP != number:
        raise _invalid("pageToken")
    seen = int(text) // TOKEN_STEP - 1
    if not log.floor <= seen <= log.seq:
        raise _invalid("pageToken")
    return seen


def changes_list(world: GoogleWorld, call: Call) -> JSON:
    """`GET changes`: current states in the order of their latest change; one of the two tokens on each page."""
    known = {"kind": None, "nextPageToken": None, "newStartPageToken": None, "changes": CHANGE}
    tree = _selection(call, known)
    log, number = _log(world, call)
    after = _position(log, number, call.get("pageToken"))
    size = world.capped("drive", call.integer("pageSize", 100, 1000))
    until = log.visible(world.now(), world.delay.get("drive", 0.0))
    viewer = _ChangeView(world, call, _file_names(tree, "changes", "file"))
    changes: list[JSON] = []
    last = after
    answer: JSON = {"kind": "drive#changeList", "changes": changes}
    for seq, key in log.walk(after, until):
        change = viewer.change(key, rfc3339(log.time_at(seq)))
        if change is not None:
            if len(changes) == size:
                return answer | {"nextPageToken": _change_token(last, number)}
            changes.append(change)
        last = seq
    return answer | {"newStartPageToken": _change_token(max(after, until), number)}


class _ChangeView:
    """Turns log keys into change resources for one request."""

    def __init__(self, world: GoogleWorld, call: Call, names: Any) -> None:
        self.world, self.call, self.names = world, call, names
        self.viewer = Viewer(world, call.user)
        self.drive_id = call.get("driveId")
        self.everything = _everything(call)
        self.removed = call.flag("includeRemoved", True)
        self.mine = call.flag("restrictToMyDrive")
        self.corpus_removals = call.flag("includeCorpusRemovals")

    def change(self, key: str, time: str) -> JSON | None:
        """The change resource, None when the flags leave it out."""
        if key.startswith(DRIVE_KEY):
            return self._drive_change(key.removeprefix(DRIVE_KEY), time)
        if self.drive_id and not self.everything:
            return None
        change: JSON = {
            "kind": "drive#change", "type": "file", "changeType": "file", "time": time, "removed": False, "fileId": key,
        }  # fmt: skip
        file = self.world.drive.visible(self.call.user.id, key)
        if file is not None and file.drive_id == self.drive_id:
            if self.mine and file.owner != self.call.user.id:
                return None
            return change | {"file": self.viewer.file(file, self.names)}
        if not self.removed:
            return None
        change["removed"] = True
        if file is not None and self.corpus_removals and self.everything:
            change["file"] = self.viewer.file(file, self.names)
        return change

    def _drive_change(self, drive_id: str, time: str) -> JSON | None:
        if not self.everything:
            return None
        drive = self.world.drive.drives.get(drive_id)
        member = drive is not None and self.call.user.id in drive.members
        if not member and not self.removed:
            return None
        change: JSON = {
            "kind": "drive#change", "changeType": "drive", "time": time, "removed": not member, "driveId": drive_id,
            "type": "drive",
        }  # fmt: skip
        return change | ({"drive": self.viewer.drive(drive)} if drive is not None and member else {})


# -- listing --------------------------------------------------------------------------------------------------------


def files_list(world: GoogleWorld, call: Call) -> JSON:
    """`GET files`."""
    known = {"kind": None, "nextPageToken": None, "incompleteSearch": None, "files": FILE}
    tree = _selection(call, known)
    query = compile_query(world, call.user, call.get("q"))
    size = world.capped("drive", call.integer("pageSize", 100, 1000))
    logs = _corpora(world, call)
    segment, after = _list_position(world, call)
    viewer = Viewer(world, call.user)
    names = _file_names(tree, "files")
    answer: JSON = {"kind": "drive#fileList", "incompleteSearch": False}
    order = call.get("orderBy")
    found = _ordered(world, call, logs, order) if order else _unordered(world, call, logs, segment, after)
    files: list[JSON] = []
    place = (segment, after)
    for at, file in found:
        if order and at[1] <= after:
            continue
        if query(file):
            if len(files) == size:
                token = seal("files page", call.user.id, _query(call), world.now(), *place)
                return answer | {"nextPageToken": token, "files": files}
            files.append(viewer.file(file, names))
        place = at
    return answer | {"files": files}


def _query(call: Call) -> str:
    names = ("q", "corpora", "driveId", "orderBy", "spaces", "includeItemsFromAllDrives", "supportsAllDrives")
    return digest(*[call.get(name) for name in names])


def _list_position(world: GoogleWorld, call: Call) -> tuple[int, int]:
    """(log, position) to go on from; tokens live for hours only (§6.2.6)."""
    text = call.get("pageToken")
    if not text:
        return 0, 0
    try:
        who, query, made, segment, after = unseal("files page", text)
    except BadToken:
        raise _invalid("pageToken") from None
    if who != call.user.id or query != _query(call) or world.now() - made > PAGE_TOKEN_LIFE:
        raise _invalid("pageToken")
    return segment, after


def _corpora(world: GoogleWorld, call: Call) -> list[tuple[ChangeLog, str | None]]:
    """The logs to list, with the shared drive of each; shared-drive items need both flags."""
    corpora = call.get("corpora") or ("drive" if call.get("driveId") else "user")
    own = [(world.drive.views[call.user.id].log, None)]
    if corpora in ("user", "domain"):
        return list(own)
    if corpora == "drive":
        if not call.get("driveId"):
            raise ApiError(400, "required", "Required parameter: driveId", location="driveId")
        drive = _drive(world, call, call.get("driveId") or "")
        return [(drive.log, drive.id)] if _everything(call) else []
    if corpora != "allDrives":
        raise _invalid("corpora")
    drives = [d for d in world.drive.drives.values() if call.user.id in d.members] if _everything(call) else []
    return [*own, *((drive.log, drive.id) for drive in drives)]


Found = Iterator[tuple[tuple[int, int], File]]


def _unordered(
    world: GoogleWorld, call: Call, logs: list[tuple[ChangeLog, str | None]], segment: int, after: int
) -> Found:
    """((log, position), file) from a place on, in the order of the logs."""
    for index in range(segment, len(logs)):
        log, drive_id = logs[index]
        for seq, key in log.walk(after if index == segment else 0):
            if key.startswith(DRIVE_KEY):
                continue
            file = world.drive.visible(call.user.id, key)
            if file is not None and file.drive_id == drive_id:
                yield (index, seq), file


_ORDERS = {"name": "name", "name_natural": "name", "modifiedTime": "modified", "createdTime": "created"}


def _ordered(world: GoogleWorld, call: Call, logs: list[tuple[ChangeLog, str | None]], order: str) -> Found:
    """The same files sorted; the position is an ordinal then."""
    files = [file for _, file in _unordered(world, call, logs, 0, 0)]
    for key in reversed(order.split(",")):
        name, _, direction = key.strip().partition(" ")
        if name == "folder":
            files.sort(key=lambda file: not file.is_folder)
        elif name in _ORDERS:
            files.sort(key=lambda file: str(getattr(file, _ORDERS[name])), reverse=direction.strip() == "desc")
        else:
            raise _invalid("orderBy")
    for ordinal, file in enumerate(files, 1):
        yield (0, ordinal), file


# -- one file -------------------------------------------------------------------------------------------------------


def files_get(world: GoogleWorld, call: Call) -> Reply | JSON:
    """`GET files/{id}`, metadata or with `alt=media` the content."""
    if call.get("alt") == "media":
        _require_content_scope(call)
        return _download(call, _downloadable(world, call, _file(world, call)))
    tree = _selection(call, FILE)
    return Viewer(world, call.user).file(_file(world, call), _file_names(tree))


def _require_content_scope(call: Call) -> None:
    assert call.token is not None
    if not call.token.scopes & CONTENT:
        raise errors.missing_scope("drive", CONTENT)


def _downloadable(world: GoogleWorld, call: Call, file: File) -> File:
    """The refusals of §6.4."""
    if file.content is None or file.is_native:
        raise ApiError(
            403, "fileNotDownloadable",
            "Only files with binary content can be downloaded. Use Export with Docs Editors files.", location="alt",
        )  # fmt: skip
    _check_refusal(world, call, file)
    return file


def _check_refusal(world: GoogleWorld, call: Call, file: File) -> None:
    if not file.can_download:
        raise _forbidden("cannotDownloadFile")
    if file.refusal is None:
        return
    role = world.drive.role(call.user.id, file)
    acknowledged = call.flag("acknowledgeAbuse") and role in ("owner", "organizer")
    if not (file.refusal == "cannotDownloadAbusiveFile" and acknowledged):
        raise _forbidden(file.refusal)


def _download(call: Call, file: File) -> Reply:
    content = file.content or b""
    headers = {"Content-Type": file.mime}
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", call.headers.get("range", ""))
    if match is None or match.groups() == ("", ""):
        return Reply(200, content, headers)
    first, last = _range(match.group(1), match.group(2), len(content))
    if first >= len(content):
        if not content and first == 0:
            return Reply(200, content, headers)
        headers = {"Content-Range": f"bytes */{len(content)}", "Content-Type": "text/html; charset=UTF-8"}
        return Reply(416, b"Requested range not satisfiable", headers)
    headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
    return Reply(206, content[first : last + 1], headers)


def _range(first: str, last: str, size: int) -> tuple[int, int]:
    if not first:
        return max(0, size - int(last)), size - 1
    return int(first), min(int(last), size - 1) if last else size - 1


def export_bytes(file: File, mime: str) -> bytes:
    """What exporting a native doc gives; the same bytes for the same text."""
    text = file.content or b""
    if mime.startswith("text/"):
        return text
    if mime == "application/pdf":
        return b"%PDF-1.4\n" + text + b"\n%%EOF\n"
    return f"{mime}\n{file.name}\n".encode() + text


def _exported(world: GoogleWorld, call: Call, file: File) -> bytes:
    mime = call.get("mimeType")
    if not mime:
        raise ApiError(400, "required", "Required parameter: mimeType", location="mimeType")
    if not file.is_native:
        raise _forbidden("fileNotExportable", "Export only supports Docs Editors files.")
    if mime not in export_types(file.mime):
        raise ApiError(400, "badRequest", "The requested conversion is not supported.", location="convertTo")
    _check_refusal(world, call, file)
    return export_bytes(file, mime)


def files_export(world: GoogleWorld, call: Call) -> Reply:
    """`GET files/{id}/export`: at most 10 MB, a permanent refusal above."""
    file = _visible(world, call)
    content = _exported(world, call, file)
    if (file.export_size or len(content)) > EXPORT_LIMIT:
        raise _forbidden("exportSizeLimitExceeded", "This file is too large to be exported.")
    return Reply(200, content, {"Content-Type": call.get("mimeType") or ""})


def _visible(world: GoogleWorld, call: Call) -> File:
    """For methods without supportsAllDrives."""
    file = world.drive.visible(call.user.id, call.args["fileId"])
    if file is None:
        raise _no_file(call.args["fileId"])
    return file


def files_download(world: GoogleWorld, call: Call) -> JSON:
    """`POST files/{id}/download`: an operation, done at once, whose response has the download's address."""
    file = _visible(world, call)
    if file.is_native:
        _exported(world, call, file)
    else:
        _downloadable(world, call, file)
    return _operation(call, seal("download", file.id, call.get("mimeType"), world.now()))


def operations_get(world: GoogleWorld, call: Call) -> JSON:
    """`GET operations/{name}`: valid for 24 hours."""
    _download_token(world, call)
    return _operation(call, call.args["name"])


def _operation(call: Call, name: str) -> JSON:
    uri = f"{call.base_url}/drive/v3/downloaded/{name}"
    response = {
        "@type": "type.googleapis.com/google.apps.drive.v3.DownloadFileResponse",
        "downloadUri": uri,
        "partialDownloadAllowed": True,
    }
    return {"name": name, "done": True, "response": response}


def _download_token(world: GoogleWorld, call: Call) -> tuple[str, str | None]:
    try:
        file_id, mime, made = unseal("download", call.args["name"])
    except BadToken:
        raise ApiError(404, "notFound", "Operation not found.") from None
    if world.now() - made > 86400:
        raise ApiError(404, "notFound", "Operation not found.")
    return file_id, mime


def downloaded(world: GoogleWorld, call: Call) -> Reply:
    """The address that a download operation gave."""
    file_id, mime = _download_token(world, call)
    file = world.drive.visible(call.user.id, file_id)
    if file is None:
        raise _no_file(file_id)
    if mime and file.is_native:
        return Reply(200, export_bytes(file, mime), {"Content-Type": mime})
    return _download(call, _downloadable(world, call, file))


# -- writes ---------------------------------------------------------------------------------------------------------


def _folder_for_new(world: GoogleWorld, call: Call, body: JSON) -> str:
    parents = body.get("parents") or ["root"]
    if len(parents) > 1:
        raise ApiError(403, "multipleParentsNotAllowed", "A file can have at most one parent.")
    folder = _by_id(world, call, parents[0])
    if not folder.is_folder:
        raise ApiError(403, "parentNotAFolder", "The specified parent is not a folder.")
    return folder.id


def files_create(world: GoogleWorld, call: Call) -> JSON:
    """`POST files`: names may repeat; a pre-generated id makes it idempotent (409 the second time)."""
    tree = _selection(call, FILE)
    upload = read_upload(call)
    body, content = upload.meta, upload.content
    parent = _folder_for_new(world, call, body)
    if body.get("id") in world.drive.files:
        raise ApiError(409, "fileIdInUse", "A file already exists with the provided ID.")
    mime = body.get("mimeType") or upload.content_type
    if content is None and mime not in (FOLDER, SHORTCUT):
        content = b""
    target = body.get("shortcutDetails", {}).get("targetId") if mime == SHORTCUT else None
    file = world.drive.add(
        call.user.id, body.get("name", "Untitled"), mime, parent, world.now(),
        content=content, file_id=body.get("id"), target=target,
    )  # fmt: skip
    _apply(file, body)
    return Viewer(world, call.user).file(file, _file_names(tree))


def _apply(file: File, body: JSON) -> None:
    """Plain metadata of a create or update body."""
    file.name = body.get("name", file.name)
    file.description = body.get("description", file.description)
    file.starred = bool(body.get("starred", file.starred))
    for key, held in (("properties", file.properties), ("appProperties", file.app_properties)):
        for name, value in (body.get(key) or {}).items():
            if value is None:
                held.pop(name, None)
            else:
                held[name] = value


def files_update(world: GoogleWorld, call: Call) -> JSON:
    """`PATCH files/{id}`: last write wins, there is no etag; parents move by addParents/removeParents."""
    tree = _selection(call, FILE)
    file = _file(world, call)
    upload = read_upload(call)
    body, content = upload.meta, upload.content
    if "parents" in body:
        raise _forbidden(
            "fieldNotWritable",
            "The parents field is not directly writable in update requests. Use the addParents and removeParents "
            "parameters instead.",
        )
    _require_role(world, call, file, "owner", "organizer", "fileOrganizer", "writer")
    now = world.now()
    if added := call.get("addParents"):
        world.drive.move(file, _by_id(world, call, added).id, now)
    _apply(file, body)
    if content is not None:
        file.write(content, world.drive.new_revision())
    world.drive.touch(file, call.user.id, now)
    file.modified = body.get("modifiedTime", file.modified)
    if "trashed" in body and bool(body["trashed"]) != file.trashed:
        world.drive.trash(
            file, call.user.id, now,
            trashed=bool(body["trashed"]), with_children=world.trash_entries_for_children,
        )  # fmt: skip
    return Viewer(world, call.user).file(file, _file_names(tree))


def _require_role(world: GoogleWorld, call: Call, file: File, *roles: str) -> None:
    if world.drive.role(call.user.id, file) not in roles:
        raise _forbidden("insufficientFilePermissions")


def files_delete(world: GoogleWorld, call: Call) -> None:
    """`DELETE files/{id}`: for good."""
    file = _file(world, call)
    _require_role(world, call, file, "owner", "organizer")
    world.drive.delete(file, world.now())


def generate_ids(world: GoogleWorld, call: Call) -> JSON:
    """`GET files/generateIds`."""
    count = call.integer("count", 10, 1000)
    return {"kind": "drive#generatedIds", "space": "drive", "ids": [world.drive.new_id() for _ in range(count)]}


# -- drives, about --------------------------------------------------------------------------------------------------


def drives_list(world: GoogleWorld, call: Call) -> JSON:
    """`GET drives`: 10 a page unless asked; the whole domain with useDomainAdminAccess."""
    _selection(call, {"kind": None, "nextPageToken": None, "drives": DRIVE})
    everyone = call.flag("useDomainAdminAccess") and call.user.is_admin
    drives = [d for d in world.drive.drives.values() if everyone or call.user.id in d.members]
    size = world.capped("drive", call.integer("pageSize", 10, 100))
    start = 0
    if text := call.get("pageToken"):
        try:
            start = unseal("drives page", text)[0]
        except BadToken:
            raise _invalid("pageToken") from None
    viewer = Viewer(world, call.user)
    answer: JSON = {"kind": "drive#driveList", "drives": [viewer.drive(d) for d in drives[start : start + size]]}
    more = start + size < len(drives)
    return answer | ({"nextPageToken": seal("drives page", start + size)} if more else {})


def drives_get(world: GoogleWorld, call: Call) -> JSON:
    """`GET drives/{id}`."""
    _selection(call, DRIVE)
    drive = world.drive.drives.get(call.args["driveId"])
    admin = call.flag("useDomainAdminAccess") and call.user.is_admin
    if drive is None or not (admin or call.user.id in drive.members):
        raise ApiError(404, "notFound", f"Shared drive not found: {call.args['driveId']}", location="driveId")
    return Viewer(world, call.user).drive(drive)


def about_get(world: GoogleWorld, call: Call) -> JSON:
    """`GET about`: `fields` is mandatory."""
    if not call.get("fields"):
        message = "The 'fields' parameter is required for this method."
        raise ApiError(400, "required", message, location="fields")
    return {
        "kind": "drive#about",
        "user": person_json(call.user, call.user),
        "storageQuota": {"limit": "16106127360", "usage": "0", "usageInDrive": "0", "usageInDriveTrash": "0"},
        "importFormats": {"text/plain": [NATIVE + "document"], "text/csv": [NATIVE + "spreadsheet"]},
        "exportFormats": {NATIVE + name: list(types) for name, types in EXPORTS.items()},
        "maxImportSizes": {NATIVE + "document": "10485760"},
        "maxUploadSize": "5242880000000",
        "appInstalled": False,
        "canCreateDrives": True,
        "folderColorPalette": ["#ac725e", "#d06b64"],
    }


def _r(http: str, path: str, method: str, handler: Handler, opens: frozenset[str], units: int = 5) -> Route:
    return Route(http, "/drive/v3/" + path, "drive." + method, handler, opens, units)


_UPLOADS = [
    Route(http, f"{root}/drive/v3/{path}", method, handler, WRITE, 50)
    for root in ("/upload", "/resumable/upload")
    for http, path, method, handler in (
        ("POST", "files", "drive.files.create", files_create),
        ("PATCH", "files/{fileId}", "drive.files.update", files_update),
    )
]
ROUTES = [
    *_UPLOADS,
    _r("GET", "about", "about.get", about_get, READ),
    _r("GET", "changes/startPageToken", "changes.getStartPageToken", start_page_token, READ),
    _r("GET", "changes", "changes.list", changes_list, READ, 100),
    _r("GET", "files", "files.list", files_list, READ, 100),
    _r("POST", "files", "files.create", files_create, WRITE, 50),
    _r("GET", "files/generateIds", "files.generateIds", generate_ids, WRITE),
    _r("GET", "files/{fileId}", "files.get", files_get, READ),
    _r("PATCH", "files/{fileId}", "files.update", files_update, WRITE, 50),
    _r("DELETE", "files/{fileId}", "files.delete", files_delete, WRITE, 50),
    _r("GET", "files/{fileId}/export", "files.export", files_export, CONTENT, 200),
    _r("POST", "files/{fileId}/download", "files.download", files_download, CONTENT, 200),
    _r("GET", "operations/{name}", "operations.get", operations_get, CONTENT),
    _r("GET", "downloaded/{name}", "downloadUri", downloaded, CONTENT, 200),
    _r("GET", "drives", "drives.list", drives_list, DRIVES, 100),
    _r("GET", "drives/{driveId}", "drives.get", drives_get, DRIVES),
]
