"""Files of secrets that change while the daemon runs: taken without a reload, and kept if they are invalid."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from monitor.config.secrets import Places
from monitor.daemon.secret_files import Compared, SecretFiles
from monitor.http import tls
from monitor.keys.secret import Secret
from monitor.keys.tls import Tls
from monitor.lab.peer import peer
from monitor.lab.server import Lab, serve
from monitor.lab.steps import Fin, Send
from monitor.target import Target
from tests.conftest import WITHIN
from tests.daemons import HEAD, HI, QUICK_OK, STOP, ConfigFile, reloaded, running, watched
from tests.http.parts import CertificateAuthority

pytestmark = pytest.mark.usefixtures("no_leaks", "own_logging", "no_spread")

ANSWER = (Send(HEAD + HI + STOP), Fin())
TAKEN = "a secret file has changed and is in use"
KEPT = "a secret file cannot be used, the old secret stays in use"
NOTHING = Compared(frozenset(), {})


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Compare files often, and leave no TLS context to other tests."""
    monkeypatch.setattr("monitor.daemon.reload.CHECK_EVERY", 0.001)
    yield
    tls.forget()


@pytest.fixture
def ca(tmp_path: Path) -> CertificateAuthority:
    """Return a certificate authority."""
    return CertificateAuthority(tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> ConfigFile:
    """Return a config file."""
    return ConfigFile(tmp_path / "config.toml")


def count(result: str) -> str:
    """Return the series of a result."""
    return f'chat_monitor_secret_reloads_total{{result="{result}"}}'


# -- in a daemon -------------------------------------------------------------------------------------------------------


async def test_a_key_that_is_swapped_through_a_link(file: ConfigFile, tmp_path: Path) -> None:
    """After a swap as by Kubernetes the next probe has the new key, without a reload; the log shows neither key."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "key").write_text(f"{name}-canary\n")
        (tmp_path / name / "tenant").write_text(f"{name}-tenant\n")
    (tmp_path / "data").symlink_to("first")
    async with peer(ANSWER) as server:
        keys = ('api_key_file = "data/key"', 'header_files = {X-Tenant = "data/tenant"}', 'check = "none"')
        file.write(watched("one", server.url, *keys))
        async with running(config=await file.first(), load=file) as daemon:
            await daemon.line(event="probe")
            (tmp_path / "next").symlink_to("second")
            (tmp_path / "next").replace(tmp_path / "data")
            await daemon.until(count("success"), 2)
            assert (await daemon.post("/api/v1/targets/one/probe"))[0] == 200
            sent = [(one.headers["authorization"], one.headers["x-tenant"]) for one in server.requests]
            assert sent == [("Bearer first-canary", "first-tenant"), ("Bearer second-canary", "second-tenant")]
            logging.getLogger("library").error("met first-canary and second-canary")
            assert (await daemon.line(logger="library"))["event"] == "met [redacted] and [redacted]"
            assert await daemon.metric('chat_stream_accepted_total{target="one"}') == 1
            assert (file.reads, await daemon.metric(count("failure"))) == (1, 0)


async def test_a_key_that_becomes_empty(file: ConfigFile, tmp_path: Path) -> None:
    """The old key stays, it is logged and counted once; then it is gone, which is another failure; then a new one."""
    key = tmp_path / "key"
    key.write_text("first-canary")
    async with peer(ANSWER) as server:
        file.write(watched("one", server.url, 'api_key_file = "key"', 'check = "none"'))
        async with running(config=await file.first(), load=file) as daemon:
            await daemon.line(event="probe")
            key.write_text("")
            event = await daemon.line(event=KEPT)
            assert (event["level"], event["file"], event["why"]) == ("error", "key", "names a file that is empty")
            key.unlink()
            assert "cannot be read" in (await daemon.line(event=KEPT))["why"]
            assert (await daemon.post("/api/v1/targets/one/probe"))[0] == 200
            assert await daemon.metric(count("failure")) == 2
            key.write_text("second-canary")
            assert (await daemon.line(event=TAKEN))["file"] == "key"
            assert (await daemon.post("/api/v1/targets/one/probe"))[0] == 200
            sent = [request.headers["authorization"] for request in server.requests]
            assert sent == ["Bearer first-canary", "Bearer first-canary", "Bearer second-canary"]
            assert await daemon.metric(count("failure")) == 2


async def test_an_authority_that_changes(file: ConfigFile, tmp_path: Path, ca: CertificateAuthority) -> None:
    """A new authority is trusted from the next probe on; an invalid file leaves the previous one in use."""
    authority = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(authority)
    async with await serve("127.0.0.1", 0, ssl=ca.server()) as lab:
        file.write(watched("one", lab.url + QUICK_OK, 'tls = {ca_file = "ca.pem"}', 'check = "none"'))
        async with running(config=await file.first(), load=file) as daemon:
            assert (await daemon.line(event="probe"))["cause"] == "tls_certificate"
            ca.authority.cert_pem.write_to_path(authority)
            assert (await daemon.line(event=TAKEN))["file"] == str(authority)
            authority.write_text("-----BEGIN nothing")
            assert "cannot be used" in (await daemon.line(event=KEPT))["why"]
            authority.unlink()
            assert "cannot be read" in (await daemon.line(event=KEPT))["why"]
            assert json.loads((await daemon.post("/api/v1/targets/one/probe"))[1])["outcome"] == "ok"


async def test_a_bug_ends_no_comparing(
    lab: Lab, file: ConfigFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception is counted, and the next change is used."""
    (tmp_path / "key").write_text("first-canary")
    file.write(watched("one", lab.url + QUICK_OK, 'api_key_file = "key"', 'check = "none"'))

    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    async with running(config=await file.first(), load=file) as daemon:
        await daemon.line(event="started")
        with monkeypatch.context() as patch:
            patch.setattr(SecretFiles, "compare", broken)
            await daemon.line(event="unhandled exception")
        (tmp_path / "key").write_text("second-canary")
        await daemon.line(event=TAKEN)


async def test_a_reload_while_files_are_compared(
    lab: Lab, file: ConfigFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A comparison that began before a reload is dropped, because the reload reads the files itself."""
    (tmp_path / "key").write_text("first-canary")
    file.write(watched("one", lab.url + QUICK_OK, 'api_key_file = "key"', 'check = "none"'))
    compare, inside, go_on = SecretFiles.compare, threading.Event(), threading.Event()

    def held(files: SecretFiles, targets: tuple[Target, ...], places: Places) -> Compared:
        found = compare(files, targets, places)
        if found.changed:
            inside.set()
            go_on.wait(WITHIN)
        return found

    async with running(config=await file.first(), load=file) as daemon:
        await daemon.line(event="probe")
        monkeypatch.setattr(SecretFiles, "compare", held)
        (tmp_path / "key").write_text("second-canary")
        assert await asyncio.to_thread(inside.wait, WITHIN)
        (tmp_path / "key").write_text("third-canary")
        await reloaded(daemon)
        go_on.set()
        await daemon.line(event="reloaded")
        (tmp_path / "key").write_text("fourth-canary")
        await daemon.line(event=TAKEN)
        assert await daemon.metric(count("success")) == 1


# -- by itself ---------------------------------------------------------------------------------------------------------


def keyed(name: str, secret: str) -> Target:
    """Return a target whose key is from the file `key`."""
    return Target(name, "raw", "http://h/", api_key_file="key", api_key=Secret(secret))


def test_a_change_is_taken_once_two_readings_agree(tmp_path: Path) -> None:
    """A changed file is used once two readings agree; an unchanged one is not reported."""
    key, files, places = tmp_path / "key", SecretFiles(), Places(tmp_path, {})
    targets: tuple[Target, ...] = (keyed("one", "first"), Target("plain", "raw", "http://h/"))
    key.write_text("first")
    assert [files.compare(targets, places) for _ in range(2)] == [NOTHING] * 2
    key.write_text("sec")
    assert files.compare(targets, places) == NOTHING
    key.write_text("second")
    assert files.compare(targets, places) == NOTHING
    assert files.compare(targets, places) == Compared(frozenset({"key"}), {})
    assert files.renewed(targets) == (keyed("one", "second"), targets[1])
    assert files.compare(files.renewed(targets), places) == NOTHING


def test_a_target_that_was_discovered_before_has_the_new_secret(tmp_path: Path) -> None:
    """A source that is read again may give the target as it was made, with the secret of then."""
    files, places, old = SecretFiles(), Places(tmp_path, {}), keyed("old", "first")
    (tmp_path / "key").write_text("second")
    for _ in range(2):
        files.compare([old], places)
    assert files.renewed([old]) == (keyed("old", "second"),)


def test_a_secret_that_is_not_from_its_file_stays(tmp_path: Path) -> None:
    """A target without the secret of a file that it names gets none."""
    files, places = SecretFiles(), Places(tmp_path, {})
    (tmp_path / "key").write_text("second")
    bare = replace(keyed("one", "first"), header_files={"X-Tenant": "none"})
    for _ in range(2):
        files.compare([bare], places)
    renewed = files.renewed([bare])[0]
    assert (renewed.api_key, renewed.headers) == (Secret("second"), {})


def test_certificates_that_cannot_be_used(tmp_path: Path, ca: CertificateAuthority) -> None:
    """The old ones stay in use; the failure is reported once."""
    pem = tmp_path / "ca.pem"
    ca.authority.cert_pem.write_to_path(pem)
    target = Target("one", "raw", "https://h/", tls=Tls(ca_file=str(pem)))
    files, places = SecretFiles(), Places(tmp_path, {})
    context = tls.tls_context(target.tls)
    assert [files.compare([target], places) for _ in range(2)] == [NOTHING] * 2
    pem.write_text("-----BEGIN nothing")
    errors = [files.compare([target], places).wrong for _ in range(3)]
    assert [list(one) for one in errors] == [[], [str(pem)], []]
    assert tls.tls_context(target.tls) is context
