"""The lines of the log: their forms, what they may not contain, and a writer that never blocks a probe."""

from __future__ import annotations

import io
import json
import logging
import os
import pty
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog

from monitor.judge.content_check import CheckResult
from monitor.keys.secret import Secret
from monitor.record.from_observation import event_of
from monitor.record.observation import Observation
from monitor.record.parts import ServerError
from monitor.settings import Log
from monitor.sinks.log import FORMS, Line, LineStream, LogSink, Message, choose, configure, level_of, line_writer
from monitor.sinks.repeats import MOST
from monitor.sinks.writer import Writer
from monitor.stream.endings import EndKind
from monitor.stream.events import Meta
from monitor.target import CountCheck
from tests.conftest import WITHIN
from tests.records import record
from tests.sinks.samples import GATEWAY, chunks, counted, cut, line, mistakes, observed, refused, stopped, whole

NOW = datetime(2026, 11, 22, 22, 10, 9, 7654, tzinfo=UTC)
NASTY = "\x1b]0;owned\x07 \x9b31m\r\nline\t\x00 \x7f \u202eright\u2066 \u2028 \ud800 é 漢 😀"


@dataclass
class Report:
    """Counts what a sink reports, and lets a test wait for it."""

    names: list[str] = field(default_factory=list)
    came: threading.Event = field(default_factory=threading.Event)

    def __call__(self, name: str) -> None:
        """Record a report."""
        self.names.append(name)
        self.came.set()


class Gate:
    """A stream that says when it is written to, and waits until it may go on."""

    def __init__(self, *answers: BaseException | int) -> None:
        self.answers = list(answers)
        self.written = b""
        self._entered = threading.Semaphore(0)
        self._passes = threading.Semaphore(0)

    def write(self, data: memoryview, /) -> int:
        """Return the scripted result, by default the whole length."""
        self._entered.release()
        assert self._passes.acquire(timeout=WITHIN)
        answer = self.answers.pop(0) if self.answers else len(data)
        if isinstance(answer, BaseException):
            raise answer
        self.written += bytes(data[:answer])
        return answer

    def let(self, writes: int = 100) -> None:
        """Let so many writes go on."""
        self._passes.release(writes)

    def wait(self, writes: int = 1) -> None:
        """Return when so many more writes have begun."""
        assert all(self._entered.acquire(timeout=WITHIN) for _ in range(writes))


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    """Give structlog and the standard library's logging back as they were."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logging.root.handlers[:], logging.root.level = handlers, level


def lines(stream: io.BytesIO) -> list[dict[str, Any]]:
    """Return what was written, line by line."""
    return [json.loads(row) for row in stream.getvalue().splitlines()]


def set_up(stream: Any, **more: Any) -> tuple[LogSink, Report, Report]:  # noqa: ANN401 (streams and settings)
    """Return a sink on a stream, and its reports of lines dropped and of writes failed."""
    dropped, failed = Report(), Report()
    return configure(Log(**more), stream, dropped=dropped, failed=failed, environ={}), dropped, failed


# -- events ------------------------------------------------------------------------------------------------------------


def test_a_probe_is_one_line_of_its_record() -> None:
    """The line is the record and nothing else, in its order."""
    stream = io.BytesIO()
    sink, dropped, failed = set_up(stream)
    sink(cut())
    sink(whole())
    assert sink.close(WITHIN)
    assert lines(stream) == [record(cut()), record(whole())]
    assert list(lines(stream)[0]) == list(record(cut()))
    assert [mistakes(event) for event in lines(stream)] == [[], []]
    assert dropped.names == failed.names == []


def test_the_timeline_comes_where_it_is_asked_for() -> None:
    """`[log] timeline = true` adds every arrival and event."""
    stream = io.BytesIO()
    sink, _, _ = set_up(stream, timeline=True)
    sink(cut())
    sink.close(WITHIN)
    assert lines(stream) == [json.loads(json.dumps(record(cut(), timeline=True)))]


@pytest.mark.parametrize(
    ("probe", "level"),
    [
        (whole(), "info"),
        (cut(), "warning"),
        (refused(), "warning"),
        (stopped(), "info"),
        (stopped(EndKind.INTERNAL), "error"),
        (whole(counted(), check=CheckResult("count", "missing", 0.9)), "info"),
        (whole(counted(check=CountCheck(required=True)), check=CheckResult("count", "missing", 0.9)), "warning"),
    ],
)
def test_how_loud_a_probe_is(probe: Observation, level: str) -> None:
    """An available probe is info, a failed one a warning, and an error of the monitor an error."""
    assert level_of(probe) == level


def test_the_level_is_a_threshold_of_messages() -> None:
    """At level warning no information of the daemon's own is logged, but every probe is."""
    stream = io.BytesIO()
    sink, _, _ = set_up(stream, level="warning")
    sink(whole())
    sink(cut())
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    sink.close(WITHIN)
    assert [event["event"] for event in lines(stream)] == ["probe", "probe", "loud"]


# -- what a line may contain -------------------------------------------------------------------------------------------


def nasty() -> Observation:
    """Return a probe whose texts contain control characters and line ends."""
    recording = line((0.1, Meta(model=NASTY)), *chunks(0.2), ending=EndKind.INCOMPLETE)
    named = replace(GATEWAY, name=NASTY, model=NASTY, labels={NASTY: NASTY})
    return observed(recording, named, server_error=ServerError(NASTY, NASTY, NASTY), last_words=NASTY)


@pytest.mark.parametrize("form", sorted(FORMS))
def test_no_control_character_gets_out(form: str) -> None:
    """Whatever was sent, a line is one line of printable characters, in every form."""
    text = FORMS[form].probe("info", event_of(nasty()), NOW).decode()
    assert text.count("\n") == 1
    assert text.removesuffix("\n").isprintable()


def test_json_keeps_the_words() -> None:
    """Escaped is not lost: a reader gets back what was sent, but for lone surrogates."""
    event = json.loads(FORMS["json"].probe("info", event_of(nasty()), NOW))
    assert event["last_words"] == NASTY.replace("\ud800", "\ufffd")
    assert event["labels"] == {NASTY.replace("\ud800", "\ufffd"): NASTY.replace("\ud800", "\ufffd")}
    assert FORMS["json"].message("info", {"event": "é😀"}) == b'{"event":"\\u00e9\\ud83d\\ude00"}\n'


def test_the_readable_form() -> None:
    """A person reads time, level, target, what it came to, how long it took and why."""
    assert FORMS["text"].probe("warning", event_of(cut()), NOW).decode() == (
        "22:10:09.007 warning gateway truncated/incomplete_body 0.700s first_chunk=0.200s: peer closed the connection"
        " inside the chunked body (no terminal chunk); 3 chunks received [01JDX0000000000000000000AB]\n"
    )
    assert b" unreachable/refused 0.004s: " in FORMS["text"].probe("warning", event_of(refused()), NOW)


@pytest.mark.parametrize(
    ("level", "prefix"),
    [("debug", b"<7>"), ("info", b"<6>"), ("warning", b"<4>"), ("error", b"<3>"), ("critical", b"<2>")],
)
def test_the_journals_form(level: str, prefix: bytes) -> None:
    """The same JSON, with the syslog priority before it that journald takes off."""
    json_form, journal = FORMS["json"], FORMS["journal"]
    assert journal.probe(level, event_of(cut()), NOW) == prefix + json_form.probe(level, event_of(cut()), NOW)
    message: Message = {"event": "listening"}
    assert journal.message(level, message) == prefix + json_form.message(level, message)


# -- the daemon's own messages -----------------------------------------------------------------------------------------


def test_a_message_is_a_line_too() -> None:
    """A message has event, level and time first, then its own keys and those of the context."""
    stream = io.BytesIO()
    sink, _, _ = set_up(stream)
    structlog.contextvars.bind_contextvars(target="gateway")
    structlog.get_logger().info("listening", address="127.0.0.1:9877", tries=3, ratio=0.5, tls=False, name=None)
    sink.close(WITHIN)
    (event,) = lines(stream)
    assert list(event)[:3] == ["event", "level", "timestamp"]
    assert event.pop("timestamp").endswith("Z")
    fields = {"address": "127.0.0.1:9877", "tries": 3, "ratio": 0.5, "tls": False, "name": None, "target": "gateway"}
    assert event == {"event": "listening", "level": "info", **fields}


def test_a_message_hides_secrets_and_takes_anything() -> None:
    """A value of another type is logged as its `str`, also in nested values, so that a secret stays hidden."""
    stream = io.BytesIO()
    sink, _, _ = set_up(stream)
    given_values = {"key": Secret("canary"), "deep": [{"key": (Secret("canary"),)}, frozenset({Path("/a")})]}
    structlog.get_logger().warning("odd \ud800", **given_values)
    sink.close(WITHIN)
    assert b"canary" not in stream.getvalue()
    assert lines(stream)[0]["deep"] == [{"key": ["Secret()"]}, ["/a"]]
    assert lines(stream)[0]["event"] == "odd \ufffd"


def test_a_traceback_is_part_of_its_line() -> None:
    """In JSON a traceback is one value of one line."""
    stream = io.BytesIO()
    sink, _, _ = set_up(stream)
    try:
        [].pop()
    except IndexError:
        structlog.get_logger().exception("unexpected")
    sink.close(WITHIN)
    (event,) = lines(stream)
    assert event["level"] == "error"
    assert event["exception"].endswith("IndexError: pop from empty list")


def test_a_traceback_can_be_read() -> None:
    """In the text form a traceback follows, indented and without control characters."""
    event = {"event": "oops", "timestamp": "2026-11-22T22:10:00.123456Z", "a b": "c\n", "exception": "one\n\x1btwo"}
    assert FORMS["text"].message("error", event) == b"22:10:00.123 error   oops a b=c\\x0a\n    | one\n    | \\x1btwo\n"


def test_what_libraries_log_goes_the_same_way() -> None:
    """Warnings of libraries are logged with the name of the logger; their debug messages only at level debug."""
    stream = io.BytesIO()
    sink, _, _ = set_up(stream)
    logging.getLogger("aiohttp.server").info("request")
    logging.getLogger("aiohttp.server").warning("bad %s", "request")
    logging.getLogger("aiohttp.server").log(35, "between")
    sink.close(WITHIN)
    assert [(event["event"], event["level"], event["logger"]) for event in lines(stream)] == [
        ("bad request", "warning", "aiohttp.server"),
        ("between", "warning", "aiohttp.server"),
    ]
    louder = io.BytesIO()
    sink, _, _ = set_up(louder, level="debug")
    logging.getLogger("asyncio").debug("selector")
    sink.close(WITHIN)
    assert [event["event"] for event in lines(louder)] == ["selector"]


def test_a_librarys_broken_message_is_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    """Arguments that do not fit their format are the standard library's to report, not the caller's to suffer."""
    sink, _, _ = set_up(io.BytesIO())
    logging.getLogger("x").warning("%d", "seven")
    sink.close(WITHIN)
    assert "Logging error" in capsys.readouterr().err


@pytest.mark.parametrize("logger", ["", "asyncio"])
def test_a_message_that_repeats_is_counted(logger: str) -> None:
    """The first of repeated messages are written, then one line with the number of the others; other messages pass."""
    stream = io.BytesIO()
    sink, _, _ = set_up(stream)
    for number in range(MOST + 512):
        if logger:
            logging.getLogger(logger).warning("socket %d failed", number)
        else:
            structlog.get_logger().warning("socket failed", number=number)
    structlog.get_logger().info("other")
    sink.report_repeats()
    sink.report_repeats()
    sink.close(WITHIN)
    events = lines(stream)
    text = f"socket {MOST + 511} failed" if logger else "socket failed"
    assert [event["event"] for event in events[MOST:]] == ["other", f"{text}: repeated 512 times in 0 s"]
    assert events[-1].keys() == {"event", "level", "timestamp"} | ({"logger"} if logger else set())
    assert events[-1]["level"] == "warning"


def test_what_was_repeated_is_logged_at_the_close() -> None:
    """Repetitions are reported when the daemon stops."""
    stream = io.BytesIO()
    sink, _, _ = set_up(stream)
    for _ in range(MOST + 2):
        structlog.get_logger().error("again")
    sink.close(WITHIN)
    assert lines(stream)[-1]["event"] == "again: repeated 2 times in 0 s"


# -- where the lines go ------------------------------------------------------------------------------------------------


def test_auto_is_text_on_a_terminal() -> None:
    """A person at a terminal gets the readable form, unless another is asked for."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0), os.fdopen(theirs, "wb", buffering=0) as terminal:
        assert choose("auto", terminal, {}) == "text"
        assert choose("json", terminal, {}) == "json"


def test_auto_is_the_journals_under_systemd(tmp_path: Path) -> None:
    """The variable counts only if it names this stream: processes inherit it even if stdout is redirected."""
    with (tmp_path / "out").open("wb") as stream:
        status = os.fstat(stream.fileno())
        assert choose("auto", stream, {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}) == "journal"
        assert choose("auto", stream, {"JOURNAL_STREAM": "1:2"}) == "json"
        assert choose("auto", stream, {}) == "json"


def test_auto_is_json_where_there_is_no_stream() -> None:
    """Without a stdout, or with a closed one, the form is JSON."""
    closed = io.StringIO()
    closed.close()
    assert [choose("auto", stream, {}) for stream in (None, closed, io.BytesIO())] == ["json"] * 3


def test_a_stream_that_is_closed_later_is_not_written_to(tmp_path: Path) -> None:
    """After the descriptor was closed, lines are dropped and counted, even if its number is used again."""
    stream = (tmp_path / "out").open("w")
    descriptor = stream.fileno()
    sink, dropped, failed = set_up(stream)
    stream.close()
    with (tmp_path / "other").open("w") as other:
        assert other.fileno() == descriptor
        sink(cut())
        assert failed.came.wait(WITHIN)
        sink.close(WITHIN)
    assert (tmp_path / "other").read_bytes() == b""
    assert dropped.names == ["log"]


def test_lines_reach_a_file_at_once(tmp_path: Path) -> None:
    """Python's buffer does not hold lines back."""
    with (tmp_path / "out").open("w") as stream:
        sink, _, _ = set_up(stream)
        sink(cut())
        sink.close(WITHIN)
        assert json.loads((tmp_path / "out").read_text()) == record(cut())


def test_text_streams_in_memory_are_written_through() -> None:
    """A text stream over bytes, as tests put in stdout's place, gets the bytes."""
    inner = io.BytesIO()
    outer = io.TextIOWrapper(inner)
    sink, _, failed = set_up(outer)
    sink(cut())
    sink.close(WITHIN)
    assert (lines(inner), failed.names) == ([record(cut())], [])


def closed_below() -> io.TextIOWrapper:
    """Return a stream with a closed descriptor."""
    stream = os.fdopen(os.dup(1), "w", closefd=False)
    os.close(stream.fileno())
    return stream


@pytest.mark.parametrize("make", [lambda: None, io.StringIO, closed_below])
def test_no_stream_to_write_to_is_counted(make: Callable[[], Any]) -> None:
    """A daemon started without stdout runs, and says in its metrics that its log goes nowhere."""
    stream = make()
    sink, dropped, failed = set_up(stream)
    sink(cut())
    assert failed.came.wait(WITHIN)
    assert sink.close(WITHIN)
    assert dropped.names == ["log"]
    assert set(failed.names) == {"log"}


def test_a_bug_costs_its_line_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe that cannot be encoded is counted as dropped, the exception is logged, and the next probe is written."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    stream = io.BytesIO()
    sink, dropped, _ = set_up(stream)
    with monkeypatch.context() as patch:
        patch.setattr("monitor.sinks.log.event_of", broken)
        sink(cut())
        assert dropped.came.wait(WITHIN)
    sink(cut())
    sink.close(WITHIN)
    assert sorted(event["event"] for event in lines(stream)) == ["probe", "the log line of a probe could not be made"]


# -- the writer --------------------------------------------------------------------------------------------------------


def writer(stream: Gate, **more: Any) -> tuple[Writer[Line], Report, Report]:  # noqa: ANN401 (numbers of the writer)
    """Return a writer that retries at once, and its reports."""
    dropped, failed = Report(), Report()
    lines = LineStream(stream, FORMS["json"])
    return line_writer(lines, dropped=dropped, failed=failed, **{"retry": 0.0} | more), dropped, failed


def test_a_full_queue_drops_and_counts() -> None:
    """While the stream takes nothing, lines wait up to the capacity, and what comes then is counted and gone."""
    stream = Gate()
    made, dropped, _ = writer(stream, capacity=30)
    for number in range(5):
        made.put(b"line %d....\n" % number)
    assert dropped.names == ["log"] * 3
    stream.let()
    assert made.close(WITHIN)
    assert stream.written == b"line 0....\nline 1....\n"


def test_room_comes_back() -> None:
    """Written lines no longer count against the queue."""
    stream = Gate()
    made, dropped, _ = writer(stream, capacity=22)
    for number in range(3):
        made.put(b"line %d....\n" % number)
    assert dropped.names == ["log"]
    stream.let(1)
    stream.wait(2)
    made.put(b"line 3....\n")
    stream.let()
    assert made.close(WITHIN)
    assert stream.written == b"line 0....\nline 1....\nline 3....\n"
    assert dropped.names == ["log"]


def test_a_line_larger_than_the_queue_passes_an_empty_one() -> None:
    """A timeline of a long stream is not lost for its size alone."""
    stream = Gate()
    stream.let()
    made, dropped, _ = writer(stream, capacity=3)
    made.put(b"a long line\n")
    assert made.close(WITHIN)
    assert (stream.written, dropped.names) == (b"a long line\n", [])


@pytest.mark.parametrize(
    "fault",
    [BrokenPipeError(32, "closed"), OSError(28, "full"), ValueError("closed file"), BlockingIOError(11, "not now")],
)
def test_a_failed_write_is_counted_and_tried_again(fault: BaseException) -> None:
    """A closed pipe, a full disk, a closed file, a pipe that takes nothing now: nothing is lost once it recovers."""
    stream = Gate(fault, fault)
    made, dropped, failed = writer(stream)
    stream.let()
    made.put(b"one\n")
    made.put(b"two\n")
    stream.wait(3)
    assert made.close(WITHIN)
    assert (stream.written, failed.names, dropped.names) == (b"one\ntwo\n", ["log"] * 2, [])


def test_half_a_line_is_finished_first() -> None:
    """A disk that fills up inside a line gets the rest of that line when there is room again."""
    stream = Gate(2, OSError(28, "full"), 1)
    made, _, failed = writer(stream)
    stream.let()
    made.put(b"one\n")
    made.put(b"two\n")
    stream.wait(3)
    assert made.close(WITHIN)
    assert (stream.written, failed.names) == (b"one\ntwo\n", ["log"])


def test_closing_does_not_wait_for_a_stream_that_fails() -> None:
    """At the close each line is tried once more; lines that fail are dropped and counted."""
    stream = Gate(*[OSError(28, "full")] * 10)
    made, dropped, failed = writer(stream, retry=1000.0)
    stream.let()
    for _ in range(3):
        made.put(b"line\n")
    assert failed.came.wait(WITHIN)
    assert made.close(WITHIN)
    assert dropped.names == ["log"] * 3
    made.put(b"after the end\n")
    assert dropped.names == ["log"] * 4


def test_a_line_that_was_cut_is_finished_at_the_close() -> None:
    """A disk that was full in the middle of a line, and has room again by the end, is left without a torn line."""
    stream = Gate(2, OSError(28, "full"))
    made, dropped, failed = writer(stream, retry=1000.0)
    stream.let()
    made.put(b"line\n")
    assert failed.came.wait(WITHIN)
    assert made.close(WITHIN)
    assert (stream.written, dropped.names) == (b"line\n", [])


def test_closing_does_not_wait_for_a_stream_that_hangs() -> None:
    """If nothing reads the pipe, the close ends at its timeout and reports that lines are left."""
    stream = Gate()
    made, _, _ = writer(stream)
    made.put(b"line\n")
    stream.wait()
    assert not made.close(0.0)
    stream.let()
    assert made.close(WITHIN)


def test_an_idle_writer_closes() -> None:
    """With an empty queue the thread ends at the close."""
    made, dropped, failed = writer(Gate())
    assert made.close(WITHIN)
    assert dropped.names == failed.names == []
