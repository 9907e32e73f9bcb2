"""A tiny simulated Zoho as the source of the conformance suite. Without the limits: those have tests of their own."""

import random
from collections.abc import Mapping
from typing import Any

import httpx
from syncd_simulator import SimClock
from syncd_simulator.zoho import Editor, tiny_zoho, zoho_app

from syncd.sdk import JSON, Account, Secret

START = 1_767_268_800.0  # when the suite's clock begins: calendars are read around it
BASE = "http://127.0.0.1:9"  # nobody listens: requests stay in this process
COMPARED = {
    "contacts": ("contact_id", "first_name", "last_name", "emails", "phones", "company"),
    "calendar": ("uid", "title", "description", "dateandtime", "isallday", "etag", "location"),
    "mail": ("messageId", "folderId", "receivedTime", "size"),
}
DELETES = {"contacts": "delete_contact", "calendar": "delete_event", "mail": "purge_mail"}


class ZohoSource:
    """The owner's data of one stream; pages of two where Zoho pages."""

    def __init__(self, stream: str, seed: int, **options: JSON) -> None:
        self.stream = stream
        self.clock = SimClock.manual(START)
        self.world = tiny_zoho(seed, self.clock)
        self.world.limits.enabled = False
        self.world.page_cap = {"contacts": 2}
        self.editor = Editor(self.world, seed)
        found = self.world.settings(BASE)
        self.settings: Mapping[str, Any] = {
            key: Secret(lambda value=value: value, "${env:X}") if key in ("client_secret", "refresh_token") else value
            for key, value in found.items()
        }
        self.options: Mapping[str, JSON] = options
        self.change(random.Random(seed))  # so that not all is of the same moment

    def transport(self) -> httpx.AsyncBaseTransport:
        return httpx.ASGITransport(zoho_app(self.world))

    def accounts(self) -> Mapping[str, str]:
        return {user.zuid: user.address for user in self.world.users.values()}

    def truth(self, account: Account) -> Mapping[str, Mapping[str, JSON]]:
        kept = COMPARED[self.stream]
        return {
            part: {one: {key: item[key] for key in kept if key in item} for one, item in items.items()}
            for part, items in self.world.snapshot(self.world.owner, self.stream).items()
        }

    def change(self, rng: random.Random) -> None:
        self.clock.advance(60)
        self.editor.rng = rng
        self.editor.random_edit(self.stream)

    def delete(self, rng: random.Random) -> None:
        self.clock.advance(60)
        self.editor.rng = rng
        getattr(self.editor, DELETES[self.stream])()
