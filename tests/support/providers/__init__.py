"""The simulated providers, as shared tests see them.

Public: PROVIDERS (all, by the connector's name), GOOGLE, Provider, Kind, Key.
"""

from .google import Google
from .microsoft import Microsoft
from .provider import START, Key, Kind, Provider
from .zoho import Zoho

__all__ = ["GOOGLE", "PROVIDERS", "START", "Key", "Kind", "Provider"]

GOOGLE = Google()
PROVIDERS: dict[str, Provider] = {one.name: one for one in (GOOGLE, Microsoft(), Zoho())}
