"""Where requests may go, and where credentials may.

Public: Guard, Verdict.

Credentials travel to the connector's declared origins only. Other addresses come out of answers (next pages, download
links, redirects): they are fetched without credentials, and only over https from a public address, or from loopback
where the operator's own endpoints are on loopback.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from syncd.sdk import ProtocolError
from syncd.sdk.http import httpx

__all__ = ["Guard", "Resolver", "Verdict", "resolve"]

Resolver = Callable[[str], Awaitable[Sequence[str]]]
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`trusted`: credentials may go along. `address`: the checked address to connect to, so that a name cannot change
    its mind between the check and the connection; None where the name itself is used."""

    trusted: bool
    address: str | None = None


TRUSTED = Verdict(True)
STRANGER = Verdict(False)


async def resolve(host: str) -> Sequence[str]:
    """All addresses of a host name."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class Guard:
    """Judges URLs of one connection. `origins`: as `Connector.origins` gives them; None trusts every address asked.

    Without a `resolver` names are taken for public: for transports that are no network.
    """

    def __init__(self, origins: Sequence[str] | None, resolver: Resolver | None = resolve) -> None:
        self._origins = None if origins is None else {_origin(httpx.URL(origin)) for origin in origins}
        self._on_loopback = any(_is_loopback(host) for _, host, _ in self._origins or ())
        self._resolver = resolver

    async def judge(self, url: httpx.URL) -> Verdict:
        """Whether credentials may go there. Raises ProtocolError if nothing may."""
        origin = _origin(url)
        if self._origins is None or origin in self._origins:
            return TRUSTED
        scheme, host, _ = origin
        if self._on_loopback and _is_loopback(host) and scheme in PORTS:
            return STRANGER
        if scheme != "https" or not host:
            raise _refused(url, "it is neither one of the provider's own addresses nor https")
        if _literal(host) is not None:
            if not _is_public(host):
                raise _refused(url, "its address is not public")
            return STRANGER
        if self._resolver is None:
            return STRANGER
        return Verdict(False, await self._public_address(self._resolver, url, host))

    async def _public_address(self, resolver: Resolver, url: httpx.URL, host: str) -> str:
        try:
            addresses = await resolver(host)
        except OSError as error:
            raise _refused(url, "its name cannot be resolved") from error
        if not addresses or not all(_is_public(address) for address in addresses):
            raise _refused(url, "its address is not public")
        return addresses[0]


def _refused(url: httpx.URL, why: str) -> ProtocolError:
    where = f"{url.scheme}://{url.host}"
    return ProtocolError(f"refused to fetch from {where}, an address taken from an answer: {why}")


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host.lower().rstrip("."), url.port or PORTS.get(url.scheme)


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host.strip("[]").split("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_loopback(host: str) -> bool:
    address = _literal(host)
    return host in ("localhost", "localhost.") if address is None else address.is_loopback


def _is_public(host: str) -> bool:
    address = _literal(host)
    return address is not None and address.is_global and not address.is_multicast
