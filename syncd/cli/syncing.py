"""Commands about runs: sync, status, history, show, enable, disable, resume, cancel.

Public: register.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from syncd.control.errors import ControlError, worst

from .completion import sync_names
from .options import Ask, command

__all__ = ["register"]

TOPIC = "Syncing"


def register(cli: click.Group) -> None:
    sync_argument = click.argument("name", shell_complete=sync_names)

    @command(cli, TOPIC, "sync", json=True)
    @click.argument("names", nargs=-1, required=True, shell_complete=sync_names, metavar="NAME...")
    @click.option("--stream", "streams", multiple=True, metavar="S", help="Only this stream; may be given again.")
    @click.option("--account", "accounts", multiple=True, metavar="A", help="Only this account; may be given again.")
    @click.option("--full", is_flag=True, help="Read everything instead of what changed.")
    @click.option("--dry-run", is_flag=True, help="Read and compare, write nothing.")
    def _sync(ask: Ask, names: tuple[str, ...], **scope: Any) -> int:
        """Run syncs now and follow them.

        Works on disabled and paused syncs too; a successful run lifts an automatic pause. Ends with the runs' exit
        code: 0 completed, 1 failed, 3 partial, 4 held for approval, 75 try later, 77 credential refused.
        """
        return ask.run(_run(ask, list(dict.fromkeys(names)), scope))

    @command(cli, TOPIC, "status", json=True)
    def _status(ask: Ask) -> int:
        """Every sync: its state, next and last run, records and how fresh they are."""
        return ask.run(_show_status(ask))

    @command(cli, TOPIC, "history", json=True)
    @sync_argument
    @click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000), help="How many runs.")
    def _history(ask: Ask, name: str, limit: int) -> None:
        """Past runs of a sync, newest first."""
        ask.run(_show_history(ask, name, limit))

    @command(cli, TOPIC, "show", json=True)
    @click.argument("run", type=click.IntRange(1))
    def _show(ask: Ask, run: int) -> None:
        """One run: per stream and per account, with every error."""
        ask.run(_show_run(ask, run))

    @command(cli, TOPIC, "enable", json=True)
    @sync_argument
    def _enable(ask: Ask, name: str) -> None:
        """Let a sync run by its schedule again."""
        ask.run(_switch(ask, name, "switch", True))

    @command(cli, TOPIC, "disable", json=True)
    @sync_argument
    def _disable(ask: Ask, name: str) -> None:
        """Keep a sync from running by its schedule, also after restarts and reloads."""
        ask.run(_switch(ask, name, "switch", False))

    @command(cli, TOPIC, "resume", json=True)
    @sync_argument
    def _resume(ask: Ask, name: str) -> None:
        """Lift a pause that failures or a refused credential caused."""
        ask.run(_switch(ask, name, "resume"))

    @command(cli, TOPIC, "cancel", json=True)
    @click.argument("run", type=click.IntRange(1))
    def _cancel(ask: Ask, run: int) -> None:
        """End a run after the page it has in hand; the next one goes on from there."""
        ask.run(_cancel_run(ask, run))


async def _run(ask: Ask, names: Sequence[str], scope: Mapping[str, Any]) -> int:
    from .following import Following
    from .output import emit
    from .progress import Watch

    async with ask.door() as control:
        await control.startable(names, scope["streams"])  # all of them, before any is started
        with Watch(quiet=ask.json, several=len(names) > 1) as watch:
            ends, interrupted = await Following(control, watch, names, scope).ends()
    reports = [end for end in ends if isinstance(end, dict)]
    errors = [end for end in ends if isinstance(end, ControlError)]
    if ask.json and (reports or not ends):
        emit([end["report"] for end in reports])
    elif not ask.json:
        _show_reports(reports, scope)
    _show_refusals(errors, silent=not reports)
    codes = [end["exit_code"] for end in reports] + [error.exit_code for error in errors]
    return 130 if interrupted else worst(codes)


def _show_reports(reports: Sequence[Mapping[str, Any]], scope: Mapping[str, Any]) -> None:
    from .progress import show_report

    for end in reports:
        show_report(end["report"], dry_run=bool(scope["dry_run"]))


def _show_refusals(errors: Sequence[ControlError], *, silent: bool) -> None:
    """Syncs that could not be started. With nothing else to show, the one error is how the command ends."""
    from .output import say

    if errors and silent:
        raise next(error for error in errors if error.exit_code == (worst([e.exit_code for e in errors])))
    for error in errors:
        say(f"error: {error.message} [{error.code}]", style="red", stderr=True)
        if error.hint:
            say(" ", error.hint, style="dim", stderr=True)


async def _show_status(ask: Ask) -> int:
    from .output import emit

    async with ask.door(lenient=True) as control:
        status = await control.status()
    if ask.json:
        emit(status)
    else:
        from .status import show_status

        show_status(status)
    return 78 if status["problems"] and status["daemon"] is None else 0


async def _show_history(ask: Ask, name: str, limit: int) -> None:
    from .output import ago, emit, span, styled, table
    from .progress import counts_text

    async with ask.door() as control:
        runs = await control.history(name, limit)
    if ask.json:
        return emit(runs)
    rows = [
        [
            run["run"], styled(run["status"]), run["trigger"], ago(run["started_at"]),
            span(run["duration_s"]), f"{run['requests']:,}", counts_text(run["counts"]),
        ]
        for run in runs
    ]  # fmt: skip
    columns = ["run", "status", "trigger", "started", "took", "requests", "counts"]
    return table(columns, rows, title=f"runs of {name}", right=("run", "took", "requests"), fold=("counts",))


async def _show_run(ask: Ask, run: int) -> None:
    from .output import count, emit, styled, table
    from .progress import counts_text, show_report

    async with ask.door() as control:
        report = await control.show(run)
    if ask.json:
        return emit(report)
    show_report(report)
    rows = [
        [entry["stream"], one["account"], styled(one["status"]), counts_text(one["counts"], none="unchanged")]
        for entry in report["streams"]
        for one in entry.get("account_results", ())
    ]
    if rows:
        table(["stream", "account", "status", "counts"], rows, fold=("counts",))
    if report.get("error_count", 0) > len(report["errors"]):
        from .output import say

        say(f"{count(report['error_count'])} errors in all; the first {len(report['errors'])} are kept", style="dim")
    return None


async def _switch(ask: Ask, name: str, method: str, *arguments: Any) -> None:
    from .output import emit, say

    async with ask.door() as control:
        answer = await getattr(control, method)(name, *arguments)
    if ask.json:
        return emit(answer)
    return say(f"{name}: {answer['state']}" + (f". {answer['note']}" if answer.get("note") else ""))


async def _cancel_run(ask: Ask, run: int) -> None:
    from .output import emit, say

    async with ask.door() as control:
        answer = await control.cancel(run)
    if ask.json:
        return emit(answer)
    return say(f"run {run} of {answer['sync']} ends after the page it has in hand")
