"""A simulated Microsoft 365 organisation: everything that Graph answers from.

Public: MicrosoftWorld, User, Touch. All state lives in memory; whoever reads or changes it holds `world.lock`.

The calendar and drive parts plug in through parts.py. Every change of data calls `world.touch(user, kind, key, what)`,
which gives it the next sequence number: the version to remember in feeds, and what `world.change_key(number)` makes
etags of.
"""

import base64
import hashlib
import random
import threading
import uuid
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from syncd_simulator.clock import SimClock
from syncd_simulator.microsoft import parts
from syncd_simulator.microsoft.auth import Credentials
from syncd_simulator.microsoft.delta import DeltaStore, Quirks
from syncd_simulator.microsoft.faults import Faults
from syncd_simulator.microsoft.mailbox import Mailbox
from syncd_simulator.microsoft.quotas import Quotas
from syncd_simulator.microsoft.requestlog import RequestLog
from syncd_simulator.microsoft.snapshot import snapshot
from syncd_simulator.microsoft.subscription_store import Subscriptions
from syncd_simulator.microsoft.wire import JSON

__all__ = ["MicrosoftWorld", "Touch", "User"]

DAY = 86400.0
GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"  # §9
EVERYTHING = {
    "Contacts.ReadWrite", "Calendars.ReadWrite", "Mail.ReadWrite", "Files.ReadWrite.All", "Sites.Read.All",
    "User.Read.All", "Directory.Read.All", "RoleManagement.Read.Directory", "MailboxSettings.Read",
    "Organization.Read.All",
}  # fmt: skip


class Touch(NamedTuple):
    """One change of a user's data: what change notifications are made of."""

    number: int
    kind: str  # contacts, calendar, files, mail, directory
    key: str
    what: str  # created, updated, deleted
    moment: float


@dataclass
class User:
    """A person (or a room, or a shared mailbox) of the organisation. `id` never changes; `address` may.

    `mailbox_trouble`: None, or how Exchange refuses: "not_enabled" (§10: two codes by turns), "invalid_user",
    "access_policy". `drive_trouble`: None, or one of the variants of §10: "mysite_404", "mysite_400", "unknown_400",
    "file_not_found", "mysite_429", "first_access_401", "no_spo_license", "locked".
    """

    id: str
    address: str
    given: str
    family: str
    created: float
    is_admin: bool = False
    account_enabled: bool = True
    guest: bool = False
    purpose: str = "user"  # of the mailbox: user, shared, room, equipment
    licences: list[str] = field(default_factory=list)
    mailbox_trouble: str | None = None
    drive_trouble: str | None = None
    title: str | None = None
    department: str | None = None
    mobile: str | None = None
    deleted_at: float | None = None
    version: int = 0
    troubled: int = 0  # how often the mailbox was refused: codes alternate
    mailbox: Mailbox = field(default_factory=Mailbox)
    calendars: Any = None
    drive: Any = None
    changes: deque[Touch] = field(default_factory=lambda: deque(maxlen=10_000))

    @property
    def name(self) -> str:
        """The display name."""
        return f"{self.given} {self.family}".strip()

    @property
    def suspended(self) -> bool:
        """Sign-in is blocked; shared mailboxes and rooms are always like that and do not count."""
        return not self.account_enabled and self.purpose == "user"

    @property
    def has_mailbox(self) -> bool:
        """Whether Exchange answers for this user."""
        return self.mailbox_trouble is None


class MicrosoftWorld:
    """One tenant with its users and their data, deterministic from `seed` and the clock's start.

    Knobs: `permissions` (application permissions), `page_cap[kind]`, `quirks` and `delta` (see delta.py), `quotas`,
    `faults`, `graph_root` (the cloud whose scope the token host wants, beside the root that is asked), `concurrency`
    (requests at once per mailbox), `latency` (seconds that every answer takes), `back_and_forth` (§8: a message that
    left a folder and came back stays missing there), `contacts_by_name` (§5, §19: whether the default contact folder answers
    to its well-known name; 400 otherwise), `batch_page` (so many responses at a time). Read-outs: `requests`, `most_at_once[user id]`,
    `mail_counter[user id, message id]`, `outbox` (mails that writing sent), `subscriptions` (see subscription_store.py).
    """

    def __init__(self, seed: int = 0, clock: SimClock | None = None, domain: str = "contoso.example") -> None:
        self.seed = seed
        self.clock = clock or SimClock()
        self.domain = domain
        self.rng = random.Random(f"microsoft {seed}")
        self.lock = threading.RLock()
        self.base = self.clock.time() // DAY * DAY  # midnight of the day on which the world began
        self.tenant = self.guid()
        self.organisation = "Contoso"
        self.users: dict[str, User] = {}
        self.deleted_users: dict[str, User] = {}
        self.addresses: dict[str, User] = {}
        self.purged_users: set[str] = set()
        self.permissions: set[str] = set(EVERYTHING)
        self.graph_root = "https://graph.microsoft.com"
        self.quirks = Quirks()
        self.delta = DeltaStore()
        self.page_cap: dict[str, int] = {}
        self.concurrency = 4
        self.latency = 0.0
        self.back_and_forth = False
        self.contacts_by_name = True
        self.credentials = Credentials(self)
        self.faults = Faults(self.clock, seed)
        self.faults.world = self
        self.quotas = Quotas(self.clock)
        self.requests = RequestLog()
        self.most_at_once: Counter[str] = Counter()
        self.mail_counter: Counter[tuple[str, str]] = Counter()
        self.outbox: list[JSON] = []
        self.roles = {GLOBAL_ADMINISTRATOR: self.guid()}
        self.role_members: list[JSON] = [
            {"@odata.type": "#microsoft.graph.servicePrincipal", "id": self.guid(), "displayName": "Backup service"},
        ]
        self.epochs: Counter[tuple[str, str]] = Counter()
        self.sequence = 0
        self.batches = 0
        self.batch_page: int | None = None
        self._last_ids: dict[str, str] = {}
        self.page_tokens: dict[str, tuple[str, int]] = {}
        self.in_flight: Counter[str] = Counter()
        self.subscriptions = Subscriptions(self)
        self.sites = parts.open_sites(self)

    # -- users ----------------------------------------------------------------------------------------------------

    def add_user(
        self, given: str, family: str, address: str | None = None, *, admin: bool = False, guest: bool = False,
        purpose: str = "user", licensed: bool = True,
    ) -> User:  # fmt: skip
        """A new person with an empty mailbox, calendar and drive; guests and the unlicensed have none of them."""
        address = address or f"{given}.{family}@{self.domain}".lower().replace(" ", "")
        user = User(self.guid(), address, given, family, self.now(), is_admin=admin, guest=guest, purpose=purpose)
        if guest:
            user.address = address = f"{address.replace('@', '_')}#EXT#@{self.domain}"
        if licensed and not guest and purpose == "user":
            user.licences = ["05e9a617-0261-4cee-bb44-138d3ef5d965"]
        if guest or not licensed:
            user.mailbox_trouble, user.drive_trouble = "not_enabled", "mysite_404"
        if purpose != "user":
            user.account_enabled, user.drive_trouble = False, "mysite_404"
        self.users[user.id] = user
        self.addresses[address.lower()] = user
        user.mailbox.open(self)
        user.calendars = parts.open_calendars(self, user)
        user.drive = parts.open_drive(self, user)
        self.touch_user(user, "created")
        return user

    def rename_user(self, user: User, address: str) -> None:
        """Another userPrincipalName and mail; the id stays."""
        self.addresses.pop(user.address.lower(), None)
        user.address = address
        self.addresses[address.lower()] = user
        self.touch_user(user)

    def suspend_user(self, user: User, suspended: bool = True) -> None:
        """accountEnabled false: sign-in is blocked, the data stays (§9)."""
        user.account_enabled = not suspended
        self.touch_user(user)

    def delete_user(self, user: User, *, purge: bool = False) -> None:
        """To the recycle bin (`@removed` "changed"), or for good with `purge` ("deleted")."""
        if user.id in self.users:
            del self.users[user.id]
            self.addresses.pop(user.address.lower(), None)
            user.deleted_at = self.now()
            self.deleted_users[user.id] = user
        if purge:
            del self.deleted_users[user.id]
            self.purged_users.add(user.id)
        self.touch_user(user, "deleted")

    def restore_user(self, user: User) -> None:
        """Out of the recycle bin, with everything."""
        del self.deleted_users[user.id]
        user.deleted_at = None
        self.users[user.id] = user
        self.addresses[user.address.lower()] = user
        self.touch_user(user)

    def touch_user(self, user: User, what: str = "updated") -> None:
        """A directory field changed."""
        user.version = self.touch(user, "directory", user.id, what)

    def user(self, key: str) -> User:
        """By id or userPrincipalName; KeyError when there is none."""
        found = self.users.get(key) or self.addresses.get(key.lower())
        if found is None:
            raise KeyError(key)
        return found

    # -- changes, ids ---------------------------------------------------------------------------------------------

    def touch(self, user: User | None, kind: str, key: str, what: str = "updated") -> int:
        """Something changed: the next sequence number, noted in the user's list of changes."""
        self.sequence += 1
        made = Touch(self.sequence, kind, key, what, self.now())
        self.subscriptions.note(user, made)
        if user is not None:
            user.changes.append(made)
        return self.sequence

    def change_key(self, number: int) -> str:
        """The changeKey of a version; its etag is `W/"<changeKey>"`."""
        digest = hashlib.blake2b(f"{self.seed} {number}".encode(), digest_size=18).digest()
        return "CQAAABYAAA" + base64.b64encode(digest).decode()

    def guid(self) -> str:
        """A random GUID."""
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))

    def new_id(self, prefix: str = "AAMkAG") -> str:
        """An id of Exchange's looks; now and then one that differs from the one before in letter case only (§1)."""
        last = self._last_ids.pop(prefix, None)
        if last is not None and self.rng.random() < 0.06:
            return prefix + last[len(prefix) :].swapcase()
        made = self._last_ids[prefix] = prefix + base64.urlsafe_b64encode(self.rng.randbytes(51)).decode() + "AAA="
        return made

    # -- requests in flight ---------------------------------------------------------------------------------------

    def enter(self, mailbox: str | None, count: int = 1) -> None:
        """So many more requests of this mailbox are under way."""
        if mailbox is not None:
            self.in_flight[mailbox] += count
            self.most_at_once[mailbox] = max(self.most_at_once[mailbox], self.in_flight[mailbox])

    def leave(self, mailbox: str | None, count: int = 1) -> None:
        """So many are answered."""
        if mailbox is not None:
            self.in_flight[mailbox] -= count

    # -- time, cursors --------------------------------------------------------------------------------------------

    def now(self) -> float:
        """The world's time."""
        return self.clock.time()

    def stamp(self, moment: float | None = None) -> str:
        """An instant as Graph writes it: whole seconds and Z."""
        return f"{datetime.fromtimestamp(self.now() if moment is None else moment, UTC):%Y-%m-%dT%H:%M:%SZ}"

    def epoch(self, kind: str, owner: str) -> int:
        """How often the cursors of (kind, owner) were expired; links carry it. `owner` "" is the tenant."""
        return self.epochs[kind, owner]

    def expire(self, kind: str, user: User | str | None = None) -> None:
        """Every cursor that this user has in `kind` (contacts, calendar, files, mail) dies; directory: the tenant's."""
        who = self.user(user) if isinstance(user, str) else user
        self.epochs[kind, who.id if who and kind != "directory" else ""] += 1

    def snapshot(self, user: User | str, kind: str) -> dict[str, dict[str, JSON]]:
        """The truth that a mirror must show: {partition: {id: item}} of contacts, calendar, files or mail."""
        with self.lock:
            return snapshot(self, self.user(user) if isinstance(user, str) else user, kind)

    # -- credentials ----------------------------------------------------------------------------------------------

    def settings(self, url: str) -> JSON:
        """The settings of a connection to this world, served at `url`."""
        return {
            "tenant": self.tenant, "client_id": self.credentials.client_id,
            "client_secret": self.credentials.client_secret, "endpoints": {"login": url, "graph": url},
        }  # fmt: skip

    def certificate(self) -> JSON:
        """`private_key` and `certificate` (PEM) that the app is registered with."""
        return self.credentials.certificate()

    def refresh_token(self, user: User | str) -> str:
        """A refresh token that one user's sign-in gave."""
        return self.credentials.grant(self.user(user) if isinstance(user, str) else user)
