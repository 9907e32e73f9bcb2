"""Walking through and changing JSON, and leaving volatile paths out of it.

Public: walk, at, replaced, load, save, without, strict_problem, MISSING, Path.
"""

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

from syncd.sdk.paths import steps_of

__all__ = ["MISSING", "Path", "at", "load", "replaced", "save", "strict_problem", "walk", "without"]

Path: TypeAlias = tuple[str | int, ...]


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()


def load(body: bytes) -> Any:
    """The document, or MISSING if it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return MISSING


def save(tree: Any) -> bytes:
    return json.dumps(tree, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def walk(tree: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every node with its path, the root first."""
    yield path, tree
    if isinstance(tree, dict):
        for key, child in tree.items():
            yield from walk(child, (*path, key))
    elif isinstance(tree, list):
        for index, child in enumerate(tree):
            yield from walk(child, (*path, index))


def at(tree: Any, path: Path) -> Any:
    for step in path:
        tree = tree[step]
    return tree


def replaced(tree: Any, path: Path, value: Any) -> Any:
    """A copy with another value there; MISSING takes the key or element out."""
    if not path:
        return value
    step, *rest = path
    copy = tree.copy()
    if not rest and value is MISSING:
        del copy[step]
    else:
        copy[step] = replaced(tree[step], tuple(rest), value)
    return copy


def without(tree: Any, paths: Sequence[str]) -> Any:
    """A copy without what the dotted paths name (`*`: every element of a list, every key of an object)."""
    for path in paths:
        tree = _without(tree, steps_of(path))
    return tree


def _without(node: Any, steps: Sequence[str]) -> Any:
    head, *rest = steps
    if isinstance(node, dict):
        if not rest:
            return {} if head == "*" else {key: child for key, child in node.items() if key != head}
        return {key: _without(child, rest) if head in ("*", key) else child for key, child in node.items()}
    if isinstance(node, list) and head == "*":
        return [_without(child, rest) for child in node] if rest else []
    return node


def strict_problem(node: Any, where: str = "", depth: int = 0) -> str | None:
    """Why this is not JSON that every reader can read; None if it is."""
    if depth > 500:
        return f"{where[:80]} is nested more than 500 deep"
    if node is None or isinstance(node, bool | int):
        return None
    if isinstance(node, str):
        return None if node.isascii() or _encodes(node) else f"{where} is not valid Unicode"
    if isinstance(node, float):
        return None if math.isfinite(node) else f"{where} is {node}"
    if isinstance(node, list | tuple):
        found = (strict_problem(child, f"{where}[{index}]", depth + 1) for index, child in enumerate(node))
        return next((problem for problem in found if problem), None)
    if isinstance(node, dict):
        for key, child in node.items():
            if not isinstance(key, str):
                return f"{where} has a key that is a {type(key).__name__}"
            if problem := strict_problem(key, f"a key of {where}") or strict_problem(
                child, f"{where}.{key}", depth + 1
            ):
                return problem
        return None
    return f"{where} is a {type(node).__name__}, which is not JSON"


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
