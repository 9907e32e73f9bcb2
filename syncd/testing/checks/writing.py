"""What a Writable stream does to the provider, it does once, truly, and only to what it has seen.

Public: the checks, by registration.
"""

import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from syncd.sdk import DELTA, FULL, JSON, Partition, Record, SyncdError, VersionConflict, Writable
from syncd.testing.bench import Bench, Case
from syncd.testing.client import described
from syncd.testing.driver import Driver
from syncd.testing.failures import Failed, Skipped
from syncd.testing.http import answer, reset
from syncd.testing.jsontree import without
from syncd.testing.validate import item_problem, payload

from .common import busiest, expect_truth, rng_of
from .registry import check

REFUSALS = (400, 401, 403, 409, 422, 429, 500)
REQUESTS = 5  # of a create, at which an answer is lost


@dataclasses.dataclass(slots=True)
class Pen:
    """Writes into one partition of one account; each call gets a fresh context, as after a restart."""

    bench: Bench
    stream: Any
    driver: Driver
    partition: Partition
    drafts: Callable[[], Mapping[str, JSON]]

    async def create(self, data: Mapping[str, JSON], key: str) -> Record:
        return self._checked(await self.stream.create(self._context(), data, idempotency_key=key), "create")

    async def update(self, before: Record, data: Mapping[str, JSON], key: str) -> Record:
        etag, name = before.etag, before.source_id
        record = await self.stream.update(self._context(), name, data, etag=etag, idempotency_key=key)
        return self._checked(record, "update")

    async def delete(self, before: Record, key: str) -> None:
        await self.stream.delete(self._context(), before.source_id, etag=before.etag, idempotency_key=key)

    def _context(self) -> Any:
        self.bench.wire.phase = "write"
        return self.bench.context(self.driver.account, self.partition)

    def _checked(self, record: object, call: str) -> Record:
        if not isinstance(record, Record):
            raise Failed(f"{call}() gives a {type(record).__name__}, not the Record as it is now")
        if problem := item_problem(record, self.bench.stream.info):
            raise Failed(f"{call}(): {problem}")
        return record

    def truth(self) -> dict[str, JSON]:
        """What the account has at the source, wherever it lives."""
        parts = self.bench.truth(self.driver.account).values()
        return {source_id: item for items in parts for source_id, item in items.items()}


async def _pen(bench: Bench, seed: int, what: str) -> Pen:
    """A writer, once everything is read."""
    if not isinstance(bench.stream, Writable):
        raise Skipped("the stream is not Writable")
    draft = bench.ability("draft")
    driver = Driver(bench, await busiest(bench))
    await driver.sync()
    rng = rng_of(seed, what)
    return Pen(bench, bench.stream, driver, (await bench.partitions(driver.account))[0], lambda: draft(rng))


def _expect_new(pen: Pen, before: Mapping[str, JSON], record: Record, draft: Mapping[str, JSON], when: str) -> None:
    new = sorted(pen.truth().keys() - before.keys())
    if new != [record.source_id]:
        raise Failed(
            f"{when}: the source has {len(new)} new items {new[:3]}, the record that came is {record.source_id}"
        )
    _expect_written(pen, record, draft, when)


def _expect_written(pen: Pen, record: Record, draft: Mapping[str, JSON], when: str) -> None:
    """What the source shows of the draft's keys is what the draft says."""
    shown = pen.truth().get(record.source_id)
    item = shown if isinstance(shown, Mapping) else {}
    for key in draft.keys() & item.keys():
        if item[key] != draft[key]:
            raise Failed(f"{when}: {key} is {item[key]!r:.80} at the source, {draft[key]!r:.80} was written")


async def _expect_shown(pen: Pen, record: Record, when: str) -> None:
    """The next round shows what the write gave back: else an own write would look like news."""
    await pen.driver.sync()
    info = pen.bench.stream.info
    kept = pen.driver.mirror.live.get(pen.driver.mirror.key(pen.partition.id, record.source_id))
    if kept is None:
        raise Failed(f"{when}: the next round does not show {record.source_id}")
    volatile = (*info.volatile, *kept.volatile)
    given, shown = without(payload(record.data), volatile), without(kept.data, volatile)
    if not record.partial and given != shown:
        keys = [key for key in {**given, **shown} if given.get(key) != shown.get(key)]
        raise Failed(f"{when}: the record that came back differs from what the next round shows in {keys[:5]}")


@check()
async def a_write_is_what_was_said(case: Case, seed: int) -> None:
    """`create`, `update` and `delete` change the source as they say, and give what the next round shows."""
    async with case.open(seed) as bench:
        pen = await _pen(bench, seed, "write")
        before, draft = pen.truth(), pen.drafts()
        record = await pen.create(draft, "key-1")
        _expect_new(pen, before, record, draft, "after a create")
        await _expect_shown(pen, record, "after a create")
        draft = pen.drafts()
        old = pen.truth()[record.source_id]
        record = await pen.update(record, draft, "key-2")
        if isinstance(old, Mapping) and pen.truth().get(record.source_id) == old:
            raise Failed("after an update the source has what it had before")
        _expect_written(pen, record, draft, "after an update")
        await _expect_shown(pen, record, "after an update")
        await pen.delete(record, "key-3")
        await pen.delete(record, "key-4")  # what is gone already is success
        if record.source_id in pen.truth():
            raise Failed("after a delete the source still has the item")
        await pen.driver.sync(None if DELTA in bench.stream.info.scans else FULL)
        expect_truth(pen.driver, "after writes")


@check()
async def a_write_repeated_has_the_effect_of_one(case: Case, seed: int) -> None:
    """The same call with the same key has the effect of one, also after a lost answer at any of its requests."""
    async with case.open(seed) as bench:
        pen = await _pen(bench, seed, "again")
        asked = bench.wire.asked
        await pen.create(pen.drafts(), "key-0")
        for number in range(1, min(REQUESTS, bench.wire.asked - asked) + 1):
            before, draft, key = pen.truth(), pen.drafts(), f"key-{number}"
            record = await _twice(bench, number, partial(pen.create, draft, key))
            _expect_new(pen, before, record, draft, f"a create whose answer {number} got lost, made again")
            draft = pen.drafts()
            changed = await _twice(bench, number, partial(pen.update, record, draft, f"{key}-update"))
            _expect_written(pen, changed, draft, "an update made again")


async def _twice(bench: Bench, number: int, call: Callable[[], Awaitable[Record]]) -> Record:
    """Call it with that answer lost, then again, as after a restart; and once more in peace."""
    bench.tries = 1
    bench.wire.add(reset(done=True), at=number)
    try:
        await call()
    except VersionConflict as error:
        raise Failed(f"a lost answer is no conflict: {error!r}") from error
    except SyncdError:
        pass
    bench.wire.calm()
    first = await call()
    second = await call()
    if first.source_id != second.source_id:
        raise Failed(f"the same call with the same key gives {first.source_id} and then {second.source_id}")
    return second


@check()
async def a_stale_etag_is_a_conflict(case: Case, seed: int) -> None:
    """A change or deletion of what has changed since is VersionConflict, and leaves the source alone."""
    async with case.open(seed) as bench:
        pen = await _pen(bench, seed, "stale")
        stale = await pen.create(pen.drafts(), "key-1")
        if stale.etag is None:
            raise Skipped("records of writes have no etag")
        await bench.clock.sleep(60)
        await pen.update(stale, pen.drafts(), "key-2")
        before = pen.truth()
        draft = pen.drafts()
        await _expect_conflict(lambda: pen.update(stale, draft, "key-3"), "an update")
        await _expect_conflict(lambda: pen.delete(stale, "key-4"), "a delete")
        if pen.truth() != before:
            raise Failed("a conflict changed the source")


async def _expect_conflict(call: Callable[[], Awaitable[Any]], what: str) -> None:
    try:
        await call()
    except VersionConflict:
        return
    raise Failed(f"{what} with a stale etag is not VersionConflict")


@check()
async def a_write_that_fails_is_an_error(case: Case, seed: int) -> None:
    """Refused, throttled or broken for ever, a write raises a SyncdError that tells no secret, and changes nothing."""
    async with case.open(seed) as bench:
        pen = await _pen(bench, seed, "fail")
        record = await pen.create(pen.drafts(), "key-1")
        before = pen.truth()
        calls: dict[str, Callable[[], Awaitable[Any]]] = {
            "create": lambda: pen.create(pen.drafts(), "key-2"),
            "update": lambda: pen.update(record, pen.drafts(), "key-3"),
            "delete": lambda: pen.delete(record, "key-4"),
        }
        bench.tries = 1
        for status in REFUSALS:
            for name, call in calls.items():
                bench.wire.add(answer(status, b'{"error": "no"}'), times=None)
                await _expect_error(bench, call, f"{status} to a {name}")
                bench.wire.calm()
        if pen.truth() != before:
            raise Failed("a write that failed changed the source")


async def _expect_error(bench: Bench, call: Callable[[], Awaitable[Any]], what: str) -> None:
    try:
        await call()
    except SyncdError as error:
        told = described(error)
        if any(secret in told for secret in bench.secrets()):
            raise Failed(f"{what}: the error tells a secret") from error
    else:
        raise Failed(f"{what}, and the call says that it is done")
