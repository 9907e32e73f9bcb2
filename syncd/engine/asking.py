"""A question to a connector that is no round: asked again as long as the policy says so.

Public: ask, Refused.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from syncd.engine.alive import lively
from syncd.engine.chain import Stopped
from syncd.engine.client import TooLong
from syncd.engine.policy import Failure, decide, describe
from syncd.engine.ports import RunError
from syncd.engine.watch import Where, at
from syncd.engine.work import Outcome, RunWork, client_of, pause, unless_stopped
from syncd.sdk import AccountGone, Context, RateLimited
from syncd.sdk.errors import Next

__all__ = ["Refused", "ask"]

T = TypeVar("T")

THROTTLES = 20  # in a row that are waited out
OUTCOMES = {
    Next.WAIT: Outcome.DEFERRED,
    Next.SKIP: Outcome.SKIPPED,
    Next.FORGET: Outcome.SKIPPED,
    Next.SKIP_ACCOUNT: Outcome.GONE,
    Next.PAUSE: Outcome.REFUSED,
}


class Refused(Exception):
    """There will be no answer in this run. `error`: what is told of it; `state`: of an account that lacks the service."""

    def __init__(self, outcome: Outcome, error: RunError | None = None, state: str | None = None) -> None:
        super().__init__(str(outcome))
        self.outcome = outcome
        self.error = error
        self.state = state


async def ask(
    run: RunWork, ctx: Context, question: Callable[[], Awaitable[T]], *, stream: str, account: str | None = None
) -> T:
    """What `question` gives. Raises Refused once the policy gives up, and Stopped when the run is to stop."""
    tries, began = 0, run.clock.monotonic()
    while True:
        try:
            with at(Where(run.run, stream, account)):
                return await _answered(run, ctx, question(), stream)
        except Stopped:
            raise
        except Exception as error:
            elapsed = run.clock.monotonic() - began if tries else 0.0
            met = await _waited(run, ctx, error, tries)
            if met is not None:
                decision = decide(met, Failure(tries, elapsed), run.engine.rng)
                if decision.next is not Next.RETRY:
                    raise _refused(met, decision.next, decision.code, stream, account) from error
                await pause(decision.wait or 0.0, run.clock, run.stop)
        tries += 1


async def _answered(run: RunWork, ctx: Context, question: Awaitable[T], stream: str) -> T:
    engine = run.engine
    answered = lively(question, client_of(ctx), f"stream {stream}", engine.inactivity, engine.patience)
    return await unless_stopped(answered, run.stop)


async def _waited(run: RunWork, ctx: Context, error: Exception, tries: int) -> Exception | None:
    """None after a wait that the provider asked for; else what is to be decided about."""
    if not isinstance(error, RateLimited) or isinstance(error, TooLong) or tries >= THROTTLES:
        return error
    try:
        await unless_stopped(client_of(ctx).hold_back(error), run.stop)
    except TooLong as too_long:
        return too_long
    return None


def _refused(error: Exception, then: Next, code: str, stream: str, account: str | None) -> Refused:
    outcome = OUTCOMES.get(then, Outcome.FAILED)
    if outcome is Outcome.GONE:
        return Refused(outcome, state=error.state if isinstance(error, AccountGone) else None)
    return Refused(outcome, describe(error, code=code, stream=stream, account=account))
