"""Google Workspace in shared tests."""

import json
from collections.abc import Mapping
from typing import Any

from syncd_google import GoogleConnector
from syncd_simulator import Editor, GoogleWorld, SimClock, demo_organisation, google_app, tiny_organisation

from syncd.sdk import Connector

from .provider import START, Key, Provider

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

    def connector(self) -> Connector:
        return GoogleConnector()

    def tiny(self, seed: int, clock: SimClock | None = None) -> GoogleWorld:
        return tiny_organisation(seed, clock or SimClock.manual(START))

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

    def counts(self, record: Mapping[str, Any]) -> bool:
        return not (record["stream"] == "calendar" and record["data"].get("status") == "cancelled")

    def item_differences(self, stream: str, truth: Mapping[str, Any], record: Mapping[str, Any]) -> list[str]:
        out = super().item_differences(stream, truth, record)
        data = record["data"]
        if stream == "mail" and sorted(data.get("labelIds", ())) != truth["labelIds"]:
            out.append(f"labels {data.get('labelIds')}, not {truth['labelIds']}")
        return out

    def throttle(self, world: GoogleWorld, stream: str, **match: Any) -> None:
        world.faults.answer("rate_limit", api=self.apis[stream], **match)
