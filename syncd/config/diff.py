"""What a new configuration changes in a running daemon. Pure: hot reload acts on it, `plan` prints it.

Public: diff, Difference, FieldChange, Change, Effect, Block.

Values are shown as text; a secret, and whatever else a reference gave, as that reference, so a difference may be printed and logged. Two Configs are
comparable only when both were read the same way (`check_values`).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from enum import StrEnum
from typing import Any, TypeAlias

from syncd.sdk import Secret

from .model import (
    Config,
    ConnectionConfig,
    CronSchedule,
    DaemonConfig,
    Deletions,
    EverySchedule,
    MaxDelete,
    Referred,
    SyncConfig,
)

__all__ = ["Block", "Change", "Difference", "Effect", "FieldChange", "diff", "display"]


class Block(StrEnum):
    """What kind of thing changes."""

    DAEMON = "daemon"
    CONNECTION = "connection"
    SYNC = "sync"


class Change(StrEnum):
    """How it changes. RENAMED: a connection under a new name, with `previous_name`."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    RENAMED = "renamed"


class Effect(StrEnum):
    """What it means for runs in flight, weakest first.

    NEXT: a run goes on untouched; the change holds from the next due time, run or notice on. END_RUN: a run ends after
    its page (cancelled, reason reload) and starts again from its resume point; for what is removed it does not start again. RESTART:
    the daemon takes it up when it is started anew.
    """

    NEXT = "next"
    END_RUN = "end_run"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One key, dotted (`settings.endpoints.people`). `before` or `after` is None where the key was or is not set."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Difference:
    """One block that changes. `syncs`: whose runs the effect concerns.

    `warnings` are sentences on what a hostile change would touch: endpoints, secret references, `max_delete`, `deletions: purge`, and how the daemon is reached.
    """

    block: Block
    name: str
    change: Change
    effect: Effect
    fields: tuple[FieldChange, ...] = ()
    syncs: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    previous_name: str | None = None


_Flat: TypeAlias = dict[str, Any]
_NEXT_CONNECTION = ("discovery", "previous_name")
_NEXT_SYNC = ("schedule", "enabled", "pause_after", "max_delete", "full_every")
_RESTART_DAEMON = ("store", "encryption_keys")
_WATCHED_DAEMON = ("store", "listen", "token", "encryption_keys", "notify")


def diff(old: Config, new: Config) -> list[Difference]:
    """Every block that differs: the daemon first, then connections, then syncs, each sorted by name."""
    return [*_daemon(old.daemon, new.daemon), *_connections(old, new), *_syncs(old, new)]


def _daemon(old: DaemonConfig, new: DaemonConfig) -> Iterator[Difference]:
    if changes := _changes(flat(old), flat(new)):
        touched = {_head(change) for change in changes}
        effect = Effect.RESTART if touched.intersection(_RESTART_DAEMON) else Effect.NEXT
        warnings = tuple(_sentence(change) for change in changes if _head(change) in _WATCHED_DAEMON)
        yield Difference(Block.DAEMON, "daemon", Change.CHANGED, effect, changes, warnings=warnings)


def _connections(old: Config, new: Config) -> Iterator[Difference]:
    renamed = {
        connection.previous_name: connection.name
        for connection in new.connections.values()
        if connection.previous_name in old.connections and connection.name not in old.connections
    }
    gone = old.connections.keys() - new.connections.keys() - renamed.keys()
    for name in sorted(gone | new.connections.keys()):
        if name in gone:
            yield _difference(Block.CONNECTION, Change.REMOVED, old.connections[name], None, _users(old, name))
            continue
        connection = new.connections[name]
        previous = connection.previous_name if renamed.get(connection.previous_name) == name else None
        before = old.connections.get(previous or name)
        users = _users(new, name)
        if previous:
            yield _difference(Block.CONNECTION, Change.RENAMED, before, connection, users, previous)
        elif before != connection:
            change = Change.CHANGED if before else Change.ADDED
            yield _difference(Block.CONNECTION, change, before, connection, users)


def _syncs(old: Config, new: Config) -> Iterator[Difference]:
    for name in sorted(old.syncs.keys() | new.syncs.keys()):
        before, after = old.syncs.get(name), new.syncs.get(name)
        if before != after:
            change = Change.ADDED if before is None else Change.REMOVED if after is None else Change.CHANGED
            yield _difference(Block.SYNC, change, before, after, (name,))


_Named: TypeAlias = ConnectionConfig | SyncConfig


def _difference(
    block: Block,
    change: Change,
    before: _Named | None,
    after: _Named | None,
    syncs: tuple[str, ...],
    previous: str | None = None,
) -> Difference:
    changes = _changes(flat(before) if before else {}, flat(after) if after else {})
    harmless = _NEXT_SYNC if block is Block.SYNC else _NEXT_CONNECTION
    ends = change in (Change.REMOVED, Change.RENAMED)
    ends = ends or (change is Change.CHANGED and any(_head(one) not in harmless for one in changes))
    warnings = () if after is None else tuple(_sentence(one) for one in changes if _watched(one, block, before, after))
    name = (after or before).name  # type: ignore[union-attr]  # one of them is there
    effect = Effect.END_RUN if ends else Effect.NEXT
    return Difference(block, name, change, effect, changes, syncs, warnings, previous)


def _watched(change: FieldChange, block: Block, before: _Named | None, after: _Named) -> bool:
    if block is Block.SYNC:
        if change.path == "deletions":
            return change.after == str(Deletions.PURGE)
        return change.path == "max_delete" and (before is not None or change.after != display(MaxDelete()))
    if change.path.startswith("settings.endpoints.") or change.path.endswith(("base_url", "token_url")):
        return True
    return change.path in _secrets(before) | _secrets(after)


def _secrets(connection: _Named | None) -> set[str]:
    settings = connection.settings if isinstance(connection, ConnectionConfig) else {}
    return {f"settings.{path}" for path, value in _leaves(settings) if isinstance(value, Secret)}


def _users(config: Config, connection: str) -> tuple[str, ...]:
    return tuple(sorted(name for name, sync in config.syncs.items() if sync.connection == connection))


def _sentence(change: FieldChange) -> str:
    if change.before is None:
        return f"{change.path} is set to {change.after}"
    if change.after is None:
        return f"{change.path} is no longer set (was {change.before})"
    return f"{change.path} changes from {change.before} to {change.after}"


def _head(change: FieldChange) -> str:
    return change.path.split(".")[0]


def _changes(before: _Flat, after: _Flat) -> tuple[FieldChange, ...]:
    paths = [path for path in dict.fromkeys([*before, *after]) if before.get(path) != after.get(path)]
    return tuple(FieldChange(path, _shown(before, path), _shown(after, path)) for path in paths)


def _shown(block: _Flat, path: str) -> str | None:
    return display(block[path]) if path in block else None


def flat(block: ConnectionConfig | SyncConfig | DaemonConfig) -> _Flat:
    """A block's values by dotted key. What is None is left out, and so are name and place."""
    values = {item.name: getattr(block, item.name) for item in fields(block) if item.name not in ("name", "place")}
    return {path: value for path, value in _leaves(values) if value is not None}


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Mappings and plain dataclasses are opened; an empty mapping inside is a value of its own."""
    opened = _opened(value)
    if opened is None or (not opened and path):
        yield path, value
        return
    for key, item in opened.items():
        yield from _leaves(item, f"{path}.{key}" if path else str(key))


def _opened(value: Any) -> Mapping[str, Any] | None:
    if isinstance(value, Mapping):
        return value
    if hasattr(value, "__dataclass_fields__") and type(value) not in _DISPLAYS:
        return {item.name: getattr(value, item.name) for item in fields(value)}
    return None


def display(value: Any) -> str:
    """A value as it would stand in the YAML; a secret as its reference."""
    show = _DISPLAYS.get(type(value))
    return show(value) if show else str(value)


def _duration(value: timedelta) -> str:
    seconds = int(value.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _cron(value: CronSchedule) -> str:
    zone = "" if value.timezone == "UTC" else f" in {value.timezone}"
    return f"{value.preset or value.cron}{zone}"


def _brake(value: MaxDelete) -> str:
    return str(value.count) if value.share is None else f"{value.share * 100:g}%"


_DISPLAYS: dict[type, Callable[[Any], str]] = {
    Secret: lambda value: value.reference,
    Referred: lambda value: value.reference,
    bool: lambda value: "true" if value else "false",
    timedelta: _duration,
    CronSchedule: _cron,
    EverySchedule: lambda value: f"every {_duration(value.interval)}",
    MaxDelete: _brake,
    tuple: lambda value: f"[{', '.join(map(display, value))}]",
    list: lambda value: f"[{', '.join(map(display, value))}]",
    dict: lambda value: "{}",
    type(None): lambda value: "null",
}
