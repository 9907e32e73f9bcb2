"""Contents and single items: what `fetch`, `fetch_many` and `get` give is what was said.

Public: the checks, by registration.
"""

import hashlib
from collections.abc import Sequence

from syncd.sdk import FULL, Blob, ContentUnavailable, Forbidden, Partition, Record, SyncdError, Tombstone
from syncd.testing.bench import Bench, Case
from syncd.testing.driver import Driver
from syncd.testing.failures import Failed, Skipped
from syncd.testing.jsontree import without
from syncd.testing.validate import item_problem, payload

from .common import busiest, change, drivers, rng_of
from .registry import check

FETCHED = 12  # contents that are looked at per partition


async def _records(bench: Bench) -> list[tuple[Driver, Partition, list[Record]]]:
    """The records of full rounds, per partition."""
    found = []
    for driver in await drivers(bench):
        for partition in await bench.partitions(driver.account):
            trip = await driver.round(partition, scan=FULL)
            found.append((driver, partition, [item for item in trip.items if isinstance(item, Record)]))
    return found


@check()
async def contents_are_what_was_said(case: Case, seed: int) -> None:
    """`fetch` gives bytes of the size and hash that the blob names, or says why never; content that came along too."""
    async with case.open(seed) as bench:
        seen = 0
        for driver, partition, records in await _records(bench):
            bench.wire.phase = "fetch"
            for blob in _blobs(records)[:FETCHED]:
                seen += 1
                if blob.content is not None:
                    _expect_content(blob, blob.content)
                    continue
                context = bench.context(driver.account, partition)
                try:
                    content = b"".join([chunk async for chunk in bench.stream.fetch(context, blob)])
                except (ContentUnavailable, Forbidden):
                    continue
                _expect_content(blob, content)
                if bench.wire.open_answers:
                    raise Failed(f"fetch() of {blob!r} leaves its answer open")
        if not seen:
            raise Skipped("no record has content")


def _blobs(records: Sequence[Record]) -> list[Blob]:
    return [record.blob for record in records if record.blob is not None and record.blob.skip is None]


def _expect_content(blob: Blob, content: bytes) -> None:
    if blob.size is not None and len(content) != blob.size:
        raise Failed(f"{blob!r} says {blob.size} bytes, its content has {len(content)}")
    if blob.hash is not None and not blob.hash.startswith("quickxor:"):
        name, _, wanted = blob.hash.partition(":")
        found = hashlib.new(name, content, usedforsecurity=False).hexdigest()
        if found != wanted.lower():
            raise Failed(f"{blob!r} says {blob.hash}, its content has {name}:{found}")


@check()
async def fetch_many_answers_once_per_blob(case: Case, seed: int) -> None:
    """`fetch_many` gives one answer per blob, bytes as `fetch` gives them, and errors as values."""
    async with case.open(seed) as bench:
        if not bench.stream.can_fetch_many:
            raise Skipped("the stream has no fetch_many()")
        for driver, partition, records in await _records(bench):
            bench.wire.phase = "fetch"
            blobs = [blob for blob in _blobs(records) if blob.content is None][:FETCHED]
            context = bench.context(driver.account, partition)
            answers = [pair async for pair in bench.stream.fetch_many(context, blobs)] if blobs else []
            if sorted(id(blob) for blob, _ in answers) != sorted(map(id, blobs)):
                raise Failed(f"fetch_many() answers {len(answers)} times for {len(blobs)} blobs, or with other blobs")
            for blob, content in answers:
                if isinstance(content, bytes):
                    _expect_content(blob, content)
                elif not isinstance(content, SyncdError):
                    raise Failed(f"fetch_many() answers {content!r:.100} for {blob!r}")


@check()
async def get_answers_once_per_id(case: Case, seed: int) -> None:
    """`get` gives each living id's record as a round does, a tombstone for what was deleted; one answer per id."""
    async with case.open(seed) as bench:
        if not bench.stream.can_get:
            raise Skipped("the stream has no get()")
        for driver, partition, records in await _records(bench):
            data = {record.source_id: payload(record.data) for record in records if not record.partial}
            answers = await _get(bench, driver, partition, sorted(data))
            for source_id, item in answers.items():
                if not isinstance(item, Record):
                    raise Failed(f"get() says {item!r} of {source_id}, which a full round lists")
                volatile = (*bench.stream.info.volatile, *item.volatile)
                if not item.partial and without(payload(item.data), volatile) != without(data[source_id], volatile):
                    raise Failed(f"get() gives other data of {source_id} than a round")
        await _get_the_deleted(bench, seed)


async def _get(bench: Bench, driver: Driver, partition: Partition, ids: list[str]) -> dict[str, object]:
    bench.wire.phase = "get"
    found: dict[str, object] = {}
    async for item in bench.stream.get(bench.context(driver.account, partition), ids):
        if problem := item_problem(item, bench.stream.info):
            raise Failed(f"get(): {problem}")
        if item.source_id is None or item.source_id not in ids:
            raise Failed(f"get() answers {item!r}, which was not asked for")
        if item.source_id in found:
            raise Failed(f"get() answers twice for {item.source_id}")
        found[item.source_id] = item
    if missing := set(ids) - found.keys():
        raise Failed(f"get() has no answer for {sorted(missing)[:5]}")
    return found


async def _get_the_deleted(bench: Bench, seed: int) -> None:
    account = await busiest(bench)
    before = {name: set(items) for name, items in bench.truth(account).items()}
    delete = getattr(bench.source, "delete", None)
    rng = rng_of(seed, "get")
    for number in range(8):
        if delete is not None:
            delete(rng)
        else:
            change(bench, seed, 3, f"get {number}")
    now = bench.truth(account)
    living = {source_id for items in now.values() for source_id in items}
    driver = Driver(bench, account)
    for partition in await bench.partitions(account):
        gone = sorted(before.get(partition.id, set()) - living)
        for source_id, item in (await _get(bench, driver, partition, gone)).items() if gone else ():
            if not isinstance(item, Tombstone):
                raise Failed(f"get() says {item!r} of {source_id}, which was deleted")
