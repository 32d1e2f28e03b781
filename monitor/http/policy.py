"""Which addresses may be dialled."""

from __future__ import annotations

import ipaddress

from monitor.settings import Network

_METADATA = tuple(map(ipaddress.ip_network, ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "100.100.100.200/32")))
"""Link-local addresses, and the metadata services of the clouds that have them elsewhere."""


class PolicyDeniedError(OSError):
    """The address may not be dialled; raised where it would be."""


def denied(address: str, network: Network) -> bool:
    """Whether `address` may not be dialled: link-local and metadata addresses never, unless allowed."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if any(found in net for net in network.allow):
        return False
    return any(found in net for net in (*network.deny, *_METADATA))
