"""What a page changes: the closer look at records that differ, and the writing of those that changed.

Public: former_ids, rename, decide, write.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from syncd.engine.ports import Content, ContentState, RunError
from syncd.sdk import Record

from . import pending
from .cipher import DATA, DESCRIPTOR, NAME, SUMMARY, TAG
from .compare import same_payload
from .database import Row
from .errors import Damaged
from .partial import whole
from .records import DELETED, LIVE, OUT, keep_versions
from .reseal import VALUES, reseal_record
from .values import LAST, dumps, micros, storable
from .work import Doubt, Fresh, Known, Work

__all__ = ["decide", "former_ids", "rename", "write"]

RECORD = (
    "INSERT INTO record (id, stream_id, scope, source_id, partition_id, state, seq, version, change, digest,"
    " summary_version, tag, sha256, seen_round, first_seen_at, last_changed_at, parent, name, when_start, when_end)"
)
OVERWRITE = (
    "ON CONFLICT (stream_id, scope, source_id) DO UPDATE SET partition_id = excluded.partition_id,"
    " state = excluded.state, state_at = NULL, seq = excluded.seq, version = excluded.version,"
    " change = excluded.change, digest = excluded.digest, summary_version = excluded.summary_version,"
    " tag = excluded.tag, sha256 = excluded.sha256, seen_round = excluded.seen_round,"
    " last_changed_at = excluded.last_changed_at, parent = excluded.parent, name = excluded.name,"
    " when_start = excluded.when_start, when_end = excluded.when_end"
)
PAYLOAD = "INSERT INTO payload (record_id, data, summary, blob, etag, modified_at)"
OVERWRITE_PAYLOAD = (
    "ON CONFLICT (record_id) DO UPDATE SET data = excluded.data, summary = excluded.summary, blob = excluded.blob,"
    " etag = excluded.etag, modified_at = excluded.modified_at"
)
STORED = "SELECT record_id, data, summary, blob FROM payload WHERE record_id IN ({})"
RENAMED = b""  # stands for the digest of a record that got a new id: a change, whatever its payload


@dataclass(frozen=True, slots=True)
class Attached:
    """A record's content, before it is sealed. `alias`: what `blob` knows it by."""

    tag: str | None = None
    alias: str | None = None
    blob: bytes | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A known record that is to be written."""

    fresh: Fresh
    known: Known
    attached: Attached


def former_ids(records: Mapping[str, Record]) -> list[str]:
    return [old for item in records.values() if item.previous_ids for old in item.previous_ids]


def rename(work: Work, records: Mapping[str, Record], known: dict[str, Row]) -> None:
    """Give live records with a former id their new one in place, or propose them where the new one is taken."""
    for key, item in records.items():
        for old in item.previous_ids:
            row = known.get(old)
            if row is None or old in records or row[4] == DELETED:
                continue
            if key not in known:
                work.tx.run("UPDATE record SET source_id = ? WHERE id = ?", (key, row[1]))
                reseal_record(work.tx, row[1], work.place_of(old), work.place_of(key))
                known[key] = (key, row[1], RENAMED, row[3], row[4], _tag_now(work, row[1]), *row[6:])
                del known[old]
            elif row[3] == work.partition and row[4] == LIVE:
                proposed = {row[1]: (work.stream, work.scope)}
                pending.propose_reported(work.tx, proposed, work.partition, work.rnd.run, work.now, counted=False)


def _tag_now(work: Work, key: int) -> str | None:
    tag: str | None = work.tx.value("SELECT tag FROM record WHERE id = ?", (key,))
    return tag


def decide(work: Work, doubtful: Sequence[Doubt], contents: Mapping[str, Content]) -> list[Change]:
    """The closer look: which of these really changed. Counts them all."""
    if not doubtful:
        return []
    stored = {row[0]: row for row in work.tx.within(STORED, (), [doubt.known.id for doubt in doubtful])}
    found = [_decide_one(work, doubt, _opened(work, doubt.known, stored), contents) for doubt in doubtful]
    return [change for change in found if change is not None]


def _opened(work: Work, known: Known, stored: Mapping[int, Row]) -> Row | None:
    """What is kept of a record; None if nothing is, or nothing that can be read: then the provider's item replaces it."""
    row = stored.get(known.id)
    if row is None:
        return None
    cipher, place = work.tx.cipher, work.place_of(known.source_id)
    try:
        return (row[0], *(cipher.open(one, column, place) for one, column in zip(row[1:], VALUES, strict=True)))
    except Damaged as error:
        label = work.tx.value("SELECT label FROM account WHERE id = ?", (work.account,))
        where = (work.rnd.spec.info.name, label, work.rnd.partition.partition.id, known.source_id)
        work.errors.append(RunError(error.code, str(error), *where))
        return None


def _decide_one(work: Work, doubt: Doubt, stored: Row | None, contents: Mapping[str, Content]) -> Change | None:
    fresh, known = doubt
    item = fresh.item
    if item.partial:
        if stored is None:
            work.refuse("an incomplete item of an unknown id", item.source_id, fresh.raw)
            return None
        fresh = whole(work.tx, fresh, known, stored)
        item = fresh.item
    if fresh.summary is None and stored is not None:
        fresh = fresh._replace(summary=stored[2])
    content = contents.get(item.source_id) if item.blob is not None else None
    attached = _attached(work, item, content, Attached(known.tag, known.sha256, stored[3] if stored else None))
    failed = content is not None and content.state is ContentState.FAILED
    work.present.append(known.id)
    if stored is not None and _same(work, fresh, known, stored, attached, failed):
        _count(work, failed, "unchanged")
        _note_unchanged(work, fresh, known, known.tag if failed else attached.tag)
        return None
    work.tally.leave(known.partition_id, known.state)
    work.tally.enter(work.partition, LIVE)
    _count(work, failed, "new" if known.state == DELETED else "updated")
    return Change(fresh, known, attached)


def _same(work: Work, fresh: Fresh, known: Known, stored: Row, attached: Attached, failed: bool) -> bool:
    if known.partition_id != work.partition or known.state not in (LIVE, OUT) or known.digest == RENAMED:
        return False
    if attached.blob != stored[3] and not failed:
        return False
    volatile = (*work.rnd.spec.info.volatile, *fresh.item.volatile)
    return known.digest == fresh.digest or same_payload(stored[1], fresh.raw, volatile)


def _note_unchanged(work: Work, fresh: Fresh, known: Known, tag: str | None) -> None:
    """Nothing changed for a reader; what the store itself needs to remember is written quietly."""
    work.seen.append(known.id)
    version = work.rnd.spec.info.summary_version
    if known.state == OUT:
        work.tally.leave(known.partition_id, OUT)
        work.tally.enter(known.partition_id, LIVE)
    if (known.state, known.tag) != (LIVE, tag):
        sql = "UPDATE record SET state = ?, state_at = NULL, tag = ? WHERE id = ?"
        sealed = work.tx.cipher.seal_text(storable(tag), TAG, work.place_of(known.source_id))
        work.tx.run(sql, (LIVE, sealed, known.id))
    if known.summary_version != version:  # all that is derived from the payload, made in a new way
        sql = "UPDATE record SET summary_version = ?, parent = ?, name = ?, when_start = ?, when_end = ? WHERE id = ?"
        place = work.place_of(known.source_id)
        work.tx.run(sql, (version, *_tail(work, fresh.item, place), known.id))
        summary = work.tx.cipher.seal(fresh.summary, SUMMARY, place)
        work.tx.run("UPDATE payload SET summary = ? WHERE record_id = ?", (summary, known.id))


def _count(work: Work, failed: bool, outcome: str) -> None:
    """An item whose content could not be had is `failed`, whatever else became of it."""
    name = "failed" if failed else outcome
    setattr(work.counts, name, getattr(work.counts, name) + 1)


def _attached(work: Work, item: Record, content: Content | None, stored: Attached) -> Attached:
    if content is None or item.blob is None:
        return stored  # not asked for: what is held stays
    if content.state is ContentState.FAILED:
        return Attached()
    if content.state is ContentState.SKIPPED:
        return Attached(item.blob.tag, None, dumps({"skipped": content.reason}))
    held = {"sha256": content.sha256, "size": content.size, "mime_type": content.mime_type or item.blob.mime_type}
    return Attached(item.blob.tag, work.held[content.sha256 or ""], dumps(held))


def write(work: Work, fresh: Sequence[Fresh], changes: Sequence[Change], contents: Mapping[str, Content]) -> None:
    if not fresh and not changes:
        return
    seq = work.tx.numbers("seq", len(fresh) + len(changes))
    if fresh:
        _write_fresh(work, fresh, contents, seq)
    if changes:
        keep_versions(work.tx, [change.known.id for change in changes], work.now)
        _write_changes(work, changes, seq + len(fresh))


def _write_fresh(work: Work, fresh: Sequence[Fresh], contents: Mapping[str, Content], seq: int) -> None:
    """`record.id` of a new record is its first seq, so that its payload's row needs no look-up."""
    none = Attached()
    records: list[tuple[Any, ...]] = []
    payloads: list[tuple[Any, ...]] = []
    place = (work.partition, LIVE)
    summary_version, round_id, now = work.rnd.spec.info.summary_version, work.rnd.id, micros(work.now)
    failed = 0
    for number, (item, raw, digest, summary) in enumerate(fresh, seq):
        attached = none
        if item.blob is not None:
            content = contents.get(item.source_id)
            attached = _attached(work, item, content, none)
            failed += content is not None and content.state is ContentState.FAILED
        here = work.place_of(item.source_id)
        tag, *payload = _sealed(work, here, raw, summary, attached)
        records.append(
            (number, work.stream, work.scope, item.source_id, *place, number, 1, "added", digest, summary_version,
             tag, attached.alias, round_id, now, now, *_tail(work, item, here))
        )  # fmt: skip
        payloads.append((number, *payload, storable(item.etag), micros(item.modified_at)))
    work.tx.insert(RECORD, records)
    work.tx.insert(PAYLOAD, payloads)
    work.tally.enter(work.partition, LIVE, len(fresh))
    work.counts.new += len(fresh) - failed
    work.counts.failed += failed


def _write_changes(work: Work, changes: Sequence[Change], seq: int) -> None:
    """`id` is only there to be unique: the row that stands keeps its own."""
    records: list[tuple[Any, ...]] = []
    payloads: list[tuple[Any, ...]] = []
    now = micros(work.now)
    for number, change in enumerate(changes, seq):
        (item, raw, digest, summary), known, attached = change.fresh, change.known, change.attached
        here = work.place_of(item.source_id)
        tag, *payload = _sealed(work, here, raw, summary, attached)
        what = "added" if known.state == DELETED else "updated"
        records.append(
            (number, work.stream, work.scope, item.source_id, work.partition, LIVE, number, known.version + 1, what,
             digest, work.rnd.spec.info.summary_version, tag, attached.alias, work.rnd.id,
             known.first_seen_at, now, *_tail(work, item, here))
        )  # fmt: skip
        payloads.append((known.id, *payload, storable(item.etag), micros(item.modified_at)))
    work.tx.insert(RECORD, records, OVERWRITE)
    work.tx.insert(PAYLOAD, payloads, OVERWRITE_PAYLOAD)


def _sealed(
    work: Work, place: bytes, raw: bytes, summary: bytes | None, attached: Attached
) -> tuple[str | None, bytes, bytes | None, bytes | None]:
    """tag, data, summary, blob, as they are kept."""
    cipher = work.tx.cipher
    return (
        cipher.seal_text(storable(attached.tag), TAG, place),
        cipher.seal(raw, DATA, place),
        cipher.seal(summary, SUMMARY, place),
        cipher.seal(attached.blob, DESCRIPTOR, place),
    )


def _tail(work: Work, item: Record, place: bytes) -> tuple[str | None, str | None, int | None, int | None]:
    """parent, name, when_start, when_end"""
    parent, name = storable(item.parent), work.tx.cipher.seal_text(storable(item.name), NAME, place)
    if item.when is None:
        return parent, name, None, None
    return parent, name, *_span(item.when)


def _span(when: datetime | tuple[datetime, datetime | None]) -> tuple[int | None, int | None]:
    """Start and end; a span without end lasts for ever."""
    if isinstance(when, datetime):
        return micros(when), micros(when)
    start, end = when
    return micros(start), LAST if end is None else micros(end)
