"""Watching a run: bars per stream on a terminal, silence elsewhere; and its summary.

Public: Watch, Event, Interrupts, show_report, show_errors.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .output import console, count, plain_text, say, span, styled, table

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["COUNTS", "Event", "Interrupts", "Watch", "counts_text", "show_errors", "show_report"]

COUNTS = ("new", "updated", "deleted", "unchanged", "failed", "held", "pending", "skipped")
SHOWN_ERRORS = 20

Event = Mapping[str, Any]


class Watch:
    """Shows runs while they go on; several at once share one set of bars. Use it as a context manager."""

    def __init__(self, *, quiet: bool, several: bool = False) -> None:
        self._bars = None if quiet or not console(stderr=True).is_terminal else _bars()
        self._several = several

    def __enter__(self) -> "Watch":
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    async def follow(
        self, events: AsyncIterator[dict[str, Any]], began: Callable[[Event], None] = lambda _: None
    ) -> dict[str, Any]:
        """Follow a run to its end and give the last event: {event: report, report, exit_code}.

        `began` is told the first event, which has the run's number.
        """
        board = None if self._bars is None else _Board(self._bars, self._several)
        async for event in events:
            if event["event"] == "report":
                if board is not None:
                    board.finish()
                return event
            if event["event"] == "run":
                began(event)
            elif board is not None:
                board.show(event)
        raise RuntimeError("the run's events ended without a report")


def _bars() -> "Progress":
    from rich.progress import (
        BarColumn,
        Progress,
        ProgressColumn,
        SpinnerColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    class Rate(ProgressColumn):
        """Items a second since the beginning, going down while nothing comes."""

        def render(self, task: Task) -> Any:
            return styled(f"{task.fields['listed'] / max(task.elapsed or 0.0, 0.5):,.0f}/s", "cyan")

    return Progress(
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.fields[label]}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[place]}", justify="right"),
        Rate(),
        TextColumn("{task.fields[counts]}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
        console=console(stderr=True),
        transient=True,
        refresh_per_second=8,
    )


class _Board:
    """One bar per stream. The bar goes by accounts, the only total that is known before the end."""

    def __init__(self, bars: "Progress", several: bool) -> None:
        self._bars = bars
        self._several = several
        self._prefix = ""
        self._tasks: dict[str, Any] = {}

    def show(self, event: Event) -> None:
        if event["event"] == "run_started":
            self._prefix = f"{event['sync']} · " if self._several else ""
            for stream in event["streams"]:
                self._task(stream, event["accounts"])
        elif event["event"] == "page_committed":
            self._page(event)
        elif event["event"] == "progress":
            for entry in event["streams"]:
                self._page(entry)

    def finish(self) -> None:
        for task in self._tasks.values():
            self._bars.update(task, completed=self._bars.tasks[task].total or 1)

    def _task(self, stream: str, accounts: int) -> Any:
        if stream not in self._tasks:
            self._tasks[stream] = self._bars.add_task(
                "",
                total=accounts if accounts > 1 else None,
                label=plain_text(self._prefix + stream),
                place="",
                listed=0,
                counts="",
            )
        return self._tasks[stream]

    def _page(self, event: Event) -> None:
        task = self._task(event["stream"], 0)
        counts, total = event["counts"], self._bars.tasks[task].total
        done = event.get("accounts_done", 0)
        listed = counts.get("listed") or sum(counts.get(name, 0) for name in COUNTS)
        self._bars.update(
            task,
            completed=done,
            place=f"{done}/{int(total)} accounts" if total else "",
            listed=listed,
            counts=counts_text(counts),
        )


def counts_text(counts: Mapping[str, int], *, none: str = "nothing listed") -> str:
    """What is not zero, in words."""
    return " · ".join(f"{counts[name]:,} {name}" for name in COUNTS if counts.get(name)) or none


def show_report(report: Mapping[str, Any], *, dry_run: bool = False) -> None:
    """The summary of a run for people."""
    number = f"run {report['run']}" if report["run"] is not None else "dry run"
    line = styled("")
    line.append_text(styled(report["sync"], "bold")).append(f"  {number}  ")
    line.append_text(styled(report["status"]))
    if report["duration_s"] is not None:
        line.append(f"  in {span(report['duration_s'])}, {report['requests']:,} requests")
    if dry_run:
        line.append("  nothing was written", style="dim")
    console().print(line)
    if report["streams"]:
        _show_streams(report["streams"])
    show_errors(report["errors"])


def _show_streams(streams: Sequence[Mapping[str, Any]]) -> None:
    used = [name for name in COUNTS if any(entry["counts"].get(name) for entry in streams)] or ["unchanged"]
    rows = [
        [entry["stream"], styled(entry["status"]), count(entry["accounts"])]
        + [count(entry["counts"].get(name, 0)) for name in used]
        for entry in streams
    ]
    table(["stream", "status", "accounts", *used], rows, right=("accounts", *used))


def show_errors(errors: Sequence[Mapping[str, Any]], *, limit: int = SHOWN_ERRORS) -> None:
    """Errors with their place and hint; alike ones are told once."""
    told: dict[tuple[str, str], list[str]] = {}
    hints: dict[tuple[str, str], str] = {}
    for error in errors:
        key = (error["code"], error["message"])
        place = " / ".join(str(error[name]) for name in ("account", "stream", "partition", "source_id") if error[name])
        told.setdefault(key, []).append(place)
        hints[key] = error["hint"] or ""
    for (code, message), places in list(told.items())[:limit]:
        say(f"{code}  {message}", style="red")
        named = [place for place in places if place]
        if named:
            more = f" and {len(named) - 3} more" if len(named) > 3 else ""
            say("  at", ", ".join(named[:3]) + more, style="dim")
        if hints[code, message]:
            say(" ", hints[code, message], style="dim")
    if len(told) > limit:
        say(f"… and {len(told) - limit} more kinds of error: `syncd show RUN --json` has all")


class Interrupts:
    """Ctrl-C and SIGTERM while a run is followed: the first asks, the second insists."""

    def __init__(self, first: Callable[[], None], second: Callable[[], None]) -> None:
        self.received = 0
        self._calls = (first, second)

    def __enter__(self) -> "Interrupts":
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._got)
        return self

    def __exit__(self, *_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().remove_signal_handler(number)

    def _got(self) -> None:
        self.received += 1
        self._calls[min(self.received, 2) - 1]()
