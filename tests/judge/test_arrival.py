"""Whether the end has arrived: every stream of a few messages, every ending, every terminator, by the contract."""

from __future__ import annotations

from itertools import product

import pytest

from monitor.judge.arrival import TABLE
from monitor.judge.content_check import CheckResult
from monitor.judge.verdict import Outcome, Phase, judge
from monitor.stream.endings import BodyFraming, Deadline, Ending, EndKind, Head
from monitor.stream.events import Done, Event, Finish, Output, Partial
from monitor.stream.recorder import Recorder
from monitor.stream.recording import EndRule
from monitor.target import Terminator

MESSAGES: dict[str, tuple[Event, ...]] = {
    "t": (Output("1\n"),),
    "e": (Finish("stop"),),
    "b": (Output("1\n"), Finish("stop")),
    "m": (Done(),),
}
"""Text, an end, both in one message, the marker."""
STREAMS = ["".join(letters) for length in range(5) for letters in product(MESSAGES, repeat=length)]
ENDINGS = {
    "clean": Ending(EndKind.COMPLETE, 9.0),
    "inside": Ending(EndKind.COMPLETE, 9.0),
    "fin": Ending(EndKind.INCOMPLETE, 9.0),
    "rst": Ending(EndKind.RESET, 9.0),
    "broken": Ending(EndKind.MALFORMED, 9.0),
    "idle": Ending(EndKind.DEADLINE, 9.0, deadline=Deadline.IDLE),
    "total": Ending(EndKind.DEADLINE, 9.0, deadline=Deadline.TOTAL),
    "drain": Ending(EndKind.DEADLINE, 9.0, deadline=Deadline.DRAIN),
}
CUT = {"fin", "rst", "broken"}
CHECKS = {
    "none": None,
    "passed": CheckResult("count", None, 1.0),
    "beginning": CheckResult("count", "missing", 0.4, beginning=True),
    "wrong": CheckResult("count", "duplicated", 0.4),
}


def complete(stream: str, wire: str, terminator: Terminator, check: str) -> bool:
    """Say by the contract's paragraph alone whether the end has arrived; nothing of the product is asked."""
    before, marker, after = stream.partition("m")
    last_end = max(before.rfind("e"), before.rfind("b"))
    taken_back = any(one in "eb" and set(before[at + 1 :]) & set("tb") for at, one in enumerate(before))
    stands = last_end >= 0 and not set(before[last_end + 1 :]) & set("tb")
    stands = stands or bool(
        set(after) & set("eb")
    )  # after the marker an end can still be said, and nothing else counts
    if terminator is Terminator.MARKER:
        return bool(marker)
    if terminator is Terminator.BOTH:
        return bool(marker) and stands
    if not stands:
        return bool(marker) and terminator is Terminator.EITHER
    early_ending = taken_back
    if not marker and before[first_end(before) :].startswith("b") and not early_ending and check == "beginning":
        return wire not in CUT
    if not early_ending or marker:
        return True
    return wire == "clean"


def first_end(before: str) -> int:
    """Return the position of the first end."""
    return min(at for at, one in enumerate(before) if one in "eb")


def recorded(stream: str, wire: str, terminator: Terminator) -> Recorder:
    """Record a stream, each message in an arrival of its own."""
    recorder = Recorder(EndRule(terminator, declares_marker=True))
    recorder.connected, recorder.head = True, Head(200, "text/event-stream", framing=BodyFraming.CHUNKED)
    messages = [MESSAGES[letter] for letter in stream] + ([(Partial(),)] if wire == "inside" else [])
    for number, events in enumerate(messages, start=1):
        recorder.arrived(float(number), 0.0, number * 10)
        for event in events:
            recorder.record(event, number * 10)
    recorder.ending = ENDINGS[wire]
    return recorder


@pytest.mark.parametrize("terminator", [one for one in Terminator if one is not Terminator.NONE])
@pytest.mark.parametrize("wire", ENDINGS)
def test_when_the_end_has_arrived(wire: str, terminator: Terminator) -> None:
    """For every stream of up to four messages and every check result, the contract's rule holds."""
    for stream, check in product(STREAMS, CHECKS):
        recording = recorded(stream, wire, terminator).finish()
        verdict = judge(recording, CHECKS[check] if recording.chunks else None)
        found = verdict.phase is Phase.END
        assert found is complete(stream, wire, terminator, check if recording.chunks else "none"), (stream, check)
        if found and recording.chunks:
            right = check in {"none", "passed"}
            assert (verdict.outcome is Outcome.OK) is right, (stream, check)
        assert found or verdict.outcome is not Outcome.OK, (stream, check)


def test_every_terminator_has_its_rows() -> None:
    """The table is whole: its last row always holds."""
    assert set(TABLE) == set(Terminator)
    assert all(rows[-1].arrived is False for rows in TABLE.values())
