"""Everything that a demonstration organisation can answer conforms to the discovery documents, after many edits too."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from syncd_simulator import Editor, GoogleWorld, User, demo_organisation, google_app, serve
from syncd_simulator.google.auth import KNOWN_SCOPES

from tests.support.discovery import DiscoveryWitness

FLAGS = {"supportsAllDrives": "true", "includeItemsFromAllDrives": "true"}


class Reader:
    """Reads all data of one user."""

    def __init__(self, world: GoogleWorld, http: httpx.Client, user: User) -> None:
        scopes = frozenset(scope for scope in KNOWN_SCOPES if not scope.endswith("gmail.metadata"))
        self.headers = {"Authorization": f"Bearer {world.credentials.issue(user, scopes)}"}
        self.http, self.user = http, user

    def get(self, path: str, **params: Any) -> Any:
        response = self.http.get(path, params=params, headers=self.headers)
        assert response.status_code == 200, response.text
        return response.json()

    def pages(self, path: str, **params: Any) -> Iterator[Any]:
        page: Any = {"nextPageToken": ""}
        while "nextPageToken" in page:
            token = {"pageToken": page["nextPageToken"]} if page["nextPageToken"] else {}
            page = self.get(path, **params, **token)
            yield page

    def people(self) -> None:
        for _ in self.pages("/v1/people/me/connections", personFields="names,metadata,birthdays", pageSize=50):
            pass
        self.get("/v1/contactGroups")

    def calendars(self) -> None:
        for page in self.pages("/calendar/v3/users/me/calendarList", showHidden="true", showDeleted="true"):
            for entry in page["items"]:
                if not entry.get("deleted"):
                    self.events(entry["id"])

    def events(self, calendar: str) -> None:
        path = f"/calendar/v3/calendars/{calendar}/events"
        for _ in self.pages(path, showDeleted="true", maxResults=50):
            pass
        for _ in self.pages(path, singleEvents="true", orderBy="startTime"):
            pass

    def files(self) -> None:
        for page in self.pages("/drive/v3/files", corpora="allDrives", fields="*", pageSize=50, **FLAGS):
            for file in page["files"][:3]:
                self.http.get(f"/drive/v3/files/{file['id']}", params={"alt": "media"}, headers=self.headers)
        for drive in self.get("/drive/v3/drives", fields="*")["drives"]:
            self.get(f"/drive/v3/drives/{drive['id']}", fields="*")

    def mails(self) -> None:
        for page in self.pages("/gmail/v1/users/me/messages", includeSpamTrash="true", maxResults=100):
            for mail in page.get("messages", ())[::9]:
                for form in ("full", "raw", "metadata", "minimal"):
                    self.get(f"/gmail/v1/users/me/messages/{mail['id']}", format=form)
        for label in self.get("/gmail/v1/users/me/labels")["labels"]:
            self.get(f"/gmail/v1/users/me/labels/{label['id']}")


@pytest.mark.parametrize("seed", [1, 2])
def test_every_answer_conforms(seed: int) -> None:
    world = demo_organisation(seed, people=7)
    editor = Editor(world, seed)
    for _ in range(600):
        editor.random_edit()
    witness = DiscoveryWitness(google_app(world))
    with serve(witness) as server, httpx.Client(base_url=server.url) as http:
        for user in [user for user in world.users.values() if not user.suspended]:
            reader = Reader(world, http, user)
            reader.people()
            reader.calendars()
            reader.files()
            if user.mailbox_setup:
                reader.mails()
        Reader(world, http, next(iter(world.users.values()))).get("/admin/directory/v1/users", customer="my_customer")
        page = {"personFields": "names", "pageSize": "2"}
        assert http.get("/v1/people/me/connections", params=page).status_code == 401
    assert witness.violations == []
    assert sum(witness.seen.values()) > 300
