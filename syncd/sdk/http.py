"""The one place that decides which HTTP library a connector gets.

Public: httpx. Write `from syncd.sdk.http import httpx`, never `import httpx`, so that its successor is one line away.
"""

import httpx as httpx

__all__ = ["httpx"]
