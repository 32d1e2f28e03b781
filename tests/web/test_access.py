"""Tests of authentication: passwords, certificates, and changes while the monitor runs."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import aiohttp
import bcrypt
import pytest
import trustme

from monitor.config import ConfigError
from monitor.web.access import Access, BusyError
from monitor.web.app import application
from monitor.web.server import serve
from tests.web.sources import a_daemon

TLS = "tls_server_config: {cert_file: cert.pem, key_file: key.pem%s}\n"


def hashed(password: str) -> str:
    """Return a bcrypt hash of the least cost."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


def basic(name: str, password: str) -> str:
    """Return an Authorization header."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


class Made(NamedTuple):
    """A directory with an authority's certificate for 127.0.0.1, and what writes the web config file there."""

    authority: trustme.CA
    directory: Path

    def certificate(self) -> str:
        """Put a new certificate there, and return its serial number as OpenSSL has it."""
        made = self.authority.issue_cert("127.0.0.1")
        made.cert_chain_pems[0].write_to_path(str(self.directory / "cert.pem"))
        made.private_key_pem.write_to_path(str(self.directory / "key.pem"))
        decoded = ssl._ssl._test_decode_cert(str(self.directory / "cert.pem"))  # type: ignore[attr-defined]
        return str(decoded["serialNumber"])

    def write(self, text: str) -> Path:
        """Write the web config file."""
        path = self.directory / "web.yml"
        path.write_text(text)
        return path


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A directory with a certificate."""
    found = Made(trustme.CA(), tmp_path)
    found.authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    found.certificate()
    return found


@pytest.fixture
def access(made: Made) -> Iterator[Access]:
    """Two users, and no TLS."""
    found = Access(made.write(f"basic_auth_users:\n  prom: {hashed('right')}\n  jürgen: {hashed('grün')}\n"))
    yield found
    found.close()


@pytest.mark.parametrize(
    ("header", "admitted"),
    [
        (basic("prom", "right"), True),
        (basic("jürgen", "grün"), True),
        (basic("prom", "right").replace("Basic", "bAsIc"), True),
        (basic("prom", "wrong"), False),
        (basic("nobody", "right"), False),
        (basic("prom", "grün"), False),
        (basic("prom", ""), False),
        (basic("prom", "right\0"), False),
        (basic("prom", "right" * 100), False),
        ("Basic " + base64.b64encode(b"prom").decode(), False),
        ("Basic " + base64.b64encode(b"\xff:right").decode(), False),
        ("Basic ***", False),
        ("Basic", False),
        ("Bearer prom:right", False),
        ("", False),
    ],
)
async def test_who_is_admitted(access: Access, header: str, admitted: bool) -> None:
    """A user with the correct password is admitted, also the second time; any other header is refused."""
    assert [await access.admits(header), await access.admits(header)] == [admitted, admitted]


async def test_many_guesses_at_a_time(access: Access) -> None:
    """Passwords are checked one by one, 64 may wait, of more than that any is refused, and who is known waits not."""
    assert await access.admits(basic("prom", "right"))
    guesses = [asyncio.ensure_future(access.admits(basic("prom", f"guess {number}"))) for number in range(80)]
    await asyncio.sleep(0)
    assert await access.admits(basic("prom", "right"))
    assert not any(guess.done() and not guess.exception() for guess in guesses), "who is known came first"
    found = await asyncio.gather(*guesses, return_exceptions=True)
    assert [one for one in found if not isinstance(one, BusyError)] == [False] * 64


async def test_who_is_right_is_let_in_among_guesses_from_the_same_address(access: Access) -> None:
    """A first right password waits for those before it, 60 here, and is not refused for them."""
    guesses = [asyncio.ensure_future(access.admits(basic("prom", f"guess {number}"))) for number in range(60)]
    await asyncio.sleep(0)
    right = asyncio.ensure_future(access.admits(basic("prom", "right")))
    await asyncio.sleep(0)
    later = [asyncio.ensure_future(access.admits(basic("prom", f"late {number}"))) for number in range(3)]
    assert await right
    assert all(guess.done() for guess in guesses)
    assert not later[-1].done()
    assert await asyncio.gather(*guesses, *later) == [False] * 63


async def test_a_full_line_lets_others_in(access: Access) -> None:
    """If too many passwords wait, one of the longest queue is refused, and none of another address or user."""
    guesses = [asyncio.ensure_future(access.admits(basic("prom", f"guess {number}"), "a")) for number in range(65)]
    await asyncio.sleep(0)
    assert await access.admits(basic("prom", "right"), "b")
    assert await access.admits(basic("jürgen", "grün"), "a")
    found = await asyncio.gather(*guesses, return_exceptions=True)
    assert any(isinstance(one, BusyError) for one in found)


async def test_a_wrong_password_is_checked_once(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that sends the same wrong password again and again costs one check, until the file says otherwise."""
    assert not await access.admits(basic("prom", "wrong"))
    with monkeypatch.context() as patched:
        patched.delattr(bcrypt, "checkpw")
        assert not await access.admits(basic("prom", "wrong"))
    access.path.write_text(f"basic_auth_users:\n  prom: {hashed('wrong')}\n")
    assert await asyncio.to_thread(access.refresh)
    assert await access.admits(basic("prom", "wrong"))


async def test_of_wrong_passwords_the_newest_are_kept_in_mind(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of them takes a bounded memory."""
    monkeypatch.setattr(access._wrong, "_most", 2)
    for number in range(3):
        assert not await access.admits(basic("prom", f"wrong {number}"))
    assert len(access._wrong) == 2


async def test_passwords_that_wait_at_a_stop_are_refused(access: Access) -> None:
    """A password that waits when the daemon stops is refused."""
    guesses = [asyncio.ensure_future(access.admits(basic("prom", f"guess {number}"))) for number in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    (line,) = access.queues.values()
    assert line.task is not None
    line.task.cancel()
    found = await asyncio.gather(*guesses, return_exceptions=True)
    assert all(isinstance(one, BusyError) for one in found)
    assert access.queues == {}


async def test_a_flood_of_guesses_locks_no_user_out(access: Access) -> None:
    """Guesses from one address, for a known or an unknown user, delay neither other users nor other addresses."""
    flood = [("prom", number) for number in range(8)] + [(f"nobody {number}", number) for number in range(8)]
    guesses = [
        asyncio.ensure_future(access.admits(basic(user, f"guess {number}"), "10.0.0.1")) for user, number in flood
    ]
    await asyncio.sleep(0)
    assert len(access.queues) == 2
    assert await access.admits(basic("prom", "right"), "10.0.0.2")
    assert not all(guess.done() for guess in guesses), "who is right did not wait for all of them"
    assert await access.admits(basic("jürgen", "grün"), "10.0.0.1")
    assert await asyncio.gather(*guesses) == [False] * 16
    assert access.queues == {}


async def test_the_same_password_is_checked_once_for_all_who_wait(access: Access) -> None:
    """Forty concurrent scrapes with the correct password are admitted; a client that disconnects affects no other."""
    asking = [asyncio.ensure_future(access.admits(basic("prom", "right"), "10.0.0.1")) for _ in range(40)]
    await asyncio.sleep(0)
    asking[0].cancel()
    assert await asyncio.gather(*asking[1:]) == [True] * 39
    wrong = [asyncio.ensure_future(access.admits(basic("prom", "wrong"), "10.0.0.1")) for _ in range(40)]
    assert await asyncio.gather(*wrong) == [False] * 40
    assert access.queues == {}


async def test_every_check_takes_as_long(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of bcrypt rounds depends neither on the user nor on the cost of the user's hash."""
    hashes = {f"user{cost}": bcrypt.hashpw(b"right", bcrypt.gensalt(cost)).decode() for cost in (4, 5, 7)}
    users = "".join(f"  {name}: {one}\n" for name, one in hashes.items())
    access = await asyncio.to_thread(Access, made.write(f"basic_auth_users:\n{users}"))
    rounds: list[int] = []
    check = bcrypt.checkpw

    def counted(password: bytes, against: bytes) -> bool:
        rounds.append(2 ** int(against.split(b"$")[2]))
        return check(password, against)

    monkeypatch.setattr(bcrypt, "checkpw", counted)
    for name in (*hashes, "nobody"):
        for password in ("wrong", "right", "x" * 100):
            rounds.clear()
            assert await access.admits(basic(name, password)) == (password == "right" and name in hashes)
            assert sum(rounds) == 2**7
    access.close()


async def test_what_is_remembered_is_bounded(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is dropped, and is checked again."""
    monkeypatch.setattr(access._known, "_most", 1)
    for header in (basic("prom", "right"), basic("jürgen", "grün")) * 2:
        assert await access.admits(header)
        assert len(access._known) == 1


async def test_without_users_all_are_admitted(made: Made) -> None:
    """With TLS but without users no password is required."""
    access = await asyncio.to_thread(Access, made.write(TLS % ""))
    assert await access.admits("")
    access.close()


def test_which_certificates_are_known(made: Made) -> None:
    """If names are listed, the client's certificate must contain one of them."""
    names = ", client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem, client_allowed_sans: [a.test]"
    access = Access(made.write(TLS % names))
    assert access.admits_certificate({"subjectAltName": (("DNS", "b.test"), ("DNS", "a.test"))})
    assert not access.admits_certificate({"subjectAltName": (("DNS", "b.test"),)})
    assert not access.admits_certificate({})
    assert not access.admits_certificate(None)
    access.close()


# -- what changes while it runs ----------------------------------------------------------------------------------------


async def test_users_change(access: Access, made: Made) -> None:
    """A password that was taken back is not let in any more; a file with a mistake leaves all as it is."""
    assert await access.admits(basic("prom", "right"))
    assert not await asyncio.to_thread(access.refresh)
    made.write(f"basic_auth_users: {{prom: {hashed('new')}}}\n")
    assert await asyncio.to_thread(access.refresh)
    assert not await access.admits(basic("prom", "right"))
    assert await access.admits(basic("prom", "new"))
    made.write("basic_auth_users: {prom: new}\n")
    with pytest.raises(ConfigError, match="is not a bcrypt hash"):
        await asyncio.to_thread(access.refresh)
    assert await access.admits(basic("prom", "new"))


def test_other_tls_needs_a_restart(made: Made) -> None:
    """A change that open connections prevent is refused with a message."""
    access = Access(made.write(TLS % ""))
    made.write(TLS % ", min_version: TLS13")
    with pytest.raises(ConfigError, match="has changed; a restart is needed"):
        access.refresh()
    access.close()


@pytest.mark.parametrize("text", ["no PEM", ""])
def test_a_certificate_that_does_not_fit(made: Made, text: str) -> None:
    """At the start it is a mistake in one line; while it runs the one before goes on being served."""
    access = Access(made.write(TLS % ""))
    (made.directory / "key.pem").write_text(text)
    for act in (access.refresh, lambda: Access(access.path)):
        with pytest.raises(ConfigError, match=r"^[^\n]*tls_server_config: cannot be served: [^\n]*$"):
            act()
    access.close()


def test_an_encrypted_key(made: Made) -> None:
    """An encrypted key is refused without a prompt for its password."""
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415 - for this one test

    key = form.load_pem_private_key((made.directory / "key.pem").read_bytes(), None)
    shut = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.BestAvailableEncryption(b"pw"))
    (made.directory / "key.pem").write_bytes(shut)
    with pytest.raises(ConfigError, match="the key is encrypted"):
        Access(made.write(TLS % ""))


def test_the_finer_points_of_tls(made: Made) -> None:
    """TLS versions, cipher suites and curves are those of the file, also with the certificate in the file."""
    more = ", max_version: TLS12, cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256], curve_preferences: [X25519]"
    context = Access(made.write(TLS % more)).context
    assert context is not None
    assert context.maximum_version is ssl.TLSVersion.TLSv1_2
    assert "ECDHE-ECDSA-AES128-GCM-SHA256" in {it["name"] for it in context.get_ciphers()}
    assert "ECDHE-RSA-AES128-GCM-SHA256" not in {it["name"] for it in context.get_ciphers()}
    inline = "".join(
        f"  {key}: |\n" + "".join(f"    {line}\n" for line in (made.directory / file).read_text().splitlines())
        for key, file in (("cert", "cert.pem"), ("key", "key.pem"))
    )
    assert Access(made.write(f"tls_server_config:\n{inline}")).context is not None


# -- over real sockets -------------------------------------------------------------------------------------------------


async def asked(port: int, trusted: ssl.SSLContext, path: str = "/metrics", **headers: str) -> int:
    """Return the status of an answer."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"https://127.0.0.1:{port}{path}", ssl=trusted, headers=headers) as response,
    ):
        return response.status


async def served(port: int, trusted: ssl.SSLContext) -> str:
    """Return the serial number of the certificate that is served."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusted)
    writer.close()
    return str(writer.get_extra_info("peercert")["serialNumber"])


async def test_over_tls(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Users are asked for, health is not; a certificate that was replaced is served from then on, without a restart."""
    first = made.certificate()
    users = f"basic_auth_users: {{prom: {hashed('right')}}}\n"
    access = await asyncio.to_thread(Access, made.write(TLS % "" + users))
    trusted = ssl.create_default_context()
    made.authority.configure_trust(trusted)
    server = await serve(application(a_daemon().source(), access=access), [("127.0.0.1", 0)], tls=access.context)
    try:
        assert await asked(server.port, trusted) == 401
        assert await asked(server.port, trusted, "/-/healthy") == 200
        assert await asked(server.port, trusted, "/-/ready") == 200
        assert await asked(server.port, trusted, Authorization=basic("prom", "right")) == 200
        monkeypatch.setattr("monitor.web.access._WAITING", 1)
        checked = threading.Event()
        access._worker.submit(checked.wait)
        guesses = [
            asyncio.ensure_future(asked(server.port, trusted, Authorization=basic("prom", f"guess {number}")))
            for number in range(3)
        ]
        await asyncio.wait(guesses, return_when=asyncio.FIRST_COMPLETED)
        checked.set()
        assert sorted(await asyncio.gather(*guesses)) == [401, 401, 429]
        assert await served(server.port, trusted) == first
        second = made.certificate()
        assert await asyncio.to_thread(access.refresh)
        assert await served(server.port, trusted) == second
    finally:
        await server.close()
        access.close()


async def test_a_client_without_a_certificate(made: Made) -> None:
    """If client certificates are required, a client is answered only with a certificate that has an allowed name."""
    more = ", client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem, client_allowed_sans: [a.test]"
    access = await asyncio.to_thread(Access, made.write(TLS % more))
    server = await serve(application(a_daemon().source(), access=access), [("127.0.0.1", 0)], tls=access.context)

    def client(name: str) -> ssl.SSLContext:
        context = ssl.create_default_context()
        made.authority.configure_trust(context)
        if name:
            made.authority.issue_cert(name).configure_cert(context)
        return context

    try:
        with pytest.raises(aiohttp.ClientError):
            await asked(server.port, client(""))
        assert await asked(server.port, client("b.test")) == 403
        assert await asked(server.port, client("a.test")) == 200
    finally:
        await server.close()
        access.close()


_TLS = "tls_server_config: {{cert_file: cert.pem, {key}}}\n"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("http_server_config: {http2: false}\n", ()),
        ("basic_auth_users: {prom: HASH}\n", ("web.yml",)),
        (_TLS.format(key="key_file: key.pem"), ("key.pem",)),
        (_TLS.format(key="key: KEY"), ("web.yml",)),
    ],
)
def test_a_secret_that_others_can_read_is_warned_of(made: Made, text: str, named: tuple[str, ...]) -> None:
    """The private key, and the file that has hashes of passwords or a key in it."""
    text = text.replace("HASH", hashed("right")).replace("KEY", json.dumps((made.directory / "key.pem").read_text()))
    files = [made.write(text), made.directory / "key.pem"]
    for file in files:
        file.chmod(0o644)
    access = Access(made.directory / "web.yml")
    warning = "other users can read this file, which contains a secret (mode 0644): chmod 600"
    assert list(access.warnings) == [f"{made.directory / name}: {warning}" for name in named]
    for file in files:
        file.chmod(0o600)
    assert list(access.warnings) == []
    access.close()


def test_who_was_let_in(access: Access, made: Made) -> None:
    """By the name of the user, else by what the client's certificate says."""
    certificate = {"subject": ((("commonName", "ops"),),), "subjectAltName": (("DNS", "ops.example"),)}
    assert (access.authenticates, access.user(basic("prom", "right"), certificate)) == (True, "prom")
    tls = "tls_server_config: {cert_file: cert.pem, key_file: key.pem, client_ca_file: ca.pem, "
    for auth_type, authenticates in (("RequireAndVerifyClientCert", True), ("VerifyClientCertIfGiven", False)):
        found = Access(made.write(f"{tls}client_auth_type: {auth_type}}}"))
        assert found.authenticates is authenticates
        assert found.user(basic("prom", "right"), certificate) == "ops"
        assert found.user("", {"subjectAltName": (("DNS", "ops.example"),)}) == "ops.example"
        assert found.user("", None) == "a client with a certificate"
        found.close()
