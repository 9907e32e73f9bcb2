"""Traffic with a simulated Microsoft Graph against Microsoft's published description of it.

Public: GraphWitness (ASGI middleware: `violations`, `seen`), check_answer, check_request.

What real answers carry beyond the description stands in EXTRA and BEYOND, each with its source in the provider's
document (shared with this repository's docs/providers/microsoft.md by section number).
"""

import base64
import binascii
import gzip
import json
import re
import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

__all__ = ["GraphWitness", "check_answer", "check_request"]

DESCRIPTION = json.loads((Path(__file__).parents[1] / "schemas/graph_v1_subset.json").read_text())
SCHEMAS, ENUMS, OPEN = DESCRIPTION["schemas"], DESCRIPTION["enums"], set(DESCRIPTION["open"])
ROOT = "/v1.0"

EXTRA = {  # properties that answers carry and the description lacks: (schema or "", property) → source
    ("", "@removed"): "§3: tombstones of delta answers",
    ("DriveItem", "@microsoft.graph.downloadUrl"): "§7: pre-authenticated URL",
    ("DriveItem", "@microsoft.graph.Decorator"): "§7: delta answers of OneDrive",
}
BEYOND = {  # paths that the subset leaves out: template → answer type
    "/users/{id}/drive/root/delta": "[#DriveItem]",
    "/drives/{id}/root/delta": "[#DriveItem]",
    "/sites/{id}/drive/root/delta": "[#DriveItem]",
    "/groups/{id}/drive/root/delta": "[#DriveItem]",
    "/users/{id}/drive": "#Drive",
    "/users/{id}/drive/root": "#DriveItem",
    "/sites": "any",
    "/sites/getAllSites": "any",
    "/sites/{id}/drives": "[#Drive]",
    "/sites/{id}/drive": "#Drive",
    "/groups/{id}/drive": "#Drive",
    "/directoryRoles": "any",
    "/directoryRoles/delta": "any",
    "/directoryRoles/{id}/members": "any",
    "/drives/{id}/items/{id}": "#DriveItem",
    "/drives/{id}/items/{id}/children": "[#DriveItem]",
    "/drives/{id}/items/{id}/content": "any",
    "/users/{id}/mailboxSettings/userPurpose": "any",
    "/users/{id}/translateExchangeIds": "any",
    "/subscriptions": "any",
    "/subscriptions/{id}": "any",
    "/subscriptions/{id}/reauthorize": "any",
}
LINKS = {"$skiptoken", "$deltatoken", "token"}  # what links carry (§3)
WINDOW = {"startdatetime", "enddatetime"}
SCALARS: dict[str, Any] = {"str": str, "bool": bool, "dict": dict}


@dataclass
class Exchange:
    """One request and its answer. `path` below the version root."""

    http: str
    path: str
    query: str
    status: int = 0
    answer_headers: dict[str, str] = field(default_factory=dict)
    answer: bytes = b""
    body: bytes = b""


def _template(path: str) -> list[str]:
    """A path of the description, or of a request, as comparable words: ids as "{}"."""
    words = []
    for word in path.strip("/").split("/"):
        called = re.fullmatch(r"(?:microsoft\.graph\.)?(\w+)\((.*)\)", word)
        if called is None:
            words.append("{}" if word.startswith("{") else word)
        elif called[2] and not called[2].startswith(("token=", "q=")):
            words += [called[1], "{}"]
        else:
            words.append(called[1])
    return words


PATHS = {tuple(_template(path)): (path, entry) for path, entry in DESCRIPTION["paths"].items()}
OTHERS = {tuple(_template(path)): kind for path, kind in BEYOND.items()}
FIRST = {words[0] for words in PATHS} | {words[0] for words in OTHERS}


def _fits(words: list[str], template: tuple[str, ...]) -> bool:
    return len(words) == len(template) and all(
        wanted in ("{}", word) or wanted.lower() == word.lower() for word, wanted in zip(words, template, strict=True)
    )


def _find(path: str) -> tuple[dict[str, Any] | None, str | None]:
    """The description's entry of a path, or the type that BEYOND gives it; (None, None) if neither knows it."""
    words = _template(path)
    exact = [template for template in PATHS if _fits(words, template)]
    if exact:
        best = max(exact, key=lambda template: sum(word != "{}" for word in template))
        return PATHS[best][1], None
    return None, next((kind for template, kind in OTHERS.items() if _fits(words, template)), None)


def check_request(http: str, path: str, query: str) -> list[str]:
    """What a request has that the description does not know."""
    entry, other = _find(path)
    where = f"{http} {path}"
    if entry is None:
        return [] if other else [f"{where}: no such path"]
    if http not in entry["ops"]:
        return [f"{where}: no such operation"]
    known = {name.lower() for name in _options(entry)} | {one.lower() for one in entry.get("rq", ())}
    asked = {name.lower() for name, _ in parse_qsl(query, keep_blank_values=True)}
    allowed = known | LINKS | (WINDOW if "calendarview" in path.lower() or "instances" in path.lower() else set())
    return [f"{where}: unknown option {name}" for name in sorted(asked - allowed)]


def _options(entry: dict[str, Any]) -> list[str]:
    return DESCRIPTION["qlists"][entry["q"]] if "q" in entry else []


def check_answer(http: str, path: str, body: Any) -> list[str]:
    """How an answer's JSON differs from what the description promises."""
    entry, other = _find(path)
    kind = other
    if entry is not None:
        kind = entry["ops"].get(http, {}).get("res")
    if kind is None or kind == "any":
        return []
    if kind.startswith("[") and isinstance(body, dict):
        body = body.get("value")
    return [f"{http} {path}: {text}" for text in _value(kind, body, "")]


def _value(kind: str, value: Any, at: str) -> list[str]:
    if value is None or kind == "any":
        return []
    if kind.startswith("["):
        if not isinstance(value, list):
            return [f"{at}: {type(value).__name__} instead of a list"]
        return [text for place, one in enumerate(value) for text in _value(kind[1:-1], one, f"{at}[{place}]")]
    if kind.startswith("#"):
        return _object(kind[1:], value, at)
    if kind.startswith("enum:"):
        return [] if value in ENUMS[kind[5:]] else [f"{at}: {value!r} is no {kind[5:]}"]
    return [] if _scalar(kind, value) else [f"{at}: {value!r} is no {kind}"]


def _object(name: str, value: Any, at: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{at}: {type(value).__name__} instead of {name}"]
    name = _actual(name, value)
    properties = _properties(name)
    out = []
    for key, one in value.items():
        place = f"{at}.{key}"
        if key in properties:
            out += _value(properties[key], one, place)
        elif not _annotation(name, key) and name not in OPEN:
            out.append(f"{place}: unknown to {name}")
    return out


def _actual(name: str, value: dict[str, Any]) -> str:
    """The type that the item says it has, if the description knows it."""
    said = str(value.get("@odata.type", "")).rpartition(".")[2]
    named = said[:1].upper() + said[1:]
    return named if named in SCHEMAS else name


def _annotation(name: str, key: str) -> bool:
    known = ("", key) in EXTRA or any((one, key) in EXTRA for one in _line(name))
    return (
        known
        or re.search(r"@odata\.(context|etag|type|id|count|nextLink|deltaLink|associationLink|navigationLink)$", key)
        is not None
    )


def _line(name: str) -> list[str]:
    """A schema and its bases."""
    out = []
    current: str | None = name
    while current:
        out.append(current)
        current = SCHEMAS[current].get("b")
    return out


def _properties(name: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in reversed(_line(name)):
        found |= SCHEMAS[one].get("p", {})
    return found


def _scalar(kind: str, value: Any) -> bool:
    try:
        match kind:
            case "str" | "dur" | "time":
                return isinstance(value, str)
            case "int":
                return isinstance(value, int) and not isinstance(value, bool)
            case "float":
                return isinstance(value, int | float) and not isinstance(value, bool)
            case "bool":
                return isinstance(value, bool)
            case "dt":
                return datetime.fromisoformat(_six_digits(value)).tzinfo is not None
            case "date":
                return bool(date.fromisoformat(value))
            case "uuid":
                return bool(uuid.UUID(value))
            case "bytes":
                return base64.b64decode(value, validate=True) is not None
    except (ValueError, TypeError, AttributeError, binascii.Error):
        return False
    raise AssertionError(f"unknown type code {kind}")


def _six_digits(value: str) -> str:
    return re.sub(r"(\.\d{6})\d+", r"\1", value)


class GraphWitness:
    """ASGI middleware that checks every exchange below /v1.0, those inside batches too.

    `violations` collects; `seen` counts the words of paths. Answers that a fault plan made unreadable are violations:
    keep faults and witness apart.
    """

    def __init__(self, app: Any) -> None:
        self.app = app
        self.violations: list[str] = []
        self.seen: Counter[str] = Counter()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope.get("raw_path", scope.get("path", "").encode()).decode().partition("?")[0]
        if scope["type"] != "http" or not path.startswith(f"{ROOT}/"):
            await self.app(scope, receive, send)
            return
        exchange = Exchange(scope["method"], path.removeprefix(ROOT), scope["query_string"].decode())

        async def listen() -> Any:
            message = await receive()
            exchange.body += message.get("body", b"")
            return message

        async def speak(message: Any) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                exchange.answer_headers = {k.decode().lower(): v.decode() for k, v in message["headers"]}
            else:
                exchange.answer += message.get("body", b"")
                if not message.get("more_body"):
                    self._check(exchange)
            await send(message)

        await self.app(scope, listen, speak)

    def _check(self, exchange: Exchange) -> None:
        body = exchange.answer
        if exchange.answer_headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        if not exchange.answer_headers.get("content-type", "").startswith("application/json"):
            self._look(exchange.http, exchange.path, exchange.query, exchange.status, None)
            return
        answer = json.loads(body) if body else None
        if exchange.path == "/$batch":
            self._batch(json.loads(exchange.body), answer, exchange.status)
        else:
            self._look(exchange.http, exchange.path, exchange.query, exchange.status, answer)

    def _batch(self, asked: Any, answer: Any, status: int) -> None:
        if status != 200:
            return
        requests = {one["id"]: one for one in asked["requests"]}
        for one in answer["responses"]:
            request = requests[one["id"]]
            path, _, query = ("/" + request["url"].lstrip("/")).partition("?")
            body = one.get("body")
            self._look(request["method"], path, query, one["status"], body if isinstance(body, dict) else None)

    def _look(self, http: str, path: str, query: str, status: int, answer: Any) -> None:
        self.seen["/".join(word if word.isalpha() else "{}" for word in _template(path))] += 1
        if status < 300:
            self.violations += check_request(http, path, query)
            if answer is not None:
                self.violations += check_answer(http, path, answer)
        elif answer is not None and status >= 400:
            self.violations += _error(http, path, answer)


def _error(http: str, path: str, answer: Any) -> list[str]:
    """§10: an object under `error`, with texts `code` and `message`."""
    error = answer.get("error") if isinstance(answer, dict) else None
    if (
        not isinstance(error, dict)
        or not isinstance(error.get("code"), str)
        or not isinstance(error.get("message"), str)
    ):
        return [f"{http} {path}: an error in another shape: {answer!r:.200}"]
    return []
