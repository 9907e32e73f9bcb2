"""What a check says.

Public: Failed (the connector broke the contract), Gap (something is missing), Skipped (this source cannot prove it), Runaway (too many requests).
"""

__all__ = ["Failed", "Gap", "Runaway", "Skipped"]


class Failed(AssertionError):
    """The connector does not keep the contract; the message says what was expected and what came."""


class Gap(Failed):
    """Something is missing, and nothing was said."""


class Skipped(Exception):
    """The check says nothing about this connector: the stream does not declare it, or the source cannot show it."""


class Runaway(Exception):
    """The connector asked more often than any honest reading needs. Raised instead of an answer."""
