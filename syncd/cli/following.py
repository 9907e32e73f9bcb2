"""Several runs followed side by side, and what an interruption does to them.

Public: Following.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from syncd.control.errors import ControlError

from .output import note
from .progress import Event, Interrupts, Watch

__all__ = ["Following"]


class Following:
    """Starts the syncs and follows their runs.

    Ctrl-C ends runs of this process after the page in hand, and at once only the watching of the others: those of the
    daemon, and those that another process began and that are followed since they cover what was asked.
    """

    def __init__(self, control: Any, watch: Watch, names: Sequence[str], scope: Mapping[str, Any]) -> None:
        self._control = control
        self._dry = bool(scope["dry_run"])
        self._ending = False
        self._begun: dict[str, Event] = {}
        self._left: list[str] = []
        sources = {name: control.sync(name, **scope) for name in names}
        self._tasks = {
            name: asyncio.ensure_future(watch.follow(source, partial(self._began, name)))
            for name, source in sources.items()
        }

    async def ends(self) -> tuple[list[dict[str, Any] | ControlError], bool]:
        """The last event or the refusal of each run that was followed to its end, and whether an interruption came."""
        with Interrupts(self._ask_to_end, self._stop) as interrupts:
            done = await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        if self._left:
            where = "another process" if self._control.local else "the daemon"
            note(f"no longer followed; goes on in {where}:", ", ".join(self._left))
        return [_known(end) for end in done if not isinstance(end, asyncio.CancelledError)], bool(interrupts.received)

    # -- inside

    def _began(self, name: str, event: Event) -> None:
        self._begun[name] = event
        if self._ending:
            self._end(name)

    def _ask_to_end(self) -> None:
        self._ending = True
        if self._dry and self._control.local:
            return self._stop()
        if any(self._is_ours(name) and not task.done() for name, task in self._tasks.items()):
            note("ending after the page in hand; interrupt again to end at once")
        for name in self._tasks:
            self._end(name)
        return None

    def _end(self, name: str) -> None:
        if not self._is_ours(name):
            self._leave(name)
        elif name in self._begun:
            self._control.cancel_soon([self._begun[name]["run"]])

    def _is_ours(self, name: str) -> bool:
        """As far as it is known: a command starts each sync once, so that a run that it joined is another process's."""
        return bool(self._control.local) and not (name in self._begun and self._begun[name]["joined"])

    def _leave(self, name: str) -> None:
        if not self._tasks[name].done():
            run = self._begun[name]["run"] if name in self._begun else None
            self._left.append(name if run is None else f"{name} (run {run})")
            self._tasks[name].cancel()

    def _stop(self) -> None:
        if self._control.local:
            self._control.end_now()
        for task in self._tasks.values():
            task.cancel()


def _known(end: dict[str, Any] | BaseException) -> dict[str, Any] | ControlError:
    if isinstance(end, BaseException) and not isinstance(end, ControlError):
        raise end
    return end
