"""A way to reach operators.

Public: Channel, ChannelFailed, OpenChannel.
"""

from collections.abc import Callable
from typing import Protocol

from syncd.sdk import Secret

from .telling import Telling

__all__ = ["Channel", "ChannelFailed", "OpenChannel"]


class ChannelFailed(Exception):
    """A message was not taken; the text says why and holds no secret."""


class Channel(Protocol):
    async def send(self, telling: Telling) -> None:
        """Raises ChannelFailed. Returns or raises within about a minute, whatever the other side does."""


OpenChannel = Callable[[Secret], Channel]
