"""What a check is, and running one.

Public: Check, CHECKS, check, run_check, run_checks, Outcome.
"""

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from syncd.testing.bench import Case
from syncd.testing.failures import Failed, Skipped

__all__ = ["CHECKS", "Check", "Outcome", "check", "run_check", "run_checks"]

LIMIT = 120.0  # seconds that one check may take with one seed; a connector that is slower hangs
Body: TypeAlias = Callable[[Case, int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a connector must do. `many`: worth repeating with other seeds."""

    name: str
    doc: str
    body: Body
    many: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check found: `status` is passed, failed or skipped."""

    name: str
    status: str
    message: str
    seconds: float


CHECKS: dict[str, Check] = {}


def check(*, many: bool = False) -> Callable[[Body], Body]:
    """Register a coroutine function `(case, seed)` under its name; its docstring says what is promised."""

    def register(body: Body) -> Body:
        name = getattr(body, "__name__", "")
        CHECKS[name] = Check(name, (body.__doc__ or "").strip(), body, many)
        return body

    return register


async def run_check(name: str, case: Case, seed: int, *, limit: float = LIMIT) -> None:
    """One check with one seed. Raises Failed, with the seed in the message, or Skipped."""
    try:
        async with asyncio.timeout(limit):
            await CHECKS[name].body(case, seed)
    except (Failed, Skipped) as error:
        raise type(error)(f"[seed {seed}] {error}") from error.__cause__
    except TimeoutError as error:
        raise Failed(f"[seed {seed}] still not done after {limit:.0f} s") from error
    except Exception as error:
        told = "".join(traceback.format_exception(error)[-6:])
        raise Failed(f"[seed {seed}] {type(error).__name__}: {error}\n{told}") from error


async def run_checks(case: Case, names: Iterable[str] = (), *, first_seed: int = 0) -> list[Outcome]:
    """All checks (or these) against a connector, as the pytest class runs them; nothing is raised."""
    outcomes = []
    for name in names or CHECKS:
        begun = time.perf_counter()
        status, message = "passed", ""
        try:
            for seed in range(first_seed, first_seed + (case.seeds if CHECKS[name].many else 1)):
                await run_check(name, case, seed)
        except Failed as error:
            status, message = "failed", str(error)
        except Skipped as error:
            status, message = "skipped", str(error)
        outcomes.append(Outcome(name, status, message, time.perf_counter() - begun))
    return outcomes
