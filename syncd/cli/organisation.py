"""Commands about organisations: import, accounts, check.

Public: register.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from syncd.control.errors import worst

from .completion import connection_names
from .options import Ask, command

__all__ = ["register"]

TOPIC = "Organisation"


def register(cli: click.Group) -> None:
    connection_argument = click.argument("connection", shell_complete=connection_names)

    @command(cli, TOPIC, "import", json=True)
    @connection_argument
    def _import(ask: Ask, connection: str) -> None:
        """Find the organisation's accounts and their roles; syncs cover imported accounts only."""
        ask.run(_show_import(ask, connection))

    @command(cli, TOPIC, "accounts", json=True)
    @connection_argument
    def _accounts(ask: Ask, connection: str) -> None:
        """List the imported accounts of a connection."""
        ask.run(_show_accounts(ask, connection))

    @command(cli, TOPIC, "check", json=True)
    @click.argument("connection", required=False, shell_complete=connection_names)
    def _check(ask: Ask, connection: str | None) -> int:
        """Try credentials and scopes at the provider, per stream; all connections if none is named."""
        return ask.run(_show_check(ask, connection))


async def _show_import(ask: Ask, connection: str) -> None:
    from .output import console, emit, say

    async with ask.door() as control:
        if ask.json or not console(stderr=True).is_terminal:
            report = await control.import_accounts(connection)
        else:
            with console(stderr=True).status(f"asking for the accounts of {connection} …"):
                report = await control.import_accounts(connection)
    if ask.json:
        return emit(report)
    _table(report["accounts"], f"accounts of {connection}")
    new, gone = _named(report["new"]), _named(report["gone"])
    return say(f"{len(report['accounts'])} accounts; new: {new}; gone: {gone}")


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more if names else "none"


async def _show_accounts(ask: Ask, connection: str) -> None:
    from .output import emit, say

    async with ask.door() as control:
        accounts = await control.accounts(connection)
    if ask.json:
        return emit(accounts)
    if not accounts:
        return say(f"no accounts yet: run `syncd import {connection}`")
    return _table(accounts, f"accounts of {connection}")


def _table(accounts: Sequence[Mapping[str, Any]], title: str) -> None:
    from .output import styled, table

    rows = [
        [
            account["account"],
            account["name"],
            styled(account["role"]),
            styled(account["state"]),
            "  ".join(f"{name}: {state}" for name, state in account["streams"].items()),
        ]
        for account in accounts
    ]
    table(["account", "name", "role", "state", "streams"], rows, title=title, fold=("streams",))


async def _show_check(ask: Ask, connection: str | None) -> int:
    from .output import emit, say, styled, table

    async with ask.door() as control:
        results = await control.check(connection)
        keys = await control.keys_status(counts=False)
    if ask.json:
        emit(results)
    else:
        rows = [
            [one["connection"], stream, styled(state, "green" if state.partition(":")[0] == "ready" else "yellow")]
            for one in results
            for stream, state in one["streams"].items()
        ]
        if rows:
            table(["connection", "stream", "state"], rows, fold=("state",))
        for one in results:
            if one["error"]:
                error = one["error"]
                say(f"{one['connection']}: {error['message']} [{error['code']}]", style="bold red")
                say(" ", error["hint"], style="dim")
        if not results:
            say("no connections are configured")
        if not keys["encrypted"]:
            say("payloads lie in clear: no encryption keys are configured (`syncd keys generate`)", style="yellow")
    return worst(one["exit_code"] for one in results)
