"""The demo: every scene comes to what it promises, on the page, in the log and in a scrape, with nothing installed."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from monitor.cli.demo import SCENES, demo, targets
from monitor.daemon.signals import Signals
from monitor.lab.dialects import DIALECTS
from monitor.lab.scenarios import FAULTS, case_for

pytestmark = pytest.mark.usefixtures("no_leaks", "own_logging", "no_spread")

Read = Callable[[], Awaitable[bytes]]


def test_the_scenes_are_what_the_lab_promises() -> None:
    """The verdict of each demo target is that of the lab, unless the demo's deadlines are shorter."""
    for scene in SCENES:
        name, _, query = scene.fault.partition("?")
        promised = FAULTS[name].expect(case_for(FAULTS[name], DIALECTS[scene.protocol], query)).verdict
        assert scene.expect == promised, scene.name


def test_the_scenes_show_every_protocol_and_many_ends() -> None:
    """A stranger sees all protocols complete, and the commonest ends by name; every target has a name of its own."""
    assert {scene.protocol for scene in SCENES} >= {"openai-chat", "chatchat", "chatchat-agent", "chatchat-kb"}
    assert len({scene.name for scene in SCENES}) == len(SCENES)
    assert len({scene.expect for scene in SCENES}) >= 9
    assert {target.labels["expect"] for target in targets("http://lab.test")} == {scene.expect for scene in SCENES}


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
            assert await verdicts(reader.readline) == {scene.name: scene.expect for scene in SCENES}
            text = await fetched(page)
            assert all(scene.name in text for scene in SCENES)
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
    """Return the first verdict of every scene, from the log."""
    found: dict[str, str] = {}
    while len(found) < len(SCENES):
        event: dict[str, Any] = json.loads(await readline())
        if event["event"] == "probe":
            found.setdefault(event["target"], "/".join(filter(None, (event["outcome"], event.get("cause")))))
    return found


async def fetched(url: str) -> str:
    """Return the text of a page."""
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 200
        return await response.text()
