"""Zoho for syncd: contacts, calendars, WorkDrive, mail and CRM of one credential, mail of those it may read.

Public: ZohoConnector. §N in docstrings is a section of the project's notes on Zoho's wire format (see README.md).
"""

from .connector import ZohoConnector

__all__ = ["ZohoConnector"]
