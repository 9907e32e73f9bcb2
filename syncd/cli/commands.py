"""All commands, in the order of `syncd --help`.

Public: register.
"""

import click

from . import configuring, daemon, data, deciding, keys, notifying, organisation, syncing

__all__ = ["register"]


def register(cli: click.Group) -> None:
    """Add every command to the root group."""
    for module in (daemon, notifying, organisation, syncing, deciding, data, keys, configuring):
        module.register(cli)
