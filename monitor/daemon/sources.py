"""The discovery sources: read at the start, after a reload, and at intervals."""

from __future__ import annotations

import asyncio
import os
from typing import NamedTuple

import structlog

from monitor import discovery
from monitor.config import Config
from monitor.daemon import systemd
from monitor.daemon.parts import Parts, status
from monitor.daemon.targets import replace_targets, targets_of
from monitor.discovery import Discovery
from monitor.redaction import newest
from monitor.target import Target

FIRST_LISTS = 2.0
"""Seconds that the config's own targets wait for the first lists at the start."""


def discovery_of(parts: Parts, config: Config, before: Discovery | None = None) -> Discovery:
    """Return the discovery of a config; a source that cannot be read keeps its last targets."""

    def refreshed(source: str, ok: bool) -> None:  # noqa: FBT001 - as Told has it
        parts.metrics.discovered(source, ok=ok)

    def wrong(source: str, text: str) -> None:
        structlog.get_logger().warning("a discovery source has errors", source=source, why=text)

    def learned(secret: str) -> None:
        parts.learned = newest(parts.learned, secret)

    callbacks = discovery.DiscoveryCallbacks(refreshed, wrong, parts.failed, learned)
    return discovery.of_config(config, callbacks, os.environ, before=before)


class FirstLists(NamedTuple):
    """The targets of the sources at the start; `late` is the task that still reads them, if it is not done."""

    targets: tuple[Target, ...]
    late: asyncio.Task[tuple[Target, ...]] | None = None


async def first_lists(parts: Parts, found: Discovery) -> FirstLists:
    """Read the sources; if the config itself has targets, they wait only a short time for a source that hangs."""
    reading = parts.begin(found.refresh())
    done, _ = await asyncio.wait({reading}, timeout=FIRST_LISTS if parts.config.here else None)
    if done:
        return FirstLists(reading.result())
    structlog.get_logger().info(
        "the first lists of targets are late: the targets of the config are probed without them"
    )
    return FirstLists((), reading)


def keep_discovering(parts: Parts, found: Discovery, late: asyncio.Task[tuple[Target, ...]] | None = None) -> None:
    """Refresh the sources at intervals, in place of those of the previous config; first use the result of `late`."""
    if parts.discovery is not None and parts.finding is not None:
        parts.discovery.retire()
        parts.finding.cancel()
        for name in {one.name for one in parts.discovery.sources} - {one.name for one in found.sources}:
            parts.metrics.undiscovered(name)

    async def changed(targets: tuple[Target, ...]) -> None:
        async with parts.changing:
            watched = parts.secret_files.renewed(await targets_of(parts.config, targets))
            if not parts.signals.stop.is_set():
                await replace_targets(parts, parts.config, watched)
                systemd.notify(status(parts))
                structlog.get_logger().info("the discovered targets have changed", targets=len(parts.targets))

    async def finding() -> None:
        if late is not None:
            await changed(await late)
        await found.run(changed)

    parts.discovery, parts.finding = found, parts.begin(finding())
