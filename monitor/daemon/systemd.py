"""What systemd is told: ready, status, stopping, reloading, and that the schedule still moves (sd_notify(3))."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress


def notify(*lines: str) -> None:
    """Tell systemd, where it listens; never wait for it, never fail for it."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.settimeout(0)
        door.sendto("\n".join(lines).encode(), address)


def reloading() -> None:
    """Tell that a reload has begun; READY=1 ends it."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def watchdog_seconds() -> float | None:
    """Return how often systemd wants to hear from this process; None where it does not."""
    try:
        wanted = int(os.environ.get("WATCHDOG_USEC", ""))
    except ValueError:
        return None
    ours = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return wanted / 1e6 if ours and wanted > 0 else None


@asynccontextmanager
async def watchdog(moving: Callable[[], bool], failed: Callable[[Exception], None]) -> AsyncIterator[None]:
    """Feed the watchdog for as long as `moving` holds; a loop that is blocked feeds nothing either.

    Where `moving` has a bug nothing is fed, `failed` is told, and it is asked again.
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
        except Exception as error:  # noqa: BLE001 - counted and logged, and systemd acts where it lasts
            failed(error)
        await asyncio.sleep(every)
