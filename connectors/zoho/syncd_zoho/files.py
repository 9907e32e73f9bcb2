"""Files: the private space and team folders of WorkDrive, walked folder by folder (wire reference §7).

Public: FilesStream.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from mimetypes import MimeTypes
from typing import Any

from syncd.sdk import (
    Blob,
    Context,
    Deletes,
    Forbidden,
    Item,
    Page,
    Partition,
    Record,
    Reject,
    Scan,
    Stream,
    StreamInfo,
)

from .content import EXPORTS, blob_of, download, editor_of, max_size, size_of
from .walk import Walk
from .wire import millis, rfc3339
from .workdrive import Drive, Entry, name_of

__all__ = ["FilesStream"]

TYPES = MimeTypes(filenames=())  # Python's own table: the same on every machine …
for _mime, _extension in [
    *((mime, f".{extension}") for extension, mime in EXPORTS.values()),  # … with what it does not know yet
    ("application/vnd.oasis.opendocument.text", ".odt"),
    ("application/vnd.oasis.opendocument.spreadsheet", ".ods"),
    ("application/vnd.oasis.opendocument.presentation", ".odp"),
    ("text/markdown", ".md"),
    ("image/webp", ".webp"),
]:
    TYPES.add_type(_mime, _extension)
FOLDER = "1001"  # §7.3: resource_type
HIDDEN = ("51", "61")  # §7.3: status of what is in the trash, or deleted
DISPLAY = ("created", "modified", "uploaded", "opened", "status_change")  # §7.3: text in the viewer's language and zone
OPTIONS: dict[str, Any] = {
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
        "shared": {"type": "boolean", "default": False, "description": "Whether team folders are mirrored, once each."},
    },
}


class FilesStream(Stream):
    """Files and folders of the credential's owner. WorkDrive has no delta that is documented (§7.7): every round walks.

    A walk is no snapshot: what is moved while it lasts from a folder still to come into one that was read is seen in
    neither. So two walks must miss an item before it counts as gone (`stable_listing`).
    """

    info = StreamInfo(
        "files",
        "WorkDrive",
        scans={Scan.FULL},
        deletes=Deletes.SWEEP,
        stable_listing=False,
        # texts that change with the viewer and the day; what the viewer did and may do; a folder's counts of its content
        volatile=(
            *(f"attributes.{name}_time" for name in DISPLAY),
            "attributes.opened_time_in_millisecond",
            "attributes.capabilities",
            "attributes.storage_info.size",
            "attributes.storage_info.files_count",
            "attributes.storage_info.folders_count",
        ),
        options_schema=OPTIONS,
    )

    async def partitions(self, ctx: Context) -> Sequence[Partition]:
        """The private space, and every team folder (excluded unless `shared: true`)."""
        shared = ctx.options.get("shared", False) is True
        found = [Partition("", "My Folders")]
        try:
            folders = await Drive(ctx).team_folders()
        except Forbidden:
            if shared:
                raise
            return found  # the token may not list what is not wanted anyway
        return found + [Partition(one.id, one.title, shared=True, excluded=not shared) for one in folders]

    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        listing = _Items(ctx)
        async for page in Walk(ctx, listing.read).pages():
            yield page

    def fetch(self, ctx: Context, blob: Blob) -> AsyncIterator[bytes]:
        return download(ctx, blob)


class _Items:
    """Makes records of a folder's entries, by the stream's options."""

    def __init__(self, ctx: Context) -> None:
        self.content = ctx.options.get("content", True) is not False
        self.largest = max_size(ctx.options)

    def read(self, entry: Entry, data: bytes, parent: str) -> tuple[Item | None, bool]:
        """The item (None: listed, not stored), and whether it is a folder to read."""
        attributes = entry.attributes
        if not entry.id:
            return Reject("an item without an id", None, data), False
        if str(attributes.get("status")) in HIDDEN:
            return None, False
        folder = is_folder(attributes)
        mime_type = None if folder or editor_of(attributes) else TYPES.guess_type(_file_name(attributes))[0]
        blob = None if folder or not self.content else blob_of(entry.id, attributes, self.largest, mime_type)
        modified = millis(attributes.get("modified_time_in_millisecond"))
        summary = {
            "name": name_of(attributes),
            "mime_type": mime_type,
            "size": None if folder else size_of(attributes),
            "modified_at": rfc3339(modified),
            "kind": "folder" if folder else "file",
        }
        record = Record(
            entry.id,
            data,
            summary=summary,
            modified_at=modified,
            blob=blob,
            parent=parent,  # the folder that lists it: `parent_id` may be another word for a root
            name=name_of(attributes),
        )
        return record, folder


def is_folder(attributes: Mapping[str, Any]) -> bool:
    """§7.3: said in three ways."""
    return (
        attributes.get("is_folder") in (True, "true")
        or attributes.get("type") == "folder"
        or str(attributes.get("resource_type")) == FOLDER
    )


def _file_name(attributes: Mapping[str, Any]) -> str:
    """A name with an extension, for guessing a type; `extn` where the name has none."""
    name, extension = name_of(attributes) or "", str(attributes.get("extn") or "").lstrip(".")
    return name if "." in name or not extension else f"{name}.{extension}"
