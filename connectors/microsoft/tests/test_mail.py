"""Mail against the answers of the wire reference §8."""

from typing import Any

import httpx
import orjson
import pytest
from microsoft_answers import ANA, ROOT, batched, error, fail, is_batch, items_of, knowing, where
from syncd_microsoft.message import FIELDS, SELECT

from syncd.sdk import (
    AccountGone,
    Blob,
    ContentUnavailable,
    CursorExpired,
    Forbidden,
    Partition,
    PartitionGone,
    ProtocolError,
    RateLimited,
    Record,
    Scan,
    Tombstone,
    Transient,
)

pytestmark = pytest.mark.anyio
USER = f"/users/{ANA.id}"
FEED = f"{USER}/mailFolders/F1/messages/delta?$select={SELECT}"
NEXT = f"{ROOT}{USER}/mailfolders/F1/messages/delta?$skiptoken=n"
DELTA = f"{ROOT}{USER}/mailfolders/F1/messages/delta?$deltatoken=d"
MIME = b"Subject: a\r\n\r\nbody\r\n"


def person(name: str, address: str) -> dict[str, Any]:
    return {"emailAddress": {"name": name, "address": address}}


HELLO: dict[str, Any] = {
    **dict.fromkeys(FIELDS),
    "@odata.type": "#microsoft.graph.message",
    "@odata.etag": 'W/"CQAAAB"',
    "id": "AAkALg=",
    "subject": "Hello",
    "from": person("Bob", "bob@acme.example"),
    "toRecipients": [person("Ana", "ana@acme.example"), {"emailAddress": {"address": "c@acme.example"}}],
    "sentDateTime": "2026-03-02T09:00:00Z",
    "receivedDateTime": "2026-03-02T09:00:05Z",
    "lastModifiedDateTime": "2026-03-02T10:00:00Z",
    "internetMessageId": "<1@acme.example>",
    "parentFolderId": "F1",
    "isRead": False,
    "isDraft": False,
    "hasAttachments": False,
    "bodyPreview": "body",
    "changeKey": "CQAAAB",
}


def cursor(link: str) -> dict[str, Any]:
    return {"v": 1, "ids": "immutable", "link": link}


def page(*items: Any, **links: str) -> httpx.Response:
    return httpx.Response(
        200, json={"value": list(items), **{f"@odata.{name}Link": link for name, link in links.items()}}
    )


async def delta(microsoft, *known: str, **more: Any) -> list[Any]:
    return await microsoft.pages(
        "mail", scan=Scan.DELTA, cursor=cursor(DELTA), **knowing(**dict.fromkeys(known)), **more
    )


# -- folders


def folder(one: str, parent: str = "ROOT", **more: Any) -> dict[str, Any]:
    return {"id": one, "displayName": one.title(), "parentFolderId": parent, "childFolderCount": 0, **more}


async def test_folders_of_any_depth_come_from_one_flat_feed(microsoft) -> None:
    search = folder("s", "x", **{"@odata.type": "#microsoft.graph.mailSearchFolder"})
    link = f"{ROOT}{USER}/mailFolders/delta?$skiptoken=1"
    microsoft.replies(
        page(folder("inbox"), folder("deep", "inbox"), search, folder("gone"), next=link),
        page(folder("deeper", "deep"), {"id": "gone", "@removed": {"reason": "deleted"}}, delta=DELTA),
    )
    found = await microsoft.partitions("mail")
    assert [one.id for one in found] == ["inbox", "deep", "deeper"]
    assert found[0].title == "Inbox"
    assert where(microsoft.requests[0]) == f"{USER}/mailFolders/delta?includeHiddenFolders=true"
    assert str(microsoft.requests[1].url) == link


async def test_without_spam_and_trash_these_and_what_is_inside_are_left_out(microsoft) -> None:
    microsoft.routes(
        {
            f"{USER}/mailFolders/delta": {
                "value": [
                    folder("in"),
                    folder("junk"),
                    folder("bin"),
                    folder("inside", "bin"),
                    folder("below", "inside"),
                ],
                "@odata.deltaLink": DELTA,
            },
            f"{USER}/mailFolders/junkemail": {"id": "junk"},
            f"{USER}/mailFolders/deleteditems": {"id": "bin"},
        }
    )
    found = await microsoft.partitions("mail", options={"spam_trash": False})
    assert {one.id for one in found if one.excluded} == {"junk", "bin", "inside", "below"}
    assert {one.id for one in found if not one.excluded} == {"in"}
    assert len(microsoft.requests) == 2


async def test_a_server_that_refuses_hidden_folders_is_asked_without(microsoft) -> None:
    microsoft.replies(fail(400, "BadRequest"), page(folder("in"), delta=DELTA))
    assert [one.id for one in await microsoft.partitions("mail")] == ["in"]
    assert where(microsoft.requests[1]) == f"{USER}/mailFolders/delta"


async def test_a_mailbox_without_room_for_a_feed_is_walked_through(microsoft) -> None:
    microsoft.routes(
        {
            f"{USER}/mailFolders/delta": fail(507, "ErrorQuotaExceeded"),
            f"{USER}/mailFolders": {"value": [folder("in", childFolderCount=1), folder("out")]},
            f"{USER}/mailFolders/in/childFolders": {"value": [folder("deep", "in", childFolderCount=1)]},
            f"{USER}/mailFolders/deep/childFolders": {"value": [folder("deeper", "deep")]},
        }
    )
    assert {one.id for one in await microsoft.partitions("mail")} == {"in", "out", "deep", "deeper"}


async def test_an_unfinished_list_of_folders_is_no_list(microsoft) -> None:
    microsoft.answer = lambda request: page(folder("in"))
    with pytest.raises(ProtocolError):
        await microsoft.partitions("mail")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(404, "MailboxNotEnabledForRESTAPI", AccountGone), (403, "ErrorAccessDenied", Forbidden), (500, "", Transient)],
)
async def test_mailboxes_that_refuse(microsoft, status, code, kind) -> None:
    microsoft.answer = lambda request: fail(status, code)
    with pytest.raises(kind):
        await microsoft.partitions("mail")


# -- rounds


async def test_a_full_round_keeps_bytes_and_summarises(microsoft) -> None:
    microsoft.replies(page(HELLO, next=NEXT), page(delta=DELTA))
    first, last = await microsoft.pages("mail")
    (record,) = first.items
    assert orjson.loads(record.data) == HELLO
    assert orjson.loads(record.summary) == {
        "subject": "Hello",
        "from": "Bob <bob@acme.example>",
        "to": ["Ana <ana@acme.example>", "c@acme.example"],
        "date": "2026-03-02T09:00:00Z",
        "message_id": "<1@acme.example>",
    }
    assert record.blob.ref == {"id": "AAkALg="}
    assert record.blob.mime_type == "message/rfc822"
    assert (first.resume, last.bookmark) == (cursor(NEXT), cursor(DELTA))
    assert where(microsoft.requests[0]) == FEED
    assert "isRead" in SELECT.split(",")
    assert str(microsoft.requests[1].url) == NEXT


async def test_no_change_is_one_request(microsoft) -> None:
    microsoft.replies(page(delta=DELTA))
    (found,) = await delta(microsoft)
    assert found.items == []
    assert len(microsoft.requests) == 1


async def test_metadata_only_has_no_content(microsoft) -> None:
    microsoft.replies(page(HELLO, delta=DELTA))
    (found,) = await microsoft.pages("mail", options={"content": "metadata"})
    assert found.items[0].blob is None


async def test_reading_a_message_is_a_change_without_a_download(microsoft) -> None:
    read = {**HELLO, "isRead": True, "changeKey": "CQAAAC", "@odata.etag": 'W/"CQAAAC"'}
    microsoft.replies(page(HELLO, delta=DELTA), page(read, delta=DELTA))
    (before,) = await microsoft.pages("mail")
    (after,) = await delta(microsoft, "AAkALg=")
    assert after.items[0].partial is False, "it came with all that was asked for"
    assert after.items[0].blob.tag == before.items[0].blob.tag
    assert orjson.loads(after.items[0].data)["isRead"] is True


async def test_each_save_of_a_draft_is_another_content(microsoft) -> None:
    draft = {**HELLO, "isDraft": True}
    microsoft.replies(page(draft, delta=DELTA), page({**draft, "changeKey": "CQAAAC"}, delta=DELTA))
    (before,) = await microsoft.pages("mail")
    (after,) = await microsoft.pages("mail")
    assert after.items[0].blob.tag != before.items[0].blob.tag


async def test_a_partial_change_keeps_content_and_the_rest(microsoft) -> None:
    microsoft.replies(page({"id": "AAkALg=", "isRead": True}, delta=DELTA))
    (found,) = await delta(microsoft, "AAkALg=")
    (record,) = found.items
    assert (record.partial, record.blob) == (True, None)
    assert orjson.loads(record.data) == {"id": "AAkALg=", "isRead": True}
    assert orjson.loads(record.summary) == {}


async def test_meeting_mail_and_texts_of_all_kinds_are_messages(microsoft) -> None:
    invitation = {
        **HELLO,
        "@odata.type": "#microsoft.graph.eventMessageRequest",
        "subject": None,
        "from": None,
        "toRecipients": [],
    }
    microsoft.replies(page(invitation, delta=DELTA))
    (found,) = await microsoft.pages("mail")
    assert orjson.loads(found.items[0].summary) == {
        "subject": None,
        "from": None,
        "to": [],
        "date": "2026-03-02T09:00:00Z",
        "message_id": "<1@acme.example>",
    }


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (fail(404, "ErrorItemNotFound"), PartitionGone),
        (fail(404, "ErrorSyncFolderNotFound"), PartitionGone),
        (fail(404, "MailboxNotEnabledForRESTAPI"), AccountGone),
        (fail(410, "SyncStateNotFound"), CursorExpired),
        (fail(403, "ErrorAccessDenied"), Forbidden),
        (fail(429, "ApplicationThrottled", headers={"Retry-After": "1"}), RateLimited),
    ],
)
async def test_what_ends_a_round(microsoft, answer, kind) -> None:
    microsoft.answer = lambda request: answer
    with pytest.raises(kind):
        await delta(microsoft)


# -- contents


def blob(one: str) -> Blob:
    return Blob({"id": one}, "t")


async def content(microsoft, one: str = "m1") -> bytes:
    ctx = microsoft.context(stream="mail")
    return b"".join([chunk async for chunk in microsoft.stream("mail").fetch(ctx, blob(one))])


async def contents(microsoft, *ids: str) -> list[tuple[str, Any]]:
    ctx = microsoft.context(stream="mail")
    answers = microsoft.stream("mail").fetch_many(ctx, [blob(one) for one in ids])
    return [(one.ref["id"], answer) async for one, answer in answers]


async def test_the_mime_is_streamed_as_it_is(microsoft) -> None:
    microsoft.answer = lambda request: httpx.Response(200, content=MIME)
    assert await content(microsoft, "a/b=") == MIME
    (request,) = microsoft.requests
    assert request.url.raw_path.decode().endswith(f"{USER}/messages/a%2Fb%3D/$value")
    assert request.headers["prefer"] == 'IdType="ImmutableId"'


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (fail(404, "ErrorItemNotFound", "The specified object was not found in the store."), "gone"),
        (fail(500, "ErrorCorruptData"), "corrupt"),
        (fail(500, "ErrorCannotOpenFileAttachment"), "corrupt"),
    ],
)
async def test_content_that_can_never_be_had(microsoft, answer, reason) -> None:
    microsoft.answer = lambda request: answer
    with pytest.raises(ContentUnavailable) as caught:
        await content(microsoft)
    assert caught.value.reason == reason
    assert len(microsoft.requests) == 1


async def test_content_of_an_app_that_may_read_headers_only_is_forbidden(microsoft) -> None:
    microsoft.answer = lambda request: fail(403, "ErrorAccessDenied")
    with pytest.raises(Forbidden):
        await content(microsoft)


async def test_small_contents_come_in_chains_of_batches(microsoft) -> None:
    microsoft.answer = lambda request: batched(request, lambda asked: httpx.Response(200, content=asked.encode()))
    found = await contents(microsoft, *[f"m{number}" for number in range(25)])
    assert dict(found)["m3"] == f"{USER}/messages/m3/$value".encode()
    assert len(found) == 25
    assert [len(items_of(request)) for request in microsoft.requests] == [20, 5]
    assert items_of(microsoft.requests[0])[1]["dependsOn"] == ["1"]


async def test_one_corrupt_message_does_not_stop_the_others(microsoft) -> None:
    def one(asked: str) -> httpx.Response:
        return fail(500, "ErrorCorruptData") if "/m1/" in asked else httpx.Response(200, content=MIME)

    microsoft.answer = lambda request: batched(request, one)
    found = dict(await contents(microsoft, "m0", "m1", "m2"))
    assert found["m0"] == found["m2"] == MIME
    assert isinstance(found["m1"], ContentUnavailable)


async def test_a_batch_of_large_mails_is_left_to_streaming(microsoft) -> None:
    microsoft.answer = lambda request: batched(request, lambda asked: httpx.Response(200, content=b"x" * (20 << 20)))
    found = await contents(microsoft, "m1", "m2")
    assert [(one, type(answer)) for one, answer in found] == [("m1", ProtocolError), ("m2", ProtocolError)]


async def test_a_throttle_inside_a_batch_keeps_what_came(microsoft) -> None:
    def one(asked: str) -> httpx.Response:
        return (
            fail(429, "ApplicationThrottled", headers={"Retry-After": "5"})
            if "/m1/" in asked
            else httpx.Response(200, content=MIME)
        )

    microsoft.answer = lambda request: batched(request, one)
    answers = microsoft.stream("mail").fetch_many(
        microsoft.context(stream="mail"), [blob("m0"), blob("m1"), blob("m2")]
    )
    came, _ = await anext(answers)
    assert came.ref["id"] == "m0"
    with pytest.raises(RateLimited):
        await anext(answers)


# -- a second look


async def test_a_moved_message_says_where_it_is(microsoft) -> None:
    microsoft.routes(
        {f"{USER}/messages/m1": {"id": "m1", "parentFolderId": "F2", "isRead": True, "@odata.context": "x"}}
    )
    (found,) = await microsoft.get("mail", ["m1"])
    assert isinstance(found, Record)
    assert (found.partition, found.partial) == ("F2", True)
    assert "$select=" in items_of(microsoft.requests[0])[0]["url"]


async def test_a_message_in_the_administrators_dumpster_is_deleted(microsoft) -> None:
    microsoft.routes(
        {
            f"{USER}/messages/m1": {"id": "m1", "parentFolderId": "DUMP"},
            f"{USER}/messages/m2": {"id": "m2", "parentFolderId": "F1"},
            f"{USER}/mailFolders/recoverableitemsdeletions": {"id": "DUMP"},
        }
    )
    found = {item.source_id: type(item) for item in await microsoft.get("mail", ["m1", "m2"])}
    assert found == {"m1": Tombstone, "m2": Record}


async def test_a_message_in_a_folder_left_out_by_option_is_gone_for_the_mirror(microsoft) -> None:
    microsoft.routes(
        {
            f"{USER}/messages/m1": {"id": "m1", "parentFolderId": "BIN"},
            f"{USER}/mailFolders/deleteditems": {"id": "BIN"},
        }
    )
    (kept,) = await microsoft.get("mail", ["m1"])
    assert isinstance(kept, Record)
    (left,) = await microsoft.get("mail", ["m1"], options={"spam_trash": False})
    assert isinstance(left, Tombstone)


async def test_many_deletions_are_confirmed_and_none_is_guessed(microsoft) -> None:
    microsoft.routes(
        {f"{USER}/messages/m{number}": {"id": f"m{number}", "parentFolderId": "F1"} for number in range(0, 30, 10)}
    )
    found = {item.source_id: type(item) for item in await microsoft.get("mail", [f"m{number}" for number in range(30)])}
    assert [one for one, kind in found.items() if kind is Record] == ["m0", "m10", "m20"]
    assert len(found) == 30


async def test_no_deletion_is_concluded_from_a_mailbox_that_is_gone(microsoft) -> None:
    microsoft.answer = lambda request: (
        batched(request, lambda asked: fail(404, "ResourceNotFound"))
        if is_batch(request)
        else fail(404, "ResourceNotFound")
    )
    with pytest.raises(AccountGone):
        await microsoft.get("mail", ["m1", "m2"])
    assert len(microsoft.requests) == 1


async def test_an_answer_about_another_place_is_no_tombstone(microsoft) -> None:
    microsoft.answer = lambda request: batched(request, lambda asked: httpx.Response(404, json=error("")))
    with pytest.raises(ProtocolError):
        await microsoft.get("mail", ["m1"], partition=Partition("F1"))
