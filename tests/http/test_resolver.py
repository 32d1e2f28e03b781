"""Names resolved by the system and by a name server: results, refusals, and no blocked lookup."""

from __future__ import annotations

import asyncio
import socket
import threading
from dataclasses import replace
from ipaddress import ip_network
from typing import Any, Literal

import pytest

from monitor.http.reachability import Reachability
from monitor.http.resolver import Resolver
from monitor.keys.secret import Secret
from monitor.lab.peer import peer
from monitor.lab.steps import Fin, Send
from monitor.settings import Network
from monitor.stream.endings import Deadline, Mark
from tests.conftest import WITHIN, Ask, MakeProber, only, target
from tests.http.parts import LISTED, OK, Names, got, no_more_descriptors, tried, unchecked
from tests.name_servers import Answer, cut, has, name_server, raw, replies, silent
from tests.records import record
from tests.test_wire import verdict

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (socket.EAI_NONAME, "unknown name"),
        (socket.EAI_AGAIN, "the resolver failed for now"),
        (socket.EAI_OVERFLOW, "the look-up failed"),
    ],
)
async def test_a_name_that_does_not_resolve(prober: MakeProber, number: int, words: str) -> None:
    """The resolver's refusal is named in our own words, whatever its own are."""
    names = Names(gone=socket.gaierror(number, "canary"))
    observation = await prober(resolver=names)(target("http://gone.test/"), "cli")
    assert (verdict(observation), observation.verdict.phase) == ("unreachable/dns", "connect")
    assert words in observation.verdict.detail
    assert "canary" not in str(record(observation))


@pytest.mark.parametrize("host", ["a..b", f"{'a' * 64}.test"])
async def test_a_name_that_no_resolver_takes(ask: Ask, host: str) -> None:
    """A name with an empty or an overlong label is an unknown name, and the look-up's thread survives it."""
    observation = await ask(f"http://{host}/")
    assert verdict(observation) == "unreachable/dns"


async def test_the_resolver_asks_the_system() -> None:
    """The resolver returns the addresses of getaddrinfo."""
    (found,) = await Resolver().resolve("127.0.0.1", 80)
    assert (found["host"], found["port"], found["family"]) == ("127.0.0.1", 80, socket.AF_INET)


async def test_a_hung_look_up_delays_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dozen look-ups that do not return leave the thirteenth its answer, and their places are free when they end."""
    release, real = threading.Event(), socket.getaddrinfo

    def hanging(host: str, *args: Any, **more: Any) -> Any:  # noqa: ANN401 - as the socket module has it
        if host == "hung.test":
            release.wait(WITHIN)
            raise socket.gaierror(socket.EAI_AGAIN, "late")
        return real(host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    resolver = Resolver(at_most=13)
    hung = [asyncio.create_task(resolver.resolve("hung.test")) for _ in range(12)]
    assert await resolver.resolve("127.0.0.1")
    hung[0].cancel()
    release.set()
    ended = await asyncio.gather(*hung, return_exceptions=True)
    assert isinstance(ended[0], asyncio.CancelledError)
    assert all(isinstance(error, socket.gaierror) for error in ended[1:])
    assert all(await asyncio.gather(*(resolver.resolve("127.0.0.1") for _ in range(13))))
    await resolver.close()


def test_a_look_up_outlives_its_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that comes when the loop is closed is dropped without a word."""
    release, returned = threading.Event(), threading.Event()

    def hanging(*_: Any, **__: Any) -> list[Any]:  # noqa: ANN401 - as the socket module has it
        release.wait(WITHIN)
        returned.set()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hanging)

    async def leave() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await Resolver().resolve("hung.test")

    asyncio.run(leave())
    release.set()
    assert returned.wait(WITHIN)
    for thread in threading.enumerate():
        if thread.name == "look-up":
            thread.join(WITHIN)


@pytest.mark.usefixtures("no_leaks")
@pytest.mark.parametrize("family", [0, 4])
async def test_a_probe_asks_the_name_server(prober: MakeProber, family: Literal[0, 4]) -> None:
    """The name is asked there and nowhere else, once for each probe and wanted family, and the look-up is timed."""
    async with peer(OK) as server, name_server({"one.test": has("127.0.0.1")}) as zone:
        probe = prober(network=Network(ip_family=family, resolver=zone.address))
        observation = await probe(target(**unchecked(f"http://one.test:{server.port}/")), "cli")
        kinds = ["A"] if family else ["A", "AAAA"]
        assert sorted(zone.asked) == [f"one.test {kind} udp" for kind in kinds]
    assert (verdict(observation), observation.ip_family) == ("ok", 4)
    assert observation.recording.marks[Mark.DNS] <= observation.recording.marks[Mark.CONNECT]


@pytest.mark.usefixtures("no_leaks")
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (replies("NXDOMAIN"), "unknown name"),
        (has(), "no address for this name"),
        (replies("SERVFAIL"), "the name server answered SERVFAIL"),
        (cut(raw(b"\x1bcanary")), "the name server's answer cannot be read"),
    ],
)
async def test_a_name_server_that_has_no_address(prober: MakeProber, answer: Answer, words: str) -> None:
    """A refusal by the name server is `unreachable/dns`, in our words."""
    async with name_server({"one.test": answer}) as zone:
        network = Network(resolver=zone.address)
        observation = await prober(network=network)(target("http://one.test/"), "cli")
        assert (await tried("http://one.test/", network)).why_not == f"the name does not resolve ({words})"
        assert await got("http://one.test/", network=network) == f"the name does not resolve ({words})"
    assert (verdict(observation), observation.verdict.phase) == ("unreachable/dns", "connect")
    assert words in observation.verdict.detail
    assert Mark.DNS not in observation.recording.marks
    assert "canary" not in str(record(observation))


@pytest.mark.usefixtures("no_leaks")
@pytest.mark.parametrize("answer", [silent, raw(b"SSH-2.0-canary"), cut(silent)])
async def test_a_name_server_that_does_not_answer(prober: MakeProber, answer: Answer) -> None:
    """Silence, and invalid answers, end at the connect deadline, and block no other probe."""
    answers = {"hung.test": answer, "one.test": has("127.0.0.1")}
    async with peer(OK) as server, name_server(answers) as zone:
        probe = prober(network=Network(resolver=zone.address))
        late_one = target("http://hung.test/", timeouts=only(Deadline.CONNECT))
        hung = [asyncio.create_task(probe(late_one, "cli")) for _ in range(12)]
        observation = await probe(target(**unchecked(f"http://one.test:{server.port}/")), "cli")
        late = await asyncio.gather(*hung)
    assert verdict(observation) == "ok"
    assert {(verdict(one), one.verdict.phase) for one in late} == {("timeout/connect", "connect")}
    assert late[0].verdict.detail.startswith("no connection within 0.5 s; the name was not resolved by then")
    assert "canary" not in str(record(late[0]))


async def test_no_name_server_there(prober: MakeProber) -> None:
    """A name server that refuses datagrams is `unreachable/dns`, and the detail names it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.connect(taken.getsockname())  # it hears itself alone, and nobody else can take its port meanwhile
        port = taken.getsockname()[1]
        observation = await prober(network=Network(resolver=f"127.0.0.1:{port}"))(target("http://one.test/"), "cli")
    assert verdict(observation) == "unreachable/dns"
    assert "the name server: Connection refused" in observation.verdict.detail


async def test_no_descriptor_left_to_ask_with(prober: MakeProber) -> None:
    """A missing descriptor for a query is the monitor's own fault."""
    probe = prober(network=Network(resolver="127.0.0.1:53"))
    with no_more_descriptors():
        observation = await probe(target("http://one.test/"), "cli")
    assert verdict(observation) == "inconclusive/resources"


async def test_addresses_from_a_name_server_are_checked(prober: MakeProber) -> None:
    """A denied address is not dialled, whichever resolver returned it."""
    async with peer(OK) as server, name_server({"one.test": has("127.0.0.1", "::ffff:169.254.169.254")}) as zone:
        network = Network(deny=(ip_network("127.0.0.0/8"),), resolver=zone.address)
        url = f"http://one.test:{server.port}/"
        observation = await prober(network=network)(target(url), "cli")
        assert verdict(observation) == "unreachable/policy"
        assert (await tried(url, network)).why_not.endswith("is denied by [network]")
        assert str(await got(url, network=network)).endswith("is denied by [network]")
        await server.over()
        assert server.requests == []


async def test_a_proxy_is_found_by_the_name_server(prober: MakeProber) -> None:
    """With a proxy, the name of the proxy is looked up."""
    async with peer(OK) as server, name_server({"proxy.test": has("127.0.0.1")}) as zone:
        probe = prober(network=Network(ip_family=4, resolver=zone.address))
        proxy = Secret(f"http://proxy.test:{server.port}")
        observation = await probe(target(**unchecked("http://one.test/", proxy=proxy)), "cli")
        assert zone.asked == ["proxy.test A udp"]
    assert verdict(observation) == "ok"


@pytest.mark.usefixtures("no_leaks")
async def test_every_connection_uses_the_name_server() -> None:
    """`check --connect` and the sources of targets, too, and one address that is dead leaves the other."""
    async with peer((Send(LISTED), Fin())) as server, name_server({"one.test": has("127.0.0.1", "::1")}) as zone:
        network, url = Network(resolver=zone.address), f"http://one.test:{server.port}/"
        assert await tried(url, network) == Reachability()
        assert await tried(url, replace(network, deny=(ip_network("::1"),))) == Reachability()
        assert await tried(url, replace(network, ip_family=6)) == Reachability("no connection (Connection refused)")
        assert await got(url, network=network) == b"[]"
