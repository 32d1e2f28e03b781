"""The demo: every one comes to what it promises, on the page, in the log and in a scrape, with nothing installed."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from monitor.cli.demo import TARGETS, demo, targets
from monitor.daemon.signals import Signals
from monitor.lab.dialects import DIALECTS
from monitor.lab.scenarios import FAULTS, case_for

pytestmark = pytest.mark.usefixtures("no_leaks", "own_logging", "no_spread")

Read = Callable[[], Awaitable[bytes]]


def test_the_scenes_are_what_the_lab_promises() -> None:
    """The verdict of each demo target is that of the lab, unless the demo's deadlines are shorter."""
    for one in TARGETS:
        name, _, query = one.fault.partition("?")
        promised = FAULTS[name].expect(case_for(FAULTS[name], DIALECTS[one.protocol], query)).verdict
        assert one.expect == promised, one.name


def test_the_scenes_show_every_protocol_and_many_ends() -> None:
    """A stranger sees all protocols complete, and the commonest ends by name; every target has a name of its own."""
    assert {one.protocol for one in TARGETS} >= {"openai-chat", "chatchat", "chatchat-agent", "chatchat-kb"}
    assert len({one.name for one in TARGETS}) == len(TARGETS)
    assert len({one.expect for one in TARGETS}) >= 9
    assert {target.labels["expect"] for target in targets("http://lab.test")} == {one.expect for one in TARGETS}


async def test_every_target_of_the_demo_has_its_verdict() -> None:
    """Within one round, in the log; and the page and the scrape have it, too."""
    loop, stop, reader = asyncio.get_running_loop(), Signals(), asyncio.StreamReader()
    announced: asyncio.Future[tuple[str, str]] = loop.create_future()
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as source, os.fdopen(write_end, "w") as stdout:
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), source)
        running = asyncio.create_task(
            demo("127.0.0.1", 0, stop, announce=lambda *where: announced.set_result(where), stdout=stdout)
        )
        try:
            page, lab = await announced
            assert await verdicts(reader.readline) == {one.name: one.expect for one in TARGETS}
            text = await fetched(page)
            assert all(one.name in text for one in TARGETS)
            assert 'chat_stream_truncated_total{cause="reset",expect="truncated/reset"' in await fetched(
                f"{page}/metrics"
            )
            assert "Fault lab" in await fetched(lab)
        finally:
            stop.stop.set()
            stop.hurry.set()
            await running
            transport.close()


async def verdicts(readline: Read) -> dict[str, str]:
    """Return the first verdict of every one, from the log."""
    found: dict[str, str] = {}
    while len(found) < len(TARGETS):
        event: dict[str, Any] = json.loads(await readline())
        if event["event"] == "probe":
            found.setdefault(event["target"], "/".join(filter(None, (event["outcome"], event.get("cause")))))
    return found


async def fetched(url: str) -> str:
    """Return the text of a page."""
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 200
        return await response.text()
