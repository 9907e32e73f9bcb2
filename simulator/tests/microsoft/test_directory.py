"""Users, roles, organisation, permissions, and the users who have no mailbox."""

from typing import Any

import pytest
from syncd_simulator.microsoft import demo_microsoft

SELECT = "id,displayName,mail,userPrincipalName,accountEnabled,userType,assignedLicenses"


def test_default_properties_are_few(site: Any) -> None:
    user = site.get("/users")["value"][0]
    assert {*user} == {
        "businessPhones", "displayName", "givenName", "id", "jobTitle", "mail", "mobilePhone", "officeLocation",
        "preferredLanguage", "surname", "userPrincipalName",
    }  # fmt: skip
    assert {*site.get(f"/users?$select={SELECT}")["value"][0]} == set(SELECT.split(","))


def test_users_page_by_top_with_opaque_links(site: Any) -> None:
    page = site.get("/users?$top=2&$select=id")
    assert len(page["value"]) == 2
    link = page["@odata.nextLink"]
    assert link.startswith(site.url + "/v1.0/users?$top=2&$select=id&$skiptoken=")
    assert [item["id"] for item in site.get(link)["value"]] == [site.alan.id]
    assert site.refused(link + "x")[1]["code"] == "Directory_ExpiredPageToken"


def test_filters(site: Any) -> None:
    site.world.suspend_user(site.alan)

    def ids(text: str, **more: str) -> list[str]:
        headers = more.pop("headers", None)
        return [item["id"] for item in site.get("/users", headers, **{"$filter": text, **more})["value"]]

    assert ids("accountEnabled eq false") == [site.alan.id]
    assert ids("userType eq 'Member' and startswith(displayName,'ada')") == [site.ada.id]
    assert site.refused("/users?$filter=userType ne 'Guest'")[1]["code"] == "Request_UnsupportedQuery"
    eventual: Any = {"ConsistencyLevel": "eventual"}
    assert len(ids("userType ne 'Guest'", headers=eventual, **{"$count": "true"})) == 3
    assert ids("assignedLicenses/$count ne 0", headers=eventual, **{"$count": "true"})


def test_the_count_stands_on_page_one_and_the_consistency_header_is_needed_on_each(site: Any) -> None:
    eventual = {"ConsistencyLevel": "eventual"}
    page = site.get("/users?$count=true&$top=1&$filter=userType ne 'Guest'", eventual)
    assert page["@odata.count"] == 3
    assert site.refused(page["@odata.nextLink"])[0] == 400
    assert "@odata.count" not in site.get(page["@odata.nextLink"], eventual)


def test_soft_delete_restore_and_purge(site: Any) -> None:
    link = site.round(f"/users/delta?$select={SELECT}").link
    site.world.delete_user(site.alan)
    second = site.round(link)
    assert second.items == [{"id": site.alan.id, "@removed": {"reason": "changed"}}]
    site.world.restore_user(site.alan)
    third = site.round(second.link)
    assert third.items[0]["userPrincipalName"] == site.alan.address
    assert "@removed" not in third.items[0]
    site.world.delete_user(site.alan)
    fourth = site.round(third.link)
    site.world.delete_user(site.alan, purge=True)
    assert site.round(fourth.link).items == [{"id": site.alan.id, "@removed": {"reason": "deleted"}}]


def test_only_selected_properties_surface(site: Any) -> None:
    link = site.round("/users/delta?$select=displayName").link
    site.world.suspend_user(site.alan)
    assert site.round(link).items == []


def test_minimal_answers_and_nulls(site: Any) -> None:
    site.alan.mobile = "+34 600"
    site.world.touch_user(site.alan)
    link = site.round("/users/delta?$select=displayName,mobilePhone,jobTitle").link
    site.alan.mobile = None
    site.world.touch_user(site.alan)
    minimal = site.round(link, {"Prefer": "return=minimal"})
    assert minimal.items == [{"id": site.alan.id, "mobilePhone": None}]
    assert site.round(link, {}).items == [{"id": site.alan.id, "displayName": "Alan Turing", "mobilePhone": None}]


def test_delta_refuses_top_and_single_user_properties(site: Any) -> None:
    assert site.refused("/users/delta?$top=5")[0] == 400
    status, error = site.refused("/users/delta?$select=skills")
    assert (status, error["code"]) == (501, "NotImplemented")
    assert site.refused("/users?$select=mailboxSettings")[0] == 400


def test_delta_of_a_list_of_ids(site: Any) -> None:
    first = site.round(f"/users/delta?$filter=id eq '{site.ada.id}' or id eq '{site.alan.id}'")
    assert set(first.last) == {site.ada.id, site.alan.id}
    assert site.refused("/users/delta?$filter=mail eq 'x'")[0] == 400


def test_role_members_by_either_path(site: Any) -> None:
    (role,) = site.get("/directoryRoles")["value"]
    paths = (f"/directoryRoles/{role['id']}/members", f"/directoryRoles/roleTemplateId={role['roleTemplateId']}/members",
             f"/directoryRoles(roleTemplateId='{role['roleTemplateId']}')/members")  # fmt: skip
    for path in paths:
        members = site.get(path)["value"]
        assert {(m["@odata.type"], m["id"]) for m in members} >= {("#microsoft.graph.user", site.ada.id)}
        assert any(m["@odata.type"] == "#microsoft.graph.servicePrincipal" for m in members)
    assert site.refused("/directoryRoles/nobody/members")[0] == 404


def test_organisation_and_mailbox_settings(site: Any) -> None:
    assert site.get("/organization")["value"][0]["id"] == site.world.tenant
    assert site.get(f"/users/{site.ada.id}/mailboxSettings")["userPurpose"] == "user"


def test_users_are_found_by_principal_name_in_any_case(site: Any) -> None:
    assert site.get(f"/users/{site.ada.address.upper()}")["id"] == site.ada.id


def test_unlicensed_users_alternate_between_two_codes(site: Any) -> None:
    user = site.world.add_user("Una", "Unlicensed", licensed=False)
    codes = [site.refused(f"/users/{user.id}/contacts")[1]["code"] for _ in range(4)]
    assert codes == ["MailboxNotEnabledForRESTAPI", "ResourceNotFound"] * 2
    assert site.get(f"/users/{user.id}?$select=assignedLicenses")["assignedLicenses"] == []


def test_guests_say_so_and_have_no_mailbox(site: Any) -> None:
    guest = site.world.add_user("Gina", "Guest", "gina@partner.example", guest=True)
    shown = site.get(f"/users/{guest.id}?$select=userType,userPrincipalName,mail")
    assert (shown["userType"], shown["mail"]) == ("Guest", "gina@partner.example")
    assert "#EXT#" in shown["userPrincipalName"]
    assert site.refused(f"/users/{guest.id}/mailFolders")[0] == 404


def test_other_refusals_of_mailboxes(site: Any) -> None:
    site.grace.mailbox_trouble = "access_policy"
    status, error = site.refused(f"/users/{site.grace.id}/messages")
    assert (status, error["message"]) == (403, "Access to OData is disabled.")
    site.grace.mailbox_trouble = "invalid_user"
    assert site.refused(f"/users/{site.grace.id}/messages")[1]["code"] == "ErrorInvalidUser"
    assert site.refused("/users/nobody/messages")[1]["code"] == "ErrorInvalidUser"
    assert site.refused("/users/nobody")[1]["code"] == "Request_ResourceNotFound"


def test_blocked_accounts_shared_mailboxes_and_rooms_keep_their_mail() -> None:
    world = demo_microsoft(seed=2, people=7)
    kinds = {user.purpose: user for user in world.users.values()}
    leaver = next(user for user in world.users.values() if user.suspended)
    assert world.snapshot(kinds["shared"], "mail")
    assert world.snapshot(kinds["room"], "calendar")
    assert not kinds["shared"].account_enabled
    assert leaver.mailbox.mails
    assert world.snapshot(leaver, "mail") == {}
    assert len(world.users) == 7


@pytest.mark.parametrize(
    ("path", "gone", "code"),
    [
        ("/users", "User.Read.All", "Authorization_RequestDenied"),
        ("/users/{u}/contacts", "Contacts.ReadWrite", "ErrorAccessDenied"),
        ("/users/{u}/messages", "Mail.ReadWrite", "ErrorAccessDenied"),
    ],
)
def test_a_missing_permission_is_403_in_the_words_of_its_family(site: Any, path: str, gone: str, code: str) -> None:
    site.world.permissions -= {gone, "Directory.Read.All"}
    status, error = site.refused(path.replace("{u}", site.ada.id))
    assert (status, error["code"]) == (403, code)


def test_reading_permissions_do_not_write(site: Any) -> None:
    site.world.permissions = {"Contacts.Read"}
    assert site.get(f"/users/{site.ada.id}/contacts")["value"] is not None
    assert site.refused(f"/users/{site.ada.id}/contacts", "POST", json={})[0] == 403
