"""The socket with timestamps: times and their uncertainty, sends, FIN and RST, on loopback and on literal clocks."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import resource
import select
import selectors
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from monitor.http import timestamps as module
from monitor.http.timestamps import PollTrackingSelector, Stamping, TimestampedSocket, new_loop, poll_tracking_selector
from tests.conftest import WITHIN

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
Pair = tuple[TimestampedSocket, socket.socket]


@pytest.fixture(scope="module", autouse=True)
def stamping() -> Iterator[None]:
    """Keep the kernel's stamping switched on for all tests here."""
    keeper = Stamping()
    assert asyncio.run(keeper.ready(10.0))
    yield
    keeper.close()


def connected(selector: PollTrackingSelector | None = None) -> Pair:
    """Return a tap and the peer that it is connected to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sock = TimestampedSocket(socket.AF_INET, socket.SOCK_STREAM, 0, selector)
        sock.connect(listener.getsockname())
        peer, _ = listener.accept()
    return sock, peer


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Yield a tap and its peer."""
    sock, peer = connected()
    with sock, peer:
        yield sock, peer


def readable(sock: TimestampedSocket) -> float:
    """Wait until something can be read, and return a time after it arrived."""
    assert select.select([sock], [], [], WITHIN)[0]
    return time.monotonic()


def wait_for_end(sock: TimestampedSocket) -> None:
    """Wait until the peer's end has arrived after the bytes, and read nothing."""
    ended = select.poll()
    ended.register(sock, select.POLLRDHUP)
    assert ended.poll(WITHIN * 1000)


def wait_until(at: float) -> None:
    """Keep the thread busy until then: what arrives meanwhile is read late."""
    while time.monotonic() < at:
        continue


# -- reading -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("into", [False, True])
def test_a_read_has_the_kernels_time(pair: Pair, *, into: bool) -> None:
    """However late the read is, its time is when the bytes arrived."""
    sock, peer = pair
    before = time.monotonic()
    peer.send(b"hello")
    arrived = readable(sock)
    if into:
        buffer = bytearray(9)
        assert sock.recv_into(buffer) == 5
        assert buffer == b"hello\0\0\0\0"
    else:
        assert sock.recv(100) == b"hello"
    assert before - 1e-4 <= sock.read_at <= arrived + 1e-4
    assert sock.uncertainty < sock.spread
    assert sock.read_at - sock.spread <= before
    assert sock.received == 5


def test_a_read_without_a_stamp_says_so(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read without a stamp has its own time, with the time since the previous read as uncertainty."""
    monkeypatch.setattr(module, "_arrival", lambda *_: None)
    sock, peer = pair
    before = time.monotonic()
    peer.send(b"hello")
    arrived = readable(sock)
    sock.recv(100)
    assert sock.read_at >= arrived
    assert sock.read_at - sock.uncertainty <= before
    assert sock.uncertainty == sock.spread


def test_a_machine_without_stamps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere than on Linux nothing is asked of the kernel, and reads are taken by the clock."""
    monkeypatch.setattr(module, "STAMPS", False)
    sock, peer = connected()
    with sock, peer:
        peer.send(b"hello")
        arrived = readable(sock)
        assert sock.recv(100) == b"hello"
        assert sock.read_at >= arrived
    keeper = Stamping()
    assert not asyncio.run(keeper.ready())
    keeper.close()


def test_a_size_bounds_the_read(pair: Pair) -> None:
    """Both kinds of read return no more than requested, and the rest waits."""
    sock, peer = pair
    peer.send(b"abcdef")
    readable(sock)
    assert sock.recv(2) == b"ab"
    assert sock.recv_into(bytearray(9), 3) == 3
    assert sock.waiting()
    assert sock.recv(9) == b"f"
    assert not sock.waiting()


def test_what_a_full_read_left_is_no_surer(pair: Pair) -> None:
    """The rest of a segment that one read could not hold came before that read: its bound does not move up."""
    sock, peer = pair
    before = time.monotonic()
    peer.send(b"abcd")
    readable(sock)
    sock.recv(2)
    sock.recv(2)
    assert sock.read_at - sock.spread <= before


def test_the_end_may_have_replaced_the_time_of_the_last_byte(pair: Pair) -> None:
    """The kernel merges the peer's end with the bytes that wait, and keeps the time of the end."""
    sock, peer = pair
    peer.send(b"hello")
    arrived = readable(sock)
    wait_until(arrived + 5e-3)
    peer.shutdown(socket.SHUT_WR)
    wait_for_end(sock)
    assert sock.recv(100) == b"hello"
    assert sock.read_at - sock.uncertainty <= arrived + 1e-4
    assert sock.recv(100) == b""


def test_a_reset_after_a_late_read_is_read_as_a_reset(pair: Pair) -> None:
    """Whether the end waits is found out without taking it: the read after the bytes raises the reset."""
    sock, peer = pair
    wait_until(time.monotonic() + 5e-3)
    peer.send(b"hello")
    reset(peer)
    wait_for_end(sock)
    assert sock.recv(100) == b"hello"
    with pytest.raises(ConnectionResetError):
        sock.recv(100)
    assert sock.reset_at is not None


def test_a_full_read_does_not_know_its_last_byte(pair: Pair) -> None:
    """The kernel merges waiting segments and keeps the last one's time: after a full read, that of a later byte."""
    sock, peer = pair
    peer.send(b"a")
    arrived = readable(sock)
    wait_until(arrived + 1e-3)
    peer.send(b"b")
    while len(socket.socket.recv(sock, 2, socket.MSG_PEEK)) < 2:
        continue
    sock.recv(1)
    assert sock.read_at - sock.uncertainty <= arrived


def test_what_comes_while_a_read_is_noted(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A segment that arrives after a read, before its time is noted, keeps its own time in the next read."""
    sock, peer = pair
    arrived = []

    def held_up() -> tuple[int, int, int]:
        peer.send(b"b")
        arrived.append(readable(sock))
        while time.monotonic() < arrived[0] + 1e-3:
            continue
        return clocks()

    clocks = module.clocks
    peer.send(b"a")
    readable(sock)
    with monkeypatch.context() as patch:
        patch.setattr(module, "clocks", held_up)
        assert sock.recv(9) == b"a"
    assert sock.recv(9) == b"b"
    assert sock.read_at <= arrived[0] + 1e-4
    assert sock.uncertainty < sock.spread


def test_the_loops_last_look_bounds_a_read() -> None:
    """Data that a poll reports came after the previous poll, at which nothing waited."""
    clock = PollTrackingSelector()
    sock, peer = connected(clock)
    with sock, peer:
        clock.register(sock, selectors.EVENT_READ)
        clock.select(0)
        clock.select(0)
        looked = clock.quiet_at / 1e9
        peer.send(b"a")
        assert clock.select(WITHIN)
        sock.recv(9)
        assert sock.read_at - sock.spread >= looked
    clock.close()


def test_data_that_came_before_a_stop_in_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes after the first poll ends the wait without a sleep: the one sleep is that of a stopped thread."""
    clock, sent = PollTrackingSelector(), list[float]()
    sock, peer = connected(clock)

    def stopped(_thread: int) -> SimpleNamespace:
        if sent:
            return SimpleNamespace(ru_nvcsw=1)
        for data in (b"a", b"b"):
            peer.send(data)
            sent.append(time.monotonic())
            wait_until(sent[-1] + 5e-3)
        return SimpleNamespace(ru_nvcsw=0)

    monkeypatch.setattr(resource, "getrusage", stopped)
    with sock, peer:
        clock.register(sock, selectors.EVENT_READ)
        assert clock.select(WITHIN)
        assert sock.recv(9) == b"ab"
        assert sock.read_at - sock.spread <= sent[0]
    clock.close()


# -- how it ends -------------------------------------------------------------------------------------------------------


def reset(peer: socket.socket) -> None:
    """Reset a connection."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    peer.close()


@pytest.mark.parametrize("several", [False, True], ids=["send", "sendmsg"])
def test_a_send_leaves_the_end_to_the_reads(pair: Pair, *, several: bool) -> None:
    """A send that finds a reset loses nothing that came before it: the reads return that, and then raise the reset."""
    sock, peer = pair
    peer.send(b"hello")
    reset(peer)
    wait_for_end(sock)
    assert (sock.sendmsg([b"o", b"k"]) if several else sock.send(b"ok")) == 2
    assert not sock.ended
    assert sock.recv(100) == b"hello"
    with pytest.raises(ConnectionResetError):
        sock.recv(100)
    assert sock.reset_at is not None
    assert sock.fin_at is None


def test_a_send_after_the_peers_fin(pair: Pair) -> None:
    """A peer that has closed resets what is sent to it: it is still a close, after what it had sent."""
    sock, peer = pair
    peer.send(b"hello")
    peer.close()
    wait_for_end(sock)
    with contextlib.suppress(BrokenPipeError):
        while True:
            socket.socket.send(sock, b"x")
    assert sock.send(b"ok") == 2
    assert sock.recv(100) == b"hello"
    assert sock.recv(100) == b""
    assert sock.fin_at is not None
    assert sock.reset_at is None


def test_an_end_after_a_full_read_came_at_any_time_before() -> None:
    """What a full read left has no time of its own, and so says nothing of when the end after it came."""
    clock = PollTrackingSelector()
    sock, peer = connected(clock)
    with sock, peer:
        peer.send(b"hello")
        peer.shutdown(socket.SHUT_WR)
        wait_for_end(sock)
        ended = time.monotonic()
        wait_until(ended + 5e-3)
        assert (sock.recv(3), sock.recv(3), sock.recv(3)) == (b"hel", b"lo", b"")
        assert sock.fin_at is not None
        assert sock.fin_at - sock.end_uncertainty <= ended
        assert sock.end_at == sock.fin_at
    clock.close()


@pytest.mark.parametrize("does", [lambda peer: peer.send(b"a"), socket.socket.close, reset], ids=["data", "FIN", "RST"])
def test_whether_something_can_be_read(pair: Pair, *, does: Callable[[socket.socket], object]) -> None:
    """Bytes, a close and a reset wait to be read, and none of them is taken."""
    sock, peer = pair
    assert not sock.readable()
    does(peer)
    readable(sock)
    assert (sock.readable(), sock.readable()) == (True, True)


@pytest.mark.parametrize("into", [False, True])
def test_a_fin_is_noted(pair: Pair, *, into: bool) -> None:
    """A read of nothing is the peer's FIN."""
    sock, peer = pair
    peer.shutdown(socket.SHUT_WR)
    arrived = readable(sock)
    assert not (sock.recv_into(bytearray(9)) if into else sock.recv(9))
    assert sock.fin_at is not None
    assert sock.fin_at >= arrived
    assert sock.reset_at is None


@pytest.mark.parametrize("into", [False, True])
def test_a_reset_is_noted(pair: Pair, *, into: bool) -> None:
    """A read that fails is the peer's RST, and the failure is passed on."""
    sock, peer = pair
    reset(peer)
    readable(sock)
    with pytest.raises(ConnectionResetError):
        sock.recv_into(bytearray(9)) if into else sock.recv(9)
    assert sock.reset_at is not None
    assert sock.fin_at is None
    assert not sock.waiting()


def test_nothing_to_read_is_no_reset(pair: Pair) -> None:
    """A socket that would block has not failed."""
    sock, _ = pair
    sock.settimeout(0)
    with pytest.raises(BlockingIOError):
        sock.recv(9)
    assert sock.reset_at is None


# -- connecting and sending --------------------------------------------------------------------------------------------


def test_connecting_is_noted(pair: Pair) -> None:
    """The connection is recorded at once if it succeeds at once, else when asyncio checks the socket."""
    sock, _ = pair
    assert sock.connected_at is not None
    sock.connected_at = None
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0
    assert sock.connected_at is None
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    assert sock.connected_at is not None


def test_a_connection_that_failed_is_none() -> None:
    """A socket with an error is not recorded as connected."""
    with socket.socket() as holder, TimestampedSocket(socket.AF_INET, socket.SOCK_STREAM, 0) as sock:
        holder.bind(("127.0.0.1", 0))
        sock.settimeout(0)
        sock.connect_ex(holder.getsockname())
        select.select([], [sock], [], WITHIN)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        assert sock.connected_at is None


def test_sends_are_noted_just_before(pair: Pair) -> None:
    """The first and the last, whichever call asyncio makes."""
    sock, peer = pair
    before = time.monotonic()
    assert sock.send(b"ab") == 2
    first = sock.first_sent_at
    assert first is not None
    assert sock.sendmsg([b"c", b"d"]) == 2
    assert sock.first_sent_at == first >= before
    assert sock.last_sent_at is not None
    assert sock.last_sent_at >= first
    assert peer.recv(4, socket.MSG_WAITALL) == b"abcd"


# -- literal clocks ----------------------------------------------------------------------------------------------------

SECOND = 1_000_000_000
STAMP = (socket.SOL_SOCKET, 35)


def stamp(nanoseconds: int) -> tuple[int, int, bytes]:
    """Return what the kernel says of an arrival at this wall time."""
    return *STAMP, struct.pack("@qq", *divmod(nanoseconds, SECOND))


@pytest.mark.parametrize(
    ("ancillary", "arrived"),
    [
        ([stamp(999_500)], 4_500),
        ([stamp(996_000)], 2_000),
        ([stamp(1_010_000)], 5_000),
        ([stamp(900_000)], None),
        ([stamp(1_100_000)], None),
        ([], None),
        ([(socket.SOL_SOCKET, 29, bytes(16))], None),
        ([(socket.SOL_SOCKET, 35, bytes(4))], None),
    ],
    ids=["between", "just before", "just after", "long before", "in the future", "none", "another", "too short"],
)
def test_a_stamp_lies_between_two_reads(ancillary: list[tuple[int, int, bytes]], arrived: int | None) -> None:
    """With reads at 2 us and 5 us, a stamp outside this range by more than the clocks' skew is ignored."""
    assert module._arrival(ancillary, now=5_000, wall=1_000_000, before=2_000) == arrived


def test_clocks_that_are_far_apart_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interruption between the two costs another try, which is then taken, with how unsure it is."""
    ticks = iter([0, 1_000, 0, 9_000, 10_000, 10_500, 0, 9_000, 10_000, 19_000])
    clock = SimpleNamespace(monotonic_ns=lambda: next(ticks), time_ns=lambda: 77)
    monkeypatch.setattr(module, "time", clock)
    assert module.clocks() == (1_000, 77, 1_000)
    assert module.clocks() == (10_500, 77, 500)
    assert module.clocks() == (19_000, 77, 9_000)


class Polls:
    """A selector's polls by script: what each finds, what the clock says, what the thread has queued for a core."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        ticks: list[int],
        found: list[list[Any]],
        queued: str,
        *,
        boots: Iterable[float] = itertools.repeat(7.0),
        sleeps: Iterable[int] | None = itertools.count(),
    ) -> None:
        self.ticks, self.found = iter(ticks), iter(found)
        self.sleeps = iter(sleeps or [])
        self.boots = iter(boots)
        clock = SimpleNamespace(
            monotonic_ns=lambda: next(self.ticks), monotonic=lambda: 0.0, clock_gettime=lambda _: next(self.boots)
        )
        monkeypatch.setattr(module, "time", clock)
        monkeypatch.setattr(selectors.DefaultSelector, "select", lambda *_: next(self.found))
        monkeypatch.setattr(os, "pread", lambda *_: queued.encode())
        usage = SimpleNamespace(RUSAGE_THREAD=1, getrusage=lambda _: SimpleNamespace(ru_nvcsw=next(self.sleeps)))
        monkeypatch.setattr(module, "resource", SimpleNamespace() if sleeps is None else usage)


READY: list[Any] = [("key", selectors.EVENT_READ)]


@pytest.mark.parametrize(
    ("ticks", "found", "timeout", "queued", "quiet"),
    [
        ([9_000_000], [READY], 0, "7 0 9", 1_000),
        ([9_000_000], [READY], None, "7 0 9", 1_000),
        ([9_000_000], [[]], 0, "7 0 9", 1_000),
        ([9_000_000, 9_400_000], [[], READY], None, "7 0 9", 9_000_000),
        ([9_000_000, 29_000_000], [[], READY], None, "7 0 9", 28_000_000),
        ([9_000_000, 29_000_000], [[], READY], None, "7 4000000 9", 24_000_000),
        ([9_000_000, 29_000_000], [[], READY], None, "7 90000000 9", 9_000_000),
        ([9_000_000, 29_000_000], [[], READY], 0.018, "7 0 9", 28_000_000),
        ([9_000_000, 29_000_000], [[], READY], 0.014, "7 0 9", 9_000_000),
    ],
    ids=[
        "no wait",
        "ready",
        "nothing",
        "a short wait",
        "a wait",
        "a core came late",
        "much later",
        "a timer",
        "stopped",
    ],
)
def test_when_the_loop_last_looked(
    monkeypatch: pytest.MonkeyPatch,
    *,
    ticks: list[int],
    found: list[list[Any]],
    timeout: float | None,
    queued: str,
    quiet: int,
) -> None:
    """Ready data came since the previous poll; data that ended a wait came in it, within the scheduling delay."""
    with monkeypatch.context() as patch:
        Polls(patch, [1_000, 1_000, *ticks], [[READY], *found], queued)
        clock = PollTrackingSelector()
        clock.select(0)
        clock.select(timeout)
        assert clock.quiet_at == quiet
    clock.close()


@pytest.mark.parametrize(
    ("sleeps", "quiet"), [([0, 1], 28_000_000), ([0, 0], 9_000_000), ([0, 2], 9_000_000), (None, 28_000_000)]
)
def test_a_wait_that_was_not_one_sleep(
    monkeypatch: pytest.MonkeyPatch, *, sleeps: list[int] | None, quiet: int
) -> None:
    """A thread that was stopped in its wait, or waited for the interpreter after it, may have been woken long ago.

    If the system does not count that, nothing is concluded from it.
    """
    with monkeypatch.context() as patch:
        Polls(patch, [1_000, 9_000_000, 29_000_000], [[], READY], "7 0 9", sleeps=sleeps)
        clock = PollTrackingSelector()
        clock.select(None)
        assert clock.quiet_at == quiet
    clock.close()


WAITING = """
import sys
from monitor.http.timestamps import PollTrackingSelector
clock = PollTrackingSelector()
clock.select(0.01)
clock.register(sys.stdin, 1)
print("begin", flush=True)
while not clock.select(None):
    pass
print(clock.quiet_at)
"""


def test_a_process_that_is_stopped_shortly() -> None:
    """A stop that is shorter than a poll does not make what came meanwhile seem to have come after it."""
    waiting = subprocess.Popen([sys.executable, "-c", WAITING], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with waiting:
        assert waiting.stdin is not None
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == b"begin\n"
        stat = Path(f"/proc/{waiting.pid}/stat")
        while stat.read_text().rpartition(") ")[2][0] != "S":
            continue
        waiting.send_signal(signal.SIGSTOP)
        os.waitpid(waiting.pid, os.WUNTRACED)
        waiting.stdin.write(b"a")
        waiting.stdin.flush()
        written = time.monotonic()
        wait_until(written + 5e-3)
        waiting.send_signal(signal.SIGCONT)
        assert int(waiting.stdout.readline()) / 1e9 <= written


def test_a_suspended_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """CLOCK_MONOTONIC does not count a suspension: what ended the wait came before it, in it, or after it."""
    with monkeypatch.context() as patch:
        Polls(patch, [1_000, 9_000_000, 29_000_000, 30_000_000], [[], READY], "7 0 9", boots=[7.0, 12.0])
        clock = PollTrackingSelector()
        clock.select(None)
        assert clock.quiet_at == 9_000_000 - 5_000_000_000
        assert clock.lateness() == pytest.approx(5.021)
    clock.close()


def test_no_poll_is_long() -> None:
    """A poll without an end, or with a far one, ends soon: one that takes longer was stopped."""
    clock, asked = PollTrackingSelector(), list[float | None]()
    with pytest.MonkeyPatch.context() as patch:

        def select(_: object, timeout: float | None) -> list[Any]:
            asked.append(timeout)
            return []

        patch.setattr(selectors.DefaultSelector, "select", select)
        clock.select(None)
        clock.select(60.0)
    clock.close()
    assert asked == [0, 0.25, 0, 0.25]


def test_a_system_that_keeps_no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the system does not report how long a thread waited for a core, the wait counts as zero."""
    monkeypatch.setattr(module, "_QUEUED", "/nowhere")
    with monkeypatch.context() as patch:
        Polls(patch, [1_000, 9_000_000, 29_000_000], [[], READY], "7 90000000 9")
        clock = PollTrackingSelector()
        clock.select(None)
        assert clock.quiet_at == 28_000_000
    clock.close()


def test_a_clock_is_closed_once() -> None:
    """Closing a clock again does not close a descriptor that reuses its number."""
    clock = PollTrackingSelector()
    clock.close()
    with contextlib.ExitStack() as opened:
        pipes = [os.pipe() for _ in range(8)]  # the kernel gives the lowest numbers again
        for end in (end for pipe in pipes for end in pipe):
            opened.callback(os.close, end)
        clock.close()
        for reading, writing in pipes:
            os.write(writing, b"x")
            assert os.read(reading, 1) == b"x"


def test_a_loop_of_our_own_has_its_selector() -> None:
    """The clock of the running loop can be had; another's loop has none."""

    async def found() -> PollTrackingSelector | None:
        return poll_tracking_selector()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert isinstance(runner.run(found()), PollTrackingSelector)
    assert asyncio.run(found()) is None


# -- stamping ----------------------------------------------------------------------------------------------------------


async def test_stamping_gives_up_in_time() -> None:
    """If no datagram is stamped within the time limit, the monitor starts without stamps."""
    keeper = Stamping()
    assert not await keeper.ready(0.0)
    keeper.close()


async def test_stamping_waits_for_a_stamp(monkeypatch: pytest.MonkeyPatch) -> None:
    """A datagram that has not come, or came without a stamp, is followed by another."""
    keeper = Stamping()
    answers: list[list[str] | None] = [["stamp"], [], None]

    def recvmsg(*_: object) -> tuple[bytes, list[str]]:
        if (ancillary := answers.pop()) is None:
            raise BlockingIOError
        return b"?", ancillary

    own = keeper._socket
    fake = SimpleNamespace(sendto=own.sendto, getsockname=own.getsockname, recvmsg=recvmsg, close=own.close)
    monkeypatch.setattr(keeper, "_socket", fake)
    assert await keeper.ready(10.0)
    assert not answers
    keeper.close()


class Turns:
    """Records what a socket reports while a request is sent."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def wait_begins(self, at: float) -> None:
        """Note it."""
        del at
        self.calls.append("waits")

    def wait_ends(self, at: float, uncertainty: float = 0.0) -> tuple[float, float]:
        """Note it."""
        self.calls.append("acts")
        return at, uncertainty

    def add_uncertainty(self, uncertainty: float) -> None:
        """Note it."""
        assert uncertainty >= 0.0
        self.calls.append("doubts")

    def send_blocked(self) -> None:
        """Note it."""
        self.calls.append("blocked")


def sends(sock: TimestampedSocket) -> None:
    """Send until the kernel accepts no more: data that it passes on to the peer makes room again."""
    while True:
        sock.sendmsg([bytes(1 << 20)])


def test_a_socket_that_took_only_a_part_leaves_a_doubt() -> None:
    """How long it has been ready for the rest is not known: between the two sends the peer may have been slow."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        TimestampedSocket(socket.AF_INET, socket.SOCK_STREAM, 0) as sock,
    ):
        sock.connect(listener.getsockname())
        sock.clock = turns = Turns()
        sock.setblocking(False)
        assert sock.send(bytes(1 << 26)) < 1 << 26
        assert turns.calls == ["waits", "doubts", "blocked"]
        with pytest.raises(BlockingIOError):
            sends(sock)
        assert turns.calls[-3:] == ["doubts", "waits", "blocked"]
        sock.clock = None
        with pytest.raises(BlockingIOError):
            sock.send(b"more")


def test_a_system_that_tells_no_round_trip(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handshake that the kernel had to repeat, or has not measured, is as uncertain as the loop was late."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sock = TimestampedSocket(socket.AF_INET, socket.SOCK_STREAM, 0)
        sock.clock = Turns()
        sock.connect(listener.getsockname())
        assert sock.round_trip() is not None
        monkeypatch.delattr(socket, "TCP_INFO")
        assert sock.round_trip() is None
        sock.close()
