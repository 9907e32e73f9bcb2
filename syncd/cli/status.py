"""`syncd status` for people.

Public: show_status.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from .output import ago, count, say, span, styled, table
from .progress import counts_text

__all__ = ["show_status"]


def show_status(status: Mapping[str, Any]) -> None:
    daemon = status["daemon"]
    if daemon:
        say(f"daemon: running, pid {daemon['pid']}, version {daemon['version']}")
    else:
        say("daemon: not running on this state directory (start it with `syncd run`)", style="yellow")
    _show_problems(status["problems"], daemon is not None)
    if not status["syncs"]:
        return say("no syncs are configured") if not status["problems"] else None
    rows = [_row(sync) for sync in status["syncs"]]
    table(
        ["sync", "connection", "state", "next run", "last run", "last counts", "records", "fresh"],
        rows,
        right=("records",),
    )
    for sync in status["syncs"]:
        if sync["paused"]:
            paused = sync["paused"]
            say(
                f"{sync['name']} is paused since {ago(paused['since'])}: {paused['reason']} [{paused['code']}]",
                style="yellow",
            )
            say(f"  mend it, then `syncd resume {sync['name']}`; more: syncd explain {paused['code']}", style="dim")
        if sync["state"] == "held":
            say(
                f"{sync['name']} holds deletions: syncd approve {sync['name']}, or syncd reject {sync['name']}",
                style="yellow",
            )
    return None


def _show_problems(problems: Sequence[Mapping[str, Any]], running: bool) -> None:
    if not problems:
        return
    goes_on = "; the last good one keeps running" if running else ""
    say(f"the configuration folder is invalid{goes_on}:", style="bold red")
    for problem in problems:
        place = f"{problem['file']}:{problem['line']}:{problem['column']}" if problem["line"] else problem["file"]
        say(f"  {place}: {problem['message']}", style="red")


def _row(sync: Mapping[str, Any]) -> list[Any]:
    last = sync["last_run"]
    line = styled("–" if last is None else last["status"])
    if last is not None:
        line.append(f" {ago(last['finished_at'])}" if last["finished_at"] else "", style="")
    fresh = [entry["freshness_s"] for entry in sync["streams"] if entry["freshness_s"] is not None]
    return [
        styled(sync["name"], "bold"),
        sync["connection"],
        styled(sync["state"]),
        ago(sync["next_run"]),
        line,
        counts_text(last["counts"]) if last else "–",
        count(sum(entry["records"] for entry in sync["streams"])),
        span(max(fresh)) if fresh else "–",
    ]
