"""`$batch`: up to twenty requests in one (microsoft.md §12).

Public: run, more.
"""

import base64
from typing import TYPE_CHECKING, Any

import orjson

from syncd_simulator.microsoft.wire import JSON, ApiError, Call, Reply

if TYPE_CHECKING:
    from syncd_simulator.microsoft.app import Dispatcher

__all__ = ["more", "run"]

MOST = 20
ATTEMPTED = "Failed because a request that it depends on failed."


def run(dispatcher: "Dispatcher", outer: Call) -> Reply:
    """200 with one response per request, in any order."""
    requests = _checked(outer)
    answers: dict[str, JSON] = {}
    delays = [0.0]
    left = dict(requests)
    while left:  # a wave holds what waits for nothing that is still to do: its items run side by side
        wave = [key for key, request in left.items() if not any(d in left for d in _waits_for(request))]
        calls = {key: _inner(left[key], outer) for key in wave}
        _run_wave(dispatcher, left, calls, answers, delays)
        for key in wave:
            del left[key]
    responses = list(answers.values())
    dispatcher.shuffle.shuffle(responses)
    return Reply(200, _body(dispatcher, outer, responses), delay=max(delays))


def _body(dispatcher: "Dispatcher", outer: Call, responses: list[JSON]) -> JSON:
    """All responses, or with `world.batch_page` the first so many and a link to the rest."""
    size = dispatcher.world.batch_page
    if size is None or len(responses) <= size:
        return {"responses": responses}
    token = dispatcher.world.guid()
    dispatcher.pending[token] = responses[size:]
    return {"responses": responses[:size], "@odata.nextLink": f"{outer.root}/v1.0/$batch?$skiptoken={token}"}


def more(dispatcher: "Dispatcher", call: Call) -> Reply:
    """The rest of a batch's responses."""
    responses = dispatcher.pending.pop(call.get("$skiptoken") or "", None)
    if responses is None:
        raise ApiError(400, "BadRequest", "Invalid batch link.")
    return Reply(200, _body(dispatcher, call, responses))


def _run_wave(
    dispatcher: "Dispatcher", left: dict[str, JSON], calls: dict[str, Call], answers: dict[str, JSON],
    delays: list[float],
) -> None:  # fmt: skip
    world = dispatcher.world
    entered = []
    for key, call in calls.items():
        failed = [d for d in _waits_for(left[key]) if answers[d]["status"] >= 400]
        if failed:
            body = {"error": {"code": "FailedDependency", "message": ATTEMPTED}}
            answers[key] = {"id": left[key]["id"], "status": 424, "headers": dict(JSON_HEADERS), "body": body}
            continue
        dispatcher.place(call)
        mailbox = dispatcher.mailbox_of(call)
        world.enter(mailbox)
        entered.append(mailbox)
        reply = dispatcher.one(call)
        delays.append(reply.delay)
        answers[key] = answer = _response(left[key]["id"], reply)
        if dispatcher.shuffle.random() < 0.5:  # §12: names come in varying case
            answer["headers"] = {name.lower(): value for name, value in answer["headers"].items()}
    for mailbox in entered:
        world.leave(mailbox)


JSON_HEADERS = {"Cache-Control": "no-cache", "Content-Type": "application/json;odata.metadata=minimal;"
                "odata.streaming=true;IEEE754Compatible=false;charset=utf-8"}  # fmt: skip


def _response(key: str, reply: Reply) -> JSON:
    """Bodies that are no JSON come as base64 strings; nothing is redirected."""
    answer: JSON = {"id": key, "status": reply.status}
    body: Any = reply.body
    if reply.rewrite is not None and body is not None:
        body = reply.rewrite(body if isinstance(body, bytes) else orjson.dumps(body))
        try:
            body = orjson.loads(body)
        except orjson.JSONDecodeError:
            pass
    headers = {"Cache-Control": "no-cache"} | reply.headers
    if isinstance(body, bytes):
        body = base64.b64encode(body).decode() if body else None
    elif body is not None:
        headers = JSON_HEADERS | reply.headers
    if reply.reset:
        answer["status"], headers, body = 503, {}, None
    return answer | {"headers": headers} | ({} if body is None else {"body": body})


def _checked(outer: Call) -> dict[str, JSON]:
    """The requests by lower-case id; 400 for what makes the whole batch void."""
    requests = outer.json().get("requests")
    if not isinstance(requests, list) or not requests:
        raise ApiError(400, "BadRequest", "Invalid batch payload format.")
    if len(requests) > MOST:
        raise ApiError(400, "MaximumValueExceeded", f"Number of batch request steps exceeds the maximum value of "
                       f"{MOST}.")  # fmt: skip
    found: dict[str, JSON] = {}
    for request in requests:
        _check(request, found)
        found[request["id"].lower()] = request
    for request in found.values():
        if any(wanted not in found for wanted in _waits_for(request)):
            raise ApiError(400, "BadRequest", "Request depends on an id that is not in the batch.")
    _check_order(found)
    return found


def _check(request: Any, found: dict[str, JSON]) -> None:
    if not isinstance(request, dict) or not isinstance(request.get("id"), str) or not request["id"]:
        raise ApiError(400, "BadRequest", "Invalid batch payload format: every request needs an id, a string.")
    if request["id"].lower() in found:
        raise ApiError(400, "BadRequest", f"Request id '{request['id']}' is not unique in the batch.")
    if not isinstance(request.get("url"), str) or "://" in request["url"].partition("?")[0]:
        raise ApiError(400, "BadRequest", "Invalid batch payload format: url must be relative.")
    if not isinstance(request.get("method"), str):
        raise ApiError(400, "BadRequest", "Invalid batch payload format: method is missing.")
    names = {name.lower() for name in request.get("headers") or {}}
    if request.get("body") is not None and "content-type" not in names:
        raise ApiError(400, "BadRequest", "Write request id : " + request["id"] + " does not contain Content-Type "
                       "header or body.")  # fmt: skip
    if request["url"].lstrip("/").lower().startswith("$batch"):
        raise ApiError(400, "BadRequest", "Batches cannot be nested.")


def _check_order(found: dict[str, JSON]) -> None:
    """400 for requests that wait for one another in a circle."""
    done: set[str] = set()
    while len(done) < len(found):
        ready = {key for key, request in found.items() if key not in done and set(_waits_for(request)) <= done}
        if not ready:
            raise ApiError(400, "BadRequest", "Requests of the batch depend on one another in a circle.")
        done |= ready


def _waits_for(request: JSON) -> list[str]:
    return [str(key).lower() for key in request.get("dependsOn") or []]


def _inner(request: JSON, outer: Call) -> Call:
    """One request. Nothing but the credential is taken over from the outer one."""
    headers = {name.lower(): str(value) for name, value in (request.get("headers") or {}).items()}
    headers["authorization"] = outer.headers.get("authorization", "")
    body = request.get("body")
    raw = b"" if body is None else orjson.dumps(body)
    target = "/v1.0/" + request["url"].lstrip("/")
    return Call.parse(request["method"].upper(), target, headers, raw, outer.root, in_batch=True)
