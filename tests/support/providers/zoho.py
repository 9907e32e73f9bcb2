"""Zoho in shared tests."""

from collections.abc import Callable, Mapping
from typing import Any

from syncd_simulator import SimClock
from syncd_simulator.zoho import Editor, ZohoWorld, demo_zoho, tiny_zoho, zoho_app
from syncd_zoho import ZohoConnector

from syncd.sdk import Connector

from .provider import START, Key, Kind, Provider

__all__ = ["Zoho"]

CRM = {"crm_contacts": "Contacts", "crm_leads": "Leads", "crm_events": "Events"}


class Zoho(Provider):
    name = "zoho"
    streams = {
        "contacts": {},
        "calendar": {"past": "120d", "future": "540d"},  # fewer windows of 30 days to ask for
        "files": {"shared": True},
        "mail": {},
        "crm_contacts": {},
        "crm_leads": {},
        "crm_events": {},
    }
    apis = {
        "contacts": "contacts",
        "calendar": "calendar",
        "files": "workdrive",
        "mail": "mail",
        **dict.fromkeys(CRM, "crm"),
    }
    secrets = frozenset({"client_secret", "refresh_token"})
    fields = {
        "contacts": ("first_name", "last_name", "emails", "company", "job_title", "phones"),
        "calendar": ("title", "isallday", "dateandtime", "location", "rrule", "etag"),
        "files": (),
        "mail": ("subject", "receivedTime", "folderId", "status", "flagid"),
        "crm_contacts": ("First_Name", "Last_Name", "Email", "Phone"),
        "crm_leads": ("Last_Name", "Company", "Email", "Lead_Status"),
        "crm_events": ("Event_Title", "Start_DateTime", "End_DateTime", "Venue"),
    }
    kinds = (
        Kind("contacts", "contacts.contacts"),
        Kind("contacts", "contacts.contacts", full=False),
        Kind("calendar", "calendar.calendars"),
        Kind("calendar", "calendar.events"),
        Kind("calendar", "calendar.events", full=False),
        Kind("files", "workdrive.files_list"),
        Kind("files", "workdrive.teams_workspaces"),
        Kind("mail", "mail.folders"),
        Kind("mail", "mail.messages_view"),
        Kind("mail", "mail.messages_view", full=False),
        Kind("crm_contacts", "crm.records_list"),
        Kind("crm_contacts", "crm.records_list", full=False),
        Kind("crm_contacts", "crm.records_deleted", full=False),
        Kind("crm_leads", "crm.records_list"),
        Kind("crm_leads", "crm.records_list", full=False),
        Kind("crm_events", "crm.records_list"),
        Kind("crm_events", "crm.records_list", full=False),
    )
    directory = "mail.organization_accounts"
    token = "accounts.token"
    hearsay = True

    def connector(self) -> Connector:
        return ZohoConnector()

    def tiny(self, seed: int, clock: SimClock | None = None) -> ZohoWorld:
        """In every other one the token reads the mail of all."""
        world = tiny_zoho(seed, clock or SimClock.manual(START))
        world.admin_reads_mail = seed % 2 == 1
        return world

    def small(self, seed: int) -> ZohoWorld:
        return tiny_zoho(seed, SimClock.manual(START))

    def shrink_pages(self, world: ZohoWorld) -> None:
        world.page_cap.update(contacts=4, mail=4, workdrive=4, crm=4)

    def edits(self, world: ZohoWorld, editor: Editor, stream: str) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
        return {
            "contacts": (editor.add_contact, editor.delete_contact),
            "calendar": (editor.add_event, editor.delete_event),
            "files": (editor.add_file, editor.delete_file),
            "mail": (editor.add_mail, editor.purge_mail),
            "crm_contacts": (editor.add_crm_contact, editor.delete_crm_contact),
            "crm_leads": (editor.add_crm_lead, editor.delete_crm_lead),
            "crm_events": (editor.add_crm_event, editor.delete_crm_event),
        }[stream]

    def ids(self, world: ZohoWorld, kind: Kind) -> set[str]:
        truth = self.expected(world, kind.stream)
        return {part for _, part, _ in truth if part} | {item for _, _, item in truth}

    def demo(self, seed: int, people: int) -> ZohoWorld:
        world = demo_zoho(seed, people=people)
        world.limits.enabled = False
        return world

    def app(self, world: ZohoWorld) -> Any:
        return zoho_app(world)

    def editor(self, world: ZohoWorld, seed: int) -> Editor:
        return Editor(world, seed)

    def settings(self, world: ZohoWorld, url: str) -> dict[str, Any]:
        return world.settings(url)

    def expected(self, world: ZohoWorld, stream: str) -> dict[Key, Mapping[str, Any]]:
        out: dict[Key, Mapping[str, Any]] = {}
        for user in world.users.values():
            truth = world.snapshot(user, "crm" if stream in CRM else stream)
            if stream in CRM:
                truth = {"": truth[CRM[stream]]} if truth else {}
            for partition, items in truth.items():
                shared = stream == "files" and partition
                out |= {("" if shared else user.address, partition, item_id): item for item_id, item in items.items()}
        return out

    def key(self, record: Mapping[str, Any]) -> Key:
        shared = record["stream"] == "files" and record["partition"]
        return ("" if shared else record["account"], record["partition"], record["source_id"])

    def item_differences(self, stream: str, truth: Mapping[str, Any], record: Mapping[str, Any]) -> list[str]:
        out = super().item_differences(stream, truth, record)
        if stream == "files":
            ours, theirs = (one["attributes"] for one in (record["data"], truth))
            names = ("name", "parent_id", "type", "modified_time_in_millisecond")
            out += [
                f"{name}: {ours.get(name)!r}, not {theirs[name]!r}"
                for name in names
                if str(ours.get(name)) != str(theirs[name])
            ]
        return out

    def expire(self, world: ZohoWorld, stream: str, user: Any) -> None:
        world.expire("crm" if stream in CRM else stream, user)

    def throttle(self, world: ZohoWorld, stream: str, **match: Any) -> None:
        world.faults.answer("throttle", api=self.apis[stream], **match)
