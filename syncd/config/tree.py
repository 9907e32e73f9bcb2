"""Strict YAML: text → plain values that know where they stand.

Public: parse, Tree, Text, Path.

The text is YAML 1.2 in spirit: only `null`, `true`, `false`, whole numbers and decimals are more than text. `no`, `on`,
`12:30:00`, dates, `0x1F` and numbers with a leading zero or more than 18 digits stay text. Refused, with line and
column: duplicate keys, tabs, anchors and aliases, tags, merge keys, keys that are not text, several documents, NUL and
other invisible characters, anything but UTF-8, nesting beyond DEEPEST levels. Reading goes by events, so neither a bomb nor a
deep nest is ever built.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import yaml

from syncd.sdk import Secret

from .problem import Problem, shown

__all__ = ["DEEPEST", "Path", "SecretText", "Text", "Tree", "dotted", "parse", "typed"]

DEEPEST = 32  # levels
Path = tuple[str | int, ...]
Mark = tuple[int, int]

_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*|(?=[eE])))([eE][-+]?[0-9]+)?")
_WORDS = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
# NUL and controls, tabs, YAML 1.1's extra line ends, direction overrides (they hide what a reviewer reads), inner BOMs
_REFUSED = re.compile("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")
_SYNTAX_HINTS = {
    "mapping values are not allowed in this context": "a text with ': ' in it needs quotes; or the indentation is off",
    "could not find expected ':'": "a key needs a ':' after it; or the indentation is off",
    "did not find expected key": "the indentation does not match the lines above",
    "did not find expected '-' indicator": "every item of a list starts with '-' in the same column",
    "did not find expected ',' or ']'": "a list in [ ] needs commas between its items and a ']' at its end",
    "did not find expected ',' or '}'": "a mapping in { } needs commas between its keys and a '}' at its end",
    "did not find expected node content": "a bracket is opened and never closed, or stands where a value should be",
    "found unexpected end of stream": "a quote is opened and never closed",
    "found character that cannot start any token": "a text that starts with @, ` or % needs quotes",
    "found unknown escape character": "write \\\\ for a backslash, or use single quotes",
}
_UNQUOTED_REFERENCE = re.compile(r"[\[{,:] *\$\{")
_PLAIN_WORDS = {
    "flow sequence": "list in [ ]",
    "flow mapping": "mapping in { }",
    "block mapping": "mapping",
    "block collection": "list",
    "flow node": "value",
    "block node": "value",
}


class Text(str):
    """A text that did not stand in the YAML as it is: what a `${…}` reference gave, or a stand-in.

    `reference` is what the operator wrote and is what messages show. Where `known` is false the value could not be had,
    and nothing is said about it.
    """

    reference: str
    known: bool

    def __new__(cls, value: str, reference: str, known: bool = True) -> Self:
        self = super().__new__(cls, value)
        self.reference = reference
        self.known = known
        return self


class SecretText(Text):
    """A secret: the text is the reference, the value stays behind `secret`. Never `known`."""

    secret: Secret

    def __new__(cls, secret: Secret) -> Self:
        self = super().__new__(cls, secret.reference, secret.reference, known=False)
        self.secret = secret
        return self


class Node:
    """A value with its mark; `keys` (of a mapping) has each key's mark."""

    __slots__ = ("children", "keys", "mark")

    def __init__(self, mark: Mark) -> None:
        self.mark = mark
        self.keys: dict[str, Mark] = {}
        self.children: dict[str, Node] | list[Node] = {}


@dataclass(slots=True)
class Tree:
    """One file's content: `data` is plain dicts, lists and scalars.

    `whole` is false where a syntax error cut it;
    `templated` is true where a `${` stands in it.
    """

    file: str
    data: Any = None
    root: Node = field(default_factory=lambda: Node((1, 1)))
    whole: bool = True
    templated: bool = False

    def value_mark(self, path: Path) -> Mark:
        """Where the value at `path` starts; the nearest existing value around it, if there is none."""
        return self._find(path, keys=False)

    def key_mark(self, path: Path) -> Mark:
        """Where the key at the end of `path` stands (of a list's item: the item)."""
        return self._find(path, keys=True)

    def problem(self, path: Path, message: str, hint: str = "", *, key: bool = False) -> Problem:
        """A problem at the value (or at the key) at `path`."""
        line, column = self._find(path, keys=key)
        return Problem(self.file, line, column, dotted(path), message, hint)

    def _find(self, path: Path, *, keys: bool) -> Mark:
        node, mark = self.root, self.root.mark
        for step in path:
            children = node.children
            if isinstance(children, dict):
                if step not in children:
                    return mark
                mark = node.keys[str(step)] if keys else children[str(step)].mark
                node = children[str(step)]
            elif isinstance(step, int) and step < len(children):
                node = children[step]
                mark = node.mark
            else:
                return mark
        return mark


def dotted(path: Path) -> str:
    """`syncs.nightly.streams[1]`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def parse(content: bytes, file: str) -> tuple[Tree, list[Problem]]:
    """Read one file. A syntax error gives a Tree without data; lesser problems leave the rest readable."""
    tree = Tree(file)
    try:
        text = _decode(content)
        tree.templated = "${" in text
        reader = _Reader(text)
        tree.data, tree.root = reader.document()
        found = reader.found
    except _Refused as refused:
        tree.whole = False
        found = [refused]
    return tree, [Problem(file, *one.mark, "", one.message, one.hint) for one in found]


class _Refused(Exception):
    def __init__(self, mark: Mark, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.mark, self.message, self.hint = mark, message, hint


def _decode(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _Refused((1, 1), "the file is UTF-16", "save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8", "replace")
        byte = error.object[error.start]
        raise _Refused(_mark_of(before), f"the file is not UTF-8: byte 0x{byte:02X}", "save it as UTF-8") from None
    if bad := _REFUSED.search(text):
        raise _refused_character(bad[0], _mark_of(text[: bad.start()]))
    return text


def _refused_character(char: str, mark: Mark) -> _Refused:
    if char == "\t":
        return _Refused(mark, "a tab", r"indent with spaces; inside a text in double quotes write \t")
    name = "a NUL character" if char == "\0" else f"an invisible character (U+{ord(char):04X})"
    return _Refused(mark, name, "remove it")


def _mark_of(before: str) -> Mark:
    lines = before.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return len(lines), len(lines[-1]) + 1


class _Reader:
    """Builds values from parser events; `found` collects what does not stop it."""

    def __init__(self, text: str) -> None:
        self.found: list[_Refused] = []
        self._events = _events(text)

    def document(self) -> tuple[Any, Node]:
        """The only document's value, None for a file without content."""
        value, node = None, Node((1, 1))
        seen = False
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if seen:
                    raise _Refused(_mark(event), "a second YAML document in the same file", "one file, one document")
                seen = True
                value, node = self._value(next(self._events), 0)
        return value, node

    def _value(self, event: Any, depth: int) -> tuple[Any, Node]:
        node = Node(_mark(event))
        if isinstance(event, yaml.AliasEvent):
            self._note(event, f"the alias *{event.anchor}: aliases are not supported", "write the value out")
            return Text("", f"*{event.anchor}", known=False), node
        if event.anchor is not None:
            self._note(event, f"the anchor &{event.anchor}: anchors are not supported", "remove it")
        if event.tag is not None:
            self._note(event, f"the tag {shown(_short_tag(event.tag))}: tags are not supported", "quotes make a text")
        if isinstance(event, yaml.ScalarEvent):
            return (typed(event.value) if event.implicit[0] else event.value), node
        if depth == DEEPEST:
            raise _Refused(node.mark, f"nested deeper than {DEEPEST} levels")
        return self._sequence(node, depth) if isinstance(event, yaml.SequenceStartEvent) else self._mapping(node, depth)

    def _sequence(self, node: Node, depth: int) -> tuple[list[Any], Node]:
        values: list[Any] = []
        children: list[Node] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            value, child = self._value(event, depth + 1)
            values.append(value)
            children.append(child)
        node.children = children
        return values, node

    def _mapping(self, node: Node, depth: int) -> tuple[dict[str, Any], Node]:
        values: dict[str, Any] = {}
        children: dict[str, Node] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            mark = _mark(event)
            key = self._key(event, depth)
            value, child = self._value(next(self._events), depth + 1)
            if key is None:
                continue
            if key in values:
                first = node.keys[key]
                message = f"the key {shown(key)} stands twice in the same mapping: first on line {first[0]}"
                self.found.append(_Refused(mark, message, "keep one of them"))
                continue
            values[key], children[key], node.keys[key] = value, child, mark
        node.children = children
        return values, node

    def _key(self, event: Any, depth: int) -> str | None:
        """The key, or None where it is refused."""
        value, _ = self._value(event, depth + 1)
        if not isinstance(event, yaml.ScalarEvent):
            if not isinstance(event, yaml.AliasEvent):
                self._note(event, "a key that is a list or a mapping", "keys are text")
            return None
        if event.value == "<<" and event.implicit[0]:
            self._note(event, "the merge key '<<': merge keys are not supported", "write the values out")
            return None
        if not isinstance(value, str):
            what = f"the key {shown(event.value)} is not text" if event.value else "a key is missing before ':'"
            self._note(event, what, f'put it in quotes: "{event.value}"' if event.value else "")
            return None
        return value

    def _note(self, event: Any, message: str, hint: str) -> None:
        self.found.append(_Refused(_mark(event), message, hint))


def _events(text: str) -> Iterator[Any]:
    loader = yaml.CSafeLoader(text)
    try:
        while loader.check_event():
            yield loader.get_event()
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, text) from None
    except yaml.YAMLError as error:
        raise _Refused((1, 1), f"not valid YAML: {error}") from None
    finally:
        loader.dispose()


def _syntax_error(error: yaml.MarkedYAMLError, text: str) -> _Refused:
    problem = error.problem or "cannot be read"
    unclosed = problem == "found unexpected end of stream"
    mark = (unclosed and error.context_mark) or error.problem_mark or error.context_mark
    place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    context = f" {error.context}" if error.context and not unclosed else ""
    if context and error.context_mark and error.context_mark.line + 1 != place[0]:
        context += f" that starts on line {error.context_mark.line + 1}"
    for term, words in _PLAIN_WORDS.items():
        context = context.replace(term, words)
    hint = _SYNTAX_HINTS.get(problem, "")
    if _UNQUOTED_REFERENCE.search("".join(text.splitlines()[place[0] - 1 : place[0]])):
        hint = 'inside { } and [ ] a reference needs quotes: "${env:NAME}"'
    return _Refused(place, f"not valid YAML: {problem}{context}", hint)


def _mark(event: Any) -> Mark:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _short_tag(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")


def typed(text: str) -> Any:
    """A scalar without quotes."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return text
