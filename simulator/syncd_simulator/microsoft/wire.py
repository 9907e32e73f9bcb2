"""One Graph request and one answer, free of HTTP machinery, and the routes that join them to handlers.

Public: JSON, Reply, ApiError, Call, Routes, select_of, project, unsupported.

A module of the API gives `ROUTES`, a list of (HTTP method, path template below /v1.0, handler), and says of itself
`API` (the name that faults and the request log use) and `READ`, `WRITE` (application permissions, any of which opens
its GET routes and its other routes). Path words match in any letter case, ids byte-exact; `{name}` takes one segment,
percent-decoded, into `call.args`. `word('id')` is the same as `word/id`, `microsoft.graph.delta()` as `delta`, and
`delta(token='x')` as `delta?token=x`. A handler takes (world, call) and returns a JSON object (200), a Reply, or None
(204), or raises ApiError.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

import orjson

if TYPE_CHECKING:
    from syncd_simulator.microsoft.auth import AccessToken
    from syncd_simulator.microsoft.world import MicrosoftWorld, User

__all__ = ["JSON", "ApiError", "Call", "Reply", "Routes", "project", "select_of", "unsupported"]

JSON = dict[str, Any]
IMMUTABLE = "immutableid"


@dataclass(slots=True)
class Reply:
    """An answer. `body`: a JSON value, bytes as they are (say their Content-Type), or None for no body.

    The last four are faults of the line: seconds to wait, part of the body after which the connection drops, no
    answer at all, and a function that changes the final bytes.
    """

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut: float | None = None
    reset: bool = False
    rewrite: Callable[[bytes], bytes] | None = None


class ApiError(Exception):
    """A refusal in Graph's envelope (§10). `inner` goes into innerError; `bare` leaves innerError out.

    `body` replaces the envelope by these bytes (HTML, or nothing at all).
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        inner: JSON | None = None,
        bare: bool = False,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.inner, self.bare, self.body = inner or {}, bare, body
        self.headers = headers or {}


@dataclass
class Call:
    """One API request. `path` is the raw path as it came (with /v1.0), `raw_query` the raw query.

    `query` has its decoded pairs; `root` is scheme and host that the request came to; `prefer` maps lower-case names
    to unquoted values ("" without one); `user` is the user that the path names (or the token's, for /me).
    """

    http: str
    path: str
    raw_query: str
    headers: dict[str, str]
    body: bytes
    root: str = ""
    in_batch: bool = False
    query: list[tuple[str, str]] = field(default_factory=list)
    prefer: dict[str, str] = field(default_factory=dict)
    args: dict[str, str] = field(default_factory=dict)
    api: str = ""
    method: str = ""
    token: "AccessToken | None" = None
    route: "Route | None" = None
    owner: "User | None" = None

    @classmethod
    def parse(
        cls, http: str, target: str, headers: dict[str, str], body: bytes, root: str = "", in_batch: bool = False
    ) -> "Call":
        """From a request line's parts."""
        path, _, raw = target.partition("?")
        pairs = parse_qsl(raw, keep_blank_values=True) if raw else []
        return cls(http, path, raw, headers, body, root, in_batch, pairs, parse_prefer(headers.get("prefer", "")))

    @property
    def user(self) -> "User":
        """The user that the request is about."""
        assert self.owner is not None
        return self.owner

    @property
    def target(self) -> str:
        """Path and query, byte for byte."""
        return f"{self.path}?{self.raw_query}" if self.raw_query else self.path

    @property
    def immutable(self) -> bool:
        """Whether this request asks for immutable ids (§1): each request says it anew."""
        return self.prefer.get("idtype", "").lower() == IMMUTABLE

    @property
    def downloads(self) -> str:
        """The root of the download host: the same port on another address, hence another origin (§7)."""
        scheme, _, host = self.root.partition("://")
        name, colon, port = host.partition(":")
        return f"{scheme}://{'127.0.0.2' if name in ('127.0.0.1', 'localhost') else 'downloads.' + name}{colon}{port}"

    def get(self, name: str) -> str | None:
        """The last value of a query parameter by its name in any letter case; None when absent or empty."""
        name = name.lower()
        values = [value for key, value in self.query if key.lower() == name]
        return (values[-1] or None) if values else None

    def has(self, name: str) -> bool:
        """Whether the parameter is there, empty or not."""
        name = name.lower()
        return any(key.lower() == name for key, _ in self.query)

    def number(self, name: str, most: int) -> int | None:
        """A positive integer parameter, at most `most`; None when absent, 400 when it is none."""
        text = self.get(name)
        if text is None:
            return None
        if not text.isdigit():
            raise ApiError(400, "BadRequest", f"Invalid value '{text}' for {name} query option found.")
        return min(int(text), most)

    @property
    def page_size(self) -> int | None:
        """The hint of `Prefer: odata.maxpagesize` of this request."""
        text = self.prefer.get("odata.maxpagesize", "")
        return int(text) if text.isdigit() and int(text) > 0 else None

    def json(self) -> JSON:
        """The JSON object of the body; 400 when it is something else."""
        try:
            value = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            value = None
        if not isinstance(value, dict):
            raise ApiError(400, "BadRequest", "Unable to read JSON request payload. Please ensure Content-Type header "
                           "is set and payload is of valid JSON format.")  # fmt: skip
        return value


def parse_prefer(text: str) -> dict[str, str]:
    """§1: several values may be joined with commas in one header."""
    found = {}
    for part in re.findall(r'(?:[^,"]|"[^"]*")+', text):
        name, _, value = part.strip().partition("=")
        found[name.strip().lower()] = value.strip().strip('"')
    return found


def select_of(call: Call, known: Iterable[str] = (), kind: str = "") -> list[str] | None:
    """The properties that `$select` names; None when all are meant. 400 for one that is not among `known`."""
    text = call.get("$select")
    names = [name.strip() for name in text.split(",") if name.strip()] if text else None
    lower = {name.lower() for name in known}
    for name in names or ():
        if lower and name != "*" and name.lower() not in lower:
            raise ApiError(400, "BadRequest", f"Parsing OData Select and Expand failed: Could not find a property "
                           f"named '{name}' on type 'microsoft.graph.{kind}'.")  # fmt: skip
    return names


def project(item: JSON, select: list[str] | None) -> JSON:
    """`item` cut down to the selected properties; `id` and annotations always stay."""
    if select is None or "*" in select:
        return item
    wanted = {name.lower() for name in select} | {"id"}
    return {name: value for name, value in item.items() if name[0] == "@" or name.lower() in wanted}


def unsupported(call: Call, *names: str) -> None:
    """400 when the request carries one of these query options."""
    for name in names:
        if call.has(name):
            raise ApiError(400, "BadRequest", f"The following parameters are not supported with change tracking over "
                           f"this resource: '{name}'.")  # fmt: skip


Handler = Callable[["MicrosoftWorld", Call], Any]


@dataclass(frozen=True, slots=True)
class Route:
    """One API method; `name` is what faults and the log call it, e.g. `GET /users/{u}/contactFolders`."""

    http: str
    template: str
    handler: Handler
    api: str
    permissions: frozenset[str]

    @property
    def name(self) -> str:
        """Method and template."""
        return f"{self.http} {self.template}"


KEYED = re.compile(r"(\w+)\('?([^()']*)'?\)")


def segments_of(path: str) -> tuple[list[str], list[tuple[str, str]]]:
    """The segments of a path below the version root, key-in-parentheses forms resolved, and parameters found there."""
    segments: list[str] = []
    extra: list[tuple[str, str]] = []
    for part in path.strip("/").split("/"):
        if part.lower().startswith("microsoft.graph."):
            part = part[len("microsoft.graph.") :]
        part = part.removesuffix("()")
        if KEYED_DELTA.fullmatch(part):
            name, _, value = part[6:-1].partition("=")
            segments.append("delta")
            extra.append((unquote(name), unquote(value.strip("'"))))
        elif match := KEYED.fullmatch(part):
            segments += [match[1], match[2]]
        else:
            segments.append(part)
    return segments, extra


KEYED_DELTA = re.compile(r"delta\(.*\)", re.IGNORECASE)


class Routes:
    """Finds the route of a request; templates with fewer placeholders win."""

    def __init__(self) -> None:
        self._by_length: dict[tuple[str, int], list[tuple[re.Pattern[str], Route]]] = {}

    def add(self, api: str, read: Iterable[str], write: Iterable[str], routes: Iterable[Any]) -> None:
        """Take over a module's routes."""
        for http, template, handler in routes:
            route = Route(http, template, handler, api, frozenset(read if http == "GET" else write))
            key = (http, template.count("/"))
            found = self._by_length.setdefault(key, [])
            found.append((_pattern(template), route))
            found.sort(key=lambda entry: (entry[1].template.count("{"), -len(PLACE.sub("", entry[1].template))))

    def find(self, http: str, segments: list[str]) -> tuple[Route, dict[str, str]] | None:
        """The route and its decoded arguments."""
        path = "/" + "/".join(segments)
        for pattern, route in self._by_length.get((http, len(segments)), ()):
            match = pattern.fullmatch(path)
            if match:
                return route, {name: unquote(text) for name, text in match.groupdict().items()}
        return None


PLACE = re.compile(r"(\{\w+\})")


def _pattern(template: str) -> re.Pattern[str]:
    parts = PLACE.split(template)
    return re.compile("".join(f"(?P<{p[1:-1]}>[^/]+)" if p.startswith("{") else f"(?i:{re.escape(p)})" for p in parts))
