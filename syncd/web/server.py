"""Serving the API on the state directory's unix socket, inside the daemon's own loop.

Public: bind_socket, serve.
"""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import uvicorn
from fastapi import FastAPI

__all__ = ["bind_socket", "serve"]

LAST_ANSWERS = 5  # seconds that open answers may take when the daemon stops


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
    bound.listen(128)
    bound.setblocking(False)
    return bound


async def serve(app: FastAPI, bound: socket.socket, stop: asyncio.Event) -> None:
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
    task = asyncio.create_task(server.serve(sockets=[bound]), name="api server")
    stopping = asyncio.create_task(stop.wait(), name="api stop")
    try:
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await task
    finally:
        stopping.cancel()
