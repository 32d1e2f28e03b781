"""The log: a line for each probe and for each message of the daemon, in one form and on one stream.

A thread writes the lines from a bounded queue: if the stream is slow, full or closed, lines are dropped and counted,
and no probe is affected. A line never contains control characters or lone surrogates of a server or a config. Repeated
messages are counted and not written, so that a flood does not fill the disk.
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import IO, Any, NamedTuple, Protocol, cast

import msgspec
import structlog
from msgspec import UNSET
from structlog.typing import EventDict, Processor, WrappedLogger

from monitor.judge.verdict import Outcome
from monitor.record.from_observation import event_of
from monitor.record.observation import Observation
from monitor.record.probe_event import ProbeEvent, without_surrogates
from monitor.record.probe_event import as_json as event_as_json
from monitor.redaction import ascii_only, visible
from monitor.settings import LOG_QUEUE_BYTES, Log
from monitor.sinks.repeats import MessageKind, Repeats
from monitor.sinks.writer import Writer, WriterCallbacks, WriterLimits, weight_of

CAPACITY = LOG_QUEUE_BYTES
"""Bytes that may wait for the stream before lines are dropped: a thousand probes of 400 chunks."""
RETRY = 1.0
"""Seconds until a failed write is retried."""
NAME = "log"
PERIOD = 60.0
"""Seconds between two calls of `LogSink.report_repeats`."""
_REPORTS_REPEATS = "reports_repeats"
"""Marks a message that reports how often another one was repeated."""

Message = Mapping[str, Any]
"""A message of the daemon: `event`, `level`, `timestamp`, then its own keys."""
Report = Callable[[str], None]
"""Called with the sink's name when a line was dropped or writing failed; from any thread."""


class ByteStream(Protocol):
    """An unbuffered binary stream: `write` may write only a part."""

    def write(self, data: memoryview, /) -> int:
        """Write what can be written."""


class Probe(NamedTuple):
    """A probe that waits to be logged; the thread makes its line."""

    at: datetime
    observation: Observation


Line = bytes | Probe


class StreamError(Exception):
    """The stream accepted nothing, or only a part of a line: it has no reader, is full, or was closed."""


class LineStream:
    """Writes whole lines to a stream: a partial line would corrupt the next."""

    def __init__(self, raw: ByteStream, form: Form, *, timeline: bool = False) -> None:
        self._raw, self._form, self._timeline = raw, form, timeline
        self._line: Line | None = None
        self._rest = memoryview(b"")

    def __call__(self, batch: Sequence[Line]) -> None:
        """Write one line, or the rest of the one that failed before; StreamError if it has to be retried."""
        (line,) = batch
        if line is not self._line:
            self._line, self._rest = line, memoryview(self._made(line))
        while self._rest:
            try:
                written = self._raw.write(self._rest)
            except (OSError, ValueError) as error:
                raise StreamError from error
            self._rest = self._rest[written:]
        self._line = None

    def _made(self, line: Line) -> bytes:
        if isinstance(line, bytes):
            return line
        return self._form.probe(
            level_of(line.observation), event_of(line.observation, timeline=self._timeline), line.at
        )


def line_writer(
    lines: LineStream, *, dropped: Report, failed: Report, capacity: int = CAPACITY, retry: float = RETRY
) -> Writer[Line]:
    """Return the writer of a stream's lines, one at a time."""
    limits = WriterLimits(weight=_weight, capacity=capacity, retry=retry)
    return Writer(NAME, lines, (StreamError,), limits, WriterCallbacks(dropped, failed, _report_bug))


def _weight(line: Line) -> int:
    return len(line) if isinstance(line, bytes) else weight_of(line.observation)


def _report_bug(error: Exception) -> None:
    structlog.get_logger().error("the log line of a probe could not be made", exc_info=error)


class LogSink:
    """The sink that writes each probe's event, independent of the level of the daemon's own messages."""

    def __init__(self, writer: Writer[Line], repeats: Repeats) -> None:
        self._writer, self._repeats = writer, repeats

    def __call__(self, observation: Observation) -> None:
        """Queue one line."""
        self._writer.put(Probe(datetime.now(UTC), observation))

    def report_repeats(self) -> None:
        """Log how many repeated messages were not written since the last call."""
        for (level, logger, text), times, seconds in self._repeats.next_period():
            fields = {_REPORTS_REPEATS: True} | ({"logger": logger} if logger else {})
            structlog.get_logger().log(_RANK[level], f"{text}: repeated {times} times in {seconds:.0f} s", **fields)

    def close(self, timeout: float = 2.0) -> bool:
        """Write the rest, including the daemon's own messages; return whether all of it was tried."""
        self.report_repeats()
        return self._writer.close(timeout)


def level_of(observation: Observation) -> str:
    """Return the level of a probe: failures of targets are warnings, our own failures are errors."""
    if observation.verdict.outcome is Outcome.INCONCLUSIVE:
        return "error"
    return "info" if observation.available or observation.verdict.outcome is Outcome.ABORTED else "warning"


# -- the forms of a line -----------------------------------------------------------------------------------------------

_RANK = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
_PRIORITY = {"debug": b"<7>", "info": b"<6>", "warning": b"<4>", "error": b"<3>", "critical": b"<2>"}
"""The prefix of a line for journald (sd-daemon(3))."""


class Form(NamedTuple):
    """How lines are written: a probe's, and a message's of the daemon, with its level."""

    probe: Callable[[str, ProbeEvent, datetime], bytes]
    """`datetime` is when the probe was logged, in UTC."""
    message: Callable[[str, Message], bytes]


def _probe_as_json(_level: str, event: ProbeEvent, _at: datetime) -> bytes:
    return ascii_only(event_as_json(event)) + b"\n"


def _message_as_json(_level: str, message: Message) -> bytes:
    return ascii_only(msgspec.json.encode(message)) + b"\n"


def _probe_as_text(level: str, event: ProbeEvent, at: datetime) -> bytes:
    first = event.timings.first_chunk
    took = f"{event.duration:.3f}s" + ("" if first is UNSET else f" first_chunk={first:.3f}s")
    words = f"{event.target} {event.verdict} {took}: {event.detail} [{event.probe_id}]"
    return f"{at:%H:%M:%S}.{at.microsecond // 1000:03} {level:<7} {visible(words)}\n".encode()


def _message_as_text(level: str, message: Message) -> bytes:
    fields = {key: value for key, value in message.items() if key not in {"event", "level", "timestamp", "exception"}}
    words = " ".join([str(message["event"]), *(f"{key}={value}" for key, value in fields.items())])
    lines = [f"{str(message['timestamp'])[11:23]} {level:<7} {visible(words)}"]
    lines += [f"    | {visible(line)}" for line in str(message.get("exception", "")).splitlines()]
    return ("\n".join(lines) + "\n").encode()


FORMS: dict[str, Form] = {
    "json": Form(_probe_as_json, _message_as_json),
    "journal": Form(
        lambda level, event, at: _PRIORITY[level] + _probe_as_json(level, event, at),
        lambda level, message: _PRIORITY[level] + _message_as_json(level, message),
    ),
    "text": Form(_probe_as_text, _message_as_text),
}


def _plain(value: object) -> object:
    """Return a JSON value: other types as their `str`, which hides secrets; without lone surrogates."""
    match value:
        case None | bool() | int() | float():
            return value
        case Mapping():
            return {str(_plain(str(key))): _plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(item) for item in value]
        case _:
            return without_surrogates(str(value))


# -- the daemon's own messages -----------------------------------------------------------------------------------------


class _LineLogger:
    """The logger to which structlog passes finished lines."""

    def __init__(self, writer: Writer[Line]) -> None:
        self.debug = self.info = self.warning = self.error = self.critical = writer.put


class _StandardLibraryHandler(logging.Handler):
    """Passes messages of libraries from the standard library's logging to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log the record with structlog."""
        try:
            logger = structlog.get_logger()
            level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL)
            logger.log(level, record.getMessage(), logger=record.name, exc_info=record.exc_info)
        except Exception:  # noqa: BLE001 (logging must not raise; the library's own handlers do the same)
            self.handleError(record)


def configure(  # noqa: PLR0913 - the stream, the callbacks and the secrets
    settings: Log,
    stream: IO[str] | IO[bytes] | None,
    *,
    dropped: Report,
    failed: Report,
    hide: Callable[[str], str] = str,
    environ: Mapping[str, str] = os.environ,
) -> LogSink:
    """Send probes, structlog and the standard library's logging to `stream`; return the sink of the probes.

    `hide` removes secrets from texts that are not ours: tracebacks and messages of libraries.
    """
    form = FORMS[choose(settings.format, stream, environ)]
    lines = LineStream(_raw(stream), form, timeline=settings.timeline)
    writer = line_writer(lines, dropped=dropped, failed=failed)
    repeats = Repeats()
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _unless_repeated(repeats),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _last(form.message, hide),
    ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(_RANK[settings.level]),
        logger_factory=lambda *_: _LineLogger(writer),
    )
    # Informational messages of libraries are not logged, except at level debug.
    least = logging.DEBUG if settings.level == "debug" else logging.WARNING
    logging.basicConfig(handlers=[_StandardLibraryHandler()], level=least, force=True)
    return LogSink(writer, repeats)


def choose(form: str, stream: IO[str] | IO[bytes] | None, environ: Mapping[str, str]) -> str:
    """Return the form of the lines: "auto" is text on a terminal, the journal's under systemd, else JSON."""
    if form != "auto":
        return form
    descriptor = _descriptor(stream)
    if descriptor is None:
        return "json"
    if os.isatty(descriptor):
        return "text"
    # The variable is inherited even if stdout is redirected: systemd.exec(5) says to compare.
    status = os.fstat(descriptor)
    return "journal" if environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}" else "json"


def _unless_repeated(repeats: Repeats) -> Processor:
    def counted(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        kind = MessageKind(str(event["level"]), str(event.get("logger", "")), str(event["event"]))
        if not event.pop(_REPORTS_REPEATS, False) and not repeats.passes(kind):
            raise structlog.DropEvent
        return event

    return counted


def _last(render: Callable[[str, Message], bytes], hide: Callable[[str], str]) -> Processor:
    def rendered(_logger: WrappedLogger, _method: str, event: EventDict) -> bytes:
        level = str(event["level"])
        foreign = {"exception", "event"} if "logger" in event else {"exception"}
        event.update({key: hide(str(event[key])) for key in foreign & event.keys()})
        first = {key: event[key] for key in ("event", "level", "timestamp")}
        return render(level, cast("Message", _plain({**first, **event})))

    return rendered


def _descriptor(stream: IO[str] | IO[bytes] | None) -> int | None:
    """Return the file descriptor of a stream, if there is an open one."""
    try:
        descriptor = stream.fileno() if stream is not None else -1
        os.fstat(descriptor)
    except (OSError, ValueError):
        return None
    return descriptor


class _Unbuffered:
    """A stream without Python's buffer, which would keep data that a full disk refused and fail again at exit.

    The descriptor is looked up each time: a closed one may have been reused for a target's connection.
    """

    def __init__(self, stream: IO[str] | IO[bytes]) -> None:
        self._stream = stream

    def write(self, data: memoryview, /) -> int:
        """Write what can be written."""
        return os.write(self._stream.fileno(), data)


def _raw(stream: IO[str] | IO[bytes] | None) -> ByteStream:
    if stream is not None and _descriptor(stream) is not None:
        return _Unbuffered(stream)
    in_memory = getattr(stream, "buffer", stream)
    if not isinstance(in_memory, io.BytesIO):
        in_memory = io.BytesIO()
        in_memory.close()
    return in_memory
