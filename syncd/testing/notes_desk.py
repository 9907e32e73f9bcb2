"""The notes provider's other doors: writing, and telling who wants to know.

Public: Desk, Note, Refused. See `syncd.testing.notes` for the rest of the provider.

    POST   /users/U/notebooks/B/notes   {"title", "text"} → note; the same `Idempotency-Key` gives the same note again
    PUT    /users/U/notes/N             {"title", "text"} → note; 412 if `If-Match` is another than its `changed`
    DELETE /users/U/notes/N             204; 412 as above; 404 if it is not there
    POST   /hooks                       {"url", "user", "secret"} → {"id", "expires"}
    POST   /hooks/H                     {"id", "expires"}: prolonged; 404 if it has ended
    DELETE /hooks/H                     204, or 404

A change makes a call to the address: `{"hook", "user"}`, signed in `Notes-Signature` with HMAC-SHA256 under the secret.
"""

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from syncd.sdk import JSON
from syncd.sdk.http import httpx

if TYPE_CHECKING:
    from .notes import NotesApi

__all__ = ["Call", "Desk", "Note", "Refused"]

Call = tuple[dict[str, str], bytes]


class Refused(Exception):
    """An answer with an error status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(slots=True)
class Note:
    """A note as the provider keeps it; `notebook` None once it is deleted."""

    id: str
    user: str
    notebook: str | None
    title: str
    text: str
    changed: int
    attachment: bytes | None = None

    def json(self) -> dict[str, JSON]:
        shown: dict[str, JSON] = {
            "id": self.id,
            "title": self.title,
            "text": self.text,
            "changed": self.changed,
            "size": len(self.text),
            "tags": [{"name": "all", "weight": 1}],
        }
        if self.attachment is not None:
            digest = hashlib.sha256(self.attachment).hexdigest()
            shown["attachment"] = {"ref": digest[:24], "size": len(self.attachment), "sha256": digest}
        return shown


@dataclass(slots=True)
class Desk:
    """What writers and watchers ask of the provider. `calls`: those that go out, until somebody takes them."""

    api: "NotesApi"
    done: dict[str, dict[str, JSON]] = field(default_factory=dict)  # idempotency key → what was answered
    hooks: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    count: int = 0

    def answer(self, request: httpx.Request, parts: list[str]) -> Any:
        """One request that is no reading."""
        body = json.loads(request.content) if request.content else {}
        match request.method, parts:
            case "POST", ["users", user, "notebooks", notebook, "notes"]:
                return self._once(request, lambda: self._create(user, notebook, body))
            case "PUT", ["users", user, "notes", note]:
                return self._once(request, lambda: self._update(request, user, note, body))
            case "DELETE", ["users", user, "notes", note]:
                self.api.leave(self._current(request, user, note), None)
                return {}
            case "POST", ["hooks"]:
                return self._hook(body)
            case "POST", ["hooks", hook] if hook in self.hooks:
                return {"id": hook, "expires": "2026-01-04T12:00:00Z"}
            case "DELETE", ["hooks", hook] if hook in self.hooks:
                del self.hooks[hook]
                return {}
        raise Refused(404, "no such thing")

    def noticed(self, user: str) -> None:
        """Something of that person changed."""
        for name, hook in self.hooks.items():
            if hook["user"] == user:
                body = json.dumps({"hook": name, "user": user}).encode()
                signature = hmac.new(hook["secret"].encode(), body, hashlib.sha256).hexdigest()
                self.calls.append(({"Content-Type": "application/json", "Notes-Signature": signature}, body))

    def _once(self, request: httpx.Request, act: Any) -> dict[str, JSON]:
        key = request.headers.get("idempotency-key")
        if key is None or key not in self.done:
            answer: dict[str, JSON] = act()
            if key is None:
                return answer
            self.done[key] = answer
        return self.done[key]

    def _create(self, user: str, notebook: str, body: dict[str, Any]) -> dict[str, JSON]:
        if notebook not in self.api.people[user].notebooks:
            raise Refused(404, "no such notebook")
        self.count += 1
        self.api.write(note := Note(f"made{self.count}", user, notebook, body["title"], body["text"], 0))
        return note.json()

    def _update(self, request: httpx.Request, user: str, name: str, body: dict[str, Any]) -> dict[str, JSON]:
        note = self._current(request, user, name)
        note.title, note.text = body["title"], body["text"]
        self.api.write(note)
        return note.json()

    def _current(self, request: httpx.Request, user: str, name: str) -> Note:
        """The note, if it is as the request thinks."""
        note = self.api.notes.get(name)
        if note is None or note.user != user or note.notebook is None:
            raise Refused(404, "no such note")
        if request.headers.get("if-match", str(note.changed)) != str(note.changed):
            raise Refused(412, "it has changed")
        return note

    def _hook(self, body: dict[str, Any]) -> dict[str, JSON]:
        self.count += 1
        name = f"hook{self.count}"
        self.hooks[name] = body
        return {"id": name, "expires": "2026-01-03T12:00:00Z"}
