"""Probes in HTTP/2 over real sockets: negotiation, the end of a response, kept and new connections."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes

from monitor.http.h2_protocol import Http2Protocol, not_possible, protocol_for
from monitor.http.protocol import HttpProtocol
from monitor.http.request import HttpRequest
from monitor.http.timestamps import TimestampedSocket
from monitor.keys.secret import Secret
from monitor.keys.tls import Tls
from monitor.lab import h2_wire as wire
from monitor.lab.h2_wire import PREFACE
from monitor.lab.peer import peer
from monitor.lab.steps import Fin, Hold, ReadRequest, Rst, Send
from monitor.probe.run import Prober
from monitor.record.from_observation import event_of
from monitor.stream.endings import Deadline, Mark
from monitor.target import Connection, Http
from tests.conftest import PATIENT, SHORT, Ask, MakeProber, only, target
from tests.http.h2_parts import FIELDS, HEAD, WHOLE, agreeing, answer, head, in_http2
from tests.http.parts import HI, OK, STOP, CertificateAuthority
from tests.http.test_attempts import tunnel
from tests.test_wire import verdict

pytestmark = pytest.mark.usefixtures("no_leaks")

SMALL = head(("content-length", "5"))
FINAL = answer(WHOLE, then=(Hold(),))


@pytest.fixture
async def kept(prober: MakeProber) -> AsyncIterator[Prober]:
    """Yield a prober that closes what it has kept."""
    made = prober()
    yield made
    await made.client.close_kept()


# -- what is spoken ----------------------------------------------------------------------------------------------------


async def test_prior_knowledge(ask: Ask) -> None:
    """Without TLS, HTTP/2 is used from the first byte; the event has the version and every step."""
    async with peer(FINAL) as server:
        observation = await ask(**in_http2(server.url))
        asked = server.requests[0]
    assert verdict(observation) == "ok"
    assert (asked.method, asked.target, asked.version) == ("POST", "/v1", "2")
    assert asked.headers["user-agent"].startswith("chat-monitor/")
    assert b'"stream":true' in asked.body
    event = event_of(observation)
    assert (event.http_version, event.body_framing, event.http_status) == ("2", "h2", 200)
    marks = observation.recording.marks
    assert marks[Mark.CONNECT] <= marks[Mark.REQUEST_SENT] <= marks[Mark.HEADERS] <= marks[Mark.FIRST_CHUNK]


@pytest.mark.parametrize(
    ("http", "agreed", "wanted"),
    [
        (Http.TWO, ("h2",), ("ok", "2")),
        (Http.AUTO, ("h2", "http/1.1"), ("ok", "2")),
        (Http.AUTO, ("http/1.1",), ("ok", "1.1")),
        (Http.AUTO, (), ("ok", "1.1")),
        (Http.TWO, (), ("unreachable/tls_handshake", None)),
        (Http.TWO, ("http/1.1",), ("unreachable/tls_handshake", None)),
    ],
)
async def test_what_is_agreed_on(
    ask: Ask, ca: CertificateAuthority, http: Http, agreed: tuple[str, ...], wanted: tuple[str, str | None]
) -> None:
    """ALPN decides: `auto` accepts the server's choice, and `2` fails without HTTP/2."""
    script = FINAL if "h2" in agreed else OK
    async with peer(script, ssl=agreeing(ca, *agreed)) as server:
        observation = await ask(**in_http2(server.url, http=http, tls=ca.trusted))
    spoken = observation.recording.head.http_version if observation.recording.head else None
    assert (verdict(observation), spoken) == wanted
    if wanted[1] is None and not agreed:
        assert "the server did not agree to HTTP/2 by ALPN" in observation.verdict.detail
        assert observation.verdict.phase == "connect"


async def test_auto_without_tls_is_http_1(ask: Ask) -> None:
    """Nothing can be agreed on, and nothing is tried."""
    async with peer(OK) as server:
        observation = await ask(**in_http2(server.url, http=Http.AUTO))
    assert (verdict(observation), event_of(observation).http_version) == ("ok", "1.1")


async def test_through_a_tunnel(ask: Ask, ca: CertificateAuthority) -> None:
    """A proxy that connects us is spoken to in HTTP/1.1, the target in HTTP/2."""
    async with peer(FINAL, ssl=agreeing(ca, "h2")) as server, tunnel(server.port) as proxy:
        for http in (Http.TWO, Http.AUTO):
            observation = await ask(**in_http2(server.url, http=http, tls=ca.trusted, proxy=Secret(proxy)))
            assert (verdict(observation), event_of(observation).http_version) == ("ok", "2")
            assert Mark.TLS in observation.recording.marks


async def test_without_tls_it_goes_through_no_proxy(ask: Ask) -> None:
    """The verdict says why, and nothing is dialled."""
    observation = await ask(**in_http2("http://chat.test", proxy=Secret("http://127.0.0.1:1")))
    assert verdict(observation) == "unreachable/proxy"
    assert "HTTP/2 without TLS does not go through a proxy" in observation.verdict.detail


def test_what_a_request_needs() -> None:
    """HTTP/1.1 alone, or a protocol that speaks both."""

    def request(http: Http, url: str = "https://chat.test/", proxy: str | None = None) -> HttpRequest:
        return HttpRequest("GET", url, {}, b"", SHORT, proxy=proxy, http=http)

    assert not_possible(request(Http.TWO, proxy="http://proxy.test")) == ""
    assert protocol_for(request(Http.ONE)) is HttpProtocol
    assert protocol_for(request(Http.AUTO, "http://chat.test/")) is HttpProtocol


# -- how it ends -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "wanted", "words"),
    [
        (answer(HEAD, wire.data(1, HI), wire.reset(1)), "truncated/reset", "the stream (RST_STREAM INTERNAL_ERROR)"),
        (answer(HEAD, wire.data(1, HI), then=(Fin(),)), "truncated/incomplete_body", "HTTP/2 body (no END_STREAM)"),
        (answer(HEAD, wire.data(1, HI), then=(Rst(),)), "truncated/reset", "reset the connection inside the HTTP/2"),
        (
            answer(HEAD, wire.data(1, HI), wire.goaway(1, ErrorCodes.INTERNAL_ERROR), then=(Fin(),)),
            "truncated/incomplete_body",
            "no END_STREAM, after GOAWAY INTERNAL_ERROR",
        ),
        (answer(HEAD, wire.data(1, HI, end=True)), "truncated/no_terminator", "the response ended clean"),
        (
            answer(HEAD, wire.data(1, HI), wire.headers(1, [("grpc-status", "13")], end=True)),
            "truncated/no_terminator",
            "the trailers have grpc-status 13",
        ),
        (
            answer(SMALL, wire.data(1, HI, end=True)),
            "truncated/incomplete_body",
            f"peer ended the stream inside the HTTP/2 body (content-length is 5, and {len(HI)} bytes",
        ),
        (answer(HEAD, wire.data(1, HI), wire.frame(6, b"x"), then=(Hold(),)), "truncated/malformed_body", "PING"),
        (answer(HEAD, wire.data(1, HI + STOP), wire.reset(1)), "ok", "complete"),
        (answer(head(end=True)), "empty/no_body", ""),
        (answer(head(("content-length", "0")), wire.data(1, b"", end=True)), "empty/no_body", ""),
        (answer(head(status="503"), wire.data(1, b"{}", end=True)), "http_error/overloaded", "503"),
        (answer(head(status="503"), wire.data(1, b"{}"), wire.reset(1)), "http_error/overloaded", "503"),
        (answer(head(status="429", end=True)), "http_error/rate_limited", "429"),
        (answer(wire.SETTINGS, then=(Fin(),)), "no_response/closed", "before any response"),
        (
            answer(wire.SETTINGS, wire.goaway(1, ErrorCodes.PROTOCOL_ERROR), then=(Fin(),)),
            "no_response/closed",
            "before any response, after GOAWAY PROTOCOL_ERROR",
        ),
        (answer(HEAD[:20], then=(Fin(),)), "no_response/partial_head", ""),
        (answer(wire.SETTINGS, then=(Rst(),)), "no_response/reset", "peer reset the connection"),
        (
            answer(wire.SETTINGS, wire.goaway(1), wire.headers(1, FIELDS)[:12], then=(Fin(),)),
            "no_response/partial_head",
            "",
        ),
        (answer(wire.SETTINGS, wire.reset(1, 7)), "no_response/reset", "the stream (RST_STREAM REFUSED_STREAM)"),
        (answer(wire.SETTINGS, wire.goaway(0)), "no_response/reset", "peer refused the stream (GOAWAY NO_ERROR)"),
        (answer(wire.SETTINGS, wire.reset(1, 13)), "no_response/reset", "RST_STREAM HTTP_1_1_REQUIRED"),
        (answer(b"HTTP/1.1 400 Bad\r\n\r\n", then=(Hold(),)), "bad_response/malformed_head", "it answers in HTTP/1.1"),
        (answer(wire.SETTINGS, then=(Hold(),)), "timeout/headers", "no whole response head within"),
    ],
)  # fmt: skip
async def test_how_it_ends(ask: Ask, script: tuple[Any, ...], wanted: str, words: str) -> None:
    """Each end of a stream or connection has its verdict and its words."""
    async with peer(script) as server:
        observation = await ask(
            **in_http2(server.url, timeouts=only(Deadline.HEADERS if wanted == "timeout/headers" else Deadline.DRAIN))
        )
    assert verdict(observation) == wanted
    assert words in observation.verdict.detail
    assert (observation.verdict.unclean is not None) == (wanted == "ok")


async def test_a_server_that_agrees_and_speaks_http_1(ask: Ask, ca: CertificateAuthority) -> None:
    """A proxy that only passes TLS on may have agreed for a server that does not know HTTP/2."""
    async with peer(answer(b"HTTP/1.1 400 Bad\r\n\r\n", then=(Hold(),)), ssl=agreeing(ca, "h2")) as server:
        observation = await ask(**in_http2(server.url, http=Http.AUTO, tls=ca.trusted))
    assert verdict(observation) == "bad_response/malformed_head"
    assert "it answers in HTTP/1.1" in observation.verdict.detail


async def test_a_cut_in_the_first_bytes_over_tls(ask: Ask, ca: CertificateAuthority) -> None:
    """A body over TLS that ends without END_STREAM is incomplete, with close_notify and without."""
    for fin in (Fin(), Fin(notify=False)):
        async with peer(answer(HEAD, wire.data(1, HI), then=(fin,)), ssl=agreeing(ca, "h2")) as server:
            observation = await ask(**in_http2(server.url, tls=ca.trusted))
        assert verdict(observation) == "truncated/incomplete_body"


async def test_what_came_of_a_frame_that_is_cut_is_kept(ask: Ask) -> None:
    """The data of a DATA frame counts as it arrives: a cut inside the frame loses none of it."""
    frame = wire.data(1, HI + HI + STOP)
    async with peer(answer(HEAD, frame[: 9 + len(HI) + 7], then=(Fin(),))) as server:
        observation = await ask(**in_http2(server.url))
    assert verdict(observation) == "truncated/incomplete_body"
    assert (observation.recording.chunks, observation.recording.bytes) == (1, len(HI) + 7)


async def test_frames_of_one_read_are_one_arrival(ask: Ask) -> None:
    """Several DATA frames that arrive together have one time."""
    together = HEAD + wire.data(1, HI) + wire.data(1, HI) + wire.data(1, HI + STOP, end=True)
    async with peer(answer(together)) as server:
        observation = await ask(**in_http2(server.url))
    assert (verdict(observation), observation.recording.chunks, observation.recording.reads) == ("ok", 3, 1)


async def test_a_ping_is_answered(ask: Ask) -> None:
    """A PING is answered, and the server continues."""
    ping = wire.frame(6, b"01234567")
    async with peer((ReadRequest(), Send(HEAD + ping), ReadRequest(), Hold())) as server:
        probing = asyncio.create_task(ask(**in_http2(server.url, timeouts=PATIENT)))
        while not server.links or b"\6\1\0\0\0\0" + b"01234567" not in bytes(server.links[0].received):  # noqa: ASYNC110 - no bell
            await asyncio.sleep(0)
        probing.cancel()
        assert verdict(await probing) == "aborted/client"


async def test_a_window_that_never_opens(ask: Ask) -> None:
    """The part of a request that the peer does not take is named by the deadline that it runs into."""
    async with peer((Send(wire.settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})), ReadRequest(), Hold())) as server:
        observation = await ask(**in_http2(server.url, timeouts=only(Deadline.HEADERS), prompt="x" * 100_000))
    assert verdict(observation) == "timeout/headers"
    assert "the peer's flow-control window stayed closed" in observation.verdict.detail
    assert observation.verdict.phase == "request"
    assert Mark.REQUEST_SENT not in observation.recording.marks


# -- what is kept ------------------------------------------------------------------------------------------------------


WHOLE_3 = wire.headers(3, FIELDS) + wire.data(3, HI + STOP, end=True)


@pytest.mark.parametrize("secure", [False, True])
async def test_a_connection_is_kept(kept: Prober, ca: CertificateAuthority, secure: bool) -> None:
    """The next probe opens a stream on it: nothing is dialled, and it is measured from its own zero."""
    script = (ReadRequest(), Send(WHOLE), ReadRequest(), Send(wire.frame(6, bytes(8)) + WHOLE_3), Hold())
    async with peer(script, ssl=agreeing(ca, "h2") if secure else None) as server:
        tls = ca.trusted if secure else Tls()
        one = target(**in_http2(server.url, connection=Connection.REUSE, timeouts=PATIENT, tls=tls))
        observations = [await kept(one, "cli"), await kept(one, "cli")]
        assert [(verdict(each), each.connection, each.retried) for each in observations] == [
            ("ok", "fresh", False),
            ("ok", "reuse", False),
        ]
        assert len(server.links) == 1
    marks = observations[1].recording.marks
    assert Mark.CONNECT not in marks
    assert 0 <= marks[Mark.REQUEST_SENT] <= marks[Mark.HEADERS]


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ((Send(WHOLE + wire.goaway(1)),), ()),
        ((Send(WHOLE),), (ReadRequest(), Send(wire.goaway(1)))),
        ((Send(WHOLE),), (ReadRequest(), Send(wire.reset(3, ErrorCodes.REFUSED_STREAM)))),
        ((Send(WHOLE),), (ReadRequest(), Fin())),
    ],
    ids=["not wanted", "refused by GOAWAY", "refused", "closed"],
)
async def test_a_kept_connection_that_takes_no_more(kept: Prober, first: Any, then: Any) -> None:  # noqa: ANN401 - steps
    """The request is sent once more over a fresh one, on the clock that runs, if no byte of an answer came."""
    async with peer((ReadRequest(), *first, *then, Hold()), (*FINAL,)) as server:
        one = target(**in_http2(server.url, connection=Connection.REUSE, timeouts=PATIENT))
        observations = [await kept(one, "cli"), await kept(one, "cli")]
        assert [(verdict(each), each.connection) for each in observations] == [("ok", "fresh")] * 2
        assert observations[1].retried is bool(then)


async def test_http_1_is_required(ask: Ask, ca: CertificateAuthority) -> None:
    """`auto` asks once more in HTTP/1.1, on the clock that runs; the event says that it did."""
    for refused in (wire.reset(1, ErrorCodes.HTTP_1_1_REQUIRED), wire.goaway(0, ErrorCodes.HTTP_1_1_REQUIRED)):
        scripts = (answer(wire.SETTINGS, refused, then=(Hold(),)), OK)
        async with peer(*scripts, ssl=agreeing(ca, "h2", "http/1.1")) as server:
            observation = await ask(**in_http2(server.url, http=Http.AUTO, tls=ca.trusted))
            assert [len(link.requests) for link in server.links] == [1, 1]
        assert (verdict(observation), event_of(observation).http_version, observation.retried) == ("ok", "1.1", True)


# -- by itself ---------------------------------------------------------------------------------------------------------


async def test_frames_between_probes(kept: Prober) -> None:
    """A PING on a kept connection is answered while no probe runs; other frames do not end the connection."""
    ping = wire.frame(6, b"98765432")
    async with peer((ReadRequest(), Send(WHOLE), Send(ping), ReadRequest(), Hold())) as server:
        one = target(**in_http2(server.url, connection=Connection.REUSE, timeouts=PATIENT))
        assert verdict(await kept(one, "cli")) == "ok"
        while b"98765432" not in bytes(server.links[0].received):  # noqa: ASYNC110 - no bell
            await asyncio.sleep(0)


async def test_an_answer_without_a_waiter() -> None:
    """A response without a receiver is read and dropped; nothing is written to a blocked transport."""
    made: list[HttpProtocol] = []
    protocol = Http2Protocol(asyncio.get_running_loop(), lambda one, _: made.append(one), prior=True)
    protocol.connection_made(asyncio.BaseTransport())
    with TimestampedSocket(socket.AF_INET, socket.SOCK_STREAM, 0) as protocol.sock:
        protocol.send_request({":method": "GET", ":scheme": "http", ":authority": "x", ":path": "/"}, (), b"")
        protocol.data_received(HEAD)
    assert made == [protocol]
    assert protocol.received > 0


def test_the_preface_is_http2s() -> None:
    """The lab recognizes a client by it."""
    assert PREFACE.startswith(b"PRI * HTTP/2.0\r\n")
