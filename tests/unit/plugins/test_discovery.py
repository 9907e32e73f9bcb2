"""Discovery: working plugins are found, broken ones reported, and nobody stops anybody."""

import sys
import types
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from syncd.plugins import GROUP, catalog_of, discover
from syncd.sdk import Account, Connector, ConnectorInfo, Context, Page, Stream, StreamInfo, hookimpl


class Notes(Stream):
    info = StreamInfo("notes")

    async def pages(self, ctx: Context) -> Any:
        yield Page([], last=True, bookmark={})


def connector(name: str, **more: Any) -> type[Connector]:
    class Made(Connector):
        info = ConnectorInfo(name, **more)

        def streams(self) -> list[Stream]:
            return [Notes()]

        async def accounts(self, ctx: Context) -> Any:
            yield Account("1", "a@b.example")

    return Made


@pytest.fixture
def module() -> Iterator[types.ModuleType]:
    made = types.ModuleType("plugin_under_test")
    sys.modules[made.__name__] = made
    yield made
    del sys.modules[made.__name__]


def entry(name: str, value: str = "") -> EntryPoint:
    return EntryPoint(name, f"plugin_under_test:{value or name}", GROUP)


def test_a_class_and_an_instance_are_connectors(module: Any) -> None:
    module.one, module.two = connector("one"), connector("two")()
    plugins = discover([entry("one"), entry("two")])
    assert sorted(plugins.connectors) == ["one", "two"]
    assert plugins.broken == {}


def test_hooks_bring_connectors_and_value_schemes(module: Any) -> None:
    class Hooks:
        @hookimpl
        def syncd_connectors(self) -> list[Connector]:
            return [connector("three")(), connector("four")()]

        @hookimpl
        def syncd_value_schemes(self) -> dict[str, Any]:
            return {"vault": str.upper}

    module.hooks, module.more = Hooks(), connector("five")
    plugins = discover([entry("hooks"), entry("more")])
    assert sorted(plugins.connectors) == ["five", "four", "three"]
    assert plugins.value_schemes["vault"]("x") == "X"


def test_a_module_may_carry_the_hooks(module: Any) -> None:
    module.syncd_connectors = hookimpl(lambda: [connector("six")()])
    assert sorted(discover([EntryPoint("six", "plugin_under_test", GROUP)]).connectors) == ["six"]


def test_each_hook_plugin_answers_for_itself(module: Any) -> None:
    class Good:
        @hookimpl
        def syncd_connectors(self) -> list[Connector]:
            return [connector("good")()]

    class Bad:
        @hookimpl
        def syncd_connectors(self) -> list[Connector]:
            raise RuntimeError("no licence file")

    module.a, module.b, module.c = Bad(), Good(), Bad()
    plugins = discover([entry("a"), entry("b"), entry("c")])
    assert sorted(plugins.connectors) == ["good"]
    assert sorted(plugins.broken) == ["a", "c"]
    assert plugins.broken["a"].error == "RuntimeError: no licence file"
    assert 'raise RuntimeError("no licence file")' in plugins.broken["a"].traceback


class Streamless(connector("streamless")):  # type: ignore[misc]
    def streams(self) -> list[Stream]:
        return []


class Twice(connector("twice")):  # type: ignore[misc]
    def streams(self) -> list[Stream]:
        return [Notes(), Notes()]


class NoInfo(connector("x")):  # type: ignore[misc]
    info = None


BROKEN = [
    (connector("future", api=2), "version 2 of the connector API"),
    (connector("Bad Name"), "'Bad Name' is not made of"),
    (connector("schema", settings_schema={"type": "objekt"}), "settings_schema is not a valid JSON Schema"),
    (Streamless, "no streams"),
    (Twice, "'notes' is used twice"),
    (NoInfo, "`info` is missing"),
    (42, "neither a Connector nor an object with a hook"),
]


@pytest.mark.parametrize(("loaded", "message"), BROKEN)
def test_what_breaks_the_contract_is_reported_and_the_rest_runs(module: Any, loaded: Any, message: str) -> None:
    module.bad, module.good = loaded, connector("good")
    plugins = discover([entry("bad"), entry("good")])
    assert list(plugins.connectors) == ["good"]
    (broken,) = plugins.broken.values()
    assert message in broken.error
    assert "Traceback" in broken.traceback


@pytest.mark.parametrize("error", [ImportError("no such thing"), SystemExit(3), SyntaxError("odd"), MemoryError()])
def test_an_import_that_raises_anything_stops_nobody(module: Any, error: BaseException) -> None:
    class Loader:
        name, dist = "bad", None

        def load(self) -> object:
            raise error

    module.good = connector("good")
    plugins = discover([Loader(), entry("good")])  # type: ignore[list-item]
    assert list(plugins.connectors) == ["good"]
    assert plugins.broken["bad"].error.startswith(type(error).__name__)


def test_the_second_of_one_name_is_broken(module: Any) -> None:
    module.a, module.b = connector("same"), connector("same")
    plugins = discover([entry("a"), entry("b")])
    assert list(plugins.connectors) == ["same"]
    assert "is taken by" in plugins.broken["b"].error


def test_built_in_value_schemes_cannot_be_replaced(module: Any) -> None:
    class Hooks:
        @hookimpl
        def syncd_value_schemes(self) -> dict[str, Any]:
            return {"env": lambda name: "evil"}

    module.hooks = Hooks()
    plugins = discover([entry("hooks")])
    assert "'env' is taken" in plugins.broken["hooks"].error
    assert plugins.value_schemes == {}


NOWHERE = [
    {"properties": {"a": {"$ref": "#/nowhere"}}},
    {"properties": {"a": {"items": {"$ref": "#nobody"}}}},
    {"properties": {"a": {"$dynamicRef": "other"}}},
    {"properties": {"a": {"$ref": "http://other.example/x.json"}}},
    {"properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"b": {"anyOf": [{"$ref": "#/$defs/c"}]}}},
    {"properties": {"a": {"$ref": "#/x-parts/b"}}, "x-parts": {"b": {"not": {"$ref": "#/x-parts/c"}}}},
]


@pytest.mark.parametrize("schema", NOWHERE, ids=str)
def test_a_schema_that_refers_to_nothing_is_reported_and_the_rest_runs(module: Any, schema: Any) -> None:
    class Options(Notes):
        info = StreamInfo("notes", options_schema=schema)

    class Other(connector("other")):  # type: ignore[misc]
        def streams(self) -> list[Stream]:
            return [Options()]

    module.bad, module.other, module.good = connector("bad", settings_schema=schema), Other, connector("good")
    plugins = discover([entry("bad"), entry("good"), entry("other")])
    assert list(plugins.connectors) == ["good"]
    assert plugins.broken["bad"].error.startswith("settings_schema has a $ref to nowhere: ")
    assert plugins.broken["other"].error.startswith("options_schema of notes has a $ref to nowhere: ")


def test_a_schema_that_refers_to_itself_without_end_or_to_no_schema_is_reported(module: Any) -> None:
    circle = {
        "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}},
        "properties": {"a": {"$ref": "#/$defs/a"}},
    }
    module.circle = connector("circle", settings_schema=circle)
    module.text = connector("text", settings_schema={"$comment": "x", "items": {"$ref": "#/$comment"}})
    plugins = discover([entry("circle"), entry("text")])
    assert plugins.connectors == {}
    assert "settings_schema has a $ref that leads back to itself" in plugins.broken["circle"].error
    assert "settings_schema is not a valid JSON Schema" in plugins.broken["text"].error


def test_references_that_lead_somewhere_are_good(module: Any) -> None:
    schema = {
        "type": "object",
        "properties": {
            "tree": {"$ref": "#/$defs/tree"},
            "any": {"$ref": "https://json-schema.org/draft/2020-12/schema"},
            "leaf": {"$ref": "#leaf"},
            "$ref": {"type": "string"},
            "odd": {"enum": [{"$ref": "#/nowhere"}]},
        },
        "$defs": {
            "tree": {"properties": {"below": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}},
            "leaf": {"$anchor": "leaf", "type": "string"},
        },
    }
    module.good = connector("good", settings_schema=schema)
    plugins = discover([entry("good")])
    assert (list(plugins.connectors), plugins.broken) == (["good"], {})


@pytest.mark.parametrize("thief", ["a-copy", "z-copy"])
def test_a_name_belongs_to_the_entry_of_that_name(module: Any, thief: str) -> None:
    module.copied, module.real = connector("real", title="A copy"), connector("real")
    plugins = discover([entry(thief, "copied"), entry("real")])
    assert {name: type(made) for name, made in plugins.connectors.items()} == {"real": module.real}
    (broken,) = plugins.broken.values()
    assert broken.name == thief
    assert "the name 'real' is taken by" in broken.error
    assert "real" in catalog_of(plugins).connectors


def test_an_entry_that_is_none_is_named(module: Any) -> None:
    module.nothing, module.good = None, connector("good")
    plugins = discover([entry("bad", "nothing"), entry("good")])
    assert list(plugins.connectors) == ["good"]
    assert plugins.broken["bad"].error == (
        "the entry point plugin_under_test:nothing is None: neither a Connector nor an object with a hook of syncd.sdk.hooks"
    )
