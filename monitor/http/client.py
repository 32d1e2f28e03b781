"""Carries requests, each over a connection of its own, or over the one that the call before has left."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import aiohttp
from aiohttp.abc import AbstractResolver

from monitor.http.after_cut import look_after_cut
from monitor.http.attempts import ConnectionAttempts
from monitor.http.exchange import Exchange
from monitor.http.request import ConnectionKey, ExchangeInfo, Feed, HttpRequest
from monitor.http.resolver import Noted, resolver
from monitor.http.session import session
from monitor.settings import Limits, Network
from monitor.stream.recorder import Recorder


@dataclass(frozen=True, slots=True)
class PooledConnection:
    """A session, and the one connection that it has."""

    line: ConnectionAttempts
    session: aiohttp.ClientSession

    async def close(self) -> None:
        """Let go of both."""
        self.line.close()
        await self.session.close()


class Client:
    """Carries requests, each over a connection of its own, or over the one that the call before has left."""

    def __init__(self, limits: Limits, network: Network, names: AbstractResolver | None = None) -> None:
        self._limits = limits
        self._network = network
        self._resolver = names or resolver(network)
        self._kept: dict[ConnectionKey, PooledConnection] = {}
        self._age = 0
        """Rises when nothing may be kept that was begun before."""

    async def carry(self, call: HttpRequest, seen: Recorder, feed: Feed) -> ExchangeInfo:
        """Send `call`, fill `seen` up to its ending, hand the payload to `feed`; a cancellation becomes an ending.

        Where a connection that was kept is gone before a byte of the answer came, the call is sent once more, over a
        fresh one, on the clock that runs already. Where the peer cut it, it is seen whether it still takes connections.
        """
        trip = await self._trip(call, seen, feed)
        if trip.was_cut and trip.line.peer is not None:
            trip.carried.after_cut = await look_after_cut(*trip.line.peer)
        return trip.carried

    async def _trip(self, call: HttpRequest, seen: Recorder, feed: Feed) -> Exchange:
        first = None
        if (road := await self._take(call)) is not None:
            first = Exchange(call, seen, feed, self._limits, road.line)
            if not await self._travel(first, road):
                return first
            seen.begin_again()
        line = ConnectionAttempts(self._network)
        names = Noted(self._resolver, line.resolved)
        road = PooledConnection(line, session(self._network, names, line, keep=call.keep_for is not None))
        trip = Exchange(call, seen, feed, self._limits, line)
        if first is not None:
            trip.clock.zero, trip.carried.retried = first.clock.zero, True
        await self._travel(trip, road)
        return trip

    async def _travel(self, trip: Exchange, road: PooledConnection) -> bool:
        """Go one way, and keep the road where another call may follow; of two for the same calls, the later one.

        Return whether it was in vain.
        """
        age = self._age
        done_with: PooledConnection | None = road
        try:
            trip.seen.ending = await trip.run(road.session)
            if trip.call.keep_for is not None and trip.leaves_a_connection and age == self._age:
                done_with = self._kept.pop(trip.call.way, None)
                self._kept[trip.call.way] = road
            return trip.in_vain
        finally:
            trip.leave()
            if done_with is not None:
                await done_with.close()

    async def _take(self, call: HttpRequest) -> PooledConnection | None:
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
