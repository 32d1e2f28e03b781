"""What a script is made of: the steps that a connection plays, one after the other; faults are data."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

FOREVER = 3600.0
"""Bound of everything that would go on for ever."""


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """Read one whole request."""


@dataclass(frozen=True, slots=True)
class Send:
    """Write these bytes, as a segment of their own."""

    data: bytes


@dataclass(frozen=True, slots=True)
class StreamFrames:
    """Write frames of HTTP/2, made for the stream that the request has come on; 1 if nobody says which."""

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
    """Write the same bytes again and again, the first after `every`, until the peer leaves or `seconds` are over."""

    data: bytes
    every: float
    seconds: float = FOREVER


@dataclass(frozen=True, slots=True)
class Hold:
    """Keep the socket open and silent until the peer leaves or `seconds` are over."""

    seconds: float = FOREVER


@dataclass(frozen=True, slots=True)
class Fin:
    """Say that nothing more comes; over TLS with a close_notify or, rudely, without."""

    notify: bool = True


@dataclass(frozen=True, slots=True)
class Rst:
    """Reset the connection once everything sent has reached the peer's machine."""


Step = ReadRequest | Send | StreamFrames | Wait | Gate | Repeat | Hold | Fin | Rst
Script = Sequence[Step]
LAST = (Repeat, Hold, Fin, Rst)
"""Steps after which the connection is of no more use."""
