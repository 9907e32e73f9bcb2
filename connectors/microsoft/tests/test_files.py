"""Drives against the answers of the wire reference §7."""

from typing import Any

import httpx
import orjson
import pytest
from files_answers import (
    CURSOR,
    DRIVE,
    LIBRARY,
    ME,
    ROOT_ITEM,
    TARGET,
    XOR,
    Cut,
    below,
    content,
    delta,
    folder,
    found_at,
    full,
    gone,
    item,
    page,
    summary,
)
from microsoft_answers import ROOT, fail, items_of, knowing, where

from syncd.sdk import (
    AccountGone,
    ContentUnavailable,
    CursorExpired,
    Forbidden,
    PartitionGone,
    ProtocolError,
    Record,
    Reject,
    Scan,
    Tombstone,
    Transient,
)

pytestmark = pytest.mark.anyio
# -- which drives


async def test_a_known_onedrive_costs_no_request(microsoft) -> None:
    assert await microsoft.partitions("files", partitions=[DRIVE]) == [DRIVE]
    assert microsoft.requests == []


async def test_an_unknown_onedrive_is_asked_for_once(microsoft) -> None:
    microsoft.routes({ME: {"id": "b!D1", "name": "OneDrive", "driveType": "business"}})
    assert await microsoft.partitions("files") == [DRIVE]
    assert len(microsoft.requests) == 1


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (fail(404, "ResourceNotFound", "User's mysite not found."), "no OneDrive"),
        (fail(400, "BadRequest", "Unable to retrieve user's mysite URL."), "no OneDrive"),
        (fail(400, "UnknownError", "Unable to retrieve user's mysite URL."), "no OneDrive"),
        (fail(429, "TooManyRequests", "Unable to retrieve user's mysite URL."), "no OneDrive"),
        (httpx.Response(404, text="FILE NOT FOUND"), "no OneDrive"),
        (fail(401, "unauthenticated"), "no OneDrive"),
        (fail(400, "BadRequest", "Tenant does not have a SPO license."), "no SharePoint licence"),
    ],
)
async def test_a_user_without_onedrive_is_a_state(microsoft, answer: httpx.Response, state: str) -> None:
    microsoft.answer = lambda request: answer
    with pytest.raises(AccountGone) as caught:
        await microsoft.partitions("files")
    assert caught.value.state == f"unavailable: {state}"


async def test_libraries_are_shared_and_locked_or_personal_sites_left_out(microsoft) -> None:
    microsoft.routes(
        {
            ME: {"id": "b!D1", "name": "OneDrive"},
            "/sites/getAllSites": fail(403, "accessDenied"),
            "/sites": {
                "value": [
                    {"id": "acme,1,1", "displayName": "Team"},
                    {"id": "acme,2,2", "displayName": "Locked"},
                    {"id": "acme,3,3", "displayName": "Ana", "isPersonalSite": True},
                ],
            },
            "/sites/acme,1,1/drives": {
                "value": [
                    {"id": "b!L1", "name": "Documents", "driveType": "documentLibrary"},
                    {"id": "b!D1", "name": "OneDrive", "driveType": "business"},
                ]
            },
            "/sites/acme,2,2/drives": fail(423, "notAllowed"),
        }
    )
    assert await microsoft.partitions("files", options={"shared": True}) == [DRIVE, LIBRARY]
    assert [item["url"].count("acme") for item in items_of(microsoft.requests[-1])] == [1, 1]


async def test_a_user_without_onedrive_still_brings_the_libraries(microsoft) -> None:
    microsoft.routes(
        {
            ME: fail(404, "ResourceNotFound", "User's mysite not found."),
            "/sites/getAllSites": {"value": [{"id": "s", "displayName": "Team"}]},
            "/sites/s/drives": {"value": [{"id": "b!L1", "name": "Documents", "driveType": "documentLibrary"}]},
        }
    )
    assert await microsoft.partitions("files", options={"shared": True}) == [LIBRARY]


# -- rounds


async def test_a_first_round_starts_from_nothing_and_follows_links_byte_for_byte(microsoft) -> None:
    link = f"{ROOT}/drives/b!D1/root/microsoft.graph.delta(token='a%2Fb==')?$select=*%2csharepointIds"
    pages = await full(microsoft, page(ROOT_ITEM, item("A"), **{"@odata.nextLink": link}), page(folder("F")))
    assert [str(request.url) for request in microsoft.requests] == [f"{ROOT}/drives/b%21D1/root/delta", link]
    prefer = "deltashowremovedasdeleted, deltatraversepermissiongaps, deltashowsharingchanges"
    assert [request.headers["prefer"] for request in microsoft.requests] == [prefer, prefer]
    assert pages[0].resume == {"v": 1, "link": link}
    assert [one.source_id for page in pages for one in page.items] == ["A", "F"]


async def test_nothing_new_is_one_request(microsoft) -> None:
    found = await delta(microsoft, ROOT_ITEM)
    assert [str(request.url) for request in microsoft.requests] == [CURSOR["link"]]
    assert (found.items, found.skipped) == ([], 0)


async def test_a_file_and_what_is_kept_of_it(microsoft) -> None:
    (found,) = await full(microsoft, page(item("A")))
    (record,) = found.items
    assert summary(record) == {
        "name": "A.txt",
        "mime_type": "text/plain",
        "size": 3,
        "modified_at": "2026-01-02T03:04:05Z",
        "kind": "file",
    }
    assert (record.parent, record.name, record.etag) == ("R", "A.txt", '"{A},1"')
    assert b"tempauth" not in record.data
    assert orjson.loads(record.data)["name"] == "A.txt"
    blob = record.blob
    assert (blob.tag, blob.hash, blob.size, blob.skip) == (f"quickxor:{XOR}", f"quickxor:{XOR}", 3, None)


async def test_addresses_are_cut_out_wherever_they_are(microsoft) -> None:
    nested = {"@content.downloadUrl": TARGET, "remoteItem": {"id": "x", "@microsoft.graph.downloadUrl": TARGET}}
    broken = {**item("B"), "size": "many"}
    (found,) = await full(microsoft, page(item("A", **nested), broken))
    record, reject = found.items
    assert b"tempauth" not in record.data
    assert isinstance(reject, Reject)
    assert reject.source_id == "B"
    assert b"tempauth" not in reject.data


@pytest.mark.parametrize(
    ("facets", "kind", "skip"),
    [
        ({"package": {"type": "oneNote"}, "file": None}, "package", None),
        ({"package": {"type": "somethingNew"}, "file": None}, "package", None),
        ({"folder": {"childCount": 0}, "file": None}, "folder", None),
        ({"remoteItem": {"id": "z", "folder": {}}, "file": None}, "shortcut", None),
        ({"malware": {"description": "Eicar"}}, "file", "malware"),
        ({"file": {"mimeType": "application/msonenote"}}, "file", "no_content"),
        ({"name": "Open Notebook.onetoc2", "file": {"mimeType": "application/octet-stream"}}, "file", "no_content"),
    ],
)
async def test_kinds_of_items(microsoft, facets: dict[str, Any], kind: str, skip: str | None) -> None:
    (found,) = await full(microsoft, page({**item("A"), **facets}))
    (record,) = found.items
    assert summary(record)["kind"] == kind
    assert (record.blob.skip if record.blob else None) == skip
    assert (record.blob is None) == (kind != "file")


async def test_options_leave_contents_out(microsoft) -> None:
    (found,) = await full(microsoft, page(item("A")), content=False)
    assert found.items[0].blob is None
    (found,) = await full(microsoft, page(item("A", size=2000), item("B", size=1000)), max_size="1KB")
    assert [one.blob.skip for one in found.items] == ["too_large", None]


async def test_a_tag_moves_with_the_content_only(microsoft) -> None:
    plain = {"file": {"mimeType": "text/plain"}}
    (found,) = await full(
        microsoft,
        page(
            item("A", eTag='"2"', cTag='"c"'),
            item("B", eTag='"2"', cTag='"c"', **plain),
            item("C", eTag='"2"', **plain),
        ),
    )
    assert [one.blob.tag for one in found.items] == [f"quickxor:{XOR}", '"c"', '"2"']
    assert [one.blob.size for one in found.items] == [3, None, None]


async def test_other_hashes_are_hex(microsoft) -> None:
    sha1 = {"file": {"hashes": {"sha1Hash": "ABCD"}}}
    (found,) = await full(microsoft, page(item("A", **sha1)))
    assert found.items[0].blob.hash == "sha1:abcd"


async def test_a_deleted_folder_proposes_what_is_held_in_it(microsoft) -> None:
    held = below(F=["A", "G", "B"], G=["C"])
    found = await delta(microsoft, item("B"), gone("F"), gone("A"), **held)
    assert [one.source_id for one in found.items if isinstance(one, Tombstone)] == ["G", "C", "F", "A"]
    assert [one.source_id for one in found.items if isinstance(one, Record)] == ["B"]


async def test_an_update_without_name_and_place_leaves_them_as_they_are(microsoft) -> None:
    update = {"id": "A", "eTag": '"9"', "size": 8, "file": {"hashes": {"quickXorHash": XOR}}}
    (record,) = (await delta(microsoft, update, **knowing(A=None))).items
    assert record.partial
    assert summary(record) == {"size": 8}


async def test_an_update_of_what_is_not_held_is_asked_for(microsoft) -> None:
    """The root is no record, so it is not held either."""
    folder_of = {"parentReference": {"driveId": "b!D1", "id": "R"}}
    microsoft.routes(
        {
            CURSOR["link"].removeprefix(ROOT): page(
                {"id": "R", "size": 12},
                {"id": "A", "size": 8},
                {"id": "G", "size": 1},
                {"id": "L", "size": 1, **folder_of},
                {"id": "K", "size": 2},
                {"id": "X", "deleted": {}},
            ),
            "/drives/b!D1/items/R": {"@odata.context": "x", **ROOT_ITEM},
            "/drives/b!D1/items/A": {"@odata.context": "x", **item("A", size=8)},
            "/drives/b!D1/items/L": fail(423, "resourceLocked"),
        }
    )
    (found,) = await microsoft.pages(
        "files", scan=Scan.DELTA, partition=DRIVE, cursor=CURSOR, options={}, **knowing(K=None)
    )
    record, gone_one, locked, kept, dead = found.items
    assert (record.source_id, record.partial, record.blob.tag) == ("A", False, f"quickxor:{XOR}")
    assert summary(record)["name"] == "A.txt"
    assert orjson.loads(record.data) == {key: one for key, one in item("A", size=8).items() if "download" not in key}
    assert [type(gone_one), gone_one.source_id] == [Tombstone, "G"]
    assert [type(locked), locked.source_id] == [Reject, "L"]
    assert (kept.source_id, kept.partial) == ("K", True)
    assert dead.source_id == "X"


async def test_an_update_of_what_came_with_the_page_before_is_merged(microsoft) -> None:
    link = f"{ROOT}/drives/b!D1/root/delta(token='n')"
    microsoft.replies(page(item("A"), **{"@odata.nextLink": link}), page({"id": "A", "size": 9}))
    _, last = await microsoft.pages("files", scan=Scan.DELTA, partition=DRIVE, cursor=CURSOR)
    assert [(one.source_id, one.partial) for one in last.items] == [("A", True)]


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        (fail(410, "resyncRequired"), CursorExpired),
        (fail(410, "resyncChangesUploadDifferences"), CursorExpired),
        (fail(400, "syncStateNotFound"), CursorExpired),
        (fail(423, "notAllowed"), Forbidden),
        (fail(403, "accessDenied"), Forbidden),
        (fail(503, "serviceNotAvailable"), Transient),
        (fail(429, "activityLimitReached", "mysite"), AccountGone),
        (httpx.Response(200, json={"value": []}), ProtocolError),
        (httpx.Response(200, json={"value": [], "@odata.nextLink": "https://evil.example/x"}), ProtocolError),
    ],
)
async def test_answers_that_are_no_page(microsoft, answer: httpx.Response, raised: type) -> None:
    microsoft.answer = lambda request: answer
    with pytest.raises(raised):
        await microsoft.pages("files", scan=Scan.DELTA, partition=DRIVE, cursor=CURSOR)


async def test_a_drive_that_vanished_is_looked_up(microsoft) -> None:
    async def round_with(**answers: Any) -> None:
        microsoft.routes(answers)
        await microsoft.pages("files", scan=Scan.DELTA, partition=DRIVE, cursor=CURSOR)

    with pytest.raises(PartitionGone):
        await round_with(**{ME: {"id": "b!D2"}})
    with pytest.raises(AccountGone):
        await round_with(**{ME: fail(404, "ResourceNotFound", "User's mysite not found.")})
    with pytest.raises(ProtocolError):
        await round_with(**{ME: {"id": "b!D1"}})
    microsoft.routes({})
    with pytest.raises(PartitionGone):
        await microsoft.pages("files", partition=LIBRARY)


async def test_a_cursor_of_another_graph_starts_over(microsoft) -> None:
    for cursor in (None, {"v": 1}, {"v": 1, "link": "https://graph.microsoft.us/v1.0/x"}, {"v": 0}):
        with pytest.raises(CursorExpired):
            await microsoft.pages("files", scan=Scan.DELTA, partition=DRIVE, cursor=cursor)


async def test_get_asks_for_many_at_once(microsoft) -> None:
    microsoft.routes(
        {
            "/drives/b!D1/items/A": {"@odata.context": "x", **item("A", cTag="c")},
            "/drives/b!D1/items/D": gone("D"),
            "/drives/b!D1/items/L": fail(423, "resourceLocked"),
        }
    )
    alive, dead, missing, locked = await microsoft.get("files", ["A", "D", "M", "L"], partition=DRIVE)
    assert isinstance(alive, Record)
    assert (alive.partial, alive.blob) == (True, None)
    assert isinstance(dead, Tombstone)
    assert isinstance(missing, Tombstone)
    assert isinstance(locked, Reject)
    assert len(microsoft.requests) == 1


# -- contents


async def test_content_comes_from_the_other_host_without_credential(microsoft) -> None:
    microsoft.replies(found_at(), httpx.Response(200, content=b"abc"))
    assert await content(microsoft) == b"abc"
    ask, load = microsoft.requests
    assert where(ask) == "/drives/b!D1/items/A/content"
    assert "authorization" in ask.headers
    assert str(load.url) == TARGET
    assert "authorization" not in load.headers
    assert "range" not in load.headers


async def test_an_address_below_graph_gets_no_credential_either(microsoft) -> None:
    microsoft.replies(found_at("/download/1?sig=x"), httpx.Response(200, content=b"abc"))
    assert await content(microsoft) == b"abc"
    assert microsoft.requests[1].url.host == "graph.microsoft.com"
    assert "authorization" not in microsoft.requests[1].headers


async def test_content_that_graph_gives_itself_is_fine(microsoft) -> None:
    microsoft.replies(httpx.Response(200, content=b"abc"))
    assert await content(microsoft) == b"abc"


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_an_expired_address_is_renewed_once(microsoft, status: int) -> None:
    microsoft.replies(
        found_at(), httpx.Response(status), found_at("https://b.1drv.com/2"), httpx.Response(200, content=b"x")
    )
    assert await content(microsoft) == b"x"
    microsoft.replies(found_at(), httpx.Response(status), found_at(), httpx.Response(status))
    with pytest.raises(ProtocolError):
        await content(microsoft)


@pytest.mark.parametrize(
    "rest",
    [
        httpx.Response(206, content=b"cdef", headers={"content-range": "bytes 2-5/6"}),
        httpx.Response(200, content=b"abcdef"),
    ],
)
async def test_a_download_that_broke_off_goes_on(microsoft, rest: httpx.Response) -> None:
    microsoft.replies(found_at(), httpx.Response(200, stream=Cut(b"ab")), rest)
    assert await content(microsoft) == b"abcdef"
    assert microsoft.requests[2].headers["range"] == "bytes=2-"


async def test_a_part_that_was_not_asked_for_is_refused(microsoft) -> None:
    wrong = httpx.Response(206, content=b"x", headers={"content-range": "bytes 1-5/6"})
    microsoft.replies(found_at(), httpx.Response(200, stream=Cut(b"ab")), wrong)
    with pytest.raises(ProtocolError):
        await content(microsoft)


async def test_a_download_that_always_breaks_off_ends(microsoft) -> None:
    microsoft.answer = lambda request: (
        found_at() if "content" in request.url.path else httpx.Response(200, stream=Cut(b""))
    )
    with pytest.raises(Transient):
        await content(microsoft)
    assert len(microsoft.requests) < 10


@pytest.mark.parametrize(
    ("answer", "raised", "reason"),
    [
        (fail(404, "itemNotFound"), ContentUnavailable, "gone"),
        (fail(410, "itemNotFound"), ContentUnavailable, "gone"),
        (fail(403, "accessDenied", headers={"X-Virus-Infected": "true"}), ContentUnavailable, "malware"),
        (fail(403, "malwareDetected"), ContentUnavailable, "malware"),
        (fail(403, "accessDenied"), Forbidden, ""),
        (fail(423, "resourceLocked"), ProtocolError, ""),
        (fail(503, "serviceNotAvailable"), Transient, ""),
        (httpx.Response(204), ProtocolError, ""),
    ],
)
async def test_refused_contents(microsoft, answer: httpx.Response, raised: type, reason: str) -> None:
    microsoft.answer = lambda request: answer
    with pytest.raises(raised) as caught:
        await content(microsoft)
    assert getattr(caught.value, "reason", "") == reason


NOTEBOOK = [
    {"name": "Section.one"},
    {"name": "x", "file": {"mimeType": "application/msonenote", "hashes": {"quickXorHash": XOR}}},
]


@pytest.mark.parametrize("part", NOTEBOOK)
@pytest.mark.parametrize("first", [[], [found_at()]])
async def test_a_notebook_part_that_never_comes_has_no_content(microsoft, part: dict[str, Any], first: Any) -> None:
    """Though it has a hash, as others do that can be had (§7)."""
    microsoft.tries = 2
    (found,) = await full(microsoft, page(item("A", **part)))
    blob = found.items[0].blob
    microsoft.replies(*first, *[fail(503, "serviceNotAvailable")] * 2)
    with pytest.raises(ContentUnavailable) as caught:
        await content(microsoft, blob)
    assert caught.value.reason == "no_content"
    microsoft.replies(*first, fail(503, "serviceNotAvailable"), httpx.Response(200, content=b"abc"))
    assert await content(microsoft, blob) == b"abc"
    microsoft.replies(*[fail(502, "x")] * 2)
    with pytest.raises(Transient):
        await content(microsoft, blob)


async def test_an_office_file_in_sharepoint_promises_no_hash(microsoft) -> None:
    office = item("A", name="Plan.docx")
    (found,) = await full(microsoft, page(office))
    blob = found.items[0].blob
    assert (blob.hash, blob.size, blob.tag) == (None, None, f"quickxor:{XOR}")
    (found,) = await full(microsoft, page({**office, "parentReference": {"id": "R", "driveType": "personal"}}))
    assert found.items[0].blob.hash == f"quickxor:{XOR}"
