"""The composition root: the only module that knows everything.

Public: run_daemon (`syncd run`), assembled (the same parts for one command in this process).
"""

import asyncio
import ctypes
import fcntl
import gc
import os
import signal
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

from syncd.config.loader import load
from syncd.config.model import Config
from syncd.config.watch import FolderWatcher
from syncd.control.control import Control
from syncd.control.errors import BUSY, CONFIG, ControlError
from syncd.control.parts import Parts
from syncd.control.reloads import config_error
from syncd.engine.chores import Chores
from syncd.engine.executor import Executor
from syncd.engine.log import logger
from syncd.engine.metrics import SILENT, Metrics
from syncd.plugins import Plugins, catalog_of, discover
from syncd.sdk import Clock, Secret, SystemClock
from syncd.store import BadKey, KeysMissing, SqlStore, open_store, parse_key, vaults
from syncd.systemd import Pulse, Systemd, status_line

__all__ = ["assembled", "run_daemon"]

SOCKET, LOCK = "syncd.sock", "daemon.lock"
DUE_CHECK, RETENTION = timedelta(seconds=1), timedelta(hours=6)
RETENTION_FIRST = timedelta(minutes=5)  # also for a daemon that never gets to be six hours old
INDEX, ABANDONED = timedelta(seconds=1), timedelta(seconds=2)
NOTICES, CREDENTIALS, LOOK_AGAIN = timedelta(seconds=1), timedelta(seconds=5), timedelta(seconds=30)
LAST_WORDS = 10.0  # seconds that a command may take at its end to tell operators
M_ARENA_MAX = -8  # malloc.h
REST = timedelta(seconds=60)  # between two looks whether memory that work took can be given back
TELL = timedelta(seconds=2)  # the service manager's status line

log = logger()


@asynccontextmanager
async def assembled(
    folder: Path,
    state: Path,
    *,
    lenient: bool = False,
    daemon: dict[str, object] | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[Control]:
    """All parts, wired. Raises ControlError if the folder is invalid, unless `lenient`: then its problems are shown."""
    clock = clock or SystemClock()
    plugins = await asyncio.to_thread(discover)
    if daemon:
        _tell_broken(plugins)
    loaded = await asyncio.to_thread(load, folder, catalog_of(plugins))
    if loaded.config is None and not lenient:
        raise config_error(folder, loaded.problems)
    config = loaded.config or Config()
    prepare_state(state)
    try:
        metrics = _metrics() if daemon else SILENT
        store = await asyncio.to_thread(_opened, state, clock, config, metrics)
    except ControlError as error:
        if loaded.config is None:  # the keys may stand in what cannot be read
            raise config_error(folder, loaded.problems) from error
        raise
    try:
        async with Executor(
            store,
            config,
            plugins.connectors,
            clock=clock,
            vault_of=vaults(state, store.cipher),
            metrics=metrics,
        ) as executor:
            parts = Parts(folder, store, executor, plugins, clock, config, loaded.problems, daemon=daemon)
            control = Control(parts, seed=str(state))
            await store.close_dead_runs(clock.now())
            await control.adopt(config)
            if daemon is None:
                await control.purges.resume()
            try:
                yield control
            finally:
                await executor.drain(0 if daemon else 30.0)
                await control.runs.settle()
                await control.purges.settle()
                await control.alarms.finish(LAST_WORDS)
    finally:
        await asyncio.to_thread(store.close)


def run_daemon(folder: Path, state: Path, *, grace: float) -> int:
    """Run until a signal says stop. Raises ControlError with exit code 75 if a daemon runs there already."""
    prepare_state(state)
    _libc("mallopt", M_ARENA_MAX, 2)  # threads take turns anyway; a pool of memory for each of them is never given back
    with _only_one(state):
        return asyncio.run(_Daemon(folder, state, grace).run())


def prepare_state(state: Path) -> None:
    """Make the state directory, 0750, or take an empty one. Raises ControlError if it cannot be used."""
    try:
        state.mkdir(mode=0o750, parents=True, exist_ok=True)
        if state.stat().st_uid == os.geteuid() and not any(state.iterdir()):  # made for us; others may have other uses
            state.chmod(0o750)
        usable = os.access(state, os.R_OK | os.W_OK | os.X_OK)
    except OSError as error:
        raise _unusable(state, error.strerror or "error") from error
    if not usable:
        raise _unusable(state, "permission denied")


def _unusable(state: Path, why: str) -> ControlError:
    return ControlError(
        f"the state directory {state} cannot be used: {why.lower()}",
        code="SYN-STATE-002",
        hint="check its owner and permissions, or name another one with --state DIR",
    )


@contextmanager
def _only_one(state: Path) -> Iterator[None]:
    """Hold the daemon's lock. It goes with the process, however that ends."""
    file = os.open(state / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            pid = os.read(file, 32).decode("ascii", "replace").strip() or "unknown"
            raise ControlError(
                f"another syncd daemon (pid {pid}) runs on {state}",
                code="SYN-STATE-001",
                hint="stop it, or give this one a directory of its own with --state DIR",
                exit_code=BUSY,
            ) from error
        os.truncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(file)


def _metrics() -> Metrics:
    try:
        from syncd.web.metrics import Prometheus
    except ModuleNotFoundError:  # the daemon says what is missing when it opens its doors
        return SILENT
    return Prometheus()


def _opened(state: Path, clock: Clock, config: Config, metrics: Metrics) -> SqlStore:
    """The store that the configuration names, with its keys. Raises ControlError if a key is missing or is none."""
    try:
        given = config.daemon.encryption_keys
        keys = [parse_key(_revealed(secret), secret.reference) for secret in given]
        return open_store(state, clock, _store_url(config), keys=keys, observe=metrics.committed)
    except (BadKey, KeysMissing) as error:
        raise ControlError(str(error), code=error.code, hint=error.hint or "", exit_code=CONFIG) from error


def _revealed(secret: Secret) -> str:
    try:
        return secret.reveal()
    except (OSError, ValueError) as error:
        raise BadKey(f"{secret.reference} cannot be read: {error}") from error


def _store_url(config: Config) -> str:
    url = config.daemon.store
    return url if isinstance(url, str) else url.reveal()


def _tell_broken(plugins: Plugins) -> None:
    for one in plugins.broken.values():
        log.error("a connector plugin is broken", name=one.name, distribution=one.distribution, error=one.error)


class _Daemon:
    """The long-lived tasks. If one of them ends unasked, the daemon stops with an error: systemd starts it again."""

    def __init__(self, folder: Path, state: Path, grace: float) -> None:
        self._folder = folder
        self._state = state
        self._grace = grace
        self._stop = asyncio.Event()  # take no more work, drain
        self._silent = asyncio.Event()  # the API ends its answers
        self._look = asyncio.Event()  # the folder may have changed
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._manager = Systemd.of(os.environ, os.getpid())

    async def run(self) -> int:
        self._handle_signals()
        loop = asyncio.get_running_loop()
        watcher = FolderWatcher(self._folder, lambda: _wake(loop, self._look))
        watcher.start()  # before the first load: no change falls between the two
        facts: dict[str, object] = {"running": True, "pid": os.getpid(), "version": version("syncd")}
        try:
            async with assembled(self._folder, self._state, daemon=facts) as control:
                return await self._live(control)
        finally:
            await asyncio.to_thread(watcher.stop)

    async def _live(self, control: Control) -> int:
        try:
            from syncd.web.access import Access
            from syncd.web.app import create_app
            from syncd.web.server import Tcp, bind_socket, serve
        except ModuleNotFoundError as error:
            raise ControlError(f"the daemon needs {error.name}", hint="install it with syncd[web]") from error
        parts = control.parts
        access = Access(self._state, lambda: parts.config.daemon, parts.clock)
        await asyncio.to_thread(access.token)  # made before anybody needs it
        app = create_app(control, self._silent, version("syncd"), access)
        path = self._state / SOCKET
        bound = bind_socket(path)
        try:
            self._begin("api", serve(app, [bound], self._silent))
            tcp = Tcp(
                app, lambda: parts.config.daemon.listen, parts.clock, lambda why: setattr(parts, "unreachable", why)
            )
            self._begin("tcp", tcp.run(self._silent))
            self._begin("chores", self._chores(control).run())
            self._begin("reloads", self._reload(control))
            log.info(
                "syncd runs",
                version=version("syncd"),
                config=str(self._folder),
                state=str(self._state),
                pid=os.getpid(),
            )
            self._manager.ready()
            await asyncio.to_thread(_settle_down)
            died = await self._until_stopped()
            self._manager.stopping()
            await self._drain(control)
        finally:
            path.unlink(missing_ok=True)
            bound.close()
        log.info("syncd has stopped", died=died) if died else log.info("syncd has stopped")
        return 1 if died else 0

    def _begin(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._tasks[name] = asyncio.create_task(work, name=name)

    async def _until_stopped(self) -> str | None:
        """Wait for the signal; the name of a task that ended before it came, if one did."""
        stopped = asyncio.create_task(self._stop.wait(), name="stop")
        await asyncio.wait({stopped, *self._tasks.values()}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        for name, task in self._tasks.items():
            if task.done():
                error = None if task.cancelled() else task.exception()
                log.error("a task of the daemon has died: stopping", task=name, error=str(error), exc_info=error)
                return name
        return None

    async def _drain(self, control: Control) -> None:
        """No new work; pages in hand are finished, followers see their runs end, then the API goes."""
        log.info("stopping", runs=len(control.parts.executor.running()), grace=self._grace)
        self._stop.clear()
        for name in ("chores", "reloads"):
            self._tasks[name].cancel()
        hurry = asyncio.create_task(self._stop.wait())  # a second signal
        drained = asyncio.create_task(control.parts.executor.drain(self._grace))
        await asyncio.wait({hurry, drained}, return_when=asyncio.FIRST_COMPLETED)
        for handle in control.parts.executor.running():
            handle.abandon()
        await drained
        hurry.cancel()
        await control.runs.settle()
        self._silent.set()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _chores(self, control: Control) -> Chores:
        chores = Chores(control.parts.clock)
        chores.every(DUE_CHECK, "due check", control.scheduler.check)
        chores.every(INDEX, "search index", control.browse.index_search)
        chores.every(NOTICES, "notices", control.alarms.tick)
        chores.every(ABANDONED, "runs of dead processes", lambda: _close_abandoned(control))
        chores.every(CREDENTIALS, "refused credentials", lambda: _try_credentials(control))
        chores.every(LOOK_AGAIN, "look again at an invalid folder", lambda: _look_again(control))
        chores.every(LOOK_AGAIN, "interrupted purges", control.purges.resume)
        chores.every(RETENTION, "retention", lambda: _retain(control), first=RETENTION_FIRST)
        chores.every(REST, "give memory back", lambda: _rest(control))
        chores.every(TELL, "status line", lambda: self._tell_status(control))
        if self._manager.watchdog_s is not None:
            pulse, began = timedelta(seconds=self._manager.watchdog_s / 3), control.parts.clock.monotonic()
            chores.every(pulse, "watchdog", lambda: self._pulse(control, began))
        return chores

    async def _tell_status(self, control: Control) -> None:
        runs = [
            (one.sync, sum(c.listed for c in one.progress.totals().values()))
            for one in control.parts.executor.running()
        ]
        parts, following = control.parts, control.scheduler.following
        self._manager.status(status_line(len(parts.config.syncs), runs, following, len(parts.problems)))

    async def _pulse(self, control: Control, began: float) -> None:
        """A sign of life, if the writer, a reader and the scheduler get somewhere. While this waits, none is sent."""
        await control.parts.store.ping()
        pulse = Pulse(control.parts.clock.monotonic(), began, control.scheduler.checked)
        if pulse.alive:
            self._manager.alive()
        else:
            log.error("the due check stands still: no sign of life for the service manager", checked=pulse.checked)

    async def _reload(self, control: Control) -> None:
        while True:
            await self._look.wait()
            self._look.clear()
            self._manager.reloading(time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000)
            try:
                await control.reload()
            except Exception as error:  # the store is away: what was not taken over is, at the next look
                log.error("the configuration could not be taken over; it is tried again", exc_info=error)
                asyncio.get_running_loop().call_later(LOOK_AGAIN.total_seconds(), self._look.set)
            finally:
                self._manager.ready()

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._look.set)


def _wake(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    """From the watcher's thread."""
    loop.call_soon_threadsafe(event.set)


async def _try_credentials(control: Control) -> None:
    if await control.credentials.look():
        control.alarms.nudge()


async def _close_abandoned(control: Control) -> None:
    await control.parts.store.close_abandoned(control.parts.clock.now())


async def _look_again(control: Control) -> None:
    """What is wrong with a folder may lie outside it: a secret's file that was missing gives no event when it comes."""
    if control.parts.problems:
        await control.reload()


async def _rest(control: Control) -> None:
    """While no run is under way: the store's caches, and what the C library keeps for itself, go back to the system."""
    if not control.parts.executor.running():
        await control.parts.store.rest()
        await asyncio.to_thread(_libc, "malloc_trim", 0)


def _settle_down() -> None:
    """What starting has left behind goes; what stays is never looked through for garbage again."""
    gc.enable()  # the command has kept it from looking while everything was made
    gc.collect()
    gc.freeze()
    _libc("malloc_trim", 0)


def _libc(function: str, *arguments: int) -> None:
    """Call it where the C library has it: glibc does."""
    with suppress(OSError, AttributeError):
        getattr(ctypes.CDLL(None), function)(*arguments)


async def _retain(control: Control) -> None:
    keep = control.parts.config.daemon.retention
    gone = await control.parts.store.retain(
        control.parts.clock.now(), runs_for=keep.runs, tombstones_for=keep.tombstones, versions_for=keep.versions
    )
    if gone:
        log.info("removed what is past its time", **{what.replace(" ", "_"): count for what, count in gone.items()})
