"""What happens after an error, as a value: the one table between an error's class and what the engine does.

Public: decide, Decision, Failure (what was tried so far), describe.

The table follows `syncd.sdk.errors.Next`. Whatever is not an error of the SDK is a plugin's own fault: it fails its
partition with a traceback (SYN-PLUGIN-001) and nothing else.
"""

import random
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, replace

from syncd.engine.chain import Endless, TooMuch
from syncd.engine.pacing import backoff
from syncd.engine.ports import RunError, StaleRound
from syncd.sdk import (
    CursorExpired,
    ProtocolError,
    RateLimited,
    SyncdError,
    Transient,
    redact,
)
from syncd.sdk.errors import Explanation, Next, explanation_of
from syncd.sdk.http import httpx

__all__ = ["RESTARTS", "TRIES", "TRY_FOR", "Decision", "Failure", "as_error", "decide", "describe", "with_hint"]

TRIES = 5  # of the same thing, without progress
TRY_FOR = 60.0  # seconds after the first failure in which a new try may start
RESTARTS = 3  # of a partition from scratch, in one run
TRACE = 8_000  # characters of a traceback that are kept


@dataclass(frozen=True, slots=True)
class Failure:
    """What led here: `tries` failures in a row before this one, `elapsed` seconds since the first, `restarts` so far."""

    tries: int = 0
    elapsed: float = 0.0
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do: `next`, after `wait` seconds where that means to try again (WAIT: None = the provider gave no time)."""

    next: Next
    code: str
    wait: float | None = None


def decide(error: BaseException, failure: Failure, rng: random.Random) -> Decision:
    """The decision for an error raised inside one partition (or inside its discovery)."""
    if isinstance(error, StaleRound):
        return Decision(Next.FAIL, "SYN-RUN-003")
    error = as_error(error)
    if not isinstance(error, SyncdError):
        return Decision(Next.FAIL, "SYN-PLUGIN-001")
    match error:
        case RateLimited():
            return Decision(Next.WAIT, error.code, error.retry_after)
        case Transient(exhausted=True) | Endless() | TooMuch():
            return Decision(Next.FAIL, error.code)
        case Transient() | ProtocolError():
            return _again(error, failure, rng)
        case CursorExpired() if failure.restarts >= RESTARTS:
            return Decision(Next.FAIL, "SYN-CURSOR-002")
    if error.next in (Next.SKIP_CONTENT, Next.HOLD):  # means nothing here: content errors belong to `fetch`
        return Decision(Next.FAIL, error.code)
    return Decision(error.next, error.code)


def as_error(error: BaseException) -> BaseException:
    """httpx's own errors, where a connector let them through, as the SDK's."""
    if isinstance(error, httpx.TransportError | httpx.DecodingError):
        return Transient(f"the connection failed: {type(error).__name__}")
    if isinstance(error, httpx.InvalidURL):
        return ProtocolError(f"an id or a link that the provider gave makes no address: {error}")
    return error


def describe(
    error: BaseException,
    *,
    code: str | None = None,
    stream: str | None = None,
    account: str | None = None,
    partition: str | None = None,
    source_id: str | None = None,
) -> RunError:
    """The entry of a run's `errors`, with every known secret blotted out and the hint of its code."""
    error = as_error(error)
    known = isinstance(error, SyncdError)
    code = code or (error.code if isinstance(error, SyncdError) else "SYN-PLUGIN-001")
    explanation = explanation_of(code)
    hint = (error.hint if isinstance(error, SyncdError) else None) or (explanation.hint if explanation else None)
    said = _said(error)
    text = said if known or isinstance(error, StaleRound) else f"{type(error).__name__}: {said}"
    detail = None if known else redact("".join(traceback.format_exception(error)))[-TRACE:]
    return RunError(
        code,
        redact(text)[:2000] or (explanation.title if explanation else code),
        stream,
        account,
        partition or None,
        source_id,
        redact(hint) if hint else None,
        detail,
    )


def _said(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # its own `__str__` fails, or what it holds is no text
        return ""


def with_hint(error: RunError, more: Iterable[Explanation] = ()) -> RunError:
    """The same entry, with the catalogue's hint if it has none; `more`: the connector's own entries."""
    explanation = explanation_of(error.code, more)
    return error if error.hint or explanation is None else replace(error, hint=explanation.hint)


def _again(error: SyncdError, failure: Failure, rng: random.Random) -> Decision:
    wait = backoff(failure.tries, rng)
    if failure.tries + 1 >= TRIES or failure.elapsed + wait > TRY_FOR:
        return Decision(Next.FAIL, error.code)
    return Decision(Next.RETRY, error.code, wait)
