"""What the engine hands to a connector's methods.

Public: Context.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from .clock import Clock
from .http import httpx
from .types import JSON, Account, Partition, Scan

__all__ = ["Context"]

T = TypeVar("T")


async def _knows_nothing(_: Sequence[str]) -> dict[str, str | None]:
    return {}


async def _has_no_children(_: Sequence[str]) -> dict[str, list[str]]:
    return {}


@dataclass(slots=True)
class Context:
    """One connector call's surroundings.

    http:      the only way out: signs in, paces, retries what is safe to retry, keeps to the declared origins
    settings:  the connection's settings; secret ones are `Secret`
    account:   whose data; None in `check` and `accounts`
    partition: which part; None outside of `pages`, `fetch` and `get`
    options:   the stream's options, checked against its schema, `{}` if none are given
    scan:      FULL or DELTA: how this round reads
    cursor:    where to start: the `resume` of the last committed page if the round was cut, else in a DELTA round the
               last round's `bookmark`, else None; in `accounts` the last import's Bookmark, None if all are to be listed
    limit:     how many things `gather` does at once
    log:       a logger that knows connection, account, stream and partition (structlog's interface)
    full_at:   when the last complete full round of this partition began; None before the first
    partitions: in `Stream.partitions`: the account's own partitions that were listed last, less those found gone since
    """

    http: httpx.AsyncClient
    clock: Clock
    log: Any
    settings: Mapping[str, Any] = field(default_factory=dict)
    account: Account | None = None
    partition: Partition | None = None
    options: Mapping[str, JSON] = field(default_factory=dict)
    scan: Scan = Scan.FULL
    cursor: JSON = None
    full_at: datetime | None = None
    limit: int = 4
    partitions: Sequence[Partition] = ()
    lookup: Callable[[Sequence[str]], Awaitable[dict[str, str | None]]] = _knows_nothing
    offspring: Callable[[Sequence[str]], Awaitable[dict[str, list[str]]]] = _has_no_children

    async def known(self, source_ids: Sequence[str]) -> dict[str, str | None]:
        """Which of these ids the mirror holds live in this partition, with the tag of the content held (or None).

        A hint that saves requests (content need not be asked for again); right answers must not depend on it.
        """
        return await self.lookup(source_ids)

    async def children(self, parents: Sequence[str]) -> dict[str, list[str]]:
        """The live records of this partition whose `parent` is one of these, by parent; parents without any are left out.

        It shows what has been committed: items of this round's last pages may not be in it yet.
        """
        return await self.offspring(parents)

    async def gather(self, calls: Iterable[Awaitable[T]]) -> list[T]:
        """Await all, at most `limit` at once, results in order. The first error cancels the rest and is raised."""
        gate = asyncio.Semaphore(self.limit)

        async def one(call: Awaitable[T]) -> T:
            async with gate:
                return await call

        tasks = [asyncio.ensure_future(one(call)) for call in calls]
        try:
            return list(await asyncio.gather(*tasks))
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise
