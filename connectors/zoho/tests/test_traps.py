"""The traps of the wire reference §10, by number: sign-in, mail, calendar, contacts. 10-16 and 31-40 stand elsewhere."""

import asyncio
import json
from datetime import datetime, timedelta

import httpx
import pytest
from syncd_zoho import settings as zoho_settings
from syncd_zoho.auth import ZohoAuth
from syncd_zoho.connector import LIMITS, ZohoConnector
from syncd_zoho.events import summary_of
from syncd_zoho.mailbox import LIMIT, Folder, Top
from syncd_zoho.message import record_of
from syncd_zoho.rawmail import decoded
from syncd_zoho.wire import ident

from syncd.engine.pacing import LaneBudget
from syncd.sdk import (
    AuthFailed,
    CursorExpired,
    Forbidden,
    Partition,
    PartitionGone,
    RateLimited,
    Record,
    Reject,
    Scan,
    Tombstone,
    Transient,
)

pytestmark = pytest.mark.anyio
CALENDAR = "https://calendar.zoho.eu/api/v1/calendars"
CRM = "https://www.zohoapis.eu/crm/v8/Contacts"
BOX, FOLDER = "4130903383240676875", "9000000002014"
ROW = {  # §4.4, as it stands there
    "summary": "…",
    "sentDateInGMT": "1709867251000",
    "calendarType": 0,
    "subject": "Re: Hello ",
    "messageId": "1709887058769100001",
    "threadCount": "0",
    "flagid": "flag_not_set",
    "status2": "0",
    "priority": "3",
    "hasInline": "false",
    "toAddress": "&quot;rebecca&quot;&lt;rebecca@zylker.com&gt;",
    "folderId": FOLDER,
    "ccAddress": "Not Provided",
    "hasAttachment": "0",
    "size": "1190",
    "sender": "rebecca",
    "receivedTime": "1709887053409",
    "fromAddress": "rebecca@zylker.com",
    "status": "1",
}
EVENT = {
    "uid": "e1@zoho.com",
    "title": "Plan",
    "etag": 1795264383912,
    "start": "20170722T150000",
    "end": "20170722T174500",
    "dateandtime": {"timezone": "Asia/Calcutta", "start": "20170722T150000+0530", "end": "20170722T174500+0530"},
    "lastmodifiedtime": "20170721T044131Z",
}


def said(data, code=200):
    return httpx.Response(code, json={"status": {"code": code, "description": "success"}, "data": data})


def mails(*numbers):
    """Rows with these numbers, newest first as given; the number is the time of receipt too."""
    return [{**ROW, "messageId": f"{n:019d}", "receivedTime": str(1709887000000 + n)} for n in numbers]


class Listing:
    """A mailbox listed by position, counted from 1; `meddle` is called before each page."""

    def __init__(self, numbers, meddle=None):
        self.numbers, self.meddle, self.starts = list(numbers), meddle, []

    def __call__(self, request):
        params = dict(request.url.params)
        if not request.url.path.endswith("/messages/view"):
            return said([])
        if self.meddle:
            self.meddle(self, len(self.starts))
        start, limit = int(params["start"]), int(params["limit"])
        self.starts.append(start)
        return said(mails(*self.numbers[start - 1 : start - 1 + limit]))


def mail(zoho, **more):
    more.setdefault("cursor", None)
    scan = more.pop("scan", Scan.FULL)
    cursor = more.pop("cursor") or ({"v": 1, "mailbox": BOX} if scan is Scan.FULL else None)
    options = {"content": "metadata", **more.pop("options", {})}
    return zoho.pages("mail", partition=Partition(FOLDER), scan=scan, cursor=cursor, options=options, **more)


def ids(pages, kind=Record):
    return [item.source_id for page in pages for item in page.items if isinstance(item, kind)]


def book(events, ctag=1, **more):
    """A calendar with these events in every window."""

    def answer(request):
        if "/events" not in request.url.path:
            return httpx.Response(
                200, json={"calendars": [{"uid": "c1", "name": "A", "privilege": "owner", "ctag": ctag}]}
            )
        if "lastmodified" in request.url.params:
            return more["changed"](request) if "changed" in more else httpx.Response(400, json={"error": []})
        return httpx.Response(200, json={"events": events})

    return answer


def calendar(zoho, **more):
    more.setdefault("options", {"past": "30d", "future": "60d"})
    return zoho.pages("calendar", partition=Partition("c1"), **more)


def contact(n, **more):
    return {"contact_id": f"46851910000000{n:05d}", "first_name": "amber", "created_time": 1532600990202, **more}


def answers(rows, has_more=False):
    return httpx.Response(200, json={"status_code": 200, "has_more": has_more, "contacts": rows})


async def test_trap_01_an_error_with_http_200_is_no_token(zoho):
    zoho.token = lambda request: httpx.Response(200, json={"error": "invalid_code"})
    with pytest.raises(AuthFailed):
        await zoho.client.get(CALENDAR)
    assert zoho.requests == []


async def test_trap_02_a_refresh_without_refresh_token_loses_nothing(zoho):
    zoho.answer = lambda request: httpx.Response(200, json={})
    for _ in range(2):
        zoho.auth.forget()
        await zoho.client.get(CALENDAR)
    assert [b"refresh_token=1000.refresh.token" in one.content for one in zoho.token_requests] == [True, True]


async def test_trap_03_the_header_is_zoho_oauthtoken_though_token_type_says_bearer(zoho):
    zoho.answer = lambda request: httpx.Response(200, json={})
    for url in (CALENDAR, CRM, "https://mail.zoho.eu/api/accounts"):
        await zoho.client.get(url)
    assert {one.headers["authorization"] for one in zoho.requests} == {"Zoho-oauthtoken 1000.access.1"}


async def test_trap_04_refreshes_are_single_flight_and_at_most_ten_in_ten_minutes_over_restarts(zoho):
    zoho.answer = lambda request: httpx.Response(200, json={})
    for _ in range(10):
        again = ZohoAuth(zoho.settings, zoho.clock)
        again.vault, zoho.client.auth = zoho.auth.vault, again
        await asyncio.gather(*(zoho.client.get(CALENDAR) for _ in range(5)))
    again.forget()
    with pytest.raises(RateLimited):
        await zoho.client.get(CALENDAR)
    assert len(zoho.token_requests) == 10


async def test_trap_05_invalid_code_stops_and_the_throttle_waits(zoho):
    zoho.token = lambda request: httpx.Response(400, json={"error": "Access Denied", "status": "failure"})
    with pytest.raises(RateLimited):
        await zoho.client.get(CALENDAR)
    zoho.clock.pass_(601)
    zoho.token = lambda request: httpx.Response(200, json={"error": "invalid_code"})
    with pytest.raises(AuthFailed, match=r"revoked.*data centre"):
        await zoho.client.get(CALENDAR)


@pytest.mark.parametrize("center", sorted(zoho_settings.DATA_CENTERS))
def test_trap_06_tokens_are_asked_for_in_the_configured_data_centre_alone(center):
    host = (
        zoho_settings.token_url({"data_center": center})
        .removeprefix("https://accounts.")
        .removesuffix("/oauth/v2/token")
    )
    assert host == zoho_settings.DATA_CENTERS[center].user
    assert (host == "zoho.com") == (center == "us")


def test_trap_07_canada_is_irregular_twice():
    canada = {"data_center": "ca"}
    assert zoho_settings.root(canada, "accounts") == "https://accounts.zohocloud.ca"
    assert zoho_settings.root(canada, "mail") == "https://mail.zohocloud.ca"
    assert zoho_settings.root(canada, "crm") == "https://www.zohoapis.ca"
    assert zoho_settings.root({**canada, "environment": "sandbox"}, "crm") == "https://sandbox.zohoapis.ca"
    assert zoho_settings.root({**canada, "environment": "sandbox"}, "workdrive") == "https://www.zohoapis.ca"


async def test_trap_08_the_api_domain_is_no_host_of_mail_calendar_or_contacts(zoho):
    zoho.answer = lambda request: answers([])
    await zoho.pages("contacts")
    assert {one.url.host for one in zoho.requests} == {"contacts.zoho.eu"}


@pytest.mark.parametrize(
    ("answer", "mints"),
    [
        ({"json": {"code": "INVALID_TOKEN", "details": {}, "message": "invalid oauth token", "status": "error"}}, 2),
        (
            {
                "json": {
                    "data": {"errorCode": "INVALID_OAUTHTOKEN"},
                    "status": {"code": 401, "description": "Invalid Input"},
                }
            },
            2,
        ),
        ({"headers": {"WWW-Authenticate": 'Bearer error="expired_token"'}}, 2),
        ({"json": {"errors": [{"id": "F7003", "title": "Invalid OAuth token."}]}}, 2),
        (
            {
                "json": {
                    "code": "OAUTH_SCOPE_MISMATCH",
                    "details": {},
                    "message": "invalid oauth scope",
                    "status": "error",
                }
            },
            1,
        ),
        ({"json": {"data": {"errorCode": "INVALID_OAUTHSCOPE"}, "status": {"code": 401}}}, 1),
        ({"extensions": {"reason_phrase": b"INVALID_OAUTHSCOPE"}}, 1),
        ({"json": {"errors": [{"id": "R008", "title": "Unauthorized access"}]}}, 1),
    ],
)
async def test_trap_09_only_a_401_about_the_token_leads_to_a_new_one(zoho, answer, mints):
    zoho.answer = lambda request: httpx.Response(401, **answer)
    assert (await zoho.client.get(CRM)).status_code == 401
    assert (len(zoho.token_requests), len(zoho.requests)) == (mints, mints)


async def test_trap_17_a_delta_stops_at_the_watermark_and_absorbs_the_overlap(zoho):
    day = 86_400_000
    zoho.answer = listing = Listing(day * n for n in range(900, 0, -1))
    bookmark = (await mail(zoho))[-1].bookmark
    listing.numbers.insert(0, day * 900 + 5)
    listing.starts.clear()
    pages = await mail(zoho, scan=Scan.DELTA, cursor=bookmark)
    assert ids(pages) == [f"{day * 900 + 5:019d}"]
    assert listing.starts == [1]
    assert all("receivedTime" not in one.url.params for one in zoho.requests)


async def test_trap_18_a_listing_starts_at_one_with_the_largest_page(zoho):
    zoho.answer = listing = Listing(range(LIMIT + 150, 0, -1))
    pages = await mail(zoho)
    assert set(ids(pages)) == {f"{n:019d}" for n in range(1, LIMIT + 151)}
    assert listing.starts[0] == 1
    assert zoho.requests[0].url.params["limit"] == "200"
    assert zoho.requests[0].url.params["sortorder"] == "false"


async def test_trap_19_times_are_compared_as_numbers(zoho):
    zoho.answer = lambda request: said(
        [{**ROW, "messageId": "1709887058769100001"}, {**ROW, "messageId": "9", "receivedTime": "978307200000"}]
    )
    assert (await mail(zoho))[-1].bookmark["newest"] == 1709887053409
    record = record_of(ROW, BOX, content=True)
    assert isinstance(record, Record)
    assert record.data["hasAttachment"] == "0"


def test_trap_20_addresses_are_unescaped_and_not_provided_is_none():
    record = record_of({**ROW, "fromAddress": "a&amp;b@zylker.com"}, BOX, content=False)
    assert isinstance(record, Record)
    assert record.summary["to"] == ["rebecca <rebecca@zylker.com>"]
    assert record.summary["from"] == "a&b@zylker.com"
    none = record_of({**ROW, "toAddress": "Not Provided"}, BOX, content=False)
    assert none.summary["to"] == []


@pytest.mark.parametrize("subject", ["How to write &lt;b&gt; and &amp;amp;", "Not Provided", "R&copy 2024"])
def test_trap_20_a_subject_is_not_escaped_and_says_what_it_says(subject):
    record = record_of({**ROW, "subject": subject}, BOX, content=False)
    assert record.summary["subject"] == subject


async def test_trap_21_a_route_that_is_not_there_says_nothing_about_the_message(zoho):
    zoho.answer = lambda request: httpx.Response(
        404,
        json={
            "status": {"code": 404, "description": "Invalid Input"},
            "data": {"errorCode": "URL_RULE_NOT_CONFIGURED"},
        },
    )
    ctx = zoho.context(partition=Partition(FOLDER))
    zoho.stream("mail")._mailboxes["https://mail.zoho.eu", ctx.account.id] = BOX
    with pytest.raises(Exception, match="URL_RULE_NOT_CONFIGURED"):
        [item async for item in zoho.stream("mail").get(ctx, ["1"])]
    assert zoho.requests[0].url.path == f"/api/accounts/{BOX}/messages/1/originalmessage"


async def test_trap_22_mail_that_arrives_during_the_walk_is_seen_once_and_nothing_is_skipped(zoho):
    def arrive(listing, page):
        if page == 1:
            listing.numbers[:0] = [2000, 1999]

    zoho.answer = Listing(range(500, 0, -1), arrive)
    found = ids(await mail(zoho))
    assert set(found) == {f"{n:019d}" for n in [*range(1, 501), 1999, 2000]}
    assert len(found) == len(set(found))


async def test_trap_22_mail_that_goes_during_the_walk_makes_none_slip_through(zoho):
    def go(listing, page):
        if page == 1:
            del listing.numbers[:60]

    zoho.answer = Listing(range(500, 0, -1), go)
    assert set(ids(await mail(zoho))) == {f"{n:019d}" for n in range(1, 501)}


def test_trap_23_mail_is_asked_less_than_thirty_times_a_minute():
    lane = LIMITS.lanes["mail"]
    assert (lane.requests / lane.seconds * 60, lane.per) == (20, "connection")


def test_trap_23_processes_that_follow_each_other_do_not_use_up_the_minute_together():
    """`syncd check`, `syncd import`, and `syncd sync` twice; each knows nothing of the calls of those before it."""
    now, calls = 0.0, []
    for wanted in (6, 6, 20, 40):
        lane = LaneBudget(LIMITS.lanes["mail"])
        for _ in range(wanted):
            now = lane.reserve(now)
            calls.append(now)
    assert max(sum(0 <= one - begin <= 60 for one in calls) for begin in calls) <= 30


async def test_trap_23_every_call_of_mail_travels_in_its_lane_and_a_throttle_empties_that_lane_alone(zoho):
    zoho.answer = lambda request: said({}, 429)
    with pytest.raises(RateLimited) as raised:
        await mail(zoho)
    assert zoho.requests[0].extensions["syncd.lane"] == "mail"
    assert raised.value.scope == "lane"
    assert raised.value.retry_after >= 60


@pytest.mark.parametrize("status", [400, 500])
def test_trap_23_a_throttle_in_other_words_is_one(status):
    request = httpx.Request("GET", "https://mail.zoho.eu/api", extensions={"zoho.product": "mail"})
    body = {"status": {"code": status, "description": "Too many requests"}}
    assert isinstance(ZohoConnector().retryable(httpx.Response(status, json=body, request=request)), RateLimited)


async def test_trap_24_a_window_is_json_of_at_most_thirty_one_days(zoho):
    zoho.answer = book([EVENT])
    await calendar(zoho, options={"past": "365d", "future": "730d"})
    ranges = [json.loads(one.url.params["range"]) for one in zoho.requests if "range" in one.url.params]
    assert len(ranges) >= 37
    for one in ranges:
        start, end = (datetime.strptime(one[key], "%Y%m%dT%H%M%SZ") for key in ("start", "end"))  # noqa: DTZ007
        assert timedelta() < end - start <= timedelta(days=30)


async def test_trap_25_descriptions_are_asked_for_in_every_listing(zoho):
    zoho.answer = book([EVENT])
    await calendar(zoho)
    [item] = [
        one async for one in zoho.stream("calendar").get(zoho.context(partition=Partition("c1")), ["e1@zoho.com"])
    ]
    assert isinstance(item, Record)
    asked = {one.headers["accept"] for one in zoho.requests if "/events" in one.url.path}
    assert asked == {"application/json+large"}


@pytest.mark.parametrize("name", ["UTC", "America/New_York"])
def test_trap_27_times_come_with_their_offset_and_local_ones_are_not_utc(name):
    assert summary_of(EVENT)["start"] == "2017-07-22T09:30:00Z"
    local = {**EVENT, "dateandtime": {"timezone": name}}
    assert summary_of(local)["start"] == ("2017-07-22T15:00:00Z" if name == "UTC" else "2017-07-22T19:00:00Z")
    assert summary_of({**EVENT, "dateandtime": None})["start"] is None
    assert summary_of({**EVENT, "isallday": True, "start": "20170722", "dateandtime": {}})["start"] == "2017-07-22"


async def test_trap_28_a_window_that_fails_ends_the_round_without_a_last_page(zoho):
    good = book([EVENT])

    def fail(request):
        failing = "range" in request.url.params and len(zoho.requests) > 2
        return httpx.Response(500, json={}) if failing else good(request)

    zoho.answer = fail
    pages = []

    async def read():
        async for page in zoho.stream("calendar").pages(zoho.context(partition=Partition("c1"))):
            pages.append(page)  # noqa: PERF401

    with pytest.raises(Transient):
        await read()
    assert not any(page.last for page in pages)


@pytest.mark.parametrize(("status", "kind"), [(404, Tombstone), (400, Tombstone)])
async def test_trap_28_a_deletion_is_believed_when_the_event_is_not_there(zoho, status, kind):
    zoho.answer = lambda request: httpx.Response(status, json={"error": [{"message": "no such event"}]})
    [item] = [
        one async for one in zoho.stream("calendar").get(zoho.context(partition=Partition("c1")), ["e1@zoho.com"])
    ]
    assert isinstance(item, kind)


@pytest.mark.parametrize("uid", ["trip_20240101", "trip_20240101T090000Z"])
async def test_trap_28_an_event_whose_uid_looks_like_an_occurrence_is_asked_for_as_a_whole_too(zoho, uid):
    there = {**EVENT, "uid": uid}

    def answer(request):
        if request.url.path.endswith(f"/events/{uid}"):
            return httpx.Response(200, json={"events": [there]})
        return httpx.Response(404, json={"error": [{"message": "EVENT_NOT_FOUND"}]})

    zoho.answer = answer
    stream, ctx = zoho.stream("calendar"), zoho.context(partition=Partition("c1"))
    [item] = [one async for one in stream.get(ctx, [uid])]
    assert (type(item), item.source_id) == (Record, uid)
    await stream.delete(ctx, uid, etag=None, idempotency_key="k")
    assert zoho.requests[-1].method == "DELETE"
    assert zoho.requests[-1].url.path.endswith(f"/events/{uid}")
    assert "etag" in zoho.requests[-1].headers
    there["estatus"] = "deleted"
    [item] = [one async for one in stream.get(ctx, [uid])]
    assert isinstance(item, Tombstone)


async def test_trap_28_a_refusal_is_no_deletion(zoho):
    zoho.answer = lambda request: httpx.Response(403, json={"error": [{"message": "not allowed"}]})
    with pytest.raises(Forbidden):
        [one async for one in zoho.stream("calendar").get(zoho.context(partition=Partition("c1")), ["e1@zoho.com"])]


async def test_trap_28_a_calendar_that_is_gone_is_no_empty_calendar(zoho):
    zoho.answer = lambda request: httpx.Response(404, json={"error": [{"message": "CALENDAR_NOT_FOUND"}]})
    with pytest.raises(PartitionGone):
        await calendar(zoho)


async def test_trap_28_the_ctag_spares_the_windows_and_its_change_leads_to_a_full_round(zoho):
    zoho.answer = book([EVENT])
    bookmark = (await calendar(zoho))[-1].bookmark
    zoho.requests.clear()
    [page] = await calendar(zoho, scan=Scan.DELTA, cursor=bookmark)
    assert (page.items, page.last, len(zoho.requests)) == ([], True, 1)
    zoho.answer = book([], ctag=2)
    with pytest.raises(CursorExpired):
        await calendar(zoho, scan=Scan.DELTA, cursor=bookmark)


@pytest.mark.parametrize(
    ("privilege", "mirrored"),
    [("owner", True), ("edit", True), ("delegate", True), ("view", False), ("freebusy", False)],
)
async def test_calendars_that_the_account_can_write_are_mirrored_and_all_if_chosen(zoho, privilege, mirrored):
    rows = [{"uid": "c1", "name": "Sales", "privilege": privilege, "category": "shared"}]
    zoho.answer = lambda request: httpx.Response(200, json={"calendars": rows})
    for options, excluded in (({}, not mirrored), ({"calendars": "all"}, False)):
        (found,) = await zoho.stream("calendar").partitions(zoho.context(options=options))
        assert found == Partition("c1", "Sales", excluded=excluded)


async def test_trap_29_a_contact_that_was_never_edited_is_kept_with_its_creation(zoho):
    zoho.answer = lambda request: answers([contact(1, updated_time=-1)])
    [page] = await zoho.pages("contacts")
    assert page.items[0].modified_at.year == 2018


async def test_trap_30_sub_lists_are_asked_for_by_name(zoho):
    zoho.answer = lambda request: answers([contact(1, emails=[{"email_id": "a@b", "is_primary": True}])])
    [page] = await zoho.pages("contacts")
    assert json.loads(page.items[0].summary)["emails"] == ["a@b"]
    assert {"emails", "phones"} <= set(zoho.requests[0].url.params["include"].split(","))


async def test_contacts_end_where_has_more_is_false_and_repeats_are_absorbed(zoho):
    zoho.replies(answers([contact(1), contact(2)], True), answers([contact(2)], True), answers([contact(3)], False))
    zoho.answer = (lambda reply: lambda request: reply(request))(zoho.answer)
    with pytest.raises(Exception, match="nothing new"):
        await zoho.pages("contacts")
    zoho.replies(
        answers([contact(1), contact(2)], True), answers([contact(2), contact(3)], True), answers([contact(4)])
    )
    assert [one[-1] for one in ids(await zoho.pages("contacts"))] == ["1", "2", "3", "4"]


def test_trap_41_an_id_that_went_through_a_float_is_refused():
    assert ident(1.7098870587691e18) is None
    assert ident("1709887058769100001") == "1709887058769100001"
    assert ident(4130903383240676875) == "4130903383240676875"
    assert isinstance(record_of({**ROW, "messageId": 1.7098870587691e18}, BOX, content=False), Reject)


async def test_trap_41_the_id_echoed_with_a_content_is_not_looked_at(zoho):
    """§4.6: it is a number there, and rounded."""
    body = b'{"status":{"code":200},"data":{"content":"Subject: a\\r\\n\\r\\n\\u20ac\\ud83d\\ude00\xc3\xa9 \\"q\\"","messageId":1711540357880100000}}'
    for size in range(1, 40):

        async def chunks(size=size):
            for start in range(0, len(body), size):
                yield body[start : start + size]

        response = httpx.Response(200, content=chunks(), request=httpx.Request("GET", "https://mail.zoho.eu"))
        text = b"".join([one async for one in decoded(response)])
        assert text == 'Subject: a\r\n\r\n€😀é "q"'.encode()


async def test_a_mail_that_went_from_the_top_is_told_by_a_delta(zoho):
    zoho.answer = listing = Listing(range(50, 0, -1))
    bookmark = (await mail(zoho))[-1].bookmark
    listing.numbers.remove(30)
    pages = await mail(zoho, scan=Scan.DELTA, cursor=bookmark)
    assert ids(pages, Tombstone) == [f"{30:019d}"]
    assert ids(pages) == []


@pytest.mark.parametrize("numbers", [range(5000, 0, -1), range(1, 5001), [n * 7919 % 5000 for n in range(5000)]])
def test_the_top_of_a_folder_holds_no_more_however_long_the_folder(numbers):
    top = Top({f"{5000:019d}": [1709887005000, "d"], f"{9999:019d}": [1709887009999, "d"]})
    held = 0
    for row in mails(*numbers):
        top.take(row)
        held = max(held, len(top._now))
    assert held <= 2 * LIMIT
    newest = sorted(numbers, reverse=True)[:LIMIT]
    assert list(top.kept) == [f"{n:019d}" for n in newest]
    gone = {f"{9999:019d}"} if 5000 in numbers else {f"{5000:019d}", f"{9999:019d}"}
    assert set(top.gone(None)) == gone  # a message that was met is not gone, though newer ones took its place


async def test_a_listing_that_repeats_itself_has_an_end(zoho):
    zoho.answer = lambda request: said(mails(*range(LIMIT, 0, -1)))
    with pytest.raises(Exception, match="never end"):
        [found async for found in Folder(zoho.context(), BOX, FOLDER).walk()]
