"""How fast the store takes pages: python bench/store.py [records] [page size].

Prints records per second for a first insert, an unchanged full round, an unchanged delta, a fully changed one, and the
time of a page without items; then the same with an encryption key.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import orjson

from syncd.engine.ports import OpenRound, PartitionRow, RoundPlan, RunScope, StreamSpec, Trigger
from syncd.sdk import DELTA, FULL, Account, Page, Partition, Record, Scan, StreamInfo, SystemClock
from syncd.store import SqlStore, open_store

SPEC = StreamSpec("acme", StreamInfo("contacts"))
NOW = datetime.now(UTC)
SUMMARY = orjson.dumps({"name": "Somebody Else", "emails": ["somebody@acme.example"]})


def payload(number: int, salt: str) -> bytes:
    """About 1.2 kB, as a contact is."""
    fields = {"resourceName": f"people/c{number}", "etag": salt, "biographies": [{"value": "x" * 400}]}
    return orjson.dumps(
        {**fields, "emailAddresses": [{"value": f"somebody{number}@acme.example", "type": "work"}] * 12}
    )


def made(count: int, size: int, salt: str) -> list[Page]:
    records = [Record(f"people/c{n:08}", payload(n, salt), summary=SUMMARY) for n in range(count)]
    last = (count - 1) // size
    return [
        Page(records[start : start + size], resume={"page": start}, last=start // size == last, bookmark="b")
        for start in range(0, count, size)
    ]


async def measure(what: str, store: SqlStore, run: int, part: PartitionRow, scan: Scan, pages: Sequence[Page]) -> None:
    rnd: OpenRound = await store.open_round(run, part, SPEC, NOW, lambda state: RoundPlan(scan, None, False))
    begun = time.perf_counter()
    for page in pages:
        await store.apply_page(rnd, page, {}, NOW)
    took = time.perf_counter() - begun
    count = sum(len(page.items) for page in pages)
    print(f"{what:24} {count / took:>10,.0f} records/s   {took * 1000 / len(pages):8.3f} ms a page")


async def empty_pages(store: SqlStore, run: int, part: PartitionRow, count: int) -> None:
    times = []
    for _ in range(count):
        rnd = await store.open_round(run, part, SPEC, NOW, lambda state: RoundPlan(DELTA, state.cursor, False))
        begun = time.perf_counter()
        await store.apply_page(rnd, Page([], last=True, bookmark="b"), {}, NOW)
        times.append(time.perf_counter() - begun)
    times.sort()
    print(
        f"{'page without items':24} {times[count // 2] * 1000:.3f} ms median, {times[count // 10] * 1000:.3f} ms best tenth"
    )


async def main(
    count: int, size: int, make: Callable[[int, int, str], list[Page]] = made, keys: Sequence[bytes] = ()
) -> None:
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        store = open_store(Path(folder), SystemClock(), keys=keys)
        await store.bind_connection("acme", "google", None)
        imported = await store.import_accounts("acme", [Account("1", "ann@acme.example")], NOW)
        run = await store.start_run("all", "acme", Trigger.MANUAL, RunScope(), NOW)
        (part,) = await store.list_partitions(SPEC, imported.accounts[0].id, [Partition()], run, NOW)
        first, second = make(count, size, "one"), make(count, size, "two")
        await measure("first insert", store, run, part, FULL, first)
        await measure("unchanged, full round", store, run, part, FULL, first)
        await measure("unchanged, delta round", store, run, part, DELTA, first)
        await measure("all changed", store, run, part, DELTA, second)
        await empty_pages(store, run, part, 500)
        store.close()


if __name__ == "__main__":
    many, page = (int(value) for value in (sys.argv[1:] + ["100000", "1000"][len(sys.argv) - 1 :]))
    asyncio.run(main(many, page))
    print("with an encryption key")
    asyncio.run(main(many, page, keys=(os.urandom(32),)))
