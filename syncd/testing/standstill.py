"""Where an event loop stands when it does not go round.

Public: Standstill.
"""

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import FrameType

__all__ = ["Standstill"]

BEAT = 0.005  # seconds between two rounds that are asked for
LOOK = 0.02  # seconds between two looks from outside


@dataclass(slots=True)
class Standstill:
    """`longest`: seconds for which the loop stood still at most; `place`: where that was, if it was seen.

    `home`: top-level packages; the innermost line of theirs is named, else the innermost of all.
    """

    home: Collection[str]
    longest: float = 0.0
    place: str = ""
    _beat: float = field(default_factory=time.monotonic)
    _over: threading.Event = field(default_factory=threading.Event)

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Watch this loop while the body runs."""
        self._beat = time.monotonic()
        beating = asyncio.ensure_future(self._beats())
        watcher = threading.Thread(target=self._look, args=(threading.get_ident(),), daemon=True)
        watcher.start()
        await asyncio.sleep(0)
        try:
            yield
        finally:
            beating.cancel()
            await asyncio.wait({beating})
            self._over.set()
            watcher.join()

    async def _beats(self) -> None:
        try:
            while True:
                await asyncio.sleep(BEAT)
                self._seen()
        finally:
            self._seen()

    def _seen(self) -> None:
        now = time.monotonic()
        self.longest, self._beat = max(self.longest, now - self._beat), now

    def _look(self, thread: int) -> None:
        """From another thread: what the loop's thread does while it does not beat."""
        worst = 2 * LOOK
        while not self._over.wait(LOOK):
            still = time.monotonic() - self._beat
            if still > worst and (frame := sys._current_frames().get(thread)) is not None:
                worst, self.place = still, self._named(frame)

    def _named(self, frame: FrameType) -> str:
        innermost, at = frame, frame
        while at is not None:
            if str(at.f_globals.get("__name__", "")).partition(".")[0] in self.home:
                innermost = at
                break
            at = at.f_back  # type: ignore[assignment]
        return f"{innermost.f_code.co_filename}:{innermost.f_lineno} in {innermost.f_code.co_name}"
