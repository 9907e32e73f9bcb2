"""Mail and batches against the answers of the wire reference §7 and §9."""

import asyncio
import base64
import re
from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pytest
from syncd_google.api import Api
from syncd_google.batch import LARGEST_PART, Batch, parts

from syncd.sdk import (
    AccountGone,
    Blob,
    ContentUnavailable,
    CursorExpired,
    Forbidden,
    ProtocolError,
    RateLimited,
    Record,
    Reject,
    Scan,
    Tombstone,
    Transient,
)  # fmt: skip

pytestmark = pytest.mark.anyio
MIME = (
    b"Received: x\r\nSubject: =?utf-8?q?Caf=C3=A9?=\r\n =?utf-8?q?_ol=C3=A9?=\r\nFrom: =?utf-8?B?QW5h?= <ana@acme.example>\r\n"
    b'To: Bob <bob@acme.example>,\r\n\t"Cat, the" <cat@acme.example>\r\nDate: Mon, 02 Mar 2026 10:00:00 +0100\r\n'
    b"Message-ID: <1@acme.example>\r\n\r\nSubject: not this one\r\n"
)
NOT_FOUND = {
    "error": {
        "code": 404,
        "message": "Requested entity was not found.",
        "errors": [{"domain": "global", "reason": "notFound"}],
        "status": "NOT_FOUND",
    }
}
BUSY = {
    "error": {
        "code": 429,
        "message": "Too many concurrent requests for user",
        "errors": [{"domain": "global", "reason": "rateLimitExceeded"}],
        "status": "RESOURCE_EXHAUSTED",
    }
}
BACKEND = {"error": {"code": 500, "message": "Backend Error", "errors": [{"reason": "backendError"}]}}
Inner = Callable[[str, str], tuple[int, Any]]


def params(request: httpx.Request) -> dict[str, str]:
    return dict(request.url.params.multi_items())


def message(one: str, labels: list[str] | None = None, mime: bytes = MIME, **more: Any) -> dict[str, Any]:
    found = {
        "id": one,
        "threadId": one,
        "snippet": "s",
        "sizeEstimate": len(mime),
        "historyId": "5",
        "internalDate": "1772442000000",
    }
    if labels:
        found["labelIds"] = labels
    return {**found, "raw": base64.urlsafe_b64encode(mime).decode().rstrip("="), **more}


class Mailbox:
    """Answers batches part by part with `inner(id, format) -> (status, body)`; remembers what was asked."""

    def __init__(self, google: Any, messages: dict[str, dict[str, Any]]) -> None:
        self.messages = messages
        self.asked: list[list[tuple[str, str]]] = []
        self.inner: Inner = self.normal
        self.listing: Callable[[httpx.Request], httpx.Response] = lambda request: httpx.Response(404, json=NOT_FOUND)
        self.batch_at = {"/batch"}
        self.profile = 0
        self.reverse = False
        self.retry_after = b""
        google.answer = self.answer

    def normal(self, one: str, kind: str) -> tuple[int, Any]:
        if one not in self.messages:
            return 404, NOT_FOUND
        found = dict(self.messages[one])
        if kind != "raw":
            found.pop("raw")
        if kind == "metadata":
            found["payload"] = {"headers": [{"name": "Subject", "value": "From headers"}]}
        return 200, found

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path in self.batch_at:
            return self.batch(request)
        if path.startswith("/batch"):
            return httpx.Response(404, text="gone")
        if path.endswith("/profile"):
            self.profile += 1
            return httpx.Response(200, json={"emailAddress": "ana@acme.example", "historyId": "100"})
        single = re.fullmatch(r"/gmail/v1/users/me/messages/(\w+)", path)
        if single:
            status, body = self.inner(single.group(1), params(request)["format"])
            return httpx.Response(status, json=body)
        return self.listing(request)

    def batch(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["content-type"].startswith("multipart/mixed; boundary=")
        calls = re.findall(
            rb"Content-ID: <([^>]+)>\r\n\r\nGET /gmail/v1/users/me/messages/(\w+)\?format=(\w+)", request.content
        )
        self.asked.append([(one.decode(), kind.decode()) for _, one, kind in calls])
        lines = []
        for content_id, one, kind in reversed(calls) if self.reverse else calls:
            status, body = self.inner(one.decode(), kind.decode())
            if status == 0:
                continue
            inner = body if isinstance(body, bytes) else orjson.dumps(body)
            lines.append(
                b"--batch_x\r\nContent-Type: application/http\r\nContent-ID: <response-" + content_id + b">\r\n\r\n"
                b"HTTP/1.1 %d X\r\nContent-Type: application/json; charset=UTF-8\r\n%bVary: Origin\r\n\r\n"
                % (status, self.retry_after)
                + inner
                + b"\r\n"
            )
        return httpx.Response(
            200,
            content=b"".join(lines) + b"--batch_x--\r\n",
            headers={"Content-Type": "multipart/mixed; boundary=batch_x"},
        )


@pytest.fixture
def box(google) -> Mailbox:
    return Mailbox(google, {"a1": message("a1", ["UNREAD", "INBOX"]), "a2": message("a2")})


def lists(*answers: dict[str, Any]) -> Callable[[httpx.Request], httpx.Response]:
    waiting = list(answers)
    return lambda request: httpx.Response(200, json=waiting.pop(0))


def ids(*names: str) -> list[dict[str, str]]:
    return [{"id": name, "threadId": name} for name in names]


def knowing(**tags: str | None):
    async def lookup(wanted):
        return {one: tags[one] for one in wanted if one in tags}

    return lookup


async def delta(google, box, *records: dict[str, Any], **more: Any) -> list[Any]:
    box.listing = lists({"history": list(records), "historyId": "120"} if records else {"historyId": "120"})
    return await google.pages("mail", scan=Scan.DELTA, cursor={"v": 1, "history": "100"}, **more)


def items(pages: list[Any]) -> dict[str, type]:
    return {item.source_id: type(item) for page in pages for item in page.items}


async def test_full_listing_takes_the_history_id_before_and_keeps_the_message(google, box) -> None:
    box.listing = lists({"messages": ids("a1", "a2"), "resultSizeEstimate": 2})
    (page,) = await google.pages("mail")
    assert [request.url.path.rsplit("/", 1)[-1] for request in google.requests] == ["profile", "messages", "batch"]
    assert params(google.requests[1])["includeSpamTrash"] == "true", "trap 22"
    assert params(google.requests[1])["maxResults"] == "500"
    assert page.bookmark == {"v": 1, "history": "100"}
    record = page.items[0]
    assert orjson.loads(record.data) == {k: v for k, v in box.messages["a1"].items() if k != "raw"} | {
        "labelIds": ["INBOX", "UNREAD"]
    }
    assert orjson.loads(page.items[1].data)["labelIds"] == []
    assert orjson.loads(record.summary) == {
        "subject": "Café olé", "from": "Ana <ana@acme.example>", "to": ["Bob <bob@acme.example>", "Cat, the <cat@acme.example>"],
        "date": "2026-03-02T09:00:00Z", "message_id": "<1@acme.example>",
    }  # fmt: skip
    assert (record.blob.content, record.blob.tag, record.blob.mime_type) == (MIME, "a1", "message/rfc822")


async def test_held_messages_are_asked_for_what_can_change_only(google, box) -> None:
    box.listing = lists({"messages": ids("a1", "a2")})
    (first,) = await google.pages("mail", lookup=knowing(a1="a1", a2=None))
    assert box.asked == [[("a1", "minimal"), ("a2", "raw")]]
    minimal = first.items[0]
    assert (minimal.summary, minimal.blob.tag, minimal.blob.content, minimal.partial) == (None, "a1", None, False)
    box.listing = lists({"messages": ids("a1")})
    (again,) = await google.pages("mail")
    assert again.items[0].data == minimal.data, "the same shape from both formats"


async def test_headers_only(google, box) -> None:
    box.listing = lists({"messages": ids("a1")})
    (page,) = await google.pages("mail", options={"content": "metadata"})
    assert box.asked == [[("a1", "metadata")]]
    assert page.items[0].blob is None
    assert orjson.loads(page.items[0].summary)["subject"] == "From headers"
    assert "payload" in orjson.loads(page.items[0].data)


async def test_nothing_changed_is_one_request(google, box) -> None:
    (page,) = await delta(google, box)
    assert (page.items, page.bookmark, len(google.requests)) == ([], {"v": 1, "history": "120"}, 1)


async def test_trap_02_a_404_on_history_starts_a_full_round(google, box) -> None:
    with pytest.raises(CursorExpired):
        await google.pages("mail", scan=Scan.DELTA, cursor={"v": 1, "history": "1"})
    assert box.profile == 0


async def test_history_is_collected_from_the_specific_lists(google, box) -> None:
    pages = await delta(
        google, box,
        {"id": "101", "messages": ids("zz"), "messagesAdded": [{"message": {"id": "a1"}}]},
        {"id": "102", "labelsAdded": [{"message": {"id": "a2"}, "labelIds": ["TRASH"]}], "labelsRemoved": [{"message": {"id": "a2"}}]},
        {"id": "103", "messagesAdded": [{"message": {"id": "a3"}}]},
        {"id": "104", "messagesDeleted": [{"message": {"id": "a3"}}, {"message": {"id": "a4"}}]},
        {"id": "105", "messagesAdded": [{"message": {"id": "a5"}}]},
    )  # fmt: skip
    assert items(pages) == {"a1": Record, "a2": Record, "a3": Tombstone, "a4": Tombstone, "a5": Tombstone}
    assert box.asked == [[("a1", "raw"), ("a2", "raw"), ("a5", "raw")]]


async def test_trap_20_history_ids_may_be_numbers(google, box) -> None:
    box.listing = lists({"historyId": 120})
    (page,) = await google.pages("mail", scan=Scan.DELTA, cursor={"v": 1, "history": "100"})
    assert page.bookmark == {"v": 1, "history": "120"}


async def test_the_bookmark_is_the_first_pages_history_id(google, box) -> None:
    box.listing = lists(
        {
            "history": [{"id": "101", "messagesAdded": [{"message": {"id": "a1"}}]}],
            "historyId": "120",
            "nextPageToken": "h2",
        },
        {"historyId": "150", "nextPageToken": "h3"},
        {"history": [{"id": "103", "messagesAdded": [{"message": {"id": "a2"}}]}], "historyId": "160"},
    )
    pages = await google.pages("mail", scan=Scan.DELTA, cursor={"v": 1, "history": "100"})
    assert pages[-1].bookmark == {"v": 1, "history": "120"}
    assert pages[0].resume == {"v": 1, "since": "100", "bookmark": "120", "page": "h2", "more": True, "todo": []}
    assert [(params(one)["startHistoryId"], params(one).get("pageToken")) for one in google.requests if "history" in one.url.path] == [
        ("100", None), ("100", "h2"), ("100", "h3"),
    ]  # fmt: skip
    box.listing = lists({"historyId": "170"})
    (rest,) = await google.pages("mail", scan=Scan.DELTA, cursor=pages[0].resume)
    assert rest.bookmark == {"v": 1, "history": "120"}, "also when cut in between"


async def test_trap_23_an_empty_mailbox_has_no_messages_key(google, box) -> None:
    box.listing = lists({"resultSizeEstimate": 0})
    (page,) = await google.pages("mail")
    assert (page.items, page.last, page.bookmark) == ([], True, {"v": 1, "history": "100"})


async def test_long_listings_come_in_small_pages_that_can_go_on_anywhere(google, box) -> None:
    names = [f"b{n}" for n in range(220)]
    box.messages = {name: message(name) for name in names}
    box.listing = lists({"messages": ids(*names[:210]), "nextPageToken": "l2"}, {"messages": ids(*names[210:])})
    pages = await google.pages("mail")
    assert [len(page.items) for page in pages] == [100, 100, 10, 10]
    assert pages[0].resume["todo"] == names[100:210]
    box.listing = lists({"messages": ids(*names[210:])})
    rest = await google.pages("mail", cursor=pages[1].resume)
    assert [item.source_id for page in rest for item in page.items] == names[200:]
    assert rest[-1].bookmark == {"v": 1, "history": "100"}
    assert box.profile == 1


async def test_a_history_page_of_very_many_messages_goes_on_in_its_midst(google, box) -> None:
    names = [f"b{n}" for n in range(5_300)]
    box.messages = {name: message(name) for name in names}
    records = [
        {"id": "101", "labelsAdded": [{"message": {"id": name}} for name in names]},
        {"id": "102", "messagesDeleted": [{"message": {"id": names[250]}}]},
    ]
    first = {"historyId": "120", "nextPageToken": "h2"}
    second = {"history": records, "historyId": "130", "nextPageToken": "h3"}
    box.listing = lists(first, second)
    pages = google.stream("mail").pages(google.context(scan=Scan.DELTA, cursor={"v": 1, "history": "100"}))
    done = [await anext(pages) for _ in range(3)][-1]
    await pages.aclose()
    assert len(orjson.dumps(done.resume)) < 1_000
    box.asked.clear()
    box.listing = lists(second, {"historyId": "140"})
    rest = await google.pages("mail", scan=Scan.DELTA, cursor=done.resume)
    assert [params(one).get("pageToken") for one in google.requests if "history" in one.url.path] == [
        None,
        "h2",
        "h2",
        "h3",
    ]
    assert box.asked[0][0] == (names[200], "raw"), "what was done is not asked for again"
    assert set(items(rest)) == {*names[200:]}
    assert rest[-1].bookmark == {"v": 1, "history": "120"}


async def test_trap_24_only_the_failed_parts_are_asked_again(google, box) -> None:
    tries: dict[str, int] = {}

    def inner(one: str, kind: str) -> tuple[int, Any]:
        tries[one] = tries.get(one, 0) + 1
        return (429, BUSY) if one == "a2" and tries[one] < 3 else box.normal(one, kind)

    box.inner = inner
    box.listing = lists({"messages": ids("a1", "a2")})
    (page,) = await google.pages("mail")
    assert items([page]) == {"a1": Record, "a2": Record}
    assert [len(call) for call in box.asked] == [2, 1, 1]
    assert 1 <= google.clock.slept[0] < 2 <= google.clock.slept[1] < 3


async def test_trap_25_parts_are_matched_by_content_id(google, box) -> None:
    box.reverse = True
    box.listing = lists({"messages": ids("a1", "a2")})
    (page,) = await google.pages("mail")
    assert {item.source_id: orjson.loads(item.data)["id"] for item in page.items} == {"a1": "a1", "a2": "a2"}


async def test_throttling_that_lasts_keeps_what_was_had_and_goes_on_there(google, box) -> None:
    box.inner = lambda one, kind: (429, BUSY) if one == "a2" else box.normal(one, kind)
    box.listing = lists({"messages": ids("a1", "a2")})
    pages = google.stream("mail").pages(google.context())
    seen = [await anext(pages)]
    with pytest.raises(RateLimited):
        await anext(pages)
    assert items(seen) == {"a1": Record}
    assert seen[0].resume["todo"] == ["a2"]
    box.inner = box.normal
    (rest,) = await google.pages("mail", cursor=seen[0].resume)
    assert items([rest]) == {"a2": Record}
    assert rest.last


async def test_a_ban_with_an_end_is_waited_out_by_the_engine(google, box) -> None:
    until = "2999-01-01T00:00:00Z"
    message_ = f"User-rate limit exceeded.  Retry after {until}"
    box.inner = lambda one, kind: (
        429,
        {"error": {"code": 429, "message": message_, "errors": [{"reason": "rateLimitExceeded"}]}},
    )
    box.listing = lists({"messages": ids("a1")})
    with pytest.raises(RateLimited):
        await google.pages("mail")


async def test_one_message_that_cannot_be_had_is_rejected_alone(google, box) -> None:
    box.inner = lambda one, kind: (500, BACKEND) if one == "a2" else box.normal(one, kind)
    box.listing = lists({"messages": ids("a1", "a2")})
    (page,) = await google.pages("mail")
    assert items([page]) == {"a1": Record, "a2": Reject}
    assert page.last


async def test_however_many_messages_cannot_be_had_the_others_are(google, box) -> None:
    bad = {f"b{n}" for n in range(7)}
    box.inner = lambda one, kind: (500, BACKEND) if one in bad else box.normal(one, kind)
    box.listing = lists({"messages": ids("a1", *sorted(bad))})
    (page,) = await google.pages("mail")
    assert items([page]) == {"a1": Record} | dict.fromkeys(bad, Reject)
    assert page.last


def refusal_of(http: int, reason: str, text: str = "x") -> tuple[int, Any]:
    return http, {"error": {"code": http, "message": text, "errors": [{"reason": reason}]}}


@pytest.mark.parametrize(
    "refused",
    [
        refusal_of(400, "failedPrecondition", "Precondition check failed."),
        refusal_of(400, "failedPrecondition", "Mail service not enabled"),
        refusal_of(403, "forbidden"),
        refusal_of(403, "domainPolicy"),
    ],
)
async def test_one_message_that_is_refused_is_rejected_alone(google, box, refused) -> None:
    box.inner = lambda one, kind: refused if one == "a2" else box.normal(one, kind)
    box.listing = lists({"messages": ids("a1", "a2")})
    (page,) = await google.pages("mail")
    assert items([page]) == {"a1": Record, "a2": Reject}
    assert page.last


async def test_a_message_refused_with_its_mailbox_says_nothing_of_the_message(google, box) -> None:
    box.inner = lambda one, kind: refusal_of(403, "domainPolicy")
    box.listing = lists({"messages": ids("a1")})

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/profile") and box.asked:
            status, body = refusal_of(400, "failedPrecondition", "Precondition check failed.")
            return httpx.Response(status, json=body)
        return box.answer(request)

    google.answer = answer
    with pytest.raises(AccountGone):
        await google.pages("mail")


async def test_a_scope_missing_inside_a_batch_is_no_messages_fault(google, box) -> None:
    box.inner = lambda one, kind: refusal_of(403, "insufficientPermissions")
    box.listing = lists({"messages": ids("a1", "a2")})
    with pytest.raises(Forbidden) as caught:
        await google.pages("mail")
    assert caught.value.code == "SYN-GOOGLE-004"


async def test_a_backend_that_fails_altogether_is_transient(google, box) -> None:
    box.inner = lambda one, kind: (500, BACKEND)
    box.listing = lists({"messages": ids("a1", "a2")})
    with pytest.raises(Transient):
        await google.pages("mail")


async def test_an_end_of_a_ban_that_is_over_is_not_asked_for_at_once(google, box) -> None:
    busy = {"error": {**BUSY["error"], "message": "User-rate limit exceeded.  Retry after 2020-01-01T00:00:00Z"}}
    box.inner = lambda one, kind: (429, busy) if len(box.asked) < 3 else box.normal(one, kind)
    box.listing = lists({"messages": ids("a1")})
    await google.pages("mail")
    assert 1 <= google.clock.slept[0] < 2 <= google.clock.slept[1] < 3


async def test_short_waits_that_repeat_become_longer(google, box) -> None:
    box.inner = lambda one, kind: (429, BUSY) if len(box.asked) < 4 else box.normal(one, kind)
    box.retry_after = b"Retry-After: 1\r\n"
    box.listing = lists({"messages": ids("a1")})
    await google.pages("mail")
    assert google.clock.slept == [1, 2, 4]


async def test_a_message_that_vanished_after_listing_is_skipped(google, box) -> None:
    box.listing = lists({"messages": ids("a1", "zz")})
    (page,) = await google.pages("mail")
    assert (items([page]), page.skipped) == ({"a1": Record}, 1)


@pytest.mark.parametrize("where", ["second address", "single requests"])
async def test_where_batches_are_not_known(google, box, where) -> None:
    box.batch_at = {"/batch/gmail/v1"} if where == "second address" else set()
    box.listing = lists({"messages": ids("a1", "a2", "zz")})
    (page,) = await google.pages("mail")
    assert items([page]) == {"a1": Record, "a2": Record}


async def test_two_batches_at_once_find_out_that_there_are_none(google) -> None:
    asked: list[str] = []

    class Nowhere(Batch):
        async def _outer(self, address, calls):
            asked.append(address)
            await asyncio.sleep(0)  # the other one's turn

    google.answer = lambda request: httpx.Response(200, json={})
    batch = Nowhere(Api(google.context(), "gmail", "mail"), ("/a", "/b"))
    found = await asyncio.gather(batch.get({"x": "/x"}), batch.get({"y": "/y"}))
    assert [list(one) for one in found] == [["x"], ["y"]]
    assert asked == ["/a", "/a", "/b", "/b"]


async def test_a_401_inside_a_batch_asks_those_parts_again(google, box) -> None:
    refused = iter([True])
    box.inner = lambda one, kind: (
        (401, {"error": {"code": 401}}) if one == "a1" and next(refused, False) else box.normal(one, kind)
    )
    box.listing = lists({"messages": ids("a1", "a2")})
    (page,) = await google.pages("mail")
    assert items([page]) == {"a1": Record, "a2": Record}
    assert box.asked[1] == [("a1", "raw")]


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"[]", {"id": "other"}, message("a1", raw="ü"), message("a1", raw="a"), message("a1", raw=7), message("a1", labelIds=7),
     message("a1", labelIds=[7]), {"id": "a1"}, message("a1", raw="!!!!")],
)  # fmt: skip
async def test_one_bad_message_does_not_stop_the_others(google, box, body) -> None:
    box.inner = lambda one, kind: (200, body) if one == "a1" else box.normal(one, kind)
    box.listing = lists({"messages": [*ids("a1", "a2"), {"threadId": "no id"}, 7]})
    (page,) = await google.pages("mail")
    assert [(type(item), item.source_id) for item in page.items] == [
        (Reject, None),
        (Reject, None),
        (Reject, "a1"),
        (Record, "a2"),
    ]


async def test_a_missing_part_is_asked_again(google, box) -> None:
    lost = iter([True])
    box.inner = lambda one, kind: (0, None) if one == "a1" and next(lost, False) else box.normal(one, kind)
    box.listing = lists({"messages": ids("a1", "a2")})
    (page,) = await google.pages("mail")
    assert items([page]) == {"a1": Record, "a2": Record}


async def test_large_messages_come_without_content_and_are_streamed(google, box) -> None:
    huge = MIME + b"x" * (2 << 20)
    box.messages["a1"] = message("a1", ["INBOX"], mime=huge)
    box.listing = lists({"messages": ids("a1", "a2")})
    (page,) = await google.pages("mail")
    by_id = {item.source_id: item for item in page.items}
    assert box.asked == [[("a1", "raw"), ("a2", "raw")], [("a1", "metadata")]]
    assert by_id["a1"].blob.content is None
    assert orjson.loads(by_id["a1"].summary)["subject"] == "From headers"
    assert set(orjson.loads(by_id["a1"].data)) == {
        "id",
        "threadId",
        "labelIds",
        "snippet",
        "sizeEstimate",
        "historyId",
        "internalDate",
    }
    stream = google.stream("mail").fetch(google.context(), by_id["a1"].blob)
    assert b"".join([chunk async for chunk in stream]) == huge


async def test_a_message_with_huge_headers_is_asked_for_those_that_are_looked_at(google, box) -> None:
    huge = message("a1", payload={"headers": [{"name": "X-A", "value": "x" * (2 << 20)}]})
    brief = message("a1", payload={"headers": [{"name": "Subject", "value": "Brief"}]})

    def answer(request: httpx.Request) -> httpx.Response:
        named = b"a1?format=metadata&metadataHeaders=Subject&" in request.content
        box.inner = lambda one, kind: (200, brief if named else huge)
        return box.answer(request)

    google.answer = answer
    box.listing = lists({"messages": ids("a1")})
    (page,) = await google.pages("mail")
    assert orjson.loads(page.items[0].summary)["subject"] == "Brief"
    assert page.last


@pytest.mark.parametrize("content", ["full", "metadata"])
async def test_a_message_that_is_too_large_in_any_form_is_rejected_alone(google, box, content) -> None:
    huge = message("a1", payload={"headers": [{"name": "Subject", "value": "x" * (2 << 20)}]})
    box.inner = lambda one, kind: (200, huge) if one == "a1" else box.normal(one, kind)
    box.listing = lists({"messages": ids("a1", "a2")})
    (page,) = await google.pages("mail", options={"content": content})
    assert items([page]) == {"a1": Reject, "a2": Record}


@pytest.mark.parametrize(
    ("reason", "error"), [("insufficientPermissions", ProtocolError), ("forbidden", ContentUnavailable)]
)
async def test_a_whole_message_that_is_refused(google, reason, error) -> None:
    google.answer = lambda request: httpx.Response(403, json=refusal_of(403, reason)[1])
    with pytest.raises(error):
        [chunk async for chunk in google.stream("mail").fetch(google.context(), Blob({"id": "a1"}, "a1"))]


async def test_between_what_fits_a_record_and_what_fits_a_part(google, box) -> None:
    box.messages["a1"] = message("a1", mime=MIME + b"x" * (1 << 20))
    box.listing = lists({"messages": ids("a1")})
    (page,) = await google.pages("mail")
    assert (page.items[0].blob.content, page.items[0].blob.size) == (None, len(MIME) + (1 << 20))


async def test_contents_in_batches(google, box) -> None:
    box.messages["a3"] = message("a3", mime=MIME + b"x" * (3 << 20))
    box.inner = lambda one, kind: (200, message("a4", raw=5)) if one == "a4" else box.normal(one, kind)
    blobs = [Blob({"id": name}, name) for name in ("a1", "gone", "a3", "a4")]
    answers = {blob.tag: found async for blob, found in google.stream("mail").fetch_many(google.context(), blobs)}
    assert answers["a1"] == MIME
    assert isinstance(answers["gone"], ContentUnavailable)
    assert answers["a3"] == MIME + b"x" * (3 << 20)
    assert isinstance(answers["a4"], ProtocolError)


async def test_without_spam_and_trash_trashing_is_leaving(google, box) -> None:
    box.messages = {"a1": message("a1", ["TRASH"]), "a2": message("a2", ["SPAM"]), "a3": message("a3", ["INBOX"])}
    changed = {"id": "101", "labelsAdded": [{"message": {"id": one}} for one in ("a1", "a2", "a3")]}
    pages = await delta(google, box, changed, options={"spam_trash": False}, lookup=knowing(a1="a1", a3="a3"))
    assert items(pages) == {"a1": Tombstone, "a3": Record}
    assert pages[0].skipped == 1
    box.listing = lists({})
    await google.pages("mail", options={"spam_trash": False})
    assert params(google.requests[-1])["includeSpamTrash"] == "false"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(400, json={"error": {"code": 400, "message": "Mail service not enabled", "errors": [{"reason": "failedPrecondition"}], "status": "FAILED_PRECONDITION"}}), AccountGone),
        (httpx.Response(400, json={"error": {"code": 400, "message": "Precondition check failed.", "status": "FAILED_PRECONDITION"}}), AccountGone),
        (httpx.Response(403, json={"error": {"code": 403, "message": "Delegation denied for x@y", "errors": [{"reason": "forbidden"}]}}), Forbidden),
    ],
)  # fmt: skip
async def test_mailboxes_that_are_none(google, answer, error) -> None:
    google.answer = lambda request: answer
    with pytest.raises(error):
        await google.pages("mail")
    with pytest.raises(error):
        await google.pages("mail", scan=Scan.DELTA, cursor={"v": 1, "history": "1"})


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"historyId": "x"},
        {"historyId": "1", "history": 7},
        {"historyId": "1", "nextPageToken": 5},
    ],
)
async def test_senseless_histories_are_protocol_errors(google, body) -> None:
    google.answer = lambda request: httpx.Response(200, json=body)
    with pytest.raises(ProtocolError):
        await google.pages("mail", scan=Scan.DELTA, cursor={"v": 1, "history": "1"})


async def test_an_unreadable_history_record_is_rejected(google, box) -> None:
    (page,) = await delta(google, box, 7, {}, {"id": "101", "messagesAdded": [{"message": {"id": "a1"}}, {}, 7]})
    assert [type(item) for item in page.items] == [Reject, Reject, Reject, Reject, Record]


async def test_history_pages_in_a_circle_end_in_an_error(google) -> None:
    google.answer = lambda request: httpx.Response(200, json={"historyId": "1", "nextPageToken": "h"})
    with pytest.raises(ProtocolError, match="repeats"):
        await google.pages("mail", scan=Scan.DELTA, cursor={"v": 1, "history": "1"})


@pytest.mark.parametrize("step", [1, 7, 1000])
@pytest.mark.parametrize("newline", [b"\r\n", b"\n"])
async def test_a_batch_answer_in_pieces(step, newline) -> None:
    answer = newline.join([
        b"preamble", b"--b1", b"Content-Type: application/http", b"Content-ID: <response-2f0c + 1>", b"", b"HTTP/1.1 200 OK",
        b"Content-Type: application/json", b"", b'{"raw": "--b1--b1"}', b"", b"--b1", b"content-id: <response-2f0c + 0>", b"",
        b"HTTP/1.1 429 Too Many Requests", b"Retry-After: 7", b"", b"{}", b"--b1", b"no id here", b"", b"HTTP/1.1 200 OK", b"", b"{}", b"--b1--", b"epilogue",
    ])  # fmt: skip

    async def chunks():
        for begin in range(0, len(answer), step):
            yield answer[begin : begin + step]

    found = [(place, part.status, part.body, part.retry_after) async for place, part in parts(chunks(), "b1")]
    assert found == [(1, 200, b'{"raw": "--b1--b1"}', None), (0, 429, b"{}", 7.0)]


async def test_a_part_that_is_too_large_is_cut_and_not_kept() -> None:
    head = b"--b1\r\nContent-ID: <response-x + 0>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"

    async def chunks():
        yield head
        for _ in range(LARGEST_PART // 65536 * 3):
            yield b"x" * 65536
        yield b"\r\n" + head.replace(b"+ 0", b"+ 1") + b"{}\r\n--b1--"

    found = {place: part async for place, part in parts(chunks(), "b1")}
    assert found[0].cut
    assert len(found[0].body) < 1 << 20
    assert (found[1].cut, found[1].body) == (False, b"{}")


@pytest.mark.parametrize("step", [1, 3, 64])
@pytest.mark.parametrize("length", [0, 1, 2, 3, 100])
@pytest.mark.parametrize("padding", ["=", "\\u003d", ""])
async def test_a_raw_message_in_pieces(google, step, length, padding) -> None:
    mime = bytes(range(255, 255 - length, -1))
    text = base64.urlsafe_b64encode(mime).decode().replace("=", padding)
    body = f'{{"id": "a1",\n "raw" : "{text}", "x": "y"}}'.encode()

    async def chunks():
        for begin in range(0, len(body), step):
            yield body[begin : begin + step]

    google.answer = lambda request: httpx.Response(200, content=chunks())
    stream = google.stream("mail").fetch(google.context(), Blob({"id": "a1"}, "a1"))
    assert b"".join([chunk async for chunk in stream]) == mime


@pytest.mark.parametrize("body", [b"", b"{}", b'{"raw": "YWJj', b'{"raw": "Y*Jj"}', b"<html>" * 100_000])
async def test_a_raw_message_that_is_none(google, body) -> None:
    google.answer = lambda request: httpx.Response(200, content=body)
    stream = google.stream("mail").fetch(google.context(), Blob({"id": "a1"}, "a1"))
    with pytest.raises(ProtocolError):
        [chunk async for chunk in stream]


@pytest.mark.parametrize(
    ("mime", "subject", "date"),
    [
        (b"subject: plain\r\n\r\n", "plain", "2026-03-02T09:00:00Z"),
        (b"Subject: =?nope?q?x?=\r\nDate: whenever\r\n\r\n", "x", "2026-03-02T09:00:00Z"),
        (b"Subject: caf\xc3\xa9\n\n", "café", "2026-03-02T09:00:00Z"),
        (b"Subject: caf\xe9\nDate: Mon, 02 Mar 2026 10:00:00\n\n", "café", "2026-03-02T10:00:00Z"),
        (b"Subject: =?utf-8?b?////?=\n\n", "\ufffd\ufffd\ufffd", "2026-03-02T09:00:00Z"),
        (b"Subject: a\x00b\n\n", "ab", "2026-03-02T09:00:00Z"),
        (b"Subject:\n\n", "", "2026-03-02T09:00:00Z"),
        (b"\r\n\r\nSubject: body", None, "2026-03-02T09:00:00Z"),
        (b"", None, "2026-03-02T09:00:00Z"),
        (b"\xff\xfe\x00", None, "2026-03-02T09:00:00Z"),
    ],
)  # fmt: skip
async def test_headers_of_any_kind(google, box, mime, subject, date) -> None:
    box.messages["a1"] = message("a1", mime=mime)
    box.listing = lists({"messages": ids("a1")})
    (page,) = await google.pages("mail")
    told = orjson.loads(page.items[0].summary)
    assert (told["subject"], told["date"]) == (subject, date)
    assert page.items[0].blob.content == mime
