"""How names are looked up: by the system, each look-up in a thread of its own, or by asking one name server."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import threading
from collections.abc import Callable
from typing import Any

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
