"""What several checks need.

Public: expect_truth, rng_of, change, delete_one, deep_places.
"""

import random
from collections.abc import Sequence

from syncd.sdk import Account
from syncd.testing.bench import Bench
from syncd.testing.driver import Driver
from syncd.testing.failures import Failed, Skipped
from syncd.testing.mirror import differences

__all__ = ["busiest", "change", "drivers", "expect_equal", "expect_truth", "page_total", "rng_of"]


def rng_of(seed: int, what: str) -> random.Random:
    return random.Random(f"{what} {seed}")  # noqa: S311 - a reproducible history, no secret


def expect_truth(driver: Driver, when: str, *, ids_only: bool = False) -> None:
    """Fail unless the mirror holds what the source holds."""
    found = list(differences(driver.mirror, driver.bench.truth(driver.account), ids_only=ids_only))
    if found:
        found += [f"skipped: {error!r}" for error in driver.skipped[-1:]]
        raise Failed(f"{when}, {driver.account.address}: " + "; ".join(found[:4]))


def expect_equal(one: Driver, two: Driver, when: str) -> None:
    """Fail unless both mirrors agree on everything but volatile paths."""
    left, right = one.mirror.stable(), two.mirror.stable()
    for key in sorted(left.keys() | right.keys()):
        if left.get(key) != right.get(key):
            raise Failed(f"{when}: {key[1]} is {_short(left.get(key), right.get(key))}")


def _short(left: object, right: object) -> str:
    if isinstance(left, tuple) and isinstance(right, tuple):
        names = ("partition", "data", "summary", "blob tag")
        for name, a, b in zip(names, left, right, strict=True):
            if a != b and isinstance(a, dict) and isinstance(b, dict):
                keys = [key for key in {**a, **b} if a.get(key) != b.get(key)]
                return "; ".join(f"{name}.{key} {a.get(key)!r:.150} and then {b.get(key)!r:.150}" for key in keys[:3])
            if a != b:
                return f"{name} {a!r:.200} and then {b!r:.200}"
    return f"{left!r:.200} and then {right!r:.200}"


async def drivers(bench: Bench) -> list[Driver]:
    """One for each account that a sync covers."""
    return [Driver(bench, account) for account in await bench.synced_accounts()]


async def busiest(bench: Bench) -> Account:
    """The account with the most items."""
    accounts = await bench.synced_accounts()
    return max(accounts, key=lambda account: sum(map(len, bench.truth(account).values())))


async def page_total(driver: Driver) -> int:
    """How many pages the driver's next rounds have, found out by a copy that reads them."""
    copy = driver.copy()
    return sum(trip.pages for trip in await copy.sync())


def change(bench: Bench, seed: int, times: int, what: str = "change") -> None:
    """That many random changes at the source."""
    rng = rng_of(seed, what)
    for _ in range(times):
        bench.source.change(rng)


def need_pages(numbers: Sequence[int], least: int, what: str) -> None:
    """Skipped where the source's pages are too few to show anything."""
    if max(numbers, default=0) < least:
        raise Skipped(
            f"{what} has {max(numbers, default=0)} pages, at least {least} are needed: let the source page smaller"
        )
