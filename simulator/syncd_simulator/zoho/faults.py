"""A programmable plan of misbehaviour: which requests fail, how, and how often (zoho.md §3.3, §4.7, §7.6, §8.9).

Public: Fault, Faults, DOCUMENTED.

    world.faults.answer("throttle", api="mail", times=3)
    world.faults.reset(method="mail.originalmessage")

Every adder returns the Fault, whose `hits` counts; `world.faults.clear()` ends all. `api` is the product
(accounts, mail, calendar, contacts, workdrive, download, crm), `method` a glob over `product.handler`.
"""

import fnmatch
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from syncd_simulator.clock import SimClock
from syncd_simulator.zoho import errors
from syncd_simulator.zoho.wire import JSON, ApiError, Call, Reply

__all__ = ["DOCUMENTED", "Fault", "Faults", "token_throttle"]

HTML = "<!DOCTYPE html><html><head><title>{0}</title></head><body><h1>Sorry, the service is busy</h1></body></html>"


@dataclass
class Fault:
    """One rule. Filters left empty match all; `times` None means for ever; `skip` lets the first matches pass."""

    act: Callable[[Call, Reply | None], Reply]
    before: bool  # answers instead of the handler; otherwise it changes the handler's answer
    api: str | None = None
    method: str | None = None
    path: str | None = None
    user: str | None = None
    in_batch: bool | None = None
    not_api: str | None = None
    times: int | None = 1
    skip: int = 0
    probability: float = 1.0
    hits: int = 0

    def matches(self, call: Call) -> bool:
        """Whether the filters let `call` in; `method` may be a glob, `path` is a regular expression."""
        if self.times is not None and self.hits >= self.times:
            return False
        if (self.api and call.product != self.api) or call.product == self.not_api:
            return False
        if self.method and not fnmatch.fnmatchcase(call.method, self.method):
            return False
        if self.in_batch:
            return False
        if self.user and not (call.token and self.user in (call.token.user.address, call.token.user.id)):
            return False
        return not self.path or re.search(self.path, call.path) is not None


class Faults:
    """The plan of one world."""

    def __init__(self, clock: SimClock, seed: int) -> None:
        self._clock = clock
        self._rng = random.Random(f"faults {seed}")
        self.plan: list[Fault] = []

    def clear(self) -> None:
        """No more faults."""
        self.plan.clear()

    # -- adders -------------------------------------------------------------------------------------------------

    def answer(self, name: str, *, retry_after: int | None = None, **match: Any) -> Fault:
        """Answer with a documented refusal by its name in `DOCUMENTED` instead of doing anything.

        A name that begins with a product (`token`: accounts) fires on that product only.
        """
        build = DOCUMENTED[name]
        first = name.partition("_")[0]
        if name == "bad_token":
            match.setdefault("not_api", "accounts")
        elif first in OF_PRODUCT:
            match.setdefault("api", OF_PRODUCT[first])

        def act(call: Call, _: Reply | None) -> Reply:
            reply = build(call)
            if retry_after is not None:
                reply.headers["Retry-After"] = str(retry_after)
            return reply

        return self._add(act, True, match)

    def raw(self, status: int, body: bytes, content_type: str = "text/html;charset=UTF-8", **match: Any) -> Fault:
        """Answer with these bytes instead of doing anything; `headers` adds to the answer."""
        headers = {"Content-Type": content_type} | match.pop("headers", {})
        return self._add(lambda *_: Reply(status, body, dict(headers)), True, match)

    def reset(self, *, done: bool = False, **match: Any) -> Fault:
        """Drop the connection without an answer; with `done` the request has been carried out."""
        if not done:
            return self._add(lambda *_: Reply(reset=True), True, match)
        return self._add(lambda _, reply: _marked(reply, reset=True), False, match)

    def truncate(self, keep: float = 0.5, **match: Any) -> Fault:
        """Drop the connection after this part of the body."""
        return self._add(lambda _, reply: _marked(reply, cut=keep), False, match)

    def slow(self, seconds: float, **match: Any) -> Fault:
        """Answer after so many real seconds."""
        return self._add(lambda _, reply: _marked(reply, delay=seconds), False, match)

    def rewrite_bytes(self, change: Callable[[bytes], bytes], **match: Any) -> Fault:
        """Change the final body."""
        return self._add(lambda _, reply: _marked(reply, rewrite=change), False, match)

    def rewrite_json(self, change: Callable[[JSON], Any], **match: Any) -> Fault:
        """Change the JSON of an answer: `change` gets it and returns what to send."""
        return self.rewrite_bytes(lambda body: orjson.dumps(change(orjson.loads(body))), **match)

    def invalid_json(self, **match: Any) -> Fault:
        """Send a body that looks like JSON and is not."""
        return self.rewrite_bytes(lambda body: body[: max(1, len(body) // 2)] + b"\n", **match)

    def _add(self, act: Callable[[Call, Reply | None], Reply], before: bool, match: dict[str, Any]) -> Fault:
        fault = Fault(act, before, **match)
        self.plan.append(fault)
        return fault

    # -- used by the dispatcher ---------------------------------------------------------------------------------

    def instead(self, call: Call) -> Reply | None:
        """The answer that a fault gives in the handler's place."""
        for fault in self._firing(call, before=True):
            return fault.act(call, None)
        return None

    def after(self, call: Call, reply: Reply) -> Reply:
        """The answer with the line's faults on it."""
        for fault in self._firing(call, before=False):
            reply = fault.act(call, reply)
        return reply

    def _firing(self, call: Call, before: bool) -> list[Fault]:
        firing = []
        for fault in self.plan:
            if fault.before is not before or not fault.matches(call):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            if fault.probability < 1 and self._rng.random() >= fault.probability:
                continue
            fault.hits += 1
            firing.append(fault)
            if before:
                break
        return firing


def _marked(reply: Reply | None, **marks: Any) -> Reply:
    assert reply is not None
    for name, value in marks.items():
        setattr(reply, name, value)
    return reply


# -- documented refusals ----------------------------------------------------------------------------------------------


def token_throttle(status: int = 400, localised: bool = False) -> Reply:
    """§3.3: the token endpoint's throttle; both texts may be in another language."""
    error, text = (
        ("访问被拒绝", "您连续发出了太多请求。请稍后再试。")
        if localised
        else ("Access Denied", "You have made too many requests continuously. Please try again after some time.")
    )
    return Reply(status, {"error_description": text, "error": error, "status": "failure"})


def _refusal(status: int, code: str, message: str = "", **more: Any) -> Callable[[Call], Reply]:
    return lambda call: errors.render(call.product, ApiError(status, code, message, **more))


def _html(status: int) -> Callable[[Call], Reply]:
    return lambda call: Reply(status, HTML.format(status).encode(), {"Content-Type": "text/html;charset=UTF-8"})


def throttle(call: Call) -> Reply:
    """The throttle in the shape of the call's product."""
    if call.product == "accounts":
        return token_throttle()
    if call.product in ("workdrive", "download"):
        return workdrive_throttle(119)(call)
    if call.product == "crm":
        return _refusal(429, "TOO_MANY_REQUESTS", "You have exceeded the API call limits")(call)
    return _refusal(429, "TOO_MANY_REQUESTS", "Too many requests. Please try again later")(call)


def workdrive_throttle(seconds: int) -> Callable[[Call], Reply]:
    """§7.6: F7008 with whole seconds in Retry-After."""
    headers = {"Retry-After": str(seconds)}
    return _refusal(429, "F7008", "Request rate limit exceeded", headers=headers)


def _bad_token(call: Call) -> Reply:
    return errors.render(call.product, errors.bad_token(call.product))


def _server_error(status: int) -> Callable[[Call], Reply]:
    return _refusal(status, "INTERNAL_ERROR", "Internal Server Error")


OF_PRODUCT = {"token": "accounts", "mail": "mail", "workdrive": "workdrive", "crm": "crm"}
DOCUMENTED: dict[str, Callable[[Call], Reply]] = {
    "throttle": throttle,
    "bad_token": _bad_token,
    "server_error": _server_error(500),
    "bad_gateway": _server_error(502),
    "unavailable": _server_error(503),
    "gateway_timeout": _server_error(504),
    "html_500": _html(500),
    "html_502": _html(502),
    "html_503": _html(503),
    "token_throttle": lambda _: token_throttle(),
    "token_throttle_200": lambda _: token_throttle(200),
    "token_throttle_localised": lambda _: token_throttle(localised=True),
    "token_html": _html(200),
    "mail_throttle_400": _refusal(400, "TOO_MANY_REQUESTS", "Request throttled: too many requests, try again later"),
    "mail_throttle_500": _refusal(500, "TOO_MANY_REQUESTS", "Request throttled: too many requests, try again later"),
    "workdrive_throttle": workdrive_throttle(119),
    "workdrive_folder_throttle": workdrive_throttle(300),
    "workdrive_509": _refusal(509, "F7008", "Bandwidth limit exceeded"),
    "crm_throttle": throttle,
    "crm_limit_reached": _refusal(429, "LIMIT_REACHED", "You have reached the API limit"),
    "crm_rate_limit": _refusal(429, "RATE_LIMIT_EXCEEDED", "You have exceeded the rate limit"),
    "crm_page_token_expired": _refusal(
        400, "EXPIRED_VALUE", "page_token has expired", details={"param_name": "page_token"}
    ),
}
