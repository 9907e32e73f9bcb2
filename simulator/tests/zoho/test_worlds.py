"""Worlds: seeds, edits, truth, faults, the control door."""

import json
from typing import Any

import httpx
import pytest
from syncd_simulator.clock import SimClock
from syncd_simulator.zoho import (
    DOCUMENTED,
    Editor,
    add_many_mails,
    demo_zoho,
    large_zoho_contacts,
    tiny_zoho,
)
from syncd_simulator.zoho.book import books
from syncd_simulator.zoho.faults import OF_PRODUCT

CONTACTS = "/api/v1/accounts/self/contacts"
OWN = ("contacts", "calendar", "mail", "files", "crm")
PROBES = {
    "accounts": "/oauth/user/info", "mail": "/api/accounts", "calendar": "/api/v1/calendars", "contacts": CONTACTS,
    "workdrive": "/workdrive/api/v1/users/me", "crm": "/crm/v8/users",
}  # fmt: skip


def test_a_seed_makes_one_world() -> None:
    clock = SimClock.manual(1_795_264_000.0)
    one, two = (tiny_zoho(7, clock) for _ in range(2))
    for kind in OWN:
        assert one.snapshot(one.owner, kind) == two.snapshot(two.owner, kind)
        assert any(one.snapshot(one.owner, kind).values())
    assert tiny_zoho(8, clock).zoid != one.zoid


def test_only_the_owner_can_be_mirrored() -> None:
    world = tiny_zoho(1)
    other = list(world.users.values())[1]
    assert len(books(world).of(other)) > 0
    assert [world.snapshot(other, kind) for kind in OWN] == [{}] * len(OWN)
    world.admin_reads_mail = True
    assert any(world.snapshot(other.address, "mail").values())


@pytest.mark.parametrize("kind", OWN)
def test_random_edits_change_the_truth(kind: str) -> None:
    world = tiny_zoho(2)
    editor = Editor(world, 5)
    names, changed = set(), 0
    for _ in range(40):
        before = world.snapshot(world.owner, kind)
        names.add(editor.random_edit(kind))
        changed += before != world.snapshot(world.owner, kind)
    assert len(names) >= 3
    assert changed >= 25


def test_edits_of_one_kind_leave_the_others_alone() -> None:
    world = tiny_zoho(2)
    editor = Editor(world, 6)
    for kind in OWN:
        others = {other: world.snapshot(world.owner, other) for other in OWN if other != kind}
        for _ in range(20):
            editor.random_edit(kind)
        assert others == {other: world.snapshot(world.owner, other) for other in others}


def test_a_demonstration_has_people_of_every_sort() -> None:
    world = demo_zoho(1, people=10)
    users = list(world.users.values())
    assert (len(users), users[-1].suspended, bool(users[-2].aliases)) == (10, True, True)
    assert len(world.snapshot(world.owner, "contacts")[""]) == 300


def test_a_hundred_thousand_contacts_are_cheap_to_page(site: Any) -> None:
    world = large_zoho_contacts(100_000)
    assert len(books(world).of(world.owner)) == 100_000
    assert len(set(books(world).of(world.owner).keys())) == 100_000


def test_many_mails_have_their_own_ids_and_times(site: Any) -> None:
    add_many_mails(site.world, site.owner, 450, 800)
    pages = [site.rows(start=start, limit=200) for start in (1, 201, 401)]
    assert [len(page) for page in pages] == [200, 200, 50]
    assert len({row["messageId"] for page in pages for row in page}) == 450
    times = [int(row["receivedTime"]) for page in pages for row in page]
    assert times == sorted(times, reverse=True)


def test_directory_changes_show_up(site: Any) -> None:
    grace = site.world.user("grace.hopper@acme.example")
    site.world.rename_user(grace, "grace.murray@acme.example")
    assert site.world.user("grace.hopper@acme.example") is site.world.user("grace.murray@acme.example")
    path = f"/api/organization/{site.world.zoid}/accounts"
    row = site.get("mail", f"{path}/{grace.zuid}")["data"]
    aliases = [email["mailId"] for email in row["emailAddress"] if email["isAlias"]]
    assert (row["primaryEmailAddress"], aliases) == (grace.address, ["grace.hopper@acme.example"])
    site.world.delete_user(grace)
    assert grace.zuid not in [row["zuid"] for row in site.get("mail", path)["data"]]


def test_expire_ends_access_tokens(site: Any) -> None:
    headers = site.bearer()
    site.world.expire("contacts", site.owner)
    assert site.http.get(site.endpoints["contacts"] + CONTACTS, headers=headers).status_code == 401


def test_settings_are_enough_to_connect(site: Any) -> None:
    settings = site.world.settings(site.url)
    assert set(settings) == {"data_center", "client_id", "client_secret", "refresh_token", "endpoints"}
    assert set(settings["endpoints"]) == {"accounts", "mail", "calendar", "contacts", "workdrive", "download", "crm"}
    assert settings["endpoints"]["download"].startswith("http://127.0.0.2:")


# -- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(DOCUMENTED))
def test_every_documented_refusal_is_answered_once(site: Any, name: str) -> None:
    product = OF_PRODUCT.get(name.partition("_")[0], "contacts")
    fault = site.world.faults.answer(name)
    first = site.ask("GET", product, PROBES[product])
    assert fault.hits == 1
    assert first.status_code >= 400 or name in ("token_throttle_200", "token_html")
    if product not in ("workdrive", "crm"):
        assert site.ask("GET", product, PROBES[product]).status_code == 200


def test_refusals_of_one_product_leave_the_others_alone(site: Any) -> None:
    fault = site.world.faults.answer("mail_throttle_400")
    site.get("contacts", CONTACTS)
    assert fault.hits == 0
    site.world.faults.answer("throttle", retry_after=7, api="contacts", times=2)
    response = site.ask("GET", "contacts", CONTACTS)
    assert (response.status_code, response.headers["retry-after"]) == (429, "7")


def test_lines_drop_and_bodies_break(site: Any) -> None:
    site.world.faults.reset(api="contacts")
    with pytest.raises(httpx.HTTPError):
        site.ask("GET", "contacts", CONTACTS)
    site.world.faults.truncate(api="contacts")
    with pytest.raises(httpx.HTTPError):
        site.ask("GET", "contacts", CONTACTS)
    site.world.faults.invalid_json(method="contacts.contacts")
    with pytest.raises(json.JSONDecodeError):
        site.ask("GET", "contacts", CONTACTS).json()
    site.world.faults.raw(502, b"<html>", path="self/contacts", user=site.owner.address)
    assert site.ask("GET", "contacts", CONTACTS).text == "<html>"
    site.world.faults.rewrite_json(lambda body: body | {"has_more": None})
    assert site.get("contacts", CONTACTS)["has_more"] is None
    assert site.get("contacts", CONTACTS)["has_more"] is False


def test_a_request_can_be_done_and_its_answer_lost(site: Any) -> None:
    site.world.faults.reset(done=True, method="contacts.create")
    with pytest.raises(httpx.HTTPError):
        site.ask("POST", "contacts", CONTACTS, json={"contacts": [{"first_name": "Bo"}]})
    assert len(books(site.world).of(site.owner)) == 1


def test_requests_are_counted(site: Any) -> None:
    site.get("contacts", CONTACTS)
    site.refused("mail", "/api/nothing")
    log = site.world.requests
    assert (log.total, log.by_method["contacts.contacts"], log.by_status[404]) == (2, 1, 1)
    assert log.by_user[site.owner.address] == 2
    assert log.latest[0].api == "contacts"
    log.clear()
    assert (log.total, len(log.latest)) == (0, 0)


# -- the control door -------------------------------------------------------------------------------------------------


def door(site: Any, method: str, path: str, **more: Any) -> Any:
    """A request to the control door that must work."""
    response = site.http.request(method, f"{site.url}/_sim/{path}", **more)
    assert response.status_code == 200, response.text
    return response.json()


def test_the_door_drives_a_world(site: Any) -> None:
    address = site.owner.address
    assert door(site, "GET", "users")[0]["address"] == address
    key = door(site, "POST", "edit", json={"method": "add_contact", "user": address})["result"]
    assert key in door(site, "GET", "snapshot/contacts", params={"user": address})[""]
    assert len(door(site, "POST", "edit", json={"random": 5, "kind": "mail"})["edits"]) == 5
    assert door(site, "GET", "settings")["endpoints"] == site.endpoints
    before = site.clock.time()
    assert door(site, "POST", "clock", json={"advance": 60})["time"] == before + 60
    door(site, "POST", "faults", json={"kind": "answer", "name": "unavailable", "match": {"api": "contacts"}})
    assert site.ask("GET", "contacts", CONTACTS).status_code == 503
    assert door(site, "DELETE", "faults") == {"hits": 1}
    assert door(site, "POST", "world", json={"limits": False, "lastmodified": "rejected"})["limits"] is False
    assert door(site, "GET", "requests")["by_status"]["503"] == 1
    door(site, "POST", "revoke")
    assert site.world.credentials.grants == {}


def test_the_door_refuses_what_it_does_not_know(site: Any) -> None:
    for method, path, body in (("POST", "world", {"colour": 1}), ("POST", "expire", {"kind": "x"}), ("GET", "no", {})):
        assert site.http.request(method, f"{site.url}/_sim/{path}", json=body).status_code == 400
