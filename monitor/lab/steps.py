"""The steps of a script, which a connection plays one after the other; faults are data."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

FOREVER = 3600.0
"""The limit of endless steps."""


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """Read one whole request."""


@dataclass(frozen=True, slots=True)
class Send:
    """Write these bytes, as a segment of their own."""

    data: bytes


@dataclass(frozen=True, slots=True)
class StreamFrames:
    """Write HTTP/2 frames, made for the request's stream; 1 by default."""

    make: Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Wait:
    """Be silent for a while."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Gate:
    """Be silent until a test opens the gate."""

    event: asyncio.Event


@dataclass(frozen=True, slots=True)
class Repeat:
    """Write the same bytes repeatedly, the first after `every`, until the peer disconnects or `seconds` have passed."""

    data: bytes
    every: float
    seconds: float = FOREVER


@dataclass(frozen=True, slots=True)
class Hold:
    """Keep the socket open and silent until the peer disconnects or `seconds` have passed."""

    seconds: float = FOREVER


@dataclass(frozen=True, slots=True)
class Fin:
    """Close our side; over TLS with or without a close_notify."""

    notify: bool = True


@dataclass(frozen=True, slots=True)
class Rst:
    """Reset the connection once everything sent has reached the peer's machine."""


Step = ReadRequest | Send | StreamFrames | Wait | Gate | Repeat | Hold | Fin | Rst
Script = Sequence[Step]
LAST = (Repeat, Hold, Fin, Rst)
"""Steps after which the connection cannot be used further."""
