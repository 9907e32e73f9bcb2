"""Paging, changes, deletions, single items, summaries and pace: what answers turn into."""

import json
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from syncd.sdk import DELTA, FULL, REPORTED, SWEEP, CursorExpired, PartitionGone, ProtocolError, Record, Tombstone

from .desk import Desk

THINGS = {"path": "/things", "records": "items", "id": "id"}
NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
SINCE = {**THINGS, "modified": "at", "incremental": {"modified_since": {"param": "since", "overlap": "60s"}}}

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def answer(items: list[Any], minute: int = 0, **more: Any) -> httpx.Response:
    """An answer given at that minute past noon by the API's clock."""
    date = format_datetime(NOON.replace(minute=minute), usegmt=True)
    return httpx.Response(200, json={"items": items, **more}, headers={"Date": date})


def at(minute: int, number: int = 1) -> dict[str, Any]:
    return {"id": number, "at": f"2026-05-04T12:{minute:02}:00Z"}


def ids(items: list[Any]) -> list[str]:
    return [item.source_id for item in items]


class Api:
    """Answers one after the other; `asked` are their queries."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, str]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(dict(request.url.params))
        found = self.answers.pop(0)
        return found if isinstance(found, httpx.Response) else httpx.Response(200, json=found)


async def test_offsets_go_on_by_what_came_and_end_with_an_empty_page() -> None:
    api = Api({"items": [{"id": 1}, {"id": 2}]}, {"items": [{"id": 3}]}, {"items": []})
    things = {**THINGS, "pagination": {"offset": {"size": 2, "size_param": "limit"}}}
    assert ids(await Desk({"things": things}, api).items()) == ["1", "2", "3"]
    assert api.asked == [{"limit": "2", "offset": place} for place in ("0", "2", "3")]


async def test_a_short_page_is_the_last_only_where_the_settings_say_so() -> None:
    api = Api({"items": [{"id": 1}, {"id": 2}]}, {"items": [{"id": 3}]})
    things = {**THINGS, "pagination": {"page": {"size": 2, "size_param": "limit", "ends": "short"}}}
    assert len(await Desk({"things": things}, api).items()) == 3


async def test_a_total_that_is_none_is_an_error() -> None:
    things = {**THINGS, "pagination": {"page": {"total": "total"}}}
    for total in (None, "many", True, 0, -1):
        with pytest.raises(ProtocolError, match="is not the number of all entries"):
            await Desk({"things": things}, Api({"items": [{"id": 1}], "total": total})).items()


@pytest.mark.parametrize("way", ["page", "offset"])
async def test_an_empty_page_before_the_total_is_no_end(way: str) -> None:
    things = {**THINGS, "pagination": {way: {"total": "total"}}}
    two = {"items": [{"id": 1}, {"id": 2}], "total": 3}
    with pytest.raises(ProtocolError, match="empty after 2 entries, but total says that there are 3"):
        await Desk({"things": things}, Api(two, {"items": [], "total": 3})).items()
    with pytest.raises(ProtocolError, match="empty after 0 entries"):
        await Desk({"things": things}, Api({"items": [], "total": 3})).items()
    assert len(await Desk({"things": things}, Api(two, {"items": [], "total": 2})).items()) == 2  # one went meanwhile
    assert await Desk({"things": things}, Api({"items": [], "total": 0})).items() == []


async def test_a_listing_that_was_gone_on_with_and_ends_early_is_read_anew() -> None:
    things = {**THINGS, "pagination": {"page": {"total": "total"}}}
    two, empty = {"items": [{"id": 1}, {"id": 2}], "total": 3}, {"items": [], "total": 3}
    desk = Desk({"things": things}, Api(two, empty, empty))
    pages = desk.stream().pages(desk.context())
    resume = (await anext(pages)).resume
    with pytest.raises(ProtocolError):
        await anext(pages)
    with pytest.raises(CursorExpired):
        await desk.pages(cursor=resume)


async def test_positions_are_no_stable_listing_and_cursors_are() -> None:
    page, cursor = {"page": {}}, {"cursor": {"path": "next", "param": "next"}}
    desk = Desk({"a": {**THINGS, "pagination": page}, "b": {**THINGS, "pagination": cursor}}, {})
    assert [one.info.stable_listing for one in desk.connector.streams()] == [False, True]


async def test_the_bookmark_is_the_last_change_seen_less_the_overlap() -> None:
    api = Api(answer([at(3, 1), at(5, 2)], minute=30), answer([at(5, 2), at(8, 3)], minute=40), answer([], minute=50))
    desk = Desk({"things": SINCE}, api)
    first = (await desk.pages())[-1].bookmark
    pages = await desk.pages(cursor=first, scan=DELTA)
    assert api.asked[1] == {"since": "2026-05-04T12:04:00Z"}
    assert ids(pages[-1].items) == ["3"]  # the second was shown before, just so
    await desk.pages(cursor=pages[-1].bookmark, scan=DELTA)
    assert api.asked[2] == {"since": "2026-05-04T12:07:00Z"}


async def test_an_entry_that_changed_again_within_the_overlap_is_shown() -> None:
    api = Api(answer([at(5)], minute=30), answer([{**at(5), "text": "new"}], minute=40))
    desk = Desk({"things": SINCE}, api)
    bookmark = (await desk.pages())[-1].bookmark
    assert ids(await desk.items(cursor=bookmark, scan=DELTA)) == ["1"]


async def test_a_change_behind_a_page_that_was_read_is_not_passed_over() -> None:
    """The last change seen is later than the round's begin: the next round starts from the begin."""
    things = {**SINCE, "pagination": {"cursor": {"path": "next", "param": "next"}}}
    api = Api(answer([at(1)], minute=10, next="b"), answer([at(20, 2)], minute=21), answer([]))
    desk = Desk({"things": things}, api)
    bookmark = (await desk.pages())[-1].bookmark
    await desk.pages(cursor=bookmark, scan=DELTA)
    assert api.asked[2]["since"] == "2026-05-04T12:09:00Z"


async def test_an_empty_start_is_bookmarked_by_the_apis_clock() -> None:
    api = Api(answer([], minute=10), answer([]))
    desk = Desk({"things": SINCE}, api)
    await desk.pages(cursor=(await desk.pages())[-1].bookmark, scan=DELTA)
    assert api.asked[1] == {"since": "2026-05-04T12:09:00Z"}


@pytest.mark.parametrize(
    ("form", "since"), [("epoch", "1777895940"), ("epoch_ms", "1777895940000"), ("date", "2026-05-04")]
)
async def test_times_are_written_as_the_api_wants_them(form: str, since: str) -> None:
    things = {**SINCE, "incremental": {"modified_since": {"param": "since", "overlap": "60s", "format": form}}}
    api = Api(answer([], minute=0), answer([]))
    desk = Desk({"things": things}, api)
    await desk.pages(cursor=(await desk.pages())[-1].bookmark, scan=DELTA)
    assert api.asked[1] == {"since": since}


async def test_a_bookmark_of_another_request_is_none() -> None:
    desk = Desk({"things": SINCE}, Api(answer([at(1)])))
    bookmark = (await desk.pages())[-1].bookmark
    other = Desk({"things": {**SINCE, "params": {"all": True}}}, Api(answer([])))
    for cursor in (bookmark, {"v": 99}, "text", 7):
        with pytest.raises(CursorExpired):
            await other.pages(cursor=cursor, scan=DELTA)


async def test_entries_that_say_they_are_deleted_are_tombstones_where_changes_are_asked_for() -> None:
    marks = {"deleted": {"path": "gone", "present": True}}
    items = [at(1, 1), {**at(2, 2), "gone": "yes"}]
    desk = Desk({"things": {**SINCE, **marks}}, Api(answer(items)))
    assert desk.stream().info.deletes is REPORTED
    assert [type(item) for item in await desk.items()] == [Record, Tombstone]
    plain = Desk({"things": {**THINGS, **marks}}, Api(answer(items)))
    assert plain.stream().info.deletes is SWEEP
    [page] = await plain.pages()
    assert (ids(page.items), page.skipped) == (["1"], 1)


async def test_a_last_page_without_its_sync_token_is_an_error() -> None:
    things = {**THINGS, "incremental": {"sync_token": {"param": "token", "path": "token"}}}
    for token in (None, "", [], True, "a\ud800"):
        body = json.dumps({"items": [], "token": token})
        with pytest.raises(ProtocolError, match="no sync token"):
            await Desk({"things": things}, Api(httpx.Response(200, content=body))).pages()


async def test_a_sync_token_is_sent_with_every_page_of_a_delta_round() -> None:
    things = {
        **THINGS, "incremental": {"sync_token": {"param": "token", "path": "token"}},
        "pagination": {"cursor": {"path": "next", "param": "page"}},
    }  # fmt: skip
    api = Api({"items": [], "token": "t1"}, {"items": [], "next": "p2"}, {"items": [], "token": "t2"})
    desk = Desk({"things": things}, api)
    [first] = await desk.pages()
    assert desk.stream().info.scans == {FULL, DELTA}
    await desk.pages(cursor=first.bookmark, scan=DELTA)
    assert api.asked == [{}, {"token": "t1"}, {"token": "t1", "page": "p2"}]


async def test_an_expired_cursor_is_told_by_410() -> None:
    things = {**THINGS, "incremental": {"sync_token": {"param": "token", "path": "token"}}}
    desk = Desk({"things": things}, Api({"items": [], "token": "t1"}, httpx.Response(410)))
    [first] = await desk.pages()
    with pytest.raises(CursorExpired):
        await desk.pages(cursor=first.bookmark, scan=DELTA)


async def test_a_part_that_went_is_gone_and_a_wrong_path_is_an_error() -> None:
    streams = {
        "projects": {"path": "/projects", "id": "id"},
        "things": {**THINGS, "path": "/projects/{projects.id}", "for_each": "projects"},
    }
    desk = Desk(streams, {})
    with pytest.raises(PartitionGone):
        await desk.pages(partition="p1")
    with pytest.raises(ProtocolError, match="is the path right"):
        await desk.pages("projects")


async def test_a_part_without_an_id_is_an_error_since_its_absence_would_delete_it() -> None:
    streams = {
        "projects": {"path": "/projects", "id": "id"},
        "things": {**THINGS, "path": "/projects/{projects.id}", "for_each": "projects"},
    }
    desk = Desk(streams, {"/v1/projects": [{"id": "a"}, {"name": "b"}]})
    with pytest.raises(ProtocolError, match="no id"):
        await desk.stream().partitions(desk.context())


async def test_single_items_are_looked_at_by_their_own_request() -> None:
    things = {**THINGS, "detail": {"path": "/things/{id}", "record": "thing"}}
    desk = Desk({"things": things}, {"/v1/things/1": {"thing": {"id": 1}}})
    assert desk.stream().can_get
    found = [item async for item in desk.stream().get(desk.context(), ["1", "2"])]
    assert [(type(item), item.source_id) for item in found] == [(Record, "1"), (Tombstone, "2")]
    assert not Desk({"things": THINGS}, {}).stream().can_get


async def test_a_look_that_shows_another_item_is_an_error() -> None:
    desk = Desk({"things": {**THINGS, "detail": {"path": "/things/{id}"}}}, {"/v1/things/1": {"id": 2}})
    with pytest.raises(ProtocolError, match="another item"):
        [item async for item in desk.stream().get(desk.context(), ["1"])]


async def test_listed_items_may_be_replaced_by_their_details() -> None:
    things = {**THINGS, "detail": {"path": "/things/{id}", "hydrate": True}}
    desk = Desk({"things": things}, {"/v1/things": {"items": [{"id": 1}]}, "/v1/things/1": {"id": 1, "text": "whole"}})
    [record] = await desk.items()
    assert json.loads(record.data) == {"id": 1, "text": "whole"}


async def test_an_id_may_have_several_parts() -> None:
    desk = Desk(
        {"things": {**THINGS, "id": ["book", "page.number"]}},
        Api({"items": [{"book": "b", "page": {"number": 7}}, {"book": "b"}]}),
    )
    assert ids(await desk.items()) == ["b:7", None]


async def test_ids_of_other_parts_are_other_ids() -> None:
    pairs = [("p:q", "r"), ("p", "q:r"), ("p\\", "q:r"), ("p\\:q", "r"), ("a\\", "b"), ("a", "b")]
    desk = Desk({"things": {**THINGS, "id": ["a", "b"]}}, Api({"items": [{"a": one, "b": two} for one, two in pairs]}))
    found = ids(await desk.items())
    assert len(set(found)) == len(pairs)
    assert found[0] == "p\\:q:r"
    assert found[-1] == "a:b"


async def test_numbers_keep_all_their_digits() -> None:
    said = '"a":0.1234567890123456789012,"b":123456789012345678901234567890,"c":1e-999,"d":1.5'
    things = {**THINGS, "modified": "e", "incremental": {"modified_since": {"param": "since"}}}
    entries = [f'{{{said},"e":{1777896000 + place},"id":{2**80 + place}}}' for place in (0, 1)]
    desk = Desk({"things": things}, Api(httpx.Response(200, content=f'{{"items":[{",".join(entries)}]}}')))
    records = await desk.items()
    assert [record.data.decode() for record in records] == entries
    assert ids(records) == [str(2**80), str(2**80 + 1)]


async def test_a_change_in_the_last_digit_within_the_overlap_is_a_change() -> None:
    bodies = [f'{{"items":[{{"id":1,"at":1777896000,"a":0.12345678901234567890{digit}}}]}}' for digit in (1, 1, 2)]
    desk = Desk({"things": SINCE}, Api(*[httpx.Response(200, content=body) for body in bodies]))
    bookmark = (await desk.pages())[-1].bookmark
    assert await desk.items(cursor=bookmark, scan=DELTA) == []
    assert ids(await desk.items(cursor=bookmark, scan=DELTA)) == ["1"]


async def test_ids_of_two_kinds_make_no_sense() -> None:
    with pytest.raises(ProtocolError, match="some ids are texts"):
        await Desk({"things": THINGS}, Api({"items": [{"id": 1}, {"id": "1"}]})).items()


async def test_a_summary_holds_what_fits_its_fields() -> None:
    things = {
        **THINGS, "kind": "event",
        "summary": {"title": ["code", "name"], "start": "from", "end": "to", "organizer": "who", "attendees": ["in[*].mail", "out[*].mail"]},
    }  # fmt: skip
    entry = {
        "id": 1,
        "code": 7,
        "name": "Lunch",
        "from": 1777896000,
        "to": "2026-05-05",
        "who": {"no": "text"},
        "in": [{"mail": "a@x"}, {}],
        "out": [{"mail": "b@x"}],
    }
    [record] = await Desk({"things": things}, Api({"items": [entry]})).items()
    assert record.summary == {
        "title": "7 Lunch",
        "start": "2026-05-04T12:00:00Z",
        "end": "2026-05-05",
        "attendees": ["a@x", "b@x"],
    }


@pytest.mark.parametrize(
    ("headers", "form", "wait"),
    [
        ({"X-Reset": "9"}, "seconds", 9.0),
        ({"X-Reset": str(int(NOON.timestamp()) + 9), "Date": format_datetime(NOON, usegmt=True)}, "epoch", 9.0),
        ({"X-Reset": "2026-05-04T12:00:09Z", "Date": format_datetime(NOON, usegmt=True)}, "rfc3339", 9.0),
        ({"X-Reset": str(int(NOON.timestamp()) + 9)}, "epoch", None),
        ({"X-Reset": "soon"}, "seconds", None),
        ({"X-Reset": "9", "Retry-After": "4"}, "seconds", 4.0),
        ({}, "seconds", None),
    ],
)
def test_the_apis_own_headers_say_how_long_to_wait(headers: dict[str, str], form: str, wait: float | None) -> None:
    limit = {"remaining": "X-Left", "reset": "X-Reset", "reset_format": form}
    connector = Desk({"things": THINGS}, {}, rate_limit=limit).connector
    request = httpx.Request("GET", "https://api.example/")
    throttled = connector.retryable(httpx.Response(429, headers=headers, request=request))
    assert throttled.retry_after == wait
    slower = connector.pace(httpx.Response(200, headers={**headers, "X-Left": "0"}, request=request))
    assert (slower and slower.retry_after) == wait
    assert connector.pace(httpx.Response(200, headers={**headers, "X-Left": "3"}, request=request)) is None
