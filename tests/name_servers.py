"""A name server on loopback: real datagrams and connections, with answers from a table."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

Answer = Callable[[dns.message.Message, str], "bytes | None"]
"""Makes the reply to a query that came over "udp" or "tcp"; None is silence."""


def has(*addresses: str, alias: str = "") -> Answer:
    """Answer with those addresses that are of the kind that is asked for, under the name or its alias."""

    def reply(query: dns.message.Message, _: str) -> bytes:
        (asked,) = query.question
        found = [one for one in addresses if (":" in one) == (asked.rdtype == dns.rdatatype.AAAA)]
        answer = dns.message.make_response(query)
        owner = asked.name
        if alias:
            answer.answer.append(dns.rrset.from_text(owner, 60, "IN", "CNAME", alias))
            owner = answer.answer[0][0].target
        if found:
            answer.answer.append(dns.rrset.from_text(owner, 60, "IN", asked.rdtype, *found))
        return answer.to_wire()

    return reply


def replies(rcode: str) -> Answer:
    """Answer with a code and nothing else."""

    def reply(query: dns.message.Message, _: str) -> bytes:
        answer = dns.message.make_response(query)
        answer.set_rcode(dns.rcode.from_text(rcode))
        return answer.to_wire()

    return reply


def raw(data: bytes) -> Answer:
    """Answer with these bytes."""
    return lambda _query, _way: data


def silent(_query: dns.message.Message, _way: str) -> None:
    """Answer nothing."""


def cut(whole: Answer) -> Answer:
    """Answer over UDP that the answer does not fit, and over TCP what it is."""

    def reply(query: dns.message.Message, way: str) -> bytes | None:
        if way == "tcp":
            return whole(query, way)
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.TC
        return answer.to_wire()

    return reply


def at_last(times: int, then: Answer, before: Answer = silent) -> Answer:
    """Answer the first queries with an invalid response."""
    left = iter(range(times))
    return lambda query, way: then(query, way) if next(left, None) is None else before(query, way)


class Zone(asyncio.DatagramProtocol):
    """The answers of a name server, by `NAME` or `NAME KIND` (all others: no such name), and its queries."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self.answers = dict(answers)
        self.asked: list[str] = []
        self.received: asyncio.Queue[None] = asyncio.Queue()
        """Has an event for each query, for the tests that wait for them."""
        self.port = 0
        self.serving: set[asyncio.Task[None] | None] = set()
        """The tasks of the connections that are open."""
        self._transport: asyncio.DatagramTransport

    @property
    def address(self) -> str:
        """The address, as in `[network] resolver`."""
        return f"127.0.0.1:{self.port}"

    def reply(self, wire: bytes, way: str) -> bytes | None:
        """Return what is answered."""
        query = dns.message.from_wire(wire)
        (asked,) = query.question
        name, kind = asked.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(asked.rdtype)
        self.asked.append(f"{name} {kind} {way}")
        self.received.put_nowait(None)
        answer = self.answers.get(f"{name} {kind}") or self.answers.get(name) or replies("NXDOMAIN")
        return answer(query, way)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take datagrams."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer one."""
        if (reply := self.reply(data, "udp")) is not None:
            self._transport.sendto(reply, addr)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer what comes over one connection, each message with its length before it."""
        self.serving.add(task := asyncio.current_task())
        try:
            while size := await reader.read(2):
                reply = self.reply(await reader.readexactly(struct.unpack("!H", size)[0]), "tcp")
                if reply is not None:
                    writer.write(struct.pack("!H", len(reply)) + reply)
        finally:
            self.serving.discard(task)
            writer.close()


@asynccontextmanager
async def name_server(answers: Mapping[str, Answer], host: str = "127.0.0.1") -> AsyncIterator[Zone]:
    """Serve these answers over UDP and TCP, on one free port."""
    served = Zone(answers)
    stream, datagrams = await _listen(served, host)
    try:
        yield served
    finally:
        datagrams.close()
        stream.close()
        while serving := [task for task in served.serving if task is not None]:
            for task in serving:
                task.cancel()
            await asyncio.wait(serving)


async def _listen(served: Zone, host: str) -> tuple[asyncio.Server, asyncio.BaseTransport]:
    """Listen on a port that is free for both."""
    while True:
        stream = await asyncio.start_server(served.connected, host, 0)
        served.port = stream.sockets[0].getsockname()[1]
        try:
            loop = asyncio.get_running_loop()
            datagrams, _ = await loop.create_datagram_endpoint(lambda: served, local_addr=(host, served.port))
        except OSError:  # another's, over UDP
            stream.close()
        else:
            return stream, datagrams
