"""The memory of a real daemon, held to the figure that `check --plan` prints."""

from __future__ import annotations

import asyncio
import json
import re
import resource
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from monitor.lab.peer import peer
from monitor.lab.steps import Hold, Send

TARGETS = 64
_EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"' + b"x" * 250_000 + b'"},"finish_reason":null}]}\n\n'
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
_LIMITS = '[limits]\nstream_bytes = "8MiB"\nevent_bytes = "1MiB"\nevents = 20000\nconcurrency = 4\n'
_COMMAND = (sys.executable, "-m", "monitor")


async def test_endless_streams_of_large_events_stay_under_the_figure(tmp_path: Path) -> None:
    """64 targets that never stop take less than `MemoryMax=` says at their peak, and each has its event."""
    async with peer((Send(_HEAD), Send(_EVENT * 40))) as server:
        config = tmp_path / "config.toml"
        config.write_text(_config(server.url))
        bound = await _planned(config)
        run = await asyncio.create_subprocess_exec(
            *_COMMAND, "run", "--config", str(config), stdout=asyncio.subprocess.PIPE, limit=1 << 24
        )
        try:
            assert run.stdout is not None
            waiting = {f"t{number}" for number in range(TARGETS)}
            while waiting:
                event = json.loads(await run.stdout.readline())
                if event["event"] == "started":
                    run.send_signal(signal.SIGUSR1)
                if event["event"] == "probe":
                    assert event["cause"] == "too_large"
                    waiting.discard(event["target"])
            peak = await asyncio.to_thread(_peak, run.pid)
        finally:
            run.kill()
            await run.communicate()  # a pipe that is not read to its end stays open
    assert peak < bound
    assert bound < 450 << 20


async def test_many_streams_share_a_memory(tmp_path: Path) -> None:
    """32 hostile streams at once stay under the figure: those that hold most end as our own fault, and the log says so.

    Some send events that never end, in small pieces, and fall silent; some send as much text as they may.
    """
    shared = '[limits]\nconcurrency = 32\nper_host = 32\nin_flight_bytes = "32MiB"\n'
    piece = b"data: " + b"y" * 64
    scripts = ((Send(_HEAD), Send(_EVENT * 40)), (Send(_HEAD), Send(piece * 50_000), Hold()))
    async with peer(*[*scripts] * 16) as server:
        config = tmp_path / "config.toml"
        config.write_text(_config(server.url, targets=32).replace(_LIMITS, shared))
        bound = await _planned(config)
        run = await asyncio.create_subprocess_exec(
            *_COMMAND, "run", "--config", str(config), stdout=asyncio.subprocess.PIPE, limit=1 << 24
        )
        try:
            assert run.stdout is not None
            causes: Counter[str] = Counter()
            warnings = 0
            while not causes["resources"] or causes.total() < 16 or not warnings:
                event = json.loads(await run.stdout.readline())
                if event["event"] == "started":
                    run.send_signal(signal.SIGUSR1)
                if event["event"] == "probe":
                    causes[event["cause"]] += 1
                warnings += (
                    event["event"] == "the streams in flight held more than in_flight_bytes: the largest was ended"
                )
            peak = await asyncio.to_thread(_peak, run.pid)
        finally:
            run.kill()
            await run.communicate()  # a pipe that is not read to its end stays open
    assert causes.keys() <= {"resources", "no_terminator", "too_large"}
    assert peak < bound
    assert bound < 700 << 20


async def test_without_memory_each_probe_ends_in_one_event(tmp_path: Path) -> None:
    """A daemon without free memory writes one event with its id for each sent request, and continues."""
    async with peer((Send(_HEAD), *[Send(_EVENT * 10)] * 10)) as server:
        config = tmp_path / "config.toml"
        config.write_text(
            _config(server.url, targets=12).replace("8MiB", "256MiB").replace("= 4", "= 12\nper_host = 12")
        )
        run = await asyncio.create_subprocess_exec(
            *_COMMAND, "run", "--config", str(config), stdout=asyncio.subprocess.PIPE, limit=1 << 24
        )
        try:
            assert run.stdout is not None
            events: list[dict[str, Any]] = []
            while len(events) < 12:
                event = json.loads(await run.stdout.readline())
                if event["event"] == "started":
                    at_most = _size(run.pid) + (20 << 20)
                    resource.prlimit(run.pid, resource.RLIMIT_AS, (at_most, at_most))
                if event["event"] == "probe":
                    events.append(event)
            assert run.returncode is None
        finally:
            run.kill()
            await run.communicate()  # a pipe that is not read to its end stays open
        sent = [request.headers["x-request-id"] for request in server.requests]
    assert sorted(event["probe_id"] for event in events) == sorted(sent)
    assert {event["target"] for event in events} == {f"t{number}" for number in range(12)}
    causes = {event["cause"] for event in events}
    assert "resources" in causes
    assert causes <= {"resources", "no_terminator"}


def _size(process: int) -> int:
    """Return the address space of a process, in bytes."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[0]) * resource.getpagesize()


def _config(url: str, targets: int = TARGETS) -> str:
    tables = (
        f'[[targets]]\nname = "t{number}"\nurl = "{url}/v1/chat/completions"\nprotocol = "openai-chat"\n'
        'model = "m"\ninterval = "1h"\n'
        for number in range(targets)
    )
    return "".join(('[web]\nlisten = "127.0.0.1:0"\n', _LIMITS, *tables))


async def _planned(config: Path) -> int:
    """Return the figure of `check --plan` in bytes."""
    check = await asyncio.create_subprocess_exec(
        *_COMMAND, "check", "--plan", "--config", str(config), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await check.communicate()
    found = re.search(r"MemoryMax=(\d+)M", out.decode())
    assert found
    return int(found[1]) << 20


def _peak(process: int) -> int:
    """Return the most memory that a process has had, in bytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    assert found
    return int(found[1]) << 10
