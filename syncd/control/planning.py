"""What a configuration would mean for the mirror: whom syncs would cover, what would be read whole again.

Public: scope_changes, read_again.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from syncd.config.model import Config, SyncConfig
from syncd.engine.discovery import covered
from syncd.engine.ports import AccountRow

__all__ = ["read_again", "scope_changes"]

EXAMPLES = 5


def scope_changes(old: Config, new: Config, accounts: Mapping[str, Sequence[AccountRow]]) -> list[dict[str, Any]]:
    """Per sync whose circle of accounts differs: {sync, before, after, enter, leave, entering, leaving}.

    `enter` and `leave` count, `entering` and `leaving` name the first few. `accounts`: those imported, by connection.
    Who leaves stays in the mirror as it is, and is no longer refreshed.
    """
    changes = []
    for name in sorted(old.syncs.keys() | new.syncs.keys()):
        before, after = (_covered(config, config.syncs.get(name), accounts) for config in (old, new))
        enter, leave = sorted(after - before), sorted(before - after)
        if enter or leave:
            changes.append(
                {
                    "sync": name,
                    "before": len(before),
                    "after": len(after),
                    "enter": len(enter),
                    "leave": len(leave),
                    "entering": enter[:EXAMPLES],
                    "leaving": leave[:EXAMPLES],
                }
            )
    return changes


def read_again(old: Config, new: Config) -> list[dict[str, str]]:
    """Streams whose options differ: their next round is full. {sync, stream} each."""
    return [
        {"sync": name, "stream": stream}
        for name, sync in sorted(new.syncs.items())
        if (before := old.syncs.get(name)) is not None and before.connection == sync.connection
        for stream, options in sync.streams.items()
        if stream in before.streams and before.streams[stream] != options
    ]


def _covered(config: Config, sync: SyncConfig | None, accounts: Mapping[str, Sequence[AccountRow]]) -> set[str]:
    connection = None if sync is None else config.connections.get(sync.connection)
    if sync is None or connection is None:
        return set()
    known = accounts.get(connection.name) or accounts.get(connection.previous_name or "") or ()
    return {row.label for row in covered(known, (connection.accounts, sync.accounts), None)}
