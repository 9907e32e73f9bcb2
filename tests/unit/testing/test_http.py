"""FaultTransport: the faults it plays, the log it keeps, the budget it holds to."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from syncd.testing import FakeClock, FaultTransport
from syncd.testing.failures import Runaway
from syncd.testing.http import Fault, answer, html, reset, rewrite, slow, timeout, truncated


def wire(**more: object) -> FaultTransport:
    inner = httpx.MockTransport(lambda request: httpx.Response(200, json={"path": request.url.path}))
    return FaultTransport(inner, **more)  # type: ignore[arg-type]


def ask(transport: FaultTransport, *paths: str) -> list[httpx.Response]:
    async def play() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=transport) as client:
            return [await client.get(f"https://api.example{path}") for path in paths]

    return asyncio.run(play())


def test_a_fault_is_played_at_the_nth_request_from_now() -> None:
    transport = wire()
    ask(transport, "/before")
    transport.add(answer(429, retry_after=7), at=2)
    found = ask(transport, "/a", "/b", "/c")
    assert [one.status_code for one in found] == [200, 429, 200]
    assert found[1].headers["retry-after"] == "7"


def test_a_fault_is_played_where_its_condition_holds_until_it_is_called_off() -> None:
    transport = wire()
    planned = transport.add(html(503), when=lambda asked: asked.path == "/b", times=None)
    assert [one.status_code for one in ask(transport, "/a", "/b", "/b")] == [200, 503, 503]
    assert planned.played == 2
    transport.calm()
    assert [one.status_code for one in ask(transport, "/b")] == [200]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (reset, httpx.ReadError),
        (lambda: reset(done=True), httpx.ReadError),
        (timeout, httpx.ReadTimeout),
        (truncated, httpx.RemoteProtocolError),
    ],
)
def test_a_broken_connection_is_an_error_of_httpx(fault: Callable[[], Fault], error: type[Exception]) -> None:
    transport = wire()
    transport.add(fault())
    with pytest.raises(error):
        ask(transport, "/a")
    assert transport.open_answers == 0


def test_a_slow_answer_takes_time_of_the_given_clock() -> None:
    transport, clock = wire(), FakeClock()
    transport.add(slow(clock, 20.0))
    ask(transport, "/a")
    assert clock.slept == [20.0]


def test_a_rewritten_body_loses_its_old_length() -> None:
    transport = wire()
    transport.add(rewrite(lambda body: body * 3))
    assert len(ask(transport, "/a")[0].content) == 3 * len(b'{"path":"/a"}')


def test_beyond_the_budget_nothing_is_answered() -> None:
    transport = wire(budget=2)
    with pytest.raises(Runaway):
        ask(transport, "/a", "/b", "/c")
    assert transport.runaway


def test_requests_of_one_kind_differ_in_ids_and_tokens_only() -> None:
    transport = wire()
    ask(transport, "/v1/users/17/notes?page=a", "/v1/users/18/notes?page=b", "/v1/users/18/notes")
    kinds = [asked.kind for asked in transport.log]
    assert kinds[0] == kinds[1] == ": GET v1/users/*/notes?page"
    assert kinds[2] != kinds[0]
