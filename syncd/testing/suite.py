"""The conformance suite as a pytest class.

Public: StreamSuite.

    from syncd.testing.suite import StreamSuite

    class TestNotes(StreamSuite):
        connector, stream = NotesConnector(), "notes"

        def source(self, seed):
            return NotesSource(seed)

Every check of `syncd.testing.checks` becomes one test. A failure names its seed; `SYNCD_SEED=7 pytest …` runs that one
alone. What cannot be mended yet goes into `known`, with the reason.
"""

import asyncio
import os
from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import ClassVar

import pytest

from syncd.sdk import Connector

from .bench import Case
from .checks import CHECKS, run_check
from .failures import Failed, Skipped
from .source import Source

__all__ = ["StreamSuite"]


class StreamSuite:
    """Subclass it once per stream, with a name that begins with `Test`."""

    connector: ClassVar[Connector]
    stream: ClassVar[str]
    idle_requests: ClassVar[int] = 1
    seeds: ClassVar[int] = 5
    """How many random histories the checks that are worth it try."""
    known: ClassVar[Mapping[str, str]] = {}
    """Checks that are known to fail, with the reason: they run, and count as expected failures until they pass."""

    @abstractmethod
    def source(self, seed: int) -> Source | AbstractContextManager[Source]:
        """A fresh source made from the seed (or a context manager that gives one): the same seed, the same source."""

    def case(self) -> Case:
        return Case(self.connector, self.stream, self.source, self.idle_requests, self.seeds)


def _test(name: str) -> Callable[[StreamSuite], None]:
    def test(self: StreamSuite) -> None:
        __tracebackhide__ = True
        chosen = os.environ.get("SYNCD_SEED")
        seeds = [int(chosen)] if chosen else range(self.seeds if CHECKS[name].many else 1)
        for seed in seeds:
            print(f"seed {seed}")
            failure = _failure(name, self.case(), seed)
            if failure and name in self.known:
                pytest.xfail(f"{self.known[name]}\n{failure}")
            if failure:
                again = f"SYNCD_SEED={seed} pytest -k '{type(self).__name__} and {name}'"
                pytest.fail(f"{CHECKS[name].doc}\n{failure}\nreproduce: {again}", pytrace=False)

    test.__name__ = f"test_{name}"
    test.__doc__ = CHECKS[name].doc
    return test


def _failure(name: str, case: Case, seed: int) -> str:
    try:
        asyncio.run(run_check(name, case, seed))
    except Skipped as reason:
        pytest.skip(str(reason))
    except Failed as error:
        return str(error)
    return ""


for _name in CHECKS:
    setattr(StreamSuite, f"test_{_name}", _test(_name))
