"""`/records`: looking through what is mirrored; one contact, event, mail or file as people read it.

Public: routes.

Content leaves this module only as an attachment, named by the record's number, or as a mail's text in a frame that may
do nothing.
"""

import asyncio
import json
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from syncd.control.errors import ControlError
from syncd.store import Wanted

from .highlights import highlights
from .mail import Mail, attachment, read_mail
from .render import Pages, number_in

__all__ = ["routes"]

FIELDS = 300  # of a payload, shown one by one
STYLE = (Path(__file__).parent.parent / "static" / "mail.css").read_text("utf-8")
FRAME = (
    "sandbox; default-src 'none'; img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'self'; style-src"
    f" 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'"
)
SAFE = {"x-content-type-options": "nosniff", "cache-control": "no-store", "referrer-policy": "no-referrer"}
SHA256 = re.compile(r"[0-9a-f]{64}")
ENDINGS = re.compile(r"\.[a-z0-9]{1,8}")


def routes(pages: Pages) -> list[BaseRoute]:
    async def browse(request: Request) -> Response:
        return await _browse(pages, request)

    async def show(request: Request) -> Response:
        return await _show(pages, request)

    async def raw(request: Request) -> Response:
        view = await pages.browse.record(_key(request))
        return _download(
            [_pretty(view["data"]).encode("utf-8", "replace")], f"record-{view['id']}.json", "application/json"
        )

    async def body(request: Request) -> Response:
        return await _body(pages, request)

    async def part(request: Request) -> Response:
        return await _part(pages, request)

    async def content(request: Request) -> Response:
        return await _content(pages, request)

    return [
        Route("/records", pages.view(browse), methods=["GET"]),
        Route("/records/{key:int}", pages.view(show), methods=["GET"]),
        Route("/records/{key:int}/data.json", pages.view(raw), methods=["GET"]),
        Route("/records/{key:int}/mail", pages.view(body), methods=["GET"]),
        Route("/records/{key:int}/attachments/{place:int}", pages.view(part), methods=["GET"]),
        Route("/records/{key:int}/content/{sha256}", pages.view(content), methods=["GET"]),
    ]


async def _browse(pages: Pages, request: Request) -> Response:
    asked = request.query_params
    connection, _, stream = asked.get("in", "").partition("/")
    account, text = asked.get("account", "").strip(), asked.get("q", "").strip()
    place = number_in(request, "before")
    wanted = Wanted(connection, stream, account, text, "deleted" in asked, place)
    found: Mapping[str, Any] | None = None
    if stream or text:
        found = await pages.browse.records(wanted)
    kept = {name: asked[name] for name in ("in", "account", "q", "deleted") if asked.get(name)}
    return pages.show(
        request,
        "records.html",
        names=await pages.browse.stream_names(),
        streams=await pages.browse.streams() if found is None else (),
        wanted=wanted,
        place=asked.get("in", ""),
        found=found,
        first=place is None,
        older=f"/records?{urlencode({**kept, 'before': found['older']})}" if found and found["older"] else "",
        newest=f"/records?{urlencode(kept)}",
        accounts=await _accounts(pages, connection),
    )


async def _accounts(pages: Pages, connection: str) -> list[str]:
    """Suggestions for the account's field."""
    if connection not in pages.control.parts.config.connections:
        return []
    return [row.label for row in (await pages.control.parts.store.accounts(connection))[:500]]


async def _show(pages: Pages, request: Request) -> Response:
    view = await pages.browse.record(_key(request))
    mail = await _mail(pages, view)
    text = _pretty(view["data"])
    return pages.show(
        request,
        "record.html",
        record=view,
        mail=mail,
        more=highlights(view["kind"], view["data"]),
        fields=list(_some(_flat(view["data"]), FIELDS)),
        text=text[:200_000],
        cut=len(text) > 200_000,
    )


async def _mail(pages: Pages, view: Mapping[str, Any]) -> Mail | None:
    raw = await _mime(pages, view)
    return None if raw is None else await asyncio.to_thread(read_mail, raw)


async def _mime(pages: Pages, view: Mapping[str, Any]) -> bytes | None:
    blob = view["blob"] or {}
    if view["kind"] != "message" or "sha256" not in blob:
        return None
    try:
        return await pages.browse.small_content(blob["sha256"])
    except ControlError:  # the content was removed meanwhile: the rest is shown
        return None


async def _body(pages: Pages, request: Request) -> Response:
    mail = await _mail(pages, await pages.browse.record(_key(request)))
    if mail is None or (mail.html is None and mail.text is None):
        raise ControlError("this record has no text to show", status=404)
    document = pages.part("mail.html", html=mail.html, text=mail.text, style=STYLE)
    return Response(document, media_type="text/html; charset=utf-8", headers={**SAFE, "content-security-policy": FRAME})


async def _part(pages: Pages, request: Request) -> Response:
    key, place = _key(request), request.path_params["place"]
    raw = await _mime(pages, await pages.browse.record(key))
    found = None if raw is None else await asyncio.to_thread(attachment, raw, place)
    if found is None:
        raise ControlError("there is no such attachment", status=404)
    ending = found[0] if ENDINGS.fullmatch(found[0]) else ".bin"
    return _download([found[1]], f"record-{key}-{place}{ending}")


async def _content(pages: Pages, request: Request) -> Response:
    """Only contents of this record, or of one of its versions: a digest alone opens nothing here."""
    key, wanted = _key(request), request.path_params["sha256"]
    view = await pages.browse.record(key)
    blobs = [view["blob"] or {}, *(one["blob"] or {} for one in view["versions"])]
    if not SHA256.fullmatch(wanted) or not any(one.get("sha256") == wanted for one in blobs):
        raise ControlError("this record has no such content", status=404)
    ending = ".eml" if view["kind"] == "message" else ".bin"
    return _download(await pages.browse.content(wanted), f"record-{key}-{wanted[:12]}{ending}")


def _download(chunks: Any, name: str, media_type: str = "application/octet-stream") -> Response:
    headers = {
        **SAFE,
        "content-disposition": f'attachment; filename="{name}"',
        "content-security-policy": "sandbox; default-src 'none'",
    }
    return StreamingResponse(_in_thread(iter(chunks)), media_type=media_type, headers=headers)


async def _in_thread(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
        yield chunk


def _key(request: Request) -> int:
    key: int = request.path_params["key"]
    if key >= 2**62:
        raise ControlError("there is no such record", status=404)
    return key


def _pretty(data: Any) -> str:
    try:
        return json.dumps(data, indent=2, ensure_ascii=False)
    except RecursionError:
        return '"nested too deeply to be shown"'


def _flat(value: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """A payload as paths and texts, for reading."""
    if isinstance(value, dict) and depth < 12:
        for name, inner in value.items():
            yield from _flat(inner, f"{path}.{name}" if path else str(name), depth + 1)
    elif isinstance(value, list) and depth < 12:
        for place, inner in enumerate(value):
            yield from _flat(inner, f"{path}[{place}]", depth + 1)
    elif value not in (None, ""):
        yield path, str(value)[:2000]


def _some(items: Iterator[Any], most: int) -> Iterator[Any]:
    for _, item in zip(range(most), items, strict=False):
        yield item
