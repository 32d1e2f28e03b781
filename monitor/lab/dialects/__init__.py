"""The lab's side of the protocols, one small file each, independent of the product's decoders.

A dialect is found through its protocol's record, also for an external protocol.
"""

from __future__ import annotations

from monitor.lab.dialects.base import Dialect
from monitor.protocols import PROTOCOLS, Protocol, find, load


def dialect_of(protocol: Protocol) -> Dialect:
    """Return the dialect of a protocol; a ValueError says what is wrong with its `dialect`."""
    if not protocol.dialect:
        raise ValueError(f"protocol {protocol.name} has no dialect: set dialect='package.module:NAME' of a Dialect")
    return load(protocol.dialect, Dialect)


DIALECTS: dict[str, Dialect] = {name: dialect_of(protocol) for name, protocol in PROTOCOLS.items()}
"""The dialects by their names in the lab's URLs."""


def add_dialect(name: str) -> None:
    """Add the protocol `package.module:NAME` to the lab; ValueError if it or its dialect cannot be loaded."""
    DIALECTS[name] = dialect_of(find(name))
