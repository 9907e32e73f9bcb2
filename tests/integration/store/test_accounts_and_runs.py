"""Connections, accounts, runs and who holds them."""

import os
import subprocess
import sys
import textwrap
from datetime import timedelta
from typing import Any

import pytest

from syncd.engine.ports import (
    Busy,
    Counts,
    OtherOrganization,
    RoundPlan,
    RunError,
    RunScope,
    RunStatus,
    Trigger,
)
from syncd.sdk import FULL, Account, conceal
from syncd.store import SyncState, open_store


def imported(desk: Any, *accounts: Account, connection: str = "acme") -> Any:
    return desk.run(desk.store.import_accounts(connection, accounts, desk.now()))


# -- connections and accounts


def test_an_import_that_another_one_overtook_stores_nothing(desk: Any) -> None:
    listed = [Account("1", "ann@acme.example")]
    last = desk.run(desk.store.imported_at("acme"))
    desk.run(desk.store.import_accounts("acme", [*listed, Account("9", "new@acme.example")], desk.now(), last=last))
    assert desk.run(desk.store.import_accounts("acme", listed, desk.now(), last=last)) is None
    assert [row.gone_at for row in desk.run(desk.store.accounts("acme")) if row.account.id == "9"] == [None]


def test_import_tells_new_and_gone(desk: Any) -> None:
    result = imported(desk, Account("1", "ann@acme.example"), Account("3", "cy@acme.example", role="admin"))
    assert (result.new, result.gone) == (["cy@acme.example"], ["bob@acme.example"])
    rows = {row.label: row for row in desk.run(desk.store.accounts("acme"))}
    assert rows["bob@acme.example"].gone_at is not None
    assert rows["cy@acme.example"].account.role == "admin"
    assert desk.run(desk.store.imported_at("acme")) == rows["cy@acme.example"].imported_at


def test_an_account_that_returns_is_the_same(desk: Any) -> None:
    imported(desk, Account("1", "ann@acme.example"))
    result = imported(desk, Account("1", "ann@acme.example"), Account("2", "bob@acme.example"))
    assert (result.new, result.gone) == ([], [])
    assert {row.id: row.gone_at for row in result.accounts} == {desk.ann: None, desk.bob: None}


def test_a_rename_changes_the_label_only(desk: Any, record: Any) -> None:
    desk.full(desk.part(), record("a"))
    imported(desk, Account("1", "Ann.New@acme.example"), Account("2", "bob@acme.example"))
    assert desk.records()["a"]["account"] == "Ann.New@acme.example"
    assert set(desk.records(account="ann.new@ACME.example")) == {"a"}
    assert desk.records(account="ann@acme.example") == {}


def test_an_address_given_to_another_id_is_another_account(desk: Any, record: Any) -> None:
    desk.full(desk.part(), record("a"))
    result = imported(desk, Account("9", "ann@acme.example"), Account("2", "bob@acme.example"))
    labels = {row.account.id: row.label for row in result.accounts}
    assert labels == {"1": "ann@acme.example#1", "9": "ann@acme.example", "2": "bob@acme.example"}
    assert desk.records(account="ann@acme.example") == {}
    assert set(desk.records(account="ann@acme.example#1")) == {"a"}


def test_another_organisation_is_refused_and_nothing_is_stored(desk: Any) -> None:
    imported(desk, Account("1", "ann@acme.example", organization="O1"))
    assert desk.run(desk.store.organization("acme")) == "O1"
    with pytest.raises(OtherOrganization) as caught:
        imported(desk, Account("7", "eve@evil.example", organization="O2"))
    assert (caught.value.bound, caught.value.given) == ("O1", "O2")
    assert "7" not in {row.account.id for row in desk.run(desk.store.accounts("acme"))}


def test_a_connection_renames_with_all_it_has(desk: Any, record: Any) -> None:
    desk.full(desk.part(), record("a"))
    desk.run(desk.store.bind_connection("acme-new", "google", "acme"))
    assert [one["connection"] for one in desk.store.records("acme-new", "contacts")] == ["acme-new"]
    assert list(desk.store.records("acme", "contacts")) == []
    desk.run(desk.store.bind_connection("acme-new", "google", "acme"))
    assert len(desk.run(desk.store.accounts("acme-new"))) == 2


def test_what_runs_learn_of_a_stream_shows_until_the_next_import(desk: Any) -> None:
    imported(desk, Account("1", "ann@acme.example", streams={"mail": "unavailable", "files": "ready"}))
    desk.run(desk.store.set_stream_state(desk.ann, "mail", "ready"))
    desk.run(desk.store.set_stream_state(desk.ann, "contacts", "no mailbox"))
    (row, _) = desk.run(desk.store.accounts("acme"))
    assert row.account.streams == {"mail": "ready", "files": "ready", "contacts": "no mailbox"}
    result = imported(desk, Account("1", "ann@acme.example", streams={"mail": "unavailable"}))
    assert result.accounts[0].account.streams == {"mail": "unavailable"}


def test_an_unbound_connection_is_an_error(desk: Any) -> None:
    with pytest.raises(LookupError):
        imported(desk, Account("1", "x@y.example"), connection="nobody")
    assert desk.run(desk.store.accounts("nobody")) == []


# -- runs


def start(store: Any, desk: Any, sync: str = "all", **scope: Any) -> int:
    number: int = desk.run(store.start_run(sync, "acme", Trigger.SCHEDULED, RunScope(**scope), desk.now()))
    return number


def test_a_run_is_kept_as_it_was(desk: Any) -> None:
    run = start(desk.store, desk, "other", streams=("mail",), accounts=("ann@acme.example",), full=True)
    counts = Counts(new=2, failed=1, listed=3)
    desk.run(desk.store.add_errors(run, [RunError("SYN-ITEM-001", "bad", "mail", detail="trace", source_id="x")]))
    job = desk.store.finish_run(
        run, RunStatus.PARTIAL, desk.now(), counts=counts, requests=7, streams=[{"stream": "mail"}], reason="why"
    )
    desk.run(job)
    row = desk.run(desk.store.get_run(run))
    assert (row.sync, row.trigger, row.status, row.requests, row.reason) == (
        "other", Trigger.SCHEDULED, RunStatus.PARTIAL, 7, "why",
    )  # fmt: skip
    assert row.scope == RunScope(("mail",), ("ann@acme.example",), True)
    assert (row.counts, row.streams, row.error_count) == (counts, [{"stream": "mail"}], 1)
    assert row.errors[0].detail == "trace"
    (listed,) = desk.run(desk.store.runs("other"))
    assert listed.errors[0].detail is None
    assert desk.run(desk.store.get_run(999)) is None


def test_runs_are_listed_newest_first_and_in_parts(desk: Any) -> None:
    numbers = [desk.number, *(desk.next_run() for _ in range(3))]
    newest = [row.id for row in desk.run(desk.store.runs("all", 2))]
    assert newest == numbers[:1:-1]
    assert [row.id for row in desk.run(desk.store.runs("all", 10, newest[-1]))] == numbers[1::-1]


def test_a_running_run_shows_its_ledger_so_far(desk: Any, record: Any) -> None:
    desk.full(desk.part(), record("a"))
    row = desk.run(desk.store.get_run(desk.number))
    assert (row.status, row.counts) == (RunStatus.RUNNING, Counts(new=1, listed=1))


def test_a_thousand_errors_are_kept_and_all_are_counted(desk: Any) -> None:
    for size in (600, 600, 600):
        desk.run(desk.store.add_errors(desk.number, [RunError("SYN-X", f"e{n}") for n in range(size)]))
    row = desk.run(desk.store.get_run(desk.number))
    assert (len(row.errors), row.error_count) == (1000, 1800)


def test_errors_hold_no_secrets_and_no_broken_text(desk: Any) -> None:
    conceal("hunter2-hunter2")
    desk.run(
        desk.store.add_errors(desk.number, [RunError("X", "token hunter2-hunter2 \0 \ud800", detail="hunter2-hunter2")])
    )
    (error,) = desk.run(desk.store.get_run(desk.number)).errors
    assert "hunter2" not in error.message + error.detail


def test_a_sync_has_one_run_at_a_time(desk: Any) -> None:
    with pytest.raises(Busy) as caught:
        start(desk.store, desk)
    assert caught.value.run == desk.number
    start(desk.store, desk, "another")
    desk.finish()
    start(desk.store, desk)


@pytest.mark.parametrize("keys", [()], ids=["clear"])
def test_a_living_process_beside_holds_its_run(desk: Any) -> None:
    other = open_store(desk.folder, desk.clock)
    with pytest.raises(Busy):
        start(other, desk)
    other.close()


def test_a_dead_process_s_run_is_closed_and_its_lease_taken(desk: Any, record: Any) -> None:
    part = desk.part()
    desk.full(part, record("a"))
    desk.open(part)
    dead = desk.number
    desk.reopen()
    run = desk.begin()
    row = desk.run(desk.store.get_run(dead))
    assert (row.status, row.reason, row.counts) == (RunStatus.CANCELLED, "interrupted", Counts(new=1, listed=1))
    assert [error.code for error in row.errors] == ["SYN-RUN-002"]
    assert row.finished_at is not None
    assert desk.open(part).run == run


def test_dead_runs_of_all_syncs_are_closed_at_once(desk: Any) -> None:
    start(desk.store, desk, "another")
    desk.reopen()
    assert desk.run(desk.store.close_dead_runs(desk.now())) == 2
    assert desk.run(desk.store.close_dead_runs(desk.now())) == 0


@pytest.mark.parametrize("keys", [()], ids=["clear"])
def test_a_killed_process_holds_nothing(desk: Any) -> None:
    """The lock goes with the process, however it ends."""
    desk.store.close()
    script = f"""
        import asyncio, os, pathlib
        from syncd.engine.ports import RunScope, Trigger
        from syncd.sdk import SystemClock
        from syncd.store import open_store
        store = open_store(pathlib.Path({str(desk.folder)!r}), SystemClock())
        run = asyncio.run(store.start_run("killed", "acme", Trigger.MANUAL, RunScope(), SystemClock().now()))
        print(run, flush=True)
        os.kill(os.getpid(), 9)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    desk.reopen()
    assert start(desk.store, desk, "killed") > int(done.stdout)


@pytest.mark.parametrize("keys", [()], ids=["clear"])
def test_other_machines_are_believed_by_their_heartbeat(desk: Any) -> None:
    other = open_store(desk.folder, desk.clock)
    other._owners._place = "elsewhere:/state"
    start(other, desk, "far")
    other._owners.close()  # its lock says nothing here
    with pytest.raises(Busy):
        start(desk.store, desk, "far")
    desk.clock.time += timedelta(seconds=50)
    other._owners._id = desk.sql("SELECT owner FROM run WHERE sync = 'far'")[0][0]
    desk.run(other.heartbeat(desk.now()))
    desk.clock.time += timedelta(seconds=50)
    with pytest.raises(Busy):
        start(desk.store, desk, "far")
    desk.clock.time += timedelta(seconds=20)
    start(desk.store, desk, "far")
    other._owners._id = None
    other.close()


@pytest.mark.parametrize("keys", [()], ids=["clear"])
def test_a_partition_is_held_by_one_living_run(desk: Any) -> None:
    part = desk.part()
    desk.open(part)
    other = open_store(desk.folder, desk.clock)
    run = start(other, desk, "beside")

    def plan(_: Any) -> RoundPlan:
        return RoundPlan(FULL, None, False)

    with pytest.raises(Busy) as caught:
        desk.run(other.open_round(run, part, desk.spec, desk.now(), plan))
    assert caught.value.run == desk.number
    desk.finish()
    assert desk.run(other.open_round(run, part, desk.spec, desk.now(), plan)).fence == 2
    other.close()


def test_the_lock_file_is_private_and_goes_with_the_store(desk: Any) -> None:
    folder = desk.folder / "owners"
    (lock,) = folder.iterdir()
    assert oct(os.stat(lock).st_mode & 0o777) == "0o600"
    desk.store.close()
    assert list(folder.iterdir()) == []


# -- runtime switches


def test_switches_change_one_by_one(desk: Any) -> None:
    store = desk.store
    assert desk.run(store.sync_state("a")) == SyncState("a")
    now = desk.now()
    desk.run(store.set_sync_state("a", enabled=False, failures=2))
    desk.run(store.set_sync_state("a", paused="auto", code="SYN-RUN-001", reason="three", since=now))
    desk.run(store.set_next_due("a", now))
    expected = SyncState("a", False, "auto", "SYN-RUN-001", "three", now, 2, now)
    assert desk.run(store.sync_state("a")) == expected
    desk.run(store.set_sync_state("b", failures=1))
    assert desk.run(store.sync_states()) == {"a": expected, "b": SyncState("b", failures=1)}
    assert desk.run(store.set_sync_state("a", enabled=None, paused=None)).paused is None
    with pytest.raises(TypeError):
        desk.run(store.set_sync_state("a", name="b"))


def test_a_refused_start_does_not_make_a_living_process_unknown(desk: Any) -> None:
    other, third = (open_store(desk.folder, desk.clock, keys=desk.keys) for _ in range(2))
    start = ("contacts", "acme", Trigger.MANUAL, RunScope(), desk.now())
    try:
        desk.finish()
        desk.run(desk.store.start_run(*start))
        with pytest.raises(Busy):  # its first transaction, which is rolled back
            desk.run(other.start_run(*start))
        run = desk.run(other.start_run("another", *start[1:]))
        desk.run(third.close_abandoned(desk.now()))
        assert desk.run(third.get_run(run)).status is RunStatus.RUNNING
    finally:
        other.close()
        third.close()
