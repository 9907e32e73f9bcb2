"""Taking a changed configuration folder over, and showing what that would do.

Public: Reloads.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from syncd.config.diff import Change, Difference, Effect, diff
from syncd.config.files import find
from syncd.config.loader import Loaded, load
from syncd.config.model import Config
from syncd.config.problem import Problem
from syncd.engine.executor import RunHandle, RunRequest
from syncd.engine.log import logger
from syncd.plugins import catalog_of

from .errors import CONFIG, USAGE, ControlError
from .parts import Parts
from .planning import read_again, scope_changes
from .running import Runs
from .views import difference_json, problem_json

__all__ = ["Reloads", "config_error"]

Adopt = Callable[[Config], Awaitable[None]]


def config_error(folder: Path, problems: Sequence[Any]) -> ControlError:
    """The folder cannot be used."""
    return ControlError(
        f"the configuration in {folder} is invalid",
        code="SYN-CONF-001",
        hint="nothing was started; mend what is listed",
        exit_code=CONFIG,
        problems=[problem_json(problem) for problem in problems],
    )


class Reloads:
    """Parse, validate, diff, swap. An invalid folder changes nothing but what `problems` says."""

    def __init__(self, parts: Parts, runs: Runs, adopt: Adopt) -> None:
        self._parts = parts
        self._runs = runs
        self._adopt = adopt
        self._one = asyncio.Lock()
        self._owed: set[str] = set()  # syncs whose run is to end because of a change
        self._again: set[asyncio.Task[None]] = set()
        self._catalog = catalog_of(parts.plugins)

    async def reload(self) -> dict[str, Any]:
        """Read the folder again and take it over if it is valid."""
        async with self._one:
            loaded = await asyncio.to_thread(load, self._parts.folder, self._catalog)
            if loaded.config is None:
                self._refuse(loaded)
                return {"ok": False, "problems": [problem_json(one) for one in loaded.problems], "changes": []}
            if self._parts.problems:
                logger().info("the configuration folder is valid again")
            self._parts.problems = ()
            changes = diff(self._parts.config, loaded.config)
            await self._take_over(loaded.config, changes)
            return {"ok": True, "problems": [], "changes": [difference_json(one) for one in changes]}

    async def plan(self, folder: Path, files: Mapping[str, str]) -> dict[str, Any]:
        """What a folder with these files would change. Raises ControlError with its problems.

        The folder is read where it stands if this process sees the same there; else a copy of the files is, in which
        a `${file:…}` relative to the folder is missing.
        """
        loaded = await asyncio.to_thread(self._load_given, folder, files)
        if loaded.config is None:
            raise config_error(folder, loaded.problems)
        running = self._parts.daemon is not None
        before = self._parts.config if running else Config()
        names = before.connections.keys() | loaded.config.connections.keys()
        accounts = {name: await self._parts.store.accounts(name) for name in names}
        return {
            "daemon": running,
            "changes": [difference_json(one) for one in diff(before, loaded.config)],
            "accounts": scope_changes(before, loaded.config, accounts) if running else [],
            "read_again": read_again(before, loaded.config),
        }

    async def validate(self, folder: Path, files: Mapping[str, str]) -> dict[str, Any]:
        """Every problem of a folder with these files. Nothing outside it is read."""
        loaded = await asyncio.to_thread(self._load_given, folder, files, False)
        return {"ok": not loaded.problems, "problems": [problem_json(one) for one in loaded.problems]}

    # -- inside

    def _load_given(self, folder: Path, files: Mapping[str, str], check_values: bool = True) -> Loaded:
        if check_values and _texts(folder) == files:
            return load(folder, self._catalog)
        with tempfile.TemporaryDirectory(prefix="syncd-plan-") as scratch:
            _write(files, Path(scratch))
            loaded = load(Path(scratch), self._catalog, check_values=check_values)
            return replace(loaded, problems=[_as_of(one, scratch, str(folder)) for one in loaded.problems])

    def _refuse(self, loaded: Loaded) -> None:
        if list(self._parts.problems) != loaded.problems:
            logger().error(
                "the configuration folder is invalid; the last good configuration keeps running",
                code="SYN-CONF-001",
                problems=[str(problem) for problem in loaded.problems],
            )
        self._parts.problems = loaded.problems

    async def _take_over(self, config: Config, changes: Sequence[Difference]) -> None:
        self._tell(changes)
        self._owed |= {sync for one in changes if one.effect is Effect.END_RUN for sync in one.syncs}
        self._parts.config = config
        self._parts.executor.configure(config)
        await self._adopt(config)  # if the store is away, the next reload adopts again
        for sync in sorted(self._owed):
            await self._end_run(sync, config)
        self._owed.clear()

    async def _end_run(self, sync: str, config: Config) -> None:
        """Let it end after its page, and start again under the name that its sync has now."""
        handle = next((one for one in await self._parts.executor.begun() if one.sync == sync), None)
        name = sync if handle is None else await self._name_now(handle)
        await self._runs.restart(sync, again=name == sync and sync in config.syncs)
        if handle is not None and name != sync and name in config.syncs:
            task = asyncio.create_task(self._go_on(handle, name), name=f"restart of {sync} as {name}")
            self._again.add(task)
            task.add_done_callback(self._again.discard)

    async def _name_now(self, handle: RunHandle) -> str:
        """The store has moved a renamed sync's runs with it."""
        row = None if handle.run is None else await self._parts.store.get_run(handle.run)
        return handle.sync if row is None else row.sync

    async def _go_on(self, handle: RunHandle, name: str) -> None:
        """Ends by itself: a process that stops ends the run, and starts no other."""
        await handle.report()
        try:
            await self._runs.start(RunRequest(name, handle.request.trigger, handle.request.scope))
        except Exception as error:  # gone again meanwhile, busy elsewhere: its schedule will come
            logger().warning("not started again after the reload", sync=name, error=str(error))

    def _tell(self, changes: Sequence[Difference]) -> None:
        for one in changes:
            fields = [field.path for field in one.fields] if one.change is Change.CHANGED else []
            logger().info("configuration", block=str(one.block), name=one.name, change=str(one.change), fields=fields)
            for warning in one.warnings:
                logger().warning("configuration: look twice", block=str(one.block), name=one.name, change=warning)
            if one.effect is Effect.RESTART:
                logger().warning("this change takes effect when the daemon is started anew", fields=fields)


def _as_of(problem: Problem, scratch: str, folder: str) -> Problem:
    """The problem with the names that its files have where they come from."""
    told = {name: getattr(problem, name).replace(scratch, folder) for name in ("file", "message", "hint")}
    return replace(problem, **told)


def _texts(folder: Path) -> dict[str, str] | None:
    """The folder's files as this process sees them; None if it does not."""
    try:
        return {str(path.relative_to(folder)): path.read_text("utf-8") for path in find(folder)}
    except (OSError, ValueError):  # ValueError: not UTF-8, or no path at all
        return None


def _write(files: Mapping[str, str], scratch: Path) -> None:
    for name, text in files.items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise ControlError(f"{name!r} is not a path inside the folder", exit_code=USAGE)
        target = scratch / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, "utf-8")
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise ControlError(f"{name!r} cannot be a file of a folder: {why}", exit_code=USAGE) from error
