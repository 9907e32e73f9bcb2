"""The configuration as frozen values. No YAML, no files: `loader` makes these, everything else reads them.

Public: everything in __all__. Durations are timedeltas, sizes are bytes, names are as in the YAML.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, Self

from syncd.sdk import JSON, Account, Secret

__all__ = [
    "AccountFilter",
    "Config",
    "ConnectionConfig",
    "ConnectionLimits",
    "CronSchedule",
    "DaemonConfig",
    "Deletions",
    "Discovery",
    "EverySchedule",
    "MaxDelete",
    "Place",
    "Referred",
    "Retention",
    "Schedule",
    "SyncConfig",
]


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in the folder; line and column count from 1."""

    file: str
    line: int
    column: int


class Referred(str):
    """A text that a `${…}` reference gave. What is shown to people is `reference`, as the operator wrote it.

    Nobody but its user needs the value, and whoever may propose a folder must not see by it what the daemon can read.
    """

    reference: str

    def __new__(cls, value: str, reference: str = "") -> Self:
        made = super().__new__(cls, value)
        made.reference = reference
        return made


class Discovery(StrEnum):
    """When accounts are imported: by hand only, or before a run, at most daily."""

    MANUAL = "manual"
    AUTOMATIC = "automatic"


class Deletions(StrEnum):
    """What a settled deletion does to the record."""

    TOMBSTONE = "tombstone"
    KEEP = "keep"
    PURGE = "purge"


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """Five-field cron in an IANA zone. The presets are cron schedules too: `preset` keeps the name written."""

    cron: str
    timezone: str = "UTC"
    preset: str | None = None


@dataclass(frozen=True, slots=True)
class EverySchedule:
    """A fixed interval of at least 15 s."""

    interval: timedelta


Schedule = CronSchedule | EverySchedule
DEFAULT_SCHEDULE = CronSchedule("0 2 * * *", "UTC", "daily-2am")


@dataclass(frozen=True, slots=True)
class MaxDelete:
    """The brake: the share (0.25 for 25%) of an account's stream, or a count, that one run may delete unasked."""

    share: float | None = 0.25
    count: int | None = None


@dataclass(frozen=True, slots=True)
class AccountFilter:
    """Glob patterns on addresses, without regard to case; no `include` means all."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def covers(self, account: Account) -> bool:
        address = account.address.casefold()
        return not _any(self.exclude, address) and (not self.include or _any(self.include, address))


def _any(patterns: tuple[str, ...], address: str) -> bool:
    return any(fnmatchcase(address, pattern.casefold()) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """`limits:` of a connection; None leaves the connector's own pacing as it is."""

    requests_per_second: float | None = None
    concurrency: int | None = None
    max_wait: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class ConnectionConfig:
    """One organisation at one provider. `settings` has its values read, secret ones are `Secret`."""

    name: str
    connector: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    accounts: AccountFilter = AccountFilter()
    discovery: Discovery = Discovery.MANUAL
    limits: ConnectionLimits = ConnectionLimits()
    previous_name: str | None = None
    place: Place | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class SyncConfig:
    """Which streams of a connection, for whom, when, with which options. `streams`: name → options (`{}` if none)."""

    name: str
    connection: str
    streams: Mapping[str, Mapping[str, JSON]]
    accounts: AccountFilter = AccountFilter()
    schedule: Schedule = DEFAULT_SCHEDULE
    enabled: bool = True
    pause_after: int = 3
    deletions: Deletions = Deletions.TOMBSTONE
    max_delete: MaxDelete = MaxDelete()
    full_every: timedelta = timedelta(days=30)
    place: Place | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Retention:
    """How long what is no longer current is kept."""

    runs: timedelta = timedelta(days=90)
    tombstones: timedelta = timedelta(days=30)
    versions: timedelta = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class DaemonConfig:
    """The `daemon:` block; every key has a default."""

    store: str | Secret = "sqlite"
    listen: str = "127.0.0.1:8642"
    token: Secret | None = None
    concurrency: int = 16
    encryption_keys: tuple[Secret, ...] = ()
    notify: tuple[str | Secret, ...] = ()
    retention: Retention = Retention()


@dataclass(frozen=True, slots=True)
class Config:
    """The whole folder, merged and valid."""

    daemon: DaemonConfig = DaemonConfig()
    connections: Mapping[str, ConnectionConfig] = field(default_factory=dict)
    syncs: Mapping[str, SyncConfig] = field(default_factory=dict)
    folder: str = ""
