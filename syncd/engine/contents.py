"""Contents: what belongs to a page's records is fetched before the page's transaction.

Public: Fetcher.

Content that can never be had is noted with its reason and is no failure; content that cannot be had now fails its item,
is tried again by later runs, and never holds up a page. What concerns more than one item (throttling, a refused
credential) travels on.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterator, Sequence
from typing import Any, TypeVar

from syncd.engine.alive import lively
from syncd.engine.chain import Stopped
from syncd.engine.client import TooLong
from syncd.engine.policy import as_error, describe
from syncd.engine.ports import Content, ContentState, Counts, OpenRound, Retry, RunError, StaleRound
from syncd.engine.work import FINISH, Job, client_of, each, unless_stopped
from syncd.sdk import (
    AuthFailed,
    Blob,
    ContentUnavailable,
    Context,
    Forbidden,
    Page,
    ProtocolError,
    RateLimited,
    Record,
    SyncdError,
    Transient,
)

__all__ = ["Fetcher"]

SMALL = 1024 * 1024  # bytes up to which content may come in a batch
BATCH = 50  # contents per batch …
BATCH_BYTES = 8 * SMALL  # … and their size together
GUESS = 64 * 1024  # bytes of a content whose size is not known beforehand
TRIES = 2  # of one content, in one run
WAITS = 10  # of one content for a throttle that gives no time
GIVE_UP = 3  # contents in a row that could not be reached: the rest of the round is left to the next run

Wanted = tuple[str, Blob]
T = TypeVar("T")


class Fetcher:
    """The contents of one partition's round."""

    def __init__(self, job: Job, rnd: OpenRound, ctx: Context) -> None:
        self._job = job
        self._rnd = rnd
        self._ctx = ctx
        self._unreached = 0
        self.errors: list[RunError] = []

    async def contents(self, page: Page) -> dict[str, Content]:
        """What became of the contents of this page's records, by source id. Costs nothing where there are none.

        Raises RateLimited, AuthFailed and StaleRound; everything else is an answer of its own.
        """
        blobs = {item.source_id: item.blob for item in page.items if type(item) is Record and item.blob is not None}
        if not blobs:
            return {}
        out = {source_id: _skipped(blob.skip) for source_id, blob in blobs.items() if blob.skip}
        asked = [(source_id, blob) for source_id, blob in blobs.items() if not blob.skip]
        plan = await self._job.run.store.plan_contents(self._rnd, asked)
        out.update(plan.settled)
        single, batches = self._sort(self._at_hand(plan.fetch, out))
        for batch in batches:
            single.extend(await self._batch(batch, out))

        async def one(wanted: Wanted) -> None:
            out[wanted[0]] = await self.fetch(*wanted)

        if len(single) == 1:
            await one(single[0])
        elif single:
            await each(single, self._ctx.limit, one, gently=True)
        return out

    async def retry(self, retries: Sequence[Retry]) -> Counts:
        """Try once more what could not be had in earlier runs; gives what that counts."""
        run, total = self._job.run, Counts()
        for retry in retries:
            if run.stop:
                raise Stopped
            content = await unless_stopped(self.fetch(retry.source_id, retry.blob), run.stop, FINISH)
            total.add(await run.store.settle_retry(run.run, retry, self._job.work.spec, content, run.clock.now()))
        return total

    async def fetch(self, source_id: str, blob: Blob) -> Content:
        """One content: stored, skipped for good, or failed for now."""
        if blob.skip:
            return _skipped(blob.skip)
        if self._too_large(blob):
            return _skipped("too_large")
        error: BaseException = Transient("other contents could not be reached just before", exhausted=True)
        tries = waits = 0
        while tries < TRIES and self._unreached < GIVE_UP:
            try:
                return await self._lively(self._store(source_id, blob, self._chunks(blob)), "fetch()")
            except (AuthFailed, StaleRound, TooLong):
                raise
            except RateLimited as throttle:  # out of the connector: the client has not waited yet
                waits += 1
                if waits > WAITS:
                    raise
                await client_of(self._ctx).hold_back(throttle)
            except Exception as caught:
                error = as_error(caught)
                content = self._final(error)
                if content is not None:
                    return content
                tries = TRIES if isinstance(error, Transient) and error.exhausted else tries + 1
        return self._failed(source_id, error)

    # -- inside

    def _at_hand(self, wanted: Sequence[Wanted], out: dict[str, Content]) -> list[Wanted]:
        """Small contents that came with their items are done at once; gives the others."""
        limit, rest = self._job.work.max_size, []
        for source_id, blob in wanted:
            content = None
            if blob.content is not None and (limit is None or len(blob.content) <= limit):
                with contextlib.suppress(ProtocolError):  # does not match: it goes the way of all others
                    content = self._job.run.store.small_content(blob, blob.content)
            if content is None:
                rest.append((source_id, blob))
            else:
                out[source_id] = content
        return rest

    def _sort(self, wanted: Sequence[Wanted]) -> tuple[list[Wanted], Iterator[list[Wanted]]]:
        """What is fetched one by one, and what in batches."""
        if not self._job.work.stream.can_fetch_many:
            return list(wanted), iter(())
        small: list[Wanted] = []
        single: list[Wanted] = []
        for source_id, blob in wanted:
            fits = blob.content is None and (blob.size is None or blob.size <= SMALL) and not self._too_large(blob)
            (small if fits else single).append((source_id, blob))
        return single, _batches(small)

    async def _batch(self, batch: list[Wanted], out: dict[str, Content]) -> list[Wanted]:
        """Fetch a batch; what it did not answer for good is given back, to be fetched one by one."""
        names = {id(blob): source_id for source_id, blob in batch}
        arrived: list[tuple[Blob, bytes]] = []

        async def collect() -> None:
            answers = self._job.work.stream.fetch_many(self._ctx, [blob for _, blob in batch])
            async with contextlib.aclosing(_closable(answers)) as source:
                async for blob, answer in source:
                    if isinstance(answer, bytes):
                        arrived.append((blob, answer))
                    elif id(blob) in names and (content := self._final(answer)) is not None:
                        out[names[id(blob)]] = content

        try:
            await self._lively(collect(), "fetch_many()")
        except (AuthFailed, TooLong):
            raise
        except RateLimited as throttle:
            await client_of(self._ctx).hold_back(throttle)
        except Exception as error:
            self._ctx.log.debug("batch of contents failed, fetching one by one", error=type(error).__name__)

        async def keep(one: tuple[Blob, bytes]) -> None:
            blob, raw = one
            source_id = names.get(id(blob))
            if source_id is not None and (content := await self._keep(source_id, blob, raw)) is not None:
                out[source_id] = content

        if arrived:
            await each(arrived, min(16, len(arrived)), keep, gently=True)
        return [(source_id, blob) for source_id, blob in batch if source_id not in out]

    async def _keep(self, source_id: str, blob: Blob, raw: bytes) -> Content | None:
        try:
            return await self._store(source_id, blob, _whole(raw))
        except ContentUnavailable as error:
            return self._final(error)
        except SyncdError:  # does not match: once more, alone
            return None

    async def _store(self, source_id: str, blob: Blob, chunks: AsyncGenerator[bytes, None]) -> Content:
        async with contextlib.aclosing(chunks):
            content = await self._job.run.store.store_content(
                self._rnd, source_id, blob, chunks, max_size=self._job.work.max_size
            )
        self._unreached = 0
        return content

    async def _lively(self, act: Awaitable[T], what: str) -> T:
        engine = self._job.run.engine
        what = f"{self._job.work.name}.{what}"
        return await lively(act, client_of(self._ctx), what, engine.inactivity, engine.patience)

    def _chunks(self, blob: Blob) -> AsyncGenerator[bytes, None]:
        if blob.content is not None:
            return _whole(blob.content)
        return _closable(self._job.work.stream.fetch(self._ctx, blob))

    def _too_large(self, blob: Blob) -> bool:
        limit = self._job.work.max_size
        return limit is not None and blob.size is not None and blob.size > limit

    @staticmethod
    def _final(error: BaseException) -> Content | None:
        """The content that an error stands for, if asking again is of no use."""
        if isinstance(error, ContentUnavailable):
            return Content(ContentState.SKIPPED, reason=error.reason, code=error.code)
        if isinstance(error, Forbidden):
            return Content(ContentState.SKIPPED, reason="forbidden", code=error.code)
        return None

    def _failed(self, source_id: str, error: BaseException) -> Content:
        if isinstance(error, Transient) and error.exhausted:
            self._unreached += 1
        code = "SYN-PLUGIN-001"
        if isinstance(error, SyncdError):  # a code of its own says more
            own = error.code == "SYN-CONTENT-003" or error.code != error.default_code
            code = error.code if own else "SYN-CONTENT-002"
        entry = describe(error, code=code, source_id=source_id, **self._job.where)
        self.errors.append(entry)
        return Content(ContentState.FAILED, reason=entry.message, code=code)


def _skipped(reason: str) -> Content:
    return Content(ContentState.SKIPPED, reason=reason, code="SYN-CONTENT-001")


def _batches(small: list[Wanted]) -> Iterator[list[Wanted]]:
    batch: list[Wanted] = []
    size = 0
    for wanted in small:
        weight = wanted[1].size or GUESS
        if batch and (len(batch) >= BATCH or size + weight > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(wanted)
        size += weight
    if batch:
        yield batch


async def _whole(raw: bytes) -> AsyncGenerator[bytes, None]:
    yield raw


async def _closable(source: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    """The same items; closing this closes the source where it can be closed."""
    try:
        async for item in source:
            yield item
    finally:
        close = getattr(source, "aclose", None)
        if close is not None:
            await close()
