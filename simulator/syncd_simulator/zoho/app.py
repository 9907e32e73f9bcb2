"""The ASGI application: HTTP in, `Call` to the right product, `Reply` out. One port serves every host.

Public: zoho_app. A product module (`mail.py`, `workdrive.py`, …) gives `ROUTES` (see wire.Route: method, path template,
handler, product, scopes) and may give `gate(world, call) -> Reply | None`, asked before each of its handlers (throttles).
Hosts: a real host name in `Host` decides data centre and product (§2.1); else the path may begin with `/{dc}` and
`/{product}`; else it is the world's own data centre and the path decides.
"""

import asyncio
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.routing import Route as StarletteRoute
from starlette.types import Receive, Scope, Send

from syncd_simulator.line import ConnectionDropped
from syncd_simulator.zoho import accounts, calendar, contacts, crm, errors, mail, workdrive
from syncd_simulator.zoho.datacentres import CENTRES, PRODUCTS, locate
from syncd_simulator.zoho.door import Door
from syncd_simulator.zoho.requestlog import Asked
from syncd_simulator.zoho.wire import ApiError, Call, Reply, Route, Routes
from syncd_simulator.zoho.world import ZohoWorld

__all__ = ["Dispatcher", "zoho_app"]

MODULES: tuple[Any, ...] = (accounts, mail, calendar, contacts, workdrive, crm)
PREFIXES = (
    ("/oauth/", "accounts"),
    ("/api/v1/calendars", "calendar"),
    ("/api/v1/accounts", "contacts"),
    ("/api/v1/sync", "contacts"),
    ("/api/", "mail"),
    ("/workdrive/", "workdrive"),
    ("/v1/workdrive/", "download"),
    ("/crm/", "crm"),
    ("/writer/", "workdrive"),
    ("/sheet/", "workdrive"),
    ("/show/", "workdrive"),
)
BEARER_TOO = ("calendar", "workdrive", "download", "accounts")  # §3.2: `Bearer` is good enough there
JSON_TYPE = "application/json;charset=UTF-8"
NOT_HERE = b"<!DOCTYPE html><html><head><title>404</title></head><body>URL not found</body></html>"

Gate = Callable[[ZohoWorld, Call], Reply | None]


def product_of(path: str) -> str:
    """The product that a path belongs to; empty for none."""
    return next((product for prefix, product in PREFIXES if path.startswith(prefix)), "")


class Dispatcher:
    """Takes a Call through host, credentials, scope, faults, throttle and handler. Hold `world.lock` around it."""

    def __init__(self, world: ZohoWorld) -> None:
        self.world = world
        routes: dict[str, list[Route]] = {product: [] for product in PRODUCTS}
        self._gates: dict[str, Gate] = {}
        for module in MODULES:
            for entry in module.ROUTES:
                route = Route(*entry)
                routes[route.product].append(route)
                if hasattr(module, "gate"):
                    self._gates[route.product] = module.gate
        self._routes = {product: Routes(found) for product, found in routes.items()}

    def handle(self, call: Call) -> Reply:
        """The answer to one request; it is noted in the request log."""
        reply = self._answer(call)
        if not reply.reset:
            reply = self.world.faults.after(call, reply)
        who = call.token.user.address if call.token else ""
        self.world.requests.note(Asked(call.product, call.method, who, reply.status, False, call.path))
        return reply

    def _answer(self, call: Call) -> Reply:
        served = _place(self.world, call)
        call.product = product_of(call.path)
        if not call.product or call.product not in served:
            call.method = f"unknown {call.http} {call.path}"
            return Reply(404, NOT_HERE, {"Content-Type": "text/html;charset=UTF-8"})
        try:
            return self._guarded(call)
        except ApiError as error:
            return errors.render(call.product, error)

    def _guarded(self, call: Call) -> Reply:
        found = self._routes[call.product].find(call.http, call.path)
        if found is None:
            call.method = f"unknown {call.http} {call.path}"
            if call.product != "accounts":
                self._authenticate(call)
            known = self._routes[call.product].known(call.path)
            raise errors.wrong_method(call.product) if known else errors.not_found(call.product)
        route, call.args = found
        call.method = route.method
        if call.product != "accounts" or route.scopes:
            self._authenticate(call)
            if route.scopes and not self.world.credentials.allows(call.token, route.scopes):  # type: ignore[arg-type]
                raise errors.missing_scope(call.product)
        instead = self.world.faults.instead(call)
        if instead is None and call.product in self._gates:
            instead = self._gates[call.product](self.world, call)
        return instead or _reply(route.handler(self.world, call))

    def _authenticate(self, call: Call) -> None:
        scheme, _, text = call.headers.get("authorization", "").partition(" ")
        allowed = ("zoho-oauthtoken", "bearer") if call.product in BEARER_TOO else ("zoho-oauthtoken",)
        if not text:
            raise errors.missing_token(call.product)
        if scheme.lower() not in allowed:
            raise errors.missing_token(call.product)
        call.token = self.world.credentials.find(text.strip(), call.dc)
        if call.token is None or call.token.user.suspended:
            raise errors.bad_token(call.product)


def _place(world: ZohoWorld, call: Call) -> tuple[str, ...]:
    """Set the data centre, take prefixes off the path; the products that this host serves."""
    real = locate(call.headers.get("host", ""))
    if real is not None:
        call.dc, served = real
        if served == ("workdrive",) and call.path.startswith("/api/"):
            call.path = f"/workdrive{call.path}"  # §7: the direct host has the same API without the prefix
        return served
    call.dc = world.dc
    first, _, rest = call.path[1:].partition("/")
    if first in CENTRES:
        call.dc, call.path = first, f"/{rest}"
    first, _, rest = call.path[1:].partition("/")
    served = ("crm", "workdrive") if first == "crm" else (first,)
    if first in PRODUCTS and product_of(f"/{rest}") in served:
        call.path = f"/{rest}"
        return served
    return PRODUCTS


def _reply(answer: Any) -> Reply:
    return answer if isinstance(answer, Reply) else Reply(200, answer)


def encode(reply: Reply) -> tuple[bytes, dict[str, str]]:
    """The bytes and headers of an answer."""
    headers = dict(reply.headers)
    if reply.body is None:
        return b"", headers
    if isinstance(reply.body, bytes):
        return reply.body, headers
    headers.setdefault("Content-Type", JSON_TYPE)
    return orjson.dumps(reply.body), headers


class Endpoint:
    """The catch-all ASGI endpoint; answers carry the world's time in `Date`."""

    def __init__(self, world: ZohoWorld) -> None:
        self.world = world
        self.dispatcher = Dispatcher(world)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await Request(scope, receive).body()
        except ClientDisconnect:
            return
        call = _call(scope, body)
        with self.world.lock:
            reply = self.dispatcher.handle(call)
            answer, headers = encode(reply)
            headers["Date"] = formatdate(self.world.now(), usegmt=True)
        if reply.delay:
            await asyncio.sleep(reply.delay)
        if reply.reset:
            _drop(scope)
        if reply.rewrite is not None:
            answer = reply.rewrite(answer)
        await _send(scope, send, reply, answer, headers)


def _call(scope: Scope, body: bytes) -> Call:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    target = scope.get("raw_path", scope["path"].encode()).decode("latin-1").partition("?")[0]
    if scope["query_string"]:
        target += "?" + scope["query_string"].decode("latin-1")
    base_url = f"{scope['scheme']}://{headers.get('host', 'localhost')}"
    return Call.parse(scope["method"], target, headers, body, base_url)


async def _send(scope: Scope, send: Send, reply: Reply, body: bytes, headers: dict[str, str]) -> None:
    if reply.status not in (204, 304):
        headers["Content-Length"] = str(len(body))
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    start: dict[str, Any] = {"type": "http.response.start", "status": reply.status, "headers": raw}
    if reply.reason:
        start["reason"] = reply.reason
    await send(start)
    if reply.cut is not None:
        await send({"type": "http.response.body", "body": body[: int(len(body) * reply.cut)], "more_body": True})
        await asyncio.sleep(0.02)
        _drop(scope)
    await send({"type": "http.response.body", "body": body})


def _drop(scope: Scope) -> None:
    abort = (scope.get("extensions") or {}).get("syncd_simulator.abort")
    if abort is not None:
        abort()
    raise ConnectionDropped("the simulator dropped the connection, as its fault plan says")


def zoho_app(world: ZohoWorld) -> Starlette:
    """All Zoho products of `world`, its accounts host, and the control door under `/_sim`."""
    return Starlette(
        routes=[
            StarletteRoute("/_sim/{rest:path}", Door(world), methods=["GET", "POST", "DELETE"]),
            StarletteRoute("/{rest:path}", Endpoint(world)),
        ]
    )
