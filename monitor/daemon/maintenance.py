"""Maintenance windows of a running daemon: those of the config, and those that users have set, which are saved."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import structlog

from monitor.config import check_window
from monitor.daemon.parts import Parts
from monitor.daemon.state import state_directory
from monitor.files import restore, save
from monitor.maintenance import SetWindow, WindowRequest, resting_until
from monitor.probe.request import new_id
from monitor.target import Target
from monitor.web.formatting import iso
from monitor.web.source import WindowSource

FILE = "maintenance.json"
"""The file of the windows that users have set, in the state directory."""


def resting(parts: Parts, target: Target) -> datetime | None:
    """Return until when a target is not probed because of a maintenance window; None if none is open for it."""
    now = datetime.now(UTC)
    windows = (*parts.settings.maintenance, *(one.window for one in parts.windows.all(now)))
    return resting_until(windows, target, now) if windows else None


async def restore_windows(parts: Parts) -> None:
    """Take the windows that users had set before the start."""
    if (path := _path()) is None:
        return
    wrong = await asyncio.to_thread(
        restore, path, parts.windows.load, "a valid list of maintenance windows", "none is set"
    )
    if wrong is not None:
        structlog.get_logger().warning("maintenance windows set before are not known", why=wrong)


def window_source(parts: Parts) -> WindowSource:
    """Return what the API lists, sets and ends windows by."""
    turn = asyncio.Lock()

    async def add(request: WindowRequest, user: str) -> SetWindow:
        window = request.window(new_id(), datetime.now(UTC), user)
        await asyncio.to_thread(check_window, window.window, parts.targets)
        parts.windows.add(window)
        await changed("a maintenance window was set", window, user)
        return window

    async def end(window_id: str, user: str) -> SetWindow | None:
        window = parts.windows.end(window_id, datetime.now(UTC))
        if window is not None:
            await changed("a maintenance window was ended", window, user)
        return window

    async def changed(event: str, window: SetWindow, user: str) -> None:
        logger, until = structlog.get_logger(), iso(window.end)
        which = {"targets": window.targets, "labels": window.labels, "comment": window.comment}
        logger.info(event, window=window.id, user=user, until=until, **{key: it for key, it in which.items() if it})
        async with turn:  # two concurrent writers would corrupt the file
            path = _path()
            wrong = None if path is None else await asyncio.to_thread(save, parts.windows.dump(), path)
        if wrong is not None:
            parts.metrics.sink_error("history")
            logger.warning("maintenance windows are not kept", why=wrong)

    return WindowSource(
        configured=lambda: parts.settings.maintenance,
        set=lambda: parts.windows.all(datetime.now(UTC)),
        add=add,
        end=end,
    )


def _path() -> Path | None:
    directory = state_directory()
    return None if directory is None else directory / FILE
