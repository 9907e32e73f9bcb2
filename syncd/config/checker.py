"""Schema checks of one folder: each schema is compiled once, and used for all files.

Public: Checker.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator, ValidationError

from .catalog import Catalog, Schema
from .core import core_schema
from .formats import FORMATS
from .messages import problems_of, settled
from .plugged import options_schema, settings_schema
from .problem import Problem
from .tree import Path, Text, Tree, typed

__all__ = ["Checker"]


class Checker:
    """Checks the contract's part of a file, a connection's settings and a stream's options."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._compiled: dict[tuple[str, ...], Draft202012Validator] = {}

    def core(self, tree: Tree) -> list[Problem]:
        return self._check(_core(), tree, (), tree.data)

    def settings(self, tree: Tree, path: Path, connector: str, settings: Any) -> list[Problem]:
        """`settings` (at `path`) of a connection of an installed connector."""
        if (connector,) not in self._compiled:
            self._compiled[connector,] = _compile(settings_schema(self._catalog.connectors[connector]))
        return self._check(self._compiled[connector,], tree, path, settings)

    def options(self, tree: Tree, path: Path, owner: str, stream: str, own: Schema, options: Any) -> list[Problem]:
        """The options of a stream, by its `own` schema. `owner` (a connector, or a connection) tells schemas apart."""
        key = (owner, stream)
        if key not in self._compiled:
            self._compiled[key] = _compile(options_schema(own, stream))
        return self._check(self._compiled[key], tree, path, options)

    def _check(self, validator: Draft202012Validator, tree: Tree, base: Path, data: Any) -> list[Problem]:
        errors = list(validator.iter_errors(data))
        if errors and sum(_retype(data, error) for error in errors):
            errors = list(validator.iter_errors(data))
        return problems_of((error for error in errors if settled(error)), tree, base) if errors else []


@lru_cache(maxsize=1)
def _core() -> Draft202012Validator:
    return _compile(core_schema())


def _compile(schema: Mapping[str, Any]) -> Draft202012Validator:
    return Draft202012Validator(dict(schema), format_checker=FORMATS)


def _retype(data: Any, error: ValidationError) -> bool:
    """A referenced value is text; where a number or a boolean is asked for, take it as one, if it reads like one."""
    text: Any = error.instance
    if error.validator != "type" or not isinstance(text, Text) or not text.known or not error.path:
        return False
    value = typed(text)
    if isinstance(value, str) or value is None:
        return False
    *parents, last = error.path
    for step in parents:
        data = data[step]
    data[last] = value
    return True
