"""A tap as a process: its output line by line, its log in syncd's, and its certain end.

Public: Tap, running, whole_output.

The pipe is the brake: no more is read than was asked for, so a tap that is faster than syncd waits.
"""

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from syncd.sdk import Context, ProtocolError, SyncdError, Transient

from . import errors
from .folder import PrivateFolder
from .log import Listener
from .plan import Plan
from .warden import NOT_STARTED, TIMED_OUT

__all__ = ["Tap", "running", "whole_output"]

WARDEN = Path(__file__).with_name("warden.py")
CHUNK = 256 * 1024
LONGEST_LINE = 16 * 1024 * 1024
LARGEST_CATALOG = 64 * 1024 * 1024
STUBBORN = 15.0  # seconds until a warden that does not end is killed
PASSED_ON = (
    "PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tap:
    """One that runs."""

    plan: Plan
    process: Process
    listener: Listener

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Its output as it comes. Raises if the tap ends with anything but success."""
        assert self.process.stdout
        while chunk := await self.process.stdout.read(CHUNK):
            yield chunk
        code = await self.process.wait()
        await self.listener.finished()
        if code != 0:
            raise self._failure(code)

    async def batches(self) -> AsyncGenerator[list[bytes], None]:
        """Its output as whole lines, as many at a time as came together."""
        rest = bytearray()
        async for chunk in self.chunks():
            head, newline, tail = chunk.rpartition(b"\n")
            if newline:
                yield bytes(rest + head).split(b"\n")
                rest = bytearray(tail)
            else:
                rest += chunk
            if len(rest) > LONGEST_LINE:
                raise ProtocolError(
                    f"{self.plan.tap} wrote a line of more than {LONGEST_LINE} bytes", code=errors.WRONG_OUTPUT
                )
        if rest:
            yield [bytes(rest)]

    def _failure(self, code: int) -> SyncdError:
        said = f": {self.listener.last}" if self.listener.last else ""
        tap, limits = self.plan.tap, self.plan
        if code == NOT_STARTED:
            return SyncdError(f"{tap} cannot be started{said}", code=errors.NOT_STARTED)
        if code == TIMED_OUT:
            return SyncdError(f"{tap} was stopped after {limits.timeout}{said}", code=errors.STOPPED)
        if code == 128 + signal.SIGKILL:
            return Transient(f"{tap} was killed, perhaps for its memory ({limits.memory}){said}", code=errors.STOPPED)
        how = f"ended with exit code {code}" if code < 128 else f"was ended by signal {code - 128}"
        return Transient(f"{tap} {how}{said}", code=errors.TAP_FAILED)


@asynccontextmanager
async def running(ctx: Context, plan: Plan, folder: PrivateFolder, arguments: Sequence[str]) -> AsyncIterator[Tap]:
    """Start the tap. At the end, also by an error or when cancelled, nothing of it is left."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", str(WARDEN), str(os.getpid()), str(plan.memory_bytes), str(plan.timeout_seconds),
        str(folder.path), plan.executable(), *arguments,
        stdin=DEVNULL, stdout=PIPE, stderr=PIPE, limit=CHUNK, start_new_session=True, cwd=folder.path,
        env=_environment(folder), pass_fds=(folder.lock,),
    )  # fmt: skip
    assert process.stderr
    listener = Listener(process.stderr, ctx.log.bind(tap=plan.tap))
    try:
        yield Tap(plan, process, listener)
    finally:
        await _end(process, listener)


async def whole_output(tap: Tap) -> bytes:
    """All that it writes, for a catalogue."""
    output = bytearray()
    async for chunk in tap.chunks():
        output += chunk
        if len(output) > LARGEST_CATALOG:
            raise ProtocolError(
                f"{tap.plan.tap} wrote a catalogue of more than {LARGEST_CATALOG} bytes", code=errors.WRONG_OUTPUT
            )
    return bytes(output)


async def _end(process: Process, listener: Listener) -> None:
    """The warden is told first, at once: whatever happens to this task then, it kills the tap."""
    with contextlib.suppress(ProcessLookupError):
        if process.returncode is None:
            process.terminate()
    try:
        async with asyncio.timeout(STUBBORN):
            await _drained(process, listener)
    except TimeoutError:  # the warden itself was killed
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await _drained(process, listener)


async def _drained(process: Process, listener: Listener) -> None:
    """Unread output would keep the pipe open."""
    assert process.stdout
    while await process.stdout.read(CHUNK):
        pass
    await process.wait()
    await listener.close()


def _environment(folder: PrivateFolder) -> dict[str, str]:
    """Nothing of syncd's own environment, where secrets may stand, but what a program needs to run and to connect."""
    given = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {**given, "HOME": str(folder.path), "TMPDIR": str(folder.path)}
