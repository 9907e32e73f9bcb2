"""State of the CRM: records by module, the recycle bin, page tokens, side effects and push channels (zoho.md §8).

Public: CrmStore (`CrmStore.of(world)`), Record, Deleted, Table. Times inside are instants, lookups and owners are ids;
crm_view.py gives them their look. Modification times count in whole seconds, as on the wire.
"""

import random
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from syncd_simulator.zoho.crm_fields import MODULES, Field, standard_fields
from syncd_simulator.zoho.wire import JSON

if TYPE_CHECKING:
    from syncd_simulator.zoho.world import User, ZohoWorld

__all__ = ["DAY", "Channel", "CrmStore", "Deleted", "PageToken", "Record", "Table"]

DAY = 86400.0
RECYCLED, PERMANENT = 60 * DAY, 120 * DAY  # §8.2: how long `/deleted` remembers
BUDGET = 60_000  # credits in a rolling day


@dataclass(slots=True)
class Record:
    """One record of a module; `values` holds what its fields hold, without the system's own."""

    id: str
    values: JSON
    created: float
    modified: float
    creator: str  # user ids
    modifier: str
    approved: bool = True
    converted: bool = False
    locked: bool = False
    in_blueprint: bool = False

    @property
    def second(self) -> int:
        """The time of modification as far as the wire tells it."""
        return int(self.modified)


@dataclass(slots=True)
class Deleted:
    """An entry of `/deleted`, with the record while it can be restored."""

    record: Record
    at: float
    by: str | None
    name: str | None
    kind: str = "recycle"


@dataclass(slots=True)
class PageToken:
    """Where a walk goes on. `digest`: the parameters it is bound to; `count`: records already shown."""

    user: str
    digest: str
    after: tuple[int, str]
    count: int
    page: int
    expires: float


@dataclass
class Channel:
    """A push subscription (§8.8)."""

    id: str
    user: str
    events: dict[str, set[str]]  # module -> operations
    expires: float
    url: str
    token: str | None
    values: bool = False
    related: bool = False


class Table:
    """The records of one module with the orders in which they are read."""

    def __init__(self, module: str, fields: dict[str, Field]) -> None:
        self.module, self.fields = module, fields
        self.records: dict[str, Record] = {}
        self.bin: dict[str, Deleted] = {}
        self.ids: list[tuple[int, str]] = []
        self.by_modified: list[tuple[int, str]] = []
        self._found: dict[str, dict[str, set[str]]] = {name: {} for name in MODULES[module].checks}

    def index(self, name: str) -> None:
        """From now on records are found by this field."""
        self._found[name] = {}
        for record in self.records.values():
            self._file(record, name)

    def _file(self, record: Record, name: str) -> None:
        if (value := record.values.get(name)) is not None:
            self._found[name].setdefault(str(value).casefold(), set()).add(record.id)

    def put(self, record: Record) -> None:
        """A record that is new here."""
        self.records[record.id] = record
        insort(self.ids, (0, record.id))
        insort(self.by_modified, (record.second, record.id))
        for name in self._found:
            self._file(record, name)

    def take(self, record: Record) -> None:
        """Out of the module."""
        del self.records[record.id]
        del self.ids[bisect_left(self.ids, (0, record.id))]
        del self.by_modified[bisect_left(self.by_modified, (record.second, record.id))]
        for name, found in self._found.items():
            found.get(str(record.values.get(name)).casefold(), set()).discard(record.id)

    def change(self, record: Record, values: JSON, by: str, now: float) -> None:
        """New values of some fields; None clears one."""
        self.take(record)
        kept = {name: value for name, value in (record.values | values).items() if value is not None}
        record.values, record.modified, record.modifier = kept, now, by
        self.put(record)

    def same(self, name: str, value: Any) -> list[Record]:
        """Records with this value in an indexed field, the oldest first."""
        keys = self._found[name].get(str(value).casefold(), set())
        return [self.records[key] for key in sorted(keys)]

    def since(self, moment: float) -> list[tuple[int, str]]:
        """Places of the records that were modified after `moment`, by time of modification."""
        return self.by_modified[bisect_right(self.by_modified, (int(moment), "~")) :]


class CrmStore:
    """The CRM of a world. Knobs beside the fields below: `world.limits.enabled` switches credits off too.

    `zone` (of the organisation), `environment` (`/org` type), `budget` (credits a day), `page_wall` (2,000 without a
    token), `token_wall` (100,000), `token_life`, `unknown_fields` (`ignored` or `refused`), `absent` (a record that is
    not there: `no_content`, `not_found` or `invalid_data`), `reminder_form` (`text` or `list`).
    Read-out: `outbox` (workflows run and mails sent by writes), `sent` (callbacks delivered).
    """

    def __init__(self, world: "ZohoWorld") -> None:
        self.world = world
        self._rng = random.Random(f"crm {world.seed}")
        self.zone = "America/New_York"
        self.environment = "production"
        self.budget = BUDGET
        self.page_wall, self.token_wall, self.token_life = 2_000, 100_000, DAY
        self.unknown_fields, self.absent, self.reminder_form = "ignored", "no_content", "text"
        self.module_ids = {name: world.new_id() for name in MODULES}
        self.tables = {name: Table(name, standard_fields(name)) for name in MODULES}
        for table in self.tables.values():
            for known in table.fields.values():
                known.id = world.new_id()
        self.settings_changed = world.now()
        self.tokens: dict[str, PageToken] = {}
        self.outbox: list[JSON] = []
        self.channels: dict[str, Channel] = {}
        self.pending: list[tuple[str, JSON]] = []
        self.sent: list[JSON] = []
        self.jobs: dict[str, JSON] = {}
        self._spent: deque[tuple[float, int]] = deque()
        self._total = 0
        self._zuids: dict[str, str] = {}
        self._seen_users: dict[str, tuple[str, float]] = {}
        world.on_expire["crm"] = self._expire

    @classmethod
    def of(cls, world: "ZohoWorld") -> "CrmStore":
        """The CRM of a world."""
        return world.part("crm", cls)

    # -- fields -------------------------------------------------------------------------------------------------

    def add_field(self, module: str, name: str, data_type: str = "text", *, unique: bool = False) -> Field:
        """A custom field; §8.3: a unique one is what upserts need."""
        found = Field(name, data_type, custom=True, unique=unique, id=self.world.new_id())
        self.tables[module].fields[name] = found
        self.settings_changed = self.world.now()
        if unique:
            self.tables[module].index(name)
        return found

    def add_fields(self, module: str, count: int, prefix: str = "Custom") -> list[str]:
        """So many more text fields: wide modules need more than one call (§8.1)."""
        return [self.add_field(module, f"{prefix}_{number}").name for number in range(1, count + 1)]

    def make_unique(self, module: str, name: str) -> None:
        """The organisation forbids duplicates of this field."""
        self.tables[module].fields[name].unique = True
        self.tables[module].index(name)

    # -- records ------------------------------------------------------------------------------------------------

    def insert(self, module: str, values: JSON, by: str) -> Record:
        """A new record; the owner is who made it unless told otherwise."""
        now = self.world.now()
        kept = {"Owner": by} | {name: value for name, value in values.items() if value is not None}
        record = Record(self.world.new_id(), kept, now, now, by, by)
        self.tables[module].put(record)
        self.note(module, "create", [record], sorted(kept))
        return record

    def update(self, module: str, record: Record, values: JSON, by: str) -> None:
        """New values of some fields."""
        self.tables[module].change(record, values, by, self.world.now())
        self.note(module, "edit", [record], sorted(values))

    def delete(self, module: str, record: Record, by: str | None, *, permanent: bool = False) -> None:
        """§8.2: into the recycle bin, or past it."""
        table = self.tables[module]
        table.take(record)
        kind = "permanent" if permanent else "recycle"
        name = self.title(module, record)
        table.bin[record.id] = Deleted(record, self.world.now(), by, name, kind)
        self.note(module, "delete", [record], [])

    def restore(self, module: str, key: str) -> Record | None:
        """§8.2: out of the bin under the old id; the time of modification stays."""
        table = self.tables[module]
        gone = table.bin.get(key)
        if gone is None or gone.kind != "recycle" or gone.at + RECYCLED <= self.world.now():
            return None
        del table.bin[key]
        table.put(gone.record)
        self.note(module, "create", [gone.record], [])
        return gone.record

    def purge(self, module: str, key: str) -> bool:
        """Out of the bin for good: `permanent` from now on."""
        gone = self.tables[module].bin.get(key)
        if gone is None or gone.kind != "recycle":
            return False
        gone.kind, gone.at = "permanent", self.world.now()
        return True

    def deleted(self, module: str) -> list[Deleted]:
        """What `/deleted` still remembers, the latest first."""
        now = self.world.now()
        kept = [
            gone
            for gone in self.tables[module].bin.values()
            if gone.at + (RECYCLED if gone.kind == "recycle" else PERMANENT) > now
        ]
        return sorted(kept, key=lambda gone: (gone.at, gone.record.id), reverse=True)

    def title(self, module: str, record: Record) -> str:
        """What a lookup to the record shows."""
        if MODULES[module].display == "Full_Name":
            names = (record.values.get("First_Name"), record.values.get("Last_Name"))
            return " ".join(name for name in names if name)
        return str(record.values.get(MODULES[module].display, ""))

    def find(self, key: str, *modules: str) -> tuple[str, Record] | None:
        """A living record by id in any of `modules`."""
        for module in modules:
            if key in self.tables[module].records:
                return module, self.tables[module].records[key]
        return None

    # -- users --------------------------------------------------------------------------------------------------

    def user_id(self, user_id: str) -> str:
        """The CRM's own id of a person; the ZUID is the join key (§8.6)."""
        own = f"6{user_id[1:]}"
        self._zuids[own] = user_id
        return own

    def user_of(self, key: str) -> str | None:
        """The ZUID of a CRM user id."""
        if key not in self._zuids:
            self._zuids |= {f"6{zuid[1:]}": zuid for zuid in self.world.users}
        return self._zuids.get(key)

    def user_modified(self, user: "User") -> float:
        """When the person was last seen to have changed."""
        look = f"{user.address} {user.name} {user.suspended} {user.is_admin}"
        known, moment = self._seen_users.get(user.id, ("", user.created))
        if known != look:
            moment = user.created if not known else self.world.now()
            self._seen_users[user.id] = look, moment
        return moment

    # -- page tokens --------------------------------------------------------------------------------------------

    def token(self, token: PageToken) -> str:
        """An opaque text for a place in a walk."""
        text = format(self._rng.getrandbits(320), "080x")
        self.tokens[text] = token
        return text

    def _expire(self, user: "User") -> None:
        for token in self.tokens.values():
            if token.user == user.id:
                token.expires = self.world.now()

    # -- credits ------------------------------------------------------------------------------------------------

    def spent(self) -> int:
        """Credits used in the last 24 hours."""
        oldest = self.world.now() - DAY
        while self._spent and self._spent[0][0] <= oldest:
            self._total -= self._spent.popleft()[1]
        return self._total

    def spend(self, cost: int) -> None:
        """Use some."""
        self._spent.append((self.world.now(), cost))
        self._total += cost

    # -- push ---------------------------------------------------------------------------------------------------

    def note(self, module: str, operation: str, records: list[Record], fields: list[str]) -> None:
        """Queue a callback for every channel that listens."""
        now = self.world.now()
        for channel in self.channels.values():
            wanted = channel.events.get(module, set())
            if channel.expires > now and wanted & {operation, "all"}:
                self.pending.append((channel.url, self._callback(channel, module, operation, records, fields)))

    def _callback(
        self, channel: Channel, module: str, operation: str, records: list[Record], fields: list[str]
    ) -> JSON:
        """§8.8: ids only; `operation` has other words than the subscription, `resource_uri` says v2 whatever is used."""
        body: JSON = {
            "server_time": self.world.millis(), "query_params": {}, "module": module,
            "resource_uri": f"https://www.zohoapis.{self.world.dc}/crm/v2/{module}",
            "ids": [record.id for record in records], "affected_fields": [],
            "operation": {"create": "insert", "edit": "update", "delete": "delete"}[operation],
            "channel_id": channel.id, "token": channel.token,
        }  # fmt: skip
        if channel.values:
            body["affected_fields"] = [{record.id: fields} for record in records]
            body["affected_values"] = [
                {"record_id": record.id, "values": {name: record.values.get(name) for name in fields}}
                for record in records
            ]
        return body

    def living(self, module: str) -> Iterator[Record]:
        """What a listing shows without further words: approved, not converted."""
        for record in self.tables[module].records.values():
            if record.approved and not record.converted:
                yield record
