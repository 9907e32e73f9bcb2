"""Asking a run to end after the page it has in hand.

Public: Stop.
"""

from collections.abc import Callable

__all__ = ["Stop"]


class Stop:
    """A run's stop sign. Rounds look at it between pages; those that wait for one are woken through `watch`."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._watchers: dict[int, Callable[[], None]] = {}
        self._serial = 0

    def __bool__(self) -> bool:
        return self.reason is not None

    def request(self, reason: str) -> None:
        """Stop for this reason; the first reason stays."""
        if self.reason is None:
            self.reason = reason
            for wake in list(self._watchers.values()):
                wake()

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` when the stop comes (at once if it has); gives the function that ends the watching."""
        self._serial += 1
        key = self._serial
        self._watchers[key] = wake
        if self:
            wake()
        return lambda: self._watchers.pop(key, None) and None
