"""Guests clean up: no task left, no loop blocked, no secret told, no memory kept.

Public: the checks, by registration.
"""

import asyncio
import gc
import io
import json
import logging
import tracemalloc
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

from syncd.sdk import FULL, Page, Partition, Reject, SyncdError
from syncd.sdk.http import httpx
from syncd.testing.bench import Bench, Case
from syncd.testing.client import described
from syncd.testing.driver import Driver, closing
from syncd.testing.failures import Failed, Skipped
from syncd.testing.http import answer, block, rewrite
from syncd.testing.jsontree import MISSING, load, replaced, save, walk
from syncd.testing.standstill import Standstill
from syncd.testing.validate import payload

from .common import busiest, change
from .registry import check

BLOCKED = 0.25  # seconds for which the event loop may stand still
MEMORY = 3_000_000  # bytes by which the second half of a long listing may exceed the first
MANY = 6_000  # items of a long listing


@check()
async def cancelling_leaves_nothing_behind(case: Case, seed: int) -> None:
    """Cancelled at any request, or closed between pages, a round leaves no task, no open answer, no open generator."""
    async with case.open(seed) as bench:
        driver = Driver(bench, await busiest(bench))
        partition = (await bench.partitions(driver.account))[0]
        before = bench.wire.asked
        await driver.copy().round(partition)
        for number in range(1, min(8, bench.wire.asked - before) + 1):
            await _cancelled_at(driver.copy(), partition, number)
        for pages in range(1, 4):
            await _closed_after(driver.copy(), partition, pages)


async def _cancelled_at(driver: Driver, partition: Partition, number: int) -> None:
    reached = asyncio.Event()
    driver.bench.wire.add(block(reached), at=number, times=None)
    with _nothing_left(driver.bench, f"cancelled at request {number}"):
        pages = driver.open(partition)
        task = asyncio.ensure_future(_exhaust(pages))
        waiter = asyncio.ensure_future(reached.wait())
        await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED, timeout=20)
        waiter.cancel()
        task.cancel()
        await asyncio.wait({task, waiter}, timeout=20)
        if not task.done():
            raise Failed(f"cancelled at request {number}, the round goes on")
        if not task.cancelled() and (error := task.exception()) is not None:
            raise Failed(f"cancelled at request {number}, the round ends with {error!r}") from error
        if not task.cancelled() and reached.is_set():
            raise Failed(f"cancelled at request {number}, the round swallows the cancelling")
        if getattr(pages, "ag_running", False):
            raise Failed("the generator still runs")
        await _settled()
    driver.bench.wire.calm()


async def _exhaust(pages: Any) -> None:
    async with closing(pages):
        async for _ in pages:
            pass


async def _closed_after(driver: Driver, partition: Partition, count: int) -> None:
    with _nothing_left(driver.bench, f"closed after {count} pages"):
        pages = driver.open(partition)
        async with closing(pages):
            for _ in range(count):
                if await anext(pages, None) is None:
                    break
        await _settled()


async def _settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@contextmanager
def _nothing_left(bench: Bench, when: str) -> Iterator[None]:
    tasks, answers = asyncio.all_tasks(), bench.wire.open_answers
    yield
    if left := asyncio.all_tasks() - tasks:
        for task in left:
            task.cancel()
        raise Failed(f"{when}, a round leaves {len(left)} tasks behind: {min(map(repr, left)):.200}")
    if bench.wire.open_answers > answers:
        raise Failed(f"{when}, a round leaves {bench.wire.open_answers - answers} answers open")


@check()
async def the_event_loop_is_never_blocked(case: Case, seed: int) -> None:
    """While a round reads, other tasks go on: the loop never stands still for long (the best of three readings counts)."""
    async with case.open(seed) as bench:
        driver = Driver(bench, await busiest(bench))
        home = {type(made).__module__.partition(".")[0] for made in (bench.connector, bench.stream)}
        found = []
        for _ in range(3):
            still = Standstill(home)
            async with still.watched():
                await driver.copy().sync()
            if still.longest < BLOCKED:
                return
            found.append(still)
        least = min(found, key=lambda still: still.longest)
        raise Failed(f"the event loop stood still for {least.longest:.2f} s (at most {BLOCKED} s) at {least.place}")


@check()
async def secrets_stay_secret(case: Case, seed: int) -> None:
    """No secret in data, summaries, ids, repr, blob refs, places, errors, logs, warnings or prints; also when things go wrong."""
    async with case.open(seed) as bench:
        told: dict[str, str] = {}
        with _captured() as lines:
            await _tell(bench, seed, told)
        told["the log"] = "\n".join([*bench.log.lines, *lines])
        for what, text in told.items():
            for secret in bench.secrets():
                if secret in text or json.dumps(secret)[1:-1] in text:
                    raise Failed(f"a secret ({secret[:3]}…, {len(secret)} characters) is told in {what}")


async def _tell(bench: Bench, seed: int, told: dict[str, str]) -> None:
    """Read, change, read again, then let things fail; all texts by where they stood."""
    driver = Driver(bench, await busiest(bench))

    async def note(partition: Partition, page: Page) -> None:
        told["a resume point"] = told.get("a resume point", "") + json.dumps(page.resume)
        told["a bookmark"] = told.get("a bookmark", "") + json.dumps(page.bookmark)
        for item in page.items:
            for what, text in _texts(item):
                told[what] = told.get(what, "") + text

    driver.on_page = note
    await driver.sync()
    change(bench, seed, 6, "secrets")
    await driver.sync()
    told["settings"] = repr(bench.source.settings) + repr(bench.connector) + repr(bench.stream)
    await _errors_told(bench, driver, told)


def _texts(item: Any) -> Iterator[tuple[str, str]]:
    yield "repr", repr(item)
    if isinstance(item, Reject):
        yield "a reject", f"{item.reason} {item.source_id} {item.data!r}"
    for name in ("source_id", "data", "summary", "etag", "name", "parent", "previous_ids"):
        value = getattr(item, name, None)
        yield f"a record's {name}", json.dumps(payload(value)) if name in ("data", "summary") else repr(value)
    if (blob := getattr(item, "blob", None)) is not None:
        yield "a blob", f"{blob!r} {blob.ref!r} {blob.tag} {blob.hash}"


async def _errors_told(bench: Bench, driver: Driver, told: dict[str, str]) -> None:
    """Let a reading and the signing in fail in several ways, and keep what the errors say."""
    bench.tries = 1
    partition = (await bench.partitions(driver.account))[0]
    calls: list[Callable[[], Awaitable[Any]]] = [
        driver.copy().sync,
        lambda: driver.copy().round(partition),
        lambda: driver.copy().round(partition, scan=FULL),
        bench.accounts,
        lambda: bench.connector.check(bench.context()),
    ]
    for status in (400, 401, 403, 404, 429, 500):
        for again in (False, True):
            if again:
                bench.sign_in_again()
            bench.wire.add(answer(status, b'{"error": "no"}'), times=None)
            for call in calls:
                try:
                    await call()
                except SyncdError as error:
                    told["an error"] = told.get("an error", "") + described(error)
                except Exception as error:
                    raise Failed(f"{status} for ever leads to {error!r}, which is no SyncdError") from error
            bench.wire.calm()


@contextmanager
def _captured() -> Iterator[list[str]]:
    """What is logged, warned or printed in the meantime; complete once it is over."""
    lines: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if not record.name.startswith(("httpx", "httpcore", "asyncio")):
                lines.append(self.format(record))

    handler, root, requests = Handler(logging.DEBUG), logging.getLogger(), logging.getLogger("httpx")
    level, loud = root.level, requests.level
    requests.setLevel(logging.WARNING)
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    printed = io.StringIO()
    try:
        with warnings.catch_warnings(record=True) as caught, redirect_stdout(printed), redirect_stderr(printed):
            yield lines
            lines += [*(str(warning.message) for warning in caught), printed.getvalue()]
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        requests.setLevel(loud)


@check()
async def nothing_is_printed(case: Case, seed: int) -> None:
    """Nothing is printed to stdout, which is for `--json`: `ctx.log` is there to tell."""
    async with case.open(seed) as bench:
        printed = io.StringIO()
        with redirect_stdout(printed):
            await bench.connector.check(bench.context())
            driver = Driver(bench, await busiest(bench))
            await driver.sync()
            change(bench, seed, 6, "print")
            await driver.sync()
        if text := printed.getvalue():
            raise Failed(f"{text.strip()!r:.200} was printed: say it with ctx.log")


@check()
async def credentials_stay_at_home(case: Case, seed: int) -> None:
    """A link in an answer that points to another host is refused, or followed without the credential."""
    async with case.open(seed, keep=True) as bench:
        driver = Driver(bench, await busiest(bench))
        await driver.copy().sync()
        homes = {asked.origin for asked in bench.wire.log}
        links = any(_links(asked.answer or b"") for asked in bench.wire.log)
        for number in range(1, min(30, bench.wire.asked) + 1) if links else ():
            bench.wire.forget()
            bench.wire.add(rewrite(_elsewhere), at=number)
            try:
                await driver.copy().sync_once()
            except SyncdError:
                pass
            bench.wire.calm()
            for asked in bench.wire.log:
                if asked.origin not in homes and _has_credential(asked.request, bench):
                    raise Failed(f"a link to {asked.origin} was followed with the credential: name your origins()")


def _links(body: bytes) -> list[tuple[str | int, ...]]:
    tree = load(body)
    return [path for path, node in walk(tree) if isinstance(node, str) and node.startswith(("http://", "https://"))]


def _elsewhere(body: bytes) -> bytes | None:
    tree = load(body)
    if tree is MISSING:
        return None
    for path in _links(body):
        tree = replaced(tree, path, "https://elsewhere.invalid/v1/items?page=2")
    return save(tree)


def _has_credential(request: httpx.Request, bench: Bench) -> bool:
    told = str(request.url) + repr(request.headers.multi_items()).replace("[secure]", "")
    headers = " ".join(value for _, value in request.headers.items())
    return any(secret in told or secret in headers for secret in bench.secrets())


@check()
async def memory_stays_flat(case: Case, seed: int) -> None:
    """A long listing takes no more memory in its second half than in its first."""
    async with case.open(seed) as bench:
        bench.ability("grow")(MANY)
        driver = Driver(bench, await busiest(bench))
        partitions = await bench.partitions(driver.account)
        sizes = {name: len(items) for name, items in bench.truth(driver.account).items()}
        partition = max(partitions, key=lambda one: sizes.get(one.id, 0))
        peaks = await _peaks(driver, partition)
        if len(peaks) < 6:
            raise Skipped(f"{MANY} items come in {len(peaks)} pages: too few to see memory grow")
        half = len(peaks) // 2
        if max(peaks[half:]) > max(peaks[:half]) + MEMORY:
            raise Failed(f"memory grows along a listing: {max(peaks[:half]):,} bytes, then {max(peaks[half:]):,}")


async def _peaks(driver: Driver, partition: Partition) -> list[int]:
    """The peak of traced memory while each page was made; the pages themselves are dropped, and so is the log."""
    peaks: list[int] = []
    driver.bench.wire.forget()
    frozen = gc.get_freeze_count()
    gc.collect()
    gc.freeze()  # what is there already need not be looked through at each page
    tracemalloc.start()
    try:
        pages = driver.open(partition, FULL)
        async with closing(pages):
            async for page in pages:
                del page
                driver.bench.wire.forget()
                gc.collect()  # cycles of the HTTP client are not the connector's
                peaks.append(tracemalloc.get_traced_memory()[1])
                tracemalloc.reset_peak()
    finally:
        tracemalloc.stop()
        if not frozen:  # else whoever froze before us keeps it so
            gc.unfreeze()
    return peaks
