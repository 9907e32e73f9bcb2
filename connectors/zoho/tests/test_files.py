"""WorkDrive against the answers of the wire reference §7."""

from typing import Any

import httpx
import orjson
import pytest
from syncd_zoho.files import FilesStream

from connectors.zoho.tests.canned import Canned, answer, ids, query
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
    Reject,
)

pytestmark = pytest.mark.anyio
BASE = "/workdrive/api/v1"
TEAM = Partition("ws1", "Sales", shared=True)
R008 = answer(401, {"errors": [{"id": "R008", "title": "Unauthorized access"}]})
MS = 1_772_000_000_000


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def zoho() -> Canned:
    canned = Canned()
    canned.routes = {
        f"GET {BASE}/users/me": answer(200, {"data": {"id": "u1", "attributes": {"edition": "ENTERPRISE"}}}),
        f"GET {BASE}/users/u1/teams": answer(200, {"data": [{"id": "t1", "attributes": {"name": "Acme"}}]}),
        f"GET {BASE}/teams/t1/currentuser": answer(200, {"data": {"id": "tu1", "attributes": {}}}),
        f"GET {BASE}/users/tu1/privatespace": answer(200, {"data": [{"id": "root", "attributes": {}}]}),
        f"GET {BASE}/teams/t1/workspaces": answer(200, {"data": [{"id": "ws1", "attributes": {"name": "Sales"}}]}),
    }
    return canned


def folder(key: str, **attributes: Any) -> dict[str, Any]:
    return {
        "id": key,
        "type": "files",
        "attributes": {"name": key, "type": "folder", "is_folder": True, "resource_type": 1001, **attributes},
    }


def file(key: str, size: int = 5, modified: Any = MS, **attributes: Any) -> dict[str, Any]:
    return {
        "id": key,
        "type": "files",
        "attributes": {
            "name": f"{key}.txt",
            "display_html_name": f"&lt;{key}&gt;.txt",
            "type": "text",
            "extn": "txt",
            "is_folder": False,
            "storage_info": {"size_in_bytes": size, "size": "5 bytes"},
            "modified_time": "Aug 26, 4:46 PM",
            "modified_time_in_millisecond": modified,
            **attributes,
        },
    }


def listing(*items: Any, following: str | None = None, **cursor: Any) -> httpx.Response:
    links = {"cursor": {"has_next": following is not None, "next": following, **cursor}}
    return answer(200, {"data": list(items), "links": links})


def serve(zoho: Canned, **folders: Any) -> None:
    for key, value in folders.items():
        zoho.routes[f"GET {BASE}/files/{key}/files"] = value


async def walk(zoho: Canned, **more: Any) -> list[Any]:
    return await zoho.pages(FilesStream(), **more)


def listings(zoho: Canned) -> list[str]:
    return [one.url.path.split("/")[-2] for one in zoho.requests if one.url.path.endswith("/files")]


async def test_the_private_space_and_team_folders_are_partitions(zoho: Canned) -> None:
    found = await FilesStream().partitions(zoho.context(options={"shared": True}))
    assert found == [Partition("", "My Folders"), TEAM]


async def test_team_folders_are_left_out_unless_asked_for(zoho: Canned) -> None:
    found = await FilesStream().partitions(zoho.context())
    assert found[1:] == [Partition("ws1", "Sales", shared=True, excluded=True)]


async def test_the_other_route_of_team_folders_is_asked_where_the_first_is_none(zoho: Canned) -> None:
    zoho.routes[f"GET {BASE}/teams/t1/workspaces"] = answer(
        404, {"errors": [{"id": "F6016", "title": "URL not found"}]}
    )
    zoho.routes[f"GET {BASE}/teams/t1/teamfolders"] = answer(
        200, {"data": [{"id": "ws1", "attributes": {"name": "Sales"}}]}
    )
    assert (await FilesStream().partitions(zoho.context(options={"shared": True})))[1] == TEAM


async def test_a_single_users_private_space_needs_no_team(zoho: Canned) -> None:
    zoho.routes = {
        f"GET {BASE}/users/me": answer(200, {"data": {"id": "u1", "attributes": {"edition": "PERSONAL"}}}),
        f"GET {BASE}/users/u1/privatespace": answer(200, {"data": [{"id": "root", "attributes": {}}]}),
    }
    serve(zoho, root=listing(file("a")))
    assert ids(await walk(zoho)) == ["a"]
    assert await FilesStream().partitions(zoho.context()) == [Partition("", "My Folders")]


async def test_the_private_spaces_of_all_teams_are_walked(zoho: Canned) -> None:
    zoho.routes[f"GET {BASE}/users/u1/teams"] = answer(200, {"data": [{"id": "t1"}, {"id": "t2"}]})
    zoho.routes[f"GET {BASE}/teams/t2/currentuser"] = answer(200, {"data": {"id": "tu2", "attributes": {}}})
    zoho.routes[f"GET {BASE}/users/tu2/privatespace"] = answer(200, {"data": [{"id": "root2", "attributes": {}}]})
    serve(zoho, root=listing(file("a")), root2=listing(file("b")))
    assert ids(await walk(zoho)) == ["a", "b"]


async def test_no_team_is_no_workdrive(zoho: Canned) -> None:
    zoho.routes[f"GET {BASE}/users/u1/teams"] = answer(200, {"data": []})
    with pytest.raises(AccountGone) as caught:
        await walk(zoho)
    assert caught.value.state == "no WorkDrive"


async def test_a_scope_that_is_lacking_is_forbidden_and_no_fault_of_the_token(zoho: Canned) -> None:
    zoho.routes[f"GET {BASE}/users/me"] = answer(
        401, {"errors": [{"id": "F7003", "title": "INVALID_OAUTHSCOPE oauth"}]}
    )
    with pytest.raises(Forbidden):
        await walk(zoho)


async def test_a_scope_that_only_the_reason_phrase_tells_to_be_lacking_is_forbidden(zoho: Canned) -> None:
    """§3.6: the body may speak of the token all the same."""
    body = {"errors": [{"id": "F7003", "title": "Invalid OAuth token."}]}
    refused = httpx.Response(401, json=body, extensions={"reason_phrase": b"INVALID_OAUTHSCOPE"})
    zoho.routes[f"GET {BASE}/users/me"] = refused
    with pytest.raises(Forbidden) as raised:
        await walk(zoho)
    assert "WorkDrive.files.READ" in str(raised.value)


async def test_every_folder_is_read_once_breadth_first_and_is_a_record_itself(zoho: Canned) -> None:
    serve(
        zoho,
        root=listing(folder("d1"), folder("d2"), file("a")),
        d1=listing(folder("d3"), file("b")),
        d2=listing(folder("d1"), file("c")),  # d1 was moved here meanwhile
        d3=listing(),
    )
    pages = await walk(zoho)
    assert listings(zoho) == ["root", "d1", "d2", "d3"]
    assert ids(pages) == ["d1", "d2", "a", "d3", "b", "d1", "c"]
    assert [page.last for page in pages] == [False, False, True]
    kinds = {item.source_id: (item.summary["kind"], item.parent, item.name) for page in pages for item in page.items}
    assert kinds["d3"] == ("folder", "d1", "d3")
    assert kinds["a"] == ("file", "root", "a.txt")
    assert kinds["d1"] == ("folder", "d2", "d1")


async def test_a_cut_walk_goes_on_with_the_folders_still_to_read(zoho: Canned) -> None:
    serve(zoho, root=listing(folder("d1"), folder("d2"), file("a")), d1=listing(file("b")), d2=listing(file("c")))
    first = (await walk(zoho, limit=1))[0]
    assert first.resume == {"v": 1, "queue": [["root", "d1", "d2"]]}
    zoho.requests.clear()
    pages = await walk(zoho, limit=1, cursor=first.resume)
    assert listings(zoho) == ["d1", "d2"]
    assert len(zoho.requests) == 2
    assert ids(pages) == ["b", "c"]
    assert pages[-1].last


async def test_a_long_queue_is_packed_and_one_beyond_all_measure_left_out(zoho: Canned) -> None:
    keys = [f"{number:037x}" for number in range(9_000)]
    serve(zoho, root=listing(*map(folder, keys)))
    stream = FilesStream().pages(zoho.context(limit=1))
    page = await anext(aiter(stream))
    assert page.resume is None  # so long a queue is not written with every page
    for key in keys[:40]:
        serve(zoho, **{key: listing(file("x" + key))})
    resumes = [(await anext(stream)).resume for _ in range(20)]
    (place,) = [one for one in resumes if one]
    assert len(orjson.dumps(place)) < 256 * 1024
    again = await anext(aiter(FilesStream().pages(zoho.context(limit=1, cursor=place))))
    assert [item.source_id for item in again.items] == ["x" + keys[resumes.index(place) + 1]]
    with pytest.raises(CursorExpired):
        await walk(zoho, cursor={"v": 1, "packed": "nonsense"})


async def test_team_folders_are_walked_from_their_own_id(zoho: Canned) -> None:
    serve(zoho, ws1=listing(file("a")))
    assert ids(await walk(zoho, partition=TEAM)) == ["a"]
    assert len(zoho.requests) == 1


async def test_a_team_folder_that_is_not_shown_any_more_is_a_partition_gone(zoho: Canned) -> None:
    serve(zoho, ws1=R008)
    with pytest.raises(PartitionGone):
        await walk(zoho, partition=TEAM)


async def test_a_folder_that_went_is_left_to_the_sweep_when_its_parent_says_so(zoho: Canned) -> None:
    serve(zoho, root=[listing(folder("d1"), file("a")), listing(file("a"))], d1=R008)
    pages = await walk(zoho)
    assert [type(item) for page in pages for item in page.items] == [Record, Record]
    assert pages[-1].last


async def test_a_folder_that_is_listed_and_cannot_be_read_forbids_the_sweep(zoho: Canned) -> None:
    serve(zoho, root=listing(folder("d1"), file("a")), d1=R008)
    pages = await walk(zoho)
    (reject,) = [item for page in pages for item in page.items if isinstance(item, Reject)]
    assert reject.source_id is None
    assert listings(zoho) == ["root", "d1", "root"]


async def test_a_subtree_that_went_as_a_whole_is_looked_up_where_it_hung(zoho: Canned) -> None:
    serve(zoho, root=[listing(folder("d1")), listing()], d1=[listing(folder("d2")), R008], d2=R008)
    pages = await walk(zoho)
    assert not [item for page in pages for item in page.items if isinstance(item, Reject)]
    serve(zoho, root=listing(folder("d1")), d1=[listing(folder("d2")), R008], d2=R008)
    assert [item for page in await walk(zoho) for item in page.items if isinstance(item, Reject)]


MANY = [f"s{number}" for number in range(40)]


async def test_a_large_subtree_that_went_is_not_asked_for_folder_by_folder(zoho: Canned) -> None:
    """§7.6: R008 repeated escalates, and the twentieth listing of a folder within a minute costs five."""
    serve(
        zoho, root=[listing(folder("a")), listing()], a=[listing(*map(folder, MANY)), R008], **dict.fromkeys(MANY, R008)
    )
    pages = await walk(zoho)
    assert not [item for page in pages for item in page.items if isinstance(item, Reject)]
    assert pages[-1].last
    asked = listings(zoho)
    assert (asked.count("root"), asked.count("a"), len([one for one in asked if one in MANY])) == (2, 2, 4)


async def test_many_folders_that_went_one_by_one_are_looked_up_together(zoho: Canned) -> None:
    serve(zoho, root=listing(folder("a")), a=[listing(*map(folder, MANY)), listing()], **dict.fromkeys(MANY, R008))
    pages = await walk(zoho)
    assert not [item for page in pages for item in page.items if isinstance(item, Reject)]
    assert listings(zoho).count("a") == 2


async def test_a_folder_that_is_listed_anew_travels_in_its_own_lane(zoho: Canned) -> None:
    serve(zoho, root=[listing(folder("d1")), listing()], d1=R008)
    await walk(zoho)
    lanes = [one.extensions["syncd.lane"] for one in zoho.requests if one.url.path.endswith("/files")]
    assert lanes == ["workdrive", "workdrive", ("folder", "root")]


async def test_a_folder_that_was_moved_out_of_one_that_went_is_read_where_it_is(zoho: Canned) -> None:
    serve(
        zoho,
        root=[listing(folder("a"), folder("b"), folder("c")), listing(folder("b"), folder("c"))],
        a=[listing(folder("lost"), folder("early"), folder("late")), R008],
        b=listing(folder("early")),  # read with `a`, when `early` had been moved here already
        c=listing(folder("d")),
        lost=R008,
        early=listing(file("x")),
        late=listing(file("y")),
        d=listing(folder("e")),
        e=listing(folder("late")),  # read after `late` was given up with `a`
    )
    assert {"x", "y"} <= set(ids(await walk(zoho, limit=1)))


async def test_a_lost_drive_in_the_middle_of_a_walk_is_no_deletion(zoho: Canned) -> None:
    serve(zoho, root=[listing(folder("d1")), R008], d1=R008)
    with pytest.raises(AccountGone):
        await walk(zoho)


async def test_a_folder_of_a_resumed_walk_whose_origin_is_unknown_forbids_the_sweep(zoho: Canned) -> None:
    serve(zoho, d1=R008, d2=R008)
    (page,) = await walk(zoho, cursor={"v": 1, "queue": [["d1", "d2"]]})
    assert [type(item) for item in page.items] == [Reject]


async def test_a_folder_that_vanishes_between_its_pages_is_read_again(zoho: Canned) -> None:
    serve(zoho, root=[listing(file("a"), following="https://x/?page%5Bnext%5D=n2"), R008])
    with pytest.raises(ProtocolError, match="vanished"):
        await walk(zoho)


@pytest.mark.parametrize("modified", [MS, str(MS)])
async def test_times_are_milliseconds_as_numbers_or_text(zoho: Canned, modified: Any) -> None:
    serve(zoho, root=listing(file("a", modified=modified)))
    (page,) = await walk(zoho)
    (record,) = page.items
    assert record.summary["modified_at"] == "2026-02-25T06:13:20Z"
    assert record.blob.tag == f"{MS}/5"


async def test_display_times_do_not_count_as_changes() -> None:
    assert {"attributes.modified_time", "attributes.opened_time", "attributes.opened_time_in_millisecond"} <= set(
        FilesStream.info.volatile
    )


async def test_the_summary_is_plain_and_the_data_as_it_came(zoho: Canned) -> None:
    serve(zoho, root=listing(file("a")))
    (page,) = await walk(zoho)
    assert page.items[0].summary == {
        "name": "a.txt", "mime_type": "text/plain", "size": 5, "modified_at": "2026-02-25T06:13:20Z", "kind": "file",
    }  # fmt: skip
    assert orjson.loads(page.items[0].data) == file("a")


async def test_what_lies_in_the_trash_is_not_stored(zoho: Canned) -> None:
    serve(zoho, root=listing(file("a", status="51"), folder("d", status=61), file("b", status=1)))
    (page,) = await walk(zoho)
    assert ([item.source_id for item in page.items], page.skipped) == (["b"], 2)


@pytest.mark.parametrize(
    "bad", [{"id": "x"}, {"id": "x", "attributes": 7}, {"id": 7, "attributes": {}}, {"attributes": {}}, 7]
)
async def test_one_bad_item_does_not_stop_the_others_and_forbids_the_sweep(zoho: Canned, bad: Any) -> None:
    serve(zoho, root=listing(bad, file("a")))
    (page,) = await walk(zoho)
    assert [type(item) for item in page.items] == [Reject, Record]
    assert page.items[0].source_id is None  # it may have been a folder


async def test_two_different_entries_with_one_id_are_refused_and_a_repeated_one_is_absorbed(zoho: Canned) -> None:
    serve(zoho, root=listing(file("a"), file("b"), file("b"), file("a", size=9), file("c")))
    (page,) = await walk(zoho)
    assert [(type(item), item.source_id) for item in page.items] == [(Reject, "a"), (Record, "b"), (Record, "c")]
    assert page.skipped == 2


async def test_content_has_a_size_and_a_tag_and_no_hash(zoho: Canned) -> None:
    serve(zoho, root=listing(file("a"), folder("d")), d=listing())
    pages = await walk(zoho)
    blob = pages[0].items[0].blob
    assert (blob.ref, blob.tag, blob.size, blob.hash, blob.skip) == ({"id": "a"}, f"{MS}/5", 5, None, None)
    assert pages[0].items[1].blob is None


async def test_content_is_left_out_where_it_is_not_wanted(zoho: Canned) -> None:
    serve(zoho, root=listing(file("a"), file("big", size=2000)))
    (page,) = await walk(zoho, options={"content": False})
    assert [item.blob for item in page.items] == [None, None]
    (page,) = await walk(zoho, options={"max_size": "1KB"})
    assert [item.blob.skip for item in page.items] == [None, "too_large"]


@pytest.mark.parametrize(("editor", "wanted"), [("writer", "docx"), ("sheet", "xlsx"), ("show", "pptx")])
async def test_native_documents_are_exported_and_not_measured(zoho: Canned, editor: str, wanted: str) -> None:
    serve(zoho, root=listing(file("n", size=1, type=editor, extn="z" + editor)))
    (page,) = await walk(zoho)
    blob = page.items[0].blob
    assert (blob.size, page.items[0].summary["size"], blob.hash) == (None, None, None)
    zoho.routes[f"GET /{editor}/api/v1/download/n"] = httpx.Response(200, content=b"office")
    assert await content(zoho, blob) == b"office"
    assert query(zoho.requests[-1]) == {"format": wanted}
    assert zoho.requests[-1].url.host == "www.zohoapis.eu"


async def test_an_uploaded_office_file_is_no_native_document(zoho: Canned) -> None:
    serve(zoho, root=listing(file("w", size=9, type="writer", extn="docx")))
    (page,) = await walk(zoho)
    assert (page.items[0].blob.ref, page.items[0].blob.size) == ({"id": "w"}, 9)
    assert page.items[0].summary["mime_type"] == "text/plain"  # its name says .txt


@pytest.mark.parametrize(
    ("name", "mime_type"),
    [
        ("a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("a.pdf", "application/pdf"),
        ("a", "text/plain"),
        ("a.unheard-of", None),
    ],
)
async def test_types_are_told_by_names(zoho: Canned, name: str, mime_type: str | None) -> None:
    serve(zoho, root=listing(file("f", name=name)))
    (page,) = await walk(zoho)
    assert page.items[0].summary["mime_type"] == mime_type


async def test_an_export_without_a_route_comes_from_the_content_host(zoho: Canned) -> None:
    zoho.routes["GET /sheet/api/v1/download/n"] = answer(404)
    zoho.routes["GET /v1/workdrive/download/n"] = httpx.Response(200, content=b"office")
    assert await content(zoho, Blob({"id": "n", "editor": "sheet"}, "1/1")) == b"office"


async def test_an_export_without_the_scope_waits_for_it(zoho: Canned) -> None:
    """No other route is tried, and it is no export that can never be had."""
    body = {"errors": [{"id": "F000", "title": "INVALID_OAUTHSCOPE"}]}
    for status in (400, 401, 403):
        zoho.routes["GET /sheet/api/v1/download/n"] = answer(status, body)
        with pytest.raises(ProtocolError, match="lacks one of") as raised:
            await content(zoho, Blob({"id": "n", "editor": "sheet"}, "1/1"))
        assert raised.value.code == "SYN-ZOHO-004"


async def test_a_content_that_its_owner_locked_is_forbidden(zoho: Canned) -> None:
    zoho.routes["GET /v1/workdrive/download/a"] = answer(403, {"errors": [{"id": "F6021", "title": "Not allowed"}]})
    with pytest.raises(Forbidden):
        await content(zoho, Blob({"id": "a"}, "1/6", 6))


async def content(zoho: Canned, blob: Blob) -> bytes:
    return b"".join([chunk async for chunk in FilesStream().fetch(zoho.context(), blob)])


class Breaking(httpx.AsyncByteStream):
    """A body that breaks off."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = chunks

    async def __aiter__(self) -> Any:
        for chunk in self.chunks:
            yield chunk
        raise httpx.ReadError("broken")


class Downloads:
    """The content host, answer by answer."""

    def __init__(self, zoho: Canned, *answers: httpx.Response) -> None:
        self.requests: list[httpx.Request] = []
        self.answers = list(answers)
        zoho.client = httpx.AsyncClient(transport=httpx.MockTransport(self.handle))

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answers.pop(0)


def broken(*chunks: bytes, status: int = 200, **headers: str) -> httpx.Response:
    return httpx.Response(status, stream=Breaking(*chunks), headers=headers)


async def test_a_broken_download_goes_on_where_it_stood(zoho: Canned) -> None:
    host = Downloads(
        zoho,
        broken(b"abc", etag='"1"'),
        broken(b"d", status=206, **{"content-range": "bytes 3-5/6"}),
        httpx.Response(206, content=b"ef", headers={"content-range": "bytes 4-5/6"}),
    )
    assert await content(zoho, Blob({"id": "a"}, "1/6", 6)) == b"abcdef"
    assert [one.headers.get("range") for one in host.requests] == [None, "bytes=3-", "bytes=4-"]
    assert host.requests[1].headers["if-range"] == '"1"'


async def test_a_range_that_is_ignored_brings_nothing_twice(zoho: Canned) -> None:
    Downloads(zoho, broken(b"abc"), httpx.Response(200, content=b"abcdef"))
    assert await content(zoho, Blob({"id": "a"}, "1/6", 6)) == b"abcdef"


async def test_pieces_of_two_versions_are_not_joined(zoho: Canned) -> None:
    from syncd.sdk import Transient

    Downloads(zoho, broken(b"abc", etag='"1"'), httpx.Response(200, content=b"ABCDEF", headers={"etag": '"2"'}))
    with pytest.raises(Transient, match="changed"):
        await content(zoho, Blob({"id": "a"}, "1/6", 6))


async def test_a_download_that_never_gets_on_ends(zoho: Canned) -> None:
    host = Downloads(zoho, broken(b"abc"), *[broken(status=206, **{"content-range": "bytes 3-5/6"}) for _ in range(9)])
    with pytest.raises(httpx.ReadError):
        await content(zoho, Blob({"id": "a"}, "1/6", 6))
    assert len(host.requests) < 9


async def test_a_download_that_ends_short_again_and_again_ends(zoho: Canned) -> None:
    def byte(request: httpx.Request) -> httpx.Response:
        at = int(request.headers.get("range", "bytes=0-")[6:-1])
        seen.append(at)
        return httpx.Response(206, content=b"x", headers={"content-range": f"bytes {at}-{at}/1000"})

    seen: list[int] = []
    zoho.routes["GET /v1/workdrive/download/a"] = byte
    assert len(await content(zoho, Blob({"id": "a"}, "1/1000", 1000))) < 10
    assert len(seen) < 10


async def test_a_content_that_is_not_shown_any_more_is_gone(zoho: Canned) -> None:
    zoho.routes["GET /v1/workdrive/download/a"] = R008
    with pytest.raises(ContentUnavailable) as caught:
        await content(zoho, Blob({"id": "a"}, "1/6", 6))
    assert caught.value.reason == "gone"


async def test_the_credential_does_not_follow_a_redirect_abroad(zoho: Canned) -> None:
    host = Downloads(
        zoho,
        httpx.Response(302, headers={"location": "https://files.cdn.example/a"}),
        httpx.Response(200, content=b"abcdef"),
    )
    zoho.client.headers["Authorization"] = "Zoho-oauthtoken secret"
    assert await content(zoho, Blob({"id": "a"}, "1/6", 6)) == b"abcdef"
    assert [one.headers.get("authorization") for one in host.requests] == ["Zoho-oauthtoken secret", None]


async def test_a_throttled_folder_waits_as_told_and_a_second_more(zoho: Canned) -> None:
    serve(
        zoho,
        root=answer(429, {"errors": [{"id": "F7008", "title": "Request rate limit exceeded"}]}, {"retry-after": "299"}),
    )
    with pytest.raises(RateLimited) as caught:
        await walk(zoho)
    assert caught.value.retry_after == 300
