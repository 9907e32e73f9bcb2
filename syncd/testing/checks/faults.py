"""Providers that are slow, throttle, break connections or fail: waited out, never taken for an answer.

Public: the checks, by registration.
"""

from collections.abc import Callable, Iterator

from syncd.sdk import DELTA, Connector, CursorExpired, ProtocolError, RateLimited, SyncdError, Transient
from syncd.sdk.http import httpx
from syncd.testing.bench import Bench, Case
from syncd.testing.driver import Driver
from syncd.testing.failures import Failed
from syncd.testing.http import Fault, answer, html, reset, slow, timeout, truncated

from .common import busiest, change, expect_truth
from .registry import check

SURFACING: dict[str, tuple[Fault, tuple[type[SyncdError], ...]]] = {
    "429 with Retry-After: 7": (answer(429, retry_after=7), (RateLimited,)),
    "429 without Retry-After": (answer(429), (RateLimited,)),
    "503 with Retry-After: 7": (answer(503, retry_after=7), (RateLimited,)),
    "503": (answer(503), (Transient,)),
    "500 with HTML": (html(500), (Transient,)),
    "a reset": (reset(), (Transient,)),
    "a timeout": (timeout(), (Transient,)),
    "a body that breaks off": (truncated(), (Transient, ProtocolError)),
}


@check()
async def retryable_knows_a_throttle(case: Case, seed: int) -> None:
    """`retryable` reads 429, 503 and 5xx, and what this provider says instead; and takes no final answer for one."""
    async with case.open(seed) as bench:
        _expect_common_words(bench.connector)
        for response in (getattr(bench.source, "throttles", None) or list)():
            if not isinstance(found := bench.connector.retryable(response), RateLimited):
                raise Failed(f"{response.status_code} {response.text[:120]} is a throttle, retryable says {found!r}")


def _expect_common_words(connector: Connector) -> None:
    for status, wait in ((429, 7), (503, 7), (429, None)):
        headers = {} if wait is None else {"Retry-After": str(wait)}
        found = connector.retryable(_reply(status, headers))
        if not isinstance(found, RateLimited) or (wait is not None and (found.retry_after or 0) < wait):
            raise Failed(f"{status} with Retry-After {wait} must be RateLimited({wait}), retryable says {found!r}")
    for status in (500, 502, 503):
        if not isinstance(found := connector.retryable(_reply(status, {})), Transient | RateLimited):
            raise Failed(f"{status} must be Transient, retryable says {found!r}")
    for status in (400, 401, 404, 410):
        if (found := connector.retryable(_reply(status, {}))) is not None:
            raise Failed(f"{status} is final, retryable says {found!r}")


def _reply(status: int, headers: dict[str, str]) -> httpx.Response:
    request = httpx.Request("GET", "https://api.invalid/items")
    return httpx.Response(status, headers=headers, content=b"{}", request=request)


@check()
async def a_fault_at_any_request_is_waited_out(case: Case, seed: int) -> None:
    """Throttled or broken at any one request, a round raises RateLimited or Transient; gone on with, it is right."""
    async with case.open(seed) as bench:
        bench.tries = 1
        account = await busiest(bench)
        start = Driver(bench, account)
        await _at_every_request(bench, start, "full")
        if DELTA in bench.stream.info.scans:
            await start.sync()
            change(bench, seed, 12, "throttle")
            await _at_every_request(bench, start, "delta")


async def _at_every_request(bench: Bench, start: Driver, scan: str) -> None:
    before = bench.wire.asked
    probe = start.copy()
    await probe.sync()
    total = bench.wire.asked - before
    allowed = (CursorExpired,) if probe.expiries else ()  # the changes themselves may have ended the cursor
    for number in range(1, total + 1):
        for name, (fault, wanted) in _some(SURFACING, number):
            driver = start.copy()
            planned = bench.wire.add(fault, at=number)
            waited = len(bench.clock.slept)
            await _go_on_after(driver, (*wanted, *allowed), f"{name} at request {number} of a {scan} round")
            bench.wire.calm()
            expect_truth(driver, f"after {name} at request {number} of {total} of a {scan} round")
            if planned.played and "Retry-After: 7" in name and max(bench.clock.slept[waited:], default=0) < 7:
                raise Failed(f"{name} at request {number}: asked again at once; let RateLimited out")


def _some(
    table: dict[str, tuple[Fault, tuple[type[SyncdError], ...]]], number: int
) -> Iterator[tuple[str, tuple[Fault, tuple[type[SyncdError], ...]]]]:
    """The whole table for the first requests, one entry in turn for later ones (a long round has many alike)."""
    entries = list(table.items())
    yield from entries if number <= 6 else [entries[number % len(entries)]]


async def _go_on_after(driver: Driver, wanted: tuple[type[SyncdError], ...], what: str) -> None:
    """Sync to the end. An error that comes out on the way must be one of those."""
    try:
        await driver.sync_once()
    except wanted as error:
        await driver.bench.clock.sleep(getattr(error, "retry_after", None) or 1.0)
        await driver.sync()
    except SyncdError as error:
        raise Failed(f"{what} must be {' or '.join(kind.__name__ for kind in wanted)}, not {error!r}") from error


@check()
async def a_slow_source_changes_nothing(case: Case, seed: int) -> None:
    """Retried underneath, slow answers and one fault of each kind in a row lead to the right result."""
    async with case.open(seed) as bench:
        driver = Driver(bench, await busiest(bench))
        for number, (fault, _) in enumerate(SURFACING.values()):
            bench.wire.add(fault, at=1 + 2 * number)
        bench.wire.add(slow(bench.clock, 20.0), times=5)
        await driver.sync()
        bench.wire.calm()
        expect_truth(driver, "after a round with slow answers and faults")


@check()
async def a_dead_source_is_an_error(case: Case, seed: int) -> None:
    """Only 5xx, only throttles, only resets: a SyncdError in bounded requests, the mirror untouched, then recovery."""
    async with case.open(seed) as bench:
        driver = Driver(bench, await busiest(bench))
        await driver.sync()
        for name, (fault, _) in SURFACING.items():
            bench.wire.add(fault, times=None)
            bench.wire.budget = 500
            try:
                await driver.sync()
            except CursorExpired as error:
                raise Failed(f"{name} for ever is not CursorExpired: {error!r}") from error
            except SyncdError:
                pass
            else:
                raise Failed(f"{name} for ever, and the round completes")
            bench.wire.calm()
            bench.wire.budget = 20_000
            await driver.sync()
            expect_truth(driver, f"after {name} for a while")


@check()
async def the_sources_own_troubles_do_no_harm(case: Case, seed: int) -> None:
    """Each named fault of the source: a SyncdError, a Reject or the right result; recovery once it is over."""
    async with case.open(seed) as bench:
        troubles: dict[str, Callable[[], None]] = dict(bench.ability("troubles")())
    for name in troubles:
        async with case.open(seed) as bench:
            driver = Driver(bench, await busiest(bench))
            await _trouble(bench, driver, name, "full")
            change(bench, seed, 6, name)
            await _trouble(bench, driver, name, "delta")


async def _trouble(bench: Bench, driver: Driver, name: str, scan: str) -> None:
    bench.ability("troubles")()[name]()
    driver.skipped.clear()
    bench.wire.budget = 2_000
    try:
        await driver.sync()
    except SyncdError:
        pass
    else:
        if not driver.skipped:
            expect_truth(driver, f"with the trouble {name!r} in a {scan} round that completed")
    getattr(bench.source, "calm", lambda: None)()
    await driver.sync()
    await driver.sync()
    expect_truth(driver, f"after the trouble {name!r} in a {scan} round")
