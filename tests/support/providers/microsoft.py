"""Microsoft 365 in shared tests."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from syncd_microsoft import MicrosoftConnector
from syncd_simulator import SimClock
from syncd_simulator.microsoft import Editor, MicrosoftWorld, demo_microsoft, microsoft_app, tiny_microsoft
from syncd_simulator.microsoft.recurrence import dates

from syncd.sdk import Connector

from .provider import START, Key, Kind, Provider

__all__ = ["Microsoft"]


class Microsoft(Provider):
    name = "microsoft"
    streams = {"contacts": {}, "calendar": {}, "files": {}, "mail": {}}
    apis = {"contacts": "contacts", "calendar": "calendar", "files": "drive", "mail": "mail"}
    secrets = frozenset({"client_secret"})
    fields = {
        "contacts": ("displayName", "givenName", "surname", "emailAddresses", "businessPhones", "companyName"),
        "calendar": ("subject", "start", "end", "isAllDay", "type", "seriesMasterId", "recurrence", "isCancelled"),
        "files": ("name", "file", "package"),
        "mail": ("parentFolderId", "subject", "isRead", "receivedDateTime", "internetMessageId", "categories", "flag"),
    }
    kinds = (
        Kind("contacts", "batch", everyone=True),
        Kind("contacts", "GET /users/{u}/contactFolders/{f}/contacts/delta"),
        Kind("contacts", "GET /users/{u}/contactFolders/{f}/contacts/delta", full=False),
        Kind("calendar", "batch", everyone=True),
        Kind("calendar", "GET /users/{u}/calendars/{c}/calendarView/delta"),
        Kind("calendar", "GET /users/{u}/calendars/{c}/calendarView/delta", full=False),
        Kind("files", "GET /drives/{d}/root/delta"),
        Kind("files", "GET /drives/{d}/root/delta", full=False),
        Kind("files", "batch", full=False, everyone=True),
        Kind("mail", "GET /users/{u}/mailFolders/delta"),
        Kind("mail", "GET /users/{u}/mailFolders/{f}/messages/delta"),
        Kind("mail", "GET /users/{u}/mailFolders/{f}/messages/delta", full=False),
        Kind("mail", "batch", everyone=True),
    )
    directory = "GET /users"
    token = "token"

    def connector(self) -> Connector:
        return MicrosoftConnector()

    def tiny(self, seed: int, clock: SimClock | None = None) -> MicrosoftWorld:
        return tiny_microsoft(seed, clock or SimClock.manual(START))

    def small(self, seed: int) -> MicrosoftWorld:
        world = MicrosoftWorld(seed, SimClock.manual(START))
        editor = Editor(world, seed)
        ada, grace = world.add_user("Ada", "Lovelace", admin=True), world.add_user("Grace", "Hopper")
        for user in (ada, grace):
            for _ in range(4):
                editor.add_contact(user)
                editor.add_event(user)
                editor.add_mail(user)
                editor.add_file(user)
            editor.add_series(user)
            editor.add_calendar(user)
            editor.add_contact_folder(user)
            editor.add_folder(user)
        return world

    def shrink_pages(self, world: MicrosoftWorld) -> None:
        world.page_cap.update(contacts=4, calendar=4, files=4, mail=4, directory=4)

    def edits(
        self, world: MicrosoftWorld, editor: Editor, stream: str
    ) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
        return {
            "contacts": (editor.add_contact, editor.delete_contact),
            "calendar": (editor.add_event, editor.delete_event),
            "files": (editor.add_file, editor.delete_file),
            "mail": (editor.add_mail, editor.purge_mail),
        }[stream]

    def ids(self, world: MicrosoftWorld, kind: Kind) -> set[str]:
        truths = [world.snapshot(user, kind.stream) for user in world.users.values()]
        items = {item for truth in truths for some in truth.values() for item in some}
        if "/messages/" in kind.method:  # a message names its folder: that is one of its texts
            return items
        return items | {partition for truth in truths for partition in truth}

    def demo(self, seed: int, people: int) -> MicrosoftWorld:
        return demo_microsoft(seed, people=people + 5)  # five of them are rooms, guests and the like

    def app(self, world: MicrosoftWorld) -> Any:
        return microsoft_app(world)

    def editor(self, world: MicrosoftWorld, seed: int) -> Editor:
        return Editor(world, seed)

    def settings(self, world: MicrosoftWorld, url: str) -> dict[str, Any]:
        return world.settings(url)

    def expected(self, world: MicrosoftWorld, stream: str) -> dict[Key, Mapping[str, Any]]:
        return {
            (user.address, partition, item_id): _near(world, item) if stream == "calendar" else item
            for user in world.users.values()
            for partition, items in world.snapshot(user, stream).items()
            for item_id, item in items.items()
            if stream != "calendar" or _in_window(world, item)
        }

    def counts(self, world: MicrosoftWorld, record: Mapping[str, Any]) -> bool:
        if record["stream"] != "calendar":
            return True
        return _in_window(world, record["data"]) and not self._invisible(world, record)

    @staticmethod
    def _invisible(world: MicrosoftWorld, record: Mapping[str, Any]) -> bool:
        """A series that lives and of which nothing is left to see: the last word of a calendar view on it stays."""
        user = next(one for one in world.users.values() if one.address == record["account"])
        item = world.snapshot(user, "calendar").get(record["partition"], {}).get(record["source_id"])
        return item is not None and not _in_window(world, item)

    def item_differences(self, stream: str, truth: Mapping[str, Any], record: Mapping[str, Any]) -> list[str]:
        if stream == "files":
            truth = {**truth, "contentSha256": None} if _is_notebook_part(truth) else truth
        out = super().item_differences(stream, truth, record)
        if stream == "calendar":
            wanted, found = (set(one.get("cancelledOccurrences") or ()) for one in (truth, record["data"]))
            out += [] if wanted <= found else [f"cancelled {sorted(found)}, not {sorted(wanted)}"]
        if stream == "files":
            wanted, found = (one.get("parentReference", {}).get("id") for one in (truth, record["data"]))
            out += [] if wanted == found else [f"parent {found}, not {wanted}"]
            if "file" in truth and record["data"].get("size") != truth["size"]:
                out.append(f"size {record['data'].get('size')}, not {truth['size']}")
        return out

    def throttle(self, world: MicrosoftWorld, stream: str, **match: Any) -> None:
        world.faults.answer("throttled", api=self.apis[stream], **match)


def _in_window(world: MicrosoftWorld, event: Mapping[str, Any]) -> bool:
    """Whether the calendar's window certainly covers an event: what lies beyond may be mirrored or not."""
    first, last = _window(world)
    start = event["start"]["dateTime"][:10]
    return _occurs(event, first, last) if event["type"] == "seriesMaster" else first <= start <= last


def _occurs(series: Mapping[str, Any], first: str, last: str) -> bool:
    """Whether a calendar view of the window shows anything of a series: one whose every date is cancelled is invisible."""
    cancelled = {one.rpartition(".")[2] for one in series.get("cancelledOccurrences") or ()}
    for day in dates(dict(series["recurrence"])):
        if str(day) > last:
            return False
        if str(day) >= first and str(day) not in cancelled:
            return True
    return False


def _near(world: MicrosoftWorld, event: Mapping[str, Any]) -> Mapping[str, Any]:
    """A series with those cancelled occurrences that lie in the window."""
    first, last = _window(world)
    cancelled = [one for one in event.get("cancelledOccurrences") or () if first <= one.rpartition(".")[2] <= last]
    return {**event, "cancelledOccurrences": cancelled} if "cancelledOccurrences" in event else event


def _window(world: MicrosoftWorld) -> tuple[str, str]:
    """Days a little inside of the window that the default options ask for."""
    now = datetime.fromtimestamp(world.clock.time(), UTC)
    return f"{now - timedelta(days=300):%Y-%m-%d}", f"{now + timedelta(days=700):%Y-%m-%d}"


def _is_notebook_part(item: Mapping[str, Any]) -> bool:
    """Parts of a OneNote notebook may never be had (§7); a folder's size and count change without an event of its own."""
    return "hashes" not in item.get("file", {}) or item["file"].get("mimeType") == "application/msonenote"
