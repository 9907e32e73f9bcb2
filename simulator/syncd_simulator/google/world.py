"""A simulated Google Workspace organisation: everything that the APIs answer from.

Public: GoogleWorld, User. All state lives in memory; whoever reads or changes it holds `world.lock`.
"""

import random
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from syncd_simulator.clock import SimClock, rfc3339
from syncd_simulator.google.auth import Credentials
from syncd_simulator.google.calendars import CalendarStore, UserCalendars
from syncd_simulator.google.contacts import ContactBook
from syncd_simulator.google.faults import Faults
from syncd_simulator.google.files import DriveStore
from syncd_simulator.google.groups import GroupBook
from syncd_simulator.google.mailbox import Mailbox
from syncd_simulator.google.quotas import Quotas
from syncd_simulator.google.requestlog import RequestLog
from syncd_simulator.google.snapshot import snapshot
from syncd_simulator.google.wire import JSON

APIS = ("people", "calendar", "drive", "gmail", "admin")
DAY = 86400.0
UNDELETE_DAYS = 20  # §8: how long a deleted user is remembered


@dataclass
class User:
    """A person of the organisation. `id` never changes; `address` may."""

    id: str
    address: str
    given: str
    family: str
    created: float
    is_admin: bool = False
    is_delegated_admin: bool = False
    suspended: bool = False
    archived: bool = False
    deleted_at: float | None = None
    aliases: list[str] = field(default_factory=list)
    mailbox_setup: bool = True
    calendar_enabled: bool = True
    org_unit: str = "/"
    title: str = ""
    version: int = 1
    contacts: ContactBook = field(default_factory=ContactBook)
    other_contacts: ContactBook = field(default_factory=lambda: ContactBook("OTHER_CONTACT"))
    groups: GroupBook = field(default_factory=GroupBook)
    calendars: UserCalendars = field(default_factory=UserCalendars)
    mailbox: Mailbox = field(default_factory=Mailbox)

    @property
    def name(self) -> str:
        """The full name."""
        return f"{self.given} {self.family}"


class GoogleWorld:
    """One organisation with its users and their data, deterministic from `seed` and the clock's start.

    Knobs that tests turn: `granted_scopes` (None = every scope), `page_cap[api]`, `delay[api]` (seconds until a
    change shows up in that API's feed), `quotas`, `faults`, `empty_event_pages`, `trash_entries_for_children`,
    `gmail_history_life`. Read-outs: `requests`, `mail_counter`.
    """

    def __init__(self, seed: int = 0, clock: SimClock | None = None, domain: str = "acme.example") -> None:
        self.seed = seed
        self.clock = clock or SimClock()
        self.domain = domain
        self.rng = random.Random(f"world {seed}")
        self.lock = threading.RLock()
        self.base = self.clock.time() // DAY * DAY  # midnight of the day on which the world began
        self.customer_id = "C0" + format(self.rng.getrandbits(34), "x")[:7]
        self.users: dict[str, User] = {}
        self.deleted_users: dict[str, User] = {}
        self.addresses: dict[str, User] = {}
        self.directory_people = ContactBook("DOMAIN_PROFILE")
        self.calendars = CalendarStore()
        self.drive = DriveStore(self.rng)
        self.credentials = Credentials(self)
        self.faults = Faults(self.clock, seed)
        self.quotas = Quotas(self.clock)
        self.requests = RequestLog()
        self.mail_counter: Counter[tuple[str, str, str]] = Counter()
        self.page_cap: dict[str, int] = {}
        self.delay: dict[str, float] = {}
        self.disabled_apis: set[str] = set()
        self.empty_event_pages = False
        self.trash_entries_for_children = True
        self.gmail_history_life = 7 * DAY
        self.epochs: Counter[tuple[str, str]] = Counter()
        self.robot = User(
            "0", self.credentials.account.email, "Service", "Account", self.now(),
            mailbox_setup=False, calendar_enabled=False,
        )  # fmt: skip
        self.drive.open_user(self.robot.id, self.now())
        self.batches = 0

    # -- users ----------------------------------------------------------------------------------------------

    def add_user(self, given: str, family: str, address: str | None = None, *, admin: bool = False) -> User:
        """A new person with an empty mailbox, drive, address book and a primary calendar."""
        address = address or f"{given}.{family}@{self.domain}".lower()
        user = User(
            id="1" + format(self.rng.randrange(10**20), "020d"),
            address=address, given=given, family=family, created=self.clock.time(), is_admin=admin,
        )  # fmt: skip
        self.users[user.id] = user
        self.addresses[address] = user
        self.calendars.open_primary(user, self.now())
        self.drive.open_user(user.id, self.now())
        user.mailbox.start(self.rng.getrandbits(24) + 1000)
        self._publish(user)
        return user

    def rename_user(self, user: User, address: str) -> None:
        """§8: the primary address changes, the old one becomes an alias; the id stays."""
        user.aliases = [*[alias for alias in user.aliases if alias != address], user.address]
        self.calendars.rename_owner(user, address, list(self.users.values()), self.now())
        user.address = address
        self.addresses[address] = user
        self.touch_user(user)

    def suspend_user(self, user: User, suspended: bool = True) -> None:
        """Suspend or restore: no tokens for a suspended user."""
        user.suspended = suspended
        self.touch_user(user)

    def delete_user(self, user: User) -> None:
        """Gone from the listing; `showDeleted=true` shows it for 20 days."""
        user.deleted_at = self.now()
        del self.users[user.id]
        self.deleted_users[user.id] = user
        for address in (user.address, *user.aliases):
            self.addresses.pop(address, None)
        self.directory_people.delete(f"people/{user.id}", self.now())

    def touch_user(self, user: User) -> None:
        """A directory field changed: new etag, and the directory profile follows."""
        user.version += 1
        self._publish(user)

    def user(self, key: str) -> User:
        """By id, primary address or alias; KeyError when there is none."""
        found = self.users.get(key) or self.addresses.get(key.lower())
        if found is None:
            raise KeyError(key)
        return found

    def recently_deleted(self) -> list[User]:
        """Deleted users that can still be restored."""
        oldest = self.now() - UNDELETE_DAYS * DAY
        return [user for user in self.deleted_users.values() if (user.deleted_at or 0) >= oldest]

    def _publish(self, user: User) -> None:
        values: JSON = {
            "names": [{"givenName": user.given, "familyName": user.family}],
            "emailAddresses": [{"value": user.address, "type": "work"}],
        }
        if user.title:
            values["organizations"] = [{"title": user.title, "name": self.domain}]
        self.directory_people.put(f"people/{user.id}", values, self.now())

    # -- time, cursors ----------------------------------------------------------------------------------------

    def now(self) -> float:
        """The world's time."""
        return self.clock.time()

    def stamp(self) -> str:
        """The world's time as RFC 3339."""
        return rfc3339(self.now())

    def epoch(self, api: str, user: User) -> int:
        """How often the cursors of (api, user) were expired; tokens carry it."""
        return self.epochs[api, user.id]

    def expire(self, api: str, user: User | str) -> None:
        """Invalidate every cursor of `api` that this user holds now.

        People: 400 EXPIRED_SYNC_TOKEN; calendar (events and calendarList): 410 fullSyncRequired;
        drive (user log and the logs of the user's shared drives): 400 invalid pageToken; gmail: 404 on history.
        """
        who = self.user(user) if isinstance(user, str) else user
        self.epochs[api, who.id] += 1
        if api == "gmail":
            who.mailbox.expire_history()
        if api == "drive":
            for log in self.drive.logs_of(who.id):
                log.expire()

    def capped(self, api: str, size: int) -> int:
        """A page size after `page_cap`."""
        return min(size, self.page_cap.get(api, size))

    def snapshot(self, user: User | str, kind: str) -> dict[str, Any]:
        """The truth that a mirror must show: `contacts`, `calendar`, `files` or `mail` of one user.

        `cancelled_instances`: occurrences of living series that were called off, which a mirror may keep too.
        """
        with self.lock:
            return snapshot(self, self.user(user) if isinstance(user, str) else user, kind)

    # -- credentials ------------------------------------------------------------------------------------------

    @property
    def granted_scopes(self) -> set[str] | None:
        """Scopes granted to the service account for domain-wide delegation; None means all."""
        return self.credentials.granted_scopes

    @granted_scopes.setter
    def granted_scopes(self, value: set[str] | None) -> None:
        self.credentials.granted_scopes = value

    def key_file(self, token_uri: str) -> JSON:
        """A service-account key file whose key signs assertions that this world accepts."""
        return self.credentials.key_file(token_uri)

    @property
    def client_id(self) -> str:
        """The installed app's client id."""
        return self.credentials.client_id

    @property
    def client_secret(self) -> str:
        """The installed app's client secret."""
        return self.credentials.client_secret

    def refresh_token(self, user: User | str, scopes: list[str] | None = None) -> str:
        """A refresh token of the installed app for one user."""
        return self.credentials.grant(self.user(user) if isinstance(user, str) else user, scopes)

    def endpoints(self, base_url: str) -> dict[str, str]:
        """The `endpoints` mapping of a google connection: API roots, and the full token URL."""
        root = base_url.rstrip("/")
        return dict.fromkeys(APIS, root) | {"token": f"{root}/token"}
