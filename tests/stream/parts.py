"""Streams for the tests of their recording, each event in an arrival of its own."""

from __future__ import annotations

from monitor.stream.endings import Ending, EndKind
from monitor.stream.events import Done, Event, Failure, Fault, Finish, Meta, Output
from monitor.stream.recorder import Recorder
from monitor.stream.recording import EndRule, Recording

TEXT, STOP, DONE, PING, ROLE = Output("a"), Finish("stop"), Done(), Meta(ping=True), Meta(choice=0)
LATE = Failure(Fault.OTHER)
MARKED = EndRule(declares_marker=True)
EARLY = EndRule(early=True)


def running(*events: Event, rule: EndRule | None = None) -> Recorder:
    """Record events, each in an arrival of its own, 10 bytes and a second after the one before."""
    recorder = Recorder(rule)
    for number, event in enumerate(events, start=1):
        recorder.arrived(float(number), 0.0, number * 10)
        recorder.record(event, number * 10)
    return recorder


def finished(recorder: Recorder, at: float = 1000.0) -> Recording:
    """Return what was recorded of a stream that ended clean."""
    recorder.ending = Ending(EndKind.COMPLETE, at)
    return recorder.finish()


def recorded(*events: Event, rule: EndRule | None = None) -> Recording:
    """Return the recording of these events."""
    return finished(running(*events, rule=rule))
