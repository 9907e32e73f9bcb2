"""Four small APIs in memory, as the pages of docs/http.md describe them: they answer requests, and can be changed.

Each is a source of the conformance suite, too. `settings` are given by the test: they come out of that page.
"""

import base64
import hashlib
import json
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, ClassVar
from urllib.parse import quote, unquote

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


class Tracker(Fake):
    """Projects, their issues, and the issues' comments: by offset, changes by time in epoch seconds; basic auth."""

    secrets: ClassVar[Mapping[str, str]] = {"TRACKER_PASSWORD": "tracker-password"}
    stream = "issues"

    def accounts(self) -> Mapping[str, str]:
        return {"default": "tracker.example"}

    def fill(self, rng: random.Random) -> None:
        self.projects = {"web": "Web site", "app/ios": "App"}
        self.busy = 0
        for _ in range(16):
            self.add(rng)

    def made(self, rng: random.Random) -> dict[str, Any]:
        comments = [{"id": f"c{rng.randrange(10**6)}", "text": "seen"} for _ in range(rng.randrange(2))]
        return {"title": f"Broken {rng.randrange(999)}", "comments": comments}

    def change(self, rng: random.Random) -> None:
        """Without deletions: delta rounds do not see them, which the suite asks for by `delete`."""
        if rng.random() < 0.5:
            self.add(rng)
        else:
            self.edit(rng.choice(sorted(self.entries)), rng)

    def add(self, rng: random.Random) -> None:
        super().add(rng)
        self.entries[str(self._names)]["project"] = rng.choice(sorted(self.projects))

    def shown(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        return {"key": f"I-{entry['id']}", "title": entry["title"], "changed": entry["changed"]}

    def truth(self, account: Account) -> Mapping[str, Mapping[str, JSON]]:
        if self.stream == "comments":
            return {
                f"{quote(one['project'], safe='')}/I-{name}": {note["id"]: note for note in one["comments"]}
                for name, one in self.entries.items()
            }
        found: dict[str, dict[str, JSON]] = {quote(name, safe=""): {} for name in self.projects}
        for name, entry in self.entries.items():
            found[quote(entry["project"], safe="")][f"I-{name}"] = self.shown(entry)
        return found

    def throttles(self) -> list[httpx.Response]:
        request = httpx.Request("GET", self.root)
        return [httpx.Response(403, json={"error": {"code": "quota"}}, request=request)]

    def troubles(self) -> Mapping[str, Callable[[], None]]:
        return {"quota": self._exhaust}

    def calm(self) -> None:
        self.busy = 0

    def _exhaust(self) -> None:
        self.busy = 3

    def answer(self, request: httpx.Request, path: str) -> Any:
        if request.headers.get("authorization") != basic("syncd@acme.example", "tracker-password"):
            raise Refused(401)
        if self.busy > 0:
            self.busy -= 1
            raise Refused(403, {"error": {"code": "quota"}}, {"X-Quota-Reset": str(self.clock + 7)})
        parts = [unquote(part) for part in request.url.raw_path.decode().partition("?")[0].split("/")[3:]]
        query = request.url.params
        if parts == ["projects"]:
            return self._slice([{"id": name, "name": title} for name, title in sorted(self.projects.items())], query)
        if parts[0] == "projects" and parts[2:] == ["issues"] and parts[1] in self.projects:
            since = int(query.get("changed_after", 0))
            mine = [one for one in self.entries.values() if one["project"] == parts[1] and one["changed"] >= since]
            return self._slice([self.shown(one) for one in mine], query)
        entry = self.entries.get(parts[1].removeprefix("I-")) if parts[0] == "issues" else None
        if entry is None:
            raise Refused(404)
        return {"issue": self.shown(entry)} if parts[2:] == [] else self._slice(entry["comments"], query)

    def _slice(self, found: list[Any], query: httpx.QueryParams) -> dict[str, Any]:
        start = int(query["offset"])
        return {"results": found[start : start + self.size], "has_more": len(found) > start + self.size}


class Comments(Tracker):
    """The same, asked for its third level."""

    stream = "comments"


class Drive(Fake):
    """People and their documents, by Link headers, with content; a bearer token."""

    secrets: ClassVar[Mapping[str, str]] = {"DOCS_TOKEN": "docs-token-value"}

    def fill(self, rng: random.Random) -> None:
        self.people = {"u1": "ana@acme.example", "u2": "bob@acme.example", "u3": "cid@acme.example"}
        for _ in range(16):
            self.add(rng)

    def accounts(self) -> Mapping[str, str]:
        return self.people

    def rename(self) -> None:
        self.people["u1"] = "ana.maria@acme.example"

    def made(self, rng: random.Random) -> dict[str, Any]:
        return {"text": f"text {rng.randrange(999)}"}

    def add(self, rng: random.Random) -> None:
        super().add(rng)
        self.entries[str(self._names)]["owner"] = rng.choice(["u1", "u2"])

    def shown(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        content = entry["text"].encode()
        return {
            "uuid": f"d{entry['id']}",
            "filename": f"{entry['id']}.txt",
            "type": "text/plain",
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "modified": iso(entry["changed"]),
        }

    def truth(self, account: Account) -> Mapping[str, Mapping[str, JSON]]:
        mine = [self.shown(one) for one in self.entries.values() if one["owner"] == account.id]
        return {"": {one["uuid"]: one for one in mine}}

    def answer(self, request: httpx.Request, path: str) -> Any:
        if request.headers.get("authorization") != "Bearer docs-token-value":
            raise Refused(401)
        parts = path.split("/")[2:]
        if parts == ["people"]:
            listed = [
                {"id": one, "mail": mail, "status": "left" if one == "u3" else "active"}
                for one, mail in self.people.items()
            ]
            return self._page(request, [{**one, "at": one["id"]} for one in listed])
        if parts[0] == "people" and parts[2:] == ["documents"] and parts[1] in self.people:
            mine = [self.shown(one) for one in self.entries.values() if one["owner"] == parts[1]]
            return self._page(request, [{**one, "at": one["uuid"]} for one in mine])
        entry = self.entries.get(parts[1].removeprefix("d")) if parts[0] == "documents" else None
        if entry is None:
            raise Refused(404)
        return httpx.Response(200, content=entry["text"].encode())

    def _page(self, request: httpx.Request, found: list[dict[str, Any]]) -> httpx.Response:
        """Pages by the last id seen: nothing shifts when something is deleted."""
        after = request.url.params.get("after", "")
        rest = [one for one in sorted(found, key=lambda one: str(one["at"])) if one["at"] > after]
        shown = [{key: value for key, value in one.items() if key != "at"} for one in rest[: self.size]]
        response = httpx.Response(200, json={"values": shown})
        if len(rest) > self.size:
            url = request.url.copy_set_param("after", rest[self.size - 1]["at"])
            response.headers["Link"] = f'<{url}>; rel="next", <{request.url}>; rel="self"'
        return response


class Chat(Fake):
    """Messages by POST and cursors, with sync tokens and lists of deleted ids; errors are told with status 200."""

    secrets: ClassVar[Mapping[str, str]] = {"CHAT_KEY": "chat-key-value"}

    def accounts(self) -> Mapping[str, str]:
        return {"acme": "acme.chat.example"}

    def fill(self, rng: random.Random) -> None:
        self.busy = 0
        super().fill(rng)

    def made(self, rng: random.Random) -> dict[str, Any]:
        return {"text": f"hello {rng.randrange(999)}"}

    def shown(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        when = entry["changed"]
        who = {"name": "Ana", "mail": "ana@acme.example"}
        return {"id": f"m{entry['id']}", "text": entry["text"], "author": who, "to": ["general"], "ts": when * 1000}

    def truth(self, account: Account) -> Mapping[str, Mapping[str, JSON]]:
        return {"": {f"m{name}": self.shown(entry) for name, entry in self.entries.items()}}

    def expire(self) -> None:
        self.epoch += 1

    def throttles(self) -> list[httpx.Response]:
        return [httpx.Response(429, request=httpx.Request("POST", self.root))]

    def troubles(self) -> Mapping[str, Callable[[], None]]:
        return {"ratelimited": self._exhaust}

    def calm(self) -> None:
        self.busy = 0

    def _exhaust(self) -> None:
        self.busy = 2

    def answer(self, request: httpx.Request, path: str) -> Any:
        if request.headers.get("x-chat-key") != "Key chat-key-value":
            raise Refused(401)
        if (request.method, path) != ("POST", "/api/messages.list"):
            raise Refused(404)
        if self.busy > 0:
            self.busy -= 1
            return {"ok": False, "error": "ratelimited"}
        asked = body_of(request)
        since, until, after = 0, self.clock, ""
        try:
            if "cursor" in asked["page"]:
                since, until, after = self._place(asked["page"]["cursor"], "page")
            elif "sync_token" in asked:
                since, _, after = self._place(asked["sync_token"], "sync")
        except ValueError:
            return {"ok": False, "error": "token_expired"}
        changed = [one for one in self.entries.values() if one["changed"] > since]
        rest = [one for one in sorted(map(self.shown, changed), key=lambda one: one["id"]) if one["id"] > after]
        answer: dict[str, Any] = {"ok": True, "messages": rest[: self.size], "deleted": [], "page": {}}
        if len(rest) > self.size:
            answer["page"]["next"] = f"page:{self.epoch}:{since}:{until}:{rest[self.size - 1]['id']}"
            return answer
        answer["deleted"] = [{"id": f"m{name}"} for name, when in self.gone.items() if when > since > 0]
        answer["sync_token"] = f"sync:{self.epoch}:{until}:{until}:"
        return answer

    def _place(self, text: str, kind: str) -> tuple[int, int, str]:
        name, epoch, since, until, after = str(text).split(":")
        if (name, int(epoch)) != (kind, self.epoch):
            raise ValueError("too old")
        return int(since), int(until), after
