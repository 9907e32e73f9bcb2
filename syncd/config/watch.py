"""Tells when the content of the configuration folder has changed.

Public: FolderWatcher, fingerprint, relevant, Debounce.

Events only say when to look; the files' content says whether anything changed. So a touch, an editor's detours and a file
written again with the same text change nothing, and a mounted ConfigMap, whose files get no events when `..data` is
swapped, is seen. A slow look round finds what gives no events: network file systems, files linked from elsewhere, a machine out of
watches.
"""

import hashlib
import logging
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from .files import Unreadable, find, ignored, read

__all__ = ["Debounce", "FolderWatcher", "fingerprint", "relevant"]

log = logging.getLogger(__name__)

QUIET = 0.5  # seconds without events that end a burst (a git checkout, an editor's write and rename)
LONGEST = 5.0  # seconds after which a burst that does not end is looked at anyway
LOOK_ROUND = 30.0  # seconds between two looks without events
_SILENT = ("opened", "closed_no_write")  # reading, our own too


def fingerprint(folder: Path) -> str:
    """A digest of the names and contents of the configuration files; "" if the folder can't be read."""
    digest = hashlib.sha256()
    try:
        for path in find(folder):
            content = _content(path)
            digest.update(f"{path.relative_to(folder)}\0{len(content)}\0".encode("utf-8", "surrogateescape"))
            digest.update(content)
    except OSError:
        return ""
    return digest.hexdigest()


def _content(path: Path) -> bytes:
    try:
        return read(path)
    except Unreadable as error:
        return str(error).encode("utf-8", "surrogateescape")


def relevant(kind: str, *paths: str) -> bool:
    """Whether an event is worth a look: something was written, moved or removed that is not an editor's dropping.

    `kind` is watchdog's event type; `paths` its source and destination, below the folder. Nothing inside a hidden
    folder (`.git`) counts, but `..data` itself does: that is where a ConfigMap is swapped.
    """
    return kind not in _SILENT and any(map(_counts, paths))


def _counts(path: str) -> bool:
    parts = Path(path).parts
    return parts == ("..data",) or (bool(parts) and not any(map(ignored, parts)))


def _identity(folder: Path) -> tuple[int, int] | None:
    """Which folder stands under the name now."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


class Debounce:
    """When a burst of events is over: `quiet` seconds after the last one, `longest` after the first at the latest."""

    def __init__(self, quiet: float, longest: float) -> None:
        self._quiet, self._longest = quiet, longest
        self._first: float | None = None
        self._last = 0.0

    def note(self, now: float) -> None:
        """An event came."""
        self._first = now if self._first is None else self._first
        self._last = now

    def wait(self, now: float) -> float | None:
        """Seconds to go until the burst is over, 0 when it is; None when there is none."""
        if self._first is None:
            return None
        return max(0.0, min(self._last + self._quiet, self._first + self._longest) - now)

    def reset(self) -> None:
        """The burst has been dealt with."""
        self._first = None


class FolderWatcher:
    """Calls `on_change` after the content of the folder has changed, in a thread of its own, never twice at once.

    Start it before the first load: what changes from then on is told. What `on_change` raises is logged, and the watch
    goes on. The folder may vanish, come back, or be a link that is pointed elsewhere.
    """

    def __init__(
        self,
        folder: Path,
        on_change: Callable[[], None],
        *,
        quiet: float = QUIET,
        longest: float = LONGEST,
        look_round: float = LOOK_ROUND,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = Path(folder).absolute()
        self._on_change = on_change
        self._debounce = Debounce(quiet, longest)
        self._look_round = look_round
        self._monotonic = monotonic
        self._wake = threading.Condition()
        self._stopping = False
        self._seen = ""
        self._watched: tuple[int, int] | None = None
        self._real = self._folder
        self._observer: Any = None
        self._thread = threading.Thread(target=self._run, name="syncd-config-watch", daemon=True)

    def start(self) -> None:
        """Begin to watch. What the folder holds now counts as known."""
        # watchdog 7.1 may meet a new folder twice (its event, and its own look round) and says so; nothing is lost
        warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning)
        self._observe()
        self._seen = fingerprint(self._folder)
        self._thread.start()

    def stop(self) -> None:
        """End the watch; returns when the thread is gone. `on_change` must not wait for it."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()
        self._unobserve()

    def _run(self) -> None:
        while not self._stopping:
            if self._settled():
                self._look()

    def _settled(self) -> bool:
        """Wait for the end of a burst or for the next look round; False when it was neither."""
        with self._wake:
            wait = self._debounce.wait(self._monotonic())
            if wait == 0.0:
                self._debounce.reset()
                return True
            notified = self._wake.wait(self._look_round if wait is None else wait)
            return not notified and wait is None and not self._stopping

    def _look(self) -> None:
        if self._observer is None or self._watched != _identity(self._folder):
            self._unobserve()
            self._observe()
        now = fingerprint(self._folder)
        if now == self._seen or self._stopping:
            return
        self._seen = now
        try:
            self._on_change()
        except Exception:
            log.exception("reloading the configuration failed")

    def _observe(self) -> None:
        """Watch the folder, and the one around it for the folder itself being replaced."""
        observer = Observer()
        self._watched = _identity(self._folder)
        self._real = self._folder.resolve()  # inotify does not look behind a link
        try:
            if self._real.is_dir():
                observer.schedule(_Handler(self._event), str(self._real), recursive=True)
            if self._folder.parent.is_dir():
                observer.schedule(_Handler(self._parent_event), str(self._folder.parent))
            observer.start()
            self._observer = observer
        except OSError as error:  # out of watches, or gone meanwhile: the look round finds changes all the same
            log.warning("cannot watch %s (%s): looking every %g s instead", self._folder, error, self._look_round)
            with suppress(Exception):
                observer.stop()

    def _unobserve(self) -> None:
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None

    def _event(self, kind: str, *paths: str) -> None:
        below = [Path(path) for path in paths if Path(path).is_relative_to(self._real)]
        inside = [str(path.relative_to(self._real)) for path in below]
        if relevant(kind, *inside):
            self._note()

    def _parent_event(self, kind: str, *paths: str) -> None:
        if kind in ("created", "moved", "deleted") and str(self._folder) in paths:
            self._note()

    def _note(self) -> None:
        with self._wake:
            self._debounce.note(self._monotonic())
            self._wake.notify()


class _Handler(FileSystemEventHandler):
    def __init__(self, tell: Callable[..., None]) -> None:
        self._tell = tell

    def on_any_event(self, event: FileSystemEvent) -> None:
        self._tell(event.event_type, str(event.src_path), str(event.dest_path))
