"""`syncd new-connector`: a complete, installable connector to start from.

Public: register.
"""

import os
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

import click

from syncd.control.errors import FAILED, USAGE, ControlError

from .options import Ask, command

__all__ = ["register"]


def register(cli: click.Group) -> None:
    @command(cli, "Configuration", "new-connector", json=True)
    @click.argument("name")
    @click.argument("folder", required=False, type=click.Path(), metavar="[DIR]")
    def _new_connector(ask: Ask, name: str, folder: str | None) -> None:
        """Write a complete connector to start from: package, settings, a stream by delta, a fake provider, tests, CI.

        Its tests pass at once. DIR (syncd-NAME if none is given) must be empty or not there.
        """
        _expect_usable(name)
        _create(ask, name, Path(folder or f"syncd-{name.replace('_', '-')}"))


def _expect_usable(name: str) -> None:
    from syncd.plugins import discover
    from syncd.testing.scaffold import name_problem

    if problem := name_problem(name):
        raise ControlError(f"the name {name!r} {problem}", exit_code=USAGE)
    if (other := discover().installed.get(name)) is not None:
        raise ControlError(
            f"a connector named {name!r} is installed already: {other.distribution} {other.version}",
            hint="choose another name: two connectors of one name cannot run side by side",
            exit_code=USAGE,
        )


def _create(ask: Ask, name: str, folder: Path) -> None:
    from syncd.testing.scaffold import files_of, install_command

    from .output import emit, say

    files = files_of(name)
    try:
        _write(folder, files)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ControlError(f"the folder {folder} cannot be written: {reason}", exit_code=FAILED) from error
    steps = [
        f"cd {shlex.quote(str(folder))}",
        install_command(),
        f"syncd test-connector {name}",
        "pytest",
    ]
    if ask.json:
        return emit({"name": name, "folder": str(folder), "files": sorted(files), "next": steps})
    say(f"{folder} has a complete connector in {len(files)} files. Next:", style="green")
    for step in steps:
        say(f"  {step}")
    return say("CHECKLIST.md in it says what to change, in which order.")


def _write(folder: Path, files: Mapping[str, str]) -> None:
    """All files or none: they are written beside the folder, which then gets its name."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ControlError(f"{folder} is there already, and is not a folder", exit_code=USAGE)
    if folder.is_dir() and any(folder.iterdir()):
        raise ControlError(
            f"the folder {folder} is not empty", hint="name a folder that is empty or not there", exit_code=USAGE
        )
    place = folder.resolve()
    part = place.parent / f".{place.name}.part-{os.getpid()}"
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        for name, text in files.items():
            file = part / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
        part.rename(place)
    finally:
        shutil.rmtree(part, ignore_errors=True)
