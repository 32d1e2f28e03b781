"""NameServerResolver with a name server: its queries, its answers, and its errors."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import subprocess
import sys

import pytest

from monitor.http import nameserver
from monitor.http.nameserver import NameServer
from tests.conftest import WITHIN
from tests.name_servers import Answer, at_last, cut, has, name_server, raw, replies, silent

V4, V6 = socket.AF_INET, socket.AF_INET6
pytestmark = pytest.mark.usefixtures("no_leaks")
LARGE = [f"10.0.{number // 250}.{number % 250}" for number in range(600)]


async def looked_up(answers: dict[str, Answer], name: str = "one.test", family: int = 0) -> list[nameserver.Address]:
    """Return what a name server with these answers has for a name."""
    async with name_server(answers) as zone, asyncio.timeout(WITHIN):
        return await NameServer(zone.address).addresses(name, family)


@pytest.mark.parametrize(
    ("family", "kinds", "found"),
    [
        (socket.AF_UNSPEC, ["one.test A udp", "one.test AAAA udp"], [(V6, "2001:db8::1"), (V4, "10.0.0.1")]),
        (V4, ["one.test A udp"], [(V4, "10.0.0.1")]),
        (V6, ["one.test AAAA udp"], [(V6, "2001:db8::1")]),
    ],
)
async def test_it_is_asked_for_the_wanted_families(family: int, kinds: list[str], found: list[object]) -> None:
    """There is one query for each family, IPv6 first, with the name unchanged."""
    async with name_server({"one.test": has("10.0.0.1", "2001:db8::1")}) as zone:
        assert await NameServer(zone.address).addresses("one.test", family) == found
        assert sorted(zone.asked) == kinds


async def test_a_name_server_with_an_ipv6_address() -> None:
    """An IPv6 address of a name server is in brackets, as in a URL."""
    async with name_server({"one.test": has("10.0.0.1")}, "::1") as zone:
        assert await NameServer(f"[::1]:{zone.port}").addresses("one.test") == [(V4, "10.0.0.1")]


@pytest.mark.parametrize(
    ("host", "family", "found"),
    [
        ("10.0.0.9", 0, [(V4, "10.0.0.9")]), ("::9", 0, [(V6, "::9")]), ("fe80::1%lo", 0, [(V6, "fe80::1%lo")]),
        ("localhost", 0, [(V6, "::1"), (V4, "127.0.0.1")]), ("LocalHost.", V4, [(V4, "127.0.0.1")]),
        ("one.localhost", V6, [(V6, "::1")]),
    ],
)  # fmt: skip
async def test_names_that_are_not_looked_up(host: str, family: int, found: list[object]) -> None:
    """Addresses are what they are, and localhost is the loopback on every machine."""
    async with name_server({}) as zone:
        assert await NameServer(zone.address).addresses(host, family) == found
        assert zone.asked == []


async def test_an_alias_is_followed() -> None:
    """An alias has the addresses of the name that it points to."""
    found = await looked_up({"one.test": has("10.0.0.1", alias="two.test.")})
    assert found == [(V4, "10.0.0.1")]


async def test_an_answer_that_does_not_fit_comes_over_tcp() -> None:
    """A datagram that says it was cut is followed by the same question over a connection."""
    async with name_server({"one.test": cut(has(*LARGE))}) as zone:
        found = await NameServer(zone.address).addresses("one.test", V4)
        assert zone.asked == ["one.test A udp", "one.test A tcp"]
    assert sorted(found) == sorted((V4, address) for address in LARGE)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (replies("NXDOMAIN"), "unknown name"),
        (has(), "no address for this name"),
        (has(alias="two.test."), "no address for this name"),
        (replies("SERVFAIL"), "the name server answered SERVFAIL"),
        (replies("REFUSED"), "the name server answered REFUSED"),
        (cut(raw(b"SSH-2.0-canary")), "the name server's answer cannot be read"),
        (cut(raw(b"")), "the name server's answer cannot be read"),
        (cut(replies("SERVFAIL")), "the name server answered SERVFAIL"),
    ],
)
async def test_why_there_is_no_address(answer: Answer, words: str) -> None:
    """Each refusal has a text of ours."""
    with pytest.raises(OSError, match=f"{words}$"):
        await looked_up({"one.test": answer})


@pytest.mark.parametrize("host", ["a..b", f"{'a' * 64}.test", ".".join(["a" * 60] * 5), "\ud800.test"])
async def test_an_invalid_name_is_not_looked_up(host: str) -> None:
    """A name that cannot be is unknown."""
    async with name_server({}) as zone:
        with pytest.raises(OSError, match="unknown name"):
            await NameServer(zone.address).addresses(host)
        assert zone.asked == []


@pytest.mark.parametrize("broken", [replies("SERVFAIL"), replies("NXDOMAIN"), has(), silent])
@pytest.mark.parametrize(("kind", "other"), [("A", "2001:db8::1"), ("AAAA", "10.0.0.1")])
async def test_one_family_that_fails_leaves_the_other(kind: str, other: str, broken: Answer) -> None:
    """Whatever is wrong with the addresses of one family, silence included, those of the other are the answer."""
    found = await looked_up({f"one.test {kind}": broken, "one.test": has("10.0.0.1", "2001:db8::1")})
    assert [address for _, address in found] == [other]


@pytest.mark.parametrize("kind", ["A", "AAAA"])
async def test_of_two_refusals_the_failure_is_reported(kind: str) -> None:
    """A server failure for one family is reported rather than a missing address of the other."""
    with pytest.raises(OSError, match="SERVFAIL"):
        await looked_up({f"one.test {kind}": replies("SERVFAIL"), "one.test": has()})


@pytest.mark.parametrize("lost", [silent, raw(b"SSH-2.0-canary"), raw(b""), raw(bytes(64))])
async def test_what_does_not_answer_is_asked_again(monkeypatch: pytest.MonkeyPatch, lost: Answer) -> None:
    """A query without an answer, or with an invalid one, is repeated after a while."""
    monkeypatch.setattr(nameserver, "_AGAIN", 0.01)
    found = await looked_up({"one.test": at_last(3, has("10.0.0.1"), lost)}, family=V4)
    assert found == [(V4, "10.0.0.1")]


async def test_a_connection_without_an_answer_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A TCP connection without an answer is opened again."""
    monkeypatch.setattr(nameserver, "_AGAIN", 0.05)
    async with name_server({"one.test": cut(at_last(1, has("10.0.0.1"), silent))}) as zone, asyncio.timeout(WITHIN):
        assert await NameServer(zone.address).addresses("one.test", V4) == [(V4, "10.0.0.1")]
        assert zone.asked.count("one.test A tcp") == 2


async def test_a_refused_datagram() -> None:
    """A refused datagram is reported at once, as a refusal by the name server."""
    with socket.socket(type=socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
    with pytest.raises(OSError, match=f"the name server: {os.strerror(errno.ECONNREFUSED)}") as caught:
        await NameServer(f"127.0.0.1:{port}").addresses("one.test")
    assert caught.value.errno == errno.ECONNREFUSED


@pytest.mark.parametrize("answer", [silent, cut(silent)])
async def test_a_look_up_that_is_given_up_leaves_nothing(answer: Answer) -> None:
    """A cancelled look-up leaves no task and no socket, over UDP and TCP."""
    async with name_server({"hung.test": answer}) as zone:
        waiting = asyncio.create_task(NameServer(zone.address).addresses("hung.test"))
        for _ in range(2 if answer is silent else 4):
            await zone.received.get()
        assert not waiting.done()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_a_bug_in_an_exchange_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected exception of the library reaches the caller."""

    async def broken(*_: object, **__: object) -> None:
        raise KeyError

    monkeypatch.setattr("dns.asyncquery.udp_with_fallback", broken)
    with pytest.raises(KeyError):
        await looked_up({}, family=V4)


def test_the_library_is_loaded_only_where_it_is_asked_for() -> None:
    """A monitor that asks the system has none of it in memory."""
    code = "import sys, monitor.daemon.app; sys.exit('dns' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_library_reads_no_module_in_the_loop() -> None:
    """The modules that the library imports on first use, for records and sockets, are imported before."""
    code = (
        "import asyncio, sys\n"
        "from monitor.http.nameserver import NameServer\n"
        "import dns.rdata\n"
        "before = set(sys.modules)\n"
        "async def main():\n"
        "    for kind in range(300):\n"
        "        dns.rdata.get_rdata_class(1, kind)\n"
        "    try:\n"
        "        async with asyncio.timeout(0.05):\n"
        "            await NameServer('127.0.0.1:9').addresses('one.test')\n"
        "    except OSError:\n"
        "        pass\n"
        "asyncio.run(main())\n"
        "print(*sorted(set(sys.modules) - before))\n"
    )
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert printed.stdout.split() == []
