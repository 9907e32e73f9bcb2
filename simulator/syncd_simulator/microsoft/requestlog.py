"""What was asked of a world: counters that never forget and a bounded list of the latest requests.

Public: RequestLog, Asked.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import NamedTuple

from syncd_simulator.microsoft.wire import JSON

__all__ = ["Asked", "RequestLog"]


class Asked(NamedTuple):
    """One request. `method` is HTTP method and path template, e.g. `GET /users/{u}/contactFolders`."""

    api: str
    method: str
    user: str
    status: int
    in_batch: bool
    target: str
    prefer: str


@dataclass
class RequestLog:
    """Iterable `latest`; `by_method`, `by_status`, `by_user`, `by_api` count all requests."""

    latest: deque[Asked] = field(default_factory=lambda: deque(maxlen=20_000))
    total: int = 0
    by_method: Counter[str] = field(default_factory=Counter)
    by_status: Counter[int] = field(default_factory=Counter)
    by_user: Counter[str] = field(default_factory=Counter)
    by_api: Counter[str] = field(default_factory=Counter)
    _numbers: int = 0

    def next_number(self) -> int:
        """Counts up for ever: what request ids are made of."""
        self._numbers += 1
        return self._numbers

    def note(self, asked: Asked) -> None:
        """Count one request."""
        self.latest.append(asked)
        self.total += 1
        self.by_method[asked.method] += 1
        self.by_status[asked.status] += 1
        self.by_user[asked.user] += 1
        self.by_api[asked.api] += 1

    def clear(self) -> None:
        """Start counting anew."""
        self.latest.clear()
        self.total = 0
        for counter in (self.by_method, self.by_status, self.by_user, self.by_api):
            counter.clear()

    def summary(self) -> JSON:
        """The counters as JSON."""
        return {
            "total": self.total,
            "by_method": dict(self.by_method),
            "by_status": {str(status): count for status, count in self.by_status.items()},
            "by_user": dict(self.by_user),
            "by_api": dict(self.by_api),
        }
