"""One request on its way: ask, answer, and the read loop."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from monitor.http.attempts import ConnectionAttempts
from monitor.http.clock import Clock
from monitor.http.deadlines import Deadlines
from monitor.http.details import NO_HTTP
from monitor.http.errors import ErrorTranslator, FeedError, told
from monitor.http.head import head
from monitor.http.protocol import HttpProtocol
from monitor.http.request import ExchangeInfo, Feed, HttpRequest, credentials
from monitor.http.tls import tls_context
from monitor.settings import Limits
from monitor.stream.endings import BodyFraming, Ending, EndKind, Mark
from monitor.stream.recorder import Recorder

_ERROR_BODY = 65536
_NO_LENGTH = str(2**64 - 1)
"""The one length that aiohttp's parser takes for none; longer ones it refuses itself."""
_PROXY_WANTS_PASSWORD = 407
_CUT = frozenset({EndKind.INCOMPLETE, EndKind.RESET, EndKind.CLOSED, EndKind.PARTIAL_HEAD})


class Exchange:
    """One request on its way: asked, answered, read to its end."""

    def __init__(self, call: HttpRequest, seen: Recorder, feed: Feed, limits: Limits, line: ConnectionAttempts) -> None:
        self.call, self.seen, self.line, self.clock = call, seen, line, Clock()
        self._kept = line.wire
        self.carried = ExchangeInfo()
        self.alarm = Deadlines(seen, call.timeouts)
        self._endings = ErrorTranslator(call, seen, line, self.alarm, self.clock)
        self.response: aiohttp.ClientResponse | None = None
        self._feed = feed
        self._limits = limits
        self._taken = 0
        self._stage = (True, True)

    async def run(self, session: aiohttp.ClientSession) -> Ending:
        """Ask, and read to the end; whatever happens is an ending."""
        self.alarm.progress = self._received
        self.line.on_resolved, self.line.on_made = self._resolved, self._made
        self.clock.start()
        self.alarm.start(self.clock.zero)
        if self._kept is not None:
            self._kept.begin()
            self._made()
        try:
            self.response = await self._ask(session)
            return await self._answer(self.response)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - one place translates them all
            return told(error, self._endings.of(error))
        finally:
            self._connection_marks()
            self.carried.reused = self._reused

    def leave(self) -> None:
        """Let go of all that leads back here: what was seen is freed with its probe, and is no work for a collector."""
        self.alarm.cancel()
        self.alarm.progress = None
        self.line.leave()
        if self.response is not None:
            self.response.close()
            self.response = None

    async def _ask(self, session: aiohttp.ClientSession) -> aiohttp.ClientResponse:
        call, headers = self.call, CIMultiDict(self.call.headers)
        url, user = credentials(URL(call.url))
        if user is not None:
            headers.setdefault("Authorization", user)  # a key of the target's own comes first
        proxy, proxy_headers = None, None
        if call.proxy is not None:
            self.line.check_host(url.host or "")
            proxy, user = credentials(URL(call.proxy))
            proxy_headers = {} if user is None else {"Proxy-Authorization": user}
            headers.update({} if call.secure else proxy_headers)
        return await session.request(
            call.method,
            url,
            headers=headers,
            data=call.body or None,
            allow_redirects=False,
            proxy=proxy,
            proxy_headers=proxy_headers,
            ssl=tls_context(call.tls) if call.secure else True,
            server_hostname=call.tls.server_name if call.secure else None,
        )

    async def _answer(self, response: aiohttp.ClientResponse) -> Ending:
        wire = self._wire()
        self._connection_marks()
        if self.call.proxy is not None and response.status == _PROXY_WANTS_PASSWORD:
            at = self.clock.since(wire.head_at or time.monotonic())
            return Ending(EndKind.PROXY, at, "it wants a user and a password")
        if wire.heads.foreign:
            return Ending(EndKind.MALFORMED_HEAD, self.clock.now(), NO_HTTP)
        if response.headers.get("Content-Length") == _NO_LENGTH:
            return Ending(EndKind.MALFORMED_HEAD, self.clock.now(), "Content-Length is beyond any body")
        self.seen.head = found = head(response, wire.framing)
        self.seen.mark(Mark.HEADERS, self.clock.since(wire.head_at or time.monotonic()), wire.head_uncertainty)
        if found.status // 100 != 2 or found.encoding not in {"", "identity"} or found.empty:  # noqa: PLR2004 - success
            return await self._decline(response)
        return await self._read(response.content, wire)

    async def _read(self, content: aiohttp.StreamReader, wire: HttpProtocol) -> Ending:
        """Read to the end: stamp, feed, nothing else."""
        self.alarm.arm()
        failed: Exception | asyncio.CancelledError | None = None
        try:
            while data := await content.readany():
                if (why := self._take(data, wire)) is not None:
                    return Ending(EndKind.TOO_LARGE, self.clock.since(wire.reads[-1][0]), why)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - translated below
            failed = error
        finally:
            self.alarm.cancel()
        if isinstance(failed, FeedError):
            return told(failed, self._endings.of(failed))
        if rest := _rescue(content):
            self._take(rest, wire)
        return told(failed, self._endings.of_body(failed, wire))

    def _take(self, data: bytes, wire: HttpProtocol) -> str | None:
        """Note the reads that brought `data` and hand it on; return why no more may be read, or None."""
        seen, reads = self.seen, wire.reads
        self._taken += len(data)
        known = seen.bytes
        for at, uncertainty, offset, spread in reads:
            if offset > known:
                seen.arrived(self.clock.since(at), uncertainty, offset, spread)
                known = offset
        if len(reads) > 1:
            del reads[:-1]
        try:
            why = self._feed(data)
        except MemoryError:
            raise
        except Exception as error:
            raise FeedError from error
        stage = (not seen.chunks, seen.settled_at is None)
        if stage != self._stage:
            self._stage = stage
            self.alarm.arm()
        if self._taken > self._limits.stream_bytes:
            return f"a stream of more than {self._limits.stream_bytes} bytes"
        if seen.reads > self._limits.events:
            return f"more than {self._limits.events} reads"
        return why

    async def _decline(self, response: aiohttp.ClientResponse) -> Ending:
        """Read what little is worth reading of a body that is no stream: an error's own words."""
        self.alarm.cancel()
        at = self.clock.since(self._wire().head_at or time.monotonic())
        if response.status // 100 != 2:  # noqa: PLR2004 - success
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with asyncio.timeout(self.call.timeouts.drain):
                    while len(self.carried.error_body) < _ERROR_BODY and (more := await response.content.readany()):
                        self.carried.error_body += more
        return Ending(EndKind.DECLINED, at)

    # -- the connection ----------------------------------------------------------------------------------------------

    def _resolved(self) -> None:
        """Note that the name was looked up."""
        self.seen.mark(Mark.DNS, self.clock.now())

    def _made(self) -> None:
        """Note that the connection stands: from here on other deadlines run. A proxy's is not yet ours."""
        if not self._tunnelling:
            self.seen.connected = True
            self.alarm.arm()

    def _received(self) -> int:
        return self.line.tap.received if self.line.tap else 0

    def _wire(self) -> HttpProtocol:
        wire = self.line.wire
        if wire is None:
            raise RuntimeError("aiohttp made its connection past our protocol")
        return wire

    @property
    def _tunnelling(self) -> bool:
        """Whether the proxy has not yet connected us to the target."""
        return self.call.tunnelled and not self.line.encrypted

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
    def was_cut(self) -> bool:
        """Whether the target itself closed the connection before the end: what is behind a proxy is not seen.

        A body that only the connection's end delimits looks whole whoever ended it, a process that dies as well.
        """
        ending, head = self.seen.ending, self.seen.head
        if ending is None or self.seen.ended_at is not None or self.call.proxy is not None:
            return False
        closed = ending.kind is EndKind.COMPLETE and head is not None and head.framing is BodyFraming.CLOSE
        return closed or ending.kind in _CUT

    @property
    def leaves_a_connection(self) -> bool:
        """Whether another request may be sent on it: the answer was whole, and nothing came behind it."""
        ending, wire = self.seen.ending, self.line.wire
        whole = ending is not None and ending.kind is EndKind.COMPLETE and not ending.extra
        return whole and wire is not None and wire.keepable

    def _connection_marks(self) -> None:
        """Note the steps of the connection, as far as it got."""
        tap, wire = self.line.tap, self.line.wire
        if tap is None:
            return
        if tap.connected_at is not None and not self._reused:
            self.seen.mark(Mark.CONNECT, self.clock.since(tap.connected_at))
        if wire is None:
            return
        self._peer()
        if self._tunnelling:
            return
        if self.call.secure and not self._reused:
            self.seen.mark(Mark.TLS, self.clock.since(wire.made_at))
        sent = wire.sent_at if wire.sent_at is not None else tap.last_sent_at
        if sent is not None and sent >= max(wire.made_at, self.clock.zero):
            self.seen.mark(Mark.REQUEST_SENT, self.clock.since(sent))

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


def _rescue(content: aiohttp.StreamReader) -> bytes:
    """Return what the reader still held when it failed: it raises first and keeps its buffer (private, pinned)."""
    return content._read_nowait(-1) if content._buffer else b""  # noqa: SLF001
