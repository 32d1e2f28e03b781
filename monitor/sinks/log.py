"""One line per probe, and the daemon's own messages, in one form and on one stream, written by a thread of its own.

Whoever logs only leaves a line in a bounded queue: a stream that is slow, full or closed costs lines, which are
counted, and never a probe. Whatever a server or a config sent, a line holds no control character and no lone surrogate.
"""

from __future__ import annotations

import io
import logging
import os
import re
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import IO, Protocol, cast

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from monitor.judge.verdict import Outcome
from monitor.record.observation import Observation, record
from monitor.settings import MIB, Log

CAPACITY = 8 * MIB
"""Bytes that wait for the stream before lines are dropped: some five thousand probes."""
RETRY = 1.0
"""Seconds before a stream that failed is tried again."""
NAME = "log"

Event = Mapping[str, object]
Report = Callable[[str], None]
"""Told the sink's name when a line was dropped, or when writing failed; from any thread."""


class Raw(Protocol):
    """An unbuffered binary stream: `write` may take only a part."""

    def write(self, data: memoryview, /) -> int:
        """Write what can be written."""


class Writer:
    """Lines for one stream, in order, by one thread, from a bounded queue."""

    def __init__(
        self, raw: Raw, *, dropped: Report, failed: Report, capacity: int = CAPACITY, retry: float = RETRY
    ) -> None:
        self._raw, self._dropped, self._failed = raw, dropped, failed
        self._capacity, self._retry = capacity, retry
        self._lines: deque[bytes] = deque()
        self._waiting = 0
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:
        """Leave a line to be written; where the queue is full or closed it is dropped and counted. Never blocks."""
        with self._changed:
            # One line larger than the queue still passes an empty one.
            fits = not self._closing and (not self._waiting or self._waiting + len(line) <= self._capacity)
            if fits:
                self._lines.append(line)
                self._waiting += len(line)
                self._changed.notify()
        if not fits:
            self._dropped(NAME)

    def close(self, timeout: float) -> bool:
        """Write what is left, for at most `timeout` seconds; say whether the end was reached."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (line := self._next()) is not None:
            self._write(memoryview(line))
            with self._changed:
                self._waiting -= len(line)

    def _next(self) -> bytes | None:
        with self._changed:
            self._changed.wait_for(lambda: self._lines or self._closing)
            return self._lines.popleft() if self._lines else None

    def _write(self, rest: memoryview) -> None:
        """Write one line to its end, over as many failures as it takes: half a line would spoil the next.

        At the close it is tried once more: there may be room again by then.
        """
        last = False
        while rest:
            try:
                written = self._raw.write(rest)
            except (OSError, ValueError):  # nobody reads, no room, or closed by ourselves
                self._failed(NAME)
                if last:
                    self._dropped(NAME)
                    return
                with self._changed:
                    last = self._changed.wait_for(lambda: self._closing, self._retry)
            else:
                rest = rest[written:]


class LogSink:
    """The sink that writes each probe's record."""

    def __init__(self, writer: Writer, render: Render, settings: Log) -> None:
        self._writer, self._render = writer, render
        self._least = _RANK[settings.level]
        self._timeline = settings.timeline

    def __call__(self, seen: Observation) -> None:
        """Leave one line to be written."""
        level = level_of(seen)
        if _RANK[level] >= self._least:
            self._writer.put(self._render(level, record(seen, timeline=self._timeline)))

    def close(self, timeout: float = 2.0) -> bool:
        """Write what is left, the daemon's own messages too; say whether all of it was."""
        return self._writer.close(timeout)


def level_of(seen: Observation) -> str:
    """Return how loudly a probe is logged: failures of targets are warnings, failures of ours are errors."""
    if seen.verdict.outcome is Outcome.INCONCLUSIVE:
        return "error"
    return "info" if seen.available or seen.verdict.outcome is Outcome.ABORTED else "warning"


# -- the forms of a line -----------------------------------------------------------------------------------------------

Render = Callable[[str, Event], bytes]
_RANK = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
_PRIORITY = {"debug": b"<7>", "info": b"<6>", "warning": b"<4>", "error": b"<3>", "critical": b"<2>"}
_BEYOND_ASCII = re.compile(r"[^ -~]")


def as_json(_level: str, event: Event) -> bytes:
    """Return one line of JSON, in ASCII alone: no reader has to fear what a server sent."""
    try:
        text = msgspec.json.encode(event)
    except UnicodeEncodeError:
        text = msgspec.json.encode(_plain(event))
    if not text.isascii() or b"\x7f" in text:
        # Beyond ASCII stands only inside strings, where JSON can spell it out.
        text = _BEYOND_ASCII.sub(_spelled, text.decode()).encode()
    return text + b"\n"


def as_journal(level: str, event: Event) -> bytes:
    """Return the same with the level as journald reads it from a line's beginning (sd-daemon(3))."""
    return _PRIORITY[level] + as_json(level, event)


def as_text(level: str, event: Event) -> bytes:
    """Return one readable line; a traceback follows it, indented."""
    words = _probe_words(event) if event["event"] == "probe" else _message_words(event)
    lines = [f"{str(event['timestamp'])[11:23]} {level:<7} {words}"]
    lines += [f"    | {_visible(line)}" for line in str(event.get("exception", "")).splitlines()]
    return ("\n".join(lines) + "\n").encode()


RENDERS: dict[str, Render] = {"json": as_json, "journal": as_journal, "text": as_text}


def _spelled(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _probe_words(event: Event) -> str:
    verdict = "/".join(str(event[key]) for key in ("outcome", "cause") if key in event)
    timings = cast("Mapping[str, float]", event["timings"])
    first = f" first_chunk={timings['first_chunk']:.3f}s" if "first_chunk" in timings else ""
    took = f"{event['duration']:.3f}s{first}"
    return f"{_visible(event['target'])} {verdict} {took}: {_visible(event['detail'])} [{_visible(event['probe_id'])}]"


def _message_words(event: Event) -> str:
    said = {key: value for key, value in event.items() if key not in {"event", "level", "timestamp", "exception"}}
    pairs = (f"{_visible(key)}={_visible(value)}" for key, value in said.items())
    return " ".join([_visible(event["event"]), *pairs])


def _visible(value: object) -> str:
    """Spell out what a terminal would obey or hide: controls, line ends, marks of direction, lone surrogates."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else letter.encode("unicode-escape").decode() for letter in text)


def _plain(value: object) -> object:
    """Reduce to what JSON has: what is no plain value by its `str`, which hides a secret; lone surrogates to U+FFFD."""
    match value:
        case None | bool() | int() | float():
            return value
        case Mapping():
            return {str(_plain(str(key))): _plain(held) for key, held in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(held) for held in value]
        case _:
            return str(value).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


# -- the daemon's own messages -----------------------------------------------------------------------------------------


class _Door:
    """What structlog hands finished lines to."""

    def __init__(self, writer: Writer) -> None:
        self.debug = self.info = self.warning = self.error = self.critical = writer.put


class _Bridge(logging.Handler):
    """Takes what libraries say through the standard library's logging to the same door."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say it in our form."""
        try:
            logger = structlog.get_logger()
            level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL)
            logger.log(level, record.getMessage(), logger=record.name, exc_info=record.exc_info)
        except Exception:  # noqa: BLE001 (whoever logs must not fail for it; this is how the library's handlers do it)
            self.handleError(record)


def configure(  # noqa: PLR0913 - where it goes, who is told, and what may not be said
    settings: Log,
    stream: IO[str] | IO[bytes] | None,
    *,
    dropped: Report,
    failed: Report,
    hide: Callable[[str], str] = str,
    environ: Mapping[str, str] = os.environ,
) -> LogSink:
    """Direct probes, structlog and the standard library's logging to `stream`; return the sink of the probes.

    `hide` takes the secrets out of texts that are not ours: tracebacks, and what libraries say.
    """
    writer = Writer(_raw(stream), dropped=dropped, failed=failed)
    render = RENDERS[choose(settings.format, stream, environ)]
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _last(render, hide),
    ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(_RANK[settings.level]),
        logger_factory=lambda *_: _Door(writer),
    )
    # What libraries say of their daily work is not ours to repeat, unless someone looks for a bug.
    least = logging.DEBUG if settings.level == "debug" else logging.WARNING
    logging.basicConfig(handlers=[_Bridge()], level=least, force=True)
    return LogSink(writer, render, settings)


def choose(form: str, stream: IO[str] | IO[bytes] | None, environ: Mapping[str, str]) -> str:
    """Return the form of the lines: "auto" is text on a terminal, the journal's under systemd, else JSON."""
    if form != "auto":
        return form
    descriptor = _descriptor(stream)
    if descriptor is None:
        return "json"
    if os.isatty(descriptor):
        return "text"
    # The variable is inherited where stdout is sent elsewhere: systemd says to compare (systemd.exec(5)).
    status = os.fstat(descriptor)
    return "journal" if environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}" else "json"


def _last(render: Render, hide: Callable[[str], str]) -> Processor:
    def rendered(_logger: WrappedLogger, _method: str, event: EventDict) -> bytes:
        level = str(event["level"])
        foreign = {"exception", "event"} if "logger" in event else {"exception"}
        event.update({key: hide(str(event[key])) for key in foreign & event.keys()})
        first = {key: event[key] for key in ("event", "level", "timestamp")}
        return render(level, cast("Event", _plain({**first, **event})))

    return rendered


def _descriptor(stream: IO[str] | IO[bytes] | None) -> int | None:
    """Return the descriptor behind a stream, where there is one that is open."""
    try:
        descriptor = stream.fileno() if stream is not None else -1
        os.fstat(descriptor)
    except (OSError, ValueError):
        return None
    return descriptor


class _Unbuffered:
    """A stream past Python's buffer, which would keep what a full disk refused and fail again at exit.

    The descriptor is asked for each time: one that was closed may by now be a target's connection.
    """

    def __init__(self, stream: IO[str] | IO[bytes]) -> None:
        self._stream = stream

    def write(self, data: memoryview, /) -> int:
        """Write what can be written."""
        return os.write(self._stream.fileno(), data)


def _raw(stream: IO[str] | IO[bytes] | None) -> Raw:
    if stream is not None and _descriptor(stream) is not None:
        return _Unbuffered(stream)
    in_memory = getattr(stream, "buffer", stream)
    if not isinstance(in_memory, io.BytesIO):
        in_memory = io.BytesIO()
        in_memory.close()
    return in_memory
