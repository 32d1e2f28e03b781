"""Whether a server still accepts connections right after it cut one: nothing is sent, and nothing is measured."""

from __future__ import annotations

import asyncio

from monitor.http.timestamps import EXHAUSTED
from monitor.stream.endings import AfterCut

AGAIN = 0.25
"""Seconds to the second attempt: the kernel may close a process's listening socket after its connections."""
WITHIN = 0.2
"""Seconds that an attempt waits: both are over within the half second that a probe has to end."""


async def look_after_cut(host: str, port: int, again: float = AGAIN, within: float = WITHIN) -> AfterCut | None:
    """Connect to the address of the cut connection, at once and, if that is accepted, again; nothing is sent.

    Return the result of the last attempt; None if the monitor itself could not try. A cancellation is not raised: the
    probe has ended, and its result must not be lost for this.
    """
    try:
        found = await _look(host, port, within)
        if found is AfterCut.ACCEPTED:
            await asyncio.sleep(again)
            found = await _look(host, port, within)
    except asyncio.CancelledError:
        return None
    return found


async def _look(host: str, port: int, within: float) -> AfterCut | None:
    try:
        async with asyncio.timeout(within):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return AfterCut.UNANSWERED
    except ConnectionRefusedError:
        return AfterCut.REFUSED
    except OSError as error:
        return None if error.errno in EXHAUSTED else AfterCut.UNREACHABLE
    writer.transport.abort()
    return AfterCut.ACCEPTED
