"""What a connector says of itself is true.

Public: the checks, by registration.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from syncd.sdk import DELTA, FULL, REPORTED, ConnectorInfo, Lane, Limits, Record, Secret, StreamInfo
from syncd.sdk.errors import CATALOGUE
from syncd.sdk.paths import steps_of
from syncd.testing.bench import Bench, Case
from syncd.testing.driver import Driver
from syncd.testing.failures import Failed, Skipped
from syncd.testing.validate import SUMMARY_FIELDS, summary_of

from .common import drivers, expect_truth, rng_of
from .registry import check

NAME = re.compile(r"[a-z][a-z0-9_-]*")
SECRET_NAME = re.compile(r"(?i)(secret|passw|private_?key|api_?key|(access|refresh|bearer)_?token)")
KINDS = {None, "contact", "event", "file", "message"}


@check()
async def info_is_sane(case: Case, seed: int) -> None:
    """Names, schemas (2020-12, secrets marked, `{}` valid as options), limits, abilities and volatile paths make sense."""
    problems = [*_connector_problems(case.connector.info)]
    async with case.open(seed) as bench:
        problems += _streams_problems(case, bench)
        problems += _settings_problems(case.connector.info.settings_schema, bench.source.settings)
        options = getattr(bench.source, "options", {})
        schema = bench.stream.info.options_schema
        problems += [f"options: {error.message}" for error in Draft202012Validator(schema).iter_errors(options)]
    if problems:
        raise Failed("; ".join(problems))


def _connector_problems(info: ConnectorInfo) -> Iterator[str]:
    if not NAME.fullmatch(info.name):
        yield f"the connector's name {info.name!r} is not of the form {NAME.pattern}"
    if info.api != 1:
        yield f"api={info.api!r}: this is version 1 of the contract"
    yield from _limit_problems(info.limits)
    yield from _schema_problems("settings_schema", info.settings_schema)
    for entry in info.errors:
        if entry.code in CATALOGUE:
            yield f"the error code {entry.code} belongs to syncd"
        if not (entry.title and entry.meaning and entry.action and entry.hint):
            yield f"the entry of {entry.code} has empty texts"


def _limit_problems(limits: Any) -> Iterator[str]:
    if not isinstance(limits, Limits):
        yield f"limits is {limits!r:.100}, not Limits(…)"
        return
    for name in ("requests_per_second", "account_requests_per_second"):
        if (rate := getattr(limits, name)) is not None and not _is_rate(rate):
            yield f"limits.{name} is {rate!r}, not a number above 0"
    for name in ("concurrency", "account_concurrency"):
        if not _is_count(count := getattr(limits, name)):
            yield f"limits.{name} is {count!r}, not a whole number above 0"
    for name, lane in limits.lanes.items():
        good = isinstance(lane, Lane) and _is_count(lane.requests) and _is_rate(lane.seconds)
        if not good or lane.per not in ("account", "connection"):
            yield f"the lane {name!r} is {lane!r:.100}"


def _is_rate(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _schema_problems(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    try:
        Draft202012Validator.check_schema(schema)
        json.dumps(schema)
    except (SchemaError, TypeError) as error:
        yield f"{name} is no JSON Schema (2020-12): {error}"
        return
    if schema and schema.get("type") != "object":
        yield f"{name} does not say type: object"
    if schema and schema.get("additionalProperties", True) is not False:
        yield f"{name} lets unknown keys pass: set additionalProperties: false, so that typing errors are found"
    for key, sub in schema.get("properties", {}).items():
        if SECRET_NAME.search(key) and isinstance(sub, dict) and not sub.get("x-secret"):
            yield f"{name}.{key} looks like a secret and is not marked with x-secret"


def _streams_problems(case: Case, bench: Bench) -> Iterator[str]:
    again = type(case.connector)().configured(bench.source.settings).streams()
    names = [stream.info.name for stream in bench.connector.streams()]
    if names != [stream.info.name for stream in again]:
        yield "streams() of another instance differ"
    if len(names) != len(set(names)):
        yield f"two streams share a name: {names}"
    yield from _stream_problems(case.named_stream(bench.connector).info)


def _stream_problems(info: StreamInfo) -> Iterator[str]:
    if not NAME.fullmatch(info.name):
        yield f"the stream's name {info.name!r} is not of the form {NAME.pattern}"
    if FULL not in info.scans:
        yield "scans lacks FULL: without it a lost cursor cannot be mended"
    if info.deletes is REPORTED and DELTA not in info.scans:
        yield "deletes=REPORTED needs DELTA rounds to report in; without them say SWEEP"
    if info.kind not in KINDS:
        yield f"kind {info.kind!r} is none of {sorted(filter(None, KINDS))}"
    yield from _schema_problems("options_schema", info.options_schema)
    if not Draft202012Validator(info.options_schema).is_valid({}):
        yield "options_schema refuses {}, which must be valid for any stream"
    for path in info.volatile:
        if not path or not all(steps_of(path)) or path.startswith("*"):
            yield f"the volatile path {path!r} is empty somewhere, or covers everything"


def _settings_problems(schema: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[str]:
    validator = Draft202012Validator(schema)
    yield from (f"settings: {error.message}" for error in validator.iter_errors(_as_written(settings)))
    properties = schema.get("properties", {})
    for key, value in settings.items():
        marked = bool(properties.get(key, {}).get("x-secret"))
        if isinstance(value, Secret) and not marked:
            yield f"settings.{key} is a Secret and not marked with x-secret"
        if marked and not isinstance(value, Secret):
            yield f"settings.{key} is marked with x-secret: the source must give a Secret"


def _as_written(value: Any) -> Any:
    """Settings with a reference where a secret is."""
    if isinstance(value, Mapping):
        return {key: _as_written(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_written(item) for item in value]
    return value.reference if isinstance(value, Secret) else value


@check()
async def accounts_are_complete(case: Case, seed: int) -> None:
    """Every account of the organisation, each once, under an id that a change of address leaves alone."""
    async with case.open(seed) as bench:
        before = await _expect_accounts(bench)
        if (rename := getattr(bench.source, "rename", None)) is None:
            return
        rename()
        after = await _expect_accounts(bench)
        if before.keys() != after.keys():
            raise Failed(f"ids changed with an address: {sorted(before.keys() ^ after.keys())}")
        if before == after:
            raise Failed("the source renamed an account, and the connector shows no other address")


async def _expect_accounts(bench: Bench) -> dict[str, str]:
    listed = await bench.accounts()
    found = {account.id: account.address for account in listed}
    if len(found) != len(listed):
        raise Failed(f"an id twice among the accounts: {sorted(account.id for account in listed)}")
    if (wanted := dict(bench.source.accounts())) != found:
        raise Failed(f"accounts are {found}, the source has {wanted}")
    organizations = {account.organization for account in listed}
    if len(organizations) > 1:
        raise Failed(f"the accounts belong to several organisations: {organizations}")
    return found


@check()
async def check_says_ready(case: Case, seed: int) -> None:
    """With a good credential `check` says "ready" for this stream."""
    async with case.open(seed) as bench:
        bench.wire.phase = "check"
        said = await bench.connector.check(bench.context())
        if said.get(case.stream, "").partition(":")[0] != "ready":
            raise Failed(f"check() says {said!r}")


@check()
async def summaries_have_the_fields_of_their_kind(case: Case, seed: int) -> None:
    """Each common field of the kind is filled for at least one record (DESIGN §4: contact, event, file, message)."""
    async with case.open(seed) as bench:
        info = bench.stream.info
        fields = set(SUMMARY_FIELDS.get(info.kind or "", {}))
        if not fields:
            raise Skipped(f"kind {info.kind!r} has no common fields")
        records = [item for item in await all_items(bench) if isinstance(item, Record)]
        summaries = [summary for record in records if (summary := summary_of(record)) is not None]
        if len(summaries) < len(records):
            raise Failed(f"{len(records) - len(summaries)} of {len(records)} records of a full round have no summary")
        filled = {name for summary in summaries for name, value in summary.items() if value is not None}
        if missing := fields - filled:
            raise Failed(f"no summary has {sorted(missing)}")
        if info.kind == "file" and not any(record.name for record in records):
            raise Failed("no record of a file has a `name`, which paths are made from")


async def all_items(bench: Bench) -> list[Any]:
    """Every item of a full round of every account."""
    return [item for driver in await drivers(bench) for trip in await driver.sync() for item in trip.items]


@check(many=True)
async def deletions_come_as_declared(case: Case, seed: int) -> None:
    """REPORTED: a delta round tells of a deletion. SWEEP: a full round no longer lists it, and no tombstone ever comes."""
    async with case.open(seed) as bench:
        every = await drivers(bench)
        for driver in every:
            await driver.sync()
        before = {driver.account.id: _ids(driver) for driver in every}
        _delete_something(bench, seed, before, every)
        for driver in every:
            reports = driver.mirror.info.deletes is REPORTED
            gone = before[driver.account.id] - _ids(driver)
            await driver.sync(None if reports else FULL)
            if reports and gone and not driver.mirror.tombstones and not _moved_away(driver):
                raise Failed(f"deletes=REPORTED, but no tombstone came for {sorted(gone)[:5]}")
            if not driver.mirror.info.stable_listing:
                await driver.sync(FULL)
            expect_truth(driver, "after a deletion")


def _ids(driver: Driver) -> set[str]:
    return {source_id for items in driver.bench.truth(driver.account).values() for source_id in items}


def _moved_away(driver: Driver) -> bool:
    """Whole partitions may vanish, which needs no tombstones."""
    return not driver.bench.truth(driver.account).keys() >= driver.places.keys()


def _delete_something(bench: Bench, seed: int, before: Mapping[str, set[str]], every: list[Driver]) -> None:
    rng = rng_of(seed, "delete")
    if (delete := getattr(bench.source, "delete", None)) is not None:
        delete(rng)
        return
    for _ in range(200):
        bench.source.change(rng)
        if any(before[driver.account.id] - _ids(driver) for driver in every):
            return
    raise Skipped("200 changes deleted nothing: give the source a delete()")
