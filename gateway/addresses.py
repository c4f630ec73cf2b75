"""Where a merchant's endpoint may stand: on the public internet, and nowhere else (OWASP, server-side request forgery).

Whoever may save an endpoint could otherwise have us call what only we can reach: our own database, a neighbour, the
cloud's metadata. A name is resolved when it is saved and again at each connect, and the connection is made to the very
address that was looked at, so that a name which answers differently the second time (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import httpcore

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""RFC 6052: the last 32 bits are an IPv4 address, which a gateway in the network may reach."""
COMPATIBLE: Final = ipaddress.IPv6Network("::/96")
NOBODYS: Final = (
    ipaddress.IPv6Network("fec0::/10"),
    ipaddress.IPv6Network("::ffff:0:0:0/96"),
    ipaddress.IPv6Network("64:ff9b:1::/48"),
)
"""Site-local addresses (RFC 3879), and translations to IPv4 inside a network (RFC 2765, 8215)."""
RESOLVE_S: Final = 5.0
LONGEST: Final = 2048
SETTING: Final = "TOLLBRIDGE_OUTBOUND_PRIVATE=true"


class AddressError(Exception):
    """Nothing is sent there; the message says why, and quotes no more than the host."""


class UnresolvedError(AddressError):
    """The name has no address now. It may have one when something is sent, and is looked at again then."""


def is_public(address: IPAddress) -> bool:
    """Whether an address is reached over the public internet, and is one host's."""
    if isinstance(address, ipaddress.IPv6Address):
        if any(address in net for net in NOBODYS):
            return False
        embedded = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if embedded is None and any(address in net for net in (NAT64, COMPATIBLE)):
            embedded = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if embedded is not None:
            return is_public(embedded)
    return address.is_global and not address.is_multicast


def checked_url(url: str, *, private: bool) -> SplitResult:
    """The parts of an address that may be saved; raises AddressError. http only where `private` ones are allowed."""
    if len(url) > LONGEST or not url.isascii() or not url.isprintable() or " " in url:
        raise AddressError(f"must be an address of at most {LONGEST} printable ASCII letters (punycode, %-escapes)")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise AddressError("is no address") from None
    if parts.scheme not in ({"https", "http"} if private else {"https"}) or not host:
        raise AddressError(f"must begin with https:// and name a host (http in development alone, with {SETTING})")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise AddressError("must have no user, password or fragment")
    return parts


def host_of(url: str) -> str:
    """An address for whoever may not see all of it: often the rest is its only secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


async def refuse_private(url: str, *, private: bool) -> None:
    """Raise AddressError for an address that could not be called anyway; UnresolvedError where that can't be said."""
    parts = checked_url(url, private=private)
    if private:
        return
    port = parts.port or 443
    found = await resolved(parts.hostname or "", port)
    if not all(map(is_public, found)):
        raise _not_public(parts.hostname or "")


async def resolved(host: str, port: int) -> list[IPAddress]:
    """The addresses of a host, in the resolver's order; raises UnresolvedError."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_S):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError):
        raise UnresolvedError(f"{host} can't be resolved now") from None
    # A scoped address ("fe80::1%eth0") is link-local, and refused as such.
    return [ipaddress.ip_address(str(sockaddr[0]).partition("%")[0]) for *_, sockaddr in found]


def _not_public(host: str) -> AddressError:
    return AddressError(
        f"{host} is not on the public internet (private addresses: in development alone, with {SETTING})"
    )


class PublicNetwork(httpcore.AsyncNetworkBackend):
    """Connects to public addresses alone: the ones that it has looked at, not the name."""

    def __init__(self) -> None:
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        public = [address for address in await resolved(host, port) if is_public(address)]
        if not public:
            raise _not_public(host)
        # One only: the total time is short, and another try comes. TLS still asks for the name's certificate.
        return await self._inner.connect_tcp(str(public[0]), port, timeout, local_address, socket_options)

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise AddressError("nothing is sent to a local socket")

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)
