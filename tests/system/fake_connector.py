"""A connector whose provider is a JSON file: what it says is read anew at each call.

{"organization": "org-1", "accounts": [{"id", "address", "role", "state"}], "notes": {address: [{"id", "title", "content"}]}, "tasks": …,
 "fail": "auth" | "down" | "rate" | "bug" | null, "gate": path or null, "page": 3, "checks": {"notes": "ready", "tasks": "ready"}}

With a `gate`, every page after the first waits until that file exists.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from syncd.sdk import (
    SWEEP,
    Account,
    AuthFailed,
    Blob,
    Connector,
    ConnectorInfo,
    Context,
    Explanation,
    Page,
    RateLimited,
    Record,
    Scan,
    Stream,
    StreamInfo,
    SyncdError,
)


def world(ctx: Context) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(ctx.settings["world"]).read_text())
    match found.get("fail"):
        case "auth":
            raise AuthFailed("the key is refused")
        case "down":
            raise SyncdError("the provider is down", code="SYN-NET-001")
        case "rate":
            raise RateLimited("slow down", 3600.0)
        case "bug":
            raise KeyError("no such \x1b[31mfield")
    return found


class Notes(Stream):
    info = StreamInfo("notes", "Notes", scans={Scan.FULL}, deletes=SWEEP, kind="contact")

    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        found = world(ctx)
        assert ctx.account is not None
        notes, size = found.get(self.info.name, {}).get(ctx.account.address, []), found.get("page", 3)
        start = ctx.cursor or 0
        while True:
            chunk = notes[start : start + size]
            start += size
            last = start >= len(notes)
            yield Page([record(note) for note in chunk], resume=start, last=last)
            if last:
                return
            while found.get("gate") and not Path(found["gate"]).exists():  # noqa: ASYNC110 - another process makes it
                await asyncio.sleep(0.02)


class Tasks(Notes):
    info = StreamInfo("tasks", "Tasks", scans={Scan.FULL}, deletes=SWEEP)


def record(note: dict[str, Any]) -> Record:
    content = note.get("content")
    blob = None if content is None else Blob(None, content, content=content.encode(), mime_type="text/plain")
    return Record(note["id"], note, summary={"name": note["title"], "emails": []}, blob=blob)


class Fake(Connector):
    info = ConnectorInfo(
        "fake",
        "A file",
        settings_schema={
            "type": "object",
            "properties": {
                "world": {"type": "string"},
                "key": {"type": "string", "x-secret": True},
                "endpoints": {"type": "object"},
            },
            "required": ["world"],
            "additionalProperties": False,
        },
        errors=[Explanation("SYN-FAKE-001", "fake trouble", "Something fake.", "Nothing.", "Nothing.")],
    )

    def streams(self) -> list[Stream]:
        return [Notes(), Tasks()]

    async def check(self, ctx: Context) -> dict[str, str]:
        return dict(world(ctx).get("checks", {"notes": "ready", "tasks": "ready"}))

    async def accounts(self, ctx: Context) -> AsyncIterator[Account]:
        found = world(ctx)
        for one in found["accounts"]:
            yield Account(
                one["id"],
                one["address"],
                name=one.get("name", ""),
                role=one.get("role", "user"),
                state=one.get("state", "active"),
                organization=found.get("organization", "org-1"),
            )
