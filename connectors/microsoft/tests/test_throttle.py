"""Whose budget a throttle speaks of, and that all of it is held back (wire reference §11, §18.36)."""

from typing import Any

import httpx
import orjson
import pytest
from microsoft_answers import ROOT, batched, error, fail
from syncd_microsoft.api import Graph
from syncd_microsoft.batch import Batch
from syncd_microsoft.throttle import later, slow_down

from syncd.sdk import RateLimited, Transient

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("needs", "lane"),
    [("files", "drives"), ("users", "directory"), ("roles", "directory"), ("mail", None), ("mailboxes", None)],
)
async def test_drives_and_the_directory_have_budgets_of_their_own(microsoft, needs, lane) -> None:
    """§11, §18.36: what holds them back lets mailboxes go on."""
    graph = Graph(microsoft.context(None), None, needs=needs)
    microsoft.answer = lambda request: httpx.Response(200, json={"responses": []})
    await graph.get("/x", "x")
    with pytest.raises(Transient):
        await Batch(graph, serial=False).get(["/x"])
    assert {request.extensions.get("syncd.lane") for request in microsoft.requests} == {lane}
    assert lane is None or lane in microsoft.connector.info.limits.lanes
    assert all(one.per == "connection" for one in microsoft.connector.info.limits.lanes.values())
    throttled = later(httpx.Response(429, request=microsoft.requests[0]))
    assert throttled.scope == ("lane" if lane else "connection")
    budget = {"RateLimit-Limit": "1200", "RateLimit-Remaining": "0", "RateLimit-Reset": "31"}
    assert slow_down(httpx.Response(200, headers=budget, request=microsoft.requests[0])).scope == throttled.scope


def inside(*items: Any) -> bytes:
    return orjson.dumps({"responses": [{"id": "1", "status": 200, "body": {"id": "429"}}, *items]})


def throttled_item(wait: str | None, status: int = 429) -> dict[str, Any]:
    headers = {} if wait is None else {"retry-AFTER": wait}
    return {"id": "2", "status": status, "headers": headers, "body": error("ApplicationThrottled")}


BATCHES = [
    (inside(), None),
    (inside(throttled_item("7"), throttled_item("12"), throttled_item("3")), 12.0),
    (inside(throttled_item(None)), 1.0),
    (inside(throttled_item("5", 503)), 5.0),
    (inside({"id": "2", "status": 429, "body": error("TooManyRequests", "User's mysite not found.")}), None),
    (b"429", None),
    (b'{"responses": {"429": 1}}', None),
]


@pytest.mark.parametrize(("body", "wait"), BATCHES)
@pytest.mark.parametrize("stream", ["mail", "files"])
def test_a_throttled_item_of_a_batch_holds_back_its_whole_budget(body, wait, stream) -> None:
    lane = {"syncd.lane": "drives"} if stream == "files" else {}
    request = httpx.Request("POST", ROOT + "/$batch", extensions={"syncd.stream": stream, **lane})
    found = slow_down(httpx.Response(200, content=body, request=request))
    assert (found and (found.retry_after, found.scope)) == (wait and (wait, "lane" if lane else "account"))


def test_a_batch_of_many_mailboxes_or_that_is_still_to_be_read_holds_back_nothing() -> None:
    content = inside(throttled_item("7"))
    request = httpx.Request("POST", ROOT + "/$batch", extensions={"syncd.stream": None})
    assert slow_down(httpx.Response(200, content=content, request=request)) is None
    request = httpx.Request("POST", ROOT + "/$batch", extensions={"syncd.stream": "mail"})
    assert slow_down(httpx.Response(200, stream=httpx.ByteStream(content), request=request)) is None


async def test_batches_are_read_by_the_client_which_sees_what_is_in_them(microsoft) -> None:
    seen: list[Any] = []
    microsoft.answer = lambda request: batched(
        request, lambda _: fail(429, "ApplicationThrottled", headers={"Retry-After": "9"})
    )
    context = microsoft.context(stream="mail")
    send = context.http.send

    async def spy(request: httpx.Request, **more: Any) -> httpx.Response:
        found = await send(request, **more)
        seen.append(slow_down(found))
        return found

    context.http.send = spy
    with pytest.raises(RateLimited):
        await Batch(Graph(context, "mail"), serial=True, patience=60.0).get(["/users/u/messages/a"])
    assert {(one.retry_after, one.scope) for one in seen} == {(9.0, "account")}
