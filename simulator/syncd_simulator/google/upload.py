"""Bodies of `/upload/…` requests: simple and multipart (google.md §1.1)."""

import re
from dataclasses import dataclass

from syncd_simulator.google.batch import boundary_of, split_parts
from syncd_simulator.google.wire import JSON, ApiError, Call


@dataclass(frozen=True, slots=True)
class Upload:
    """Metadata, and for uploads the content with its type."""

    meta: JSON
    content: bytes | None = None
    content_type: str = "application/octet-stream"


def read_upload(call: Call) -> Upload:
    """The body of an upload, or of a plain metadata request."""
    kind = call.get("uploadType")
    content_type = call.headers.get("content-type", "")
    if kind == "media":
        return Upload({}, call.body, content_type or "application/octet-stream")
    if kind == "multipart":
        return _multipart(call, content_type)
    if kind:
        raise ApiError(501, "notImplemented", "The simulator offers media and multipart uploads.")
    return Upload(call.json())


def _multipart(call: Call, content_type: str) -> Upload:
    parts = split_parts(call.body, boundary_of(content_type.replace("multipart/related", "multipart/mixed")))
    if len(parts) != 2:
        raise ApiError(400, "badContent", "Malformed multipart body.")
    (_, meta), (head, content) = (re.split(rb"\r?\n\r?\n", part, maxsplit=1) for part in parts)
    call.body = meta
    found = re.search(rb"(?i)content-type:\s*([^\r\n;]+)", head)
    return Upload(call.json(), content, found.group(1).decode().strip() if found else "application/octet-stream")
