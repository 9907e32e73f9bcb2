"""Where requests may go, and where credentials may.

Public: Guard, Verdict.

Credentials travel to the connector's declared origins only. Other addresses come out of answers (next pages, download
links, redirects): they are asked only where the connector declares such hosts, without credentials, and over https at a
public address, or on loopback where the operator's own endpoints are on loopback.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from syncd.sdk import ProtocolError
from syncd.sdk.http import httpx
from syncd.sdk.origins import within

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
    """Judges URLs of one connection. `origins` and `downloads`: what `Connector.origins` and `.downloads` give.

    Without a `resolver` names are taken for public: for transports that are no network.
    """

    def __init__(
        self,
        origins: Callable[[], Sequence[str]],
        downloads: Sequence[str] = (),
        resolver: Resolver | None = resolve,
    ) -> None:
        self._declared = origins
        self._downloads = tuple(downloads)
        self._resolver = resolver
        self._look()

    def _look(self) -> None:
        self._origins = {_origin(httpx.URL(origin)) for origin in self._declared()}
        self._on_loopback = any(_is_loopback(host) for _, host, _ in self._origins)

    def admit(self, url: httpx.URL) -> None:
        """Raise ProtocolError unless a secret may be sent there: the address of a token request.

        Declarations are read again before that: a credential that was replaced may name another token endpoint.
        """
        if _origin(url) in self._origins:
            return
        self._look()
        if _origin(url) not in self._origins:
            raise _refused(url, "a sign-in goes to declared addresses only")

    async def judge(self, url: httpx.URL) -> Verdict:
        """Whether credentials may go there. Raises ProtocolError if nothing may."""
        origin = _origin(url)
        if origin in self._origins:
            return TRUSTED
        scheme, host, _ = origin
        if self._on_loopback and _is_loopback(host) and scheme in PORTS and self._downloads:
            return STRANGER
        if not host or not within(host, self._downloads):
            raise _refused(url, "the connector does not declare it")
        if scheme != "https":
            raise _refused(url, "it is not https")
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
    return ProtocolError(f"refused to send a request to {where}: {why}", code="SYN-NET-002")


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
