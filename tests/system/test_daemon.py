"""The daemon as a process: one per state directory, signals, reload, drain, the socket."""

import asyncio
import os
import signal
import stat
import time
from datetime import UTC, datetime, timedelta

from syncd.sdk import SystemClock
from syncd.store import open_store
from tests.system.site import Daemon, FakeSite, notes


def test_a_second_daemon_exits_75_and_the_first_goes_on(daemon: Daemon, site: FakeSite) -> None:
    refused = site.process("run", code=75)
    assert "SYN-STATE-001" in refused.stderr
    assert str(daemon.process.pid) in refused.stderr
    assert daemon.status()["daemon"]["pid"] == daemon.process.pid


def test_the_socket_is_for_owner_and_group_in_a_closed_directory(daemon: Daemon, site: FakeSite) -> None:
    assert stat.S_IMODE(os.stat(site.state / "syncd.sock").st_mode) == 0o660
    assert stat.S_IMODE(os.stat(site.state).st_mode) == 0o750


def test_an_empty_directory_that_was_made_for_it_is_closed_and_one_in_use_is_left(site: FakeSite) -> None:
    site.state.mkdir(mode=0o755)
    with site.daemon():
        assert stat.S_IMODE(os.stat(site.state).st_mode) == 0o750
    site.state.chmod(0o755)
    site.run("accounts", "acme")
    assert stat.S_IMODE(os.stat(site.state).st_mode) == 0o755


def test_sigterm_and_sigint_end_it_with_0_and_take_the_socket_along(site: FakeSite) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with site.daemon() as running:
            assert running.stop(number) == 0
        assert not (site.state / "syncd.sock").exists()


def test_a_killed_daemon_leaves_nothing_in_the_way(site: FakeSite) -> None:
    with site.daemon() as running:
        running.stop(signal.SIGKILL)
    assert (site.state / "syncd.sock").exists()
    with site.daemon() as running:
        assert running.status()["daemon"]["running"] is True


def test_an_invalid_folder_at_the_start_exits_78_with_all_problems(site: FakeSite) -> None:
    site.configure("version: 1\nsyncs:\n  a: {connection: none, streams: [x], bogus: 1}\n")
    done = site.process("run", code=78)
    assert "bogus" in done.stderr
    assert "none" in done.stderr


def test_a_missing_secret_is_named_and_exits_78(site: FakeSite) -> None:
    del site.environment["FAKE_KEY"]
    assert "FAKE_KEY" in site.process("run", code=78).stderr


def test_it_drains_within_the_page_on_sigterm(daemon: Daemon, site: FakeSite) -> None:
    site.save(gate=str(site.gate))
    run = daemon.http.post("/syncs/nightly/runs", json={}).json()["run"]
    daemon.until(lambda: daemon.http.get(f"/runs/{run}").json()["counts"]["new"])
    daemon.process.send_signal(signal.SIGTERM)
    daemon.until(lambda: "stopping" in daemon.log.read_text())
    site.gate.touch()
    assert daemon.process.wait(20) == 0
    site.save(gate=None)
    with site.daemon() as again:
        ended = again.http.get(f"/runs/{run}").json()
        assert ended["status"] == "cancelled"
        assert ended["reason"] == "shutdown"
        again.http.post("/syncs/nightly/runs", json={})
        again.until(lambda: again.sync()["last_run"]["status"] == "completed")
        assert again.sync()["streams"][0]["records"] == 15


def test_a_run_that_hangs_ends_with_the_grace(site: FakeSite) -> None:
    with site.daemon("--grace", "0.5") as running:
        running.http.post("/connections/acme/import")
        site.save(gate=str(site.gate))
        running.http.post("/syncs/nightly/runs", json={})
        began = time.monotonic()
        assert running.stop() == 0
        assert time.monotonic() - began < 10


def test_a_changed_file_is_taken_over_by_itself(daemon: Daemon, site: FakeSite) -> None:
    site.syncs["second"] = {"connection": "acme", "streams": ["notes"], "enabled": False}
    del site.syncs["nightly"]
    site.configure()
    daemon.until(lambda: [one["name"] for one in daemon.status()["syncs"]] == ["second"])
    assert daemon.sync("second")["state"] == "disabled"


def test_an_invalid_folder_changes_nothing_and_shows(daemon: Daemon, site: FakeSite) -> None:
    site.configure("version: 1\nsyncs: {nightly: {connection: acme, strems: [notes]}}\n")
    daemon.process.send_signal(signal.SIGHUP)
    problems = daemon.until(lambda: daemon.status()["problems"])
    assert any("strems" in problem["message"] for problem in problems)
    assert daemon.sync()["state"] == "idle"
    status = site.json("status")
    assert status["problems"] == problems
    assert status["daemon"]["running"] is True
    site.configure()
    daemon.process.send_signal(signal.SIGHUP)
    daemon.until(lambda: not daemon.status()["problems"])


def test_a_schedule_change_never_touches_a_running_run(daemon: Daemon, site: FakeSite) -> None:
    site.save(gate=str(site.gate))
    run = daemon.http.post("/syncs/nightly/runs", json={}).json()["run"]
    before = daemon.sync()["next_run"]
    site.syncs["nightly"]["schedule"] = "daily-4am"
    site.configure()
    daemon.until(lambda: daemon.sync()["next_run"] != before)
    assert daemon.sync()["state"] == "running"
    site.gate.touch()
    daemon.until(lambda: daemon.sync()["state"] == "idle")
    assert daemon.http.get(f"/runs/{run}").json()["status"] == "completed"
    assert len(daemon.runs()) == 1


def test_changed_deletions_end_the_run_after_its_page_and_it_goes_on_from_there(daemon: Daemon, site: FakeSite) -> None:
    site.save(gate=str(site.gate))
    run = daemon.http.post("/syncs/nightly/runs", json={}).json()["run"]
    daemon.until(lambda: daemon.http.get(f"/runs/{run}").json()["counts"]["new"] == 6)  # a page of each account
    site.syncs["nightly"]["deletions"] = "keep"
    site.configure()
    daemon.until(lambda: daemon.http.get(f"/runs/{run}").json()["status"] == "cancelled")
    site.gate.touch()
    daemon.until(lambda: len(daemon.runs()) == 2 and daemon.runs()[0]["status"] == "completed")
    newer, older = daemon.runs()
    assert older["status"] == "cancelled"
    assert daemon.http.get(f"/runs/{run}").json()["reason"] == "reload"
    assert newer["trigger"] == "manual"
    assert (older["counts"]["new"], newer["counts"]["new"]) == (6, 9)
    assert newer["counts"]["unchanged"] == 3  # Bob was through; Ann's went on where it stood


def test_a_due_time_starts_a_run_and_a_missed_one_does_at_startup(site: FakeSite) -> None:
    site.syncs["nightly"]["schedule"] = {"every": "60s"}
    site.configure()
    site.run("import", "acme")
    _set_due(site, seconds=-3600)
    with site.daemon() as running:
        missed = running.until(lambda: running.runs())
        assert [run["trigger"] for run in missed] == ["startup"]
        due = datetime.fromisoformat(running.sync()["next_run"])
        assert timedelta(0) < due - datetime.now(UTC) <= timedelta(seconds=60)
    _set_due(site, seconds=8)
    with site.daemon() as running:
        running.until(lambda: len(running.runs()) == 2)
        assert running.runs()[0]["trigger"] == "scheduled"


def _set_due(site: FakeSite, seconds: float) -> None:
    """As if the daemon had last run when this was the next due time."""
    store = open_store(site.state, SystemClock())
    due = datetime.now(UTC) + timedelta(seconds=seconds)
    asyncio.run(store.set_sync_state("nightly", next_due_at=due))
    store.close()


def test_secrets_stay_out_of_log_and_answers(daemon: Daemon, site: FakeSite) -> None:
    site.save(notes={"ann@acme.example": notes("a", 1)}, fail="bug")
    daemon.http.post("/syncs/nightly/runs", json={})
    daemon.until(lambda: daemon.sync()["last_run"])
    shown = daemon.http.get("/runs/1").text
    assert "a-key-that-nobody-may-see" not in daemon.log.read_text() + shown
    assert "\x1b" not in daemon.log.read_text()
