"""Which of n monitors watches which target: rendezvous hashing, so that one more moves only what it takes over."""

from __future__ import annotations

import hashlib


def mine(name: str, index: int, count: int) -> bool:
    """Whether monitor `index` (from 0) of `count` watches the target `name`."""
    return max(range(count), key=lambda number: _weight(name, number)) == index


def _weight(name: str, number: int) -> bytes:
    return hashlib.sha256(f"{number}/{name}".encode()).digest()
