"""A checked folder → the frozen model.

Public: build.

Everything here relies on the checks: it neither validates nor reports. Where a reference was not read (see `resolve`), the key's
default stands in, and in `settings` and stream options the text of the reference.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from syncd.sdk import Secret
from syncd.sdk.units import parse_duration

from .core import PRESETS
from .formats import parse_cron, parse_share
from .merge import Entry, Merged
from .model import (
    AccountFilter,
    Config,
    ConnectionConfig,
    ConnectionLimits,
    CronSchedule,
    DaemonConfig,
    Deletions,
    Discovery,
    EverySchedule,
    MaxDelete,
    Referred,
    Retention,
    Schedule,
    SyncConfig,
)
from .tree import SecretText, Text

__all__ = ["build"]

Block = Mapping[str, Any]


def build(merged: Merged, folder: str) -> Config:
    """The Config of a folder without problems."""
    return Config(
        daemon=_daemon(merged.daemon.data if merged.daemon else {}),
        connections={name: _connection(entry) for name, entry in sorted(merged.connections.items())},
        syncs={name: _sync(entry) for name, entry in sorted(merged.syncs.items())},
        folder=folder,
    )


def plain(value: Any) -> Any:
    """A value without traces of where it came from, but for what a reference gave; secrets as Secret."""
    match value:
        case SecretText():
            return value.secret
        case Text():
            return Referred(value, value.reference)
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case list():
            return [plain(item) for item in value]
    return value


def _given(block: Block | None) -> dict[str, Any]:
    """The keys that have a value."""
    items = (block or {}).items()
    return {k: v for k, v in items if isinstance(v, SecretText) or not (isinstance(v, Text) and not v.known)}


def _durations(block: Block | None) -> dict[str, timedelta]:
    return {key: parse_duration(value) for key, value in _given(block).items()}


def _daemon(block: Block) -> DaemonConfig:
    given = _given(block)
    values: dict[str, Any] = {
        key: plain(given[key]) for key in ("store", "listen", "token", "concurrency") if key in given
    }
    for key in ("encryption_keys", "notify"):
        values[key] = tuple(item for item in plain(given.get(key, [])) if isinstance(item, Secret))
    return DaemonConfig(retention=Retention(**_durations(given.get("retention"))), **values)


def _connection(entry: Entry) -> ConnectionConfig:
    block = entry.data
    accounts = _given(block.get("accounts"))
    return ConnectionConfig(
        name=entry.name,
        connector=block["connector"],
        settings=plain(block.get("settings") or {}),
        accounts=_filter(accounts),
        discovery=Discovery(str(accounts.get("discovery", "manual"))),
        limits=_limits(_given(block.get("limits"))),
        previous_name=block.get("previous_name"),
        place=entry.place,
    )


def _filter(accounts: Block) -> AccountFilter:
    return AccountFilter(*(tuple(map(plain, accounts.get(key, ()))) for key in ("include", "exclude")))


def _limits(given: dict[str, Any]) -> ConnectionLimits:
    if "max_wait" in given:
        given["max_wait"] = parse_duration(given["max_wait"])
    return ConnectionLimits(**given)


def _sync(entry: Entry) -> SyncConfig:
    given = _given(entry.data)
    values: dict[str, Any] = {key: given[key] for key in ("enabled", "pause_after") if key in given}
    if "schedule" in given:
        values["schedule"] = _schedule(given["schedule"])
    if "deletions" in given:
        values["deletions"] = Deletions(str(given["deletions"]))
    if "max_delete" in given:
        values["max_delete"] = _max_delete(given["max_delete"])
    if "full_every" in given:
        values["full_every"] = parse_duration(given["full_every"])
    return SyncConfig(
        name=entry.name,
        connection=given["connection"],
        streams=_streams(given["streams"]),
        accounts=_filter(_given(given.get("accounts"))),
        place=entry.place,
        **values,
    )


def _streams(streams: Any) -> dict[str, dict[str, Any]]:
    if isinstance(streams, list):
        return {name: {} for name in streams}
    return {name: plain(options or {}) for name, options in streams.items()}


def _schedule(value: Any) -> Schedule:
    if isinstance(value, str):
        return CronSchedule(PRESETS[value], "UTC", str(value))
    given = _given(value)
    if "every" in given:
        return EverySchedule(parse_duration(given["every"]))
    preset = given.get("preset")
    cron = PRESETS[preset] if preset else parse_cron(given.get("cron", PRESETS["daily-2am"]))
    return CronSchedule(cron, str(given.get("timezone", "UTC")), str(preset) if preset else None)


def _max_delete(value: str | int) -> MaxDelete:
    return MaxDelete(parse_share(value), None) if isinstance(value, str) else MaxDelete(None, value)
