"""What a provider or the store said, as the refusal of a command.

Public: refusal_of. Apart from `errors`, which commands import that have no use for the SDK's HTTP client.
"""

from collections.abc import Iterable

from syncd.sdk import AuthFailed, RateLimited, SyncdError
from syncd.sdk.errors import Explanation, explanation_of

from .errors import BUSY, CREDENTIAL, FAILED, ControlError

__all__ = ["refusal_of"]


def refusal_of(error: SyncdError, more: Iterable[Explanation] = ()) -> ControlError:
    """With the exit code that the contract gives it. `more`: connectors' own codes."""
    exit_code = CREDENTIAL if isinstance(error, AuthFailed) else BUSY if isinstance(error, RateLimited) else FAILED
    entry = explanation_of(error.code, more)
    hint = error.hint or (entry.hint if entry else "")
    return ControlError(error.message, code=error.code, hint=hint, exit_code=exit_code)
