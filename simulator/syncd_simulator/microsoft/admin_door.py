"""The control door `/_sim/…`: drive a world that runs in another process.

Public: AdminDoor.

| request | does |
|---|---|
| `GET /_sim/requests` · `DELETE` | counters, most requests at once per mailbox · start anew |
| `GET /_sim/users` | id, address, suspended, admin of everybody |
| `GET /_sim/snapshot/{kind}?user=` | the truth of one user's contacts, calendar, files or mail |
| `GET /_sim/mail` | how often each body was fetched |
| `POST /_sim/edit` `{"method":"add_contact","user":…}` | one edit of the Editor by name |
| `POST /_sim/edit` `{"random":20,"kind":…,"user":…}` | random edits; answers their names |
| `POST /_sim/expire` `{"kind":…,"user":…}` | `user` may be left out: everybody |
| `POST /_sim/clock` `{"advance":3600}` | jump ahead; answers the time |
| `POST /_sim/faults` `{"kind":"answer","name":…,"match":{…}}` · `DELETE` | add a fault (answer, reset, truncate, slow, invalid_json, raw) · clear |
| `POST /_sim/world` `{"page_cap":{…},"quirks":{"replays":["mail"]}, …}` | set knobs of the world |
| `GET /_sim/subscriptions` | every subscription, and how many notices wait |
| `POST /_sim/notices` `{"repeat":false}` | send the change notifications that wait; answers how many were acknowledged |
| `POST /_sim/lifecycle` `{"id":…,"event":"missed"}` | let a subscription need reauthorization, be removed, or miss changes |
| `GET /_sim/settings` | the settings of a connection to this server |
| `GET /_sim/refresh_token?user=` | a refresh token |
"""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from syncd_simulator.microsoft import notices, subscriptions
from syncd_simulator.microsoft.edits import Editor
from syncd_simulator.microsoft.snapshot import KINDS
from syncd_simulator.microsoft.wire import JSON
from syncd_simulator.microsoft.world import MicrosoftWorld

__all__ = ["AdminDoor"]

KNOBS = ("page_cap", "back_and_forth", "contacts_by_name", "concurrency", "latency")
FAULTS = ("answer", "reset", "truncate", "slow", "invalid_json", "raw")


class AdminDoor:
    """The ASGI endpoint of the door. `editor` is what its edits go through."""

    def __init__(self, world: MicrosoftWorld) -> None:
        self.world = world
        self.editor = Editor(world, world.seed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        try:
            if request.method == "POST" and request.path_params["rest"] == "notices":
                body = orjson.dumps({"sent": await self._notices(orjson.loads(body) if body else {})})
            with self.world.lock:
                answer = self._answer(request, orjson.loads(body) if body else {})
            response = Response(orjson.dumps(answer), media_type="application/json")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            text = {"error": f"{type(error).__name__}: {error}"}
            response = Response(orjson.dumps(text), 400, media_type="application/json")
        await response(scope, receive, send)

    def _answer(self, request: Request, body: JSON) -> Any:
        name, _, rest = request.path_params["rest"].partition("/")
        handler = getattr(self, f"_{request.method.lower()}_{name}", None)
        if handler is None:
            raise KeyError(f"no {request.method} /_sim/{name}")
        return handler(request, rest, body)

    async def _notices(self, body: JSON) -> int:
        return await notices.deliver(self.world, repeat=bool(body.get("repeat")))

    def _post_notices(self, _: Any, __: str, body: JSON) -> JSON:
        return body  # sent already, without the lock

    def _post_lifecycle(self, _: Any, __: str, body: JSON) -> JSON:
        self.world.subscriptions.lifecycle(body["id"], body["event"])
        return {}

    # -- reading ------------------------------------------------------------------------------------------------------

    def _get_requests(self, *_: Any) -> JSON:
        world = self.world
        return world.requests.summary() | {"batches": world.batches, "most_at_once": dict(world.most_at_once)}

    def _delete_requests(self, *_: Any) -> JSON:
        self.world.requests.clear()
        self.world.most_at_once.clear()
        return {}

    def _get_users(self, *_: Any) -> list[JSON]:
        return [
            {"id": user.id, "address": user.address, "suspended": user.suspended, "admin": user.is_admin}
            for user in self.world.users.values()
        ]

    def _get_snapshot(self, request: Request, kind: str, _: JSON) -> Any:
        return self.world.snapshot(request.query_params["user"], kind)

    def _get_mail(self, *_: Any) -> list[JSON]:
        return [
            {"user": user, "message": message, "count": count}
            for (user, message), count in self.world.mail_counter.items()
        ]

    def _get_subscriptions(self, *_: Any) -> JSON:
        store = self.world.subscriptions
        store.expire()
        shown = [subscriptions.shown(self.world, one) for one in store.living.values()]
        return {"subscriptions": shown, "waiting": len(store.waiting), "sent": len(store.sent)}

    def _get_settings(self, request: Request, *_: Any) -> JSON:
        return self.world.settings(str(request.base_url).rstrip("/"))

    def _get_refresh_token(self, request: Request, *_: Any) -> JSON:
        return {"refresh_token": self.world.refresh_token(request.query_params["user"])}

    # -- changing -----------------------------------------------------------------------------------------------------

    def _post_edit(self, _: Any, __: str, body: JSON) -> JSON:
        user = self.world.user(body["user"]) if "user" in body else None
        if "random" in body:
            return {"edits": [self.editor.random_edit(body.get("kind"), user) for _ in range(body["random"])]}
        if body["method"].startswith("_"):
            raise KeyError(body["method"])
        found = getattr(self.editor, body["method"])(*([user] if user else []))
        shown = (
            found if isinstance(found, str | dict | None) else getattr(found, "key", getattr(found, "id", str(found)))
        )
        return {"result": shown}

    def _post_expire(self, _: Any, __: str, body: JSON) -> JSON:
        if body["kind"] not in (*KINDS, "directory"):
            raise KeyError(body["kind"])
        users = [self.world.user(body["user"])] if "user" in body else list(self.world.users.values())
        for user in users:
            self.world.expire(body["kind"], user)
        return {"users": len(users)}

    def _post_clock(self, _: Any, __: str, body: JSON) -> JSON:
        self.world.clock.advance(float(body.get("advance", 0)))
        return {"time": self.world.clock.time()}

    def _post_faults(self, _: Any, __: str, body: JSON) -> JSON:
        if body["kind"] not in FAULTS:
            raise KeyError(body["kind"])
        options = {key: value for key, value in body.items() if key not in ("kind", "match")}
        if isinstance(options.get("body"), str):
            options["body"] = options["body"].encode()
        getattr(self.world.faults, body["kind"])(**options, **body.get("match", {}))
        return {"plan": len(self.world.faults.plan)}

    def _delete_faults(self, *_: Any) -> JSON:
        hits = sum(fault.hits for fault in self.world.faults.plan)
        self.world.faults.clear()
        return {"hits": hits}

    def _post_world(self, _: Any, __: str, body: JSON) -> JSON:
        for name, kinds in body.pop("quirks", {}).items():
            getattr(self.world.quirks, name)
            setattr(self.world.quirks, name, set(kinds))
        for name, value in body.items():
            if name not in KNOBS:
                raise KeyError(name)
            setattr(self.world, name, value)
        return {name: getattr(self.world, name) for name in KNOBS}
