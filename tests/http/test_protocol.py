"""What the protocol hears: faults inside a tunnel, an end without close_notify, interim heads, bytes behind the end."""

from __future__ import annotations

import asyncio
import contextlib
import os

import aiohttp
import pytest

from monitor.http.attempts import ConnectionAttempts
from monitor.http.protocol import HttpProtocol
from monitor.lab.peer import peer
from monitor.lab.server import serve
from monitor.lab.steps import Fin, Repeat, Send
from monitor.settings import Limits, Network
from monitor.stream.endings import Deadline
from monitor.target import Timeouts
from tests.conftest import PATIENT, Ask, MakeProber, only, target
from tests.http.parts import CLOSED, HEAD, HI, WHOLE, CertificateAuthority, sized, unchecked
from tests.test_wire import verdict

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("cut?by=fin", "truncated/incomplete_body"),
        ("cut?by=rst", "truncated/reset"),
        ("cut?by=fin&framing=close", "truncated/no_terminator"),
        ("cut?by=rst&framing=close", "truncated/reset"),
        ("cut-after-end?by=fin", "ok"),
        ("cut-after-end?by=rst", "ok"),
        ("clean-cut", "truncated/no_terminator"),
        ("chunk-size", "truncated/malformed_body"),
        ("mid-event", "truncated/mid_event"),
        ("no-response?by=fin", "no_response/closed"),
        ("no-response?by=rst", "no_response/reset"),
        ("partial-head", "no_response/partial_head"),
        ("status?code=503", "http_error/overloaded"),
    ],
)
async def test_a_fault_over_tls(ask: Ask, ca: CertificateAuthority, query: str, wanted: str) -> None:
    """A fault inside TLS has the same verdict as without it."""
    assert await over_tls(ask, ca, query) == wanted


@pytest.mark.parametrize(
    ("query", "wanted", "deadline"),
    [
        ("left-open", "ok", Deadline.DRAIN),
        ("stall", "stalled/silent", Deadline.IDLE),
        ("hang", "timeout/headers", Deadline.HEADERS),
    ],
)
async def test_a_silence_over_tls(
    ask: Ask, ca: CertificateAuthority, query: str, wanted: str, deadline: Deadline
) -> None:
    """A tunnel that is left open ends at the deadline that runs then."""
    assert await over_tls(ask, ca, query, timeouts=only(deadline)) == wanted


async def over_tls(ask: Ask, ca: CertificateAuthority, query: str, timeouts: Timeouts = PATIENT) -> str:
    """Return the verdict on a fault of the lab through TLS."""
    async with await serve("127.0.0.1", 0, ssl=ca.server()) as lab:
        pace = f"{query}&gap=1ms&ttfc=1ms" if "?" in query else f"{query}?gap=1ms&ttfc=1ms"
        return verdict(await ask(f"{lab.url}/openai-chat/{pace}", tls=ca.trusted, timeouts=timeouts))


@pytest.mark.parametrize(
    ("body", "wanted"), [(WHOLE, "ok"), (HI, "truncated/no_terminator"), (HI[:20], "truncated/mid_event")]
)
async def test_a_body_without_close_notify(ask: Ask, ca: CertificateAuthority, body: bytes, wanted: str) -> None:
    """A TLS stream that ends in a bare FIN is judged by the protocol's end."""
    async with peer((Send(CLOSED + body), Fin(notify=False)), ssl=ca.server()) as server:
        observation = await ask(**unchecked(f"{server.url}/", tls=ca.trusted))
    assert verdict(observation) == wanted


ALERT = b"\x15\x03\x03\x00\x02\x02\x46"
"""A fatal alert: no common protocol version."""


@pytest.mark.parametrize(
    ("sent", "wanted"),
    [
        (CLOSED + HI, "truncated/reset"),
        (CLOSED + WHOLE, "ok"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(HI), HI), "truncated/reset"),
        (HEAD + b"Content-Length: 999\r\n\r\n" + HI, "truncated/reset"),
    ],
    ids=["to the close", "whole", "chunked", "with a length"],
)
async def test_a_tunnel_that_breaks_in_the_stream(
    prober: MakeProber, ca: CertificateAuthority, sent: bytes, wanted: str
) -> None:
    """A fatal alert in the stream is no end of a body, whatever its framing: the connection was aborted."""
    received = asyncio.Event()

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        await received.wait()
        os.write(writer.get_extra_info("socket").fileno(), ALERT)
        with contextlib.suppress(OSError):
            await reader.read()
        writer.transport.abort()

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0, ssl=ca.server())
    async with server:
        asked = target(**unchecked(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/", tls=ca.trusted))
        observation = await prober(save=lambda _: received.set())(asked, "cli")
    assert (verdict(observation), observation.recording.chunks) == (wanted, 1)
    assert observation.verdict.unclean == ("reset" if wanted == "ok" else None)


async def test_what_follows_an_interim_head_is_not_behind_the_end(ask: Ask) -> None:
    """After interim heads of more than one read, the final head in the socket is not a trailing byte."""
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
    async with peer((Send(hint * 6000 + sized(WHOLE)),)) as server:
        observation = await ask(**unchecked(f"{server.url}/"))
    assert (verdict(observation), observation.verdict.unclean) == ("ok", None)


async def test_too_much_behind_the_end_is_no_fault(prober: MakeProber) -> None:
    """Bytes after the protocol's end are at most an unclean end, however many."""
    async with peer((Send(CLOSED + WHOLE), Repeat(b"x" * 1000, 0.0))) as server:
        asked = target(**unchecked(f"{server.url}/"))
        observation = await prober(limits=Limits(stream_bytes=5000))(asked, "cli")
    assert (verdict(observation), observation.verdict.unclean) == ("ok", "trailing")


async def test_a_connection_that_is_gone_is_not_closed_again() -> None:
    """A protocol without a transport has nothing to close."""
    protocol = HttpProtocol(asyncio.get_running_loop(), ConnectionAttempts(Network()).made)
    protocol.set_exception(aiohttp.ClientConnectionError())
    protocol._look_for_a_fault()
    assert (protocol.transport, protocol.received, protocol.keepable) == (None, 0, False)
