"""The ASGI application: HTTP in, `Call` through credentials, permissions, throttles and faults to a handler, out again.

Public: microsoft_app, Dispatcher.

One port serves the login host (`/{tenant}/oauth2/v2.0/token`), Graph (`/v1.0/…`, `/v1.0/$batch`), the control door
(`/_sim/…`) and, for requests to the download address (`Call.downloads`), `drive.download(world, call)`, which checks
everything itself.
"""

import asyncio
import gzip
import random
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.routing import Route as StarletteRoute
from starlette.types import Receive, Scope, Send

from syncd_simulator.line import ConnectionDropped
from syncd_simulator.microsoft import (
    batch,
    calendar,
    contacts,
    directory,
    drive,
    drive_request,
    errors,
    exchange,
    mail,
    mailfolders,
    roles,
    settings,
    subscriptions,
)
from syncd_simulator.microsoft.admin_door import AdminDoor
from syncd_simulator.microsoft.requestlog import Asked
from syncd_simulator.microsoft.wire import JSON, ApiError, Call, Reply, Routes, segments_of
from syncd_simulator.microsoft.world import MicrosoftWorld

__all__ = ["Dispatcher", "microsoft_app"]

MODULES: tuple[Any, ...] = (
    contacts, mail, mailfolders, exchange, settings, directory, roles, calendar, drive, subscriptions,
)  # fmt: skip
ROOT = "/v1.0/"
MAILBOX = {"contacts", "calendar", "mail", "settings"}  # APIs that one user's mailbox answers
JSON_TYPE = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
DOWNLOAD_HOSTS = ("127.0.0.2", "downloads.")


class Dispatcher:
    """Takes a Call to its answer. Hold `world.lock` around it."""

    def __init__(self, world: MicrosoftWorld) -> None:
        self.world = world
        self.routes = Routes()
        self.shuffle = random.Random(f"batch {world.seed}")
        self.pending: dict[str, list[JSON]] = {}  # responses of batches that are still to be fetched
        for module in MODULES:
            self.routes.add(module.API, module.READ, module.WRITE, module.ROUTES)

    def handle(self, call: Call) -> Reply:
        """The answer to one outer request."""
        if call.root.partition("://")[2].startswith(DOWNLOAD_HOSTS):
            call.api = call.method = "downloads"
            return self._guarded(call, lambda: drive.download(self.world, call))
        if call.path.lower().endswith("/oauth2/v2.0/token") and call.http == "POST":
            call.api = call.method = "token"
            return self._guarded(call, lambda: self.world.credentials.token(call))
        if call.path.lower() == ROOT + "$batch" and call.http in ("GET", "POST"):
            call.api = call.method = "batch"
            self.world.batches += call.http == "POST"
            return self._guarded(call, lambda: self._batch(call))
        return self.one(call)

    def one(self, call: Call) -> Reply:
        """The answer to one API request, alone or inside a batch."""
        self.place(call)
        return self._guarded(call, lambda: self._carry_out(call))

    def place(self, call: Call) -> None:
        """Find the route and the user of a request, before anything is checked."""
        if call.method or not call.path.lower().startswith(ROOT):
            call.method = call.method or f"unknown {call.http} {call.path}"
            return
        segments, extra = segments_of(call.path[len(ROOT) :])
        call.query += extra
        call.token = self.world.credentials.bearer(call)
        if segments[0].lower() == "me" and call.token is not None and call.token.user is not None:
            segments[:1] = ["users", call.token.user.id]
        found = self.routes.find(call.http, segments)
        if found is None:
            call.method = f"unknown {call.http} {call.path}"
            return
        call.route, call.args = found
        call.api, call.method = call.route.api, call.route.name
        key = call.args.get("u")
        if key is not None:
            call.owner = self.world.users.get(key) or self.world.addresses.get(key.lower())
        elif "d" in call.args:
            named = drive_request.store_of(self.world).drives.get(call.args["d"])
            call.owner = named.user if named is not None else None

    def mailbox_of(self, call: Call) -> str | None:
        """The id of the user whose mailbox a placed request is for."""
        return call.owner.id if call.owner is not None and call.api in MAILBOX else None

    def _guarded(self, call: Call, work: Any) -> Reply:
        """Faults, the handler, errors in their envelope, the log."""
        try:
            reply = self.world.faults.instead(call)
            if reply is None:
                answer = work()
                reply = answer if isinstance(answer, Reply) else Reply(200 if answer is not None else 204, answer)
        except ApiError as error:
            reply = errors.render(self.world, call, error)
        if not reply.reset:
            reply = self.world.faults.after(call, reply)
        self._note(call, reply)
        return reply

    def _carry_out(self, call: Call) -> Reply:
        if call.token is None:
            raise self.world.credentials.refusal(call)
        if call.route is None:
            segment = call.path[len(ROOT) :].partition("/")[0]
            raise ApiError(400, "BadRequest", f"Resource not found for the segment '{segment}'.")
        errors.check_permission(self.world, call, call.route)
        self.world.quotas.spend(self.world, call, self.mailbox_of(call))
        if "u" in call.args:
            errors.check_user(self.world, call, call.api in MAILBOX)
        answer = call.route.handler(self.world, call)
        reply = answer if isinstance(answer, Reply) else Reply(200 if answer is not None else 204, answer)
        reply.headers |= self.world.quotas.headers(call)
        return reply

    def _batch(self, call: Call) -> Reply:
        call.token = self.world.credentials.bearer(call)
        if call.token is None:
            raise self.world.credentials.refusal(call)
        return batch.run(self, call) if call.http == "POST" else batch.more(self, call)

    def _note(self, call: Call, reply: Reply) -> None:
        who = call.owner.address if call.owner else call.args.get("u", "")
        self.world.requests.note(
            Asked(call.api, call.method, who, reply.status, call.in_batch, call.target, call.headers.get("prefer", ""))
        )


class Endpoint:
    """The catch-all ASGI endpoint, which counts what is in flight per mailbox until its answer is out (§11)."""

    def __init__(self, world: MicrosoftWorld) -> None:
        self.world = world
        self.dispatcher = Dispatcher(world)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = _call(scope)
        with self.world.lock:
            outer = call.path.lower() != ROOT + "$batch"
            if outer and not call.root.partition("://")[2].startswith(DOWNLOAD_HOSTS):
                self.dispatcher.place(call)
            mailbox = self.dispatcher.mailbox_of(call)
            self.world.enter(mailbox)
        try:
            await self._answer(call, Request(scope, receive), send)
        finally:
            with self.world.lock:
                self.world.leave(mailbox)

    async def _answer(self, call: Call, request: Request, send: Send) -> None:
        try:
            call.body = await request.body()
        except ClientDisconnect:
            return
        await subscriptions.prepare(self.world, call)
        with self.world.lock:
            reply = self.dispatcher.handle(call)
            delay = reply.delay + (self.world.latency if call.api != "token" else 0)
        body = encode(reply)
        if reply.rewrite is not None:
            body = reply.rewrite(body)
        if delay:
            await asyncio.sleep(delay)
        if reply.reset:
            _drop(request.scope)
        await _send(request.scope, send, call, reply, body, common_headers(self.world, call))


def encode(reply: Reply) -> bytes:
    """The bytes of an answer, before compression."""
    if reply.body is None:
        return b""
    if isinstance(reply.body, bytes):
        return reply.body
    reply.headers.setdefault("Content-Type", JSON_TYPE)
    return orjson.dumps(reply.body)


def common_headers(world: MicrosoftWorld, call: Call) -> dict[str, str]:
    """§1: what every Graph answer carries."""
    if call.api in ("downloads", "token"):
        return {}
    asked = call.headers.get("client-request-id")
    made = errors.request_id(world, call)
    agent = {"ServerInfo": {"DataCenter": "West Europe", "Slice": "E", "Ring": "5", "RoleInstance": "AM1PEPF00028456"}}
    return {
        "request-id": made, "client-request-id": asked or made, "OData-Version": "4.0",
        "x-ms-ags-diagnostic": orjson.dumps(agent).decode(),
    }  # fmt: skip


def _call(scope: Scope) -> Call:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    target = scope.get("raw_path", scope["path"].encode()).decode("latin-1").partition("?")[0]
    if scope["query_string"]:
        target += "?" + scope["query_string"].decode("latin-1")
    root = f"{scope['scheme']}://{headers.get('host', 'localhost')}"
    return Call.parse(scope["method"], target, headers, b"", root)


async def _send(scope: Scope, send: Send, call: Call, reply: Reply, body: bytes, common: dict[str, str]) -> None:
    headers = common | reply.headers
    if "gzip" in call.headers.get("accept-encoding", "") and len(body) > 1000 and call.api != "downloads":
        body = gzip.compress(body, compresslevel=1)
        headers["Content-Encoding"] = "gzip"
    if reply.status not in (204, 304):
        headers["Content-Length"] = str(len(body))
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
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


def microsoft_app(world: MicrosoftWorld) -> Starlette:
    """Login host, Graph and download host of `world`, and the control door under `/_sim`."""
    door = AdminDoor(world)
    return Starlette(
        routes=[
            StarletteRoute("/_sim/{rest:path}", door, methods=["GET", "POST", "DELETE"]),
            StarletteRoute("/{rest:path}", Endpoint(world)),
        ]
    )
