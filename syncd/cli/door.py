"""The way to control: the daemon on this state directory if one answers, else this process.

Public: Door.
"""

from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .folders import SOCKET, config_folder, socket_path, state_folder

if TYPE_CHECKING:
    from .options import Ask

__all__ = ["Door"]


class Door:
    """`async with Door(ask) as control`: control is a Remote or a `syncd.control.Control`, alike to use.

    `lenient`: an invalid configuration folder is no error, the control then knows its problems.
    """

    def __init__(self, ask: "Ask", *, lenient: bool = False) -> None:
        self._ask = ask
        self._lenient = lenient
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Any:
        state = state_folder(self._ask.state)
        remote = await self._remote(state)
        if remote is not None:
            return await self._stack.enter_async_context(remote)
        _log(self._ask)
        from syncd.daemon import assembled

        return await self._stack.enter_async_context(assembled(self._folder(), state, lenient=self._lenient))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def _remote(self, state: Path) -> Any:
        if not (state / SOCKET).exists():
            return None
        from .remote import Remote, answering
        from .tokens import tokens_for

        path = socket_path(state)
        return Remote(path, tokens_for(state, self._folder())) if await answering(path) else None

    def _folder(self) -> Path:
        return config_folder(self._ask.config)


def _log(ask: "Ask") -> None:
    """In this process the engine speaks for itself, quietly unless asked."""
    from syncd.logs import configure

    configure(("error", "info", "debug")[min(ask.verbose, 2)], form="console")
