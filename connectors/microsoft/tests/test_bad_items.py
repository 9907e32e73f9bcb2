"""What is the matter with one item is no other's fault (wire reference §8, §10)."""

from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest
from calendar_answers import CAL, Round, event, exception, master, mondays, occurrence, page
from files_answers import below
from microsoft_answers import ANA, fail

from syncd.sdk import AuthFailed, Forbidden, Reject, Scan, Tombstone

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
USER = f"/users/{ANA.id}"
FAULTS = [
    fail(500, "ErrorCorruptData", "Data is corrupt."),
    fail(500, "ErrorCannotOpenFileAttachment"),
    fail(403, "ErrorAccessDenied"),
    fail(400, "ErrorInvalidRequest"),
    fail(405, "whatever"),
]
UNREADABLE = [httpx.Response(200, content=b"\xff"), httpx.Response(200, json={**master(), "start": "soon"})]


@pytest.fixture
def calendar(microsoft) -> Round:
    microsoft.clock.advance((NOW - microsoft.clock.now()).total_seconds())
    return Round(microsoft, past="14d", future="0d")


def rejected(calendar: Round) -> list[str | None]:
    return [item.source_id for one in calendar.pages for item in one.items if isinstance(item, Reject)]


def cancelled(calendar: Round, one: str = "M") -> list[str]:
    return [name[-10:] for name in orjson.loads(calendar.records[one].data).get("cancelledOccurrences", [])]


PATHS = {"mail": "messages", "contacts": "contacts", "calendar": "events"}


@pytest.mark.parametrize("stream", PATHS)
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_bad_item_hides_no_deletion_beside_it(microsoft, stream: str, fault: httpx.Response) -> None:
    microsoft.routes({f"{USER}/{PATHS[stream]}/bad": fault})
    found = await microsoft.get(stream, ["gone", "bad", "gone too"])
    assert [type(one) for one in found] == [Tombstone, Reject, Tombstone]
    assert found[1].source_id == "bad"


async def test_where_nothing_else_is_answered_a_refusal_is_the_mailboxs(microsoft) -> None:
    microsoft.routes({f"{USER}/messages/{one}": fail(403, "ErrorAccessDenied") for one in "ab"})
    with pytest.raises(Forbidden):
        await microsoft.get("mail", ["a", "b"])
    microsoft.routes({f"{USER}/messages/a": fail(500, "ErrorCorruptData")})
    assert [type(one) for one in await microsoft.get("mail", ["a"])] == [Reject]
    microsoft.routes({f"{USER}/messages/a": fail(401, "InvalidAuthenticationToken")})
    with pytest.raises(AuthFailed):
        await microsoft.get("mail", ["a", "b"])


@pytest.mark.parametrize("answer", [*FAULTS, *UNREADABLE])
async def test_a_series_that_cannot_be_had_is_refused_alone(calendar: Round, answer: httpx.Response) -> None:
    calendar.table = {f"{USER}/events/M": answer, f"{USER}/events/M2": master("M2")}
    single = event("A", "2026-06-16T09:00:00", "2026-06-16T10:00:00")
    moved = exception("X", "2026-06-22T08:00:00", "2026-06-23T14:00:00")
    others = [{**one, "id": f"2{one['id']}", "seriesMasterId": "M2"} for one in mondays("2026-06-01", 7, "2026-06-08")]
    await calendar.full(page(single, *mondays("2026-06-01", 7, "2026-06-22"), moved, *others))
    assert sorted(calendar.records) == ["A", "M2", "X"]
    assert rejected(calendar) == ["M"]
    assert cancelled(calendar, "M2") == ["2026-06-08"]
    await calendar.delta(page({**moved, "subject": "new"}))
    assert (rejected(calendar), calendar.gone) == (["M"], [])


async def test_a_series_that_is_lost_keeps_what_its_record_says(calendar: Round) -> None:
    """Also later, when it can be read again and only an exception of it was sent."""
    days = mondays("2026-06-01", 7, "2026-06-08", "2026-06-22")
    moved = exception("X", "2026-06-22T08:00:00", "2026-06-23T14:00:00")
    await calendar.full(page(master(), *days, moved))
    assert cancelled(calendar) == ["2026-06-08"]
    calendar.table = {f"{USER}/events/M": FAULTS[0]}
    await calendar.full(page(*days, moved))
    assert cancelled(calendar) == ["2026-06-08"]
    calendar.table = {f"{USER}/events/M": master(subject="new")}
    await calendar.delta(page({**moved, "subject": "other"}))
    assert calendar.records["M"].partial  # what is cancelled stays as it is held


@pytest.mark.parametrize("answer", FAULTS)
async def test_a_sparse_series_that_cannot_be_had_is_asked_for_once(calendar: Round, answer: httpx.Response) -> None:
    moved = exception("X", "2026-06-22T08:00:00", "2026-06-23T14:00:00")
    await calendar.full(page(master(), *mondays("2026-06-01", 7, "2026-06-22"), moved))
    calendar.table = {f"{USER}/events/M": answer}
    sparse = {"id": "M", "type": "seriesMaster", "subject": "new"}
    await calendar.delta(page(sparse, *mondays("2026-06-01", 3)))
    assert (rejected(calendar), calendar.gone) == (["M"], [])


async def test_an_exception_that_cannot_be_had_makes_its_own_series_blind_only(calendar: Round) -> None:
    days = mondays("2026-06-01", 7, "2026-06-22")
    moved = exception("X", "2026-06-22T08:00:00", "2026-06-23T14:00:00")
    other = [occurrence(f"2026-06-{day:02}T08:00:00", "M2") for day in (1, 8, 15, 22, 29)]
    july = [occurrence(f"2026-07-{day:02}T08:00:00", "M2") for day in (6, 13)]
    await calendar.full(page(master(), *days, moved, master("M2"), *other, *july))
    calendar.table = {f"{USER}/events/X": FAULTS[0]}
    sparse = {"id": "X", "type": "exception", "seriesMasterId": "M"}
    await calendar.delta(page(master(subject="new"), *days, sparse, master("M2"), *other[1:], *july))
    assert (rejected(calendar), calendar.gone, cancelled(calendar)) == (["X"], [], [])
    assert cancelled(calendar, "M2") == ["2026-06-01"]


async def test_a_cut_round_remembers_which_series_it_could_not_read(calendar: Round) -> None:
    days = mondays("2026-06-01", 7, "2026-06-22")
    moved = exception("X", "2026-06-22T08:00:00", "2026-06-23T14:00:00")
    await calendar.full(page(master(), *days, moved))
    table: dict[str, Any] = {f"{USER}/events/X": FAULTS[0], f"{USER}/events/M": master(), "/next/2": page(*days[3:])}
    calendar.table = table
    sparse = {"id": "X", "type": "exception", "seriesMasterId": "M"}
    await calendar.delta(page(master(), sparse, *days[:3], next="2"), page(*days[3:]))
    cut = calendar.pages[0].resume
    calendar.microsoft.routes(table)
    pages = await calendar.microsoft.pages("calendar", scan=Scan.DELTA, cursor=cut, partition=CAL, **below(M=["X"]))
    assert not any(isinstance(item, Tombstone) for one in pages for item in one.items)
