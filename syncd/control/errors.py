"""How a command says no.

Public: ControlError, unknown, the exit codes.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

__all__ = [
    "BUSY",
    "CONFIG",
    "CREDENTIAL",
    "FAILED",
    "HELD",
    "PARTIAL",
    "USAGE",
    "ControlError",
    "unknown",
    "worst",
]

FAILED, USAGE, PARTIAL, HELD, BUSY, CREDENTIAL, CONFIG = 1, 2, 3, 4, 75, 77, 78
ORDER = (CREDENTIAL, FAILED, HELD, PARTIAL, BUSY)  # of several syncs in one command, the first that applies


class ControlError(Exception):
    """A command that cannot be done. `code` names a catalogue entry or is empty for plain usage errors.

    `status`: the HTTP status, where it does not follow from the code. `retry_after`: seconds after which trying again makes
    sense. `problems`: what is wrong with the configuration, as in `validate --json`, where that is the reason.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        hint: str = "",
        exit_code: int = FAILED,
        status: int = 0,
        retry_after: int = 0,
        problems: Sequence[dict[str, Any]] = (),
    ) -> None:
        super().__init__(message)
        self.message, self.code, self.hint, self.exit_code = message, code, hint, exit_code
        self.status, self.retry_after, self.problems = status, retry_after, list(problems)

    def to_json(self) -> dict[str, Any]:
        out = {"code": self.code, "message": self.message, "hint": self.hint, "exit_code": self.exit_code}
        return {**out, "problems": self.problems} if self.problems else out


def unknown(kind: str, name: str, known: Iterable[str]) -> ControlError:
    """There is no `kind` of that name; the hint says what there is."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    listed = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {listed}" if names else f"no {kind} is configured"
    return ControlError(f"no {kind} is named {name!r}", code="SYN-CONF-002", hint=hint, exit_code=USAGE)


def worst(codes: Iterable[int]) -> int:
    """The exit code of several syncs in one command."""
    given = {code for code in codes if code}
    return next((code for code in ORDER if code in given), max(given, default=0))
