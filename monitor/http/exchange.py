"""One request and its response: data is recorded where it arrives, and the task awaits one future, the end."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import aiohttp

from monitor.http.attempts import ConnectionAttempts
from monitor.http.clock import Clock
from monitor.http.deadlines import Deadlines
from monitor.http.errors import CUT, TOO_LATE, abort_reason, ended_while_suspended, expiry, forget_frames, translate
from monitor.http.h2_protocol import REQUIRES_HTTP_1, not_possible
from monitor.http.in_flight import StreamMemory
from monitor.http.request import ExchangeInfo, Feed, HttpRequest
from monitor.http.session import send
from monitor.http.timestamps import TimestampedSocket
from monitor.settings import Limits
from monitor.stream.endings import BodyFraming, Deadline, Ending, EndKind, Head, Mark
from monitor.stream.recorder import Recorder
from monitor.target import Http

_ERROR_BODY = 65536
_READ_BYTES, _WEIGH_EVERY = 128, 16384
"""What a read takes besides its bytes, at most, and after how much growth the memory of a stream is counted again."""
_PROXY_AUTHENTICATION_REQUIRED, _REQUEST_TIMEOUT = 407, 408
_GAVE_UP = CUT | {EndKind.TLS_HANDSHAKE, EndKind.PROXY}
"""Endings without a response that the peer may have chosen because the monitor was late."""


class Exchange:
    """One request and its response.

    Its task waits for aiohttp until the head, and then for one future. Everything else happens in the calls of
    the connection's protocol (`head`, `payload`, `end`) and of the deadlines.
    """

    def __init__(  # noqa: PLR0913 - what an exchange is made of
        self,
        request: HttpRequest,
        recorder: Recorder,
        feed: Feed,
        limits: Limits,
        attempts: ConnectionAttempts,
        *,
        memory: StreamMemory,
    ) -> None:
        self.request, self.recorder, self.attempts = request, recorder, attempts
        self.clock = Clock()
        self.info = ExchangeInfo()
        self.deadlines = Deadlines(recorder, request.timeouts)
        self.ended: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._feed = feed
        self._limits = limits
        self._memory = memory
        self._kept = attempts.protocol
        """The protocol of a kept connection; None if the connection is fresh."""
        self._size = 0
        self._unweighed = 0
        """About how much the stream may have grown since its memory was counted."""
        self._stage = 0
        """Which deadlines apply after the head: 0 before the first chunk, 1 after it, 2 after the end or an error."""
        self._answered = False
        """The final head has come."""
        self._declined: Ending | None = None
        """The ending if a head came whose body is only read for its error message."""
        self._drain: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None

    async def run(self, session: aiohttp.ClientSession) -> Ending:
        """Send the request and return how its response ended; every failure, a cancellation too, is an ending."""
        if why := not_possible(self.request):
            return Ending(EndKind.PROXY, 0.0, why)
        response = None
        self._task = asyncio.current_task()
        self.attempts.observer = self
        self.clock.start()
        self.attempts.clock = self.clock
        self._memory.stop = self._out_of_memory
        self.deadlines.start(self.clock, self.received, self._expire)
        try:
            if self._kept is not None:
                self.connected()
            response = await self._send(session)
            ending = await self.ended
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - one place translates them all
            ending = self._ending_of(error)
            forget_frames(error)
        finally:
            self._connection_marks()
            self._detach()
            if response is not None:
                response.close()
        return ending

    async def _send(self, session: aiohttp.ClientSession) -> aiohttp.ClientResponse:
        response = await send(session, self.request, self.attempts)
        if not self._answered:
            response.close()
            raise RuntimeError("the response bypassed our protocol class")
        return response

    def _ending_of(self, error: Exception | asyncio.CancelledError) -> Ending:
        """Return the ending for an exception: our own cancellation means that there already is one."""
        if self.ended.done() and not self.ended.cancelled():
            if isinstance(error, asyncio.CancelledError) and self._task is not None:
                self._task.uncancel()
            return self.ended.result()
        if isinstance(error, asyncio.CancelledError):
            return Ending(EndKind.ABORTED, self.clock.now(), abort_reason(error))
        kind, detail = translate(error, self.request, self.attempts)
        at, unsure, unnoticed = self._noticed()
        ending = Ending(kind, self.clock.since(at), detail, uncertainty=unsure)
        ending = self._judged_late(ending, at, unnoticed, gave_up=kind in _GAVE_UP)
        if ending.kind is EndKind.RESET:  # also if that came before asyncio checked its connect
            self.recorder.connected = True
        return ending

    def _noticed(self) -> tuple[float, float, float]:
        """Return when an attempt without a response ended, its uncertainty, and for how long it was not noticed."""
        sock = self.attempts.current
        if sock is not None and (sock.ended or sock.received) and sock.end_at > self.clock.issued:
            return sock.end_at, *self._lateness(sock.end_at)
        late = sock.lateness if sock is not None else 0.0
        return time.monotonic(), late, late

    def _detach(self) -> None:
        """Remove references back to this object, so that a recording is freed without the garbage collector."""
        self.deadlines.stop()
        if self._drain is not None:
            self._drain.cancel()
        self.attempts.observer = self.attempts.clock = self._memory.stop = None
        for sock in self.attempts.sockets:
            sock.clock = None
        if self.attempts.protocol is not None:
            self.attempts.protocol.receiver = None

    # -- the response --------------------------------------------------------------------------------------------------

    def head(self, found: Head, at: float, uncertainty: float) -> None:
        """Take the final head; a body that is not a stream is only read for its error message."""
        self._answered = True
        if self.attempts.current is not None:
            self.attempts.current.clock = None
        self.recorder.zero_uncertainty = self.clock.uncertainty
        self._connection_marks()
        if self.request.proxy is not None and found.status == _PROXY_AUTHENTICATION_REQUIRED:
            self.end(EndKind.PROXY, at, "it requires a user and a password")
            return
        if found.status == _REQUEST_TIMEOUT and self.clock.own_delay > TOO_LATE:
            late = (
                f"the server did not wait for the request: the monitor was {self.clock.own_delay:.1f} s late to send it"
            )
            self.end(EndKind.RESOURCES, at, late)
            return
        self.recorder.head = found
        self.recorder.mark(Mark.HEADERS, self.clock.since(at), uncertainty + self.clock.uncertainty)
        success = found.status // 100 == 2  # noqa: PLR2004 - RFC 9110, section 15.3
        declined = Ending(EndKind.DECLINED, self.clock.since(at), uncertainty=uncertainty)
        if not success and not found.empty:
            self.deadlines.stop()
            self._declined = declined
            drain = self.request.timeouts.drain
            self._drain = asyncio.get_running_loop().call_later(drain, self._settle, declined)
        elif not success or found.encoding or found.empty:
            self._settle(declined)
        else:
            self.deadlines.arm()

    def payload(self, data: bytes, at: float, uncertainty: float, spread: float) -> None:
        """Record the payload of one read and the events in it."""
        if self._declined is not None:
            self._keep_error(data, self._declined)
            return
        recorder = self.recorder
        self._size += len(data)
        recorder.arrived(self.clock.since(at), uncertainty, self._size, spread)
        deadline_changes = recorder.deadline_changes
        try:
            why = self._feed(data)
        except BaseException as error:  # noqa: BLE001 - a bug of ours, of an outside protocol: not what the wire did
            out_of_memory = isinstance(error, MemoryError)
            self.end(EndKind.RESOURCES if out_of_memory else EndKind.INTERNAL, time.monotonic(), type(error).__name__)
            return
        limits = self._limits
        if self._size > limits.stream_bytes:
            why = f"a stream of more than {limits.stream_bytes} bytes"
        elif recorder.reads > limits.events:
            why = f"more than {limits.events} reads"
        if why is not None:
            self.end(EndKind.TOO_LARGE, at, why)
        else:
            if recorder.deadline_changes != deadline_changes:
                self._follow(recorder)
            self._unweighed += len(data) + _READ_BYTES
            if self._unweighed > _WEIGH_EVERY:
                self._unweighed = 0
                self._memory.hold(recorder.weight)

    def _follow(self, recorder: Recorder) -> None:
        """Set the timer again if the stream has begun, ended, or continued after its end: the deadline has changed."""
        stage = 2 if recorder.settled_at is not None else 1 if recorder.chunks else 0
        if stage != self._stage:
            self._stage = stage
            self.deadlines.arm()

    def end(self, kind: EndKind, at: float, detail: str = "", *, extra: bool = False, amid: bool = False) -> None:
        """Take the end; the first one counts. Before the head aiohttp still waits for a response, and is cancelled."""
        if self._declined is not None:
            self._settle(self._declined)
            return
        unsure, unnoticed = self._lateness(at, amid=amid)
        ending = Ending(kind, self.clock.since(at), detail, extra=extra, uncertainty=unsure)
        self._settle(self._judged_late(ending, at, unnoticed, gave_up=self._gave_up(kind)))

    def _lateness(self, at: float, *, amid: bool = False) -> tuple[float, float]:
        """Return by how much the end noted at `at` may have come earlier, and for how long it was not noticed.

        One that came with bytes, such as the end of TLS or a frame of HTTP/2, has their time; if they are not the last
        ones of the read (`amid`), that is less certain.
        """
        sock = self._noted_by(at)
        if sock is None:
            return 0.0, 0.0
        if at != sock.read_at:
            return sock.end_uncertainty, sock.end_uncertainty
        unsure = sock.spread if amid else sock.uncertainty
        return unsure, sock.read_late + unsure

    def _noted_by(self, at: float) -> TimestampedSocket | None:
        """Return the socket if it read bytes or the peer's end at `at`; other ends are the monitor's own."""
        sock = self.attempts.current
        return sock if sock is not None and at in {sock.fin_at, sock.reset_at, sock.read_at} else None

    def _judged_late(self, ending: Ending, at: float, unnoticed: float, *, gave_up: bool) -> Ending:
        """Return the ending that counts if an end at `at` was not noticed for so many seconds.

        A late loop sees an end and a deadline together. If the deadline certainly passed before the end, it counts. If
        that is not certain, or the peer gave up, an end that was not noticed for too long is our own fault.
        """
        too_late = unnoticed > TOO_LATE
        if not (too_late and gave_up):
            deadline, when = self.recorder.deadline(self.request.timeouts)
            if self._noted_by(at) is None or ending.at <= when:
                return ending
            if ending.at - ending.uncertainty > when:
                return expiry(deadline, when, self.clock.now() - when, self.request.timeouts, self.attempts)
            if not too_late or deadline is Deadline.DRAIN:
                return ending
        return replace(ending, kind=EndKind.RESOURCES, detail=ended_while_suspended(unnoticed))

    def _gave_up(self, kind: EndKind) -> bool:
        """Whether the peer ended the connection before the protocol's end; a close alone may be how a body ends."""
        head, rule = self.recorder.head, self.recorder.rule
        closed = kind is EndKind.COMPLETE and head is not None and head.framing is BodyFraming.CLOSE and rule.declared
        return self.recorder.ended_at is None and (closed or kind in CUT)

    def _expire(self, deadline: Deadline, at: float, late: float) -> None:
        self._settle(expiry(deadline, at, late, self.request.timeouts, self.attempts))

    def _out_of_memory(self, why: str) -> None:
        self.end(EndKind.RESOURCES, time.monotonic(), why)

    def _settle(self, ending: Ending) -> None:
        if self.ended.done():
            return
        self.ended.set_result(ending)
        self._detach()
        if not self._answered and self._task is not None:
            self._task.cancel()

    def _keep_error(self, data: bytes, declined: Ending) -> None:
        """Store the beginning of an error body."""
        self.info.error_body += data
        if len(self.info.error_body) >= _ERROR_BODY:
            self._settle(declined)

    # -- the connection ----------------------------------------------------------------------------------------------

    def resolved(self, at: float, uncertainty: float) -> None:
        """Note when the name was resolved."""
        self.recorder.mark(Mark.DNS, at, uncertainty)

    def connected(self) -> None:
        """Take the established connection: other deadlines apply from here on. One to a proxy does not count yet."""
        protocol, sock = self.attempts.protocol, self.attempts.current
        if protocol is None or sock is None or self.attempts.tunnelling:
            return
        if self.request.secure and not self.reused:
            self.recorder.mark(Mark.TLS, *sock.read_after)
        sock.clock = self.clock
        self.clock.established()
        protocol.begin(self)
        if self.ended.done():
            return
        self.recorder.connected = True
        self.deadlines.arm()

    def received(self) -> int:
        """Return how many bytes have been received; the end of the connection counts as one."""
        sock = self.attempts.current
        return sock.received + sock.ended if sock is not None else 0

    @property
    def reused(self) -> bool:
        """Whether a previous request left the connection open."""
        return self._kept is not None and self._kept is self.attempts.protocol

    @property
    def must_repeat(self) -> bool:
        """Whether the kept connection was closed before a byte of a response came."""
        ending, protocol = self.recorder.ending, self.attempts.protocol
        gone = ending is not None and ending.kind in {EndKind.CLOSED, EndKind.RESET}
        return self.reused and gone and protocol is not None and not protocol.received

    @property
    def wants_http_1(self) -> bool:
        """Whether the peer requires HTTP/1.1 for a request that may use either (RFC 9113, section 7)."""
        ending = self.recorder.ending
        refused = ending is not None and self.recorder.head is None and REQUIRES_HTTP_1 in ending.detail
        return refused and self.request.http is Http.AUTO

    @property
    def was_cut(self) -> bool:
        """Whether the target itself closed the connection before the end; through a proxy that is unknown.

        A body that only the connection's end delimits looks whole even if the process died.
        """
        ending, head = self.recorder.ending, self.recorder.head
        if ending is None or self.recorder.ended_at is not None or self.request.proxy is not None:
            return False
        closed = ending.kind is EndKind.COMPLETE and head is not None and head.framing is BodyFraming.CLOSE
        return closed or ending.kind in CUT

    @property
    def refused_certificate_of(self) -> tuple[str, int] | None:
        """The address whose certificate was refused; None if none was, or if there is a proxy."""
        ending = self.recorder.ending
        refused = ending is not None and ending.kind is EndKind.TLS_CERTIFICATE and self.request.proxy is None
        return self.attempts.dialled if refused else None

    @property
    def leaves_a_connection(self) -> bool:
        """Whether another request can be sent on it: the response was whole, and nothing came after it."""
        ending, protocol = self.recorder.ending, self.attempts.protocol
        whole = ending is not None and ending.kind is EndKind.COMPLETE and not ending.extra
        return whole and protocol is not None and protocol.keepable

    def _connection_marks(self) -> None:
        """Note the connection's steps, as far as it got."""
        sock, protocol = self.attempts.current, self.attempts.protocol
        self.info.reused = self.reused
        if sock is None:
            return
        if sock.connected_at is not None and not self.reused:
            self.recorder.mark(Mark.CONNECT, *sock.connected_after)
        if protocol is None:
            return
        self._peer()
        sent = protocol.request_sent_at
        if sent is not None and sent >= max(protocol.made_at, self.clock.issued) and not self.attempts.tunnelling:
            self.recorder.mark(Mark.REQUEST_SENT, self.clock.since(sent), self.clock.uncertainty)
            self.info.own_delay = self.clock.own_delay

    def _peer(self) -> None:
        """Note the peer's address and the expiry of its certificate."""
        if self.attempts.peer is None:
            return
        host, port = self.attempts.peer
        v6 = ":" in host
        self.info.peer = f"[{host}]:{port}" if v6 else f"{host}:{port}"
        self.info.ip_family = 6 if v6 else 4
        if self.request.secure:
            self.info.certificate_expiry = self.attempts.certificate_expiry
