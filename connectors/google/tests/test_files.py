"""Drive against the answers of the wire reference §6."""

from typing import Any

import httpx
import orjson
import pytest
from syncd_google.content import EXPORTS

from syncd.sdk import (
    Blob,
    ContentUnavailable,
    CursorExpired,
    Forbidden,
    Partition,
    ProtocolError,
    Record,
    Reject,
    Scan,
    Tombstone,
    Transient,
)

pytestmark = pytest.mark.anyio
TEAM = Partition("0AD", "Team", shared=True)
NATIVE = "application/vnd.google-apps."
PLAIN = {
    "id": "f1", "name": "a.txt", "mimeType": "text/plain", "parents": ["root"], "size": "5", "version": "7",
    "md5Checksum": "5d41402abc4b2a76b9719d911017c592", "modifiedTime": "2026-01-02T03:04:05.678Z", "trashed": False,
    "capabilities": {"canDownload": True},
}  # fmt: skip
BOGUS = {
    "error": {
        "code": 400,
        "message": "Invalid Value",
        "errors": [{"domain": "global", "reason": "invalid", "location": "pageToken", "locationType": "parameter"}],
    }
}


def params(request: httpx.Request) -> dict[str, str]:
    return dict(request.url.params.multi_items())


def start(token: str = "8") -> httpx.Response:
    return httpx.Response(200, json={"startPageToken": token})


def listing(*files: Any, **more: Any) -> httpx.Response:
    return httpx.Response(200, json={"files": list(files), "incompleteSearch": False, **more})


def log(*changes: Any, **more: Any) -> httpx.Response:
    return httpx.Response(200, json={"changes": list(changes), **more})


def change(file: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"changeType": "file", "removed": False, "fileId": file["id"], "file": file, **more}


async def full(google, *files: Any, partition: Partition = Partition(), **options: Any) -> list[Any]:  # noqa: B008
    google.replies(start(), listing(*files), log(newStartPageToken="9"))
    return await google.pages("files", partition=partition, options=options)


async def delta(google, *changes: Any, partition: Partition = Partition()) -> Any:  # noqa: B008
    google.replies(log(*changes, newStartPageToken="9"))
    (page,) = await google.pages("files", scan=Scan.DELTA, partition=partition, cursor={"v": 1, "page": "8"})
    return page


async def test_my_drive_and_every_shared_drive_are_partitions(google) -> None:
    answers = [
        httpx.Response(200, json={"drives": [{"id": "0AD", "name": "Team"}], "nextPageToken": "p"}),
        httpx.Response(200, json={"drives": []}),
    ]
    google.replies(*answers)
    assert await google.stream("files").partitions(google.context()) == [Partition("", "My Drive"), TEAM]
    assert params(google.requests[0])["pageSize"] == "100"
    google.replies(*answers)
    left_out = await google.stream("files").partitions(google.context(options={"shared": False}))
    assert left_out == [Partition("", "My Drive"), Partition("0AD", "Team", shared=True, excluded=True)]


async def test_trap_11_the_logs_place_is_taken_before_listing_and_read_after(google) -> None:
    google.replies(
        start("8"),
        listing(PLAIN, nextPageToken="l2"),
        listing(),
        log(change({**PLAIN, "name": "b.txt"}), newStartPageToken="9"),
    )
    pages = await google.pages("files")
    assert [request.url.path.rsplit("/", 1)[-1] for request in google.requests] == [
        "startPageToken",
        "files",
        "files",
        "changes",
    ]
    assert params(google.requests[3])["pageToken"] == "8"
    assert pages[0].resume == {"v": 1, "start": "8", "list": "l2"}
    assert pages[1].resume == {"v": 1, "start": "8", "page": "8"}
    assert [page.last for page in pages] == [False, False, True]
    assert pages[2].bookmark == {"v": 1, "page": "9"}
    assert pages[2].items[0].name == "b.txt"


async def test_a_cut_listing_goes_on_where_it_was(google) -> None:
    google.replies(listing(), log(newStartPageToken="9"))
    await google.pages("files", cursor={"v": 1, "start": "8", "list": "l2"})
    assert params(google.requests[0])["pageToken"] == "l2"
    assert params(google.requests[1])["pageToken"] == "8"
    google.replies(log(newStartPageToken="9"))
    await google.pages("files", cursor={"v": 1, "start": "8", "page": "8"})
    assert len(google.requests) == 3


async def test_trap_12_the_end_is_the_new_start_token(google) -> None:
    google.replies(log(nextPageToken="8.5"), log(newStartPageToken="9"))
    pages = await google.pages("files", scan=Scan.DELTA, cursor={"v": 1, "page": "8"})
    assert [(page.resume, page.bookmark) for page in pages] == [
        ({"v": 1, "page": "8.5"}, None),
        (None, {"v": 1, "page": "9"}),
    ]


async def test_nothing_changed_is_one_request(google) -> None:
    google.replies(log(newStartPageToken="8"))
    (page,) = await google.pages("files", scan=Scan.DELTA, cursor={"v": 1, "page": "8"})
    assert (page.items, page.bookmark, len(google.requests)) == ([], {"v": 1, "page": "8"}, 1)


async def test_trap_13_tokens_are_named_in_fields(google) -> None:
    await full(google)
    assert {"nextPageToken", "incompleteSearch"} <= set(params(google.requests[1])["fields"].split(","))
    assert params(google.requests[2])["fields"].startswith("nextPageToken,newStartPageToken,changes(")
    for request in google.requests[1:]:
        for word in ("viewedByMe", "thumbnailLink", "webContentLink", "exportLinks", "*"):
            assert word not in params(request)["fields"]


async def test_trap_14_trashing_is_an_update(google) -> None:
    page = await delta(
        google, change({**PLAIN, "trashed": True}), {"changeType": "file", "removed": True, "fileId": "f2"}
    )
    assert [type(item) for item in page.items] == [Record, Tombstone]
    assert orjson.loads(page.items[0].summary)["trashed"] is True


async def test_trap_17_shared_drives_have_a_log_of_their_own(google) -> None:
    await full(google, {**PLAIN, "driveId": "0AD"}, partition=TEAM)
    for request in google.requests:
        asked = params(request)
        assert asked["driveId"] == "0AD"
        assert asked["supportsAllDrives"] == "true"
    assert [params(request).get("includeItemsFromAllDrives") for request in google.requests] == [None, "true", "true"]
    assert params(google.requests[1])["corpora"] == "drive"


async def test_items_of_shared_drives_are_not_counted_twice(google) -> None:
    first, _ = await full(google, PLAIN, {**PLAIN, "id": "f2", "driveId": "0AD"})
    assert ([item.source_id for item in first.items], first.skipped) == (["f1"], 1)
    page = await delta(
        google, change({**PLAIN, "driveId": "0AD"}), {"changeType": "drive", "driveId": "0AD", "removed": False}
    )
    assert ([type(item) for item in page.items], page.skipped) == ([Tombstone], 1)


async def test_trap_31_records_have_no_etag_and_paths_come_from_parents(google) -> None:
    first, _ = await full(google, PLAIN, {"id": "d", "name": "docs", "mimeType": NATIVE + "folder"})
    assert [(one.etag, one.parent, one.name) for one in first.items] == [(None, "root", "a.txt"), (None, None, "docs")]
    assert orjson.loads(first.items[0].summary) == {
        "name": "a.txt", "mime_type": "text/plain", "size": 5, "modified_at": "2026-01-02T03:04:05.678Z", "kind": "file", "trashed": False,
    }  # fmt: skip
    assert orjson.loads(first.items[1].summary)["kind"] == "folder"
    assert orjson.loads(first.items[0].data) == PLAIN


@pytest.mark.parametrize("cursor", [{"v": 1, "page": "BOGUS"}])
async def test_a_lost_place_starts_a_full_round(google, cursor) -> None:
    google.answer = lambda request: httpx.Response(400, json=BOGUS)
    with pytest.raises(CursorExpired):
        await google.pages("files", scan=Scan.DELTA, cursor=cursor)
    with pytest.raises(CursorExpired):
        await google.pages("files", cursor={"v": 1, "start": "8", "list": "BOGUS"})


async def test_an_incomplete_search_is_no_listing(google) -> None:
    google.replies(start(), listing(PLAIN, incompleteSearch=True))
    with pytest.raises(ProtocolError, match="incomplete"):
        await google.pages("files")


async def test_a_vanished_drive_is_skipped(google) -> None:
    google.answer = lambda request: httpx.Response(
        404, json={"error": {"code": 404, "errors": [{"reason": "notFound"}], "message": "Shared drive not found: 0AD"}}
    )
    with pytest.raises(Forbidden):
        await google.pages("files", partition=TEAM)


async def test_changes_in_a_circle_end_in_an_error(google) -> None:
    google.answer = lambda request: log(nextPageToken="8")
    with pytest.raises(ProtocolError, match="repeats"):
        await google.pages("files", scan=Scan.DELTA, cursor={"v": 1, "page": "8"})
    google.answer = lambda request: log()
    with pytest.raises(ProtocolError, match="start token"):
        await google.pages("files", scan=Scan.DELTA, cursor={"v": 1, "page": "8"})


@pytest.mark.parametrize(
    ("bad", "source_id"),
    [
        ({"changeType": "file", "removed": False, "fileId": "x"}, "x"),
        ({"changeType": "file", "fileId": "x", "file": 7}, "x"),
        ({"changeType": "file", "fileId": "x", "file": {"id": "x", "size": 7}}, "x"),
        ({"changeType": "file", "file": PLAIN}, None),
        (7, None),
    ],
)
async def test_one_bad_change_does_not_stop_the_others(google, bad, source_id) -> None:
    page = await delta(google, bad, change(PLAIN))
    assert [type(item) for item in page.items] == [Reject, Record]
    assert page.items[0].source_id == source_id


def blob(google_pages: list[Any]) -> Blob | None:
    return google_pages[0].items[0].blob


async def test_binary_content_is_tagged_and_verified_by_its_checksum(google) -> None:
    found = blob(await full(google, PLAIN))
    assert (found.tag, found.size, found.hash, found.mime_type, found.skip) == (
        PLAIN["md5Checksum"], 5, "md5:" + PLAIN["md5Checksum"], "text/plain", None,
    )  # fmt: skip
    empty = {**PLAIN, "size": "0", "md5Checksum": "d41d8cd98f00b204e9800998ecf8427e"}
    assert blob(await full(google, empty)).size == 0


@pytest.mark.parametrize("mime", sorted(EXPORTS))
async def test_trap_15_native_documents_are_exported_office_first(google, mime) -> None:
    native = {
        "id": "n",
        "name": "n",
        "mimeType": mime,
        "size": "1024",
        "modifiedTime": "2026-01-02T03:04:05Z",
        "version": "9",
    }
    found = blob(await full(google, native))
    assert (found.tag, found.size, found.hash) == ("2026-01-02T03:04:05Z", None, None)
    assert found.mime_type == EXPORTS[mime]


def test_export_formats() -> None:
    assert {key.removeprefix(NATIVE): value.split(".")[-1] for key, value in EXPORTS.items()} == {
        "document": "document",
        "spreadsheet": "sheet",
        "presentation": "presentation",
        "drawing": "image/png",
        "script": ["google-apps", "script+json"][-1],
    }


@pytest.mark.parametrize("kind", ["folder", "shortcut", "form", "site", "map", "drive-sdk.123"])
async def test_what_has_no_content_has_no_blob(google, kind) -> None:
    assert blob(await full(google, {"id": "x", "name": "x", "mimeType": NATIVE + kind, "size": "1"})) is None


async def test_content_that_is_left_out(google) -> None:
    assert blob(await full(google, {**PLAIN, "capabilities": {"canDownload": False}})).skip == "forbidden"
    assert blob(await full(google, PLAIN, max_size="4B")).skip == "too_large"
    assert blob(await full(google, PLAIN, max_size="5B")).skip is None
    assert blob(await full(google, PLAIN, content=False)) is None


async def fetched(google, one: Blob) -> bytes:
    return b"".join([chunk async for chunk in google.stream("files").fetch(google.context(), one)])


async def test_downloads_and_exports(google) -> None:
    google.answer = lambda request: httpx.Response(200, content=b"hello")
    assert await fetched(google, Blob({"id": "f/1", "key": "k"}, "t")) == b"hello"
    request = google.requests[-1]
    assert request.url.raw_path.startswith(b"/drive/v3/files/f%2F1?")
    assert params(request)["alt"] == "media"
    assert "acknowledgeAbuse" not in params(request)
    assert request.headers["X-Goog-Drive-Resource-Keys"] == "f/1/k"
    assert await fetched(google, Blob({"id": "f1", "export": "application/pdf"}, "t")) == b"hello"
    assert google.requests[-1].url.path == "/drive/v3/files/f1/export"
    assert params(google.requests[-1])["mimeType"] == "application/pdf"


@pytest.mark.parametrize(
    ("status", "reason", "kept"),
    [
        (403, "exportSizeLimitExceeded", "export_limit"),
        (403, "cannotDownloadAbusiveFile", "malware"),
        (403, "cannotDownloadFile", "forbidden"),
        (403, "insufficientFilePermissions", "forbidden"),
        (403, "forbidden", "forbidden"),
        (403, "fileNotDownloadable", "no_content"),
        (403, "fileNotExportable", "no_export"),
        (400, "badRequest", "no_export"),
        (404, "notFound", "gone"),
    ],
)
async def test_trap_16_content_that_can_never_be_had(google, status, reason, kept) -> None:
    google.answer = lambda request: httpx.Response(
        status, json={"error": {"code": status, "message": "m", "errors": [{"reason": reason}]}}
    )
    with pytest.raises(ContentUnavailable) as caught:
        await fetched(google, Blob({"id": "f1", "export": "application/pdf"}, "t"))
    assert caught.value.reason == kept
    assert len(google.requests) == 1


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (403, {"errors": [{"reason": "insufficientPermissions"}]}, "SYN-GOOGLE-004"),
        (403, {"status": "PERMISSION_DENIED", "message": "insufficient authentication scopes"}, "SYN-GOOGLE-004"),
        (403, {"errors": [{"reason": "accessNotConfigured"}]}, "SYN-GOOGLE-005"),
        (403, {"errors": [{"reason": "domainPolicy"}]}, "SYN-GOOGLE-007"),
        (401, {"errors": [{"reason": "authError"}]}, "SYN-GOOGLE-007"),
        (403, None, "SYN-AUTH-002"),
    ],
)
async def test_what_is_not_granted_is_a_failure_and_not_a_content_that_cannot_be_had(
    google, status, error, code
) -> None:
    google.answer = lambda request: httpx.Response(
        status, content=b"<html>" if error is None else None, json=error and {"error": error}
    )
    with pytest.raises(ProtocolError) as caught:
        await fetched(google, Blob({"id": "f1"}, "t"))
    assert caught.value.code == code
    assert caught.value.hint or error is None


async def test_a_token_refused_for_a_content_is_a_failure(google) -> None:
    google.token = lambda request: httpx.Response(403, json={"error": "access_denied", "error_description": "x"})
    with pytest.raises(ProtocolError) as caught:
        await fetched(google, Blob({"id": "f1"}, "t"))
    assert caught.value.code == "SYN-GOOGLE-007"


async def test_a_files_download_quota_is_for_the_next_run(google) -> None:
    google.answer = lambda request: httpx.Response(
        403, json={"error": {"code": 403, "message": "m", "errors": [{"reason": "downloadQuotaExceeded"}]}}
    )
    with pytest.raises(Transient) as caught:
        await fetched(google, Blob({"id": "f1"}, "t"))
    assert caught.value.exhausted
    assert caught.value.code == "SYN-GOOGLE-008"


async def test_a_redirect_is_not_content(google) -> None:
    google.answer = lambda request: httpx.Response(
        302, headers={"Location": "https://elsewhere.example"}, content=b"<html>"
    )
    with pytest.raises(ProtocolError):
        await fetched(google, Blob({"id": "f1"}, "t"))
