"""From an entry of an answer to a record, a tombstone or a reject.

Public: Shape (how a stream's entries are read), Ids.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from syncd.sdk import Blob, Item, Record, Reject, Tombstone

from .conditions import Condition
from .moments import moment, written
from .numerals import encoded, is_sound
from .paths import Path
from .plan import Listing, StreamPlan, Texts
from .summaries import Summary

__all__ = ["Ids", "Read", "Shape"]

_LONGEST_ID = 512  # characters; what is longer is no id but a mistake


@dataclass(frozen=True, slots=True)
class Read:
    """One entry, read: the item (None: by design not stored), when it was changed, and a digest of what it said."""

    item: Item | None
    changed: float | None = None


class Shape:
    """The paths of a stream. `reports`: whether a deleted entry may be told as a tombstone."""

    def __init__(self, plan: StreamPlan, kind: str | None, *, reports: bool) -> None:
        self.ids = Ids(plan)
        self._modified = paths_of(plan.modified) if plan.modified else []
        self._etag = Path(plan.etag) if plan.etag else None
        self._name = Path(plan.name) if plan.name else None
        self._folder = Path(plan.folder) if plan.folder else None
        self._deleted = Condition(plan.deleted) if plan.deleted else None
        self._gone = Path(plan.deleted_ids) if plan.deleted_ids else None
        self._summary = Summary(plan.summary, kind) if plan.summary else None
        self._content = Contents(plan) if plan.content else None
        self._reports = reports

    def read(self, entry: Any) -> Read:
        """One entry. What cannot be read is a Reject, with its id where it has one."""
        source_id = self.ids.of(entry)
        try:
            data = encoded(entry)
        except ValueError as error:
            reason = "an entry without an id" if source_id is None else f"an entry with {error}"
            return Read(Reject(reason, source_id))
        if source_id is None:
            return Read(Reject("an entry without an id", data=data))
        if self._deleted is not None and self._deleted.holds(entry):
            changed = self._changed(entry)
            return Read(Tombstone(source_id) if self._reports else None, None if isinstance(changed, str) else changed)
        changed = self._changed(entry)
        if isinstance(changed, str):
            return Read(Reject(changed, source_id, data))
        return Read(self._record(source_id, entry, data, changed), changed)

    def gone(self, answer: Any) -> list[Item]:
        """The deletions that an answer lists beside its entries."""
        if self._gone is None or not self._reports:
            return []
        found = self._gone.entries(answer) or []
        ids = [_text(value) for value in found]
        return [Tombstone(one) if one else Reject("a deletion without an id", data=None) for one in ids]

    def _record(self, source_id: str, entry: dict[str, Any], data: bytes, changed: float | None) -> Record:
        modified = None if changed is None else moment(changed)
        return Record(
            source_id,
            data,
            summary=self._summary.of(entry) if self._summary else None,
            etag=_text(self._etag.first(entry)) if self._etag else None,
            modified_at=modified,
            blob=self._content.blob(source_id, entry, modified) if self._content else None,
            parent=_text(self._folder.first(entry)) if self._folder else None,
            name=_text(self._name.first(entry)) if self._name else None,
        )

    def _changed(self, entry: dict[str, Any]) -> float | str | None:
        """When it was changed, in seconds since 1970; None where it does not say, a text where that makes no sense."""
        found = next((value for path in self._modified for value in path.find(entry)), None)
        if found is None:
            return None
        when = moment(found)
        return "its time of modification cannot be read" if when is None else when.timestamp()


class Contents:
    """Where an entry's content is, and what is said of it."""

    def __init__(self, plan: StreamPlan) -> None:
        content = plan.content
        assert content is not None
        self._url = Path(content.url) if content.url else None
        self._when = Condition(content.when) if content.when else None
        self._tag = Path(content.tag) if content.tag else None
        self._size = Path(content.size) if content.size else None
        self._mime = Path(content.mime_type) if content.mime_type else None
        sums = {"sha256": content.sha256, "sha1": content.sha1, "md5": content.md5}
        self._sums = {name: Path(path) for name, path in sums.items() if path}

    def blob(self, source_id: str, entry: dict[str, Any], modified: Any) -> Blob | None:
        """None where the entry has no content."""
        if self._when is not None and not self._when.holds(entry):
            return None
        ref: dict[str, Any] = {"id": source_id}
        if self._url is not None:
            url = self._url.first(entry)
            if not isinstance(url, str) or not url:
                return None
            ref = {"url": url}
        size = self._size.first(entry) if self._size else None
        checksum = self._checksum(entry)
        tag = _text(self._tag.first(entry)) if self._tag else checksum
        return Blob(
            ref,
            tag or (str(written(modified, "rfc3339")) if modified else "1"),
            size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None,
            checksum,
            mime_type=_text(self._mime.first(entry)) if self._mime else None,
        )

    def _checksum(self, entry: dict[str, Any]) -> str | None:
        for name, path in self._sums.items():
            value = path.first(entry)
            if isinstance(value, str) and value and all(char in "0123456789abcdef" for char in value.lower()):
                return f"{name}:{value.lower()}"
        return None


class Ids:
    """How ids are read: a text or a whole number. Several parts are joined with a colon; one within a part is escaped."""

    def __init__(self, plan: Listing) -> None:
        self._paths = paths_of(plan.id)
        self._wanted = {"text": str, "number": int}.get(plan.id_type or "")

    def of(self, entry: Any) -> str | None:
        """None if a part of it is missing, of another type than the settings say, or nothing that an id can be."""
        if not isinstance(entry, dict):
            return None
        found = [path.first(entry) for path in self._paths]
        if self._wanted is not None and not all(type(value) is self._wanted for value in found):
            return None
        parts = [_text(value) for value in found]
        good = all(part is not None and len(part) <= _LONGEST_ID and part.isprintable() for part in parts)
        return _joined([part for part in parts if part]) if good else None

    def kinds(self, entries: Sequence[Any]) -> set[type]:
        """The JSON types of the ids: one, in a listing that makes sense."""
        found = [self._paths[0].first(entry) for entry in entries] if len(self._paths) == 1 else []
        return {type(value) for value in found if isinstance(value, str | int) and not isinstance(value, bool)}


def paths_of(texts: Texts) -> list[Path]:
    return [Path(texts)] if isinstance(texts, str) else [Path(text) for text in texts]


def _joined(parts: Sequence[str]) -> str:
    """One id of its parts, which no other parts give."""
    if len(parts) == 1:
        return parts[0]
    return ":".join(part.replace("\\", "\\\\").replace(":", "\\:") for part in parts)


def _text(value: Any) -> str | None:
    """A text or a number as text; None for everything else, and for text that nobody can write down."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value and is_sound(value) else None
