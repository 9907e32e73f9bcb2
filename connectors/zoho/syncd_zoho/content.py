"""Which content an item of WorkDrive has, and how it is fetched (wire reference §7.3, §7.4).

Public: blob_of, download, max_size, size_of, editor_of, EXPORTS.
"""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from syncd.sdk import JSON, Blob, ContentUnavailable, Context, ProtocolError, SyncdError, Transient
from syncd.sdk.http import httpx
from syncd.sdk.units import parse_size

from .api import Api, Meaning
from .errors import Fault, ungranted
from .settings import CONTENTS, FILES
from .wire import millis

__all__ = ["EXPORTS", "blob_of", "download", "editor_of", "max_size", "size_of"]

STREAM = "files"
OFFICE = "application/vnd.openxmlformats-officedocument."
EXPORTS: dict[str, tuple[str, str]] = {  # §7.4: editor → format asked for, MIME type that it gives
    "writer": ("docx", OFFICE + "wordprocessingml.document"),
    "sheet": ("xlsx", OFFICE + "spreadsheetml.sheet"),
    "show": ("pptx", OFFICE + "presentationml.presentation"),
}
# An uploaded file that an editor opens is an ordinary file: its extension tells it from a native document.
UPLOADED = {
    *("doc", "docx", "docm", "dot", "dotx", "rtf", "odt", "ott", "sxw", "txt", "html", "htm", "md", "pdf", "epub"),
    *("xls", "xlsx", "xlsm", "xlsb", "xltx", "ods", "ots", "csv", "tsv"),
    *("ppt", "pptx", "pptm", "pps", "ppsx", "potx", "odp", "otp"),
}
RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
CHANGED = ("modified_time_in_millisecond", "uploaded_time_in_millisecond", "created_time_in_millisecond")
RESUMES = 5  # times that a download goes on: in a row without a byte more, and in all after ending short


def editor_of(attributes: Mapping[str, Any]) -> str | None:
    """The editor of a Zoho-native document; None for ordinary files. A native one has no meaningful size (§7.4)."""
    kind = str(attributes.get("type") or "").lower()
    if kind not in EXPORTS:
        return None
    extension = str(attributes.get("extn") or "").lower().lstrip(".")
    return None if extension in UPLOADED and _bytes(attributes) else kind


def size_of(attributes: Mapping[str, Any]) -> int | None:
    """The size in bytes of an ordinary file."""
    return None if editor_of(attributes) else _bytes(attributes)


def blob_of(source_id: str, attributes: Mapping[str, Any], largest: int | None, mime_type: str | None) -> Blob:
    """The content of a file. WorkDrive has no checksums (§7.4): the tag is made of the time of change and the size."""
    editor, size = editor_of(attributes), size_of(attributes)
    changed = next((at for key in CHANGED if (at := millis(attributes.get(key)))), None)
    tag = f"{int(changed.timestamp() * 1000) if changed else 0}/{_bytes(attributes) if size is None else size}"
    if editor:
        return Blob({"id": source_id, "editor": editor}, tag, mime_type=EXPORTS[editor][1])
    skip = "too_large" if largest is not None and (size or 0) > largest else None
    return Blob({"id": source_id}, tag, size, mime_type=mime_type, skip=skip)


def max_size(options: Mapping[str, JSON]) -> int | None:
    """The option `max_size` in bytes."""
    value = options.get("max_size")
    return None if value is None else parse_size(str(value))


async def download(ctx: Context, blob: Blob) -> AsyncIterator[bytes]:
    """A file's content, or the export of a native document, in chunks.

    A download that breaks goes on where it stood, by Range (§7.4).
    """
    ref: dict[str, Any] = blob.ref
    if ref.get("editor") in EXPORTS:
        try:
            async for chunk in _export(ctx, ref["id"], ref["editor"]):
                yield chunk
            return
        except _NoRoute:  # the editors' routes are not all documented; the content host knows every id
            blob = Blob({"id": ref["id"]}, blob.tag)
    transfer = _Transfer(Api(ctx, "download", STREAM, CONTENTS), ref["id"], blob.size)
    async for chunk in transfer.chunks():
        yield chunk


async def _export(ctx: Context, source_id: str, editor: str) -> AsyncIterator[bytes]:
    api, what = Api(ctx, "workdrive", STREAM, f"{FILES},{CONTENTS}"), f"export of {source_id}"
    request = ctx.http.stream(
        "GET",
        f"{api.root}/{editor}/api/v1/download/{quote(source_id, safe='')}",
        params={"format": EXPORTS[editor][0]},
        headers={"Accept": "*/*"},
        extensions=api.extensions(),
        follow_redirects=True,
    )
    async with request as response:
        await _good(api, response, what, _no_export)
        async for chunk in response.aiter_bytes():
            yield chunk


@dataclass(slots=True)
class _Transfer:
    """One download, in as many pieces as it takes."""

    api: Api
    source_id: str
    size: int | None
    got: int = 0
    version: str | None = None  # the ETag of what was begun: a piece of another version is not joined to it

    async def chunks(self) -> AsyncIterator[bytes]:
        stuck = short = 0
        while True:
            before = self.got
            try:
                async for chunk in self._piece():
                    self.got += len(chunk)
                    yield chunk
                short += 1
                if self.size is None or self.got >= self.size or self.got == before or short > RESUMES:
                    return  # a content that ends short of its size is the engine's to judge
            except (Transient, httpx.TransportError) as error:
                stuck = 0 if self.got > before else stuck + 1
                if stuck >= RESUMES or (isinstance(error, Transient) and error.exhausted) or not self.got:
                    raise

    async def _piece(self) -> AsyncIterator[bytes]:
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}  # a Range counts the bytes as they are
        if self.got:
            headers["Range"] = f"bytes={self.got}-"
            if self.version:
                headers["If-Range"] = self.version
        request = self.api.ctx.http.stream(
            "GET",
            f"{self.api.root}/v1/workdrive/download/{quote(self.source_id, safe='')}",
            headers=headers,
            extensions=self.api.extensions(),
            follow_redirects=True,  # the client lets no credential leave Zoho (§7.4)
        )
        async with request as response:
            if response.status_code == 416 and self.got:
                return
            await _good(self.api, response, f"content of {self.source_id}", _never)
            skip = self._offset(response)
            async for chunk in response.aiter_bytes():
                piece, skip = chunk[skip:], max(0, skip - len(chunk))
                if piece:
                    yield piece

    def _offset(self, response: httpx.Response) -> int:
        """How many bytes of the answer are at hand already. Transient, to begin anew, if it is not the same content."""
        version = response.headers.get("etag")
        if not self.got:
            self.version = version if version and not version.startswith("W/") else None
            return 0
        if self.version and version and version != self.version:
            raise Transient(f"content of {self.source_id}: it changed while it was fetched", exhausted=True)
        if response.status_code != 206:
            return self.got
        match = RANGE.fullmatch(response.headers.get("content-range", ""))
        if match is None or int(match[1]) > self.got:
            raise ProtocolError(f"content of {self.source_id}: the answer to a Range is another piece")
        return self.got - int(match[1])


class _NoRoute(ProtocolError):
    """There is no such export."""


async def _good(api: Api, response: httpx.Response, what: str, means: Meaning) -> None:
    """Raises unless the answer brings content."""
    if response.status_code >= 400:
        await response.aread()
        raise api.problem(response, what, lambda fault: ungranted(fault, what, api.scope) or means(fault))
    if response.status_code not in (200, 206):
        raise ProtocolError(f"{what}: Zoho answered {response.status_code}")


def _never(fault: Fault) -> SyncdError | None:
    """§7.6: an id that is not shown any more. The next listing will say the same."""
    if fault.is_("R008") or fault.http in (404, 410):
        return ContentUnavailable("gone", f"content unavailable (gone): {fault}")
    return None


def _no_export(fault: Fault) -> SyncdError | None:
    if fault.is_("R008") or fault.http in (400, 404, 405, 410):
        return _NoRoute(f"no export: {fault}")
    return None


def _bytes(attributes: Mapping[str, Any]) -> int | None:
    storage = attributes.get("storage_info")
    value = storage.get("size_in_bytes") if isinstance(storage, dict) else None
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
