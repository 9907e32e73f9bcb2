"""The delta protocol: links, generations, quirks."""

from typing import Any

import pytest

IMMUTABLE = {"Prefer": 'IdType="ImmutableId"'}
SMALL = {"Prefer": 'IdType="ImmutableId", odata.maxpagesize=2'}


def test_a_round_pages_and_ends_with_a_delta_link_in_the_body(site: Any) -> None:
    first = site.round(site.contacts() + "/delta", SMALL)
    box = site.ada.mailbox
    assert set(first.last) == set(box.contact_folders[box.default_contacts].items)
    assert all(len(page["value"]) <= 2 for page in first.pages)
    assert first.link.startswith(site.url + "/v1.0/users/")


def test_the_next_round_has_the_differences_only(site: Any) -> None:
    first = site.round(site.contacts() + "/delta")
    folder = site.ada.mailbox.contact_folders[site.ada.mailbox.default_contacts]
    new = site.editor.add_contact(site.ada, folder)
    site.editor.add_contact(site.grace)
    second = site.round(first.link)
    assert list(second.last) == [new.key]
    site.editor.delete_contact(site.ada, new)
    third = site.round(second.link)
    assert third.items == [
        {"@odata.type": "#microsoft.graph.contact", "id": new.key, "@removed": {"reason": "deleted"}}
    ]
    assert site.round(third.link).items == []


def test_a_contact_made_and_deleted_between_rounds_never_shows(site: Any) -> None:
    first = site.round(site.contacts() + "/delta")
    folder = site.ada.mailbox.contact_folders[site.ada.mailbox.default_contacts]
    site.editor.delete_contact(site.ada, site.editor.add_contact(site.ada, folder))
    assert site.round(first.link).items == []


def test_the_delta_link_changes_with_every_round(site: Any) -> None:
    first = site.round(site.contacts() + "/delta")
    second = site.round(first.link)
    assert second.link != first.link
    assert second.items == []


def test_the_page_size_counts_for_the_request_that_says_it(site: Any) -> None:
    page = site.get(site.inbox() + "/delta", {"Prefer": "odata.maxpagesize=1"})
    assert len(page["value"]) == 1
    assert len(site.get(page["@odata.nextLink"])["value"]) > 1


@pytest.mark.parametrize("change", ["&$select=subject", "x", "&startDateTime=2020-01-01T00:00:00Z"])
def test_an_altered_link_is_refused(site: Any, change: str) -> None:
    link = site.round(site.contacts() + "/delta").link
    status, error = site.refused(link + change)
    assert (status, error["code"]) == (400, "BadRequest")


def test_a_token_does_not_open_another_folder(site: Any) -> None:
    link = site.round(site.contacts() + "/delta").link
    token = link.partition("?")[2]
    assert site.refused(f"{site.contacts(site.grace)}/delta?{token}")[0] == 400


def test_a_link_remembers_the_selection(site: Any) -> None:
    first = site.round(site.contacts() + "/delta?$select=displayName")
    assert all({*item} <= {"@odata.type", "@odata.etag", "id", "displayName"} for item in first.items)
    folder = site.ada.mailbox.contact_folders[site.ada.mailbox.default_contacts]
    site.editor.add_contact(site.ada, folder)
    (item,) = site.round(first.link).items
    assert "emailAddresses" not in item


def test_outlook_forgets_old_generations(site: Any) -> None:
    site.world.delta.generations = 3
    old = site.round(site.contacts() + "/delta").link
    link = old
    for _ in range(2):
        link = site.round(link).link
    assert site.get(old)["value"] == []  # still within the ring
    status, error = site.refused(old)
    assert (status, error["code"]) == (410, "SyncStateNotFound")
    assert error["message"] == "The sync state generation is not found; generation=1;[highest=4][4][2][3]."


def test_expire_kills_the_cursors_of_one_user_and_kind(site: Any) -> None:
    contacts, mail = site.round(site.contacts() + "/delta"), site.round(site.inbox() + "/delta")
    other = site.round(site.contacts(site.grace) + "/delta")
    site.world.expire("contacts", site.ada)
    assert site.refused(contacts.link)[0] == 410
    assert site.get(mail.link)["value"] == []
    assert site.get(other.link)["value"] == []
    assert site.round(site.contacts() + "/delta").items


def test_directory_cursors_die_after_seven_days_with_400(site: Any) -> None:
    link = site.round("/users/delta").link
    site.clock.advance(8 * 86400)
    status, error = site.refused(link)
    assert (status, error["code"]) == (400, "syncStateNotFound")


def test_directory_can_start_from_now(site: Any) -> None:
    page = site.get("/users/delta?$deltatoken=latest")
    assert page["value"] == []
    new = site.world.add_user("Nia", "New")
    assert [item["id"] for item in site.get(page["@odata.deltaLink"])["value"]] == [new.id]


def test_outlook_cannot_start_from_now(site: Any) -> None:
    assert site.refused(site.contacts() + "/delta?$deltatoken=latest")[0] == 400


def test_quirk_empty_page(site: Any) -> None:
    site.world.quirks.empty_page = {"mail"}
    first = site.round(site.inbox() + "/delta")
    assert first.pages[0]["value"] == []
    assert "@odata.nextLink" in first.pages[0]
    assert first.items
    assert [page["value"] for page in site.round(first.link).pages] == [[], []]


def test_quirk_duplicates_end_with_the_truth(site: Any) -> None:
    site.world.quirks.duplicates = {"mail"}
    first = site.round(site.inbox() + "/delta")
    assert len(first.items) == len(first.last) + 1
    assert first.removed == set()
    mail = next(iter(site.ada.mailbox.mail_folders[site.ada.mailbox.well_known["inbox"]].items.values()))
    site.editor.purge_mail(site.ada, mail)
    second = site.round(first.link)
    assert [item["id"] for item in second.items] == [mail.key, mail.key]
    assert "@removed" not in second.items[0]
    assert second.removed == {mail.key}


def test_quirk_replays_an_applied_change(site: Any) -> None:
    site.world.quirks.replays = {"*"}
    first = site.round(site.contacts() + "/delta")
    (again,) = site.round(first.link).items
    assert again == first.last[again["id"]]


def test_quirk_unknown_removed_in_the_first_round(site: Any) -> None:
    site.world.quirks.unknown_removed = {"contacts"}
    first = site.round(site.contacts() + "/delta")
    assert "@removed" in first.items[0]
    assert site.ada.mailbox.contact(first.items[0]["id"]) is None


def test_quirk_unknown_properties(site: Any) -> None:
    site.world.quirks.unknown_properties = {"contacts"}
    assert all("unheardOf" in item for item in site.round(site.contacts() + "/delta").items)


def test_quirk_long_links_work(site: Any) -> None:
    site.world.quirks.long_links = {"*"}
    link = site.round(site.contacts() + "/delta").link
    assert "microsoft.graph.delta()?" in link
    assert site.get(link)["value"] == []


def test_page_cap(site: Any) -> None:
    site.world.page_cap["contacts"] = 1
    first = site.round(site.contacts() + "/delta")
    assert len(first.pages) == len(first.items)


def test_a_generation_may_pass_while_pages_are_read(site: Any) -> None:
    site.world.delta.generation_per_page, site.world.delta.generations = True, 2
    page = site.get(site.inbox() + "/delta", {"Prefer": "odata.maxpagesize=1"})
    old = page["@odata.nextLink"]
    for _ in range(2):
        site.get(old, {"Prefer": "odata.maxpagesize=1"})
    assert site.refused(old)[1]["code"] == "SyncStateNotFound"


def test_large_pages_may_fail_and_small_ones_work(site: Any) -> None:
    site.world.delta.too_large["mail"] = 2
    assert site.refused(site.inbox() + "/delta", headers={"Prefer": "odata.maxpagesize=50"})[0] == 503
    assert site.round(site.inbox() + "/delta", {"Prefer": "odata.maxpagesize=2"}).items
