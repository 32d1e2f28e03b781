"""A socket that records when the kernel received data, when the request left, and how the peer ended.

aiohttp gets it through its public `socket_factory`; asyncio's selector transport reads and writes through it, for
plain text and for TLS. Times are seconds of `time.monotonic`, which is the clock of asyncio's loops.
"""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import select
import selectors
import socket
import struct
import sys
import time
from asyncio import selector_events, sslproto
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

_SO_TIMESTAMPNS = 35  # linux/asm-generic/socket.h; the socket module has no name for it
_TIMESPEC = struct.Struct("@qq")
_ANCILLARY = socket.CMSG_SPACE(_TIMESPEC.size)
_READ = 65536
_BILLION = 1_000_000_000
_SKEW_NS = 20_000
"""The two clocks are read one after the other: a timestamp may appear to be this much in the future."""
_TIGHT_NS = 2_000
"""If reading both clocks takes longer, they are read again."""

STAMPS = sys.platform == "linux"
_MICROSECOND = 1e-6
_WAKING_NS = 1_000_000
"""How late a process may be woken that does not wait for a core."""
_PROMPT = 2e-3
"""Seconds since the last poll without data: if fewer, the peer's end is not looked for after what is read."""
_OVERSLEPT_NS = 5_000_000
"""A poll that ends this long after its time-out means that the process was stopped."""
_LONGEST_POLL = 0.25
"""Seconds: a poll that took longer than requested shows that the process was stopped."""
_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_TCP_INFO = struct.Struct("@68xI28xI")  # linux/tcp.h: the smoothed round trip in us, the retransmitted segments
_PEER_ENDED = frozenset({7, 8})
"""TCP_CLOSE and TCP_CLOSE_WAIT of linux/tcp_states.h, the first byte of TCP_INFO."""
_QUEUED = "/proc/thread-self/schedstat"
"""Linux's schedstat of a thread: ns on a core, ns in the run queue, time slices."""


class PollTrackingSelector(selectors.DefaultSelector):
    """The loop's selector, which notes its last poll: data of a read arrived after that, however late the read is.

    This bounds the arrival of bytes without a timestamp: of segments that the kernel merged, it keeps only the
    last one's.
    """

    def __init__(self) -> None:
        super().__init__()
        self.quiet_at = time.monotonic_ns()
        """A time in monotonic ns at which none of the data reported now was waiting."""
        self._looked = self.quiet_at
        self._certain = self._certainly_looked = self.quiet_at
        """The same times, if how long a wait lasted is not considered."""
        self.suspended = _suspended()
        """Seconds that the machine was suspended since boot; CLOCK_MONOTONIC does not count them."""
        self._account = _open_account()
        self._queued = 0
        self.room = memoryview(bytearray(_READ))
        """The read buffer of this loop's sockets: allocating one for each read can cost 10 us."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Poll as asyncio requests: first without waiting, and wait only if nothing is ready."""
        entered = time.monotonic_ns()
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            self.quiet_at, self._looked = self._looked, entered
            self._certain, self._certainly_looked = self._certainly_looked, entered
            return ready
        timeout = _LONGEST_POLL if timeout is None else min(timeout, _LONGEST_POLL)
        sleeps = _sleeps()
        ready = super().select(timeout)
        self.quiet_at = self._looked = self._woken(entered, timeout, sleeps)
        self._certain = self._certainly_looked = min(entered, self.quiet_at)
        return ready

    def close(self) -> None:
        """Release the resources."""
        super().close()
        if self._account is not None:
            os.close(self._account)
            self._account = None

    def lateness(self) -> float:
        """Return how many seconds ago an event that is noticed now may have happened."""
        return max(time.monotonic_ns() - self.quiet_at, 0) / _BILLION

    def quiet_before(self, arrived: int) -> int:
        """Return `quiet_at`, corrected if data arrived before it: then the wait has not ended with its one sleep.

        What came after the first poll ends the wait at once, and the thread sleeps while it is stopped or waits for
        the interpreter.
        """
        if arrived < self.quiet_at - _SKEW_NS:
            self.quiet_at = self._certain
        return self.quiet_at

    def _woken(self, entered: int, timeout: float, sleeps: int | None) -> int:
        """Return a time before which nothing ended the wait: it was noticed late by the time in the run queue.

        Unless the thread slept exactly once, that is unknown: it was stopped as well, or waited for the interpreter.
        """
        returned, queued, suspended = time.monotonic_ns(), self._queued, self.suspended
        waited = returned - entered
        self.suspended = _suspended()
        if (slept := self.suspended - suspended) > _SUSPENDED:
            return entered - int(slept * _BILLION)
        if waited <= _WAKING_NS or waited > timeout * _BILLION + _OVERSLEPT_NS:
            return entered
        if sleeps is not None and _sleeps() != sleeps + 1:
            return entered
        if self._account is not None:
            self._queued = int(os.pread(self._account, 80, 0).split()[1])
        return max(entered, returned - _WAKING_NS - (self._queued - queued))


_SUSPENDED = 0.01
"""Seconds: two clocks that are read one after the other differ by less."""


def _suspended() -> float:
    return time.clock_gettime(_BOOTTIME) - time.monotonic()


def _sleeps() -> int | None:
    """Return how often the current thread has waited or was stopped; None if the system does not count that."""
    thread = getattr(resource, "RUSAGE_THREAD", None)
    return resource.getrusage(thread).ru_nvcsw if thread is not None else None


def _open_account() -> int | None:
    """Open the schedstat of the current thread; None if the system has none."""
    try:
        return os.open(_QUEUED, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


_SELECTORS: WeakKeyDictionary[asyncio.AbstractEventLoop, PollTrackingSelector] = WeakKeyDictionary()


TLS_BUFFER = 16384
"""The size of asyncio's buffer for a TLS stream: one record."""


def bound_tls_buffers() -> bool:
    """Make the buffers of asyncio's TLS streams smaller than its 256 KiB; return whether that is possible.

    The attribute is private, and pinned by a test; without it the buffers keep their size.
    """
    if not isinstance(getattr(sslproto.SSLProtocol, "max_size", None), int):
        return False
    sslproto.SSLProtocol.max_size = TLS_BUFFER
    return True


@cache
def free_closed_transports() -> bool:
    """Let asyncio's closed transports be freed at once; return whether that is possible.

    Each refers to itself by bound methods, which Python 3.12 clears in `close` but not in `abort`, and 3.11 never: a
    connection left 2 kB and ten objects to the garbage collector. The attributes are private, and pinned by a test.
    """
    transport: Any = getattr(selector_events, "_SelectorSocketTransport", None)
    lost = getattr(transport, "_call_connection_lost", None)
    if lost is None:
        return False

    def lost_and_freed(self: Any, exc: Exception | None) -> None:  # noqa: ANN401 - a class that typeshed does not have
        lost(self, exc)
        for name in vars(self).keys() & {"_read_ready_cb", "_write_ready"}:
            setattr(self, name, None)

    transport._call_connection_lost = lost_and_freed  # noqa: SLF001 - no public method is called last
    return True


def new_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop that notes its polls, has small TLS buffers, and frees closed connections at once."""
    bound_tls_buffers()
    free_closed_transports()
    selector = PollTrackingSelector()
    loop = asyncio.SelectorEventLoop(selector)
    _SELECTORS[loop] = selector
    return loop


def poll_tracking_selector() -> PollTrackingSelector | None:
    """Return the running loop's selector; None if the loop is not ours."""
    return _SELECTORS.get(asyncio.get_running_loop())


_recvmsg_into = socket.socket.recvmsg_into


class RequestClock(Protocol):
    """The clock of a request, which learns when the monitor waits and when it acts: see `clock.Clock`."""

    def wait_begins(self, at: float) -> None:
        """Note that a wait begins."""

    def wait_ends(self, at: float, uncertainty: float = 0.0) -> tuple[float, float]:
        """Note that a wait ended at `at`, or up to `uncertainty` before it; return both from zero."""

    def send_blocked(self) -> None:
        """Note that the peer accepts no more bytes for now."""

    def add_uncertainty(self, uncertainty: float) -> None:
        """Note a delay that may be ours or the peer's."""


class TimestampedSocket(socket.socket):
    """A TCP socket that notes its reads and writes."""

    __slots__ = (
        "_asked_at", "_blocked", "_last_after", "_more", "_poll_selector", "_quiet", "_read_before", "_unread_error",
        "clock", "connected_after", "connected_at", "end_uncertainty", "fin_at", "first_sent_at", "last_sent_at",
        "read_after", "read_at", "read_late", "received", "reset_at", "spread", "uncertainty",
    )  # fmt: skip

    def __init__(self, family: int, kind: int, proto: int, selector: PollTrackingSelector | None = None) -> None:
        super().__init__(family, kind, proto)
        self._poll_selector = selector
        now = time.monotonic()
        self.clock: RequestClock | None = None
        """The clock of the request that is being sent; None once its response begins."""
        self.connected_at: float | None = None
        """When it was noticed that the connection is established; the loop may have been late."""
        self.connected_after = self.read_after = (0.0, 0.0)
        """Seconds from zero to `connected_at`, and to the last read before the response, with uncertainty."""
        self._asked_at = now
        self._blocked = False
        self.first_sent_at: float | None = None
        self.last_sent_at: float | None = None
        self.read_at = now
        """When the last byte of the last read reached this machine."""
        self.uncertainty = 0.0
        """The last byte of that read arrived at most this much before `read_at`."""
        self.read_late = 0.0
        """That read was made this many seconds after `read_at`."""
        self.spread = 0.0
        """Its other bytes arrived at most this much before `read_at`."""
        self.received = 0
        self.fin_at: float | None = None
        self.reset_at: float | None = None
        self.end_uncertainty = 0.0
        """The end, `fin_at` or `reset_at`, came at most this much before it was noted."""
        self._read_before = self._quiet = self._last_after = time.monotonic_ns()
        self._more = False
        self._unread_error: int | None = None
        if STAMPS:
            self.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)

    # -- connecting ------------------------------------------------------------------------------------------------

    def connect(self, address: Any, /) -> None:  # noqa: ANN401 - as the socket module has it
        """Connect and note the time after the call: the time in it is ours, and the round trip is known separately."""
        try:
            super().connect(address)
        finally:
            self._asked_at = time.monotonic()
            if self.clock is not None:
                self.clock.wait_begins(self._asked_at)
        self._connected()

    def getsockopt(self, *args: int) -> Any:  # noqa: ANN401 - as the socket module has it
        """Note when asyncio checks if its connect succeeded: after the socket has reported it."""
        value = super().getsockopt(*args)
        if args == (socket.SOL_SOCKET, socket.SO_ERROR):
            if not value or value == errno.ECONNRESET:  # a peer that resets has accepted the connection before
                self._connected()
            elif self.clock is not None:
                self.clock.wait_ends(time.monotonic(), self.lateness)
        return value

    def _connected(self) -> None:
        """Note when the connection was established: a round trip after it was requested, if the kernel measured one."""
        self.connected_at = time.monotonic()
        if self.clock is None:
            return
        if (round_trip := self.round_trip()) is not None:
            self.connected_after = self.clock.wait_ends(self._asked_at + round_trip, _MICROSECOND)
        else:
            since_asked = self.connected_at - self._asked_at
            self.connected_after = self.clock.wait_ends(self.connected_at, min(self.lateness, since_asked))

    def round_trip(self) -> float | None:
        """Return the duration of the TCP handshake in seconds; None if the kernel has none, or retransmitted."""
        try:
            micros, again = _TCP_INFO.unpack_from(super().getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256))
        except (OSError, AttributeError, struct.error):
            return None
        return micros / 1e6 if micros and not again else None

    @property
    def lateness(self) -> float:
        """How many seconds ago an event that is noticed now may have happened; 0 if the loop's polls are not noted."""
        return self._poll_selector.lateness() if self._poll_selector is not None else 0.0

    # -- writing ---------------------------------------------------------------------------------------------------

    def send(self, data: ReadableBuffer, flags: int = 0, /) -> int:
        """Send, and note the time just before: 3 to 15 us before the wire; the time after it can be late by ms."""
        self._sending()
        try:
            count = super().send(data, flags)
        except BlockingIOError:
            self._refused()
            raise
        except ConnectionError as error:
            self._ended_meanwhile(error)
            count = memoryview(data).nbytes
        if self.clock is not None:
            self._sent(self.clock, count < memoryview(data).nbytes)
        return count

    def sendmsg(self, buffers: Sequence[ReadableBuffer], *rest: Any) -> int:  # type: ignore[override]  # noqa: ANN401 - likewise
        """Send several buffers, as asyncio does from Python 3.12 on."""
        self._sending()
        try:
            count = super().sendmsg(buffers, *rest)
        except BlockingIOError:
            self._refused()
            raise
        except ConnectionError as error:
            self._ended_meanwhile(error)
            count = sum(memoryview(one).nbytes for one in buffers)
        if self.clock is not None:
            self._sent(self.clock, count < sum(memoryview(one).nbytes for one in buffers))
        return count

    def _sending(self) -> None:
        self.last_sent_at = time.monotonic()
        if self.first_sent_at is None:
            self.first_sent_at = self.last_sent_at
        if self.clock is not None:
            if self._blocked:  # since when the socket accepts more is unknown
                self.clock.add_uncertainty(self.lateness)
            self.clock.wait_begins(self.last_sent_at)

    def _ended_meanwhile(self, error: ConnectionError) -> None:
        """Leave the end of the connection to the reads: first they return what came before it.

        The failed send has taken a reset from the kernel, which then says that the stream ended; a broken pipe means
        that the peer's end came before.
        """
        if not isinstance(error, BrokenPipeError):
            self._unread_error = error.errno

    def _refused(self) -> None:
        """Note that the socket accepts nothing for now."""
        self._blocked = True
        if self.clock is not None:
            self.clock.send_blocked()

    def _sent(self, clock: RequestClock, blocked: bool) -> None:  # noqa: FBT001 - of two callers
        """Note that the bytes left at some time during the call, and whether the socket accepts no more for now."""
        clock.add_uncertainty(time.monotonic() - (self.last_sent_at or 0.0))
        self._blocked = False
        if blocked:
            self._refused()

    # -- reading ---------------------------------------------------------------------------------------------------

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Receive, with the kernel's time of arrival."""
        room = self._poll_selector.room if self._poll_selector is not None else memoryview(bytearray(_READ))
        if size < _READ:
            room = room[:size]
        began = time.monotonic_ns()
        try:
            count, ancillary, _, _ = _recvmsg_into(self, (room,), _ANCILLARY, flags)
        except OSError as error:
            self._failed(error)
            raise
        self._note(count, ancillary, len(room), began)
        return room[:count].tobytes()

    def recv_into(self, buffer: WriteableBuffer, size: int = 0, flags: int = 0, /) -> int:
        """Receive into a buffer, as TLS does, with the kernel's time of arrival."""
        view, began = memoryview(buffer)[: size or None], time.monotonic_ns()
        try:
            count, ancillary, _, _ = _recvmsg_into(self, [view], _ANCILLARY, flags)
        except OSError as error:
            self._failed(error)
            raise
        self._note(count, ancillary, len(view), began)
        return count

    def readable(self) -> bool:
        """Whether bytes or the end of the connection are waiting to be read."""
        poll = select.poll()
        poll.register(self, select.POLLIN)
        return bool(poll.poll(0))

    def waiting(self) -> bool:
        """Whether bytes are waiting to be read; an empty line, which some servers send after a body, does not count."""
        try:
            return bool(super().recv(64, socket.MSG_PEEK | socket.MSG_DONTWAIT).strip())
        except OSError:
            return False

    def _end_waits(self) -> bool:
        """Whether the peer's end has arrived after the bytes that were read.

        The kernel is asked for the state: a peek would take a reset, and the next read would return an end.
        """
        try:
            return super().getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] in _PEER_ENDED
        except (OSError, AttributeError):
            return False

    def _failed(self, error: OSError) -> None:
        if not isinstance(error, BlockingIOError | InterruptedError):
            self.reset_at = time.monotonic()
            self.end_uncertainty = self._since_it_may_have_ended()

    @property
    def ended(self) -> bool:
        """Whether the end of the connection was read."""
        return self.fin_at is not None or self.reset_at is not None

    def _since_it_may_have_ended(self) -> float:
        """Return how many seconds ago the end may have come: since the last byte, if no poll has been idle since.

        A read of all data does not show if the end is already waiting after it.
        """
        if self._poll_selector is None or self._poll_selector.quiet_at > self._read_before:
            return self.lateness
        return max(time.monotonic_ns() - self._last_after, 0) / _BILLION

    @property
    def end_at(self) -> float:
        """When the connection ended; if its end was not read, when the last bytes came: TLS ends with bytes."""
        return next((at for at in (self.reset_at, self.fin_at) if at is not None), self.read_at)

    def _note(self, count: int, ancillary: list[tuple[int, int, bytes]], asked: int, began: int) -> None:
        """Note one read; data of the next one arrived after this one `began`."""
        now, wall, bracket = clocks()
        if not count and self._unread_error is not None:
            error = OSError(self._unread_error, os.strerror(self._unread_error))
            self._failed(error)
            raise error
        if not count:
            self.fin_at = now / _BILLION
            self.end_uncertainty = self._since_it_may_have_ended()
            return
        before, selector = self._read_before, self._poll_selector
        arrived = _arrival(ancillary, now, wall, before)
        at = now if arrived is None else arrived
        quiet = before if selector is None else max(before, selector.quiet_before(at))
        if self._more:  # the data that a full read left arrived before it
            quiet = self._quiet
        self.received += count
        self.read_at, self.read_late = at / _BILLION, (now - at) / _BILLION
        self._last_after = quiet if arrived is None else arrived
        self.spread = max(at - quiet, bracket) / _BILLION
        self._read_before, self._quiet, self._more = began, quiet, count == asked
        # the time of merged segments is the last one's: a full read may have ended before that, and a peer's end is one
        unknown = arrived is None or self._more or (self.spread > _PROMPT and self._end_waits())
        self.uncertainty = self.spread if unknown else bracket / _BILLION
        if self.clock is not None:
            self.read_after = self.clock.wait_ends(self.read_at, self.uncertainty)


def clocks() -> tuple[int, int, int]:
    """Return the monotonic and the wall clock in ns, read together, and the uncertainty."""
    before, wall, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
    if after - before > _TIGHT_NS:
        before, wall, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
    return after, wall, after - before


def _arrival(ancillary: list[tuple[int, int, bytes]], now: int, wall: int, before: int) -> int | None:
    """Return the kernel's timestamp in monotonic ns; None if there is none or it is not between two reads."""
    for level, kind, data in ancillary:
        if kind == _SO_TIMESTAMPNS and level == socket.SOL_SOCKET and len(data) >= _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            stamp: int = now - wall + seconds * _BILLION + nanoseconds
            if before - _SKEW_NS <= stamp <= now + _SKEW_NS:
                return min(max(stamp, before), now)
    return None


class Stamping:
    """Keeps the kernel's timestamps enabled: the first socket that enables them waits about 100 ms for a static key."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(0)
        if STAMPS:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.bind(("127.0.0.1", 0))

    async def ready(self, within: float = 0.5) -> bool:
        """Wait until a datagram to ourselves has a timestamp, at most `within` seconds; return whether it has."""
        until = time.monotonic() + within
        while STAMPS and time.monotonic() < until:
            self._socket.sendto(b"?", self._socket.getsockname())
            await asyncio.sleep(0.002)
            try:
                if self._socket.recvmsg(16, _ANCILLARY)[1]:
                    return True
            except BlockingIOError:
                continue
        return False

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
"""Errors that mean that this machine lacks resources."""
