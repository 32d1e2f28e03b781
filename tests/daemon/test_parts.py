"""The parts of a running daemon: exceptions outside the schedule are counted, and no traceback contains a secret."""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import logging
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from monitor.daemon.parts import SLICE, collections_paused, in_slices
from monitor.keys.secret import Secret
from monitor.lab.server import Lab
from monitor.probe.run import Prober
from monitor.record.observation import Observation
from monitor.schedule import Schedule
from tests.daemons import QUICK_OK, named, running

pytestmark = pytest.mark.usefixtures("no_leaks", "own_logging", "no_spread")


async def test_an_unhandled_exception_is_counted(lab: Lab) -> None:
    """An exception in a timer or a forgotten task is counted as a bug; an error of the system is only logged."""
    loop, counted = asyncio.get_running_loop(), "chat_monitor_unhandled_exceptions_total"

    def fail(error: Exception) -> None:
        raise error

    async with running(named("good", lab.url + QUICK_OK)) as daemon:
        await daemon.line(event="started")
        loop.call_soon(fail, RuntimeError("a bug in a timer"))
        event = await daemon.line(event="unhandled exception")
        assert ("a bug in a timer" in event["exception"], event["level"]) == (True, "error")
        assert await daemon.metric(counted) == 1
        loop.call_soon(fail, OSError(errno.EMFILE, "too many open files"))
        assert "too many open files" in (await daemon.line(event="error in the event loop"))["exception"]
        loop.call_exception_handler({"message": "something is odd"})
        assert (await daemon.line(event="unhandled exception"))["why"] == "something is odd"
        assert await daemon.metric(counted) == 2
        assert (await daemon.get("/-/healthy"))[0] == 200


async def test_the_loop_turns_between_slices() -> None:
    """Whatever is done step by step leaves the loop to others after each slice, and is done whole."""
    loop, turns = asyncio.get_running_loop(), [0]

    def turn() -> None:
        turns.append(0)
        handle[0] = loop.call_soon(turn)

    def steps() -> Iterator[None]:
        for _ in range(3 * SLICE + 1):
            turns[-1] += 1
            yield

    handle = [loop.call_soon(turn)]
    await in_slices(steps())
    handle[0].cancel()
    assert (sum(turns), max(turns)) == (3 * SLICE + 1, SLICE)


class Cycle:
    """An object that only a collection can free."""

    def __init__(self) -> None:
        self.itself = self


def test_no_cycles_are_looked_for_while_many_objects_are_made() -> None:
    """No collection is made meanwhile, and a cycle that ends then is found afterwards: nothing is frozen."""
    with collections_paused():
        assert not gc.isenabled()
        ended = weakref.ref(Cycle())
        assert ended() is not None
    assert gc.isenabled()
    gc.collect()
    assert ended() is None


async def test_a_bug_beside_the_schedule_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A periodic task that raises is counted, and runs again."""

    def broken(_: Schedule) -> bool:
        raise RuntimeError("a bug beside")

    monkeypatch.setattr("monitor.daemon.app.CLOCK_EVERY", 0.001)
    monkeypatch.setattr(Schedule, "follow_clock", broken)
    async with running() as daemon:
        for _ in range(2):
            assert "a bug beside" in (await daemon.line(event="unhandled exception"))["exception"]


async def test_a_trace_holds_no_secret(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither tracebacks nor messages of libraries show keys, headers, or secrets of a URL or a proxy."""
    canaries = [f"canary-{number}" for number in range(6)]
    key, header, user, password, query, proxy = canaries

    async def broken(*_: Any) -> Observation:  # noqa: ANN401 - whatever it is asked
        inner = ValueError(f"{header} in {user}:{password}@host/?k={query}")
        logging.getLogger("library").error("said %s", proxy, exc_info=inner)
        raise RuntimeError(f"Bearer {key}") from inner

    monkeypatch.setattr(Prober, "__call__", broken)
    url = lab.url.replace("//", f"//{user}:{password}@") + f"/openai-chat/ok?k={query}"
    secret = named(
        "good",
        url,
        api_key=Secret(key),
        headers={"X-Key": Secret(f"Token {header}")},
        proxy=Secret(f"http://{proxy}@127.0.0.1:1"),
    )
    async with running(secret) as daemon:
        lines = [await daemon.line(logger="library"), await daemon.line(event="unhandled exception")]
        assert not [one for one in canaries if one in json.dumps(lines)]
        assert "RuntimeError: Bearer [redacted]" in lines[1]["exception"]
        assert "[redacted] in [redacted]@host/?k=[redacted]" in lines[0]["exception"]
        assert lines[0]["event"] == "said [redacted]"
        assert "in broken" in lines[1]["exception"]
