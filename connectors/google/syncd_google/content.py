"""Which content a file of Drive has, and how it is fetched (wire reference §6.3, §6.4).

Public: File, blob_of, download, max_size, EXPORTS.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from syncd.sdk import JSON, Blob, ContentUnavailable, Context, ProtocolError, SyncdError, Transient
from syncd.sdk.http import httpx
from syncd.sdk.units import parse_size

from .api import HEADERS, Api
from .errors import DOWNLOAD_QUOTA, Fault, obtainable, of_item

__all__ = ["EXPORTS", "File", "blob_of", "download", "max_size"]

NATIVE = "application/vnd.google-apps."
OFFICE = "application/vnd.openxmlformats-officedocument."
EXPORTS = {  # §6.3, office format first; what is not here (forms, sites, maps, …) has no export
    NATIVE + "document": OFFICE + "wordprocessingml.document",
    NATIVE + "spreadsheet": OFFICE + "spreadsheetml.sheet",
    NATIVE + "presentation": OFFICE + "presentationml.presentation",
    NATIVE + "drawing": "image/png",
    NATIVE + "script": "application/vnd.google-apps.script+json",
}
NEVER = {  # §6.4: reason of the refusal → what is kept with the record
    "fileNotDownloadable": "no_content",
    "fileNotExportable": "no_export",
    "badRequest": "no_export",
    "exportSizeLimitExceeded": "export_limit",
    "cannotDownloadFile": "forbidden",
    "cannotDownloadAbusiveFile": "malware",
    "insufficientFilePermissions": "forbidden",
    "appNotAuthorizedToFile": "forbidden",
    "notFound": "gone",
}


class Capabilities(msgspec.Struct):
    canDownload: bool | None = None  # noqa: N815 - the provider's spelling


class File(msgspec.Struct):
    """What is looked at in a file; all else stays bytes. int64 are strings (§1.3)."""

    id: str
    name: str | None = None
    mimeType: str | None = None  # noqa: N815
    parents: list[str] | None = None
    size: str | None = None
    md5Checksum: str | None = None  # noqa: N815
    sha256Checksum: str | None = None  # noqa: N815
    headRevisionId: str | None = None  # noqa: N815
    modifiedTime: str | None = None  # noqa: N815
    driveId: str | None = None  # noqa: N815
    resourceKey: str | None = None  # noqa: N815
    trashed: bool = False
    capabilities: Capabilities | None = None

    @property
    def bytes(self) -> int | None:
        return int(self.size) if self.size and self.size.isdecimal() else None


def blob_of(file: File, largest: int | None) -> Blob | None:
    """The content to fetch, or why not; None for what has none: folders, shortcuts, forms, sites, maps.

    A native document has a `size` and no checksum: the type decides, never the size (§13.15).
    """
    mime = file.mimeType or ""
    if mime.startswith(NATIVE):
        return _export(file, EXPORTS[mime]) if mime in EXPORTS else None
    skip = (
        "forbidden" if _blocked(file) else "too_large" if largest is not None and (file.bytes or 0) > largest else None
    )
    return Blob(
        _ref(file),
        file.md5Checksum or file.sha256Checksum or file.headRevisionId or file.modifiedTime or "",
        file.bytes,
        _hash(file),
        mime_type=file.mimeType,
        skip=skip,
    )


def _export(file: File, mime: str) -> Blob:
    """`version` moves for changes that nobody sees (§6.3), so the tag is the time of the last change."""
    ref = {**_ref(file), "export": mime}
    return Blob(ref, file.modifiedTime or "", mime_type=mime, skip="forbidden" if _blocked(file) else None)


def _ref(file: File) -> dict[str, JSON]:
    return {"id": file.id, "key": file.resourceKey} if file.resourceKey else {"id": file.id}


def _hash(file: File) -> str | None:
    if file.sha256Checksum:
        return f"sha256:{file.sha256Checksum}"
    return f"md5:{file.md5Checksum}" if file.md5Checksum else None


def _blocked(file: File) -> bool:
    return file.capabilities is not None and file.capabilities.canDownload is False


async def download(ctx: Context, blob: Blob) -> AsyncIterator[bytes]:
    """A file's content, or the export of a native document, in chunks."""
    ref: dict[str, Any] = blob.ref
    api, export = Api(ctx, "drive", "files"), ref.get("export")
    path = f"/drive/v3/files/{quote(ref['id'], safe='')}"
    params = {"mimeType": export} if export else {"alt": "media", "supportsAllDrives": "true"}
    headers = {**HEADERS, **_resource_key(ref)}
    request = ctx.http.stream(
        "GET",
        api.root + path + ("/export" if export else ""),
        params=api.query(params),
        headers=headers,
        extensions=api.extensions,
    )
    with obtainable():
        async with request as response:
            async for chunk in _body(api, response, ref):
                yield chunk


async def _body(api: Api, response: httpx.Response, ref: Mapping[str, Any]) -> AsyncIterator[bytes]:
    if response.status_code >= 400:
        await response.aread()
        export = bool(ref.get("export"))
        raise api.problem(response, f"content of {ref['id']}", lambda fault: _never(fault, export))
    if response.status_code != 200:
        raise ProtocolError(f"content of {ref['id']}: Google answered {response.status_code}")
    async for chunk in response.aiter_bytes():
        yield chunk


def _resource_key(ref: Mapping[str, Any]) -> dict[str, str]:
    """Items shared by link may need the key of the link (§6.3)."""
    return {"X-Goog-Drive-Resource-Keys": f"{ref['id']}/{ref['key']}"} if ref.get("key") else {}


def _never(fault: Fault, export: bool) -> SyncdError | None:
    """Refusals that stay (§13.16), and the one that Google lifts within a day."""
    if fault.is_("downloadQuotaExceeded"):
        return Transient(f"download quota: {fault}", exhausted=True, code=DOWNLOAD_QUOTA)
    reason = NEVER.get(fault.reason, "gone" if fault.http == 404 else "forbidden" if of_item(fault) else "")
    if not reason or (fault.is_("badRequest") and not export):
        return None
    return ContentUnavailable(reason, f"content unavailable ({reason}): {fault}")


def max_size(options: Mapping[str, JSON]) -> int | None:
    """The option `max_size` in bytes."""
    value = options.get("max_size")
    return None if value is None else parse_size(str(value))
