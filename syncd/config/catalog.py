"""What is installed, as far as the configuration must know.

Public: Catalog, InstalledConnector.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import jsonschema

from syncd.sdk import JSON, Connector

__all__ = ["Catalog", "InstalledConnector"]

Schema = Mapping[str, JSON]
Scheme = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class InstalledConnector:
    """A connector's name, the schema of its `settings`, and per stream the schema of its options."""

    name: str
    title: str = ""
    settings: Schema = field(default_factory=dict)
    streams: Mapping[str, Schema] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Catalog:
    """Installed connectors by name, broken plugins with the reason, and value schemes beyond env, file, credential.

    A plugin's scheme with a built-in's name is never asked.
    """

    connectors: Mapping[str, InstalledConnector] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)
    schemes: Mapping[str, Scheme] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        connectors: Iterable[Connector],
        *,
        broken: Mapping[str, str] | None = None,
        schemes: Mapping[str, Scheme] | None = None,
    ) -> "Catalog":
        """Describe connectors. One whose schemas can't be used, or whose name is taken, is listed as broken."""
        good: dict[str, InstalledConnector] = {}
        bad = dict(broken or {})
        for connector in connectors:
            name = getattr(getattr(connector, "info", None), "name", type(connector).__name__)
            try:
                if name in good:
                    raise ValueError(f"two installed plugins are named {name}")
                good[name] = _describe(connector)
            except Exception as error:  # a plugin's own code may raise anything
                bad[name] = _reason(error)
        return cls(good, bad, dict(schemes or {}))


def _describe(connector: Connector) -> InstalledConnector:
    info = connector.info
    streams = {stream.info.name: stream.info.options_schema for stream in connector.streams()}
    for schema in (info.settings_schema, *streams.values()):
        jsonschema.Draft202012Validator.check_schema(schema)
    return InstalledConnector(info.name, info.title or info.name, info.settings_schema, streams)


def _reason(error: Exception) -> str:
    if isinstance(error, jsonschema.SchemaError):
        return f"a schema of the connector is not valid JSON Schema: {error.message}"
    return str(error) or type(error).__name__
