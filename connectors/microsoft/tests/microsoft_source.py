"""A tiny simulated Microsoft 365 as the source of the conformance suite."""

import random
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import httpx
from syncd_simulator.microsoft import (
    DOCUMENTED,
    Editor,
    User,
    add_many_contacts,
    add_many_mails,
    microsoft_app,
    tiny_microsoft,
)
from syncd_simulator.microsoft.calendar_snapshot import calendar_truth
from syncd_simulator.microsoft.calendar_store import inside, instances

from syncd.sdk import JSON, Account, Secret
from syncd.testing import FakeClock

BASE = "http://127.0.0.1:9"  # nobody listens: requests stay in this process
COMPARED = {  # what is compared with a record's data; everything else is compared with a fresh full round
    "contacts": ("displayName", "emailAddresses", "businessPhones", "companyName", "parentFolderId"),
    "calendar": ("subject", "start", "end", "isAllDay"),
    "files": ("name", "size", "file"),
    "mail": ("subject", "isRead", "internetMessageId", "categories", "parentFolderId"),
}
CALENDARS: Mapping[str, JSON] = {"calendars": "all", "past": "400d", "future": "1300d"}
WINDOW = FakeClock().now() - timedelta(days=400), FakeClock().now() + timedelta(days=1300)
DELETES = {"contacts": "delete_contact", "calendar": "delete_event", "files": "delete_file", "mail": "purge_mail"}


class MicrosoftSource:
    """Three people; `stream` says whose truth is asked for. Pages of two."""

    def __init__(self, stream: str, seed: int) -> None:
        self.stream = stream
        self.world = tiny_microsoft(seed)
        self.world.page_cap = dict.fromkeys((*COMPARED, "directory"), 2)
        self.world.delta.generations = 10_000  # checks come back to old places; `expire` ends them on purpose
        self.editor = Editor(self.world, seed)
        given = self.world.settings(BASE)
        secret = given.pop("client_secret")
        self.settings: Mapping[str, Any] = {**given, "client_secret": Secret(lambda: secret, "${env:M365}")}
        self.options: Mapping[str, JSON] = CALENDARS if stream == "calendar" else {}

    def transport(self) -> httpx.AsyncBaseTransport:
        return httpx.ASGITransport(microsoft_app(self.world))

    def accounts(self) -> Mapping[str, str]:
        return {user.id: user.address for user in self.world.users.values()}

    def truth(self, account: Account) -> Mapping[str, Mapping[str, JSON]]:
        user = self.world.user(account.id)
        seen = self._calendars(user) if self.stream == "calendar" else self.world.snapshot(user, self.stream)
        wanted = COMPARED[self.stream]
        return {
            partition: {one: {name: item[name] for name in wanted if name in item} for one, item in items.items()}
            for partition, items in seen.items()
        }

    def _calendars(self, user: User) -> dict[str, Any]:
        """Those shared with the user too. Of series, those that take place in the window, exceptions likewise (§6)."""
        with self.world.lock:
            truth = calendar_truth(self.world, user, owned=False)
            return {
                key: {one: item for one, item in items.items() if _takes_place(user.calendars.find(key), one)}
                for key, items in truth.items()
            }

    def change(self, rng: random.Random) -> None:
        self.editor.rng = rng
        self.editor.random_edit(self.stream)

    def delete(self, rng: random.Random) -> None:
        self.editor.rng = rng
        getattr(self.editor, DELETES[self.stream])()

    def expire(self) -> None:
        for user in list(self.world.users.values()):
            self.world.expire(self.stream, user)

    def rename(self) -> None:
        user = next(iter(self.world.users.values()))
        self.world.rename_user(user, f"other.{user.address}")

    def troubles(self) -> Mapping[str, Callable[[], None]]:
        names = [name for name in DOCUMENTED if not name.startswith("aadsts")]
        return {name: lambda name=name: self._trouble(name) for name in names}  # type: ignore[misc]

    def calm(self) -> None:
        self.world.faults.clear()

    def _trouble(self, name: str) -> None:
        self.world.faults.answer(name, times=2)

    def grow(self, count: int) -> None:
        self.world.page_cap.clear()
        user = next(iter(self.world.users.values()))
        if self.stream == "contacts":
            add_many_contacts(self.world, user, count)
        elif self.stream == "mail":
            self.world.page_cap["mail"] = 100
            add_many_mails(self.world, user, count // 8)


def _takes_place(calendar: Any, one: str) -> bool:
    found = calendar.find(one).event
    return any(instances(found, WINDOW)) if found.master is None else inside(found.span(), WINDOW)
