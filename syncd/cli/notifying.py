"""`syncd notify`: the channels that operators are told through.

Public: register.
"""

from typing import Any

import click

from .options import Ask, command

__all__ = ["register"]

FAILED = 1


def register(cli: click.Group) -> None:
    @command(cli, "Daemon", "notify", json=True)
    @click.option("--test", is_flag=True, help="Send a test message to each channel now. Exit 1 if one fails.")
    def _notify(ask: Ask, test: bool) -> int:
        """Who is told when something is wrong, and what is wrong now."""
        return ask.run(_try_channels(ask) if test else _show_notices(ask))


async def _try_channels(ask: Ask) -> int:
    from .output import emit, say

    async with ask.door() as control:
        results = await control.notify_test()
    if ask.json:
        emit(results)
    elif not results:
        say("no channel is configured: set `notify:` under `daemon:` (docs/operations.md)", style="yellow")
    else:
        for one in results:
            why = "" if one["ok"] else f": {one['error']}"
            say(f"{one['channel']}: {'sent' if one['ok'] else 'failed'}{why}", style="" if one["ok"] else "red")
    return 0 if all(one["ok"] for one in results) else FAILED


async def _show_notices(ask: Ask) -> int:
    from .output import emit

    async with ask.door(lenient=True) as control:
        found = await control.notices()
    if ask.json:
        emit(found)
    else:
        _show(found)
    return 0


def _show(found: Any) -> None:
    from .output import ago, say

    if not found["channels"]:
        say("no channel is configured: notices stand in the log only")
    for one in found["channels"]:
        waits = f", {one['waiting']} waiting" if one["waiting"] else ""
        if one["error"] is None:
            say(f"channel {one['channel']}{waits}")
        else:
            say(f"channel {one['channel']} fails since {ago(one['failing_since'])}{waits}: {one['error']}", style="red")
    if not found["open"]:
        say("nothing is wrong", style="green")
    for one in found["open"]:
        say(f"{one['title']}, since {ago(one['since'])}", style="yellow")
        say(f"  {one['text']}", style="dim")
