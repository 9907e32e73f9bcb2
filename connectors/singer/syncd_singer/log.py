"""What a tap logs: lines on its standard error, taken into syncd's log without secrets.

Public: Listener.
"""

import asyncio
import re
from typing import Any

from syncd.sdk import redact

__all__ = ["Listener"]

CHUNK = 64 * 1024
LONGEST = 8 * 1024  # bytes of a line that are looked at; the rest is dropped
SHOWN = 1_000  # characters of a line
MOST = 1_000  # lines of one process
LEVEL = re.compile(r"\b(DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|FATAL)\b", re.IGNORECASE)
METHODS = {"debug": "debug", "info": "info", "warning": "warning", "warn": "warning"}


class Listener:
    """Reads all the time, however fast the tap writes: one that cannot get rid of its log would stand still.

    What is not shown is not looked through for secrets either, but for the last line.
    """

    def __init__(self, stderr: asyncio.StreamReader, log: Any) -> None:
        self.lines = 0
        self._last = b""
        self._stderr = stderr
        self._log = log
        self._line = bytearray()
        self._task = asyncio.create_task(self._listen())

    @property
    def last(self) -> str:
        """The last line that was not empty, without secrets."""
        return _shown(self._last)

    async def finished(self) -> None:
        """Wait until the tap has nothing more to say."""
        await asyncio.shield(self._task)

    async def close(self) -> None:
        """Only after the tap has ended: then this is over at once."""
        try:
            await self.finished()
        finally:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _listen(self) -> None:
        while chunk := await self._stderr.read(CHUNK):
            *ended, rest = chunk.split(b"\n")
            for part in ended:
                self._add(part)
                self._tell()
            self._add(rest)
        self._tell()
        if self.lines > MOST:
            self._log.warning("the tap logged more than is shown", lines=self.lines, shown=MOST)

    def _add(self, part: bytes) -> None:
        self._line += part[: LONGEST - len(self._line)]

    def _tell(self) -> None:
        raw = bytes(self._line)
        self._line.clear()
        if not raw.strip():
            return
        self._last = raw
        self.lines += 1
        if self.lines <= MOST:
            line = _shown(raw)
            found = LEVEL.search(line[:120])
            method = METHODS.get(found[1].lower(), "error") if found else "info"
            getattr(self._log, method)("the tap says", line=line)


def _shown(raw: bytes) -> str:
    """Secrets go before anything is cut off, so that no half of one is left."""
    return redact(raw.decode("utf-8", "replace")).strip()[:SHOWN]
