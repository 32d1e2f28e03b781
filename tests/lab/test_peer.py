"""The peer for tests: one script for each connection, and what it received."""

from __future__ import annotations

from monitor.lab.peer import peer
from monitor.lab.steps import Fin, Rst, Send
from tests.lab.wires import wire_to


async def test_each_connection_has_its_script_and_the_last_is_repeated() -> None:
    """So that a retry, or a reused connection that fails, can be written down."""
    async with peer([Rst()], [Send(b"again"), Fin()]) as server:
        received = []
        for target in ("/1", "/2", "/3"):
            async with wire_to(server.port) as wire:
                await wire.ask(target)
                received.append(await wire.rest())
        assert received == [(b"", "rst"), (b"again", "fin"), (b"again", "fin")]
        assert [request.target for request in server.requests] == ["/1", "/2", "/3"]
        assert server.url == f"http://127.0.0.1:{server.port}"
        await server.over()
    assert [(played.steps, played.of) for played in server.played] == [(2, 2), (3, 3), (3, 3)]


async def test_a_script_without_an_ending_ends_with_a_fin() -> None:
    """What a script leaves open is closed politely."""
    async with peer([Send(b"x")]) as server, wire_to(server.port) as wire:
        await wire.ask("/")
        assert await wire.rest() == (b"x", "fin")
        wire.writer.close()
        await server.over()
    assert [played.whole for played in server.played] == [True]
