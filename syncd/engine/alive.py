"""Calls of a connector that must not last for ever: one that does nothing is given up, one that does not end is left alone.

Public: lively, end, Escape, escaped, INACTIVITY, PATIENCE.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, Protocol, TypeVar

from syncd.engine.log import logger
from syncd.sdk import Transient

__all__ = ["INACTIVITY", "PATIENCE", "Caller", "Escape", "end", "escaped", "hangs", "lively"]

T = TypeVar("T")

INACTIVITY = 600.0  # seconds without a result, a page, a request or a wait after which a call counts as hanging
PATIENCE = 5.0  # seconds that a cancelled call has to clean up; then it is cancelled once more, and left alone
CANCELS = 2

log = logger()


class Caller(Protocol):
    """The client of a call (`syncd.engine.client.PacedClient`)."""

    activity: int
    waiting: int
    given_up: bool


class Escape(Exception):
    """A connector raised what would end more than its partition: `sys.exit()`, or a cancellation that nobody asked for."""


def escaped(error: BaseException) -> BaseException:
    """What to raise inside a task in place of what a connector raised there, which asyncio must not see."""
    task = asyncio.current_task()
    if isinstance(error, Exception | GeneratorExit):
        return error
    if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
        return error  # it is the engine that ends the call
    fault = Escape(f"it raised {type(error).__name__}({error})")
    fault.__cause__ = error
    return fault


def hangs(what: str, seconds: float) -> Transient:
    """The error of a call that does nothing; to try again in the same run is of no use."""
    return Transient(f"{what}: nothing came for {seconds:.0f} s", exhausted=True, code="SYN-PLUGIN-004")


async def lively(act: Awaitable[T], caller: Caller, what: str, inactivity: float, patience: float = PATIENCE) -> T:
    """What `act` gives. Raises Transient (SYN-PLUGIN-004) if it neither ends, nor asks, nor waits on purpose for so long."""
    task: asyncio.Task[T] = asyncio.ensure_future(_awaited(act))
    try:
        while True:
            before = caller.activity
            done, _ = await asyncio.wait({task}, timeout=inactivity)
            if done:
                return await task
            if not caller.waiting and caller.activity == before:
                raise hangs(what, inactivity)
    finally:
        if not task.done():
            await end(task, caller, what, patience)
        elif not task.cancelled():
            task.exception()  # seen, also where the waiter was cancelled at the same moment


async def end(task: "asyncio.Task[Any]", caller: Caller | None, what: str, patience: float = PATIENCE) -> bool:
    """Cancel a call and wait until it has cleaned up. False if it does not end: it is forgotten, and asks nothing any more."""
    for _ in range(CANCELS):
        task.cancel()
        await asyncio.wait({task}, timeout=patience)
        if task.done():
            if not task.cancelled():
                task.exception()  # seen: nobody else will ask
            return True
    log.error(f"{what} does not end when it is cancelled: it is left alone", code="SYN-PLUGIN-004")
    if caller is not None:
        caller.given_up = True
    asyncio.tasks._unregister_task(task)  # or the process would wait for it at its end
    setattr(task, "_log_destroy_pending", False)  # noqa: B010 - not in the type's stub
    return False


async def _awaited(act: Awaitable[T]) -> T:
    try:
        return await act
    except BaseException as error:
        raise escaped(error)  # noqa: B904 - the same error, or one that has its cause
