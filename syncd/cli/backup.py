"""`syncd backup` and `syncd restore`.

Public: register.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from .options import Ask, command

__all__ = ["register"]


def register(cli: click.Group) -> None:
    @command(cli, "Data", "backup", json=True)
    @click.argument("destination", type=click.Path(path_type=Path))
    def _backup(ask: Ask, destination: Path) -> int:
        """Write a consistent copy of the state directory to DESTINATION, a folder that is not there yet.

        Syncs go on meanwhile. What is encrypted stays so; the configuration is not part of it.
        """
        from syncd.control.backups import backup
        from syncd.sdk import SystemClock

        place = destination.absolute()
        return _show(
            ask, backup(ask.state_folder(), place, SystemClock()), f"backup of {ask.state_folder()} in {place}"
        )

    @command(cli, "Data", "restore", json=True)
    @click.argument("source", type=click.Path(path_type=Path))
    def _restore(ask: Ask, source: Path) -> int:
        """Check the backup SOURCE and restore it into an empty state directory (--state DIR)."""
        from syncd.control.backups import restore

        state = ask.state_folder()
        return _show(ask, restore(source.absolute(), state), f"restored into {state}")


def _show(ask: Ask, events: Iterator[dict[str, Any]], title: str) -> int:
    from .output import emit, say

    last = _followed(events, quiet=ask.json)
    report: Mapping[str, Any] = last["report"]
    if ask.json:
        emit(report)
        return int(last["exit_code"])
    say(f"{title}: {report['files']:,} files, {report['bytes']:,} bytes, as of {report['created_at']}", style="green")
    if report["encrypted"]:
        say(f"it is encrypted: reading it needs the keys {', '.join(report['keys'])}", style="yellow")
    if report["missing"]:
        say(f"{report['missing']:,} contents were missing or damaged: they are fetched again when met", style="yellow")
    return int(last["exit_code"])


def _followed(events: Iterator[dict[str, Any]], *, quiet: bool) -> dict[str, Any]:
    """Bars on a terminal, silence elsewhere; the last event."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    from .output import console

    terminal = console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=terminal, transient=True, disable=quiet or not terminal.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}
        for event in events:
            if event["event"] == "report":
                return event
            what = event["what"]
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=event["total"])
            bars.update(tasks[what], completed=event["done"])
    raise RuntimeError("the events ended without a report")
