"""What the form of accounts, pages and items must be: a table of offences."""

from datetime import UTC, datetime
from typing import Any

import pytest

from syncd.sdk import SWEEP, Account, Blob, Page, Record, Reject, StreamInfo, Tombstone
from syncd.testing.validate import account_problem, page_problem, place_problem

NAIVE, AWARE = datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC)  # noqa: DTZ001
CONTACTS = StreamInfo("contacts")

GOOD = [
    Record("a", {"x": [1, None, "ü"]}, summary={"name": "A", "emails": []}, modified_at=AWARE, when=(AWARE, None)),
    Record("b", b'{"x": 1}', blob=Blob({"id": 1}, "tag", size=3, hash="md5:00", content=b"abc")),
    Tombstone("c"),
    Reject("unreadable"),
]
BAD: list[tuple[Any, str]] = [
    (Record("", {}), "non-empty"),
    (Record(7, {}), "non-empty"),  # type: ignore[arg-type]
    (Record("\ud800", {}), "Unicode"),
    (Record("a", b"[]"), "not a JSON object"),
    (Record("a", {"x": {1, 2}}), "not JSON"),
    (Record("a", {"x": float("inf")}), "inf"),
    (Record("a", {}, summary={"name": 7}), "summary.name"),
    (Record("a", {}, summary={"emails": "a@b.c"}), "summary.emails"),
    (Record("a", {}, modified_at=NAIVE), "naive"),
    (Record("a", {}, when=(AWARE, NAIVE)), "naive"),
    (Record("a", {}, modified_at="2026-01-01"), "not a datetime"),  # type: ignore[arg-type]
    (Record("a", {}, etag=5), "etag"),  # type: ignore[arg-type]
    (Record("a", {}, previous_ids=[""]), "previous id"),
    (Record("a", {}, blob=Blob("r", "")), "tag"),
    (Record("a", {}, blob=Blob("r", "t", size=-1)), "size"),
    (Record("a", {}, blob=Blob("r", "t", hash="crc:1")), "hash"),
    (Record("a", {}, blob=Blob("r", "t", content=bytes(2**20 + 1))), "bytes of content"),
    (Tombstone(""), "tombstone"),
    (Reject(""), "reason"),
    ({"id": "a"}, "not an item"),
]


def test_a_good_page_has_no_problem() -> None:
    assert page_problem(Page(GOOD, last=True, bookmark={"n": 1}), CONTACTS) is None


@pytest.mark.parametrize(("item", "told"), BAD)
def test_a_bad_item_is_told(item: Any, told: str) -> None:
    assert told in (page_problem(Page([item]), CONTACTS) or "")


def test_pages_have_a_form_too() -> None:
    assert "instead of a Page" in (page_problem([], CONTACTS) or "")
    assert "not the last" in (page_problem(Page([], bookmark=1), CONTACTS) or "")
    assert "skipped" in (page_problem(Page([], skipped=-1), CONTACTS) or "")
    assert "window" in (page_problem(Page([], window=(NAIVE, None)), CONTACTS) or "")
    assert "at most" in (page_problem(Page([Tombstone("a")] * 10_001), CONTACTS) or "")
    assert "sweep" in (page_problem(Page([Tombstone("a")]), StreamInfo("x", deletes=SWEEP)) or "")


def test_places_are_small_json() -> None:
    assert place_problem(Page([], resume={"page": "x"})) is None
    assert "bytes" in (place_problem(Page([], resume="x" * 300_000)) or "")
    assert "not JSON" in (place_problem(Page([], bookmark={"at": AWARE})) or "")
    assert "changes" in (place_problem(Page([], bookmark=(1, 2))) or "")


def test_accounts_have_ids_addresses_and_known_roles() -> None:
    assert account_problem(Account("1", "a@b.c")) is None
    assert "id" in (account_problem(Account("", "a@b.c")) or "")
    assert "role" in (account_problem(Account("1", "a@b.c", role="boss")) or "")
