"""The download host: pre-authenticated URLs on another origin (microsoft.md §7, §17.7).

Public: address_of, download. A URL works for `world.download_life` seconds (3600), byte for byte as it was given, and
never together with a credential. `world.download_root` overrides the host, which else is the one of `Call.downloads`.
"""

import base64
import hashlib
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from syncd_simulator.microsoft.drive_store import FILE, Drive, DriveStore, Item
from syncd_simulator.microsoft.wire import Call, Reply

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import MicrosoftWorld

LIFE = 3600.0
PAGE = "/_layouts/15/download.aspx"
RANGE = re.compile(r"bytes=(\d*)-(\d*)")
PLAIN = {"Content-Type": "text/plain; charset=utf-8"}


def address_of(world: "MicrosoftWorld", call: Call, drive: Drive, item: Item) -> str:
    """A fresh URL for the content of a file."""
    life: float = getattr(world, "download_life", LIFE)
    root: str = getattr(world, "download_root", None) or call.downloads
    return f"{root.rstrip('/')}/personal/{drive.id[2:10]}{PAGE}?{_query(world, drive.id, item, world.now() + life)}"


def _query(world: "MicrosoftWorld", drive: str, item: Item, until: float) -> str:
    store: DriveStore = world.sites
    claims = f"{until:.3f}|{drive}|{item.id}".encode()
    seal = hashlib.blake2b(claims, key=store.key, digest_size=24).digest()
    token = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (claims, seal))
    return f"UniqueId={item.guid}&Translate=false&tempauth=v1.{token}&ApiVersion=2.0"


def download(world: "MicrosoftWorld", call: Call) -> Reply:
    """One request to the download host."""
    if "authorization" in call.headers:
        return _refusal(401, "A pre-authenticated URL takes no Authorization header.")
    claims = _claims(call)
    if call.http not in ("GET", "HEAD") or not call.path.endswith(PAGE) or claims is None:
        return _refusal(401 if call.path.endswith(PAGE) else 404, "Unauthorized")
    until, drive_id, item_id = claims
    store: DriveStore = world.sites
    drive = store.drives.get(drive_id)
    item = drive.items.get(item_id) or drive.tombs.get(item_id) if drive else None
    if item is None or call.raw_query != _query(world, drive_id, item, until) or until <= world.now():
        return _refusal(401, "Unauthorized")
    if drive is None or item.id not in drive.items:
        return _refusal(404, "404 FILE NOT FOUND")
    return _content(store, call, item)


def _claims(call: Call) -> tuple[float, str, str] | None:
    token = (call.get("tempauth") or "").removeprefix("v1.").partition(".")[0]
    try:
        until, drive, item = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode().split("|")
        return float(until), drive, item
    except ValueError:
        return None


def _refusal(status: int, text: str) -> Reply:
    return Reply(status, text.encode(), dict(PLAIN))


def _content(store: DriveStore, call: Call, item: Item) -> Reply:
    if item.kind != FILE:
        return _refusal(404, "404 FILE NOT FOUND")
    if item.malware:
        return Reply(403, b"Access denied: malware was detected.", PLAIN | {"X-Virus-Infected": "true"})
    if item.unavailable:
        return _refusal(503, "Service Unavailable")
    headers = {
        "Content-Type": item.mime or "application/octet-stream",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(item.name)}",
        "ETag": item.etag,
        "Accept-Ranges": "bytes",
    }
    span = _span(call, item) if store.ranges else None
    if span is None:
        return Reply(200, item.content, headers)
    first, last = span
    if first > last:
        return Reply(416, b"", headers | {"Content-Range": f"bytes */{item.size}"})
    headers["Content-Range"] = f"bytes {first}-{last}/{item.size}"
    return Reply(206, item.content[first : last + 1], headers)


def _span(call: Call, item: Item) -> tuple[int, int] | None:
    """First and last byte that a Range asks for; None to send all, an empty span for 416."""
    match = RANGE.fullmatch(call.headers.get("range", "").strip())
    if match is None or match.groups() == ("", ""):
        return None
    condition: Any = call.headers.get("if-range")
    if condition is not None and condition != item.etag:
        return None
    if not match[1]:
        return max(0, item.size - int(match[2])), item.size - 1
    last = min(int(match[2]), item.size - 1) if match[2] else item.size - 1
    return int(match[1]), last
