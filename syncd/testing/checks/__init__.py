"""The checks of the conformance suite as plain coroutine functions: `await body(case, seed)`.

Public: CHECKS (name → Check), run_check, run_checks, Outcome. The pytest class is `syncd.testing.suite.StreamSuite`.
"""

from . import contents, declared, edits, faults, hygiene, malformed, pushing, refusals, rounds, writing
from .registry import CHECKS, Check, Outcome, run_check, run_checks

__all__ = ["CHECKS", "Check", "Outcome", "run_check", "run_checks"]

_MODULES = (declared, edits, rounds, faults, refusals, malformed, hygiene, contents, writing, pushing)
