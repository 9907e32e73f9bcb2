"""All extension points of syncd on one screen (pluggy, project name "syncd").

Public: hookimpl (for plugins), HookSpecs.

A distribution names its plugin in the entry-point group `syncd.connectors`. The entry may load to a Connector class or
instance (the usual case), or to a module or object with the hooks below.
"""

from collections.abc import Callable, Mapping, Sequence

import pluggy

from .connector import Connector

__all__ = ["PROJECT", "HookSpecs", "hookimpl", "hookspec"]

PROJECT = "syncd"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class HookSpecs:
    """The hooks that a plugin may implement."""

    @hookspec
    def syncd_connectors(self) -> Sequence[Connector]:  # type: ignore[empty-body]
        """Connectors that this plugin brings."""

    @hookspec
    def syncd_value_schemes(self) -> Mapping[str, Callable[[str], str]]:  # type: ignore[empty-body]
        """More `${scheme:argument}` sources: scheme → reader of the argument.

        A reader raises ValueError or OSError with a message for the operator; it is called at each use of a secret.
        """
