"""Contacts against the answers of the wire reference §4."""

import time
from typing import Any

import httpx
import orjson
import pytest
from syncd_google.contacts import PAGES

from syncd.sdk import CursorExpired, ProtocolError, RateLimited, Record, Reject, Scan, Tombstone

pytestmark = pytest.mark.anyio
ANA = {
    "resourceName": "people/c1",
    "etag": "%EgU=",
    "metadata": {"sources": [{"type": "CONTACT", "id": "1", "updateTime": "2026-01-02T03:04:05.123456Z"}]},
    "names": [{"displayName": "Second"}, {"metadata": {"primary": True}, "displayName": "Ana Díaz"}],
    "emailAddresses": [{"value": "ana@x.example"}, {"value": "a2@x.example"}],
}
EXPIRED = {
    "error": {
        "code": 400,
        "message": "Sync token is expired. Clear local cache and retry call without the sync token.",
        "status": "FAILED_PRECONDITION",
        "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "EXPIRED_SYNC_TOKEN"}],
    }
}
CORRUPT = {"error": {"code": 400, "message": "Request contains an invalid argument.", "status": "INVALID_ARGUMENT"}}


def answer(*people: Any, **more: str) -> httpx.Response:
    return httpx.Response(200, json={"connections": list(people), **more})


def params(request: httpx.Request) -> dict[str, str]:
    return dict(request.url.params.multi_items())


async def test_full_listing_keeps_bytes_and_summarises(google) -> None:
    google.replies(answer(ANA, nextPageToken="p2"), answer(nextSyncToken="s1"))
    first, last = await google.pages("contacts")
    record = first.items[0]
    assert orjson.loads(record.data) == ANA
    assert orjson.loads(record.summary) == {
        "name": "Ana Díaz",
        "emails": ["ana@x.example", "a2@x.example"],
        "phones": [],
        "organization": None,
    }
    assert record.modified_at.isoformat() == "2026-01-02T03:04:05.123456+00:00"
    assert (first.last, first.resume) == (False, {"v": 1, "sync": None, "page": "p2"})
    assert (last.last, last.bookmark, last.items) == (True, {"v": 1, "sync": "s1"}, [])


async def test_all_parameters_are_equal_in_every_call_of_a_tokens_life(google) -> None:
    google.replies(
        answer(nextPageToken="p2"), answer(nextSyncToken="s1"), answer(nextPageToken="p3"), answer(nextSyncToken="s2")
    )
    await google.pages("contacts")
    await google.pages("contacts", scan=Scan.DELTA, cursor={"v": 1, "sync": "s1"})
    seen = [params(request) for request in google.requests]
    assert [(one.pop("syncToken", None), one.pop("pageToken", None)) for one in seen] == [
        (None, None), (None, "p2"), ("s1", None), ("s1", "p3"),
    ]  # fmt: skip
    assert all(one == seen[0] for one in seen)
    assert seen[0]["requestSyncToken"] == "true"
    assert "metadata" in seen[0]["personFields"].split(",")


@pytest.mark.parametrize("body", [EXPIRED, CORRUPT])
async def test_trap_01_people_token_expiry_is_400_and_starts_a_full_round(google, body) -> None:
    google.answer = lambda request: httpx.Response(400, json=body)
    with pytest.raises(CursorExpired):
        await google.pages("contacts", scan=Scan.DELTA, cursor={"v": 1, "sync": "old"})
    assert len(google.requests) == 1


async def test_invalid_argument_without_a_token_is_no_expiry(google) -> None:
    google.answer = lambda request: httpx.Response(400, json=CORRUPT)
    with pytest.raises(ProtocolError):
        await google.pages("contacts")


async def test_trap_04_sync_token_comes_with_the_last_page_only(google) -> None:
    google.replies(answer(nextPageToken="p2"), answer())
    with pytest.raises(ProtocolError, match="sync token"):
        await google.pages("contacts")


async def test_cut_round_goes_on_at_its_page(google) -> None:
    google.replies(answer(nextSyncToken="s1"))
    await google.pages("contacts", scan=Scan.DELTA, cursor={"v": 1, "sync": "s0", "page": "p9"})
    assert params(google.requests[0])["syncToken"] == "s0"
    assert params(google.requests[0])["pageToken"] == "p9"


async def test_trap_23_empty_answer_has_no_connections_key(google) -> None:
    google.replies(httpx.Response(200, json={"nextSyncToken": "s1"}))
    (page,) = await google.pages("contacts", scan=Scan.DELTA, cursor={"v": 1, "sync": "s0"})
    assert (page.items, page.bookmark) == ([], {"v": 1, "sync": "s1"})


async def test_deleted_and_renamed(google) -> None:
    gone = {"resourceName": "people/c2", "metadata": {"deleted": True}}
    renamed = {"resourceName": "people/c4", "metadata": {"previousResourceNames": ["people/c3"]}}
    google.replies(answer(gone, renamed, nextSyncToken="s"))
    (page,) = await google.pages("contacts", scan=Scan.DELTA, cursor={"v": 1, "sync": "s0"})
    assert isinstance(page.items[0], Tombstone)
    assert page.items[0].source_id == "people/c2"
    assert page.items[1].previous_ids == ["people/c3"]


async def test_renamed_and_then_deleted_takes_the_former_name_along(google) -> None:
    gone = {"resourceName": "people/c2", "metadata": {"deleted": True, "previousResourceNames": ["people/c1"]}}
    google.replies(answer(gone, nextSyncToken="s"))
    (page,) = await google.pages("contacts", scan=Scan.DELTA, cursor={"v": 1, "sync": "s0"})
    assert [item.source_id for item in page.items] == ["people/c2", "people/c1"]


@pytest.mark.parametrize("tokens", [["a", "a"], ["a", "b", "a"]])
async def test_page_tokens_in_a_circle_end_in_an_error(google, tokens) -> None:
    google.replies(*[answer(nextPageToken=token) for token in tokens])
    with pytest.raises(ProtocolError, match="repeats"):
        await google.pages("contacts")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"<html>",
        b'{"connections": 5}',
        b'{"connections": {"a": 1}}',
        b'{"nextPageToken": 7}',
        b"\xff\xfe{}",
    ],
)
async def test_senseless_answers_are_protocol_errors(google, body) -> None:
    google.answer = lambda request: httpx.Response(200, content=body)
    with pytest.raises(ProtocolError):
        await google.pages("contacts")


GOOD = orjson.dumps(ANA)
BAD = [
    (b'{"resourceName":"people/bad","names":7}', "people/bad"),
    (b'{"etag":"x"}', None),
    (b'{"resourceName":5}', None),
    (b'{"resourceName":""}', None),
    (b"17", None),
    (b'{"resourceName":"people/bad","metadata":{}}', "people/bad"),
    (b'{"resourceName":"people/bad","metadata":null}', "people/bad"),
    (b'{"resourceName":"people/bad","x":1e999}', "people/bad"),
    (b'{"resourceName":"people/bad","x":' + b"9" * 6000 + b"}", "people/bad"),
    (b"null", None),
    (b'{"x":"\xff\xfe","resourceName":"people/bad"}', "people/bad"),
    (b'{"resourceName":"people/bad","x":"\\ud800"}', "people/bad"),
    (
        b'{"a":{"resourceName":"people/other"},"resourceName":"people/bad","x":' + b"[" * 5000 + b"]" * 5000 + b"}",
        "people/bad",
    ),
    (b'{"a":{"resourceName":"people/other"},"x":"\\ud800"}', None),
]


@pytest.mark.parametrize(("bad", "source_id"), BAD)
async def test_one_bad_person_does_not_stop_the_others(google, bad, source_id) -> None:
    body = b'{"connections":[' + GOOD + b"," + bad + b"," + GOOD + b'],"nextSyncToken":"s"}'
    google.answer = lambda request: httpx.Response(200, content=body)
    (page,) = await google.pages("contacts")
    assert [type(item) for item in page.items] == [Record, Reject, Record]
    assert page.items[1].source_id == source_id
    assert page.items[1].data == bad
    assert orjson.loads(page.items[2].data) == ANA


async def test_throttle_is_rate_limited(google) -> None:
    google.answer = lambda request: httpx.Response(
        429,
        json={
            "error": {
                "code": 429,
                "message": "Resource has been exhausted (e.g. check quota).",
                "status": "RESOURCE_EXHAUSTED",
            }
        },
    )
    with pytest.raises(RateLimited):
        await google.pages("contacts")


async def test_cursor_of_another_version_is_expired(google) -> None:
    with pytest.raises(CursorExpired):
        await google.pages("contacts", scan=Scan.DELTA, cursor={"v": 99})


def test_a_page_is_sliced_fast() -> None:
    from syncd_google.contacts import _items

    person = {**ANA, "biographies": [{"value": "x" * 700}]}
    body = orjson.dumps(
        {"connections": [{**person, "resourceName": f"people/c{n}"} for n in range(1000)], "nextPageToken": "p"}
    )
    best = 1e9
    for _ in range(5):
        begun = time.perf_counter()
        _, people = PAGES.read(body, "contacts")
        assert len(list(_items(people))) == 1000
        best = min(best, time.perf_counter() - begun)
    assert best < 0.1, f"{1000 / best:.0f} persons a second"  # 0.02 on a quiet machine, which is 50,000 a second
