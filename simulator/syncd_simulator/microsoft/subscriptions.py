"""Change notifications: subscriptions and their handshake (microsoft.md §13). Public: API, READ, WRITE, ROUTES."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass

__all__ = ["API", "READ", "ROUTES", "WRITE"]

API = "subscriptions"
READ: set[str] = set()
WRITE: set[str] = set()
ROUTES: list[Any] = []
