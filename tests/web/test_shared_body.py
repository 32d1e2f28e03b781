"""Tests of a body that is sent while it is made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from monitor.web.shared_body import SharedBody


async def test_every_reader_gets_all_blocks_as_they_are_made() -> None:
    """A reader waits for a block and no longer; one that comes late begins with the first."""
    go_on = asyncio.Event()

    async def blocks() -> AsyncIterator[bytes]:
        yield b"one"
        await go_on.wait()
        yield b"two"

    body = SharedBody(blocks(), "text/plain")
    assert await body.block(0) == b"one"
    waiting = asyncio.create_task(body.block(1))
    await asyncio.sleep(0)
    assert not waiting.done()
    go_on.set()
    assert await waiting == b"two"
    assert [await body.block(index) for index in range(3)] == [b"one", b"two", None]
    assert await body.whole() == b"onetwo"


async def test_every_reader_gets_the_reason_of_the_end() -> None:
    """What goes wrong is raised in place of the next block, for each reader."""

    async def blocks() -> AsyncIterator[bytes]:
        yield b"one"
        raise ZeroDivisionError

    body = SharedBody(blocks(), "text/plain")
    for _ in range(2):
        assert await body.block(0) == b"one"
        with pytest.raises(ZeroDivisionError):
            await body.block(1)
