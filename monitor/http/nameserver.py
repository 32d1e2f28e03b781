"""Look up the addresses of a name at one name server: `[network] resolver`; the only user of dnspython.

It is imported only if a name server is configured, because the library takes 30 ms and 2 MB. This uses the library's
messages and queries, not its resolver, which measures by the wall clock and swallows cancellations.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import os
import socket

import dns.asyncbackend
import dns.asyncquery
import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype

from monitor.keys.values import split_listen

_BACKEND = dns.asyncbackend.get_backend("asyncio")
# this reads modules from disk now; otherwise the first record of each type would, in the event loop
dns.rdata.load_all_types()  # type: ignore[no-untyped-call]  # the library does not annotate it

Address = tuple[socket.AddressFamily, str]

_AGAIN = 2.0
"""Seconds after which an unanswered query is sent again: a datagram may get lost."""
_OTHER_FAMILY = 0.05
"""Seconds that the addresses of one family wait for those of the other (RFC 8305, section 3)."""
_RECORDS = {socket.AF_INET6: dns.rdatatype.AAAA, socket.AF_INET: dns.rdatatype.A}
_LOOPBACK = {socket.AF_INET6: "::1", socket.AF_INET: "127.0.0.1"}


class NameServer:
    """A name server at IP:PORT, queried over UDP, and over TCP if an answer does not fit into a datagram."""

    def __init__(self, where: str) -> None:
        self._host, self._port = split_listen(where)
        self._family = socket.AF_INET6 if ":" in self._host else socket.AF_INET

    async def addresses(self, host: str, family: int = socket.AF_UNSPEC) -> list[Address]:
        """Return the addresses of `host`, IPv6 first; it waits until there is an answer.

        OSError if there is none: its number is one of getaddrinfo's, or that of our own failure to ask; its text is in
        our own words. Addresses and `localhost` (RFC 6761, section 6.3) need no query.
        """
        kinds = [kind for kind in _RECORDS if family in {socket.AF_UNSPEC, kind}]
        if (literal := _literal(host)) is not None:
            return [literal]
        if f".{host.rstrip('.').lower()}".endswith(".localhost"):
            return [(kind, _LOOPBACK[kind]) for kind in kinds]
        try:
            name = dns.name.from_text(host)
        except (dns.exception.DNSException, UnicodeError):
            raise OSError(socket.EAI_NONAME, "unknown name") from None
        return await self._of(name, kinds)

    async def _of(self, name: dns.name.Name, kinds: list[socket.AddressFamily]) -> list[Address]:
        asked = [asyncio.create_task(self._asked(name, kind)) for kind in kinds]
        try:
            await _answered(asked)
            replies = [task.result() for task in asked if task.done()]
        finally:
            for task in asked:
                task.cancel()
            await asyncio.wait(asked)
        found = [address for reply in replies if isinstance(reply, list) for address in reply]
        if not found:
            raise max((reply for reply in replies if isinstance(reply, OSError)), key=_is_specific)
        return found

    async def _asked(self, name: dns.name.Name, kind: socket.AddressFamily) -> list[Address] | OSError:
        """Return the addresses of one family, or why there are none."""
        try:
            return [(kind, address) for address in _addresses(await self._reply(name, kind))]
        except (dns.exception.DNSException, EOFError):
            return OSError(socket.EAI_FAIL, "the name server's answer cannot be read")
        except OSError as error:
            ours = error.errno not in errno.errorcode
            return error if ours else OSError(error.errno, f"the name server: {os.strerror(error.errno or 0)}")

    async def _reply(self, name: dns.name.Name, kind: socket.AddressFamily) -> dns.message.Message:
        """Return the answer, however late; other datagrams are ignored, because anyone may send one."""
        query = dns.message.make_query(name, _RECORDS[kind])
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_AGAIN):
                    return await self._exchange(query)

    async def _exchange(self, query: dns.message.QueryMessage) -> dns.message.Message:
        host, port = self._host, self._port
        # connected, so that a refusal is reported; the library does not annotate it
        made = _BACKEND.make_socket(self._family, socket.SOCK_DGRAM, destination=(host, port))  # type: ignore[no-untyped-call] # dnspython has no types here
        async with await made as sock:
            reply, _ = await dns.asyncquery.udp_with_fallback(
                query, host, port=port, udp_sock=sock, backend=_BACKEND, ignore_unexpected=True, ignore_errors=True
            )
        return reply


async def _answered(asked: list[asyncio.Task[list[Address] | OSError]]) -> None:
    """Wait for both; if one has addresses, only a short time for the other."""
    done, others = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
    if others:
        found = any(isinstance(task.result(), list) for task in done)
        await asyncio.wait(others, timeout=_OTHER_FAMILY if found else None)


def _literal(host: str) -> Address | None:
    """Return a literal address; None for a name."""
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        return None
    return (socket.AF_INET if version == 4 else socket.AF_INET6), host  # noqa: PLR2004 - as versions are called


def _addresses(reply: dns.message.Message) -> list[str]:
    """Return the addresses in an answer, through its aliases; OSError if it has none."""
    assert isinstance(reply, dns.message.QueryMessage), "a reply to a query has its class"
    match reply.rcode():
        case dns.rcode.NOERROR:
            records = reply.resolve_chaining().answer
            if records is None:
                raise OSError(socket.EAI_NONAME, "no address for this name")
            return [record.to_text() for record in records]
        case dns.rcode.NXDOMAIN:
            raise OSError(socket.EAI_NONAME, "unknown name")
        case code:
            raise OSError(socket.EAI_FAIL, f"the name server answered {dns.rcode.to_text(code)}")


def _is_specific(refusal: OSError) -> bool:
    """Whether this error is more specific than "no such address": of two families' errors it is the one to report."""
    return refusal.errno != socket.EAI_NONAME
