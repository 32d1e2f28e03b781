"""Notifications to systemd: ready, status, stopping, reloading, and the watchdog (sd_notify(3))."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress


def notify(*lines: str) -> None:
    """Notify systemd, if it listens; this never blocks or fails."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.settimeout(0)
        door.sendto("\n".join(lines).encode(), address)


def reloading() -> None:
    """Notify that a reload has begun; READY=1 ends it."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def watchdog_seconds() -> float | None:
    """Return the watchdog interval of systemd in seconds; None without a watchdog."""
    try:
        wanted = int(os.environ.get("WATCHDOG_USEC", ""))
    except ValueError:
        return None
    ours = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return wanted / 1e6 if ours and wanted > 0 else None


@asynccontextmanager
async def watchdog(moving: Callable[[], bool], failed: Callable[[Exception], None]) -> AsyncIterator[None]:
    """Notify the watchdog while `moving` is true; a blocked loop sends nothing either.

    If `moving` raises, nothing is sent, `failed` is called, and it is tried again.
    """
    seconds = watchdog_seconds()
    task = None if seconds is None else asyncio.create_task(_feed(seconds / 3, moving, failed), name="watchdog")
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _feed(every: float, moving: Callable[[], bool], failed: Callable[[Exception], None]) -> None:
    while True:
        try:
            if moving():
                notify("WATCHDOG=1")
        except Exception as error:  # noqa: BLE001 - counted and logged; if it lasts, systemd restarts the daemon
            failed(error)
        await asyncio.sleep(every)
