"""Conditions on JSON.

Public: Condition.
"""

from typing import Any

import msgspec

from .paths import Path
from .plan import When

__all__ = ["Condition"]


class Condition:
    """Whether what stands at a path is as the settings say. True and 1 are different things."""

    def __init__(self, when: When) -> None:
        self._path = Path(when.path)
        self._when = when

    def holds(self, tree: Any) -> bool:
        found, when = self._path.find(tree), self._when
        if when.equals is not msgspec.UNSET:
            return any(_same(value, when.equals) for value in found)
        if when.one_of is not msgspec.UNSET:
            return any(_same(value, wanted) for value in found for wanted in when.one_of)
        if when.contains is not msgspec.UNSET:
            return any(isinstance(value, str) and when.contains in value for value in found)
        return bool(found) is (when.present is not False)


def _same(value: Any, wanted: Any) -> bool:
    return isinstance(value, bool) is isinstance(wanted, bool) and bool(value == wanted)
