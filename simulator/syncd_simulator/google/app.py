"""The ASGI application: HTTP in, `Call` to the right API, `Reply` out. One port serves all APIs and the token host."""

import asyncio
import gzip
import random
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.routing import Route as StarletteRoute
from starlette.types import Receive, Scope, Send

from syncd_simulator.google import batch, calendar, directory, drive, errors, fields, gmail, people
from syncd_simulator.google.admin_door import AdminDoor
from syncd_simulator.google.faults import rate_limit_429, user_rate_limit
from syncd_simulator.google.requestlog import Asked
from syncd_simulator.google.wire import ApiError, Call, Reply, Route, Routes
from syncd_simulator.google.world import GoogleWorld
from syncd_simulator.line import ConnectionDropped

PREFIXES = (
    ("/v1/", "people"),
    ("/calendar/v3/", "calendar"),
    ("/drive/v3/", "drive"),
    ("/upload/drive/v3/", "drive"),
    ("/resumable/upload/drive/v3/", "drive"),
    ("/gmail/v1/", "gmail"),
    ("/upload/gmail/v1/", "gmail"),
    ("/admin/directory/", "admin"),
)
BATCH_PATHS = {
    "/batch": None,
    "/batch/gmail/v1": "gmail",
    "/batch/drive/v3": "drive",
    "/batch/calendar/v3": "calendar",
}
JSON_TYPE = "application/json; charset=UTF-8"
NOT_HERE = (
    b"<!DOCTYPE html><html lang=en><title>Error 404 (Not Found)!!1</title>"
    b"<p><b>404.</b> The requested URL was not found on this server.</html>"
)


def api_of(path: str) -> str | None:
    """The API that a path belongs to."""
    for prefix, api in PREFIXES:
        if path.startswith(prefix):
            return api
    return None


class Dispatcher:
    """Takes a Call through credentials, scope, quota, faults and the handler. Hold `world.lock` around it."""

    def __init__(self, world: GoogleWorld) -> None:
        self.world = world
        self._shuffle = random.Random(f"batch {world.seed}")
        self._routes = {
            "people": Routes(people.ROUTES),
            "calendar": Routes(calendar.ROUTES),
            "drive": Routes(drive.ROUTES),
            "gmail": Routes(gmail.ROUTES),
            "admin": Routes(directory.ROUTES),
        }

    def handle(self, call: Call) -> tuple[Reply, bytes, dict[str, str]]:
        """The answer to one outer request, with its final body and headers."""
        if call.path == "/token":
            call.api, call.method = "token", "token"
            reply = self.world.faults.instead(call) or self.world.credentials.token(call.body)
            reply = self.world.faults.after(call, reply)
            self._note(call, reply, 0)
            return reply, *encode(call, reply)
        if call.path == "/revoke":
            return (reply := self.world.credentials.revoke(call.body, call.query)), *encode(call, reply)
        if call.path in BATCH_PATHS:
            return self._batch(call)
        return self.one(call)

    def one(self, call: Call) -> tuple[Reply, bytes, dict[str, str]]:
        """The answer to one API request, alone or inside a batch."""
        call.api = api_of(call.path) or ""
        found = self._routes[call.api].find(call.http, call.path) if call.api else None
        if found is None:
            call.method = f"unknown {call.http} {call.path}"
            self._note(call, Reply(404), 0)
            return Reply(404), NOT_HERE, {"Content-Type": "text/html; charset=UTF-8"}
        route, call.args = found
        call.method = route.method
        reply = self._guarded(call, route)
        if not reply.reset:
            reply = self.world.faults.after(call, reply)
        self._note(call, reply, route.units)
        return reply, *encode(call, reply)

    def _guarded(self, call: Call, route: Route) -> Reply:
        try:
            self._authorise(call, route)
            reply = self.world.faults.instead(call) or self._over_quota(call, route)
            return reply or self._run(call, route)
        except ApiError as error:
            return errors.render(call.api, error, call)

    def _authorise(self, call: Call, route: Route) -> None:
        bearer = call.headers.get("authorization", "")
        text = bearer[7:] if bearer.lower().startswith("bearer ") else call.get("access_token")
        if not text:
            raise errors.missing_bearer(call.api)
        token = self.world.credentials.tokens.get(text)
        if token is None or token.expires <= self.world.now():
            raise errors.bad_bearer()
        call.token = token
        if not token.scopes & route.scopes:
            raise errors.missing_scope(call.api, route.scopes)
        if call.api in self.world.disabled_apis:
            raise _disabled(call.api)
        if token.user.deleted_at is not None or token.user.suspended:
            raise errors.bad_bearer()

    def _over_quota(self, call: Call, route: Route) -> Reply | None:
        who = call.get("quotaUser") or call.headers.get("x-goog-quota-user") or call.user.id
        exhausted = self.world.quotas.spend(call.api, who, route.units)
        if exhausted is None:
            return None
        throttle = user_rate_limit if exhausted == "user" else rate_limit_429
        return throttle(call, self.world.now())

    def _run(self, call: Call, route: Route) -> Reply:
        if call.in_batch and (call.get("alt") == "media" or call.get("uploadType")):
            raise ApiError(400, "badRequest", "Media upload and download are not supported in batch requests.")
        tree = fields.parse(text) if (text := call.get("fields")) else None
        answer = route.handler(self.world, call)
        reply = answer if isinstance(answer, Reply) else Reply(200 if answer is not None else 204, answer)
        if reply.status < 300 and not isinstance(reply.body, bytes | None):
            if "fields" in call.query and tree is None:
                reply.body = {}
            elif tree is not None:
                reply.body = fields.project(_plain(reply.body), tree)
        return reply

    def _batch(self, call: Call) -> tuple[Reply, bytes, dict[str, str]]:
        call.api = BATCH_PATHS[call.path] or ""
        call.method = "batch"
        try:
            reply = self.world.faults.instead(call) or batch.run(call, api_of, self.one, self._shuffle)
        except ApiError as error:
            reply = errors.render("gmail", error, call)
        reply = self.world.faults.after(call, reply)
        self.world.batches += 1
        return reply, *encode(call, reply)

    def _note(self, call: Call, reply: Reply, units: int) -> None:
        who = call.token.user.address if call.token else ""
        self.world.requests.note(Asked(call.api, call.method, who, reply.status, call.in_batch), units)


def _disabled(api: str) -> ApiError:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED",
            "domain": "googleapis.com", "metadata": {"service": f"{api}.googleapis.com"}}  # fmt: skip
    message = (
        f"{api} API has not been used in project 1 before or it is disabled. Enable it by visiting the console then "
        "retry."
    )
    return ApiError(403, "accessNotConfigured", message, domain="usageLimits", details=[info])


def _plain(value: Any) -> Any:
    """Without ready-made fragments inside."""
    return orjson.loads(orjson.dumps(value))


def encode(call: Call, reply: Reply) -> tuple[bytes, dict[str, str]]:
    """The bytes and headers of an answer, before compression."""
    headers = dict(reply.headers)
    if reply.body is None:
        return b"", headers
    if isinstance(reply.body, bytes):
        return reply.body, headers
    option = orjson.OPT_INDENT_2 if call.get("prettyPrint") == "true" else 0
    headers.setdefault("Content-Type", JSON_TYPE)
    return orjson.dumps(reply.body, option=option), headers


class Endpoint:
    """The catch-all ASGI endpoint. `scope["state"]["abort"]`, set by our server, cuts the connection."""

    def __init__(self, world: GoogleWorld) -> None:
        self.world = world
        self.dispatcher = Dispatcher(world)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            body = await request.body()
        except ClientDisconnect:
            return
        call = _call(scope, body)
        with self.world.lock:
            reply, answer, headers = self.dispatcher.handle(call)
        if reply.delay:
            await asyncio.sleep(reply.delay)
        if reply.reset:
            _drop(scope)
        if reply.rewrite is not None and not call.in_batch:
            answer = reply.rewrite(answer)
        await _send(scope, send, call, reply, answer, headers)


def _call(scope: Scope, body: bytes) -> Call:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    target = scope.get("raw_path", scope["path"].encode()).decode("latin-1").partition("?")[0]
    if scope["query_string"]:
        target += "?" + scope["query_string"].decode("latin-1")
    base_url = f"{scope['scheme']}://{headers.get('host', 'localhost')}"
    return Call.parse(scope["method"], target, headers, body, base_url)


async def _send(scope: Scope, send: Send, call: Call, reply: Reply, body: bytes, headers: dict[str, str]) -> None:
    if _wants_gzip(call) and len(body) > 200 and "Content-Range" not in headers:
        body = gzip.compress(body, compresslevel=1)
        headers["Content-Encoding"] = "gzip"
    headers["Vary"] = "Origin, X-Origin, Referer"
    if reply.status != 204 and reply.status != 304:
        headers["Content-Length"] = str(len(body))
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
    if reply.cut is not None:
        await send({"type": "http.response.body", "body": body[: int(len(body) * reply.cut)], "more_body": True})
        await asyncio.sleep(0.02)
        _drop(scope)
    await send({"type": "http.response.body", "body": body})


def _wants_gzip(call: Call) -> bool:
    """§11: both `Accept-Encoding: gzip` and the word in the User-Agent."""
    return "gzip" in call.headers.get("accept-encoding", "") and "gzip" in call.headers.get("user-agent", "")


def _drop(scope: Scope) -> None:
    abort = (scope.get("extensions") or {}).get("syncd_simulator.abort")
    if abort is not None:
        abort()
    raise ConnectionDropped("the simulator dropped the connection, as its fault plan says")


def google_app(world: GoogleWorld) -> Starlette:
    """All Google APIs of `world`, the token host, and the control door under `/_sim`."""
    door = AdminDoor(world)
    return Starlette(
        routes=[
            StarletteRoute("/_sim/{rest:path}", door, methods=["GET", "POST", "DELETE"]),
            StarletteRoute("/{rest:path}", Endpoint(world)),
        ]
    )
