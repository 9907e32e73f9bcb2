"""Any JSON API for syncd, described in YAML.

Public: HttpConnector. How to describe an API: docs/http.md.
"""

from .connector import HttpConnector

__all__ = ["HttpConnector"]
