"""The protocols that the lab speaks, one small file each, independent of the product's decoders.

A dialect is found through its protocol's record, for a protocol from outside as well.
"""

from __future__ import annotations

from collections.abc import Mapping

from monitor.lab.dialects.base import Dialect
from monitor.protocols import PROTOCOLS, Protocol, load


def dialect_of(protocol: Protocol) -> Dialect:
    """Return how the lab speaks a protocol; ValueError says what is wrong with its `dialect`."""
    if not protocol.dialect:
        raise ValueError(f"protocol {protocol.name} has no dialect: set dialect='package.module:NAME' of a Dialect")
    return load(protocol.dialect, Dialect)


DIALECTS: Mapping[str, Dialect] = {name: dialect_of(protocol) for name, protocol in PROTOCOLS.items()}
