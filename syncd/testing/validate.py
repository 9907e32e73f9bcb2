"""Whether what a connector hands over keeps the contract's form.

Public: page_problem, item_problem, account_problem, payload, summary_of, SUMMARY_FIELDS.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from syncd.sdk import DELTA, JSON, REPORTED, Account, Blob, Page, Record, Reject, StreamInfo, Tombstone

from .jsontree import load, strict_problem

__all__ = [
    "SUMMARY_FIELDS",
    "account_problem",
    "item_problem",
    "page_problem",
    "payload",
    "place_problem",
    "summary_of",
]

PLACE_LIMIT = 256 * 1024  # bytes of JSON of a resume point or bookmark
PAGE_LIMIT = 10_000  # items; more would make a page's transaction long
CONTENT_LIMIT = 1024 * 1024  # bytes of content that may come with an item
ROLES = {"admin", "delegated_admin", "user"}
TEXT, LIST, WHOLE, PERSON = (str,), (list, tuple), (int,), (str, dict)
SUMMARY_FIELDS: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    "contact": {"name": TEXT, "emails": LIST},
    "event": {"title": TEXT, "start": TEXT, "end": TEXT, "organizer": PERSON, "attendees": LIST},
    "file": {"name": TEXT, "kind": TEXT, "mime_type": TEXT, "size": WHOLE, "modified_at": TEXT},
    "message": {"subject": TEXT, "from": (str, dict, list), "to": (str, dict, list), "date": TEXT, "message_id": TEXT},
}
"""The common fields of each kind (`path` and `blob` of a file are the store's), and the types they may have."""


def place_problem(page: Page) -> str | None:
    """What is wrong with a page's resume point or bookmark: the engine refuses them, and the round with them."""
    for name, place in (("resume", page.resume), ("bookmark", page.bookmark)):
        if problem := _place_problem(place):
            return f"{name} {problem}"
    return None


def page_problem(page: object, info: StreamInfo) -> str | None:
    """What is wrong with a page as a whole, its items included; None if nothing."""
    if not isinstance(page, Page):
        return f"pages() yielded a {type(page).__name__} instead of a Page"
    return next(_page_problems(page, info), None)


def _page_problems(page: Page, info: StreamInfo) -> Iterator[str]:
    if page.bookmark is not None and not page.last:
        yield "a bookmark on a page that is not the last"
    if not isinstance(page.skipped, int) or page.skipped < 0:
        yield f"skipped is {page.skipped!r}"
    if len(page.items) > PAGE_LIMIT:
        yield f"a page of {len(page.items)} items (at most {PAGE_LIMIT})"
    if page.window is not None and any(end is not None and end.tzinfo is None for end in page.window):
        yield f"a window with naive datetimes: {page.window!r}"
    for item in page.items:
        if isinstance(item, Tombstone) and info.deletes is not REPORTED:
            yield f"{item!r} from a stream that declares deletes={info.deletes.value}"
        if problem := item_problem(item, info):
            yield problem


def _place_problem(place: JSON) -> str | None:
    if problem := strict_problem(place, "it"):
        return f"is not JSON: {problem}"
    if json.loads(text := json.dumps(place)) != place:
        return f"changes when it is written as JSON and read again: {text[:200]}"
    if len(text) > PLACE_LIMIT:
        return f"has {len(text)} bytes (at most {PLACE_LIMIT})"
    return None


def item_problem(item: object, info: StreamInfo) -> str | None:
    """What is wrong with one item; None if nothing."""
    if isinstance(item, Record):
        return next((f"{item!r:.200}: {problem}" for problem in _record_problems(item, info)), None)
    if isinstance(item, Tombstone):
        return _id_problem(item.source_id, "the tombstone's id")
    if isinstance(item, Reject):
        if not isinstance(item.reason, str) or not item.reason:
            return f"a Reject whose reason is {item.reason!r}"
        return None if item.source_id is None else _id_problem(item.source_id, "the reject's id")
    return f"a {type(item).__name__} is not an item"


def _id_problem(value: object, what: str) -> str | None:
    if not isinstance(value, str) or not value:
        return f"{what} is {value!r:.100}, not a non-empty string"
    return strict_problem(value, what)


def _record_problems(record: Record, info: StreamInfo) -> Iterator[str]:
    if problem := _id_problem(record.source_id, "its id"):
        yield problem
    data = payload(record.data)
    if not isinstance(data, dict):
        yield "its data is not a JSON object"
    elif problem := strict_problem(data, "data"):
        yield problem
    if record.summary is not None:
        yield from _summary_problems(record, info)
    for name in ("etag", "parent", "name"):
        value = getattr(record, name)
        if value is not None and (not isinstance(value, str) or strict_problem(value)):
            yield f"its {name} is {value!r:.100}"
    yield from _time_problems(record)
    for name in ("previous_ids", "volatile"):
        if isinstance(getattr(record, name), str | bytes):
            yield f"its {name} is {getattr(record, name)!r:.100}, one text and not several"
    for old in record.previous_ids:
        if problem := _id_problem(old, "a previous id"):
            yield problem
    if record.blob is not None:
        yield from _blob_problems(record.blob)


def _summary_problems(record: Record, info: StreamInfo) -> Iterator[str]:
    summary = summary_of(record)
    if not isinstance(summary, dict):
        yield "its summary is not a JSON object"
        return
    if problem := strict_problem(summary, "summary"):
        yield problem
    for name, types in SUMMARY_FIELDS.get(info.kind or "", {}).items():
        value = summary.get(name)
        if value is not None and (not isinstance(value, types) or isinstance(value, bool)):
            yield f"summary.{name} is a {type(value).__name__}"


def _time_problems(record: Record) -> Iterator[str]:
    times = [("modified_at", record.modified_at)]
    when = record.when if isinstance(record.when, tuple) else (record.when,)
    times += [("when", moment) for moment in when]
    given: list[tuple[str, object]] = [*times]
    for name, moment in given:
        if moment is None:
            continue
        if not isinstance(moment, datetime):
            yield f"its {name} is a {type(moment).__name__}, not a datetime"
        elif moment.tzinfo is None:
            yield f"its {name} is a naive datetime: {moment}"


def _blob_problems(blob: Blob) -> Iterator[str]:
    if not isinstance(blob.tag, str) or not blob.tag:
        yield f"its blob's tag is {blob.tag!r}"
    if problem := strict_problem(blob.ref, "its blob's ref"):
        yield problem
    if blob.size is not None and (not isinstance(blob.size, int) or blob.size < 0):
        yield f"its blob's size is {blob.size!r}"
    if blob.hash is not None and blob.hash.partition(":")[0] not in ("md5", "sha1", "sha256", "quickxor"):
        yield f"its blob's hash is {blob.hash!r}"
    if blob.content is not None and len(blob.content) > CONTENT_LIMIT:
        yield f"its blob brings {len(blob.content)} bytes of content (at most {CONTENT_LIMIT})"


def account_problem(account: object) -> str | None:
    if not isinstance(account, Account):
        return f"accounts() yielded a {type(account).__name__}"
    if problem := _id_problem(account.id, "an account's id") or _id_problem(account.address, "an account's address"):
        return problem
    if account.role not in ROLES:
        return f"the role of {account.address} is {account.role!r}, not one of {sorted(ROLES)}"
    return None if account.state and isinstance(account.state, str) else f"{account.address} has no state"


def payload(data: object) -> Any:
    """The parsed payload of a record; MISSING if it is not JSON."""
    return load(data) if isinstance(data, bytes) else data


def summary_of(record: Record) -> Any:
    """The parsed summary; None if the record has none, MISSING if it is not JSON."""
    if isinstance(record.summary, bytes):
        return load(record.summary)
    return dict(record.summary) if isinstance(record.summary, Mapping) else record.summary


def missing_bookmark(page: Page, info: StreamInfo) -> bool:
    return page.last and page.bookmark is None and DELTA in info.scans
