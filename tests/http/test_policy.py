"""Addresses that are not dialled, whatever names them."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from monitor.http.policy import denied, denied_host
from monitor.keys.secret import Secret
from monitor.lab.peer import peer
from monitor.settings import Network
from monitor.stream.endings import Mark
from tests.conftest import Ask, MakeProber, target
from tests.http.parts import OK, Names, unchecked
from tests.name_servers import at_last, has, name_server
from tests.test_wire import verdict

pytestmark = pytest.mark.usefixtures("no_leaks")


METADATA = Network()
NO_LOOPBACK = Network(deny=(ip_network("127.0.0.0/8"), ip_network("::1/128")))
NO_PRIVATE = Network(deny=(ip_network("10.0.0.0/8"),))

DENIED = {
    "link-local and metadata": (METADATA, (
        "169.254.169.254", "169.254.0.0", "169.254.255.255", "169.254.170.2", "169.254.170.23", "169.254.169.253",
        "100.100.100.200", "168.63.129.16", "192.0.0.192",
        "fe80::1", "fe80::", "febf:ffff::1", "fe80::1%eth0", "fe80::a9fe:a9fe%1", "FE80::1", "fe80:0:0:0:0:0:0:1",
        "fd00:ec2::254", "fd00:ec2::23", "fd00:ec2::123", "fd00:ec2:0:0::fd", "fd00:0ec2:ffff::1", "FD00:EC2::254",
        "fd20:ce::254", "fd20:ce::", "fd20:ce:0:0:ffff::1", "fd00:c1::a9fe:a9fe", "fd00:42::42",
    )),
    "carried in an IPv6 address": (METADATA, (
        "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "0:0:0:0:0:ffff:a9fe:a9fe", "::FFFF:A9FE:A9FE",
        "::ffff:100.100.100.200", "::ffff:168.63.129.16", "::ffff:192.0.0.192",
        "::169.254.169.254", "::a9fe:a9fe", "0000::a9fe:a9fe", "::100.100.100.200",
        "::ffff:0:169.254.169.254", "::ffff:0:a9fe:a9fe",
        "64:ff9b::169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b:0:0:0:0:a9fe:a9fe", "64:FF9B::a9fe:a9fe",
        "64:ff9b::168.63.129.16", "64:ff9b::192.0.0.192", "64:ff9b::100.100.100.200", "0064:ff9b::a9fe:1",
        "64:ff9b:1::a9fe:a9fe", "64:ff9b:1:a9fe:a9:fe00::", "64:ff9b:1:ffa9:fe:a9fe::", "64:ff9b:1:fffe:a9:fea9:fe00::",
        "64:ff9b:1:1:2:3:a9fe:a9fe",
        "2002:a9fe:a9fe::", "2002:a9fe:a9fe::1", "2002:a9fe:1:2:3:4:5:6", "2002:A9FE:A9FE::A9FE:A9FE",
        "2002:6464:64c8::1", "2002:a83f:8110::1", "2002:c000:c0::1",
        "2001:0:a9fe:a9fe::1", "2001:0:0:0:0:0:5601:5601",
        "2001:db8::5efe:169.254.169.254", "2001:db8::200:5efe:a9fe:a9fe", "fd01::5efe:a9fe:a9fe",
    )),
    "loopback": (NO_LOOPBACK, (
        "127.0.0.1", "127.255.255.254", "127.1.2.3", "0.0.0.0", "::", "::1", "0:0:0:0:0:0:0:0", "0::0", "0:0::1",
        "::ffff:127.0.0.1", "::ffff:0.0.0.0", "::ffff:7f00:1", "::127.0.0.1", "::7f00:1", "::ffff:0:127.0.0.1",
        "64:ff9b::127.0.0.1", "64:ff9b::", "2002:7f00:1::", "2002::1", "2001:db8::5efe:7f00:1",
    )),
    "our own rule": (NO_PRIVATE, (
        "10.0.0.1", "10.255.255.255", "::ffff:10.0.0.1", "::10.0.0.1", "64:ff9b::10.0.0.1", "2002:a00:1::1",
    )),
}  # fmt: skip
"""Spellings of addresses that are denied, by what denies them."""


@pytest.mark.parametrize(
    ("network", "address"), [(network, one) for network, spellings in DENIED.values() for one in spellings]
)
def test_every_spelling_of_a_denied_address(network: Network, address: str) -> None:
    """An address is denied in each of its spellings, and in every IPv6 address that carries it."""
    assert denied(address, network)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "169.253.255.255", "169.255.0.0", "100.100.100.201", "168.63.129.17", "192.0.0.193", "::1", "0.0.0.0",
     "::", "127.0.0.1", "fe00::1", "fec0::1", "fd00:ec3::254", "fd20:ce:0:1::254", "fd00:c1::1", "fd00:42::43",
     "64:ff9b::8.8.8.8", "64:ff9b:1::8.8.8.8", "2002:808:808::1", "::ffff:8.8.8.8", "::8.8.8.8", "2001:db8::1",
     "2001:db8::5efe:808:808", "2001:0:808:808::1"],
)  # fmt: skip
def test_what_is_not_denied(address: str) -> None:
    """Neighbours of denied addresses, and IPv6 addresses that carry others, are dialled."""
    assert not denied(address, METADATA)


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::1]",
     "[fe80::1]", "[fe80::1%251]", "[fd00:ec2::254]", "[fd20:ce::254]", "168.63.129.16", "192.0.0.192", "meta.test",
     "user@169.254.169.254", "169.254.169.254:80"],
)  # fmt: skip
async def test_a_metadata_address_is_not_dialled(prober: MakeProber, host: str) -> None:
    """Link-local and metadata addresses are refused when they are dialled, whatever name led to them."""
    observation = await prober(resolver=Names(meta=["169.254.169.254"]))(target(f"http://{host}/latest/"), "cli")
    assert (verdict(observation), observation.verdict.phase) == ("unreachable/policy", "connect")
    assert Mark.CONNECT not in observation.recording.marks


SPELLINGS = (
    "2852039166", "0xA9FEA9FE", "0xa9fea9fe", "169.254.43518", "169.16689662", "0251.0376.0251.0376",
    "0251.254.169.254", "0xa9.0xfe.0xa9.0xfe", "0xa9.254.0251.254", "025177524776", "169.254.169.254.",
    "169.254.169.0xfe", "\uff11\uff16\uff19.254.169.254", "169\u3002254\u3002169\u3002254",
    "\u2460\u2465\u2468.254.169.254", "%31%36%39.254.169.254",
)  # fmt: skip
"""A metadata address as a URL may have it."""


@pytest.mark.parametrize("host", SPELLINGS)
async def test_a_number_as_a_name_is_no_way_round(ask: Ask, host: str) -> None:
    """Other spellings of a metadata address are invalid hosts, or resolve to it and are refused."""
    observation = await ask(f"http://{host}/")
    assert verdict(observation) in {"unreachable/policy", "unreachable/dns"}
    assert Mark.CONNECT not in observation.recording.marks


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "0", "127.1", "2130706433", "0x7f.1", "017700000001", "[::ffff:127.0.0.1]"]
)
async def test_loopback_in_other_words_is_not_reached(prober: MakeProber, host: str) -> None:
    """If loopback is denied, no spelling of it reaches a server there."""
    async with peer(OK) as server:
        asked = target(**unchecked(f"http://{host}:{server.port}/"))
        assert verdict(await prober(network=NO_LOOPBACK)(asked, "cli")) in {"unreachable/policy", "unreachable/dns"}
        assert server.links == []


async def test_a_name_server_that_rebinds(prober: MakeProber) -> None:
    """A name that is harmless when it is first looked up and denied later is refused then: each dial is checked."""
    async with (
        peer(OK) as server,
        name_server({"turn.test A": at_last(1, has("169.254.169.254"), has("127.0.0.1"))}) as dns,
    ):
        ask = prober(network=Network(resolver=dns.address, ip_family=4))
        asked = target(**unchecked(f"http://turn.test:{server.port}/"))
        assert [verdict(await ask(asked, "cli")) for _ in range(3)] == [
            "ok",
            "unreachable/policy",
            "unreachable/policy",
        ]
        assert len(server.links) == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_denied_proxy(prober: MakeProber, scheme: str) -> None:
    """A proxy with a denied address is not dialled, and the error names the rule, not the proxy."""
    async with peer(OK) as server:
        asked = target(f"{scheme}://chat.test/", proxy=Secret(f"http://127.0.0.1:{server.port}"))
        observation = await prober(network=NO_LOOPBACK)(asked, "cli")
        assert (verdict(observation), server.links) == ("unreachable/policy", [])
    assert "the proxy's, 127.0.0.1" in observation.verdict.detail


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "[64:ff9b::a9fe:a9fe]", "2852039166.", "169%2e254.169.254", "Metadata.Google.Internal.",
     *SPELLINGS],
)  # fmt: skip
async def test_a_denied_address_behind_a_proxy(prober: MakeProber, scheme: str, host: str) -> None:
    """A proxy is not asked to dial a denied address in our place, in any spelling that its resolver would take."""
    async with peer(OK) as proxy:
        observation = await prober()(target(f"{scheme}://{host}/", proxy=Secret(proxy.url)), "cli")
        assert (verdict(observation), proxy.links) == ("unreachable/policy", [])


async def test_our_own_rules_deny_and_allow(prober: MakeProber) -> None:
    """With `deny` the server gets no connection; `allow` takes precedence."""
    loopback, one = ip_network("127.0.0.0/8"), ip_network("127.0.0.1/32")
    async with peer(OK) as server:
        asked = target(**unchecked(f"{server.url}/"))
        denying = Network(deny=(loopback,))
        assert verdict(await prober(network=denying)(asked, "cli")) == "unreachable/policy"
        assert server.links == []
        assert verdict(await prober(network=Network(deny=(loopback,), allow=(one,)))(asked, "cli")) == "ok"


async def test_an_allowed_address_beside_a_denied_one(prober: MakeProber) -> None:
    """Of several addresses of a name only the allowed ones are dialled."""
    async with peer(OK) as server:
        names = Names(both=["169.254.1.1", "127.0.0.1"])
        observation = await prober(resolver=names)(target(**unchecked(f"http://both.test:{server.port}/")), "cli")
    assert (verdict(observation), observation.peer) == ("ok", f"127.0.0.1:{server.port}")


def test_link_local_can_be_allowed() -> None:
    """Link-local addresses can be allowed, but an allowed carrier does not allow the address that it carries."""
    assert not denied("169.254.1.1", Network(allow=(ip_network("169.254.1.0/24"),)))
    assert not denied("::ffff:169.254.1.1", Network(allow=(ip_network("169.254.1.0/24"),)))
    assert denied("64:ff9b::a9fe:101", Network(allow=(ip_network("64:ff9b::/96"),)))
    assert not denied("127.0.0.1", Network(deny=(ip_network("0.0.0.0/0"),), allow=(ip_network("127.0.0.1/32"),)))


def test_a_name_is_no_denied_host() -> None:
    """A name is not checked by the rules: its addresses are, when they are dialled."""
    assert denied_host("169.254.1.1", Network())
    for name in ("chat.test", "", "8.8.8.8", "134744072", "b\u00fccher.test", "a9fea9fe"):
        assert not denied_host(name, Network())


def test_the_table_is_long() -> None:
    """The table keeps at least eighty spellings."""
    assert len({one for _, spellings in DENIED.values() for one in spellings}) >= 80
