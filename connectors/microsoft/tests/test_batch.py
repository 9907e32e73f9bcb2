"""Batches against the rules of the wire reference §12."""

import httpx
import pytest
from microsoft_answers import batched, error, fail, is_batch, items_of
from syncd_microsoft.api import IMMUTABLE, Graph
from syncd_microsoft.batch import Batch, TooMuch

from syncd.sdk import ProtocolError, RateLimited, Transient

pytestmark = pytest.mark.anyio


def graph(microsoft) -> Graph:
    return Graph(microsoft.context(stream="mail"), "mail", (IMMUTABLE,))


def paths(count: int) -> list[str]:
    return [f"/users/u/messages/m{number}" for number in range(count)]


def ok(where: str) -> httpx.Response:
    return httpx.Response(200, json={"id": where.rsplit("/")[-1]})


async def test_more_than_20_items_are_split_and_matched_by_id(microsoft) -> None:
    microsoft.answer = lambda request: batched(request, ok)
    found = await Batch(graph(microsoft), serial=False).get(paths(45))
    assert [len(items_of(request)) for request in microsoft.requests] == [20, 20, 5]
    assert all(found[path].body == {"id": path.rsplit("/")[-1]} for path in paths(45))


async def test_each_item_carries_its_own_headers_and_a_serial_batch_is_one_chain(microsoft) -> None:
    microsoft.answer = lambda request: batched(request, ok)
    await Batch(graph(microsoft), serial=True).get(paths(3), ["odata.maxpagesize=5"])
    items = items_of(microsoft.requests[0])
    assert [item.get("dependsOn") for item in items] == [None, ["1"], ["2"]]
    assert {item["headers"]["Prefer"] for item in items} == {'IdType="ImmutableId", odata.maxpagesize=5'}
    assert [item["url"] for item in items] == paths(3)
    assert all(isinstance(item["id"], str) for item in items)


async def test_a_parallel_batch_has_no_dependencies(microsoft) -> None:
    microsoft.answer = lambda request: batched(request, ok)
    await Batch(graph(microsoft), serial=False).get(paths(3))
    assert not any("dependsOn" in item for item in items_of(microsoft.requests[0]))


async def test_dependants_of_a_failed_item_are_asked_for_again(microsoft) -> None:
    def one(where: str) -> httpx.Response:
        return fail(404, "ErrorItemNotFound") if where.endswith("m1") else ok(where)

    microsoft.answer = lambda request: batched(request, one)
    found = await Batch(graph(microsoft), serial=True).get(paths(4))
    assert [found[path].status for path in paths(4)] == [200, 404, 200, 200]
    assert [len(items_of(request)) for request in microsoft.requests] == [4, 2]
    assert not microsoft.clock.slept


async def test_chains_that_keep_breaking_are_given_up_for_single_requests(microsoft) -> None:
    def one(where: str) -> httpx.Response:
        return fail(404, "ErrorItemNotFound")

    microsoft.answer = lambda request: batched(request, one) if is_batch(request) else one("")
    found = await Batch(graph(microsoft), serial=True).get(paths(10))
    assert {part.status for part in found.values()} == {404}
    assert len([request for request in microsoft.requests if is_batch(request)]) == 2
    assert len(microsoft.requests) == 2 + 8


async def test_throttled_items_alone_are_asked_again_after_the_longest_time(microsoft) -> None:
    waits = {"m1": "3", "m2": "7"}

    def one(where: str) -> httpx.Response:
        wait = waits.pop(where.rsplit("/")[-1], None)
        return fail(429, "ApplicationThrottled", headers={"Retry-After": wait}) if wait else ok(where)

    microsoft.answer = lambda request: batched(request, one)
    found = await Batch(graph(microsoft), serial=False, patience=10).get(paths(4))
    assert {part.status for part in found.values()} == {200}
    assert microsoft.clock.slept == [7]
    assert len(items_of(microsoft.requests[1])) == 2


async def test_a_wait_beyond_the_patience_is_the_engines(microsoft) -> None:
    microsoft.answer = lambda request: batched(
        request, lambda where: fail(429, "ApplicationThrottled", headers={"retry-after": "30"})
    )
    with pytest.raises(RateLimited) as caught:
        await Batch(graph(microsoft), serial=True).get(paths(2))
    assert caught.value.retry_after == 30
    assert caught.value.scope == "account"
    assert not microsoft.clock.slept


async def test_what_was_settled_before_the_trouble_is_kept(microsoft) -> None:
    def one(where: str) -> httpx.Response:
        return fail(429, "TooManyRequests") if where.endswith("m1") else ok(where)

    microsoft.answer = lambda request: batched(request, one)
    found: dict = {}
    with pytest.raises(RateLimited):
        await Batch(graph(microsoft), serial=False).get(paths(3), into=found)
    assert set(found) == {"/users/u/messages/m0", "/users/u/messages/m2"}


async def test_an_item_that_stays_broken_ends_in_an_error_after_a_few_attempts(microsoft) -> None:
    microsoft.answer = lambda request: batched(request, lambda where: fail(500, "generalException"))
    with pytest.raises(Transient):
        await Batch(graph(microsoft), serial=False).get(paths(1))
    assert microsoft.clock.slept == [1, 2, 4, 8]


async def test_a_missing_answer_is_asked_for_again(microsoft) -> None:
    answers = [{"responses": []}, {"responses": [{"id": "1", "status": 200, "body": {"id": "m0"}}]}]
    microsoft.answer = lambda request: httpx.Response(200, json=answers.pop(0))
    found = await Batch(graph(microsoft), serial=False).get(paths(1))
    assert found[paths(1)[0]].body == {"id": "m0"}


async def test_pending_answers_are_followed(microsoft) -> None:
    link = "https://graph.microsoft.com/v1.0/$batch?$skiptoken=x"
    microsoft.replies(
        httpx.Response(
            200, json={"responses": [{"id": "1", "status": 200, "body": {"a": 1}}], "@odata.nextLink": link}
        ),
        httpx.Response(200, json={"responses": [{"id": "2", "status": 200, "body": {"a": 2}}]}),
    )
    found = await Batch(graph(microsoft), serial=False).get(paths(2))
    assert [found[path].body for path in paths(2)] == [{"a": 1}, {"a": 2}]


async def test_content_comes_as_base64(microsoft) -> None:
    microsoft.answer = lambda request: batched(request, lambda where: httpx.Response(200, content=b"Subject: x\r\n"))
    found = await Batch(graph(microsoft), serial=True).get(paths(1))
    assert found[paths(1)[0]].content("mail") == b"Subject: x\r\n"


async def test_an_answer_longer_than_the_cap_is_not_read_to_its_end(microsoft) -> None:
    microsoft.answer = lambda request: batched(request, lambda where: httpx.Response(200, content=b"x" * 5000))
    with pytest.raises(TooMuch):
        await Batch(graph(microsoft), serial=True, cap=3000).get(paths(1))


@pytest.mark.parametrize("body", [[], {}, {"responses": 5}])
async def test_senseless_answers_are_protocol_errors(microsoft, body) -> None:
    microsoft.answer = lambda request: httpx.Response(200, json=body)
    with pytest.raises(ProtocolError):
        await Batch(graph(microsoft), serial=False).get(paths(1))


async def test_a_graph_without_batches_is_asked_singly(microsoft) -> None:
    microsoft.answer = lambda request: httpx.Response(405) if is_batch(request) else ok(str(request.url))
    found = await Batch(graph(microsoft), serial=True).get(paths(5))
    assert [found[path].body for path in paths(5)] == [{"id": f"m{number}"} for number in range(5)]
    assert len(microsoft.requests) == 6


async def test_an_outer_429_is_raised(microsoft) -> None:
    microsoft.answer = lambda request: httpx.Response(
        429, json=error("TooManyRequests"), headers={"Retry-After": "2.5"}
    )
    with pytest.raises(RateLimited) as caught:
        await Batch(graph(microsoft), serial=True).get(paths(1))
    assert caught.value.retry_after == 2.5
