"""A tiny simulated Google Workspace as the source of the conformance suite."""

import json
import random
from collections.abc import Callable, Mapping
from typing import Any

import httpx
from syncd_simulator import Editor, add_many_contacts, add_many_mails, google_app, tiny_organisation
from syncd_simulator.google.faults import DOCUMENTED

from syncd.sdk import JSON, Account, Secret

BASE = "http://127.0.0.1:9"  # nobody listens: requests stay in this process
APIS = {"contacts": "people", "calendar": "calendar", "files": "drive", "mail": "gmail"}
COMPARED = {  # what is compared with a record's data; everything else is compared with a fresh full round
    "contacts": ("names", "emailAddresses", "phoneNumbers", "organizations"),
    "calendar": ("summary", "start", "end", "status", "recurrence", "location"),
    "files": ("name", "mimeType", "parents", "trashed", "md5Checksum", "size"),
    "mail": ("threadId",),
}
DELETES = {"contacts": "delete_contact", "calendar": "delete_event", "files": "delete_file", "mail": "delete_mail"}


class GoogleSource:
    """Three people; `stream` says whose truth is asked for. Pages of two."""

    def __init__(self, stream: str, seed: int) -> None:
        self.stream, self.api = stream, APIS[stream]
        self.world = tiny_organisation(seed)
        self.world.page_cap = dict.fromkeys(("people", "calendar", "drive", "gmail", "admin"), 2)
        self.editor = Editor(self.world, seed)
        key = json.dumps(self.world.key_file(f"{BASE}/token"))
        admin = next(user.address for user in self.world.users.values() if user.is_admin)
        self.settings: Mapping[str, Any] = {
            "service_account": Secret(lambda: key, "${file:/etc/syncd/acme.json}"),
            "admin": admin,
            "endpoints": self.world.endpoints(BASE),
        }
        self.options: Mapping[str, JSON] = {"calendars": "all"} if stream == "calendar" else {}

    def transport(self) -> httpx.AsyncBaseTransport:
        return httpx.ASGITransport(google_app(self.world))

    def accounts(self) -> Mapping[str, str]:
        return {user.id: user.address for user in self.world.users.values()}

    def truth(self, account: Account) -> Mapping[str, Mapping[str, JSON]]:
        if self.stream == "calendar":
            shown = self.world.user(account.id).calendars.shown()
            return {book: self._events(entry.calendar.events) for book, entry in shown.items()}
        seen = self.world.snapshot(self.world.user(account.id), self.stream)
        parts: dict[str, dict[str, JSON]] = {"": {}}
        if self.stream == "files":
            parts |= {drive.id: {} for drive in self.world.drive.drives.values() if account.id in drive.members}
        for name, item in seen.items():
            parts.setdefault(item.get("driveId") or "", {})[name] = self._compared(item)
        return parts

    def _events(self, events: Mapping[str, dict[str, Any]]) -> dict[str, JSON]:
        """What lives, and the cancelled occurrences of series that live: Google lists those as items."""
        gone = {name for name, event in events.items() if event["status"] == "cancelled"}
        return {
            name: self._compared(event) if name not in gone else None
            for name, event in events.items()
            if name not in gone or (event.get("recurringEventId") or name) not in gone
        }

    def _compared(self, item: dict[str, Any]) -> dict[str, Any]:
        return {name: item[name] for name in COMPARED[self.stream] if name in item}

    def change(self, rng: random.Random) -> None:
        self.editor.rng = rng
        self.editor.random_edit(self.stream)

    def delete(self, rng: random.Random) -> None:
        self.editor.rng = rng
        getattr(self.editor, DELETES[self.stream])()

    def expire(self) -> None:
        for user in list(self.world.users.values()):
            self.world.expire(self.api, user)

    def rename(self) -> None:
        self.editor.rename_user(next(iter(self.world.users.values())))

    def troubles(self) -> Mapping[str, Callable[[], None]]:
        return {name: lambda name=name: self._trouble(name) for name in DOCUMENTED}  # type: ignore[misc]

    def calm(self) -> None:
        self.world.faults.clear()

    def _trouble(self, name: str) -> None:
        self.world.faults.answer(name, api=self.api, times=2)

    def grow(self, count: int) -> None:
        self.world.page_cap.clear()
        user = next(iter(self.world.users.values()))
        if self.stream == "contacts":
            add_many_contacts(self.world, user, count)
        elif self.stream == "mail":
            self.world.page_cap["gmail"] = 100
            add_many_mails(self.world, user, count // 8)
