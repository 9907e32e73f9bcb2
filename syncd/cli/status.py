"""`syncd status` for people.

Public: show_status.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from .output import ago, count, plain_text, say, span, styled, table
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
    table(["sync", "state", "last run", "next run", "records", "fresh"], rows, right=("records",), fold=("last run",))
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
    for problem in [one for one in problems if not one["file"]]:  # of a notice channel
        say(problem["message"], style="red")
        say(f"  {problem['hint']}", style="dim")
    problems = [one for one in problems if one["file"]]
    if not problems:
        return
    goes_on = "; the last good one keeps running" if running else ""
    say(f"the configuration folder is invalid{goes_on}:", style="bold red")
    for problem in problems:
        place = f"{problem['file']}:{problem['line']}:{problem['column']}" if problem["line"] else problem["file"]
        say(f"  {place}: {problem['message']}", style="red")


def _row(sync: Mapping[str, Any]) -> list[Any]:
    """A card of two lines: what it is and how it is, then of what and how that went."""
    last = sync["last_run"]
    line = styled("–" if last is None else "", "")
    if last is not None:
        line.append_text(styled(last["status"])).append(f" {ago(last['finished_at'])}\n")
        line.append(counts_text(last["counts"]), style="dim")
    fresh = [entry["freshness_s"] for entry in sync["streams"] if entry["freshness_s"] is not None]
    return [
        styled("", "")
        .append(plain_text(sync["name"]), style="bold")
        .append(f"\n{plain_text(sync['connection'])}", style="dim"),
        styled(sync["state"]),
        line,
        ago(sync["next_run"]),
        count(sum(entry["records"] for entry in sync["streams"])),
        span(max(fresh)) if fresh else "–",
    ]
