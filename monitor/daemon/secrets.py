"""Every secret that the daemon knows, so that no message or trace of the log shows one."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from monitor.config import Config
from monitor.keys.secret import pem_lines
from monitor.probe.confidential import of_url, secrets_of
from monitor.target import Target


def secrets_in(config: Config, targets: Iterable[Target]) -> frozenset[str]:
    """Return what is secret of these targets, of their TLS keys, and of the URLs that list targets. It reads files."""
    found: set[str] = set()
    for target in targets:
        found.update(secrets_of(target))
    for file in {name for one in targets for name in (one.tls.key_file, one.tls.cert_file) if name}:
        with suppress(OSError, UnicodeDecodeError):  # who uses the file reports that
            found.update(pem_lines(Path(file).read_text()))
    for source in config.settings.discovery:
        for url in source.http_sd:
            found.update(of_url(url))
        if source.bearer_token_file is not None:
            with suppress(OSError, UnicodeDecodeError):  # the refresh reports that
                found.add(Path(source.bearer_token_file).read_text().strip())
    return frozenset(found)
