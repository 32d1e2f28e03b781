"""The listening socket: a port of its own, and nothing left when it closes."""

from __future__ import annotations

import asyncio

from monitor.lab.connection import LabConnection, play
from monitor.lab.listener import Listener
from monitor.lab.steps import Hold, Send
from tests.lab.wires import wire_to


async def hold(link: LabConnection) -> None:
    """Greet, and keep the connection."""
    await play(link, [Send(b"hello"), Hold()])


async def test_closing_leaves_nothing() -> None:
    """Connections that would stay for ever are closed, their tasks are over, and the port is free."""
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
        await listener.idle()
        assert not listener._tasks


async def test_closing_what_was_never_opened_is_nothing() -> None:
    """A listener that failed to open can be closed all the same."""
    listener = Listener(hold)
    await listener.close()
    assert listener.port == 0
