"""Schema errors → sentences with a place.

Public: problems_of, phrase.

Nothing here quotes a value that came through a reference, or repeats jsonschema's own messages, which quote values.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from jsonschema import ValidationError

from .core import RESERVED
from .formats import EXPECTED
from .problem import Problem, did_you_mean, one_of, shown
from .tree import Path, Text, Tree, dotted

__all__ = ["phrase", "problems_of"]

_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a mapping of keys to values",
    "array": "a list",
    "null": "empty",
}
_FORMS = ("anyOf", "oneOf")
_ABOUT_SHAPE = (  # keywords that look at which keys or how many items there are, not at values
    "required", "dependentRequired", "additionalProperties", "unevaluatedProperties", "propertyNames",
    "minItems", "maxItems", "minProperties", "maxProperties",
)  # fmt: skip


def problems_of(errors: Iterable[ValidationError], tree: Tree, base: Path = ()) -> list[Problem]:
    """The problems that people should see, for errors found in the value at `base`."""
    found = [problem for error in errors for problem in _Wording(tree, base, error).problems()]
    return list(dict.fromkeys(found))


def phrase(path: Path) -> str:
    """How a message names a place: `'schedule' of sync 'nightly'`."""
    if not path:
        return "the file"
    kinds = {"connections": "connection", "syncs": "sync"}
    if path[0] in kinds and len(path) > 1:
        owner = f"{kinds[str(path[0])]} {shown(path[1])}"
        return f"{shown(dotted(path[2:]))} of {owner}" if len(path) > 2 else owner
    return shown(dotted(path))


def unknown(value: Any) -> bool:
    """Whether a value could not be had, anywhere in it."""
    if isinstance(value, dict):
        return any(unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(unknown(item) for item in value)
    return isinstance(value, Text) and not value.known


def settled(error: ValidationError) -> bool:
    """Whether an error is one for sure: it does not hang on a value that could not be had."""
    if error.validator in _FORMS:
        branches = _branches(error)
        return all(any(settled(leaf) for leaf in branch) for branch in branches.values())
    if error.validator == "not" and isinstance(error.validator_value, dict):
        return error.validator_value.keys() == {"required"} or not unknown(error.instance)
    return error.validator in _ABOUT_SHAPE or not unknown(error.instance)


class _Wording:
    def __init__(self, tree: Tree, base: Path, error: ValidationError) -> None:
        self.tree, self.error = tree, error
        self.base = base
        self.path: Path = (*base, *error.absolute_path)
        self.schema = error.schema if isinstance(error.schema, dict) else {}
        self.want: Any = error.validator_value
        self.value: Any = error.instance

    def problems(self) -> Iterator[Problem]:
        error = self.error
        if "propertyNames" in error.absolute_schema_path:
            message = f"{shown(self.value)} {self.schema.get('x-message', 'is not a key that is allowed here')}"
            yield self.tree.problem((*self.path, str(self.value)), message, _better_name(str(self.value)), key=True)
        elif error.validator in ("additionalProperties", "unevaluatedProperties"):
            yield from self._unknown_keys()
        elif error.validator == "required":
            yield from self._missing()
        elif error.validator in _FORMS and "x-message" not in self.schema:
            yield from self._forms()
        else:
            yield self._about_value()

    def _about_value(self) -> Problem:
        message, hint = self._sentence()
        hint = hint or str(self.schema.get("x-hint", ""))
        return self.tree.problem(self.path, f"{phrase(self.path)} {message}", hint)

    def _sentence(self) -> tuple[str, str]:
        if "x-message" in self.schema:
            return str(self.schema["x-message"]), ""
        word = str(self.error.validator)
        if word in _HANDLERS:
            return _HANDLERS[word](self)
        if word in _BOUNDS:
            return _BOUNDS[word].format(self.want, s="" if self.want == 1 else "s"), ""
        return f"does not fit what is asked for ({word})" if word != "None" else "is not allowed here", ""

    def _on_type(self) -> tuple[str, str]:
        if self.value is None:
            return "has no value", f"must be {self._expected()}"
        return f"must be {self._expected()}, not {_kind(self.value)}", self._type_hint()

    def _expected(self) -> str:
        if self._form:
            return self._form
        wanted = [self.want] if isinstance(self.want, str) else list(self.want)
        return one_of(_TYPES[name] for name in wanted if name != "null" or len(wanted) == 1)

    @property
    def _form(self) -> str:
        """What a text must look like, where the schema says more than that it is one."""
        return str(self.schema.get("x-expects") or EXPECTED.get(str(self.schema.get("format")), ""))

    def _type_hint(self) -> str:
        wanted = [self.want] if isinstance(self.want, str) else self.want
        value = self.value
        if isinstance(value, Text):
            return ""
        if "boolean" in wanted and str(value).lower() in ("yes", "no", "on", "off", "true", "false", "y", "n"):
            return f"write {'true' if value.lower() in ('yes', 'on', 'true', 'y') else 'false'}"
        if "string" in wanted and not self._form and isinstance(value, bool | int | float):
            return "put it in quotes"
        if "array" in wanted and not isinstance(value, dict):
            return "put it in [ ], or on a line of its own after '- '"
        return ""

    def _on_enum(self) -> tuple[str, str]:
        return _not_among(self.value, self.want)

    def _on_const(self) -> tuple[str, str]:
        return _not_among(self.value, [self.want])

    def _on_format(self) -> tuple[str, str]:
        cause = self.error.cause
        message = str(cause) if cause else f"must be of the form {shown(self.want)}"
        return message, str(getattr(cause, "hint", ""))

    def _on_pattern(self) -> tuple[str, str]:
        if "x-expects" in self.schema:
            return f"must be {self.schema['x-expects']}", ""
        return f"does not have the right form (pattern {self.want})", ""

    def _on_unique_items(self) -> tuple[str, str]:
        twice = [item for i, item in enumerate(self.value) if item in self.value[:i]]
        named = f" {shown(twice[0])}" if twice and isinstance(twice[0], str) and not isinstance(twice[0], Text) else ""
        return f"lists{named or ' something'} twice", ""

    def _on_dependent_required(self) -> tuple[str, str]:
        for key, others in self.want.items():
            missing = [other for other in others if other not in self.value]
            if key in self.value and missing:
                return f"has {shown(key)} without {' and '.join(map(shown, missing))}", ""
        return "is incomplete", ""

    def _on_not(self) -> tuple[str, str]:
        together = self.want.get("required", []) if isinstance(self.want, dict) else []
        if len(together) > 1:
            return f"cannot have {' and '.join(map(shown, together))} together", ""
        return "is not allowed like this", ""

    def _unknown_keys(self) -> Iterator[Problem]:
        known = sorted(_properties(self.schema))
        for key in self.value:
            if key not in known and repr(key) in self.error.message:
                path = (*self.path, key)
                yield self.tree.problem(path, *self._unknown_key(key, known), key=True)

    def _unknown_key(self, key: str, known: list[str]) -> tuple[str, str]:
        if not self.path and key in RESERVED:
            return f"{shown(key)} is reserved: it is not available in this version of syncd", "remove it"
        hint = did_you_mean(key, known) or (f"there are {', '.join(known)}" if known else "remove it")
        where = "" if not self.path else f" in {phrase(self.path)}"
        return f"unknown key {shown(key)}{where}", hint

    def _missing(self) -> Iterator[Problem]:
        for key in self.want:
            if key not in self.value:  # each missing key is an error that lists all keys: problems_of drops repetitions
                yield self.tree.problem(self.path, f"{phrase(self.path)} needs {shown(key)}", key=True)

    def _forms(self) -> Iterator[Problem]:
        """anyOf and oneOf: what all forms have in common, else what is wrong with the form that was meant."""
        branches = _branches(self.error)
        leaves = [leaf for branch in branches.values() for leaf in branch]
        if not leaves:
            yield self.tree.problem(self.path, f"{phrase(self.path)} mixes forms that exclude each other")
        elif all(leaf.validator == "required" and not leaf.path for leaf in leaves):
            needs = [_listed(map(shown, _lacking(branch))) for branch in branches.values()]
            yield self.tree.problem(self.path, f"{phrase(self.path)} needs {', or '.join(needs)}", key=True)
        elif all(leaf.validator == "type" and not leaf.path for leaf in leaves):
            names = [_TYPES[name] for leaf in leaves for name in _as_list(leaf.validator_value)]
            message = f"must be {one_of(dict.fromkeys(names))}, not {_kind(self.value)}"
            yield self.tree.problem(self.path, f"{phrase(self.path)} {message}")
        elif kind := _kind_key(branches):
            words = [word for leaf in kind for word in _words(leaf)]
            yield from _Wording(self.tree, self.base, kind[0])._not_of(words)
        else:
            for leaf in min(branches.values(), key=_distance):
                yield from _Wording(self.tree, self.base, leaf).problems()

    def _not_of(self, words: list[Any]) -> Iterator[Problem]:
        message, hint = _not_among(self.value, words)
        yield self.tree.problem(self.path, f"{phrase(self.path)} {message}", hint)


_HANDLERS: dict[str, Callable[[_Wording], tuple[str, str]]] = {
    "type": _Wording._on_type,
    "enum": _Wording._on_enum,
    "const": _Wording._on_const,
    "format": _Wording._on_format,
    "pattern": _Wording._on_pattern,
    "uniqueItems": _Wording._on_unique_items,
    "dependentRequired": _Wording._on_dependent_required,
    "not": _Wording._on_not,
}
_BOUNDS = {
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be more than {}",
    "exclusiveMaximum": "must be less than {}",
    "multipleOf": "must be a multiple of {}",
    "minLength": "must have at least {} character{s}",
    "maxLength": "must have at most {} character{s}",
    "minItems": "must have at least {} item{s}",
    "maxItems": "must have at most {} item{s}",
    "minProperties": "must have at least {} key{s}",
    "maxProperties": "must have at most {} key{s}",
}


def _branches(error: ValidationError) -> dict[Any, list[ValidationError]]:
    branches: dict[Any, list[ValidationError]] = {}
    for leaf in error.context or ():
        branches.setdefault(leaf.schema_path[0], []).append(leaf)
    return branches


def _kind_key(branches: dict[Any, list[ValidationError]]) -> list[ValidationError]:
    """The errors at the one place that tells the forms apart: every form wants another word there."""
    choices = [[leaf for leaf in branch if leaf.validator in ("enum", "const")] for branch in branches.values()]
    for leaf in choices[0]:
        same = [next((one for one in branch if one.path == leaf.path), None) for branch in choices]
        if all(same):
            return [one for one in same if one]
    return []


def _listed(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def _distance(branch: list[ValidationError]) -> tuple[int, int, int]:
    """How far a value is from one of several forms: a wrong type or kind first, then what is missing."""
    wrong_kind = sum(leaf.validator in ("type", "const", "enum") and len(leaf.path) <= 1 for leaf in branch)
    missing = sum(leaf.validator == "required" for leaf in branch)
    return wrong_kind, missing, len(branch)


def _lacking(branch: list[ValidationError]) -> list[str]:
    keys: dict[str, None] = {}
    for leaf in branch:
        present: Any = leaf.instance
        keys.update(dict.fromkeys(key for key in _as_list(leaf.validator_value) if key not in present))
    return list(keys)


def _words(leaf: ValidationError) -> list[Any]:
    return [leaf.validator_value] if leaf.validator == "const" else _as_list(leaf.validator_value)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _properties(schema: dict[str, Any]) -> set[str]:
    """The keys that a schema of an object knows, through the keywords that apply to the same object."""
    known = set(schema.get("properties", ()))
    for word in ("allOf", "anyOf", "oneOf"):
        known.update(key for part in schema.get(word, ()) if isinstance(part, dict) for key in _properties(part))
    for word in ("if", "then", "else"):
        part = schema.get(word)
        known.update(_properties(part) if isinstance(part, dict) else ())
    return known


def _not_among(value: Any, words: list[Any]) -> tuple[str, str]:
    said = value.reference if isinstance(value, Text) else value
    quoted = "nothing" if said is None else shown(said) if isinstance(said, str | int | float) else _kind(said)
    hint = did_you_mean(said, map(_word, words)) if isinstance(said, str) and not isinstance(value, Text) else ""
    return f"must be {one_of(_word(word) for word in words)}, not {quoted}", hint


def _word(value: Any) -> str:
    if value is None:
        return "empty"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    names = {str: "text", int: "a number", float: "a number", dict: "a mapping", list: "a list"}
    return next((name for kind, name in names.items() if isinstance(value, kind)), "empty")


def _better_name(name: str) -> str:
    parts = "".join(char if char.isascii() and (char.isalnum() or char in "_.-") else "-" for char in name.lower())
    better = parts.strip("-_.")[:63]
    return f"for example {shown(better)}" if better else ""
