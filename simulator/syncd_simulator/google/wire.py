"""One API request and one answer, free of HTTP machinery, and the routes that join them to handlers."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

import orjson

if TYPE_CHECKING:
    from syncd_simulator.google.auth import AccessToken
    from syncd_simulator.google.world import GoogleWorld, User

JSON = dict[str, Any]
TRUE = {"true", "1", "True", "TRUE"}


@dataclass(slots=True)
class Reply:
    """An answer. `body`: a JSON value, bytes as they are, or None for no body.

    The last four are faults of the line: seconds to wait, part of the body after which the connection drops,
    no answer at all, and a function that changes the final bytes.
    """

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut: float | None = None
    reset: bool = False
    rewrite: Callable[[bytes], bytes] | None = None


class ApiError(Exception):
    """A refusal; each API family renders it in its own envelope (google.md §1.4)."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        domain: str = "global",
        location: str | None = None,
        location_type: str = "parameter",
        status: str | None = None,
        details: list[JSON] | None = None,
        headers: dict[str, str] | None = None,
        top_message: str | None = None,
        auth: bool = False,
    ) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.domain = code, reason, message, domain
        self.location, self.location_type = location, location_type
        self.status, self.details, self.auth = status, details, auth
        self.headers = headers or {}
        self.top_message = top_message or message


@dataclass(slots=True)
class Call:
    """A request after HTTP parsing. `api`, `method`, `args`, `token` are filled in on the way to the handler."""

    http: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes
    base_url: str = ""
    in_batch: bool = False
    api: str = ""
    method: str = ""
    args: dict[str, str] = field(default_factory=dict)
    token: "AccessToken | None" = None

    @classmethod
    def parse(cls, http: str, target: str, headers: dict[str, str], body: bytes, base_url: str = "") -> "Call":
        """From a request line's parts. A POST that overrides GET has its query in the body (§1.2)."""
        path, _, query = target.partition("?")
        if http == "POST" and headers.get("x-http-method-override", "").upper() == "GET":
            http, query, body = "GET", body.decode(), b""
        values = parse_qs(query, keep_blank_values=True) if query else {}
        return cls(http, path, values, headers, body, base_url)

    @property
    def user(self) -> "User":
        """The user that the token stands for."""
        assert self.token is not None
        return self.token.user

    def get(self, name: str) -> str | None:
        """The last value of a query parameter; None when absent or empty."""
        values = self.query.get(name)
        return (values[-1] or None) if values else None

    def many(self, name: str) -> list[str]:
        """All values of a repeated parameter."""
        return self.query.get(name, [])

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean parameter."""
        value = self.get(name)
        return default if value is None else value in TRUE

    def integer(self, name: str, default: int, most: int) -> int:
        """An int32 parameter: absent or 0 gives the default, above `most` is capped (§14.7)."""
        text = self.get(name)
        if text is None:
            return default
        try:
            value = int(text)
        except ValueError:
            raise not_an_integer(name, text) from None
        if value < 0:
            raise ApiError(
                400, "invalidParameter", f"Invalid value '{text}'. Values must be within the range: [1, {most}]",
                location=name,
            )  # fmt: skip
        return min(value or default, most)

    def json(self) -> JSON:
        """The JSON object of the body; 400 when it is something else."""
        if not self.body:
            return {}
        try:
            value = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            raise ApiError(400, "parseError", "Parse Error") from None
        if not isinstance(value, dict):
            raise ApiError(400, "parseError", "Parse Error")
        return value


def not_an_integer(name: str, text: str) -> ApiError:
    """§1.4: the v2-style text for a non-integer value of an int parameter."""
    message = f"Invalid value at '{name}' (TYPE_INT32), \"{text}\""
    violation = {"field": name, "description": message}
    details = [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}]
    return ApiError(400, "badRequest", message, status="INVALID_ARGUMENT", details=details)


Handler = Callable[["GoogleWorld", Call], Any]


@dataclass(frozen=True, slots=True)
class Route:
    """One API method: any of `scopes` opens it. Handlers return a JSON object, a Reply, or None for 204."""

    http: str
    path: str
    method: str
    handler: Handler
    scopes: frozenset[str]
    units: int = 1


class Routes:
    """Finds the route of a request: exact paths first, then templates with `{name}` segments."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._exact: dict[tuple[str, str], Route] = {}
        self._templates: dict[str, list[tuple[re.Pattern[str], Route]]] = {}
        for route in routes:
            if "{" not in route.path:
                self._exact[route.http, route.path] = route
                continue
            pattern = re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+?)", re.escape(route.path)))
            self._templates.setdefault(route.http, []).append((pattern, route))

    def find(self, http: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The route and its unquoted path arguments."""
        route = self._exact.get((http, path))
        if route is not None:
            return route, {}
        for pattern, candidate in self._templates.get(http, ()):
            match = pattern.fullmatch(path)
            if match:
                return candidate, {name: unquote(text) for name, text in match.groupdict().items()}
        return None


def scopes(*names: str) -> frozenset[str]:
    """Full scope URLs from their short names."""
    prefix = "https://www.googleapis.com/auth/"
    return frozenset(name if ":" in name else prefix + name for name in names)
