"""State of Drive: files, folders, shortcuts, native docs, shared drives, and their change logs (google.md §6)."""

import hashlib
import random
from dataclasses import dataclass, field

from syncd_simulator.clock import rfc3339
from syncd_simulator.google.changelog import ChangeLog

FOLDER = "application/vnd.google-apps.folder"
SHORTCUT = "application/vnd.google-apps.shortcut"
NATIVE = "application/vnd.google-apps."
DRIVE_KEY = "drive:"  # prefix of shared drives in user logs
TOKEN_STEP = 1009  # change tokens are position * TOKEN_STEP + the log's number


@dataclass
class File:
    """One file. What the wire shows is computed from it for each viewer."""

    id: str
    name: str
    mime: str
    owner: str | None  # user id; None in a shared drive
    parent: str | None
    created: str
    modified: str
    modified_by: str
    drive_id: str | None = None
    content: bytes | None = None
    checksums: tuple[str, str, str] | None = None  # md5, sha1, sha256
    revision: str | None = None
    trashed: bool = False  # itself, not through its folder
    trashed_time: str | None = None
    trashed_by: str | None = None
    shared_with: dict[str, str] = field(default_factory=dict)  # user id -> role
    target: str | None = None  # of a shortcut
    description: str = ""
    starred: bool = False
    properties: dict[str, str] = field(default_factory=dict)
    app_properties: dict[str, str] = field(default_factory=dict)
    version: int = 1
    can_download: bool = True
    refusal: str | None = None  # reason of a download refusal: cannotDownloadAbusiveFile, downloadQuotaExceeded, …
    export_size: int | None = None  # what an export would weigh; above 10 MB it is refused

    @property
    def is_folder(self) -> bool:
        """A folder."""
        return self.mime == FOLDER

    @property
    def is_native(self) -> bool:
        """A Docs Editors file, exported rather than downloaded."""
        return self.mime.startswith(NATIVE) and self.mime not in (FOLDER, SHORTCUT)

    def write(self, content: bytes, revision: str) -> None:
        """New content of a blob, or new text of a native doc (which shows no checksums)."""
        self.content = content
        if not self.is_native:
            md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
            sha1 = hashlib.sha1(content, usedforsecurity=False).hexdigest()
            self.checksums = (md5, sha1, hashlib.sha256(content).hexdigest())
            self.revision = revision


@dataclass
class SharedDrive:
    """A shared drive: members, files and a change log of its own. Its root folder has its id."""

    id: str
    name: str
    created: str
    number: int
    members: dict[str, str] = field(default_factory=dict)  # user id -> role
    hidden: bool = False
    deleted: bool = False
    log: ChangeLog = field(default_factory=ChangeLog)


@dataclass
class UserDrive:
    """One user's view: the root folder and the user log."""

    root: str
    number: int
    log: ChangeLog = field(default_factory=ChangeLog)


class DriveStore:
    """Every file and shared drive of the organisation."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.files: dict[str, File] = {}
        self.children: dict[str, set[str]] = {}
        self.views: dict[str, UserDrive] = {}
        self.drives: dict[str, SharedDrive] = {}
        self._numbers = 0

    # -- making -----------------------------------------------------------------------------------------------

    def open_user(self, user_id: str, now: float) -> None:
        """My Drive of a user."""
        self._numbers += 1
        root = "0A" + self._letters(15) + "PVA"
        self.views[user_id] = UserDrive(root, self._numbers)
        self.files[root] = File(root, "My Drive", FOLDER, user_id, None, rfc3339(now), rfc3339(now), user_id)

    def open_drive(self, name: str, now: float) -> SharedDrive:
        """A shared drive without members."""
        self._numbers += 1
        drive = SharedDrive("0A" + self._letters(15) + "Uk9PVA", name, rfc3339(now), self._numbers)
        self.drives[drive.id] = drive
        self.files[drive.id] = File(
            drive.id, "Drive", FOLDER, None, None, rfc3339(now), rfc3339(now), "", drive_id=drive.id
        )
        return drive

    def new_id(self) -> str:
        """A file id of the usual length."""
        return "1" + self._letters(32)

    def _letters(self, count: int) -> str:
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        bits = self._rng.getrandbits(6 * count)
        return "".join(alphabet[bits >> (6 * index) & 63] for index in range(count))

    def add(
        self, user_id: str, name: str, mime: str, parent: str | None, now: float, *,
        content: bytes | None = None, file_id: str | None = None, target: str | None = None,
    ) -> File:  # fmt: skip
        """A new file in a folder (the user's root without one); in a shared drive the drive owns it."""
        folder = self.files[parent or self.views[user_id].root]
        drive_id = folder.drive_id
        file = File(
            file_id or self.new_id(), name, mime, None if drive_id else user_id, folder.id,
            rfc3339(now), rfc3339(now), user_id, drive_id=drive_id, target=target,
        )  # fmt: skip
        if content is not None:
            file.write(content, self.new_revision())
        self.files[file.id] = file
        self.children.setdefault(folder.id, set()).add(file.id)
        self.note(file, now)
        return file

    def new_revision(self) -> str:
        """A head revision id."""
        return "0B" + self._letters(40)

    # -- who sees what ----------------------------------------------------------------------------------------

    def chain(self, file: File) -> list[File]:
        """The file, its folder, and so on up to a root."""
        found = [file]
        while file.parent is not None and file.parent in self.files:
            file = self.files[file.parent]
            found.append(file)
        return found

    def role(self, user_id: str, file: File) -> str | None:
        """owner, organizer, writer, reader, … through the file, a folder above, or the shared drive."""
        if file.drive_id is not None:
            return self.drives[file.drive_id].members.get(user_id)
        if file.owner == user_id:
            return "owner"
        for link in self.chain(file):
            if user_id in link.shared_with:
                return link.shared_with[user_id]
        return None

    def visible(self, user_id: str, file_id: str) -> File | None:
        """The file when it exists and the user may see it."""
        file = self.files.get(file_id)
        return file if file is not None and self.role(user_id, file) else None

    def audience(self, file: File) -> set[str]:
        """Users in whose log a change of this file appears (nobody for shared drives)."""
        if file.drive_id is not None:
            return set()
        users = {user_id for link in self.chain(file) for user_id in link.shared_with}
        return users | {file.owner} if file.owner else users

    def is_trashed(self, file: File) -> bool:
        """Itself, or through a folder above."""
        return any(link.trashed for link in self.chain(file))

    def subtree(self, file: File) -> list[File]:
        """The file and everything below it."""
        found, queue = [], [file.id]
        while queue:
            key = queue.pop()
            found.append(self.files[key])
            queue.extend(sorted(self.children.get(key, ())))
        return found

    def logs_of(self, user_id: str) -> list[ChangeLog]:
        """The user log and the logs of the user's shared drives."""
        own = [self.views[user_id].log] if user_id in self.views else []
        return own + [drive.log for drive in self.drives.values() if user_id in drive.members]

    # -- changing ---------------------------------------------------------------------------------------------

    def note(self, file: File, now: float, extra: set[str] | None = None) -> None:
        """Write a change of `file` into the logs of all who see it, and of `extra` users."""
        file.version += 1
        if file.drive_id is not None:
            self.drives[file.drive_id].log.touch(file.id, now)
        for user_id in sorted(self.audience(file) | (extra or set())):
            self.views[user_id].log.touch(file.id, now)

    def touch(self, file: File, user_id: str, now: float) -> None:
        """A content or metadata edit: modifiedTime moves."""
        file.modified, file.modified_by = rfc3339(now), user_id
        self.note(file, now)

    def trash(self, file: File, user_id: str, now: float, *, trashed: bool, with_children: bool) -> None:
        """Into or out of the trash; `with_children`: files below get entries of their own too (§6.2)."""
        file.trashed = trashed
        file.trashed_time = rfc3339(now) if trashed else None
        file.trashed_by = user_id if trashed else None
        for item in self.subtree(file) if with_children else [file]:
            self.note(item, now)

    def move(self, file: File, parent: str, now: float) -> None:
        """Into another folder; also between My Drive and shared drives. Everybody affected gets entries."""
        target = self.files[parent]
        items = self.subtree(file)
        before = {item.id: self.audience(item) for item in items}
        if file.parent is not None:
            self.children[file.parent].discard(file.id)
        old_drive = file.drive_id
        file.parent = parent
        self.children.setdefault(parent, set()).add(file.id)
        for item in items:
            if old_drive != target.drive_id:
                if old_drive is not None:
                    self.drives[old_drive].log.touch(item.id, now)
                item.drive_id = target.drive_id
                item.owner = None if target.drive_id else target.owner
                item.shared_with.clear()
            if item is file or before[item.id] != self.audience(item) or old_drive != target.drive_id:
                self.note(item, now, before[item.id])

    def share(self, file: File, user_id: str, role: str | None, now: float) -> None:
        """Grant a role on a file or folder, or take it away (None)."""
        items = self.subtree(file)
        if role is None:
            file.shared_with.pop(user_id, None)
        else:
            file.shared_with[user_id] = role
        for item in items:
            self.note(item, now, {user_id})

    def delete(self, file: File, now: float) -> None:
        """For good, with everything below."""
        for item in reversed(self.subtree(file)):
            users = self.audience(item)
            self.children.pop(item.id, None)
            if item.parent is not None:
                self.children.get(item.parent, set()).discard(item.id)
            del self.files[item.id]
            if item.drive_id is not None:
                self.drives[item.drive_id].log.touch(item.id, now)
            for user_id in sorted(users):
                self.views[user_id].log.touch(item.id, now)

    def set_member(self, drive: SharedDrive, user_id: str, role: str | None, now: float) -> None:
        """Join, change role, or leave (None): one `drive` entry in that user's log (§6.2.3)."""
        if role is None:
            drive.members.pop(user_id, None)
        else:
            drive.members[user_id] = role
        self.views[user_id].log.touch(DRIVE_KEY + drive.id, now)

    def rename_drive(self, drive: SharedDrive, name: str, now: float) -> None:
        """A rename shows up in every member's log."""
        drive.name = name
        for user_id in drive.members:
            self.views[user_id].log.touch(DRIVE_KEY + drive.id, now)

    # -- for tests ----------------------------------------------------------------------------------------------

    def of_user(self, user_id: str) -> list[File]:
        """Everything that the user sees, roots left out: My Drive, shared with them, their shared drives."""
        roots = {view.root for view in self.views.values()} | set(self.drives)
        return [f for f in self.files.values() if f.id not in roots and self.role(user_id, f)]
