"""Calendars against the answers of the wire reference §5."""

import random
from typing import Any

import httpx
import orjson
import pytest
from syncd_google.events import Series

from syncd.sdk import (
    AccountGone,
    CursorExpired,
    Forbidden,
    Partition,
    ProtocolError,
    RateLimited,
    Record,
    Reject,
    Scan,
    Tombstone,
)

pytestmark = pytest.mark.anyio
HOLIDAYS = "en.usa#holiday@group.v.calendar.google.com"
GONE = {
    "error": {
        "errors": [
            {
                "domain": "calendar",
                "reason": "fullSyncRequired",
                "message": "Sync token is no longer valid, a full sync is required.",
                "locationType": "parameter",
                "location": "syncToken",
            }
        ],
        "code": 410,
        "message": "Sync token is no longer valid, a full sync is required.",
    }
}
TOO_LONG_AGO = {
    "error": {
        "errors": [{"domain": "calendar", "reason": "updatedMinTooLongAgo", "location": "updatedMin"}],
        "code": 410,
        "message": "The requested minimum modification time lies too far in the past.",
    }
}
GARBLED = {
    "error": {
        "errors": [{"domain": "calendar", "reason": "invalid", "message": "Invalid sync token value."}],
        "code": 400,
        "message": "Invalid sync token value.",
    }
}
NOT_FOUND = {
    "error": {
        "errors": [{"domain": "global", "reason": "notFound", "message": "Not Found"}],
        "code": 404,
        "message": "Not Found",
    }
}
NO_USER = {
    "error": {
        "errors": [
            {
                "domain": "calendar",
                "reason": "notACalendarUser",
                "message": "The user must be signed up for Google Calendar.",
            }
        ],
        "code": 403,
        "message": "The user must be signed up for Google Calendar.",
    }
}
LUNCH = {
    "id": "lunch1", "status": "confirmed", "etag": '"1"', "updated": "2026-01-02T03:04:05.678Z", "summary": "Lunch",
    "start": {"dateTime": "2026-03-01T12:00:00+01:00", "timeZone": "Europe/Rome"}, "end": {"dateTime": "2026-03-01T13:00:00+01:00"},
    "organizer": {"email": "ana@acme.example", "self": True}, "attendees": [{"email": "bob@acme.example"}, {"displayName": "Room"}],
}  # fmt: skip


def params(request: httpx.Request) -> dict[str, str]:
    return dict(request.url.params.multi_items())


def answer(*events: Any, **more: str) -> httpx.Response:
    return httpx.Response(
        200, json={"kind": "calendar#events", "timeZone": "Europe/Rome", "items": list(events), **more}
    )


async def delta(google, *events: Any, cursor: dict | None = None) -> Any:
    google.replies(answer(*events, nextSyncToken="s2"))
    (page,) = await google.pages(
        "calendar", scan=Scan.DELTA, partition=Partition("c"), cursor=cursor or {"v": 1, "sync": "s1"}
    )
    return page


async def test_partitions_are_all_calendars_of_the_list(google) -> None:
    google.replies(
        httpx.Response(200, json={"items": [{"id": "ana@acme.example", "summary": "Ana", "accessRole": "owner"}], "nextPageToken": "p"}),
        httpx.Response(200, json={"items": [
            {"id": HOLIDAYS, "summary": "Holidays", "summaryOverride": "Days off", "accessRole": "reader", "hidden": True},
            {"id": "team", "accessRole": "writerWithoutPrivateAccess"},
            {"id": "old", "deleted": True},
        ]}),
    )  # fmt: skip
    owned = await google.stream("calendar").partitions(google.context())
    assert owned == [
        Partition("ana@acme.example", "Ana"),
        Partition(HOLIDAYS, "Days off", excluded=True),
        Partition("team"),
    ]
    assert params(google.requests[0])["showHidden"] == "true"
    assert params(google.requests[0])["maxResults"] == "250"
    google.answer = lambda request: httpx.Response(200, json={"items": [{"id": HOLIDAYS, "accessRole": "reader"}]})
    assert await google.stream("calendar").partitions(google.context(options={"calendars": "all"})) == [
        Partition(HOLIDAYS)
    ]


async def test_only_calendars_that_are_known_to_be_read_only_are_left_out(google) -> None:
    roles = ("reader", "freeBusyReader", "none", "owner", "a new role", None)
    entries = [{"id": f"c{n}"} | ({"accessRole": role} if role else {}) for n, role in enumerate(roles)]
    google.replies(httpx.Response(200, json={"items": entries}))
    found = await google.stream("calendar").partitions(google.context())
    assert [one.excluded for one in found] == [True, True, True, False, False, False]


@pytest.mark.parametrize(
    "body", [{"items": [{"summary": "no id"}]}, {"items": [7]}, {"items": {}}, [], {"items": [], "nextPageToken": 5}]
)
async def test_an_unreadable_list_is_not_an_incomplete_list(google, body) -> None:
    google.answer = lambda request: httpx.Response(200, json=body)
    with pytest.raises(ProtocolError):
        await google.stream("calendar").partitions(google.context())


async def test_full_listing_then_bookmark(google) -> None:
    google.replies(answer(LUNCH, nextPageToken="p2"), answer(nextSyncToken="s1"))
    first, last = await google.pages("calendar", partition=Partition(HOLIDAYS))
    record = first.items[0]
    assert orjson.loads(record.data) == LUNCH
    assert orjson.loads(record.summary) == {
        "title": "Lunch", "start": "2026-03-01T11:00:00Z", "end": "2026-03-01T12:00:00Z", "timezone": "Europe/Rome",
        "organizer": "ana@acme.example", "attendees": ["bob@acme.example", "Room"], "status": "confirmed",
    }  # fmt: skip
    assert last.bookmark == {"v": 1, "sync": "s1", "series": {}}
    assert "en.usa%23holiday%40group.v.calendar.google.com/events" in str(google.requests[0].url)
    asked = params(google.requests[0])
    assert asked["singleEvents"] == "false", "trap 10"
    assert asked["maxResults"] == "2500"


async def test_all_day_events_keep_bare_dates(google) -> None:
    page = await delta(google, {"id": "d", "start": {"date": "2026-12-25"}, "end": {"date": "2026-12-26"}})
    told = orjson.loads(page.items[0].summary)
    assert (told["start"], told["end"], told["timezone"]) == ("2026-12-25", "2026-12-26", None)


@pytest.mark.parametrize(("status", "body"), [(410, GONE), (410, TOO_LONG_AGO), (400, GARBLED)])
async def test_trap_03_lost_sync_tokens_start_a_full_round(google, status, body) -> None:
    google.answer = lambda request: httpx.Response(status, json=body)
    with pytest.raises(CursorExpired):
        await google.pages("calendar", scan=Scan.DELTA, partition=Partition("c"), cursor={"v": 1, "sync": "old"})
    assert len(google.requests) == 1


async def test_trap_04_05_06_delta_pages_need_both_tokens_and_no_filter(google) -> None:
    google.replies(answer(nextPageToken="p2"), answer(nextPageToken="p3"), answer(nextSyncToken="s2"))
    pages = await google.pages("calendar", scan=Scan.DELTA, partition=Partition("c"), cursor={"v": 1, "sync": "s1"})
    asked = [params(request) for request in google.requests]
    assert [(one["syncToken"], one.get("pageToken")) for one in asked] == [("s1", None), ("s1", "p2"), ("s1", "p3")]
    forbidden = {
        "iCalUID",
        "orderBy",
        "privateExtendedProperty",
        "q",
        "sharedExtendedProperty",
        "timeMin",
        "timeMax",
        "updatedMin",
        "showDeleted",
    }
    assert not forbidden & set(asked[0])
    assert [page.bookmark for page in pages[:2]] == [None, None]
    assert pages[0].resume["sync"] == "s1"


async def test_trap_07_an_empty_page_is_not_the_end(google) -> None:
    google.replies(answer(nextPageToken="p2"), answer(LUNCH, nextSyncToken="s1"))
    pages = await google.pages("calendar", partition=Partition("c"))
    assert [len(page.items) for page in pages] == [0, 1]


async def test_trap_08_a_cancelled_event_may_have_an_id_only(google) -> None:
    page = await delta(google, {"id": "x", "status": "cancelled"})
    assert [type(item) for item in page.items] == [Tombstone]


async def test_trap_09_a_cancelled_occurrence_is_an_item_and_not_the_series_end(google) -> None:
    page = await delta(
        google,
        {
            "id": "m_20260301T110000Z",
            "status": "cancelled",
            "recurringEventId": "m",
            "originalStartTime": {"dateTime": "2026-03-01T12:00:00+01:00"},
        },
    )
    (record,) = page.items
    assert isinstance(record, Record)
    told = orjson.loads(record.summary)
    assert (told["status"], told["start"], told["timezone"]) == ("cancelled", "2026-03-01T11:00:00Z", "Europe/Rome")
    assert page.bookmark["series"] == {"m": ["_20260301T110000Z"]}


async def test_a_deleted_series_takes_its_occurrences_with_it(google) -> None:
    first = await delta(
        google,
        {"id": "m", "recurrence": ["RRULE:FREQ=DAILY"]},
        {"id": "m_20260301", "recurringEventId": "m"},
        {"id": "odd", "recurringEventId": "m"},
    )
    page = await delta(google, {"id": "m", "status": "cancelled"}, cursor=first.bookmark)
    assert [item.source_id for item in page.items] == ["m", "m_20260301", "odd"]
    assert all(isinstance(item, Tombstone) for item in page.items)
    assert page.bookmark["series"] == {}


@pytest.mark.parametrize("order", [0, 1])
async def test_the_order_of_series_and_occurrence_does_not_matter(google, order) -> None:
    events = [{"id": "m", "status": "cancelled"}, {"id": "m_1", "status": "cancelled", "recurringEventId": "m"}]
    google.replies(answer(events[order], nextPageToken="p"), answer(events[1 - order], nextSyncToken="s2"))
    pages = await google.pages("calendar", scan=Scan.DELTA, partition=Partition("c"), cursor={"v": 1, "sync": "s1"})
    last = {item.source_id: type(item) for page in pages for item in page.items}
    assert last == {"m": Tombstone, "m_1": Tombstone}
    google.replies(answer(events[1 - order], nextSyncToken="s2"))
    (rest,) = await google.pages("calendar", scan=Scan.DELTA, partition=Partition("c"), cursor=pages[0].resume)
    assert {item.source_id: type(item) for item in [*pages[0].items, *rest.items]} == last, "also when cut in between"


async def test_too_many_occurrences_for_a_cursor_ask_for_a_full_round(google) -> None:
    series = Series({}, [], full=True)
    rng = random.Random(1)
    for n in range(20_000):
        series.note(f"series{rng.randrange(3000)}", f"occurrence{n}")
    assert series.kept is None
    with pytest.raises(CursorExpired):
        await delta(google, {"id": "m", "status": "cancelled"}, cursor={"v": 1, "sync": "s", "series": None})
    page = await delta(google, LUNCH, cursor={"v": 1, "sync": "s", "series": None})
    assert page.bookmark["series"] is None


async def test_a_calendar_that_may_not_be_read_is_skipped(google) -> None:
    google.answer = lambda request: httpx.Response(404, json=NOT_FOUND)
    with pytest.raises(Forbidden):
        await google.pages("calendar", partition=Partition("c"))


async def test_an_account_without_calendar_is_skipped(google) -> None:
    google.answer = lambda request: httpx.Response(403, json=NO_USER)
    with pytest.raises(AccountGone):
        await google.stream("calendar").partitions(google.context())


@pytest.mark.parametrize("status", [403, 429])
async def test_trap_19_calendar_throttles_with_403_or_429(google, status) -> None:
    google.answer = lambda request: httpx.Response(
        status,
        json={
            "error": {
                "errors": [{"domain": "usageLimits", "reason": "rateLimitExceeded", "message": "Rate Limit Exceeded"}],
                "code": status,
                "message": "Rate Limit Exceeded",
            }
        },
    )
    with pytest.raises(RateLimited) as caught:
        await google.pages("calendar", partition=Partition("c"))
    assert caught.value.scope == "lane"


@pytest.mark.parametrize(
    ("event", "source_id"),
    [
        ({"summary": "no id"}, None),
        ({"id": "x", "start": 5}, "x"),
        ({"id": ""}, None),
        ({"id": "x", "attendees": "all"}, "x"),
        (7, None),
    ],
)
async def test_one_bad_event_does_not_stop_the_others(google, event, source_id) -> None:
    page = await delta(google, event, LUNCH)
    assert [type(item) for item in page.items] == [Reject, Record]
    assert page.items[0].source_id == source_id


@pytest.mark.parametrize(
    ("start", "told"),
    [
        ({"dateTime": "2026-03-01T12:00:00", "timeZone": "America/New_York"}, "2026-03-01T17:00:00Z"),
        ({"dateTime": "2026-03-01T12:00:00"}, "2026-03-01T11:00:00Z"),
        ({"dateTime": "2026-03-01T12:00:00", "timeZone": "../../etc/passwd"}, "2026-03-01T12:00:00"),
        ({"dateTime": "2026-03-01T12:00:00", "timeZone": "Mars/Base"}, "2026-03-01T12:00:00"),
        ({"dateTime": "0001-01-01T00:00:00+14:00"}, "0001-01-01T00:00:00+14:00"),
        ({"dateTime": "soon"}, "soon"),
        ({}, None),
    ],
)  # fmt: skip
async def test_times_become_utc_where_they_can_be_read(google, start, told) -> None:
    page = await delta(google, {**LUNCH, "start": start})
    assert orjson.loads(page.items[0].summary)["start"] == told
