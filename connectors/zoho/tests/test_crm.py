"""Reading the CRM against the answers of the wire reference §8.1, §8.2, §8.4, §8.5."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from syncd_zoho.crm import CRM_STREAMS, CrmContactsStream, CrmEventsStream, CrmLeadsStream

from connectors.zoho.tests.canned import Canned, answer, ids, query
from syncd.sdk import (
    AccountGone,
    CursorExpired,
    Forbidden,
    ProtocolError,
    RateLimited,
    Record,
    Reject,
    Scan,
    Tombstone,
    Transient,
)

pytestmark = pytest.mark.anyio
CONTACTS = "GET /crm/v8/Contacts"
DELETED = "GET /crm/v8/Contacts/deleted"
FIELDS = "GET /crm/v8/settings/fields"
SINCE = "2026-11-21T09:00:00+00:00"
BOOKMARK = {
    "v": 1,
    "since": SINCE,
    "fields": ["Modified_Time", "Created_Time", "Last_Name"],
    "fields_at": "2026-11-21T08:00:00+00:00",
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def zoho() -> Canned:
    canned = Canned()
    canned.routes[FIELDS] = named("Last_Name", "Email", "Modified_Time", "Created_Time")
    return canned


def named(*names: str) -> httpx.Response:
    return answer(200, {"fields": [{"api_name": name, "id": "1"} for name in names]})


def row(number: int, modified: str = "2026-11-20T10:00:00+05:30", **more: Any) -> dict[str, Any]:
    return {"id": str(554023000000527000 + number), "Last_Name": f"N{number}", "Modified_Time": modified, **more}


def page(*rows: Any, token: str | None = None, more: bool | None = None, **info: Any) -> httpx.Response:
    info = {"per_page": 200, "count": len(rows), "more_records": token is not None if more is None else more, **info}
    return answer(200, {"data": list(rows), "info": {**info, "next_page_token": token}})


def fault(status: int, code: str, **details: Any) -> httpx.Response:
    return answer(status, {"code": code, "details": details, "message": "said so", "status": "error"})


async def full(zoho: Canned, **more: Any) -> list[Any]:
    return await zoho.pages(CrmContactsStream(), **more)


async def delta(zoho: Canned, cursor: Any = BOOKMARK, **more: Any) -> list[Any]:
    return await zoho.pages(CrmContactsStream(), scan=Scan.DELTA, cursor=cursor, **more)


def of(pages: list[Any]) -> list[Any]:
    return [item for one in pages for item in one.items]


# -- full rounds


async def test_the_streams_are_of_common_kinds_and_need_a_full_round_a_week() -> None:
    found = {stream.info.name: (stream.info.kind, stream.can_get) for stream in CRM_STREAMS}
    assert found == {"crm_contacts": ("contact", True), "crm_leads": ("contact", True), "crm_events": ("event", True)}
    assert {stream.info.full_every.days for stream in CRM_STREAMS if stream.info.full_every} == {7}


async def test_all_pages_are_read_by_token_with_the_same_parameters(zoho: Canned) -> None:
    zoho.routes[CONTACTS] = [page(row(1), token="t2"), page(row(2), token="t3"), page(row(3))]
    pages = await full(zoho)
    assert len(ids(pages)) == 3
    first, second, third = (query(one) for one in zoho.asked(CONTACTS))
    assert (first.get("page"), first.get("page_token")) == (None, None)
    assert (second.pop("page_token"), third.pop("page_token")) == ("t2", "t3")
    assert first == second == third
    assert (first["sort_by"], first["sort_order"], first["per_page"]) == ("Modified_Time", "asc", "200")
    assert [one.last for one in pages] == [False, False, True]


async def test_the_bookmark_is_the_servers_time_before_the_first_page(zoho: Canned) -> None:
    zoho.routes[FIELDS] = answer(
        200, {"fields": [{"api_name": "Last_Name"}]}, {"date": "Sat, 21 Nov 2026 09:30:00 GMT"}
    )
    zoho.routes[CONTACTS] = page(row(1))
    (one,) = await full(zoho)
    assert one.bookmark["since"] == "2026-11-21T09:30:00+00:00"
    assert one.bookmark["fields"] == ["Modified_Time", "Created_Time", "Last_Name"]


async def test_an_empty_module_is_an_empty_round(zoho: Canned) -> None:
    zoho.routes[CONTACTS] = answer(204)
    (one,) = await full(zoho)
    assert (one.items, one.last) == ([], True)


async def test_a_cut_round_goes_on_with_the_token_and_its_fields(zoho: Canned) -> None:
    zoho.routes[CONTACTS] = [page(row(1), token="t2"), page(row(2))]
    pages = await full(zoho)
    zoho.requests.clear()
    zoho.routes[CONTACTS] = page(row(2))
    (again,) = await full(zoho, cursor=pages[0].resume)
    assert [query(one).get("page_token") for one in zoho.requests] == ["t2"]
    assert query(zoho.requests[0])["fields"] == "Modified_Time,Created_Time,Last_Name,Email"
    assert again.bookmark == pages[-1].bookmark


@pytest.mark.parametrize(
    "lost", [fault(400, "EXPIRED_VALUE", param_name="page_token"), fault(400, "TOKEN_BOUND_DATA_MISMATCH")]
)
async def test_a_lost_token_goes_on_where_all_was_seen(zoho: Canned, lost: httpx.Response) -> None:
    zoho.routes[CONTACTS] = [page(row(1, "2026-11-20T10:00:00+00:00"), token="t2"), lost, page(row(2))]
    assert ids(await full(zoho)) == [row(1)["id"], row(2)["id"]]
    last = zoho.asked(CONTACTS)[-1]
    assert "page_token" not in query(last)
    assert last.headers["if-modified-since"] == "2026-11-20T09:59:59+00:00"


async def test_a_lost_token_of_a_walk_without_order_begins_at_the_beginning(zoho: Canned) -> None:
    rows = [row(1, "2026-11-20T10:00:00+00:00"), row(2, "2026-11-19T10:00:00+00:00")]
    zoho.routes[CONTACTS] = [page(*rows, token="t2"), fault(400, "EXPIRED_VALUE", param_name="page_token"), page(*rows)]
    await full(zoho)
    assert "if-modified-since" not in zoho.asked(CONTACTS)[-1].headers


async def test_more_records_than_a_walk_shows_come_in_slices(zoho: Canned) -> None:
    zoho.routes[CONTACTS] = [
        page(row(1, "2026-11-20T15:30:00+05:30"), token="t2"),
        fault(400, "PAGINATION_LIMIT_EXCEEDED", limit=100000),
        page(row(2, "2026-11-20T11:00:00+00:00"), token="t3"),
        fault(400, "PAGINATION_LIMIT_EXCEEDED", limit=100000),
        answer(304),
    ]
    pages = await full(zoho)
    assert [one.headers.get("if-modified-since") for one in zoho.asked(CONTACTS)][2:] == [
        "2026-11-20T09:59:59+00:00",
        "2026-11-20T09:59:59+00:00",
        "2026-11-20T10:59:59+00:00",
    ]
    assert pages[-1].last


async def test_more_records_of_one_moment_than_a_walk_shows_are_no_success(zoho: Canned) -> None:
    zoho.routes[CONTACTS] = lambda request: (
        fault(400, "PAGINATION_LIMIT_EXCEEDED") if "page_token" in query(request) else page(row(1), token="t2")
    )
    with pytest.raises(ProtocolError, match="more records of one moment"):
        await full(zoho)


async def test_a_token_that_repeats_ends_in_an_error(zoho: Canned) -> None:
    zoho.routes[CONTACTS] = page(row(1), token="t2")
    with pytest.raises(ProtocolError, match="repeats"):
        await full(zoho)


async def test_pages_without_tokens_are_numbered(zoho: Canned) -> None:
    zoho.routes[CONTACTS] = [page(row(1), more=True), page(row(2))]
    await full(zoho)
    assert [query(one).get("page") for one in zoho.asked(CONTACTS)] == [None, "2"]


async def test_wide_modules_are_read_in_several_requests(zoho: Canned) -> None:
    names = [f"F{number}" for number in range(120)]
    zoho.routes[FIELDS] = named("Modified_Time", "Last_Name", *names)

    def listing(request: httpx.Request) -> httpx.Response:
        asked = query(request)["fields"].split(",")
        assert len(asked) <= 50
        wanted = query(request).get("ids", "").split(",")
        rows = [row(number) for number in range(150)]
        return page(
            *(
                {"id": one["id"], **{name: one.get(name, "x") for name in asked}}
                for one in rows
                if wanted == [""] or one["id"] in wanted
            )
        )

    zoho.routes[CONTACTS] = listing
    (one,) = await full(zoho)
    assert len(one.items) == 150
    assert set(one.items[149].data) == {"id", "Modified_Time", "Created_Time", "Last_Name", *names}
    sizes = [len(query(asked)["ids"].split(",")) for asked in zoho.asked(CONTACTS) if "ids" in query(asked)]
    assert sorted(sizes) == [50, 50, 100, 100]


async def test_a_record_that_goes_between_the_requests_of_a_wide_module_is_left_out(zoho: Canned) -> None:
    zoho.routes[FIELDS] = named(*(f"F{number}" for number in range(60)))
    zoho.routes[CONTACTS] = lambda request: (
        page({"id": row(1)["id"], "F59": 1}) if "ids" in query(request) else page(row(1), row(2))
    )
    assert ids(await full(zoho)) == [row(1)["id"]]


async def test_the_usual_fields_are_read_where_the_token_may_not_list_them(zoho: Canned) -> None:
    zoho.routes[FIELDS] = fault(401, "OAUTH_SCOPE_MISMATCH")
    zoho.routes[CONTACTS] = page(row(1))
    await full(zoho)
    assert {"Email", "Modified_Time", "Mailing_City"} <= set(query(zoho.asked(CONTACTS)[0])["fields"].split(","))


async def test_no_record_is_hidden_silently(zoho: Canned) -> None:
    zoho.routes[CONTACTS] = answer(204)
    zoho.routes["GET /crm/v8/Leads"] = answer(204)
    await full(zoho)
    await zoho.pages(CrmLeadsStream())
    assert query(zoho.asked(CONTACTS)[0])["approved"] == "both"
    assert query(zoho.asked("GET /crm/v8/Leads")[0])["converted"] == "both"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (fault(401, "OAUTH_SCOPE_MISMATCH"), Forbidden),
        (fault(403, "NO_PERMISSION"), Forbidden),
        (fault(400, "INVALID_MODULE"), AccountGone),
        (fault(429, "TOO_MANY_REQUESTS"), RateLimited),
        (fault(500, "INTERNAL_ERROR"), Transient),
        (
            answer(200, {"data": [{"code": "NO_PERMISSION", "status": "error", "details": {}, "message": "no"}]}),
            ProtocolError,
        ),
        (answer(200, {"code": "TOO_MANY_REQUESTS", "status": "error", "details": {}, "message": "no"}), RateLimited),
        (answer(200, {"info": {}}), ProtocolError),
        (answer(200, {"data": [row(1)]}), ProtocolError),
        (answer(200, {"data": [row(1)], "info": {"more_records": "no"}}), ProtocolError),
        (page(more=True), ProtocolError),
        (httpx.Response(200), ProtocolError),
        (httpx.Response(200, content=b"[]"), ProtocolError),
        (httpx.Response(200, content=b"<html>"), Transient),
    ],
)
async def test_answers_that_bring_nothing(zoho: Canned, given: httpx.Response, expected: type[Exception]) -> None:
    zoho.routes[CONTACTS] = given
    with pytest.raises(expected) as caught:
        await full(zoho)
    if isinstance(caught.value, RateLimited):
        assert caught.value.retry_after is None


@pytest.mark.parametrize(
    ("bad", "source_id"), [(7, None), ({"Last_Name": "x"}, None), ({"id": 1.5}, None), ({"id": ""}, None)]
)
async def test_one_bad_record_does_not_stop_the_others(zoho: Canned, bad: Any, source_id: str | None) -> None:
    zoho.routes[CONTACTS] = page(bad, row(1))
    (one,) = await full(zoho)
    assert [type(item) for item in one.items] == [Reject, Record]
    assert one.items[0].source_id == source_id


async def test_a_number_without_end_rejects_its_record(zoho: Canned) -> None:
    zoho.routes[CONTACTS] = httpx.Response(
        200,
        content=b'{"data":[{"id":"1","Score":1e999,"Email":null},{"id":"2","Email":null}],"info":{"more_records":false}}',
    )
    (one,) = await full(zoho)
    assert [(type(item), item.source_id) for item in one.items] == [(Reject, "1"), (Record, "2")]


# -- deltas


async def test_a_delta_asks_for_changes_and_deletions_since_the_watermark_less_a_second(zoho: Canned) -> None:
    zoho.routes[CONTACTS] = page(row(1))
    zoho.routes[DELETED] = page({"id": row(2)["id"], "type": "recycle", "deleted_by": None})
    pages = await delta(zoho)
    assert [type(item) for item in of(pages)] == [Record, Tombstone]
    for request in zoho.requests:
        assert request.headers["if-modified-since"] == "2026-11-21T08:59:59+00:00"
    assert query(zoho.asked(DELETED)[0])["type"] == "all"
    assert pages[-1].bookmark["since"] == "2026-11-21T10:00:00+00:00"
    assert not zoho.asked(FIELDS)


@pytest.mark.parametrize("nothing", [204, 304])
async def test_nothing_changed_is_two_requests(zoho: Canned, nothing: int) -> None:
    zoho.routes[CONTACTS] = answer(nothing)
    zoho.routes[DELETED] = answer(204)
    (one,) = await delta(zoho)
    assert (one.items, one.last, len(zoho.requests)) == ([], True, 2)
    assert one.bookmark["since"] == "2026-11-21T10:00:00+00:00"


async def test_all_pages_of_a_delta_have_one_header_and_one_bookmark(zoho: Canned) -> None:
    zoho.routes[CONTACTS] = [page(row(1), token="t2"), page(row(2))]
    zoho.routes[DELETED] = [page({"id": "7"}, more=True), page({"id": "8"})]
    pages = await delta(zoho)
    assert ids(pages) == [row(1)["id"], row(2)["id"], "7", "8"]
    assert {one.headers["if-modified-since"] for one in zoho.requests} == {"2026-11-21T08:59:59+00:00"}
    assert [query(one)["page"] for one in zoho.asked(DELETED)] == ["1", "2"]
    assert [one.last for one in pages] == [False, False, False, True]


async def test_a_cut_delta_goes_on_where_it_was(zoho: Canned) -> None:
    zoho.routes[CONTACTS] = [page(row(1), token="t2"), page(row(2))]
    zoho.routes[DELETED] = [page({"id": "7"}, more=True), page({"id": "8"})]
    pages = await delta(zoho)
    ends = []
    for cut in pages[:-1]:
        zoho.requests.clear()
        zoho.routes[CONTACTS] = page(row(2))
        zoho.routes[DELETED] = lambda request: (
            page({"id": "8"}) if query(request)["page"] == "2" else page({"id": "7"}, more=True)
        )
        again = await delta(zoho, cut.resume)
        assert again[-1].bookmark == pages[-1].bookmark
        ends.append((ids(again), [query(one).get("page_token") for one in zoho.asked(CONTACTS)]))
    assert ends == [([row(2)["id"], "7", "8"], ["t2"]), (["7", "8"], []), (["8"], [])]


async def test_a_lost_token_in_a_delta_does_not_end_it(zoho: Canned) -> None:
    zoho.routes[CONTACTS] = [
        page(row(1, "2026-11-21T09:30:00+00:00"), token="t2"),
        fault(400, "EXPIRED_VALUE", param_name="page_token"),
        page(row(2)),
    ]
    zoho.routes[DELETED] = answer(204)
    assert len(ids(await delta(zoho))) == 2
    assert zoho.asked(CONTACTS)[-1].headers["if-modified-since"] == "2026-11-21T09:29:59+00:00"


async def test_more_deletions_than_are_listed_ask_for_a_full_round(zoho: Canned) -> None:
    zoho.routes[CONTACTS] = answer(304)
    zoho.routes[DELETED] = [page({"id": "7"}, more=True), fault(400, "DISCRETE_PAGINATION_LIMIT_EXCEEDED", limit=2000)]
    with pytest.raises(CursorExpired):
        await delta(zoho)


async def test_new_fields_are_looked_for_once_a_day_and_ask_for_a_full_round(zoho: Canned) -> None:
    old = {**BOOKMARK, "fields_at": "2026-11-20T08:00:00+00:00"}
    with pytest.raises(CursorExpired, match="new fields"):
        await delta(zoho, old)
    zoho.routes[FIELDS] = named("Last_Name")
    zoho.routes[CONTACTS] = answer(304)
    zoho.routes[DELETED] = answer(204)
    (one,) = await delta(zoho, old)
    assert one.bookmark["fields_at"] == "2026-11-21T10:00:00+00:00"


async def test_a_field_that_went_asks_for_a_full_round(zoho: Canned) -> None:
    zoho.routes[CONTACTS] = fault(400, "INVALID_DATA", param_name="fields")
    with pytest.raises(CursorExpired):
        await delta(zoho)


@pytest.mark.parametrize("cursor", [{"v": 0}, {"v": 1}, {**BOOKMARK, "since": "2026-08-01T00:00:00+00:00"}])
async def test_a_cursor_that_cannot_be_honoured_asks_for_a_full_round(zoho: Canned, cursor: Any) -> None:
    with pytest.raises(CursorExpired):
        await delta(zoho, cursor)


# -- single items


async def test_get_gives_records_and_tombstones_by_a_hundred(zoho: Canned) -> None:
    wanted = [row(number)["id"] for number in range(130)]
    zoho.routes[CONTACTS] = lambda request: page(
        *({"id": one} for one in query(request)["ids"].split(",") if one != wanted[3])
    )
    found = [item async for item in CrmContactsStream().get(zoho.context(), wanted)]
    assert [type(item) for item in found].count(Tombstone) == 1
    assert found[3].source_id == wanted[3]
    assert [item.source_id for item in found] == wanted
    assert [len(query(one)["ids"].split(",")) for one in zoho.asked(CONTACTS)] == [100, 30]
    zoho.routes[CONTACTS] = answer(204)
    found = [item async for item in CrmContactsStream().get(zoho.context(), wanted[:2])]
    assert [type(item) for item in found] == [Tombstone, Tombstone]


# -- records


async def one_record(zoho: Canned, stream: Any, **values: Any) -> Record:
    module = stream.module
    zoho.routes[f"GET /crm/v8/{module}"] = page({"id": "554023000000527001", **values})
    (one,) = await zoho.pages(stream)
    (record,) = one.items
    assert isinstance(record, Record)
    return record


async def test_the_summary_of_a_contact(zoho: Canned) -> None:
    record = await one_record(
        zoho,
        CrmContactsStream(),
        Full_Name="Ana Paz",
        Email="ana@x.example",
        Secondary_Email="paz@x.example",
        Phone="1",
        Mobile="2",
        Account_Name={"name": "Acme", "id": "1"},
        Modified_Time="2026-11-20T10:00:00-11:00",
    )
    assert record.summary == {
        "name": "Ana Paz",
        "emails": ["ana@x.example", "paz@x.example"],
        "phones": ["1", "2"],
        "organization": "Acme",
    }
    assert record.modified_at == datetime(2026, 11, 20, 21, tzinfo=UTC)
    assert record.etag == "2026-11-20T10:00:00-11:00"


async def test_the_summary_of_a_lead(zoho: Canned) -> None:
    record = await one_record(zoho, CrmLeadsStream(), First_Name="Ana", Last_Name="Paz", Email=None, Company="Acme")
    assert record.summary == {"name": "Ana Paz", "emails": [], "phones": [], "organization": "Acme"}


async def test_the_summary_of_a_meeting(zoho: Canned) -> None:
    record = await one_record(
        zoho,
        CrmEventsStream(),
        Event_Title="Plan",
        Start_DateTime="2026-02-02T10:00:00+05:30",
        End_DateTime="2026-02-02T11:00:00+05:30",
        Venue="Room 1",
        Owner={"name": "Ana", "id": "1", "email": "ana@acme.example"},
        Participants=[
            {"type": "contact", "participant": "55", "name": "Bo", "Email": "bo@x.example"},
            {"type": "email", "participant": "cy@x.example"},
            {"type": "user", "participant": "56", "name": "Di"},
        ],
    )
    assert record.summary == {
        "title": "Plan",
        "start": "2026-02-02T04:30:00Z",
        "end": "2026-02-02T05:30:00Z",
        "location": "Room 1",
        "organizer": "ana@acme.example",
        "attendees": ["bo@x.example", "cy@x.example", "Di"],
    }


@pytest.mark.parametrize("spelling", ["All_day", "All_Day"])
async def test_an_all_day_meeting_has_dates(zoho: Canned, spelling: str) -> None:
    times = {"Start_DateTime": "2026-02-02T00:00:00+05:30", "End_DateTime": "2026-02-03T00:00:00+05:30"}
    record = await one_record(zoho, CrmEventsStream(), **{**times, spelling: True})
    assert isinstance(record.summary, dict)
    assert (record.summary["start"], record.summary["end"]) == ("2026-02-02", "2026-02-03")


@pytest.mark.parametrize(
    "remind", ["2020-02-01T09:45:00+05:30", {"ALARM": "FREQ=NONE"}, [{"unit": 15, "period": "minutes"}], None]
)
async def test_a_reminder_may_have_any_shape(zoho: Canned, remind: Any) -> None:
    record = await one_record(zoho, CrmEventsStream(), Event_Title="x", Remind_At=remind)
    assert isinstance(record.data, dict)
    assert record.data["Remind_At"] == remind


def test_what_moves_by_itself_does_not_count_as_a_change() -> None:
    for stream in CRM_STREAMS:
        assert {"Last_Activity_Time", "Modified_Time", "$editable", "$approved"} <= set(stream.info.volatile)
        assert "$se_module" not in stream.info.volatile


async def test_one_record_without_id_is_refused_and_a_page_of_them_makes_no_sense(zoho: Canned) -> None:
    nameless = {"Last_Name": "X", "Modified_Time": "2026-11-20T10:00:00+05:30"}
    zoho.routes[CONTACTS] = page(nameless, row(1))
    (whole,) = await zoho.pages(CrmContactsStream())
    assert [type(item) for item in whole.items] == [Reject, Record]
    zoho.routes[CONTACTS] = page(nameless, nameless)
    with pytest.raises(ProtocolError):
        await zoho.pages(CrmContactsStream())
