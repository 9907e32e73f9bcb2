"""Names of contents.

Public: check_sha256. Apart from `control`, since the command line says no before it asks anybody.
"""

import re

from .errors import USAGE, ControlError

__all__ = ["check_sha256"]


def check_sha256(text: str) -> None:
    """Raises ControlError for what cannot be the name of a content, so that no path is ever made of it."""
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise ControlError(f"{text!r} is not a SHA-256 in lower-case hex", exit_code=USAGE)
