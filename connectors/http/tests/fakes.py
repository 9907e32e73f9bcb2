"""Four small APIs in memory, as the pages of docs/http.md describe them: they answer requests, and can be changed.

Each is a source of the conformance suite, too. `settings` are given by the test: they come out of that page.
"""

import base64
import json
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, ClassVar

import httpx

from syncd.sdk import JSON, Account

SIZE = 3  # entries per page


class Refused(Exception):
    """An answer with an error status."""

    def __init__(self, status: int, body: Any = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers


class Fake:
    """What the four have in common: a clock that each change moves on, entries by id, and marks of deleted ones."""

    secrets: ClassVar[Mapping[str, str]] = {}

    def __init__(self, settings: Mapping[str, Any], seed: int = 0) -> None:
        self.settings = settings
        self.root = str(settings.get("base_url", ""))
        self.clock = 1_790_000_000
        self.entries: dict[str, dict[str, Any]] = {}
        self.gone: dict[str, int] = {}
        self.served: list[httpx.Request] = []
        self.size = SIZE
        self.epoch = 0
        self._names = 100
        self.fill(random.Random(f"{type(self).__name__} {seed}"))

    def fill(self, rng: random.Random) -> None:
        for _ in range(11):
            self.add(rng)

    # -- a source of the suite

    def transport(self) -> httpx.AsyncBaseTransport:
        return httpx.MockTransport(self.handle)

    def accounts(self) -> Mapping[str, str]:
        return {"default": "api.example"}

    def truth(self, account: Account) -> Mapping[str, Mapping[str, JSON]]:
        return {"": {name: self.shown(entry) for name, entry in self.entries.items()}}

    def change(self, rng: random.Random) -> None:
        what = rng.choice(["add", "edit", "edit", "delete"])
        if what == "add" or len(self.entries) < 4:
            self.add(rng)
        elif what == "delete":
            self.delete(rng)
        else:
            self.edit(rng.choice(sorted(self.entries)), rng)

    def delete(self, rng: random.Random) -> None:
        name = rng.choice(sorted(self.entries))
        self.entries.pop(name)
        self.gone[name] = self.tick()

    def grow(self, count: int) -> None:
        self.size = 200
        rng = random.Random(count)
        for _ in range(count):
            self.add(rng)

    # -- entries

    def tick(self) -> int:
        self.clock += 90
        return self.clock

    def add(self, rng: random.Random) -> None:
        self._names += 1
        self.entries[str(self._names)] = {"id": self._names, "changed": self.tick(), **self.made(rng)}

    def edit(self, name: str, rng: random.Random) -> None:
        self.entries[name] |= {"changed": self.tick(), **self.made(rng)}

    def made(self, rng: random.Random) -> dict[str, Any]:
        raise NotImplementedError

    def shown(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    # -- requests

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.served.append(request)
        date = {"Date": format_datetime(datetime.fromtimestamp(self.clock, UTC), usegmt=True)}
        try:
            answer = self.answer(request, request.url.path)
        except Refused as error:
            return httpx.Response(error.status, json=error.body or {}, headers={**date, **(error.headers or {})})
        if isinstance(answer, httpx.Response):
            answer.headers.update(date)
            return answer
        return httpx.Response(200, json=answer, headers=date)

    def answer(self, request: httpx.Request, path: str) -> Any:
        raise NotImplementedError


def iso(when: int) -> str:
    return datetime.fromtimestamp(when, UTC).isoformat().replace("+00:00", "Z")


def form_of(request: httpx.Request) -> dict[str, str]:
    return dict(httpx.QueryParams(request.content.decode()).multi_items())


class Crm(Fake):
    """Contacts by page numbers, changes by time, archived ones marked; OAuth2 client credentials."""

    secrets: ClassVar[Mapping[str, str]] = {"CRM_SECRET": "crm-client-secret"}
    token = "crm-access-token"

    def accounts(self) -> Mapping[str, str]:
        return {"default": "api.crm.example"}

    def made(self, rng: random.Random) -> dict[str, Any]:
        first = rng.choice(["Ana", "Bea", "Cid"])
        return {"first": first, "mail": f"{first.lower()}{rng.randrange(99)}@customer.example"}

    def shown(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "id": entry["id"],
            "updated_at": iso(entry["changed"]),
            "first_name": entry["first"],
            "last_name": "Customer",
            "emails": [{"value": entry["mail"], "label": "work"}],
            "archived": False,
        }

    def answer(self, request: httpx.Request, path: str) -> Any:
        if path == "/oauth/token":
            form = form_of(request)
            if (form.get("grant_type"), form.get("client_secret")) != ("client_credentials", "crm-client-secret"):
                raise Refused(400, {"error": "invalid_client"})
            return {"access_token": self.token, "token_type": "Bearer", "expires_in": 3600}
        if request.headers.get("authorization") != f"Bearer {self.token}":
            raise Refused(401)
        if path != "/v2/contacts":
            raise Refused(404)
        query = request.url.params
        since = query.get("updated_since", "")
        archived = [{"id": int(name), "updated_at": iso(when), "archived": True} for name, when in self.gone.items()]
        every = sorted([*map(self.shown, self.entries.values()), *archived], key=lambda one: one["id"])
        found = [one for one in every if one["updated_at"] >= since]
        start = (int(query["page"]) - 1) * self.size
        return {"data": found[start : start + self.size], "meta": {"total": len(found)}}


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def body_of(request: httpx.Request) -> Any:
    return json.loads(request.content or b"{}")
