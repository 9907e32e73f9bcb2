"""Serve an ASGI application on a loopback port from a thread: real sockets, ready when `serve` returns.

The same port answers on 127.0.0.1 (the API) and on 127.0.0.2: an origin of its own for a provider's download host.
What ASGI does not know, and an application may use here: `reason` in `http.response.start`, the reason phrase of the status
line, where a provider tells what it means in no other place.
"""

import asyncio
import socket
import struct
import threading
from types import TracebackType
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from syncd_simulator.line import ConnectionDropped

STARTUP = 10.0  # seconds
DOWNLOADS = "127.0.0.2"
ATTEMPTS = 20  # to find a port that is free on both addresses
RESET = struct.pack("ii", 1, 0)  # SO_LINGER that turns close() into a TCP reset


class _Connection(h11.Connection):
    """HTTP/1.1 with `reason`, the reason phrase of the next response; "" for the usual one."""

    reason = ""

    def send_with_data_passthrough(self, event: h11.Event) -> list[bytes] | None:
        if isinstance(event, h11.Response) and self.reason:
            headers = event.headers.raw_items()
            event = h11.Response(status_code=event.status_code, headers=headers, reason=self.reason.encode("ascii"))
            self.reason = ""
        return super().send_with_data_passthrough(event)


class _Protocol(H11Protocol):
    """HTTP/1.1 that lets the application choose the reason phrase, and cut its own connection:
    `scope["extensions"]["syncd_simulator.abort"]`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn = connection = _Connection(h11.SERVER)
        inner: Any = self.app

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            async def start(message: Message) -> None:
                connection.reason = message.get("reason", "")
                await send(message)

            scope.setdefault("extensions", {})["syncd_simulator.abort"] = self._abort
            try:
                await inner(scope, receive, start)
            except ConnectionDropped:
                await asyncio.sleep(0)  # let connection_lost run: the cycle then knows that nobody listens
                await asyncio.sleep(0)

        self.app = app

    def _abort(self) -> None:
        sock = self.transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.transport.abort()


class RunningServer:
    """A server in a thread. A context manager; `url` has no trailing slash."""

    def __init__(self, app: ASGIApp, port: int = 0, host: str = "127.0.0.1") -> None:
        self._sockets = _listening((host, DOWNLOADS), port)
        self.port: int = self._sockets[0].getsockname()[1]
        self.url = f"http://{host}:{self.port}"
        self.download_url = f"http://{DOWNLOADS}:{self.port}"
        self._config = uvicorn.Config(
            app, http=_Protocol, ws="none", lifespan="off", log_config=None, log_level="critical",
            access_log=False, proxy_headers=False, timeout_keep_alive=60,
        )  # fmt: skip
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name=f"simulator {self.port}", daemon=True)

    def start(self) -> "RunningServer":
        """Start and wait until requests are answered."""
        self._thread.start()
        if not self._ready.wait(STARTUP):
            raise RuntimeError("the simulator did not start")
        return self

    def stop(self) -> None:
        """Stop, dropping what is in flight, and wait for the thread; may be called twice."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(STARTUP)

    def __enter__(self) -> "RunningServer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._config.load()
        state = ServerState()
        servers = [
            await self._loop.create_server(
                lambda: _Protocol(config=self._config, server_state=state, app_state={}), sock=sock, backlog=1024
            )
            for sock in self._sockets
        ]
        self._ready.set()
        await self._stopping.wait()
        for server in servers:
            server.close()
        for connection in list(state.connections):
            connection.transport.close()
        await asyncio.sleep(0)


def _listening(hosts: tuple[str, ...], port: int) -> list[socket.socket]:
    """One bound socket per host, all on the same port."""
    for _ in range(ATTEMPTS):
        bound: list[socket.socket] = []
        try:
            for host in hosts:
                sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
                bound.append(sock)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind((host, bound[0].getsockname()[1] if len(bound) > 1 else port))
        except OSError:
            for sock in bound:
                sock.close()
            if port:
                raise
        else:
            return bound
    raise RuntimeError(f"no port is free on all of {', '.join(hosts)}")


def serve(app: ASGIApp, port: int = 0) -> RunningServer:
    """Serve `app` on loopback; port 0 takes a free one. The server answers when this returns."""
    return RunningServer(app, port).start()
