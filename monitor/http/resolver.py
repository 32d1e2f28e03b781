"""How names are looked up: by the system, each look-up in a thread of its own, or by asking one name server."""

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
    """Return what looks names up as `[network] resolver` has it; a name server's first one reads files."""
    return Resolver() if network.resolver == "system" else Asking(network.resolver)


def family(network: Network) -> socket.AddressFamily:
    """Return the only kind of address that is dialled, or that it may be either."""
    return {4: socket.AF_INET, 6: socket.AF_INET6}.get(network.ip_family, socket.AF_UNSPEC)


class Resolver(AbstractResolver):
    """Looks names up, each in a thread of its own, so that a hung look-up holds up nobody else.

    aiohttp's own shares the default executor: a dozen hung look-ups starve every other target there.
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
                hostname=host, host=str(address[0]), port=int(address[1]), family=kin, proto=proto,
                flags=socket.AI_NUMERICHOST,
            )
            for kin, _, proto, _, address in addresses
        ]  # fmt: skip
        return found, at

    def _run(self, work: Callable[[], Addresses], answer: asyncio.Future[tuple[Addresses, float]]) -> None:
        """Do the look-up, in its thread; the place is free again when it ends, not when nobody waits any more."""
        try:
            told = functools.partial(self._tell, answer.set_result, (work(), time.monotonic()))
        except OSError as error:
            told = functools.partial(self._tell, answer.set_exception, error)
        except UnicodeError:  # an empty or an overlong label
            unknown = socket.gaierror(socket.EAI_NONAME, "no name")
            told = functools.partial(self._tell, answer.set_exception, unknown)
        with contextlib.suppress(RuntimeError):  # the loop has closed meanwhile
            answer.get_loop().call_soon_threadsafe(told, answer)

    def _tell(self, tell: Callable[[Any], None], what: object, answer: asyncio.Future[tuple[Addresses, float]]) -> None:
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
        from monitor.http.nameserver import NameServer  # noqa: PLC0415 - dnspython is loaded where it is asked for alone

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


class Asker(Protocol):
    """What is notified of a look-up."""

    def asked(self) -> None:
        """Take that a name is looked up from now on."""

    def resolved(self, at: float | None) -> None:
        """Take that it was, at the monotonic time `at` if that is known."""


class Noted(AbstractResolver):
    """A resolver that tells when it was asked and when it had its answer."""

    def __init__(self, resolver: AbstractResolver, asker: Callable[[], Asker]) -> None:
        self._resolver = resolver
        self._asker = asker

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return what the resolver does."""
        asker = self._asker()
        asker.asked()
        if isinstance(self._resolver, Resolver):
            found, at = await self._resolver.timed(host, port, family)
        else:
            found, at = await self._resolver.resolve(host, port, family), None
        asker.resolved(at)
        return found

    async def close(self) -> None:
        """Leave the resolver to its owner."""
