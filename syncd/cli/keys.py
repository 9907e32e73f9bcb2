"""`syncd keys`: the keys that encrypt what the store holds.

Public: register.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import click

from .options import Ask, command, subgroup

__all__ = ["register"]


def register(cli: click.Group) -> None:
    @subgroup(cli, "Data", "keys", "Encryption keys: status, rotate, generate.")
    def keys() -> None:
        """The keys that encrypt what the store holds (`encryption_keys` under `daemon:`)."""

    @command(keys, "", "status", json=True)
    def _status(ask: Ask) -> None:
        """Which keys there are and are needed, and what lies under them or in clear."""
        ask.run(_show_status(ask))

    @command(keys, "", "rotate", json=True)
    @click.option("--data-key", is_flag=True, help="Make a new data key and encrypt everything anew.")
    def _rotate(ask: Ask, data_key: bool) -> int:
        """Encrypt under the first key what lies in clear or under older ones, while syncs go on.

        Stopped or killed, it goes on where it was when it is run again.
        """
        return ask.run(_follow(ask, data_key))

    @command(keys, "", "generate")
    def _generate(ask: Ask) -> None:
        """Print a new key. It is stored nowhere: keep it safe, for without it the store cannot be read."""
        from syncd.store.keys import generate

        click.echo(generate())


async def _show_status(ask: Ask) -> None:
    from .output import emit

    async with ask.door() as control:
        status = await control.keys_status()
    if ask.json:
        emit(status)
    else:
        _show(status)


def _show(status: Mapping[str, Any]) -> None:
    from .output import ago, say, table

    if not status["encrypted"]:
        say("payloads lie in clear: no encryption keys are configured", style="yellow")
        return
    rows = [[one["key"], "yes" if one["encrypts"] else "", _needed(one)] for one in status["keys"]]
    table(["key", "encrypts", "needed"], rows)
    for one in status["data_keys"]:
        use = "seals what is written now" if one["seals"] else "older"
        what = f"data key {one['data_key']}, {use}, made {ago(one['created_at'])}, wrapped by {one['wrapped_by']}"
        say(what, style="bold" if one["seals"] else "dim")
        say(f"  {_values(one['values'])}")
    if status["clear"]:
        say(f"in clear: {_values(status['clear'])}", style="yellow")
        say("  `syncd keys rotate` encrypts it", style="dim")


def _needed(key: Mapping[str, Any]) -> str:
    return "yes" if key["needed"] else "no: it may be removed"


def _values(values: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in values.items()) or "nothing"


async def _follow(ask: Ask, data_key: bool) -> int:
    from .output import emit, say

    async with ask.door() as control:
        last = await _shown(control.keys_rotate(data_key=data_key), quiet=ask.json)
    report = last["report"]
    if ask.json:
        emit(report)
    else:
        say(f"encrypted: {_values({what: count for what, count in report['sealed'].items() if count})}")
        if report["damaged"]:
            say(f"{report['damaged']:,} values are damaged: the next runs read them again [SYN-KEY-003]", style="red")
        _show(report["status"])
    return int(last["exit_code"])


async def _shown(events: AsyncIterator[dict[str, Any]], *, quiet: bool) -> dict[str, Any]:
    """One bar for each kind of value on a terminal, silence elsewhere; the last event."""
    from rich.progress import Progress, TaskID

    from .output import console, plain_text

    terminal = console(stderr=True)
    with Progress(console=terminal, transient=True, disable=quiet or not terminal.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}
        async for event in events:
            if event["event"] == "report":
                return event
            what = event["what"]
            if what not in tasks:
                tasks[what] = bars.add_task(plain_text(what), total=event["total"])
            bars.update(tasks[what], completed=event["done"] + event["damaged"], total=event["total"])
    raise RuntimeError("the rotation's events ended without a report")
