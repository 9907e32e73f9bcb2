"""The mirror against the simulated world, record by record.

Public: differences.
"""

from collections.abc import Mapping
from typing import Any

from syncd_simulator import GoogleWorld

from tests.support.mirror import Lab

FIELDS = {
    "contacts": ("names", "emailAddresses", "phoneNumbers", "organizations", "biographies", "memberships"),
    "calendar": ("status", "summary", "start", "end", "recurrence", "recurringEventId", "location", "attendees"),
    "files": ("name", "mimeType", "parents", "trashed", "md5Checksum", "size", "driveId"),
    "mail": ("threadId", "internalDate"),
}

Key = tuple[str, str, str]  # account ("" for what is shared), partition, source id


def differences(lab: Lab, stream: str) -> list[str]:
    """What the mirror shows otherwise than the world, in words; empty when they agree."""
    with lab.world.lock:
        expected = _expected(lab.world, stream)
    found = {_key(record): record for record in lab.records(stream) if not _cancelled(record)}
    out = [f"{stream}: missing {key}" for key in sorted(expected.keys() - found.keys())]
    out += [f"{stream}: should be gone: {key}" for key in sorted(found.keys() - expected.keys())]
    for key in sorted(expected.keys() & found.keys()):
        out += [f"{stream}: {key} {text}" for text in _item(stream, expected[key], found[key])]
    return out


def _expected(world: GoogleWorld, stream: str) -> dict[Key, Mapping[str, Any]]:
    out: dict[Key, Mapping[str, Any]] = {}
    for user in world.users.values():
        if user.suspended:
            continue
        truth = world.snapshot(user, stream)
        if stream == "calendar":
            out |= {(user.address, cal, eid): event for cal, events in truth.items() for eid, event in events.items()}
        elif stream == "files":
            for file_id, file in truth.items():
                drive = file.get("driveId", "")
                out[("" if drive else user.address, drive, file_id)] = file
        else:
            out |= {(user.address, "", item_id): item for item_id, item in truth.items()}
    return out


def _key(record: Mapping[str, Any]) -> Key:
    shared = record["stream"] == "files" and record["partition"]
    return ("" if shared else record["account"], record["partition"], record["source_id"])


def _cancelled(record: Mapping[str, Any]) -> bool:
    return record["stream"] == "calendar" and record["data"].get("status") == "cancelled"


def _item(stream: str, truth: Mapping[str, Any], record: Mapping[str, Any]) -> list[str]:
    data, blob = record["data"], record["summary"].get("blob", {})
    out = [
        f"{name}: {data.get(name)!r}, not {truth.get(name)!r}"
        for name in FIELDS[stream]
        if data.get(name) != truth.get(name)
    ]
    content = truth.get("contentSha256") or truth.get("sha256")
    if content and blob.get("sha256") != content:
        out.append(f"content {blob!r}, not {content}")
    if stream == "mail" and sorted(data.get("labelIds", ())) != truth["labelIds"]:
        out.append(f"labels {data.get('labelIds')}, not {truth['labelIds']}")
    return out
