"""The bare floor: what a careful person's shortest script does. No retries, no history, no checks, no other provider.

`python -m bench.floor contacts|mail|files|zoho|requests URL DATABASE` prints {"seconds", "records", "cpu", "peak_mib"}.
"""

import asyncio
import base64
import hashlib
import json
import re
import resource
import sqlite3
import sys
import time
from pathlib import Path

import httpx
import orjson

BATCH = 50  # what Gmail recommends, and what syncd asks for
PART = re.compile(rb"\r\n\r\n(\{.*?\})\r\n--bench", re.DOTALL)


def open_database(path: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    database.execute("CREATE TABLE IF NOT EXISTS item (id TEXT PRIMARY KEY, data BLOB)")
    database.execute("CREATE TABLE IF NOT EXISTS cursor (name TEXT PRIMARY KEY, value TEXT)")
    return database


def commit(database: sqlite3.Connection, name: str, rows: list[tuple[str, bytes]], cursor: str) -> None:
    database.execute("BEGIN IMMEDIATE")
    database.executemany("INSERT OR REPLACE INTO item VALUES (?, ?)", rows)
    database.execute("INSERT OR REPLACE INTO cursor VALUES (?, ?)", (name, cursor))
    database.execute("COMMIT")


async def contacts(client: httpx.AsyncClient, database: sqlite3.Connection, _: Path) -> int:
    known = database.execute("SELECT value FROM cursor WHERE name = 'contacts'").fetchone()
    query = {"personFields": "names", "pageSize": "1000", "requestSyncToken": "true"}
    if known and known[0].startswith("sync"):
        query["syncToken"] = known[0]
    total = 0
    while True:
        answer = orjson.loads((await client.get("/v1/people/me/connections", params=query)).content)
        rows = [(p["resourceName"], orjson.dumps(p)) for p in answer.get("connections", ())]
        cursor = answer.get("nextPageToken") or answer["nextSyncToken"]
        commit(database, "contacts", rows, cursor)
        total += len(rows)
        if "nextPageToken" not in answer:
            return total
        query["pageToken"] = answer["nextPageToken"]


async def mail(client: httpx.AsyncClient, database: sqlite3.Connection, _: Path) -> int:
    total, query = 0, {"maxResults": "500"}
    while True:
        listed = orjson.loads((await client.get("/gmail/v1/users/me/messages", params=query)).content)
        ids = [m["id"] for m in listed.get("messages", ())]
        for start in range(0, len(ids), BATCH):
            chunk = ids[start : start + BATCH]
            answer = await client.post("/batch", content=batch_body(chunk), headers=BATCH_HEADERS)
            rows = []
            for part in PART.findall(answer.content):
                item = orjson.loads(part)
                raw = base64.urlsafe_b64decode(item.pop("raw"))
                rows += [(item["id"], orjson.dumps(item)), (hashlib.sha256(raw).hexdigest(), raw)]
            commit(database, "mail", rows, listed.get("nextPageToken", "end"))
            total += len(chunk)
        if "nextPageToken" not in listed:
            return total
        query["pageToken"] = listed["nextPageToken"]


BATCH_HEADERS = {"Content-Type": "multipart/mixed; boundary=b"}


def batch_body(ids: list[str]) -> bytes:
    parts = (
        f"--b\r\nContent-Type: application/http\r\nContent-ID: <{n}>\r\n\r\n"
        f"GET /gmail/v1/users/me/messages/{i}?format=raw HTTP/1.1\r\n\r\n\r\n"
        for n, i in enumerate(ids)
    )
    return ("".join(parts) + "--b--\r\n").encode()


async def files(client: httpx.AsyncClient, database: sqlite3.Connection, folder: Path) -> int:
    total, query = 0, {"pageSize": "1000"}
    gate = asyncio.Semaphore(4)

    async def download(file_id: str) -> tuple[str, bytes]:
        async with gate:
            content = (await client.get(f"/drive/v3/files/{file_id}", params={"alt": "media"})).content
        digest = hashlib.sha256(content).hexdigest()
        (folder / digest).write_bytes(content)
        return file_id + ":content", digest.encode()

    while True:
        listed = orjson.loads((await client.get("/drive/v3/files", params=query)).content)
        rows = [(f["id"], orjson.dumps(f)) for f in listed["files"]]
        rows += await asyncio.gather(*(download(f["id"]) for f in listed["files"]))
        commit(database, "files", rows, listed.get("nextPageToken", "end"))
        total += len(listed["files"])
        if "nextPageToken" not in listed:
            return total
        query["pageToken"] = listed["nextPageToken"]


async def zoho(client: httpx.AsyncClient, database: sqlite3.Connection, _: Path) -> int:
    """The whole book, page by page; what is stored already is compared as JSON, and only what differs is written."""
    total, page = 0, 1
    while True:
        query = {"page": page, "per_page": 100, "include": "emails,phones"}
        answer = orjson.loads((await client.get("/api/v1/accounts/self/contacts", params=query)).content)
        found = {one["contact_id"]: one for one in answer["contacts"]}
        known = database.execute(
            f"SELECT id, data FROM item WHERE id IN ({','.join('?' * len(found))})",
            list(found),
        )
        for key, data in known.fetchall():
            if orjson.loads(data) == found[key]:
                del found[key]
        total += len(answer["contacts"])
        if found:
            commit(database, "contacts", [(key, orjson.dumps(one)) for key, one in found.items()], str(page))
        if not answer["has_more"]:
            return total
        page += 1


async def requests(client: httpx.AsyncClient, _: sqlite3.Connection, __: Path) -> int:
    """What a request costs and nothing else: 500 answers of an unchanged address book."""
    for _number in range(500):
        (
            await client.get("/v1/people/me/connections", params={"syncToken": "sync-1", "pageSize": "1000"})
        ).raise_for_status()
    return 500


WORK = {"contacts": contacts, "mail": mail, "files": files, "zoho": zoho, "requests": requests}


async def run(what: str, url: str, path: str) -> dict:
    database = open_database(path)
    folder = Path(path + ".blobs")
    folder.mkdir(exist_ok=True)
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": "Bearer x"}, timeout=60) as client:
        begun, cpu = time.perf_counter(), time.process_time()
        records = await WORK[what](client, database, folder)
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "records": records, "cpu": cpu, "peak_mib": peak}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(*sys.argv[1:4]))))
