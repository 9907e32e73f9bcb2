"""Contacts and their folders."""

from typing import Any

IMMUTABLE = {"Prefer": 'IdType="ImmutableId"'}


def test_folders_are_found_by_walking_down(site: Any) -> None:
    root = f"/users/{site.ada.id}/contactFolders"
    box = site.ada.mailbox
    top = site.everything(root)
    assert box.default_contacts not in {folder["id"] for folder in top}
    below = site.everything(f"{root}/{top[0]['id']}/childFolders")
    assert [folder["displayName"] for folder in below] == ["Archive"]
    assert site.get(f"{root}/{below[0]['id']}")["parentFolderId"] == top[0]["id"]
    assert site.get(f"{root}/contacts")["id"] == box.default_contacts


def test_the_well_known_name_may_be_unknown(site: Any) -> None:
    site.world.contacts_by_name = False
    root, default = f"/users/{site.ada.id}/contactFolders", site.ada.mailbox.default_contacts
    for path in (f"{root}/contacts", f"{root}/Contacts/childFolders", f"{root}/contacts/contacts/delta"):
        status, error = site.refused(path)
        assert (status, error["code"]) == (400, "ErrorInvalidIdMalformed")
    assert site.get(f"{root}/{default}")["id"] == default


def test_the_default_folders_id_is_found_from_a_contact(site: Any) -> None:
    folder = site.ada.mailbox.contact_folders[site.ada.mailbox.default_contacts]
    site.editor.add_contact(site.ada, folder)
    page = site.get(f"/users/{site.ada.id}/contacts?$top=1&$select=parentFolderId")
    assert [{*item} for item in page["value"]] == [{"@odata.etag", "id", "parentFolderId"}]
    assert page["value"][0]["parentFolderId"] == site.ada.mailbox.default_contacts


def test_folder_delta_reports_new_and_gone_folders(site: Any) -> None:
    first = site.round(f"/users/{site.ada.id}/contactFolders/delta")
    assert {item["displayName"] for item in first.items} >= {"Archive"}
    new = site.editor.add_contact_folder(site.ada, "New")
    second = site.round(first.link)
    assert [(item["id"], item["displayName"]) for item in second.items] == [(new.id, "New")]
    site.editor.delete_contact_folder(site.ada, new)
    assert site.round(second.link).removed == {new.id}


def test_a_vanished_folder_is_404(site: Any) -> None:
    folder = site.editor.add_contact_folder(site.ada, "Short")
    link = site.round(f"/users/{site.ada.id}/contactFolders/{folder.id}/contacts/delta").link
    site.editor.delete_contact_folder(site.ada, folder)
    status, error = site.refused(link)
    assert (status, error["code"]) == (404, "ErrorItemNotFound")


def test_a_move_leaves_one_folder_and_enters_the_other(site: Any) -> None:
    box = site.ada.mailbox
    source, target = list(box.contact_folders.values())[:2]
    contact = site.editor.add_contact(site.ada, source)
    plain = contact.plain
    links = [f"/users/{site.ada.id}/contactFolders/{folder.id}/contacts/delta" for folder in (source, target)]
    firsts = [site.round(link) for link in links]
    plains = [site.round(link, {}) for link in links]
    site.editor.move_contact(site.ada, contact, target)
    assert site.round(firsts[0].link).removed == {contact.key}
    assert list(site.round(firsts[1].link).last) == [contact.key]
    assert site.round(plains[0].link, {}).removed == {plain}
    assert list(site.round(plains[1].link, {}).last) == [contact.plain]
    assert contact.plain != plain


def test_create_change_and_delete(site: Any) -> None:
    path = f"/users/{site.ada.id}/contacts"
    made = site.ask(
        "POST", path, json={"givenName": "Zoë", "surname": "Zett", "homePhones": ["1", "2"]}, headers=IMMUTABLE
    )
    assert made.status_code == 201
    contact = made.json()
    assert (contact["displayName"], contact["fileAs"]) == ("Zoë Zett", "Zett, Zoë")
    changed = site.ask("PATCH", f"{path}/{contact['id']}", json={"surname": "Ypsilon", "homePhones": ["3"]})
    assert changed.status_code == 200
    assert (changed.json()["displayName"], changed.json()["homePhones"]) == ("Zoë Ypsilon", ["3"])
    assert changed.json()["id"] != contact["id"]  # a plain id: the header was not sent again
    stale = {"If-Match": contact["@odata.etag"]}
    status, error = site.refused(f"{path}/{contact['id']}", "PATCH", json={"title": "Dr"}, headers=stale)
    assert (status, error["code"]) == (412, "ErrorIrresolvableConflict")
    assert site.ask("DELETE", f"{path}/{contact['id']}").status_code == 204
    assert site.refused(f"{path}/{contact['id']}")[1]["code"] == "ErrorItemNotFound"


def test_too_many_addresses_are_refused(site: Any) -> None:
    four = [{"name": "x", "address": f"x{n}@y.example"} for n in range(4)]
    status, error = site.refused(f"/users/{site.ada.id}/contacts", "POST", json={"emailAddresses": four})
    assert (status, error["code"]) == (400, "ErrorPropertyValidationFailure")


def test_a_tag_finds_what_a_timed_out_create_made(site: Any) -> None:
    tag = "String {11111111-2222-3333-4444-555555555555} Name syncdLink"
    body = {"givenName": "Tag", "singleValueExtendedProperties": [{"id": tag, "value": "crm:7"}]}
    made = site.ask("POST", f"/users/{site.ada.id}/contacts", json=body).json()
    text = f"singleValueExtendedProperties/Any(ep: ep/id eq '{tag}' and ep/value eq 'CRM:7')"
    found = site.get(f"/users/{site.ada.id}/contacts", **{"$filter": text})["value"]
    assert [item["id"] for item in found] == [made["id"]]
    expand = f"singleValueExtendedProperties($filter=id eq '{tag}')"
    one = site.get(f"/users/{site.ada.id}/contacts/{made['id']}", **{"$expand": expand})
    assert one["singleValueExtendedProperties"] == [{"id": tag, "value": "crm:7"}]


def test_filter_by_address(site: Any) -> None:
    contact = next(iter(site.ada.mailbox.contact_folders[site.ada.mailbox.default_contacts].items.values()))
    address = contact.fields["emailAddresses"][0]["address"]
    found = site.get(f"/users/{site.ada.id}/contacts", **{"$filter": f"emailAddresses/any(a:a/address eq '{address}')"})
    assert contact.plain in {item["id"] for item in found["value"]}
    assert site.refused(f"/users/{site.ada.id}/contacts?$filter=surname eq 'x'")[0] == 400


def test_delta_refuses_what_it_does_not_know(site: Any) -> None:
    for option in ("$filter=x", "$orderby=displayName", "$expand=y", "$search=z"):
        assert site.refused(f"{site.contacts()}/delta?{option}")[0] == 400


def test_top_truncates_a_round(site: Any) -> None:
    folder = site.ada.mailbox.contact_folders[site.ada.mailbox.default_contacts]
    site.editor.add_contact(site.ada, folder)
    site.editor.add_contact(site.ada, folder)
    first = site.round(site.contacts() + "/delta?$top=1")
    assert len(first.items) == 1
    assert site.round(first.link).items == []


def test_path_words_match_in_any_case_and_ids_do_not(site: Any) -> None:
    folder = site.ada.mailbox.default_contacts
    assert site.get(f"/USERS/{site.ada.id}/contactfolders('{folder}')/Contacts")["value"] is not None
    assert site.refused(f"/users/{site.ada.id}/contactFolders/{folder.swapcase()}/contacts")[0] in (400, 404)


def test_ids_may_differ_in_letter_case_only(site: Any) -> None:
    made = [site.world.new_id() for _ in range(200)]
    assert len(set(made)) == 200
    assert len({text.lower() for text in made}) < 200


def test_plain_lists_page_with_all_their_options(site: Any) -> None:
    site.world.page_cap["contacts"] = 1
    path = f"/users/{site.ada.id}/contacts"
    found = site.everything(path + "?$select=displayName&$top=2")
    assert {item["id"] for item in found} == {item["id"] for item in site.everything(path)}
    assert all("surname" not in item for item in found)
