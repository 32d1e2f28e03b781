"""The HTTP/1.1 protocol: faults in a tunnel, an end without close_notify, interim heads, bytes after the end."""

from __future__ import annotations

import asyncio
import contextlib
import os

import aiohttp
import pytest

from monitor.http.attempts import ConnectionAttempts
from monitor.http.framing import CROWDED
from monitor.http.protocol import HttpProtocol
from monitor.lab.peer import peer
from monitor.lab.server import serve
from monitor.lab.steps import Fin, Repeat, Send
from monitor.settings import Limits, Network
from monitor.stream.endings import Deadline, EndKind
from monitor.target import Timeouts
from tests.conftest import PATIENT, Ask, MakeProber, only, target
from tests.http.parts import CLOSED, HEAD, HI, WHOLE, CertificateAuthority, sized, unchecked
from tests.test_wire import verdict

pytestmark = pytest.mark.usefixtures("no_leaks")

CHUNKED = CLOSED.replace(b"Connection: close", b"Transfer-Encoding: chunked")


def chunk(data: bytes) -> bytes:
    """Return one chunk."""
    return b"%x\r\n%s\r\n" % (len(data), data)


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


async def test_what_follows_an_interim_head_is_not_after_the_end(ask: Ask) -> None:
    """After interim heads of more than one read, the final head in the socket is not a trailing byte."""
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
    async with peer((Send(hint * 3500 + sized(WHOLE)),)) as server:
        observation = await ask(**unchecked(f"{server.url}/"))
    assert (verdict(observation), observation.verdict.unclean) == ("ok", None)


HEADS_WITHOUT_END: dict[str, tuple[bytes, str]] = {
    "interim heads": (b"HTTP/1.1 100 Continue\r\n\r\n", "it has more than 256 KiB"),
    "empty lines": (b"\r\n", "it has more than 256 KiB"),
    "a status below 100": (b"HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n", "no HTTP/1.1 response head"),
}


@pytest.mark.parametrize(("repeated", "why"), HEADS_WITHOUT_END.values(), ids=HEADS_WITHOUT_END.keys())
async def test_heads_without_end(ask: Ask, repeated: bytes, why: str) -> None:
    """What never becomes a final head is read up to the limit of a head, and not until the deadline."""
    async with peer((Repeat(repeated * 1000, 0.0),)) as server:
        observation = await ask(**unchecked(f"{server.url}/"))
    assert verdict(observation) == "bad_response/malformed_head"
    assert why in observation.verdict.detail


FRAMING_WITHOUT_END: dict[str, tuple[bytes, bytes, str]] = {
    "trailers": (b"0\r\n", b"A: b\r\n", "truncated/malformed_body"),
    "chunk extensions": (b"", b"1;%s\r\n\n\r\n" % (b"a" * 900), "truncated/malformed_body"),
    "trailers after the answer": (chunk(WHOLE) + b"0\r\n", b"A: b\r\n", "ok"),
}


@pytest.mark.parametrize(("first", "repeated", "wanted"), FRAMING_WITHOUT_END.values(), ids=FRAMING_WITHOUT_END.keys())
async def test_framing_without_end(ask: Ask, first: bytes, repeated: bytes, wanted: str) -> None:
    """A body that is nearly all framing keeps the loop busy with nothing: it is ended long before its deadline."""
    async with peer((Send(CHUNKED + first), Repeat(repeated * 1000, 0.0))) as server:
        observation = await ask(**unchecked(f"{server.url}/"))
    ending = observation.recording.ending
    assert (verdict(observation), ending.kind, ending.detail) == (wanted, EndKind.MALFORMED, CROWDED)


async def test_chunks_of_one_byte_are_no_flood(ask: Ask) -> None:
    """A server that sends each byte as a chunk of its own is read, however long."""
    body = b":%s\n\n%s" % (b" " * 60_000, WHOLE)
    async with peer((Send(CHUNKED + b"".join(chunk(b"%c" % byte) for byte in body) + b"0\r\n\r\n"),)) as server:
        observation = await ask(**unchecked(f"{server.url}/"))
    assert verdict(observation) == "ok"


async def test_too_much_after_the_end_is_no_fault(prober: MakeProber) -> None:
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
