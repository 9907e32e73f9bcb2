"""What is installed, and the schema that is made from it."""

import json
import subprocess
import sys

import jsonschema
import pytest

from syncd.config.catalog import Catalog, InstalledConnector
from syncd.config.core import COMMON_OPTIONS
from syncd.config.plugged import secret_paths
from syncd.config.schema import schema
from syncd.sdk import Connector, ConnectorInfo


@pytest.mark.parametrize("connector", [None, "google", "shop"])
def test_the_schema_is_a_schema_and_plain_json(connector: str | None, catalog: Catalog) -> None:
    found = json.loads(json.dumps(schema(catalog, connector)))
    jsonschema.Draft202012Validator.check_schema(found)
    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_an_unknown_connector_has_no_schema(catalog: Catalog) -> None:
    with pytest.raises(KeyError):
        schema(catalog, "gogle")


def test_every_key_of_the_contract_has_a_description(catalog: Catalog) -> None:
    def check(part: dict, path: str) -> None:
        for name, item in part.get("properties", {}).items():
            assert item.get("description") or "$ref" in item, f"{path}.{name}"
            check(item, f"{path}.{name}")
        if isinstance(part.get("additionalProperties"), dict):
            check(part["additionalProperties"], f"{path}.*")

    found = schema(Catalog())
    check(found, "")
    assert set(found["properties"]) == {"version", "daemon", "connections", "syncs"}


def test_the_schema_without_connectors_accepts_any(catalog: Catalog) -> None:
    tree = {"connections": {"a": {"connector": "whatever", "settings": {"x": 1}}}}
    assert jsonschema.Draft202012Validator(schema(Catalog())).is_valid(tree)
    assert not jsonschema.Draft202012Validator(schema(catalog)).is_valid(tree)


@pytest.mark.parametrize(
    ("settings", "valid"),
    [
        ({"region": "eu"}, True),
        ({"region": "${env:REGION}", "port": "${env:PORT}", "sandbox": "${env:S}", "keys": ["${env:K}"]}, True),
        ({"region": "asia"}, False),
        ({"region": "eu", "keys": ["written out"]}, False),
        ({"region": "eu", "login": {"kind": "password", "user": "me", "password": "written out"}}, False),
        ({"region": "eu", "nonsense": 1}, False),
        ({}, False),
    ],
)
def test_editors_check_settings_of_the_connector_that_is_named(settings: dict, valid: bool, catalog: Catalog) -> None:
    tree = {"connections": {"a": {"connector": "shop", "settings": settings}}}
    assert jsonschema.Draft202012Validator(schema(catalog)).is_valid(tree) is valid


def test_common_options_are_known_for_every_connector(catalog: Catalog) -> None:
    found = schema(catalog, "google")["$defs"]
    for stream, options in COMMON_OPTIONS.items():
        assert set(found[f"google.streams.{stream}"]["properties"]) == set(options)


def test_secrets_are_found_wherever_a_schema_can_hold_them() -> None:
    secret = {"x-secret": True}
    found = secret_paths(
        {
            "properties": {
                "a": secret,
                "b": {"items": secret},
                "c": {"additionalProperties": secret},
                "d": {"$ref": "#/$defs/d"},
            },
            "anyOf": [{"properties": {"e": secret}}],
            "if": {"properties": {"f": {}}},
            "then": {"properties": {"f": secret}},
            "$defs": {"d": {"properties": {"x": secret, "again": {"$ref": "#/$defs/d"}}}},
        }
    )
    assert {("a",), ("b", "*"), ("c", "*"), ("d", "x"), ("d", "again", "x"), ("e",), ("f",)} <= found


def test_a_connector_that_cannot_be_used_is_broken_and_the_others_work(catalog: Catalog) -> None:
    class Odd(Connector):
        accounts = None
        info = ConnectorInfo("odd", settings_schema={"type": "nonsense"})

        def streams(self) -> list:
            return []

    class Raising(Connector):
        accounts = None
        info = ConnectorInfo("raising")

        def streams(self) -> list:
            raise RuntimeError("no streams today")

    class Fine(Odd):
        info = ConnectorInfo("fine", "Fine")

    found = Catalog.of([Odd(), Raising(), Fine(), Fine()], broken={"lost": "no module"})
    assert found.connectors == {"fine": InstalledConnector("fine", "Fine")}
    assert found.broken["lost"] == "no module"
    assert found.broken["raising"] == "no streams today"
    assert found.broken["odd"].startswith("a schema of the connector is not valid JSON Schema")
    assert found.broken["fine"] == "two installed plugins are named fine"


def test_reading_configuration_loads_nothing_heavy() -> None:
    code = "import sys, syncd.config.loader, syncd.config.diff; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"sqlmodel", "sqlalchemy", "pydantic", "watchdog"} & set(done.stdout.split())
