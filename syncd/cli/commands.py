"""All commands, in the order of `syncd --help`.

Public: register.
"""

import click

from . import (
    backup,
    configuring,
    daemon,
    data,
    deciding,
    keys,
    new_connector,
    notifying,
    organisation,
    purge,
    syncing,
    test_connector,
)

__all__ = ["register"]


def register(cli: click.Group) -> None:
    """Add every command to the root group."""
    for module in (
        daemon,
        notifying,
        organisation,
        syncing,
        deciding,
        purge,
        data,
        backup,
        keys,
        configuring,
        new_connector,
        test_connector,
    ):
        module.register(cli)
