"""Many GETs of one API in one request: multipart/mixed batches (wire reference §9).

Public: Batch, Part, LARGEST_PART.

The answer is read as it comes: at most one part is held in pieces, and one that is too large is cut, so that a batch of
huge mails does not fill the memory. Parts are matched by Content-ID, never by place (§13.25).
"""

import re
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from syncd.sdk.http import httpx

from .api import HEADERS, Api

__all__ = ["LARGEST_PART", "Batch", "Part", "parts"]

LARGEST_PART = 1_572_864  # bytes: 1 MiB of content as base64, and room for the rest of the message
HEAD = 65_536  # bytes that are kept of a part that is cut: its headers are in there
BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)
CONTENT_ID = re.compile(rb"^content-id:\s*<?response-.*?(\d+)\s*>?\s*$", re.IGNORECASE | re.MULTILINE)
STATUS = re.compile(rb"\s*HTTP/\d(?:\.\d)?\s+(\d{3})")
RETRY_AFTER = re.compile(rb"^retry-after:\s*(\d{1,9})\s*$", re.IGNORECASE | re.MULTILINE)
BLANK = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True)
class Part:
    """The answer to one inner call. `cut`: it was too large, `body` is not all of it."""

    status: int
    body: bytes
    retry_after: float | None = None
    cut: bool = False


class Batch:
    """Batches to one API. Where the usual address knows no batches, the second is tried, then single requests."""

    def __init__(self, api: Api, addresses: tuple[str, ...]) -> None:
        self._api = api
        self._addresses = list(addresses)
        self._word = uuid.uuid4().hex

    async def get(self, calls: Mapping[str, str]) -> dict[str, Part]:
        """Inner calls (key → path with query) to their answers; a key is missing where the answer has no such part.

        Raises what the outer request meets; an inner call's fault is in its part (§13.24).
        """
        while self._addresses:
            tried = self._addresses[0]
            found = await self._outer(tried, calls)
            if found is not None:
                return found
            if self._addresses[:1] == [tried]:  # another batch may have found out meanwhile
                del self._addresses[0]
        return dict(await self._api.ctx.gather([self._one(*call) for call in calls.items()]))

    async def _outer(self, address: str, calls: Mapping[str, str]) -> dict[str, Part] | None:
        keys = list(calls)
        headers = {**HEADERS, "Content-Type": f'multipart/mixed; boundary="{self._word}"'}
        if self._api.quota_user:
            headers["X-Goog-Quota-User"] = self._api.quota_user  # outer headers hold for every inner call
        request = self._api.ctx.http.stream(
            "POST",
            self._api.root + address,
            content=self._body(calls),
            headers=headers,
            extensions={**self._api.extensions, "syncd.safe": True},
        )
        async with request as response:
            boundary = BOUNDARY.search(response.headers.get("content-type", ""))
            if response.status_code in (404, 405) or (response.status_code < 400 and boundary is None):
                return None
            if response.status_code >= 400 or boundary is None:
                await response.aread()
                raise self._api.problem(response, "batch")
            read = parts(response.aiter_bytes(), boundary.group(1).strip())
            return {keys[place]: part async for place, part in read if 0 <= place < len(keys)}

    def _body(self, calls: Mapping[str, str]) -> bytes:
        host = httpx.URL(self._api.root).host
        lines = [
            f"--{self._word}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
            f"Content-ID: <{self._word} + {place}>\r\n\r\n"
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\naccept: application/json\r\n\r\n\r\n"
            for place, path in enumerate(calls.values())
        ]
        return ("".join(lines) + f"--{self._word}--\r\n").encode()

    async def _one(self, key: str, path: str) -> tuple[str, Part]:
        request = self._api.ctx.http.stream(
            "GET", self._api.root + path, headers=HEADERS, extensions=self._api.extensions
        )
        async with request as response:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > LARGEST_PART:
                    return key, Part(response.status_code, bytes(body[:HEAD]), cut=True)
            return key, Part(response.status_code, bytes(body))


async def parts(chunks: AsyncIterator[bytes], boundary: str) -> AsyncIterator[tuple[int, Part]]:
    """The parts of a batch answer with the number from their Content-ID. What comes before and after is ignored.

    A delimiter counts at the start of a line only: base64url may contain any other.
    """
    delimiter = b"\n--" + boundary.encode()
    buffer = bytearray(b"\n")
    started = cut = False
    async for chunk in chunks:
        searched = max(0, len(buffer) - len(delimiter))
        buffer += chunk
        while (end := buffer.find(delimiter, searched)) >= 0:
            if end > LARGEST_PART:
                del buffer[HEAD:end]
                end, cut = HEAD, True
            if started and (part := _part(bytes(buffer[:end]), cut)) is not None:
                yield part
            del buffer[: end + len(delimiter)]
            started, cut, searched = True, False, 0
        if len(buffer) > LARGEST_PART:
            del buffer[HEAD : -len(delimiter)]
            cut = True


def _part(raw: bytes, cut: bool) -> tuple[int, Part] | None:
    """One part: its own headers, then an HTTP answer. None if it has no Content-ID or is no answer."""
    outer = BLANK.search(raw)
    if outer is None:
        return None
    place = CONTENT_ID.search(raw, 0, outer.end())
    status = STATUS.match(raw, outer.end())
    inner = BLANK.search(raw, outer.end())
    if place is None or status is None:
        return None
    head, body = (raw[outer.end() : inner.start()], raw[inner.end() :]) if inner else (raw[outer.end() :], b"")
    wait = RETRY_AFTER.search(head + b"\n")
    return int(place.group(1)), Part(int(status.group(1)), body.strip(), float(wait.group(1)) if wait else None, cut)
