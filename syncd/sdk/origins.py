"""Where a connection may send requests.

Public: origins_of, within.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

__all__ = ["origins_of", "within"]

SCHEMES = ("http", "https")


def origins_of(settings: Any) -> list[str]:
    """The origins (`https://host[:port]`) of all URLs that stand in a connection's settings, however deep.

    What `Connector.origins` gives by itself; a connector with an address of its own adds it:
    `[*origins_of(settings), "https://api.example.com"]`.
    """
    return sorted(set(_origins(settings)))


def within(host: str, patterns: Iterable[str]) -> bool:
    """Whether a host is one of these: a name, `*.name` for all names below it, or `*` for any."""
    host = host.lower().rstrip(".")
    return any(_matches(host, pattern.lower()) for pattern in patterns)


def _matches(host: str, pattern: str) -> bool:
    if pattern == "*":
        return True
    return host.endswith(pattern[1:]) and host != pattern[1:] if pattern.startswith("*.") else host == pattern


def _origins(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        try:
            parts = urlsplit(value)
            named = parts.hostname and parts.port != 0
        except ValueError:  # no address at all
            return
        if parts.scheme in SCHEMES and named:
            yield f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _origins(one)
    elif isinstance(value, Sequence) and not isinstance(value, bytes):
        for one in value:
            yield from _origins(one)
