"""Sends requests, each over its own connection, or over the one that a previous request left open."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from monitor.http.after_cut import look_after_cut
from monitor.http.attempts import ConnectionAttempts
from monitor.http.certificate import presented_expiry
from monitor.http.exchange import Exchange
from monitor.http.h2_protocol import protocol_for
from monitor.http.in_flight import InFlight, StreamMemory
from monitor.http.request import ConnectionKey, ExchangeInfo, Feed, HttpRequest
from monitor.http.resolver import ObservedResolver, resolver
from monitor.http.session import SharedSession, session
from monitor.settings import Limits, Network
from monitor.stream.recorder import Recorder
from monitor.target import Http


@dataclass(frozen=True, slots=True)
class PooledConnection:
    """A connection and its session, which is separate if the connection may be kept."""

    attempts: ConnectionAttempts
    session: aiohttp.ClientSession
    shared: SharedSession | None = None

    @property
    def usable(self) -> bool:
        """Whether a request can be sent on it now: what is there to be read would be taken for its response."""
        protocol = self.attempts.protocol
        return protocol is None or (protocol.keepable and not (protocol.sock is not None and protocol.sock.readable()))

    async def close(self) -> None:
        """Close the connection, and its session if no other request uses it."""
        self.attempts.close()
        await (self.session.close() if self.shared is None else self.shared.leave())


class Client:
    """Sends requests, each over its own connection, or over the one that a previous request left open."""

    def __init__(
        self,
        limits: Limits,
        network: Network,
        names: AbstractResolver | None = None,
        in_flight: InFlight | None = None,
    ) -> None:
        self._limits = limits
        self._in_flight = in_flight or InFlight(limits)
        self._network = network
        self._resolver = names or resolver(network)
        self._shared: SharedSession | None = None
        self._kept: dict[ConnectionKey, PooledConnection] = {}
        self._generation = 0
        """Increases when connections opened before must not be kept."""

    async def send(self, request: HttpRequest, recorder: Recorder, feed: Feed) -> ExchangeInfo:
        """Send `request`, record the response to its ending, pass the payload to `feed`; a cancellation is an ending.

        If a kept connection was closed before a byte of the response came, the request is sent again over a fresh one,
        on the same clock; likewise in HTTP/1.1 if the peer requires that. If the peer cut the connection, another one
        is tried, to learn if the server still accepts connections, unless the stream holds much memory. If the peer's
        certificate was refused, one more is tried, to learn when that expires.
        """
        with self._in_flight.stream() as memory:
            exchange = await self._exchange(request, recorder, feed, memory)
            if exchange.was_cut and exchange.attempts.peer is not None and not memory.above_share:
                exchange.info.after_cut = await look_after_cut(*exchange.attempts.peer)
        if (address := exchange.refused_certificate_of) is not None:
            name = request.tls.server_name or URL(request.url).host or ""
            exchange.info.certificate_expiry = await presented_expiry(*address, name, request.timeouts.connect)
        return exchange.info

    async def _exchange(self, request: HttpRequest, recorder: Recorder, feed: Feed, memory: StreamMemory) -> Exchange:
        first = None
        if (kept := await self._take(request)) is not None:
            first = Exchange(request, recorder, feed, self._limits, kept.attempts, memory=memory)
            if not await self._run(first, kept):
                return first
            recorder.begin_again()
        exchange = await self._dial(request, recorder, feed, memory, first)
        if not exchange.wants_http_1:
            return exchange
        recorder.begin_again()
        return await self._dial(replace(request, http=Http.ONE), recorder, feed, memory, exchange)

    async def _dial(
        self, request: HttpRequest, recorder: Recorder, feed: Feed, memory: StreamMemory, first: Exchange | None
    ) -> Exchange:
        """Send over a fresh connection, on the clock of the first attempt if there was one."""
        attempts = ConnectionAttempts(self._network, protocol_for(request), tunnelled=request.tunnelled)
        exchange = Exchange(request, recorder, feed, self._limits, attempts, memory=memory)
        if first is not None:
            exchange.clock, exchange.info.retried = first.clock, True
        await self._run(exchange, self._fresh(attempts, keep=request.keep_for is not None))
        return exchange

    def _fresh(self, attempts: ConnectionAttempts, *, keep: bool) -> PooledConnection:
        """Return a connection that is not dialled yet."""
        if keep:
            names = ObservedResolver(self._resolver, lambda: attempts)
            return PooledConnection(attempts, session(self._network, names, lambda: attempts, keep=True))
        if self._shared is None or not self._shared.users:
            self._shared = SharedSession(self._network, self._resolver)
        return PooledConnection(attempts, self._shared.join(attempts), self._shared)

    async def _run(self, exchange: Exchange, connection: PooledConnection) -> bool:
        """Run the exchange; keep the connection if another request may follow, and of two with one key the later one.

        Return whether it has to be repeated.
        """
        generation = self._generation
        unwanted: PooledConnection | None = connection
        request = exchange.request
        try:
            exchange.recorder.ending = await exchange.run(connection.session)
            if request.keep_for is not None and exchange.leaves_a_connection and generation == self._generation:
                unwanted = self._kept.pop(request.connection_key, None)
                self._kept[request.connection_key] = connection
            return exchange.must_repeat
        finally:
            if unwanted is not None:
                await unwanted.close()

    async def _take(self, request: HttpRequest) -> PooledConnection | None:
        """Return the connection kept for this request; None if there is none, or it is no longer usable."""
        kept = self._kept.pop(request.connection_key, None) if request.keep_for is not None else None
        if kept is None or kept.usable:
            return kept
        await kept.close()
        return None

    async def renew(self, limits: Limits, network: Network) -> None:
        """Use new rules for all further requests; connections made under the old ones are not kept."""
        if network.resolver != self._network.resolver:
            self._resolver = resolver(network)
        self._limits, self._network = limits, network
        self._in_flight.limit(limits)
        self._generation += 1
        self._shared = None
        await self.close_kept()

    async def close_kept(self, names: Collection[str] | None = None) -> None:
        """Close the connections that are kept for these targets, or for all."""
        for key in [key for key in self._kept if names is None or key[0] in names]:
            await self._kept.pop(key).close()
