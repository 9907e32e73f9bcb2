"""`syncd test-connector`: the conformance suite against a connector, from the command line.

Public: register.
"""

import shlex
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import click

from syncd.control.errors import FAILED, USAGE, ControlError, unknown

from .options import Ask, command

if TYPE_CHECKING:
    from syncd.testing.runner import Plan, Refused, Result, Runner

__all__ = ["register"]

MARKS = {"passed": "green", "failed": "bold red", "skipped": "dim"}
SHOWN = 40  # lines of one failure


def register(cli: click.Group) -> None:
    @command(cli, "Configuration", "test-connector", json=True)
    @click.argument("connector", metavar="MODULE[:CLASS]")
    @click.option("--source", metavar="MODULE:CLASS",
                  help="The fake provider; also a file.  [tests/*_source.py, or an entry point of syncd.sources]")  # fmt: skip
    @click.option("--stream", "streams", metavar="STREAM", multiple=True, help="This stream only; may be repeated.")
    @click.option("--check", "checks", metavar="NAME", multiple=True, help="This check only; may be repeated.")
    @click.option("--seed", type=click.IntRange(0), help="This random history only (with --seeds: from this one on).")
    @click.option("--seeds", type=click.IntRange(1), help="How many random histories.  [5]")
    @click.option("--idle-requests", type=click.IntRange(1), default=1, metavar="N",
                  help="How many requests an idle delta round may cost.  [1]")  # fmt: skip
    @click.option("--limit", type=click.FloatRange(1), default=120.0, metavar="SECONDS",
                  help="How long one check may take with one seed.  [120]")  # fmt: skip
    def _test_connector(
        ask: Ask, connector: str, source: str | None, streams: tuple[str, ...], checks: tuple[str, ...],
        seed: int | None, seeds: int | None, idle_requests: int, limit: float,
    ) -> int:  # fmt: skip
        """Run the conformance suite against a connector and the fake provider that its author gives.

        The connector is an installed one's name, a module, a module and a class, or a file. It runs in a process of its
        own: a check that hangs or crashes fails, and the others go on. Exit 1 if a check fails.
        """
        from syncd.testing.runner import Plan

        many = seeds or (5 if seed is None else 1)
        return _tested(ask, Plan(connector, source, streams, checks, seed or 0, many, idle_requests, limit))


def _tested(ask: Ask, plan: "Plan") -> int:
    begun = time.monotonic()
    with _runner(plan) as runner:
        _expect_known("stream", plan.streams, runner.found.streams)
        _expect_known("check", plan.checks, [check.name for check in runner.found.checks])
        results = list(_watched(runner))
        seconds = time.monotonic() - begun
        if ask.json:
            _emit(runner, results, seconds)
        else:
            _show(runner, results, seconds)
    return FAILED if any(result.status == "failed" for result in results) else 0


@contextmanager
def _runner(plan: "Plan") -> Iterator["Runner"]:
    from syncd.testing.runner import Refused, Runner

    try:
        with Runner(plan) as runner:
            yield runner
    except Refused as error:
        raise _as_control_error(error) from error


def _as_control_error(error: "Refused") -> ControlError:
    last = [line.strip() for line in error.traceback.splitlines() if line.lstrip().startswith("File ")][-1:]
    hint = error.hint or (f"it failed at {last[0]}" if last else "run the command again with --debug")
    return ControlError(str(error), hint=hint, exit_code=USAGE)


def _expect_known(kind: str, given: Sequence[str], known: Iterable[str]) -> None:
    names = list(known)
    for name in given:
        if name not in names:
            error = unknown(kind, name, names)
            raise ControlError(error.message, hint=error.hint, exit_code=USAGE)


def _watched(runner: "Runner") -> Iterator["Result"]:
    """The results, with a line on the terminal that says what is under way."""
    from .output import console, plain_text

    total, done = len(runner.streams()) * len(runner.checks()), 0
    busy = console(stderr=True).status("testing …") if sys.stderr.isatty() else nullcontext()
    with busy as status:
        for result in runner.results():
            done += 1
            if status is not None:
                status.update(f"{done} of {total}: {plain_text(result.check.name)}")
            yield result


def _again(plan: "Plan", result: "Result") -> str:
    """The command that runs a failure again."""
    words = ["syncd", "test-connector", plan.target, *(["--source", plan.source] if plan.source else [])]
    words += ["--stream", result.stream, "--check", result.check.name, "--seed", str(result.seed or 0)]
    if plan.idle_requests != 1:
        words += ["--idle-requests", str(plan.idle_requests)]
    return shlex.join(words)


def _emit(runner: "Runner", results: Sequence["Result"], seconds: float) -> None:
    from .output import emit

    checks = [
        {
            "stream": result.stream, "check": result.check.name, "promise": result.check.doc, "status": result.status,
            "message": result.message, "seed": result.seed, "seconds": round(result.seconds, 3),
            "reproduce": _again(runner.plan, result) if result.status == "failed" else None,
        }
        for result in results
    ]  # fmt: skip
    counts = {status: sum(result.status == status for result in results) for status in MARKS}
    emit({"connector": runner.found.connector, **counts, "seconds": round(seconds, 3), "checks": checks})


def _show(runner: "Runner", results: Sequence["Result"], seconds: float) -> None:
    from .output import note, say

    for stream in dict.fromkeys(result.stream for result in results):
        _show_stream(runner, stream, [result for result in results if result.stream == stream])
    for result in results:
        if result.status == "failed":
            _show_failure(runner.plan, result)
    left = [stream for stream in runner.found.streams if stream not in runner.streams()]
    if left and not runner.plan.streams:
        note(f"not tested: {', '.join(left)}; let the source's class take `stream`, or name one with --stream")
    counts = [sum(result.status == status for result in results) for status in MARKS]
    style = MARKS["failed"] if counts[1] else MARKS["passed"]
    say(f"{counts[0]} passed, {counts[1]} failed, {counts[2]} skipped in {seconds:.1f} s", style=style)


def _show_stream(runner: "Runner", stream: str, results: Sequence["Result"]) -> None:
    from .output import styled, table

    rows: list[list[Any]] = [
        [
            result.check.name,
            styled(result.status, MARKS[result.status]),
            f"{result.seconds:.1f} s",
            _without_seed(result.message) if result.status == "skipped" else result.check.doc,
        ]
        for result in results
    ]
    title = f"{runner.found.connector}: {stream}"
    table(
        ["check", "result", "time", "what it promises"], rows, title=title, right=("time",), fold=("what it promises",)
    )


def _without_seed(message: str) -> str:
    return message.partition("] ")[2] if message.startswith("[seed ") else message


def _show_failure(plan: "Plan", result: "Result") -> None:
    from .output import say

    say(f"{result.stream}: {result.check.name} failed with seed {result.seed}", style=MARKS["failed"])
    lines = _without_seed(result.message).splitlines()
    for line in lines[:SHOWN]:
        say(f"  {line}")
    if len(lines) > SHOWN:
        say(f"  … {len(lines) - SHOWN} more lines (--json shows them)")
    say(f"  reproduce: {_again(plan, result)}", style="bold")
    say("")
