"""A sync that has another name in the folder, before the daemon starts or while it runs: nothing of it is lost."""

import json
from collections.abc import Iterator

import pytest

from tests.support.receivers import WebHook
from tests.system.site import Daemon, FakeSite


def rename(site: FakeSite, **daemon: object) -> None:
    """`nightly` becomes `renamed`."""
    site.syncs = {"renamed": site.syncs["nightly"]}
    configure(site, **daemon)


def configure(site: FakeSite, **daemon: object) -> None:
    settings = {"world": str(site.folder / "world.json"), "key": "${env:FAKE_KEY}"}
    document = {
        "version": 1,
        "daemon": {"listen": "127.0.0.1:0", **daemon},
        "connections": {"acme": {"connector": "fake", "settings": settings}},
        "syncs": site.syncs,
    }
    site.configure(json.dumps(document))


@pytest.fixture
def hook() -> Iterator[WebHook]:
    with WebHook() as hook:
        yield hook


def test_a_sync_renamed_without_a_daemon_is_disabled_still_and_has_its_history(site: FakeSite) -> None:
    site.run("import", "acme")
    (run,) = site.json("sync", "nightly")
    site.run("disable", "nightly")
    (before,) = site.json("status")["syncs"]
    rename(site)
    (after,) = site.json("status")["syncs"]
    assert after == {**before, "name": "renamed", "streams": after["streams"]}
    assert (after["state"], after["last_run"]["run"]) == ("disabled", run["run"])
    assert site.json("history", "renamed") == [{**run, "sync": "renamed"}]
    assert site.json("show", str(run["run"]))["sync"] == "renamed"
    site.run("history", "nightly", code=2)


def test_failures_are_counted_on_under_another_name_and_the_pause_stays(site: FakeSite) -> None:
    site.run("import", "acme")
    site.save(fail="down")
    for _ in range(2):
        site.run("sync", "nightly", code=1)
    rename(site)
    site.run("sync", "renamed", code=1)
    (sync,) = site.json("status")["syncs"]
    assert sync["paused"]["code"] == "SYN-RUN-001"
    assert sync["paused"]["reason"].endswith("(SYN-NET-001)")


def test_a_sync_renamed_in_a_running_daemon_stays_as_it_was(daemon: Daemon, site: FakeSite) -> None:
    nightly = daemon.sync()["next_run"]
    site.syncs["nightly"]["schedule"] = {"every": "12h"}  # whose first due time depends on name and moment
    site.configure()
    due = daemon.until(lambda: daemon.sync()["next_run"] != nightly and daemon.sync()["next_run"])
    rename(site)
    (after,) = daemon.until(lambda: [one for one in daemon.status()["syncs"] if one["name"] == "renamed"])
    assert after["next_run"] == due
    site.run("disable", "renamed")
    site.syncs = {"again": site.syncs["renamed"]}
    site.configure()
    daemon.until(lambda: [one["name"] for one in daemon.status()["syncs"]] == ["again"])
    daemon.until(lambda: daemon.sync("again")["state"] == "disabled")


def test_a_run_under_way_ends_after_its_page_and_goes_on_under_the_new_name(daemon: Daemon, site: FakeSite) -> None:
    site.save(gate=str(site.gate))
    run = daemon.http.post("/syncs/nightly/runs", json={}).json()["run"]
    daemon.until(lambda: daemon.http.get(f"/runs/{run}").json()["counts"]["new"] == 6)  # a page of each account
    rename(site)
    daemon.until(lambda: daemon.http.get(f"/runs/{run}").json()["status"] == "cancelled")
    site.gate.touch()
    daemon.until(lambda: len(daemon.runs("renamed")) == 2 and daemon.runs("renamed")[0]["status"] == "completed")
    newer, older = daemon.runs("renamed")
    assert (older["run"], older["sync"], older["status"]) == (run, "renamed", "cancelled")
    assert daemon.http.get(f"/runs/{run}").json()["reason"] == "reload"
    assert newer["trigger"] == "manual"
    assert (older["counts"]["new"], newer["counts"]["new"]) == (6, 9)
    assert daemon.sync("renamed")["streams"][0]["records"] == 15


def test_a_run_of_a_sync_that_is_removed_is_not_started_again(daemon: Daemon, site: FakeSite) -> None:
    site.save(gate=str(site.gate))
    run = daemon.http.post("/syncs/nightly/runs", json={}).json()["run"]
    daemon.until(lambda: daemon.http.get(f"/runs/{run}").json()["counts"]["new"] == 6)
    site.syncs = {"other": {"connection": "acme", "streams": ["tasks"]}}
    site.configure()
    daemon.until(lambda: daemon.http.get(f"/runs/{run}").json()["status"] == "cancelled")
    assert daemon.http.get(f"/runs/{run}").json()["sync"] == "nightly"
    site.gate.touch()
    assert daemon.runs("other") == []
    assert [one["run"] for one in daemon.runs("nightly")] == [run]


def test_a_paused_sync_that_is_renamed_is_not_told_anew(site: FakeSite, hook: WebHook) -> None:
    site.environment["OPS_URL"] = f"json://127.0.0.1:{hook.port}/x"
    site.syncs["nightly"]["pause_after"] = 1
    configure(site, notify=["${env:OPS_URL}"])
    site.run("import", "acme")
    site.save(fail="down")
    site.run("sync", "nightly", code=1)
    assert hook.titles() == ["nightly is paused"]
    assert "syncd explain SYN-NET-001" in hook.got[0]["message"]
    rename(site, notify=["${env:OPS_URL}"])
    site.run("sync", "renamed", code=1)
    site.run("resume", "renamed")
    assert hook.titles() == ["nightly is paused", "renamed is resumed"]
