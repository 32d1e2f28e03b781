"""A gate for the scripts of peers: a test learns when a script waits at it."""

from __future__ import annotations

import asyncio
from typing import Literal


class Reached(asyncio.Event):
    """A gate that reports when a script has reached it."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()

    async def wait(self) -> Literal[True]:
        """Say so, and wait."""
        self.reached.set()
        return await super().wait()
