"""What a shared test needs to know of a simulated provider.

Public: Provider, Key.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from syncd_simulator import SimClock

from syncd.sdk import Connector

Key = tuple[str, str, str]  # account ("" for what is shared), partition, source id
START = 1_790_000_000.0  # where simulated time begins


class Provider(ABC):
    """One provider: its connector, and how its simulated world is made, changed, broken and looked into.

    `streams`: the streams, with the options under which shared tests mirror them. `apis`: per stream, the value of the
    fault filter `api`. `secrets`: names of the settings that are secrets. `fields`: per stream, what of an item is
    compared with a record's data.
    """

    name: ClassVar[str]
    streams: ClassVar[Mapping[str, Mapping[str, Any]]]
    apis: ClassVar[Mapping[str, str]]
    secrets: ClassVar[frozenset[str]]
    fields: ClassVar[Mapping[str, tuple[str, ...]]]

    @abstractmethod
    def connector(self) -> Connector:
        """A new instance."""

    @abstractmethod
    def tiny(self, seed: int, clock: SimClock | None = None) -> Any:
        """A few people with some of everything."""

    @abstractmethod
    def demo(self, seed: int, people: int) -> Any:
        """An organisation with a life."""

    @abstractmethod
    def app(self, world: Any) -> Any:
        """The world as an ASGI application."""

    @abstractmethod
    def editor(self, world: Any, seed: int) -> Any:
        """What changes the world at random: `random_edit()`."""

    @abstractmethod
    def settings(self, world: Any, url: str) -> dict[str, Any]:
        """The connection's settings, all in clear, when the world is served at `url`."""

    @abstractmethod
    def expected(self, world: Any, stream: str) -> dict[Key, Mapping[str, Any]]:
        """What the mirror must hold live."""

    def key(self, record: Mapping[str, Any]) -> Key:
        """A record's place in `expected`."""
        return record["account"], record["partition"], record["source_id"]

    def counts(self, record: Mapping[str, Any]) -> bool:
        """Whether a record is to be compared at all."""
        return True

    def item_differences(self, stream: str, truth: Mapping[str, Any], record: Mapping[str, Any]) -> list[str]:
        """How a record differs from the item, in words."""
        data, blob = record["data"], record["summary"].get("blob") or {}
        out = [
            f"{name}: {data.get(name)!r}, not {truth.get(name)!r}"
            for name in self.fields[stream]
            if data.get(name) != truth.get(name)
        ]
        content = truth.get("contentSha256") or truth.get("sha256")
        if content and blob.get("sha256") != content:
            out.append(f"content {blob!r}, not {content}")
        return out

    @abstractmethod
    def throttle(self, world: Any, stream: str, **match: Any) -> None:
        """Plan an answer that says "slow down" to requests of a stream."""
