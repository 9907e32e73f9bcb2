"""`syncd test-connector`: what it finds, prints and exits with, also when a connector hangs, exits or cannot be loaded."""

import json
from pathlib import Path
from typing import Any

import pytest

from syncd.cli.app import run

SOURCE = "syncd.testing.notes:NotesSource"
HEAD = """
import os, sys, time
from syncd.testing.notes_connector import Notes, NotesConnector
class Stream(Notes):
    async def pages(self, ctx):
        {bug}
        async for page in super().pages(ctx):
            yield page
class Plug(NotesConnector):
    def streams(self):
        return [Stream()]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def outcome(capfd: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    capfd.readouterr()
    assert run(["test-connector", *arguments, "--json"]) == code
    return json.loads(capfd.readouterr().out)


def with_bug(folder: Path, bug: str) -> str:
    (folder / "plug.py").write_text(HEAD.format(bug=bug))
    (folder / "notes_source.py").write_text("from syncd.testing.notes import NotesSource\n__all__ = ['NotesSource']\n")
    return "plug.py"


def test_checks_of_a_good_connector_pass_for_each_stream(capfd: pytest.CaptureFixture[str]) -> None:
    model = "syncd.testing.notes_connector"
    found = outcome(
        capfd, model, "--source", SOURCE, "--check", "info_is_sane", "--check", "delta_equals_truth", "--seeds", "2"
    )
    assert (found["connector"], found["passed"], found["failed"], found["skipped"]) == ("notes", 4, 0, 0)
    assert {(one["stream"], one["check"]) for one in found["checks"]} == {
        (stream, check) for stream in ("notes", "tags") for check in ("info_is_sane", "delta_equals_truth")
    }
    assert all(one["promise"] and one["seed"] is None and one["reproduce"] is None for one in found["checks"])


def test_a_failure_names_its_seed_and_the_command_that_runs_it_again(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    plug = with_bug(folder, "if ctx.scan.value == 'delta': ctx.cursor = 'sync:0:999999:'")
    found = outcome(capfd, plug, "--check", "delta_equals_truth", "--check", "info_is_sane", code=1)
    (failure,) = [one for one in found["checks"] if one["status"] == "failed"]
    words = failure["reproduce"].split()
    assert words[:3] == ["syncd", "test-connector", "plug.py"]
    again = outcome(capfd, *words[2:], code=1)
    assert [(one["check"], one["seed"]) for one in again["checks"]] == [("delta_equals_truth", failure["seed"])]
    assert again["checks"][0]["message"] == failure["message"]


def test_people_read_a_table_and_what_to_do(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    plug = with_bug(folder, "raise KeyError('title')")
    assert run(["test-connector", plug, "--check", "info_is_sane", "--check", "accounts_do_not_mix"]) == 1
    shown = capfd.readouterr().out
    assert "Names, schemas" in shown
    assert "notes: accounts_do_not_mix failed with seed 0" in shown
    assert "KeyError: 'title'" in shown
    assert "reproduce: syncd test-connector plug.py --stream notes --check accounts_do_not_mix --seed 0" in shown
    assert "1 passed, 1 failed, 0 skipped in" in shown


ENDS = [
    ("while True: pass", "plug.py:6 in pages"),
    ("time.sleep(3600)", "plug.py:6 in pages"),
    ("os._exit(7)", "the process ended (exit code 7)"),
    ("sys.exit('I leave')", "the process ended (exit code 1): I leave"),
    ("os.kill(os.getpid(), 11)", "the process ended (SIGSEGV)"),
    ("x = [bytes(1 << 28) for _ in range(100)]", "MemoryError"),
]


@pytest.mark.parametrize(("bug", "told"), ENDS, ids=[bug for bug, _ in ENDS])
def test_a_check_that_never_ends_or_ends_everything_is_one_failure(
    folder: Path, capfd: pytest.CaptureFixture[str], bug: str, told: str
) -> None:
    plug = with_bug(folder, bug)
    found = outcome(
        capfd, plug, "--check", "full_round_equals_truth", "--check", "check_says_ready", "--limit", "3", code=1
    )
    by_name = {one["check"]: one for one in found["checks"]}
    assert by_name["check_says_ready"]["status"] == "passed"
    assert by_name["full_round_equals_truth"]["status"] == "failed"
    assert told in by_name["full_round_equals_truth"]["message"]


REFUSED = [
    (["plug.py", "--check", "delta_is_truth"], "no check is named", "did you mean 'delta_equals_truth'?"),
    (["plug.py", "--stream", "note"], "no stream is named 'note'", "did you mean 'notes'?"),
    (["nowhere"], "no module and no installed connector is named 'nowhere'", "syncd connectors"),
    (["broken.py", "--source", SOURCE], "ZeroDivisionError", 'broken.py", line 1'),
    (["leaving.py", "--source", SOURCE], "the process ended (exit code 3)", ""),
]


@pytest.mark.parametrize(("arguments", "message", "hint"), REFUSED, ids=[ask[0][-1] for ask in REFUSED])
def test_what_cannot_be_tested_is_a_usage_error(
    folder: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], message: str, hint: str
) -> None:
    with_bug(folder, "pass")
    (folder / "broken.py").write_text("1 / 0\n")
    (folder / "leaving.py").write_text("import sys\nsys.exit(3)\n")
    error = outcome(capfd, *arguments, code=2)["error"]
    assert message in error["message"]
    assert hint in error["hint"]
