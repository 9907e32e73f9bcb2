"""Providers that refuse a single request for good: never taken for the end of a listing.

Public: the checks, by registration.
"""

from syncd.sdk import DELTA, FULL, JSON, SyncdError
from syncd.testing.bench import Case
from syncd.testing.driver import Driver
from syncd.testing.failures import Failed
from syncd.testing.http import Asked, answer
from syncd.testing.mirror import differences

from .common import busiest, change
from .registry import check

STATUSES = (400, 403, 404)
ALL = 6  # requests that meet each status; later ones, of which a long round has many alike, one in turn


@check()
async def a_refusal_is_no_end_of_a_list(case: Case, seed: int) -> None:
    """Refused (400, 403, 404) at any one request, a round raises or is right, and never completes with items missing."""
    async with case.open(seed) as bench:
        start = Driver(bench, await busiest(bench))
        await _at_every_request(start, "full")
        if DELTA in bench.stream.info.scans:
            await start.sync()
            change(bench, seed, 12, "refuse")
            await _at_every_request(start, "delta")


async def _at_every_request(start: Driver, scan: str) -> None:
    wire = start.bench.wire
    before = wire.asked
    await start.copy().sync()
    for number in range(1, wire.asked - before + 1):
        for status in STATUSES if number <= ALL else (STATUSES[number % len(STATUSES)],):
            await _refused(start.copy(), number, status, scan)


async def _refused(driver: Driver, number: int, status: int, scan: str) -> None:
    """One refusal, and then another round in peace: a full round has everything at once, a delta round in the end."""
    bench = driver.bench
    first = len(bench.wire.log)
    planned = bench.wire.add(answer(status, b'{"error": "refused"}'), at=number)
    try:
        await driver.sync()
        silent = not driver.skipped
    except SyncdError:
        silent = False
    bench.wire.calm()
    if not planned.played:
        return
    asked = bench.wire.log[first + number - 1]
    told = f"{status} at request {number} of a {scan} round ({asked.kind})"
    if silent and scan == "full":
        _expect(driver, asked, status, f"{told}, and the round completes", ids_only=True)
    await driver.sync(None if bench.stream.info.stable_listing else FULL)
    _expect(driver, asked, status, f"after {told} and one more round")


def _expect(driver: Driver, asked: Asked, status: int, when: str, *, ids_only: bool = False) -> None:
    truth = _less_what_is_gone(driver, asked, status)
    if found := list(differences(driver.mirror, truth, ids_only=ids_only)):
        raise Failed(f"{when}, {driver.account.address}: {'; '.join(found[:4])}")


def _less_what_is_gone(driver: Driver, asked: Asked, status: int) -> dict[str, dict[str, JSON]]:
    """The truth without the item that was asked for by its id and answered 404: that one may be missing."""
    held = {source_id for _, source_id in driver.mirror.live}
    return {
        partition: {
            name: item for name, item in items.items() if name in held or status != 404 or not _names(asked, name)
        }
        for partition, items in driver.bench.truth(driver.account).items()
    }


def _names(asked: Asked, source_id: str) -> bool:
    values = {part for value in asked.request.url.params.values() for part in value.split(",")}
    return source_id in values or f"/{source_id}/" in f"{asked.path}/"
