"""Commands that decide: approve, reject, reset. They ask on a terminal and go on without asking elsewhere.

Public: register, show_held.
"""

from collections.abc import Callable, Mapping
from typing import Any

import click

from .completion import sync_names
from .options import Ask, command

__all__ = ["register", "show_held"]

TOPIC = "Deletions"
ORIGINS = {
    "reported": "the provider says they are deleted",
    "sweep": "a full listing did not show them",
    "vanished": "the provider no longer lists where they were",
}


def register(cli: click.Group) -> None:
    @command(cli, TOPIC, "approve", json=True)
    @_narrowed
    def _approve(ask: Ask, name: str, yes: bool, **scope: Any) -> int | None:
        """Apply held deletions, after showing them."""
        return ask.run(_decide(ask, name, True, yes, scope))

    @command(cli, TOPIC, "reject", json=True)
    @_narrowed
    def _reject(ask: Ask, name: str, yes: bool, **scope: Any) -> int | None:
        """Drop held deletions: the records stay until a later full round misses them again."""
        return ask.run(_decide(ask, name, False, yes, scope))

    @command(cli, TOPIC, "reset", json=True)
    @_narrowed
    def _reset(ask: Ask, name: str, yes: bool, **scope: Any) -> int | None:
        """Forget cursors: the next run reads everything. Data stays, nothing is duplicated."""
        return ask.run(_reset_cursors(ask, name, yes, scope))


def _narrowed(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--yes", "-y", is_flag=True, help="Do not ask."),
        click.option(
            "--account", "accounts", multiple=True, metavar="A", help="Only this account; may be given again."
        ),
        click.option("--stream", "streams", multiple=True, metavar="S", help="Only this stream; may be given again."),
        click.argument("name", shell_complete=sync_names),
    ):
        function = option(function)
    return function


async def _decide(ask: Ask, name: str, approve: bool, yes: bool, scope: Mapping[str, Any]) -> int | None:
    from .output import confirmed, emit, say

    async with ask.door() as control:
        held = await control.held(name, **scope)
        if not ask.json:
            show_held(held)
        if held["count"] and not confirmed(_question(approve, held["count"]), yes=yes):
            say("nothing was decided")
            return 1
        answer = (
            await control.decide(name, approve, shown=held["shown"], **scope) if held["count"] else _none(name, approve)
        )
    if ask.json:
        emit(answer)
    elif held["count"]:
        say(f"{answer['decided']:,} deletions {'applied' if approve else 'dropped'}")
    return None


def _question(approve: bool, count: int) -> str:
    if approve:
        return f"Apply these {count:,} deletions to the mirror?"
    return f"Drop these {count:,} deletions and keep the records?"


def _none(name: str, approve: bool) -> dict[str, Any]:
    return {"sync": name, "decision": "approved" if approve else "rejected", "decided": 0, "sets": []}


def show_held(held: Mapping[str, Any]) -> None:
    """What waits for a decision, with a few examples."""
    from .output import say, table

    if not held["count"]:
        return say(f"{held['sync']} holds no deletions")
    for one in held["sets"]:
        place = one["title"] or one["partition"]
        title = f"{one['account']} / {one['stream']}" + (f" / {place}" if place else "")
        origin = ORIGINS.get(one["origin"], one["origin"])
        say(f"{title}: {one['count']:,} of {one['live']:,} live records, {origin}", style="bold")
        table(
            ["source id", "what"], [[item["source_id"], item["title"]] for item in one["examples"]], fold=("source id",)
        )
        if one["count"] > len(one["examples"]):
            say(f"… and {one['count'] - len(one['examples']):,} more", style="dim")
    return None


async def _reset_cursors(ask: Ask, name: str, yes: bool, scope: Mapping[str, Any]) -> int | None:
    from .output import confirmed, emit, say

    if not confirmed(f"Forget where {name} stands, so that its next run reads everything?", yes=yes):
        say("nothing was changed")
        return 1
    async with ask.door() as control:
        answer = await control.reset(name, **scope)
    if ask.json:
        emit(answer)
    else:
        say(f"{answer['partitions']:,} partitions will be read in full by the next run of {name}")
    return None
