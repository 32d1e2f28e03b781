"""`GET /metrics`: the exposition, made in blocks between turns of the event loop, and sent while it is made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

from aiohttp import hdrs, web
from aiohttp.http import HttpVersion11

from monitor.web.answers import STATE, AppState
from monitor.web.compression import accepts_gzip, compressor
from monitor.web.shared_body import SharedBody, SharedResponse

BLOCK_BYTES = 1024 * 1024
"""The bytes of a scrape that are compressed and written at once: a millisecond of a thread."""


async def metrics(request: web.Request) -> web.StreamResponse:
    """Respond to a scrape."""
    compressed = accepts_gzip(request.headers.get("Accept-Encoding", ""))
    body = _shared(request.app[STATE], request.headers.get("Accept", ""), compressed=compressed)
    headers = {"Content-Type": body.content_type, "Vary": "Accept, Accept-Encoding"}
    if compressed:
        headers["Content-Encoding"] = "gzip"
    await body.block(0)  # what fails before it is answered as an error
    if request.method == hdrs.METH_HEAD:
        return web.Response(headers=headers)
    if request.version < HttpVersion11:  # without chunks, only a length tells a whole body from one that was cut
        return web.Response(body=await body.whole(), headers=headers)
    return SharedResponse(body, headers)


def _shared(state: AppState, accept: str, *, compressed: bool) -> SharedBody:
    """Return the exposition; concurrent requests for the same one share it."""
    pieces, content_type = state.source.metrics(accept)  # not begun yet
    key = content_type, compressed  # a few, whatever clients accept
    body = state.scrapes.get(key)
    if body is None:
        blocks = _blocks(pieces)
        body = state.scrapes[key] = SharedBody(_compressed(state, blocks) if compressed else blocks, content_type)
        body.task.add_done_callback(lambda _: state.scrapes.pop(key))
    return body


async def _blocks(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Join the pieces, with a turn of the loop after every one, so that probes are read in between."""
    gathered, size = [], 0
    for piece in pieces:
        gathered.append(piece)
        size += len(piece)
        if size >= BLOCK_BYTES:
            yield b"".join(gathered)
            gathered, size = [], 0
        await asyncio.sleep(0)
    yield b"".join(gathered)


async def _compressed(state: AppState, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Compress the blocks into one gzip stream, in the worker thread; zlib releases the interpreter lock."""
    compressing, loop = compressor(), asyncio.get_running_loop()
    async for block in blocks:
        yield await loop.run_in_executor(state.worker, compressing.compress, block)
    yield compressing.flush()
