"""Drives over HTTP: discovery, delta, content and the download host (microsoft.md §7)."""

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from syncd_simulator.clock import SimClock
from syncd_simulator.microsoft import Editor, MicrosoftWorld, microsoft_app
from syncd_simulator.microsoft.drive_hash import quick_xor_hash
from syncd_simulator.server import serve

START = 1795262400.0  # 2026-11-21T12:00:00Z
URL = "@microsoft.graph.downloadUrl"
PREFER = "deltashowremovedasdeleted, deltatraversepermissiongaps, deltashowsharingchanges"


class Desk:
    """A world of two people on a clock that stands still, and requests about the first one's drive."""

    def __init__(self, world: MicrosoftWorld, url: str) -> None:
        self.world, self.url = world, url
        self.user, self.other = world.add_user("Ada", "Lovelace", admin=True), world.add_user("Alan", "Turing")
        self.editor = Editor(world, 5)
        self.drive = self.user.drive
        self.root = self.drive.items[self.drive.root]
        self.mine = f"/users/{self.user.id}/drive"
        self.http = httpx.Client(timeout=10)

    def ask(self, path: str, **headers: str) -> httpx.Response:
        """A GET with a token; redirects are not followed."""
        headers = {"Authorization": f"Bearer {self.world.credentials.issue()}"} | headers
        return self.http.get(path if path.startswith("http") else f"{self.url}/v1.0{path}", headers=headers)

    def get(self, path: str, **headers: str) -> Any:
        """The JSON of a GET that must answer 200."""
        response = self.ask(path, **headers)
        assert response.status_code == 200, response.text
        return response.json()

    def refused(self, path: str, **headers: str) -> tuple[int, str]:
        """Status and code of a GET that must fail."""
        response = self.ask(path, **headers)
        assert response.status_code >= 400, response.text
        return response.status_code, response.json()["error"]["code"]

    def round(self, link: str | None = None, **headers: str) -> tuple[list[Any], str]:
        """All items of a round, and its deltaLink."""
        link, items = link or f"{self.mine}/root/delta", []
        while True:
            page = self.get(link, **headers)
            items += page["value"]
            if "@odata.deltaLink" in page:
                return items, page["@odata.deltaLink"]
            link = page["@odata.nextLink"]

    def file(self, name: str = "a.txt", content: bytes = b"hello", **values: Any) -> Any:
        """A file in the root folder."""
        values = {"parent": self.root, "mime": "text/plain", "hashes": "quick"} | values
        return self.editor.add_file(self.user, name=name, content=content, **values)

    def folder(self, name: str, parent: Any = None) -> Any:
        return self.editor.add_folder(self.user, parent or self.root, name)

    def content(self, item: Any, **headers: str) -> httpx.Response:
        return self.ask(f"/drives/{self.drive.id}/items/{item.id}/content", **headers)


@pytest.fixture
def desk() -> Iterator[Desk]:
    world = MicrosoftWorld(3, SimClock.manual(START))
    with serve(microsoft_app(world)) as server:
        made = Desk(world, server.url)
        yield made
        made.http.close()


def by_id(items: list[Any]) -> dict[str, Any]:
    return {item["id"]: item for item in items}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ("4a", "SgAAAAAAAAAAAAAAAQAAAAAAAAA="),
        ("b5b4", "taAFAAAAAAAAAAAAAgAAAAAAAAA="),
        ("d2964f", "0rDEEwAAAAAAAAAAAwAAAAAAAAA="),
        ("bcf8280e339f3ba7e6ef54712f", "vMAHChwwg0/s4BTmdQcV4vACAAA="),
    ],
)
def test_quick_xor_hash_follows_the_published_vectors(content: str, expected: str) -> None:
    assert quick_xor_hash(bytes.fromhex(content)) == expected


def test_quick_xor_hash_of_long_content_follows_the_definition() -> None:
    content = bytes(range(256)) * 3 + b"tail"
    state = 0
    for index, byte in enumerate(content):  # byte i at bit (11 * i) mod 160, bits wrapping round
        shift = 11 * index % 160
        state ^= (byte << shift | byte << shift >> 160) & (2**160 - 1)
    state ^= len(content) << 96
    assert quick_xor_hash(content) == base64.b64encode(state.to_bytes(20, "little")).decode()


# -- discovery ------------------------------------------------------------------------------------------------------


def test_a_users_drive_is_found_by_user_and_by_its_own_id(desk: Desk) -> None:
    found = desk.get(desk.mine)
    assert (found["id"], found["driveType"]) == (desk.drive.id, "business")
    assert found["owner"]["user"]["id"] == desk.user.id
    assert desk.get(f"/drives/{desk.drive.id}")["id"] == found["id"]
    assert [each["id"] for each in desk.get(f"/users/{desk.user.id}/drives")["value"]] == [found["id"]]
    assert desk.refused("/drives/b!nothing") == (404, "itemNotFound")


def test_sites_have_a_drive_per_library_and_groups_have_one(desk: Desk) -> None:
    site = desk.editor.add_site("Marketing", desk.user, group="7d0f7d2c-0000-4000-8000-000000000001")
    desk.world.sites.open_library(site, "Archive", desk.user)
    assert [each["id"] for each in desk.get("/sites/getAllSites")["value"]] == [site.id]
    drives = desk.get(f"/sites/{site.id}/drives")["value"]
    assert [(each["name"], each["driveType"]) for each in drives] == [
        ("Documents", "documentLibrary"), ("Archive", "documentLibrary"),
    ]  # fmt: skip
    assert desk.get(f"/groups/{site.group}/drive")["id"] == desk.get(f"/sites/{site.id}/drive")["id"] == site.drives[0]
    items, link = desk.round(f"/sites/{site.id}/drive/root/delta")
    assert len(items) == 4
    assert {item["parentReference"]["siteId"] for item in items if "root" not in item} == {site.id}
    assert desk.round(link)[0] == []


@pytest.mark.parametrize("outer", ["notAllowed", "accessDenied"])
def test_a_locked_site_answers_423_with_the_reason_inside(desk: Desk, outer: str) -> None:
    site = desk.editor.add_site("Marketing", desk.user)
    site.locked = outer
    for path in (f"/sites/{site.id}/drives", f"/drives/{site.drives[0]}/root/delta"):
        response = desk.ask(path)
        error = response.json()["error"]
        assert (response.status_code, error["code"], error["innerError"]["code"]) == (423, outer, "resourceLocked")


@pytest.mark.parametrize(
    ("trouble", "status", "code", "text"),
    [
        ("mysite_404", 404, "ResourceNotFound", "User's mysite not found."),
        ("mysite_400", 400, "BadRequest", "Unable to retrieve user's mysite URL."),
        ("unknown_400", 400, "UnknownError", "Unable to retrieve user's mysite URL."),
        ("mysite_429", 429, "TooManyRequests", "User's mysite not found."),
        ("401", 401, "unauthenticated", "The caller is not authenticated."),
        ("no_spo", 400, "BadRequest", "Tenant does not have a SPO license."),
    ],
)
def test_a_drive_that_was_never_made_is_refused_in_many_ways(
    desk: Desk, trouble: str, status: int, code: str, text: str
) -> None:
    desk.user.drive_trouble = trouble
    for path in (desk.mine, f"{desk.mine}/root/delta"):
        response = desk.ask(path)
        error = response.json()["error"]
        assert (response.status_code, error["code"], error["message"]) == (status, code, text)
    assert desk.world.snapshot(desk.user, "files") == {}
    assert desk.ask(f"/users/{desk.other.id}/drive").status_code == 200


def test_a_missing_drive_may_answer_without_an_envelope(desk: Desk) -> None:
    desk.user.drive_trouble = "bare_404"
    response = desk.ask(desk.mine)
    assert (response.status_code, b"FILE NOT FOUND" in response.content) == (404, True)


# -- delta ----------------------------------------------------------------------------------------------------------


def test_the_first_round_shows_everything_without_paths_and_ctags(desk: Desk) -> None:
    file = desk.file(parent=desk.folder("Reports"))
    items, _ = desk.round(Prefer=PREFER)
    assert len(items) == 3
    shown = by_id(items)[file.id]
    assert not {"cTag", "path"} & (set(shown) | set(shown["parentReference"]))
    assert shown["parentReference"] == {"driveId": desk.drive.id, "driveType": "business", "id": file.parent}
    assert shown["file"] == {"mimeType": "text/plain", "hashes": {"quickXorHash": quick_xor_hash(b"hello")}}
    assert (shown["size"], shown["eTag"]) == (5, f'"{{{file.guid}}},1"')
    single = desk.get(f"/drives/{desk.drive.id}/items/{file.id}")
    assert single["parentReference"]["path"] == f"/drives/{desk.drive.id}/root:/Reports"
    assert single["cTag"] == f'"c:{{{file.guid}}},1"'
    root = next(item for item in items if "root" in item)
    assert "id" not in root["parentReference"]


def test_links_have_the_token_in_parentheses_and_pages_hold_200(desk: Desk) -> None:
    for number in range(205):
        desk.file(f"{number}.txt")
    page = desk.get(f"{desk.mine}/root/delta")
    assert len(page["value"]) == 200
    assert "/root/delta(token='" in page["@odata.nextLink"]
    rest = desk.get(page["@odata.nextLink"])
    assert len(rest["value"]) == 6
    assert desk.get(rest["@odata.deltaLink"])["value"] == []
    assert len(desk.get(f"{desk.mine}/root/delta?$top=7")["value"]) == 7
    desk.world.page_cap["files"] = 50
    assert len(desk.get(f"{desk.mine}/root/delta")["value"]) == 50
    token = rest["@odata.deltaLink"].partition("'")[2].partition("'")[0]
    assert desk.refused(f"{desk.mine}/root/delta(token='{token}x')")[0] == 400


def test_children_may_come_before_their_folders(desk: Desk) -> None:
    for number in range(6):
        desk.file("a.txt", parent=desk.folder(f"Folder {number}"))
    order = [item["id"] for item in desk.round()[0]]
    above = {item.id: item.parent for item in desk.drive.items.values() if item.parent}
    assert any(order.index(child) < order.index(parent) for child, parent in above.items())


def test_a_round_since_a_time_shows_what_changed_since(desk: Desk) -> None:
    old = desk.file("old.txt")
    edited, gone = desk.file("edited.txt"), desk.file("gone.txt")
    desk.world.clock.advance(3600)
    new = desk.file("new.txt")
    desk.editor.edit_file(item=edited, content=b"other")
    desk.editor.delete_file(item=gone)
    items, link = desk.round(f"{desk.mine}/root/delta?token=2026-11-21T12%3A30%3A00Z")
    found = by_id(items)
    assert (new.id in found, edited.id in found, old.id in found) == (True, True, False)
    assert "deleted" in found[gone.id]
    assert desk.round(link)[0] == []
    assert desk.refused(f"{desk.mine}/root/delta?token=nonsense")[0] == 400


def test_tombstones_come_one_by_one_without_name_and_with_size_0(desk: Desk) -> None:
    folder = desk.folder("Reports")
    inner = desk.folder("Inner", folder)
    files = [desk.file("a.txt", parent=folder), desk.file("b.txt", parent=inner)]
    _, link = desk.round()
    desk.editor.delete_file(item=folder)
    items, _ = desk.round(link)
    dead = {item["id"]: item for item in items if "deleted" in item}
    assert set(dead) == {folder.id, inner.id, *(file.id for file in files)}
    for item in dead.values():
        assert not {"name", "cTag", URL} & set(item)
        assert (item["size"], item["lastModifiedDateTime"]) == (0, "0001-01-01T00:00:00")


def test_what_came_and_went_between_two_rounds_leaves_one_tombstone(desk: Desk) -> None:
    _, link = desk.round()
    brief = desk.file()
    desk.editor.delete_file(item=brief)
    items, link = desk.round(link)
    assert [item["id"] for item in items if "deleted" in item] == [brief.id]
    desk.file("other.txt")
    assert not [item for item in desk.round(link)[0] if "deleted" in item]


def test_a_replaced_file_has_the_same_name_and_another_id(desk: Desk) -> None:
    old = desk.file()
    _, link = desk.round()
    new = desk.editor.replace_file(item=old)
    found = by_id(desk.round(link)[0])
    assert (found[new.id]["name"], "deleted" in found[old.id]) == (old.name, True)


def test_ancestors_may_be_left_out_but_for_the_root(desk: Desk) -> None:
    folder = desk.folder("Reports")
    file = desk.file(parent=folder)
    _, link = desk.round()
    desk.editor.edit_file(item=file, content=b"new")
    items, _ = desk.round(link, Prefer="deltaExcludeParent")
    assert set(by_id(items)) == {file.id, desk.root.id}


def test_filters_are_refused_and_folders_have_no_delta(desk: Desk) -> None:
    folder = desk.folder("Reports")
    assert desk.refused(f"{desk.mine}/root/delta?$filter=name eq 'a'")[0] == 400
    assert desk.refused(f"/drives/{desk.drive.id}/items/{folder.id}/delta")[0] == 400


@pytest.mark.parametrize(
    ("knob", "wanted"), [("apply", "resyncChangesApplyDifferences"), ("upload", "resyncChangesUploadDifferences")]
)
def test_an_expired_cursor_asks_for_a_resync_and_says_where(desk: Desk, knob: str, wanted: str) -> None:
    desk.file()
    _, link = desk.round()
    desk.world.delta.resync = knob
    desk.world.expire("files", desk.user)
    response = desk.ask(link)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["innerError"]["code"]) == (410, "resyncRequired", wanted)
    assert len(desk.round(response.headers["Location"])[0]) == 2


def test_a_drive_made_anew_has_another_id_and_kills_its_cursors(desk: Desk) -> None:
    desk.file()
    _, link = desk.round()
    desk.editor.recreate_drive(desk.user)
    assert desk.get(desk.mine)["id"] != desk.drive.id
    assert desk.refused(f"/drives/{desk.drive.id}/root/delta") == (404, "itemNotFound")
    assert desk.refused(link) == (410, "resyncRequired")
    assert len(desk.round()[0]) == 1


# -- items and content ----------------------------------------------------------------------------------------------


def test_children_are_listed_page_by_page(desk: Desk) -> None:
    folder = desk.folder("Reports")
    for name in "bca":
        desk.file(name, parent=folder)
    path = f"/drives/{desk.drive.id}/items/{folder.id}/children"
    page = desk.get(f"{path}?$top=2&$select=name")
    assert [item["name"] for item in page["value"]] == ["a", "b"]
    assert URL not in page["value"][0]
    assert [item["name"] for item in desk.get(page["@odata.nextLink"])["value"]] == ["c"]
    assert [item["name"] for item in desk.get(f"{desk.mine}/root/children")["value"]] == ["Reports"]


def test_the_download_url_is_selected_by_another_name(desk: Desk) -> None:
    path = f"/drives/{desk.drive.id}/items/{desk.file().id}"
    assert URL in desk.get(path)
    assert URL not in desk.get(f"{path}?$select=id,{URL}")
    assert set(desk.get(f"{path}?$select=id,content.downloadUrl")) >= {"id", URL}


def test_content_is_a_redirect_to_another_host_and_knows_if_none_match(desk: Desk) -> None:
    file = desk.file()
    response = desk.content(file)
    assert (response.status_code, response.content) == (302, b"")
    assert response.headers["Location"].startswith("http://127.0.0.2:")
    answer = desk.http.get(response.headers["Location"])
    assert (answer.status_code, answer.content, answer.headers["Content-Type"]) == (200, b"hello", "text/plain")
    assert desk.content(file, **{"If-None-Match": file.etag}).status_code == 304
    desk.editor.edit_file(item=file, content=b"new")
    assert desk.content(file, **{"If-None-Match": '"old"'}).status_code == 302
    assert desk.http.get(response.headers["Location"]).content == b"new"


def test_ranges_are_for_the_download_host(desk: Desk) -> None:
    url = desk.content(desk.file(content=b"0123456789")).headers["Location"]
    for span, expected in (("0-3", b"0123"), ("7-", b"789"), ("-2", b"89"), ("8-99", b"89")):
        part = desk.http.get(url, headers={"Range": f"bytes={span}"})
        assert (part.status_code, part.content) == (206, expected)
    assert part.headers["Content-Range"] == "bytes 8-9/10"
    assert desk.http.get(url, headers={"Range": "bytes=10-"}).status_code == 416
    assert desk.http.get(url, headers={"Range": "bytes=0-1", "If-Range": '"old"'}).status_code == 200
    desk.world.sites.ranges = False
    whole = desk.http.get(url, headers={"Range": "bytes=0-3"})
    assert (whole.status_code, whole.content) == (200, b"0123456789")


def test_malware_is_refused_by_content_or_by_the_download_host(desk: Desk) -> None:
    at_once = desk.file("a.exe", malware="Win32/Eicar")
    late = desk.file("b.exe", malware="Win32/Eicar", refused_at="download")
    assert by_id(desk.round()[0])[late.id]["malware"] == {"description": "Win32/Eicar"}
    first = desk.content(at_once)
    assert (first.status_code, first.json()["error"]["code"]) == (403, "malwareDetected")
    second = desk.http.get(desk.content(late).headers["Location"])
    assert (second.status_code, second.headers["X-Virus-Infected"]) == (403, "true")


def test_the_download_root_can_be_another_one(desk: Desk) -> None:
    desk.world.download_root = "https://downloads.example"
    assert desk.content(desk.file()).headers["Location"].startswith("https://downloads.example/")


def test_batches_give_the_redirect_as_it_is(desk: Desk) -> None:
    path = f"/drives/{desk.drive.id}/items/{desk.file().id}/content"
    bearer = {"Authorization": f"Bearer {desk.world.credentials.issue()}"}
    body = {"requests": [{"id": "1", "method": "GET", "url": path}, {"id": "2", "method": "GET", "url": desk.mine}]}
    answer = desk.http.post(f"{desk.url}/v1.0/$batch", json=body, headers=bearer).json()
    found = {each["id"]: each for each in answer["responses"]}
    assert (found["1"]["status"], found["2"]["body"]["id"]) == (302, desk.drive.id)
    assert found["1"]["headers"]["Location"].startswith("http://127.0.0.2:")


# -- traps of §18 ---------------------------------------------------------------------------------------------------


def test_trap_20_a_renamed_folder_is_one_entry(desk: Desk) -> None:
    folder = desk.folder("Reports")
    for number in range(20):
        desk.file(f"{number}.txt", parent=folder)
    _, link = desk.round()
    desk.editor.rename_folder(item=folder, name="Archive")
    items, _ = desk.round(link)
    assert set(by_id(items)) == {folder.id, desk.root.id}


def test_trap_21_unchanged_ancestors_come_along(desk: Desk) -> None:
    outer = desk.folder("Outer")
    inner = desk.folder("Inner", outer)
    file = desk.file(parent=inner)
    before, link = desk.round()
    desk.editor.edit_file(item=file, content=b"longer than before")
    items, _ = desk.round(link)
    assert set(by_id(items)) == {file.id, inner.id, outer.id, desk.root.id}
    changed = {key for key, item in by_id(items).items() if item["eTag"] != by_id(before)[key]["eTag"]}
    assert changed == {file.id}


def test_trap_22_a_child_may_leave_a_folder_that_goes_in_the_same_round(desk: Desk) -> None:
    folder = desk.folder("Reports")
    file = desk.file(parent=folder)
    _, link = desk.round()
    desk.editor.move_file(item=file, parent=desk.root)
    desk.editor.delete_file(item=folder)
    found = by_id(desk.round(link)[0])
    assert ("deleted" in found[folder.id], found[file.id]["parentReference"]["id"]) == (True, desk.root.id)


def test_trap_23_a_notebook_has_neither_file_nor_folder_facet(desk: Desk) -> None:
    book = desk.editor.add_package(desk.user)
    found = by_id(desk.round()[0])
    assert found[book.id]["package"] == {"type": "oneNote"}
    assert not {"file", "folder", URL} & set(found[book.id])
    assert desk.content(book).status_code == 400
    parts = {each["name"]: each for each in desk.get(f"/drives/{desk.drive.id}/items/{book.id}/children")["value"]}
    assert set(parts) == {"Open Notebook.onetoc2", "Section.one", "OneNote_RecycleBin"}
    assert "hashes" not in parts["Section.one"]["file"]
    for _ in range(2):  # for ever
        assert desk.http.get(parts["Section.one"][URL]).status_code == 503


def test_trap_24_hashes_may_be_missing_or_those_of_other_bytes(desk: Desk) -> None:
    rewritten = desk.file("c.docx", hashes="stale")
    told = desk.get(f"/drives/{desk.drive.id}/items/{rewritten.id}")
    assert told["file"]["hashes"]["quickXorHash"] != quick_xor_hash(desk.http.get(told[URL]).content)
    bare, both = desk.file("a.txt", hashes="none"), desk.file("b.txt", hashes="sha1")
    found = by_id(desk.round()[0])
    assert found[bare.id]["file"] == {"mimeType": "text/plain"}
    assert set(found[both.id]["file"]["hashes"]) == {"quickXorHash", "sha1Hash"}
    truth = desk.world.snapshot(desk.user, "files")[desk.drive.id]
    assert truth[bare.id]["contentSha256"].startswith("2cf24dba5fb0a30e")


def test_trap_25_the_download_host_refuses_credentials(desk: Desk) -> None:
    url = desk.content(desk.file()).headers["Location"]
    assert desk.http.get(url, headers={"Authorization": "Bearer x"}).status_code == 401
    assert desk.http.get(url).status_code == 200


def test_trap_26_download_urls_expire_and_are_good_as_given_only(desk: Desk) -> None:
    file = desk.file()
    desk.world.download_life = 300.0
    url = desk.content(file).headers["Location"]
    path, _, query = url.partition("?")
    assert desk.http.get(f"{path}?{'&'.join(reversed(query.split('&')))}").status_code == 401
    desk.world.clock.advance(301)
    assert desk.http.get(url).status_code == 401
    again = desk.content(file).headers["Location"]
    assert desk.http.get(again).status_code == 200
    desk.editor.delete_file(item=file)
    assert desk.http.get(again).status_code == 404
    assert desk.content(file).json()["error"]["code"] == "itemNotFound"


def test_trap_27_token_latest_shows_nothing_of_what_is_there(desk: Desk) -> None:
    desk.file()
    items, link = desk.round(f"{desk.mine}/root/delta?token=latest")
    assert items == []
    later = desk.file("later.txt")
    assert set(by_id(desk.round(link)[0])) == {later.id, desk.root.id}


@pytest.mark.parametrize(("form", "place"), [("inner", "code"), ("short", "code"), ("message", "message")])
def test_trap_28_the_instruction_of_a_resync_stands_in_several_places(desk: Desk, form: str, place: str) -> None:
    _, link = desk.round()
    desk.world.delta.resync, desk.world.delta.resync_form = "upload", form
    desk.world.expire("files", desk.user)
    error = desk.ask(link).json()["error"]
    text = error["innerError"].get("code", "") if place == "code" else error["message"]
    assert "uploaddifferences" in text.lower()


def test_a_shortcut_names_an_item_of_another_drive(desk: Desk) -> None:
    target = desk.editor.add_folder(desk.other)
    link = desk.editor.add_shortcut(desk.user, (desk.other.drive, target))
    shown = by_id(desk.round()[0])[link.id]
    assert (shown["remoteItem"]["id"], shown["remoteItem"]["parentReference"]["driveId"]) == (
        target.id,
        desk.other.drive.id,
    )
    assert not {"file", "folder"} & set(shown)


@pytest.mark.parametrize("quirk", [None, "empty_page", "duplicates", "replays", "unknown_removed", "long_links"])
def test_a_mirror_made_of_rounds_shows_what_snapshots_show(desk: Desk, quirk: str | None) -> None:
    if quirk:
        setattr(desk.world.quirks, quirk, {"files"})
    desk.world.page_cap["files"] = 6
    held: dict[str, Any] = {}
    link = None
    for _ in range(10):
        for _ in range(5):
            desk.editor.random_edit("files", desk.user)
        items, link = desk.round(link)
        for item in items:  # the last one of an id counts
            held[item["id"]] = {key: value for key, value in item.items() if key != URL}
        living = {key: item for key, item in held.items() if "deleted" not in item and "root" not in item}
        truth = desk.world.snapshot(desk.user, "files")[desk.drive.id]
        assert living == {
            key: {name: value for name, value in item.items() if name != "contentSha256"} for key, item in truth.items()
        }


def test_a_drive_that_is_named_by_its_id_belongs_to_its_user(desk: Desk) -> None:
    desk.world.faults.answer("throttled", user=desk.user.address, times=None)
    desk.get(f"/drives/{desk.other.drive.id}/root/delta")
    assert desk.refused(f"/drives/{desk.drive.id}/root/delta")[0] == 429
    assert desk.world.requests.latest[-1].user == desk.user.address
