"""A simulated Zoho organisation: everything that the products answer from.

Public: ZohoWorld, User. All state lives in memory; whoever reads or changes it holds `world.lock`.
"""

import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from syncd_simulator.clock import SimClock
from syncd_simulator.zoho.datacentres import PRODUCTS
from syncd_simulator.zoho.faults import Faults
from syncd_simulator.zoho.limits import Limits
from syncd_simulator.zoho.requestlog import RequestLog
from syncd_simulator.zoho.tokens import Credentials
from syncd_simulator.zoho.wire import JSON

__all__ = ["DAY", "User", "ZohoWorld"]

DAY = 86400.0
API = "127.0.0.1"
DOWNLOADS = "127.0.0.2"
Part = TypeVar("Part")


@dataclass(eq=False)
class User:
    """A person of the organisation. `id` is the ZUID and never changes; `address` may."""

    id: str
    account_id: str
    address: str
    given: str
    family: str
    created: float
    is_admin: bool = False
    suspended: bool = False
    aliases: list[str] = field(default_factory=list)
    zone: str = "Europe/Madrid"

    @property
    def zuid(self) -> str:
        """Zoho's word for the id."""
        return self.id

    @property
    def name(self) -> str:
        """The full name."""
        return f"{self.given} {self.family}"


class ZohoWorld:
    """One organisation (`zoid`) in one data centre (`dc`), deterministic from `seed` and the clock's start.

    The first user added is the `owner` of the configured credential. Knobs: `page_cap[product]`, `limits`, `faults`,
    `credentials`, `admin_reads_mail`, `lastmodified`, `contacts_allowed`, `virtual_hosts`. Read-out: `requests`.
    """

    def __init__(
        self, seed: int = 0, clock: SimClock | None = None, domain: str = "acme.example", dc: str = "eu"
    ) -> None:
        self.seed = seed
        self.clock = clock or SimClock()
        self.domain = domain
        self.dc = dc
        self.rng = random.Random(f"zoho {seed}")
        self.lock = threading.RLock()
        self.base = self.clock.time() // DAY * DAY  # midnight of the day on which the world began
        self._last_id = self.rng.randrange(4 * 10**18, 5 * 10**18) | 1
        self.zoid = self.new_id()
        self.users: dict[str, User] = {}
        self.addresses: dict[str, User] = {}
        self.owner_id = ""
        self.limits = Limits(self.clock)
        self.credentials = Credentials(self)
        self.faults = Faults(self.clock, seed)
        self.requests = RequestLog()
        self.page_cap: dict[str, int] = {}
        self.admin_reads_mail = False
        self.mail_counter: Counter[tuple[str, str, str]] = Counter()
        self.mail_block = 60.0  # seconds that Mail refuses after its limit was passed (§4.7 leaves it open)
        self.mail_throttle_status = 429
        self.mail_old_shapes = False  # the types of the old samples (§4.1 to §4.3)
        self.org_start = 0  # the number of the first row of organisation users: 0 or 1 (§4.2)
        self.org_single_object = True  # one organisation user comes as an object
        self.lastmodified = "supported"  # or "ignored", "rejected" (§5.4)
        self.all_day_end = "inclusive"  # or "exclusive" (§5.3)
        self.empty_events_message = False  # an empty list has one row with words only (§5.2)
        self.contacts_allowed: set[str] = set()  # "org", addresses of other users (§6.1)
        self.virtual_hosts = False  # endpoints with a prefix per data centre and product, instead of plain roots
        self._parts: dict[str, Any] = {}
        self.on_expire: dict[str, Callable[[User], None]] = {}

    # -- parts ----------------------------------------------------------------------------------------------------

    def part(self, name: str, make: "Callable[[ZohoWorld], Part]") -> Part:
        """The state of one product, made by its module at the first use: `world.part("crm", CrmStore)`."""
        if name not in self._parts:
            self._parts[name] = make(self)
        found: Part = self._parts[name]
        return found

    def new_id(self) -> str:
        """19 digits, odd (no float holds it), growing, unique in this world (§9.9)."""
        self._last_id += 2 * self.rng.randrange(1, 500)
        return str(self._last_id)

    def now(self) -> float:
        """The world's time."""
        return self.clock.time()

    def millis(self) -> int:
        """The world's time in milliseconds, as most products write instants."""
        return int(self.clock.time() * 1000)

    def capped(self, product: str, size: int) -> int:
        """A page size after `page_cap`."""
        return min(size, self.page_cap.get(product, size))

    # -- users ----------------------------------------------------------------------------------------------------

    def add_user(self, given: str, family: str, address: str | None = None, admin: bool = False) -> User:
        """A new person; the first one owns the credential."""
        address = address or f"{given}.{family}@{self.domain}".lower()
        user = User(self.new_id(), self.new_id(), address, given, family, self.now(), admin)
        self.users[user.id] = user
        self.addresses[address] = user
        self.owner_id = self.owner_id or user.id
        return user

    @property
    def owner(self) -> User:
        """Whose data the configured credential reads."""
        return self.users[self.owner_id]

    def rename_user(self, user: User, address: str) -> None:
        """The primary address changes, the old one becomes an alias; the ids stay."""
        user.aliases = [*[alias for alias in user.aliases if alias != address], user.address]
        user.address = address
        self.addresses[address] = user

    def suspend_user(self, user: User, suspended: bool = True) -> None:
        """Suspend or restore: listed as not enabled."""
        user.suspended = suspended

    def delete_user(self, user: User) -> None:
        """Gone from every listing; tokens of that user die."""
        del self.users[user.id]
        for address in (user.address, *user.aliases):
            self.addresses.pop(address, None)
        self.credentials.expire_tokens(user)

    def user(self, key: str) -> User:
        """By ZUID, primary address or alias; KeyError when there is none."""
        found = self.users.get(key) or self.addresses.get(key.lower())
        if found is None:
            raise KeyError(key)
        return found

    # -- doors ----------------------------------------------------------------------------------------------------

    def expire(self, kind: str, user: User | str) -> None:
        """Cursors of that user in `kind` die (CRM page tokens; the other kinds have none), and access tokens."""
        who = self.user(user) if isinstance(user, str) else user
        self.credentials.expire_tokens(who)
        hook = self.on_expire.get(kind)
        if hook is not None:
            hook(who)

    def snapshot(self, user: User | str, kind: str) -> dict[str, dict[str, JSON]]:
        """The truth that a mirror must show: partition → source id → item, of one kind of one user (snapshot.py)."""
        from syncd_simulator.zoho.snapshot import snapshot  # which needs this module

        with self.lock:
            return snapshot(self, self.user(user) if isinstance(user, str) else user, kind)

    def endpoints(self, base_url: str, dc: str | None = None) -> dict[str, str]:
        """The `endpoints` of a connection; with `dc` those of another data centre (`<root>/ca`)."""
        root = base_url.rstrip("/")
        place = f"/{dc or self.dc}" if dc or self.virtual_hosts else ""
        found = {
            product: f"{root}{place}/{product}" if self.virtual_hosts else f"{root}{place}" for product in PRODUCTS
        }
        found["download"] = found["download"].replace(f"//{API}:", f"//{DOWNLOADS}:", 1)
        return found

    def settings(self, base_url: str) -> JSON:
        """The `settings` of a connection, secrets in clear."""
        return {
            "data_center": self.dc,
            "client_id": self.credentials.client_id,
            "client_secret": self.credentials.client_secret,
            "refresh_token": self.credentials.refresh_token(self.owner),
            "endpoints": self.endpoints(base_url),
        }
