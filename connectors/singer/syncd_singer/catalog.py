"""What streams a tap has: reading its catalogue, and saying which of them is wanted.

Public: Catalog, parsed.

A catalogue is JSON: {"streams": [{"tap_stream_id", "stream", "schema", "metadata": [{"breadcrumb", "metadata"}]}]}.
"""

import copy
from dataclasses import dataclass
from typing import Any

import msgspec

__all__ = ["Catalog", "parsed"]

METHODS = {"full": "FULL_TABLE", "incremental": "INCREMENTAL", "log_based": "LOG_BASED"}


@dataclass(frozen=True, slots=True)
class Catalog:
    """`entries`: by `tap_stream_id`."""

    document: dict[str, Any]
    entries: dict[str, dict[str, Any]]

    def names(self) -> list[str]:
        return sorted(self.entries)

    def message_name(self, stream: str) -> str:
        """The stream's name in messages."""
        name = self.entries[stream].get("stream")
        return name if isinstance(name, str) and name else stream

    def method(self, stream: str) -> str:
        """How the tap reads the stream by itself: full, incremental or log_based."""
        entry = self.entries[stream]
        top = _found(entry) or {}
        said = top.get("replication-method") or top.get("forced-replication-method") or entry.get("replication_method")
        return next((word for word, method in METHODS.items() if method == said), "full")

    def narrowed(
        self, stream: str, replication: str, replication_key: str | None = None, exclude: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """The catalogue with this one stream selected, with all its fields but some. It says so in every dialect."""
        document = {**self.document, "streams": [copy.deepcopy(entry) for entry in self.entries.values()]}
        for entry in document["streams"]:
            chosen = _id(entry) == stream
            _select(entry, chosen)
            if chosen:
                _replicate(entry, METHODS[replication], replication_key)
                _select_fields(entry, exclude)
        return document


def parsed(text: bytes) -> Catalog:
    """Raises ValueError if it is no catalogue."""
    try:
        document = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"the catalogue is not JSON: {error}") from error
    streams = document.get("streams") if isinstance(document, dict) else None
    if not isinstance(streams, list):
        raise ValueError("the catalogue has no list of streams")
    entries: dict[str, dict[str, Any]] = {}
    for entry in streams:
        name = _id(entry)
        if name is None or name in entries or not isinstance(entry.get("schema"), dict | None):
            raise ValueError(f"the catalogue has an entry that is no stream, or has one twice: {name or entry!r:.100}")
        entries[name] = entry
    return Catalog(document, entries)


def _id(entry: Any) -> str | None:
    name = (entry.get("tap_stream_id") or entry.get("stream")) if isinstance(entry, dict) else None
    return name if isinstance(name, str) and name else None


def _metadata(entry: dict[str, Any]) -> list[Any]:
    found = entry.get("metadata")
    return found if isinstance(found, list) else []


def _found(entry: dict[str, Any], *breadcrumb: str) -> dict[str, Any] | None:
    """The metadata of a place, if it is there."""
    for one in _metadata(entry):
        said = one.get("metadata") if isinstance(one, dict) and one.get("breadcrumb") == list(breadcrumb) else None
        if isinstance(said, dict):
            return said
    return None


def _at(entry: dict[str, Any], *breadcrumb: str) -> dict[str, Any]:
    """The metadata of a place; made if it is not there."""
    said = _found(entry, *breadcrumb)
    if said is None:
        said = {}
        entry["metadata"] = [*_metadata(entry), {"breadcrumb": list(breadcrumb), "metadata": said}]
    return said


def _select(entry: dict[str, Any], chosen: bool) -> None:
    _at(entry)["selected"] = chosen
    entry["selected"] = chosen
    if isinstance(entry.get("schema"), dict):
        entry["schema"]["selected"] = chosen


def _replicate(entry: dict[str, Any], method: str, key: str | None) -> None:
    _at(entry)["replication-method"] = method
    entry["replication_method"] = method
    if key is not None:
        _at(entry)["replication-key"] = key
        entry["replication_key"] = key


def _select_fields(entry: dict[str, Any], exclude: tuple[str, ...]) -> None:
    """What is named is left out, with all below it. The tap itself says what it cannot do without."""
    properties = entry["schema"].get("properties") if isinstance(entry.get("schema"), dict) else None
    for name in properties if isinstance(properties, dict) else ():
        _at(entry, "properties", name)
    for one in _metadata(entry):
        place, said = (one.get("breadcrumb"), one.get("metadata")) if isinstance(one, dict) else (None, None)
        if isinstance(place, list) and len(place) > 1 and isinstance(said, dict):
            said["selected"] = place[1] not in exclude and said.get("inclusion") != "unsupported"
