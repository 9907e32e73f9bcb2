"""Going through a purge: rows, contents, the search index, credentials, and the pages that they stood on.

Public: Erasure, Step.

Everything goes through the one writer, a little at a time, so that other connections sync on. At the end the database
is written anew, since pages that are free still hold what stood on them: that alone keeps the writer for as long as it takes
to copy the database.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from syncd.sdk import Clock

from . import purge, upkeep
from .contents import Blobs
from .database import BUSY_WAIT, Database, Tx
from .errors import BackupUnderWay, StoreFailed
from .owners import Owners
from .purge import Target
from .search import SearchIndex
from .strays import remove_strays
from .vault import forget_vault

__all__ = ["Erasure", "Step"]

TRIES = 10  # at emptying the log, which readers of old states keep
PAUSE = 1.0  # seconds between them
VACUUM_WAIT = 60  # seconds for another process to finish writing


@dataclass(frozen=True, slots=True)
class Step:
    """`what` is being removed, and how much of it is gone."""

    what: str
    done: int


class Hands(Protocol):
    """What a purge needs of the store."""

    async def _write(self, job: Callable[[Tx], Any], *, durable: bool = False) -> Any: ...

    async def _alone(self, job: Callable[[Tx], Any]) -> Any: ...

    async def _read(self, job: Callable[[Tx], Any]) -> Any: ...

    async def _in_thread(self, call: Callable[..., Any], *arguments: Any) -> Any: ...


class Erasure:
    """Removes targets. Killed anywhere, it goes on when it is told to `finish` them."""

    def __init__(
        self, hands: Hands, database: Database, blobs: Blobs, owners: Owners, search: SearchIndex, clock: Clock
    ) -> None:
        self._hands = hands
        self._write: Callable[..., Awaitable[Any]] = hands._write
        self._alone: Callable[..., Awaitable[Any]] = hands._alone
        self._read: Callable[..., Awaitable[Any]] = hands._read
        self._in_thread: Callable[..., Awaitable[Any]] = hands._in_thread
        self._database, self._blobs, self._owners = database, blobs, owners
        self._search, self._clock = search, clock

    async def begin(self, target: Target) -> None:
        """Raises Busy while a run is under way on the connection, BackupUnderWay while one is being made."""
        now = self._clock.now()

        def job(tx: Tx) -> None:
            with self._blobs.collecting() as free:
                if not free:
                    raise BackupUnderWay("a backup is being made, which would hold what is purged")
                purge.begin(tx, self._owners, target, now)

        await self._write(job, durable=True)

    async def unfinished(self) -> list[Target]:
        """What was begun by processes that are gone, or has failed in this one."""
        now = self._clock.now()
        found: list[Target] = await self._read(lambda tx: purge.unfinished(tx, self._owners, now))
        return found

    async def finish(self, target: Target) -> AsyncIterator[Step]:
        """Remove it all. It is gone for good once this has ended without an error."""
        await self._write(partial(purge.hand_over, target=target))
        for what, erase in (("records", purge.erase_records), ("partitions", purge.erase_partitions)):
            done = 0
            while count := await self._write(partial(erase, target=target)):
                done += count
                yield Step(what, done)
        await self._past(target)
        async for step in self._outside(target):
            yield step
        await self._write(partial(purge.erase_people, target=target), durable=True)
        yield Step("database pages", 0)
        await self._scrub()
        await self._write(partial(purge.end, target=target), durable=True)
        yield Step("database pages", 1)

    async def _past(self, target: Target) -> None:
        """What runs, notices and checksums tell of it."""
        names = await self._read(partial(purge.names_of, target=target))
        run = 0
        while run := await self._write(partial(purge.erase_errors, target=target, names=names, after=run)):
            pass
        await self._write(partial(purge.erase_texts, target=target, names=names))
        place = ""
        while place := await self._write(partial(purge.erase_hashes, target=target, after=place)):
            pass

    async def _outside(self, target: Target) -> AsyncIterator[Step]:
        """Files: contents that nothing refers to any more, words, credentials."""
        done = 0
        while count := await self._write(partial(upkeep.doomed_blobs, blobs=self._blobs)):
            done += count
            yield Step("contents", done)
        await self._in_thread(self._blobs.clean, self._owners.locked)
        async for count in remove_strays(self._hands, self._blobs):
            yield Step("files without a record", count)
        await self._in_thread(self._search.drop)
        await self._in_thread(forget_vault, self._blobs.folder.parent, target.vaults)

    async def _scrub(self) -> None:
        """No page of the database, nor its log, holds what was removed."""
        await self._alone(_vacuum)
        for _ in range(TRIES):
            if await self._in_thread(_empty_log, self._database):
                return
            await self._clock.sleep(PAUSE)
        raise StoreFailed(
            "a reader keeps an old state of the database: its log still holds what was purged",
            hint="end long readers (exports, `sqlite3`); syncd tries again by itself, `syncd purge` does so at once",
        )


def _vacuum(tx: Tx) -> None:
    tx.rows(f"PRAGMA busy_timeout = {VACUUM_WAIT * 1000}")
    try:
        tx.run("VACUUM")
    finally:
        tx.rows(f"PRAGMA busy_timeout = {int(BUSY_WAIT * 1000)}")


def _empty_log(database: Database) -> bool:
    """Whether all of the log is in the database now, and the log empty."""
    with database.connect() as connection:
        busy, _, _ = Tx(connection, database.dialect).rows("PRAGMA wal_checkpoint(TRUNCATE)")[0]
        return not busy
