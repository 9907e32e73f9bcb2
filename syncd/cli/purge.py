"""`syncd purge`: remove data for good, after showing what goes and what cannot be reached.

Public: register.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import click

from .completion import connection_names
from .options import Ask, command

__all__ = ["register"]

COUNTED = ("records", "tombstones", "versions", "unreadable", "held", "retries")


def register(cli: click.Group) -> None:
    @command(cli, "Deletions", "purge", json=True)
    @click.argument("connection", shell_complete=connection_names)
    @click.option("--account", "accounts", multiple=True, metavar="A", help="Only this account; may be given again.")
    @click.option("--stream", "streams", multiple=True, metavar="S", help="Only this stream; may be given again.")
    @click.option("--yes", "-y", is_flag=True, help="Do not ask.")
    @click.option("--dry-run", is_flag=True, help="Show what would go, and remove nothing.")
    def _purge(ask: Ask, connection: str, yes: bool, dry_run: bool, **scope: Any) -> int | None:
        """Remove a connection's data for good, or one account's, after showing what goes.

        Nothing of it stays in the state directory: no record, version, content, error or free page of the database.
        Killed, it is finished when syncd starts again.
        """
        return ask.run(_show_and_purge(ask, connection, yes, dry_run, scope))


async def _show_and_purge(ask: Ask, connection: str, yes: bool, dry_run: bool, scope: Mapping[str, Any]) -> int | None:
    from .output import confirmed, emit, say

    async with ask.door() as control:
        found = await control.purge_preview(connection, **scope)
        if not ask.json:
            _show(found)
        if dry_run:
            if ask.json:
                emit({**found, "purged": False})
            return None
        if not confirmed("Remove all this for good?", yes=yes):
            say("nothing was removed")
            return 1
        report = await _followed(control.purge(connection, shown=found["shown"], **scope), quiet=ask.json)
    if ask.json:
        emit(report)
    else:
        say("it is gone from the state directory", style="green")
    return None


def _show(found: Mapping[str, Any]) -> None:
    from .output import say, table

    which = "".join(f" {word} {', '.join(found[word])}" for word in ("account", "stream") if found[word])
    say(f"A purge of {found['connection']}{which} removes:", style="bold")
    if found["streams"]:
        rows = [[one["stream"], *(f"{one[name]:,}" for name in COUNTED)] for one in found["streams"]]
        table(["stream", *COUNTED], rows, right=COUNTED)
    for line in _lines(found):
        say(f"- {line}")
    if found["comes_back"]:
        say(f"But {found['comes_back']}.", style="yellow")
    say("It cannot reach:")
    for line in found["not_reached"]:
        say(f"- {line}", style="dim")


def _lines(found: Mapping[str, Any]) -> list[str]:
    contents = found["contents"]
    lines = [f"{contents['count']:,} contents of files and mails, {_size(contents['bytes'])}"]
    if contents["shared"]:
        lines[0] += f"; {contents['shared']:,} that others have too stay"
    lines.append(f"{found['errors']:,} errors of past runs, and each mention in other errors and notices")
    if found["accounts"]:
        names = ", ".join(found["accounts"][:5]) + (", …" if len(found["accounts"]) > 5 else "")
        lines.append(f"{len(found['accounts']):,} accounts: {names}")
    if found["handed_over"]:
        lines.append(f"not: {found['handed_over']:,} shared drives, which another account reads from now on")
    if found["credentials"]:
        lines.append("what its sign-in has stored (rotated refresh tokens)")
    return lines


def _size(count: float) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"
        count /= 1024
    return f"{count:,.1f} TiB"


async def _followed(events: AsyncIterator[dict[str, Any]], *, quiet: bool) -> Mapping[str, Any]:
    """A line that counts on a terminal, silence elsewhere; the report."""
    from rich.progress import Progress, SpinnerColumn, TextColumn

    from .output import console, plain_text

    terminal = console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=terminal, transient=True, disable=quiet or not terminal.is_terminal) as bars:
        task = bars.add_task("removing")
        async for event in events:
            if event["event"] == "report":
                report: Mapping[str, Any] = event["report"]
                return report
            bars.update(task, description=plain_text(f"removing {event['what']}: {event['done']:,}"))
    raise RuntimeError("the purge's events ended without a report")
