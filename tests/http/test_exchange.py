"""One request to its end: nothing is lost, refusals are read, no redirect is followed, and caps hold."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from monitor.http.clock import Clock
from monitor.http.h2_frames import FrameType
from monitor.http.protocol import HttpProtocol
from monitor.http.timestamps import TimestampedSocket
from monitor.keys.secret import Secret
from monitor.lab import h2_wire as wire
from monitor.lab.peer import Peer, peer
from monitor.lab.steps import Fin, Gate, Hold, Repeat, Rst, Send, Wait
from monitor.record.from_observation import event_of
from monitor.settings import Limits
from monitor.stream.endings import Deadline, EndKind, Mark
from monitor.stream.statistics import uncertainties
from tests.conftest import PATIENT, WITHIN, Ask, MakeProber, only, target
from tests.http import h2_parts
from tests.http.h2_parts import agreeing, answer, in_http2
from tests.http.parts import CLOSED, HI, OK, STOP, CertificateAuthority, unchecked, unsent
from tests.test_wire import verdict

pytestmark = pytest.mark.usefixtures("no_leaks")


async def test_a_plain_target_behind_a_proxy(ask: Ask) -> None:
    """Through a proxy a plain target is requested by its whole URL, and only the proxy resolves its name."""
    async with peer(OK) as proxy:
        observation = await ask(**unchecked("http://chat.test/v1", proxy=Secret(proxy.url)))
        assert proxy.requests[0].target == "http://chat.test/v1"
    assert verdict(observation) == "ok"


async def test_a_refusals_own_words_are_kept(ask: Ask) -> None:
    """An error body is read, as far as it comes within `drain` and up to a limit, and its error is in the event."""
    body = b'{"error": {"message": "come back later", "type": "busy"}}'
    head = b"HTTP/1.1 429 Too Many\r\nContent-Length: %d\r\n\r\n"
    async with peer((Send(head % len(body) + body),)) as server:
        observation = await ask(f"{server.url}/")
        assert observation.server_error is not None
        assert (observation.server_error.type, observation.server_error.message) == ("busy", "come back later")
    for script in ((Send(head % 999 + body), Hold()), (Send(head % (1 << 40)), Repeat(b"x" * 65536, 0.0))):
        async with peer(script) as server:
            observation = await ask(f"{server.url}/", timeouts=only(Deadline.DRAIN))
            assert verdict(observation) == "http_error/rate_limited"


async def test_a_redirect_is_not_followed(ask: Ask) -> None:
    """A redirect is not followed: the other server gets no request and no key."""
    async with peer(OK) as other:
        away = b"HTTP/1.1 307 Away\r\nLocation: %s/\r\nContent-Length: 0\r\n\r\n" % other.url.encode()
        async with peer((Send(away),)) as server:
            observation = await ask(f"{server.url}/", api_key=Secret("canary"))
            assert server.requests[0].headers["authorization"] == "Bearer canary"
        assert verdict(observation) == "http_error/redirect"
        assert other.links == []


def speak(listener: socket.socket, go: threading.Event, spoken: list[float], done: threading.Event) -> None:
    """Answer one request from a thread: a first event, the rest on a signal, and a FIN."""
    connection, _ = listener.accept()
    with connection:
        asked = b""
        while b"\r\n\r\n" not in asked or not asked.endswith(b"}"):
            asked += connection.recv(65536)
        connection.sendall(CLOSED + HI)
        go.wait(WITHIN)
        connection.sendall(HI * 3 + STOP)
        spoken.append(time.monotonic())
        connection.shutdown(socket.SHUT_WR)
        done.set()
        connection.recv(1)


async def test_a_blocked_loop_loses_nothing(prober: MakeProber) -> None:
    """A stream that ends while the loop is blocked is read completely, and its times are correct or uncertain."""
    go, done, received, payload, spoken = (
        threading.Event(),
        threading.Event(),
        asyncio.Event(),
        bytearray(),
        list[float](),
    )

    def save(data: bytes) -> None:
        payload.extend(data)
        received.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        speaker = threading.Thread(target=speak, args=(listener, go, spoken, done))
        speaker.start()
        began = time.monotonic()
        asked = target(**unchecked(f"http://127.0.0.1:{listener.getsockname()[1]}/"))
        probing = asyncio.create_task(prober(save=save)(asked, "cli"))
        await received.wait()
        go.set()
        assert done.wait(WITHIN), "the loop stands still here, until all is sent and the connection closed"
        observation = await probing
        speaker.join(WITHIN)
    assert (verdict(observation), observation.recording.chunks, bytes(payload)) == ("ok", 4, HI * 4 + STOP)
    last = observation.recording.arrivals[-1]
    assert last.time - last.uncertainty <= spoken[0] - began


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(stream_bytes=1000), "a stream of more than 1000 bytes"),
        (Limits(event_bytes=1000), "an event of more than 1000 bytes"),
        (Limits(events=10), "too many events"),
    ],
    ids=["stream", "event", "events"],
)
async def test_every_cap_has_its_words(prober: MakeProber, limits: Limits, words: str) -> None:
    """A stream, an event and their number are bounded, and the detail says which bound was passed."""
    again = b"x" * 500 if limits.event_bytes == 1000 else HI
    async with peer((Send(CLOSED + b"data: " * (limits.event_bytes == 1000)), Repeat(again, 0.0))) as server:
        observation = await prober(limits=limits)(target(f"{server.url}/"), "cli")
    assert verdict(observation) == "bad_response/too_large"
    assert words in observation.verdict.detail


async def test_many_tiny_reads_are_bounded(prober: MakeProber) -> None:
    """An event that never ends, byte by byte, is stopped by the number of its reads."""
    bytewise = (step for _ in range(60) for step in (Send(b"x"), Wait(0.002)))
    async with peer((Send(CLOSED + b"data: "), *bytewise, Hold())) as server:
        observation = await prober(limits=Limits(events=10))(target(f"{server.url}/"), "cli")
    assert verdict(observation) == "bad_response/too_large"
    assert "more than 10 reads" in observation.verdict.detail


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (OSError(28, "No space left on device"), "inconclusive/internal"),
        (ConnectionResetError(), "inconclusive/internal"),
        (MemoryError(), "inconclusive/resources"),
    ],
)
async def test_a_fault_of_who_is_fed_is_no_cut(prober: MakeProber, error: Exception, wanted: str) -> None:
    """A full disk under `--save`, or an exception behind it, is our own fault and never a truncation."""

    def save(_: bytes) -> None:
        raise error

    async with peer(OK) as server:
        observation = await prober(save=save)(target(f"{server.url}/"), "cli")
    assert verdict(observation) == wanted


async def test_unknown_facts_of_a_connection_are_not_recorded() -> None:
    """Unknown facts of a connection are not recorded."""
    one = await unsent()
    one.attempts.sockets.append(TimestampedSocket(socket.AF_INET, socket.SOCK_STREAM, 0))
    one.attempts.protocol = HttpProtocol(asyncio.get_running_loop(), one.attempts.made)
    one._connection_marks()
    one.attempts.close()
    assert one.recorder.marks == {}
    assert one.info.peer is None


async def test_the_answer_to_the_end_of_tls_is_not_the_request(ask: Ask, ca: CertificateAuthority) -> None:
    """What TLS sends when the peer has ended it is no part of the request: the wait before was for the peer."""
    async with peer((Wait(0.05), Fin()), ssl=ca.server()) as server:
        observation = await ask(**unchecked(f"{server.url}/", tls=ca.trusted))
    assert verdict(observation) == "no_response/closed"
    assert observation.recording.marks[Mark.END] - observation.recording.marks[Mark.REQUEST_SENT] > 0.04


async def test_our_own_delay_is_not_the_targets(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The delay of a late loop before the request is measured, and is not part of any time."""
    own = TimestampedSocket._connected

    def late(sock: TimestampedSocket) -> None:
        until = time.monotonic() + 0.2
        while time.monotonic() < until:  # the loop is held up
            pass
        own(sock)

    monkeypatch.setattr(TimestampedSocket, "_connected", late)
    async with peer(OK) as server:
        began = time.monotonic()
        observation = await ask(**unchecked(f"{server.url}/"))
        took = time.monotonic() - began
    assert verdict(observation) == "ok"
    assert observation.own_delay is not None
    assert observation.own_delay >= 0.2
    marks = observation.recording.marks
    assert marks[Mark.CONNECT] <= marks[Mark.REQUEST_SENT] <= took - observation.own_delay
    assert event_of(observation).own_delay == round(observation.own_delay, 6)


@pytest.mark.parametrize("tells", [True, False], ids=["the kernel tells", "it does not"])
async def test_a_connection_is_as_uncertain_as_the_loop_was_late(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, tells: bool
) -> None:
    """A round trip that the kernel has measured is exact; without one the time since the last poll is unknown."""
    monkeypatch.setattr(TimestampedSocket, "lateness", property(lambda _: 0.5))
    if not tells:
        monkeypatch.setattr(TimestampedSocket, "round_trip", lambda _: None)
    async with peer(OK) as server:
        observation = await ask(**unchecked(f"{server.url}/"))
    connect = observation.recording.mark_uncertainties[Mark.CONNECT]
    assert connect == 1e-6 if tells else connect > 1e-6


CHUNKED = CLOSED.replace(b"Connection: close", b"Transfer-Encoding: chunked")


@pytest.mark.parametrize(
    ("sent", "wanted"),
    [
        (b"", "inconclusive/resources"),
        (CHUNKED + b"%x\r\n%s\r\n" % (len(HI), HI), "inconclusive/resources"),
        (CLOSED + HI, "inconclusive/resources"),
        (CHUNKED + b"%x\r\n%s\r\n" % (len(HI + STOP), HI + STOP), "ok"),
    ],
    ids=["before the head", "in the stream", "in a body to the close", "after the end"],
)
async def test_an_end_while_the_process_was_frozen(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, sent: bytes, wanted: str
) -> None:
    """A peer that gave up while the process was frozen may have done so for that: only a whole stream is judged."""
    monkeypatch.setattr(TimestampedSocket, "lateness", property(lambda _: 9.5))
    async with peer((Send(sent), Fin())) as server:
        observation = await ask(**unchecked(f"{server.url}/"))
    assert verdict(observation) == wanted
    assert uncertainties(observation.recording)["duration"] >= 9.5
    if wanted != "ok":
        assert "while the monitor was suspended" in observation.verdict.detail


def _noted(monkeypatch: pytest.MonkeyPatch, **values: float) -> None:
    """Let each read, of plain text and of TLS, note these values of its socket."""

    def noting(read: Callable[..., Any]) -> Callable[..., Any]:
        def reads(sock: TimestampedSocket, *args: Any) -> Any:  # noqa: ANN401 - as the methods have them
            found = read(sock, *args)
            for name, value in values.items():
                setattr(sock, name, value)
            return found

        return reads

    for method in (TimestampedSocket.recv, TimestampedSocket.recv_into):
        monkeypatch.setattr(TimestampedSocket, method.__name__, noting(method))


@pytest.mark.parametrize(
    "sent", [b"", CHUNKED + b"%x\r\n%s\r\n" % (len(HI), HI)], ids=["before the head", "in the stream"]
)
async def test_an_end_of_tls_that_nobody_was_there_to_see(
    prober: MakeProber, ca: CertificateAuthority, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    """TLS ends a connection with bytes of its own: if they were read late, the peer may have given up for that."""
    _noted(monkeypatch, read_late=9.5)

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        writer.close()

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0, ssl=ca.server())
    async with server:
        asked = target(**unchecked(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/", tls=ca.trusted))
        observation = await prober()(asked, "cli")
    assert verdict(observation) == "inconclusive/resources"
    assert "while the monitor was suspended" in observation.verdict.detail


@pytest.mark.parametrize("then", [wire.reset(1), wire.goaway(0), b""], ids=["RST_STREAM", "GOAWAY", "FIN"])
async def test_frames_that_came_at_an_unknown_time(ask: Ask, monkeypatch: pytest.MonkeyPatch, then: bytes) -> None:
    """A read without a time of its own may be as late as it is uncertain: its end is no fault of the target."""
    _noted(monkeypatch, uncertainty=9.5, spread=9.5, end_uncertainty=9.5)
    async with peer(answer(h2_parts.HEAD + wire.data(1, HI), then, then=(Fin(),))) as server:
        observation = await ask(**in_http2(server.url))
    assert verdict(observation) == "inconclusive/resources"


async def test_a_proxy_that_gave_up_meanwhile(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that closed while the process was frozen may have done so for that."""
    monkeypatch.setattr(TimestampedSocket, "lateness", property(lambda _: 9.5))
    async with peer((Send(b"HTTP/1.1 2"), Fin())) as proxy:
        observation = await ask(**unchecked("https://chat.test/v1", proxy=Secret(proxy.url)))
    assert verdict(observation) == "inconclusive/resources"


@pytest.mark.parametrize(("late", "wanted"), [(9.5, "inconclusive/resources"), (0.5, "http_error/rejected")])
async def test_a_server_that_did_not_wait_for_the_request(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, late: float, wanted: str
) -> None:
    """A 408 is no fault of the server if the monitor itself was late to send the request."""
    monkeypatch.setattr(Clock, "own_delay", property(lambda _: late, lambda *_: None), raising=False)
    async with peer((Send(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"), Fin())) as server:
        observation = await ask(**unchecked(f"{server.url}/"))
    assert verdict(observation) == wanted
    assert ("9.5 s late to send it" in observation.verdict.detail) == (late > 1)


def _held(monkeypatch: pytest.MonkeyPatch, server: Peer) -> None:
    """Let no read return anything from the request on until the peer has finished; then each returns a part of it."""
    recv, recv_into = TimestampedSocket.recv, TimestampedSocket.recv_into

    def held() -> int:
        if server.requests and not server.played:
            raise BlockingIOError
        return 4096

    monkeypatch.setattr(TimestampedSocket, "recv", lambda sock, size: recv(sock, min(size, held())))
    monkeypatch.setattr(TimestampedSocket, "recv_into", lambda sock, buffer: recv_into(sock, buffer, held()))


PING = wire.frame(FrameType.PING, bytes(8))


@pytest.mark.parametrize(
    ("sent", "wanted"),
    [
        ((wire.SETTINGS,), "no_response/reset"),
        ((h2_parts.HEAD + PING, wire.data(1, HI) * 100, wire.data(1, STOP, end=True)), "ok"),
    ],
    ids=["before the head", "after a long response"],
)
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
async def test_a_late_read_of_what_is_answered(
    ask: Ask,
    ca: CertificateAuthority,
    monkeypatch: pytest.MonkeyPatch,
    *,
    secure: bool,
    sent: tuple[bytes, ...],
    wanted: str,
) -> None:
    """HTTP/2 answers the frames that it reads: if that finds a reset, nothing is lost that came before it."""
    more = {"tls": ca.trusted} if secure else {}
    async with peer(answer(*sent, then=(Rst(),)), ssl=agreeing(ca, "h2") if secure else None) as server:
        _held(monkeypatch, server)
        observation = await ask(**in_http2(server.url, **more))
    assert verdict(observation) == wanted


@pytest.mark.parametrize(
    ("sent", "wanted"),
    [
        (CHUNKED + b"%x\r\n%s\r\n" % (len(HI), HI), 7.0),
        (CHUNKED, 0.5),
        (CHUNKED.replace(b"HTTP", b"HTTP/1.1 103 Early\r\n\r\nHTTP", 1), 0.5),
    ],
    ids=["a body after it", "nothing after it", "another head before it"],
)
async def test_a_head_that_a_body_follows(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, sent: bytes, wanted: float
) -> None:
    """The time of a read is that of its last byte: a head with the begin of a body came earlier."""
    _noted(monkeypatch, spread=7.0, uncertainty=0.5)
    async with peer((Send(sent), Fin())) as server:
        observation = await ask(**unchecked(f"{server.url}/"))
    found = uncertainties(observation.recording)
    assert found["headers"] == pytest.approx(wanted, abs=0.4)
    assert "first_byte" not in found or found["first_byte"] >= 7.0


@pytest.mark.parametrize(
    ("sent", "wanted"),
    [
        (CHUNKED + b"%x\r\n%s\r\n0\r\n\r\n" % (len(HI + STOP), HI + STOP), 7.0),
        (CHUNKED + b"%x\r\n%s\r\n" % (len(HI + STOP), HI + STOP), 0.5),
        (CHUNKED + b"%x\r\n%s\r\n5\r\n" % (len(HI + STOP), HI + STOP), 7.0),
        (CLOSED + HI + STOP, 0.5),
    ],
    ids=["the end of the framing after it", "nothing after it", "the next size after it", "no framing"],
)
async def test_a_payload_that_framing_follows(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, sent: bytes, wanted: float
) -> None:
    """The time of a read is that of its last byte: if that ends the framing, the payload is less certain."""
    _noted(monkeypatch, spread=7.0, uncertainty=0.5)
    async with peer((Send(sent), Fin())) as server:
        observation = await ask(**unchecked(f"{server.url}/"))
    assert verdict(observation) == "ok"
    assert observation.recording.arrivals[-1].uncertainty == wanted


@pytest.mark.parametrize(
    ("sent", "payload", "end"),
    [
        (wire.data(1, HI), 0.5, 0.0),
        (wire.data(1, HI) + PING, 7.0, 0.0),
        (wire.data(1, HI + STOP) + wire.data(1, b"", end=True), 7.0, 0.5),
        (wire.data(1, HI + STOP) + wire.data(1, b"", end=True) + wire.goaway(1), 7.0, 7.0),
    ],
    ids=["nothing after it", "a ping after it", "the end after it", "the end and more after it"],
)
async def test_a_payload_that_frames_follow(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, *, sent: bytes, payload: float, end: float
) -> None:
    """The time of a read is that of its last byte: what other frames follow is less certain."""
    _noted(monkeypatch, spread=7.0, uncertainty=0.5)
    monkeypatch.setattr("monitor.http.exchange.TOO_LATE", 99.0)
    async with peer(answer(h2_parts.HEAD + sent, then=(Fin(),))) as server:
        observation = await ask(**in_http2(server.url))
    assert observation.recording.arrivals[-1].uncertainty == payload
    assert observation.recording.ending.uncertainty == pytest.approx(end, abs=0.4)


async def test_the_end_of_the_connection_counts_as_a_read() -> None:
    """A deadline that has passed waits until the end of the connection, which is read with it, is judged."""
    one = await unsent()
    with TimestampedSocket(socket.AF_INET, socket.SOCK_STREAM, 0) as sock:
        one.attempts.sockets.append(sock)
        before = one.received()
        sock.fin_at = 1.0
        assert one.received() == before + 1
        sock.fin_at, sock.reset_at = None, 1.0
        assert one.received() == before + 1
    one.attempts.close()


async def test_an_end_of_tls_that_is_read_after_a_deadline(
    ask: Ask, ca: CertificateAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An end that came before a deadline and is read after it counts, though TLS passes it on turns later."""
    turns, recv_into = iter(reversed(range(50))), TimestampedSocket.recv_into

    def late(sock: TimestampedSocket, buffer: bytearray) -> int:
        left = next(turns, None) if server.requests else None
        if left is None:
            return recv_into(sock, buffer)
        while not left and time.monotonic() < (sock.last_sent_at or 0.0) + 0.2:  # the loop is held up
            continue
        raise BlockingIOError  # the peer, in the same loop, goes on to its end

    monkeypatch.setattr(TimestampedSocket, "recv_into", late)
    async with peer((Fin(),), ssl=ca.server()) as server:
        more: dict[str, Any] = {"tls": ca.trusted, "timeouts": replace(PATIENT, headers=0.1)}
        observation = await ask(**unchecked(f"{server.url}/", **more))
    assert verdict(observation) == "no_response/closed"


@pytest.mark.parametrize(
    ("after", "unsure", "wanted"),
    [
        (-0.1, 0.0, EndKind.COMPLETE),
        (0.1, 0.2, EndKind.COMPLETE),
        (0.2, 0.1, EndKind.DEADLINE),
        (0.2, 9.5, EndKind.RESOURCES),
    ],
    ids=["before it", "at an unknown time", "after it", "while the process was frozen"],
)
async def test_an_end_after_a_deadline(after: float, unsure: float, wanted: EndKind) -> None:
    """If a late loop sees a deadline and the peer's end together, what came first counts."""
    one = await unsent()
    one.clock.start()
    with TimestampedSocket(socket.AF_INET, socket.SOCK_STREAM, 0) as sock:
        one.attempts.sockets.append(sock)
        sock.fin_at, sock.end_uncertainty = one.clock.zero + one.request.timeouts.connect + after, unsure
        one.end(EndKind.COMPLETE, sock.fin_at)
    assert (await one.ended).kind is wanted
    one.attempts.close()


async def test_streams_in_flight_share_a_memory(prober: MakeProber) -> None:
    """If all together hold too much, the one that holds most ends as our own fault, however silent; others go on."""
    came, arrived = bytearray(), asyncio.Event()

    def save(data: bytes) -> None:
        came.extend(data)
        if len(came) >= 90_000:
            arrived.set()

    asked = prober(limits=Limits(in_flight_bytes=100_000, concurrency=2), save=save)
    long = HI.replace(b"hi", b"x" * 48_000)
    assert long != HI
    async with (
        peer((Send(CLOSED + b"data: " + b"x" * 90_000), Hold())) as large,
        peer((Gate(arrived), Send(CLOSED + long + STOP), Fin())) as small,
    ):
        both = (asked(target(f"{one.url}/", check=None), "cli") for one in (large, small))
        ended, whole = await asyncio.gather(*both)
    assert (verdict(ended), verdict(whole)) == ("inconclusive/resources", "ok")
    assert "held more than `in_flight_bytes`, 100000 bytes, and this one most: " in ended.verdict.detail
