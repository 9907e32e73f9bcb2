"""The JSON Schema (2020-12) that editors use: the contract, with every installed connector spliced in.

Public: schema.

    # yaml-language-server: $schema=./syncd.schema.json      ← syncd schema > syncd.schema.json
"""

from typing import Any
from urllib.parse import quote

from .catalog import Catalog, InstalledConnector
from .core import core_schema
from .plugged import options_schema, renamed, settings_schema

__all__ = ["schema"]

Schema = dict[str, Any]
_REFERENCE = r"\$\{[a-z][a-z0-9_+.-]*:[^}]+\}"
_LITERAL = ("connector", "version")


def schema(catalog: Catalog, connector: str | None = None) -> Schema:
    """The schema of a file of the folder; with `connector`, that of one connector's `settings` and stream options.

    Raises KeyError if no such connector is installed.
    """
    if connector is not None:
        return _of_connector(catalog.connectors[connector])
    whole = core_schema()
    connection = whole["properties"]["connections"]["additionalProperties"]
    names = sorted(catalog.connectors)
    if names:
        connection["properties"]["connector"]["enum"] = names
    connection["allOf"] = [_if_connector(catalog.connectors[name]) for name in names]
    whole["$defs"] = {k: v for name in names for k, v in _definitions(catalog.connectors[name]).items()}
    streams = whole["properties"]["syncs"]["additionalProperties"]["properties"]["streams"]
    streams["properties"] = _all_streams(catalog)
    streams["items"] = {"type": "string", "examples": sorted(streams["properties"])}
    return _for_editors(whole)


def _of_connector(connector: InstalledConnector) -> Schema:
    """One connector on its own, for `syncd schema CONNECTOR`: an object with `settings` and `streams`."""
    streams = {name: _ref(connector, f"streams.{name}") for name in connector.streams}
    properties = {
        "settings": _ref(connector, "settings"),
        "streams": {"type": "object", "properties": streams, "additionalProperties": False},
    }
    head: Schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": connector.title or connector.name,
        "description": f"Settings of a connection of {connector.name}, and the options of its streams.",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }
    return _for_editors({**head, "$defs": _definitions(connector)})


def _definitions(connector: InstalledConnector) -> Schema:
    """Settings and options of a connector by their names in `$defs`."""
    parts = {"settings": settings_schema(connector)}
    parts.update({f"streams.{name}": options_schema(own, name) for name, own in connector.streams.items()})
    return {f"{connector.name}.{part}": renamed(found, _ref(connector, part)["$ref"]) for part, found in parts.items()}


def _ref(connector: InstalledConnector, part: str) -> dict[str, str]:
    name = f"{connector.name}.{part}".replace("~", "~0").replace("/", "~1")
    return {"$ref": f"#/$defs/{quote(name, safe='~')}"}


def _if_connector(connector: InstalledConnector) -> Schema:
    then: Schema = {"properties": {"settings": _ref(connector, "settings")}}
    if connector.settings.get("required"):
        then["required"] = ["settings"]
    return {
        "if": {"properties": {"connector": {"const": connector.name}}, "required": ["connector"]},
        "then": then,
    }


def _all_streams(catalog: Catalog) -> Schema:
    """Every stream by name: which connector a sync goes to stands elsewhere, so any connector's options will do."""
    forms: dict[str, list[Schema]] = {}
    for connector in catalog.connectors.values():
        for stream in connector.streams:
            forms.setdefault(stream, []).append(_ref(connector, f"streams.{stream}"))
    return {
        name: {"description": f"Options of {name}.", "anyOf": [*options, {"type": "null"}]}
        for name, options in sorted(forms.items())
    }


def _for_editors(part: Schema) -> Schema:
    """The same schema where editors check it, who see references and never their values.

    A secret must look like a reference; a number, a boolean or a choice may be one.
    """
    opened = dict(part)
    for word, value in part.items():
        if word in ("properties", "$defs", "patternProperties"):
            opened[word] = {name: _property(name, item) for name, item in value.items()}
        elif word in ("allOf", "anyOf", "oneOf", "prefixItems"):
            opened[word] = [_for_editors(item) if isinstance(item, dict) else item for item in value]
        elif word in ("items", "additionalProperties", "then", "else") and isinstance(value, dict):
            opened[word] = _property(word, value)
    return opened


def _property(name: str, item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    if item.get("x-secret") is True:
        described = {key: item[key] for key in ("title", "description", "examples") if key in item}
        return {**described, "type": "string", "pattern": _REFERENCE, "x-secret": True}
    if name not in _LITERAL and (item.get("type") in ("integer", "number", "boolean") or "enum" in item):
        described = {key: item[key] for key in ("title", "description", "default") if key in item}
        return {**described, "anyOf": [item, {"type": "string", "pattern": _REFERENCE}]}
    return _for_editors(item)
