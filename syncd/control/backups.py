"""Backups of a state directory, and the way back.

Public: backup, restore. Both work on the directory itself, beside a daemon if one runs: no door of the daemon writes to a path.
"""

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from syncd.sdk import Clock, SyncdError
from syncd.store import BackupUnderWay, Made, Progress, make_backup, read_manifest, restore_backup

from .errors import BUSY, FAILED, PARTIAL, ControlError

__all__ = ["backup", "restore"]

Event = dict[str, Any]


def backup(state: Path, place: Path, clock: Clock) -> Iterator[Event]:
    """Write a backup. Events, the last one `report`; partial where contents were missing."""
    for event in _events(make_backup(state, place, clock.now(), version("syncd"))):
        if isinstance(event, Made):
            report = {"backup": str(place), **read_manifest(place)}
            yield {"event": "report", "report": report, "exit_code": PARTIAL if event.missing else 0}
        else:
            yield _progress(event)


def restore(source: Path, state: Path) -> Iterator[Event]:
    """Restore a backup into an empty state directory. Events, the last one `report`."""
    for event in _events(restore_backup(source, state)):
        if isinstance(event, Made):
            report = {"restored": str(source), "state": str(state), **read_manifest(source)}
            yield {"event": "report", "report": report, "exit_code": 0}
        else:
            yield _progress(event)


def _progress(one: Progress) -> Event:
    return {"event": "progress", "what": one.what, "done": one.done, "total": one.total}


def _events(source: Iterator[Progress | Made]) -> Iterator[Progress | Made]:
    try:
        yield from source
    except BackupUnderWay as error:
        raise ControlError(error.message, code=error.code, hint="wait for it", exit_code=BUSY) from error
    except SyncdError as error:
        raise ControlError(error.message, code=error.code, hint=error.hint or "", exit_code=FAILED) from error
