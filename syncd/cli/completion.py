"""Shell completion: names of syncs and connections straight from the YAML, without loading anything else.

Public: sync_names, connection_names.
"""

from pathlib import Path
from typing import Any

import click

from .options import Ask

__all__ = ["connection_names", "sync_names"]

LARGEST = 1_000_000  # bytes


def sync_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    return _names(ctx, "syncs", incomplete)


def connection_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    return _names(ctx, "connections", incomplete)


def _names(ctx: click.Context, key: str, incomplete: str) -> list[str]:
    """Best effort: a completion that fails must not write over the command line."""
    try:
        ask = ctx.ensure_object(Ask)
        found = {name for document in _documents(ask.config_folder()) for name in document.get(key) or {}}
        return sorted(str(name) for name in found if str(name).startswith(incomplete))
    except Exception:
        return []


def _documents(folder: Path) -> list[dict[str, Any]]:
    import yaml

    documents = []
    for path in sorted([*folder.rglob("*.yaml"), *folder.rglob("*.yml")]):
        if path.stat().st_size > LARGEST or any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        try:
            document = yaml.safe_load(path.read_bytes())
        except yaml.YAMLError:
            continue
        if isinstance(document, dict):
            documents.append(document)
    return documents
