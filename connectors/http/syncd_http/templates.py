"""Filling ids into paths and parameters: `/projects/{projects.id}/issues`.

Public: names_in, filled_path, filled, filled_body, Names.

A value is never more than one segment of a path: it is quoted, and `.` and `..` are refused, so that no id leads elsewhere.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from syncd.sdk import ProtocolError

__all__ = ["Names", "filled", "filled_body", "filled_path", "names_in"]

Names = Mapping[str, str]
_NAME = re.compile(r"\{([A-Za-z][A-Za-z0-9_.-]*)\}")


def names_in(value: Any, *, whole: bool = False) -> list[str]:
    """The placeholders of a text, or of the texts inside a value. `whole`: those only that are all of a text."""
    if isinstance(value, str):
        match = _NAME.fullmatch(value)
        return ([match[1]] if match else []) if whole else _NAME.findall(value)
    children = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return [name for child in children for name in names_in(child, whole=whole)]


def filled_path(template: str, names: Names) -> str:
    """The path with each placeholder as (part of) one quoted segment."""
    for segment in template.split("/"):
        if _NAME.search(segment) and _NAME.sub(lambda match: names[match[1]], segment) in ("", ".", ".."):
            raise ProtocolError("an id of the provider cannot stand in a path")
    return _NAME.sub(lambda match: quote(names[match[1]], safe=""), template)


def filled(template: str, names: Names) -> str:
    """A parameter's or header's text."""
    return _NAME.sub(lambda match: names[match[1]], template)


def filled_body(value: Any, names: Names) -> Any:
    """A body, where a text that is nothing but a placeholder is replaced; other braces (GraphQL) are left alone."""
    if isinstance(value, str):
        match = _NAME.fullmatch(value)
        return names[match[1]] if match else value
    if isinstance(value, Mapping):
        return {key: filled_body(item, names) for key, item in value.items()}
    return [filled_body(item, names) for item in value] if isinstance(value, list) else value
