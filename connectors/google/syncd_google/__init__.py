"""Google Workspace for syncd: contacts, calendars, files and mail by delta.

Public: GoogleConnector. Wire facts are cited as §N of the provider notes in docs/providers/google.md.
"""

from .connector import GoogleConnector

__all__ = ["GoogleConnector"]
