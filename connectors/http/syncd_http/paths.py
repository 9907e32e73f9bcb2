"""Reading out of JSON by path: `data.items`, `emails[*].value`, `lines[0].id`, `@odata\\.etag`; `$` is the whole.

Public: Path, path_problem.

A path is a list of keys and places, no language: no filters, no patterns, no code. Reading takes time in proportion to what
is found.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

__all__ = ["Path", "path_problem"]

_STEP = re.compile(r"((?:[^.\[\]\\]|\\[.\[\]\\])+)|\[(\*|[0-9]{1,6})\]|(\.)")
_ESCAPED = re.compile(r"\\([.\[\]\\])")
_EVERY = -1  # a step for every element of a list


class Path:
    """A path, read once. Raises ValueError if it is none."""

    __slots__ = ("many", "steps", "text")

    def __init__(self, text: str) -> None:
        self.text = str(text)
        self.steps = _steps_of(self.text)
        self.many = _EVERY in self.steps

    def __repr__(self) -> str:
        return f"Path({self.text!r})"

    def find(self, tree: Any) -> list[Any]:
        """Everything there that is not null; without `[*]` at most one thing."""
        return [found for found in _walk(tree, self.steps, 0) if found is not None]

    def first(self, tree: Any) -> Any:
        """The first thing there; None if there is nothing."""
        return next((found for found in _walk(tree, self.steps, 0) if found is not None), None)

    def entries(self, tree: Any) -> list[Any] | None:
        """The elements of the list there, nulls too; None if there is no list. What an element lacks is null."""
        head = self.steps.index(_EVERY) if self.many else len(self.steps)
        found = next(_walk(tree, self.steps[:head], 0), None)
        if not isinstance(found, list):
            return None
        rest = self.steps[head + 1 :]
        return [entry for child in found for entry in (list(_walk(child, rest, 0)) or [None])] if rest else found


def path_problem(text: str) -> str | None:
    """Why a text is no path, in words that go on from the place's name; None if it is one."""
    try:
        _steps_of(str(text))
    except ValueError as error:
        return str(error)
    return None


@lru_cache(maxsize=4096)
def _steps_of(text: str) -> tuple[str | int, ...]:
    if text == "$":
        return ()
    steps: list[str | int] = []
    place, dot = 0, True  # a key may begin here
    while place < len(text):
        match = _STEP.match(text, place)
        if match is None or (match[1] and not dot) or (match[3] and dot):
            raise ValueError(f"is not a path: it makes no sense from its character {place + 1} on")
        if match[1]:
            steps.append(_ESCAPED.sub(r"\1", match[1]))
        elif match[2]:
            steps.append(_EVERY if match[2] == "*" else int(match[2]))
        dot, place = bool(match[3]), match.end()
    if dot:
        raise ValueError("is not a path: it is empty, or ends with a dot")
    return tuple(steps)


def _walk(node: Any, steps: tuple[str | int, ...], place: int) -> Iterator[Any]:
    while place < len(steps):
        step = steps[place]
        place += 1
        if isinstance(step, str):
            if not isinstance(node, dict) or step not in node:
                return
            node = node[step]
        elif not isinstance(node, list):
            return
        elif step == _EVERY:
            for child in node:
                yield from _walk(child, steps, place)
            return
        elif step < len(node):
            node = node[step]
        else:
            return
    yield node
