"""A fast local source that speaks just enough of Google's APIs, or of Zoho's (`--zoho 100000`): pages are rendered once, before the clock starts.

Run as a process of its own: `python -m bench.source --contacts 100000 --mails 5000 --files 2000`; it prints its port as
soon as it answers. It is no simulator: it knows no errors, no limits, no state but `POST /_bench/changed?percent=N`.
"""

import argparse
import asyncio
import base64
import hashlib
import json
import random
import re
import sys
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

from bench.zoho import ZohoSource

PAGE = 1000
INNER = re.compile(rb"Content-ID: <([^>]*)>.*?GET ([^ \r\n]+)", re.DOTALL | re.IGNORECASE)


def person(n: int, revision: int = 0) -> dict:
    """One contact of about 1.2 kB."""
    source = {"type": "CONTACT", "id": f"{n:x}", "etag": f"#e{revision}", "updateTime": "2026-11-01T08:00:00.000Z"}
    primary = {"primary": True, "source": {"type": "CONTACT", "id": f"{n:x}"}}
    return {
        "resourceName": f"people/c{n}",
        "etag": f"%e{revision}",
        "metadata": {"sources": [source], "objectType": "PERSON"},
        "names": [{"metadata": primary, "displayName": f"Person {n}", "givenName": "Person", "familyName": str(n)}],
        "emailAddresses": [{"metadata": primary, "value": f"person{n}@partner.example", "type": "work"}],
        "phoneNumbers": [{"metadata": primary, "value": f"+34600{n:06d}", "type": "mobile"}],
        "organizations": [{"metadata": primary, "name": "Partner Ltd", "title": f"Role {n % 97}", "current": True}],
        "biographies": [{"metadata": primary, "value": f"revision {revision} " + "notes on this person " * 18}],
    }


def message(n: int) -> dict:
    raw = (
        f"From: Sender {n % 50} <s{n % 50}@partner.example>\r\nTo: user0@bench.example\r\nSubject: Message {n}\r\n"
        f"Date: Sun, 01 Nov 2026 08:00:00 +0000\r\nMessage-ID: <{n}@partner.example>\r\n\r\n"
        + "Body of the message. "
        * 90
    ).encode()
    return {
        "id": f"{n + 0x100000:x}",
        "threadId": f"{n + 0x100000:x}",
        "labelIds": ["INBOX", "UNREAD"],
        "snippet": "Body of the message.",
        "historyId": str(1000 + n),
        "internalDate": "1793520000000",
        "sizeEstimate": len(raw),
        "raw": base64.urlsafe_b64encode(raw).decode(),
    }


def user(n: int) -> dict:
    more = {"isMailboxSetup": True, "isAdmin": n == 0, "isDelegatedAdmin": False, "suspended": False}
    name = {"fullName": f"User {n}"}
    return {"id": str(100 + n), "primaryEmail": f"user{n}@bench.example", "name": name, "customerId": "C1", **more}


def file_bytes(n: int) -> bytes:
    return random.Random(n).randbytes(4096)


def drive_file(n: int) -> dict:
    content = file_bytes(n)
    return {
        "kind": "drive#file",
        "id": f"file{n:06d}",
        "name": f"report-{n}.bin",
        "mimeType": "application/octet-stream",
        "parents": ["root0"],
        "size": str(len(content)),
        "md5Checksum": hashlib.md5(content).hexdigest(),
        "headRevisionId": f"rev{n}",
        "modifiedTime": "2026-11-01T08:00:00.000Z",
        "createdTime": "2026-11-01T08:00:00.000Z",
        "trashed": False,
        "version": "7",
        "capabilities": {"canDownload": True},
        "owners": [{"emailAddress": "user0@bench.example", "displayName": "User 0"}],
    }


def dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


class Source:
    """All answers, rendered."""

    def __init__(self, contacts: int, mails: int, files: int, users: int) -> None:
        self.users = users
        people = (dump(person(n)) for n in range(contacts))
        self.contacts = contacts
        self.pages = list(self._people_pages(people, contacts))
        self.changed: list[bytes] = []
        self.messages = {m["id"]: dump(m) for m in (message(n) for n in range(mails))}
        self.ids = list(self.messages)
        self.files = [drive_file(n) for n in range(files)]
        self.requests = 0

    def _people_pages(self, people, total):
        pages = max(1, -(-total // PAGE))
        for page in range(pages):
            items = b",".join(next(people) for _ in range(min(PAGE, total - page * PAGE)))
            more = {"nextSyncToken": "sync-1"} if page == pages - 1 else {"nextPageToken": f"page-{page + 1}"}
            yield b'{"connections":[' + items + b"]," + dump({**more, "totalItems": total})[1:]

    def change(self, percent: float) -> None:
        """Some contacts have changed: the next delta tells, in pages like any."""
        step = max(1, round(100 / percent))
        items = [dump(person(n, revision=1)) for n in range(0, self.contacts, step)]
        starts = range(0, len(items), PAGE)
        for number, start in enumerate(starts):
            last = number + 1 == len(starts)
            more = {"nextSyncToken": "sync-2"} if last else {"nextPageToken": f"changed-{number + 1}"}
            page = b'{"connections":[' + b",".join(items[start : start + PAGE]) + b"]," + dump(more)[1:]
            self.changed.append(page)

    def answer(self, method: str, target: str, body: bytes) -> tuple[bytes, bytes]:
        """(content type, body) of a request."""
        self.requests += 1
        url = urlsplit(target)
        query = {k: v[0] for k, v in parse_qs(url.query).items()}
        kind = b"application/json"
        path = url.path
        if path.endswith("/connections"):
            return kind, self._connections(query)
        if path.startswith("/batch"):
            return b"multipart/mixed; boundary=bench", self._batch(body)
        if path == "/token":
            return kind, dump({"access_token": "bench-access-token", "expires_in": 3599, "token_type": "Bearer"})
        if path.startswith("/admin/directory/v1/users"):
            return kind, dump({"users": [user(n) for n in range(self.users)]})
        if path.startswith("/gmail/"):
            return kind, self._gmail(path, query)
        if path.startswith("/drive/"):
            return self._drive(path, query)
        if path == "/_bench/changed":
            self.change(float(query["percent"]))
            return kind, b"{}"
        return kind, b"{}"

    def _connections(self, query: dict) -> bytes:
        kind, _, number = query.get("pageToken", "page-0").partition("-")
        if query.get("syncToken") == "sync-1" and self.changed:
            return self.changed[int(number) if kind == "changed" else 0]
        if "syncToken" in query:
            return dump({"nextSyncToken": query["syncToken"], "totalItems": 0})
        return self.pages[int(number)]

    def _gmail(self, path: str, query: dict) -> bytes:
        if path.endswith("/profile"):
            total = len(self.ids)
            return dump({"emailAddress": "user0@bench.example", "messagesTotal": total, "historyId": "9000000"})
        if path.endswith("/history"):
            return b'{"historyId":"9000000"}'
        if path.endswith("/messages"):
            start = int(query.get("pageToken", "0"))
            size = int(query.get("maxResults", "100"))
            found = [{"id": i, "threadId": i} for i in self.ids[start : start + size]]
            more = {"nextPageToken": str(start + size)} if start + size < len(self.ids) else {}
            return dump({"messages": found, **more, "resultSizeEstimate": len(self.ids)})
        return self.messages.get(path.rsplit("/", 1)[-1], b"{}")

    def _batch(self, body: bytes) -> bytes:
        out = bytearray()
        for content_id, target in INNER.findall(body):
            inner = self._gmail(urlsplit(target.decode()).path, {})
            out += b"--bench\r\nContent-Type: application/http\r\nContent-ID: <response-" + content_id
            out += b">\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: application/json; charset=UTF-8\r\nContent-Length: "
            out += str(len(inner)).encode() + b"\r\n\r\n" + inner + b"\r\n"
        return bytes(out + b"--bench--\r\n")

    def _drive(self, path: str, query: dict) -> tuple[bytes, bytes]:
        kind = b"application/json"
        if path.endswith("/startPageToken"):
            return kind, b'{"kind":"drive#startPageToken","startPageToken":"8"}'
        if path.endswith("/changes"):
            return kind, b'{"kind":"drive#changeList","newStartPageToken":"8","changes":[]}'
        if path.endswith("/drives"):
            return kind, b'{"kind":"drive#driveList","drives":[]}'
        if path.endswith("/files"):
            start, size = int(query.get("pageToken", "0")), int(query.get("pageSize", "100"))
            more = {"nextPageToken": str(start + size)} if start + size < len(self.files) else {}
            return kind, dump({"files": self.files[start : start + size], "incompleteSearch": False, **more})
        number = path.rsplit("/", 1)[-1].removeprefix("file")
        if query.get("alt") == "media":
            return b"application/octet-stream", file_bytes(int(number))
        return kind, dump({"id": "root0", "name": "My Drive", "mimeType": "application/vnd.google-apps.folder"})


class Answers(Protocol):
    """What a connection needs of a source."""

    def answer(self, method: str, target: str, body: bytes) -> tuple[bytes, bytes]: ...


class Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive and nothing else."""

    def __init__(self, source: Answers) -> None:
        self.source = source
        self.buffer = b""

    def connection_made(self, transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].decode("latin-1")
            length = re.search(r"(?i)content-length: *(\d+)", head)
            total = end + 4 + int(length[1] if length else 0)
            if len(self.buffer) < total:
                return
            body, self.buffer = self.buffer[end + 4 : total], self.buffer[total:]
            method, target, _ = head.split(" ", 2)
            kind, answer = self.source.answer(method, target, body)
            self.transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n" % (kind, len(answer)) + answer
            )


async def serve(source: Answers) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Connection(source), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--contacts", type=int, default=0)
    parser.add_argument("--mails", type=int, default=0)
    parser.add_argument("--files", type=int, default=0)
    parser.add_argument("--users", type=int, default=1)
    parser.add_argument("--zoho", type=int, help="contacts at Zoho, in place of all others")
    given = parser.parse_args()
    google = (given.contacts, given.mails, given.files, given.users)
    try:
        asyncio.run(serve(Source(*google) if given.zoho is None else ZohoSource(given.zoho)))
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
