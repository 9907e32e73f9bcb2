"""Runs that are followed side by side: what an interruption does to those that have not begun yet."""

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from syncd.cli import following
from syncd.cli.following import Following
from syncd.cli.progress import Watch

pytestmark = pytest.mark.anyio

RUNS = {"ours": (7, False), "theirs": (8, True)}


class Control:
    """Runs whose numbers are known only after the interruption. `theirs` goes on for ever."""

    local = True

    def __init__(self, told: asyncio.Event) -> None:
        self.told = told
        self.cancelled: list[int] = []

    async def sync(self, name: str, **scope: Any) -> AsyncIterator[dict[str, Any]]:
        run, joined = RUNS[name]
        await self.told.wait()
        yield {"event": "run", "run": run, "sync": name, "joined": joined}
        if joined:
            await asyncio.Event().wait()
        yield {"event": "report", "report": {"run": run}, "exit_code": 1}

    def cancel_soon(self, runs: Sequence[int]) -> None:
        self.cancelled += runs


async def test_an_interruption_counts_for_runs_that_begin_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    told = asyncio.Event()

    def note(*parts: str) -> None:
        notes.append(" ".join(parts))
        told.set()

    monkeypatch.setattr(following, "note", note)
    control = Control(told)
    followed = Following(control, Watch(quiet=True), list(RUNS), {"dry_run": False})
    asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
    ends, interrupted = await followed.ends()
    assert interrupted
    assert control.cancelled == [7]
    assert ends == [{"event": "report", "report": {"run": 7}, "exit_code": 1}]
    assert notes[-1] == "no longer followed; goes on in another process: theirs (run 8)"
