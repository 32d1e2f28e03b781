"""A response that is sent while its body is made, by every request that asks for the same meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

from aiohttp import web


class SharedBody:
    """A body that is being made: requests for the same one share it, each from its first block on."""

    def __init__(self, blocks: AsyncIterator[bytes], content_type: str) -> None:
        self.content_type = content_type
        self._made: list[bytes | Exception | None] = []
        """The blocks, and then None, or the reason why there are no more."""
        self._changed = asyncio.Condition()
        self.task = asyncio.create_task(self._make(blocks))

    async def block(self, index: int) -> bytes | None:
        """Return one of the blocks as soon as it is made; None after the last one."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._made) > index)
        found = self._made[index]
        if isinstance(found, Exception):
            raise found
        return found

    async def whole(self) -> bytes:
        """Return all of it when it is made."""
        blocks: list[bytes] = []
        while (block := await self.block(len(blocks))) is not None:
            blocks.append(block)
        return b"".join(blocks)

    async def _make(self, blocks: AsyncIterator[bytes]) -> None:
        try:
            async for block in blocks:
                await self._add(block)
        except Exception as error:  # noqa: BLE001 - raised for each request
            await self._add(error)
        else:
            await self._add(None)

    async def _add(self, block: bytes | Exception | None) -> None:
        async with self._changed:
            self._made.append(block)
            self._changed.notify_all()


class SharedResponse(web.StreamResponse):
    """A response that is written while its body is made."""

    def __init__(self, body: SharedBody, headers: Mapping[str, str]) -> None:
        super().__init__(headers=headers)
        self._shared: SharedBody | None = body

    async def write_eof(self, data: bytes = b"") -> None:
        """Write all blocks, then the end; aiohttp calls this twice."""
        body, self._shared = self._shared, None
        index = 0
        while body is not None and (block := await body.block(index)) is not None:
            await self.write(block)
            index += 1
        await super().write_eof(data)
