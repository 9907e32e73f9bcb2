"""The TCP door: where the configuration says, from one configuration to the next."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from syncd.sdk import SystemClock
from syncd.testing import FakeClock
from syncd.web.server import Tcp

pytestmark = pytest.mark.anyio


class Listening:
    """A Tcp at work; `wanted` is what the configuration says."""

    def __init__(self, wanted: str) -> None:
        self.wanted = wanted
        self.clock = FakeClock(auto=False)
        self.logged: list[Any] = []
        app = FastAPI()
        app.add_api_route("/", lambda: "here")
        self.tcp = Tcp(app, lambda: self.wanted, self.clock)

    async def look(self, seconds: float = 6.0) -> None:
        """Let it look again, and wait until it has."""
        for _ in range(40):
            await asyncio.sleep(0.005)
        self.clock.advance(seconds)
        for _ in range(40):
            await asyncio.sleep(0.005)

    def told(self, word: str) -> list[Any]:
        return [entry for entry in self.logged if word in entry["event"]]

    def port(self) -> int:
        return int(self.tcp.addresses[0].rpartition(":")[2])


@asynccontextmanager
async def listening(wanted: str) -> AsyncIterator[Listening]:
    stop, made = asyncio.Event(), Listening(wanted)
    with capture_logs() as made.logged:
        task = asyncio.create_task(made.tcp.run(stop))
        try:
            await made.look(0.1)
            yield made
        finally:
            stop.set()
            await asyncio.wait_for(task, 10)


@contextmanager
def taken() -> Iterator[int]:
    """A port that somebody else has."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


async def answers(port: int, host: str = "127.0.0.1") -> bool:
    try:
        async with httpx.AsyncClient() as client:
            return (await client.get(f"http://{host}:{port}/")).json() == "here"
    except httpx.TransportError:
        return False


async def test_it_answers_where_it_says_until_it_is_stopped() -> None:
    async with listening("127.0.0.1:0") as one:
        port = one.port()
        assert await answers(port)
    assert not await answers(port)


async def test_a_new_address_takes_over_from_the_old_one() -> None:
    async with listening("127.0.0.1:0") as one:
        before = one.port()
        one.wanted = "127.0.0.2:0"
        await one.look()
        assert await answers(one.port(), "127.0.0.2")
        assert not await answers(before)


async def test_all_addresses_of_the_same_port_take_over_from_one() -> None:
    async with listening("127.0.0.1:0") as one:
        port = one.port()
        one.wanted = f"127.0.0.1:{port}"  # written out now: the same door
        await one.look()
        one.wanted = f"0.0.0.0:{port}"
        await one.look()
        assert one.port() == port
        assert await answers(port, "127.0.0.3")


async def test_an_address_in_use_is_told_once_and_had_as_soon_as_it_is_free() -> None:
    with taken() as port:
        async with listening(f"127.0.0.1:{port}") as one:
            for _ in range(3):
                await one.look()
            (entry,) = one.told("cannot listen")
            assert "address already in use" in entry["event"]
            assert entry["code"] == "SYN-API-005"
            assert "unix socket" in entry["event"]
    async with listening(f"127.0.0.1:{port}") as one:
        assert await answers(port)


async def test_a_new_address_in_use_leaves_the_old_one_answered() -> None:
    with taken() as port:
        async with listening("127.0.0.1:0") as one:
            before, one.wanted = one.port(), f"127.0.0.1:{port}"
            await one.look()
            assert await answers(before)
            (entry,) = one.told("cannot listen")
            assert "127.0.0.1:0 is answered as before" in entry["event"]
            one.wanted = "127.0.0.1:0"  # thought better of it
            await one.look()
            assert await answers(before)


async def test_an_address_that_is_none_of_this_machine_with_the_same_port_leaves_the_old_one_answered() -> None:
    async with listening("127.0.0.1:0") as one:
        port = one.port()
        one.wanted = f"203.0.113.7:{port}"
        await one.look()
        assert one.told("cannot listen")
        assert await answers(port)


async def test_open_answers_are_finished_before_it_ends() -> None:
    app, begun, go = FastAPI(), asyncio.Event(), asyncio.Event()

    @app.get("/")
    async def slow() -> str:
        begun.set()
        await go.wait()
        return "whole"

    stop, tcp = asyncio.Event(), Tcp(app, lambda: "127.0.0.1:0", SystemClock())
    task = asyncio.create_task(tcp.run(stop))
    for _ in range(500):
        await asyncio.sleep(0 if tcp.addresses else 0.01)
    async with httpx.AsyncClient() as client:
        asked = asyncio.create_task(client.get(f"http://{tcp.addresses[0]}/"))
        await begun.wait()
        stop.set()
        await asyncio.sleep(0)
        go.set()
        assert (await asked).json() == "whole"
    await asyncio.wait_for(task, 10)
