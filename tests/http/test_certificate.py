"""Until when a certificate is valid, also one that was refused or not verified."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from monitor.http.certificate import not_after, presented_expiry
from monitor.keys.secret import Secret
from monitor.keys.tls import Tls
from monitor.lab.peer import peer
from monitor.lab.server import serve
from monitor.lab.steps import Fin, Hold, Send
from tests.conftest import Ask
from tests.http.parts import CertificateAuthority, Mute, closed_port
from tests.test_wire import verdict

pytestmark = pytest.mark.usefixtures("no_leaks")

YESTERDAY = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
SOON = YESTERDAY + timedelta(days=8)
EXPIRED = {"not_before": YESTERDAY - timedelta(days=1), "not_after": YESTERDAY}


@pytest.mark.parametrize(
    ("names", "more", "trusted"),
    [
        (("127.0.0.1",), EXPIRED, True),
        (("other.test",), {"not_after": SOON}, True),
        (("127.0.0.1",), {"not_after": SOON}, False),
    ],
    ids=["expired", "wrong host", "unknown authority"],
)
async def test_the_expiry_of_a_certificate_that_was_refused(
    ask: Ask, ca: CertificateAuthority, names: tuple[str, ...], more: dict[str, Any], trusted: bool
) -> None:
    """The expiry is known although the certificate was refused, and no request is sent on either connection."""
    async with peer((Fin(),), (Fin(),), ssl=ca.server(*names, **more)) as server:
        observation = await ask(f"{server.url}/", tls=ca.trusted if trusted else Tls(), api_key=Secret("canary"))
        assert verdict(observation) == "unreachable/tls_certificate"
        assert observation.certificate_expiry == more["not_after"].timestamp()
        assert server.requests == []


async def test_the_expiry_of_a_certificate_that_is_not_verified(ask: Ask, ca: CertificateAuthority) -> None:
    """The expiry is known if any certificate is accepted."""
    async with await serve("127.0.0.1", 0, ssl=ca.server("other.test", not_after=SOON)) as lab:
        observation = await ask(f"{lab.url}/openai-chat/ok?gap=0&ttfc=0", tls=Tls(insecure_skip_verify=True))
    assert (verdict(observation), observation.certificate_expiry) == ("ok", SOON.timestamp())


async def test_a_certificate_that_was_refused_behind_a_proxy(ask: Ask, ca: CertificateAuthority) -> None:
    """The proxy is not asked for a second tunnel: the expiry stays unknown, and a proxy that refuses has none."""
    async with peer((Send(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"), Fin())) as proxy:
        observation = await ask("https://chat.test/", proxy=Secret(proxy.url), tls=ca.trusted)
        assert len(proxy.requests) == 1
    assert observation.certificate_expiry is None


async def test_what_presents_no_certificate() -> None:
    """Without a listener, without TLS, or without an answer in time, the expiry is unknown."""
    with closed_port() as port:
        assert await presented_expiry("127.0.0.1", port, "chat.test", 5.0) is None
    hello = await asyncio.get_running_loop().create_server(
        lambda: Mute(lambda to: to.write(b"hello\n")), "127.0.0.1", 0
    )
    async with hello, peer((Hold(),)) as silent:
        assert await presented_expiry("127.0.0.1", hello.sockets[0].getsockname()[1], "chat.test", 5.0) is None
        assert await presented_expiry("127.0.0.1", silent.port, "chat.test", 0.01) is None


async def test_a_look_that_is_cancelled() -> None:
    """A cancelled look-up of the expiry has no result, and the probe's own result is kept."""
    greeted = asyncio.Event()
    silent = await asyncio.get_running_loop().create_server(lambda: Mute(lambda _: greeted.set()), "127.0.0.1", 0)
    async with silent:
        port = silent.sockets[0].getsockname()[1]
        looking = asyncio.create_task(presented_expiry("127.0.0.1", port, "chat.test", 60.0))
        await greeted.wait()
        looking.cancel()
        assert await looking is None


def in_der(path: Path, moment: datetime) -> bytes:
    """Return a certificate that expires then."""
    trustme.CA().issue_cert("chat.test", not_after=moment).cert_chain_pems[0].write_to_path(str(path))
    return ssl.PEM_cert_to_DER_cert(path.read_text())


@pytest.mark.parametrize("year", [2037, 2049, 2050, 9999])
def test_both_forms_of_time(tmp_path: Path, year: int) -> None:
    """From 2050 on a certificate has the year in four digits."""
    moment = datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert not_after(in_der(tmp_path / "one.pem", moment)) == moment.timestamp()


def test_a_year_of_the_last_century() -> None:
    """Two digits from 50 on are of the 1900s."""
    times = b"\x17\x0d500101000000Z\x17\x0d991231235959Z"
    signed = b"\x02\x01\x01\x30\x00\x30\x00" + b"\x30" + bytes([len(times)]) + times
    certificate = b"\x30" + bytes([len(signed) + 2]) + b"\x30" + bytes([len(signed)]) + signed
    assert not_after(certificate) == datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()


def test_what_is_no_certificate(tmp_path: Path) -> None:
    """Cut anywhere, or with any byte of its beginning changed, it raises nothing."""
    whole = in_der(tmp_path / "one.pem", SOON)
    for end in range(len(whole)):
        assert not_after(whole[:end]) is None
    for at in range(200):
        for value in (0, 0x30, 0x7F, 0x80, 0x84, 0xFF):
            not_after(whole[:at] + bytes([value]) + whole[at + 1 :])
    assert not_after(b"\x31" + whole[1:]) is None
