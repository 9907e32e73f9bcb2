"""Any Singer tap as a connector of syncd.

Public: SingerConnector. How to use one: docs/singer.md.
"""

from .connector import SingerConnector

__all__ = ["SingerConnector"]
