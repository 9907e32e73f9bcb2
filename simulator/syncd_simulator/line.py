"""The line between a simulated provider and its client.

Public: ConnectionDropped.
"""

__all__ = ["ConnectionDropped"]


class ConnectionDropped(ConnectionResetError):
    """Raised out of the application to drop the connection when no server is there to cut it."""
