"""Commands with a daemon on the state directory, and the API under them."""

import json
import signal
from pathlib import Path

from tests.system.site import Daemon, FakeSite, notes


def test_sync_runs_in_the_daemon_and_gives_the_same_document(daemon: Daemon, site: FakeSite) -> None:
    (run,) = site.json("sync", "nightly")
    assert (run["status"], run["counts"]["new"]) == ("completed", 15)
    assert daemon.runs() == [run] == site.json("history", "nightly")
    assert site.json("accounts", "acme")[0]["account"] == "ann@acme.example"
    assert site.json("check")[0]["ok"] is True
    records = site.run("records", "--connection", "acme", "--stream", "notes", "--ndjson").stdout.splitlines()
    assert len(records) == 15
    sha = json.loads(records[0])["summary"]["blob"]["sha256"]
    assert site.run("blob", sha).stdout.startswith("text of")
    assert site.json("show", "1")["streams"][0]["account_results"]
    assert site.json("status")["daemon"].keys() == {"running", "pid", "version"}


def test_refusals_travel_with_code_hint_and_exit_code(daemon: Daemon, site: FakeSite) -> None:
    error = json.loads(site.run("sync", "nightlx", "--json", code=2).stdout)["error"]
    assert (error["code"], error["hint"]) == ("SYN-CONF-002", "did you mean 'nightly'?")
    assert daemon.http.post("/syncs/nightlx/runs", json={}).status_code == 404
    assert daemon.http.get("/runs/99").status_code == 404
    assert daemon.http.get("/records", params={"connection": "acme", "stream": "notes", "since": -1}).status_code == 422
    answer = daemon.http.get("/syncs/nightlx/runs")
    assert answer.json().keys() == {"code", "message", "hint", "exit_code"}
    site.save(fail="auth")
    site.run("sync", "nightly", code=77)
    site.run("import", "acme", code=77)
    site.run("show", "99", code=2)


def test_a_hash_that_is_none_is_refused_by_the_command_itself(daemon: Daemon, site: FakeSite) -> None:
    for name in ("abc", "A" * 64, "../../etc/passwd"):
        assert f"error: {name!r} is not a SHA-256 in lower-case hex\n" in site.run("blob", name, code=2).stderr


def test_nothing_is_started_if_one_name_or_stream_is_wrong(daemon: Daemon, site: FakeSite) -> None:
    for arguments in (("nightly", "othr"), ("nightly", "--stream", "note")):
        done = site.run("sync", *arguments, "--json", code=2)
        assert json.loads(done.stdout)["error"]["code"] == "SYN-CONF-002"
    assert json.loads(done.stdout)["error"]["hint"] == "did you mean 'notes'?"
    assert daemon.runs() == []


def test_a_line_separator_inside_a_record_breaks_nothing(daemon: Daemon, site: FakeSite) -> None:
    site.save(notes={"ann@acme.example": [{"id": "1", "title": "one\u2028two\x85three\nfour"}]})
    site.run("sync", "nightly")
    (line,) = (
        site.run("records", "--connection", "acme", "--stream", "notes", "--ndjson").stdout.rstrip("\n").split("\n")
    )
    assert json.loads(line)["data"]["title"] == "one\u2028two\x85three\nfour"


def test_disable_outlives_restart_and_reload_until_the_yaml_agrees(site: FakeSite) -> None:
    with site.daemon() as running:
        assert site.json("disable", "nightly")["enabled"] is False
        assert running.sync()["state"] == "disabled"
        assert running.sync()["next_run"] is None
        site.syncs["nightly"]["pause_after"] = 5
        site.configure()
        running.process.send_signal(signal.SIGHUP)
        running.until(lambda: "pause_after" in running.log.read_text())
        assert running.sync()["enabled"] is False
    with site.daemon() as running:
        assert running.sync()["enabled"] is False
        site.syncs["nightly"]["enabled"] = False  # git says so too …
        site.configure()
        running.until(lambda: "enabled" in running.log.read_text())
        site.syncs["nightly"]["enabled"] = True  # … and from now on decides
        site.configure()
        running.until(lambda: running.sync()["enabled"])
        assert running.sync()["next_run"]


def test_enable_wins_over_the_yaml(daemon: Daemon, site: FakeSite) -> None:
    site.syncs["nightly"]["enabled"] = False
    site.configure()
    daemon.until(lambda: daemon.sync()["state"] == "disabled")
    assert "YAML" in site.json("enable", "nightly")["note"]
    assert daemon.sync()["state"] == "idle"


def test_cancel_ends_a_run_after_its_page(daemon: Daemon, site: FakeSite) -> None:
    site.save(gate=str(site.gate))
    run = daemon.http.post("/syncs/nightly/runs", json={}).json()["run"]
    daemon.until(lambda: daemon.sync()["state"] == "running")
    assert site.json("cancel", str(run)) == {"run": run, "sync": "nightly", "cancelled": True}
    site.gate.touch()
    daemon.until(lambda: daemon.sync()["last_run"])
    assert daemon.sync()["last_run"]["status"] == "cancelled"
    site.run("cancel", str(run), code=1)  # over


def test_a_second_sync_joins_what_covers_it_and_refuses_what_does_not(daemon: Daemon, site: FakeSite) -> None:
    site.save(gate=str(site.gate))
    run = daemon.http.post("/syncs/nightly/runs", json={}).json()["run"]
    assert daemon.http.post("/syncs/nightly/runs", json={"streams": ["notes"]}).json() == {
        "event": "run", "run": run, "sync": "nightly", "joined": True,
    }  # fmt: skip
    assert "SYN-RUN-003" in site.run("sync", "nightly", "--full", code=75).stderr
    assert daemon.http.post("/syncs/nightly/runs", json={"full": True}).status_code == 409
    site.gate.touch()


def test_a_follower_sees_pages_then_the_report(daemon: Daemon, site: FakeSite) -> None:
    headers = {"accept": "text/event-stream"}
    with daemon.http.stream("POST", "/syncs/nightly/runs", json={}, headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = [json.loads(line[5:]) for line in answer.iter_lines() if line.startswith("data:")]
    assert events[0]["event"] == "run"
    assert events[-1]["event"] == "report"
    assert events[-1]["report"]["status"] == "completed"
    assert {"run_started", "page_committed", "run_finished"} <= {event["event"] for event in events}


def test_a_follower_sees_the_end_when_the_daemon_stops(daemon: Daemon, site: FakeSite) -> None:
    site.save(gate=str(site.gate))
    follower = site.start("sync", "nightly", "--json")
    daemon.until(lambda: daemon.sync()["state"] == "running")
    daemon.process.send_signal(signal.SIGTERM)
    (run,) = json.loads(follower.communicate(timeout=30)[0])
    assert run["status"] == "cancelled"
    assert follower.returncode == 1
    assert daemon.process.wait(20) == 0


def test_ctrl_c_only_ends_the_following(daemon: Daemon, site: FakeSite) -> None:
    site.save(gate=str(site.gate))
    follower = site.start("sync", "nightly")
    daemon.until(lambda: daemon.sync()["state"] == "running")
    follower.send_signal(signal.SIGINT)
    _, err = follower.communicate(timeout=20)
    assert follower.returncode == 130
    assert "goes on in the daemon: nightly" in err  # with the run's number, if the follower was told of it in time
    assert daemon.sync()["state"] == "running"
    site.gate.touch()
    daemon.until(lambda: daemon.sync()["last_run"])
    assert daemon.sync()["last_run"]["status"] == "completed"


def test_held_deletions_are_decided_as_they_were_shown(daemon: Daemon, site: FakeSite) -> None:
    site.run("sync", "nightly")
    site.save(notes={"ann@acme.example": notes("a", 1), "bob@acme.example": []})
    site.run("sync", "nightly", code=4)
    assert daemon.sync()["state"] == "held"
    held = daemon.http.get("/syncs/nightly/held").json()
    assert held["count"] == 14  # 11 of Ann's, and Bob's empty listing
    narrowed = daemon.http.get("/syncs/nightly/held", params={"account": "bob@acme.example"}).json()
    assert narrowed["count"] == 3
    refused = daemon.http.post("/syncs/nightly/approve", json={"shown": narrowed["shown"]})
    assert refused.status_code == 409
    assert site.json("approve", "nightly", "--account", "bob@acme.example")["decided"] == 3
    assert site.json("reject", "nightly")["decided"] == 11
    assert daemon.sync()["state"] == "idle"


def test_plan_shows_what_the_folder_would_change(daemon: Daemon, site: FakeSite, tmp_path: Path) -> None:
    other = FakeSite(tmp_path / "other")
    other.syncs["nightly"]["max_delete"] = "90%"
    other.syncs["new"] = {"connection": "acme", "streams": ["tasks"]}
    other.configure(
        world=str(site.folder / "world.json"), key="${env:OTHER_KEY}", endpoints={"api": "http://127.0.0.1:1"}
    )
    site.environment["OTHER_KEY"] = "only-the-operator-has-it"
    refused = site.run("plan", "--config", str(other.config), code=78)  # the daemon could not read it
    assert "OTHER_KEY" in refused.stderr
    assert str(other.config) in refused.stderr
    (other.config / "key").write_text("0123456789")
    other.configure(world=str(site.folder / "world.json"), key="${file:key}", endpoints={"api": "http://127.0.0.1:1"})
    plan = site.json("plan", "--config", str(other.config))
    changes = {(one["block"], one["name"]): one for one in plan["changes"]}
    assert changes["connection", "acme"]["effect"] == "end_run"
    assert changes["connection", "acme"]["syncs"] == ["new", "nightly"]
    assert changes["sync", "new"]["change"] == "added"
    warnings = [warning for one in plan["changes"] for warning in one["warnings"]]
    assert sorted(warning.split()[0] for warning in warnings) == [
        "max_delete",
        "settings.endpoints.api",
        "settings.key",
    ]
    assert "look twice" in site.run("plan", "--config", str(other.config)).stdout
    assert {one["sync"]: one["enter"] for one in plan["accounts"]} == {"new": 2}
    assert site.json("plan") == {"daemon": True, "changes": [], "accounts": [], "read_again": []}


def test_the_api_describes_itself(daemon: Daemon) -> None:
    paths = daemon.http.get("/openapi.json").json()["paths"]
    assert {"/api/v1/status", "/api/v1/syncs/{name}/runs", "/api/v1/records"} <= paths.keys()
