"""Carry one request over HTTP and hand on each arrival; the door of aiohttp's client, and the only place that knows it.

The read loop stamps and feeds and does nothing else: from the head to the end it awaits nothing but the read, for
aiohttp drops what it holds when a connection ends while the reader is busy. One place translates the library's
exceptions into an `Ending`. Nothing is raised for what the network or the peer does.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import ipaddress
import math
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import aiohttp
from aiohttp import http_exceptions
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import RawResponseMessage
from multidict import MultiMapping
from yarl import URL

from monitor import __version__
from monitor.cutters import BodyCutter, ChunkCutter, HeadCutter, LengthCutter
from monitor.settings import Limits, Network
from monitor.tap import EXHAUSTED, Tap, poll_clock
from monitor.target import Timeouts, Tls
from monitor.timeline import BodyFraming, Deadline, Ending, EndKind, Head, Mark, Timeline

Feed = Callable[[bytes], "str | None"]
"""Takes the payload's next bytes, records what they say, and returns why no more may be read, or None."""

Way = tuple[str | None, str, Tls, str | None]

_ERROR_BODY = 65536
_REQUEST_IDS = (
    "x-request-id", "request-id", "x-amzn-requestid", "x-ms-request-id", "apim-request-id", "cf-ray", "x-trace-id",
    "x-correlation-id", "x-litellm-call-id", "openai-request-id",
)  # fmt: skip
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,60}/[a-z0-9!#$&^_.+-]{1,60}")
_LARGE_BUFFER = 1 << 24
"""aiohttp's flow control stays out of the way: the caps are ours."""
_LONGEST_RETRY = 366 * 86400.0
_PROXY_WANTS_PASSWORD = 407
_KEPT_FOR = 2 * 86400.0
"""Seconds, more than the longest interval: how long a connection may idle is the peer's to say."""
_TOO_LATE = 1.0
"""Seconds that the loop may be late to a deadline and still judge it."""
_NO_HTTP = "no HTTP/1.1 response head"
_BROKEN = "the framing does not parse"
_ABORT_REASONS = frozenset({"shutdown", "reload"})


@dataclass(frozen=True, slots=True)
class Call:
    """One request, ready to be sent."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    timeouts: Timeouts
    tls: Tls = field(default_factory=Tls)
    proxy: str | None = field(default=None, repr=False)
    keep_for: str | None = None
    """Whose connection is kept for the next call; None for nobody's."""

    @property
    def way(self) -> Way:
        """What a connection has to have in common with another call's to be of use for this one."""
        return self.keep_for, self.url, self.tls, self.proxy


@dataclass(slots=True)
class Carried:
    """What the transport learned besides the timeline; `reused` and `retried` are of a connection that was kept."""

    reused: bool = False
    retried: bool = False
    peer: str | None = None
    ip_family: int | None = None
    certificate_expiry: float | None = None
    error_body: bytes = b""


class PolicyDeniedError(OSError):
    """The address may not be dialled; raised where it would be."""


class FeedError(Exception):
    """Whoever was fed failed: a bug of ours or of an outside protocol, or a full disk; nothing that the wire did."""


class Wire(ResponseHandler):
    """aiohttp's protocol, listening in: every read with its time and where in the payload it ended."""

    def __init__(self, loop: asyncio.AbstractEventLoop, line: Line) -> None:
        super().__init__(loop=loop)
        self.tap: Tap | None = None
        self.made_at = time.monotonic()
        self._line = line
        self.begin()

    def begin(self) -> None:
        """Know nothing of an answer yet: that of the call before, on a connection that was kept, is forgotten."""
        self._payload = None
        self.head_at: float | None = None
        self.head_uncertainty = 0.0
        self.sent_at: float | None = None
        self.received = 0
        self.extra = False
        self.reads: list[tuple[float, float, int, float]] = []
        self.heads = HeadCutter()
        self.framing = BodyFraming.CLOSE
        self.broken = False
        """The framing of the body does not hold."""
        self.torn_at: float | None = None
        """When TLS failed: by a fatal alert, or by bytes that are none of its records."""
        self._body = BodyCutter()

    @property
    def keepable(self) -> bool:
        """Whether another request may be sent: the connection stands, and nobody said more than was asked for."""
        return self.is_connected() and not (self.should_close or self.extra or self.broken)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note when the connection, TLS included, stood."""
        self.made_at = time.monotonic()
        super().connection_made(transport)
        self._line.made(self, transport)

    def data_received(self, data: bytes) -> None:
        """Take one read, or with nothing in it aiohttp's call to itself."""
        payload = self._payload
        if self.heads.final:
            self._through_body(data)
        else:
            self._through_heads(data)
        self.received += len(data)
        payload, tap = self._payload or payload, self.tap
        if payload is not None and tap is not None:
            self.reads.append((tap.read_at, tap.uncertainty, payload.total_bytes, tap.spread))
        if self.broken or self.exception() is not None:
            self._hang_up()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Note a tunnel that was torn down: aiohttp tells a body without a declared length that it is whole."""
        if isinstance(exc, ssl.SSLError):
            self.torn_at = time.monotonic()
        super().connection_lost(exc)

    def _hang_up(self) -> None:
        """End a connection that can say nothing more, and the body, of whose fault aiohttp tells nobody.

        aiohttp has only closed it where its own parser found the fault: over TLS that waits for the peer's leave, and
        closed once more it would keep its socket. An end, unlike an exception, is seen by a reader who is already
        waking up.
        """
        payload = self._payload
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()
        if payload is not None:
            payload.feed_eof()

    def _through_heads(self, data: bytes) -> None:
        if self.sent_at is None and self.tap is not None:
            self.sent_at = self.tap.last_sent_at
        heads, body = self.heads.cut(data)
        if self.heads.final and self.tap is not None:
            self.head_at, self.head_uncertainty = self.tap.read_at, self.tap.uncertainty
        for head in heads:
            super().data_received(head)
        if body:
            self._through_body(body)

    def feed_data(self, data: tuple[RawResponseMessage, aiohttp.StreamReader], size: int = 0) -> None:
        """Take a head as aiohttp has parsed it, and from it how the body is framed."""
        super().feed_data(data, size)
        message = data[0]
        length = message.headers.get("Content-Length")
        if message.chunked:
            self.framing, self._body = BodyFraming.CHUNKED, ChunkCutter()
        elif length is not None:
            self.framing, self._body = BodyFraming.LENGTH, LengthCutter(int(length))
        else:
            self.framing, self._body = BodyFraming.CLOSE, BodyCutter()

    def _through_body(self, data: bytes) -> None:
        """Hand on what is the body's, and note what is behind it and whether its framing broke."""
        taken = self._body.cut(data)
        if taken or not data:
            super().data_received(data if taken == len(data) else data[:taken])
        if self._body.whole:
            self.extra = self.extra or bool(data[taken:].strip()) or self._more_comes()
        self.broken = self.broken or self._body.broken or self.exception() is not None

    def _more_comes(self) -> bool:
        """Whether bytes stand behind the body's end, still in the socket of a plain connection."""
        return self.tap is not None and not self._line.encrypted and self.tap.waiting()


class Line:
    """The connections of one request: at most one of several attempts stands."""

    def __init__(self, network: Network) -> None:
        self.taps: list[Tap] = []
        self.wire: Wire | None = None
        self.transport: asyncio.BaseTransport | None = None
        # noted when the connection stands: a TLS transport that was closed has forgotten them
        self.encrypted = False
        self.peer: tuple[str, int] | None = None
        self.certificate: Mapping[str, Any] = {}
        self.on_made: Callable[[], None] = lambda: None
        self.denied: str | None = None
        self._network = network

    def socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        """Return a tap for one address, checked here, where it is dialled."""
        family, kind, proto, _, sockaddr = address
        if denied(str(sockaddr[0]), self._network):
            self.denied = str(sockaddr[0])
            raise PolicyDeniedError(errno.EACCES, "denied by [network]")
        tap = Tap(family, kind, proto, poll_clock())
        self.taps.append(tap)
        return tap

    def made(self, wire: Wire, transport: asyncio.BaseTransport) -> None:
        """Note which of the sockets stands, and with whom."""
        self.encrypted = transport.get_extra_info("ssl_object") is not None
        self.certificate = transport.get_extra_info("peercert") or {}
        name = transport.get_extra_info("peername")
        self.peer = (str(name[0]), int(name[1])) if name else None
        found = transport.get_extra_info("socket")
        number = found.fileno() if found is not None else -1
        wire.tap = next((tap for tap in self.taps if tap.fileno() == number), None)
        self.wire, self.transport = wire, transport
        self.on_made()

    @property
    def tap(self) -> Tap | None:
        """The socket that stands, or the last one tried."""
        if self.wire is not None and self.wire.tap is not None:
            return self.wire.tap
        return self.taps[-1] if self.taps else None

    def close(self) -> None:
        """Let go of everything at once."""
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()
        for tap in self.taps:
            tap.close()


_METADATA = tuple(map(ipaddress.ip_network, ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "100.100.100.200/32")))
"""Link-local addresses, and the metadata services of the clouds that have them elsewhere."""


def denied(address: str, network: Network) -> bool:
    """Whether `address` may not be dialled: link-local and metadata addresses never, unless allowed."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if any(found in net for net in network.allow):
        return False
    return any(found in net for net in (*network.deny, *_METADATA))


Addresses = list[tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]]


class Resolver(AbstractResolver):
    """Looks names up, each in a thread of its own, so that a hung look-up holds up nobody else.

    aiohttp's own shares the default executor: a dozen hung look-ups starve every other target there.
    """

    def __init__(self, at_most: int = 256) -> None:
        self._free = asyncio.Semaphore(at_most)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of `host`; OSError where it has none."""
        await self._free.acquire()
        answer: asyncio.Future[Addresses] = asyncio.get_running_loop().create_future()
        work = functools.partial(
            socket.getaddrinfo, host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
        threading.Thread(target=self._run, args=(work, answer), name="look-up", daemon=True).start()
        return [
            ResolveResult(
                hostname=host, host=str(address[0]), port=int(address[1]), family=kin, proto=proto,
                flags=socket.AI_NUMERICHOST,
            )
            for kin, _, proto, _, address in await answer
        ]  # fmt: skip

    def _run(self, work: Callable[[], Addresses], answer: asyncio.Future[Addresses]) -> None:
        """Do the look-up, in its thread; the place is free again when it ends, not when nobody waits any more."""
        try:
            told = functools.partial(self._tell, answer.set_result, work())
        except OSError as error:
            told = functools.partial(self._tell, answer.set_exception, error)
        except UnicodeError:  # an empty or an overlong label
            unknown = socket.gaierror(socket.EAI_NONAME, "no name")
            told = functools.partial(self._tell, answer.set_exception, unknown)
        with contextlib.suppress(RuntimeError):  # the loop has closed meanwhile
            answer.get_loop().call_soon_threadsafe(told, answer)

    def _tell(self, tell: Callable[[Any], None], what: object, answer: asyncio.Future[Addresses]) -> None:
        self._free.release()
        if not answer.done():
            tell(what)

    async def close(self) -> None:
        """Keep nothing, close nothing."""


class NotResolvedError(socket.gaierror):
    """A name server has no addresses for a name; its text is in our own words."""


class Asking(AbstractResolver):
    """Looks names up by asking one name server, at IP:PORT, and nobody else."""

    def __init__(self, where: str) -> None:
        from monitor.nameserver import NameServer  # noqa: PLC0415 - dnspython is loaded where it is asked for alone

        self._server = NameServer(where)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of `host`; OSError where it has none."""
        try:
            found = await self._server.addresses(host, family)
        except OSError as error:
            raise NotResolvedError(error.errno, error.strerror) from None
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for kind, address in found
        ]

    async def close(self) -> None:
        """Keep nothing, close nothing."""


def resolver(network: Network) -> AbstractResolver:
    """Return what looks names up as `[network] resolver` has it; a name server's first one reads files."""
    return Resolver() if network.resolver == "system" else Asking(network.resolver)


class Noted(AbstractResolver):
    """A resolver that tells when it has answered."""

    def __init__(self, resolver: AbstractResolver, answered: Callable[[], None]) -> None:
        self._resolver = resolver
        self._answered = answered

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return what the resolver does."""
        found = await self._resolver.resolve(host, port, family)
        self._answered()
        return found

    async def close(self) -> None:
        """Leave the resolver to its owner."""


class Alarm:
    """Wakes the task that reads when a deadline of the timeline has passed.

    The timer is set once and looks at the timeline when it rings, so that a deadline which moves away costs nothing.
    Before a deadline counts as passed, what is already in the socket is read: the loop turns until no byte comes, for a
    quarter of a second at most, so that a peer who never stops sending cannot put it off.
    """

    _PATIENCE = 0.25

    def __init__(self, seen: Timeline, timeouts: Timeouts) -> None:
        self.passed: tuple[Deadline, float] | None = None
        self.late = 0.0
        """How many seconds after the deadline the loop came to look."""
        self._seen, self._timeouts, self._zero = seen, timeouts, 0.0
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[Any] | None = None
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None

    def start(self, zero: float) -> None:
        """Start the clocks at `zero`, for the task that runs."""
        self._zero = zero
        self._task = asyncio.current_task()
        self.arm()

    def arm(self) -> None:
        """Set the timer to the deadline that runs now."""
        self.cancel()
        self._timer = self._loop.call_at(self._zero + self._seen.deadline(self._timeouts)[1], self._ring)

    def cancel(self) -> None:
        """Ring no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _ring(self, before: int = -1, turns: int = 2, until: float | None = None) -> None:
        deadline, when = self._seen.deadline(self._timeouts)
        now, until = self._loop.time(), until or self._loop.time() + self._PATIENCE
        if before < 0:
            self.late = now - self._zero - when
        if self._zero + when > now:
            self.arm()
        elif now < until and ((came := self._progress()) != before or turns):
            self._timer = self._loop.call_soon(self._ring, came, 2 if came != before else turns - 1, until)
        else:
            self.passed = (deadline, when)
            assert self._task is not None, "who started the clocks is the one to wake"
            self._task.cancel()

    progress: Callable[[], int] | None = None
    """How many bytes have come so far, read or not."""

    def _progress(self) -> int:
        return self.progress() if self.progress else 0

    def answered(self, reason: str) -> bool:
        """Whether it was this alarm that ended the wait, which was cancelled for this reason; takes that back.

        Another's cancellation stands where it came first. One that came between the alarm's and the task's waking
        leaves no reason, and the deadline had passed by then.
        """
        if self._task is None or self.passed is None:
            return False
        alone = self._task.uncancel() == 0
        return alone or reason not in _ABORT_REASONS


@functools.lru_cache(maxsize=256)
def tls_context(tls: Tls) -> ssl.SSLContext:
    """Return the context for these settings; OSError and ssl.SSLError where a file cannot be used. It reads files."""
    context = ssl.create_default_context(cafile=tls.ca_file)
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert_file:
        context.load_cert_chain(tls.cert_file, tls.key_file)
    return context


async def reach(url: str, tls: Tls, network: Network, within: float) -> str | None:
    """Open a connection to where `url` points, TLS included, and send nothing on it; return why not, or None."""
    address = URL(url)
    secure = address.scheme == "https"
    host, port = address.host or "", address.port or 0
    try:
        async with asyncio.timeout(within):
            found = await resolver(network).resolve(host, port, _family(network))
            allowed = [one["host"] for one in found if not denied(one["host"], network)]
            if not allowed:
                return f"{found[0]['host']} is denied by [network]"
            name = tls.server_name or host
            context = tls_context(tls) if secure else None
            writer = await _opened(allowed, port, context, name if secure else None)
            writer.transport.abort()
    except ssl.SSLCertVerificationError as error:
        return f"the certificate was not accepted ({_certificate_words(error)})"
    except ssl.SSLError as error:
        return f"the TLS handshake failed ({_tls_words(error)})"
    except TimeoutError:
        return f"no connection within {within:g} s"
    except socket.gaierror as error:
        return f"the name does not resolve ({_lookup_words(error)})"
    except OSError as error:
        return f"no connection ({_errno_words(error)})"
    return None


async def _opened(
    addresses: Sequence[str], port: int, context: ssl.SSLContext | None, name: str | None
) -> asyncio.StreamWriter:
    """Return a connection to the first of these that takes one; OSError of the last where none does."""
    *others, last = addresses
    for address in others:
        try:
            return (await asyncio.open_connection(address, port, ssl=context, server_hostname=name))[1]
        except ssl.SSLError:
            raise
        except OSError:
            continue
    return (await asyncio.open_connection(last, port, ssl=context, server_hostname=name))[1]


async def fetch(url: str, network: Network, *, within: float, at_most: int) -> bytes:
    """Get a document, one byte more than `at_most` where it is longer; OSError says why not, and holds no secret."""
    line = Line(network)
    try:
        secure = await asyncio.to_thread(tls_context, Tls())
        async with asyncio.timeout(within), _session(network, resolver(network), line) as session:
            return await _document(session, line, URL(url), secure, at_most)
    except TimeoutError:
        raise OSError(f"no whole answer within {within:g} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        denied_here = line.denied is not None and not line.taps
        raise OSError(f"{line.denied} is denied by [network]" if denied_here else _why_not(error)) from None
    finally:
        line.close()


async def _document(
    session: aiohttp.ClientSession, line: Line, url: URL, secure: ssl.SSLContext, at_most: int
) -> bytes:
    headers = {"User-Agent": f"chat-monitor/{__version__}", "Accept": "application/json", "Accept-Encoding": "identity"}
    async with session.get(url, headers=headers, allow_redirects=False, ssl=secure) as response:
        if response.status != HTTPStatus.OK:
            raise OSError(f"the answer has status {response.status}")
        document = bytearray()
        while len(document) <= at_most and (more := await response.content.readany()):
            document += more
        if line.wire is not None and line.wire.broken:
            raise OSError(f"no whole answer ({_BROKEN})")
        return bytes(document[: at_most + 1])


def _why_not(error: Exception) -> str:
    """Say why a document did not come, in our own words."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return f"the certificate was not accepted ({_certificate_words(error.certificate_error)})"
        case aiohttp.ClientConnectorDNSError():
            return f"the name does not resolve ({_lookup_words(error.os_error)})"
        case aiohttp.ClientSSLError():
            return f"the TLS handshake failed ({_tls_words(error)})"
        case aiohttp.ClientConnectorError():
            return f"no connection ({_errno_words(error)})"
        case aiohttp.ClientError() | ValueError():
            return f"no whole answer ({type(error).__name__})"
        case _:
            return str(error)


@dataclass(frozen=True, slots=True)
class Road:
    """A session, and the one connection that it has."""

    line: Line
    session: aiohttp.ClientSession

    async def close(self) -> None:
        """Let go of both."""
        self.line.close()
        await self.session.close()


class Carrier:
    """Carries requests, each over a connection of its own, or over the one that the call before has left."""

    def __init__(self, limits: Limits, network: Network, names: AbstractResolver | None = None) -> None:
        self._limits = limits
        self._network = network
        self._resolver = names or resolver(network)
        self._kept: dict[Way, Road] = {}
        self._age = 0
        """Rises when nothing may be kept that was begun before."""

    async def carry(self, call: Call, seen: Timeline, feed: Feed) -> Carried:
        """Send `call`, fill `seen` up to its ending, hand the payload to `feed`; a cancellation becomes an ending.

        Where a connection that was kept is gone before a byte of the answer came, the call is sent once more, over a
        fresh one, on the clock that runs already.
        """
        first = None
        if (road := await self._take(call)) is not None:
            first = Trip(call, seen, feed, self._limits, road.line)
            await self._travel(first, road)
            if not first.in_vain:
                return first.carried
            seen.begin_again()
        trip = Trip(call, seen, feed, self._limits, Line(self._network))
        names = Noted(self._resolver, trip.resolved)
        road = Road(trip.line, _session(self._network, names, trip.line, keep=call.keep_for is not None))
        if first is not None:
            trip.zero, trip.carried.retried = first.zero, True
        await self._travel(trip, road)
        return trip.carried

    async def _travel(self, trip: Trip, road: Road) -> None:
        """Go one way, and keep the road where another call may follow; of two for the same calls, the later one."""
        age = self._age
        done_with: Road | None = road
        try:
            trip.seen.ending = await trip.run(road.session)
            if trip.call.keep_for is not None and trip.leaves_a_connection and age == self._age:
                done_with = self._kept.pop(trip.call.way, None)
                self._kept[trip.call.way] = road
        finally:
            trip.alarm.cancel()
            if trip.response is not None:
                trip.response.close()
            if done_with is not None:
                await done_with.close()

    async def _take(self, call: Call) -> Road | None:
        """Return the road that was kept for this call; None where there is none, or where it leads nowhere now."""
        road = self._kept.pop(call.way, None) if call.keep_for is not None else None
        if road is None or (road.line.wire is not None and road.line.wire.keepable):
            return road
        await road.close()
        return None

    async def renew(self, limits: Limits, network: Network) -> None:
        """Have other rules for all calls to come, which keeps no connection that was made under those before."""
        if network.resolver != self._network.resolver:
            self._resolver = resolver(network)
        self._limits, self._network = limits, network
        self._age += 1
        await self.let_go()

    async def let_go(self, names: Collection[str] | None = None) -> None:
        """Let go of the connections that are kept for these, or of all."""
        for way in [way for way in self._kept if names is None or way[0] in names]:
            await self._kept.pop(way).close()


def _session(network: Network, resolver: AbstractResolver, line: Line, *, keep: bool = False) -> aiohttp.ClientSession:
    """Return a session whose connections are those of `line`, and which does nothing of its own accord."""
    kept: dict[str, Any] = {"keepalive_timeout": _KEPT_FOR} if keep else {"force_close": True}
    connector = aiohttp.TCPConnector(
        **kept,
        resolver=resolver,
        socket_factory=line.socket,
        use_dns_cache=False,
        limit=0,
        family=_family(network),
    )
    # private, and pinned by a test: without it `Trip._wire` says so
    connector._factory = functools.partial(Wire, asyncio.get_running_loop(), line)  # type: ignore[assignment] # noqa: SLF001
    session = aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        read_bufsize=_LARGE_BUFFER,
    )
    session._retry_connection = False  # noqa: SLF001 - private, and pinned: else a GET is sent twice, without a word
    return session


def _family(network: Network) -> socket.AddressFamily:
    """Return the only kind of address that is dialled, or that it may be either."""
    return {4: socket.AF_INET, 6: socket.AF_INET6}.get(network.ip_family, socket.AF_UNSPEC)


class Trip:
    """One request on its way: asked, answered, read to its end."""

    def __init__(self, call: Call, seen: Timeline, feed: Feed, limits: Limits, line: Line) -> None:
        self.call, self.seen, self.line = call, seen, line
        self.zero = 0.0
        """The monotonic time at which the request was issued: when the trip begins, if nobody says otherwise."""
        self._kept = line.wire
        self.carried = Carried()
        self.alarm = Alarm(seen, call.timeouts)
        self.response: aiohttp.ClientResponse | None = None
        self._feed = feed
        self._limits = limits
        self._taken = 0
        self._stage = (True, True)

    def since(self, at: float) -> float:
        """Return the time `at` in seconds from zero."""
        return max(at - self.zero, 0.0)

    def now(self) -> float:
        """Return the time since zero."""
        return time.monotonic() - self.zero

    def resolved(self) -> None:
        """Note that the name was looked up."""
        self.seen.mark(Mark.DNS, self.now())

    async def run(self, session: aiohttp.ClientSession) -> Ending:
        """Ask, and read to the end; whatever happens is an ending."""
        self.alarm.progress = self._received
        self.line.on_made = self._made
        self.zero = self.zero or time.monotonic()
        self.alarm.start(self.zero)
        if self._kept is not None:
            self._kept.begin()
            self._made()
        try:
            self.response = await self._ask(session)
            return await self._answer(self.response)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - one place translates them all
            return self._ended(error)
        finally:
            self._connection_marks()
            self.carried.reused = self._reused

    @property
    def _reused(self) -> bool:
        """Whether the connection is the one that the call before has left."""
        return self._kept is not None and self._kept is self.line.wire

    @property
    def in_vain(self) -> bool:
        """Whether the connection that was kept was gone, so that no byte of an answer came."""
        ending, wire = self.seen.ending, self.line.wire
        gone = ending is not None and ending.kind in {EndKind.CLOSED, EndKind.RESET}
        return self._reused and gone and wire is not None and not wire.received

    @property
    def leaves_a_connection(self) -> bool:
        """Whether another request may be sent on it: the answer was whole, and nothing came behind it."""
        ending, wire = self.seen.ending, self.line.wire
        whole = ending is not None and ending.kind is EndKind.COMPLETE and not ending.extra
        return whole and wire is not None and wire.keepable

    def _received(self) -> int:
        return self.line.tap.received if self.line.tap else 0

    # -- asking ----------------------------------------------------------------------------------------------------

    async def _ask(self, session: aiohttp.ClientSession) -> aiohttp.ClientResponse:
        call = self.call
        secure = call.url.lower().startswith("https:")
        return await session.request(
            call.method,
            URL(call.url),
            headers=call.headers,
            data=call.body or None,
            allow_redirects=False,
            proxy=call.proxy,
            ssl=tls_context(call.tls) if secure else True,
            server_hostname=call.tls.server_name if secure else None,
        )

    def _made(self) -> None:
        """Note that the connection stands: from here on other deadlines run. A proxy's is not yet ours."""
        if not self._tunnelling():
            self.seen.connected = True
            self.alarm.arm()

    def _connection_marks(self) -> None:
        """Note the steps of the connection, as far as it got."""
        tap, wire = self.line.tap, self.line.wire
        if tap is None:
            return
        secure = self.call.url.lower().startswith("https:")
        if tap.connected_at is not None and not self._reused:
            self.seen.mark(Mark.CONNECT, self.since(tap.connected_at))
        if wire is None:
            return
        self._peer()
        if self._tunnelling():
            return
        if secure and not self._reused:
            self.seen.mark(Mark.TLS, self.since(wire.made_at))
        sent = wire.sent_at if wire.sent_at is not None else tap.last_sent_at
        if sent is not None and sent >= max(wire.made_at, self.zero):
            self.seen.mark(Mark.REQUEST_SENT, self.since(sent))

    def _peer(self) -> None:
        """Note who answered, and until when its certificate holds."""
        if self.line.peer is None:
            return
        host, port = self.line.peer
        v6 = ":" in host
        self.carried.peer = f"[{host}]:{port}" if v6 else f"{host}:{port}"
        self.carried.ip_family = 6 if v6 else 4
        if "notAfter" in self.line.certificate:
            self.carried.certificate_expiry = float(ssl.cert_time_to_seconds(self.line.certificate["notAfter"]))

    # -- the answer ------------------------------------------------------------------------------------------------

    async def _answer(self, response: aiohttp.ClientResponse) -> Ending:
        wire = self._wire()
        self._connection_marks()
        if self.call.proxy is not None and response.status == _PROXY_WANTS_PASSWORD:
            return Ending(EndKind.PROXY, self.since(wire.head_at or time.monotonic()), "it wants a user and a password")
        if wire.heads.foreign:
            return Ending(EndKind.MALFORMED_HEAD, self.now(), _NO_HTTP)
        self.seen.head = _head(response, wire.framing)
        self.seen.mark(Mark.HEADERS, self.since(wire.head_at or time.monotonic()), wire.head_uncertainty)
        head = self.seen.head
        if head.status // 100 != 2 or head.encoding not in {"", "identity"} or head.empty:  # noqa: PLR2004 - success
            return await self._decline(response)
        return await self._read(response.content, wire)

    def _wire(self) -> Wire:
        wire = self.line.wire
        if wire is None:
            raise RuntimeError("aiohttp made its connection past our protocol")
        return wire

    async def _decline(self, response: aiohttp.ClientResponse) -> Ending:
        """Read what little is worth reading of a body that is no stream: an error's own words."""
        self.alarm.cancel()
        at = self.since(self._wire().head_at or time.monotonic())
        if response.status // 100 != 2:  # noqa: PLR2004 - success
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with asyncio.timeout(self.call.timeouts.drain):
                    while len(self.carried.error_body) < _ERROR_BODY and (more := await response.content.readany()):
                        self.carried.error_body += more
        return Ending(EndKind.DECLINED, at)

    async def _read(self, content: aiohttp.StreamReader, wire: Wire) -> Ending:
        """Read to the end: stamp, feed, nothing else."""
        self.alarm.arm()
        failed: Exception | asyncio.CancelledError | None = None
        try:
            while data := await content.readany():
                if (why := self._take(data, wire)) is not None:
                    return Ending(EndKind.TOO_LARGE, self.since(wire.reads[-1][0]), why)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - translated below
            failed = error
        finally:
            self.alarm.cancel()
        if isinstance(failed, FeedError):
            return self._ended(failed)
        if rest := _rescue(content):
            self._take(rest, wire)
        return self._body_ended(failed, wire)

    def _take(self, data: bytes, wire: Wire) -> str | None:
        """Note the reads that brought `data` and hand it on; return why no more may be read, or None."""
        seen = self.seen
        self._taken += len(data)
        known = seen.bytes
        for at, uncertainty, offset, spread in wire.reads:
            if offset > known:
                seen.arrived(self.since(at), uncertainty, offset, spread)
                known = offset
        del wire.reads[:-1]
        try:
            why = self._feed(data)
        except MemoryError:
            raise
        except Exception as error:
            raise FeedError from error
        stage = (not seen.chunks, seen.ended_at is None)
        if stage != self._stage:
            self._stage = stage
            self.alarm.arm()
        if self._taken > self._limits.stream_bytes:
            return f"a stream of more than {self._limits.stream_bytes} bytes"
        if seen.reads > self._limits.events:
            return f"more than {self._limits.events} reads"
        return why

    # -- endings ---------------------------------------------------------------------------------------------------

    def _body_ended(self, failed: Exception | asyncio.CancelledError | None, wire: Wire) -> Ending:
        if isinstance(failed, asyncio.CancelledError):
            return self._stopped(failed)
        tap = self.line.tap
        last = self.since(wire.reads[-1][0] if wire.reads else wire.head_at or time.monotonic())
        if wire.broken:
            return Ending(EndKind.MALFORMED, last, _BROKEN)
        fin = self.since(tap.fin_at) if tap is not None and tap.fin_at is not None else None
        reset_at = tap.reset_at if tap is not None and tap.reset_at is not None else wire.torn_at
        if reset_at is not None and not _whole(failed, self.seen.head):
            return Ending(EndKind.RESET, self.since(reset_at))
        if failed is None:
            close = self.seen.head is not None and self.seen.head.framing is BodyFraming.CLOSE
            return Ending(EndKind.COMPLETE, fin if close and fin is not None else last, extra=wire.extra)
        if isinstance(failed, aiohttp.ClientPayloadError):
            cause = failed.__cause__
            if isinstance(cause, http_exceptions.TransferEncodingError | http_exceptions.ContentLengthError):
                return Ending(EndKind.INCOMPLETE, fin if fin is not None else last)
            return Ending(EndKind.MALFORMED, last, _BROKEN)
        return self._ended(failed)

    def _ended(self, error: Exception | asyncio.CancelledError) -> Ending:
        """Translate what was raised: the one place that knows the library's exceptions."""
        if isinstance(error, asyncio.CancelledError):
            return self._stopped(error)
        if isinstance(error, FeedError):
            return Ending(EndKind.INTERNAL, self.now(), type(error.__cause__).__name__)
        if isinstance(error, MemoryError) or _errno(error) in EXHAUSTED:
            return Ending(EndKind.RESOURCES, self.now(), _errno_words(error))
        if self.seen.head is None and (found := self._not_connected(error)) is not None:
            return Ending(found[0], self.now(), found[1])
        if self.seen.head is None and (found := self._no_head(error)) is not None:
            return Ending(found[0], self.now(), found[1])
        if isinstance(error, OSError):
            return Ending(EndKind.RESET, self.now(), _errno_words(error))
        return Ending(EndKind.INTERNAL, self.now(), type(error).__name__)

    def _stopped(self, error: asyncio.CancelledError) -> Ending:
        reason = str(error.args[0]) if error.args else ""
        if self.alarm.answered(reason) and self.alarm.passed is not None:
            deadline, at = self.alarm.passed
            if self.alarm.late > _TOO_LATE and deadline is not Deadline.DRAIN:
                return Ending(EndKind.RESOURCES, at, f"the event loop was {self.alarm.late:.1f} s late")
            limit = _duration(deadline, self.call.timeouts)
            if deadline is Deadline.CONNECT and not self.line.taps:  # nobody was dialled yet
                limit += ", for the name was not looked up by then"
            return Ending(EndKind.DEADLINE, at, limit, deadline)
        return Ending(EndKind.ABORTED, self.now(), reason if reason in _ABORT_REASONS else "client")

    def _not_connected(self, error: Exception) -> tuple[EndKind, str] | None:
        match error:
            case aiohttp.ClientConnectorCertificateError():
                return EndKind.TLS_CERTIFICATE, _certificate_words(error.certificate_error)
            case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
                return EndKind.PROXY, _errno_words(error)
            case aiohttp.ClientConnectorDNSError():
                return EndKind.DNS, _lookup_words(error.os_error)
            case aiohttp.ClientSSLError():
                return EndKind.TLS_HANDSHAKE, _tls_words(error)
            case aiohttp.ClientConnectorError():
                return self._not_dialled(error)
            case aiohttp.InvalidURL():
                return EndKind.DNS, "no valid host"
            case aiohttp.ClientError() if self._tunnelling():
                return EndKind.PROXY, "no usable answer to CONNECT"
            case FileNotFoundError() | PermissionError() | ssl.SSLError() if self.line.wire is None:
                return EndKind.INTERNAL, "a file of `tls` cannot be used"
            case OSError() if self.line.wire is None:
                return EndKind.NETWORK, _errno_words(error)
            case _:
                return None

    def _not_dialled(self, error: aiohttp.ClientConnectorError) -> tuple[EndKind, str]:
        if self.line.denied is not None and not self.line.taps:
            return EndKind.POLICY, self.line.denied
        if self.line.tap is not None and self.line.tap.first_sent_at is not None:
            return EndKind.TLS_HANDSHAKE, "the peer closed the connection in it"
        if error.os_error.errno == errno.ECONNREFUSED:
            return EndKind.REFUSED, ""
        return EndKind.NETWORK, _errno_words(error)

    def _tunnelling(self) -> bool:
        """Whether the proxy has not yet connected us to an https target."""
        secure = self.call.url.lower().startswith("https:")
        return self.call.proxy is not None and secure and not self.line.encrypted

    def _no_head(self, error: Exception) -> tuple[EndKind, str] | None:
        wire = self.line.wire
        tap = self.line.tap
        match error:
            case aiohttp.ClientResponseError() if isinstance(error.__cause__, http_exceptions.HttpProcessingError):
                return EndKind.MALFORMED_HEAD, _head_words(error.__cause__)
            case aiohttp.ClientResponseError():
                return EndKind.MALFORMED_HEAD, _NO_HTTP
            case aiohttp.ClientOSError() if _is_tls_alert(error):
                return EndKind.TLS_HANDSHAKE, "the server refused us after it; it may want `tls.cert_file`"
            case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() if (
                tap is not None and tap.reset_at is None
            ):
                return (EndKind.PARTIAL_HEAD if wire is not None and wire.received else EndKind.CLOSED), ""
            case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() | ConnectionError():
                return EndKind.RESET, ""
            case _:
                return None


def _whole(failed: object, head: Head | None) -> bool:
    """Whether the body had its declared end before the connection broke."""
    return failed is None and head is not None and head.framing is not BodyFraming.CLOSE


def _rescue(content: aiohttp.StreamReader) -> bytes:
    """Return what the reader still held when it failed: it raises first and keeps its buffer (private, pinned)."""
    return content._read_nowait(-1) if content._buffer else b""  # noqa: SLF001


def _head(response: aiohttp.ClientResponse, framing: BodyFraming) -> Head:
    headers = response.headers
    media = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return Head(
        status=response.status,
        content_type=media if _MEDIA_TYPE.fullmatch(media) else "invalid" if media else "",
        encoding=_encoding(headers),
        framing=framing,
        empty=response.status in {204, 205} or (framing is BodyFraming.LENGTH and not int(headers["Content-Length"])),
        retry_after=_retry_after(headers.get("Retry-After")),
        request_ids=tuple((name, headers[name]) for name in _REQUEST_IDS if name in headers),
    )


_NO_CODINGS = frozenset({"", "identity", "chunked"})


def _encoding(headers: MultiMapping[str]) -> str:
    """Return the codings that keep us from reading the body, of either header, joined by commas."""
    lines = [*headers.getall("Content-Encoding", ()), *headers.getall("Transfer-Encoding", ())]
    codings = [coding.strip().lower() for line in lines for coding in line.split(",")]
    return ", ".join(coding for coding in codings if coding not in _NO_CODINGS)[:40]


def _retry_after(value: str | None) -> int | None:
    """Return whole seconds from either form of Retry-After (RFC 9110, section 10.2.3); None for any other."""
    if value is None:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        return int(min(float(value), _LONGEST_RETRY))
    try:
        return max(math.ceil(parsedate_to_datetime(value).timestamp() - time.time()), 0)
    except (ValueError, TypeError, OverflowError):
        return None


def _duration(deadline: Deadline, timeouts: Timeouts) -> str:
    return f"{getattr(timeouts, deadline.value):g} s"


def _errno(error: BaseException) -> int | None:
    inner = getattr(error, "os_error", error)
    return inner.errno if isinstance(inner, OSError) else None


def _errno_words(error: BaseException) -> str:
    code = _errno(error)
    return os.strerror(code) if code and code in errno.errorcode else type(error).__name__


def _lookup_words(error: OSError) -> str:
    if isinstance(error, NotResolvedError):
        return str(error.strerror)
    names = {
        getattr(socket, name): words
        for name, words in (
            ("EAI_NONAME", "unknown name"),
            ("EAI_AGAIN", "the resolver failed for now"),
            ("EAI_FAIL", "the resolver failed"),
            ("EAI_NODATA", "no address for this name"),
            ("EAI_FAMILY", "no address of the wanted family"),
            ("EAI_ADDRFAMILY", "no address of the wanted family"),
        )
        if hasattr(socket, name)
    }
    return names.get(error.errno or 0, "the look-up failed")


def _certificate_words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{error.verify_message}, OpenSSL verify code {error.verify_code}"
    return type(error).__name__


def _tls_words(error: Exception) -> str:
    inner = getattr(error, "os_error", error)
    reason = getattr(inner, "reason", None)
    return str(reason).replace("_", " ").lower() if reason else "no TLS answer"


def _is_tls_alert(error: BaseException) -> bool:
    return isinstance(error.__cause__, ssl.SSLError) or any("ALERT" in str(arg) for arg in error.args)


def _head_words(error: http_exceptions.HttpProcessingError) -> str:
    too_long = isinstance(error, http_exceptions.LineTooLong)
    return "a line or a header is too long" if too_long else "no valid status line and headers"
