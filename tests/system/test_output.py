"""What cannot be written or read: what a command says then, and how it ends."""

import errno
import json
import os
import subprocess
from pathlib import Path
from unittest.mock import Mock

import pytest

from tests.system.site import SYNCD, FakeSite

RECORDS = "records --connection acme --stream notes"


def _shell(site: FakeSite, command: str) -> subprocess.CompletedProcess[str]:
    """The real command, as a shell redirects it."""
    line = command.replace("syncd", SYNCD, 1)
    return subprocess.run(["bash", "-c", line], env=site.environment, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    "command", ["--help", "explain SYN-AUTH-001", "explain --json", "schema", f"{RECORDS} --ndjson", "status --json"]
)
def test_a_full_disk_under_the_output_is_named(site: FakeSite, command: str) -> None:
    site.run("import", "acme")
    site.run("sync", "nightly")
    done = _shell(site, f"syncd {command} >/dev/full")
    assert (done.returncode, done.stderr) == (1, "error: cannot write the output: no space left on device\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_refusal_that_cannot_be_written_keeps_its_exit_code(site: FakeSite, unbuffered: str) -> None:
    site.environment["PYTHONUNBUFFERED"] = unbuffered
    lost = _shell(site, "syncd explain SYN-X --json >/dev/full")
    assert (lost.returncode, lost.stderr.count("error:"), "Traceback" in lost.stderr) == (2, 1, False)
    told = _shell(site, "syncd explain SYN-X --json 2>/dev/full")
    assert (told.returncode, json.loads(told.stdout)["error"]["exit_code"]) == (2, 2)


def test_streams_may_be_closed(site: FakeSite) -> None:
    closed = _shell(site, "syncd explain >&-")
    assert (closed.returncode, closed.stderr) == (1, "error: cannot write the output: bad file descriptor\n")
    assert _shell(site, "syncd validate <&-").returncode == 0
    quiet = _shell(site, "syncd validate 2>&-")
    assert (quiet.returncode, "is valid" in quiet.stdout) == (0, True)
    site.run("import", "acme")
    _shell(site, "syncd sync nightly <&- >&- 2>&-")  # no file of the state takes the place of what is closed
    (run,) = site.json("history", "nightly")
    assert run["status"] == "completed"


def test_a_file_that_cannot_be_written_is_named(site: FakeSite) -> None:
    site.run("import", "acme")
    site.run("sync", "nightly")
    line = site.run(*RECORDS.split(), "--ndjson", "--limit", "1").stdout
    path = site.folder / "nowhere" / "x"
    done = site.run("blob", json.loads(line)["summary"]["blob"]["sha256"], "-o", str(path), code=1)
    assert f"error: cannot write {path}: no such file or directory" in done.stderr
    assert "defect" not in done.stderr


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_disk_that_takes_no_more_is_no_defect_of_syncd(
    site: FakeSite, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr("syncd.daemon.run_daemon", Mock(side_effect=OSError(number, os.strerror(number), "/x/lock")))
    done = site.run("run", code=1)
    assert f"cannot write /x/lock: {os.strerror(number).lower()} [SYN-STATE-002]" in done.stderr
    assert "free space" in done.stderr


def test_a_database_that_cannot_be_opened_comes_with_what_to_do(site: FakeSite) -> None:
    site.state.mkdir(0o750)
    (site.state / "syncd.db").write_text("no database" * 1000)
    error = site.json("status", code=1)["error"]
    assert error["code"] == "SYN-STATE-002"
    assert "free space" in error["hint"]
