"""Looking around: what the dashboard shows beyond the command line's reports.

Public: Browse.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from syncd.config.model import ConnectionConfig
from syncd.engine.report import counts_json
from syncd.sdk.errors import CATALOGUE, Explanation, explanation_of
from syncd.store import Wanted

from .errors import ControlError, unknown
from .parts import Parts

__all__ = ["Browse"]

AT_ONCE = 2  # batches of the search index between two looks, while runs are under way
LARGEST_MAIL = 30 * 2**20  # bytes: what is taken apart for show; larger ones are downloaded


class Browse:
    """Questions of people who look around; every answer is bounded."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    # -- records

    async def records(self, wanted: Wanted) -> dict[str, Any]:
        """`{rows, older, complete, narrow}`. `complete`: the search index knows everything; `narrow`: without an index
        (encryption keys are set, or tombstones are asked for) words are looked up within one stream only.
        """
        store = self._parts.store
        narrow = bool(wanted.text) and not wanted.stream and (wanted.deleted or not store.indexed)
        listing = await store.browse(wanted)
        complete = not wanted.text or await store.searchable()
        return {"rows": listing.rows, "older": listing.older, "complete": complete, "narrow": narrow}

    async def streams(self) -> list[dict[str, Any]]:
        """Every stream that the store knows, with its records: where a look around begins."""
        return await self._parts.store.stream_counts()

    async def stream_names(self) -> list[tuple[str, str]]:
        """(connection, stream) of all that may be looked through."""
        return await self._parts.store.stream_names()

    async def record(self, key: int) -> dict[str, Any]:
        view = await self._parts.store.record_view(key)
        if view is None:
            raise ControlError(f"there is no record {key}", hint="it may have been purged", status=404)
        return view

    async def content(self, sha256: str) -> Iterator[bytes]:
        """A content in chunks, to be read in a thread."""
        chunks = await asyncio.to_thread(self._parts.store.blob, sha256)
        if chunks is None:
            raise ControlError("this content is not held any more", status=404)
        return chunks

    async def small_content(self, sha256: str) -> bytes | None:
        """A content whole; None if it is too large to be shown."""
        chunks = await self.content(sha256)
        return await asyncio.to_thread(_whole, chunks)

    async def index_search(self) -> None:
        """Bring the search index up to the store. Runs under way go first: they leave it little time."""
        batches = 0
        while await self._parts.store.index_some():
            batches += 1
            if batches >= AT_ONCE and self._parts.executor.running():
                return

    # -- runs

    async def runs(self, sync: str, limit: int, before: int | None = None) -> list[dict[str, Any]]:
        """Runs of a sync, newest first, without their errors; also of one that is no longer configured."""
        points = await self._parts.store.run_points(sync, limit, before)
        if not points:
            self._parts.sync(sync)
        return points

    def running(self) -> dict[str, dict[str, Any]]:
        """Sync → how far its run of this process has come."""
        return {handle.sync: _progress(handle.run, handle.progress) for handle in self._parts.executor.running()}

    # -- configuration

    def sync(self, name: str) -> dict[str, Any] | None:
        """What the YAML says of a sync; None if it is not there any more."""
        config = self._parts.config.syncs.get(name)
        if config is None:
            return None
        place = ""
        if config.place is not None:
            file = Path(config.place.file)
            inside = file.is_relative_to(self._parts.folder)
            place = f"{file.relative_to(self._parts.folder) if inside else file}:{config.place.line}"
        return {
            "name": name,
            "connection": config.connection,
            "streams": {stream: dict(options) for stream, options in config.streams.items()},
            "schedule": schedule_text(config.schedule),
            "deletions": str(config.deletions),
            "pause_after": config.pause_after,
            "include": config.accounts.include,
            "exclude": config.accounts.exclude,
            "place": place,
        }

    async def connections(self) -> list[dict[str, Any]]:
        """Every configured connection, with what the last import found."""
        known = await self._parts.store.connection_counts()
        users: dict[str, list[str]] = {}
        for sync in self._parts.config.syncs.values():
            users.setdefault(sync.connection, []).append(sync.name)
        configured = sorted(self._parts.config.connections.items())
        return [self._connection(config, known, users.get(name, ())) for name, config in configured]

    async def connection(self, name: str) -> dict[str, Any]:
        config = self._parts.connection(name)
        users = [one.name for one in self._parts.config.syncs.values() if one.connection == name]
        return self._connection(config, await self._parts.store.connection_counts(name), users)

    def _connection(
        self, config: ConnectionConfig, known: Mapping[str, dict[str, Any]], users: Sequence[str]
    ) -> dict[str, Any]:
        nothing = {"organization": None, "imported_at": None, "accounts": 0, "gone": 0}
        return {
            "name": config.name,
            "connector": config.connector,
            "installed": config.connector in self._parts.plugins.connectors,
            "discovery": str(config.discovery),
            "syncs": sorted(users),
            **known.get(config.name, nothing),
        }

    # -- explanations

    def explanation(self, code: str) -> Explanation:
        found = explanation_of(code, self._more())
        if found is None:
            raise unknown("error code", code, [one.code for one in self.explanations()])
        return found

    def explanations(self) -> list[Explanation]:
        every = {one.code: one for one in [*CATALOGUE.values(), *self._more()]}
        return [every[code] for code in sorted(every)]

    def _more(self) -> list[Explanation]:
        return [entry for one in self._parts.plugins.connectors.values() for entry in one.info.errors]


def schedule_text(schedule: Any) -> str:
    """A schedule as the YAML would say it."""
    interval = getattr(schedule, "interval", None)
    if interval is not None:
        return f"every {_span(int(interval.total_seconds()))}"
    if schedule.preset:
        return str(schedule.preset)
    return f"{schedule.cron} ({schedule.timezone})"


def _span(seconds: int) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def _progress(run: int | None, progress: Any) -> dict[str, Any]:
    totals: Mapping[str, Any] = progress.totals()
    streams = progress.started.streams if progress.started else ()
    return {
        "run": run,
        "requests": progress.requests,
        "accounts": progress.started.accounts if progress.started else 0,
        "streams": {name: counts_json(counts) for name, counts in totals.items()},
        "listed": sum(counts.listed for counts in totals.values()),
        "done": sum(progress.done.values()),
        "of": len(streams) * (progress.started.accounts if progress.started else 0),
    }


def _whole(chunks: Iterator[bytes]) -> bytes | None:
    out = bytearray()
    for chunk in chunks:
        out += chunk
        if len(out) > LARGEST_MAIL:
            return None
    return bytes(out)
