"""Seeds are deterministic, scale is bearable, and following the feeds leads to the snapshot."""

import json
import time
from typing import Any

import pytest
from syncd_simulator import (
    Editor,
    GoogleWorld,
    SimClock,
    demo_organisation,
    large_contacts,
    large_mailbox,
    tiny_organisation,
)

START = 1_790_000_000.0
KINDS = ("contacts", "calendar", "files", "mail")


def everything(world: GoogleWorld) -> str:
    return json.dumps([world.snapshot(user, kind) for user in world.users.values() for kind in KINDS], sort_keys=True)


@pytest.mark.parametrize("make", [tiny_organisation, demo_organisation])
def test_the_same_seed_gives_the_same_world(make: Any) -> None:
    worlds = [make(seed, clock=SimClock.manual(START)) for seed in (7, 7, 8)]
    for world in worlds:
        editor = Editor(world, 1)
        for _ in range(100):
            editor.random_edit()
    first, same, other = map(everything, worlds)
    assert first == same
    assert first != other


def test_a_demo_organisation_has_everything_quickly() -> None:
    begun = time.perf_counter()
    world = demo_organisation(1)
    assert time.perf_counter() - begun < 2
    assert len(world.users) == 25
    assert sum(len(user.mailbox.mails) for user in world.users.values()) > 2000
    assert len(world.drive.drives) == 2
    assert any(user.suspended for user in world.users.values())
    assert any(user.aliases for user in world.users.values())


def test_large_worlds() -> None:
    contacts = large_contacts(3000)
    assert len(contacts.snapshot("ada.lovelace@acme.example", "contacts")) == 3000
    mail = large_mailbox(500, size=5000)
    user = next(iter(mail.users.values()))
    assert len(user.mailbox.mails) == 500
    assert 3000 < len(next(iter(user.mailbox.mails.values())).raw) < 8000


class Mirror:
    """The least that can follow the feeds of one user: what a connector must come to."""

    def __init__(self, site: Any, user: Any) -> None:
        self.site, self.user = site, user
        self.contacts: dict[str, Any] = {}
        self.calendars: dict[str, dict[str, Any]] = {}
        self.files: dict[str, Any] = {}
        self.mails: dict[str, Any] = {}
        self.tokens: dict[str, str] = {}

    def pages(self, path: str, key: str, **params: Any) -> tuple[list[Any], Any]:
        found: tuple[list[Any], Any] = self.site.all_pages(path, key, self.user, **params)
        return found

    def sync(self) -> None:
        self.sync_contacts()
        self.sync_calendars()
        self.sync_files()
        self.sync_mail()

    def sync_contacts(self) -> None:
        params = {"personFields": ",".join(FIELDS), "requestSyncToken": "true", "pageSize": 3}
        token = {"syncToken": self.tokens["contacts"]} if "contacts" in self.tokens else {}
        persons, last = self.pages("/v1/people/me/connections", "connections", **params, **token)
        self.tokens["contacts"] = last["nextSyncToken"]
        for person in persons:
            metadata = person["metadata"]
            for old in metadata.pop("previousResourceNames", ()):
                self.contacts.pop(old, None)
            if metadata.get("deleted"):
                self.contacts.pop(person["resourceName"], None)
            else:
                self.contacts[person["resourceName"]] = person

    def sync_calendars(self) -> None:
        entries, _ = self.pages("/calendar/v3/users/me/calendarList", "items", showHidden="true")
        here = {entry["id"]: entry for entry in entries}
        self.calendars = {key: self.calendars.get(key, {}) for key in here}
        for key in here:
            self.sync_events(key)

    def sync_events(self, calendar: str) -> None:
        path, kept = f"/calendar/v3/calendars/{calendar}/events", self.calendars[calendar]
        token = {"syncToken": self.tokens[calendar]} if calendar in self.tokens and kept else {}
        response = self.site.ask("GET", path, self.user, params={"maxResults": 4, **token})
        if response.status_code == 410:
            self.calendars[calendar] = kept = {}
            token = {}
        events, last = self.pages(path, "items", maxResults=4, **token)
        self.tokens[calendar] = last["nextSyncToken"]
        for event in events:
            if event["status"] == "cancelled":
                kept.pop(event["id"], None)
            else:
                kept[event["id"]] = event

    def sync_files(self) -> None:
        drives, _ = self.pages("/drive/v3/drives", "drives")
        logs = ["", *(drive["id"] for drive in drives)]
        self.files = {key: file for key, file in self.files.items() if file.get("driveId", "") in logs}
        for drive in logs:
            self.sync_log(drive)

    def sync_log(self, drive: str) -> None:
        flags = {"supportsAllDrives": "true", "includeItemsFromAllDrives": "true"}
        flags |= {"driveId": drive} if drive else {}
        key = f"drive {drive}"
        known = any(file.get("driveId", "") == drive for file in self.files.values())
        if key not in self.tokens or (drive and not known):
            start = self.site.get("/drive/v3/changes/startPageToken", self.user, **flags)["startPageToken"]
            corpora = {"corpora": "drive"} if drive else {}
            files, _ = self.pages("/drive/v3/files", "files", pageSize=3, fields="*", **flags, **corpora)
            self.files |= {file["id"]: file for file in files}
        else:
            start = self.tokens[key]
        params = {"pageToken": start, "pageSize": 1000, "fields": "*"} | flags
        answer = self.site.get("/drive/v3/changes", self.user, **params)
        self.tokens[key] = answer["newStartPageToken"]
        for change in answer["changes"]:
            if change["changeType"] == "file":
                held = self.files.get(change["fileId"], {})
                if "file" in change:
                    self.files[change["fileId"]] = change["file"]
                elif held.get("driveId", "") == drive:
                    self.files.pop(change["fileId"], None)

    def sync_mail(self) -> None:
        base = "/gmail/v1/users/me/"
        if "mail" not in self.tokens:
            self.tokens["mail"] = self.site.get(base + "profile", self.user)["historyId"]
            listed, _ = self.pages(base + "messages", "messages", includeSpamTrash="true", maxResults=5)
            touched = {item["id"] for item in listed}
        else:
            records, last = self.pages(base + "history", "history", startHistoryId=self.tokens["mail"], maxResults=3)
            self.tokens["mail"] = last["historyId"]
            touched = {message["id"] for record in records for message in record["messages"]}
        for mail_id in touched:
            response = self.site.ask("GET", f"{base}messages/{mail_id}", self.user, params={"format": "minimal"})
            if response.status_code == 404:
                self.mails.pop(mail_id, None)
            else:
                self.mails[mail_id] = sorted(response.json().get("labelIds", []))


FIELDS = [
    "names",
    "emailAddresses",
    "phoneNumbers",
    "organizations",
    "birthdays",
    "biographies",
    "memberships",
    "metadata",
]  # all that the editor writes


@pytest.mark.parametrize("seed", range(4))
def test_following_the_feeds_leads_to_the_snapshot(site: Any, seed: int) -> None:
    world = site.world
    mirrors = [Mirror(site, user) for user in world.users.values()]
    editor = Editor(world, seed)
    for _ in range(6):
        for mirror in mirrors:
            mirror.sync()
        for _ in range(25):
            editor.random_edit()
            site.clock.advance(1)
    for mirror in mirrors:
        mirror.sync()
        user = mirror.user
        assert mirror.contacts == world.snapshot(user, "contacts")
        assert mirror.calendars == shown_to(world, user)
        truth = {key: without_moving_parts(file) for key, file in world.snapshot(user, "files").items()}
        assert {key: without_moving_parts(file) for key, file in mirror.files.items()} == truth
        assert mirror.mails == {key: mail["labelIds"] for key, mail in world.snapshot(user, "mail").items()}


def shown_to(world: GoogleWorld, user: Any) -> Any:
    """Readers see private events without details; the seeds make none."""
    return world.snapshot(user, "calendar")


def without_moving_parts(file: dict[str, Any]) -> dict[str, Any]:
    """Shared folders make these fields of files below change without an entry, as in the real service."""
    moving = ("contentSha256", "shared", "permissions", "permissionIds", "parents", "shortcutDetails")
    return {key: value for key, value in file.items() if key not in moving}


def test_a_rename_and_the_end_in_one_window_tell_the_former_name(site: Any) -> None:
    params = {"personFields": "names,metadata", "requestSyncToken": "true"}
    old = site.editor.add_contact(site.admin)
    token = site.get("/v1/people/me/connections", **params)["nextSyncToken"]
    new = site.editor.rename_contact(site.admin, old)
    site.editor.delete_contact(site.admin, new)
    (gone,) = site.get("/v1/people/me/connections", **params, syncToken=token)["connections"]
    assert (gone["resourceName"], gone["metadata"]["previousResourceNames"]) == (new, [old])
    assert gone["metadata"]["deleted"]


def test_called_off_occurrences_have_a_snapshot_of_their_own(site: Any) -> None:
    calendar = site.world.calendars.calendars[site.admin.address]
    gone = site.editor.cancel_instance(site.admin, calendar)
    assert gone["id"] in site.world.snapshot(site.admin, "cancelled_instances")[calendar.id]
    assert gone["id"] not in site.world.snapshot(site.admin, "calendar")[calendar.id]
    site.editor.delete_event(site.admin, calendar, gone["recurringEventId"])
    assert gone["id"] not in site.world.snapshot(site.admin, "cancelled_instances")[calendar.id]
