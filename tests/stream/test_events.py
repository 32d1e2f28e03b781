"""The events of a stream, and their defaults."""

from __future__ import annotations

from typing import get_args

import pytest

from monitor.stream.events import (
    Done,
    Event,
    Failure,
    Fault,
    Finish,
    Malformed,
    Message,
    Meta,
    Output,
    Part,
    Partial,
    Stop,
    Usage,
)

DEFAULTS = {
    "message": (Message("x", 7), Message("x", 7, "", comment=False)),
    "usage": (Usage(), Usage(None, None, None)),
    "output": (Output("x"), Output("x", Part.CONTENT, 0, repeats=False)),
    "meta": (Meta(), Meta(ping=False, model=None, usage=None, choice=None, reason=None, stop=None, sequence=None)),
    "finish": (Finish(), Finish(None, Stop.COMPLETE, 0)),
    "failure": (Failure(Fault.OTHER), Failure(Fault.OTHER, "", None, None)),
    "partial": (Partial(), Partial(parsed=False)),
}


@pytest.mark.parametrize(("short", "long"), DEFAULTS.values(), ids=DEFAULTS.keys())
def test_defaults_of_events(short: object, long: object) -> None:
    """By default an event is visible text of the first choice, a good end, and no error."""
    assert short == long


def test_events_are_a_closed_union() -> None:
    """A stream has exactly seven kinds of events."""
    assert set(get_args(Event)) == {Output, Meta, Finish, Done, Failure, Malformed, Partial}


def test_faults_are_the_causes_of_the_contract() -> None:
    """An error inside a stream is about one of eight things."""
    assert [fault.value for fault in Fault] == [
        "overloaded",
        "rate_limited",
        "quota",
        "context_length",
        "auth",
        "not_found",
        "upstream",
        "other",
    ]
