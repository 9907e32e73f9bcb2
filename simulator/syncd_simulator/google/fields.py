"""Partial responses: the `fields` grammar of google.md §11 — `a,b`, `a/b`, `a(b,c)`, `*`."""

import functools
import re
from typing import Any

from syncd_simulator.google.wire import ApiError

Tree = dict[str, Any]  # name -> Tree, or None for "all of it"
_WORD = re.compile(r"\s*([A-Za-z0-9_*$.\-@]+|[,/()])\s*")


@functools.lru_cache(maxsize=512)
def parse(text: str) -> Tree:
    """The selection as a tree; 400 `invalidParameter` when the grammar is broken. Do not change the result."""
    words = _words(text)
    tree, rest = _selection(words, 0, text)
    if rest != len(words):
        raise bad_selection(text)
    return tree


def bad_selection(name: str) -> ApiError:
    """§1.4: an unknown member, or a text that does not parse."""
    return ApiError(400, "invalidParameter", f"Invalid field selection {name}", location="fields")


def _words(text: str) -> list[str]:
    words, at = [], 0
    while at < len(text):
        match = _WORD.match(text, at)
        if match is None:
            raise bad_selection(text)
        words.append(match.group(1))
        at = match.end()
    return words


def _selection(words: list[str], at: int, text: str) -> tuple[Tree, int]:
    tree: Tree = {}
    while True:
        at = _path(words, at, tree, text)
        if at < len(words) and words[at] == ",":
            at += 1
            continue
        return tree, at


def _path(words: list[str], at: int, tree: Tree, text: str) -> int:
    """One `a/b(c)` into `tree`; returns the index behind it."""
    if at >= len(words) or words[at] in ",/()":
        raise bad_selection(text)
    name = words[at]
    after = words[at + 1] if at + 1 < len(words) else ""
    if after == "/":
        return _path(words, at + 2, _child(tree, name), text)
    if after == "(":
        inner, end = _selection(words, at + 2, text)
        if end >= len(words) or words[end] != ")":
            raise bad_selection(text)
        if name not in tree or tree[name] is not None:
            _merge(_child(tree, name), inner)
        return end + 1
    tree[name] = None
    return at + 1


def _child(tree: Tree, name: str) -> Tree:
    """The subtree to fill in; a scratch one when all of `name` is selected already."""
    if name in tree and tree[name] is None:
        return {}
    child: Tree = tree.setdefault(name, {})
    return child


def _merge(tree: Tree, other: Tree) -> None:
    for name, sub in other.items():
        if sub is None or tree.get(name, {}) is None:
            tree[name] = None
        else:
            _merge(tree.setdefault(name, {}), sub)


def project(value: Any, tree: Tree | None) -> Any:
    """The selected part of a JSON value."""
    if tree is None:
        return value
    if isinstance(value, list):
        return [project(item, tree) for item in value]
    if not isinstance(value, dict):
        return value
    if "*" in tree:
        star = tree["*"]
        return {key: project(item, tree.get(key, star)) for key, item in value.items()}
    return {key: project(value[key], sub) for key, sub in tree.items() if key in value}


def check(tree: Tree | None, known: dict[str, Any]) -> None:
    """Refuse names outside of `known` (name -> nested mapping, or None where anything goes)."""
    for name, sub in (tree or {}).items():
        if name == "*":
            continue
        if name not in known:
            raise bad_selection(name)
        if known[name] is not None:
            check(sub, known[name])
