"""`syncd purge` in this process and through the daemon: shown first, refused under a run, finished after a kill."""

import json
import signal
import time
from pathlib import Path

from tests.system.site import Daemon, FakeSite, notes

ANN, BOB = "ann@acme.example", "bob@acme.example"


def bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def mirrored(site: FakeSite) -> None:
    site.save(notes={ANN: notes("annword", 12), BOB: notes("bobword", 3)})
    site.run("import", "acme")
    site.run("sync", "nightly")


def records(site: FakeSite) -> int:
    return len(site.run("records", "--connection", "acme", "--stream", "notes", "--ndjson").stdout.splitlines())


def test_it_shows_what_goes_and_removes_exactly_that(site: FakeSite) -> None:
    mirrored(site)
    dry = site.json("purge", "acme", "--account", ANN, "--dry-run")
    assert (dry["purged"], dry["accounts"], dry["streams"][0]["records"]) == (False, [ANN], 12)
    assert records(site) == 15
    shown = site.run("purge", "acme", "--account", ANN).stdout
    for words in ("12", "backups", "logs", "accounts: exclude", "it is gone"):
        assert words in shown, shown
    assert records(site) == 3
    left = bytes_of(site.state)
    assert b"annword" not in left
    assert ANN.encode() not in left
    assert b"bobword" in left
    assert [one["account"] for one in site.json("accounts", "acme")] == [BOB]


def test_a_name_that_is_not_there_removes_nothing(site: FakeSite) -> None:
    mirrored(site)
    for arguments in (["acmf"], ["acme", "--account", "eve@acme.example"], ["acme", "--stream", "mail"]):
        error = json.loads(site.run("purge", *arguments, "--yes", "--json", code=2).stdout)["error"]
        assert error["code"] == "SYN-CONF-002"
    assert records(site) == 15


def test_a_connection_that_was_taken_out_of_the_yaml_can_be_purged(site: FakeSite) -> None:
    mirrored(site)
    site.configure(text='{"version": 1}')
    report = site.json("purge", "acme", "--yes")
    assert (report["purged"], report["comes_back"], len(report["accounts"])) == (True, "", 2)
    assert b"word" not in bytes_of(site.state)


def test_through_the_daemon_while_syncs_wait(site: FakeSite) -> None:
    with site.daemon() as running:
        mirrored(site)
        newest = max(one["seq"] for one in feed(running, 0))
        shown = running.http.get("/connections/acme/purge", params={"account": ANN}).json()
        assert shown["streams"][0]["records"] == 12
        refused = running.http.post("/connections/acme/purge", json={"accounts": [ANN], "shown": "else"})
        assert (refused.status_code, records(site)) == (409, 15)
        report = site.json("purge", "acme", "--account", ANN)
        assert report["purged"] is True
        assert b"annword" not in bytes_of(site.state)
        assert running.http.get("/records", params=query(newest)).status_code == 410
        again = max(one["seq"] for one in feed(running, 0))
        assert feed(running, again) == []
        assert site.json("sync", "nightly")[0]["status"] == "completed"
        assert records(site) == 3


def test_it_is_refused_while_a_run_is_under_way(daemon: Daemon, site: FakeSite) -> None:
    site.save(gate=str(site.gate))
    run = daemon.http.post("/syncs/nightly/runs", json={}).json()["run"]
    daemon.until(lambda: daemon.sync()["state"] == "running")
    error = json.loads(site.run("purge", "acme", "--yes", "--json", code=75).stdout)["error"]
    assert (error["code"], f"run {run} " in error["message"]) == ("SYN-RUN-003", True)
    daemon.http.post(f"/runs/{run}/cancel")
    site.gate.touch()
    daemon.until(lambda: daemon.sync()["state"] != "running")
    assert site.json("purge", "acme", "--yes")["purged"] is True


def test_a_killed_one_is_finished_by_the_next_command(site: FakeSite) -> None:
    site.save(notes={ANN: notes("annword", 5000), BOB: notes("bobword", 3)})
    site.run("import", "acme")
    site.run("sync", "nightly")
    process = site.start("purge", "acme", "--account", ANN, "--yes")
    end = time.monotonic() + 30
    while records_in(site) == 5003 and time.monotonic() < end:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -9, "it was through before it could be killed"
    report = site.json("purge", "acme", "--account", ANN, "--yes")
    assert report["purged"] is True
    assert records(site) == 3
    assert b"annword" not in bytes_of(site.state)
    site.run("import", "acme")
    assert site.json("sync", "nightly")[0]["counts"]["new"] == 5000


def records_in(site: FakeSite) -> int:
    import sqlite3

    with sqlite3.connect(f"file:{site.state / 'syncd.db'}?mode=ro", uri=True) as database:
        return int(database.execute("SELECT count(*) FROM record").fetchone()[0])


def query(since: int) -> dict[str, str]:
    return {"connection": "acme", "stream": "notes", "since": str(since)}


def feed(running: Daemon, since: int) -> list[dict[str, int]]:
    answer = running.http.get("/records", params=query(since)).raise_for_status()
    return [json.loads(line) for line in answer.text.splitlines()]
