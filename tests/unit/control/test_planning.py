"""Whom a configuration covers, and what is read whole again."""

from dataclasses import replace
from datetime import UTC, datetime

from syncd.config.model import AccountFilter, Config, ConnectionConfig, SyncConfig
from syncd.control.planning import read_again, scope_changes
from syncd.engine.ports import AccountRow
from syncd.sdk import Account

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def rows(*states: str) -> list[AccountRow]:
    return [
        AccountRow(number, Account(str(number), f"p{number}@x.example", state=state), f"p{number}@x.example", NOW)
        for number, state in enumerate(states)
    ]


def config(include: tuple[str, ...] = (), connection: str = "acme", previous: str | None = None) -> Config:
    sync = SyncConfig("s", connection, {"mail": {}, "files": {}}, accounts=AccountFilter(include=include))
    return Config(
        connections={connection: ConnectionConfig(connection, "google", previous_name=previous)}, syncs={"s": sync}
    )


def test_who_enters_and_leaves_is_counted_and_the_first_are_named() -> None:
    known = {"acme": rows(*["active"] * 9, "suspended")}
    changes = scope_changes(config(("p0@*", "p1@*")), config(("p[1-9]@*",)), known)
    (one,) = changes
    assert (one["before"], one["after"], one["enter"], one["leave"]) == (2, 8, 7, 1)
    assert one["leaving"] == ["p0@x.example"]
    assert len(one["entering"]) == 5


def test_a_connection_that_only_changes_its_name_moves_nobody() -> None:
    known = {"acme": rows("active"), "acme2": []}
    assert scope_changes(config(), config(connection="acme2", previous="acme"), known) == []


def test_a_removed_sync_leaves_everybody() -> None:
    (one,) = scope_changes(config(), Config(), {"acme": rows("active", "active")})
    assert (one["after"], one["leave"]) == (0, 2)


def test_changed_options_are_read_again_and_nothing_else() -> None:
    old = config()
    sync = replace(old.syncs["s"], streams={"mail": {"content": "metadata"}, "files": {}, "contacts": {}})
    assert read_again(old, replace(old, syncs={"s": sync})) == [{"sync": "s", "stream": "mail"}]
