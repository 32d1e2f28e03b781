"""One request over real sockets: connecting, proxies, TLS, heads, deadlines and endings; nothing is left open."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal, cast

import aiohttp
import pytest
import trustme
from aiohttp.abc import AbstractResolver, ResolveResult

from monitor.lab.peer import peer
from monitor.lab.server import serve
from monitor.lab.steps import Fin, Gate, Hold, Repeat, Rst, Send, Wait
from monitor.observation import record
from monitor.settings import Limits, Network
from monitor.tap import Tap
from monitor.target import PatternCheck, Secret, Timeouts, Tls
from monitor.timeline import Ending, EndKind, Head, Mark, Timeline
from monitor.transport import Alarm, Call, Line, Resolver, Trip, Wire, _certificate_words, denied, fetch, reach
from tests.conftest import Ask, MakeProber, target
from tests.name_servers import Answer, cut, has, name_server, raw, says, silent
from tests.test_wire import verdict

pytestmark = pytest.mark.usefixtures("no_leaks")

HASTY = Timeouts(connect=0.3, headers=0.4, first_chunk=0.5, idle=0.3, total=1.0, drain=0.1)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
HI = b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}\n\n'
STOP = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
WHOLE = HI + STOP
CLOSED = HEAD + b"Connection: close\r\n\r\n"


def sized(body: bytes, more: bytes = b"") -> bytes:
    """Return a response whose head says how long its body is."""
    return HEAD + more + b"Content-Length: %d\r\n\r\n" % len(body) + body


OK = (Send(sized(WHOLE)),)


class Names(AbstractResolver):
    """A resolver that knows these names, and nothing else."""

    def __init__(self, **names: list[str] | OSError) -> None:
        self._names = names

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a name, those of the family that is asked for, or raise what stands for them."""
        found = self._names[host.partition(".")[0]]
        if isinstance(found, OSError):
            raise found
        kinds = [(address, socket.AF_INET6 if ":" in address else socket.AF_INET) for address in found]
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for address, kind in kinds
            if family in {socket.AF_UNSPEC, kind}
        ]

    async def close(self) -> None:
        """Keep nothing."""


@contextmanager
def closed_port(host: str = "127.0.0.1") -> Iterator[int]:
    """Yield a port of loopback on which nobody listens, and keep others from doing so."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as holder:
        holder.bind((host, 0))
        yield holder.getsockname()[1]


def unchecked(url: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of Target
    """Return the arguments of a probe without a content check, as the bodies here count nothing."""
    return {"url": url, "check": None, **more}


# -- connecting --------------------------------------------------------------------------------------------------------


async def test_a_closed_port_is_refused(ask: Ask) -> None:
    """Nobody listens there: the kernel says so at once."""
    with closed_port() as port:
        seen = await ask(f"http://127.0.0.1:{port}/")
    assert (verdict(seen), seen.verdict.phase) == ("unreachable/refused", "connect")
    assert "http_status" not in record(seen)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (socket.EAI_NONAME, "unknown name"),
        (socket.EAI_AGAIN, "the resolver failed for now"),
        (socket.EAI_OVERFLOW, "the look-up failed"),
    ],
)
async def test_a_name_that_does_not_resolve(prober: MakeProber, number: int, words: str) -> None:
    """The resolver's refusal is named in our own words, whatever its own are."""
    names = Names(gone=socket.gaierror(number, "canary"))
    seen = await prober(resolver=names)(target("http://gone.test/"), "cli")
    assert (verdict(seen), seen.verdict.phase) == ("unreachable/dns", "connect")
    assert words in seen.verdict.detail
    assert "canary" not in str(record(seen))


@pytest.mark.parametrize("host", ["a..b", f"{'a' * 64}.test"])
async def test_a_name_that_no_resolver_takes(ask: Ask, host: str) -> None:
    """A name with an empty or an overlong label is an unknown name, and the look-up's thread survives it."""
    seen = await ask(f"http://{host}/")
    assert verdict(seen) == "unreachable/dns"


async def test_a_full_backlog_is_a_timeout(ask: Ask) -> None:
    """A listener that accepts nobody leaves us waiting: the connect deadline ends that, at its limit."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        seen = await ask(f"http://127.0.0.1:{full.getsockname()[1]}/", timeouts=HASTY)
        for filler in fillers:
            filler.close()
    assert (verdict(seen), seen.verdict.phase) == ("timeout/connect", "connect")
    assert seen.duration == HASTY.connect
    assert "looked up" not in seen.verdict.detail


async def test_an_unreachable_network_is_named(ask: Ask) -> None:
    """Loopback's broadcast address has no route for TCP."""
    seen = await ask("http://127.255.255.255:9/")
    assert verdict(seen) == "unreachable/network"
    assert "Network is unreachable" in seen.verdict.detail


async def test_a_dead_address_is_passed_over(prober: MakeProber) -> None:
    """Where nobody listens on ::1 the probe goes on to 127.0.0.1, and the loser's socket is closed."""
    async with peer(OK) as server:
        names = Names(both=["::1", "127.0.0.1"])
        seen = await prober(resolver=names)(target(**unchecked(f"http://both.test:{server.port}/")), "cli")
    assert verdict(seen) == "ok"
    assert (seen.ip_family, seen.peer) == (4, f"127.0.0.1:{server.port}")
    assert seen.timeline.marks[Mark.DNS] <= seen.timeline.marks[Mark.CONNECT]


async def test_the_family_can_be_chosen(prober: MakeProber) -> None:
    """With `ip_family = 6` an address of the other family is not even tried."""
    async with await serve("::1", 0) as lab:
        url = f"http://both.test:{lab.port}/raw/ok?gap=0&ttfc=0"
        probe = prober(resolver=Names(both=["127.0.0.1", "::1"]), network=Network(ip_family=6))
        seen = await probe(target(url, "raw"), "cli")
    assert (verdict(seen), seen.peer, seen.ip_family) == ("ok", f"[::1]:{lab.port}", 6)


@contextmanager
def no_more_descriptors() -> Iterator[None]:
    """Let this process open nothing: the limit comes down to what is open, and what is free below is taken."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = os.open(os.devnull, os.O_RDONLY)
    taken = [spare]
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare + 1, hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(spare))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for number in taken:
            os.close(number)


async def test_no_descriptor_left_is_our_own_fault(ask: Ask) -> None:
    """A monitor that may open nothing more says that of itself and not of the target."""
    with closed_port() as port, no_more_descriptors():
        seen = await ask(f"http://127.0.0.1:{port}/")
    assert verdict(seen) == "inconclusive/resources"
    assert not seen.verdict.accepted


# -- policy ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://meta.test/",
        "http://[::ffff:169.254.169.254]/",
        "http://[fe80::1]/",
        "http://[fd00:ec2::254]/",
    ],
)
async def test_a_metadata_address_is_not_dialled(prober: MakeProber, url: str) -> None:
    """Link-local and metadata addresses are refused where they would be dialled, whoever named them."""
    seen = await prober(resolver=Names(meta=["169.254.169.254"]))(target(url), "cli")
    assert (verdict(seen), seen.verdict.phase) == ("unreachable/policy", "connect")
    assert Mark.CONNECT not in seen.timeline.marks


@pytest.mark.parametrize("host", ["2852039166", "0xA9FEA9FE", "169.254.43518"])
async def test_a_number_as_a_name_is_no_way_round(ask: Ask, host: str) -> None:
    """Other forms of a metadata address are no hosts, or resolve to it and are refused like it."""
    seen = await ask(f"http://{host}/")
    assert verdict(seen) in {"unreachable/policy", "unreachable/dns"}
    assert Mark.CONNECT not in seen.timeline.marks


async def test_our_own_rules_deny_and_allow(prober: MakeProber) -> None:
    """`deny` keeps the probe from a server that nobody then hears of; `allow` is stronger."""
    loopback, one = ip_network("127.0.0.0/8"), ip_network("127.0.0.1/32")
    async with peer(OK) as server:
        asked = target(**unchecked(f"{server.url}/"))
        denying = Network(deny=(loopback,))
        assert verdict(await prober(network=denying)(asked, "cli")) == "unreachable/policy"
        assert server.links == []
        assert verdict(await prober(network=Network(deny=(loopback,), allow=(one,)))(asked, "cli")) == "ok"


async def test_an_allowed_address_beside_a_denied_one(prober: MakeProber) -> None:
    """Of several addresses of a name only those that may be dialled are."""
    async with peer(OK) as server:
        names = Names(both=["169.254.1.1", "127.0.0.1"])
        seen = await prober(resolver=names)(target(**unchecked(f"http://both.test:{server.port}/")), "cli")
    assert (verdict(seen), seen.peer) == ("ok", f"127.0.0.1:{server.port}")


def test_link_local_can_be_allowed() -> None:
    """Who has a chat there has to say so."""
    assert denied("169.254.1.1", Network())
    assert denied("fe80::1%eth0", Network())
    assert not denied("169.254.1.1", Network(allow=(ip_network("169.254.1.0/24"),)))
    assert not denied("192.0.2.1", Network())


# -- looking names up --------------------------------------------------------------------------------------------------


async def test_the_resolver_asks_the_system() -> None:
    """It returns what getaddrinfo does, as numbers."""
    (found,) = await Resolver().resolve("127.0.0.1", 80)
    assert (found["host"], found["port"], found["family"]) == ("127.0.0.1", 80, socket.AF_INET)


async def test_a_hung_look_up_holds_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dozen look-ups that do not return leave the thirteenth its answer, and their places are free when they end."""
    release, real = threading.Event(), socket.getaddrinfo

    def hanging(host: str, *args: Any, **more: Any) -> Any:  # noqa: ANN401 - as the socket module has it
        if host == "hung.test":
            release.wait(10)
            raise socket.gaierror(socket.EAI_AGAIN, "late")
        return real(host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    resolver = Resolver(at_most=13)
    hung = [asyncio.create_task(resolver.resolve("hung.test")) for _ in range(12)]
    assert await resolver.resolve("127.0.0.1")
    hung[0].cancel()
    release.set()
    ended = await asyncio.gather(*hung, return_exceptions=True)
    assert isinstance(ended[0], asyncio.CancelledError)
    assert all(isinstance(error, socket.gaierror) for error in ended[1:])
    assert all(await asyncio.gather(*(resolver.resolve("127.0.0.1") for _ in range(13))))
    await resolver.close()


def test_a_look_up_outlives_its_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that comes when the loop is closed is dropped without a word."""
    release, returned = threading.Event(), threading.Event()

    def hanging(*_: Any, **__: Any) -> list[Any]:  # noqa: ANN401 - as the socket module has it
        release.wait(10)
        returned.set()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hanging)

    async def leave() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await Resolver().resolve("hung.test")

    asyncio.run(leave())
    release.set()
    assert returned.wait(10)
    for thread in threading.enumerate():
        if thread.name == "look-up":
            thread.join(10)


# -- proxies -----------------------------------------------------------------------------------------------------------


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
        seen = await ask("https://chat.test/", proxy=Secret(proxy.url))
        assert proxy.requests[0].method == "CONNECT"
    assert (verdict(seen), seen.verdict.phase) == ("unreachable/proxy", "connect")


async def test_a_proxy_that_is_not_there(ask: Ask) -> None:
    """Nobody listens where the proxy is said to be."""
    with closed_port() as port:
        for scheme in ("http", "https"):
            seen = await ask(f"{scheme}://chat.test/", proxy=Secret(f"http://127.0.0.1:{port}"))
            assert verdict(seen) == "unreachable/proxy"


async def test_a_proxy_that_says_nothing(ask: Ask) -> None:
    """A tunnel that does not come is a connection that does not come."""
    async with peer((Hold(),)) as proxy:
        seen = await ask("https://chat.test/", proxy=Secret(proxy.url), timeouts=HASTY)
    assert verdict(seen) == "timeout/connect"


async def test_a_plain_target_behind_a_proxy(ask: Ask) -> None:
    """A plain target is asked for by its whole URL, and a name that only the proxy knows is no trouble."""
    async with peer(OK) as proxy:
        seen = await ask(**unchecked("http://chat.test/v1", proxy=Secret(proxy.url)))
        assert proxy.requests[0].target == "http://chat.test/v1"
    assert verdict(seen) == "ok"


async def test_a_plain_target_whose_proxy_wants_a_password(ask: Ask) -> None:
    """A 407 is a proxy's by its meaning, tunnel or not."""
    async with peer((Send(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"),)) as proxy:
        seen = await ask("http://chat.test/", proxy=Secret(proxy.url))
    assert verdict(seen) == "unreachable/proxy"


@asynccontextmanager
async def tunnel(port: int) -> AsyncIterator[str]:
    """Yield the URL of a proxy that connects everybody to one port of loopback."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.write_eof()

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, back), pump(there, writer), return_exceptions=True)
        for one in (writer, back):
            one.transport.abort()

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


# -- TLS ---------------------------------------------------------------------------------------------------------------


class House:
    """A certificate authority, and servers with its certificates."""

    def __init__(self, place: Path) -> None:
        self.authority = trustme.CA()
        self.file = str(place / "authority.pem")
        self.authority.cert_pem.write_to_path(self.file)
        self.trusted = Tls(ca_file=self.file)

    def server(self, *names: str, **more: Any) -> ssl.SSLContext:  # noqa: ANN401 - of trustme.CA.issue_cert
        """Return the context of a server with a certificate for these names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(*(names or ("127.0.0.1",)), **more).configure_cert(context)
        return context


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Return an authority of these tests."""
    return House(tmp_path_factory.mktemp("tls"))


async def test_a_complete_chat_over_tls(ask: Ask, house: House) -> None:
    """The clocks come in order, the handshake has its own, and the certificate's expiry is known."""
    expiry = datetime(2038, 1, 1, tzinfo=UTC)
    async with await serve("127.0.0.1", 0, ssl=house.server(not_after=expiry)) as lab:
        seen = await ask(f"{lab.url}/openai-chat/ok?gap=1ms&ttfc=1ms", tls=house.trusted)
    assert verdict(seen) == "ok"
    times = [seen.timeline.marks[mark] for mark in Mark if mark in seen.timeline.marks]
    assert Mark.TLS in seen.timeline.marks
    assert times == sorted(times)
    assert seen.certificate_expiry == expiry.timestamp()


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
        ("left-open", "ok"),
        ("stall", "stalled/silent"),
        ("hang", "timeout/headers"),
    ],
)
async def test_a_fault_over_tls(ask: Ask, house: House, query: str, wanted: str) -> None:
    """What goes wrong inside the tunnel is told apart as it is without one."""
    async with await serve("127.0.0.1", 0, ssl=house.server()) as lab:
        pace = f"{query}&gap=1ms&ttfc=1ms" if "?" in query else f"{query}?gap=1ms&ttfc=1ms"
        seen = await ask(f"{lab.url}/openai-chat/{pace}", tls=house.trusted)
    assert verdict(seen) == wanted


@pytest.mark.parametrize(
    ("body", "wanted"), [(WHOLE, "ok"), (HI, "truncated/no_terminator"), (HI[:20], "truncated/mid_event")]
)
async def test_a_body_without_close_notify(ask: Ask, house: House, body: bytes, wanted: str) -> None:
    """A TLS stream that ends in a bare FIN is judged by the protocol's end."""
    async with peer((Send(CLOSED + body), Fin(notify=False)), ssl=house.server()) as server:
        seen = await ask(**unchecked(f"{server.url}/", tls=house.trusted))
    assert verdict(seen) == wanted


@pytest.mark.parametrize(
    ("names", "more", "code"),
    [
        (("127.0.0.1",), {"not_after": datetime.now(UTC) - timedelta(days=1)}, 10),
        (("127.0.0.1",), {"not_before": datetime.now(UTC) + timedelta(days=1)}, 9),
        (("other.test",), {}, 64),
    ],
    ids=["expired", "not yet valid", "wrong host"],
)
async def test_a_certificate_that_does_not_hold(
    ask: Ask, house: House, names: tuple[str, ...], more: dict[str, Any], code: int
) -> None:
    """Each reason is named by OpenSSL's own code and words."""
    if "not_after" in more:
        more = {**more, "not_before": more["not_after"] - timedelta(days=1)}
    async with await serve("127.0.0.1", 0, ssl=house.server(*names, **more)) as lab:
        seen = await ask(f"{lab.url}/openai-chat/ok", tls=house.trusted)
    assert (verdict(seen), seen.verdict.phase) == ("unreachable/tls_certificate", "connect")
    assert f"OpenSSL verify code {code}" in seen.verdict.detail


async def test_an_authority_that_nobody_knows(ask: Ask, house: House) -> None:
    """Without its `ca_file` it is unknown; who skips verification does not care."""
    async with await serve("127.0.0.1", 0, ssl=house.server()) as lab:
        url = f"{lab.url}/openai-chat/ok?gap=0&ttfc=0"
        seen = await ask(url)
        assert verdict(seen) == "unreachable/tls_certificate"
        assert "unable to get local issuer certificate" in seen.verdict.detail
        assert verdict(await ask(url, tls=Tls(insecure_skip_verify=True))) == "ok"


async def test_a_self_signed_certificate(ask: Ask, house: House) -> None:
    """It is named as such."""
    alone = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own = trustme.CA()
    with own.private_key_pem.tempfile() as key, own.cert_pem.tempfile() as certificate:
        alone.load_cert_chain(certificate, key)
    async with await serve("127.0.0.1", 0, ssl=alone) as lab:
        seen = await ask(f"{lab.url}/openai-chat/ok", tls=house.trusted)
    assert verdict(seen) == "unreachable/tls_certificate"
    assert "self-signed certificate, OpenSSL verify code 18" in seen.verdict.detail


async def test_a_name_of_its_own_for_the_certificate(ask: Ask, house: House) -> None:
    """`server_name` is what the certificate has to be for."""
    async with await serve("127.0.0.1", 0, ssl=house.server("chat.test")) as lab:
        named = Tls(ca_file=house.file, server_name="chat.test")
        assert verdict(await ask(f"{lab.url}/openai-chat/ok?gap=0&ttfc=0", tls=named)) == "ok"


ALERT = b"\x15\x03\x03\x00\x02\x02\x46"
"""A fatal alert: no common protocol version."""


class Mute(asyncio.Protocol):
    """A peer on a TLS port that speaks none: it answers the first bytes with a script of its own."""

    def __init__(self, answer: Callable[[asyncio.Transport], None]) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer."""
        del data
        self._answer(self._transport)


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
    """What is no TLS on a TLS port is told apart from a certificate that does not hold; silence is a timeout."""
    server = await asyncio.get_running_loop().create_server(lambda: Mute(answer), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        seen = await ask(f"https://127.0.0.1:{port}/", timeouts=HASTY)
    assert (verdict(seen), seen.verdict.phase) == (wanted, "connect")


class Stern(asyncio.Protocol):
    """A TLS server that says with an alert why it refuses, and closes without losing it, as real servers do."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Go on with the handshake; when it fails, say so and say no more."""
        self._incoming.write(data)
        failed = False
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            failed = True
        self._transport.write(self._outgoing.read())
        if failed and self._transport.can_write_eof():
            self._transport.write_eof()


def demanding(house: House) -> ssl.SSLContext:
    """Return the context of a server that wants a certificate of the client's."""
    context = house.server()
    context.verify_mode = ssl.CERT_REQUIRED
    house.authority.configure_trust(context)
    return context


async def test_a_server_that_wants_our_certificate(ask: Ask, house: House) -> None:
    """In TLS 1.3 its refusal comes after the handshake: the detail says what may be missing."""
    context = demanding(house)
    server = await asyncio.get_running_loop().create_server(lambda: Stern(context), "127.0.0.1", 0)
    async with server:
        seen = await ask(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/", tls=house.trusted)
    assert verdict(seen) == "unreachable/tls_handshake"
    assert "cert_file" in seen.verdict.detail


async def test_a_server_that_gets_our_certificate(ask: Ask, house: House, tmp_path: Path) -> None:
    """With `cert_file` and `key_file` it is satisfied."""
    mine = house.authority.issue_cert("monitor.test")
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    mine.cert_chain_pems[0].write_to_path(cert)
    mine.private_key_pem.write_to_path(key)
    async with await serve("127.0.0.1", 0, ssl=demanding(house)) as lab:
        ours = Tls(ca_file=house.file, cert_file=cert, key_file=key)
        seen = await ask(f"{lab.url}/openai-chat/ok?gap=0&ttfc=0", tls=ours)
    assert verdict(seen) == "ok"


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
async def test_a_tunnel_that_breaks_in_the_stream(prober: MakeProber, house: House, sent: bytes, wanted: str) -> None:
    """A fatal alert in mid-stream is no end of a body, whatever frames it: the connection was torn down."""
    heard = asyncio.Event()

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        await heard.wait()
        os.write(writer.get_extra_info("socket").fileno(), ALERT)
        with contextlib.suppress(OSError):
            await reader.read()
        writer.transport.abort()

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0, ssl=house.server())
    async with server:
        asked = target(**unchecked(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/", tls=house.trusted))
        seen = await prober(save=lambda _: heard.set())(asked, "cli")
    assert (verdict(seen), seen.timeline.chunks) == (wanted, 1)
    assert seen.verdict.unclean == ("reset" if wanted == "ok" else None)


async def test_tls_through_a_tunnel(ask: Ask, house: House) -> None:
    """A proxy that connects us is no part of what is then seen, the target's certificate and endings are."""
    async with await serve("127.0.0.1", 0, ssl=house.server("chat.test")) as lab, tunnel(lab.port) as proxy:
        through: dict[str, Any] = {"tls": house.trusted, "proxy": Secret(proxy)}
        seen = await ask("https://chat.test/openai-chat/ok?gap=0&ttfc=0", **through)
        cut = await ask("https://chat.test/openai-chat/cut?gap=0&ttfc=0", **through)
        wrong = await ask("https://other.test/openai-chat/ok", **through)
    assert verdict(seen) == "ok"
    assert seen.certificate_expiry
    assert verdict(cut) == "truncated/incomplete_body"
    assert verdict(wrong) == "unreachable/tls_certificate"


# -- a name server that is configured ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_leaks")
@pytest.mark.parametrize("family", [0, 4])
async def test_a_probe_asks_the_name_server(prober: MakeProber, family: int) -> None:
    """The name is asked there and nowhere else, once for each probe and wanted family, and the look-up is timed."""
    async with peer(OK) as server, name_server({"one.test": has("127.0.0.1")}) as zone:
        probe = prober(network=Network(ip_family=family, resolver=zone.address))
        seen = await probe(target(**unchecked(f"http://one.test:{server.port}/")), "cli")
        kinds = ["A"] if family else ["A", "AAAA"]
        assert sorted(zone.asked) == [f"one.test {kind} udp" for kind in kinds]
    assert (verdict(seen), seen.ip_family) == ("ok", 4)
    assert seen.timeline.marks[Mark.DNS] <= seen.timeline.marks[Mark.CONNECT]


@pytest.mark.usefixtures("no_leaks")
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (says("NXDOMAIN"), "unknown name"),
        (has(), "no address for this name"),
        (says("SERVFAIL"), "the name server answered SERVFAIL"),
        (cut(raw(b"\x1bcanary")), "the name server's answer cannot be read"),
    ],
)
async def test_a_name_server_that_has_no_address(prober: MakeProber, answer: Answer, words: str) -> None:
    """What it refuses is `unreachable/dns`, in our own words."""
    async with name_server({"one.test": answer}) as zone:
        network = Network(resolver=zone.address)
        seen = await prober(network=network)(target("http://one.test/"), "cli")
        assert await reach("http://one.test/", Tls(), network, 20.0) == f"the name does not resolve ({words})"
        assert await got("http://one.test/", network=network) == f"the name does not resolve ({words})"
    assert (verdict(seen), seen.verdict.phase) == ("unreachable/dns", "connect")
    assert words in seen.verdict.detail
    assert Mark.DNS not in seen.timeline.marks
    assert "canary" not in str(record(seen))


@pytest.mark.usefixtures("no_leaks")
@pytest.mark.parametrize("answer", [silent, raw(b"SSH-2.0-canary"), cut(silent)])
async def test_a_name_server_that_does_not_answer(prober: MakeProber, answer: Answer) -> None:
    """Silence, and datagrams that are no answer, end at the connect deadline, and hold up nobody else."""
    answers = {"hung.test": answer, "one.test": has("127.0.0.1")}
    async with peer(OK) as server, name_server(answers) as zone:
        probe = prober(network=Network(resolver=zone.address))
        hung = [asyncio.create_task(probe(target("http://hung.test/"), "cli")) for _ in range(12)]
        seen = await probe(target(**unchecked(f"http://one.test:{server.port}/")), "cli")
        late = await asyncio.gather(*hung)
    assert verdict(seen) == "ok"
    assert {(verdict(one), one.verdict.phase) for one in late} == {("timeout/connect", "connect")}
    assert late[0].verdict.detail.startswith("no connection within 1 s, for the name was not looked up by then")
    assert "canary" not in str(record(late[0]))


async def test_no_name_server_there(prober: MakeProber) -> None:
    """One that refuses our datagrams is `unreachable/dns`, and it is said who refused."""
    with closed_port() as port:
        seen = await prober(network=Network(resolver=f"127.0.0.1:{port}"))(target("http://one.test/"), "cli")
    assert verdict(seen) == "unreachable/dns"
    assert "the name server: Connection refused" in seen.verdict.detail


async def test_no_descriptor_left_to_ask_with(prober: MakeProber) -> None:
    """That the monitor has no descriptor for its question is the monitor's own fault."""
    probe = prober(network=Network(resolver="127.0.0.1:53"))
    with no_more_descriptors():
        seen = await probe(target("http://one.test/"), "cli")
    assert verdict(seen) == "inconclusive/resources"


async def test_addresses_from_a_name_server_are_checked(prober: MakeProber) -> None:
    """Whoever answers, an address that is denied is not dialled."""
    async with peer(OK) as server, name_server({"one.test": has("127.0.0.1", "::ffff:169.254.169.254")}) as zone:
        network = Network(deny=(ip_network("127.0.0.0/8"),), resolver=zone.address)
        url = f"http://one.test:{server.port}/"
        seen = await prober(network=network)(target(url), "cli")
        assert verdict(seen) == "unreachable/policy"
        assert str(await reach(url, Tls(), network, 20.0)).endswith("is denied by [network]")
        assert str(await got(url, network=network)).endswith("is denied by [network]")
        await server.over()
        assert server.requests == []


async def test_a_proxy_is_found_by_the_name_server(prober: MakeProber) -> None:
    """With a proxy it is the proxy's name that is asked for."""
    async with peer(OK) as server, name_server({"proxy.test": has("127.0.0.1")}) as zone:
        probe = prober(network=Network(ip_family=4, resolver=zone.address))
        proxy = Secret(f"http://proxy.test:{server.port}")
        seen = await probe(target(**unchecked("http://one.test/", proxy=proxy)), "cli")
        assert zone.asked == ["proxy.test A udp"]
    assert verdict(seen) == "ok"


@pytest.mark.usefixtures("no_leaks")
async def test_all_doors_ask_the_name_server() -> None:
    """`check --connect` and the sources of targets, too, and one address that is dead leaves the other."""
    async with peer((Send(LISTED), Fin())) as server, name_server({"one.test": has("127.0.0.1", "::1")}) as zone:
        network, url = Network(resolver=zone.address), f"http://one.test:{server.port}/"
        assert await reach(url, Tls(), network, 20.0) is None
        assert await reach(url, Tls(), replace(network, deny=(ip_network("::1"),)), 20.0) is None
        assert await reach(url, Tls(), replace(network, ip_family=6), 20.0) == "no connection (Connection refused)"
        assert await got(url, network=network) == b"[]"


async def test_a_first_address_with_a_wrong_certificate_is_the_answer(house: House) -> None:
    """No other address makes good for it, as none would in a probe."""
    async with (
        await serve("::1", 0, ssl=house.server("other.test")) as lab,
        name_server({"chat.test": has("127.0.0.1", "::1")}) as zone,
    ):
        said = await reach(f"https://chat.test:{lab.port}", house.trusted, Network(resolver=zone.address), 20.0)
    assert str(said).startswith("the certificate was not accepted (")


# -- trying a connection -----------------------------------------------------------------------------------------------


async def test_reach_says_why_not(house: House) -> None:
    """`check --connect` opens a connection, TLS included, sends nothing, and has a sentence for each refusal."""

    async def why(url: str, tls: Tls | None = None, network: Network | None = None, within: float = 20.0) -> str | None:
        return await reach(url, tls or Tls(), network or Network(), within)

    async with peer(OK) as plain, await serve("127.0.0.1", 0, ssl=house.server()) as lab:
        assert await why(plain.url) is None
        assert await why(lab.url, house.trusted) is None
        assert await why(lab.url) == (
            "the certificate was not accepted (unable to get local issuer certificate, OpenSSL verify code 20)"
        )
        hung = await why(f"https://127.0.0.1:{plain.port}", within=0.3)
        assert str(hung).startswith("no connection within 0.3 s")
        await plain.over()
        assert plain.requests == []
    with closed_port() as port:
        assert await why(f"http://127.0.0.1:{port}") == "no connection (Connection refused)"
    assert await why("http://169.254.169.254/") == "169.254.169.254 is denied by [network]"
    assert await why("http://a..b/") == "the name does not resolve (unknown name)"


async def test_reach_of_a_port_without_tls() -> None:
    """Plain text in the handshake is said in OpenSSL's words."""
    server = await asyncio.get_running_loop().create_server(
        lambda: Mute(lambda to: to.write(b"hello\n")), "127.0.0.1", 0
    )
    async with server:
        said = await reach(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", Tls(), Network(), 2.0)
    assert str(said).startswith("the TLS handshake failed (")


async def test_a_get_is_sent_once(ask: Ask) -> None:
    """Our library would send one again, without a word, where the peer closes before it answers."""
    async with peer((Fin(),)) as server:
        seen = await ask(server.url, "raw", body={}, check=None)
        assert verdict(seen) == "no_response/closed"
        await server.over()
        assert [request.method for request in server.requests] == ["GET"]


# -- documents ---------------------------------------------------------------------------------------------------------

LISTED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"


async def got(url: str, **more: Any) -> bytes | str:  # noqa: ANN401 - what fetch takes
    """Return a document, or why it did not come."""
    try:
        given: dict[str, Any] = {"network": Network(), "within": 5.0, "at_most": 100}
        return await fetch(url, **(given | more))
    except OSError as error:
        return str(error)


@pytest.mark.usefixtures("no_leaks")
async def test_a_document_is_got() -> None:
    """As it is, whatever it says of its type; what is longer than it may be is cut one byte behind that."""
    long = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1000
    async with peer((Send(LISTED), Hold())) as listing, peer((Send(long), Hold())) as endless:
        assert await got(listing.url) == b"[]"
        assert await got(endless.url) == b"x" * 101


@pytest.mark.usefixtures("no_leaks")
@pytest.mark.parametrize(
    ("script", "why"),
    [
        ((Send(b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n"),), "the answer has status 302"),
        ((Send(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"),), "the answer has status 500"),
        ((Send(LISTED[:-1]), Fin()), "no whole answer (ClientPayloadError)"),
        ((Fin(),), "no whole answer (ServerDisconnectedError)"),
        ((Send(b"SSH-2.0-OpenSSH\r\n"), Fin()), "no whole answer (ClientResponseError)"),
    ],
)
async def test_a_document_that_does_not_come(script: tuple[Any, ...], why: str) -> None:
    """Each way of failing has its words, and a redirect is not followed: it would carry the password along."""
    async with peer(script) as server:
        assert await got(server.url.replace("//", "//user:canary@") + "/?canary") == why
        await server.over()
        assert len(server.requests) == 1


@pytest.mark.usefixtures("no_leaks")
async def test_a_document_is_waited_for_in_bounded_time() -> None:
    """Silence ends with our patience; a body whose framing breaks, which aiohttp tells nobody, ends at once."""
    broken = LISTED.replace(b"Content-Length: 2", b"Transfer-Encoding: chunked")[:-2]
    async with peer((Hold(),)) as silent, peer((Send(broken), Wait(0.02), Send(b"zz\r\n"), Hold())) as odd:
        assert await got(silent.url, within=0.1) == "no whole answer within 0.1 s"
        assert await got(odd.url) == "no whole answer (the framing does not parse)"


@pytest.mark.usefixtures("no_leaks")
async def test_a_document_that_cannot_be_asked_for(house: House) -> None:
    """No name, no listener, an address that is denied, a certificate that nobody vouches for, no TLS at all."""
    hello = await asyncio.get_running_loop().create_server(
        lambda: Mute(lambda to: to.write(b"hello\n")), "127.0.0.1", 0
    )
    async with hello:
        said = await got(f"https://127.0.0.1:{hello.sockets[0].getsockname()[1]}")
        assert str(said).startswith("the TLS handshake failed (")
    async with peer((Send(LISTED), Fin()), ssl=house.server()) as secure, peer((Send(LISTED), Fin())) as plain:
        assert str(await got(secure.url)).startswith("the certificate was not accepted (unable to get local issuer")
        only = Network(deny=(ip_network("127.0.0.0/8"),))
        assert await got(plain.url, network=only) == "127.0.0.1 is denied by [network]"
        assert plain.requests == []
    with closed_port() as port:
        assert await got(f"http://127.0.0.1:{port}") == "no connection (Connection refused)"
    assert await got("http://a..b/") == "the name does not resolve (unknown name)"


# -- the head ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "key", "value"),
    [
        (b"Retry-After: 7", "retry_after", 7),
        (b"Retry-After: Thu, 01 Jan 1970 00:00:00 GMT", "retry_after", 0),
        (b"Retry-After: soon", "retry_after", None),
        (b"X-Request-Id: abc", "request_ids", {"x-request-id": "abc"}),
        (b"Content-Type: nonsense", "content_type", "invalid"),
        (b"A: b", "content_type", None),
    ],
)
async def test_what_a_head_says(ask: Ask, header: bytes, key: str, value: object) -> None:
    """Both forms of Retry-After, ids of the request and the type are in the event; what is no such thing is not."""
    answer = b"HTTP/1.1 503 Busy\r\n" + header + b"\r\nContent-Length: 0\r\n\r\n"
    async with peer((Send(answer),)) as server:
        seen = await ask(f"{server.url}/")
    assert verdict(seen) == "http_error/overloaded"
    assert record(seen).get(key) == value


async def test_a_retry_date_is_seconds_from_now(ask: Ask) -> None:
    """A date in Retry-After is taken as how long that is from now, in whole seconds."""
    date = (datetime.now(UTC) + timedelta(seconds=60)).strftime("%a, %d %b %Y %H:%M:%S GMT").encode()
    async with peer((Send(b"HTTP/1.1 429 No\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n" % date),)) as server:
        seen = await ask(f"{server.url}/")
    head = seen.timeline.head
    assert head is not None
    assert isinstance(head.retry_after, int)
    assert head.retry_after == pytest.approx(60, abs=5)


async def test_a_refusals_own_words_are_kept(ask: Ask) -> None:
    """An error body is read, as far as it comes within `drain` and up to a limit, and its error is in the event."""
    body = b'{"error": {"message": "come back later", "type": "busy"}}'
    head = b"HTTP/1.1 429 Too Many\r\nContent-Length: %d\r\n\r\n"
    async with peer((Send(head % len(body) + body),)) as server:
        seen = await ask(f"{server.url}/")
        assert seen.server_error is not None
        assert (seen.server_error.type, seen.server_error.message) == ("busy", "come back later")
    for script in ((Send(head % 999 + body), Hold()), (Send(head % (1 << 40)), Repeat(b"x" * 65536, 0.0))):
        async with peer(script) as server:
            assert verdict(await ask(f"{server.url}/")) == "http_error/rate_limited"


async def test_a_redirect_is_not_followed(ask: Ask) -> None:
    """No key leaves the target's origin: the other server hears nothing."""
    async with peer(OK) as other:
        away = b"HTTP/1.1 307 Away\r\nLocation: %s/\r\nContent-Length: 0\r\n\r\n" % other.url.encode()
        async with peer((Send(away),)) as server:
            seen = await ask(f"{server.url}/", api_key=Secret("canary"))
            assert server.requests[0].headers["authorization"] == "Bearer canary"
        assert verdict(seen) == "http_error/redirect"
        assert other.links == []


# -- deadlines and cancellation ----------------------------------------------------------------------------------------


class Reached(asyncio.Event):
    """A gate that says when a script stands before it."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()

    async def wait(self) -> Literal[True]:
        """Say so, and wait."""
        self.reached.set()
        return await super().wait()


@pytest.mark.parametrize(("reason", "cause"), [("shutdown", "shutdown"), ("reload", "reload"), (None, "client")])
@pytest.mark.parametrize("sent", [b"", CLOSED + HI], ids=["before the head", "in the stream"])
async def test_a_cancelled_probe_is_aborted(prober: MakeProber, sent: bytes, reason: str | None, cause: str) -> None:
    """A cancellation is a verdict of its own, and what had come until then is kept."""
    gate, heard, payload = Reached(), asyncio.Event(), bytearray()

    def save(data: bytes) -> None:
        payload.extend(data)
        heard.set()

    async with peer((Send(sent), Gate(gate))) as server:
        probe = prober(save=save)(target(f"{server.url}/"), "cli")
        task = asyncio.create_task(probe)
        await (heard if sent else gate.reached).wait()
        task.cancel(*([reason] if reason else []))
        seen = await task
    assert verdict(seen) == f"aborted/{cause}"
    assert seen.timeline.bytes == len(payload) == len(HI if sent else b"")


async def test_a_stream_that_never_pauses_meets_its_deadline(prober: MakeProber) -> None:
    """What is in the socket is read before a deadline is judged, but a peer who never stops cannot put it off."""
    limits = Limits(stream_bytes=1 << 40, event_bytes=1 << 40, events=1 << 40)
    async with peer((Send(CLOSED), Repeat(b": ping\n\n" * 64, 0.0))) as server:
        seen = await prober(limits=limits)(target(f"{server.url}/", timeouts=HASTY), "cli")
    assert verdict(seen) == "timeout/first_chunk"
    assert seen.timeline.arrivals[-1].time <= HASTY.first_chunk + 0.5


async def test_a_server_that_drips_before_its_head(ask: Ask) -> None:
    """Bytes of a head that does not come whole do not move its deadline."""
    async with peer((Send(b"HTTP/1.1 200 OK\r\n"), Repeat(b"X", 0.05))) as server:
        seen = await ask(f"{server.url}/", timeouts=HASTY)
    assert (verdict(seen), seen.verdict.phase, seen.duration) == ("timeout/headers", "headers", HASTY.headers)


def speak(listener: socket.socket, go: threading.Event, said: list[float], done: threading.Event) -> None:
    """Answer one request from a thread: a first event, the rest when told to, and a FIN."""
    connection, _ = listener.accept()
    with connection:
        asked = b""
        while b"\r\n\r\n" not in asked or not asked.endswith(b"}"):
            asked += connection.recv(65536)
        connection.sendall(CLOSED + HI)
        go.wait(10)
        connection.sendall(HI * 3 + STOP)
        said.append(time.monotonic())
        connection.shutdown(socket.SHUT_WR)
        done.set()
        connection.recv(1)


async def test_a_blocked_loop_loses_nothing(prober: MakeProber) -> None:
    """A stream that ends while the loop stands still is read to its last byte, and its times are right or unsure."""
    go, done, heard, payload, said = threading.Event(), threading.Event(), asyncio.Event(), bytearray(), list[float]()

    def save(data: bytes) -> None:
        payload.extend(data)
        heard.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        speaker = threading.Thread(target=speak, args=(listener, go, said, done))
        speaker.start()
        began = time.monotonic()
        asked = target(**unchecked(f"http://127.0.0.1:{listener.getsockname()[1]}/"))
        probing = asyncio.create_task(prober(save=save)(asked, "cli"))
        await heard.wait()
        go.set()
        assert done.wait(10), "the loop stands still here, until all is sent and the connection closed"
        seen = await probing
        speaker.join(10)
    assert (verdict(seen), seen.timeline.chunks, bytes(payload)) == ("ok", 4, HI * 4 + STOP)
    last = seen.timeline.arrivals[-1]
    assert last.time - last.uncertainty <= said[0] - began


# -- ends --------------------------------------------------------------------------------------------------------------


async def test_a_marker_is_not_waited_for_long(ask: Ask) -> None:
    """After the protocol's end the socket is given `drain` seconds, and the stream ended when its end came."""
    gate = asyncio.Event()
    async with peer((Send(CLOSED + HI), Gate(gate), Send(STOP), Hold())) as server:
        asking = asyncio.create_task(ask(**unchecked(f"{server.url}/", timeouts=HASTY)))
        gate.set()
        seen = await asking
    assert verdict(seen) == "ok"
    assert seen.verdict.unclean == "left_open"
    assert seen.duration == seen.timeline.ended_at


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
        seen = await prober(limits=limits)(target(f"{server.url}/"), "cli")
    assert verdict(seen) == "bad_response/too_large"
    assert words in seen.verdict.detail


async def test_too_much_behind_the_end_is_no_fault(prober: MakeProber) -> None:
    """Bytes after the protocol's end are at most an unclean end, however many."""
    async with peer((Send(CLOSED + WHOLE), Repeat(b"x" * 1000, 0.0))) as server:
        asked = target(**unchecked(f"{server.url}/"))
        seen = await prober(limits=Limits(stream_bytes=5000))(asked, "cli")
    assert (verdict(seen), seen.verdict.unclean) == ("ok", "trailing")


@pytest.mark.parametrize("why", ["reload", None])
async def test_a_deadline_and_a_reload_at_once(ask: Ask, monkeypatch: pytest.MonkeyPatch, why: str | None) -> None:
    """Where a deadline has passed, a reload that stops the probe before it wakes changes nothing of what it saw."""
    ring = Alarm._ring

    def both(alarm: Alarm, *more: Any) -> None:  # noqa: ANN401 - as the alarm has them
        ring(alarm, *more)
        if alarm.passed is not None and alarm._task is not None:
            alarm._task.cancel(why)

    monkeypatch.setattr(Alarm, "_ring", both)
    async with peer((Send(CLOSED), Hold())) as server:
        assert verdict(await ask(**unchecked(f"{server.url}/", timeouts=HASTY))) == "timeout/first_chunk"


async def test_what_follows_an_interim_head_is_not_behind_the_end(ask: Ask) -> None:
    """Interim heads that fill more than one read: the final head that waits in the socket is no trailing byte."""
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
    async with peer((Send(hint * 6000 + sized(WHOLE)),)) as server:
        seen = await ask(**unchecked(f"{server.url}/"))
    assert (verdict(seen), seen.verdict.unclean) == ("ok", None)


async def test_a_check_can_be_the_end_of_a_reset_stream(ask: Ask) -> None:
    """Where a protocol declares no end, a passed check stands for it, and the reset is an unclean end."""
    plain = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nall is said"
    async with peer((Send(plain), Rst())) as server:
        seen = await ask(f"{server.url}/", "raw", check=PatternCheck("said$"))
    assert (verdict(seen), seen.verdict.unclean) == ("ok", "reset")


async def test_many_tiny_reads_are_bounded(prober: MakeProber) -> None:
    """An event that never ends, byte by byte, is stopped by the number of its reads."""
    bytewise = (step for _ in range(60) for step in (Send(b"x"), Wait(0.002)))
    async with peer((Send(CLOSED + b"data: "), *bytewise, Hold())) as server:
        seen = await prober(limits=Limits(events=10))(target(f"{server.url}/"), "cli")
    assert verdict(seen) == "bad_response/too_large"
    assert "more than 10 reads" in seen.verdict.detail


# -- what the wire did not do ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (OSError(28, "No space left on device"), "inconclusive/internal"),
        (ConnectionResetError(), "inconclusive/internal"),
        (MemoryError(), "inconclusive/resources"),
    ],
)
async def test_a_fault_of_who_is_fed_is_no_cut(prober: MakeProber, error: Exception, wanted: str) -> None:
    """A full disk under `--save`, or a bug behind it, is our own and never a truncation."""

    def save(_: bytes) -> None:
        raise error

    async with peer(OK) as server:
        seen = await prober(save=save)(target(f"{server.url}/"), "cli")
    assert verdict(seen) == wanted


@pytest.mark.parametrize("name", ["none.pem", "garbage.pem"])
async def test_a_file_of_tls_that_cannot_be_used(ask: Ask, tmp_path: Path, name: str) -> None:
    """It is our own fault, and nothing is said of the target."""
    (tmp_path / "garbage.pem").write_text("garbage")
    with closed_port() as port:
        seen = await ask(f"https://127.0.0.1:{port}/", tls=Tls(ca_file=str(tmp_path / name)))
    assert verdict(seen) == "inconclusive/internal"


async def trip() -> Trip:
    """Return a request on its way that no network sees."""
    call = Call("GET", "http://127.0.0.1/", {}, b"", HASTY)
    return Trip(call, Timeline(), lambda _: None, Limits(), Line(Network()))


async def test_what_a_connection_has_not_told_is_not_noted() -> None:
    """A connection on which nothing was sent, and whose peer is unknown, has no such mark."""
    one = await trip()
    one.line.taps.append(Tap(socket.AF_INET, socket.SOCK_STREAM, 0))
    one.line.wire = Wire(asyncio.get_running_loop(), one.line)
    one._connection_marks()
    one.line.close()
    assert one.seen.marks == {}
    assert one.carried.peer is None


async def test_a_loop_too_late_to_judge() -> None:
    """A deadline that the loop came to long after it passed says nothing of the target."""
    one = await trip()

    async def stopped() -> Ending:
        one.alarm.start(time.monotonic() - 100.0)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            return one._ended(error)
        raise AssertionError

    ending = await asyncio.create_task(stopped())
    assert (ending.kind, ending.deadline) == (EndKind.RESOURCES, None)
    assert ending.detail.endswith(" s late")


@pytest.mark.parametrize(
    ("error", "head", "kind"),
    [
        (aiohttp.ClientPayloadError(), True, EndKind.MALFORMED),
        (OSError(5, "Input/output error"), True, EndKind.RESET),
        (OSError(5, "Input/output error"), False, EndKind.NETWORK),
        (RuntimeError(), True, EndKind.INTERNAL),
        (RuntimeError(), False, EndKind.INTERNAL),
    ],
)
async def test_every_exception_has_its_ending(error: Exception, head: bool, kind: EndKind) -> None:
    """Those of the library that no peer here brings about are translated as well."""
    one = await trip()
    one.seen.head = Head(200) if head else None
    assert one._body_ended(error, Wire(asyncio.get_running_loop(), one.line)).kind is kind


async def test_an_answer_without_a_cause() -> None:
    """A response error that names no cause is one of the head; a certificate error of another kind is named."""
    one = await trip()
    refused = aiohttp.ClientResponseError(cast("Any", None), ())
    assert one._no_head(refused) == (EndKind.MALFORMED_HEAD, "no HTTP/1.1 response head")
    assert _certificate_words(ValueError()) == "ValueError"
