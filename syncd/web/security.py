"""The guard at the door of every request: host, token or session, forged requests, headers of the answer.

Public: Guard (ASGI middleware), error_answer, too_many, wants_page.

It sets `request.state.principal` ("token", "session", or None on the open paths) and `request.state.session`. What it
refuses is answered in the form of every error of the API; a browser without a session is shown to the login page.
"""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from urllib.parse import parse_qs, quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from syncd.config.formats import is_loopback, parse_listen
from syncd.control.errors import BUSY, CREDENTIAL, USAGE, ControlError
from syncd.engine.log import logger

from .access import Access, Attempts
from .answers import failure, refusal
from .sessions import COOKIE, CSRF_FIELD, CSRF_HEADER, Session, Sessions, same_origin

__all__ = ["Guard", "error_answer", "too_many", "wants_page"]

OPEN = ("/healthz", "/readyz")
PUBLIC = (*OPEN, "/login")  # and what the login page is made of:
ASSETS = "/static/"
SAFE = ("GET", "HEAD", "OPTIONS")
LARGEST_FORM = 1 << 20
WRONG, WINDOW = 60, 60.0  # wrong bearer tokens that one client may send in so many seconds

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-src 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # with no-referrer browsers would send forms with `Origin: null`
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}

log = logger()


TOO_LARGE = refusal(
    ControlError(
        "the request is larger than what this is for",
        hint="a folder to plan or validate may have 32 MiB, all else 1 MiB",
        exit_code=USAGE,
        status=413,
    )
)


@dataclass(frozen=True, slots=True)
class _Caller:
    """Who asks; a `refused` one is told so."""

    principal: str | None = None
    session: Session | None = None
    refused: ControlError | None = None


class Guard:
    """Pure ASGI, so that streams pass untouched."""

    def __init__(self, app: ASGIApp, access: Access, sessions: Sessions) -> None:
        self._app = app
        self._access = access
        self._sessions = sessions
        self._attempts = Attempts(access.clock, WRONG, WINDOW)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers, started, too_large = Headers(scope=scope), False, False

        async def sending(message: Message) -> None:
            nonlocal started, too_large
            if message["type"] == "http.response.start":
                started, too_large = True, message["status"] == 413 and not _is_json(message)
                if too_large:  # the web framework says it in words of its own
                    message = {**message, "headers": list(TOO_LARGE.raw_headers)}
                answer = MutableHeaders(scope=message)
                if scope["path"].startswith(ASSETS):
                    answer.setdefault("cache-control", "no-cache")  # kept, and asked for whether it is another by now
                _harden(answer)
            elif too_large:
                message = {**message, "body": TOO_LARGE.body}
            await send(message)

        try:
            refused, receive = await self._judged(scope, headers, receive)
            await (refused or self._app)(scope, receive, sending)
        except Exception as error:
            if started:
                raise  # the connection is cut: half an answer must not look whole
            log.error("a request failed", method=scope["method"], path=scope["path"], exc_info=error)
            await error_answer(scope, failure(error))(scope, receive, sending)

    async def _judged(self, scope: Scope, headers: Headers, receive: Receive) -> tuple[Response | None, Receive]:
        """The refusal, if it is one, and a `receive` that still has the whole body."""
        path = scope["path"]
        if path not in OPEN and (refused := self._wrong_host(scope, headers)):
            return refusal(refused), receive
        caller = self._caller(scope, headers)
        if caller.principal is None and path not in PUBLIC and not path.startswith(ASSETS):
            return self._turned_away(scope, headers, caller), receive
        if scope["method"] not in SAFE and caller.principal != "token" and path not in OPEN:
            receive, forged = await _forged(headers, receive, caller.session)
            if forged is not None:
                return refusal(forged), receive
        state = scope.setdefault("state", {})
        state["principal"], state["session"] = caller.principal, caller.session
        return None, receive

    def _wrong_host(self, scope: Scope, headers: Headers) -> ControlError | None:
        """A page of another site may have its name point here (DNS rebinding): only our own names are answered."""
        if scope.get("server") is None or scope["server"][1] is None:
            return None  # a unix socket, which no web page reaches
        given = headers.getlist("host")
        if len(given) == 1 and _is_ours(given[0], self._access.listen):
            return None
        return ControlError(
            "the request names a host that is not this daemon",
            code="SYN-API-003",
            hint="ask the address of `daemon.listen`; a name is answered if `listen` is that name",
            exit_code=USAGE,
            status=421 if len(given) == 1 else 400,
        )

    def _caller(self, scope: Scope, headers: Headers) -> _Caller:
        """By token if one is given, else by session."""
        given = headers.get("authorization")
        if given is not None:
            return self._bearer(scope, given)
        cookie = _cookie(headers)
        session = self._sessions.read(cookie) if cookie else None
        return _Caller("session", session) if session else _Caller()

    def _bearer(self, scope: Scope, given: str) -> _Caller:
        client = scope["client"][0] if scope.get("client") else ""
        wait = self._attempts.wait(client) if client else 0.0
        if wait:
            return _Caller(refused=too_many(wait))
        scheme, _, token = given.partition(" ")
        if scheme.lower() == "bearer" and self._access.knows(token.strip().encode("latin-1")):
            return _Caller("token")
        if client:
            self._attempts.wrong(client)
        return _Caller()

    def _turned_away(self, scope: Scope, headers: Headers, caller: _Caller) -> Response:
        if caller.refused is not None:
            return refusal(caller.refused)
        if wants_page(scope["path"], headers):
            query = scope["query_string"].decode("latin-1")
            there = scope["path"] + (f"?{query}" if query else "")
            if scope["method"] not in SAFE:  # a form of a page whose session is over: back to that page
                there = urlsplit(headers.get("referer", "")).path or "/"
            plain = there == "/"
            return RedirectResponse("/login" if plain else f"/login?next={quote(there, safe='/')}", status_code=303)
        given = "authorization" in headers
        return refusal(
            ControlError(
                "the token is wrong" if given else "this needs the daemon's token",
                code="SYN-API-001",
                hint="send `Authorization: Bearer TOKEN`: the value of daemon.token, else of api-token in the state directory",
                exit_code=CREDENTIAL,
                status=401,
            ),
            {"www-authenticate": 'Bearer realm="syncd"' + (', error="invalid_token"' if given else "")},
        )


def wants_page(path: str, headers: Mapping[str, str]) -> bool:
    """Whether it is a browser that asks for a page."""
    return "text/html" in headers.get("accept", "") and not path.startswith("/api/")


def error_answer(scope: Scope, error: ControlError, headers: Mapping[str, str] | None = None) -> Response:
    """The error as JSON, or as a page where a browser asked for one and the dashboard is there."""
    page = getattr(scope["app"].state, "error_page", None)
    if page is None or not wants_page(scope["path"], Headers(scope=scope)):
        return refusal(error, headers)
    try:
        shown: Response = page(Request(scope), error)
    except Exception as broken:  # what tells of errors must not be one more
        log.error("the page that tells of an error failed", path=scope["path"], exc_info=broken)
        return refusal(error, headers)
    return shown


def too_many(wait: float) -> ControlError:
    """A client that has guessed too often."""
    return ControlError(
        f"too many wrong tokens: try again in {int(wait) + 1} s",
        code="SYN-API-002",
        hint="look at who sends them; the right token is daemon.token, else api-token in the state directory",
        exit_code=BUSY,
        status=429,
        retry_after=int(wait) + 1,
    )


async def _forged(headers: Headers, receive: Receive, session: Session | None) -> tuple[Receive, ControlError | None]:
    """Refuse what another site's page could have sent; gives a `receive` that still has the body."""
    refused = ControlError(
        "the request does not come from a page of this daemon",
        code="SYN-API-004",
        hint="reload the page and try again; scripts use the token instead of a session",
        exit_code=USAGE,
        status=403,
    )
    if not same_origin(headers):
        return receive, refused
    if session is None:
        return receive, None  # the login
    given = headers.get(CSRF_HEADER)
    if given is None and headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        body = await _body(receive)
        if body is None:
            return receive, ControlError("the form is too large", exit_code=USAGE, status=413)
        given = parse_qs(body.decode("utf-8", "replace")).get(CSRF_FIELD, [""])[0]
        receive = _again(body, receive)
    return receive, None if given is not None and session.made(given) else refused


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None if it is too large."""
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if len(body) > LARGEST_FORM:
            return None
        if not message.get("more_body", False):
            return body


def _again(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body once more, then goes on as before."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receiving() -> Message:
        return waiting.pop() if waiting else await receive()

    return receiving


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _is_ours(given: str, listen: str) -> bool:
    """Whether a Host header may mean this daemon: loopback, the address listened on, or, on all addresses, any address and
    this machine's name. An address is safe where a name is not: nobody's DNS can point it elsewhere.
    """
    host, address = _host(given), parse_listen(listen)[0].lower().rstrip(".")
    if not host:
        return False
    if host in ("localhost", address) or (_is_address(host) and is_loopback(host)):
        return True
    everywhere = _is_address(address) and ip_address(address).is_unspecified
    return everywhere and (_is_address(host) or host == socket.gethostname().lower())


def _host(given: str) -> str:
    """The host of a Host header, without its port; empty if it is malformed."""
    try:
        return parse_listen(given if _has_port(given) else f"{given}:80")[0].lower().rstrip(".")
    except ValueError:
        return ""


def _has_port(given: str) -> bool:
    return ":" in given.rpartition("]")[2]


def _is_address(host: str) -> bool:
    try:
        return bool(ip_address(host))
    except ValueError:
        return False


def _is_json(message: Message) -> bool:
    return Headers(raw=message["headers"]).get("content-type", "").startswith("application/json")


def _harden(headers: MutableHeaders) -> None:
    """What every answer carries, unless it says otherwise itself."""
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    if "content-security-policy" not in headers:
        headers["content-security-policy"] = CSP
        headers["x-frame-options"] = "DENY"
