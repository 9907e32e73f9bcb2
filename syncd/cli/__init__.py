"""The command line: click groups; the only place that prints or exits.

Public: main. Importing this package costs nothing but click: every command imports what it needs when it runs.
"""

from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """The `syncd` command."""
    from .app import run

    raise SystemExit(run())
