"""Whether a server still takes connections, right after it cut one: nothing is sent, and nothing is measured."""

from __future__ import annotations

import asyncio

from monitor.http.timestamps import EXHAUSTED
from monitor.stream.endings import AfterCut

WITHIN = 0.3
"""Seconds for an answer: within the half second that a probe has to end after its stream."""


async def knock(host: str, port: int, within: float = WITHIN) -> AfterCut | None:
    """Connect to where the cut connection led, and let go at once; None where we ourselves could or should not.

    A cancellation is not raised: the probe has ended, and what it saw is not to be lost for this.
    """
    try:
        async with asyncio.timeout(within):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return AfterCut.UNANSWERED
    except ConnectionRefusedError:
        return AfterCut.REFUSED
    except OSError as error:
        return None if error.errno in EXHAUSTED else AfterCut.UNREACHABLE
    except asyncio.CancelledError:
        return None
    writer.transport.abort()
    return AfterCut.ACCEPTED
