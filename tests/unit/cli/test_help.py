"""The command table of the contract, completion, explanations."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from syncd.cli.app import cli, run
from syncd.cli.completion import connection_names, sync_names
from syncd.cli.options import TOPICS, Ask, topic_of
from syncd.sdk.errors import CATALOGUE

COMMANDS = {
    "run", "import", "accounts", "sync", "status", "history", "show", "enable", "disable", "resume", "cancel", "reset",
    "approve", "reject", "purge", "records", "blob", "backup", "restore", "validate", "check", "plan", "connectors", "schema", "explain", "demo",
    "keys", "notify", "new-connector", "test-connector",
}  # fmt: skip
NO_JSON = {"run", "blob", "demo", "schema", "completion", "keys generate"}


def test_every_command_is_there_with_help_and_a_topic(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.commands.keys() >= COMMANDS
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    for name, command in cli.commands.items():
        assert command.help
        assert topic_of(name) in TOPICS
        assert f"\n  {name} " in shown


def commands(group: click.Group) -> Iterator[tuple[str, click.Command]]:
    """Every command, those of groups by both words."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", one) for inner, one in commands(command))
        else:
            yield name, command


def test_every_command_takes_the_folders_and_json_where_it_answers() -> None:
    for name, command in commands(cli):
        options = {option for parameter in command.params for option in parameter.opts}
        assert {"--config", "--state"} <= options
        assert ("--json" in options) == (name not in NO_JSON), name


def test_decisions_take_yes() -> None:
    for name in ("approve", "reject", "reset", "purge"):
        assert "--yes" in {option for parameter in cli.commands[name].params for option in parameter.opts}


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_every_code_is_explained(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", code.lower()]) == 0
    assert CATALOGUE[code].title in capsys.readouterr().out


def test_an_unknown_code_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "SYN-NONE-999"]) == 2
    assert "lists all codes" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    assert "_SYNCD_COMPLETE" in capsys.readouterr().out


def test_names_are_completed_from_the_yaml(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("connections: {acme: {}}\nsyncs: {nightly: {}, noon: {}}\n")
    (tmp_path / "broken.yml").write_text("syncs: {\n")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "b.yaml").write_text("syncs: {hidden: {}}\n")
    ctx = click.Context(cli, obj=Ask(config=str(tmp_path)))
    parameter = cli.commands["enable"].params[0]
    assert sync_names(ctx, parameter, "n") == ["nightly", "noon"]
    assert connection_names(ctx, parameter, "") == ["acme"]
    assert sync_names(click.Context(cli, obj=Ask(config="/nowhere")), parameter, "") == []
