"""The simulated providers, as shared tests see them.

Public: PROVIDERS (all, by the connector's name), GOOGLE, Provider, Key.
"""

from .google import Google
from .provider import START, Key, Provider

__all__ = ["GOOGLE", "PROVIDERS", "START", "Key", "Provider"]

GOOGLE = Google()
PROVIDERS: dict[str, Provider] = {one.name: one for one in (GOOGLE,)}
