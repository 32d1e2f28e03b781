"""The lab's connection: exact bytes, segments when a gate opens, distinct endings, and peers that disconnect."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct

import pytest

from monitor.lab.connection import MAX_RECEIVED, LabConnection, PeerLeftError, play
from monitor.lab.listener import Listener
from monitor.lab.peer import peer
from monitor.lab.steps import Fin, Gate, Hold, ReadRequest, Repeat, Rst, Script, Send, Wait
from tests.lab.wires import wire_to

ENDLESS = 3600.0


async def test_every_send_is_a_segment_of_its_own() -> None:
    """With a gate between two sends the first is there before the second is written."""
    gate = asyncio.Event()
    async with peer([Send(b"one"), Gate(gate), Send(b"two"), Fin()]) as server, wire_to(server.port) as wire:
        await wire.ask("/")
        assert await wire.exactly(3) == b"one"
        gate.set()
        assert await wire.rest() == (b"two", "fin")


@pytest.mark.parametrize(("ending", "name"), [(Fin(), "fin"), (Rst(), "rst")])
async def test_endings_are_distinguished(ending: Fin | Rst, name: str) -> None:
    """What was sent arrives whole before a FIN as before an RST."""
    async with peer([Send(b"x" * 300_000), ending]) as server, wire_to(server.port) as wire:
        await wire.ask("/")
        assert await wire.rest() == (b"x" * 300_000, name)


async def test_a_script_may_speak_before_it_listens() -> None:
    """Where a script says when it reads the request, nothing is read before."""
    script: Script = [Send(b"hello"), ReadRequest(), Send(b" you"), Fin()]
    async with peer(script) as server, wire_to(server.port) as wire:
        assert await wire.exactly(5) == b"hello"
        assert server.requests == []
        await wire.ask("/said", body=b"body")
        assert await wire.rest() == (b" you", "fin")
        assert [(request.target, request.body) for request in server.requests] == [("/said", b"body")]


async def test_waiting_steps_end_by_themselves() -> None:
    """A wait, a hold and a repetition with short bounds let the script go on."""
    script: Script = [Wait(0.0), Hold(0.0), Repeat(b"y", 0.0, 0.0), Repeat(b"x", 0.001, 0.001), Send(b"z"), Fin()]
    async with peer(script) as server, wire_to(server.port) as wire:
        await wire.ask("/")
        assert await wire.rest() == (b"xz", "fin")


@pytest.mark.parametrize(
    ("step", "whole"),
    [
        (Wait(ENDLESS), False),
        (Gate(asyncio.Event()), False),
        (ReadRequest(), False),
        (Hold(), True),
        (Repeat(b"x" * 4096, 0.0), True),
        (Repeat(b"x", ENDLESS), True),
    ],
)
async def test_a_peer_that_leaves_ends_the_script(step: Wait | Gate | ReadRequest | Hold | Repeat, whole: bool) -> None:
    """At once, whatever the script is at; a hold and a repetition are over then, everything else is cut short."""
    over = asyncio.Event()

    async def handle(link: LabConnection) -> None:
        played = await play(link, [Send(b"x"), step])
        assert (played.whole, played.last, played.steps, played.of) == (whole, True, 1 + whole, 2)
        over.set()

    async with await Listener(handle).open("127.0.0.1", 0) as listener:
        async with wire_to(listener.port) as wire:
            assert await wire.exactly(1) == b"x"
        await over.wait()


@pytest.mark.parametrize("step", [Send(b"x"), Fin(), Rst(), Wait(0.0)])
async def test_nothing_is_played_to_a_peer_that_has_left(step: Send | Fin | Rst | Wait) -> None:
    """Whatever comes next finds that out first."""
    over = asyncio.Event()

    async def handle(link: LabConnection) -> None:
        await play(link, [Hold()])
        played = await play(link, [step])
        assert (played.whole, played.last, played.steps) == (False, True, 0)
        with pytest.raises(PeerLeftError):
            await link.more()
        over.set()

    async with await Listener(handle).open("127.0.0.1", 0) as listener, wire_to(listener.port) as wire:
        wire.writer.write_eof()
        await over.wait()


async def test_a_reset_may_be_there_before_the_loop_knows() -> None:
    """A FIN then finds the connection gone, and says so as for any peer that has left."""
    client = socket.socket()
    client.setblocking(False)  # the standard library's own signature
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    over = asyncio.get_running_loop().create_future()

    async def handle(link: LabConnection) -> None:
        client.close()
        over.set_result(await play(link, [Fin()]))

    async with await Listener(handle).open("127.0.0.1", 0) as listener:
        await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", listener.port))
        assert (await over).whole is False


async def test_a_peer_that_does_not_read_is_waited_for() -> None:
    """A send larger than the buffers on both sides goes on when the peer reads."""
    async with peer([Send(bytes(16 << 20)), Fin()]) as server, wire_to(server.port) as wire:
        await wire.ask("/")
        assert await wire.rest() == (bytes(16 << 20), "fin")


async def test_what_a_peer_sends_too_much_is_dropped() -> None:
    """Memory stays bounded when a peer never stops sending."""
    received = asyncio.get_running_loop().create_future()

    async def handle(link: LabConnection) -> None:
        await play(link, [Hold()])
        received.set_result(len(link.received))

    async with await Listener(handle).open("127.0.0.1", 0) as listener, wire_to(listener.port) as wire:
        await wire.say(bytes(MAX_RECEIVED + 100_000))
        wire.writer.write_eof()
        assert await received == MAX_RECEIVED


@pytest.mark.parametrize("notify", [True, False])
async def test_tls_ends_with_or_without_a_notice(tls: tuple[ssl.SSLContext, ssl.SSLContext], notify: bool) -> None:
    """The bytes are the same; only the polite end carries close_notify, which a raw client sees as a longer stream."""
    server, client = tls
    script: Script = [Send(b"secret"), Fin(notify=notify)]
    async with peer(script, ssl=server) as secure, wire_to(secure.port, client) as wire:
        await wire.ask("/")
        assert await wire.rest() == (b"secret", "fin")
        assert secure.url == f"https://127.0.0.1:{secure.port}"


async def test_tls_can_be_reset(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """Under TLS, too, what was sent arrives before the RST."""
    server, client = tls
    async with peer([Send(b"secret"), Rst()], ssl=server) as secure, wire_to(secure.port, client) as wire:
        await wire.ask("/")
        assert await wire.rest() == (b"secret", "rst")
