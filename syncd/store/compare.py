"""Whether two payloads say the same.

Public: same_payload, merged.
"""

from collections.abc import Sequence
from typing import Any

from syncd.sdk.paths import steps_of

from .values import dumps, exactly, loads

__all__ = ["merged", "same_payload"]


def same_payload(one: bytes, other: bytes, volatile: Sequence[str]) -> bool:
    """Equal but for the order of keys, the spelling of values, and what stands at volatile paths."""
    mine, theirs = _stable(one, volatile), _stable(other, volatile)
    return mine == theirs and dumps(mine) == dumps(theirs)  # the second because 1 == True == 1.0 in Python


def _stable(payload: bytes, volatile: Sequence[str]) -> Any:
    value = exactly(payload)
    for path in volatile:
        _drop(value, steps_of(path))
    return value


def _drop(value: Any, path: Sequence[str]) -> None:
    """Remove what stands at the path; `*` is every element of a list or every key of an object."""
    step, rest = path[0], path[1:]
    if isinstance(value, list):
        chosen: list[Any] = list(range(len(value))) if step == "*" else []
    elif isinstance(value, dict):
        chosen = list(value) if step == "*" else [step] if step in value else []
    else:
        return
    if rest:
        for one in chosen:
            _drop(value[one], rest)
    else:
        for one in reversed(chosen):
            del value[one]


def merged(stored: bytes, partial: bytes) -> bytes:
    """The stored payload with the top-level fields of a partial one; null clears."""
    value = loads(stored)
    for field, given in loads(partial).items():
        if given is None:
            if value.get(field) is not None:
                del value[field]
        else:
            value[field] = given
    return dumps(value)
