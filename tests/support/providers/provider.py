"""What a shared test needs to know of a simulated provider.

Public: Provider, Kind, Key.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from syncd_simulator import SimClock

from syncd.sdk import Connector

Key = tuple[str, str, str]  # account ("" for what is shared), partition, source id
START = 1_790_000_000.0  # where simulated time begins


@dataclass(frozen=True)
class Kind:
    """A kind of answer: the method that gives it, and whether the round is full (after a reset) or by delta.

    `plausible`: how the names of malformed forms begin that could be honest in this kind of answer alone. `everyone`: one
    answer is about several people. `more`: what else the fault filter needs.
    """

    stream: str
    method: str
    full: bool = True
    plausible: tuple[str, ...] = ()
    everyone: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        path = f"-{self.more['path']}" if "path" in self.more else ""
        return f"{self.method}{path}-{'full' if self.full else 'delta'}"


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

    hearsay: ClassVar[bool] = False  # only a full round shows all that changed
    kinds: ClassVar[Sequence[Kind]]  # of answers that are garbled
    directory: ClassVar[str]  # the method that lists accounts
    token: ClassVar[str]  # the method of the token endpoint

    def __str__(self) -> str:
        return self.name

    @abstractmethod
    def connector(self) -> Connector:
        """A new instance."""

    @abstractmethod
    def tiny(self, seed: int, clock: SimClock | None = None) -> Any:
        """A few people with some of everything."""

    @abstractmethod
    def small(self, seed: int) -> Any:
        """Two people with a little of everything, in two pages each; the first one is an administrator."""

    @abstractmethod
    def shrink_pages(self, world: Any) -> None:
        """From now on a page holds four items."""

    @abstractmethod
    def edits(self, world: Any, editor: Any, stream: str) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
        """How to add one item to a person's stream, and to delete one for good."""

    @abstractmethod
    def ids(self, world: Any, kind: Kind) -> set[str]:
        """What an id is in this kind of answer."""

    def raws(self, world: Any, stream: str) -> set[str]:
        """Contents as they travel inside of JSON that nobody can check: another one is another item, for good."""
        return set()

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

    def sign_in(self, world: Any, url: str, mark: str) -> dict[str, Any]:
        """Settings whose every secret begins with `mark`, and is refused."""
        return self.settings(world, url) | {name: f"{mark}-{name}" for name in self.secrets}

    def unhurried(self, world: Any) -> Any:
        """The world without the provider's quotas, which processes would wait for in real time."""
        if hasattr(world, "limits"):
            world.limits.enabled = False
        return world

    def tokens(self, world: Any) -> dict[str, Any]:
        """The live access tokens by their text; emptied, all are refused."""
        tokens: dict[str, Any] = world.credentials.tokens
        return tokens

    @abstractmethod
    def expected(self, world: Any, stream: str) -> dict[Key, Mapping[str, Any]]:
        """What the mirror must hold live."""

    def key(self, record: Mapping[str, Any]) -> Key:
        """A record's place in `expected`."""
        return record["account"], record["partition"], record["source_id"]

    def counts(self, world: Any, record: Mapping[str, Any]) -> bool:
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

    def expire(self, world: Any, stream: str, user: Any) -> None:
        """Every cursor that a person has in this stream is too old from now on."""
        world.expire(stream, user)

    @abstractmethod
    def throttle(self, world: Any, stream: str, **match: Any) -> None:
        """Plan an answer that says "slow down" to requests of a stream."""
