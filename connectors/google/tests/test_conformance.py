"""The shipped conformance suite, once per stream, against the simulated Google."""

import itertools
import json
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
from syncd_google import GoogleConnector
from syncd_simulator import Editor, GoogleWorld, add_many_contacts, add_many_mails, google_app, serve

from syncd.sdk import JSON, Account, Secret
from syncd.testing.suite import StreamSuite

APIS = {"contacts": "people", "calendar": "calendar", "files": "drive", "mail": "gmail"}
ITEMS = 9
# Sharing a calendar makes its cursors expire and deleting one is no matter of its events: both are in test_simulated.
EVENTS = ("add_event", "add_all_day", "add_series", "edit_event", "change_instance", "cancel_instance", "delete_event")
DELETES = {"contacts": "delete_contact", "calendar": "delete_event", "files": "delete_file", "mail": "delete_mail"}


class Google:
    """Two people with about a dozen items each, in pages of four."""

    def __init__(self, stream: str, seed: int, world: GoogleWorld, url: str) -> None:
        self.stream = stream
        self.world = world
        self.editor = Editor(world, seed)
        self.editor.rename_contact = self.editor.edit_contact  # see test_simulated
        self.options: Mapping[str, JSON] = {"calendars": "all"} if stream == "calendar" else {}
        key = json.dumps(world.key_file(url + "/token"))
        self.settings: Mapping[str, Any] = {
            "service_account": Secret(lambda: key, "${env:KEY}"),
            "admin": next(iter(world.users.values())).address,
            "endpoints": world.endpoints(url),
        }

    def accounts(self) -> Mapping[str, str]:
        return {user.id: user.address for user in self.world.users.values()}

    def truth(self, account: Account) -> Mapping[str, Mapping[str, JSON]]:
        with self.world.lock:
            found = self.world.snapshot(account.id, self.stream)
            if self.stream == "calendar":
                return {
                    calendar: dict.fromkeys({*events, *self._cancelled(account, calendar, events)})
                    for calendar, events in found.items()
                }
            if self.stream != "files":
                return {"": dict.fromkeys(found)}
            drives: dict[str, dict[str, None]] = {"": {}}
            for one, file in found.items():
                drives.setdefault(file.get("driveId", ""), {})[one] = None
            return drives

    def _cancelled(self, account: Account, calendar: str, living: Mapping[str, Any]) -> set[str]:
        """Google lists the cancelled occurrences of a living series as items."""
        events = self.world.user(account.id).calendars.entries[calendar].calendar.events
        return {
            one
            for one, event in events.items()
            if event["status"] == "cancelled" and event.get("recurringEventId") in living
        }

    def change(self, rng: random.Random) -> None:
        user = rng.choice(list(self.world.users.values()))
        with self.world.lock:
            if self.stream == "calendar":
                getattr(self.editor, rng.choice(EVENTS))(user)
            else:
                self.editor.random_edit(self.stream, user)

    def delete(self, rng: random.Random) -> None:
        with self.world.lock:
            getattr(self.editor, DELETES[self.stream])(rng.choice(list(self.world.users.values())))

    def grow(self, count: int) -> None:
        user = next(iter(self.world.users.values()))
        many = {"contacts": add_many_contacts, "mail": add_many_mails}.get(self.stream)
        with self.world.lock:
            self.world.page_cap.clear()
            if many:
                many(self.world, user, count)
            else:
                add = self.editor.add_event if self.stream == "calendar" else self.editor.add_folder
                for _ in range(count):
                    add(user)

    def expire(self) -> None:
        for user in self.world.users.values():
            self.world.expire(APIS[self.stream], user)

    def rename(self) -> None:
        with self.world.lock:
            user = list(self.world.users.values())[-1]
            self.world.rename_user(user, f"n{next(COUNT)}@acme.example")

    def throttles(self) -> list[httpx.Response]:
        limited = {
            "errors": [{"domain": "usageLimits", "reason": "userRateLimitExceeded"}],
            "message": "User Rate Limit Exceeded",
        }
        exhausted = {
            "code": 429,
            "status": "RESOURCE_EXHAUSTED",
            "message": "Resource has been exhausted (e.g. check quota).",
        }
        return [
            httpx.Response(403, json={"error": {"code": 403, **limited}}),
            httpx.Response(429, json={"error": exhausted}),
            httpx.Response(503, headers={"Retry-After": "3"}),
        ]


COUNT = itertools.count()


class GoogleSuite(StreamSuite):
    __test__ = False
    connector = GoogleConnector()
    seeds = 2

    @contextmanager
    def source(self, seed: int) -> Iterator[Google]:
        world = GoogleWorld(seed=seed)
        with serve(google_app(world)) as server:
            world.add_user("Ada", "Admin", admin=True)
            world.add_user("Bob", "Baker")
            source = Google(self.stream, seed, world, server.url)
            rng = random.Random(seed)
            for _ in range(3 * ITEMS):
                source.change(rng)
            world.page_cap[APIS[self.stream]] = 4
            yield source


class TestContacts(GoogleSuite):
    __test__ = True
    stream = "contacts"


class TestCalendar(GoogleSuite):
    __test__ = True
    stream = "calendar"


class TestFiles(GoogleSuite):
    __test__ = True
    stream = "files"


class TestMail(GoogleSuite):
    __test__ = True
    stream = "mail"
