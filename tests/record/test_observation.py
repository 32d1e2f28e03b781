"""The figures of one probe: availability, times, rate and steps."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

import pytest

from monitor.judge.content_check import CheckResult
from monitor.record.observation import host_of, public_url
from monitor.record.parts import Tokens
from monitor.stream.endings import Ending, EndKind, Mark
from monitor.stream.events import Event, Meta, Output, Usage
from monitor.stream.recorder import Recorder
from monitor.stream.recording import Recording
from monitor.target import CountCheck
from tests.record.observed import GATEWAY, NO_END, WHOLE, observed, recorded
from tests.sinks.samples import end

# -- what it comes to --------------------------------------------------------------------------------------------------

REQUIRED, OPTIONAL = CountCheck(3, required=True), CountCheck(3, required=False)
FAILED = CheckResult("count", "missing", 0.4)
AVAILABLE: dict[str, tuple[Recording, CheckResult | None, CountCheck | None, bool]] = {
    "ok": (recorded(*WHOLE), None, None, True),
    "unverified": (recorded(*WHOLE, rule=NO_END), None, None, True),
    "cut": (recorded(*WHOLE[:-1]), None, None, False),
    "wrong content": (recorded(*WHOLE), FAILED, CountCheck(3), True),
    "wrong content, and the check is required": (recorded(*WHOLE), FAILED, REQUIRED, False),
    "wrong content without an end": (recorded(*WHOLE, rule=NO_END), FAILED, CountCheck(3), False),
    "wrong content without an end, and the check is not required": (
        recorded(*WHOLE, rule=NO_END),
        FAILED,
        OPTIONAL,
        True,
    ),
    "wrong content of no check": (recorded(*WHOLE), FAILED, None, True),
}


@pytest.mark.parametrize(("line", "found", "check", "good"), AVAILABLE.values(), ids=AVAILABLE.keys())
def test_availability(line: Recording, found: CheckResult | None, check: CountCheck | None, good: bool) -> None:
    """Complete answers are available; wrong ones are unless the check is required, the default without an end."""
    observation = observed(line, check=found, target=replace(GATEWAY, check=check))
    assert (observation.available, observation.failed) == (good, not good)


@pytest.mark.parametrize(("at", "good"), [(1.99, True), (2.0, True), (2.01, False), (None, False)])
def test_the_first_chunk_is_in_time(at: float | None, good: bool) -> None:
    """A first chunk at the threshold is in time; one that was not reached is not."""
    assert observed(recorded(*([(at, Output("x"))] if at else []))).first_chunk_good is good


def test_duration_and_tail() -> None:
    """Duration and tail are absent if their clocks were not reached."""
    whole, bare = observed(recorded(*WHOLE)), Recorder()
    bare.ending = Ending(EndKind.INTERNAL, 0.0)
    assert (whole.duration, whole.tail) == (2.5, 0.75)
    recording = observed(bare.finish())
    assert (recording.duration, recording.tail) == (0.0, None)
    assert observed(recorded()).tail is None


def test_a_chunk_after_the_end_leaves_no_negative_tail() -> None:
    """If the transport's end is older than the last chunk, the tail is zero."""
    line = recorded((0.2, Output("x")))
    assert observed(replace(line, marks={**line.marks, Mark.END: 0.1})).tail == 0.0


RATES: dict[str, tuple[list[tuple[float, Event]], Tokens | None, float | None]] = {
    "three tokens in a second": ([(1.0, Output("a")), (2.0, Output("b"))], Tokens(1, 3), 2.0),
    "not counted": ([(1.0, Output("a")), (2.0, Output("b"))], None, None),
    "one token": ([(1.0, Output("a")), (2.0, Output("b"))], Tokens(1, 1), None),
    "in no time": ([(1.0, Output("a"))], Tokens(1, 3), None),
    "no output": ([(1.0, Meta(usage=Usage(1, 3)))], Tokens(1, 3), None),
}


@pytest.mark.parametrize(("events", "tokens", "rate"), RATES.values(), ids=RATES.keys())
def test_output_rate(events: list[tuple[float, Event]], tokens: Tokens | None, rate: float | None) -> None:
    """The rate is the tokens after the first, divided by the time from the first chunk to the last."""
    assert observed(recorded(*events), tokens=tokens).output_rate == rate


def test_steps() -> None:
    """Each step lasts from the one before; what was not reached has none, and no step lasts less than nothing."""
    assert {name: round(seconds, 6) for name, seconds in observed(recorded(*WHOLE)).steps.items()} == {
        "dns": 0.001,
        "connect": 0.002,
        "tls": 0.008,
        "request": 0.001,
        "headers": 0.038,
        "first_chunk": 0.2,
        "stream": 1.5,
    }
    line = Recorder()
    line.mark(Mark.CONNECT, 0.5)
    line.mark(Mark.REQUEST_SENT, 0.4)
    line.mark(Mark.HEADERS, 0.7)
    assert observed(end(line, EndKind.CLOSED, 0.8)).steps == {
        "connect": 0.5,
        "request": 0.0,
        "headers": pytest.approx(0.2),
    }


# -- addresses ---------------------------------------------------------------------------------------------------------

URLS = {
    "plain": ("https://host/v1/chat", "https://host/v1/chat", "host"),
    "a port": ("http://host:8000/v1", "http://host:8000/v1", "host:8000"),
    "user-info": ("https://user:word@host/v1", "https://host/v1", "host"),
    "user-info with an @": ("https://u@x:p@ss@host/v1", "https://host/v1", "host"),
    "a query": ("https://host/v1?key=abc&alt=sse", "https://host/v1?key=***&alt=***", "host"),
    "a query without names": ("https://host/v1?secret&b=", "https://host/v1?***&b=***", "host"),
    "a value with =": ("https://host/v1?key=a=b", "https://host/v1?key=***", "host"),
    "empty pairs": ("https://host/v1?&a=1&", "https://host/v1?a=***", "host"),
    "a fragment": ("https://host/v1#secret", "https://host/v1", "host"),
    "IPv6": ("http://[::1]:8000/v1", "http://[::1]:8000/v1", "[::1]:8000"),
}


@pytest.mark.parametrize(("url", "public", "host"), URLS.values(), ids=URLS.keys())
def test_what_is_shown_of_a_url(url: str, public: str, host: str) -> None:
    """User-info, query values and fragments are left out."""
    assert (public_url(url), host_of(url)) == (public, host)


@pytest.mark.parametrize(
    ("value", "public"),
    [("abcd", "https://host/v1/***/x"), ("a b/", "https://host/v1/***/x"), ("abc", "https://host/v1/abc/x")],
    ids=["four characters", "encoded", "three may be anybody's"],
)
def test_what_a_variable_put_into_a_path_is_hidden(value: str, public: str) -> None:
    """A value of a variable in a path is hidden from four characters on, also if percent-encoded."""
    assert public_url(f"https://host/v1/{quote(value, safe='')}/x", [value]) == public
