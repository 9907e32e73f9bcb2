"""Lanes: budgets of so many requests in any so many seconds, and answers that ask to slow down."""

import pytest

from syncd.config.model import ConnectionLimits
from syncd.engine.pacing import LaneBudget, Pacing, effective_limits
from syncd.sdk import Lane, Limits, RateLimited
from syncd.sdk.http import httpx

from .test_client import ANN, Desk, answer

LIMITS = Limits(lanes={"mail": Lane(3, 60.0), "folder": Lane(2, 60.0, per="connection")})

pytestmark = pytest.mark.anyio


def test_a_lane_lets_a_burst_through_and_then_waits_for_the_oldest() -> None:
    lane = LaneBudget(Lane(3, 60.0))
    assert [lane.reserve(now) for now in (0.0, 1.0, 2.0)] == [0.0, 1.0, 2.0]
    assert lane.reserve(3.0) == 60.0
    assert lane.reserve(3.0) == 61.0
    assert lane.reserve(200.0) == 200.0


def test_lanes_are_counted_per_account_key_or_connection() -> None:
    pacing = Pacing(LIMITS)
    assert pacing.lane("mail", None, "ann", 0.0) is pacing.lane("mail", None, "ann", 0.0)
    assert pacing.lane("mail", None, "ann", 0.0) is not pacing.lane("mail", None, "bob", 0.0)
    assert pacing.lane("folder", "f1", "ann", 0.0) is pacing.lane("folder", "f1", "bob", 0.0)
    assert pacing.lane("folder", "f1", "ann", 0.0) is not pacing.lane("folder", "f2", "ann", 0.0)
    assert pacing.lane("unknown", None, "ann", 0.0) is None


def test_lanes_that_are_busy_are_never_forgotten() -> None:
    pacing = Pacing(LIMITS)
    busy = pacing.lane("folder", "busy", None, 0.0)
    assert busy is not None
    busy.reserve(100.0)
    for number in range(1100):
        pacing.lane("folder", number, None, 110.0)
    assert pacing.lane("folder", "busy", None, 110.0) is busy


def test_limits_of_the_operator_replace_the_lanes() -> None:
    assert effective_limits(LIMITS, ConnectionLimits(requests_per_second=50)).lanes == {}
    assert effective_limits(LIMITS, ConnectionLimits()).lanes == LIMITS.lanes


async def test_the_fourth_request_of_a_lane_of_three_waits() -> None:
    desk = Desk(*[answer()] * 5, limits=LIMITS)
    view = desk.view()
    for _ in range(4):
        await view.get("https://api.test/x", extensions={"syncd.lane": "mail"})
    sent = [request.extensions["syncd.sent_at"] for request in desk.wire.asked]
    assert sent[2] - sent[0] < 1
    assert sent[3] - sent[0] >= 60
    await view.get("https://api.test/x")
    assert view.waited == 0  # the connector's own pace is no wait that the provider asked for


async def test_an_answer_may_ask_to_slow_down_and_is_used_all_the_same() -> None:
    def pace(response: httpx.Response) -> RateLimited | None:
        return RateLimited(retry_after=30.0, scope="connection") if "ratelimit-remaining" in response.headers else None

    desk = Desk(answer(ratelimit_remaining="0"), answer(), pace=pace)
    view = desk.view(ANN)
    assert (await view.get("https://api.test/x")).status_code == 200
    before = desk.clock.monotonic()
    await view.get("https://api.test/x")
    assert desk.clock.monotonic() - before >= 30
