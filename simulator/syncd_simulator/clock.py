"""Time for simulated worlds: the wall clock plus jumps, or a clock that only moves when told to.

Everything in a world that depends on time (token lifetimes, sync token age, quotas, delays) asks its clock.
"""

import time
from datetime import UTC, datetime


class SimClock:
    """Seconds since the epoch. `SimClock()` follows the wall clock; `SimClock.manual(start)` stands still."""

    def __init__(self) -> None:
        self._frozen: float | None = None
        self._offset = 0.0

    @classmethod
    def manual(cls, start: float | None = None) -> "SimClock":
        """A clock that stands at `start` (default: now) and moves by `advance` only."""
        clock = cls()
        clock._frozen = time.time() if start is None else start
        return clock

    def time(self) -> float:
        """The simulated time now."""
        if self._frozen is not None:
            return self._frozen
        return time.time() + self._offset

    def advance(self, seconds: float) -> None:
        """Jump ahead."""
        if self._frozen is not None:
            self._frozen += seconds
        else:
            self._offset += seconds


def rfc3339(moment: float) -> str:
    """`2026-01-31T10:20:30.123Z`, the form in which the APIs write instants."""
    whole = datetime.fromtimestamp(moment, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{whole.microsecond // 1000:03d}Z"


def parse_rfc3339(text: str) -> float:
    """The instant of an RFC 3339 text; ValueError when it has no offset or is not a date."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"no offset in {text!r}")
    return moment.timestamp()
