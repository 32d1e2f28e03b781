"""The questions that the verdict asks."""

from __future__ import annotations

import pytest

from monitor.judge.facts import Facts
from monitor.stream.events import Event, Failure, Fault, Malformed, Meta, Output, Usage
from tests.judge.streams import LIMIT, ROLE, end, headless, stream

LIMITS: dict[str, tuple[list[Event], int, bool]] = {
    "counted, one below": ([Output("x"), Meta(usage=Usage(9, 99))], 100, False),
    "counted, all of it": ([Output("x"), Meta(usage=Usage(9, 100))], 100, True),
    "counted as nothing": ([*[Output("x")] * 90, Meta(usage=Usage(9, 0))], 100, True),
    "counted beyond belief": ([Output("x"), Meta(usage=Usage(9, 10_000_001))], 100, False),
    "the most that is believed": ([Output("x"), Meta(usage=Usage(9, 10_000_000))], 100, True),
    "counted as one": ([*[Output("x")] * 90, Meta(usage=Usage(9, 1))], 100, False),
    "chunks: nine tenths": ([Output("x")] * 90, 100, True),
    "chunks: less": ([Output("x")] * 89, 100, False),
    "characters: three a token": ([Output("x" * 270)], 100, True),
    "characters: less": ([Output("x" * 269)], 100, False),
}


@pytest.mark.parametrize(("events", "limit", "ours"), LIMITS.values(), ids=LIMITS.keys())
def test_whose_limit_it_was(events: list[Event], limit: int, ours: bool) -> None:
    """The limit is ours if the answer used it up, by the server's count or, without a plausible one, by an estimate."""
    facts = Facts(stream(*events, LIMIT), None, (), limit)
    assert facts.our_limit is ours


def test_the_status_of_no_head() -> None:
    """Without a head the status is 0."""
    assert Facts(headless(end("closed")), None, (), 100).status == 0


@pytest.mark.parametrize(
    ("events", "undecoded"),
    [
        ([], False),
        ([Failure(Fault.OTHER, framed=False)], False),
        ([ROLE], False),
        ([Meta(foreign=True)], True),
        ([Malformed("bytes", framed=False)], True),
    ],
    ids=[
        "nothing",
        "an error outside the framing",
        "a message",
        "a message of another protocol",
        "bytes that make no message",
    ],
)
def test_what_came_and_was_not_of_the_protocol(events: list[Event], undecoded: bool) -> None:
    """Messages of another protocol, or bytes of which the framing made none; a silence is neither."""
    assert Facts(stream(*events), None, (), 100).undecoded is undecoded
