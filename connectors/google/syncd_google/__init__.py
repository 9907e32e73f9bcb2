"""Google Workspace for syncd: contacts, calendars, files and mail by delta.

Public: GoogleConnector. §N in docstrings is a section of the project's notes on Google's wire format (see README.md).
"""

from .connector import GoogleConnector

__all__ = ["GoogleConnector"]
