"""Commands in a process of their own, with no daemon: what they print and how they exit."""

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from syncd.control.running import Runs
from syncd.engine.ports import RunRow
from tests.system.site import SYNCD, FakeSite, notes

COUNTS = {"new", "updated", "unchanged", "deleted", "failed", "held", "pending", "skipped"}


def test_from_import_to_records(site: FakeSite) -> None:
    imported = site.json("import", "acme")
    assert imported["connection"] == "acme"
    assert imported["new"] == ["ann@acme.example", "bob@acme.example"]
    assert imported["gone"] == []
    ann = imported["accounts"][0]
    assert ann == {
        "account": "ann@acme.example", "name": "Ann", "role": "admin", "state": "active", "streams": {"notes": "ready", "tasks": "ready"},
    }  # fmt: skip
    assert site.json("accounts", "acme") == imported["accounts"]

    (run,) = site.json("sync", "nightly")
    assert {"run", "sync", "trigger", "status", "started_at", "finished_at", "duration_s", "counts", "requests",
            "streams", "errors"} <= run.keys()  # fmt: skip
    assert (run["run"], run["sync"], run["trigger"], run["status"]) == (1, "nightly", "manual", "completed")
    assert run["counts"].keys() == COUNTS
    assert run["counts"]["new"] == 15
    assert run["streams"][0]["stream"] == "notes"
    assert run["streams"][0]["accounts"] == 2

    query = ("records", "--connection", "acme", "--stream", "notes")
    lines = [json.loads(line) for line in site.run(*query, "--ndjson").stdout.splitlines()]
    assert len(lines) == 15
    assert {"connection", "account", "stream", "partition", "source_id", "seq", "version", "change", "first_seen_at",
            "last_changed_at", "deleted_at", "summary", "data"} <= lines[0].keys()  # fmt: skip
    assert [line["seq"] for line in lines] == sorted(line["seq"] for line in lines)
    some = site.json(*query, "--account", "BOB@acme.example", "--limit", "2")
    assert [one["account"] for one in some] == ["bob@acme.example"] * 2
    sha = lines[0]["summary"]["blob"]["sha256"]
    assert site.run("blob", sha).stdout == f"text of {lines[0]['source_id']}"
    site.run("blob", sha, "-o", str(site.folder / "out"))
    assert (site.folder / "out").read_text() == f"text of {lines[0]['source_id']}"
    site.run("blob", "0" * 64, code=1)
    site.run("blob", "nonsense", code=2)
    assert "there are: notes, tasks" in site.run("records", "--connection", "acme", "--stream", "mail", code=2).stderr


def test_an_account_that_the_connection_leaves_out_is_excluded(site: FakeSite) -> None:
    site.save(accounts=[*site.world["accounts"], {"id": "3", "address": "cid@acme.example", "state": "suspended"}])
    site.run("import", "acme")
    document = json.loads((site.config / "acme.yaml").read_text())
    document["connections"]["acme"]["accounts"] = {"include": ["ANN@*"]}
    site.configure(json.dumps(document))
    states = [("ann@acme.example", "active"), ("bob@acme.example", "excluded"), ("cid@acme.example", "suspended")]
    assert [(one["account"], one["state"]) for one in site.json("accounts", "acme")] == states
    assert [(one["account"], one["state"]) for one in site.json("import", "acme")["accounts"]] == states
    (run,) = site.json("sync", "nightly")
    assert run["streams"][0]["accounts"] == 1


def test_status_and_history_without_a_daemon(site: FakeSite) -> None:
    status = site.json("status")
    assert status["daemon"] is None
    (card,) = status["syncs"]
    assert card["state"] == "idle"
    assert (card["next_run"], card["last_run"], card["paused"]) == (None, None, None)
    assert card["streams"] == [{"stream": "notes", "accounts": 0, "records": 0, "freshness_s": None}]
    site.run("import", "acme")
    site.run("sync", "nightly")
    (run,) = site.json("history", "nightly")
    assert run["status"] == "completed"
    shown = site.json("show", str(run["run"]))
    assert {one["account"]: one["counts"]["new"] for one in shown["streams"][0]["account_results"]} == {
        "ann@acme.example": 12, "bob@acme.example": 3,
    }  # fmt: skip
    assert "completed" in site.run("status").stdout
    assert "12 new" in site.run("show", "1").stdout


def test_an_unknown_name_is_a_usage_error_with_a_hint_and_one_document(site: FakeSite) -> None:
    done = site.run("sync", "nightlx", "--json", code=2)
    assert json.loads(done.stdout)["error"]["code"] == "SYN-CONF-002"
    assert "did you mean 'nightly'" in done.stderr
    site.run("import", "nowhere", code=2)
    site.run("show", "99", code=2)
    site.run("history", "gone", code=2)
    site.run("sync", "nightly", "--stream", "mail", code=2)
    site.run("sync", code=2)
    site.run("bogus", code=2)


@pytest.mark.parametrize(
    "arguments", [["show", "abc"], ["sync"], ["bogus"], ["status", "--bogus"], ["records", "--ndjson"]]
)
def test_a_usage_error_is_one_document_too(site: FakeSite, arguments: list[str]) -> None:
    for line in ([*arguments, "--json"], ["--json", *arguments]):
        done = site.run(*line, code=2)
        error = json.loads(done.stdout)["error"]
        assert (error["code"], error["exit_code"]) == ("", 2)
        assert error["message"] in done.stderr
        assert error["hint"].startswith("see `syncd")
    assert site.run(*arguments, code=2).stdout == ""


def test_ndjson_and_json_exclude_each_other(site: FakeSite) -> None:
    site.run("import", "acme")
    done = site.run("records", "--connection", "acme", "--stream", "notes", "--json", "--ndjson", code=2)
    assert json.loads(done.stdout)["error"]["message"] == "--json and --ndjson exclude each other"


def test_nothing_is_started_if_one_name_or_stream_is_wrong(site: FakeSite) -> None:
    site.syncs["other"] = {"connection": "acme", "streams": ["tasks"]}
    site.configure()
    site.run("import", "acme")
    for arguments in (("nightly", "othr"), ("nightly", "other", "--stream", "notes")):
        done = site.run("sync", *arguments, "--json", code=2)
        assert json.loads(done.stdout)["error"]["code"] == "SYN-CONF-002"
        assert done.stderr.startswith("error: no ")
        assert "Traceback" not in done.stderr
    assert site.json("history", "nightly") == []


def test_a_sync_that_covers_nobody_fails(site: FakeSite) -> None:
    (run,) = site.json("sync", "nightly", code=1)
    assert run["status"] == "failed"
    assert run["errors"][0]["code"] == "SYN-ACCOUNT-002"
    assert run["errors"][0]["hint"]


def test_a_refused_credential_is_77_and_pauses_every_sync_of_the_connection(site: FakeSite) -> None:
    site.syncs["other"] = {"connection": "acme", "streams": ["tasks"]}
    site.configure()
    site.run("import", "acme")
    site.save(fail="auth")
    (run,) = site.json("sync", "nightly", code=77)
    assert run["errors"][0]["code"] == "SYN-AUTH-001"
    paused, other = site.json("status")["syncs"]
    assert (paused["state"], other["state"]) == ("paused", "paused")
    assert paused["paused"].keys() == {"code", "reason", "since"}
    assert paused["paused"]["code"] == "SYN-AUTH-001"
    (check,) = site.json("check", code=77)
    assert check["error"]["code"] == "SYN-AUTH-001"
    site.run("import", "acme", code=77)
    site.save(fail=None)
    assert site.json("check")[0]["streams"] == {"notes": "ready", "tasks": "ready"}
    site.run("sync", "nightly")  # works on a paused sync, and proves the credential for both
    assert [one["state"] for one in site.json("status")["syncs"]] == ["idle", "idle"]


def test_three_failed_runs_pause_and_resume_lifts_it(site: FakeSite) -> None:
    site.run("import", "acme")
    site.save(fail="down")
    for _ in range(3):
        assert site.json("status")["syncs"][0]["state"] == "idle"
        site.run("sync", "nightly", code=1)
    card = site.json("status")["syncs"][0]
    assert card["state"] == "paused"
    assert card["paused"]["code"] == "SYN-RUN-001"
    assert "the provider is down" in card["paused"]["reason"]
    assert site.json("resume", "nightly")["state"] == "resumed"
    assert site.json("status")["syncs"][0]["state"] == "idle"


def test_a_throttled_provider_is_75_and_no_failure(site: FakeSite) -> None:
    site.run("import", "acme")
    site.save(fail="rate")
    for _ in range(3):
        site.run("sync", "nightly", code=75)
    assert site.json("status")["syncs"][0]["paused"] is None


def test_held_deletions_are_shown_then_approved_or_rejected(site: FakeSite) -> None:
    site.run("import", "acme")
    site.run("sync", "nightly")
    site.save(notes={"ann@acme.example": notes("a", 1), "bob@acme.example": notes("b", 3)})
    (run,) = site.json("sync", "nightly", code=4)
    assert run["status"] == "held"
    assert run["counts"]["held"] == 11
    assert site.json("status")["syncs"][0]["state"] == "held"
    shown = site.run("reject", "nightly")
    assert "11 of 12" in shown.stdout
    assert "11 deletions dropped" in shown.stdout
    assert site.json("approve", "nightly")["decided"] == 0
    site.run("sync", "nightly", code=4)
    assert site.json("approve", "nightly", "--account", "bob@acme.example")["decided"] == 0
    decided = site.json("approve", "nightly", "--stream", "notes")
    assert (decided["decision"], decided["decided"]) == ("approved", 11)
    gone = site.json("records", "--connection", "acme", "--stream", "notes", "--deleted")
    assert len(gone) == 11
    assert all(one["deleted_at"] and one["data"] for one in gone)
    site.run("sync", "nightly")


def test_reset_makes_the_next_run_full_and_adds_nothing(site: FakeSite) -> None:
    site.run("import", "acme")
    site.run("sync", "nightly")
    assert site.json("reset", "nightly")["partitions"] == 2
    (run,) = site.json("sync", "nightly")
    assert (run["counts"]["new"], run["counts"]["unchanged"]) == (0, 15)


def test_a_dry_run_writes_nothing(site: FakeSite) -> None:
    site.run("import", "acme")
    (run,) = site.json("sync", "nightly", "--dry-run")
    assert run["run"] is None
    assert run["counts"]["new"] == 15
    assert site.run("records", "--connection", "acme", "--stream", "notes", "--ndjson").stdout == ""


def test_several_syncs_exit_with_the_worst(site: FakeSite) -> None:
    site.syncs["quiet"] = {"connection": "beta", "streams": ["notes"]}
    document = {
        "version": 1,
        "connections": {
            "acme": {"connector": "fake", "settings": {"world": str(site.folder / "world.json")}},
            "beta": {"connector": "fake", "settings": {"world": str(site.folder / "world.json")}},
        },
        "syncs": site.syncs,
    }
    site.configure(json.dumps(document))
    site.run("import", "acme")
    runs = site.json("sync", "nightly", "quiet", code=1)  # nobody is imported for `quiet`
    assert [(run["sync"], run["status"]) for run in runs] == [("nightly", "completed"), ("quiet", "failed")]


def test_ctrl_c_ends_the_run_after_its_page(site: FakeSite) -> None:
    site.run("import", "acme")
    site.save(gate=str(site.gate))
    process = site.start("sync", "nightly")
    _until(lambda: site.json("history", "nightly") and site.json("history", "nightly")[0]["counts"]["new"])
    busy = site.run("sync", "nightly", "--full", code=75)
    assert "SYN-RUN-003" in busy.stderr
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    while "ending after the page in hand" not in process.stderr.readline():
        assert process.poll() is None
    site.gate.touch()
    assert process.wait(20) == 130
    (run,) = site.json("history", "nightly")
    assert run["status"] == "cancelled"
    site.run("sync", "nightly")


def test_a_run_of_another_process_is_followed_if_it_covers_what_is_asked(
    site: FakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.run("import", "acme")
    site.save(gate=str(site.gate))
    first = site.start("sync", "nightly", "--json")
    _until(lambda: site.json("history", "nightly"))
    follow = Runs._poll

    def following(self: Runs, row: RunRow) -> AsyncIterator[dict[str, Any]]:
        site.gate.touch()  # the first one goes on only now
        return follow(self, row)

    monkeypatch.setattr(Runs, "_poll", following)
    (second,) = site.json("sync", "nightly", "--account", "ann@acme.example")
    (own,) = json.loads(first.communicate(timeout=30)[0])
    assert (own["run"], second["run"], first.returncode) == (1, 1, 0)


def test_ctrl_c_ends_at_once_what_only_follows_another_process(site: FakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    site.run("import", "acme")
    site.save(gate=str(site.gate))
    first = site.start("sync", "nightly", "--json")
    _until(lambda: site.json("history", "nightly"))
    follow = Runs._poll

    async def interrupted(self: Runs, row: RunRow) -> AsyncIterator[dict[str, Any]]:
        signal.raise_signal(signal.SIGINT)
        async for event in follow(self, row):
            if event["event"] == "report":
                raise AssertionError("it was followed to its end")
            yield event
            await asyncio.sleep(0)
            if event["event"] == "progress":
                site.gate.touch()  # who has not left by now waits for this

    monkeypatch.setattr(Runs, "_poll", interrupted)
    second = site.run("sync", "nightly", code=130)
    assert "no longer followed; goes on in another process: nightly (run 1)" in second.stderr
    assert "ending after" not in second.stderr
    site.gate.touch()
    (run,) = json.loads(first.communicate(timeout=30)[0])
    assert (run["status"], first.returncode) == ("completed", 0)


def _until(condition: object) -> None:
    end = time.monotonic() + 40
    while time.monotonic() < end:
        if condition():  # type: ignore[operator]
            return
    raise AssertionError("did not happen")


def test_a_reader_that_leaves_is_no_failure(site: FakeSite) -> None:
    site.world["notes"]["ann@acme.example"] = notes("a", 3000)
    site.save(page=1000)
    site.run("import", "acme")
    site.run("sync", "nightly")
    command = f"set -o pipefail; {SYNCD} records --connection acme --stream notes --ndjson | head -1"
    done = subprocess.run(["bash", "-c", command], env=site.environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_invalid_folder_is_78_with_every_problem(site: FakeSite) -> None:
    site.configure("version: 1\nsyncs:\n  a: {connection: none, streams: [x], bogus: 1}\n")
    done = site.run("validate", "--json", code=78)
    answer = json.loads(done.stdout)
    assert answer["ok"] is False
    assert answer["problems"][0].keys() == {"file", "line", "column", "path", "message", "hint"}
    assert all(problem["line"] for problem in answer["problems"])
    refused = json.loads(site.run("sync", "a", "--json", code=78).stdout)
    assert refused["error"]["code"] == "SYN-CONF-001"
    assert len(refused["error"]["problems"]) == len(answer["problems"])
    assert site.json("status", code=78)["problems"]
    site.run("validate", str(site.folder / "nowhere"), code=78)


def test_validate_is_offline_and_needs_no_secret(site: FakeSite) -> None:
    del site.environment["FAKE_KEY"]
    assert site.json("validate") == {"ok": True, "problems": []}
    assert "is valid: 1 file, 1 connection, 1 sync" in site.run("validate").stdout


def test_broken_plugins_are_shown_and_stop_nobody(site: FakeSite) -> None:
    bad = site.folder / "plugins" / "bad-2.0.dist-info"
    bad.mkdir()
    (bad / "METADATA").write_text("Metadata-Version: 2.1\nName: bad\nVersion: 2.0\n")
    (bad / "entry_points.txt").write_text("[syncd.connectors]\nbad = bad_module\n")
    (site.folder / "plugins" / "bad_module.py").write_text("raise SystemExit('not today')\n")
    listed = json.loads(site.process("connectors", "--json").stdout)
    assert "fake" in [one["name"] for one in listed["connectors"]]
    (broken,) = listed["broken"]
    assert (broken["name"], broken["distribution"], broken["version"]) == ("bad", "bad", "2.0")
    assert broken["error"] == "SystemExit: not today"
    assert "bad_module.py" in broken["traceback"]
    site.process("import", "acme")


def test_an_unexpected_error_is_short_unless_debug_asks(site: FakeSite) -> None:
    site.save(fail="bug")
    short = site.run("import", "acme", code=1)
    assert "Traceback" not in short.stderr
    assert "\x1b" not in short.stderr
    assert "SYN-PLUGIN-001" in short.stderr


def test_options_stand_before_or_after_the_command(site: FakeSite, tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("SYNCD_")}
    site.environment = {**env, "PYTHONPATH": site.environment["PYTHONPATH"], "FAKE_KEY": "0123456789"}
    folders = ("--config", str(site.config), "--state", str(site.state))
    site.run(*folders, "import", "acme")
    site.run("accounts", *folders, "acme")
    site.run("validate", *folders)


def test_an_unusable_state_directory_is_named(site: FakeSite) -> None:
    (site.folder / "file").write_text("")
    done = site.run("status", "--state", str(site.folder / "file"), code=1)
    assert "SYN-STATE-002" in done.stderr


def test_plan_without_a_daemon_shows_everything_as_new(site: FakeSite) -> None:
    site.configure(endpoints={"api": "http://127.0.0.1:9"})
    plan = site.json("plan")
    assert plan["daemon"] is False
    added = [change["change"] for change in plan["changes"] if change["block"] != "daemon"]  # the site's own `listen`
    assert added == ["added", "added"]
    assert any("endpoints" in warning for change in plan["changes"] for warning in change["warnings"])
