"""Files: My Drive and every shared drive, by their change logs (wire reference §6).

Public: Files.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from syncd.sdk import (
    Blob,
    Context,
    CursorExpired,
    Forbidden,
    Item,
    Page,
    Partition,
    ProtocolError,
    Record,
    Reject,
    Scan,
    Stream,
    StreamInfo,
    SyncdError,
    Tombstone,
)

from .api import Api, Params
from .content import File, blob_of, download, max_size
from .cursors import VERSION, read_cursor
from .errors import Fault
from .wire import LONGEST_LIST, Chain, Sliced, decode, instant, next_token, text_of

__all__ = ["Files"]

WHAT = "files"
PAGE_SIZE = 1000  # §6.1: the most
DRIVES_SIZE = 100  # §6.1: the most
WHO = "(displayName,emailAddress,permissionId)"
# Named one by one: without `fields` next to nothing comes (§6.1). Left out: what is private to the one who looks
# (viewedByMe…, modifiedByMe…), short-lived or pre-authenticated links (thumbnailLink, webContentLink, exportLinks).
FIELDS = (
    "kind,id,name,mimeType,description,parents,trashed,explicitlyTrashed,createdTime,modifiedTime,version,size,"
    "quotaBytesUsed,md5Checksum,sha1Checksum,sha256Checksum,headRevisionId,originalFilename,fileExtension,"
    "fullFileExtension,folderColorRgb,properties,appProperties,webViewLink,resourceKey,driveId,spaces,"
    f"lastModifyingUser{WHO},shortcutDetails,contentRestrictions,copyRequiresWriterPermission,imageMediaMetadata,"
    "videoMediaMetadata,capabilities/canDownload"
)
OWN = (  # what only an item of My Drive has, or only its owner's eyes see
    f"starred,ownedByMe,owners{WHO},shared,sharedWithMeTime,sharingUser{WHO},writersCanShare,"
    "permissions(id,type,role,emailAddress,displayName,domain,deleted,pendingOwner,expirationTime)"
)
DRIVE = f"trashedTime,trashingUser{WHO},hasAugmentedPermissions"
FOLDER = "application/vnd.google-apps.folder"
SHORTCUT = "application/vnd.google-apps.shortcut"
OPTIONS = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "content": {"type": "boolean", "default": True, "description": "Whether contents are mirrored too."},
        "max_size": {
            "type": "string",
            "format": "syncd-size",
            "examples": ["100MB"],
            "description": "Contents above this size are left out. No limit unless given.",
        },
        "shared": {"type": "boolean", "default": True, "description": "Whether shared drives are mirrored, once each."},
    },
}


class Listing(msgspec.Struct):
    files: list[msgspec.Raw] = []
    nextPageToken: str | None = None  # noqa: N815 - the provider's spelling
    incompleteSearch: bool = False  # noqa: N815


class Change(msgspec.Struct):
    """An entry of a log: the current state of one file, or of a shared drive as such (§6.2)."""

    changeType: str | None = None  # noqa: N815
    removed: bool = False
    fileId: str | None = None  # noqa: N815
    file: msgspec.Raw = msgspec.Raw(b"")


class Changes(msgspec.Struct):
    changes: list[msgspec.Raw] = []
    nextPageToken: str | None = None  # noqa: N815
    newStartPageToken: str | None = None  # noqa: N815


LISTINGS = Sliced(Listing, "files", File, "id")
CHANGES = Sliced(Changes, "changes", Change, "fileId")
read_file = msgspec.json.Decoder(File).decode
encode = msgspec.json.Encoder().encode


class Files(Stream):
    """Files and folders. One log per user (My Drive, and what others share with the user) and one per shared drive.

    A full round takes the log's place first, lists, and then reads the log from there (§13.11), so that what changed
    while it listed is neither missed nor taken for deleted.
    """

    info = StreamInfo(
        "files",
        "Drive",
        # a version moves for changes that nobody sees; a shortcut's target changes without the shortcut's log telling
        volatile=("version", "capabilities", "shortcutDetails.targetMimeType"),
        options_schema=OPTIONS,
    )

    async def partitions(self, ctx: Context) -> Sequence[Partition]:
        """My Drive, and every shared drive that the account is a member of (excluded with `shared: false`)."""
        api, chain = Api(ctx, "drive", WHAT), Chain("shared drives", LONGEST_LIST)
        found, token = [Partition("", "My Drive")], None
        while True:
            params: Params = {"pageSize": DRIVES_SIZE, "pageToken": token, "fields": "nextPageToken,drives(id,name)"}
            page = decode((await api.get("/drive/v3/drives", "shared drives", params)).content, "shared drives")
            found += [_partition(drive, ctx) for drive in _drives(page)]
            following = next_token(page, "shared drives")
            if following is None:
                return found
            token = chain.follow(following)

    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        log = _Log(ctx)
        cursor = read_cursor(ctx.cursor)
        token = cursor.get("page")
        if ctx.scan is Scan.FULL and not token:
            start = cursor.get("start") or await log.start()
            async for page in log.listing(start, cursor.get("list")):
                yield page
            token = start
        if not token:
            raise CursorExpired("the cursor has no page token")
        async for page in log.changes(token):
            yield page

    def fetch(self, ctx: Context, blob: Blob) -> AsyncIterator[bytes]:
        return download(ctx, blob)


class _Log:
    """One partition: its listing and its log of changes."""

    def __init__(self, ctx: Context) -> None:
        self.api = Api(ctx, "drive", WHAT)
        self.drive = (ctx.partition.id if ctx.partition else "") or None
        self.content = ctx.options.get("content", True) is not False
        self.largest = max_size(ctx.options)
        self.fields = f"{FIELDS},{DRIVE if self.drive else OWN}"

    async def start(self) -> str:
        """The log's present end."""
        params: Params = {"supportsAllDrives": "true", "driveId": self.drive}
        response = await self.api.get("/drive/v3/changes/startPageToken", WHAT, params, _vanished)
        return text_of(decode(response.content, WHAT), "startPageToken", WHAT)

    async def listing(self, start: str, token: str | None) -> AsyncIterator[Page]:
        """All items, trashed ones included. The user's own corpus is asked for without items of shared drives."""
        chain = Chain(WHAT)
        while True:
            params: Params = {
                "pageSize": PAGE_SIZE,
                "corpora": "drive" if self.drive else "user",
                "driveId": self.drive,
                "supportsAllDrives": "true",
                "includeItemsFromAllDrives": "true" if self.drive else "false",
                "spaces": "drive",
                "pageToken": token,
                "fields": f"nextPageToken,incompleteSearch,files({self.fields})",  # §13.13
            }
            meaning = _stale if token else _vanished
            response = await self.api.get("/drive/v3/files", WHAT, params, meaning)
            head, entries = LISTINGS.read(response.content, WHAT)
            if head.incompleteSearch:
                raise ProtocolError("files: Google says that its answer is incomplete")
            items, skipped = self._listed(entries)
            if head.nextPageToken is None:
                yield Page(items, resume={"v": VERSION, "start": start, "page": start}, skipped=skipped)
                return
            token = chain.follow(head.nextPageToken)
            yield Page(items, resume={"v": VERSION, "start": start, "list": token}, skipped=skipped)

    async def changes(self, token: str) -> AsyncIterator[Page]:
        """The log from `token` on. It ends with the page that has a new start token (§13.12)."""
        chain = Chain(WHAT)
        while True:
            params: Params = {
                "pageToken": chain.follow(token),
                "pageSize": PAGE_SIZE,
                "driveId": self.drive,
                "supportsAllDrives": "true",  # both, or items of shared drives are silently absent (§13.17)
                "includeItemsFromAllDrives": "true",
                "includeRemoved": "true",
                "spaces": "drive",
                "fields": f"nextPageToken,newStartPageToken,changes(changeType,removed,fileId,file({self.fields}))",
            }
            response = await self.api.get("/drive/v3/changes", WHAT, params, _stale)
            head, entries = CHANGES.read(response.content, WHAT)
            items, skipped = self._changed(entries)
            if head.nextPageToken is None:
                end = {"v": VERSION, "page": _end(head)}
                yield Page(items, last=True, bookmark=end, skipped=skipped)
                return
            token = head.nextPageToken
            yield Page(items, resume={"v": VERSION, "page": token}, skipped=skipped)

    def _listed(self, entries: Iterable[tuple[File, bytes] | Reject]) -> tuple[list[Item], int]:
        items: list[Item] = []
        skipped = 0
        for entry in entries:
            if isinstance(entry, Reject):
                items.append(entry)
            elif self._elsewhere(entry[0]) or entry[0].id == self.drive:
                skipped += 1
            else:
                items.append(self._item(*entry))
        return items, skipped

    def _changed(self, entries: Iterable[tuple[Change, bytes] | Reject]) -> tuple[list[Item], int]:
        items: list[Item] = []
        skipped = 0
        for entry in entries:
            if isinstance(entry, Reject):
                items.append(entry)
            elif entry[0].changeType == "drive" or (self.drive and entry[0].fileId == self.drive):
                skipped += 1  # membership and names of shared drives come with the partitions
            else:
                items += self._change(*entry)
        return items, skipped

    def _change(self, change: Change, data: bytes) -> Iterator[Item]:
        """One entry. Trashing is no removal (§13.14); an item that left for another drive is gone from this one."""
        if not change.fileId:
            yield Reject("a change without a file's id", None, data)
            return
        if change.removed:
            yield Tombstone(change.fileId)
            return
        raw = bytes(change.file)
        try:
            file = read_file(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            yield Reject(f"unreadable item: {error}", change.fileId, raw or data)
            return
        yield Tombstone(file.id) if self._elsewhere(file) else self._item(file, raw)

    def _elsewhere(self, file: File) -> bool:
        return file.driveId is not None and file.driveId != self.drive

    def _item(self, file: File, data: bytes) -> Item:
        if not file.id:
            return Reject("a file without an id", None, data)
        return Record(
            file.id,
            data,
            summary=encode(_summary(file)),
            modified_at=instant(file.modifiedTime),
            blob=blob_of(file, self.largest) if self.content else None,
            parent=file.parents[0] if file.parents else None,
            name=file.name,
        )


def _stale(fault: Fault) -> SyncdError | None:
    """§6.2.6: a token that Google does not take is a 400 about `pageToken`: start over."""
    if fault.http in (400, 410) and (fault.location == "pageToken" or fault.is_("invalid")):
        return CursorExpired(f"{WHAT}: {fault}")
    return _vanished(fault)


def _vanished(fault: Fault) -> SyncdError | None:
    if fault.http == 404:
        return Forbidden(f"{WHAT}: {fault}", hint="The shared drive is gone, or the account is no longer a member.")
    return None


def _summary(file: File) -> dict[str, Any]:
    """`path` is the store's: it follows `Record.parent` up to the root, which is no item of its own."""
    kind = "folder" if file.mimeType == FOLDER else "shortcut" if file.mimeType == SHORTCUT else "file"
    return {
        "name": file.name,
        "mime_type": file.mimeType,
        "size": file.bytes,
        "modified_at": file.modifiedTime,
        "kind": kind,
        "trashed": file.trashed,
    }


def _end(head: Changes) -> str:
    if not head.newStartPageToken:
        raise ProtocolError("files: the last page of changes has no new start token")
    return head.newStartPageToken


def _drives(page: dict[str, Any]) -> list[dict[str, Any]]:
    drives = page.get("drives", [])
    if not isinstance(drives, list) or not all(isinstance(drive, dict) for drive in drives):
        raise ProtocolError("shared drives: drives is not a list of objects")
    return drives


def _partition(drive: dict[str, Any], ctx: Context) -> Partition:
    excluded = ctx.options.get("shared", True) is False
    return Partition(
        text_of(drive, "id", "shared drives"), str(drive.get("name") or ""), shared=True, excluded=excluded
    )
