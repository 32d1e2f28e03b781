"""Every way in which a request ends, by its ending: refused, unreachable, a proxy, a handshake, our own fault."""

from __future__ import annotations

import asyncio
import socket
import threading
import weakref
from collections.abc import Callable
from typing import Any, cast

import aiohttp
import pytest

from monitor.http.attempts import ConnectionAttempts
from monitor.http.errors import expiry, forget_frames, translate
from monitor.http.protocol import HttpProtocol
from monitor.http.timestamps import TimestampedSocket
from monitor.keys.secret import Secret
from monitor.lab.peer import peer
from monitor.lab.steps import Fin, Hold, Rst, Send
from monitor.settings import Network
from monitor.stream.endings import Deadline, EndKind
from monitor.target import PatternCheck
from tests.conftest import SHORT, WITHIN, Ask, only
from tests.http.parts import REQUEST, Mute, closed_port, no_more_descriptors
from tests.records import record
from tests.test_wire import verdict

pytestmark = pytest.mark.usefixtures("no_leaks")


def test_what_an_error_has_unwound_is_dropped() -> None:
    """Tracebacks and frames of an error and of its causes are dropped, also if they form a cycle."""
    kept = []

    def fails(what: list[int]) -> None:
        kept.append(weakref.ref(held := {*what}))
        raise ValueError(len(held))

    first, second = OSError("first"), OSError("second")
    try:
        fails([1])
    except ValueError as error:
        first.__cause__, second.__cause__, error.__cause__ = second, error, first
    forget_frames(first)
    forget_frames(None)
    assert [one() for one in kept] == [None]


async def test_a_closed_port_is_refused(ask: Ask) -> None:
    """A closed port is refused at once."""
    with closed_port() as port:
        observation = await ask(f"http://127.0.0.1:{port}/")
    assert (verdict(observation), observation.verdict.phase) == ("unreachable/refused", "connect")
    assert "http_status" not in record(observation)


async def test_an_unreachable_network_is_named(ask: Ask) -> None:
    """Loopback's broadcast address has no route for TCP."""
    observation = await ask("http://127.255.255.255:9/")
    assert verdict(observation) == "unreachable/network"
    assert "Network is unreachable" in observation.verdict.detail


async def test_no_descriptor_left_is_our_own_fault(ask: Ask) -> None:
    """A monitor that may open nothing more says that of itself and not of the target."""
    with closed_port() as port, no_more_descriptors():
        observation = await ask(f"http://127.0.0.1:{port}/")
    assert verdict(observation) == "inconclusive/resources"
    assert not observation.verdict.accepted


@pytest.mark.parametrize(
    "answer",
    [
        (Send(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"),),
        (Send(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"),),
        (Send(b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n"),),
        (Fin(),),
        (Rst(),),
    ],
    ids=["407", "502", "garbage", "closed", "reset"],
)
async def test_a_proxy_that_does_not_connect_us(ask: Ask, answer: tuple[Any, ...]) -> None:
    """A proxy's refusal, garbage or silence in place of a tunnel is the proxy's, and none of the target's."""
    async with peer(answer) as proxy:
        observation = await ask("https://chat.test/", proxy=Secret(proxy.url))
        assert proxy.requests[0].method == "CONNECT"
    assert (verdict(observation), observation.verdict.phase) == ("unreachable/proxy", "connect")


async def test_a_proxy_that_is_not_there(ask: Ask) -> None:
    """A proxy at which nothing listens is unreachable/proxy."""
    with closed_port() as port:
        for scheme in ("http", "https"):
            observation = await ask(f"{scheme}://chat.test/", proxy=Secret(f"http://127.0.0.1:{port}"))
            assert verdict(observation) == "unreachable/proxy"


async def test_a_proxy_that_has_no_address(ask: Ask) -> None:
    """The name that does not resolve is the proxy's: the target's own is looked up by the proxy alone."""
    observation = await ask("https://chat.test/", proxy=Secret("http://nowhere.invalid:3128"))
    assert verdict(observation) == "unreachable/proxy"
    assert "its name does not resolve: unknown name" in observation.verdict.detail


async def test_a_proxy_that_says_nothing(ask: Ask) -> None:
    """A tunnel that does not come is a connection that does not come."""
    async with peer((Hold(),)) as proxy:
        observation = await ask("https://chat.test/", proxy=Secret(proxy.url), timeouts=only(Deadline.CONNECT))
    assert verdict(observation) == "timeout/connect"


async def test_a_plain_target_whose_proxy_wants_a_password(ask: Ask) -> None:
    """A 407 is a proxy's by its meaning, tunnel or not."""
    async with peer((Send(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"),)) as proxy:
        observation = await ask("http://chat.test/", proxy=Secret(proxy.url))
    assert verdict(observation) == "unreachable/proxy"


ALERT = b"\x15\x03\x03\x00\x02\x02\x46"
"""A fatal alert: no common protocol version."""


def _reset(transport: asyncio.Transport) -> None:
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    transport.abort()


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (lambda to: to.write(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "unreachable/tls_handshake"),
        (lambda to: to.write(ALERT), "unreachable/tls_handshake"),
        (lambda to: to.close(), "unreachable/tls_handshake"),
        (_reset, "unreachable/tls_handshake"),
        (lambda _: None, "timeout/connect"),
    ],
    ids=["plain text", "no common version", "FIN", "RST", "silence"],
)
async def test_a_handshake_that_fails(ask: Ask, answer: Callable[[asyncio.Transport], None], wanted: str) -> None:
    """Plain text on a TLS port, an invalid certificate, and silence have different causes."""
    server = await asyncio.get_running_loop().create_server(lambda: Mute(answer), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        observation = await ask(f"https://127.0.0.1:{port}/", timeouts=only(Deadline.CONNECT))
    assert (verdict(observation), observation.verdict.phase) == (wanted, "connect")


async def test_what_stood_when_the_time_was_over(ask: Ask) -> None:
    """A port that speaks plain HTTP, and waits for the rest of a request, took the connection: the detail says so."""
    server = await asyncio.get_running_loop().create_server(lambda: Mute(lambda _: None), "127.0.0.1", 0)
    async with server:
        observation = await ask(
            f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/", timeouts=only(Deadline.CONNECT)
        )
    assert (verdict(observation), observation.verdict.phase) == ("timeout/connect", "connect")
    assert "TCP connected after" in observation.verdict.detail
    assert "the answer to the TLS handshake did not come" in observation.verdict.detail
    assert "firewall" not in observation.verdict.detail


async def test_a_proxy_that_took_the_connection_and_says_nothing(ask: Ask) -> None:
    """The detail says that the proxy accepted the connection and opened no tunnel."""
    async with peer((Hold(),)) as proxy:
        observation = await ask("https://chat.test/", proxy=Secret(proxy.url), timeouts=only(Deadline.CONNECT))
    assert "TCP connected after" in observation.verdict.detail


async def test_a_reset_before_anybody_looks(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain connection that is reset right after accept was one, also if asyncio has not looked at its connect."""
    own, done = TimestampedSocket.connect, threading.Event()

    def connect(sock: TimestampedSocket, address: Any) -> None:  # noqa: ANN401 - as the socket module has it
        try:
            own(sock, address)
        finally:
            while not done.is_set():  # the loop is held up
                pass

    def accept(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()
        done.set()

    monkeypatch.setattr(TimestampedSocket, "connect", connect)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, args=(listener,))
        thread.start()
        observation = await ask(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        thread.join(WITHIN)
    assert verdict(observation) == "no_response/reset", observation.verdict.detail
    assert observation.verdict.phase != "connect"


async def test_a_check_can_be_the_end_of_a_reset_stream(ask: Ask) -> None:
    """If a protocol declares no end, a passed check is the end, and the reset is an unclean end."""
    plain = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nall is said"
    async with peer((Send(plain), Rst())) as server:
        observation = await ask(f"{server.url}/", "raw", check=PatternCheck("said$"))
    assert (verdict(observation), observation.verdict.unclean) == ("ok", "reset")


@pytest.mark.parametrize(
    ("deadline", "late", "kind", "words"),
    [
        (Deadline.HEADERS, 0.9, EndKind.DEADLINE, "1 s"),
        (Deadline.HEADERS, 1.1, EndKind.RESOURCES, "the event loop was 1.1 s late"),
        (Deadline.DRAIN, 1.1, EndKind.DEADLINE, "0.3 s"),
        (Deadline.CONNECT, 0.0, EndKind.DEADLINE, "0.5 s; the name was not resolved by then"),
    ],
)
async def test_a_deadline_that_has_passed(deadline: Deadline, late: float, kind: EndKind, words: str) -> None:
    """If the loop itself came to it more than a second late, that says nothing of the target; a drain has its end."""
    ending = expiry(deadline, 0.5, late, SHORT, ConnectionAttempts(Network()))
    assert (ending.kind, ending.at, ending.detail) == (kind, 0.5, words)
    assert ending.deadline is (None if kind is EndKind.RESOURCES else deadline)


@pytest.mark.parametrize(
    ("error", "connected", "kind"),
    [
        (OSError(5, "Input/output error"), True, EndKind.RESET),
        (OSError(5, "Input/output error"), False, EndKind.NETWORK),
        (RuntimeError(), True, EndKind.INTERNAL),
        (RuntimeError(), False, EndKind.INTERNAL),
    ],
)
async def test_every_exception_has_its_ending(error: Exception, connected: bool, kind: EndKind) -> None:
    """Exceptions that no peer of the tests causes are translated as well."""
    attempts = ConnectionAttempts(Network())
    if connected:
        attempts.protocol = HttpProtocol(asyncio.get_running_loop(), attempts.made)
    assert translate(error, REQUEST, attempts)[0] is kind


def test_an_answer_without_a_cause() -> None:
    """A response error that names no cause is one of the head."""
    refused = aiohttp.ClientResponseError(cast("Any", None), ())
    assert translate(refused, REQUEST, ConnectionAttempts(Network())) == (
        EndKind.MALFORMED_HEAD,
        "no HTTP/1.1 response head",
    )
