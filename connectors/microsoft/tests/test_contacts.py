"""Contacts against the answers of the wire reference §5 and the delta protocol of §3."""

from typing import Any

import httpx
import orjson
import pytest
from microsoft_answers import ANA, ROOT, error, fail, is_batch, items_of, knowing, where
from syncd_microsoft.contacts import FIELDS

from syncd.sdk import (
    AccountGone,
    CursorExpired,
    Forbidden,
    Partition,
    PartitionGone,
    ProtocolError,
    RateLimited,
    Record,
    Reject,
    Scan,
    Tombstone,
    Transient,
)

pytestmark = pytest.mark.anyio
USER = f"/users/{ANA.id}"
FEED = f"{ROOT}{USER}/contactFolders/F1/contacts/delta"
NEXT, DELTA = f"{FEED}?$skiptoken=n", f"{FEED}?$deltatoken=d"
WELLA = {
    "@odata.type": "#microsoft.graph.contact",
    "@odata.etag": 'W/"EQAAAB"',
    "id": "AAMk1=",
    "displayName": "Ana Díaz",
    "emailAddresses": [{"name": "Ana", "address": "ana@x.example"}, {"address": "a2@x.example"}],
    "companyName": "Acme",
    "businessPhones": ["+34 1"],
    "homePhones": [],
    "mobilePhone": "+34 2",
    "lastModifiedDateTime": "2026-01-02T03:04:05Z",
    "nickName": None,
}


def cursor(link: str, **more: Any) -> dict[str, Any]:
    return {"v": 1, "ids": "immutable", "link": link, **more}


def page(*items: Any, **links: str) -> httpx.Response:
    named = {f"@odata.{name}Link": link for name, link in links.items()}
    return httpx.Response(200, json={"@odata.context": "x", "value": list(items), **named})


def gone(one: str) -> dict[str, Any]:
    return {"@odata.type": "#microsoft.graph.contact", "id": one, "@removed": {"reason": "deleted"}}


async def delta(microsoft, *known: str, **more: Any) -> list[Any]:
    lookup = knowing(**dict.fromkeys(known))
    return await microsoft.pages("contacts", scan=Scan.DELTA, cursor=cursor(DELTA), **lookup, **more)


# -- folders


async def folders(microsoft, **table: Any) -> list[Partition]:
    default = {
        f"{USER}/contactFolders": {"value": []},
        f"{USER}/contactFolders/contacts": {"id": "F1", "displayName": "Contacts"},
        f"{USER}/contactFolders/contacts/childFolders": {"value": []},
        f"{USER}/contacts": {"value": [{"id": "c", "parentFolderId": "F1"}]},
    }
    microsoft.routes({**default, **{USER + "/" + key.replace("__", "/"): value for key, value in table.items()}})
    return await microsoft.partitions("contacts")


async def test_the_usual_mailbox_is_discovered_in_one_request_of_one_item_at_a_time(microsoft) -> None:
    found = await folders(microsoft)
    assert [(one.id, one.title) for one in found] == [("F1", "Contacts")]
    (request,) = microsoft.requests
    items = items_of(request)
    assert [item.get("dependsOn") for item in items] == [None, ["1"], ["2"], ["3"]]
    assert all('IdType="ImmutableId"' in item["headers"]["Prefer"] for item in items)


async def test_folders_beside_and_inside_others_are_found(microsoft) -> None:
    found = await folders(
        microsoft,
        contactFolders={"value": [{"id": "F2", "displayName": "Friends"}]},
        contactFolders__contacts__childFolders={"value": [{"id": "F3", "displayName": "Inside"}]},
        contactFolders__F2__childFolders={"value": [{"id": "F4", "displayName": "Deeper"}]},
        contactFolders__F3__childFolders={"value": []},
        contactFolders__F4__childFolders={"value": []},
    )
    assert {one.id for one in found} == {"F1", "F2", "F3", "F4"}


async def test_a_listing_of_several_pages_is_read_to_its_end(microsoft) -> None:
    link = f"{ROOT}{USER}/contactFolders?$skip=1"
    pages = {"value": [{"id": "F2"}], "@odata.nextLink": link}
    table = {"?$skip=1": {"value": [{"id": "F5"}]}}

    def listing(asked: str) -> Any:
        return httpx.Response(200, json=table["?$skip=1"] if "skip" in asked else pages)

    found = await folders(
        microsoft,
        contactFolders=listing,
        contactFolders__F2__childFolders={"value": []},
        contactFolders__F5__childFolders={"value": []},
    )
    assert {one.id for one in found} == {"F1", "F2", "F5"}


async def test_the_default_folder_is_found_by_a_contact_where_its_name_is_not_known(microsoft) -> None:
    found = await folders(
        microsoft,
        contactFolders__contacts=fail(404, "ErrorItemNotFound"),
        contactFolders__contacts__childFolders=fail(404, "ErrorItemNotFound"),
        contactFolders__F1__childFolders={"value": []},
    )
    assert [one.id for one in found] == ["F1"]


@pytest.mark.parametrize(
    "answer",
    [fail(400, "ErrorInvalidIdMalformed"), fail(400, "RequestBroker--ParseUri"), fail(404, "ResourceNotFound")],
)
async def test_a_name_that_is_not_known_is_no_word_on_the_mailbox(microsoft, answer) -> None:
    unknown = {"contactFolders__contacts": answer, "contactFolders__contacts__childFolders": answer}
    inside = {"value": [{"id": "F3", "displayName": "Inside"}]}
    known = {"contactFolders__F1__childFolders": inside, "contactFolders__F3__childFolders": {"value": []}}
    assert [one.id for one in await folders(microsoft, **unknown, **known)] == ["F1", "F3"]
    assert await folders(microsoft, **unknown, contacts={"value": []}) == []


async def test_a_folder_that_was_listed_is_known(microsoft) -> None:
    bad = {"contactFolders__F2__childFolders": fail(400, "BadRequest")}
    with pytest.raises(ProtocolError):
        await folders(microsoft, contactFolders={"value": [{"id": "F2"}]}, **bad)


async def test_an_empty_default_folder_without_a_name_is_no_partition(microsoft) -> None:
    found = await folders(
        microsoft,
        contactFolders__contacts=fail(404, "ErrorItemNotFound"),
        contactFolders__contacts__childFolders=fail(404, "ErrorItemNotFound"),
        contacts={"value": []},
    )
    assert found == []


@pytest.mark.parametrize("code", ["MailboxNotEnabledForRESTAPI", "ResourceNotFound", "ErrorInvalidUser"])
async def test_no_mailbox_is_told_in_one_request(microsoft, code) -> None:
    with pytest.raises(AccountGone) as caught:
        await folders(microsoft, contactFolders=fail(404, code))
    assert "no mailbox" in caught.value.state
    assert len(microsoft.requests) == 1


async def test_a_refused_mailbox_is_forbidden_and_the_permission_is_named(microsoft) -> None:
    with pytest.raises(Forbidden, match=r"Contacts\.Read"):
        await folders(microsoft, contactFolders=fail(403, "ErrorAccessDenied"))
    assert len(microsoft.requests) == 1


async def test_a_mailbox_kept_out_by_a_policy_is_a_state(microsoft) -> None:
    with pytest.raises(AccountGone) as caught:
        await folders(microsoft, contactFolders=fail(403, "ErrorAccessDenied", "Access to OData is disabled."))
    assert "policy" in caught.value.state


async def test_a_throttle_inside_the_batch_is_the_mailboxs(microsoft) -> None:
    with pytest.raises(RateLimited) as caught:
        await folders(microsoft, contacts=fail(429, "ApplicationThrottled", headers={"Retry-After": "4"}))
    assert (caught.value.retry_after, caught.value.scope) == (4.0, "account")


# -- rounds


async def test_a_full_round_keeps_bytes_and_summarises(microsoft) -> None:
    microsoft.replies(page(WELLA, next=NEXT), page(delta=DELTA))
    first, last = await microsoft.pages("contacts")
    (record,) = first.items
    assert orjson.loads(record.data) == WELLA
    assert record.partial is False
    assert orjson.loads(record.summary) == {
        "name": "Ana Díaz",
        "emails": ["ana@x.example", "a2@x.example"],
        "phones": ["+34 1", "+34 2"],
        "organization": "Acme",
    }
    assert record.etag == WELLA["@odata.etag"]
    assert record.modified_at.isoformat() == "2026-01-02T03:04:05+00:00"
    assert (first.last, first.resume, first.bookmark) == (False, cursor(NEXT), None)
    assert (last.last, last.bookmark, last.items) == (True, cursor(DELTA), [])
    assert str(microsoft.requests[0].url) == FEED


async def test_no_change_is_one_request(microsoft) -> None:
    microsoft.replies(page(delta=DELTA + "2"))
    (found,) = await delta(microsoft)
    assert (found.items, found.bookmark) == ([], cursor(DELTA + "2"))
    assert len(microsoft.requests) == 1


async def test_an_id_is_a_segment_of_its_own_in_a_path(microsoft) -> None:
    microsoft.replies(page(delta=DELTA))
    await microsoft.pages("contacts", partition=Partition("AA/k+=="))
    assert microsoft.requests[0].url.raw_path.decode().endswith("/contactFolders/AA%2Fk%2B%3D%3D/contacts/delta")


async def test_what_changed_in_a_known_contact_is_merged_and_null_clears(microsoft) -> None:
    microsoft.replies(
        page({"id": "AAMk1=", "@odata.etag": 'W/"2"', "companyName": None, "jobTitle": "CEO"}, delta=DELTA)
    )
    (found,) = await delta(microsoft, "AAMk1=")
    (record,) = found.items
    assert record.partial is True
    assert orjson.loads(record.data) == {"id": "AAMk1=", "@odata.etag": 'W/"2"', "companyName": None, "jobTitle": "CEO"}
    assert orjson.loads(record.summary) == {"organization": None}


async def test_a_contact_that_the_mirror_does_not_hold_comes_whole(microsoft) -> None:
    microsoft.replies(page({"id": "new=", "displayName": "N"}, delta=DELTA))
    (found,) = await delta(microsoft)
    assert found.items[0].partial is False
    assert orjson.loads(found.items[0].summary)["emails"] == []


async def test_a_known_contact_that_comes_with_all_its_properties_is_whole(microsoft) -> None:
    microsoft.replies(page({"id": "a=", **dict.fromkeys(FIELDS)}, delta=DELTA))
    (found,) = await delta(microsoft, "a=")
    assert found.items[0].partial is False


async def test_a_change_to_what_came_with_the_page_before_is_merged_too(microsoft) -> None:
    microsoft.replies(page({"id": "n=", "displayName": "N"}, next=NEXT), page({"id": "n=", "title": "Dr"}, delta=DELTA))
    first, second = await delta(microsoft)
    assert (first.items[0].partial, second.items[0].partial) == (False, True)


async def test_of_several_words_on_one_contact_in_a_page_the_last_counts(microsoft) -> None:
    microsoft.replies(
        page(
            {"id": "a=", "displayName": "old", "title": "Dr"},
            {"id": "b=", "displayName": "b"},
            gone("b="),
            gone("c="),
            {"id": "c=", "displayName": "back"},
            {"id": "a=", "displayName": "new"},
            delta=DELTA,
        )
    )
    (found,) = await microsoft.pages("contacts")
    by_id = {item.source_id: item for item in found.items}
    assert len(found.items) == 3
    assert orjson.loads(by_id["a="].data) == {"id": "a=", "displayName": "new", "title": "Dr"}
    assert isinstance(by_id["b="], Tombstone)
    assert orjson.loads(by_id["c="].summary)["name"] == "back"


async def test_a_cut_round_goes_on_at_its_link(microsoft) -> None:
    microsoft.replies(page(delta=DELTA))
    await microsoft.pages("contacts", scan=Scan.FULL, cursor=cursor(NEXT))
    assert str(microsoft.requests[0].url) == NEXT


@pytest.mark.parametrize(
    "old",
    [
        None,
        {"v": 99},
        {"v": 1, "ids": "rest", "link": DELTA},
        {"v": 1, "ids": "immutable"},
        {"v": 1, "ids": "immutable", "link": "https://graph.microsoft.us/v1.0/x"},
        {"v": 1, "ids": "immutable", "link": "", "plain": True},
    ],
)
async def test_cursors_that_cannot_be_used_start_a_full_round(microsoft, old) -> None:
    with pytest.raises(CursorExpired):
        await microsoft.pages("contacts", scan=Scan.DELTA, cursor=old)
    assert microsoft.requests == []


@pytest.mark.parametrize(
    "answer",
    [
        fail(410, "SyncStateNotFound", "The sync state generation is not found; generation=149;[highest=157][157]."),
        fail(410, ""),
        fail(400, "syncStateNotFound"),
        httpx.Response(410, json={"error": {"code": "x", "innererror": {"code": "ResyncRequired"}}}),
    ],
)
async def test_a_dead_cursor_starts_a_full_round(microsoft, answer) -> None:
    microsoft.replies(answer)
    with pytest.raises(CursorExpired):
        await delta(microsoft)


async def test_a_cursor_that_dies_in_the_middle_of_a_round_does_too(microsoft) -> None:
    microsoft.replies(page(WELLA, next=NEXT), fail(410, "SyncStateNotFound"))
    with pytest.raises(CursorExpired):
        await delta(microsoft)


@pytest.mark.parametrize("code", ["ErrorItemNotFound", "ErrorSyncFolderNotFound", "ErrorFolderNotFound"])
async def test_a_folder_that_is_gone_is_a_partition_gone(microsoft, code) -> None:
    microsoft.replies(fail(404, code))
    with pytest.raises(PartitionGone):
        await delta(microsoft)


async def test_a_mailbox_that_is_gone_is_no_folder_gone(microsoft) -> None:
    microsoft.replies(fail(404, "MailboxNotEnabledForRESTAPI"))
    with pytest.raises(AccountGone):
        await delta(microsoft)


async def test_large_pages_that_fail_are_asked_for_smaller(microsoft) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if "maxpagesize=10" in request.headers["prefer"]:
            return page(WELLA, delta=DELTA)
        return fail(504, "")

    microsoft.answer = answer
    (found,) = await microsoft.pages("contacts")
    assert len(found.items) == 1
    assert {str(request.url) for request in microsoft.requests} == {FEED}


async def test_a_server_that_fails_at_any_size_is_a_fault(microsoft) -> None:
    microsoft.answer = lambda request: fail(500, "generalException")
    with pytest.raises(Transient):
        await microsoft.pages("contacts")


async def test_a_mailbox_without_room_for_a_feed_is_listed(microsoft) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if where(request).endswith("/delta"):
            return fail(507, "ErrorQuotaExceeded")
        return page(WELLA)

    microsoft.answer = answer
    (found,) = await microsoft.pages("contacts")
    assert found.last
    assert len(found.items) == 1
    assert where(microsoft.requests[1]) == f"{USER}/contactFolders/F1/contacts"
    with pytest.raises(CursorExpired):
        await microsoft.pages("contacts", scan=Scan.DELTA, cursor=found.bookmark)


async def test_a_full_mailbox_that_refuses_reading_too_is_a_fault(microsoft) -> None:
    microsoft.answer = lambda request: fail(507, "ErrorQuotaExceeded")
    with pytest.raises(ProtocolError):
        await microsoft.pages("contacts")
    assert len(microsoft.requests) == 2


@pytest.mark.parametrize(
    "links",
    [
        {},
        {"next": NEXT, "delta": DELTA},
        {"next": ""},
        {"next": "https://evil.example/x"},
        {"delta": "https://evil.example/x"},
    ],
)
async def test_pages_without_a_place_to_go_on_make_no_sense(microsoft, links) -> None:
    microsoft.answer = lambda request: page(WELLA, **links)
    with pytest.raises(ProtocolError):
        await microsoft.pages("contacts")
    assert {request.url.host for request in microsoft.requests} == {"graph.microsoft.com"}


async def test_links_in_a_circle_end_in_an_error(microsoft) -> None:
    microsoft.answer = lambda request: page(WELLA, next=NEXT)
    with pytest.raises(ProtocolError, match="repeats"):
        await microsoft.pages("contacts")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"<html>", b'{"value": 5}', b"{}", b"\xff\xfe{}", b'{"value":[],"@odata.nextLink":7}']
)
async def test_senseless_answers_are_protocol_errors(microsoft, body) -> None:
    microsoft.answer = lambda request: httpx.Response(200, content=body)
    with pytest.raises(ProtocolError):
        await microsoft.pages("contacts")


GOOD = orjson.dumps(WELLA)
BAD = [
    (b'{"id":"bad=","emailAddresses":7}', "bad="),
    (b'{"displayName":"x"}', None),
    (b'{"id":5}', None),
    (b'{"id":""}', None),
    (b"17", None),
    (b'{"id":"bad=","x":1e999}', "bad="),
    (b'{"x":"\xff\xfe","id":"bad="}', "bad="),
    (b'{"id":"bad=","x":"\\ud800"}', "bad="),
    (b'{"a":{"id":"other"},"id":"bad=","x":' + b"[" * 5000 + b"]" * 5000 + b"}", "bad="),
]


@pytest.mark.parametrize(("bad", "source_id"), BAD)
async def test_one_bad_contact_does_not_stop_the_others(microsoft, bad, source_id) -> None:
    body = b'{"value":[' + GOOD + b"," + bad + b'],"@odata.deltaLink":"' + DELTA.encode() + b'"}'
    microsoft.answer = lambda request: httpx.Response(200, content=body)
    (found,) = await microsoft.pages("contacts")
    (reject,) = [item for item in found.items if isinstance(item, Reject)]
    assert reject.source_id == source_id
    assert [item.source_id for item in found.items if isinstance(item, Record)] == ["AAMk1="]


# -- a second look


async def test_contacts_are_looked_at_again_in_one_chain(microsoft) -> None:
    microsoft.routes(
        {f"{USER}/contacts/{one}": {"@odata.context": "x", "id": one, "parentFolderId": "F9"} for one in "ab"}
    )
    found = await microsoft.get("contacts", ["a", "b"])
    assert [(item.source_id, item.partition, item.partial) for item in found] == [("a", "F9", True), ("b", "F9", True)]
    assert b"odata.context" not in found[0].data
    assert len(microsoft.requests) == 1
    assert is_batch(microsoft.requests[0])


async def test_what_is_gone_is_a_tombstone_and_what_is_refused_is_not(microsoft) -> None:
    microsoft.routes(
        {
            f"{USER}/contacts/a": {"id": "a", "parentFolderId": "F1"},
            f"{USER}/contacts/c": fail(400, "ErrorPropertyValidationFailure"),
            f"{USER}/contacts/d": fail(400, "ErrorInvalidIdMalformed"),
        }
    )
    found = {item.source_id: type(item) for item in await microsoft.get("contacts", ["a", "b", "c", "d"])}
    assert found == {"a": Record, "b": Tombstone, "c": Reject, "d": Tombstone}, "no item can have a malformed id"


@pytest.mark.parametrize(
    ("status", "code"), [(404, "MailboxNotEnabledForRESTAPI"), (403, "ErrorAccessDenied"), (404, "")]
)
async def test_no_deletion_is_concluded_from_a_mailbox_that_refuses(microsoft, status, code) -> None:
    microsoft.routes({f"{USER}/contacts/{one}": httpx.Response(status, json=error(code)) for one in "abc"})
    with pytest.raises((AccountGone, Forbidden, ProtocolError)):
        await microsoft.get("contacts", ["a", "b", "c"])
