"""WorkDrive of a simulated Zoho organisation, from outside (zoho.md §7)."""

import hashlib
import random
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from syncd_simulator.clock import SimClock
from syncd_simulator.server import RunningServer, serve
from syncd_simulator.zoho import User, ZohoWorld, zoho_app
from syncd_simulator.zoho.edits_workdrive import EDITS, team_folder, workdrive_truth
from syncd_simulator.zoho.workdrive_store import WorkDriveStore

API = "/workdrive/api/v1"


class Drive:
    """A world with two people, and requests as one of them."""

    def __init__(self, world: ZohoWorld, server: RunningServer) -> None:
        self.world, self.server, self.clock = world, server, world.clock
        self.ada = world.add_user("Ada", "Admin", admin=True)
        self.ben = world.add_user("Ben", "Bakker")
        self.store = WorkDriveStore.of(world)
        self.rng = random.Random(5)
        self.http = httpx.Client()
        self.root = self.store.space(self.ada.id, world.now()).id

    def edit(self, edit: str, user: User | None = None, **more: Any) -> Any:
        """An edit, here and now."""
        with self.world.lock:
            return EDITS[edit](self.world, self.rng, user or self.ada, **more)

    def ask(self, method: str, path: str, user: User | None = None, **more: Any) -> httpx.Response:
        """Any request; content has its own host."""
        scopes = more.pop("scopes", None)
        token = self.world.credentials.issue(user or self.ada, scopes)
        headers = {"Authorization": f"Zoho-oauthtoken {token}"} | more.pop("headers", {})
        base = self.server.download_url if path.startswith("/v1/") else self.server.url
        return self.http.request(method, base + path, headers=headers, **more)

    def get(self, path: str, user: User | None = None, **params: Any) -> Any:
        """The JSON of a GET that must succeed; a second goes by."""
        self.clock.advance(1)
        response = self.ask("GET", API + path, user, params=params)
        assert response.status_code == 200, response.text
        return response.json()

    def refused(self, path: str, user: User | None = None, method: str = "GET", **more: Any) -> tuple[int, str]:
        """(status, error id) of a request that must fail; a second goes by."""
        self.clock.advance(1)
        response = self.ask(method, path if path.startswith("/v1/") else API + path, user, **more)
        assert response.status_code >= 400, response.text
        return response.status_code, response.json()["errors"][0]["id"]

    def listing(self, folder: str) -> httpx.Response:
        """The first page of a folder."""
        return self.ask("GET", f"{API}/files/{folder}/files", params={"page[limit]": 50, "page[next]": 0})

    def walk(self, folder: str, user: User | None = None, **params: Any) -> list[list[Any]]:
        """The pages of a folder by cursor."""
        pages, at = [], "0"
        while True:
            page = self.get(f"/files/{folder}/files", user, **({"page[limit]": 50} | params | {"page[next]": at}))
            pages.append(page["data"])
            if not page["links"]["cursor"]["has_next"]:
                return pages
            at = parse_qs(urlsplit(page["links"]["cursor"]["next"]).query)["page[next]"][0]

    def tree(self, root: str, user: User | None = None) -> dict[str, Any]:
        """Everything below a folder, by id."""
        found, queue = {}, [root]
        while queue:
            for item in (item for page in self.walk(queue.pop(), user) for item in page):
                found[item["id"]] = item
                if item["attributes"]["is_folder"]:
                    queue.append(item["id"])
        return found


@pytest.fixture
def drive() -> Iterator[Drive]:
    """A served world whose clock stands still."""
    world = ZohoWorld(seed=3, clock=SimClock.manual(1_790_000_000.0))
    with serve(zoho_app(world)) as server:
        drive = Drive(world, server)
        yield drive
        drive.http.close()


def shown(item: dict[str, Any]) -> dict[str, Any]:
    """What both listings and the truth have in common."""
    return {name: value for name, value in item.items() if name not in ("links", "relationships", "contentSha256")}


# -- roots ----------------------------------------------------------------------------------------------------------


def test_the_roots_of_a_team_member_are_found_step_by_step(drive: Drive) -> None:
    shared = team_folder(drive.world, "Sales", [drive.ben, drive.ada])
    team_folder(drive.world, "Secret", [drive.ben])
    me = drive.get("/users/me")["data"]
    assert (
        me["attributes"] | {"email_id": drive.ada.address, "edition": "TEAM", "zuid": drive.ada.id} == me["attributes"]
    )
    team = drive.get(f"/users/{me['id']}/teams")["data"][0]["id"]
    assert team == me["attributes"]["preferred_team_id"]
    member = drive.get(f"/teams/{team}/currentuser")["data"]["id"]
    spaces = drive.get(f"/users/{member}/privatespace")["data"]
    assert [space["id"] for space in spaces] == [drive.root]
    for word in ("workspaces", "teamfolders"):
        assert [folder["id"] for folder in drive.get(f"/teams/{team}/{word}")["data"]] == [shared.id]
    assert {user["attributes"]["email_id"] for user in drive.get(f"/teams/{team}/users")["data"]} == {
        drive.ada.address,
        drive.ben.address,
    }


def test_trap_16_the_private_space_wants_the_team_user_id(drive: Drive) -> None:
    me = drive.get("/users/me")["data"]["id"]
    assert drive.refused(f"/users/{me}/privatespace") == (401, "R008")


def test_a_single_user_account_has_no_team_and_its_own_id_opens_the_private_space(drive: Drive) -> None:
    drive.store.personal.add(drive.ada.id)
    me = drive.get("/users/me")["data"]
    assert me["attributes"]["edition"] == "PERSONAL"
    assert drive.get(f"/users/{me['id']}/privatespace")["data"][0]["id"] == drive.root
    assert drive.get(f"/users/{me['id']}/teams")["data"] == []
    assert drive.refused(f"/teams/{drive.store.team}/currentuser") == (401, "R008")


def test_an_account_without_access_gets_r008_on_the_first_call(drive: Drive) -> None:
    drive.store.no_access.add(drive.ada.id)
    assert drive.refused("/users/me") == (401, "R008")


# -- listings and attributes ------------------------------------------------------------------------------------------


def test_a_walk_finds_exactly_the_truth(drive: Drive) -> None:
    team = team_folder(drive.world, "Sales", [drive.ada])
    for _ in range(60):
        drive.edit(drive.rng.choice(list(EDITS)))
    truth = workdrive_truth(drive.world, drive.ada)
    assert set(truth) == {"", team.id}
    for partition, root in (("", drive.root), (team.id, team.id)):
        found = drive.tree(root)
        assert {key: shown(item) for key, item in found.items()} == {
            key: shown(item) for key, item in truth[partition].items()
        }
    assert truth[""]
    assert truth[team.id]


def test_trap_14_a_short_page_is_not_the_end_and_only_has_next_says_so(drive: Drive) -> None:
    for number in range(7):
        drive.edit("add_file", name=f"{number}.txt", parent=drive.root)
    drive.world.page_cap["workdrive"] = 3
    pages = drive.walk(drive.root)
    assert [len(page) for page in pages] == [3, 3, 1]
    last = drive.get(f"/files/{drive.root}/files", **{"page[limit]": 50, "page[next]": 0})
    assert last["links"]["cursor"]["next"].startswith(
        f"{drive.server.url}{API}/files/{drive.root}/files?page%5Bnext%5D="
    )


def test_a_cursor_survives_deletions_before_it(drive: Drive) -> None:
    keys = [drive.edit("add_file", name=f"{number}.txt", parent=drive.root) for number in range(6)]
    first = drive.get(f"/files/{drive.root}/files", **{"page[limit]": 3, "page[next]": 0})
    drive.edit("trash_file", key=keys[0])
    at = parse_qs(urlsplit(first["links"]["cursor"]["next"]).query)["page[next]"][0]
    rest = drive.get(f"/files/{drive.root}/files", **{"page[limit]": 3, "page[next]": at})
    assert [item["id"] for item in rest["data"]] == keys[3:]


def test_pages_by_offset_are_capped_at_200_and_those_by_cursor_at_1000(drive: Drive) -> None:
    for number in range(1003):
        drive.edit("add_file", name=f"{number:04}", parent=drive.root, content=b"x")
    path = f"/files/{drive.root}/files"
    assert len(drive.get(path, **{"page[limit]": 500, "page[offset]": 0})["data"]) == 200
    assert len(drive.get(path, **{"page[limit]": 200, "page[offset]": 1000})["data"]) == 3
    assert len(drive.get(path, **{"page[limit]": 5000, "page[next]": 0})["data"]) == 1000
    assert len(drive.get(path)["data"]) == 50


def test_a_filter_shows_folders_only_and_two_entries_may_share_a_name(drive: Drive) -> None:
    keys = {drive.edit("add_folder", name="Same", parent=drive.root) for _ in range(2)}
    drive.edit("add_file", name="Same", parent=drive.root)
    page = drive.get(f"/files/{drive.root}/files", **{"filter[type]": "folder", "page[next]": 0})
    assert {item["id"] for item in page["data"]} == keys
    assert {item["id"] for item in drive.get(f"/privatespace/{drive.root}/folders")["data"]} == keys


def test_trap_13_plain_times_are_display_text_and_milliseconds_come_in_two_types(drive: Drive) -> None:
    for _ in range(20):
        drive.edit("add_file", parent=drive.root)
    items = [item["attributes"] for page in drive.walk(drive.root) for item in page]
    assert all(item["modified_time"] == "Sep 21, 4:13 PM" for item in items)
    kinds = {type(item["modified_time_in_millisecond"]) for item in items}
    assert kinds == {int, str}
    assert {int(item["modified_time_in_millisecond"]) for item in items} == {1_790_000_000_000}


def test_answers_have_the_json_api_media_type(drive: Drive) -> None:
    response = drive.ask("GET", f"{API}/files/{drive.root}")
    assert response.headers["content-type"].startswith("application/vnd.api+json")
    assert response.json()["data"]["attributes"]["is_folder"] is True


def test_trap_10_unknown_trashed_and_foreign_ids_are_401_r008(drive: Drive) -> None:
    folder = drive.edit("add_folder", parent=drive.root)
    inside = drive.edit("add_file", parent=folder)
    foreign = drive.edit("add_file", drive.ben)
    drive.edit("trash_file", key=folder)
    for key in (folder, inside, foreign, "nosuchid"):
        assert drive.refused(f"/files/{key}") == (401, "R008")
    assert drive.refused(f"/files/{folder}/files") == (401, "R008")
    assert drive.refused(f"/v1/workdrive/download/{inside}") == (401, "R008")
    assert drive.tree(drive.root) == {}
    drive.edit("restore_file", key=folder)
    assert set(drive.tree(drive.root)) == {folder, inside}


def test_trap_09_neither_r008_nor_a_missing_scope_says_that_the_token_expired(drive: Drive) -> None:
    lacking = drive.ask("GET", f"{API}/files/{drive.root}", scopes=frozenset({"WorkDrive.team.READ"}))
    assert (lacking.status_code, lacking.json()["errors"][0]["id"]) == (401, "INVALID_OAUTHSCOPE")
    gone = drive.ask("GET", f"{API}/files/nosuchid")
    bad = drive.ask("GET", f"{API}/users/me", headers={"Authorization": "Zoho-oauthtoken 1000.x.y"})
    assert [("www-authenticate" in answer.headers) for answer in (lacking, gone, bad)] == [False, False, True]
    assert "expired_token" in bad.headers["www-authenticate"]


# -- throttles --------------------------------------------------------------------------------------------------------


def test_trap_11_too_many_calls_are_429_f7008_with_minutes_to_wait_and_early_calls_lengthen_it(drive: Drive) -> None:
    answers = [drive.ask("GET", f"{API}/users/me") for _ in range(19)]
    assert [answer.status_code for answer in answers] == [200] * 18 + [429]
    assert answers[-1].headers["retry-after"] == "119"
    assert answers[-1].json()["errors"][0]["id"] == "F7008"
    drive.clock.advance(100)
    early = drive.ask("GET", f"{API}/users/me")
    assert (early.status_code, early.headers["retry-after"]) == (429, "29")
    drive.clock.advance(30)
    assert drive.ask("GET", f"{API}/users/me").status_code == 200


def test_trap_10_repeating_a_call_that_r008_refused_ends_in_429(drive: Drive) -> None:
    answers = [drive.ask("GET", f"{API}/files/nosuchid").status_code for _ in range(20)]
    assert answers == [401] * 18 + [429] * 2


def test_six_calls_a_second_go_on_for_ever(drive: Drive) -> None:
    for _ in range(60):
        assert drive.ask("GET", f"{API}/users/me").status_code == 200
        drive.clock.advance(1 / 6)


def test_trap_12_the_twentieth_listing_of_one_folder_in_a_minute_is_refused(drive: Drive) -> None:
    other = drive.edit("add_folder", parent=drive.root)
    for _ in range(19):
        assert drive.listing(drive.root).status_code == 200
        drive.clock.advance(1)
    refused = drive.listing(drive.root)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "300")
    assert drive.listing(other).status_code == 200
    drive.clock.advance(301)
    assert drive.listing(drive.root).status_code == 200


def test_the_pages_of_a_listing_count_once(drive: Drive) -> None:
    for number in range(40):
        drive.edit("add_file", name=str(number), parent=drive.root, content=b"")
    drive.world.page_cap["workdrive"] = 1
    assert len(drive.walk(drive.root)) == 40
    for offset in range(1, 30):
        drive.get(f"/files/{drive.root}/files", **{"page[limit]": 1, "page[offset]": offset})
    assert drive.listing(drive.root).status_code == 200


# -- content ----------------------------------------------------------------------------------------------------------


def test_trap_15_content_is_on_another_host_and_needs_the_scope_of_zoho_files(drive: Drive) -> None:
    key = drive.edit("add_file", name="a.txt", parent=drive.root, content=b"hello")
    path = f"/v1/workdrive/download/{key}"
    refused = drive.ask("GET", path, scopes=frozenset({"WorkDrive.files.ALL"}))
    assert (refused.status_code, refused.json()["errors"][0]["id"]) == (401, "INVALID_OAUTHSCOPE")
    answer = drive.ask("GET", path, scopes=frozenset({"WorkDrive.files.ALL", "ZohoFiles.files.READ"}))
    assert (answer.status_code, answer.content) == (200, b"hello")
    assert answer.url.host == "127.0.0.2"
    assert drive.world.endpoints(drive.server.url)["download"] == drive.server.download_url


@pytest.mark.parametrize(
    ("asked", "status", "got"),
    [("bytes=1-2", 206, b"el"), ("bytes=3-", 206, b"lo"), ("bytes=-2", 206, b"lo"), ("bytes=9-", 416, b"")],
)
def test_downloads_honour_a_range(drive: Drive, asked: str, status: int, got: bytes) -> None:
    key = drive.edit("add_file", name="a.txt", parent=drive.root, content=b"hello")
    answer = drive.ask("GET", f"/v1/workdrive/download/{key}", headers={"Range": asked})
    assert (answer.status_code, answer.content) == (status, got)
    assert answer.headers["content-range"].endswith("/5")


@pytest.mark.parametrize(("kind", "form"), [("writer", "docx"), ("sheet", "xlsx"), ("show", "pptx")])
def test_native_documents_have_no_size_and_are_exported_by_their_editor(drive: Drive, kind: str, form: str) -> None:
    key = drive.edit("add_native", kind=kind, parent=drive.root)
    attributes = drive.get(f"/files/{key}")["data"]["attributes"]
    assert (attributes["type"], attributes["storage_info"]["size_in_bytes"]) == (kind, 0)
    assert drive.refused(f"/v1/workdrive/download/{key}") == (400, "F6020")
    path = f"/{kind}/api/v1/download/{key}"
    before = drive.ask("GET", path, params={"format": form})
    assert before.status_code == 200
    assert drive.ask("GET", path, params={"format": form}).content == before.content
    drive.edit("edit_file", key=key)
    assert drive.ask("GET", path, params={"format": form}).content != before.content
    assert drive.ask("GET", path, params={"format": "exe"}).status_code == 400


def test_the_truth_has_the_hash_of_what_the_download_gives(drive: Drive) -> None:
    key = drive.edit("add_file", parent=drive.root)
    content = drive.ask("GET", f"/v1/workdrive/download/{key}").content
    truth = workdrive_truth(drive.world, drive.ada)[""][key]
    assert truth["contentSha256"] == hashlib.sha256(content).hexdigest()
    assert truth["attributes"]["storage_info"]["size_in_bytes"] == len(content)


# -- writes -----------------------------------------------------------------------------------------------------------


def write(drive: Drive, method: str, path: str, data: Any) -> Any:
    """A JSON:API write that must succeed."""
    drive.clock.advance(1)
    response = drive.ask(method, API + path, json={"data": data})
    assert response.status_code in (200, 201), response.text
    return response.json()["data"]


def test_folders_are_made_renamed_moved_trashed_and_restored_under_one_id(drive: Drive) -> None:
    made = write(drive, "POST", "/files", {"attributes": {"name": "A", "parent_id": drive.root}, "type": "files"})
    target = drive.edit("add_folder", parent=drive.root)
    key = made["id"]
    write(drive, "PATCH", f"/files/{key}", {"attributes": {"name": "B"}, "type": "files"})
    moved = write(drive, "PATCH", "/files", [{"attributes": {"parent_id": target}, "id": key, "type": "files"}])
    assert (moved[0]["id"], moved[0]["attributes"]["name"], moved[0]["attributes"]["parent_id"]) == (key, "B", target)
    write(drive, "PATCH", "/files", [{"attributes": {"status": "51"}, "id": key, "type": "files"}])
    assert key not in drive.tree(drive.root)
    write(drive, "PATCH", "/files", [{"attributes": {"status": "1"}, "id": key, "type": "files"}])
    assert key in drive.tree(drive.root)
    write(drive, "PATCH", f"/files/{key}", {"attributes": {"status": "61"}, "type": "files"})
    assert drive.refused(f"/files/{key}") == (401, "R008")


def test_a_copy_has_new_ids_and_the_same_names(drive: Drive) -> None:
    folder = drive.edit("add_folder", name="Box", parent=drive.root)
    drive.edit("add_file", name="a.txt", parent=folder)
    target = drive.edit("add_folder", name="Target", parent=drive.root)
    copy = write(drive, "POST", f"/files/{target}/copy", {"attributes": {"resource_id": folder}, "type": "files"})
    assert (copy["id"] != folder, copy["attributes"]["name"]) == (True, "Box")
    assert [item["attributes"]["name"] for item in drive.tree(copy["id"]).values()] == ["a.txt"]


def test_uploads_make_duplicates_unless_told_to_override(drive: Drive) -> None:
    content = bytes(range(256)) * 3
    params = {"filename": "a.bin", "parent_id": drive.root}
    made = [
        drive.ask("POST", f"{API}/upload", params=params | more, files={"content": ("a.bin", content)}).json()["data"][
            0
        ]
        for more in ({}, {}, {"override-name-exist": "true"})
    ]
    assert len({entry["attributes"]["resource_id"] for entry in made}) == 2
    key = made[0]["attributes"]["resource_id"]
    assert drive.ask("GET", f"/v1/workdrive/download/{key}").content == content
    assert made[0]["attributes"]["md5"] == hashlib.md5(content).hexdigest()
