"""Records of which only a part came: what is missing is what is stored.

Public: whole.
"""

from datetime import datetime

from syncd.sdk import Record

from .cipher import NAME, of_record
from .compare import merged
from .database import Row, Tx
from .values import LAST, moment
from .work import Fresh, Known

__all__ = ["whole"]

REST = (
    "SELECT r.parent, r.name, r.when_start, r.when_end, y.etag, y.modified_at, r.stream_id, r.scope FROM record r"
    " JOIN payload y ON y.record_id = r.id WHERE r.id = ?"
)


def whole(tx: Tx, fresh: Fresh, known: Known, stored: Row) -> Fresh:
    """The complete item: `stored` is (record id, data, summary, blob), opened; the rest is looked up."""
    item = fresh.item
    raw = merged(stored[1], fresh.raw)
    summary = fresh.summary
    if summary is not None and stored[2] is not None:
        summary = merged(stored[2], summary)
    row = tx.row(REST, (known.id,))
    assert row is not None
    parent, name, start, end, etag, modified_at, stream, scope = row
    name = tx.cipher.open_text(name, NAME, of_record(stream, scope, known.source_id))
    complete = Record(
        item.source_id,
        raw,
        summary=summary,
        etag=item.etag if item.etag is not None else etag,
        modified_at=item.modified_at if item.modified_at is not None else moment(modified_at),
        blob=item.blob,
        parent=item.parent if item.parent is not None else parent,
        name=item.name if item.name is not None else name,
        when=item.when if item.when is not None else _when(start, end),
        volatile=item.volatile,
    )
    return Fresh(complete, raw, tx.cipher.digest(raw), summary)


def _when(start: int | None, end: int | None) -> tuple[datetime, datetime | None] | None:
    first = moment(start)
    return None if first is None else (first, None if end is None or end >= LAST else moment(end))
