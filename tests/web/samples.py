"""Literal observations for the tests of the web: each a recording written down by hand and judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from monitor.judge.content_check import CheckResult
from monitor.judge.verdict import judge
from monitor.record.from_observation import event_of
from monitor.record.observation import Observation
from monitor.record.parts import ServerError, Suspect, Suspicion, Tokens
from monitor.record.probe_event import ProbeEvent
from monitor.sinks.memory import RecentProbe, RecentProbes
from monitor.stream.endings import BodyFraming, Deadline, Ending, EndKind, Head, Mark
from monitor.stream.events import Done, Event, Failure, Fault, Finish, Malformed, Meta, Output
from monitor.stream.recorder import Recorder
from monitor.stream.recording import EndRule, Recording
from monitor.target import CountCheck, Target, Terminator
from monitor.web.target_view import TargetView

NOW = datetime(2026, 11, 22, 22, 10, 0, tzinfo=UTC)
STARTED = NOW - timedelta(hours=5)
CANARY = "<script>alert('canary')</script>\x1b[31m\u202ereversed\u2066"
"""What a hostile server would say: a script, an escape sequence, marks that turn the reading direction."""

Step = tuple[float, Event]


def target(name: str = "gateway", protocol: str = "openai-chat") -> Target:
    """Return a target whose URL contains secrets that no page may show."""
    return Target(name=name, protocol=protocol, url="https://user:secret@llm.example/v1/chat/completions?key=secret")


def chunks(number: int, first: float = 0.21, gap: float = 0.09) -> list[Step]:
    """Return `number` pieces of output, the first at `first`, then one every `gap` seconds."""
    return [(first + place * gap, Output(f"{place} ")) for place in range(number)]


def connected(rule: EndRule | None = None) -> Recorder:
    """Return a recorder whose head has arrived."""
    recorder = Recorder(rule or EndRule(declares_marker=True))
    for mark, at in (
        (Mark.DNS, 0.001),
        (Mark.CONNECT, 0.004),
        (Mark.TLS, 0.021),
        (Mark.REQUEST_SENT, 0.022),
        (Mark.HEADERS, 0.05),
    ):
        recorder.mark(mark, at, 0.00002)
    recorder.connected = True
    recorder.head = Head(200, "text/event-stream", framing=BodyFraming.CHUNKED, request_ids=(("x-request-id", "r-1"),))
    return recorder


def played(steps: Sequence[Step], ending: Ending, recorder: Recorder | None = None) -> Recording:
    """Return the recording of a stream in which each step came in an arrival of its own, 40 bytes each."""
    recorder = recorder or connected()
    for place, (at, event) in enumerate(steps, start=1):
        recorder.arrived(at, 0.00002, place * 40)
        recorder.record(event, place * 40)
    recorder.ending = ending
    recorder.mark(Mark.END, ending.at)
    return recorder.finish()


def observed(recording: Recording, of: Target | None = None, check: CheckResult | None = None) -> Observation:
    """Return the observation of a recording."""
    return Observation(
        probe_id="01J0000000000000000000000A",
        target=of or target(),
        timestamp=NOW - timedelta(seconds=12),
        trigger="schedule",
        recording=recording,
        verdict=judge(recording, check, content_types=("text/event-stream",)),
        peer="192.0.2.7:443",
        check=check,
    )


def complete(of: Target | None = None, number: int = 41, first: float = 0.21) -> Observation:
    """Return a probe that is ok."""
    steps = chunks(number, first)
    last = steps[-1][0]
    steps = [
        (0.06, Meta(ping=True)),
        (0.2, Meta(model="m-1")),
        *steps,
        (last + 0.01, Finish("stop")),
        (last + 0.02, Done()),
    ]
    recording = played(sorted(steps, key=lambda step: step[0]), Ending(EndKind.COMPLETE, last + 0.03))
    return replace(observed(recording, of, CheckResult("count", None, 1.0)), tokens=Tokens(20, 41))


def cut(of: Target | None = None, number: int = 17) -> Observation:
    """Return a probe that is truncated/incomplete_body, with a long gap before the cut."""
    steps = [*chunks(number), (4.1, Output("late "))]
    suspicion = Suspicion(Suspect.PROXY_TIMEOUT, "4 of the last 5 cuts came 60.0 s +- 0.1 after the request")
    recording = played(steps, Ending(EndKind.INCOMPLETE, 4.4))
    return replace(observed(recording, of), diagnosis=(suspicion,), last_words="17 18\ndata: {")


def reset(of: Target | None = None) -> Observation:
    """Return a probe that is truncated/reset."""
    return observed(played(chunks(9), Ending(EndKind.RESET, 1.2)), of)


def stalled(of: Target | None = None) -> Observation:
    """Return a probe that is stalled/no_output after pings."""
    pings: list[Step] = [(15.0, Meta(ping=True)), (30.0, Meta(ping=True))]
    ending = Ending(EndKind.DEADLINE, 31.0, "30 s", deadline=Deadline.IDLE)
    return observed(played([*chunks(9), *pings], ending), of)


def erred(of: Target | None = None, message: str = CANARY) -> Observation:
    """Return a probe that is stream_error/upstream, with the server's own words."""
    steps: list[Step] = [*chunks(5), (0.9, Failure(Fault.UPSTREAM, message))]
    recording = played(steps, Ending(EndKind.COMPLETE, 1.0))
    return replace(observed(recording, of), server_error=ServerError("server_error", "502", message))


def unreachable(of: Target | None = None, kind: EndKind = EndKind.REFUSED, why: str = "") -> Observation:
    """Return a probe that found no connection."""
    recorder = Recorder()
    recorder.mark(Mark.DNS, 0.0004)
    recorder.ending = Ending(kind, 0.0011, why)
    recorder.mark(Mark.END, 0.0011)
    return replace(observed(recorder.finish(), of), peer=None)


def rejected(of: Target | None = None, status: int = 503) -> Observation:
    """Return a probe that got another status than 2xx."""
    recorder = connected()
    recorder.head = Head(status, "application/json", framing=BodyFraming.LENGTH, retry_after=7)
    recorder.ending = Ending(EndKind.DECLINED, 0.06)
    recorder.mark(Mark.END, 0.06)
    return observed(recorder.finish(), of)


def headless(of: Target | None = None) -> Observation:
    """Return a probe that waited for a head until its deadline."""
    recorder = Recorder()
    recorder.connected = True
    for mark, at in ((Mark.DNS, 0.001), (Mark.CONNECT, 0.004), (Mark.REQUEST_SENT, 0.005)):
        recorder.mark(mark, at)
    recorder.ending = Ending(EndKind.DEADLINE, 30.0, "30 s", deadline=Deadline.HEADERS)
    recorder.mark(Mark.END, 30.0)
    return observed(recorder.finish(), of)


def overdue(of: Target | None = None) -> Observation:
    """Return a probe that timed out before its first chunk, after a ping."""
    ending = Ending(EndKind.DEADLINE, 60.0, "60 s", deadline=Deadline.FIRST_CHUNK)
    return observed(played([(15.0, Meta(ping=True))], ending), of)


def buffered(of: Target | None = None) -> Observation:
    """Return a probe that is ok, with the whole answer in one read."""
    recorder = connected()
    recorder.arrived(1.4, 0.00002, 400)
    for place in range(1, 9):
        recorder.record(Output(f"{place} "), place * 40)
    recorder.record(Finish("stop"), 390)
    recorder.record(Done(), 400)
    recorder.ending = Ending(EndKind.COMPLETE, 1.41)
    recorder.mark(Mark.END, 1.41)
    return observed(recorder.finish(), of)


def unverified(of: Target | None = None) -> Observation:
    """Return a probe of a protocol without an end, and without a check."""
    recorder = connected(EndRule(Terminator.NONE, declares_end=False))
    return observed(played(chunks(20, 0.35), Ending(EndKind.COMPLETE, 2.2), recorder), of)


def wrong(of: Target | None = None) -> Observation:
    """Return a probe that is complete and fails its check."""
    steps: list[Step] = [*chunks(30), (3.0, Finish("stop")), (3.0, Done())]
    check = CheckResult("count", "missing", 0.63)
    return observed(played(steps, Ending(EndKind.COMPLETE, 3.1)), of or replace(target(), check=CountCheck()), check)


def garbled(of: Target | None = None) -> Observation:
    """Return a probe with a complete stream that contains a malformed event."""
    steps: list[Step] = [*chunks(3), (0.6, Malformed("no JSON")), (0.7, Finish("stop")), (0.7, Done())]
    return observed(played(steps, Ending(EndKind.RESET, 0.8)), of)


def aborted(of: Target | None = None) -> Observation:
    """Return a probe that we stopped."""
    return observed(played(chunks(3), Ending(EndKind.ABORTED, 0.5, "shutdown")), of)


def silent() -> Observation:
    """Return a probe that ended at once, with nothing marked at all."""
    recorder = Recorder()
    recorder.ending = Ending(EndKind.INTERNAL, 0.0, "KeyError")
    return observed(recorder.finish())


Make = Callable[[Target | None], Observation]
EVERY: tuple[Make, ...] = (
    complete, cut, reset, stalled, erred, unreachable, rejected, headless, overdue, buffered, unverified, wrong,
    garbled, aborted,
)  # fmt: skip


def series(made: Sequence[Observation], of: Target, age: float = 12.0) -> list[Observation]:
    """Return `made` (newest first) as the recent probes of one target, one each interval, with ids of their own."""
    return [
        replace(
            one,
            target=of,
            probe_id=f"01J{of.name[:6].upper():0<6}{place:017d}",
            timestamp=NOW - timedelta(seconds=age + place * of.interval),
        )
        for place, one in enumerate(made)
    ]


def event(observation: Observation) -> ProbeEvent:
    """Return the event of an observation with its timeline."""
    return event_of(observation, timeline=True)


def view(of: Target, *made: Observation) -> TargetView:
    """Return the view of a target with these probes, newest first."""
    recent = RecentProbes(1)
    for observation in reversed(series(made, of)):
        recent(observation)
    return TargetView(of, recent.of(of.name), recent.memory(of.name))


def probes(*made: Observation) -> tuple[RecentProbe, ...]:
    """Return observations as memory keeps them."""
    return tuple(map(RecentProbe.observed, made))
