"""What every command shares: the folders, verbosity, `--json`, and how it begins and ends.

Public: Ask (what a command is asked with), command (the decorator), subgroup, shared, TOPICS, topic_of, ReaderLeft.
"""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from .door import Door

__all__ = ["TOPICS", "Ask", "ReaderLeft", "command", "shared", "subgroup", "topic_of"]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

TOPICS = ("Daemon", "Organisation", "Syncing", "Deletions", "Data", "Configuration", "Help")
_topics: dict[str, str] = {}


@dataclass(slots=True)
class Ask:
    """The options that may stand before or after the command's name."""

    config: str | None = None
    state: str | None = None
    verbose: int = 0
    debug: bool = False
    json: bool = False

    def config_folder(self) -> Path:
        from .folders import config_folder

        return config_folder(self.config)

    def state_folder(self) -> Path:
        from .folders import state_folder

        return state_folder(self.state)

    def door(self, *, lenient: bool = False) -> "Door":
        """The way to control: through the daemon on this state directory, else in this process."""
        from .door import Door

        return Door(self, lenient=lenient)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a command's coroutine to its end."""
        return asyncio.run(work)


class ReaderLeft(Exception):
    """Nobody reads stdout any more. (click would make exit code 1 of a BrokenPipeError.)"""


def topic_of(name: str) -> str:
    return _topics.get(name, TOPICS[-1])


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value not in (None, 0, False):
        setattr(ctx.ensure_object(Ask), str(param.name), value)


def shared(function: F) -> F:
    """The options that work before and after the command's name."""
    for option in reversed(
        [
            click.option(
                "--config", metavar="DIR", help="Configuration folder.  [env SYNCD_CONFIG; /etc/syncd, else ./config]",
                expose_value=False, callback=_remember,
            ),
            click.option(
                "--state", metavar="DIR", help="State directory.  [env SYNCD_STATE; /var/lib/syncd, else the user's]",
                expose_value=False, callback=_remember,
            ),
            click.option(
                "-v", "--verbose", count=True, help="Log more to stderr; twice for all.", expose_value=False,
                callback=_remember,
            ),
            click.option(
                "--debug", is_flag=True, help="Show tracebacks of unexpected errors.  [env SYNCD_DEBUG]",
                expose_value=False, callback=_remember,
            ),
        ]
    ):  # fmt: skip
        function = option(function)
    return function


def subgroup(group: click.Group, topic: str, name: str, short_help: str) -> Callable[[F], click.Group]:
    """A command of `group` that has commands of its own."""
    _topics[name] = topic
    return group.group(name, short_help=short_help)


def command(group: click.Group, topic: str, name: str, *, json: bool = False) -> Callable[[F], click.Command]:
    """A command of `group` under `topic` (none within a subgroup). The function gets the Ask first; what it gives back is the exit code."""

    def decorate(function: F) -> click.Command:
        @functools.wraps(function)
        def begin(*args: Any, **kwargs: Any) -> Any:
            ask = click.get_current_context().ensure_object(Ask)
            try:
                return function(ask, *args, **kwargs)
            except BrokenPipeError as error:
                raise ReaderLeft from error

        wrapped: Any = shared(begin)
        if json:
            wrapped = click.option(
                "--json", is_flag=True, help="One JSON document on stdout.", expose_value=False, callback=_remember
            )(wrapped)
        if topic:
            _topics[name] = topic
        return group.command(name)(wrapped)

    return decorate
