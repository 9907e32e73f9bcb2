"""Schemas that connectors bring: closed against unknown keys, searched for secrets, made ready for splicing.

Public: settings_schema, options_schema, secret_paths, renamed.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from syncd.sdk import JSON

from .catalog import InstalledConnector
from .core import COMMON_OPTIONS

__all__ = ["Pattern", "expand", "options_schema", "renamed", "secret_paths", "settings_schema"]

Pattern = tuple[str, ...]  # "*" stands for any key and any place in a list
_APPLICATORS = ("allOf", "anyOf", "oneOf", "if", "then", "else", "$ref", "dependentSchemas", "patternProperties")
_DEEPEST = 8


def settings_schema(connector: InstalledConnector) -> dict[str, Any]:
    """The schema of a connection's `settings`. A connector without one takes no settings."""
    return _closed({"type": "object", **connector.settings})


def options_schema(own: Mapping[str, JSON], stream: str) -> dict[str, Any]:
    """The schema of a stream's options: the connector's own, and the common ones of a stream of that name."""
    properties = {**COMMON_OPTIONS.get(stream, {}), **own.get("properties", {})}
    return _closed({"type": "object", **own, "properties": properties})


def _closed(schema: Mapping[str, JSON]) -> dict[str, Any]:
    """Unknown keys are errors, here and in the objects inside, unless the connector says otherwise."""
    closed = dict(schema)
    if "properties" in closed:
        closed["properties"] = {key: _inner(value) for key, value in closed["properties"].items()}
    if "additionalProperties" in closed or "unevaluatedProperties" in closed:
        return closed
    spread = any(word in closed for word in _APPLICATORS)
    return {**closed, "unevaluatedProperties" if spread else "additionalProperties": False}


def _inner(schema: JSON) -> JSON:
    return _closed(schema) if isinstance(schema, dict) and "properties" in schema else schema


def secret_paths(schema: Mapping[str, JSON]) -> frozenset[Pattern]:
    """Where `"x-secret": true` stands, below the value that the schema is for."""
    return frozenset(_secrets(schema, schema, 0))


def _secrets(schema: JSON, root: Mapping[str, JSON], depth: int) -> Iterator[Pattern]:
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return
    if schema.get("x-secret") is True:
        yield ()
        return
    for step, part in _parts(schema, root):
        for rest in _secrets(part, root, depth + 1):
            yield (*step, *rest)


def _parts(schema: Mapping[str, JSON], root: Mapping[str, JSON]) -> Iterator[tuple[Pattern, JSON]]:
    """The schemas inside a schema, each with the step that leads to what it is for."""
    for key, part in schema.get("properties", {}).items():
        yield (key,), part
    for part in (
        *schema.get("patternProperties", {}).values(),
        schema.get("additionalProperties"),
        schema.get("items"),
    ):
        yield ("*",), part
    for part in schema.get("prefixItems", ()):
        yield ("*",), part
    for word in ("allOf", "anyOf", "oneOf"):
        yield from (((), part) for part in schema.get(word, ()))
    for word in ("if", "then", "else"):
        yield (), schema.get(word)
    yield from (((), part) for part in schema.get("dependentSchemas", {}).values())
    yield (), _referred(schema.get("$ref"), root)


def _referred(ref: JSON, root: Mapping[str, JSON]) -> JSON:
    part: Any = root if isinstance(ref, str) and ref.startswith("#/") else None
    for step in ref[2:].split("/") if part is not None else ():
        part = part.get(step) if isinstance(part, Mapping) else None
    return part


def expand(pattern: Pattern, data: Any) -> Iterator[tuple[str | int, ...]]:
    """The places in `data` that a pattern stands for."""
    if not pattern:
        yield ()
        return
    first, rest = pattern[0], pattern[1:]
    if isinstance(data, dict):
        keys: list[str | int] = list(data) if first == "*" else [first] if first in data else []
    else:
        keys = list(range(len(data))) if isinstance(data, list) and first == "*" else []
    for key in keys:
        for tail in expand(rest, data[key]):
            yield (key, *tail)


def renamed(schema: JSON, place: str) -> JSON:
    """A copy whose references into itself (`#/…`) hold where it stands now: at `place` of a larger schema."""
    if isinstance(schema, Mapping):
        copy = {key: renamed(value, place) for key, value in schema.items() if key not in ("$schema", "$id")}
        ref = copy.get("$ref")
        if isinstance(ref, str) and (ref == "#" or ref.startswith("#/")):
            copy["$ref"] = place + ref[1:]
        return copy
    return [renamed(item, place) for item in schema] if isinstance(schema, list | tuple) else schema
