"""Certificates, of the server and our own: which hold, which do not and why, and files that cannot be used."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from asyncio import sslproto
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from monitor.http.tls import load, mend_tls_in_tls
from monitor.keys.tls import Tls
from monitor.lab.server import serve
from monitor.stream.endings import EndKind, Mark
from tests.conftest import Ask
from tests.http.parts import CLOSED, HI, STOP, CertificateAuthority, closed_port, unchecked
from tests.test_wire import verdict

pytestmark = pytest.mark.usefixtures("no_leaks")


async def test_a_complete_chat_over_tls(ask: Ask, ca: CertificateAuthority) -> None:
    """The clocks come in order, the handshake has its own, and the certificate's expiry is known."""
    expiry = datetime(2038, 1, 1, tzinfo=UTC)
    async with await serve("127.0.0.1", 0, ssl=ca.server(not_after=expiry)) as lab:
        observation = await ask(f"{lab.url}/openai-chat/ok?gap=1ms&ttfc=1ms", tls=ca.trusted)
    assert verdict(observation) == "ok"
    times = [observation.recording.marks[mark] for mark in Mark if mark in observation.recording.marks]
    assert Mark.TLS in observation.recording.marks
    assert times == sorted(times)
    assert observation.certificate_expiry == expiry.timestamp()


@pytest.mark.parametrize(
    ("names", "more", "code"),
    [
        (("127.0.0.1",), {"not_after": datetime.now(UTC) - timedelta(days=1)}, 10),
        (("127.0.0.1",), {"not_before": datetime.now(UTC) + timedelta(days=1)}, 9),
        (("other.test",), {}, 64),
    ],
    ids=["expired", "not yet valid", "wrong host"],
)
async def test_a_certificate_that_does_not_hold(
    ask: Ask, ca: CertificateAuthority, names: tuple[str, ...], more: dict[str, Any], code: int
) -> None:
    """Each reason is named by OpenSSL's own code and words."""
    if "not_after" in more:
        more = {**more, "not_before": more["not_after"] - timedelta(days=1)}
    async with await serve("127.0.0.1", 0, ssl=ca.server(*names, **more)) as lab:
        observation = await ask(f"{lab.url}/openai-chat/ok", tls=ca.trusted)
    assert (verdict(observation), observation.verdict.phase) == ("unreachable/tls_certificate", "connect")
    assert f"OpenSSL verify code {code}" in observation.verdict.detail
    assert observation.certificate_expiry is not None


def shaken(ca: CertificateAuthority) -> tuple[ssl.SSLObject, ssl.SSLObject, ssl.MemoryBIO, ssl.MemoryBIO]:
    """Return both sides of a TLS connection, and what the client will read and has written."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = load(ca.trusted).context.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    server = ca.server().wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client, server):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    return client, server, to_client, to_server


NOT_TLS = b"\x17\x03\x03\x00\x20" + bytes(32)
"""A record that does not decrypt: as after a fatal alert, every read fails."""


def test_data_comes_before_the_error_after_it(ca: CertificateAuthority) -> None:
    """A read that returned data is followed by an end, and the error comes after that."""
    client, server, to_client, _ = shaken(ca)
    server.write(b"hello")
    to_client.write(NOT_TLS)
    assert (client.read(99), client.read(99)) == (b"hello", b"")
    with pytest.raises(ssl.SSLError, match=r"(?i)mac"):
        client.read(99)


def test_an_error_alone_comes_at_once(ca: CertificateAuthority) -> None:
    """What was read before, up to where nothing was left, has nothing to do with it."""
    client, server, to_client, _ = shaken(ca)
    server.write(b"hello")
    assert client.read(99) == b"hello"
    with pytest.raises(ssl.SSLWantReadError):
        client.read(99)
    to_client.write(NOT_TLS)
    with pytest.raises(ssl.SSLError, match=r"(?i)mac"):
        client.read(99)


class Aborting(asyncio.Protocol):
    """A server in TLS that sends a response, and bytes that are not TLS, in one write."""

    def __init__(self, context: ssl.SSLContext, response: bytes) -> None:
        self._came, self._wanted = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._came, self._wanted, server_side=True)
        self._response = response

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Shake hands, and answer the first bytes after that."""
        self._came.write(data)
        end = b""
        with contextlib.suppress(ssl.SSLError):
            self._tls.do_handshake()
            self._tls.read(65536)
            self._tls.write(self._response)
            end = NOT_TLS
        self._transport.write(self._wanted.read() + end)


@pytest.mark.parametrize(
    ("body", "wanted"),
    [(HI, "truncated/reset"), (HI + STOP, "ok")],
    ids=["in the stream", "after the end"],
)
async def test_tls_that_is_aborted_right_after_a_response(
    ask: Ask, ca: CertificateAuthority, body: bytes, wanted: str
) -> None:
    """What came in the read with a fatal error is not lost, and it is no failed handshake."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Aborting(ca.server(), CLOSED + body), "127.0.0.1", 0)
    async with server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        observation = await ask(**unchecked(url, tls=ca.trusted))
    assert (verdict(observation), observation.recording.chunks) == (wanted, 1)
    assert observation.recording.ending.kind is EndKind.RESET
    views = observation.recording.views
    assert views.uncertainties[-1] == views.spreads[-1] > 0.0, "what ended TLS was the last of the read"


async def test_an_unknown_authority(ask: Ask, ca: CertificateAuthority) -> None:
    """A certificate of an unknown authority is refused without its `ca_file`, and accepted without verification."""
    async with await serve("127.0.0.1", 0, ssl=ca.server()) as lab:
        url = f"{lab.url}/openai-chat/ok?gap=0&ttfc=0"
        observation = await ask(url)
        assert verdict(observation) == "unreachable/tls_certificate"
        assert "unable to get local issuer certificate" in observation.verdict.detail
        assert verdict(await ask(url, tls=Tls(insecure_skip_verify=True))) == "ok"


async def test_a_self_signed_certificate(ask: Ask, ca: CertificateAuthority) -> None:
    """A self-signed certificate is named as such."""
    alone = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own = trustme.CA()
    with own.private_key_pem.tempfile() as key, own.cert_pem.tempfile() as certificate:
        alone.load_cert_chain(certificate, key)
    async with await serve("127.0.0.1", 0, ssl=alone) as lab:
        observation = await ask(f"{lab.url}/openai-chat/ok", tls=ca.trusted)
    assert verdict(observation) == "unreachable/tls_certificate"
    assert "self-signed certificate, OpenSSL verify code 18" in observation.verdict.detail


async def test_a_name_of_its_own_for_the_certificate(ask: Ask, ca: CertificateAuthority) -> None:
    """`server_name` is what the certificate has to be for."""
    async with await serve("127.0.0.1", 0, ssl=ca.server("chat.test")) as lab:
        named = Tls(ca_file=ca.file, server_name="chat.test")
        assert verdict(await ask(f"{lab.url}/openai-chat/ok?gap=0&ttfc=0", tls=named)) == "ok"


class Stern(asyncio.Protocol):
    """A TLS server that says with an alert why it refuses, and closes without losing it, as real servers do."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Continue the handshake; after a failure, send the alert and nothing else."""
        self._incoming.write(data)
        failed = False
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            failed = True
        self._transport.write(self._outgoing.read())
        if failed and self._transport.can_write_eof():
            self._transport.write_eof()


def demanding(ca: CertificateAuthority) -> ssl.SSLContext:
    """Return the context of a server that wants a certificate of the client's."""
    context = ca.server()
    context.verify_mode = ssl.CERT_REQUIRED
    ca.authority.configure_trust(context)
    return context


async def test_a_server_that_wants_our_certificate(ask: Ask, ca: CertificateAuthority) -> None:
    """In TLS 1.3 the refusal of a missing client certificate comes after the handshake; the detail says so."""
    context = demanding(ca)
    server = await asyncio.get_running_loop().create_server(lambda: Stern(context), "127.0.0.1", 0)
    async with server:
        observation = await ask(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/", tls=ca.trusted)
    assert verdict(observation) == "unreachable/tls_handshake"
    assert "cert_file" in observation.verdict.detail


async def test_a_server_that_gets_our_certificate(ask: Ask, ca: CertificateAuthority, tmp_path: Path) -> None:
    """With `cert_file` and `key_file` the server accepts the connection."""
    mine = ca.authority.issue_cert("monitor.test")
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    mine.cert_chain_pems[0].write_to_path(cert)
    mine.private_key_pem.write_to_path(key)
    async with await serve("127.0.0.1", 0, ssl=demanding(ca)) as lab:
        ours = Tls(ca_file=ca.file, cert_file=cert, key_file=key)
        observation = await ask(f"{lab.url}/openai-chat/ok?gap=0&ttfc=0", tls=ours)
    assert verdict(observation) == "ok"


@pytest.mark.parametrize("name", ["none.pem", "garbage.pem"])
async def test_a_file_of_tls_that_cannot_be_used(ask: Ask, tmp_path: Path, name: str) -> None:
    """An unusable TLS file is our own fault, and not the target's."""
    (tmp_path / "garbage.pem").write_text("garbage")
    with closed_port() as port:
        observation = await ask(f"https://127.0.0.1:{port}/", tls=Tls(ca_file=str(tmp_path / name)))
    assert verdict(observation) == "inconclusive/internal"


def test_tls_in_tls_is_mended_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The `_abort` of asyncio is replaced only if it does not accept an error."""
    plain: Any = sslproto.SSLProtocol
    calls: list[object] = []
    monkeypatch.setattr(plain, "_abort", calls.append)
    assert mend_tls_in_tls()
    assert not mend_tls_in_tls()
    plain._abort("one", ConnectionError())
    plain._abort("two")
    assert calls == ["one", "two"]
