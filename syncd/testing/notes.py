"""A small provider in memory: people, their notebooks, notes with attachments, and tags.

Public: NotesApi (the provider), NotesSource (the same, as the conformance suite wants it). The connector for it is
`syncd.testing.notes_connector`; docs/connectors.md builds another one. Use both to try your own tests. Writing and
notifications are `syncd.testing.notes_desk`.

    POST /token                                  {"client_secret"} → {"access_token", "expires_in"}
    GET  /users?page=                            {"users": [{"id", "email", "name", "state"}], "next"}
    GET  /users/U/notebooks                      {"notebooks": [{"id", "title"}]}
    GET  /users/U/notebooks/B/notes?page=        {"notes": [note], "next" + "more" | "sync"}; "more": the URL
    GET  /users/U/notebooks/B/changes?since=     {"changes": [{"note": note} | {"gone": id}], "next" | "sync"}
    GET  /users/U/notes/N                        note, or 404
    GET  /users/U/tags?offset=                   {"tags": [{"id", "name"}], "total"}
    GET  /attachments/A                          bytes
    GET  /people?place=                          {"items": [{"id", "email", "state"}], "next"}
    GET  /people/U/feed?place=                   {"items": [note | {"id", "gone"}], "next" | "sync"}: all notebooks as one
                                                 log, from the beginning without a place

Instead of a token, HTTP basic authentication with the client secret as password is good, too. A cursor that is too old is answered 410. Errors are {"error": text}.
"""

import base64
import hashlib
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from syncd.sdk import JSON, Account, Secret
from syncd.sdk.http import httpx

from .notes_desk import Call, Desk, Note, Refused

__all__ = ["ROOT", "NotesApi", "NotesSource"]

ROOT = "https://notes.example"
SECRET = "correct-horse-battery"  # noqa: S105 - an invented one
BASIC = "Basic " + base64.b64encode(f"key:{SECRET}".encode()).decode()
TOKEN = "token-of-the-notes-api"  # noqa: S105


@dataclass(slots=True)
class Person:
    id: str
    email: str
    name: str
    state: str = "active"
    notebooks: list[str] = field(default_factory=list)


class NotesApi:
    """The provider. `size`: items per page; `epoch`: raised when cursors expire; `served`: requests by path."""

    def __init__(self, size: int = 3) -> None:
        self.size = size
        self.epoch = 0
        self.clock = 0
        self.people: dict[str, Person] = {}
        self.notes: dict[str, Note] = {}
        self.moves: list[tuple[int, str, str, str]] = []  # (when, user, notebook, note that left it)
        self.busy = 0  # requests that are still answered "busy"
        self.lost = 0  # requests whose first item is still mangled
        self.desk = Desk(self)

    # -- changing it -----------------------------------------------------------------------------------------------

    def tick(self) -> int:
        self.clock += 1
        return self.clock

    def write(self, note: Note) -> None:
        """Add or change a note."""
        note.changed = self.tick()
        self.notes[note.id] = note
        self.desk.noticed(note.user)

    def leave(self, note: Note, notebook: str | None) -> None:
        """Move a note to another notebook; None deletes it."""
        assert note.notebook is not None
        self.moves.append((self.tick(), note.user, note.notebook, note.id))
        note.notebook = notebook
        note.changed = self.tick()
        self.desk.noticed(note.user)

    # -- answering ---------------------------------------------------------------------------------------------------

    def handle(self, request: httpx.Request) -> httpx.Response:
        """One request: `httpx.MockTransport(api.handle)`."""
        try:
            if self.busy > 0:
                self.busy -= 1
                raise Refused(403, "busy")
            made = self._route(request)
        except Refused as error:
            return httpx.Response(error.status, json={"error": str(error)})
        if isinstance(made, bytes):
            return httpx.Response(200, content=made)
        if self.lost > 0 and made.get("notes"):
            self.lost -= 1
            made["notes"][0] = {"title": "no id"}
        return httpx.Response(200, json=made)

    def _route(self, request: httpx.Request) -> Any:
        parts = [unquote(part) for part in request.url.raw_path.decode().partition("?")[0].split("/")[1:]]
        query = request.url.params
        if parts == ["token"]:
            return self._token(request)
        if request.headers.get("authorization") not in (f"Bearer {TOKEN}", BASIC):
            raise Refused(401, "sign in")
        if request.method != "GET":
            return self.desk.answer(request, parts)
        match parts:
            case ["users"]:
                return self._users(int(query.get("page") or 0))
            case ["users", user, "notebooks"]:
                return {"notebooks": [{"id": name, "title": name.title()} for name in self._person(user).notebooks]}
            case ["users", user, "notebooks", notebook, "notes"]:
                return self._listing(user, notebook, query.get("page"))
            case ["users", user, "notebooks", notebook, "changes"]:
                return self._changes(user, notebook, query["since"])
            case ["users", user, "notes", note]:
                return self._note(user, note)
            case ["users", user, "tags"]:
                return self._tags(user, int(query.get("offset", 0)))
            case ["people"]:
                return self._people(int(query.get("place") or 0))
            case ["people", user, "feed"]:
                return self._feed(user, query.get("place") or f"sync:{self.epoch}:0:")
            case ["attachments", ref]:
                return self._attachment(ref)
        raise Refused(404, "no such thing")

    def _token(self, request: httpx.Request) -> dict[str, JSON]:
        if json.loads(request.content).get("client_secret") != SECRET:
            raise Refused(400, "wrong secret")
        return {"access_token": TOKEN, "expires_in": 3600}

    def _person(self, user: str) -> Person:
        if user not in self.people:
            raise Refused(404, "no such user")
        return self.people[user]

    def _users(self, start: int) -> dict[str, JSON]:
        people = [{"id": p.id, "email": p.email, "name": p.name, "state": p.state} for p in self.people.values()]
        answer: dict[str, JSON] = {"users": people[start : start + 2]}
        if start + 2 < len(people):
            answer["next"] = str(start + 2)
        return answer

    def _people(self, start: int) -> dict[str, JSON]:
        answer = self._users(start)
        return {"items": answer.pop("users"), **answer}

    def _feed(self, user: str, place: str) -> dict[str, JSON]:
        start, _ = self._read(place, "sync")
        mine = [note for note in self.notes.values() if note.user == self._person(user).id and note.changed > start]
        events = [note.json() if note.notebook else {"id": note.id, "gone": note.changed} for note in mine]
        order = sorted(zip((note.changed for note in mine), events, strict=True), key=lambda event: event[0])
        more = len(order) > self.size
        end = order[self.size - 1][0] if more else self.clock
        items = [event for _, event in order[: self.size] if start or "gone" not in event]
        return {"items": items, "next" if more else "sync": f"sync:{self.epoch}:{end}:"}

    def living(self, user: str, notebook: str | None = None) -> list[Note]:
        """Notes in the order of their ids."""
        return sorted(
            (
                note
                for note in self.notes.values()
                if note.user == user and note.notebook is not None and notebook in (None, note.notebook)
            ),
            key=lambda note: note.id,
        )

    def _listing(self, user: str, notebook: str, page: str | None) -> dict[str, JSON]:
        self._notebook(user, notebook)
        since, after = (self.clock, "") if not page else self._read(page, "list")
        rest = [note for note in self.living(user, notebook) if note.id > after]
        answer: dict[str, JSON] = {"notes": [note.json() for note in rest[: self.size]]}
        if len(rest) > self.size:
            answer["next"] = f"list:{self.epoch}:{since}:{rest[self.size - 1].id}"
            answer["more"] = f"{ROOT}/users/{user}/notebooks/{notebook}/notes?page={answer['next']}"
        else:
            answer["sync"] = f"sync:{self.epoch}:{since}:"
        return answer

    def _changes(self, user: str, notebook: str, since: str) -> dict[str, JSON]:
        self._notebook(user, notebook)
        start, _ = self._read(since, "sync")
        events: list[tuple[int, dict[str, JSON]]] = [
            (note.changed, {"note": note.json()}) for note in self.living(user, notebook) if note.changed > start
        ]
        events += [
            (when, {"gone": name})
            for when, owner, left, name in self.moves
            if when > start and (owner, left) == (user, notebook) and self.notes[name].notebook != notebook
        ]
        events.sort(key=lambda event: event[0])
        chunk = events[: self.size]
        more = len(events) > self.size
        place = f"sync:{self.epoch}:{chunk[-1][0] if more else self.clock}:"
        return {"changes": [event for _, event in chunk], "next" if more else "sync": place}

    def _notebook(self, user: str, notebook: str) -> None:
        if notebook not in self._person(user).notebooks:
            raise Refused(404, "no such notebook")

    def _read(self, token: str, kind: str) -> tuple[int, str]:
        try:
            name, epoch, since, after = token.split(":", 3)
            place = int(epoch), int(since)
        except ValueError:
            raise Refused(400, "bad token") from None
        if name != kind:
            raise Refused(400, "bad token")
        if place[0] != self.epoch:
            raise Refused(410, "too old")
        return place[1], after

    def _note(self, user: str, name: str) -> dict[str, JSON]:
        note = self.notes.get(name)
        if note is None or note.user != user or note.notebook is None:
            raise Refused(404, "no such note")
        return note.json()

    def tags(self, user: str) -> dict[str, dict[str, JSON]]:
        """A tag per first letter of the titles."""
        letters = sorted({note.title[:1] for note in self.living(user)})
        return {f"tag-{letter}": {"id": f"tag-{letter}", "name": letter.upper()} for letter in letters}

    def _tags(self, user: str, offset: int) -> dict[str, JSON]:
        tags = list(self.tags(user).values())
        return {"tags": tags[offset : offset + self.size], "total": len(tags)}

    def _attachment(self, ref: str) -> bytes:
        for note in self.notes.values():
            if note.attachment and hashlib.sha256(note.attachment).hexdigest().startswith(ref):
                return note.attachment
        raise Refused(404, "no such attachment")


class NotesSource:
    """Three people with notes in two or three notebooks each; `stream` says whose truth is asked for: notes, tags or feed."""

    def __init__(self, seed: int = 0, stream: str = "notes") -> None:
        self.api = NotesApi()
        self.stream = stream
        self.settings: Mapping[str, Any] = {"root": ROOT, "client_secret": Secret(lambda: SECRET, "${env:NOTES}")}
        self._names = 0
        rng = random.Random(f"notes {seed}")  # noqa: S311 - a reproducible world
        for index, name in enumerate(("ada", "bob", "eve")):
            books = ["inbox", "work", "attic"][: 2 + index % 2]
            self.api.people[f"u{index}"] = Person(f"u{index}", f"{name}@acme.example", name.title(), notebooks=books)
        self.api.people["u2"].state = "suspended"
        for _ in range(24):
            self._add(rng)

    def transport(self) -> httpx.AsyncBaseTransport:
        return httpx.MockTransport(self.api.handle)

    def accounts(self) -> Mapping[str, str]:
        return {person.id: person.email for person in self.api.people.values()}

    def truth(self, account: Account) -> Mapping[str, Mapping[str, JSON]]:
        if self.stream == "tags":
            return {"": self.api.tags(account.id)}
        if self.stream == "feed":
            return {"": {note.id: note.json() for note in self.api.living(account.id)}}
        books = self.api.people[account.id].notebooks
        return {book: {note.id: note.json() for note in self.api.living(account.id, book)} for book in books}

    def change(self, rng: random.Random) -> None:
        kind = rng.choice(["add", "add", "edit", "edit", "attach", "delete", "move", "touch"])
        note = self._any(rng)
        if kind == "add" or note is None:
            self._add(rng)
        elif kind == "delete":
            self.api.leave(note, None)
        elif kind == "move":
            self.api.leave(note, rng.choice(self.api.people[note.user].notebooks))
        else:
            note.text = note.text if kind == "touch" else note.text + "!"
            note.attachment = rng.randbytes(40) if kind == "attach" else note.attachment
            self.api.write(note)

    def delete(self, rng: random.Random) -> None:
        if (note := self._any(rng)) is not None:
            self.api.leave(note, None)

    def expire(self) -> None:
        self.api.epoch += 1

    def rename(self) -> None:
        self.api.people["u0"].email = "ada.lovelace@acme.example"

    def grow(self, count: int) -> None:
        self.api.size = 200
        for index in range(count):
            self.api.write(Note(f"zz{index:06}", "u0", "inbox", f"note {index}", "x" * 200, 0))

    def draft(self, rng: random.Random) -> Mapping[str, JSON]:
        return {"title": f"draft {rng.randrange(10**6)} ünïcödé", "text": f"text {rng.randrange(10**6)}"}

    def pushes(self) -> list[Call]:
        calls, self.api.desk.calls = self.api.desk.calls, []
        return calls

    def troubles(self) -> Mapping[str, Callable[[], None]]:
        return {"busy": self._busy, "an item without an id": self._lose}

    def calm(self) -> None:
        self.api.busy = self.api.lost = 0

    def throttles(self) -> list[httpx.Response]:
        request = httpx.Request("GET", ROOT)
        return [httpx.Response(403, json={"error": "busy"}, request=request)]

    def _busy(self) -> None:
        self.api.busy = 3

    def _lose(self) -> None:
        self.api.lost = 1

    def _any(self, rng: random.Random) -> Note | None:
        notes = [note for note in self.api.notes.values() if note.notebook is not None]
        return rng.choice(notes) if notes else None

    def _add(self, rng: random.Random) -> None:
        self._names += 1
        user = rng.choice(["u0", "u0", "u0", "u1", "u1", "u2"])
        book = rng.choice(self.api.people[user].notebooks)
        content = rng.randbytes(rng.randrange(1, 90)) if rng.random() < 0.4 else None
        title = rng.choice("abcdefghijklmn") + f" note {self._names} ünïcödé"
        self.api.write(Note(f"n{rng.randrange(10**9):09}", user, book, title, "text", 0, content))
