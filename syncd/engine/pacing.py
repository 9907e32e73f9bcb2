"""Not asking more than a provider likes: budgets of requests, shared by all that run on a connection.

Public: Pacing (a connection's), Budget (one meter: rate, concurrency, and a block while the provider says "slow down"),
LaneBudget (so many in any so many seconds), backoff.

A budget is held in two ways: `reserve` gives the moment from which a request may go out (never early, in order of
asking), `gate` bounds how many are in flight. A block moves that moment for everybody.
"""

import asyncio
import random
from collections import deque
from dataclasses import replace

from syncd.config.model import ConnectionLimits
from syncd.sdk import Lane, Limits

__all__ = ["LONGEST_BACKOFF", "Budget", "LaneBudget", "Pacing", "backoff", "effective_limits"]

LONGEST_BACKOFF = 64.0  # seconds
MANY = 1000  # account budgets from which idle ones are dropped


def backoff(tries: int, rng: random.Random, base: float = 1.0) -> float:
    """Seconds to wait after the `tries`-th failure in a row, from 0 on: doubling, jittered over the full step."""
    step = base * 2.0 ** min(tries, 10)
    return min(step + rng.uniform(0.0, step), LONGEST_BACKOFF)


def effective_limits(built_in: Limits, limits: ConnectionLimits) -> Limits:
    """What the operator wrote replaces what the connector brings, upwards too, per account as well."""
    out = built_in
    if limits.requests_per_second is not None:
        out = replace(out, requests_per_second=limits.requests_per_second, account_requests_per_second=None,
                      lanes={})  # fmt: skip
    if limits.concurrency is not None:
        out = replace(out, concurrency=limits.concurrency, account_concurrency=limits.concurrency)
    return out


class Budget:
    """One meter. Times are those of the injected clock's `monotonic`."""

    __slots__ = ("_gap", "_next", "blocked_until", "gate", "throttled", "troubled_since", "wave_at")

    def __init__(self, rate: float | None, concurrency: int) -> None:
        self._gap = 0.0 if rate is None else 1.0 / rate
        self._next = 0.0
        self.blocked_until = 0.0
        self.gate = asyncio.Semaphore(max(1, concurrency))
        self.throttled = 0  # answers "slow down" without a time since the last good one
        self.troubled_since: float | None = None  # token requests only: when the first of them was put off
        self.wave_at = float("-inf")  # when the block was set; what was sent before is an echo

    def reserve(self, now: float) -> float:
        """The moment from which one more request may go out; `now` if at once."""
        at = max(now, self._next)
        if self._gap:
            self._next = at + self._gap
        return at

    def block(self, until: float) -> None:
        """Nobody asks before `until`."""
        self.blocked_until = max(self.blocked_until, until)
        if self._gap:
            self._next = max(self._next, until)

    def idle(self, now: float, concurrency: int) -> bool:
        """Whether forgetting this budget changes nothing."""
        return self.blocked_until <= now and self._next <= now and self.gate._value >= concurrency


class LaneBudget(Budget):
    """A budget that lets so many requests through in any so many seconds, at once if they come at once."""

    __slots__ = ("_lane", "_latest")

    def __init__(self, lane: Lane) -> None:
        super().__init__(None, MANY)
        self._lane = lane
        self._latest: deque[float] = deque(maxlen=max(1, lane.requests))

    def reserve(self, now: float) -> float:
        full = len(self._latest) == self._latest.maxlen
        at = max(now, self._latest[0] + self._lane.seconds) if full else now
        self._latest.append(at)
        return at

    def forgettable(self, now: float) -> bool:
        """Whether a new one in its place would let through the same."""
        return self.blocked_until <= now and (not self._latest or self._latest[-1] + self._lane.seconds <= now)


class Pacing:
    """The budgets of one connection: its own, one per account, its lanes, and one for its token endpoint."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.connection = Budget(limits.requests_per_second, limits.concurrency)
        self.tokens = Budget(None, 1)
        self._accounts: dict[str, Budget] = {}
        self._lanes: dict[tuple[object, ...], LaneBudget] = {}

    def account(self, account_id: str | None, now: float) -> Budget | None:
        """The budget of an account; None for requests that belong to nobody (directory, token)."""
        if account_id is None:
            return None
        budget = self._accounts.get(account_id)
        if budget is None:
            if len(self._accounts) >= MANY:
                self._forget_idle(now)
            budget = Budget(self.limits.account_requests_per_second, self.limits.account_concurrency)
            self._accounts[account_id] = budget
        return budget

    def lane(self, name: str, key: object, account_id: str | None, now: float) -> LaneBudget | None:
        """The budget of a lane, by what the connector counts it by; None where the connection has no such lane."""
        lane = self.limits.lanes.get(name)
        if lane is None:
            return None
        whose = (name, key, account_id if lane.per == "account" else None)
        budget = self._lanes.get(whose)
        if budget is None:
            if len(self._lanes) >= MANY:
                self._lanes = {k: b for k, b in self._lanes.items() if not b.forgettable(now)}
            budget = self._lanes[whose] = LaneBudget(lane)
        return budget

    def _forget_idle(self, now: float) -> None:
        for key in [k for k, b in self._accounts.items() if b.idle(now, self.limits.account_concurrency)]:
            del self._accounts[key]
