"""Answers that make no sense, of every form, to every kind of request: no harm done.

Public: the checks, by registration.
"""

import asyncio
import random
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from syncd.sdk import DELTA, FULL, Account, CursorExpired, Record, SyncdError
from syncd.sdk.errors import explanation_of
from syncd.testing.bench import Bench, Case
from syncd.testing.driver import Driver
from syncd.testing.failures import Failed, Gap, Runaway
from syncd.testing.http import Asked, Fault, Forward, rewrite
from syncd.testing.jsontree import MISSING, load
from syncd.testing.malformed import MALFORMED, Form, Shape, garble
from syncd.testing.mirror import differences

from .common import busiest, change, expect_truth
from .registry import check

BUDGET = 300  # requests that one garbled reading may make
PATIENCE = 20.0  # seconds that it may take
KINDS = 5  # of requests per phase; later ones are alike


RECOVERIES = 0.3  # of the readings that raised are gone on with afterwards
Act: TypeAlias = Callable[[list[Driver]], Awaitable[None]]  # appends the drivers that it uses


@dataclass(slots=True)
class Kind:
    """A kind of request, one of its answers, and what to do so that it is asked."""

    name: str
    asked: Asked
    act: Act
    ids: frozenset[str]
    drivers: list[Driver] = field(default_factory=list)


@check()
async def malformed_answers_to_listings_do_no_harm(case: Case, seed: int) -> None:
    """Every malformed form in a full round: Reject, a SyncdError or the right result; never a silent gap, never a hang."""
    async with case.open(seed, keep=True) as bench:
        account = await busiest(bench)

        async def full(used: list[Driver]) -> None:
            used.append(driver := Driver(bench, account))
            for partition in await _some_partitions(driver):
                await driver.round(partition, scan=FULL)

        await _all_forms(bench, await _kinds(bench, account, full), seed)


@check()
async def malformed_answers_to_deltas_do_no_harm(case: Case, seed: int) -> None:
    """The same in a delta round with changes."""
    async with case.open(seed, keep=True) as bench:
        if DELTA not in bench.stream.info.scans:
            return
        account = await busiest(bench)
        start = Driver(bench, account)
        await start.sync()
        change(bench, seed, 15, "malformed")

        async def delta(used: list[Driver]) -> None:
            used.append(driver := start.copy())
            for partition in await _some_partitions(driver):
                try:
                    await driver.round(partition)
                except CursorExpired:  # the changes, or what the garbled answer says, ended it: read as a whole
                    driver.expired(partition)
                    await driver.round(partition)

        await _all_forms(
            bench, await _kinds(bench, account, delta, frozenset(name for _, name in start.mirror.live)), seed
        )


@check()
async def malformed_answers_to_the_rest_do_no_harm(case: Case, seed: int) -> None:
    """The same for signing in, accounts, partitions, content and single items."""
    async with case.open(seed, keep=True) as bench:
        account = await busiest(bench)
        driver = Driver(bench, account)
        await driver.sync()

        async def around(used: list[Driver]) -> None:
            bench.sign_in_again()
            found = {one.id for one in await bench.accounts()}
            if gap := bench.source.accounts().keys() - found:
                raise Gap(f"accounts are missing and nothing was raised: {sorted(gap)}")
            if gap := bench.truth(account).keys() - {one.id for one in await bench.partitions(account)}:
                raise Gap(f"partitions are missing and nothing was raised: {sorted(gap)}")

        await _all_forms(bench, await _kinds(bench, account, around), seed)
        for act in await _content_acts(bench, driver):
            await _all_forms(bench, await _kinds(bench, account, act), seed)


async def _some_partitions(driver: Driver) -> list[Any]:
    """The two fullest: others are alike."""
    phase = driver.bench.wire.phase
    partitions = await driver.bench.partitions(driver.account)
    driver.bench.wire.phase = phase
    sizes = {name: len(items) for name, items in driver.bench.truth(driver.account).items()}
    return sorted(partitions, key=lambda partition: -sizes.get(partition.id, 0))[:2]


async def _kinds(bench: Bench, account: Account, act: Act, known: frozenset[str] = frozenset()) -> list[Kind]:
    """Act once in peace, and tell the kinds of the requests made."""
    ids = bench.known_ids([account]) | (await _all_accounts(bench))
    bench.wire.forget()
    await act([])
    ids |= known
    kinds: dict[str, Kind] = {}
    for asked in bench.wire.log:
        if asked.status is not None and asked.status < 300 and asked.answer:
            kinds.setdefault(asked.kind, Kind(asked.kind, asked, act, ids))
    return [kind for kind in kinds.values() if not kind.name.startswith(("partitions:", "accounts:")) or _around(act)]


async def _all_accounts(bench: Bench) -> frozenset[str]:
    return frozenset(text for account in await bench.accounts() for text in (account.id, account.address))


def _around(act: object) -> bool:
    return getattr(act, "__name__", "") == "around"


async def _all_forms(bench: Bench, kinds: list[Kind], seed: int) -> None:
    problems = []
    for kind in kinds[:KINDS]:
        for form in MALFORMED.values():
            rng = random.Random(f"{seed} {form.name} {kind.name}")  # noqa: S311 - a reproducible choice
            shape = Shape(kind.ids, rng)
            if not _applies(kind, form, shape):
                continue
            try:
                await _one(bench, kind, form, shape)
            except Failed as error:
                problems.append(f"{kind.name} – {form.name}: {error}")
    if problems:
        raise Failed(f"{len(problems)} malformed answers did harm:\n" + "\n".join(problems[:12]))


def _applies(kind: Kind, form: Form, shape: Shape) -> bool:
    state = shape.rng.getstate()
    made = garble(kind.asked.answer or b"", form, shape, _mime(kind.asked.answer or b""))
    shape.rng.setstate(state)
    return made is not None and made != kind.asked.answer


def _mime(body: bytes) -> str:
    return "multipart/mixed" if body.startswith(b"--") else "application/json"


async def _one(bench: Bench, kind: Kind, form: Form, shape: Shape) -> None:
    """Read with that garbled answer in place, and see what comes of it; then read again in peace."""
    bench.wire.budget = BUDGET
    bench.wire.runaway = False
    _garble(bench, kind, form, shape)
    kind.drivers.clear()
    try:
        async with asyncio.timeout(PATIENCE):
            await kind.act(kind.drivers)
        raised = False
        _expect_no_gap(kind.drivers)
    except SyncdError as error:
        raised = True
        _expect_explained(bench, error)
    except Gap:
        raised = False
        if not (form.plausible or (form.shifts and not bench.stream.info.stable_listing)):
            raise
    except Runaway as error:
        raised = True
        if form.name != "new page tokens for ever":  # nobody can tell those from a long listing
            raise Failed(f"more than {BUDGET} requests: a reading without end") from error
    except TimeoutError as error:
        raise Failed(f"still reading after {PATIENCE:.0f} s") from error
    except Failed:
        raise
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        raise Failed(f"{type(error).__name__}: {error!s:.120} ({last.filename}:{last.lineno})") from error
    finally:
        bench.wire.calm()
        bench.wire.budget = 20_000
        bench.wire.runaway = False
    if raised and not form.plausible and shape.rng.random() < RECOVERIES:
        for driver in kind.drivers:
            await driver.sync()
            expect_truth(driver, "once the answers are whole again", ids_only=True)


def _garble(bench: Bench, kind: Kind, form: Form, shape: Shape) -> None:
    if form.endless:
        path = kind.asked.path
        bench.wire.add(_loop(form, shape), when=lambda asked: asked.path == path, times=None)
    else:
        change_body = rewrite(lambda body: garble(body, form, shape, _mime(body)))
        bench.wire.add(change_body, when=lambda asked: asked.kind == kind.name, times=None)


def _loop(form: Form, shape: Shape) -> Fault:
    """The first answer for all requests, with the same next page token, or a new one each time."""
    first: list[bytes] = []
    make = rewrite(lambda body: form.make(_first(first, body), shape))

    async def fault(request: Any, forward: Forward) -> Any:
        return await make(request, forward)

    return fault


def _first(first: list[bytes], body: bytes) -> bytes:
    if not first and load(body) is not MISSING:
        first.append(body)
    return first[0] if first else body


def _expect_explained(bench: Bench, error: SyncdError) -> None:
    if explanation_of(error.code, bench.connector.info.errors) is None:
        raise Failed(f"{error!r} has the code {error.code}, which no catalogue explains")
    for secret in bench.secrets():
        if secret in f"{error} {error.hint} {error!r}":
            raise Failed(f"{type(error).__name__} tells a secret")


def _expect_no_gap(drivers: list[Driver]) -> None:
    """A round that completed has what the source has, less what was rejected."""
    for driver in drivers:
        driver.mirror.settle()
        truth = {name: items for name, items in driver.bench.truth(driver.account).items() if name in driver.touched}
        there = driver.mirror.copy()
        there.live = {key: kept for key, kept in there.live.items() if kept.partition in driver.touched}
        if found := list(differences(there, truth, ids_only=True)):
            raise Gap("the round completed, and silently: " + "; ".join(found))


async def _content_acts(bench: Bench, driver: Driver) -> list[Act]:
    """Reading content and single items, where the stream can."""
    acts: dict[str, Act] = {}
    for partition in await bench.partitions(driver.account):
        ids = sorted(driver.bench.truth(driver.account).get(partition.id, {}))[:5]
        records = [item for item in await _records(driver, partition) if item.blob and item.blob.content is None]
        if ids and bench.stream.can_get:
            acts.setdefault("get", _get_act(bench, driver, partition, ids))
        if records:
            acts.setdefault("fetch", _fetch_act(bench, driver, partition, records[:3]))
    return list(acts.values())


async def _records(driver: Driver, partition: Any) -> list[Record]:
    trip = await Driver(driver.bench, driver.account).round(partition)
    return [item for item in trip.items if isinstance(item, Record)]


def _get_act(bench: Bench, driver: Driver, partition: Any, ids: list[str]) -> Act:
    async def act(used: list[Driver]) -> None:
        bench.wire.phase = "get"
        answers = [item async for item in bench.stream.get(bench.context(driver.account, partition), ids)]
        if len(answers) != len(ids):
            raise Gap(f"get() gave {len(answers)} answers for {len(ids)} ids")

    return act


def _fetch_act(bench: Bench, driver: Driver, partition: Any, records: list[Record]) -> Act:
    async def act(used: list[Driver]) -> None:
        bench.wire.phase = "fetch"
        context = bench.context(driver.account, partition)
        blobs = [record.blob for record in records if record.blob and not record.blob.skip]
        if bench.stream.can_fetch_many:
            answers = [blob async for blob, _ in bench.stream.fetch_many(context, blobs)]
            if len(answers) != len(blobs):
                raise Gap(f"fetch_many() gave {len(answers)} answers for {len(blobs)} blobs")
        for blob in blobs:
            async for _ in bench.stream.fetch(context, blob):
                pass

    return act
