"""What no schema can say: names that must exist, claims that must not overlap, endpoints, the daemon's token.

Public: check.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from syncd.sdk import redact

from .catalog import Catalog, InstalledConnector, Schema
from .checker import Checker
from .formats import Invalid, check_endpoint, is_loopback, parse_listen
from .merge import Entry, Merged
from .messages import phrase
from .problem import Problem, did_you_mean, one_of, shown
from .tree import SecretText, Text, Tree

__all__ = ["check"]


def check(merged: Merged, catalog: Catalog, checker: Checker) -> list[Problem]:
    """Every problem that shows only when the folder is looked at as a whole, or with the connectors at hand."""
    found = [*_daemon(merged.daemon)] if merged.daemon else []
    for connection in merged.connections.values():
        found += _connection(connection, catalog, checker)
    found += _previous_names(merged)
    claims: dict[tuple[str, str], Entry] = {}
    for sync in merged.syncs.values():
        found += _sync(sync, merged, catalog, checker)
        found += _claims(sync, claims)
    return found


def _daemon(daemon: Entry) -> Iterator[Problem]:
    listen = daemon.data.get("listen")
    if not _known(listen) or daemon.data.get("token") is not None:
        return
    try:
        host, _ = parse_listen(str(listen))
    except Invalid:  # the schema check reports it
        return
    if not is_loopback(host):
        message = f"'daemon.listen' is open to other machines ({shown(listen)}): that needs 'daemon.token'"
        hint = "token: ${file:/etc/syncd/api-token}, or listen: 127.0.0.1:8642"
        yield daemon.problem(
            ("listen",), message if not isinstance(listen, Text) else message.replace(listen, listen.reference), hint
        )


def _connection(entry: Entry, catalog: Catalog, checker: Checker) -> Iterator[Problem]:
    name = entry.data.get("connector")
    if not _known(name):
        return
    if name not in catalog.connectors:
        yield entry.problem(("connector",), *_not_installed(entry, str(name), catalog))
        return
    settings = entry.data.get("settings")
    if settings is None or isinstance(settings, dict):
        path = (*entry.path, "settings")
        found = checker.settings(entry.tree, path, str(name), settings or {})
        yield from found or _said_by(catalog.connectors[str(name)], entry, settings or {})
        yield from _endpoints(entry, settings or {})


def _said_by(connector: InstalledConnector, entry: Entry, settings: dict[str, Any]) -> Iterator[Problem]:
    """What the connector itself finds wrong with settings that keep to its schema."""
    try:
        found = list(connector.problems(settings))
        if not found and connector.configured is not None and not _has_unknown(settings):
            connector.configured(settings)
    except Exception as error:  # a plugin's own code
        reason = redact(str(error)) if isinstance(error, ValueError) else ""
        message = f"{phrase((*entry.path, 'settings'))}: the connector {shown(connector.name)} can make nothing of them"
        yield entry.problem(("settings",), f"{message}: {reason or type(error).__name__}")
        return
    for place, message in found:
        path = ("settings", *place)
        yield entry.problem(path, f"{phrase((*entry.path, *path))} {message}")


def _has_unknown(value: Any) -> bool:
    """Whether a value stands there that could not be had; a secret is none that a connector must see."""
    if isinstance(value, dict):
        return any(_has_unknown(one) for one in value.values())
    if isinstance(value, list):
        return any(_has_unknown(one) for one in value)
    return isinstance(value, Text) and not value.known and not isinstance(value, SecretText)


def _not_installed(entry: Entry, name: str, catalog: Catalog) -> tuple[str, str]:
    where = phrase((*entry.path, "connector"))
    if name in catalog.broken:
        return f"{where}: the connector {shown(name)} is installed but broken: {catalog.broken[name]}", "reinstall it"
    installed = f"installed: {', '.join(sorted(catalog.connectors))}" if catalog.connectors else "none is installed"
    hint = did_you_mean(name, catalog.connectors) or "`syncd connectors` lists what is installed"
    return f"{where}: the connector {shown(name)} is not installed ({installed})", hint


def _endpoints(entry: Entry, settings: dict[str, Any]) -> Iterator[Problem]:
    endpoints = settings.get("endpoints")
    for key, url in endpoints.items() if isinstance(endpoints, dict) else ():
        if not _known(url):
            continue
        try:
            check_endpoint(str(url))
        except Invalid as problem:
            path = ("settings", "endpoints", key)
            yield entry.problem(path, f"{phrase((*entry.path, *path))} {problem.message}", problem.hint)


def _previous_names(merged: Merged) -> Iterator[Problem]:
    taken: dict[str, Entry] = {}
    for entry in merged.connections.values():
        previous = entry.data.get("previous_name")
        if not _known(previous):
            continue
        where = phrase((*entry.path, "previous_name"))
        other = merged.connections.get(str(previous)) or taken.setdefault(str(previous), entry)
        if previous == entry.name:
            yield entry.problem(("previous_name",), f"{where} is its present name", "remove it")
        elif other is not entry:
            place = f"{other.place.file}:{other.place.line}"
            what = "is a connection that exists" if other.name == previous else f"is that of {shown(other.name)} too"
            yield entry.problem(("previous_name",), f"{where} {what}: {place}", "one old name, one new connection")


def _sync(entry: Entry, merged: Merged, catalog: Catalog, checker: Checker) -> Iterator[Problem]:
    name = entry.data.get("connection")
    if not _known(name):
        return
    connection = merged.connections.get(str(name))
    if connection is None:
        if merged.complete:  # else it may stand in the file that cannot be read
            where = phrase((*entry.path, "connection"))
            known = f"there are {', '.join(sorted(merged.connections))}" if merged.connections else ""
            message = f"{where}: there is no connection {shown(name)}"
            hint = did_you_mean(str(name), merged.connections) or known or "define it under connections:"
            yield entry.problem(("connection",), message, hint)
        return
    connector = connection.data.get("connector")
    if _known(connector) and connector in catalog.connectors:
        installed = catalog.connectors[str(connector)]
        streams = _known_streams(installed, connection)
        if streams is not None:
            owner = "connector" if installed.configured is None else "connection"
            named = f"{owner} {shown(connector if installed.configured is None else name)}"
            yield from _streams(entry, named, streams, checker)


def _known_streams(connector: InstalledConnector, connection: Entry) -> Mapping[str, Schema] | None:
    """The streams of a connection; None where its settings are of no use, which is told where they stand."""
    if connector.configured is None:
        return connector.streams
    try:
        return connector.configured(connection.data.get("settings") or {})
    except Exception:  # a plugin's own code, given settings that may be wrong in any way: told by `_said_by`
        return None


def _streams(entry: Entry, owner: str, known: Mapping[str, Schema], checker: Checker) -> Iterator[Problem]:
    for step, stream, options in _streams_of(entry):
        path = ("streams", step)
        if stream not in known:
            message = f"{phrase((*entry.path, 'streams'))}: {owner} has no stream {shown(stream)}"
            hint = did_you_mean(stream, known) or (f"there are {one_of(known)}" if known else "it has none")
            yield entry.problem(path, message, hint, key=True)
        elif isinstance(options, dict) and options:
            yield from checker.options(entry.tree, (*entry.path, *path), owner, stream, known[stream], options)


def _claims(entry: Entry, claims: dict[tuple[str, str], Entry]) -> Iterator[Problem]:
    """A stream of a connection belongs to one sync, disabled ones included."""
    connection = entry.data.get("connection")
    for step, stream, _ in _streams_of(entry) if _known(connection) else ():
        first = claims.setdefault((str(connection), stream), entry)
        if first is not entry:
            place = _stream_place(first, stream)
            message = (
                f"stream {shown(stream)} of connection {shown(connection)} belongs to sync {shown(first.name)} already"
            )
            yield entry.problem(
                ("streams", step), f"{message}: {place}", "a stream of a connection is in one sync only", key=True
            )


def _stream_place(entry: Entry, stream: str) -> str:
    step = next(step for step, name, _ in _streams_of(entry) if name == stream)
    tree: Tree = entry.tree
    return f"{tree.file}:{tree.key_mark((*entry.path, 'streams', step))[0]}"


def _streams_of(entry: Entry) -> list[tuple[str | int, str, Any]]:
    """Each stream with its key or place in the list, and its options."""
    streams = entry.data.get("streams")
    if isinstance(streams, dict):
        return [(name, name, options) for name, options in streams.items()]
    names = streams if isinstance(streams, list) else []
    return [(place, name, {}) for place, name in enumerate(names) if _known(name)]


def _known(value: Any) -> bool:
    return isinstance(value, str) and not (isinstance(value, Text) and not value.known)
