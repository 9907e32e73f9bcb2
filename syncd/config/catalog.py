"""What is installed, as far as the configuration must know.

Public: Catalog, InstalledConnector.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jsonschema

from syncd.sdk import JSON, Connector

__all__ = ["Catalog", "InstalledConnector"]

Schema = Mapping[str, JSON]
Scheme = Callable[[str], str]
Settings = Mapping[str, Any]
Finding = tuple[Sequence[str | int], str]  # a place below the settings, and what is wrong there


@dataclass(frozen=True, slots=True)
class InstalledConnector:
    """A connector's name, the schema of its `settings`, and per stream the schema of its options.

    `configured` gives the streams of a connection from its settings, where these say which there are; it raises
    ValueError for settings that are of no use. `problems`: what the connector finds wrong with settings besides.
    """

    name: str
    title: str = ""
    settings: Schema = field(default_factory=dict)
    streams: Mapping[str, Schema] = field(default_factory=dict)
    configured: Callable[[Settings], Mapping[str, Schema]] | None = field(default=None, compare=False)
    problems: Callable[[Settings], Iterable[Finding]] = field(default=lambda _: (), compare=False)


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
    jsonschema.Draft202012Validator.check_schema(info.settings_schema)
    return InstalledConnector(
        info.name,
        info.title or info.name,
        info.settings_schema,
        _streams(connector),
        (lambda settings: _streams(connector.configured(settings))) if connector.can_be_configured else None,
        connector.problems,
    )


def _streams(connector: Connector) -> dict[str, Schema]:
    streams = {stream.info.name: stream.info.options_schema for stream in connector.streams()}
    for schema in streams.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    return streams


def _reason(error: Exception) -> str:
    if isinstance(error, jsonschema.SchemaError):
        return f"a schema of the connector is not valid JSON Schema: {error.message}"
    return str(error) or type(error).__name__
