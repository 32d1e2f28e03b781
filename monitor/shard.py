"""Which of n monitors probes which target: rendezvous hashing, so that a further monitor moves only its own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `count` monitors that share the targets; `index` is from 0."""

    index: int = 0
    count: int = 1

    def has(self, name: str) -> bool:
        """Whether this monitor probes the target `name`."""
        return mine(name, self.index, self.count)


WHOLE = Shard()


def mine(name: str, index: int, count: int) -> bool:
    """Whether monitor `index` (from 0) of `count` probes the target `name`."""
    return max(range(count), key=lambda number: _weight(name, number)) == index


def _weight(name: str, number: int) -> bytes:
    return hashlib.sha256(f"{number}/{name}".encode()).digest()
