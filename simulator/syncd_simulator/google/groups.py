"""State of a user's contact groups (google.md §4.1, §4.3.8)."""

from dataclasses import dataclass, field

from syncd_simulator.clock import rfc3339
from syncd_simulator.google.changelog import ChangeLog
from syncd_simulator.google.wire import JSON

SYSTEM = {"myContacts": "My Contacts", "starred": "Starred", "friends": "Friends", "family": "Family"}


@dataclass
class GroupBook:
    """Groups by resource name, with a change log; system groups are there from the start."""

    groups: dict[str, JSON] = field(default_factory=dict)
    log: ChangeLog = field(default_factory=ChangeLog)

    def __post_init__(self) -> None:
        for key, shown in SYSTEM.items():
            self._put(f"contactGroups/{key}", key, shown, "SYSTEM_CONTACT_GROUP", 0.0)

    def add(self, key: str, name: str, now: float) -> JSON:
        """A group of the user."""
        return self._put(f"contactGroups/{key}", name, name, "USER_CONTACT_GROUP", now)

    def delete(self, resource: str, now: float) -> None:
        """Leave a tombstone."""
        group = self.groups[resource]
        self.groups[resource] = {
            "resourceName": resource, "etag": group["etag"], "metadata": {"deleted": True},
        }  # fmt: skip
        self.log.touch(resource, now)

    def _put(self, resource: str, name: str, shown: str, kind: str, now: float) -> JSON:
        self.groups[resource] = {
            "resourceName": resource,
            "etag": f"g{self.log.seq + 1}",
            "metadata": {"updateTime": rfc3339(now)},
            "groupType": kind,
            "name": name,
            "formattedName": shown,
        }
        self.log.touch(resource, now)
        return self.groups[resource]
