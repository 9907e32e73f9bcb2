"""Encryption keys as operators ask about them: what lies under which, and moving all of it to the newest.

Public: Keys.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from syncd.sdk import SyncdError
from syncd.store import Rotation

from .errors import BUSY, CONFIG, PARTIAL, ControlError
from .parts import Parts

__all__ = ["Keys"]


class Keys:
    """What `syncd keys` does."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._one = asyncio.Lock()

    async def status(self, *, counts: bool = True) -> dict[str, Any]:
        """Keys by their ids, data keys, and with `counts` how many values lie under each, or in clear."""
        return await self._parts.store.key_status(counts=counts)

    async def rotate(self, *, data_key: bool = False) -> AsyncIterator[dict[str, Any]]:
        """Seal everything under the first key; with `data_key` under a new data key. Events, the last one `report`."""
        if not self._parts.store.keys:
            raise ControlError(
                "no encryption keys are configured",
                code="SYN-KEY-004",
                hint="`syncd keys generate` prints one; name it in `encryption_keys` under `daemon:`",
                exit_code=CONFIG,
                status=409,
            )
        if self._one.locked():
            raise ControlError("a rotation is under way", code="SYN-RUN-003", hint="wait for it", exit_code=BUSY)
        async with self._one:
            async for event in self._rotated(self._parts.store.rotation(), data_key):
                yield event

    async def _rotated(self, rotation: Rotation, fresh: bool) -> AsyncIterator[dict[str, Any]]:
        done: dict[str, tuple[int, int]] = {}
        try:
            async for one in rotation.run(fresh=fresh):
                done[one.what] = (one.done, one.damaged)
                yield {
                    "event": "progress", "what": one.what, "done": one.done, "total": one.total, "damaged": one.damaged,
                }  # fmt: skip
        except SyncdError as error:
            raise ControlError(error.message, code=error.code, hint=error.hint or "") from error
        damaged = sum(count for _, count in done.values())
        report = {
            "sealed": {what: count for what, (count, _) in done.items()},
            "damaged": damaged,
            "status": await self.status(),
        }
        yield {"event": "report", "report": report, "exit_code": PARTIAL if damaged else 0}
