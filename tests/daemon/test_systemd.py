"""The messages to systemd: on a real datagram socket, at a path and at an abstract address, and without one."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.daemon.systemd import notify, reloading, watchdog, watchdog_seconds
from monitor.lab.server import Lab
from tests.daemons import QUICK_OK, named, running

pytestmark = pytest.mark.usefixtures("no_leaks", "own_logging", "no_spread")


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Yield the socket that a manager listens on, and have it in the environment."""
    address = str(tmp_path / "notify") if request.param == "path" else f"@chat-monitor-{os.getpid()}"
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.setblocking(False)
        manager.bind(address.replace("@", "\0", 1))
        yield manager


async def received(manager: socket.socket) -> list[str]:
    """Return the lines of the next message."""
    return (await asyncio.get_running_loop().sock_recv(manager, 999)).decode().splitlines()


def drained(manager: socket.socket) -> int:
    """Return how many messages have come by now, and take them."""
    number = 0
    try:
        while manager.recv(999):
            number += 1
    except BlockingIOError:
        return number
    raise AssertionError("a message without content")


# -- telling -----------------------------------------------------------------------------------------------------------


def test_several_lines_are_one_message(manager: socket.socket) -> None:
    """Several lines are sent in one message, as in sd_notify."""
    notify("READY=1", "STATUS=watching 1 targets")
    assert manager.recv(999) == b"READY=1\nSTATUS=watching 1 targets"


def test_a_reload_carries_its_time(manager: socket.socket) -> None:
    """A reload has its time, so that systemd can match it with its request."""
    reloading()
    first, second = manager.recv(999).decode().splitlines()
    assert first == "RELOADING=1"
    name, _, value = second.partition("=")
    assert name == "MONOTONIC_USEC"
    assert int(value) > 0


def test_a_manager_that_does_not_listen_blocks_nothing(manager: socket.socket) -> None:
    """If the queue of the manager is full, a notification is dropped."""
    for _ in range(5000):
        notify("STATUS=x")
    assert 0 < drained(manager) < 5000


def test_nobody_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without systemd, or without its socket, a notification neither fails nor creates a file."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notify("READY=1")
    assert list(tmp_path.iterdir()) == []


async def test_a_daemon_says_when_it_is_ready_and_stops(lab: Lab, manager: socket.socket) -> None:
    """Ready once the schedule is armed, stopping when the drain begins."""
    async with running(named("good", lab.url + QUICK_OK)) as daemon:
        assert await received(manager) == ["READY=1", "STATUS=watching 1 targets"]
        daemon.signals.on_stop(signal.SIGTERM)
        assert await received(manager) == ["STOPPING=1", "STATUS=draining"]


# -- the watchdog ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "process", "seconds"),
    [
        ("30000000", None, 30.0),
        ("30000000", str(os.getpid()), 30.0),
        ("30000000", "1", None),
        ("0", None, None),
        ("soon", None, None),
        (None, None, None),
    ],
    ids=["any process", "this one", "another", "off", "no number", "unset"],
)
def test_what_the_watchdog_wants(
    monkeypatch: pytest.MonkeyPatch, wanted: str | None, process: str | None, seconds: float | None
) -> None:
    """The interval is in microseconds, and applies only to the process with the given id."""
    for name, value in (("WATCHDOG_USEC", wanted), ("WATCHDOG_PID", process)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    assert watchdog_seconds() == seconds


def unexpected(error: Exception) -> None:
    """Take what must not happen."""
    raise error


async def test_the_watchdog_is_fed_while_it_moves(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """The watchdog is notified at intervals while the schedule runs, and not while it has stopped."""
    monkeypatch.setenv("WATCHDOG_USEC", "3000")
    moves, asked = True, asyncio.Event()

    def moving() -> bool:
        asked.set()
        return moves

    async def asked_again() -> None:
        for _ in range(3):
            asked.clear()
            await asked.wait()

    async with watchdog(moving, unexpected):
        for _ in range(2):
            assert await received(manager) == ["WATCHDOG=1"]
        moves = False
        await asked_again()
        drained(manager)
        await asked_again()
        assert drained(manager) == 0
        moves = True
        assert await received(manager) == ["WATCHDOG=1"]


async def test_a_bug_starves_the_watchdog_and_is_reported(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception of the condition is reported, and the watchdog is notified again after it."""
    monkeypatch.setenv("WATCHDOG_USEC", "3000")
    errors: list[str] = []

    def moving() -> bool:
        if len(errors) < 2:
            raise RuntimeError("no schedule")
        return True

    async with watchdog(moving, lambda error: errors.append(str(error))):
        assert await received(manager) == ["WATCHDOG=1"]
    assert errors == ["no schedule"] * 2


async def test_without_a_watchdog_nothing_is_sent(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a watchdog the condition is not called and nothing is sent."""
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)

    def never() -> bool:
        raise AssertionError("nobody asks")

    async with watchdog(never, unexpected):
        await asyncio.sleep(0)
    assert drained(manager) == 0


async def test_a_daemon_feeds_its_watchdog(lab: Lab, manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon notifies its watchdog while its schedule runs."""
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    async with running(named("good", lab.url + QUICK_OK)):
        messages = [await received(manager) for _ in range(2)]
    assert ["WATCHDOG=1"] in messages
