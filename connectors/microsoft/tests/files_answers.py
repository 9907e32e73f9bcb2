"""Items of drives, as Graph writes them (wire reference §7), and short ways to ask."""

from typing import Any

import httpx
import orjson
from microsoft_answers import ANA, ROOT

from syncd.sdk import Blob, Partition, Record, Scan

DRIVE = Partition("b!D1", "OneDrive")
LIBRARY = Partition("b!L1", "Team / Documents", shared=True)
DELTA = "/drives/b!D1/root/delta"
ME = f"/users/{ANA.id}/drive"
XOR = "0rDEEwAAAAAAAAAAAwAAAAAAAAA="
TARGET = "https://acme-my.sharepoint.com/download?tempauth=v1.ey&b=1"
CURSOR = {"v": 1, "link": f"{ROOT}/drives/b!D1/root/delta(token='t1')"}


def item(one: str, **more: Any) -> dict[str, Any]:
    return {
        "@odata.type": "#microsoft.graph.driveItem", "id": one, "name": f"{one}.txt", "eTag": f'"{{{one}}},1"',
        "size": 3, "lastModifiedDateTime": "2026-01-02T03:04:05Z",
        "parentReference": {"driveId": "b!D1", "driveType": "business", "id": "R"},
        "file": {"mimeType": "text/plain", "hashes": {"quickXorHash": XOR}},
        "@microsoft.graph.downloadUrl": TARGET, **more,
    }  # fmt: skip


def folder(one: str, **more: Any) -> dict[str, Any]:
    found = item(one, name=one, folder={"childCount": 1}, **more)
    return {key: value for key, value in found.items() if key not in ("file", "@microsoft.graph.downloadUrl")}


ROOT_ITEM = {
    "id": "R", "name": "root", "root": {}, "folder": {"childCount": 2}, "size": 9,
    "parentReference": {"driveId": "b!D1", "driveType": "business"},
}  # fmt: skip


def gone(one: str) -> dict[str, Any]:
    return {"id": one, "deleted": {}, "size": 0, "parentReference": {"driveId": "b!D1", "id": "R"}}


def page(*items: Any, token: str = "t2", **links: str) -> httpx.Response:
    links = links or {"@odata.deltaLink": f"{ROOT}/drives/b!D1/root/delta(token='{token}')"}
    return httpx.Response(200, json={"value": list(items), **links})


async def full(microsoft, *answers: httpx.Response, partition: Partition = DRIVE, **options: Any) -> list[Any]:
    microsoft.replies(*answers)
    return await microsoft.pages("files", partition=partition, options=options)


async def delta(microsoft, *items: Any, **more: Any) -> Any:
    microsoft.replies(page(*items))
    (found,) = await microsoft.pages("files", scan=Scan.DELTA, partition=DRIVE, cursor=CURSOR, **more)
    return found


def below(**children: list[str]) -> dict[str, Any]:
    async def offspring(parents: Any) -> dict[str, list[str]]:
        return {one: children[one] for one in parents if one in children}

    return {"offspring": offspring}


def summary(record: Record) -> Any:
    return orjson.loads(record.summary)


def blob_of(one: str = "A") -> Blob:
    return Blob({"drive": "b!D1", "id": one}, "tag")


async def content(microsoft, blob: Blob | None = None) -> bytes:
    stream, context = microsoft.stream("files"), microsoft.context(stream="files", partition=DRIVE)
    return b"".join([chunk async for chunk in stream.fetch(context, blob or blob_of())])


def found_at(target: str = TARGET) -> httpx.Response:
    return httpx.Response(302, headers={"location": target})


class Cut(httpx.AsyncByteStream):
    """A body that breaks off."""

    def __init__(self, start: bytes) -> None:
        self.start = start

    async def __aiter__(self):
        yield self.start
        raise httpx.ReadError("reset")
