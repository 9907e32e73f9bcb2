"""The connector whose streams are a Singer tap's.

Public: SingerConnector.
"""

import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Any

from syncd.sdk import Account, Connector, ConnectorInfo, Context, Stream, SyncdError

from . import errors
from .plan import Plan, read
from .schema import SCHEMA
from .stream import discovered, streams_of

__all__ = ["SingerConnector"]

SECRET = re.compile(
    r"(?i)(secret|passw(or)?d|passphrase|token|(api|private|access)[_-]?key|credentials?|connection[_-]?string)$"
)


class SingerConnector(Connector):
    """What is installed: it knows no tap. `configured` makes the connector of a connection."""

    info = ConnectorInfo("singer", "Any Singer tap", settings_schema=SCHEMA, errors=errors.CATALOGUE)

    def configured(self, settings: Mapping[str, Any]) -> Connector:
        return TapConnector(read(settings))

    def problems(self, settings: Mapping[str, Any]) -> Iterable[tuple[Sequence[str | int], str]]:
        if not settings.get("streams") and not settings.get("catalog"):
            yield (), "names neither streams nor a catalog: which streams there are must be known without the tap"
        for path in _secrets(settings.get("config")):
            yield ("config", *path), f"looks like a secret: write it under credentials, as `{'.'.join(map(str, path))}`"
        for name, stream in (settings.get("streams") or {}).items():
            if stream and stream.get("replication", "full") == "full" and "full_every" in stream:
                yield ("streams", name, "full_every"), "says nothing where `replication` is full"

    def streams(self) -> Sequence[Stream]:
        return []

    def origins(self, settings: Mapping[str, Any]) -> Sequence[str]:
        """None: the connector itself asks nobody. Where the tap goes is the tap's business."""
        return ()

    def accounts(self, ctx: Context) -> AsyncIterator[Account]:
        raise NotImplementedError("a connection's own connector is asked for accounts")


class TapConnector(SingerConnector):
    """The connector of one connection."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._streams = streams_of(plan)

    def configured(self, settings: Mapping[str, Any]) -> Connector:
        return self

    def streams(self) -> Sequence[Stream]:
        return self._streams

    async def accounts(self, ctx: Context) -> AsyncIterator[Account]:
        one = self._plan.account
        yield Account(one.id, one.address or self._plan.tap.rsplit("/", 1)[-1], one.name)

    async def check(self, ctx: Context) -> Mapping[str, str]:
        """Ask the tap which streams it has, also where a catalogue is stored: does it start with this configuration?"""
        catalog = await discovered(ctx, self._plan)
        ctx.log.info("asked the tap for its streams", tap=self._plan.tap, streams=catalog.names())
        said: dict[str, str] = {}
        for stream in self._streams:
            try:
                stream.require(catalog)
                said[stream.info.name] = "ready"
            except SyncdError as error:
                said[stream.info.name] = error.message
        return said


def _secrets(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where texts stand in a tap's configuration that are secrets by their name."""
    children = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        if isinstance(child, str) and child and isinstance(key, str) and SECRET.search(key):
            yield (*path, key)
        yield from _secrets(child, (*path, key))
