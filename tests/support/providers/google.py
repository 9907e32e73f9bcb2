"""Google Workspace in shared tests."""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from syncd_google import GoogleConnector
from syncd_simulator import Editor, GoogleWorld, SimClock, demo_organisation, google_app, tiny_organisation

from syncd.sdk import Connector

from .provider import START, Key, Kind, Provider

__all__ = ["Google"]


class Google(Provider):
    name = "google"
    streams = {"contacts": {}, "calendar": {"calendars": "all"}, "files": {}, "mail": {}}
    apis = {"contacts": "people", "calendar": "calendar", "files": "drive", "mail": "gmail"}
    secrets = frozenset({"service_account"})
    fields = {
        "contacts": ("names", "emailAddresses", "phoneNumbers", "organizations", "biographies", "memberships"),
        "calendar": ("status", "summary", "start", "end", "recurrence", "recurringEventId", "location", "attendees"),
        "files": ("name", "mimeType", "parents", "trashed", "md5Checksum", "size", "driveId"),
        "mail": ("threadId", "internalDate"),
    }
    kinds = (
        Kind("contacts", "people.people.connections.list"),
        Kind("contacts", "people.people.connections.list", full=False),
        Kind("calendar", "calendar.calendarList.list"),
        Kind("calendar", "calendar.events.list"),
        Kind("calendar", "calendar.events.list", full=False),
        Kind("files", "drive.drives.list"),
        Kind("files", "drive.changes.getStartPageToken"),
        Kind("files", "drive.files.list"),
        Kind("files", "drive.changes.list", full=False),
        Kind("mail", "gmail.users.getProfile"),
        Kind("mail", "gmail.users.messages.list"),
        Kind("mail", "gmail.users.messages.get", plausible=("an id is",)),  # of its thread
        Kind("mail", "batch", everyone=True),
        Kind("mail", "gmail.users.history.list", full=False),
    )
    directory = "directory.users.list"
    token = "token"

    def connector(self) -> Connector:
        return GoogleConnector()

    def tiny(self, seed: int, clock: SimClock | None = None) -> GoogleWorld:
        return tiny_organisation(seed, clock or SimClock.manual(START))

    def small(self, seed: int) -> GoogleWorld:
        world = GoogleWorld(seed, SimClock.manual(START))
        editor = Editor(world, seed)
        ada, grace = world.add_user("Ada", "Lovelace", admin=True), world.add_user("Grace", "Hopper")
        for user in (ada, grace):
            for _ in range(4):
                editor.add_contact(user)
                editor.add_event(user)
                editor.add_mail(user)
                editor.add_file(user)
            editor.add_series(user)
            editor.add_calendar(user, "Second")
            editor.add_folder(user)
        drive = editor.add_drive(ada, grace, name="Company")
        for _ in range(3):
            editor.add_file(ada, drive)
        return world

    def shrink_pages(self, world: GoogleWorld) -> None:
        world.page_cap.update(people=4, calendar=4, drive=4, gmail=4)

    def edits(
        self, world: GoogleWorld, editor: Editor, stream: str
    ) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
        books = world.calendars.calendars
        return {
            "contacts": (editor.add_contact, editor.delete_contact),
            "calendar": (
                lambda user: editor.add_event(user, books[user.address]),
                lambda user: editor.delete_event(user, books[user.address]),
            ),
            "files": (editor.add_file, editor.delete_file),
            "mail": (editor.add_mail, editor.delete_mail),
        }[stream]

    def ids(self, world: GoogleWorld, kind: Kind) -> set[str]:
        found: set[str] = set()
        for user in world.users.values():
            truth = world.snapshot(user, kind.stream)
            found |= truth.keys()
            if kind.method == "calendar.events.list":
                found |= {event for events in truth.values() for event in events}
            if kind.method == "drive.drives.list":
                found |= {file["driveId"] for file in truth.values() if "driveId" in file}
        return found

    def raws(self, world: GoogleWorld, stream: str) -> set[str]:
        if stream != "mail":
            return set()
        mails = [mail.raw for user in world.users.values() for mail in user.mailbox.mails.values()]
        whole = {base64.urlsafe_b64encode(raw).decode() for raw in mails}
        return whole | {text.rstrip("=") for text in whole}

    def demo(self, seed: int, people: int) -> GoogleWorld:
        return demo_organisation(seed, people=people)

    def app(self, world: GoogleWorld) -> Any:
        return google_app(world)

    def editor(self, world: GoogleWorld, seed: int) -> Editor:
        return Editor(world, seed)

    def settings(self, world: GoogleWorld, url: str) -> dict[str, Any]:
        return {
            "service_account": json.dumps(world.key_file(f"{url}/token")),
            "admin": next(user.address for user in world.users.values() if user.is_admin),
            "endpoints": world.endpoints(url),
        }

    def sign_in(self, world: GoogleWorld, url: str, mark: str) -> dict[str, Any]:
        """Those of an installed app: a service account's key cannot be marked."""
        settings = {"client_id": world.client_id, "endpoints": world.endpoints(url)}
        return settings | {name: f"{mark}-{name}" for name in ("client_secret", "refresh_token")}

    def expected(self, world: GoogleWorld, stream: str) -> dict[Key, Mapping[str, Any]]:
        out: dict[Key, Mapping[str, Any]] = {}
        for user in world.users.values():
            if user.suspended:
                continue
            truth = world.snapshot(user, stream)
            if stream == "calendar":
                out |= {
                    (user.address, cal, one): event for cal, events in truth.items() for one, event in events.items()
                }
            elif stream == "files":
                for file_id, file in truth.items():
                    drive = file.get("driveId", "")
                    out[("" if drive else user.address, drive, file_id)] = file
            else:
                out |= {(user.address, "", item_id): item for item_id, item in truth.items()}
        return out

    def key(self, record: Mapping[str, Any]) -> Key:
        shared = record["stream"] == "files" and record["partition"]
        return ("" if shared else record["account"], record["partition"], record["source_id"])

    def counts(self, world: GoogleWorld, record: Mapping[str, Any]) -> bool:
        return not (record["stream"] == "calendar" and record["data"].get("status") == "cancelled")

    def item_differences(self, stream: str, truth: Mapping[str, Any], record: Mapping[str, Any]) -> list[str]:
        out = super().item_differences(stream, truth, record)
        data = record["data"]
        if stream == "mail" and sorted(data.get("labelIds", ())) != truth["labelIds"]:
            out.append(f"labels {data.get('labelIds')}, not {truth['labelIds']}")
        return out

    def expire(self, world: GoogleWorld, stream: str, user: Any) -> None:
        world.expire(self.apis[stream], user)

    def throttle(self, world: GoogleWorld, stream: str, **match: Any) -> None:
        world.faults.answer("rate_limit", api=self.apis[stream], **match)
