"""The listening socket: a port of its own, and nothing left when it closes."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from monitor.lab.connection import LabConnection, play
from monitor.lab.listener import Listener
from monitor.lab.steps import Hold, Send
from tests.conftest import WITHIN
from tests.lab.wires import wire_to


async def hold(link: LabConnection) -> None:
    """Greet, and keep the connection."""
    await play(link, [Send(b"hello"), Hold()])


async def test_closing_leaves_nothing() -> None:
    """Connections that would never end are closed, their tasks are done, and the port is free."""
    before = asyncio.all_tasks()
    listener = await Listener(hold).open("127.0.0.1", 0)
    async with wire_to(listener.port) as wire:
        assert await wire.exactly(5) == b"hello"
        await listener.close()
        assert await wire.rest() == (b"", "fin")
    await listener.close()
    assert asyncio.all_tasks() == before
    again = await Listener(hold).open("127.0.0.1", listener.port)
    await again.close()


async def test_idle_is_when_the_last_connection_is_over() -> None:
    """It waits for those there are, and for none where there are none."""
    async with await Listener(hold).open("127.0.0.1", 0) as listener:
        await listener.idle()
        async with wire_to(listener.port) as wire:
            await wire.exactly(5)
            idle = asyncio.create_task(listener.idle())
            await asyncio.sleep(0)
            assert not idle.done()
        await asyncio.wait_for(idle, WITHIN)


def read_to_its_end(client: socket.socket) -> bytes:
    """Return what came until the peer closed or reset the connection; TimeoutError if it does neither."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := client.recv(100):
            received += piece
    return received


@pytest.mark.parametrize("turns", range(3, 8))
async def test_a_connection_that_comes_as_it_closes(turns: int) -> None:
    """It is closed with the listener, whether the loop has just made it, is about to handle it, or does."""
    listener = await Listener(hold).open("127.0.0.1", 0)
    with socket.create_connection(("127.0.0.1", listener.port), WITHIN) as client:
        for _ in range(turns):
            await asyncio.sleep(0)
        await listener.close()
        assert await asyncio.to_thread(read_to_its_end, client) in {b"", b"hello"}


async def test_closing_what_was_never_opened_is_nothing() -> None:
    """A listener that failed to open can be closed all the same."""
    listener = Listener(hold)
    await listener.close()
    assert listener.port == 0
