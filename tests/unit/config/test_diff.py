"""What a new configuration changes, and what it means for a running run."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from syncd.config.diff import Block, Change, Difference, Effect, diff
from syncd.config.model import (
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
    Place,
    Retention,
    SyncConfig,
)
from syncd.sdk import Secret


def secret(reference: str) -> Secret:
    return Secret(lambda: "hunter2", reference)


ACME = ConnectionConfig("acme", "google", {"admin": "a@acme.example", "service_account": secret("${env:A}")})
NIGHTLY = SyncConfig("nightly", "acme", {"mail": {}})
OLD = Config(connections={"acme": ACME}, syncs={"nightly": NIGHTLY})


def sync_change(**changes: Any) -> Difference:
    (found,) = diff(OLD, replace(OLD, syncs={"nightly": replace(NIGHTLY, **changes)}))
    return found


def connection_change(**changes: Any) -> Difference:
    (found,) = diff(OLD, replace(OLD, connections={"acme": replace(ACME, **changes)}))
    return found


def test_the_same_folder_moved_about_changes_nothing() -> None:
    moved = {"nightly": replace(NIGHTLY, place=Place("other.yaml", 9, 1))}
    assert diff(OLD, replace(OLD, syncs=moved, folder="/elsewhere")) == []


@pytest.mark.parametrize(
    ("change", "effect"),
    [
        ({"schedule": EverySchedule(timedelta(minutes=15))}, Effect.NEXT),
        ({"enabled": False}, Effect.NEXT),
        ({"pause_after": 5}, Effect.NEXT),
        ({"max_delete": MaxDelete(0.5)}, Effect.NEXT),
        ({"full_every": timedelta(days=7)}, Effect.NEXT),
        ({"connection": "other"}, Effect.END_RUN),
        ({"streams": {"mail": {}, "files": {}}}, Effect.END_RUN),
        ({"streams": {"mail": {"content": "metadata"}}}, Effect.END_RUN),
        ({"accounts": AccountFilter(("a@acme.example",))}, Effect.END_RUN),
        ({"deletions": Deletions.KEEP}, Effect.END_RUN),
        ({"enabled": False, "deletions": Deletions.KEEP}, Effect.END_RUN),
    ],
)
def test_what_a_change_of_a_sync_does_to_its_run(change: dict[str, Any], effect: Effect) -> None:
    found = sync_change(**change)
    assert (found.block, found.name, found.change, found.effect) == (Block.SYNC, "nightly", Change.CHANGED, effect)
    assert found.syncs == ("nightly",)


@pytest.mark.parametrize(
    ("change", "effect"),
    [
        ({"discovery": Discovery.AUTOMATIC}, Effect.NEXT),
        ({"limits": ConnectionLimits(concurrency=2)}, Effect.END_RUN),
        ({"connector": "microsoft"}, Effect.END_RUN),
        ({"accounts": AccountFilter(exclude=("x",))}, Effect.END_RUN),
        ({"settings": {**ACME.settings, "admin": "b@acme.example"}}, Effect.END_RUN),
        ({"settings": {**ACME.settings, "n": 1}}, Effect.END_RUN),
    ],
)
def test_what_a_change_of_a_connection_does_to_its_syncs(change: dict[str, Any], effect: Effect) -> None:
    found = connection_change(**change)
    assert (found.block, found.change, found.effect, found.syncs) == (
        Block.CONNECTION,
        Change.CHANGED,
        effect,
        ("nightly",),
    )


@pytest.mark.parametrize(
    ("change", "effect"),
    [
        ({"notify": (secret("${env:URL}"),)}, Effect.NEXT),
        ({"retention": Retention(runs=timedelta(days=1))}, Effect.NEXT),
        ({"concurrency": 4}, Effect.NEXT),
        ({"store": "postgresql+psycopg://db/x"}, Effect.RESTART),
        ({"listen": "0.0.0.0:80"}, Effect.NEXT),
    ],
)
def test_what_a_change_of_the_daemon_does(change: dict[str, Any], effect: Effect) -> None:
    (found,) = diff(OLD, replace(OLD, daemon=DaemonConfig(**change)))
    assert (found.block, found.effect) == (Block.DAEMON, effect)


def test_added_and_removed() -> None:
    found = diff(Config(), OLD) + diff(OLD, Config())
    assert [(one.block, one.change, one.effect) for one in found] == [
        (Block.CONNECTION, Change.ADDED, Effect.NEXT),
        (Block.SYNC, Change.ADDED, Effect.NEXT),
        (Block.CONNECTION, Change.REMOVED, Effect.END_RUN),
        (Block.SYNC, Change.REMOVED, Effect.END_RUN),
    ]


def test_a_renamed_connection_is_not_one_gone_and_one_new() -> None:
    renamed = replace(ACME, name="acme-eu", previous_name="acme")
    new = Config(connections={"acme-eu": renamed}, syncs={"nightly": replace(NIGHTLY, connection="acme-eu")})
    connection, sync = diff(OLD, new)
    assert (connection.change, connection.name, connection.previous_name) == (Change.RENAMED, "acme-eu", "acme")
    assert sync.fields[0].path == "connection"
    assert diff(new, new) == []


def test_fields_show_values_as_in_the_yaml_and_secrets_as_references() -> None:
    found = sync_change(schedule=CronSchedule("0 4 * * 1", "Europe/Madrid"), full_every=timedelta(hours=36))
    assert [(one.path, one.before, one.after) for one in found.fields] == [
        ("schedule", "daily-2am", "0 4 * * 1 in Europe/Madrid"),
        ("full_every", "30d", "36h"),
    ]
    found = connection_change(settings={**ACME.settings, "service_account": secret("${file:/b}")})
    assert [(one.before, one.after) for one in found.fields] == [("${env:A}", "${file:/b}")]
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize(
    ("found", "warning"),
    [
        (sync_change(max_delete=MaxDelete(1.0)), "max_delete changes from 25% to 100%"),
        (
            connection_change(settings={**ACME.settings, "service_account": secret("${env:B}")}),
            "settings.service_account changes from ${env:A} to ${env:B}",
        ),
        (
            connection_change(settings={**ACME.settings, "endpoints": {"people": "https://evil.example"}}),
            "settings.endpoints.people is set to https://evil.example",
        ),
        (
            diff(OLD, replace(OLD, daemon=DaemonConfig(token=secret("${env:T}"))))[0],
            "token is set to ${env:T}",
        ),
        (
            diff(OLD, replace(OLD, daemon=DaemonConfig(encryption_keys=(secret("${env:K}"),))))[0],
            "encryption_keys changes from [] to [${env:K}]",
        ),
    ],
)
def test_what_a_hostile_pull_request_would_touch_is_flagged(found: Difference, warning: str) -> None:
    assert found.warnings == (warning,)


def test_a_new_connection_shows_its_endpoints_and_secrets_and_a_new_sync_its_brake() -> None:
    evil = replace(ACME, settings={**ACME.settings, "endpoints": {"token": "https://evil.example"}})
    loose = replace(NIGHTLY, max_delete=MaxDelete(None, 10_000))
    connection, sync = diff(Config(), Config(connections={"acme": evil}, syncs={"nightly": loose}))
    assert connection.warnings == (
        "settings.service_account is set to ${env:A}",
        "settings.endpoints.token is set to https://evil.example",
    )
    assert sync.warnings == ("max_delete is set to 10000",)
    assert diff(Config(), OLD)[1].warnings == ()


def test_harmless_changes_are_not_flagged() -> None:
    assert sync_change(schedule=EverySchedule(timedelta(minutes=15))).warnings == ()
    assert connection_change(settings={**ACME.settings, "admin": "b@acme.example"}).warnings == ()
