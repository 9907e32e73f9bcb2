"""Counters over sliding windows on the world's clock, and blocks that follow them.

Public: Limits. `world.limits.enabled = False` switches every throttle of the world off.
"""

from collections import defaultdict, deque

from syncd_simulator.clock import SimClock

__all__ = ["Limits"]


class Limits:
    """Windows are kept per (name, key): the name of a limit and who or what is counted."""

    def __init__(self, clock: SimClock) -> None:
        self.enabled = True
        self._clock = clock
        self._taken: dict[tuple[str, str], deque[float]] = defaultdict(deque)
        self._blocked: dict[tuple[str, str], float] = {}

    def take(self, name: str, key: str, most: int, seconds: float) -> float:
        """Count one use: 0.0 when it is within `most` in any rolling `seconds`, else how long until there is room.

        A refused use is not counted; `block` makes early callers wait longer where a product does so.
        """
        if not self.enabled:
            return 0.0
        now = self._clock.time()
        taken = self._taken[name, key]
        while taken and taken[0] <= now - seconds:
            taken.popleft()
        if len(taken) >= most:
            return max(taken[0] + seconds - now, 0.001)
        taken.append(now)
        return 0.0

    def block(self, name: str, key: str, seconds: float) -> None:
        """Refuse this key until `seconds` from now; a longer block stays."""
        until = self._clock.time() + seconds
        self._blocked[name, key] = max(until, self._blocked.get((name, key), 0.0))

    def blocked(self, name: str, key: str) -> float:
        """Seconds that the block still lasts; 0.0 when there is none."""
        if not self.enabled:
            return 0.0
        return max(0.0, self._blocked.get((name, key), 0.0) - self._clock.time())

    def clear(self) -> None:
        """Forget all that was counted."""
        self._taken.clear()
        self._blocked.clear()
