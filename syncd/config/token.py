"""The daemon's token as the folder names it, for a command that talks to the daemon.

Public: configured_token.
"""

from pathlib import Path

from syncd.sdk import Secret

from .catalog import Catalog
from .files import Unreadable, find, read
from .resolve import resolve
from .tree import SecretText, parse
from .values import Sources

__all__ = ["configured_token"]


def configured_token(folder: Path) -> Secret | None:
    """`daemon.token`, if it is set and its source is a built-in one. Nothing else of the folder needs to be right."""
    try:
        paths = find(folder)
    except OSError:
        return None
    found = (_of_file(path) for path in paths)
    return next((secret for secret in found if secret is not None), None)


def _of_file(path: Path) -> Secret | None:
    try:
        raw = read(path)
    except Unreadable:
        return None
    if b"token" not in raw:  # most files of a large folder
        return None
    tree, _ = parse(raw, str(path))
    daemon = tree.data.get("daemon") if isinstance(tree.data, dict) else None
    if not isinstance(daemon, dict):
        return None
    resolve(tree, Sources(path.parent), Catalog(), check_values=False)
    token = daemon.get("token")
    return token.secret if isinstance(token, SecretText) else None
