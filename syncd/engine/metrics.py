"""What the engine counts while it works.

Public: Metrics (a port: `syncd.web.metrics` implements it for Prometheus), SILENT (counts nothing).

Only what no table can tell is counted here; how things stand is read from the store when somebody asks. Nothing here is
called once per record, and no name of an account is ever given.
"""

from typing import Protocol

from syncd.engine.ports import Counts

__all__ = ["SILENT", "Metrics", "outcome_of"]


class Metrics(Protocol):
    """Called from the event loop, `committed` from the store's writer."""

    def requested(self, connector: str, outcome: str, seconds: float) -> None:
        """A request went over the wire; `seconds` until its answer began. `outcome`: as `outcome_of` says."""

    def throttled(self, connector: str, connection: str) -> None:
        """A provider said "slow down"."""

    def waited(self, connector: str, connection: str, seconds: float) -> None:
        """Somebody has waited because a provider said so."""

    def counted(self, connector: str, stream: str, counts: Counts) -> None:
        """A page was committed, or deletions were settled."""

    def compared(self, connection: str, stream: str) -> None:
        """A full round has begun to read anew what deltas had kept."""

    def differed(self, connection: str, stream: str, kind: str, count: int) -> None:
        """Such a round found so many items `new`, `updated` or `absent`."""

    def partition_ended(self, connector: str, stream: str, outcome: str) -> None: ...

    def run_ended(self, connector: str, status: str) -> None: ...

    def held_up(self, connector: str, seconds: float) -> None:
        """A connector has blocked the event loop for so many seconds."""

    def committed(self, seconds: float) -> None:
        """The store has committed what waited, in so many seconds."""


class _Silent:
    """For commands: nobody asks them."""

    def requested(self, connector: str, outcome: str, seconds: float) -> None:
        pass

    def throttled(self, connector: str, connection: str) -> None:
        pass

    def waited(self, connector: str, connection: str, seconds: float) -> None:
        pass

    def counted(self, connector: str, stream: str, counts: Counts) -> None:
        pass

    def compared(self, connection: str, stream: str) -> None:
        pass

    def differed(self, connection: str, stream: str, kind: str, count: int) -> None:
        pass

    def partition_ended(self, connector: str, stream: str, outcome: str) -> None:
        pass

    def run_ended(self, connector: str, status: str) -> None:
        pass

    def held_up(self, connector: str, seconds: float) -> None:
        pass

    def committed(self, seconds: float) -> None:
        pass


SILENT: Metrics = _Silent()


def outcome_of(status: int | None) -> str:
    """A small set of words for what came of a request; None: no answer came."""
    if status is None:
        return "broken"
    if status == 429:
        return "throttled"
    return "ok" if status < 400 else "refused" if status < 500 else "failed"
