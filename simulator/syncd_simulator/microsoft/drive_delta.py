"""Delta of a drive: always of its root, items with their ancestors, tombstones (microsoft.md §7).

Public: root_feed.
"""

import random
from typing import TYPE_CHECKING, Any

from syncd_simulator.microsoft.delta import ANCHOR, Change, Feed, State
from syncd_simulator.microsoft.drive_request import shown
from syncd_simulator.microsoft.drive_store import JSON, Drive
from syncd_simulator.microsoft.drive_view import tombstone
from syncd_simulator.microsoft.wire import Call, unsupported

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import MicrosoftWorld

SIZE = 200


def root_feed(world: "MicrosoftWorld", call: Call, drive: Drive, path: str) -> Feed:
    """What the delta engine needs to know of one drive."""
    unsupported(call, "$filter", "$orderby", "$search")
    alone = "deltaexcludeparent" in call.prefer

    def show(_: Call, key: str) -> JSON | None:
        item = drive.items.get(key)
        return shown(world, call, drive, item, delta=True) if item else None

    def gone(_: Call, key: str, version: Any) -> JSON | None:
        item = drive.tombs.get(key)
        if item is None and version is not None:
            item = drive.items.get(key)  # a quirk announces it as gone and shows it again
        reference = {"driveId": drive.id, "driveType": drive.kind}
        return tombstone(drive, item) if item else {"id": key, "size": 0, "deleted": {}, "parentReference": reference}

    return Feed(
        key=("drive", drive.id),
        kind="files",
        flavour="drive",
        path=path,
        context="Collection(driveItem)",
        state=lambda: _state(drive),
        show=show,
        gone=gone,
        changes=lambda before, now: _changes(world, drive, before, now, alone),
        owner=drive.user,
        size=SIZE,
        by_top=True,
        at=lambda moment: _state_at(drive, moment),
    )


def _state(drive: Drive) -> State:
    return {item.id: item.seq for item in drive.items.values()} | {ANCHOR: drive.seq}


def _state_at(drive: Drive, moment: float) -> State:
    """Who was there at an instant: what changed since then has another version now."""
    position = drive.position(moment)
    living = {
        item.id: item.seq if item.seq <= position else 0 for item in drive.items.values() if item.created < moment
    }
    dead = {key: 0 for key, item in drive.tombs.items() if item.seq > position and item.created < moment}
    return living | dead | {ANCHOR: position}


def _changes(world: "MicrosoftWorld", drive: Drive, before: State, now: State, alone: bool) -> list[Change]:
    """Changed items, their ancestors and the root though unchanged, and tombstones, in an order of the seed's.

    What came and went since the last round leaves a tombstone of an id never seen.
    """
    changed = [key for key, seq in now.items() if key != ANCHOR and before.get(key) != seq]
    gone = [key for key in before if key not in now]
    gone += [key for key, item in drive.tombs.items() if before and item.seq > before[ANCHOR] and key not in before]
    wanted = dict.fromkeys(changed)
    for key in [*changed, *gone]:
        item = drive.items.get(key) or drive.tombs[key]
        if not alone:
            wanted |= dict.fromkeys(_living_ancestors(drive, item.parent))
    if wanted or gone:
        wanted[drive.root] = None
    found = [Change(key, now[key]) for key in wanted] + [Change(key, drive.tombs[key].seq, True) for key in gone]
    random.Random(f"{world.seed} {drive.id} {drive.seq}").shuffle(found)
    return found


def _living_ancestors(drive: Drive, key: str | None) -> list[str]:
    found = []
    while key is not None and key in drive.items:
        found.append(key)
        key = drive.items[key].parent
    return found
