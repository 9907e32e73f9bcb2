"""One test for each trap of microsoft.md §18 that the core of the server sets. The number is the trap's."""

from typing import Any
from urllib.parse import quote

import pytest
from syncd_simulator.microsoft import MicrosoftWorld

IMMUTABLE = {"Prefer": 'IdType="ImmutableId"'}
SMALL = {"Prefer": 'IdType="ImmutableId", odata.maxpagesize=1'}


def test_trap_01_a_rebuilt_or_encoded_link_is_refused(site: Any) -> None:
    link = site.round(site.inbox() + "/delta?$select=subject").link
    path, _, token = link.partition("?$deltatoken=")
    for changed in (f"{path}?$select=subject&$deltatoken={token}", f"{path}?%24deltatoken={quote(token)}", link + "&"):
        assert site.refused(changed)[0] == 400
    assert site.get(link)["value"] == []


def test_trap_02_an_empty_page_may_go_on(site: Any) -> None:
    site.world.quirks.empty_page = {"contacts"}
    page = site.get(site.contacts() + "/delta")
    assert page["value"] == []
    assert site.get(page["@odata.nextLink"])["value"]


def test_trap_03_a_round_left_half_way_can_go_on_from_its_next_link(site: Any) -> None:
    first = site.round(site.inbox() + "/delta", SMALL)
    new = [site.editor.add_mail(site.ada) for _ in range(3)]
    page = site.get(first.link, SMALL)
    rest = site.round(page["@odata.nextLink"], SMALL)
    assert {item["id"] for item in page["value"]} | set(rest.last) == {mail.key for mail in new}
    assert len(site.get(first.link, IMMUTABLE)["value"]) == 3  # and the round can be had again


def test_trap_04_the_last_occurrence_may_be_a_tombstone(site: Any) -> None:
    site.world.quirks.duplicates = {"contacts"}
    first = site.round(site.contacts() + "/delta")
    contact = site.ada.mailbox.contact(next(iter(first.last)))
    site.editor.delete_contact(site.ada, contact)
    seen = [("@removed" in item) for item in site.round(first.link).items if item["id"] == contact.key]
    assert seen == [False, True]


def test_trap_05_a_replay_has_the_etag_of_before(site: Any) -> None:
    site.world.quirks.replays = {"mail"}
    first = site.round(site.inbox() + "/delta")
    (again,) = site.round(first.link).items
    assert again["@odata.etag"] == first.last[again["id"]]["@odata.etag"]


def test_trap_06_a_first_round_may_remove_what_nobody_knows(site: Any) -> None:
    site.world.quirks.unknown_removed = {"*"}
    for path in (site.contacts() + "/delta", site.inbox() + "/delta", "/users/delta",
                 f"/users/{site.ada.id}/mailFolders/delta", f"/users/{site.ada.id}/contactFolders/delta"):  # fmt: skip
        assert "@removed" in site.round(path).items[0]


def test_trap_07_an_update_may_bring_changed_properties_only_and_explicit_nulls(site: Any) -> None:
    site.world.quirks.sparse = {"contacts"}
    folder = site.ada.mailbox.contact_folders[site.ada.mailbox.default_contacts]
    contact = site.editor.add_contact(site.ada, folder, givenName="A", surname="B", mobilePhone="1")
    first = site.round(site.contacts() + "/delta")
    site.editor.edit_contact(site.ada, contact, mobilePhone=None)
    (item,) = site.round(first.link).items
    assert item["mobilePhone"] is None
    assert "givenName" not in item


def test_trap_08_links_stand_in_the_body(site: Any) -> None:
    answer = site.ask("GET", site.contacts() + "/delta")
    assert "@odata.deltaLink" in answer.json()
    assert not [name for name in answer.headers if "link" in name]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/users/{u}/messages/delta", "message"), ("/users/{u}/events/delta", "event"),
        ("/users/{u}/calendars/{c}/events/delta", "event"), ("/users/{u}/calendar/events/delta", "event"),
    ],
)  # fmt: skip
def test_trap_09_mailbox_wide_deltas_are_refused(site: Any, path: str, kind: str) -> None:
    calendar = site.get(f"/users/{site.ada.id}/calendars")["value"][0]["id"]
    status, error = site.refused(path.replace("{u}", site.ada.id).replace("{c}", calendar))
    assert (status, error["code"]) == (400, "BadRequest")
    wanted = f"Unsupported request: Change tracking is not supported against 'microsoft.graph.{kind}'."
    assert error["message"].startswith(wanted)


def test_trap_14_the_default_contact_folder_is_not_listed(site: Any) -> None:
    listed = {folder["id"] for folder in site.everything(f"/users/{site.ada.id}/contactFolders")}
    parents = {item["parentFolderId"] for item in site.everything(f"/users/{site.ada.id}/contacts")}
    assert parents
    assert not parents & listed


def test_trap_15_mail_folders_list_one_level(site: Any) -> None:
    listed = {folder["displayName"] for folder in site.everything(f"/users/{site.ada.id}/mailFolders")}
    assert "Projects" in listed
    assert "Lisbon" not in listed


def test_trap_16_folder_delta_has_no_messages_and_shows_new_folders(site: Any) -> None:
    first = site.round(f"/users/{site.ada.id}/mailFolders/delta")
    folder = site.editor.add_mail_folder(site.ada, "Fresh", "inbox")
    mail = site.editor.add_mail(site.ada, folder)
    assert list(site.round(first.link).last) == [folder.id]
    assert list(site.round(f"/users/{site.ada.id}/mailFolders/{folder.id}/messages/delta").last) == [mail.key]


def test_trap_17_a_move_is_a_tombstone_here_and_an_item_there(site: Any) -> None:
    mail = site.editor.add_mail(site.ada)
    archive = f"/users/{site.ada.id}/mailFolders/archive/messages/delta"
    here, there = site.round(site.inbox() + "/delta"), site.round(archive)
    site.editor.move_mail(site.ada, mail, "archive")
    assert site.round(here.link).items == [
        {"@odata.type": "#microsoft.graph.message", "id": mail.key, "@removed": {"reason": "deleted"}}
    ]
    assert list(site.round(there.link).last) == [mail.key]


def test_trap_18_top_truncates_and_the_page_size_goes_through_the_header(site: Any) -> None:
    for _ in range(3):
        site.editor.add_mail(site.ada)
    everything = site.round(site.inbox() + "/delta", SMALL)
    assert len(everything.last) > 2
    cut = site.round(site.inbox() + "/delta?$top=2")
    assert len(cut.last) == 2
    assert site.round(cut.link).items == []
    page = site.get(site.inbox() + "/delta", SMALL)
    assert len(page["value"]) == 1
    assert len(site.get(page["@odata.nextLink"])["value"]) == len(everything.last) - 1  # the header was not sent again


def test_trap_19_without_the_header_an_item_has_another_id(site: Any) -> None:
    mail = site.editor.add_mail(site.ada)
    page = site.get(site.inbox() + "/delta", SMALL)
    with_header = site.get(page["@odata.nextLink"], IMMUTABLE)["value"]
    without = site.get(page["@odata.nextLink"])["value"]
    assert not {item["id"] for item in with_header} & {item["id"] for item in without}
    assert site.get(f"/users/{site.ada.id}/messages/{mail.key}")["id"] == mail.plain


def test_trap_29_one_dead_cursor_leaves_the_others(site: Any) -> None:
    archive = site.round(f"/users/{site.ada.id}/mailFolders/archive/messages/delta")
    inbox = site.round(site.inbox() + "/delta")
    site.world.faults.answer("cursor_gone", path=site.ada.mailbox.well_known["inbox"])
    assert site.refused(inbox.link)[0] == 410
    assert site.get(archive.link)["value"] == []


def test_trap_30_a_restored_user_comes_back_plain_with_the_same_id(site: Any) -> None:
    first = site.round("/users/delta")
    site.world.delete_user(site.grace)
    second = site.round(first.link)
    assert second.items[0]["@removed"] == {"reason": "changed"}
    site.world.restore_user(site.grace)
    (item,) = site.round(second.link).items
    assert item["id"] == site.grace.id
    assert "@removed" not in item


def test_trap_31_account_enabled_wants_select_and_false_keeps_the_mailbox(site: Any) -> None:
    site.world.suspend_user(site.grace)
    assert "accountEnabled" not in site.get(f"/users/{site.grace.id}")
    assert site.get(f"/users/{site.grace.id}?$select=accountEnabled")["accountEnabled"] is False
    assert site.get(f"/users/{site.grace.id}/messages")["value"]


def test_trap_32_one_users_refusal_is_no_one_elses(site: Any) -> None:
    site.grace.mailbox_trouble, site.alan.mailbox_trouble = "not_enabled", "access_policy"
    statuses = [site.ask("GET", f"/users/{u.id}/messages").status_code for u in (site.ada, site.grace, site.alan)]
    assert statuses == [200, 404, 403]


def test_trap_33_a_mailbox_may_start_to_answer_404_and_stop_again(site: Any) -> None:
    link = site.round(site.inbox(site.grace) + "/delta").link
    site.grace.mailbox_trouble = "not_enabled"
    assert site.refused(link)[1]["code"] == "MailboxNotEnabledForRESTAPI"
    site.grace.mailbox_trouble = None
    assert site.get(link)["value"] == []


def test_trap_34_without_permissions_the_token_is_issued_and_graph_says_403(site: Any) -> None:
    site.world.permissions.clear()
    settings = site.world.settings(site.url)
    answer = site.token(
        client_id=settings["client_id"], client_secret=settings["client_secret"], grant_type="client_credentials",
        scope="https://graph.microsoft.com/.default",
    )  # fmt: skip
    assert answer.status_code == 200
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert site.http.get("/v1.0/users", headers=headers).status_code == 403
    assert site.http.get(f"/v1.0/users/{site.ada.id}/contacts", headers=headers).status_code == 403


def test_trap_35_an_expired_token_is_401_and_a_new_one_works(site: Any) -> None:
    old = site.bearer()
    site.clock.advance(3600)
    assert site.http.get("/v1.0/users", headers=old).status_code == 401
    assert site.ask("GET", "/users").status_code == 200


def test_trap_36_a_throttled_mailbox_leaves_the_others_alone(site: Any) -> None:
    site.world.quotas.mailbox_requests = 1
    statuses = [site.ask("GET", f"/users/{u.id}/contacts").status_code for u in (site.ada, site.ada, site.grace)]
    assert statuses == [200, 429, 200]


def test_trap_37_batch_items_count_as_parallel_requests(site: Any) -> None:
    url = f"/users/{site.ada.id}/messages"
    answers = site.batch(*({"id": str(n), "method": "GET", "url": url} for n in range(5)))
    assert [answer["status"] for answer in answers.values()].count(429) == 1
    assert site.world.most_at_once[site.ada.id] == 5


def test_trap_38_outer_200_hides_inner_failures(site: Any) -> None:
    contacts = f"/users/{site.ada.id}/contacts"
    site.world.faults.answer("throttled", in_batch=True, retry_after=10, user=site.ada.id)
    answers = site.batch(
        {"id": "1", "method": "GET", "url": contacts}, {"id": "2", "method": "GET", "url": "/users", "dependsOn": ["1"]},
        {"id": "3", "method": "GET", "url": "/users/nobody"},
    )  # fmt: skip
    assert {key: answer["status"] for key, answer in answers.items()} == {"1": 429, "2": 424, "3": 404}
    assert {name.lower(): value for name, value in answers["1"]["headers"].items()}["retry-after"] == "10"


def test_trap_39_a_batch_takes_twenty(site: Any) -> None:
    requests = [{"id": str(n), "method": "GET", "url": "/users"} for n in range(21)]
    assert site.refused("/$batch", "POST", json={"requests": requests})[1]["code"] == "MaximumValueExceeded"


def test_trap_42_if_match_guards_a_newer_edit(site: Any) -> None:
    contact = site.editor.add_contact(site.ada)
    path = f"/users/{site.ada.id}/contacts/{contact.key}"
    old = site.get(path)["@odata.etag"]
    site.editor.edit_contact(site.ada, contact, title="Dr")
    assert site.refused(path, "PATCH", json={"title": "Prof"}, headers={"If-Match": old})[0] == 412
    assert site.ask("PATCH", path, json={"title": "Prof"}).json()["title"] == "Prof"  # without it, overwritten


def test_trap_43_own_writes_come_back_with_the_change_key_of_the_answer(site: Any) -> None:
    first = site.round(site.contacts() + "/delta")
    made = site.ask("POST", site.contacts(), json={"givenName": "Echo"}, headers=IMMUTABLE).json()
    (item,) = site.round(first.link).items
    assert (item["id"], item["changeKey"]) == (made["id"], made["changeKey"])


def test_trap_49_the_scope_is_this_clouds(site: Any) -> None:
    site.world.graph_root = "https://graph.microsoft.us"
    settings = site.world.settings(site.url)
    form = {
        "client_id": settings["client_id"],
        "client_secret": settings["client_secret"],
        "grant_type": "client_credentials",
    }
    assert site.token(**form, scope="https://graph.microsoft.com/.default").status_code == 400
    assert site.token(**form, scope="https://graph.microsoft.us/.default").status_code == 200
    site.world.page_cap["directory"] = 1
    assert site.get("/users")["@odata.nextLink"].startswith(site.url)  # links carry the root that was asked


def test_trap_50_error_is_an_object_here_and_a_string_there(site: Any) -> None:
    assert isinstance(site.ask("GET", "/users/nobody").json()["error"], dict)
    assert isinstance(site.token().json()["error"], str)


def test_worlds_have_no_invitations_in_the_beginning() -> None:
    assert MicrosoftWorld().outbox == []
