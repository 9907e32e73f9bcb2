"""Discovery of connectors: entry points of the group `syncd.connectors`, loaded one by one.

Public: discover, Plugins, Broken, Installed; catalog_of (what the configuration must know of them).

An entry loads to a Connector class or instance, or to an object with the hooks of `syncd.sdk.hooks`. Whatever goes
wrong with one of them (a failing import, `sys.exit` in a module, a wrong API version, bad info, a name that is taken)
is reported with its traceback and stops nobody else. A connector's name belongs to the entry of that name, if there is
one: a copied template that still says the other's name pushes nobody aside.
"""

import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012, Schema

from syncd.config.catalog import Catalog
from syncd.sdk import API_VERSION, Connector, ConnectorInfo, Stream, StreamInfo
from syncd.sdk.hooks import PROJECT, HookSpecs

__all__ = ["GROUP", "Broken", "Installed", "Plugins", "catalog_of", "discover"]

GROUP = "syncd.connectors"
BUILT_IN_SCHEMES = frozenset({"env", "file", "credential"})
NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")

Reader = Callable[[str], str]
Resolver = Any  # of `referencing`, which gives the type no public name
Found = tuple[EntryPoint, Connector]  # a connector that can be used, and the entry that brought it


class Unusable(Exception):
    """A plugin that loads, and breaks the contract. The message is for its author and the operator."""


@dataclass(frozen=True, slots=True)
class Installed:
    """Where a working connector comes from."""

    name: str
    distribution: str
    version: str


@dataclass(frozen=True, slots=True)
class Broken:
    """A plugin that cannot be used. `error` is one line, `traceback` the whole story."""

    name: str
    distribution: str
    version: str
    error: str
    traceback: str


@dataclass(slots=True)
class Plugins:
    """What is installed. `value_schemes`: more `${scheme:…}` sources, scheme → reader."""

    connectors: dict[str, Connector] = field(default_factory=dict)
    broken: dict[str, Broken] = field(default_factory=dict)
    value_schemes: dict[str, Reader] = field(default_factory=dict)
    installed: dict[str, Installed] = field(default_factory=dict)
    _catalog: Catalog | None = field(default=None, repr=False, compare=False)


def discover(entries: Iterable[EntryPoint] | None = None) -> Plugins:
    """Load every plugin of this environment (or of `entries`), in the order of their names."""
    found = entry_points(group=GROUP) if entries is None else entries
    plugins, manager = Plugins(), pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(HookSpecs)
    usable: list[Found] = []
    for entry in sorted(found, key=lambda entry: (entry.name, _origin(entry))):
        try:
            _load(entry, manager, plugins, usable)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            _report(plugins, entry, entry.name, error)
    for entry, connector in sorted(usable, key=lambda one: one[0].name != one[1].info.name):
        _add(entry, connector, plugins)
    return plugins


def catalog_of(plugins: Plugins) -> Catalog:
    """What is installed, as the configuration's loader needs it. Made once: every schema of every connector is checked."""
    if plugins._catalog is None:
        plugins._catalog = Catalog.of(
            plugins.connectors.values(),
            broken={one.name: one.error for one in plugins.broken.values()},
            schemes=plugins.value_schemes,
        )
    return plugins._catalog


def _load(entry: EntryPoint, manager: pluggy.PluginManager, plugins: Plugins, usable: list[Found]) -> None:
    loaded = entry.load()
    if isinstance(loaded, type) and issubclass(loaded, Connector):
        loaded = loaded()
    if isinstance(loaded, Connector):
        connectors: list[Connector] = [loaded]
        schemes: dict[str, Reader] = {}
    else:
        connectors, schemes = _from_hooks(entry, loaded, manager)
    for connector in connectors:
        _judge(entry, connector, plugins, usable)
    for scheme, reader in schemes.items():
        _add_scheme(scheme, reader, plugins)


def _from_hooks(
    entry: EntryPoint, loaded: object, manager: pluggy.PluginManager
) -> tuple[list[Connector], dict[str, Reader]]:
    """Ask this one plugin, and no other, what it brings: a later failure must not be laid at another's door."""
    plugin = loaded() if isinstance(loaded, type) else loaded
    if plugin is None:
        raise Unusable(_of_no_use(entry, plugin))
    name = manager.register(plugin, name=f"{entry.name} ({' '.join(_origin(entry))})")
    try:
        others = [other for other in manager.get_plugins() if other is not plugin]
        connectors = _ask(manager, "syncd_connectors", others)
        schemes = _ask(manager, "syncd_value_schemes", others)
        if not manager.get_hookcallers(plugin):
            raise Unusable(_of_no_use(entry, plugin))
    except BaseException:
        manager.unregister(name=name)
        raise
    merged: dict[str, Reader] = {}
    for more in schemes:
        merged.update(more)
    return [connector for more in connectors for connector in more], merged


def _of_no_use(entry: EntryPoint, found: object) -> str:
    what = f"the entry point {entry.value} is {found!r:.100}"
    return f"{what}: neither a Connector nor an object with a hook of syncd.sdk.hooks"


def _ask(manager: pluggy.PluginManager, hook: str, others: Sequence[object]) -> list[Any]:
    answers: list[Any] = manager.subset_hook_caller(hook, others)()
    return answers


def _judge(entry: EntryPoint, connector: Connector, plugins: Plugins, usable: list[Found]) -> None:
    """Look at one connector, and report it if it is of no use; the others of the same plugin are judged by themselves."""
    try:
        _check(connector)
    except Exception as error:
        _report(plugins, entry, _name_of(connector, entry.name), error)
        return
    usable.append((entry, connector))


def _add(entry: EntryPoint, connector: Connector, plugins: Plugins) -> None:
    """Take one connector in, unless another has its name: then it is reported by its entry's, and the other is used."""
    name = connector.info.name
    if (other := plugins.installed.get(name)) is not None:
        taken = Unusable(f"the name {name!r} is taken by {other.distribution} {other.version}: give `info` another one")
        _report(plugins, entry, entry.name, taken)
        return
    distribution, version = _origin(entry)
    plugins.connectors[name] = connector
    plugins.installed[name] = Installed(name, distribution, version)


def _add_scheme(scheme: str, reader: Reader, plugins: Plugins) -> None:
    if scheme in BUILT_IN_SCHEMES or scheme in plugins.value_schemes:
        raise Unusable(f"the value scheme {scheme!r} is taken")
    if not NAME.fullmatch(scheme) or not callable(reader):
        raise Unusable(f"the value scheme {scheme!r} is not a name with a function")
    plugins.value_schemes[scheme] = reader


def _check(connector: object) -> None:
    """Everything that the engine relies on, before it does."""
    if not isinstance(connector, Connector):
        raise Unusable(f"{connector!r} is not a Connector")
    info = getattr(connector, "info", None)
    if not isinstance(info, ConnectorInfo):
        raise Unusable("`info` is missing or is not a ConnectorInfo")
    if info.api != API_VERSION:
        raise Unusable(f"it was written for version {info.api} of the connector API; this syncd speaks {API_VERSION}")
    if not NAME.fullmatch(info.name):
        raise Unusable(f"the name {info.name!r} is not made of a-z, 0-9, - and _")
    _check_schema("settings_schema", info.settings_schema)
    _check_streams(connector.streams(), may_be_none=connector.can_be_configured)


def _check_streams(streams: Sequence[Stream], *, may_be_none: bool) -> None:
    seen: set[str] = set()
    for stream in streams:
        info = getattr(stream, "info", None)
        if not isinstance(stream, Stream) or not isinstance(info, StreamInfo):
            raise Unusable(f"{stream!r} is not a Stream with an `info`")
        if not NAME.fullmatch(info.name) or info.name in seen:
            raise Unusable(f"the stream name {info.name!r} is used twice, or not made of a-z, 0-9, - and _")
        seen.add(info.name)
        _check_schema(f"options_schema of {info.name}", info.options_schema)
    if not seen and not may_be_none:
        raise Unusable("it has no streams")


def _check_schema(what: str, schema: Mapping[str, Any]) -> None:
    try:
        Draft202012Validator.check_schema(schema)
        _check_references(schema)
    except SchemaError as error:
        raise Unusable(f"{what} is not a valid JSON Schema: {error.message}") from error
    except Unresolvable as error:
        raise Unusable(f"{what} has a $ref to nowhere: {error.ref} (nothing outside of the schema is asked)") from error
    except _Circle as error:
        raise Unusable(f"{what} has a $ref that leads back to itself: {error}") from error


class _Circle(Exception):
    """A `$ref` that would be followed for ever."""


def _check_references(schema: Mapping[str, Any]) -> None:
    """Each `$ref` leads to a schema within this one, or of the language itself: else it fails where it is first used."""
    root = DRAFT202012.create_resource(schema)
    waiting = [(REGISTRY.resolver_with_root(root), root)]
    seen: set[int] = set()
    while waiting:
        resolver, resource = waiting.pop()
        if id(resource.contents) in seen:
            continue
        seen.add(id(resource.contents))
        waiting += [(resolver.in_subresource(sub), sub) for sub in resource.subresources()]
        for there, target in _followed(resolver, resource.contents):
            Draft202012Validator.check_schema(target)
            waiting.append((there, DRAFT202012.create_resource(target)))


def _followed(resolver: Resolver, schema: Schema) -> Iterator[tuple[Resolver, Schema]]:
    """Where the references of a schema lead, from one to the next."""
    passed = {id(schema)}
    while isinstance(schema, Mapping) and (ref := schema.get("$ref", schema.get("$dynamicRef"))) is not None:
        found = resolver.lookup(ref)
        resolver, schema = found.resolver, found.contents
        if id(schema) in passed:
            raise _Circle(ref)
        passed.add(id(schema))
        yield resolver, schema


def _name_of(connector: object, otherwise: str) -> str:
    name = getattr(getattr(connector, "info", None), "name", None)
    return name if isinstance(name, str) and name else otherwise


def _report(plugins: Plugins, entry: EntryPoint, name: str, error: BaseException) -> None:
    distribution, version = _origin(entry)
    key, number = name, 2
    while key in plugins.broken:
        key, number = f"{name} #{number}", number + 1
    line = " ".join(str(error).split())
    text = line if isinstance(error, Unusable) else f"{type(error).__name__}: {line}".rstrip(": ")
    plugins.broken[key] = Broken(name, distribution, version, text, "".join(traceback.format_exception(error)))


def _origin(entry: EntryPoint) -> tuple[str, str]:
    if entry.dist is None:
        return ("?", "?")
    return (entry.dist.name, entry.dist.version)
