"""The daemon's state on disk: the tokens spent today."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from monitor.budget import restore
from monitor.daemon.parts import Parts, every
from monitor.files import save

SAVE_EVERY = 5.0


def state_directory() -> Path | None:
    """Return systemd's state directory; None without one."""
    first = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(first) if first else None


@asynccontextmanager
async def budget_on_disk(parts: Parts) -> AsyncIterator[None]:
    """Save today's tokens in systemd's state directory, if there is one, so that they survive a restart."""
    directory = state_directory()
    if directory is None:
        yield
        return
    path, logger = directory / "budget.json", structlog.get_logger()
    if (wrong := await asyncio.to_thread(restore, parts.budget, path)) is not None:
        logger.warning("the tokens spent before this start are unknown", why=wrong)
    saved, turn = parts.budget.dump(), asyncio.Lock()

    async def save_if_changed() -> None:
        nonlocal saved
        async with turn:  # two concurrent writers would corrupt the file
            if (now := parts.budget.dump()) != saved:
                saved = now
                if (wrong := await asyncio.to_thread(save, now, path)) is not None:
                    parts.metrics.sink_error("history")
                    logger.warning("the tokens spent cannot be saved", why=wrong)

    async with every(parts, SAVE_EVERY, lambda _: parts.begin(save_if_changed())):
        yield
    await save_if_changed()
