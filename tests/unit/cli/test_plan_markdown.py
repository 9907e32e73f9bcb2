"""The plan as a comment on a pull request: complete, and without a way out of the text."""

from pathlib import Path
from typing import Any

from click.testing import CliRunner

from syncd.cli.app import cli
from syncd.cli.plan import plan_markdown

HOSTILE = "a|b `c` <img src=x> @team **d** [e](http://x) \n# f"


def change(**more: Any) -> dict[str, Any]:
    return {
        "block": "sync",
        "name": "mail",
        "change": "changed",
        "effect": "next",
        "previous_name": None,
        "fields": [{"path": "schedule", "before": "every 1h", "after": "every 5m"}],
        "syncs": ["mail"],
        "warnings": [],
        **more,
    }


def plan(*changes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"daemon": True, "changes": list(changes), "accounts": [], "read_again": [], **more}


def test_nothing_changes() -> None:
    assert plan_markdown(plan(), "main") == "### syncd plan\n\nNothing changes in main.\n"


def test_fields_effects_and_consequences_are_told() -> None:
    accounts = {"sync": "mail", "before": 3, "after": 2, "enter": 0, "leave": 1, "entering": [], "leaving": ["bob"]}
    text = plan_markdown(plan(change(), accounts=[accounts], read_again=[{"sync": "mail", "stream": "files"}]), "main")
    assert "| ~ | sync mail | <code>schedule</code>: <code>every 1h</code> → <code>every 5m</code> |" in text
    assert "mail covers 2 accounts instead of 3: 1 leave (bob)" in text
    assert "files of mail is read whole once" in text
    assert "Look twice" not in text


def test_hostile_names_and_values_stay_text() -> None:
    fields = [{"path": HOSTILE, "before": HOSTILE, "after": None}]
    text = plan_markdown(plan(change(name=HOSTILE, fields=fields, warnings=[HOSTILE])), HOSTILE)
    assert "<img" not in text
    assert "@team" not in text
    assert "`c`" not in text.replace("\\`c\\`", "")
    assert "\n# f" not in text
    assert "[e](" not in text.replace("\\[e\\](", "")
    row = next(line for line in text.splitlines() if line.startswith("| ~"))
    assert row.replace("\\|", "").count("|") == 5
    assert "Look twice" in text


def write(folder: Path, schedule: str, **more: str) -> None:
    folder.mkdir()
    (folder / "a.yaml").write_text(
        "version: 1\n"
        "connections: {acme: {connector: google, settings: {service_account: '${env:NOT_SET_HERE}', admin: a@acme.example}}}\n"
        f"syncs: {{s: {{connection: acme, streams: [contacts], schedule: {schedule}, "
        + ", ".join(f"{key}: {value}" for key, value in more.items())
        + "}}\n"
    )


def test_against_another_folder_needs_neither_daemon_nor_secrets(tmp_path: Path) -> None:
    write(tmp_path / "before", "daily-2am", deletions="tombstone")
    write(tmp_path / "after", "daily-4am", deletions="purge")
    given = ["plan", str(tmp_path / "after"), "--against", str(tmp_path / "before")]
    done = CliRunner().invoke(cli, [*given, "--markdown"])
    assert done.exit_code == 0, done.output
    assert "deletions changes from tombstone to purge" in done.output
    assert "<code>schedule</code>" in done.output
    same = CliRunner().invoke(cli, ["plan", str(tmp_path / "after"), "--against", str(tmp_path / "after")])
    assert "changes nothing" in same.output
