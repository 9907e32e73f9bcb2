"""What an author writes beside a connector: the provider's side of a test.

Public: Source, optional abilities as attributes of the same object (see `Source`).
"""

import random
from collections.abc import Mapping
from typing import Any, Protocol

from syncd.sdk import JSON, Account

__all__ = ["Source"]


class Source(Protocol):
    """A small provider that a test can change, look into and break; made afresh for every check from a seed.

    Keep it small and its pages smaller: about a dozen items in at least three pages per listing, so that cuts and
    faults meet every kind of page.

    Besides what stands below, a source may have (found by `getattr`, none is needed):

    - `transport() -> httpx.AsyncBaseTransport`: how requests reach it (`httpx.ASGITransport(app)`,
      `httpx.MockTransport(handler)`). Without it they go over the network, to the endpoints in `settings`.
    - `options: Mapping[str, JSON]`: options of the stream under test (default `{}`).
    - `expire() -> None`: make every cursor handed out so far invalid, page tokens included where the provider does so.
    - `delete(rng) -> None`: delete one item for good. Without it `change` must delete now and then.
    - `rename() -> None`: give one account another address.
    - `grow(count) -> None`: add that many items, for the memory check.
    - `troubles() -> Mapping[str, Callable[[], None]]`: named faults of its own; calling one arms it for the next
      requests. It must wear off, or `calm() -> None` must end it.
    - `throttles() -> Sequence[httpx.Response]`: answers with which this provider says "slow down".
    - `draft(rng) -> Mapping[str, JSON]`: what `create` and `update` of a Writable stream take, other values each time.
      Where `truth` has the same keys of the item, it must have the same values afterwards.
    - `pushes() -> Sequence[tuple[Mapping[str, str], bytes]]`: headers and bodies of the calls that it has made, since
      this was asked last, to addresses that a Pushable stream subscribed; `change` must lead to calls.
    - `handshakes() -> Mapping[str, str]`: queries with which this provider tries an address → the answer it wants.
    """

    settings: Mapping[str, Any]
    """The connection's settings as the engine gives them: validated, secrets as `Secret`."""

    def accounts(self) -> Mapping[str, str]:
        """Every account of the organisation: immutable id → address now."""

    def truth(self, account: Account) -> Mapping[str, Mapping[str, JSON]]:
        """All that the mirror must hold of this account's stream now: partition id → source id → item.

        An item that is a mapping is compared key by key with the record's `data` (other keys of `data` are free);
        None compares ids only. Give what people edit; what changes by itself (a counter) need not be there.
        """

    def change(self, rng: random.Random) -> None:
        """Make one random change: add, edit, delete, move, … of any account's items."""
