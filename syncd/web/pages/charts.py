"""Charts as geometry: templates draw the rectangles, a table beside them says the same in words.

Public: Chart, Bar, stacked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Bar", "Chart", "stacked"]

CHANGES = ("new", "updated", "deleted", "failed", "held")
WIDTH, TOP, BOTTOM, GAP = 720, 120, 32, 8  # changes grow upwards from the axis, unchanged ones downwards
SLOTS, FEWEST = 60, 24  # bars of one chart: at most, and as if there were at least
THINNEST = 2.0  # of something that is not nothing


@dataclass(frozen=True, slots=True)
class Bar:
    """One rectangle. `kind` is the outcome, also its class in the style sheet."""

    kind: str
    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    """`axis`: the height of the line between changes and unchanged; `most`, `most_unchanged`: what full height means."""

    bars: Sequence[Bar]
    width: int
    height: int
    axis: float
    most: int
    most_unchanged: int
    kinds: Sequence[str]


def stacked(points: Sequence[Mapping[str, Any]]) -> Chart:
    """The last runs, oldest first: changes stacked above the line, unchanged records below it on a scale of their own."""
    shown = list(points)[-SLOTS:]
    most = max((_changes(one) for one in shown), default=0)
    most_unchanged = max((_count(one, "unchanged") for one in shown), default=0)
    slot = WIDTH / max(len(shown), FEWEST)
    bars: list[Bar] = []
    for place, one in enumerate(shown):
        x, width = place * slot + slot * 0.12, slot * 0.76
        bars += _column(one, round(x, 2), round(width, 2), most, most_unchanged)
    met = {bar.kind for bar in bars}
    kinds = [kind for kind in (*CHANGES, "unchanged") if kind in met]
    return Chart(bars, WIDTH, TOP + GAP + BOTTOM, TOP, most, most_unchanged, kinds)


def _column(one: Mapping[str, Any], x: float, width: float, most: int, most_unchanged: int) -> list[Bar]:
    bars, y = [], float(TOP)
    for kind in CHANGES:
        count = _count(one, kind)
        if count:
            height = max(THINNEST, count / most * (TOP - len(CHANGES) * THINNEST))
            y -= height
            bars.append(Bar(kind, x, round(y, 2), width, round(height, 2), f"run {one['run']}: {count} {kind}"))
    unchanged = _count(one, "unchanged")
    if unchanged:
        height = max(THINNEST, unchanged / most_unchanged * BOTTOM)
        bars.append(Bar("unchanged", x, TOP + GAP, width, round(height, 2), f"run {one['run']}: {unchanged} unchanged"))
    return bars


def _changes(one: Mapping[str, Any]) -> int:
    return sum(_count(one, kind) for kind in CHANGES)


def _count(one: Mapping[str, Any], kind: str) -> int:
    return int(one["counts"].get(kind) or 0)
