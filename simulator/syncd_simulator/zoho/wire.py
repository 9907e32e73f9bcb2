"""One request and one answer, free of HTTP machinery, and the routes that join them to handlers.

Public: Call, Reply, ApiError, Route, Routes. An ApiError says what went wrong; `errors.render` gives it the envelope
of its product (zoho.md §1: every product has its own).
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, unquote

import orjson

if TYPE_CHECKING:
    from syncd_simulator.zoho.tokens import AccessToken
    from syncd_simulator.zoho.world import User, ZohoWorld

__all__ = ["JSON", "ApiError", "Call", "Handler", "Reply", "Route", "Routes"]

JSON = dict[str, Any]
TRUE = {"true", "1", "True", "TRUE"}
FORM = "application/x-www-form-urlencoded"


@dataclass(slots=True)
class Reply:
    """An answer. `body`: a JSON value, bytes as they are, or None for no body. `reason`: another reason phrase.

    The last four are faults of the line: seconds to wait, part of the body after which the connection drops,
    no answer at all, and a function that changes the final bytes.
    """

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    reason: str = ""
    delay: float = 0.0
    cut: float | None = None
    reset: bool = False
    rewrite: Callable[[bytes], bytes] | None = None


class ApiError(Exception):
    """A refusal: `code` is the product's word (`INVALID_OAUTHTOKEN`, `R008`, …), `body` overrides the envelope."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str = "",
        *,
        details: JSON | None = None,
        headers: dict[str, str] | None = None,
        reason: str = "",
        body: Any = None,
    ) -> None:
        super().__init__(f"{status} {code} {message}")
        self.status, self.code, self.message, self.reason, self.body = status, code, message, reason, body
        self.details = details or {}
        self.headers = headers or {}


@dataclass(slots=True)
class Call:
    """A request after HTTP parsing. `path` has no prefix of a data centre or a host any more; `dc` tells which.

    `product`, `method`, `args`, `token` are filled in on the way to the handler; `base_url` is scheme and host.
    """

    http: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes
    base_url: str = ""
    dc: str = ""
    product: str = ""
    method: str = ""
    args: dict[str, str] = field(default_factory=dict)
    token: "AccessToken | None" = None

    @classmethod
    def parse(cls, http: str, target: str, headers: dict[str, str], body: bytes, base_url: str = "") -> "Call":
        """From a request line's parts; header names are lower-case already."""
        path, _, query = target.partition("?")
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

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean query parameter."""
        value = self.get(name)
        return default if value is None else value in TRUE

    def form(self) -> dict[str, str]:
        """The fields of a form body; empty for another type of body."""
        if not self.body or not self.headers.get("content-type", FORM).startswith(FORM):
            return {}
        return {name: values[-1] for name, values in parse_qs(self.body.decode("utf-8", "replace")).items()}

    def param(self, name: str) -> str | None:
        """From the query or else from the form body."""
        return self.get(name) or self.form().get(name)

    def json(self) -> Any:
        """The JSON value of the body; ValueError when it is none."""
        return orjson.loads(self.body)


Handler = Callable[["ZohoWorld", Call], Any]


class Route(NamedTuple):
    """One operation. Handlers return a JSON value (200), a Reply, or raise ApiError.

    `scopes`: any one of them opens it; empty: no scope is asked for here (the handler may look itself).
    """

    http: str
    path: str
    handler: Handler
    product: str
    scopes: tuple[str, ...] = ()

    @property
    def method(self) -> str:
        """The name in request logs and fault filters: `mail.messages_view`."""
        return f"{self.product}.{self.handler.__name__}"


class Routes:
    """Finds the route of a request: exact paths first, then templates with `{name}` segments, in their order."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._exact: dict[tuple[str, str], Route] = {}
        self._templates: list[tuple[re.Pattern[str], Route]] = []
        for route in routes:
            if "{" not in route.path:
                self._exact[route.http, route.path] = route
                continue
            pattern = re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+?)", re.escape(route.path)))
            self._templates.append((pattern, route))

    def find(self, http: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The route and its unquoted path arguments."""
        route = self._exact.get((http, path))
        if route is not None:
            return route, {}
        for pattern, candidate in self._templates:
            match = pattern.fullmatch(path) if candidate.http == http else None
            if match:
                return candidate, {name: unquote(text) for name, text in match.groupdict().items()}
        return None

    def known(self, path: str) -> bool:
        """Whether the path exists under another HTTP method."""
        return any(known == path for _, known in self._exact) or any(
            pattern.fullmatch(path) for pattern, _ in self._templates
        )
