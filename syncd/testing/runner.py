"""Runs the suite against a connector in a process of its own, and outlives whatever the connector does.

Public: Runner, Plan, Found, Promise, Result, Refused.

    with Runner(Plan("syncd_notes")) as runner:
        for result in runner.results():
            print(result.check, result.status)

A check that hangs, exits or crashes fails; where it stood is named, and the next check gets a new process.
"""

import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

__all__ = ["Found", "Plan", "Promise", "Refused", "Result", "Runner"]

LOADING = 60.0  # seconds that the process may take to say what it tests
LATE = 10.0  # seconds beyond a limit after which a process that does not end by itself is killed
FRAME = re.compile(r'File "(?P<file>.+)", line (?P<line>\d+) in (?P<name>.+)')


class Refused(Exception):
    """Nothing can be tested. `hint` says what to type; `traceback` is of the connector's own module."""

    def __init__(self, message: str, hint: str = "", traceback: str = "") -> None:
        super().__init__(message)
        self.hint, self.traceback = hint, traceback


@dataclass(frozen=True, slots=True)
class Plan:
    """What to test. Empty `streams` and `checks`: all. `seed`: the first; `seeds`: how many histories.

    `limit`: seconds that one check may take with one seed.
    """

    target: str
    source: str | None = None
    streams: Sequence[str] = ()
    checks: Sequence[str] = ()
    seed: int = 0
    seeds: int = 5
    idle_requests: int = 1
    limit: float = 120.0


@dataclass(frozen=True, slots=True)
class Promise:
    """A check, and what it promises. `many`: worth repeating with other seeds."""

    name: str
    doc: str
    many: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What is under test. `all_streams`: whether the source knows each of the streams."""

    connector: str
    folder: Path
    streams: Sequence[str]
    all_streams: bool
    checks: Sequence[Promise]


@dataclass(frozen=True, slots=True)
class Result:
    """What a check found: `status` is passed, failed or skipped; `seed`: the one that failed."""

    stream: str
    check: Promise
    status: str
    message: str
    seed: int | None
    seconds: float


@dataclass(slots=True)
class Runner:
    """Holds the process; a context manager, so that none is left."""

    plan: Plan
    found: Found = field(init=False)
    _worker: "_Worker" = field(init=False)

    def __enter__(self) -> Self:
        self._begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.end()

    def _begin(self) -> None:
        self._worker = _Worker(self.plan)
        try:
            self.found = _found(self._worker)
        except BaseException:
            self._worker.end()
            raise

    def results(self) -> Iterator[Result]:
        """Each check of each stream, as it is done."""
        for stream in self.streams():
            for check in self.checks():
                yield self._result(stream, check)

    def streams(self) -> Sequence[str]:
        if self.plan.streams:
            return self.plan.streams
        return self.found.streams if self.found.all_streams else self.found.streams[:1]

    def checks(self) -> list[Promise]:
        return [check for check in self.found.checks if not self.plan.checks or check.name in self.plan.checks]

    def _result(self, stream: str, check: Promise) -> Result:
        begun, answer, failing = time.monotonic(), {"status": "passed", "message": ""}, None
        for seed in range(self.plan.seed, self.plan.seed + (self.plan.seeds if check.many else 1)):
            answer = self._asked({"stream": stream, "check": check.name, "seed": seed})
            if answer["status"] != "passed":
                failing = seed if answer["status"] == "failed" else None
                break
        return Result(stream, check, answer["status"], answer["message"], failing, time.monotonic() - begun)

    def _asked(self, job: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._worker.ask(job)
        except _Died as death:
            message = f"[seed {job['seed']}] {death.told(self.found.folder)}"
            self._worker.end()
            self._begin()
            return {"status": "failed", "message": message}


def _found(worker: "_Worker") -> Found:
    try:
        said = worker.hear()
    except _Died as death:
        raise Refused(f"loading the connector: {death.told(Path.cwd())}") from death
    if "refused" in said:
        raise Refused(said["refused"], said["hint"], said.get("traceback", ""))
    checks = [Promise(one["name"], one["doc"], one["many"]) for one in said["checks"]]
    return Found(said["connector"], Path(said["folder"]), said["streams"], said["all_streams"], checks)


class _Died(Exception):
    """The process ended, or was ended, instead of answering."""

    def __init__(self, status: int | None, printed: str, limit: float) -> None:
        super().__init__(status)
        self.status, self.printed, self.limit = status, printed, limit

    def told(self, folder: Path) -> str:
        """One line: what happened, and where."""
        if self.status is None or "Timeout (" in self.printed:
            return (
                f"still not done after {self.limit:.0f} s, and nothing can interrupt it{_where(self.printed, folder)}"
            )
        how = signal.Signals(-self.status).name if self.status < 0 else f"exit code {self.status}"
        last = [line for line in self.printed.splitlines() if line.strip()][-1:]
        return f"the process ended ({how}): {last[0] if last else 'it said nothing'}"


def _where(printed: str, folder: Path) -> str:
    """The innermost line of the connector's own code in a traceback, else the innermost of all."""
    frames = [match for line in printed.splitlines() if (match := FRAME.search(line))]
    own = [frame for frame in frames if Path(frame["file"]).is_relative_to(folder)]
    for frame in own or frames:
        return f": it stands at {frame['file']}:{frame['line']} in {frame['name']}"
    return ""


class _Worker:
    """A process, the pipe to it and the pipe from it."""

    def __init__(self, plan: Plan) -> None:
        self._limit = plan.limit
        self._printed: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        self._heard, told = os.pipe()
        self._rest = b""
        ask = {"target": plan.target, "source": plan.source, "idle_requests": plan.idle_requests,
               "limit": plan.limit, "replies": told}  # fmt: skip
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "syncd.testing.worker", json.dumps(ask)],
                stdin=subprocess.PIPE, stdout=self._printed, stderr=self._printed, pass_fds=[told], start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(told)

    def ask(self, job: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(job).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it is dead, which the missing answer shows
        return self.hear(self._limit)

    def hear(self, limit: float = LOADING) -> dict[str, Any]:
        """The next answer. Raises _Died if none comes in time."""
        until = time.monotonic() + limit + LATE
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self._heard], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                self._kill()
                raise self._death(None, limit)
            if not (more := os.read(self._heard, 65_536)):
                raise self._death(self._status(), limit)
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _status(self) -> int | None:
        """How it ended; None if it has closed its pipe and goes on."""
        try:
            return self._process.wait(LATE)
        except subprocess.TimeoutExpired:
            self._kill()
            return None

    def _death(self, status: int | None, limit: float) -> _Died:
        self._printed.seek(0)
        return _Died(status, self._printed.read().decode(errors="replace")[-20_000:], limit)

    def _kill(self) -> None:
        """End it with all that it started."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()

    def end(self) -> None:
        """Leave nothing; once more does no harm."""
        if self._printed.closed:
            return
        self._kill()
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass
        os.close(self._heard)
        self._printed.close()
