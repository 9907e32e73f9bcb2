"""A whole syncd in this process against a simulated organisation: engine, store and connector are the real ones.

Public: Lab (world + served simulator + store + executor), WorldClock.

Time is the world's: a wait costs nothing and moves the world on.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from syncd_simulator import serve

from syncd.config.model import Config, ConnectionConfig, Deletions, MaxDelete, SyncConfig
from syncd.engine.executor import Executor, RunReport, RunRequest
from syncd.engine.ports import RunScope
from syncd.sdk import Secret
from syncd.store import SqlStore, open_store
from tests.support.providers import GOOGLE, Provider

STREAMS = ("contacts", "calendar", "files", "mail")


class WorldClock:
    """syncd's clock, driven by the simulated world's: sleeping moves the world on instead of waiting."""

    def __init__(self, world: Any) -> None:
        self.world = world

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.world.clock.time(), UTC)

    def monotonic(self) -> float:
        return self.world.clock.time()

    async def sleep(self, seconds: float) -> None:
        self.world.clock.advance(max(0.0, seconds))
        await asyncio.sleep(0)


class Lab:
    """`async with Lab(world, folder) as lab: await lab.sync()`. `restart()` closes syncd and opens it again."""

    def __init__(
        self,
        world: Any,
        folder: Path,
        streams: Sequence[str] | Mapping[str, Mapping[str, Any]] = STREAMS,
        *,
        deletions: Deletions = Deletions.TOMBSTONE,
        max_delete: MaxDelete | None = None,
        full_every: timedelta = timedelta(days=30),
        provider: Provider = GOOGLE,
        keys: Sequence[bytes] = (),
    ) -> None:
        self.world: Any = world
        self.provider = provider
        self.folder = folder
        self.keys = keys  # that encrypt the store, from its next start on
        self.clock = WorldClock(world)
        options = streams if isinstance(streams, Mapping) else {name: {} for name in streams}
        self.sync_config = SyncConfig(
            "all",
            "acme",
            options,
            deletions=deletions,
            max_delete=max_delete or MaxDelete(share=1.0),
            full_every=full_every,
        )
        self.store: SqlStore
        self.executor: Executor

    async def __aenter__(self) -> "Lab":
        self.server = serve(self.provider.app(self.world))
        connection = ConnectionConfig("acme", self.provider.name, self._settings())
        self.config = Config(connections={"acme": connection}, syncs={"all": self.sync_config})
        await self.start()
        await self.executor.import_accounts("acme")
        return self

    def _settings(self) -> dict[str, Any]:
        """As the configuration hands them over: secrets behind references."""
        plain = self.provider.settings(self.world, self.server.url)
        return {
            name: Secret(lambda value=value: value, f"${{file:{name}}}") if name in self.provider.secrets else value
            for name, value in plain.items()
        }

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        self.server.stop()

    async def start(self) -> None:
        self._stack = AsyncExitStack()
        self.store = open_store(self.folder, self.clock, keys=self.keys)
        self._stack.callback(self.store.close)
        connectors = {self.provider.name: self.provider.connector()}
        self.executor = await self._stack.enter_async_context(
            Executor(self.store, self.config, connectors, clock=self.clock, rng=random.Random(0))
        )

    async def stop(self) -> None:
        await self._stack.aclose()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def sync(self, *, full: bool = False, streams: tuple[str, ...] | None = None) -> RunReport:
        handle = await self.executor.submit(RunRequest("all", scope=RunScope(streams=streams, full=full)))
        return await handle.report()

    def reconfigure(self, **changes: Any) -> None:
        self.sync_config = replace(self.sync_config, **changes)
        self.config = replace(self.config, syncs={"all": self.sync_config})
        self.executor.configure(self.config)

    def records(self, stream: str, **query: Any) -> list[dict[str, Any]]:
        return list(self.store.records("acme", stream, **query))

    def ids(self, stream: str) -> set[tuple[str, str, str]]:
        """(account, partition, source id) of all live records; the account of a shared drive's file is left out."""
        return {self.provider.key(record) for record in self.records(stream)}
