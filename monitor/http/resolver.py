"""Name resolution: by the system, each look-up in its own thread, or by one name server."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from aiohttp.abc import AbstractResolver, ResolveResult

from monitor.settings import Network

Addresses = list[tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]]


def resolver(network: Network) -> AbstractResolver:
    """Return the resolver that `[network] resolver` selects; the first one with a name server reads files."""
    return Resolver() if network.resolver == "system" else NameServerResolver(network.resolver)


def family(network: Network) -> socket.AddressFamily:
    """Return the address family to dial, or AF_UNSPEC."""
    return {4: socket.AF_INET, 6: socket.AF_INET6}.get(network.ip_family, socket.AF_UNSPEC)


class Resolver(AbstractResolver):
    """Looks up each name in its own thread, so that a hung look-up does not block others.

    aiohttp's own resolver shares the default executor, where a dozen hung look-ups block every other target.
    """

    def __init__(self, at_most: int = 256) -> None:
        self._free = asyncio.Semaphore(at_most)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of `host`; OSError if it has none."""
        return (await self.timed(host, port, family))[0]

    async def timed(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> tuple[list[ResolveResult], float]:
        """Return the addresses of `host`, and the monotonic time at which its thread had them."""
        await self._free.acquire()
        answer: asyncio.Future[tuple[Addresses, float]] = asyncio.get_running_loop().create_future()
        work = functools.partial(
            socket.getaddrinfo, host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
        threading.Thread(target=self._run, args=(work, answer), name="look-up", daemon=True).start()
        addresses, at = await answer
        found = [
            ResolveResult(
                hostname=host, host=str(address[0]), port=int(address[1]), family=found_family, proto=proto,
                flags=socket.AI_NUMERICHOST,
            )
            for found_family, _, proto, _, address in addresses
        ]  # fmt: skip
        return found, at

    def _run(self, work: Callable[[], Addresses], answer: asyncio.Future[tuple[Addresses, float]]) -> None:
        """Do the look-up in its thread; its slot is released when it ends, not when its waiter is cancelled."""
        try:
            report = functools.partial(self._deliver, answer.set_result, (work(), time.monotonic()))
        except OSError as error:
            report = functools.partial(self._deliver, answer.set_exception, error)
        except UnicodeError:  # an empty or overlong label
            unknown = socket.gaierror(socket.EAI_NONAME, "no name")
            report = functools.partial(self._deliver, answer.set_exception, unknown)
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            answer.get_loop().call_soon_threadsafe(report, answer)

    def _deliver(
        self, deliver: Callable[[Any], None], what: object, answer: asyncio.Future[tuple[Addresses, float]]
    ) -> None:
        self._free.release()
        if not answer.done():
            deliver(what)

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""


class NotResolvedError(socket.gaierror):
    """A name server has no addresses for a name; its text is in our own words."""


class NameServerResolver(AbstractResolver):
    """Looks names up at one name server, at IP:PORT."""

    def __init__(self, where: str) -> None:
        from monitor.http.nameserver import NameServer  # noqa: PLC0415 - dnspython is loaded only if it is configured

        self._server = NameServer(where)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of `host`; OSError if it has none."""
        try:
            found = await self._server.addresses(host, family)
        except OSError as error:
            raise NotResolvedError(error.errno, error.strerror) from None
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for kind, address in found
        ]

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""


class LookupObserver(Protocol):
    """Is notified of a look-up."""

    def asked(self) -> None:
        """The look-up of a name begins now."""

    def resolved(self, at: float | None) -> None:
        """The look-up ended, at the monotonic time `at` if that is known."""


class ObservedResolver(AbstractResolver):
    """A resolver that reports when a look-up begins and ends."""

    def __init__(self, resolver: AbstractResolver, observer: Callable[[], LookupObserver]) -> None:
        self._resolver = resolver
        self._observer = observer

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the resolver's result."""
        observer = self._observer()
        observer.asked()
        if isinstance(self._resolver, Resolver):
            found, at = await self._resolver.timed(host, port, family)
        else:
            found, at = await self._resolver.resolve(host, port, family), None
        observer.resolved(at)
        return found

    async def close(self) -> None:
        """Do nothing: the resolver belongs to its owner."""
