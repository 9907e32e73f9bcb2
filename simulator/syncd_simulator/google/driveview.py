"""How Drive resources look on the wire to one viewer (google.md §6.3), and which field names exist."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from syncd_simulator.google.files import FOLDER, SHORTCUT, File, SharedDrive
from syncd_simulator.google.wire import JSON

if TYPE_CHECKING:
    from syncd_simulator.google.world import GoogleWorld, User

FILE_NAMES = [
    "appProperties",
    "capabilities",
    "clientEncryptionDetails",
    "contentHints",
    "contentRestrictions",
    "copyRequiresWriterPermission",
    "createdTime",
    "description",
    "downloadRestrictions",
    "driveId",
    "explicitlyTrashed",
    "exportLinks",
    "fileExtension",
    "folderColorRgb",
    "fullFileExtension",
    "hasAugmentedPermissions",
    "hasThumbnail",
    "headRevisionId",
    "iconLink",
    "id",
    "imageMediaMetadata",
    "inheritedPermissionsDisabled",
    "isAppAuthorized",
    "kind",
    "labelInfo",
    "lastModifyingUser",
    "linkShareMetadata",
    "md5Checksum",
    "mimeType",
    "modifiedByMe",
    "modifiedByMeTime",
    "modifiedTime",
    "name",
    "originalFilename",
    "ownedByMe",
    "owners",
    "parents",
    "permissionIds",
    "permissions",
    "properties",
    "quotaBytesUsed",
    "resourceKey",
    "sha1Checksum",
    "sha256Checksum",
    "shared",
    "sharedWithMeTime",
    "sharingUser",
    "shortcutDetails",
    "size",
    "spaces",
    "starred",
    "teamDriveId",
    "thumbnailLink",
    "thumbnailVersion",
    "trashed",
    "trashedTime",
    "trashingUser",
    "version",
    "videoMediaMetadata",
    "viewedByMe",
    "viewedByMeTime",
    "viewersCanCopyContent",
    "webContentLink",
    "webViewLink",
    "writersCanShare",
]
DRIVE_NAMES = [
    "backgroundImageFile",
    "backgroundImageLink",
    "capabilities",
    "colorRgb",
    "createdTime",
    "hidden",
    "id",
    "kind",
    "name",
    "orgUnitId",
    "restrictions",
    "themeId",
]
FILE: dict[str, Any] = dict.fromkeys(FILE_NAMES)
DRIVE: dict[str, Any] = dict.fromkeys(DRIVE_NAMES)
CHANGE: dict[str, Any] = dict.fromkeys(
    ("changeType", "driveId", "fileId", "kind", "removed", "teamDrive", "teamDriveId", "time", "type")
) | {"file": FILE, "drive": DRIVE}
DEFAULT_FILE = frozenset(("kind", "id", "name", "mimeType"))

OFFICE = "application/vnd.openxmlformats-officedocument."
EXPORTS: dict[str, tuple[str, ...]] = {
    "document": (
        OFFICE + "wordprocessingml.document", "application/vnd.oasis.opendocument.text", "application/rtf",
        "application/pdf", "text/plain", "application/zip", "application/epub+zip", "text/markdown",
    ),
    "spreadsheet": (
        OFFICE + "spreadsheetml.sheet", "application/x-vnd.oasis.opendocument.spreadsheet", "application/pdf",
        "text/csv", "text/tab-separated-values", "application/zip",
    ),
    "presentation": (
        OFFICE + "presentationml.presentation", "application/vnd.oasis.opendocument.presentation",
        "application/pdf", "text/plain",
    ),
    "drawing": ("image/png", "image/jpeg", "image/svg+xml", "application/pdf"),
    "script": ("application/vnd.google-apps.script+json",),
}  # fmt: skip


def export_types(mime: str) -> tuple[str, ...]:
    """What a native doc of this type can be exported to."""
    return EXPORTS.get(mime.rpartition(".")[2], ())


def person_json(user: User, viewer: User) -> JSON:
    """A user as Drive shows people."""
    return {
        "kind": "drive#user",
        "displayName": user.name,
        "me": user is viewer,
        "permissionId": user.id[:20],
        "emailAddress": user.address,
    }


class Viewer:
    """Computes file resources for one user; only the asked fields."""

    def __init__(self, world: GoogleWorld, user: User) -> None:
        self.world, self.user = world, user
        self._store = world.drive

    def file(self, file: File, names: Iterable[str] | None) -> JSON:
        """The resource with `names` (None: all); fields that do not apply are absent."""
        wanted = _ORDER if names is None else [name for name in _ORDER if name in names]
        shown = {}
        for name in wanted:
            value = _FIELDS[name](self, file)
            if value is not None:
                shown[name] = value
        return shown

    def drive(self, drive: SharedDrive) -> JSON:
        """A shared drive."""
        role = drive.members.get(self.user.id, "reader")
        return {
            "kind": "drive#drive",
            "id": drive.id,
            "name": drive.name,
            "colorRgb": "#bb7474",
            "createdTime": drive.created,
            "hidden": drive.hidden,
            "capabilities": {
                "canEdit": role in ("organizer", "fileOrganizer", "writer"),
                "canListChildren": True,
                "canDownload": True,
                "canManageMembers": role == "organizer",
            },
        }

    def person(self, user_id: str | None) -> JSON | None:
        """Somebody of the organisation, gone or not."""
        world = self.world
        user = world.users.get(user_id or "") or world.deleted_users.get(user_id or "")
        return person_json(user, self.user) if user else None

    def parents(self, file: File) -> list[str] | None:
        """At most one, absent when the viewer may not see the folder."""
        if file.parent is None:
            return None
        folder = self._store.files[file.parent]
        return [file.parent] if self._store.role(self.user.id, folder) else None

    def owners(self, file: File) -> list[JSON] | None:
        """Not populated in shared drives."""
        owner = self.person(file.owner)
        return [owner] if owner else None

    def shared(self, file: File) -> bool | None:
        """Whether anyone else sees it."""
        return None if file.drive_id else len(self._store.audience(file)) > 1

    def permissions(self, file: File) -> list[JSON] | None:
        """Only those who own the file see who else has it."""
        if file.drive_id or file.owner != self.user.id:
            return None
        roles = {file.owner: "owner"}
        for link in reversed(self._store.chain(file)):
            roles |= {key: role for key, role in link.shared_with.items() if key != file.owner}
        people = ((self.world.users.get(user_id), role) for user_id, role in roles.items())
        return [_permission(user, role) for user, role in people if user]

    def capabilities(self, file: File) -> JSON:
        """What the viewer may do."""
        role = self._store.role(self.user.id, file) or "reader"
        edits = role in ("owner", "organizer", "fileOrganizer", "writer")
        return {
            "canDownload": file.can_download and not file.is_folder,
            "canEdit": edits,
            "canListChildren": file.is_folder,
            "canTrash": edits,
            "canDelete": role in ("owner", "organizer"),
            "canReadDrive": file.drive_id is not None,
        }

    def trashed(self, file: File) -> bool:
        """Itself or through a folder."""
        return self._store.is_trashed(file)

    def shortcut(self, file: File) -> JSON | None:
        """Where a shortcut leads; the target may be gone."""
        if file.mime != SHORTCUT:
            return None
        target = self._store.files.get(file.target or "")
        return {"targetId": file.target} | ({"targetMimeType": target.mime} if target else {})


def _permission(user: User, role: str) -> JSON:
    return {
        "kind": "drive#permission",
        "id": user.id[:20],
        "type": "user",
        "role": role,
        "emailAddress": user.address,
        "displayName": user.name,
        "deleted": False,
        "pendingOwner": False,
    }


def _blob(file: File) -> bool:
    return file.checksums is not None


def _size(_: Viewer, file: File) -> str | None:
    """Editor files have a size too; only folders and shortcuts lack it (§6.3)."""
    if file.mime in (FOLDER, SHORTCUT):
        return None
    return str(len(file.content or b"") + (1024 if file.is_native else 0))


def _checksum(index: int) -> Callable[[Viewer, File], str | None]:
    return lambda _, file: file.checksums[index] if file.checksums else None


def _export_links(_: Viewer, file: File) -> JSON | None:
    if not file.is_native:
        return None
    root = f"https://docs.google.com/feeds/download/documents/export/Export?id={file.id}&exportFormat="
    return {mime: root + mime.rpartition("/")[2] for mime in export_types(file.mime)} or None


def _extension(_: Viewer, file: File) -> str | None:
    return file.name.rpartition(".")[2] if _blob(file) and "." in file.name else None


_FIELDS: dict[str, Callable[[Viewer, File], Any]] = {
    "kind": lambda *_: "drive#file",
    "id": lambda _, f: f.id,
    "name": lambda _, f: f.name,
    "mimeType": lambda _, f: f.mime,
    "description": lambda _, f: f.description or None,
    "starred": lambda _, f: f.starred,
    "trashed": Viewer.trashed,
    "explicitlyTrashed": lambda _, f: f.trashed,
    "trashedTime": lambda _, f: f.trashed_time if f.drive_id else None,
    "trashingUser": lambda v, f: v.person(f.trashed_by) if f.drive_id else None,
    "parents": Viewer.parents,
    "spaces": lambda *_: ["drive"],
    "version": lambda _, f: str(f.version),
    "webViewLink": lambda _, f: f"https://drive.google.com/file/d/{f.id}/view",
    "webContentLink": lambda _, f: f"https://drive.google.com/uc?id={f.id}&export=download" if _blob(f) else None,
    "iconLink": lambda _, f: f"https://drive-thirdparty.googleusercontent.com/16/type/{f.mime}",
    "hasThumbnail": lambda *_: False,
    "thumbnailVersion": lambda *_: "0",
    "viewedByMe": lambda v, f: f.owner == v.user.id,
    "createdTime": lambda _, f: f.created,
    "modifiedTime": lambda _, f: f.modified,
    "modifiedByMe": lambda v, f: f.modified_by == v.user.id,
    "lastModifyingUser": lambda v, f: v.person(f.modified_by),
    "driveId": lambda _, f: f.drive_id,
    "teamDriveId": lambda _, f: f.drive_id,
    "owners": Viewer.owners,
    "ownedByMe": lambda v, f: None if f.drive_id else f.owner == v.user.id,
    "shared": Viewer.shared,
    "capabilities": Viewer.capabilities,
    "permissions": Viewer.permissions,
    "permissionIds": lambda v, f: [p["id"] for p in v.permissions(f) or ()] or None,
    "properties": lambda _, f: f.properties or None,
    "appProperties": lambda _, f: f.app_properties or None,
    "originalFilename": lambda _, f: f.name if _blob(f) else None,
    "fileExtension": _extension,
    "fullFileExtension": _extension,
    "md5Checksum": _checksum(0),
    "sha1Checksum": _checksum(1),
    "sha256Checksum": _checksum(2),
    "size": _size,
    "quotaBytesUsed": lambda v, f: _size(v, f) or "0",
    "headRevisionId": lambda _, f: f.revision,
    "isAppAuthorized": lambda *_: True,
    "exportLinks": _export_links,
    "shortcutDetails": Viewer.shortcut,
    "writersCanShare": lambda _, f: None if f.drive_id else True,
    "copyRequiresWriterPermission": lambda *_: False,
}
_ORDER = tuple(_FIELDS)
