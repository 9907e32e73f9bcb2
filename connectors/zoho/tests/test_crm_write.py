"""Writing to the CRM, and its notifications, against the answers of the wire reference §8.3, §8.8."""

from typing import Any

import httpx
import pytest
from syncd_zoho.crm import CrmContactsStream, CrmEventsStream

from connectors.zoho.tests.canned import Canned, answer, body, query
from syncd.sdk import Forbidden, ProtocolError, Transient, VersionConflict

pytestmark = pytest.mark.anyio
ID = "554023000000527002"
BASE = "/crm/v8/Contacts"
ONE = f"GET {BASE}/{ID}"
LIST = f"GET {BASE}"
POST = f"POST {BASE}"
PUT = f"PUT {BASE}/{ID}"
DELETE = f"DELETE {BASE}"
THEN = "2026-11-20T10:00:00+05:30"
STORED = {"id": ID, "Last_Name": "Paz", "Email": "ana@x.example", "Modified_Time": THEN, "Created_Time": THEN}
ANA = {"Last_Name": "Paz", "Email": "ana@x.example"}
URL = "https://syncd.example/push"
WATCH = "/crm/v8/actions/watch"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def zoho() -> Canned:
    canned = Canned()
    canned.routes = {ONE: rows(STORED), LIST: answer(204)}
    return canned


def rows(*found: Any, **info: Any) -> httpx.Response:
    return answer(200, {"data": list(found), "info": {"more_records": False, **info}})


def result(code: str = "SUCCESS", *, http: int = 200, **details: Any) -> httpx.Response:
    status = "success" if code == "SUCCESS" else "error"
    return answer(http, {"data": [{"code": code, "status": status, "message": "so", "details": details}]})


async def create(zoho: Canned, data: Any = ANA, **options: Any) -> Any:
    return await CrmContactsStream().create(zoho.context(options=options), data, idempotency_key="k1")


async def update(zoho: Canned, data: Any, etag: str | None = THEN) -> Any:
    return await CrmContactsStream().update(zoho.context(), ID, data, etag=etag, idempotency_key="k1")


async def delete(zoho: Canned, etag: str | None = THEN) -> None:
    await CrmContactsStream().delete(zoho.context(), ID, etag=etag, idempotency_key="k1")


# -- create


async def test_a_create_gives_the_record_as_the_crm_has_it(zoho: Canned) -> None:
    zoho.routes[POST] = result(http=201, id=ID)
    record = await create(zoho, {**ANA, "id": "7", "Modified_Time": THEN, "$approved": True, "$se_module": "Deals"})
    assert (record.source_id, record.etag, record.data) == (ID, THEN, STORED)
    assert body(zoho.asked(POST)[0]) == {"data": [{**ANA, "$se_module": "Deals"}], "trigger": []}


async def test_with_a_unique_field_a_create_is_an_upsert_on_the_key(zoho: Canned) -> None:
    zoho.routes[f"{POST}/upsert"] = result(id=ID)
    await create(zoho, unique_field="Syncd_Key")
    assert body(zoho.requests[0]) == {
        "data": [{**ANA, "Syncd_Key": "k1"}],
        "trigger": [],
        "duplicate_check_fields": ["Syncd_Key"],
    }


async def test_a_create_whose_answer_is_lost_finds_what_it_made(zoho: Canned) -> None:
    made = {**STORED, "Created_Time": "2026-11-21T10:00:00+00:00"}
    zoho.routes[LIST] = [answer(204), rows(made)]
    zoho.routes[POST] = answer(502)
    assert (await create(zoho)).source_id == ID
    assert len(zoho.asked(POST)) == 1
    assert query(zoho.asked(LIST)[0])["sort_by"] == "Created_Time"


async def test_a_second_create_finds_what_the_first_made(zoho: Canned) -> None:
    zoho.routes[LIST] = rows({**STORED, "Created_Time": "2026-11-21T09:00:00+00:00"})
    assert (await create(zoho)).source_id == ID
    assert not zoho.asked(POST)


@pytest.mark.parametrize(
    "other",
    [
        {"Created_Time": "2026-11-19T09:00:00+00:00"},
        {"Created_Time": "2026-11-21T09:00:00+00:00", "Email": "other@x.example"},
        {"Created_Time": "2026-11-21T09:00:00+00:00", "Last_Name": None},
    ],
)
async def test_another_record_is_not_taken_for_it(zoho: Canned, other: Any) -> None:
    zoho.routes[LIST] = rows({**STORED, "id": "9", **other})
    zoho.routes[POST] = result(http=201, id=ID)
    assert (await create(zoho)).source_id == ID
    assert len(zoho.asked(POST)) == 1


async def test_a_create_that_is_lost_for_good_is_raised(zoho: Canned) -> None:
    zoho.routes[POST] = answer(502)
    with pytest.raises(Transient):
        await create(zoho)


@pytest.mark.parametrize("details", [{"duplicate_record": {"id": ID, "module": "Contacts"}}, {"id": ID}])
async def test_a_unique_value_that_is_taken_links_the_record_that_has_it(zoho: Canned, details: Any) -> None:
    zoho.routes[POST] = result("DUPLICATE_DATA", http=400, api_name="Email", **details)
    assert (await create(zoho)).source_id == ID
    assert len(zoho.asked(POST)) == 1


@pytest.mark.parametrize("http", [200, 201, 202, 207, 400])
async def test_each_result_is_judged_by_itself_whatever_the_status(zoho: Canned, http: int) -> None:
    zoho.routes[POST] = result("INVALID_DATA", http=http, api_name="Email", json_path="$.data[0].Email")
    with pytest.raises(ProtocolError, match="INVALID_DATA"):
        await create(zoho)
    zoho.routes[POST] = result("NO_PERMISSION", http=http)
    with pytest.raises(Forbidden):
        await create(zoho)


@pytest.mark.parametrize(
    "given", [answer(201, {"data": []}), answer(201, {"data": [{"status": "success", "details": {}}]}), answer(201, {})]
)
async def test_a_success_without_an_id_is_none(zoho: Canned, given: httpx.Response) -> None:
    zoho.routes[POST] = given
    with pytest.raises(ProtocolError):
        await create(zoho)


async def test_meetings_mail_nobody(zoho: Canned) -> None:
    zoho.routes = {
        "GET /crm/v8/Events": answer(204),
        "POST /crm/v8/Events": result(http=201, id=ID),
        f"GET /crm/v8/Events/{ID}": rows({"id": ID}),
        f"PUT /crm/v8/Events/{ID}": result(id=ID),
    }
    stream, ctx = CrmEventsStream(), zoho.context()
    await stream.create(ctx, {"Event_Title": "x", "$send_notification": True}, idempotency_key="k")
    await stream.update(ctx, ID, {"Event_Title": "y"}, etag=None, idempotency_key="k2")
    writes = [body(one) for one in zoho.requests if one.method in ("POST", "PUT")]
    assert [(one["trigger"], one["data"][0]["$send_notification"]) for one in writes] == [([], False), ([], False)]


# -- update


async def test_an_update_is_conditional(zoho: Canned) -> None:
    zoho.routes[PUT] = result(id=ID)
    record = await update(zoho, {"Email": None})
    assert record.source_id == ID
    assert body(zoho.asked(PUT)[0]) == {"data": [{"Email": None, "id": ID}], "trigger": []}
    assert zoho.asked(PUT)[0].headers["if-unmodified-since"] == THEN


async def test_versions_are_instants(zoho: Canned) -> None:
    zoho.routes[PUT] = result(id=ID)
    await update(zoho, {"Email": "b@x.example"}, "2026-11-20T04:30:00+00:00")


async def test_a_newer_version_is_a_conflict(zoho: Canned) -> None:
    with pytest.raises(VersionConflict):
        await update(zoho, {"Email": "b@x.example"}, "2026-11-20T09:00:00+05:30")
    zoho.routes[PUT] = result("ALREADY_MODIFIED", http=412, id=ID, Modified_Time=THEN)
    with pytest.raises(VersionConflict):
        await update(zoho, {"Email": "b@x.example"})
    zoho.routes[ONE] = answer(204)
    with pytest.raises(VersionConflict):
        await update(zoho, {"Email": "b@x.example"})


async def test_an_update_that_got_through_before_is_no_conflict(zoho: Canned) -> None:
    record = await update(zoho, {"Email": "ana@x.example"}, "2026-11-20T09:00:00+05:30")
    assert record.source_id == ID
    assert not zoho.asked(PUT)


# -- delete


async def test_a_delete_runs_no_workflow(zoho: Canned) -> None:
    zoho.routes[DELETE] = result(id=ID)
    await delete(zoho)
    assert query(zoho.asked(DELETE)[0]) == {"ids": ID, "wf_trigger": "false"}


async def test_what_is_gone_needs_no_deleting(zoho: Canned) -> None:
    zoho.routes[ONE] = answer(400, {"code": "INVALID_DATA", "details": {}, "message": "invalid", "status": "error"})
    await delete(zoho)
    zoho.routes[ONE] = [rows(STORED), answer(204)]
    zoho.routes[DELETE] = result("INVALID_DATA", http=400, id=ID)
    await delete(zoho)


async def test_a_delete_that_is_refused_is_raised(zoho: Canned) -> None:
    zoho.routes[DELETE] = result("NO_PERMISSION", http=403)
    with pytest.raises(Forbidden):
        await delete(zoho)
    with pytest.raises(VersionConflict):
        await delete(zoho, "2026-11-20T09:00:00+05:30")


# -- notifications


def granted(expiry: str, channel: str) -> httpx.Response:
    event = {"channel_expiry": expiry, "resource_name": "Contacts", "channel_id": channel}
    return answer(201, {"watch": [{"code": "SUCCESS", "status": "success", "details": {"events": [event]}}]})


def grant(expiry: str) -> Any:
    return lambda request: granted(expiry, body(request)["watch"][0]["channel_id"])


async def test_a_channel_is_opened_renewed_and_closed(zoho: Canned) -> None:
    zoho.routes = {
        f"POST {WATCH}": grant("2026-11-27T12:00:00+00:00"),
        f"PATCH {WATCH}": grant("2026-11-28T12:00:00+00:00"),
        f"DELETE {WATCH}": answer(200, {"watch": [{"code": "SUCCESS", "status": "success", "details": {}}]}),
    }
    stream, ctx = CrmContactsStream(), zoho.context()
    subscription = await stream.subscribe(ctx, URL, "s3cret")
    watch = body(zoho.requests[0])["watch"][0]
    assert watch["channel_id"].isdigit()
    assert (watch["events"], watch["notify_url"]) == (["Contacts.all"], URL)
    assert 0 < len(watch["token"]) <= 50
    assert "s3cret" not in watch["token"]
    assert watch["token"] not in str(subscription)
    assert await stream.subscribe(ctx, URL, "s3cret") == subscription
    renewed = await stream.renew(ctx, subscription)
    assert (renewed["channel_id"], renewed["expires_at"]) == (subscription["channel_id"], "2026-11-28T12:00:00Z")
    await stream.unsubscribe(ctx, renewed)
    assert query(zoho.requests[-1]) == {"channel_ids": watch["channel_id"]}


async def test_a_channel_that_ended_cannot_be_renewed_and_is_closed(zoho: Canned) -> None:
    gone = answer(400, {"watch": [{"code": "NOT_SUBSCRIBED", "status": "error", "details": {}, "message": "no"}]})
    zoho.routes = {f"PATCH {WATCH}": gone, f"DELETE {WATCH}": gone}
    stream, ctx = CrmContactsStream(), zoho.context()
    assert await stream.renew(ctx, {"channel_id": "1"}) is None
    await stream.unsubscribe(ctx, {"channel_id": "1"})
