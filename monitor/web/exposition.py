"""`GET /metrics`: the exposition, made in pieces between turns of the event loop, and compressed if accepted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from aiohttp import hdrs, web

from monitor.web.answers import STATE, AppState, Exposition
from monitor.web.compression import accepts_gzip, gzipped

BLOCK_BYTES = 256 * 1024
"""The bytes of a scrape that are written at once."""


class BlockResponse(web.StreamResponse):
    """A long response, written block by block: a single write would copy all of it."""

    def __init__(self, blocks: Iterable[bytes], length: int, headers: Mapping[str, str]) -> None:
        super().__init__(headers=headers)
        self.content_length = length
        self._blocks = blocks

    async def write_eof(self, data: bytes = b"") -> None:
        """Write all blocks, then the end; aiohttp calls this twice."""
        blocks, self._blocks = self._blocks, ()
        for block in blocks:
            await self.write(block)
        await super().write_eof(data)


async def metrics(request: web.Request) -> web.StreamResponse:
    """Respond to a scrape."""
    compressed = accepts_gzip(request.headers.get("Accept-Encoding", ""))
    blocks, content_type = await _shared(request.app[STATE], request.headers.get("Accept", ""), compressed=compressed)
    headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
    if compressed:
        headers["Content-Encoding"] = "gzip"
    return BlockResponse(blocks if request.method != hdrs.METH_HEAD else [], sum(map(len, blocks)), headers)


async def _shared(state: AppState, accept: str, *, compressed: bool) -> Exposition:
    """Return the exposition; concurrent requests for the same one share it."""
    key = accept, compressed
    making = state.scrapes.get(key)
    if making is None:
        making = state.scrapes[key] = asyncio.create_task(_made(state, accept, compressed=compressed))
        making.add_done_callback(lambda _: state.scrapes.pop(key))
    return await asyncio.shield(making)


async def _made(state: AppState, accept: str, *, compressed: bool) -> Exposition:
    """Make the exposition, with a turn of the loop after every piece, so that probes are read in between."""
    pieces, content_type = state.source.metrics(accept)
    blocks, gathered, size = [], [], 0
    for piece in pieces:
        gathered.append(piece)
        size += len(piece)
        if size >= BLOCK_BYTES:
            blocks.append(b"".join(gathered))
            gathered, size = [], 0
        await asyncio.sleep(0)
    blocks.append(b"".join(gathered))
    if compressed:
        blocks = await asyncio.get_running_loop().run_in_executor(state.worker, gzipped, blocks)
    return blocks, content_type
