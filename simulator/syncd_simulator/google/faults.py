"""A programmable plan of misbehaviour: which requests fail, how, and how often (google.md §1.4, §3.2).

    world.faults.answer("rate_limit", api="gmail", times=3)
    world.faults.reset(method="drive.files.get", times=1)

Every adder returns the Fault, whose `hits` counts; `world.faults.clear()` ends all. Faults apply to calls inside
batches too.
"""

import fnmatch
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from syncd_simulator.clock import SimClock, rfc3339
from syncd_simulator.google import errors
from syncd_simulator.google.wire import JSON, ApiError, Call, Reply

HTML = (
    "<!DOCTYPE html><html lang=en><title>Error {0}</title><p><b>{0}.</b> That is an error. That is all we know.</html>"
)


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
    times: int | None = 1
    skip: int = 0
    probability: float = 1.0
    hits: int = 0

    def matches(self, call: Call) -> bool:
        """Whether the filters let `call` in; `method` may be a glob, `path` is a regular expression."""
        if self.times is not None and self.hits >= self.times:
            return False
        if self.api and call.api != self.api:
            return False
        if self.method and not fnmatch.fnmatchcase(call.method, self.method):
            return False
        if self.in_batch is not None and call.in_batch != self.in_batch:
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
        """Answer with a documented refusal by its name in `DOCUMENTED` instead of doing anything."""
        build = DOCUMENTED[name]

        def act(call: Call, _: Reply | None) -> Reply:
            reply = build(call, self._clock.time())
            if retry_after is not None:
                reply.headers["Retry-After"] = str(retry_after)
            return reply

        return self._add(act, True, match)

    def raw(self, status: int, body: bytes, content_type: str = "text/html; charset=UTF-8", **match: Any) -> Fault:
        """Answer with these bytes instead of doing anything."""
        return self._add(lambda *_: Reply(status, body, {"Content-Type": content_type}), True, match)

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
        """Change the final body (before compression)."""
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


def _refusal(code: int, reason: str, message: str, **more: Any) -> Callable[[Call, float], Reply]:
    return lambda call, _: errors.render(call.api, ApiError(code, reason, message, **more), call)


def user_rate_limit(call: Call, now: float) -> Reply:
    """The per-user throttle in the shape of the call's family (§3.2)."""
    if call.api == "people":
        return people_throttle(call, now)
    if call.api == "gmail":
        return gmail_minute_quota(call, now)
    text = "User rate limit exceeded." if call.api == "drive" else "User Rate Limit Exceeded"
    return _refusal(403, "userRateLimitExceeded", text, domain="usageLimits")(call, now)


def rate_limit(call: Call, now: float) -> Reply:
    """The project throttle: 403 for Calendar and Directory, 429 elsewhere."""
    if call.api == "people":
        return people_throttle(call, now)
    if call.api in ("calendar", "admin"):
        return _refusal(403, "rateLimitExceeded", "Rate Limit Exceeded", domain="usageLimits")(call, now)
    return rate_limit_429(call, now)


def rate_limit_429(call: Call, now: float) -> Reply:
    """429 of the family."""
    if call.api == "people":
        return people_throttle(call, now)
    texts = {"drive": "Rate limit exceeded", "gmail": "Resource has been exhausted (e.g. check quota)."}
    domain = "global" if call.api == "gmail" else "usageLimits"
    text = texts.get(call.api, "Rate Limit Exceeded")
    return _refusal(429, "rateLimitExceeded", text, domain=domain)(call, now)


def people_throttle(call: Call, now: float) -> Reply:
    """People's 429."""
    violations = [{"subject": "QUOTA_EXCEEDED", "description": "FBS quota limit exceeded"}]
    details = [{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations}]
    text = "Resource has been exhausted (e.g. check quota)."
    return _refusal(429, "rateLimitExceeded", text, status="RESOURCE_EXHAUSTED", details=details)(call, now)


def people_critical_reads(call: Call, now: float) -> Reply:
    """People's 429 for the per-minute metric."""
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED",
            "domain": "googleapis.com", "metadata": {"service": "people.googleapis.com"}}  # fmt: skip
    text = (
        "Quota exceeded for quota metric 'Critical read requests (Contact and Profile Reads)' and limit 'Critical "
        "read requests (Contact and Profile Reads) per minute per user' of service 'people.googleapis.com' for "
        "consumer 'project_number:1'."
    )
    return _refusal(429, "rateLimitExceeded", text, status="RESOURCE_EXHAUSTED", details=[info])(call, now)


def gmail_minute_quota(call: Call, now: float) -> Reply:
    """Gmail's 403 for units per minute."""
    text = (
        "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user' of service "
        "'gmail.googleapis.com' for consumer 'project_number:1'."
    )
    return _refusal(403, "rateLimitExceeded", text, domain="usageLimits")(call, now)


def gmail_retry_after(call: Call, now: float) -> Reply:
    """Gmail's bandwidth throttle: the time to wait for stands in the message, after two spaces."""
    until = rfc3339(now + 2)
    return _refusal(429, "rateLimitExceeded", f"User-rate limit exceeded.  Retry after {until}")(call, now)


def html(status: int) -> Callable[[Call, float], Reply]:
    """An HTML page where JSON was expected."""
    return lambda *_: Reply(status, HTML.format(status).encode(), {"Content-Type": "text/html; charset=UTF-8"})


def plain_quota(call: Call, now: float) -> Reply:
    """A plain text 403 about a quota metric, dated so that no two are alike."""
    when = datetime.fromtimestamp(now, UTC).isoformat()
    text = f"quota exceeded for quota metric 'Queries' of service '{call.api}.googleapis.com' at {when}"
    return Reply(403, text.encode(), {"Content-Type": "text/plain; charset=UTF-8"})


def token_refusal(status: int, error: str, description: str) -> Callable[[Call, float], Reply]:
    """The token host's own shape (§2.1)."""
    return lambda *_: Reply(status, {"error": error, "error_description": description})


DOCUMENTED: dict[str, Callable[[Call, float], Reply]] = {
    "user_rate_limit": user_rate_limit,
    "rate_limit": rate_limit,
    "rate_limit_403": _refusal(403, "rateLimitExceeded", "Rate Limit Exceeded", domain="usageLimits"),
    "rate_limit_429": rate_limit_429,
    "daily_limit": _refusal(403, "dailyLimitExceeded", "Daily Limit Exceeded", domain="usageLimits"),
    "calendar_anti_abuse": _refusal(403, "quotaExceeded", "Calendar usage limits exceeded.", domain="usageLimits"),
    "sharing_rate_limit": _refusal(403, "sharingRateLimitExceeded", "Rate limit exceeded. User message: sharing"),
    "gmail_minute_quota": gmail_minute_quota,
    "gmail_concurrency": _refusal(429, "rateLimitExceeded", "Too many concurrent requests for user"),
    "gmail_retry_after": gmail_retry_after,
    "people_critical_reads": people_critical_reads,
    "directory_rate": _refusal(403, "quotaExceeded", "Request rate higher than configured.", domain="usageLimits"),
    "plain_quota": plain_quota,
    "html_502": html(502),
    "html_403": html(403),
    "html_429": html(429),
    "backend_error": _refusal(500, "backendError", "Backend Error"),
    "unavailable": _refusal(
        503, "backendError", "The service is currently unavailable.", status="UNAVAILABLE"
    ),
    "domain_policy": _refusal(403, "domainPolicy", "The domain administrators have disabled Drive apps."),
    "service_off": _refusal(401, "authError", "The authenticated user cannot access this service."),
    "token_internal_failure": token_refusal(500, "internal_failure", "Backend Error"),
    "token_unavailable": token_refusal(503, "temporarily_unavailable", "Backend Error"),
    "token_unauthorized": token_refusal(403, "access_denied", "Requested client not authorized."),
    "bad_token": lambda call, _: errors.render(call.api, errors.bad_bearer(), call),
}  # fmt: skip
