"""Microsoft 365 for syncd: contacts, calendars, files and mail by delta, through Microsoft Graph v1.0.

Public: MicrosoftConnector. §N in docstrings is a section of the project's notes on Graph's wire format (see README.md).
"""

from .connector import MicrosoftConnector

__all__ = ["MicrosoftConnector"]
