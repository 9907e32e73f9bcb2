"""What people edit at the source counts as a change.

Public: the checks, by registration.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from syncd.testing.bench import Case
from syncd.testing.driver import Driver
from syncd.testing.failures import Failed, Skipped
from syncd.testing.jsontree import MISSING, Path, walk, without

from .common import change, drivers
from .registry import check

STEPS = 40  # random changes, looked at one by one
Key: TypeAlias = tuple[str, str, str]  # account, partition, source id
Items: TypeAlias = dict[Key, Any]


class Edit(NamedTuple):
    """What one change at the source did to one item: the places that count, and those that are volatile."""

    seen: frozenset[Path]
    volatile: frozenset[Path]


@check()
async def no_edit_is_volatile(case: Case, seed: int) -> None:
    """Edits show in more than volatile fields, but for those that touch nothing but what changes with every edit."""
    async with case.open(seed) as bench:
        every = await drivers(bench)
        for driver in every:
            await driver.sync()
        volatile = _volatile(every)
        edits: list[Edit] = []
        before = _items(every)
        for step in range(STEPS):
            change(bench, seed, 1, f"edit {step}")
            now = _items(every)
            edits += _edits(before, now, volatile, bench.stream.info.volatile)
            before = now
    _expect_seen(edits)


def _edits(before: Items, now: Items, volatile: Mapping[Key, Sequence[str]], otherwise: Sequence[str]) -> list[Edit]:
    """What one step did. Beside what is seen of it, what is volatile elsewhere is a consequence (a folder's counters)."""
    both = [key for key in before.keys() & now.keys() if before[key] != now[key]]
    edits = [_edit(before[key], now[key], volatile.get(key, otherwise)) for key in both]
    seen = [edit for edit in edits if edit.seen]
    return seen if seen or before.keys() != now.keys() else edits


def _volatile(every: list[Driver]) -> dict[Key, tuple[str, ...]]:
    return {
        (driver.account.id, kept.partition, source_id): (*driver.mirror.info.volatile, *kept.volatile)
        for driver in every
        for (_, source_id), kept in driver.mirror.live.items()
    }


def _items(every: list[Driver]) -> Items:
    return {
        (driver.account.id, partition, source_id): copy.deepcopy(dict(item))
        for driver in every
        for partition, items in driver.bench.truth(driver.account).items()
        for source_id, item in items.items()
        if isinstance(item, Mapping)
    }


def _edit(before: Any, now: Any, volatile: Sequence[str]) -> Edit:
    seen = _changed(without(before, volatile), without(now, volatile))
    return Edit(seen, _changed(before, now) - seen)


def _changed(before: Any, now: Any) -> frozenset[Path]:
    one, two = _leaves(before), _leaves(now)
    return frozenset(path for path in one.keys() | two.keys() if one.get(path, MISSING) != two.get(path, MISSING))


def _leaves(tree: Any) -> dict[Path, Any]:
    return {path: node for path, node in walk(tree) if not isinstance(node, dict | list) or not node}


def _expect_seen(edits: list[Edit]) -> None:
    """A field is a stamp if each edit that changes anything volatile changes it: an edit of stamps only is nobody's."""
    if not edits:
        raise Skipped(f"{STEPS} changes edit no item whose truth is a mapping")
    stamped = [edit.volatile for edit in edits if edit.volatile]
    stamps = frozenset.intersection(*stamped) if stamped else frozenset()
    lost = next((edit.volatile for edit in edits if not edit.seen and edit.volatile - stamps), frozenset())
    if not lost and not any(edit.seen for edit in edits):
        lost, stamps = stamps, frozenset()
    if lost:
        raise Failed(
            f"an edit of {_named(lost - stamps)} at the source is lost: that is volatile. What is not edited, but changes"
            " by itself, does not belong into the source's truth()"
        )


def _named(paths: frozenset[Path]) -> str:
    return ", ".join(sorted(".".join(map(str, path)) for path in paths)[:5])
