"""A whole syncd in this process against a simulated organisation: engine, store and connector are the real ones.

Public: Lab (world + served simulator + store + executor), WorldClock.

Time is the world's: a wait costs nothing and moves the world on.
"""

import asyncio
import json
import random
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from syncd_google import GoogleConnector
from syncd_simulator import GoogleWorld, google_app, serve

from syncd.config.model import Config, ConnectionConfig, Deletions, MaxDelete, SyncConfig
from syncd.engine.executor import Executor, RunReport, RunRequest
from syncd.engine.ports import RunScope
from syncd.sdk import Secret
from syncd.store import SqlStore, open_store

STREAMS = ("contacts", "calendar", "files", "mail")


class WorldClock:
    """syncd's clock, driven by the simulated world's: sleeping moves the world on instead of waiting."""

    def __init__(self, world: GoogleWorld) -> None:
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
        world: GoogleWorld,
        folder: Path,
        streams: Sequence[str] | Mapping[str, Mapping[str, Any]] = STREAMS,
        *,
        deletions: Deletions = Deletions.TOMBSTONE,
        max_delete: MaxDelete | None = None,
        full_every: timedelta = timedelta(days=30),
    ) -> None:
        self.world = world
        self.folder = folder
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
        self.server = serve(google_app(self.world))
        admin = next(user for user in self.world.users.values() if user.is_admin)
        key = json.dumps(self.world.key_file(self.server.url + "/token"))
        settings = {
            "service_account": Secret(lambda: key, "${file:key.json}"),
            "admin": admin.address,
            "endpoints": self.world.endpoints(self.server.url),
        }
        self.config = Config(
            connections={"acme": ConnectionConfig("acme", "google", settings)}, syncs={"all": self.sync_config}
        )
        await self.start()
        await self.executor.import_accounts("acme")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        self.server.stop()

    async def start(self) -> None:
        self._stack = AsyncExitStack()
        self.store = open_store(self.folder, self.clock)
        self._stack.callback(self.store.close)
        google = GoogleConnector()
        self.executor = await self._stack.enter_async_context(
            Executor(self.store, self.config, {"google": google}, clock=self.clock, rng=random.Random(0))
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
        return {_identity(record) for record in self.records(stream)}


def _identity(record: Mapping[str, Any]) -> tuple[str, str, str]:
    shared = record["stream"] == "files" and record["partition"]
    return ("" if shared else record["account"], record["partition"], record["source_id"])
