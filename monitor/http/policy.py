"""Which addresses may be dialled, in any notation."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import unquote

from monitor.settings import Network

_METADATA = tuple(
    map(
        ip_network,
        (
            "169.254.0.0/16",
            "fe80::/10",
            "fd00:ec2::/32",  # Amazon: metadata, and the time and credential services
            "fd20:ce::/64",  # Google
            "fd00:c1::a9fe:a9fe/128",  # Oracle
            "fd00:42::42/128",  # Scaleway
            "100.100.100.200/32",  # Alibaba
            "168.63.129.16/32",  # Azure's WireServer
            "192.0.0.192/32",  # Oracle, classic
        ),
    )
)
"""Link-local addresses, and the metadata services of the clouds that have them elsewhere."""

_METADATA_NAMES = dict.fromkeys(
    ("metadata.google.internal", "metadata.goog", "instance-data.ec2.internal"), "169.254.169.254"
)
"""Names by which metadata services are reached, with their address."""

_LOW_32 = (
    IPv6Network("::/96"),  # IPv4-compatible (RFC 4291, section 2.5.5.1)
    IPv6Network("::ffff:0:0:0/96"),  # IPv4-translated (RFC 2765)
    IPv6Network("64:ff9b::/96"),  # NAT64 (RFC 6052)
)
"""Networks whose addresses carry an IPv4 address in their last 32 bits."""
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
"""A site's own NAT64 (RFC 8215): the length of its prefix, and so the place of the IPv4 address, is unknown."""
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})
"""The upper half of an interface identifier that ends with an IPv4 address (RFC 5214)."""
_LOOPBACK = (IPv6Address("::1"), IPv4Address("127.0.0.1"))
_32_BITS = 0xFFFFFFFF


class PolicyDeniedError(OSError):
    """The address may not be dialled; raised instead of dialling it."""


@lru_cache(maxsize=1024)
def denied(address: str, network: Network) -> bool:
    """Whether `address` may not be dialled: link-local and metadata addresses never, unless allowed.

    An address that contains or maps to another one is denied if either is. ValueError if `address` is invalid.
    """
    refused = (*network.deny, *_METADATA)
    return any(
        any(one in net for net in refused) and not any(one in net for net in network.allow)
        for one in _reached(ip_address(address.partition("%")[0]))
    )


def denied_host(host: str, network: Network) -> bool:
    """Whether `host` of a URL is an address that may not be dialled, however a resolver reads it; False for a name.

    Needed if a proxy resolves it. The names of metadata services are denied as their addresses are.
    """
    written = unquote(host).rstrip(".").lower()
    written = _METADATA_NAMES.get(written, written)
    try:
        return denied(written, network)
    except ValueError:
        pass
    try:  # an address in fewer numbers, in octal or in hexadecimal
        return denied(socket.inet_ntoa(socket.inet_aton(written)), network)
    except (OSError, ValueError):
        return False


def _reached(address: IPv4Address | IPv6Address) -> Iterator[IPv4Address | IPv6Address]:
    """Return the addresses that a packet to `address` may reach, including itself."""
    if address.is_unspecified:  # Linux dials loopback for it
        yield from (address, *_LOOPBACK[isinstance(address, IPv4Address) :])
    elif isinstance(address, IPv4Address):
        yield address
    elif address.ipv4_mapped is not None:  # dialled as the IPv4 address that it is
        yield from _reached(address.ipv4_mapped)
    else:
        yield address
        for carried in _carried(address):
            yield from _reached(carried)


def _carried(address: IPv6Address) -> Iterator[IPv4Address]:
    """Return the IPv4 addresses that a transition mechanism would read from an IPv6 address."""
    bits = int(address)
    if any(address in net for net in _LOW_32) and address != _LOOPBACK[0]:
        yield IPv4Address(bits & _32_BITS)
    if address in _LOCAL_NAT64:
        yield from (IPv4Address(found) for found in (bits & _32_BITS, *_at_prefixes(bits)) if found)
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if bits >> 32 & _32_BITS in _ISATAP:
        yield IPv4Address(bits & _32_BITS)


def _at_prefixes(bits: int) -> Iterator[int]:
    """Return the 32 bits after a prefix of 48, 56 and 64 bits, without bits 64 to 71 (RFC 6052, section 2.2)."""
    joined = bits >> 64 << 56 | bits & (1 << 56) - 1
    yield from (joined >> 120 - length - 32 & _32_BITS for length in (48, 56, 64))
