"""Answers that make no sense, made from the ones that do.

Public: MALFORMED (name → Form), Form, Shape, garble.

A form takes the source's real answer apart and puts it together wrong: operators (put this value there) over targets
(the list, an item, an id, a page token, …) that are found in the answer itself, so that they fit any JSON API. Parts of
a multipart batch answer are garbled one by one.
"""

import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from .jsontree import MISSING, Path, at, load, replaced, save, walk

__all__ = ["MALFORMED", "Form", "Shape", "garble"]

Tree: TypeAlias = Any
TOKEN = re.compile(r"(?i)next|page_?token|cursor|continu|sync|delta|skip|offset")
PAGING = re.compile(r"(?i)next|page|cursor|continu|skip|offset")
CONTROL = re.compile(r"(?i)sync|delta")


@dataclass(slots=True)
class Shape:
    """What is known of an answer's meaning: `ids` that occur in it, `rng` to choose among targets."""

    ids: frozenset[str] = frozenset()
    rng: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311


@dataclass(frozen=True, slots=True)
class Form:
    """One way to be wrong.

    `make` gives the garbled body, or None where the form does not apply. `plausible`: the result could be an honest
    answer (a list that is empty, a chain that ended), so nobody can see that something is missing. `shifts`: it is plausible where a listing is paged by position. `endless`: the
    answer leads to itself for ever.
    """

    name: str
    make: Callable[[bytes, Shape], bytes | None]
    plausible: bool = False
    shifts: bool = False
    endless: bool = False


Target: TypeAlias = Callable[[Tree, Shape], Iterator[Path]]


def garble(body: bytes, form: Form, shape: Shape, content_type: str = "") -> bytes | None:
    """The body in that form; in a multipart answer one part of it. None where the form does not apply."""
    if "multipart/" not in content_type:
        return form.make(body, shape)
    blocks = re.split(rb"(\r?\n\r?\n)", body)
    places = [index for index, block in enumerate(blocks) if block.lstrip()[:1] in (b"{", b"[")]
    for index in shape.rng.sample(places, len(places)):
        document, line, rest = blocks[index].rpartition(b"\n--")
        made = form.make(document.rstrip(b"\r\n"), shape) if line else None
        if made is not None:
            blocks[index] = made + b"\r\n--" + rest
            return b"".join(blocks)
    return None


# -- targets: where in an answer ------------------------------------------------------------------------------------


def _root(tree: Tree, shape: Shape) -> Iterator[Path]:
    yield ()


def _lists(tree: Tree, shape: Shape) -> Iterator[Path]:
    """The lists of objects, the outermost first."""
    found = [path for path, node in walk(tree) if isinstance(node, list) and any(isinstance(x, dict) for x in node)]
    yield from sorted(found, key=len)[:1]


def _items(tree: Tree, shape: Shape) -> Iterator[Path]:
    for path in _lists(tree, shape):
        yield from ((*path, index) for index in range(len(at(tree, path))))


def _ids(tree: Tree, shape: Shape) -> Iterator[Path]:
    """Where an id of the mirror stands; the shallowest ones, which name the items themselves."""
    found = [path for path, node in walk(tree) if isinstance(node, str) and node in shape.ids]
    least = min(map(len, found), default=0)
    yield from (path for path in found if len(path) == least)


def _tokens(tree: Tree, shape: Shape) -> Iterator[Path]:
    for path, node in walk(tree):
        if path and len(path) <= 2 and TOKEN.search(str(path[-1])) and isinstance(node, str | int):
            yield path


def _texts(tree: Tree, shape: Shape) -> Iterator[Path]:
    special = {*_tokens(tree, shape)}
    for path, node in walk(tree):
        if isinstance(node, str) and path not in special and node not in shape.ids:
            yield path


def _numbers(tree: Tree, shape: Shape) -> Iterator[Path]:
    yield from (path for path, node in walk(tree) if isinstance(node, int | float))


def _objects(tree: Tree, shape: Shape) -> Iterator[Path]:
    yield from (path for path, node in walk(tree) if isinstance(node, dict) and path and path[-1] != 0)


# -- values: what is put there --------------------------------------------------------------------------------------


class _Raw:
    """Text that stands in the document as it is, because no JSON writer would write it."""

    def __init__(self, text: str) -> None:
        self.text = text


DEEP = _Raw("[" * 3000 + "]" * 3000)
VALUES: Mapping[str, Any] = {
    "null": None,
    "missing": MISSING,
    "an empty string": "",
    "a string": "surprise",
    "a number": 12345,
    "a fraction": 1.5,
    "true": True,
    "an empty list": [],
    "a list": ["surprise"],
    "an empty object": {},
    "an object": {"surprise": 1},
    "deep nesting": DEEP,
    "a huge string": "x" * 300_000,
    "half a surrogate": _Raw('"\\ud800"'),
    "control characters": "a\u0000b\u202ec\r\n",
    "a huge number": _Raw("9" * 400),
    "a number without end": _Raw("9" * 6000),
    "infinity": _Raw("1e999"),
    "NaN": _Raw("NaN"),
    "a negative number": -1,
    "a list of nulls": [None, None],
    "a list of strings": ["a", "b"],
    "a list of lists": [[], [[]]],
    "a list of numbers": [1, 2],
    "a list of empty objects": [{}, {}],
}


def _put(target: Target, value: str) -> Callable[[bytes, Shape], bytes | None]:
    def make(body: bytes, shape: Shape) -> bytes | None:
        tree = load(body)
        paths = [] if tree is MISSING else list(target(tree, shape))
        if not paths:
            return None
        return _write(tree, shape.rng.choice(paths), VALUES[value])

    return make


def _write(tree: Tree, path: Path, value: Any) -> bytes:
    if not isinstance(value, _Raw):
        return save(replaced(tree, path, value) if path or value is not MISSING else None)
    mark = "@@raw@@"
    return save(replaced(tree, path, mark)).replace(f'"{mark}"'.encode(), value.text.encode())


def _tree(change: Callable[[Tree, Shape], Tree]) -> Callable[[bytes, Shape], bytes | None]:
    def make(body: bytes, shape: Shape) -> bytes | None:
        tree = load(body)
        changed = MISSING if tree is MISSING else change(tree, shape)
        return None if changed is MISSING else save(changed)

    return make


def _list_change(change: Callable[[list[Any], random.Random], list[Any]]) -> Callable[[bytes, Shape], bytes | None]:
    def make(tree: Tree, shape: Shape) -> Tree:
        path = next(_lists(tree, shape), None)
        return MISSING if path is None else replaced(tree, path, change(at(tree, path), shape.rng))

    return _tree(make)


def _everywhere(kind: type | tuple[type, ...], value: Any) -> Callable[[Tree, Shape], Tree]:
    def change(node: Tree, shape: Shape) -> Tree:
        if isinstance(node, dict):
            return {key: value if isinstance(child, kind) else change(child, shape) for key, child in node.items()}
        if isinstance(node, list):
            return [value if isinstance(child, kind) else change(child, shape) for child in node]
        return node

    return change


def _same_id(tree: Tree, shape: Shape) -> Tree:
    """Two items with one id."""
    paths = list(_ids(tree, shape))
    values = sorted({at(tree, path) for path in paths})
    if len(values) < 2:
        return MISSING
    path = shape.rng.choice([path for path in paths if at(tree, path) != values[0]])
    return replaced(tree, path, values[0])


def _repeated_token(tree: Tree, shape: Shape) -> Tree:
    """Only marks the answer as usable: the driver sends the same one again and again."""
    keys = [path for path in _tokens(tree, shape) if _pages(path)]
    return tree if keys else MISSING


def _fresh_token(tree: Tree, shape: Shape) -> Tree:
    for path in _tokens(tree, shape):
        if _pages(path):
            return replaced(tree, path, f"{at(tree, path)}{shape.rng.randrange(10**9)}")
    return MISSING


def _pages(path: Path) -> bool:
    return bool(PAGING.search(str(path[-1]))) and not CONTROL.search(str(path[-1]))


# -- the table --------------------------------------------------------------------------------------------------------


def _bytes_forms() -> Iterator[Form]:
    page = b"<!DOCTYPE html><html><p>Sign in to the hotel's network</html>"
    forms: dict[str, Callable[[bytes], bytes | None]] = {
        "HTML instead of JSON": lambda body: page,
        "an empty body": lambda body: b"",
        "a body of blanks": lambda body: b" \n",
        "half of the body": lambda body: body[: len(body) // 2],
        "all but the last byte": lambda body: body.rstrip()[:-1],
        "the body twice": lambda body: body + body,
        "garbage after the body": lambda body: body + b"}]garbage",
        "invalid UTF-8 inside": lambda body: body.replace(b'"', b'"\xff\xfe', 1) if b'"' in body else None,
        "UTF-16": lambda body: body.decode("utf-8", "replace").encode("utf-16"),
        "single quotes": lambda body: body.replace(b'"', b"'"),
        "random bytes": lambda body: random.Random(len(body)).randbytes(max(8, len(body) // 2)),  # noqa: S311
        "zero bytes": lambda body: bytes(len(body)),
        "a bare word": lambda body: b"undefined",
    }
    for name, change in forms.items():
        yield Form(name, lambda body, shape, change=change: change(body))  # type: ignore[misc]


def _forms() -> Iterator[Form]:
    yield from _bytes_forms()
    plausible_lists = {"missing", "an empty list", "null"}
    spots: list[tuple[str, Target, str, set[str]]] = [
        ("the answer", _root, "null,a string,a number,true,an empty list,a list,an empty object,an object,deep nesting",
         {"an empty object", "an object"}),
        ("the list", _lists, "null,missing,a string,a number,true,an empty list,an object,an empty object,deep nesting,"
         "a list of nulls,a list of strings,a list of lists,a list of numbers,a list of empty objects", plausible_lists),
        ("an item", _items, "null,a string,a number,an empty object,an object,an empty list,deep nesting", set()),
        ("an id", _ids, "null,missing,an empty string,a number,a fraction,true,an empty list,an object,deep nesting,"
         "half a surrogate,a huge number,a string,a huge string,control characters",
         {"a string", "a huge string", "control characters"}),
        ("a token", _tokens, "null,missing,an empty string,a number,true,an empty list,an object,a huge string,"
         "half a surrogate", {"null", "missing", "an empty string"}),
        ("a text", _texts, "null,missing,an empty string,a number,true,an empty list,an object,deep nesting,"
         "a huge string,half a surrogate,control characters,a huge number,a string", set()),
        ("a number", _numbers, "null,missing,a string,an empty list,an object,a negative number,a huge number,"
         "a number without end,infinity,NaN,a fraction", {"null", "missing", "a number", "a fraction", "a negative number", "a huge number"}),
        ("an object", _objects, "null,a string,a number,a list,an empty object", set()),
    ]  # fmt: skip
    for spot, target, values, plausible in spots:
        for value in values.split(","):
            yield Form(f"{spot} is {value}", _put(target, value), plausible=value in plausible)
    yield Form("an item is null among others", _list_change(lambda items, rng: [None, *items]))
    yield Form("an item is a string among others", _list_change(lambda items, rng: [*items, "surprise"]))
    yield Form("every item twice", _list_change(lambda items, rng: items + items), shifts=True)
    yield Form("the list is reversed", _list_change(lambda items, rng: items[::-1]))
    yield Form("the list is inside a list", _list_change(lambda items, rng: [items]))
    yield Form("every text is null", _tree(_everywhere(str, None)))
    yield Form("every text is a number", _tree(_everywhere(str, 7)))
    yield Form("every number is a string", _tree(_everywhere((int, float), "many")))
    yield Form("every object in it is a list", _tree(_everywhere(dict, [])))
    yield Form("two items with one id", _tree(_same_id), plausible=True)
    yield Form("the same page for ever", _tree(_repeated_token), endless=True, plausible=True)
    yield Form("new page tokens for ever", _tree(_fresh_token), endless=True, plausible=True)


MALFORMED: Mapping[str, Form] = {form.name: form for form in _forms()}
