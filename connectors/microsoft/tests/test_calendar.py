"""Calendars against the answers of the wire reference §6."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest
from calendar_answers import CAL, VIEW, WEEKLY, Round, at, event, exception, master, mondays, occurrence, page, removed
from microsoft_answers import ANA, ROOT, fail, is_batch, items_of, where

from syncd.sdk import (
    AccountGone,
    CursorExpired,
    Partition,
    PartitionGone,
    ProtocolError,
    Record,
    Reject,
    Scan,
    Tombstone,
)

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
USER = f"/users/{ANA.id}"
SHORT = {"past": "14d", "future": "0d"}  # 2026-06-01 to 2026-07-16: seven Mondays, from June 1 to July 13


@pytest.fixture
def calendar(microsoft) -> Round:
    microsoft.clock.advance((NOW - microsoft.clock.now()).total_seconds())
    return Round(microsoft, **SHORT)


def cancelled(record: Record) -> list[str]:
    found = orjson.loads(record.data)["cancelledOccurrences"]
    assert all(one.startswith(f"OID.{record.source_id}.") for one in found)
    return [one.rpartition(".")[2] for one in found]


def summary(record: Record) -> Any:
    return orjson.loads(record.summary)


# -- which calendars


def entry(one: str, address: str = "ana@acme.example", **more: Any) -> dict[str, Any]:
    return {"id": one, "name": one.lower(), "owner": {"name": "x", "address": address}, "canEdit": False, **more}


async def test_all_calendars_cost_one_request(microsoft) -> None:
    microsoft.routes(
        {
            f"{USER}/calendars": {
                "value": [
                    entry("Mine", "ANA@acme.example"),
                    entry("Team", "team@acme.example", canEdit=True),
                    entry("Boss", "boss@acme.example"),
                ]
            },
            f"{USER}/calendarGroups": {"value": [{"id": "G1", "name": "My Calendars"}]},
        }
    )
    assert await microsoft.partitions("calendar") == [
        Partition("Mine", "mine"),
        Partition("Team", "team"),
        Partition("Boss", "boss", excluded=True),
    ]
    (request,) = microsoft.requests
    assert is_batch(request)
    assert [item.get("dependsOn") for item in items_of(request)] == [None, ["1"]]
    assert all('IdType="ImmutableId"' in item["headers"]["Prefer"] for item in items_of(request))
    everything = await microsoft.partitions("calendar", options={"calendars": "all"})
    assert not any(one.excluded for one in everything)


async def test_calendars_of_further_groups_and_pages_are_found_and_cost_one_request_from_the_second_time_on(
    microsoft,
) -> None:
    def groups(*names: str) -> dict[str, Any]:
        return {"value": [{"id": name} for name in names]}

    answers = {
        f"{USER}/calendars": {"value": [entry("A")], "@odata.nextLink": f"{ROOT}/more"},
        "/more": {"value": [entry("B")]},
        f"{USER}/calendarGroups": groups("G1", "G2"),
        f"{USER}/calendarGroups/G1/calendars": {"value": [entry("A"), entry("B")]},
        f"{USER}/calendarGroups/G2/calendars": {"value": [entry("C")]},
        f"{USER}/calendarGroups/G3/calendars": {"value": [entry("D")]},
    }

    async def listed() -> tuple[list[str], int]:
        microsoft.routes(answers)
        microsoft.requests.clear()
        found = [one.id for one in await microsoft.partitions("calendar")]
        return found, sum(map(is_batch, microsoft.requests))

    assert await listed() == (["A", "B", "C"], 2)
    assert await listed() == (["A", "B", "C"], 1)
    answers[f"{USER}/calendarGroups"] = groups("G1", "G3")
    answers[f"{USER}/calendarGroups/G2/calendars"] = fail(404, "ErrorItemNotFound")
    assert await listed() == (["A", "B", "D"], 2)
    answers[f"{USER}/calendarGroups"] = groups("G1")
    assert (await listed())[0] == ["A", "B"]
    assert await listed() == (["A", "B"], 1)


async def test_no_mailbox_is_a_state(microsoft) -> None:
    microsoft.routes({f"{USER}/calendars": fail(404, "MailboxNotEnabledForRESTAPI")})
    with pytest.raises(AccountGone) as caught:
        await microsoft.partitions("calendar")
    assert caught.value.state == "unavailable: no mailbox"


# -- the window and the request


async def test_the_first_request_names_the_window_and_nothing_else(calendar: Round) -> None:
    await calendar.full(page())
    assert calendar.asked == [f"{VIEW}?startDateTime=2026-06-01T00:00:00Z&endDateTime=2026-07-16T00:00:00Z"]
    prefer = calendar.microsoft.requests[0].headers["prefer"]
    assert 'IdType="ImmutableId"' in prefer
    assert "odata.maxpagesize=" in prefer
    assert "timezone" not in prefer
    assert calendar.pages[0].window == (datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 16, tzinfo=UTC))


async def test_the_default_window_is_a_year_back_and_two_ahead_with_a_month_to_spare(microsoft) -> None:
    microsoft.clock.advance((NOW - microsoft.clock.now()).total_seconds())
    calendar = Round(microsoft)
    await calendar.full(page())
    assert calendar.pages[0].window == (datetime(2025, 6, 15, tzinfo=UTC), datetime(2028, 7, 15, tzinfo=UTC))
    assert microsoft.stream("calendar").info.full_every == timedelta(days=30)


async def test_a_window_is_never_wider_than_graph_takes(microsoft) -> None:
    calendar = Round(microsoft, past="3650d", future="100d")
    await calendar.full(page())
    start, end = calendar.pages[0].window
    assert end - start <= timedelta(days=1825)
    assert end - microsoft.clock.now() > timedelta(days=130)


async def test_nothing_new_is_one_request_with_the_link_as_it_came(calendar: Round) -> None:
    link = f"{ROOT}/users/x/calendars('C1')/calendarView/delta?$deltatoken=a%2Bb=='%2f"
    await calendar.full(httpx.Response(200, json={"value": [], "@odata.deltaLink": link}))
    calendar.microsoft.requests.clear()
    calendar.microsoft.answer = lambda request: page(delta="d2")
    pages = await calendar.microsoft.pages("calendar", scan=Scan.DELTA, cursor=calendar.bookmark, partition=CAL)
    assert [str(request.url) for request in calendar.microsoft.requests] == [link]
    assert 'IdType="ImmutableId"' in calendar.microsoft.requests[0].headers["prefer"]
    assert (pages[0].items, pages[0].window) == ([], None)
    assert pages[0].bookmark["link"].endswith("/delta/d2")


async def test_a_large_page_that_fails_is_read_in_smaller_ones(calendar: Round) -> None:
    microsoft = calendar.microsoft
    microsoft.answer = lambda request: (
        fail(503, "ServiceUnavailable") if "maxpagesize=500" in request.headers["prefer"] else page()
    )
    pages = await microsoft.pages("calendar", partition=CAL)
    assert pages[-1].last


# -- single events


async def test_a_single_event(calendar: Round) -> None:
    await calendar.full(page(event("E", "2026-06-10T08:00:00", "2026-06-10T09:30:00")))
    record = calendar.records["E"]
    assert summary(record) == {
        "title": "about E",
        "start": "2026-06-10T08:00:00Z",
        "end": "2026-06-10T09:30:00Z",
        "timezone": "Europe/Paris",
        "organizer": "ana@acme.example",
        "attendees": ["bob@acme.example"],
        "location": "Room 1",
        "status": "confirmed",
        "type": "single",
        "recurrence": None,
    }
    assert record.when == (datetime(2026, 6, 10, 8, tzinfo=UTC), datetime(2026, 6, 10, 9, 30, tzinfo=UTC))
    assert (record.parent, record.partial, record.etag) == (None, False, 'W/"E1"')


async def test_an_update_that_leaves_something_out_is_asked_for_whole(calendar: Round) -> None:
    full = event("E", "2026-06-10T08:00:00", "2026-06-10T09:30:00")
    await calendar.full(page(full))
    calendar.table = {f"{USER}/events/E": {"@odata.context": "y", **full, "subject": "new"}}
    whole = {**full, "subject": "new"}
    for update in ({"id": "E", "subject": "new"}, {key: whole[key] for key in whole if key != "location"}):
        await calendar.delta(page(update))
        assert not calendar.records["E"].partial
        assert orjson.loads(calendar.records["E"].data) == whole


async def test_an_event_that_is_gone_when_it_is_asked_for_is_no_event(calendar: Round) -> None:
    await calendar.full(page(event("E", "2026-06-10T08:00:00", "2026-06-10T09:30:00")))
    await calendar.delta(page({"id": "E", "subject": "new"}))
    assert calendar.gone == ["E"]


async def test_an_event_that_cannot_be_read_is_refused_alone(calendar: Round) -> None:
    await calendar.full(page({"id": "X", "start": 5}, {"subject": "no id"}, event("E", *["2026-06-10T08:00:00"] * 2)))
    rejects = [item for item in calendar.pages[0].items if isinstance(item, Reject)]
    assert [reject.source_id for reject in rejects] == ["X", None]
    assert list(calendar.records) == ["E"]


# -- series


async def test_a_series_and_its_exception_are_records_and_occurrences_are_not(calendar: Round) -> None:
    moved = exception("X", "2026-06-22T08:00:00", "2026-06-23T14:00:00", subject="moved")
    await calendar.full(page(master(), *mondays("2026-06-01", 7, "2026-06-22"), moved))
    assert list(calendar.records) == ["X", "M"]
    assert calendar.pages[-1].skipped == 6
    assert calendar.records["X"].parent == "M"
    series = calendar.records["M"]
    assert cancelled(series) == []
    assert summary(series)["recurrence"] == "FREQ=WEEKLY;INTERVAL=1;BYDAY=MO;WKST=SU"
    assert (summary(series)["type"], summary(series)["start"]) == ("series", "2026-01-05T09:00:00Z")
    assert series.when == (datetime(2026, 1, 5, 9, tzinfo=UTC), None)


async def test_what_is_missing_of_a_series_is_cancelled(calendar: Round) -> None:
    await calendar.full(page(master(), *mondays("2026-06-01", 7, "2026-06-08")))
    assert cancelled(calendar.records["M"]) == ["2026-06-08"]
    await calendar.delta(page(*mondays("2026-06-01", 7, "2026-06-08", "2026-07-06"), master()))
    assert cancelled(calendar.records["M"]) == ["2026-06-08", "2026-07-06"]
    await calendar.delta(page(delta="d3"))
    await calendar.delta(page(master(), *mondays("2026-06-01", 7)))
    assert cancelled(calendar.records["M"]) == []


async def test_a_series_spread_over_pages_is_decided_after_the_last(calendar: Round) -> None:
    all_of_it = mondays("2026-06-01", 7, "2026-06-15")
    await calendar.full(
        page(*all_of_it[:2], next="2"), page(next="3"), page(master(), all_of_it[2], next="4"), page(*all_of_it[3:])
    )
    assert [len(one.items) for one in calendar.pages] == [0, 0, 0, 1]
    assert cancelled(calendar.records["M"]) == ["2026-06-15"]


async def test_a_round_that_was_cut_goes_on_without_losing_what_it_saw(calendar: Round) -> None:
    all_of_it = mondays("2026-06-01", 7, "2026-06-15")
    first = page(master(), *all_of_it[:3], next="2")
    await calendar.full(first, page(*all_of_it[3:]))
    whole = calendar.records["M"]
    cut = calendar.pages[0].resume
    assert len(orjson.dumps(cut)) < 256 * 1024
    calendar.microsoft.requests.clear()
    calendar.microsoft.routes({"/next/2": page(*all_of_it[3:]), f"{USER}/events/M": master()})
    (last,) = await calendar.microsoft.pages("calendar", cursor=cut, partition=CAL, options=SHORT)
    (again,) = last.items
    assert orjson.loads(again.data) == orjson.loads(whole.data)
    assert last.window == calendar.pages[0].window
    assert [where(request) for request in calendar.microsoft.requests] == ["/next/2", "/$batch"]


async def test_a_place_that_would_be_too_large_is_left_out(calendar: Round, monkeypatch) -> None:
    monkeypatch.setattr("syncd_microsoft.series.MOST", 10)
    await calendar.full(page(master(), next="2"), page(*mondays("2026-06-01", 7)))
    assert calendar.pages[0].resume is None


async def test_a_series_that_is_too_large_to_keep_is_asked_for(calendar: Round, monkeypatch) -> None:
    monkeypatch.setattr("syncd_microsoft.series.KEPT", 10)
    calendar.table = {f"{USER}/events/M": master()}
    await calendar.full(page(master(), *mondays("2026-06-01", 7, "2026-06-08")))
    assert cancelled(calendar.records["M"]) == ["2026-06-08"]


async def test_the_end_of_a_series_takes_its_exceptions_along(calendar: Round) -> None:
    moved = exception("X", "2026-06-22T08:00:00", "2026-06-23T14:00:00")
    await calendar.full(page(master(), *mondays("2026-06-01", 7, "2026-06-22"), moved))
    await calendar.delta(page(removed("M")))
    assert sorted(calendar.gone) == ["M", "X"]


async def test_an_exception_that_is_not_sent_again_is_proposed_as_gone(calendar: Round) -> None:
    moved = exception("X", "2026-06-22T08:00:00", "2026-06-23T14:00:00")
    kept = exception("Y", "2026-06-29T08:00:00", "2026-06-30T14:00:00")
    some = mondays("2026-06-01", 7, "2026-06-22", "2026-06-29")
    await calendar.full(page(master(), *some, moved, kept))
    await calendar.delta(page(master(), *some, kept))
    assert calendar.gone == ["X"]
    assert cancelled(calendar.records["M"]) == ["2026-06-22"]


async def test_an_exception_alone_says_nothing_of_the_others(calendar: Round) -> None:
    await calendar.full(page(master(), *mondays("2026-06-01", 7, "2026-06-08")))
    calendar.table = {f"{USER}/events/M": master()}
    await calendar.delta(page(exception("X", "2026-06-22T08:00:00", "2026-06-23T14:00:00")))
    assert calendar.gone == []
    assert cancelled(calendar.records["M"]) == ["2026-06-08"]


async def test_many_missing_at_once_get_a_second_look(calendar: Round) -> None:
    """A series that comes again alone may be a replay (§3): its own list tells."""
    await calendar.full(page(master(), *mondays("2026-06-01", 7, "2026-06-08")))
    instances = mondays("2026-06-01", 7, "2026-06-08")
    calendar.table = {f"{USER}/events/M/instances": {"value": instances}}
    await calendar.delta(page(master(subject="new")))
    assert cancelled(calendar.records["M"]) == ["2026-06-08"]
    calendar.table = {}
    await calendar.delta(page(master(subject="newer")))
    assert len(cancelled(calendar.records["M"])) == 7


async def test_an_occurrence_that_was_moved_out_of_the_window_is_not_cancelled(calendar: Round) -> None:
    """The window is from Monday, June 1, to Wednesday, July 15; occurrences cannot be moved past their neighbours."""
    early, late = (
        exception("X", "2026-06-01T08:00:00", "2026-05-31T08:00:00"),
        exception("Y", "2026-07-13T08:00:00", "2026-07-18T08:00:00"),
    )
    asked: list[str] = []

    def instances(asked_for: str) -> Any:
        asked.append(asked_for.partition("?")[2])
        return {"value": [early, *mondays("2026-05-25", 1)] if len(asked) == 1 else [late, *mondays("2026-07-20", 1)]}

    calendar.table = {f"{USER}/events/M/instances": instances}
    some = mondays("2026-06-08", 5, "2026-06-15")
    await calendar.full(page(master(), *some))
    assert cancelled(calendar.records["M"]) == ["2026-06-15"]
    assert asked == [
        "startDateTime=2026-05-24T00:00:00Z&endDateTime=2026-06-01T00:00:00Z",
        "startDateTime=2026-07-16T00:00:00Z&endDateTime=2026-07-22T00:00:00Z",
    ]
    asked.clear()
    await calendar.delta(page(master(subject="new"), *some))
    assert (cancelled(calendar.records["M"]), len(asked)) == (["2026-06-15"], 2)


@pytest.mark.parametrize("answer", [{"value": []}, fail(403, "ErrorAccessDenied"), fail(500, "ErrorCorruptData")])
async def test_an_occurrence_at_the_end_of_the_window_that_is_nowhere_is_cancelled(calendar: Round, answer) -> None:
    """Here the last one of its series, which may have been moved far."""
    calendar.table = {f"{USER}/events/M/instances": answer}
    last = {**WEEKLY, "range": {**WEEKLY["range"], "type": "endDate", "endDate": "2026-07-13"}}
    await calendar.full(page(master(recurrence=last), *mondays("2026-06-01", 6)))
    assert cancelled(calendar.records["M"]) == ["2026-07-13"]
    assert calendar.asked[1].endswith("?startDateTime=2026-07-16T00:00:00Z&endDateTime=2027-07-17T00:00:00Z")


async def test_a_rule_that_is_beyond_us_invents_nothing(calendar: Round) -> None:
    """Tuesdays come although the rule says Monday: only what came before and is missing now is cancelled."""
    tuesdays = [occurrence(f"2026-06-{day:02}T08:00:00") for day in (2, 9, 16, 23)]
    await calendar.full(page(master(), *tuesdays))
    assert cancelled(calendar.records["M"]) == []
    await calendar.delta(page(master(), *tuesdays[:1], *tuesdays[2:]))
    assert cancelled(calendar.records["M"]) == ["2026-06-09"]
    await calendar.delta(page(master(), *tuesdays[2:]))
    assert cancelled(calendar.records["M"]) == ["2026-06-02", "2026-06-09"]


async def test_an_unreadable_occurrence_proves_nothing_missing(calendar: Round) -> None:
    await calendar.full(page(master(), *mondays("2026-06-01", 7, "2026-06-08")))
    broken = {**occurrence("2026-06-15T08:00:00"), "start": "soon"}
    await calendar.delta(page(master(), *mondays("2026-06-01", 7, "2026-06-08", "2026-06-15"), broken))
    assert cancelled(calendar.records["M"]) == ["2026-06-08"]


async def test_an_all_day_series(calendar: Round) -> None:
    day = {"isAllDay": True, "start": at("2026-01-05T00:00:00"), "end": at("2026-01-06T00:00:00")}
    days = [occurrence(f"{one}T00:00:00") for one in ("2026-06-08", "2026-06-22", "2026-06-29", "2026-07-06")]
    moved = exception("X", "2026-06-14T22:00:00", "2026-06-16T00:00:00", isAllDay=True)
    await calendar.full(page(master(**day), *days, moved))
    assert cancelled(calendar.records["M"]) == ["2026-07-13"]
    assert summary(calendar.records["M"])["start"] == "2026-01-05"


# -- looking again, and errors


async def test_get_tells_gone_from_out_of_the_window(calendar: Round) -> None:
    calendar.microsoft.routes(
        {
            f"{USER}/events/E": event("E", "2031-01-01T08:00:00", "2031-01-01T09:00:00"),
            f"{USER}/events/M": master(),
            f"{USER}/events/O": occurrence("2026-06-08T08:00:00", one="O"),
        }
    )
    alive, series, plain, gone = await calendar.microsoft.get("calendar", ["E", "M", "O", "G"], partition=CAL)
    assert isinstance(alive, Record)
    assert isinstance(series, Record)
    assert series.partial  # what rounds found cancelled stays
    assert isinstance(plain, Tombstone)  # an exception that is a plain occurrence again
    assert isinstance(gone, Tombstone)


async def test_get_in_a_mailbox_that_is_gone_deletes_nothing(calendar: Round) -> None:
    calendar.microsoft.routes({f"{USER}/events/E": fail(404, "ResourceNotFound")})
    with pytest.raises(AccountGone):
        await calendar.microsoft.get("calendar", ["E"], partition=CAL)


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        (fail(410, "SyncStateNotFound"), CursorExpired),
        (fail(410, "whatever"), CursorExpired),
        (fail(400, "syncStateInvalid"), CursorExpired),
        (fail(404, "ErrorItemNotFound"), PartitionGone),
        (fail(404, "MailboxNotEnabledForRESTAPI"), AccountGone),
        (fail(400, "BadRequest"), ProtocolError),
        (httpx.Response(200, json={"value": []}), ProtocolError),
        (httpx.Response(200, json={"value": [], "@odata.deltaLink": "https://evil.example/x"}), ProtocolError),
    ],
)
async def test_answers_that_are_no_page(calendar: Round, answer: httpx.Response, raised: type) -> None:
    await calendar.full(page())
    with pytest.raises(raised):
        await calendar.delta(answer)


async def test_a_cursor_of_another_graph_or_of_nonsense_starts_over(calendar: Round) -> None:
    await calendar.full(page())
    for change in ({"link": "https://graph.microsoft.us/v1.0/x"}, {"ids": "plain"}, {"from": "soon"}, {"known": "?"}):
        with pytest.raises(CursorExpired):
            await calendar.delta(page(), cursor={**calendar.bookmark, **change})
    with pytest.raises(CursorExpired):
        await calendar.microsoft.pages("calendar", scan=Scan.DELTA, cursor=None, partition=CAL)


async def test_events_delta_is_never_called(calendar: Round) -> None:
    await calendar.full(page(event("E", "2026-06-10T08:00:00", "2026-06-10T09:30:00")))
    assert not any("events/delta" in one for one in calendar.asked)


async def test_an_event_of_an_unknown_type_is_asked_for_and_then_refused(calendar: Round) -> None:
    strange = occurrence("2026-06-01T08:00:00", one="X") | {"type": "somethingNew"}
    calendar.table = {f"/users/{ANA.id}/events/X": event("X", "2026-06-01T08:00:00", "2026-06-01T09:00:00")}
    await calendar.full(page(strange))
    assert list(calendar.records) == ["X"]
    calendar.table = {f"/users/{ANA.id}/events/X": strange}
    await calendar.full(page(strange))
    assert [item.reason for item in calendar.pages[0].items] == ["an event of an unknown type"]


# -- a full mailbox


def plain(*events: Any, next: str = "") -> httpx.Response:  # noqa: A002
    """A page of the view without a feed: no annotations of kind, no series, no deltaLink."""
    value = [{key: value for key, value in one.items() if key != "@odata.type"} for one in events]
    link = {"@odata.nextLink": f"{ROOT}/next/{next}"} if next else {}
    return httpx.Response(200, json={"@odata.context": "x", **link, "value": value})


async def test_a_mailbox_without_room_for_a_feed_is_listed_and_shows_the_same(calendar: Round) -> None:
    single, moved = (
        event("E", "2026-06-10T08:00:00", "2026-06-10T09:30:00"),
        exception("X", *["2026-06-22T08:00:00"] * 2),
    )
    days = mondays("2026-06-01", 7, "2026-06-08", "2026-06-22")
    calendar.table = {f"{USER}/events/M": master()}
    await calendar.full(page(master(), single, *days, moved))
    before = {one: (record.data, record.summary) for one, record in calendar.records.items()}
    view = VIEW.removesuffix("/delta")
    calendar.table |= {view: plain(single, *days, next="p"), "/next/p": plain(moved)}
    calendar.records.clear()
    await calendar.full(fail(507, "ErrorQuotaExceeded"))
    assert {one: (record.data, record.summary) for one, record in calendar.records.items()} == before
    assert cancelled(calendar.records["M"]) == ["2026-06-08"]
    assert [one.partition("?")[0] for one in calendar.asked[:2]] == [VIEW, view]
    with pytest.raises(CursorExpired):
        await calendar.delta(page())


async def test_a_feed_that_the_mailbox_has_no_room_for_any_more_begins_anew(calendar: Round) -> None:
    await calendar.full(page(event("E", "2026-06-10T08:00:00", "2026-06-10T09:30:00")))
    with pytest.raises(CursorExpired):
        await calendar.delta(fail(507, "ErrorQuotaExceeded"))


async def test_a_full_mailbox_that_refuses_reading_too_is_a_fault_that_says_so(calendar: Round) -> None:
    calendar.table = {VIEW.removesuffix("/delta"): fail(507, "ErrorQuotaExceeded")}
    with pytest.raises(ProtocolError) as caught:
        await calendar.full(fail(507, "ErrorQuotaExceeded"))
    assert "make room" in caught.value.hint
