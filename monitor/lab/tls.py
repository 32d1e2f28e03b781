"""The ports of the TLS faults: invalid certificates, broken handshakes, and one port without a fault."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from ssl import CERT_REQUIRED, PROTOCOL_TLS_SERVER, SSLContext, SSLError, SSLObject, SSLWantReadError
from tempfile import TemporaryDirectory

from monitor.lab.certificates import Authority, key_pem, new_key
from monitor.lab.connection import LabConnection, play
from monitor.lab.listener import Listener
from monitor.lab.server import Lab, Log
from monitor.lab.steps import Fin, Hold, Rst, Script, Send
from monitor.lab.tls_faults import FAULTS, SAME_PORT, TlsFault, TlsLab

DAY = timedelta(days=1)
YEAR = timedelta(days=365)
HOSTS = ("localhost", "127.0.0.1", "::1")
PLAIN = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 38\r\nConnection: close\r\n\r\n"
    b"This port speaks plain HTTP, not TLS.\n"
)
SERVER_HELLO = b"\x16\x03\x01\x00\x2a\x02\x00\x00\x26\x03\x01%b\x00\x00\x2f\x00" % bytes(32)
"""A record with the answer of a server that takes TLS 1.0, no session, and an old cipher (RFC 2246, 7.4.1.3)."""
BARE: Mapping[str, Script] = {
    "plain": (Send(PLAIN), Fin()),
    "fin": (Fin(),),
    "rst": (Rst(),),
    "silence": (Hold(),),
    "old-protocol": (Send(SERVER_HELLO), Hold(2.0)),
}
"""The response to the first bytes of a handshake that fails."""


@dataclass(frozen=True, slots=True)
class TlsCredentials:
    """All certificates of one lab, in a temporary directory."""

    place: Path
    ca_pem: bytes
    contexts: Mapping[str, SSLContext]
    """By fault."""


class AlertingSSLObject(SSLObject):
    """A server's handshake that sends an alert when it fails: asyncio discards it, unlike OpenSSL's servers."""

    _failed = False

    def do_handshake(self) -> None:
        """Fail the second time: asyncio treats the first failure as a request to read more, and sends the alert."""
        try:
            super().do_handshake()
        except SSLWantReadError:
            raise
        except SSLError:
            if self._failed:
                raise
            self._failed = True
            raise SSLWantReadError from None


def issue(place: Path, host: str) -> TlsCredentials:
    """Make all certificates; it takes a moment and writes files."""
    key, now = new_key(), datetime.now(UTC)
    hosts = tuple(dict.fromkeys((host, *HOSTS)))
    known, unknown, alone = (
        Authority(f"chat-monitor lab {name}", signer)
        for name, signer in (("authority", new_key()), ("stranger", new_key()), ("self-signed", key))
    )
    shown = {
        "good": known.certify(key, "lab", hosts, now - DAY, now + YEAR),
        "expired": known.certify(key, "lab", hosts, now - 2 * DAY, now - DAY),
        "not-yet-valid": known.certify(key, "lab", hosts, now + DAY, now + YEAR),
        "self-signed": alone.certify(key, alone.name, hosts, now - DAY, now + YEAR),
        "wrong-host": known.certify(key, "other", ("other.invalid",), now - DAY, now + YEAR),
        "unknown-ca": unknown.certify(key, "lab", hosts, now - DAY, now + YEAR),
    }
    ca_pem = known.certify(known.key, known.name, (), now - DAY, now + YEAR)
    (place / "ca.pem").write_bytes(ca_pem)
    (place / "client.pem").write_bytes(known.certify(key, "client", ("client.invalid",), now - DAY, now + YEAR))
    (place / "key.pem").write_bytes(key_pem(key))
    contexts = {name: _context(place, certificate) for name, certificate in shown.items()}
    contexts |= {name: _context(place, shown["good"]) for name in ("client-certificate", "no-close-notify")}
    contexts["good"].set_alpn_protocols(["h2", "http/1.1"])
    demanding = contexts["client-certificate"]
    demanding.verify_mode, demanding.sslobject_class = CERT_REQUIRED, AlertingSSLObject
    demanding.load_verify_locations(place / "ca.pem")
    return TlsCredentials(place, ca_pem, contexts)


def _context(place: Path, certificate: bytes) -> SSLContext:
    """A server's context; OpenSSL takes certificates from files only."""
    context, file = SSLContext(PROTOCOL_TLS_SERVER), place / "server.pem"
    file.write_bytes(certificate)
    context.load_cert_chain(file, place / "key.pem")
    return context


def bare(fault: TlsFault, log: Log) -> Callable[[LabConnection], Coroutine[None, None, None]]:
    """The handler of a connection on which no handshake succeeds."""

    async def handle(link: LabConnection) -> None:
        await link.more()
        if not link.received:
            return
        log({"event": "lab_handshake", "fault": fault.target, "expect": fault.expect.verdict})
        await play(link, BARE[fault.name])

    return handle


async def listening(fault: TlsFault, credentials: TlsCredentials, host: str, port: int, log: Log) -> Listener | Lab:
    """Open the port of one fault."""
    if fault.name in BARE:
        return await Listener(bare(fault, log)).open(host, port)
    polite = fault.name != "no-close-notify"
    return await Lab(host, log, close_notify=polite).open(port, credentials.contexts[fault.name])


@asynccontextmanager
async def tls_lab(host: str, first_port: int, *, log: Log | None = None) -> AsyncIterator[TlsLab]:
    """Every TLS fault on its own port from `first_port` on, or on free ones for 0."""
    place = await asyncio.to_thread(TemporaryDirectory, prefix="chat-monitor-lab-")
    async with AsyncExitStack() as stack:
        stack.push_async_callback(asyncio.to_thread, place.cleanup)
        credentials = await asyncio.to_thread(issue, Path(place.name), host)
        faults = []
        for number, fault in enumerate(FAULTS):
            opened = await listening(
                fault, credentials, host, first_port + number if first_port else 0, log or (lambda _: None)
            )
            await stack.enter_async_context(opened)
            faults.append(replace(fault, port=opened.port))
        files = (str(credentials.place / name) for name in ("ca.pem", "client.pem", "key.pem"))
        yield TlsLab(tuple(_with_others(faults)), credentials.ca_pem, *files)


def _with_others(faults: list[TlsFault]) -> Iterator[TlsFault]:
    """The faults, each followed by what else can be probed on its port."""
    for fault in faults:
        yield fault
        yield from (replace(other, port=fault.port) for other in SAME_PORT if other.name.startswith(f"{fault.name}-"))
