"""The control door, seeds, determinism."""

from typing import Any

from syncd_simulator.clock import SimClock
from syncd_simulator.microsoft import (
    Editor,
    MicrosoftWorld,
    add_many_contacts,
    add_many_mails,
    demo_microsoft,
    large_microsoft_contacts,
    tiny_microsoft,
)

KINDS = ("contacts", "calendar", "files", "mail")


def door(site: Any, method: str, path: str, **more: Any) -> Any:
    answer = site.http.request(method, f"/_sim/{path}", **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_door_drives_a_world(site: Any) -> None:
    assert {user["address"] for user in door(site, "GET", "users")} == {u.address for u in site.world.users.values()}
    assert door(site, "GET", "settings") == site.world.settings(site.url)
    made = door(site, "POST", "edit", json={"method": "add_contact", "user": site.ada.address})["result"]
    shown = door(site, "GET", "snapshot/contacts", params={"user": site.ada.address})
    assert any(made in items for items in shown.values())
    assert len(door(site, "POST", "edit", json={"random": 5})["edits"]) == 5
    link = site.round(site.contacts() + "/delta").link
    assert door(site, "POST", "expire", json={"kind": "contacts"}) == {"users": 3}
    assert site.refused(link)[0] == 410
    assert door(site, "POST", "faults", json={"kind": "answer", "name": "throttled"}) == {"plan": 1}
    assert site.ask("GET", "/users").status_code == 429
    assert door(site, "DELETE", "faults") == {"hits": 1}
    assert door(site, "POST", "world", json={"page_cap": {"mail": 1}, "quirks": {"replays": ["mail"]}})["page_cap"] == {
        "mail": 1
    }
    assert site.world.quirks.replays == {"mail"}
    assert door(site, "POST", "clock", json={"advance": 60})["time"] == site.world.now()
    assert door(site, "GET", "requests")["total"] > 0
    assert "refresh_token" in door(site, "GET", "refresh_token", params={"user": site.ada.address})


def test_worlds_of_one_seed_are_alike() -> None:
    one, two = (tiny_microsoft(7, SimClock.manual(1.8e9)) for _ in range(2))
    for user in one.users:
        for kind in KINDS:
            assert one.snapshot(user, kind) == two.snapshot(user, kind)
    assert set(one.users) != set(tiny_microsoft(8, SimClock.manual(1.8e9)).users)


def test_the_demo_has_twenty_five_accounts() -> None:
    world = demo_microsoft(3)
    assert len(world.users) == 25
    busy = [user for user in world.users.values() if all(world.snapshot(user, kind) for kind in KINDS)]
    assert len(busy) == 20


def test_random_edits_of_every_kind_keep_a_mirror_possible(site: Any) -> None:
    editor = Editor(site.world, 3)
    names = {editor.random_edit(kind) for kind in (*KINDS, "directory") for _ in range(60)}
    assert {"add_contact", "move_mail", "delete_user", "add_file", "add_event"} <= names
    assert all(len(set(editor.edits_of(kind))) > 3 for kind in KINDS)


def test_large_worlds() -> None:
    world = large_microsoft_contacts(500)
    (user,) = world.users.values()
    assert sum(map(len, world.snapshot(user, "contacts").values())) == 500
    other = MicrosoftWorld().add_user("A", "B")
    world.users[other.id] = other
    add_many_contacts(world, other, 10)
    add_many_mails(world, other, 10, 4000)
    assert all(3500 < len(mail.raw) < 4500 for mail in other.mailbox.mails.values())
