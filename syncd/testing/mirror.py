"""A mirror without a database: the rules of identity, deletion and merging over a dict.

Public: Mirror, Kept, differences. The rules are those of docs/decisions/0002-page-transaction.md, in small.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from syncd.sdk import ACCOUNT, JSON, Item, Record, Reject, StreamInfo, Tombstone

from .jsontree import without
from .validate import payload, summary_of

__all__ = ["Kept", "Key", "Mirror", "differences"]

Key: TypeAlias = tuple[str, str]  # (partition id, or "" where ids are unique in the account's stream; source id)
Truth: TypeAlias = Mapping[str, Mapping[str, JSON]]


@dataclass(slots=True)
class Kept:
    """A live record."""

    partition: str
    data: dict[str, Any]
    summary: dict[str, Any] | None
    tag: str | None
    parent: str | None = None
    volatile: tuple[str, ...] = ()  # in this record besides the stream's


@dataclass(slots=True)
class Mirror:
    """What is held of one account's stream. `rejected`: ids refused; `anonymous`: how many rejects had no id."""

    info: StreamInfo
    live: dict[Key, Kept] = field(default_factory=dict)
    pending: dict[Key, str] = field(default_factory=dict)
    rejected: set[str] = field(default_factory=set)
    anonymous: int = 0
    tombstones: int = 0

    def key(self, partition: str, source_id: str) -> Key:
        return ("" if self.info.identity is ACCOUNT else partition), source_id

    def apply(self, partition: str, item: Item) -> None:
        """One item of a page."""
        match item:
            case Record():
                self._apply_record(partition, item)
            case Tombstone():
                self.tombstones += 1
                self.propose(partition, self.key(partition, item.source_id))
            case Reject():
                self._refuse(item.source_id)

    def _refuse(self, source_id: str | None) -> None:
        if source_id is None:
            self.anonymous += 1
        else:
            self.rejected.add(source_id)

    def _apply_record(self, partition: str, record: Record) -> None:
        key = self.key(partition, record.source_id)
        data = payload(record.data)
        for old in record.previous_ids:
            if key in self.live:
                self.propose(partition, self.key(partition, old))
            elif (before := self.live.pop(self.key(partition, old), None)) is not None:
                self.live[key] = before
        known = self.live.get(key)
        if record.partial:
            if known is None:
                self._refuse(record.source_id)
                return
            data = {name: value for name, value in {**known.data, **data}.items() if value is not None}
        summary = summary_of(record)
        if record.partial and summary is not None and known is not None and known.summary is not None:
            summary = {name: value for name, value in {**known.summary, **summary}.items() if value is not None}
        tag = record.blob.tag if record.blob else (known.tag if record.partial and known else None)
        summary = known.summary if summary is None and known else summary
        self.live[key] = Kept(partition, data, summary, tag, record.parent, tuple(record.volatile))
        self.pending.pop(key, None)
        self.rejected.discard(record.source_id)

    def propose(self, partition: str, key: Key) -> None:
        """A pending deletion; it counts only while that partition is where the record lives."""
        if key in self.live and self.live[key].partition == partition:
            self.pending[key] = partition

    def sweep(self, partition: str, seen: set[Key]) -> None:
        """After a complete full round: what it did not list is proposed for deletion."""
        for key, kept in self.live.items():
            if kept.partition == partition and key not in seen:
                self.pending[key] = partition

    def settle(self) -> None:
        """Every partition has been looked at since: what is still proposed is gone."""
        for key in self.pending:
            self.live.pop(key, None)
        self.pending.clear()

    def copy(self) -> "Mirror":
        return Mirror(
            self.info,
            {key: copy.copy(kept) for key, kept in self.live.items()},
            dict(self.pending),
            set(self.rejected),
            self.anonymous,
            self.tombstones,
        )

    def stable(self) -> dict[Key, Any]:
        """What two mirrors of the same source must agree on."""
        return {
            key: (kept.partition, without(kept.data, (*self.info.volatile, *kept.volatile)), kept.summary, kept.tag)
            for key, kept in self.live.items()
        }


def differences(mirror: Mirror, truth: Truth, *, ids_only: bool = False) -> Iterator[str]:
    """What the mirror has and the source has not, and the other way round; refused items excepted.

    A reject without an id makes a run `partial`: what is missing then is not missing in silence.
    """
    there: dict[Key, dict[str, JSON]] = {}
    for partition, items in truth.items():
        for source_id, item in items.items():
            there.setdefault(mirror.key(partition, source_id), {})[partition] = item
    missing = sorted(key for key in there if key not in mirror.live and key[1] not in mirror.rejected)
    if missing and not mirror.anonymous:
        yield f"missing in the mirror: {_some(missing)}"
    extra = sorted(key for key in mirror.live if key not in there)
    if extra and not (mirror.anonymous or mirror.rejected):  # a reject can be the new name of what is extra
        yield f"in the mirror, not at the source: {_some(extra)}"
    if ids_only:
        return
    for key, kept in mirror.live.items():
        if key in there and kept.partition not in there[key]:
            yield f"{key[1]} is kept in partition {kept.partition!r}, at the source it is in {sorted(there[key])}"
        elif key in there and (problem := _stale(kept, there[key][kept.partition], mirror.info)):
            yield f"{key[1]}: {problem}"


def _stale(kept: Kept, item: JSON, info: StreamInfo) -> str | None:
    if not isinstance(item, Mapping):
        return None
    volatile = (*info.volatile, *kept.volatile)
    wanted, data = without(dict(item), volatile), without(kept.data, volatile)
    for name, value in wanted.items():
        if name not in data:
            return f"data has no {name!r}"
        if data[name] != value:
            return f"data.{name} is {data[name]!r:.120}, at the source it is {value!r:.120}"
    return None


def _some(keys: list[Key]) -> str:
    shown = ", ".join(repr(source_id) for _, source_id in keys[:5])
    return f"{shown}{' …' if len(keys) > 5 else ''} ({len(keys)})"
