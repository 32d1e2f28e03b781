"""The secrets that the daemon collects."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from monitor.config import Config
from monitor.daemon.secrets import secrets_in
from monitor.keys.secret import Secret, pem_lines
from monitor.keys.tls import Tls
from monitor.lab.certificates import key_pem, new_key
from monitor.settings import BasicAuth, DiscoverySource, Settings, Web
from monitor.target import Target
from monitor.web.access import Access
from tests.daemons import running

_URL = "http://user:pass-word@127.0.0.1:1/list?token=of-a-list"


def test_targets_keys_and_sources_of_targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The secrets are keys of targets, private TLS keys line by line, and those in the URLs of sources."""
    own = tmp_path / "own.key"
    own.write_bytes(key_pem(new_key()))
    pem = tmp_path / "client.key"
    pem.write_bytes(key_pem(new_key()))
    target = Target(
        "one",
        "raw",
        "http://h/",
        api_key=Secret("an-api-key"),
        tls=Tls(key_file=str(pem), cert_file=str(tmp_path / "no")),
    )
    (tmp_path / "token").write_text("of-an-inventory\n")
    sources = [
        DiscoverySource("fleet", http_sd=(_URL,), bearer_token_file=str(tmp_path / "token")),
        DiscoverySource("gone", http_sd=(_URL,), bearer_token_file=str(tmp_path / "no")),
        DiscoverySource(
            "basic",
            http_sd=(_URL,),
            basic_auth=BasicAuth("me", password_file=str(tmp_path / "token")),
            tls=Tls(key_file=str(own)),
            proxy=Secret("http://p:of-a-proxy@h:1"),
        ),
        DiscoverySource("variable", http_sd=(_URL,), basic_auth=BasicAuth("me", password_env="INVENTORY")),
    ]
    config = Config(Settings(discovery=tuple(sources)), ())
    lines = set(pem_lines(pem.read_text())) | set(pem_lines(own.read_text()))
    assert len(lines) >= 2
    monkeypatch.setenv("INVENTORY", "of-a-variable")
    monkeypatch.setenv("https_proxy", "http://p:of-the-environment@h:1")
    assert {"of-a-proxy", "of-a-variable", "of-the-environment"} <= secrets_in(config, [target])
    assert {"an-api-key", "of-an-inventory", "pass-word", "of-a-list", *lines} <= secrets_in(config, [target])


@pytest.mark.usefixtures("own_logging")
async def test_no_message_holds_a_hash_a_key_or_a_source(tmp_path: Path) -> None:
    """The secrets of the web config file and of `[[discovery]]` are redacted like those of targets."""
    hashed, password = "$2b$04$" + "abcdefghij" * 5 + "klm", "of-a-list"
    (tmp_path / "web.yml").write_text(f'basic_auth_users: {{me: "{hashed}"}}\n')
    access = await asyncio.to_thread(Access, tmp_path / "web.yml")
    settings = Settings(web=Web(("127.0.0.1:0",)), discovery=(DiscoverySource("fleet", http_sd=(_URL,)),))
    async with running(settings=settings, access=access) as daemon:
        logging.getLogger("library").error("met %s and %s", hashed, password)
        assert (await daemon.line(logger="library"))["event"] == "met [redacted] and [redacted]"
