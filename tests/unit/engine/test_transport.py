"""Connections with a pool each against a real server on loopback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from syncd.engine.transport import SmallPools

pytestmark = pytest.mark.anyio


class Server:
    """Answers "ok" after `gate` is open, and counts connections."""

    def __init__(self) -> None:
        self.connections = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.port = 0
        self.status = 200
        self._writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                await self.gate.wait()
                writer.write(b"HTTP/1.1 %d x\r\nContent-Length: 2\r\n\r\nok" % self.status)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def drop(self) -> None:
        """Close all connections, as a provider does after a while."""
        for writer in self._writers:
            writer.close()


@asynccontextmanager
async def running() -> AsyncIterator[tuple[Server, httpx.AsyncClient, SmallPools]]:
    server, pools = Server(), SmallPools()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    base = f"http://127.0.0.1:{server.port}"
    try:
        async with httpx.AsyncClient(transport=pools, base_url=base, trust_env=False) as client:
            yield server, client, pools
    finally:
        server.drop()
        listening.close()
        await listening.wait_closed()


async def test_one_after_the_other_uses_one_connection() -> None:
    async with running() as (server, client, _):
        for _ in range(5):
            assert (await client.get("/")).text == "ok"
        assert server.connections == 1


async def test_after_an_overloaded_answer_the_next_goes_over_a_new_connection() -> None:
    async with running() as (server, client, _):
        server.status = 503
        assert (await client.get("/")).status_code == 503
        server.status = 200
        assert {(await client.get("/")).status_code for _ in range(2)} == {200}
        assert server.connections == 2


async def test_many_at_once_use_a_connection_each_and_keep_them() -> None:
    async with running() as (server, client, pools):
        server.gate.clear()
        tasks = [asyncio.create_task(client.get("/")) for _ in range(10)]
        await asyncio.sleep(0.2)
        server.gate.set()
        assert {answer.text for answer in await asyncio.gather(*tasks)} == {"ok"}
        [shards] = pools._pools.values()
        assert (len(shards), sum(shard.busy for shard in shards)) == (10, 0)
        assert (await client.get("/")).text == "ok"
        assert server.connections == 10


async def test_places_come_back_from_streams_errors_and_cancellation() -> None:
    async with running() as (server, client, pools):
        async with client.stream("GET", "/") as response:
            [shards] = pools._pools.values()
            assert shards[0].busy
            await response.aread()
        assert not shards[0].busy
        server.gate.clear()
        task = asyncio.create_task(client.get("/"))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not shards[0].busy
        assert shards[0].spoilt  # httpcore may count its connection as taken
        spoilt = shards[0]
        server.gate.set()
        assert (await client.get("/")).text == "ok"
        assert spoilt not in shards
        with pytest.raises(httpx.ConnectError):
            await client.get("http://127.0.0.1:9/")
        assert not any(shard.busy for origin in pools._pools.values() for shard in origin)


async def test_connections_that_the_provider_closed_are_replaced() -> None:
    async with running() as (server, client, _):
        await client.get("/")
        server.drop()
        await asyncio.sleep(0.05)
        assert (await client.get("/")).text == "ok"
        assert server.connections == 2
