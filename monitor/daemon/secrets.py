"""All secrets of the daemon, so that no log message or traceback shows one."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from monitor.config import Config
from monitor.keys.proxies import PROXY_VARIABLES
from monitor.keys.secret import pem_lines
from monitor.probe.confidential import of_url, secrets_of
from monitor.target import Target


def secrets_in(config: Config, targets: Iterable[Target]) -> frozenset[str]:
    """Return what is secret of these targets, of their TLS keys, and of what lists targets. It reads files."""
    targets = tuple(targets)
    found: set[str] = set()
    for target in targets:
        found.update(secrets_of(target))
    sources = config.settings.discovery
    used = {one.tls for one in targets} | {one.tls for one in sources}
    for file in {name for tls in used for name in (tls.key_file, tls.cert_file) if name}:
        with suppress(OSError, UnicodeDecodeError):  # the user of the file reports that
            found.update(pem_lines(Path(file).read_text()))
    for source in sources:
        for url in (*source.http_sd, source.proxy.reveal() if source.proxy else ""):
            found.update(of_url(url))
        for name in (source.bearer_token_file, source.basic_auth.password_file):
            with suppress(OSError, UnicodeDecodeError):  # the refresh reports that
                found.update([Path(name).read_text().strip()] if name else [])
        found.add(os.environ.get(source.basic_auth.password_env or "", ""))
    found.update(value for name in PROXY_VARIABLES for value in of_url(os.environ.get(name, "")))
    return frozenset(found)
