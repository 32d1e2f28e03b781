"""The socket that knows when the kernel received what, when the request left, and how the peer ended.

It stands behind aiohttp's public `socket_factory`; asyncio's selector transport reads and writes through it, for plain
text and for TLS alike. Times are seconds of `time.monotonic`, which is the clock of asyncio's loops.
"""

from __future__ import annotations

import asyncio
import errno
import os
import selectors
import socket
import struct
import sys
import time
from asyncio import sslproto
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

_SO_TIMESTAMPNS = 35  # linux/asm-generic/socket.h; the socket module has no name for it
_TIMESPEC = struct.Struct("@qq")
_ANCILLARY = socket.CMSG_SPACE(_TIMESPEC.size)
_READ = 65536
_BILLION = 1_000_000_000
_SKEW_NS = 20_000
"""The two clocks are read one after the other: a stamp may seem to be this much in the future."""
_TIGHT_NS = 2_000
"""Between the two clocks nothing came that took longer: else they are read once more."""

STAMPS = sys.platform == "linux"
_WAKING_NS = 1_000_000
"""How late a process that waits for no core may be woken."""
_OVERSLEPT_NS = 5_000_000
"""A poll that ends so long after its time-out was no wait: the process was stopped."""
_QUEUED = "/proc/thread-self/schedstat"
"""Linux's account of a thread: ns on a core, ns in the queue for one, turns."""


class PollTrackingSelector(selectors.DefaultSelector):
    """The loop's selector, noting when it last looked: what a read brings came after that, however late the read is.

    It bounds the arrival of bytes that have no stamp of their own: of segments that the kernel merged, it keeps the
    last one's stamp alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.quiet_at = time.monotonic_ns()
        """A time, in monotonic ns, at which no byte waited that is reported now."""
        self._looked = self.quiet_at
        self._account = _open_account()
        self._queued = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Poll, as asyncio asks: first look, and wait only where there is nothing."""
        entered = time.monotonic_ns()
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            self.quiet_at, self._looked = self._looked, entered
            return ready
        ready = super().select(timeout)
        self.quiet_at = self._looked = max(entered, self._woken(entered, timeout))
        return ready

    def close(self) -> None:
        """Let go of everything."""
        super().close()
        if self._account is not None:
            os.close(self._account)
            self._account = None

    def _woken(self, entered: int, timeout: float | None) -> int:
        """Return a time before which nothing ended the wait: that it did was noticed late by the time in the queue."""
        returned, queued = time.monotonic_ns(), self._queued
        waited = returned - entered
        if waited <= _WAKING_NS or (timeout is not None and waited > timeout * _BILLION + _OVERSLEPT_NS):
            return entered
        if self._account is not None:
            self._queued = int(os.pread(self._account, 80, 0).split()[1])
        return returned - _WAKING_NS - (self._queued - queued)


def _open_account() -> int | None:
    """Open the account of the thread that runs; None where the system keeps none."""
    try:
        return os.open(_QUEUED, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


_CLOCKS: WeakKeyDictionary[asyncio.AbstractEventLoop, PollTrackingSelector] = WeakKeyDictionary()


TLS_BUFFER = 16384
"""Bytes that asyncio keeps ready for what a TLS stream brings: one record."""


def bound_tls_buffers() -> bool:
    """Make asyncio's TLS streams smaller: its 256 KiB a stream are most of their memory; whether that can be done.

    The attribute is private, and pinned by a test; without it they are as large as they were.
    """
    if not isinstance(getattr(sslproto.SSLProtocol, "max_size", None), int):
        return False
    sslproto.SSLProtocol.max_size = TLS_BUFFER
    return True


def new_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop whose polls are noted, and whose TLS streams are small."""
    bound_tls_buffers()
    clock = PollTrackingSelector()
    loop = asyncio.SelectorEventLoop(clock)
    _CLOCKS[loop] = clock
    return loop


def poll_tracking_selector() -> PollTrackingSelector | None:
    """Return the clock of the running loop's polls; None where the loop is another's."""
    return _CLOCKS.get(asyncio.get_running_loop())


_recvmsg, _recvmsg_into = socket.socket.recvmsg, socket.socket.recvmsg_into


class TimestampedSocket(socket.socket):
    """A TCP socket that notes its reads and writes."""

    __slots__ = (
        "_clock", "_more", "_quiet", "_read_before", "connected_at", "fin_at", "first_sent_at", "last_sent_at",
        "read_at", "received", "reset_at", "spread", "uncertainty",
    )  # fmt: skip

    def __init__(self, family: int, kind: int, proto: int, clock: PollTrackingSelector | None = None) -> None:
        super().__init__(family, kind, proto)
        self._clock = clock
        now = time.monotonic()
        self.connected_at: float | None = None
        self.first_sent_at: float | None = None
        self.last_sent_at: float | None = None
        self.read_at = now
        """When the last byte of the last read reached this machine."""
        self.uncertainty = 0.0
        """The last byte of that read arrived at most this much before `read_at`."""
        self.spread = 0.0
        """Its other bytes arrived at most this much before `read_at`."""
        self.received = 0
        self.fin_at: float | None = None
        self.reset_at: float | None = None
        self._read_before = self._quiet = time.monotonic_ns()
        self._more = False
        if STAMPS:
            self.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)

    # -- connecting ------------------------------------------------------------------------------------------------

    def connect(self, address: Any, /) -> None:  # noqa: ANN401 - as the socket module has it
        """Connect, noting when at once."""
        super().connect(address)
        self.connected_at = time.monotonic()

    def getsockopt(self, *args: int) -> Any:  # noqa: ANN401 - as the socket module has it
        """Note the moment at which asyncio asks whether its connect succeeded: right when the socket says so."""
        value = super().getsockopt(*args)
        if args == (socket.SOL_SOCKET, socket.SO_ERROR) and not value:
            self.connected_at = time.monotonic()
        return value

    # -- writing ---------------------------------------------------------------------------------------------------

    def send(self, data: ReadableBuffer, flags: int = 0, /) -> int:
        """Send, noting the clock just before: 3 to 15 us from the wire, where the clock after it can be late by ms."""
        self._sending()
        return super().send(data, flags)

    def sendmsg(self, buffers: Sequence[ReadableBuffer], *rest: Any) -> int:  # type: ignore[override]  # noqa: ANN401 - likewise
        """Send several buffers; asyncio does from Python 3.12 on."""
        self._sending()
        return super().sendmsg(buffers, *rest)

    def _sending(self) -> None:
        self.last_sent_at = time.monotonic()
        if self.first_sent_at is None:
            self.first_sent_at = self.last_sent_at

    # -- reading ---------------------------------------------------------------------------------------------------

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Receive, with the kernel's time of arrival."""
        size, began = min(size, _READ), time.monotonic_ns()
        try:
            data, ancillary, _, _ = _recvmsg(self, size, _ANCILLARY, flags)
        except OSError as error:
            self._failed(error)
            raise
        self._note(len(data), ancillary, size, began)
        return data

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

    def waiting(self) -> bool:
        """Whether bytes wait to be read; an empty line, which some servers send behind a body, does not count."""
        try:
            return bool(super().recv(64, socket.MSG_PEEK | socket.MSG_DONTWAIT).strip())
        except OSError:
            return False

    def _failed(self, error: OSError) -> None:
        if not isinstance(error, BlockingIOError | InterruptedError):
            self.reset_at = time.monotonic()

    def _note(self, count: int, ancillary: list[tuple[int, int, bytes]], asked: int, began: int) -> None:
        """Note one read; what the next one brings came after this one `began`, however long it took to look here."""
        now, wall, bracket = _clocks()
        if not count:
            self.fin_at = now / _BILLION
            return
        before, clock = self._read_before, self._clock
        quiet = before if clock is None else max(before, clock.quiet_at)
        if self._more:  # what a full read left behind came before it
            quiet = self._quiet
        arrived = _arrival(ancillary, now, wall, before)
        at = now if arrived is None else arrived
        self.received += count
        self.read_at = at / _BILLION
        self.spread = max(at - quiet, bracket) / _BILLION
        self.uncertainty = self.spread if arrived is None else bracket / _BILLION
        self._read_before, self._quiet, self._more = began, quiet, count == asked


def _clocks() -> tuple[int, int, int]:
    """Return the monotonic and the wall clock in ns, read together, and how far apart they may be."""
    before, wall, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
    if after - before > _TIGHT_NS:
        before, wall, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
    return after, wall, after - before


def _arrival(ancillary: list[tuple[int, int, bytes]], now: int, wall: int, before: int) -> int | None:
    """Return the kernel's stamp in monotonic ns; None where there is none or it does not lie between two reads."""
    for level, kind, data in ancillary:
        if kind == _SO_TIMESTAMPNS and level == socket.SOL_SOCKET and len(data) >= _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            stamp: int = now - wall + seconds * _BILLION + nanoseconds
            if before - _SKEW_NS <= stamp <= now + _SKEW_NS:
                return min(max(stamp, before), now)
    return None


class Stamping:
    """Keeps the kernel's stamping switched on: the first socket that asks waits some 100 ms for a static key."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(0)
        if STAMPS:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.bind(("127.0.0.1", 0))

    async def ready(self, within: float = 0.5) -> bool:
        """Wait until a datagram to ourselves is stamped, at most `within` seconds; whether it was."""
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
        """Let go of the socket."""
        self._socket.close()


EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
"""Errors that are this machine's own fault."""
