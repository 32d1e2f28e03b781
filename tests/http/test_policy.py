"""Addresses that are not dialled, whoever names them."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from monitor.http.policy import denied
from monitor.lab.peer import peer
from monitor.settings import Network
from monitor.stream.recording import Mark
from tests.conftest import Ask, MakeProber, target
from tests.http.parts import OK, Names, unchecked
from tests.test_wire import verdict

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://meta.test/",
        "http://[::ffff:169.254.169.254]/",
        "http://[fe80::1]/",
        "http://[fd00:ec2::254]/",
    ],
)
async def test_a_metadata_address_is_not_dialled(prober: MakeProber, url: str) -> None:
    """Link-local and metadata addresses are refused where they would be dialled, whoever named them."""
    seen = await prober(resolver=Names(meta=["169.254.169.254"]))(target(url), "cli")
    assert (verdict(seen), seen.verdict.phase) == ("unreachable/policy", "connect")
    assert Mark.CONNECT not in seen.timeline.marks


@pytest.mark.parametrize("host", ["2852039166", "0xA9FEA9FE", "169.254.43518"])
async def test_a_number_as_a_name_is_no_way_round(ask: Ask, host: str) -> None:
    """Other forms of a metadata address are no hosts, or resolve to it and are refused like it."""
    seen = await ask(f"http://{host}/")
    assert verdict(seen) in {"unreachable/policy", "unreachable/dns"}
    assert Mark.CONNECT not in seen.timeline.marks


async def test_our_own_rules_deny_and_allow(prober: MakeProber) -> None:
    """`deny` keeps the probe from a server that nobody then hears of; `allow` is stronger."""
    loopback, one = ip_network("127.0.0.0/8"), ip_network("127.0.0.1/32")
    async with peer(OK) as server:
        asked = target(**unchecked(f"{server.url}/"))
        denying = Network(deny=(loopback,))
        assert verdict(await prober(network=denying)(asked, "cli")) == "unreachable/policy"
        assert server.links == []
        assert verdict(await prober(network=Network(deny=(loopback,), allow=(one,)))(asked, "cli")) == "ok"


async def test_an_allowed_address_beside_a_denied_one(prober: MakeProber) -> None:
    """Of several addresses of a name only those that may be dialled are."""
    async with peer(OK) as server:
        names = Names(both=["169.254.1.1", "127.0.0.1"])
        seen = await prober(resolver=names)(target(**unchecked(f"http://both.test:{server.port}/")), "cli")
    assert (verdict(seen), seen.peer) == ("ok", f"127.0.0.1:{server.port}")


def test_link_local_can_be_allowed() -> None:
    """Who has a chat there has to say so."""
    assert denied("169.254.1.1", Network())
    assert denied("fe80::1%eth0", Network())
    assert not denied("169.254.1.1", Network(allow=(ip_network("169.254.1.0/24"),)))
    assert not denied("192.0.2.1", Network())
