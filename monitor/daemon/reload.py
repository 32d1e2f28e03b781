"""Reload: take the config as it is now, whole or not at all, when asked or when its file changes."""

from __future__ import annotations

import asyncio
import os
import time

import structlog

from monitor.config import ConfigError
from monitor.config.include import fingerprint
from monitor.daemon import systemd
from monitor.daemon.parts import Load, Parts, status
from monitor.daemon.sources import discovery_of, keep_discovering
from monitor.daemon.targets import config_loaded, make_ready, replace_targets, targets_of

LOOK_EVERY = 2.0


async def reload(parts: Parts, load: Load) -> str | None:
    """Take the config as it is now, whole or not at all; return what is wrong with it, None once it is in force."""
    async with parts.changing:
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
        await replace_targets(parts, config, targets)
        await parts.client.renew(config.settings.limits, config.settings.network)
        config_loaded(parts)
        keep_discovering(parts, found)
        systemd.notify("READY=1", status(parts))
        structlog.get_logger().info("reloaded", targets=len(parts.targets))
        return None


async def reload_on_change(parts: Parts, load: Load) -> None:
    """Reload, where the config asks for it, once its file says something else and has said so for two looks."""
    before = refused = None
    while True:
        await asyncio.sleep(LOOK_EVERY)
        text = await asyncio.to_thread(_fingerprint, parts) if parts.settings.monitor.reload_on_change else None
        settled, before = text == before, text
        if settled and text not in {None, refused, parts.config.document.fingerprint}:
            try:
                refused = text if await reload(parts, load) is not None else None
            except Exception as error:  # noqa: BLE001 - counted and logged, and the daemon goes on
                parts.failed(error)
                refused = text


def _fingerprint(parts: Parts) -> str | None:
    """Return the text of the config's files; None if one cannot be read, as while it is being replaced."""
    return fingerprint(parts.config.document, os.environ)


def _refuse(parts: Parts, why: str) -> str:
    """Say why the old config stays."""
    parts.metrics.config_loaded("", ok=False, timestamp=time.time())
    structlog.get_logger().error("reload refused, the old config stays", why=why)
    systemd.notify("READY=1", "STATUS=reload refused, the old config stays")
    return why
