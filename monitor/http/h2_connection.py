"""HTTP/2 on one connection without I/O: bytes in, events and bytes to send out; the only user of h2 (RFC 9113).

One stream at a time is open. This module decides what h2 leaves to its user: how a response ended, the detail, and how
many frames that are not part of a response are accepted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    Event,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import (
    DenialOfServiceError,
    FlowControlError,
    InvalidBodyLengthError,
    InvalidSettingsValueError,
    ProtocolError,
)
from h2.settings import SettingCodes, Settings
from hpack import HeaderTuple, NeverIndexedHeaderTuple

from monitor.http.framing import CROWDED, FRAMING_PER_BYTE, HEAD_BYTES, HEAD_LINE, HEADERS, KIB
from monitor.http.h2_frames import HEADS, DataPart, Flag, Frame, FrameError, FrameSplitter, FrameType
from monitor.stream.endings import EndKind

_WINDOW = 1 << 20
"""Bytes that a server may send before we acknowledge some: more than it sends while a read is handled."""
_DEFAULT_WINDOW = 65535
_BURST, _PER_SECOND = 1000, 50
"""Frames that carry no part of a response: this many at once, and this many more a second, before it is a flood."""
_ROOM = 2 * HEAD_BYTES
"""Bytes besides the payload, and what it may take, until the padding of DATA frames is a flood: a head, and as many."""
_CONTINUATIONS = 32
"""Frames of one header block, twice what the largest one needs; with empty ones it could be endless."""
_GOAWAY_BYTES = 8
_SWITCHING = b"101"
_STATUS = re.compile(rb"[1-9][0-9]{2}")
_GRPC_STATUS, _GRPC_FAILED = b"grpc-status", re.compile(rb"[1-9][0-9]?")
"""By which a gateway in front of a gRPC server says in the trailers that the answer failed."""
_TOO_LARGE = f"it has more than {HEAD_BYTES // KIB} KiB"
_PUBLIC = frozenset({"accept", "accept-encoding", "content-length", "content-type", "user-agent"})
"""Headers that a proxy may put into a table that it shares among requests (RFC 7541, section 7.1.3); no others."""
_OF_A_CONNECTION = frozenset({
    "connection", "host", "http2-settings", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade",
})  # fmt: skip
"""Headers that HTTP/2 does not have (section 8.2.2), and `host`, which is `:authority`."""
_WORDS: tuple[tuple[type[ProtocolError], str], ...] = (
    (DenialOfServiceError, _TOO_LARGE),
    (FlowControlError, "more data than its flow-control window allows"),
    (InvalidSettingsValueError, "an invalid value in SETTINGS"),
)


class Answer(NamedTuple):
    """The final head of a response."""

    status: int
    headers: list[tuple[bytes, bytes]]
    """Without the pseudo-headers; names are in lower case."""
    ended: bool
    """The head ended the stream: there is no body."""


class Payload(NamedTuple):
    """Bytes of the body."""

    data: bytes


class StreamEnd(NamedTuple):
    """How the stream ended."""

    kind: EndKind
    detail: str = ""


Http2Output = Answer | Payload | StreamEnd


def code_name(code: int) -> str:
    """Return the name of an error code (section 7), or its number if it has none."""
    try:
        return ErrorCodes(code).name
    except ValueError:
        return f"error code {code:#x}"


class Http2Connection:
    """One connection; a request is sent when the one before it has ended."""

    def __init__(self) -> None:
        self._h2 = _h2()
        self._splitter = FrameSplitter()
        self._stream = 0
        """The stream of the request; 0 if there is none."""
        self._unsent = b""
        self._block, self._continuations = 0, 0
        self._spare = _ROOM
        self._others = 0
        self._began: float | None = None
        self._answered = False
        self._declared: int | None = None
        self._received = 0
        self._failure = ""
        self.broken = False
        """The peer violated the protocol: the connection is unusable."""
        self.goaway = ""
        """The name of the error code of the GOAWAY that came."""
        self.ends_with_output = False
        """Nothing came after the last output of the last read."""
        self.answer_bytes = 0
        """Bytes of frames that belong to the response, headers or data."""

    # -- out -----------------------------------------------------------------------------------------------------------

    def request(self, pseudo: Mapping[str, str], headers: Iterable[tuple[str, str]], body: bytes) -> None:
        """Open a stream and send as much as the peer's window allows."""
        self._stream = self._h2.get_next_available_stream_id()
        self._answered, self._declared, self._received, self.answer_bytes = False, None, 0, 0
        self._others, self._began, self._failure, self._spare = 0, None, "", _ROOM
        fields = [HeaderTuple(name, value) for name, value in pseudo.items()]
        for name, value in headers:
            lower = name.lower()
            if lower not in _OF_A_CONNECTION:
                fields.append((HeaderTuple if lower in _PUBLIC else NeverIndexedHeaderTuple)(lower, value))
        self._h2.send_headers(self._stream, fields, end_stream=not body)
        self._unsent = body
        self._pump()

    def _pump(self) -> None:
        """Send more of the body, if the peer's window has room."""
        while self._stream and self._unsent and (room := self._room()) > 0:
            piece, self._unsent = self._unsent[:room], self._unsent[room:]
            self._h2.send_data(self._stream, piece, end_stream=not self._unsent)

    def _room(self) -> int:
        return min(self._h2.local_flow_control_window(self._stream), self._h2.max_outbound_frame_size)

    @property
    def held_back(self) -> int:
        """Bytes of the request's body for which the peer's flow-control window has no room."""
        return len(self._unsent)

    @property
    def usable(self) -> bool:
        """Whether another request may be sent."""
        idle = not self._stream and not self._unsent
        return idle and not self.broken and not self.goaway and self._h2.remote_settings.max_concurrent_streams > 0

    def output(self) -> bytes:
        """Return the bytes to send now."""
        return self._h2.data_to_send()

    # -- in ------------------------------------------------------------------------------------------------------------

    @property
    def inside_a_head(self) -> bool:
        """Whether an incomplete head has come."""
        return bool(self._block) or self._splitter.inside_a_head

    @property
    def in_a_body(self) -> bool:
        """Whether an incomplete body has come."""
        return bool(self._stream) and self._answered

    def receive(self, data: bytes, at: float) -> Iterator[Http2Output]:
        """Take data read at `at`, in seconds of any clock, and return its events; `StreamEnd` comes last."""
        if self.broken:
            return
        self._spare -= len(data)
        self.ends_with_output, part = False, None
        try:
            for one in self._splitter.split(data):
                outputs = [*(self._part(one) if isinstance(one, DataPart) else self._frame(one, at))]
                of_that_part, part = part is not None, one if isinstance(one, DataPart) else None
                self.ends_with_output = bool(outputs) or (of_that_part and self.ends_with_output)
                yield from outputs
            self.ends_with_output &= self._splitter.between_frames
            self._bear_padding()
        except FrameError as error:
            self.ends_with_output = False
            yield from self._fault(str(error))

    def _part(self, part: DataPart) -> Iterator[Http2Output]:
        if part.stream != self._stream:
            return
        if not self._answered:
            raise FrameError("DATA before the response's HEADERS")
        self._received += len(part.data)
        self._spare += FRAMING_PER_BYTE * len(part.data)
        self.answer_bytes += len(part.data)
        yield Payload(part.data)

    def _frame(self, frame: Frame, at: float) -> Iterator[Http2Output]:
        self._bear(frame, at)
        if frame.kind == FrameType.GOAWAY:
            yield from self._goaway(frame)
            return
        try:
            events = self._h2.receive_data(frame.wire)
        except InvalidBodyLengthError:
            self.broken = True
            yield self._disagreement()
            return
        except ProtocolError as error:
            raise FrameError(_words(error, frame.kind)) from None
        for event in events:
            yield from self._event(event, frame.kind)
        self._pump()

    def _bear(self, frame: Frame, at: float) -> None:
        """Count what has to be bounded: blocks of headers, and frames that carry nothing of an answer.

        A whole block counts as such a frame, for interim responses may be many.
        """
        if frame.kind in HEADS:
            self._bear_head(frame)
            if not frame.flags & Flag.END_HEADERS:
                return
            self._block = 0
        elif frame.stream == self._stream and frame.carries:
            return
        self._others += 1
        self._began = at if self._began is None else self._began
        if self._others > _BURST + _PER_SECOND * (at - self._began):
            raise FrameError(f"a flood of {_name(frame.kind)} frames")

    def _bear_padding(self) -> None:
        if self._spare < 0:
            raise FrameError(CROWDED)

    def _bear_head(self, frame: Frame) -> None:
        self.answer_bytes += len(frame.wire)
        self._block += len(frame.wire)
        self._continuations = self._continuations + 1 if frame.kind == FrameType.CONTINUATION else 0
        if self._block > HEAD_BYTES:
            raise FrameError(_TOO_LARGE)
        if self._continuations > _CONTINUATIONS:
            raise FrameError(f"it has more than {_CONTINUATIONS} CONTINUATION frames")

    def _goaway(self, frame: Frame) -> Iterator[Http2Output]:
        """Note that the peer accepts no more streams; one above the last id was refused, others continue.

        h2 accepts no frame after a GOAWAY, so it does not get one.
        """
        if frame.stream or len(frame.payload) < _GOAWAY_BYTES:
            raise FrameError("an invalid GOAWAY frame")
        last, code = int.from_bytes(frame.payload[:4]) & 0x7FFF_FFFF, int.from_bytes(frame.payload[4:8])
        self.goaway = code_name(code)
        if 0 < last < self._stream or (self._stream and not last):
            yield self._end(EndKind.RESET, f"GOAWAY {self.goaway}")

    def _event(self, event: Event, kind: int) -> Iterator[Http2Output]:
        if getattr(event, "stream_id", None) != self._stream or not self._stream:
            return
        match event:
            case InformationalResponseReceived() if dict(event.headers)[b":status"] == _SWITCHING:
                raise FrameError("status 101, which HTTP/2 does not have")
            case ResponseReceived():
                yield self._head(event)
            case DataReceived():
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case TrailersReceived():
                code = dict(event.headers).get(_GRPC_STATUS, b"")
                self._failure = f"grpc-status {code.decode()}" if _GRPC_FAILED.fullmatch(code) else ""
            case StreamEnded() if self._declared is not None and self._declared != self._received:
                yield self._disagreement()
            case StreamEnded():
                yield self._end(EndKind.COMPLETE, self._failure)
            case StreamReset() if not event.remote_reset:  # h2 resets a stream of which a frame is invalid
                raise FrameError(f"an invalid {_name(kind)} frame")
            case StreamReset():
                yield self._end(EndKind.RESET, f"RST_STREAM {code_name(event.error_code)}")
            case _:  # windows, pings, settings: h2 has handled them
                pass

    def _head(self, event: ResponseReceived) -> Answer:
        headers = [(bytes(name), bytes(value)) for name, value in event.headers if not name.startswith(b":")]
        if len(headers) > HEADERS:
            raise FrameError(f"it has more than {HEADERS:,} headers")
        if any(len(name) + len(value) > HEAD_LINE for name, value in headers):
            raise FrameError(f"a line of it has more than {HEAD_LINE // KIB} KiB")
        written = dict(event.headers)[b":status"]
        if not _STATUS.fullmatch(written):
            raise FrameError("no valid status")
        status = int(written)
        declared = next((int(value) for name, value in headers if name == b"content-length"), None)
        self._declared = None if status == 304 else declared  # noqa: PLR2004 - RFC 9110, section 15.4.5
        self._answered = True
        return Answer(status, headers, event.stream_ended is not None)

    def _disagreement(self) -> StreamEnd:
        return self._end(
            EndKind.INCOMPLETE, f"content-length is {self._declared}, and {self._received} bytes came in DATA frames"
        )

    def _fault(self, words: str) -> Iterator[Http2Output]:
        self.broken = True
        if self._stream:
            yield self._end(EndKind.MALFORMED if self._answered else EndKind.MALFORMED_HEAD, words)

    def _end(self, kind: EndKind, detail: str = "") -> StreamEnd:
        self._stream = 0
        return StreamEnd(kind, detail)


def _h2() -> H2Connection:
    """Return h2's state of a client connection that has sent its preface."""
    made = H2Connection(H2Configuration(client_side=True, header_encoding=None))
    made.local_settings = Settings(
        client=True,
        initial_values={
            SettingCodes.ENABLE_PUSH: 0,
            SettingCodes.INITIAL_WINDOW_SIZE: _WINDOW,
            SettingCodes.MAX_HEADER_LIST_SIZE: HEAD_BYTES,
        },
    )
    made.decoder.max_header_list_size = HEAD_BYTES
    made.initiate_connection()
    made.increment_flow_control_window(_WINDOW - _DEFAULT_WINDOW)
    return made


def _name(kind: int) -> str:
    try:
        return FrameType(kind).name
    except ValueError:
        return "unknown"


def _words(error: ProtocolError, kind: int) -> str:
    """Return what is wrong with a frame that h2 rejected; h2's own message contains data of the peer."""
    return next((words for cls, words in _WORDS if isinstance(error, cls)), f"an invalid {_name(kind)} frame")
