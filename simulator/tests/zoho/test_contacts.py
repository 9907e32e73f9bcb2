"""Zoho Contacts: pages, writes, the sync endpoint."""

from typing import Any

import pytest

SELF = "/api/v1/accounts/self/contacts"
SYNC = "/api/v1/sync/self/contacts"


def test_pages_end_with_has_more(site: Any) -> None:
    keys = [site.editor.add_contact() for _ in range(5)]
    pages = [site.get("contacts", SELF, page=page, per_page=2) for page in (1, 2, 3)]
    assert [page["has_more"] for page in pages] == [True, True, False]
    assert [row["contact_id"] for page in pages for row in page["contacts"]] == keys
    full = site.get("contacts", SELF, page=1, per_page=5)
    assert (full["has_more"], full["status_code"], full["resource_name"]) == (False, 200, "contacts")


def test_pages_are_smaller_when_capped(site: Any) -> None:
    for _ in range(3):
        site.editor.add_contact()
    site.world.page_cap["contacts"] = 2
    page = site.get("contacts", SELF, per_page=100)
    assert (len(page["contacts"]), page["has_more"]) == (2, True)


@pytest.mark.parametrize("params", [{"page": "0"}, {"page": "x"}, {"per_page": "-1"}])
def test_bad_pages_are_refused(site: Any, params: dict[str, str]) -> None:
    status, body = site.refused("contacts", SELF, params=params)
    assert (status, body["status_code"]) == (400, 400)


def test_absent_names_have_no_key(site: Any) -> None:
    site.editor.add_contact(first_name="", last_name="Ng", middle_name=None)
    row = site.get("contacts", SELF)["contacts"][0]
    assert {"first_name", "middle_name"} & set(row) == set()
    assert (row["last_name"], row["is_writable"], row["status"]) == ("Ng", True, -10)


def test_books_of_others_are_refused_unless_allowed(site: Any) -> None:
    other = list(site.world.users.values())[1]
    site.editor.add_contact(other)
    for who in (other.address, "org"):
        path = f"/api/v1/accounts/{who}/contacts"
        assert site.refused("contacts", path)[0] == 403
        site.world.contacts_allowed.add(who)
        assert site.get("contacts", path)["contacts"]
    rows = site.get("contacts", "/api/v1/accounts/org/contacts")["contacts"]
    assert [row["is_writable"] for row in rows] == [False] * 3
    assert site.refused("contacts", "/api/v1/accounts/nobody@x.example/contacts")[0] == 404
    assert site.ask("GET", "contacts", f"/api/v1/accounts/{site.owner.address}/contacts").status_code == 200


def test_contacts_are_found_by_text_and_category(site: Any) -> None:
    tea = site.editor.add_contact(first_name="Tea", categories=[{"category_id": "77", "name": "Friends"}])
    site.editor.add_contact(first_name="Bo")
    for params in ({"q": "tea"}, {"filter_categories": "77"}):
        assert [row["contact_id"] for row in site.get("contacts", SELF, **params)["contacts"]] == [tea]


def test_writes_answer_with_an_object(site: Any) -> None:
    given = {"contacts": [{"first_name": "Bo", "emails": [{"email_id": "bo@b.example", "is_primary": True}]}]}
    body = site.ask("POST", "contacts", SELF, params={"source": "test"}, json=given).json()
    assert (body["status_code"], body["contacts"]["email_id"]) == (201, "bo@b.example")
    key = body["contacts"]["contact_id"]
    site.clock.advance(1)
    changed = {"contacts": {"last_name": "Li", "emails": []}}
    assert site.ask("PUT", "contacts", f"{SELF}/{key}", json=changed).json()["status_code"] == 200
    row = site.get("contacts", SELF, include="emails")["contacts"][0]
    assert (row["first_name"], row["last_name"], row["emails"]) == ("Bo", "Li", [])
    assert row["updated_time"] == site.world.millis()
    assert site.ask("DELETE", "contacts", f"{SELF}/{key}").json()["status_code"] == 200
    assert site.get("contacts", SELF)["contacts"] == []
    assert site.refused("contacts", f"{SELF}/{key}", "DELETE")[0] == 404


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"contacts":{}}', b'{"contacts":[{"colour":"red"}]}', b'{"contacts":[{"emails":"x"}]}']
)
def test_bad_writes_are_refused(site: Any, body: bytes) -> None:
    response = site.ask("POST", "contacts", SELF, content=body)
    assert (response.status_code, response.json()["status_code"]) == (400, 400)


def test_the_sync_endpoint_reports_changes_and_deletions(site: Any) -> None:
    keys = [site.editor.add_contact() for _ in range(3)]
    site.clock.advance(10)
    since = site.world.millis()
    site.editor.edit_contact(key=keys[1])
    site.editor.delete_contact(key=keys[0])
    params = {"page": 1, "per_page": 100, "filter_updated_time": since}
    assert [row["contact_id"] for row in site.get("contacts", SYNC, **params)["contacts"]] == [keys[1]]
    rows = {r["contact_id"]: r for r in site.get("contacts", SYNC, include="show_deleted,emails", **params)["contacts"]}
    assert rows.keys() == {keys[0], keys[1]}
    assert rows[keys[0]] == {"contact_id": keys[0], "updated_time": since, "status": -1}
    assert rows[keys[1]]["status"] == -10
    assert "emails" in rows[keys[1]]
