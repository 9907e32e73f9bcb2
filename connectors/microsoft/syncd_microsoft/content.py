"""Which content an item of a drive has, and how it is fetched (wire reference §7).

Public: DriveItem, ITEMS, blob_of, download, stripped.
"""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urljoin

import msgspec
import orjson

from syncd.sdk import Blob, ContentUnavailable, Context, Forbidden, ProtocolError, SyncdError, Transient
from syncd.sdk.http import httpx

from .api import USER_AGENT, Graph, quoted
from .errors import LOCKED, Fault
from .throttle import ANSWERED
from .wire import Sliced

__all__ = ["ITEMS", "DriveItem", "blob_of", "download", "stripped"]

WHAT = "files"
OFFICE = (
    "doc", "docx", "docm", "dot", "dotx", "dotm", "xls", "xlsx", "xlsm", "xlsb", "xlt", "xltx", "xltm",
    "ppt", "pptx", "pptm", "pot", "potx", "potm", "pps", "ppsx", "ppsm", "vsd", "vsdx", "vsdm", "pub", "mpp",
)  # fmt: skip
ONENOTE = ("one", "onetoc2", "onetoc", "onepkg")
ONENOTE_MIME = "application/msonenote"
NO_CONTENT = "no_content"
PERSONAL = "personal"  # the drive type of a consumer's OneDrive, which is not SharePoint underneath
REDIRECTS = (301, 302, 303, 307, 308)
EXPIRED = (401, 403, 404, 410)
CUTS = 5  # times that one download goes on after it broke off
URLS = "downloadurl"  # how the names of pre-authenticated addresses end


class Hashes(msgspec.Struct):
    quickXorHash: str | None = None  # noqa: N815 - the provider's spelling
    sha1Hash: str | None = None  # noqa: N815
    sha256Hash: str | None = None  # noqa: N815


class File(msgspec.Struct):
    mimeType: str | None = None  # noqa: N815
    hashes: Hashes | None = None


class Parent(msgspec.Struct):
    id: str | None = None
    driveId: str | None = None  # noqa: N815
    driveType: str | None = None  # noqa: N815


def _absent() -> msgspec.Raw:
    return msgspec.Raw(b"")


class DriveItem(msgspec.Struct):
    """What is looked at; all else stays bytes. A facet is there or not: what is in it does not matter (§7)."""

    id: str
    name: str | None = None
    size: int | None = None
    eTag: str | None = None  # noqa: N815
    cTag: str | None = None  # noqa: N815
    lastModifiedDateTime: str | None = None  # noqa: N815
    parentReference: Parent | None = None  # noqa: N815
    file: File | None = None
    folder: msgspec.Raw = msgspec.field(default_factory=_absent)
    package: msgspec.Raw = msgspec.field(default_factory=_absent)
    root: msgspec.Raw = msgspec.field(default_factory=_absent)
    deleted: msgspec.Raw = msgspec.field(default_factory=_absent)
    remoteItem: msgspec.Raw = msgspec.field(default_factory=_absent)  # noqa: N815
    malware: msgspec.Raw = msgspec.field(default_factory=_absent)

    def has(self, facet: str) -> bool:
        return bytes(getattr(self, facet)) not in (b"", b"null")

    @property
    def kind(self) -> str:
        if self.has("remoteItem"):
            return "shortcut"
        if self.has("package"):
            return "package"
        return "folder" if self.has("folder") else "file"

    @property
    def sparse(self) -> bool:
        """Whether this is an update that tells neither name nor place."""
        return self.name is None or self.parentReference is None

    @property
    def extension(self) -> str:
        return (self.name or "").rpartition(".")[2].lower()

    @property
    def notebook_part(self) -> bool:
        """Whether this belongs to a OneNote notebook: such files may answer 503 for ever (§7)."""
        mime = (self.file.mimeType or "").lower() if self.file else ""
        return self.extension in ONENOTE or mime == ONENOTE_MIME

    @property
    def rewritten(self) -> bool:
        """Whether SharePoint may give other bytes than its metadata says: it writes into Office files (§18.24)."""
        drive_type = self.parentReference.driveType if self.parentReference else None
        return drive_type != PERSONAL and self.extension in OFFICE


ITEMS = Sliced(DriveItem)


def blob_of(item: DriveItem, drive: str, largest: int | None) -> Blob | None:
    """The content to fetch, or why not; None for what has none: folders, packages, shortcuts (§18.23).

    The tag is the hash where there is one: a metadata change moves the eTag, and the cTag may be left out (§7). Size and
    hash are promised only where they can be relied on.
    """
    if item.kind != "file" or item.file is None:
        return None
    given = _hash(item)
    tag = given or item.cTag or item.eTag or item.lastModifiedDateTime or "unknown"
    sure = given is not None and not item.rewritten
    return Blob(
        {"drive": drive, "id": item.id, **({"notebook": True} if item.notebook_part else {})},
        tag,
        item.size if sure and item.size is not None and item.size >= 0 else None,
        given if sure else None,
        mime_type=item.file.mimeType,
        skip=_never(item, given, largest),
    )


def _hash(item: DriveItem) -> str | None:
    hashes = item.file.hashes if item.file else None
    if hashes is None:
        return None
    if hashes.quickXorHash:
        return f"quickxor:{hashes.quickXorHash}"
    if hashes.sha256Hash:
        return f"sha256:{hashes.sha256Hash.lower()}"
    return f"sha1:{hashes.sha1Hash.lower()}" if hashes.sha1Hash else None


def _never(item: DriveItem, given: str | None, largest: int | None) -> str | None:
    """Why content is never asked for: of the parts of a OneNote notebook those without a hash."""
    if item.has("malware"):
        return "malware"
    if largest is not None and (item.size or 0) > largest:
        return "too_large"
    return NO_CONTENT if given is None and item.notebook_part else None


def stripped(data: bytes) -> bytes:
    """An item without pre-authenticated addresses, which are credentials in themselves (§7)."""
    if URLS.encode() not in data.lower():
        return data
    return orjson.dumps(_without(orjson.loads(data)))


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(one) for key, one in value.items() if not key.lower().endswith(URLS)}
    return [_without(one) for one in value] if isinstance(value, list) else value


async def download(ctx: Context, blob: Blob) -> AsyncIterator[bytes]:
    """An item's content in chunks.

    Graph answers with an address on another host, which gets no credential (§18.25). One that has expired is renewed
    once (§18.26); after a cut the rest is asked for. A part of a notebook that only ever answers 503 has none (§7).
    """
    notebook = "notebook" in blob.ref or (blob.mime_type or "").lower() == ONENOTE_MIME
    source = _Source(ctx, blob.ref)
    offset, cuts = 0, 0
    while True:
        try:
            async for chunk in source.chunks(offset):
                offset += len(chunk)
                cuts = 0
                yield chunk
            return
        except _Expired:
            source.renew()
        except Transient as error:
            if error.exhausted or cuts >= CUTS:
                if notebook and error.message.startswith(f"{ANSWERED} 503"):
                    raise ContentUnavailable(NO_CONTENT, error.message) from error
                raise
            cuts += 1


class _Expired(Exception):
    """The address is worth nothing any more."""


class _Source:
    """Where the content of one item comes from."""

    def __init__(self, ctx: Context, ref: Any) -> None:
        self._ctx = ctx
        self._graph = Graph(ctx, WHAT)
        self._path = f"/drives/{quoted(ref['drive'])}/items/{quoted(ref['id'])}/content"
        self._what = f"content of {ref['id']}"
        self._address: str | None = None
        self._renewed = False

    def renew(self) -> None:
        self._address, self._renewed = None, True

    async def chunks(self, offset: int) -> AsyncIterator[bytes]:
        """The content from `offset` on. `Range` goes to the other host only, which may ignore it (§7)."""
        if self._address is None:
            async for chunk in self._ask(offset):
                yield chunk
        if self._address is None:
            return
        headers = {"User-Agent": USER_AGENT, **({"Range": f"bytes={offset}-"} if offset else {})}
        request = self._ctx.http.stream(
            "GET",
            self._address,
            headers=headers,
            auth=None,
            extensions=dict(self._graph.extensions),
            follow_redirects=True,
        )
        async with request as response:
            await self._judge(response, offset)
            async for chunk in _after(response, 0 if response.status_code == 206 else offset):
                yield chunk

    async def _ask(self, offset: int) -> AsyncIterator[bytes]:
        """Ask Graph for the address; one that gives the content itself is fine too."""
        request = self._ctx.http.stream(
            "GET",
            self._graph.address(self._path),
            headers={"User-Agent": USER_AGENT},
            extensions=dict(self._graph.extensions),
        )
        async with request as response:
            _clean(response)
            location = response.headers.get("location")
            if response.status_code in REDIRECTS and location:
                self._address = urljoin(str(response.request.url), location)
                return
            if response.status_code >= 400:
                await response.aread()
                raise self._graph.problem(response, self._what, self._meaning)
            if response.status_code != 200:
                raise ProtocolError(f"{self._what}: Microsoft answered {response.status_code}")
            async for chunk in _after(response, offset):
                yield chunk

    async def _judge(self, response: httpx.Response, offset: int) -> None:
        """Whether the other host gives what was asked for."""
        _clean(response)
        if response.status_code in EXPIRED and not self._renewed:
            raise _Expired
        if response.status_code == 206 and not _starts_at(response, offset):
            raise ProtocolError(f"{self._what}: the download host gives another part than was asked for")
        if response.status_code not in (200, 206):
            raise ProtocolError(f"{self._what}: the download host answered {response.status_code}")

    def _meaning(self, fault: Fault) -> SyncdError | None:
        """Refusals of /content: gone and malware stay, a lock is lifted one day."""
        if fault.mentions("malware"):
            return ContentUnavailable("malware", f"{self._what}: {fault}")
        if fault.http in (404, 410):
            return ContentUnavailable("gone", f"{self._what}: {fault}")
        if fault.http == 423 or fault.has("resourcelocked"):
            return ProtocolError(f"{self._what}: {fault}", code=LOCKED)
        return Forbidden(f"{self._what}: {fault}") if fault.http == 403 else None


def _clean(response: httpx.Response) -> None:
    if response.headers.get("x-virus-infected", "").lower() == "true":
        raise ContentUnavailable("malware", "the file is flagged as malware")


def _starts_at(response: httpx.Response, offset: int) -> bool:
    given = response.headers.get("content-range", "").lower().removeprefix("bytes").strip()
    return not given or given.partition("-")[0] == str(offset)


async def _after(response: httpx.Response, skip: int) -> AsyncIterator[bytes]:
    """The body without its first `skip` bytes, which are had already."""
    async for chunk in response.aiter_bytes():
        if skip >= len(chunk):
            skip -= len(chunk)
        else:
            yield chunk[skip:] if skip else chunk
            skip = 0
