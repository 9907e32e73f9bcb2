"""`syncd backup` beside a daemon that syncs, `syncd restore` into a new state directory."""

import json
import signal
from pathlib import Path

from tests.system.site import Daemon, FakeSite, notes


def records(site: FakeSite) -> dict[str, str]:
    lines = site.run("records", "--connection", "acme", "--stream", "notes", "--ndjson").stdout.splitlines()
    return {one["source_id"]: one["summary"]["blob"]["sha256"] for one in map(json.loads, lines)}


def test_a_backup_beside_a_running_sync_is_whole_and_goes_on(daemon: Daemon, site: FakeSite, tmp_path: Path) -> None:
    site.run("sync", "nightly")
    before = records(site)
    more = {"ann@acme.example": [*notes("a", 12), *notes("later", 3)], "bob@acme.example": notes("b", 3)}
    site.save(notes=more, gate=str(site.gate))
    daemon.http.post("/syncs/nightly/runs", json={})
    daemon.until(lambda: daemon.sync()["state"] == "running")
    made = site.json("backup", str(tmp_path / "monday"))
    assert (made["backup"], made["encrypted"], made["missing"]) == (str(tmp_path / "monday"), False, 0)
    again = json.loads(site.run("backup", str(tmp_path / "monday"), "--json", code=1).stdout)["error"]
    assert "there already" in again["message"]
    site.gate.touch()
    daemon.until(lambda: daemon.sync()["state"] != "running")
    assert daemon.stop(signal.SIGKILL) == -9
    site.run("restore", str(tmp_path / "monday"), code=1)  # nothing that is there is overwritten
    site.state = tmp_path / "new"
    site.environment["SYNCD_STATE"] = str(site.state)
    report = site.json("restore", str(tmp_path / "monday"))
    assert (report["state"], report["files"]) == (str(site.state), made["files"])
    held = records(site)
    assert before.items() <= held.items()
    assert all(site.run("blob", sha).stdout for sha in held.values())
    site.save(gate=None)
    (run,) = site.json("sync", "nightly")
    assert run["status"] == "completed"
    assert len(records(site)) == len(set(records(site))) == 18
    assert run["counts"]["new"] == 18 - len(held)


def test_what_is_no_backup_is_not_restored(site: FakeSite, tmp_path: Path) -> None:
    site.environment["SYNCD_STATE"] = str(tmp_path / "new")
    error = json.loads(site.run("restore", str(tmp_path), "--json", code=1).stdout)["error"]
    assert (error["code"], "not a whole backup" in error["message"]) == ("SYN-STATE-002", True)
    error = json.loads(site.run("backup", str(tmp_path / "monday"), "--json", code=1).stdout)["error"]
    assert "no database" in error["message"]
