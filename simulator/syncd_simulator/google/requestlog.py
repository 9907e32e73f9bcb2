"""What was asked of a world: counters that never forget and a bounded list of the latest requests."""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import NamedTuple

from syncd_simulator.google.wire import JSON


class Asked(NamedTuple):
    """One request that reached an API. `method` is the discovery id, e.g. `people.people.connections.list`."""

    api: str
    method: str
    user: str
    status: int
    in_batch: bool


@dataclass
class RequestLog:
    """Iterable over the latest requests; `by_method`, `by_status`, `by_user`, `units_by_api` count all of them."""

    latest: deque[Asked] = field(default_factory=lambda: deque(maxlen=20_000))
    total: int = 0
    units: int = 0
    by_method: Counter[str] = field(default_factory=Counter)
    by_status: Counter[int] = field(default_factory=Counter)
    by_user: Counter[str] = field(default_factory=Counter)
    units_by_api: Counter[str] = field(default_factory=Counter)

    def note(self, asked: Asked, units: int) -> None:
        """Count one request."""
        self.latest.append(asked)
        self.total += 1
        self.units += units
        self.by_method[asked.method] += 1
        self.by_status[asked.status] += 1
        self.by_user[asked.user] += 1
        self.units_by_api[asked.api] += units

    def clear(self) -> None:
        """Start counting anew."""
        self.latest.clear()
        self.total = self.units = 0
        for counter in (self.by_method, self.by_status, self.by_user, self.units_by_api):
            counter.clear()

    def summary(self) -> JSON:
        """The counters as JSON."""
        return {
            "total": self.total,
            "units": self.units,
            "by_method": dict(self.by_method),
            "by_status": {str(status): count for status, count in self.by_status.items()},
            "by_user": dict(self.by_user),
            "units_by_api": dict(self.units_by_api),
        }
