"""The process between syncd and a tap: starts it within its limits, and leaves nothing of it behind.

Public: main, TIMED_OUT, NOT_STARTED. Run as `python -I -S warden.py PARENT MEMORY SECONDS FOLDER COMMAND…`.

It ends, with every process that the tap has started (in whatever session or group), when the tap ends, when SECONDS are
over, when it is told to (SIGTERM), and when syncd dies: the kernel then sends that SIGTERM. The last thing it does is to
remove FOLDER, which holds the tap's secrets. Exit code: the tap's, 128 + N after signal N, or one of the two below.

It has a life of its own and the standard library only, so it reads the machine's clock by itself.
"""

import ctypes
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

TIMED_OUT = 240
NOT_STARTED = 241

SET_PARENT_DEATH_SIGNAL = 1  # prctl(2)
SET_CHILD_SUBREAPER = 36
STUBBORN = 5.0  # seconds until it gives up on what cannot even be killed


WATCHED = (signal.SIGTERM, signal.SIGCHLD)


def main(arguments: list[str]) -> int:
    parent, memory, seconds, folder, *command = arguments
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)  # they wait until they are asked for: nothing is interrupted
    _prctl(SET_CHILD_SUBREAPER, 1)
    _prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    try:
        if os.getppid() != int(parent):  # it died before the kernel was asked to tell
            return NOT_STARTED
        return _guarded(command, int(memory), float(seconds))
    finally:
        _kill_all()
        shutil.rmtree(folder, ignore_errors=True)


def _guarded(command: list[str], memory: int, seconds: float) -> int:
    until = time.monotonic() + seconds
    tap = os.fork()
    if tap == 0:
        _become(command, memory)
    _let_go_of_pipes()
    while True:
        told = signal.sigtimedwait(WATCHED, max(0.0, until - time.monotonic()))
        if told is None:
            return TIMED_OUT
        if told.si_signo == signal.SIGTERM:
            return 128 + signal.SIGTERM
        code = _ended(tap)
        if code is not None:
            return code


def _become(command: list[str], memory: int) -> NoReturn:
    """In the child: the tap."""
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)
        _prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.execv(command[0], command)  # noqa: S606 - a program of the operator's, without a shell
    except OSError as error:
        os.write(2, f"cannot start {command[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(NOT_STARTED)


def _let_go_of_pipes() -> None:
    """The end of the tap's output shall be seen as such: only the tap holds the pipes."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)


def _ended(tap: int) -> int | None:
    """The tap's exit code, if it has ended. Strays that it has left to us are reaped on the way."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return NOT_STARTED  # not met: the tap is our child until it is reaped here
        if pid == 0:
            return None
        if pid == tap:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _kill_all() -> None:
    """Kill what descends from here until nothing does: what loses its parent becomes our child."""
    until = time.monotonic() + STUBBORN
    while time.monotonic() < until:
        for pid in _descendants(os.getpid()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.005)


def _descendants(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for pid, parent in _processes():
        children.setdefault(parent, []).append(pid)
    found, ahead = [], [root]
    while ahead:
        below = children.get(ahead.pop(), [])
        found += below
        ahead += below
    return found


def _processes() -> Iterator[tuple[int, int]]:
    """Every process with its parent."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path("/proc", entry, "stat").read_bytes().rpartition(b")")[2].split()
            except OSError:  # it has ended
                continue
            yield int(entry), int(fields[1])


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
