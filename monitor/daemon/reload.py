"""Reload: use the current config, whole or not at all, on request or when its file changes."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace

import structlog

from monitor.config import ConfigError
from monitor.config.include import fingerprint
from monitor.config.secrets import Places
from monitor.daemon import systemd
from monitor.daemon.heap import release_freed_memory
from monitor.daemon.parts import Load, Parts, collections_paused, status
from monitor.daemon.secret_files import SecretFiles, shown
from monitor.daemon.secrets import secrets_in
from monitor.daemon.sources import discovery_of, keep_discovering
from monitor.daemon.targets import config_loaded, make_ready, replace_targets, targets_of

CHECK_EVERY = 2.0


async def reload(parts: Parts, load: Load) -> str | None:
    """Use the current config, whole or not at all; return what is wrong with it, or None when it is in use."""
    async with parts.changing:
        with collections_paused():
            refused = await _reloaded(parts, load)
    await asyncio.to_thread(release_freed_memory)
    return refused


async def _reloaded(parts: Parts, load: Load) -> str | None:
    systemd.reloading()
    try:
        config = await asyncio.to_thread(load)
        await asyncio.to_thread(make_ready, config)
        if parts.access is not None:
            await asyncio.to_thread(parts.access.refresh)
    except (ConfigError, OSError) as error:
        return _refuse(parts, str(error))
    except Exception as error:  # noqa: BLE001 - a bug in what reads it leaves the old config in force, too
        parts.failed(error)
        return _refuse(parts, f"reading it failed: {type(error).__name__}")
    found = discovery_of(parts, config, parts.discovery)
    targets = await targets_of(config, await found.refresh())
    if parts.signals.stop.is_set():
        return "the monitor is stopping"
    parts.secret_files = SecretFiles()  # the reload has read every file
    await replace_targets(parts, config, targets)
    await parts.client.renew(config.settings.limits, config.settings.network)
    await config_loaded(parts)
    keep_discovering(parts, found)
    systemd.notify("READY=1", status(parts))
    structlog.get_logger().info("reloaded", targets=len(parts.targets))
    return None


async def reload_on_change(parts: Parts, load: Load) -> None:
    """Reload, if the config enables it, when the file's content has changed and two checks agree."""
    before = refused = None
    while True:
        await asyncio.sleep(CHECK_EVERY)
        text = await asyncio.to_thread(_fingerprint, parts) if parts.settings.monitor.reload_on_change else None
        settled, before = text == before, text
        if settled and text not in {None, refused, parts.config.document.fingerprint}:
            try:
                refused = text if await reload(parts, load) is not None else None
            except Exception as error:  # noqa: BLE001 - counted and logged, and the daemon goes on
                parts.failed(error)
                refused = text


async def renew_secrets(parts: Parts) -> None:
    """Keep the files of secrets, CAs and client certificates up to date; the config itself is not reloaded."""
    current = parts.secrets
    while True:
        await asyncio.sleep(CHECK_EVERY)
        try:
            current = await _renew_changed(parts, current)
        except Exception as error:  # noqa: BLE001 - counted and logged, and the daemon goes on
            parts.failed(error)


async def _renew_changed(parts: Parts, before: frozenset[str]) -> frozenset[str]:
    """Compare the files once and use what changed; return the current secrets, `before` if nothing changed."""
    places = Places(parts.config.document.directory, os.environ)
    files = parts.secret_files
    changed, wrong = await asyncio.to_thread(files.compare, parts.targets, places)
    for file, why in wrong.items():
        parts.metrics.secret_reloaded(ok=False)
        structlog.get_logger().error("a secret file cannot be used, the old secret stays in use", file=file, why=why)
    async with parts.changing:
        if not changed or files is not parts.secret_files:  # a reload has read them all meanwhile
            return before
        config = replace(parts.config, targets=files.renewed(parts.config.targets))
        await replace_targets(parts, config, await asyncio.to_thread(files.renewed, parts.targets))
        now = await asyncio.to_thread(secrets_in, parts.config, parts.targets)
        parts.secrets |= before | now  # a replaced private key is in no file any more
        await parts.client.close_kept([one.name for one in parts.targets if one.tls in changed])
    for one in changed:
        parts.metrics.secret_reloaded(ok=True)
        structlog.get_logger().info("a secret file has changed and is in use", file=shown(one))
    return now


def _fingerprint(parts: Parts) -> str | None:
    """Return the text of the config's files; None if one cannot be read, for example while it is replaced."""
    return fingerprint(parts.config.document, os.environ)


def _refuse(parts: Parts, why: str) -> str:
    """Report why the old config stays in use."""
    parts.metrics.config_loaded("", ok=False, timestamp=time.time())
    structlog.get_logger().error("reload rejected, the old config stays in use", why=why)
    systemd.notify("READY=1", "STATUS=reload rejected, the old config stays in use")
    return why
