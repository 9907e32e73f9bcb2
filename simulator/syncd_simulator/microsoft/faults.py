"""A programmable plan of misbehaviour: which requests fail, how, and how often (microsoft.md §2.2, §4, §10, §11).

    world.faults.answer("mailbox_concurrency", api="mail", times=3)
    world.faults.reset(method="GET /users/{u}/contactFolders/{f}/contacts/delta")

Public: Faults, Fault, DOCUMENTED. Every adder returns the Fault, whose `hits` counts; `clear()` ends all. Faults apply
to items of batches too. They come before credentials and permissions are looked at.
"""

import fnmatch
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from syncd_simulator.clock import SimClock
from syncd_simulator.microsoft.documented import DOCUMENTED
from syncd_simulator.microsoft.errors import render
from syncd_simulator.microsoft.wire import JSON, ApiError, Call, Reply

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import MicrosoftWorld

__all__ = ["DOCUMENTED", "Fault", "Faults"]


@dataclass
class Fault:
    """One rule. Filters left empty match all; `times` None means for ever; `skip` lets the first matches pass.

    `method` is a glob over method and path template, `path` a regular expression over path and query, `user` an id
    or an address, `api` one of token, contacts, calendar, mail, drive, directory, settings, batch,
    downloads.
    """

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
        """Whether the filters let `call` in."""
        if self.times is not None and self.hits >= self.times:
            return False
        if self.api and call.api != self.api:
            return False
        if self.method and not fnmatch.fnmatchcase(call.method, self.method):
            return False
        if self.in_batch is not None and call.in_batch != self.in_batch:
            return False
        if self.user and not (call.owner and self.user in (call.owner.address, call.owner.id)):
            return False
        return not self.path or re.search(self.path, call.target) is not None


class Faults:
    """The plan of one world."""

    def __init__(self, clock: SimClock, seed: int) -> None:
        self.world: MicrosoftWorld | None = None  # set by the world itself
        self._clock = clock
        self._rng = random.Random(f"faults {seed}")
        self.plan: list[Fault] = []

    def clear(self) -> None:
        """No more faults."""
        self.plan.clear()

    # -- adders -----------------------------------------------------------------------------------------------------

    def answer(self, name: str, *, retry_after: int | str | None = None, **match: Any) -> Fault:
        """Answer with a documented refusal by its name in `DOCUMENTED` instead of doing anything.

        `retry_after` replaces the header; "" takes it away.
        """
        build = DOCUMENTED[name]

        def act(call: Call, _: Reply | None) -> Reply:
            assert self.world is not None
            made = build(call, self.world)
            reply = render(self.world, call, made) if isinstance(made, ApiError) else made
            if retry_after is not None:
                reply.headers.pop("Retry-After", None)
                reply.headers |= {"Retry-After": str(retry_after)} if retry_after != "" else {}
            return reply

        return self._add(act, True, match)

    def raw(self, status: int, body: bytes, content_type: str = "text/html; charset=utf-8", **match: Any) -> Fault:
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
        """Answer after so many real seconds; such requests are in flight together."""
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

    # -- used by the dispatcher -------------------------------------------------------------------------------------

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
