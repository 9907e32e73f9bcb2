"""Serving the app inside the daemon's own loop: on the state directory's unix socket always, on TCP where `daemon.listen` says.

Public: bind_socket, serve, Tcp.
"""

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from syncd.config.formats import parse_listen
from syncd.engine.log import logger
from syncd.sdk import Clock

__all__ = ["Tcp", "bind_socket", "serve"]

LAST_ANSWERS = 3  # seconds that open answers may take when the daemon stops
LOOK = 1.0  # seconds between two looks at the address that is wanted
AGAIN = 5.0  # seconds until an address that could not be had is tried again
BACKLOG = 128

log = logger()


class _Server(uvicorn.Server):
    """uvicorn without its hands on the signals: the daemon decides when to stop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bind_socket(path: Path) -> socket.socket:
    """The socket, 0660, in place of one that a dead daemon left. Call it only while holding the daemon's lock."""
    with suppress(FileNotFoundError):
        path.unlink()
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o117)
    try:
        bound.bind(str(path))
    finally:
        os.umask(before)
    bound.listen(BACKLOG)
    bound.setblocking(False)
    return bound


async def serve(app: FastAPI, bound: Sequence[socket.socket], stop: asyncio.Event) -> None:
    """Answer until `stop` is set, then finish what is being answered. The app's streams must end on `stop` too."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=LAST_ANSWERS,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=list(bound)), name="api server")
    stopping = asyncio.create_task(stop.wait(), name="api stop")
    try:
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await task
    finally:
        stopping.cancel()


@dataclass(slots=True)
class _Door:
    """An address that is being answered."""

    listen: str
    addresses: Sequence[str]
    port: int
    stop: asyncio.Event
    task: "asyncio.Task[None]"


class Tcp:
    """Keeps the app on the address that `wanted` gives, from one configuration to the next.

    An address that cannot be had is tried again and again; meanwhile the one before is answered, and all else goes on.
    """

    def __init__(
        self, app: FastAPI, wanted: Callable[[], str], clock: Clock, trouble: Callable[[str], None] = lambda why: None
    ) -> None:
        """`trouble` is told why the address cannot be had, and "" once it can."""
        self._app = app
        self._wanted = wanted
        self._clock = clock
        self._trouble = trouble
        self._door: _Door | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._failed: tuple[str, float] | None = None  # the address, and when it is tried again

    @property
    def addresses(self) -> Sequence[str]:
        """What is answered now."""
        return () if self._door is None else self._door.addresses

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set; open answers are finished."""
        stopped = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                await self._look()
                looked = asyncio.ensure_future(self._clock.sleep(LOOK))
                await asyncio.wait({stopped, looked}, return_when=asyncio.FIRST_COMPLETED)
                looked.cancel()
        finally:
            stopped.cancel()
            self._leave()
            await asyncio.gather(*self._closing, return_exceptions=True)

    async def _look(self) -> None:
        wanted, now = self._wanted(), self._clock.monotonic()
        if self._door is not None and self._door.task.done():
            self._door = None
        if self._door is not None and self._door.listen == wanted:
            self._failed = None
            self._trouble("")
            return
        if self._failed is not None and self._failed[0] == wanted and now < self._failed[1]:
            return
        try:
            await self._move(wanted)
        except OSError as error:
            if self._failed is None or self._failed[0] != wanted:
                self._tell(wanted, error)
            self._failed = (wanted, now + AGAIN)

    async def _move(self, wanted: str) -> None:
        """Open the new address, then leave the old one; the other way round where both have the same port."""
        old, same_port = self._door, self._door is not None and self._door.port == parse_listen(wanted)[1]
        if same_port and self._door is not None:
            self._leave()
            await asyncio.sleep(0)
            await asyncio.gather(*self._closing, return_exceptions=True)
        try:
            self._open(wanted, await asyncio.to_thread(_bound, wanted))
        except OSError:
            if same_port and old is not None:
                self._open(old.listen, await asyncio.to_thread(_bound, old.listen, old.port))
            raise
        if old is not None and not same_port:
            self._close(old)

    def _open(self, listen: str, bound: Sequence[socket.socket]) -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(serve(self._app, bound, stop), name=f"api on {listen}")
        addresses = [_shown(one) for one in bound]
        self._door = _Door(listen, addresses, bound[0].getsockname()[1], stop, task)
        log.info("listening", addresses=addresses)

    def _leave(self) -> None:
        if self._door is not None:
            self._close(self._door)
            self._door = None

    def _close(self, door: _Door) -> None:
        door.stop.set()
        self._closing.add(door.task)
        door.task.add_done_callback(self._closing.discard)

    def _tell(self, wanted: str, error: OSError) -> None:
        goes_on = f"{self._door.listen} is answered as before" if self._door else "the unix socket is answered"
        why = f"cannot listen on {wanted}: {(error.strerror or str(error)).lower()}; {goes_on}"
        self._trouble(why)
        log.error(
            why,
            code="SYN-API-005",
            hint=f"free the address or change daemon.listen; it is tried again every {AGAIN:.0f} s",
        )


def _bound(listen: str, had: int = 0) -> list[socket.socket]:
    """Listening sockets on every address of the host. Raises OSError if one is in use, or none can be had.

    `had`: the port, where `listen` leaves it to the system and it was given before.
    """
    host, wanted = parse_listen(listen)
    port = wanted or had
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    bound: list[socket.socket] = []
    last: OSError = OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    for family, kind, protocol, _, address in dict.fromkeys(found):
        try:
            bound.append(_listening(family, kind, protocol, (address[0], bound[0].getsockname()[1] if bound else port)))
        except OSError as error:
            last = error
            if error.errno == errno.EADDRINUSE:
                for one in bound:
                    one.close()
                raise
    if not bound:
        raise last
    return bound


def _listening(family: int, kind: int, protocol: int, address: tuple[str | int, int]) -> socket.socket:
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(BACKLOG)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made


def _shown(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
