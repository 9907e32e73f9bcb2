"""What the parts of the page transaction share.

Public: Work (one page on its way), Known (a stored record's row), Doubt (an item that needs a closer look), reject.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from syncd.engine.ports import Counts, OpenRound, RunError
from syncd.sdk import Identity, Record, Reject, Scan

from .cipher import TAG, of_record
from .database import Row, Tx
from .errors import Damaged
from .records import Tally

__all__ = ["KNOWN", "Doubt", "Fresh", "Known", "Work", "known_rows", "scope_of"]

KNOWN = (
    "SELECT source_id, id, digest, partition_id, state, tag, summary_version, sha256, version, first_seen_at"
    " FROM record WHERE stream_id = ? AND scope = ? AND source_id IN ({})"
)


class Known(NamedTuple):
    """The columns of KNOWN, opened. The fast path reads the plain row by position instead."""

    source_id: str
    id: int
    digest: bytes
    partition_id: int
    state: int
    tag: str | None
    summary_version: int
    sha256: str | None
    version: int
    first_seen_at: int


class Fresh(NamedTuple):
    """A record that is fit to be stored, as bytes. `summary`: None where the item brings none."""

    item: Record
    raw: bytes
    digest: bytes
    summary: bytes | None


class Doubt(NamedTuple):
    """A record that differs from what is stored, or might."""

    fresh: Fresh
    known: Known


@dataclass(slots=True)
class Work:
    """One page on its way. `repeat`: its round is complete, the last page came once more."""

    tx: Tx
    rnd: OpenRound
    now: datetime
    place: Row
    stream: int
    account: int
    scope: int
    repeat: bool
    counts: Counts = field(default_factory=Counts)
    seen: list[int] = field(default_factory=list)  # unchanged records
    present: list[int] = field(default_factory=list)  # records that the page shows to exist
    rejects: list[Reject] = field(default_factory=list)
    refused: list[Reject] = field(default_factory=list)  # those of them that the store itself refused
    tally: Tally = field(default_factory=Tally)
    errors: list[RunError] = field(default_factory=list)
    held: Mapping[str, str] = field(default_factory=dict)  # SHA-256 of the page's contents → what `blob` knows them by

    def place_of(self, source_id: str) -> bytes:
        """Where the columns of this record are, for the cipher."""
        return of_record(self.stream, self.scope, source_id)

    def known(self, row: Row) -> Known:
        return Known(*row)._replace(tag=self.tag(row))

    def tag(self, row: Row) -> str | None:
        """What the content held is known by; None where that cannot be read (any more)."""
        if row[5] is None:
            return None
        try:
            return self.tx.cipher.open_text(str(row[5]), TAG, self.place_of(row[0]))
        except Damaged:
            return None

    @property
    def full(self) -> bool:
        return self.rnd.plan.scan is Scan.FULL

    @property
    def partition(self) -> int:
        return self.rnd.partition.id

    def refuse(self, reason: str, source_id: str | None = None, data: Any = None) -> None:
        """Count an item as unreadable that the connector took for readable."""
        reject = Reject(reason, source_id, data if isinstance(data, bytes) else None)
        self.rejects.append(reject)
        self.refused.append(reject)


def scope_of(identity: Identity, partition: int, account: int, shared: bool) -> int:
    """Within what a source id is unique. A shared partition's identity leaves the account out: hand-overs change none."""
    if identity is Identity.PARTITION:
        return partition * 2 + 1
    return 0 if shared else account * 2


def known_rows(work: Work, ids: Sequence[str]) -> dict[str, Row]:
    return {row[0]: row for row in work.tx.within(KNOWN, (work.stream, work.scope), ids)}
