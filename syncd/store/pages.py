"""The page transaction: records, proposals, seq numbers, cursor and counts together.

Public: apply_page.

The common paths are short: a record whose payload's bytes are the stored ones costs a look-up and a digest, a new one a
place in a statement of many rows. Only what differs is read, parsed and compared (changes.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import msgspec

from syncd.engine.ports import Content, OpenRound, PageOutcome, StaleRound
from syncd.sdk import Blob, Item, Page, ProtocolError, Record, Reject, Scan, Tombstone

from . import attachments, changes, ledger, pending, quarantine, sweep
from .database import Row, Tx
from .partitions import known_or_new
from .records import LIVE
from .values import dumps
from .work import Doubt, Fresh, Work, known_rows, scope_of

__all__ = ["apply_page"]

LONGEST_ID = 2048  # bytes: what every database's index takes beside its other columns
LARGEST_PLACE = 256 * 1024  # bytes of a resume point or a bookmark
PLACE = (
    "SELECT fence, stream_id, account_id, shared, round_id, lease_owner, last_round, round_listed, round_unproven,"
    " round_window, live FROM partition WHERE id = ?"
)
parse = msgspec.json.Decoder(msgspec.Raw).decode  # checks without building anything


def apply_page(
    tx: Tx, rnd: OpenRound, page: Page, contents: Mapping[str, Content], now: datetime, *, dry: bool = False
) -> PageOutcome:
    """`dry`: for a transaction that will be rolled back; no lease is asked for, and the round does not move on."""
    resume, bookmark = _places(rnd, page)
    if dry:
        rnd = replace(rnd, partition=known_or_new(tx, rnd.partition, rnd.spec, now))
    work = _begin(tx, rnd, now, dry)
    if page.items:
        _apply_items(work, page.items, contents)
    work.counts.skipped += page.skipped
    work.counts.listed += len(page.items) + page.skipped
    work.tally.write(tx)
    if dry:
        return PageOutcome(work.counts, page.last, False, work.errors)
    ledger.add(tx, rnd.run, work.account, work.stream, work.counts)
    empty = sweep.move_on(work, page, resume, bookmark)
    return PageOutcome(work.counts, page.last, empty, work.errors)


def _places(rnd: OpenRound, page: Page) -> tuple[bytes | None, bytes | None]:
    resume = None if page.resume is None else dumps(page.resume)
    bookmark = None if page.bookmark is None else dumps(page.bookmark)
    if max(len(resume or b""), len(bookmark or b"")) > LARGEST_PLACE:
        raise ProtocolError("a resume point or bookmark is larger than 256 KiB")
    if page.last and bookmark is None and Scan.DELTA in rnd.spec.info.scans:
        raise ProtocolError("the last page of a stream with delta rounds carries no bookmark")
    return resume, bookmark


def _begin(tx: Tx, rnd: OpenRound, now: datetime, dry: bool) -> Work:
    place = tx.row(PLACE, (rnd.partition.id,))
    if place is None or (place[0] != rnd.fence and not dry):
        raise StaleRound
    stream, account, shared, lease, last_round = place[1], place[2], place[3], place[5], place[6]
    repeat = lease is None and last_round == rnd.id
    if lease is None and not repeat and not dry:
        raise StaleRound
    scope = scope_of(rnd.spec.info.identity, rnd.partition.id, account, shared)
    return Work(tx, rnd, now, place, stream, account, scope, repeat)


def _apply_items(work: Work, items: Sequence[Item], contents: Mapping[str, Content]) -> None:
    records, tombstones = _sift(work, items)
    former = changes.former_ids(records)
    ids = [*records, *tombstones, *former, *(one.source_id for one in work.rejects if one.source_id)]
    known = known_rows(work, ids)
    if former:
        changes.rename(work, records, known)
    attachments.keep(work.tx, contents)
    contents, work.held = attachments.checked(work.tx, contents)
    fresh, doubtful = _compare(work, records, known, contents)
    changes.write(work, fresh, changes.decide(work, doubtful, contents), contents)
    attachments.settle(work, records, contents)
    _propose(work, tombstones, known)
    quarantine.settle(work, records, known)
    if work.present:
        pending.drop_seen(work.tx, work.stream, work.scope, work.present, work.rnd.run)
    if work.full and not work.repeat and work.seen:
        sweep.remember(work.tx, work.partition, work.seen)


def _sift(work: Work, items: Sequence[Item]) -> tuple[dict[str, Record], dict[str, Tombstone]]:
    """Rejects aside; of several items with one id the last counts, the earlier ones are `unchanged`."""
    rest = [item for item in items if not isinstance(item, Reject)]
    work.rejects += [_nameable(item) for item in items if isinstance(item, Reject)]
    if not _all_storable(rest):
        for item in rest:
            if not _storable(item.source_id):
                work.refuse("its id cannot be stored")
        rest = [item for item in rest if _storable(item.source_id)]
    latest = {item.source_id: item for item in rest}
    work.counts.unchanged += len(rest) - len(latest)
    tombstones = {key: item for key, item in latest.items() if isinstance(item, Tombstone)}
    records = {key: item for key, item in latest.items() if isinstance(item, Record)}
    return records, tombstones


def _nameable(item: Reject) -> Reject:
    """One whose id cannot be stored has none."""
    return item if item.source_id is None or _storable(item.source_id) else Reject(item.reason, None, item.data)


def _all_storable(items: Sequence[Record | Tombstone]) -> bool:
    try:
        ids = [item.source_id for item in items]
        short = max(map(len, ids), default=0) <= LONGEST_ID // 4  # a character has at most four bytes
        return short and all(ids) and _clean("".join(ids))
    except TypeError:
        return False


def _storable(text: object) -> bool:
    """A text that every database takes as a key: not empty, not endless, no NUL, no half characters."""
    return isinstance(text, str) and bool(text) and _clean(text) and len(text.encode()) <= LONGEST_ID


def _clean(text: str) -> bool:
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _compare(
    work: Work, records: Mapping[str, Record], known: Mapping[str, Row], contents: Mapping[str, Content]
) -> tuple[list[Fresh], list[Doubt]]:
    """New records, and those that need a closer look; all others are unchanged."""
    fresh: list[Fresh] = []
    doubtful: list[Doubt] = []
    seen, digest_of = work.seen, work.tx.cipher.digest
    partition, summary_version = work.partition, work.rnd.spec.info.summary_version
    for key, item in records.items():
        raw = item.data if item.data.__class__ is bytes else _serialised(work, item)
        if raw is None:
            continue
        digest = digest_of(raw)
        row = known.get(key)
        if (
            row is not None
            and row[2] == digest
            and row[3] == partition
            and row[4] == LIVE
            and row[6] == summary_version
            and (item.blob is None or key not in contents or _same_content(work, row, item.blob, contents[key]))
            and not item.partial
        ):
            seen.append(row[1])
        elif row is None and item.partial:
            work.refuse("an incomplete item of an unknown id", key, raw)
        elif (ready := _ready(work, item, raw, digest)) is not None:
            if row is None:
                fresh.append(ready)
            else:
                doubtful.append(Doubt(ready, work.known(row)))
    work.counts.unchanged += len(seen)
    work.present += seen
    return fresh, doubtful


def _same_content(work: Work, row: Row, blob: Blob, content: Content) -> bool:
    """Whether the record has this content already, under this tag."""
    alias = None if content.sha256 is None else work.held.get(content.sha256)
    return bool(row[7] == alias and work.tag(row) == blob.tag)


def _serialised(work: Work, item: Record) -> bytes | None:
    try:
        return dumps(item.data)
    except (TypeError, ValueError, RecursionError) as error:
        work.refuse(f"its payload is not JSON: {error}", item.source_id)
        return None


def _ready(work: Work, item: Record, raw: bytes, digest: bytes) -> Fresh | None:
    """Whether payload and summary are JSON objects in UTF-8: what is stored must be readable for good."""
    try:
        if item.data.__class__ is bytes:
            _check(raw)
        if item.summary is None:
            return Fresh(item, raw, digest, None)
        summary = item.summary if isinstance(item.summary, bytes) else dumps(item.summary)
        _check(summary)
        return Fresh(item, raw, digest, summary)
    except (TypeError, ValueError, RecursionError) as error:
        work.refuse(f"its payload or summary is not a JSON object: {error}", item.source_id, raw)
        return None


def _check(raw: bytes) -> None:
    """Raises ValueError (which msgspec's and Unicode's errors are) unless it is one JSON object in UTF-8."""
    if not raw.isascii():
        raw.decode()
    parse(raw)
    if raw[:1] != b"{" and not raw.lstrip().startswith(b"{"):
        raise ValueError("it is another kind of value")


def _propose(work: Work, tombstones: Mapping[str, Tombstone], known: Mapping[str, Row]) -> None:
    """A tombstone counts only where its record lives; for anything else it says nothing new."""
    rows = [known[key] for key in tombstones if key in known]
    here = {row[1]: (work.stream, work.scope) for row in rows if row[3] == work.partition and row[4] == LIVE}
    count = 0
    if here:
        count = pending.propose_reported(work.tx, here, work.partition, work.rnd.run, work.now)
    work.counts.pending += count
    work.counts.unchanged += len(tombstones) - count
