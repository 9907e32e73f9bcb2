"""The traps of the wire reference §10 that concern WorkDrive and the CRM, by their numbers."""

import hmac
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest
from syncd_zoho import ZohoConnector
from syncd_zoho.auth import ZohoAuth
from syncd_zoho.crm import CRM_STREAMS, CrmContactsStream, CrmEventsStream
from syncd_zoho.files import FilesStream
from syncd_zoho.settings import SCOPES

from connectors.zoho.tests.canned import Canned, answer, body, ids, query
from syncd.sdk import (
    AccountGone,
    Blob,
    Context,
    CursorExpired,
    Forbidden,
    Lane,
    Page,
    Partition,
    ProtocolError,
    RateLimited,
    Scan,
)

pytestmark = pytest.mark.anyio
DRIVE = "/workdrive/api/v1"
CONTACTS = "GET /crm/v8/Contacts"
FIELDS = "GET /crm/v8/settings/fields"
DELETED = "GET /crm/v8/Contacts/deleted"
WATCH = "POST /crm/v8/actions/watch"
R008 = answer(401, {"errors": [{"id": "R008", "title": "Unauthorized access"}]})
TEAM = Partition("ws", "Team", shared=True)
ID = "554023000000527002"
MARK = {
    "v": 1,
    "since": "2026-11-21T09:00:00+00:00",
    "fields": ["Modified_Time"],
    "fields_at": "2026-11-21T08:00:00+00:00",
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def zoho() -> Canned:
    canned = Canned()
    canned.routes[FIELDS] = answer(200, {"fields": [{"api_name": "Last_Name"}, {"api_name": "Modified_Time"}]})
    canned.routes[DELETED] = answer(204)
    return canned


def files(*items: Any, **cursor: Any) -> httpx.Response:
    return answer(200, {"data": list(items), "links": {"cursor": {"has_next": False, **cursor}}})


def item(key: str, **attributes: Any) -> dict[str, Any]:
    return {"id": key, "attributes": {"name": key, **attributes}}


def records(*rows: Any, **info: Any) -> httpx.Response:
    return answer(200, {"data": list(rows), "info": {"more_records": False, **info}})


def refused(code: str, http: int = 400, **details: Any) -> httpx.Response:
    return answer(http, {"code": code, "details": details, "message": "no", "status": "error"})


async def drive(zoho: Canned, **more: Any) -> list[Page]:
    return await zoho.pages(FilesStream(), partition=TEAM, **more)


async def crm(zoho: Canned, **more: Any) -> list[Page]:
    return await zoho.pages(CrmContactsStream(), **more)


async def delta(zoho: Canned) -> list[Page]:
    return await crm(zoho, scan=Scan.DELTA, cursor=MARK)


# -- WorkDrive


async def test_trap_10_an_unknown_id_is_gone_and_is_asked_once(zoho: Canned) -> None:
    zoho.routes[f"GET {DRIVE}/files/ws/files"] = [files(item("d", is_folder=True)), files()]
    zoho.routes[f"GET {DRIVE}/files/d/files"] = R008
    pages = await drive(zoho)
    assert len(zoho.asked(f"GET {DRIVE}/files/d/files")) == 1
    assert pages[-1].last
    connector, auth = ZohoConnector(), ZohoAuth({"data_center": "eu"})
    response = httpx.Response(401, content=R008.content, request=httpx.Request("GET", "https://www.zohoapis.eu/"))
    assert connector.retryable(response) is None
    assert auth.refused(response) is False


async def test_trap_10_on_the_first_call_it_means_no_workdrive(zoho: Canned) -> None:
    zoho.routes[f"GET {DRIVE}/users/me"] = R008
    with pytest.raises(AccountGone) as caught:
        await FilesStream().partitions(zoho.context())
    assert caught.value.state == "no WorkDrive"
    with pytest.raises(AccountGone):
        await zoho.pages(FilesStream())


@pytest.mark.parametrize(("told", "waits"), [("119", 120), ("300", 301), (None, 60)])
async def test_trap_11_the_wait_is_the_one_that_is_told(zoho: Canned, told: str | None, waits: float) -> None:
    zoho.routes[f"GET {DRIVE}/files/ws/files"] = answer(
        429,
        {"errors": [{"id": "F7008", "title": "Request rate limit exceeded"}]},
        {"retry-after": told} if told else {},
    )
    with pytest.raises(RateLimited) as caught:
        await drive(zoho)
    assert caught.value.retry_after == waits


async def test_trap_12_a_folder_is_listed_once_and_its_further_pages_in_a_lane_of_its_own(zoho: Canned) -> None:
    zoho.routes[f"GET {DRIVE}/files/ws/files"] = [
        files(item("d", is_folder=True), item("d", is_folder=True), has_next=True, next="/x?page%5Bnext%5D=2"),
        files(item("d", is_folder=True)),
    ]
    zoho.routes[f"GET {DRIVE}/files/d/files"] = files()
    await drive(zoho)
    assert [one.extensions["syncd.lane"] for one in zoho.requests] == ["workdrive", ("folder", "ws"), "workdrive"]
    lane = ZohoConnector.info.limits.lanes["folder"]
    assert isinstance(lane, Lane)
    assert lane.requests <= 19
    assert lane.seconds == 60


async def test_trap_13_only_milliseconds_are_times(zoho: Canned) -> None:
    zoho.routes[f"GET {DRIVE}/files/ws/files"] = files(
        item("a", modified_time="Aug 26, 4:46 PM", modified_time_in_millisecond="1772000000000"),
        item("b", modified_time="26 août, 16:46", created_time="2026-01-01"),
    )
    (page,) = await drive(zoho)
    assert [one.modified_at for one in page.items] == [datetime(2026, 2, 25, 6, 13, 20, tzinfo=UTC), None]  # type: ignore[union-attr]


async def test_trap_14_the_end_is_has_next_and_only_page_next_is_taken(zoho: Canned) -> None:
    link = (
        "https://elsewhere.example/workdrive/api/v1/files/other/files?page%5Blimit%5D=3&page%5Bnext%5D=c%2B2&sort=name"
    )
    zoho.routes[f"GET {DRIVE}/files/ws/files"] = [files(item("a"), has_next=True, next=link), files(item("b"))]
    assert ids(await drive(zoho)) == ["a", "b"]
    first, second = map(query, zoho.requests)
    assert first == {"page[limit]": "1000", "page[next]": "0"}
    assert second == {"page[limit]": "1000", "page[next]": "c+2"}
    assert zoho.requests[1].url.host == "www.zohoapis.eu"
    assert "page%5Bnext%5D=" in str(zoho.requests[0].url)


async def test_trap_15_content_is_on_another_host_and_needs_another_scope(zoho: Canned) -> None:
    zoho.routes["GET /v1/workdrive/download/a"] = httpx.Response(200, content=b"x")
    assert [one async for one in FilesStream().fetch(zoho.context(), Blob({"id": "a"}, "1/1", 1))] == [b"x"]
    assert zoho.requests[0].url.host == "download.zoho.eu"
    assert "ZohoFiles.files.READ" in SCOPES["files"].split(",")
    zoho.routes["GET /v1/workdrive/download/a"] = httpx.Response(
        401,
        extensions={"reason_phrase": b"INVALID_OAUTHSCOPE"},
        json={"errors": [{"id": "F000", "title": "INVALID_OAUTHSCOPE"}]},
    )
    with pytest.raises(ProtocolError, match=r"lacks ZohoFiles\.files\.READ") as raised:  # Forbidden would be for good
        _ = [one async for one in FilesStream().fetch(zoho.context(), Blob({"id": "a"}, "1/1", 1))]
    assert raised.value.code == "SYN-ZOHO-004"


async def test_trap_16_the_private_space_is_the_team_users(zoho: Canned) -> None:
    zoho.routes[f"GET {DRIVE}/users/me"] = answer(200, {"data": {"id": "u1", "attributes": {"edition": "TEAM"}}})
    zoho.routes[f"GET {DRIVE}/users/u1/teams"] = answer(200, {"data": [{"id": "t1"}]})
    zoho.routes[f"GET {DRIVE}/teams/t1/currentuser"] = answer(200, {"data": {"id": "tu1"}})
    zoho.routes[f"GET {DRIVE}/users/tu1/privatespace"] = answer(200, {"data": [{"id": "p1"}]})
    zoho.routes[f"GET {DRIVE}/files/p1/files"] = files(item("a"))
    assert ids(await zoho.pages(FilesStream())) == ["a"]


# -- CRM


@pytest.mark.parametrize("status", [204, 304])
async def test_trap_31_no_body_means_nothing_here_and_nothing_changed(zoho: Canned, status: int) -> None:
    zoho.routes[CONTACTS] = answer(status)
    (page,) = await delta(zoho)
    assert (page.items, page.last) == ([], True)


async def test_trap_32_fields_are_always_named_and_never_more_than_fifty(zoho: Canned) -> None:
    zoho.routes[FIELDS] = answer(200, {"fields": [{"api_name": f"F{number}"} for number in range(130)]})
    zoho.routes[CONTACTS] = records({"id": ID})
    await crm(zoho)
    asked = [query(one)["fields"].split(",") for one in zoho.asked(CONTACTS)]
    assert max(map(len, asked)) == 50
    assert {name for names in asked for name in names} >= {f"F{number}" for number in range(130)}


async def test_trap_33_beyond_2000_records_by_token_and_never_with_a_page(zoho: Canned) -> None:
    def listing(request: httpx.Request) -> httpx.Response:
        asked = query(request)
        if int(asked.get("page", "1")) > 10:
            return refused("DISCRETE_PAGINATION_LIMIT_EXCEEDED", limit=2000)
        if "page" in asked and "page_token" in asked:
            return refused("AMBIGUITY_DURING_PROCESSING")
        number = int(asked.get("page_token", "t0")[1:])
        rows = [{"id": str(number * 200 + one)} for one in range(200)]
        return records(*rows, more_records=number < 12, next_page_token=f"t{number + 1}" if number < 12 else None)

    zoho.routes[CONTACTS] = listing
    assert len(set(ids(await crm(zoho)))) == 2600


async def test_trap_34_if_modified_since_is_iso_with_an_offset(zoho: Canned) -> None:
    zoho.routes[CONTACTS] = answer(304)
    await delta(zoho)
    assert {one.headers["if-modified-since"] for one in zoho.requests} == {"2026-11-21T08:59:59+00:00"}


async def test_trap_35_a_207_is_judged_by_its_elements_and_the_id_is_in_details(zoho: Canned) -> None:
    zoho.routes[CONTACTS] = answer(204)
    zoho.routes[f"{CONTACTS}/{ID}"] = records({"id": ID})
    made = {"code": "SUCCESS", "status": "success", "details": {"id": ID}, "message": "record added"}
    zoho.routes["POST /crm/v8/Contacts"] = [
        answer(207, {"data": [{"code": "NO_PERMISSION", "status": "error", "details": {}, "message": "no"}]}),
        answer(207, {"data": [made]}),
    ]
    with pytest.raises(Forbidden):
        await CrmContactsStream().create(zoho.context(), {"Last_Name": "x"}, idempotency_key="k")
    record = await CrmContactsStream().create(zoho.context(), {"Last_Name": "x"}, idempotency_key="k")
    assert record.source_id == ID


async def test_trap_36_deletions_come_from_their_list_and_only_while_it_remembers(zoho: Canned) -> None:
    zoho.routes[CONTACTS] = answer(304)
    zoho.routes[DELETED] = records({"id": ID, "type": "permanent", "display_name": None})
    assert ids(await delta(zoho)) == [ID]
    old = {**MARK, "since": "2026-09-20T00:00:00+00:00"}
    with pytest.raises(CursorExpired):
        await crm(zoho, scan=Scan.DELTA, cursor=old)


async def test_trap_36_the_providers_clock_counts_too(zoho: Canned) -> None:
    zoho.routes[CONTACTS] = answer(304, headers={"date": "Mon, 01 Mar 2027 10:00:00 GMT"})
    with pytest.raises(CursorExpired):
        await delta(zoho)


async def test_trap_37_the_expiry_that_counts_is_the_one_that_is_answered(zoho: Canned) -> None:
    def hour(request: httpx.Request) -> httpx.Response:
        watch = body(request)["watch"][0]
        event = {"channel_expiry": "2026-11-21T18:30:00+05:30", "channel_id": watch["channel_id"]}
        return answer(201, {"watch": [{"code": "SUCCESS", "status": "success", "details": {"events": [event]}}]})

    zoho.routes[WATCH] = hour
    found = await CrmContactsStream().subscribe(zoho.context(), "https://x.example/", "secret")
    assert (found["expires_at"], found["renew_at"]) == ("2026-11-21T13:00:00Z", "2026-11-21T12:30:00Z")
    asked = datetime.fromisoformat(body(zoho.requests[0])["watch"][0]["channel_expiry"])
    assert asked.tzinfo is not None
    assert (asked - zoho.clock.now()).days < 7


async def test_trap_38_a_call_is_known_by_its_token_alone(zoho: Canned, monkeypatch: pytest.MonkeyPatch) -> None:
    zoho.routes[WATCH] = lambda request: answer(
        201,
        {
            "watch": [
                {
                    "status": "success",
                    "details": {"events": [{"channel_expiry": "2026-11-27T12:00:00+00:00"}]},
                }
            ]
        },
    )
    stream = CrmContactsStream()
    subscription = await stream.subscribe(zoho.context(), "https://x.example/", "secret")
    watch = body(zoho.requests[0])["watch"][0]
    call = {
        "module": "Contacts",
        "ids": [ID],
        "operation": "insert",
        "channel_id": watch["channel_id"],
        "token": watch["token"],
    }
    compared: list[Any] = []
    compare = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda *pair: compared.append(pair) or compare(*pair))

    def check(secret: str = "secret", **other: Any) -> bool:
        return stream.verify({}, orjson.dumps({**call, **other}), subscription, secret)

    assert check()
    assert not check(secret="other")
    assert not check(token="é")
    assert not check(token=None)
    assert not check(channel_id="1")
    assert not check(module="Leads")
    assert len(compared) == 6
    assert not stream.verify({}, b"[", subscription, "secret")
    assert not stream.verify({}, b"[]", subscription, "secret")


async def test_trap_39_a_lost_create_is_not_sent_again_blindly(zoho: Canned) -> None:
    made: list[dict[str, Any]] = []

    def insert(request: httpx.Request) -> httpx.Response:
        made.append({**body(request)["data"][0], "id": ID, "Created_Time": "2026-11-21T15:30:00+05:30"})
        return answer(504)

    zoho.routes["POST /crm/v8/Contacts"] = insert
    zoho.routes[CONTACTS] = lambda request: records(*made) if made else answer(204)
    zoho.routes[f"{CONTACTS}/{ID}"] = lambda request: records(*made)
    for _ in range(2):
        record = await CrmContactsStream().create(
            zoho.context(), {"Last_Name": "x", "Email": "e@x"}, idempotency_key="k"
        )
        assert record.source_id == ID
    assert len(made) == 1


async def test_trap_40_instants_are_compared_not_text(zoho: Canned) -> None:
    # as text 23:30 comes after 10:00, as an instant before it
    first = {"id": "1", "Modified_Time": "2026-11-21T23:30:00+14:00"}
    second = {"id": "2", "Modified_Time": "2026-11-21T10:00:00+00:00"}
    zoho.routes[CONTACTS] = [
        records(first, second, more_records=True, next_page_token="t2"),
        refused("EXPIRED_VALUE", param_name="page_token"),
        answer(304),
    ]
    pages = await crm(zoho)
    assert zoho.asked(CONTACTS)[-1].headers["if-modified-since"] == "2026-11-21T09:59:59+00:00"
    assert [one.modified_at for one in pages[0].items] == [  # type: ignore[union-attr]
        datetime(2026, 11, 21, 9, 30, tzinfo=UTC),
        datetime(2026, 11, 21, 10, tzinfo=UTC),
    ]
    for stream in CRM_STREAMS:
        assert {"Modified_Time", "Created_Time"} <= set(stream.info.volatile)


async def test_trap_41_ids_keep_all_their_digits(zoho: Canned) -> None:
    zoho.routes[CONTACTS] = httpx.Response(
        200,
        content=b'{"data":[{"id":"9007199254740993001"},{"id":9007199254740993003},{"id":9.007199254740993e18}],'
        b'"info":{"more_records":false}}',
    )
    assert ids(await crm(zoho)) == ["9007199254740993001", "9007199254740993003", None]


async def test_trap_42_writes_have_no_side_effects(zoho: Canned) -> None:
    zoho.routes = {
        "GET /crm/v8/Events": answer(204),
        f"GET /crm/v8/Events/{ID}": records({"id": ID}),
        "POST /crm/v8/Events": answer(201, {"data": [{"status": "success", "details": {"id": ID}}]}),
        f"PUT /crm/v8/Events/{ID}": answer(200, {"data": [{"status": "success", "details": {"id": ID}}]}),
        "DELETE /crm/v8/Events": answer(200, {"data": [{"status": "success", "details": {"id": ID}}]}),
    }
    stream = CrmEventsStream()
    ctx: Context = zoho.context()
    await stream.create(ctx, {"Event_Title": "x"}, idempotency_key="1")
    await stream.update(ctx, ID, {"Event_Title": "y"}, etag=None, idempotency_key="2")
    await stream.delete(ctx, ID, etag=None, idempotency_key="3")
    writes = [one for one in zoho.requests if one.method != "GET"]
    assert [body(one)["trigger"] for one in writes[:2]] == [[], []]
    assert [body(one)["data"][0]["$send_notification"] for one in writes[:2]] == [False, False]
    assert query(writes[2])["wf_trigger"] == "false"
