"""Real counters of quota units, off until a limit is set (google.md §3.1)."""

from collections import defaultdict
from dataclasses import dataclass, field

from syncd_simulator.clock import SimClock


@dataclass
class Quotas:
    """Limits per minute of world time. `per_user["gmail"] = 6000` switches that counter on.

    `people_full_sync`: how many first pages of a full sync one user may ask for in a minute (§4.3.1).
    """

    clock: SimClock
    per_user: dict[str, int] = field(default_factory=dict)
    per_project: dict[str, int] = field(default_factory=dict)
    people_full_sync: int | None = None
    _used: dict[str, list[float]] = field(default_factory=lambda: defaultdict(lambda: [0.0, 0.0]))

    def spend(self, api: str, who: str, units: int) -> str | None:
        """Count `units`; the name of the exhausted limit (`user` or `project`), or None when there is room."""
        if not self.per_user and not self.per_project:
            return None
        if api in self.per_user and not self._fits(f"{api}/{who}", units, self.per_user[api]):
            return "user"
        if api in self.per_project and not self._fits(f"{api}/", units, self.per_project[api]):
            return "project"
        return None

    def full_sync_allowed(self, who: str) -> bool:
        """Count one first page of a People full sync."""
        return self.people_full_sync is None or self._fits(f"full/{who}", 1, self.people_full_sync)

    def _fits(self, key: str, units: int, limit: int) -> bool:
        minute = self.clock.time() // 60
        entry = self._used[key]
        if entry[0] != minute:
            entry[:] = [minute, 0.0]
        if entry[1] + units > limit:
            return False
        entry[1] += units
        return True
