"""Standard input and output as every command relies on: they are there, and say by themselves what they cannot do.

Public: prepare, give_up, Unwritable.
"""

import io
import os
import sys
from typing import Any

from syncd.control.errors import ControlError

__all__ = ["Unwritable", "give_up", "prepare"]


class Unwritable(ControlError):
    """Stdout takes no more: the disk is full, or it was closed when the command began."""


class _Stdout(io.FileIO):
    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:  # the reader has read enough: that is no failure
            raise
        except OSError as error:
            raise Unwritable(f"cannot write the output: {(error.strerror or 'error').lower()}") from error


class _Stderr(io.FileIO):
    """What cannot be said is lost; the command goes on."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError:
            return len(memoryview(data).cast("B"))


def prepare() -> None:
    """Take over the streams that Python opened, and stand in for those that were closed.

    A number that is free would be given to the next file that is opened, and what is printed would end up in it.
    """
    if sys.stdin is None:
        _occupy(0, os.O_RDONLY)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - for good
    if sys.stdout is None:
        _occupy(1, os.O_RDONLY)  # so that writing fails
    if sys.stderr is None:
        _occupy(2, os.O_WRONLY)
    if sys.stdout is sys.__stdout__:
        sys.stdout = _text(_Stdout(1, "w", closefd=False), sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text(_Stderr(2, "w", closefd=False), sys.stderr, errors="backslashreplace")


def give_up() -> None:
    """Nobody gets what is still to be written to stdout. Python must not complain of it at its end either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _occupy(number: int, flags: int) -> None:
    descriptor = os.open(os.devnull, flags)
    if descriptor != number:
        os.dup2(descriptor, number)
        os.close(descriptor)


def _text(raw: io.FileIO, like: Any, errors: str | None = None) -> io.TextIOWrapper:
    """`raw` in what Python put around the stream; `errors` where there was none."""
    if like is None:
        return io.TextIOWrapper(io.BufferedWriter(raw), errors=errors, line_buffering=True)
    return io.TextIOWrapper(
        raw if like.write_through else io.BufferedWriter(raw),  # as with PYTHONUNBUFFERED
        encoding=like.encoding,
        errors=like.errors,
        line_buffering=like.line_buffering,
        write_through=like.write_through,
    )
