"""The TLS faults over real sockets: what the prober says of each, what the lab says, and that nothing is left."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from monitor.keys.tls import Tls
from monitor.lab.server import serve
from monitor.lab.tls import tls_lab
from monitor.lab.tls_faults import FAULTS, SAME_PORT, TlsFault, TlsLab
from monitor.stream.endings import Deadline
from tests.conftest import PATIENT, Ask, only
from tests.lab.wires import fetch
from tests.records import record
from tests.test_wire import verdict

pytestmark = pytest.mark.usefixtures("no_leaks")

Logs = list[Mapping[str, object]]
WORDS = {
    "expired": "certificate has expired, OpenSSL verify code 10",
    "not-yet-valid": "certificate is not yet valid, OpenSSL verify code 9",
    "self-signed": "self-signed certificate, OpenSSL verify code 18",
    "wrong-host": "IP address mismatch, certificate is not valid for '127.0.0.1'., OpenSSL verify code 64",
    "unknown-ca": "unable to get local issuer certificate, OpenSSL verify code 20",
    "fin": "the peer closed the connection during it",
    "old-protocol": "unsupported protocol",
    "client-certificate": "it may require `tls.cert_file`",
}
"""What the event's detail says beside the verdict."""


@pytest.fixture
async def secure(no_leaks: None) -> AsyncIterator[TlsLab]:
    """Yield the TLS faults on free ports of loopback."""
    del no_leaks
    async with tls_lab("127.0.0.1", 0) as lab:
        yield lab


@pytest.mark.parametrize("name", [fault.name for fault in (*FAULTS, *SAME_PORT)])
async def test_a_fault_is_named(ask: Ask, secure: TlsLab, name: str) -> None:
    """Each comes to what the lab promises, with the reason in its detail, and within its deadline."""
    fault = named(secure, name)
    given = (secure.cert_file, secure.key_file) if name == "client-certificate-given" else (None, None)
    timeouts = only(Deadline.CONNECT) if name == "silence" else PATIENT
    url = secure.url(fault, "127.0.0.1")
    observation = await ask(
        f"{url}{'&' if '?' in url else '?'}gap=0&ttfc=0", tls=Tls(secure.ca_file, *given), timeouts=timeouts
    )
    assert verdict(observation) == fault.expect.verdict
    assert fault.detail in observation.verdict.detail
    assert WORDS.get(name, "") in observation.verdict.detail
    assert not record(observation).get("unclean_end")
    if fault.expect.verdict.startswith("unreachable") and name != "client-certificate":
        assert observation.verdict.phase == "connect"
    if name == "silence":
        assert observation.duration == timeouts.connect


def named(secure: TlsLab, name: str) -> TlsFault:
    """Return a fault by its name."""
    return next(fault for fault in secure.faults if fault.name == name)


async def test_a_certificate_fault_is_nothing_to_who_does_not_look(ask: Ask, secure: TlsLab) -> None:
    """Behind each bad certificate stands the whole lab."""
    blind = Tls(insecure_skip_verify=True)
    for name in ("expired", "not-yet-valid", "self-signed", "wrong-host", "unknown-ca"):
        observation = await ask(f"https://127.0.0.1:{named(secure, name).port}/raw/ok?gap=0&ttfc=0", "raw", tls=blind)
        assert (name, verdict(observation)) == (name, "ok")


async def test_a_strict_client_takes_the_good_one(secure: TlsLab) -> None:
    """The certificate holds for a client that goes by the letter of RFC 5280, under each name that loopback has."""
    context = ssl.create_default_context(cadata=secure.ca_pem.decode())
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    port = named(secure, "good").port
    for name in ("127.0.0.1", "::1", "localhost"):
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
        assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
        writer.transport.abort()


async def test_what_speaks_no_tls_says_so_in_the_log() -> None:
    """A handshake that comes to nothing is logged with the verdict to expect; a peer that only looks in is not."""
    logs: Logs = []
    async with tls_lab("127.0.0.1", 0, log=logs.append) as secure:
        port = named(secure, "fin").port
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        await writer.wait_closed()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x16")
        assert await reader.read() == b""
        writer.close()
    assert logs == [{"event": "lab_handshake", "fault": "tls-fin", "expect": "unreachable/tls_handshake"}]


async def test_ports_follow_each_other() -> None:
    """From the first one on, in the order of the table."""
    first = free_row(len(FAULTS))
    async with tls_lab("127.0.0.1", first) as secure:
        ports = [named(secure, fault.name).port for fault in FAULTS]
    assert ports == list(range(first, first + len(FAULTS)))


def free_row(size: int) -> int:
    """Return the first of so many free ports in a row."""
    for first in range(21000, 32000, size):
        with closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if all(probe_free(first + number) for number in range(size)):
                return first
    raise AssertionError("no free ports in a row")


def probe_free(port: int) -> bool:
    """Return whether nothing listens there."""
    with closing(socket.socket()) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


async def test_a_port_in_use_leaves_nothing_open(no_leaks: None) -> None:
    """What was opened before is closed again, and the certificates are gone."""
    del no_leaks
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            async with tls_lab("127.0.0.1", port):
                raise AssertionError("it opened a port that was taken")


async def test_the_certificates_go_with_the_lab() -> None:
    """Nothing is left on the disk."""
    async with tls_lab("127.0.0.1", 0) as secure:
        files = [Path(name) for name in (secure.ca_file, secure.cert_file, secure.key_file)]
        assert files[0].read_bytes() == secure.ca_pem
    assert not any(file.exists() for file in files)


async def test_the_lab_lists_them(secure: TlsLab) -> None:
    """The page has a line to copy for each, the authority's certificate, and the config; without TLS it has neither."""
    async with await serve("127.0.0.1", 0, tls=secure) as lab:
        page, _ = await fetch(lab.port, "/")
        pem, _ = await fetch(lab.port, "/ca.pem")
        config, _ = await fetch(lab.port, "/tls.toml")
        index, _ = await fetch(lab.port, "/", "Accept: application/json")
    for fault in secure.faults:
        assert f"chat-monitor probe tls-{fault.name} --config tls.toml".encode() in page
        assert f'"url": "https://lab.test:{fault.port}{fault.path}"'.encode() in index
    assert pem.endswith(secure.ca_pem)
    assert config.endswith(secure.config("lab.test").encode())
    async with await serve("127.0.0.1", 0) as lab:
        assert b"tls.toml" not in (await fetch(lab.port, "/"))[0]
        assert b" 404 " in (await fetch(lab.port, "/ca.pem"))[0]
