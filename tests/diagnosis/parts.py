"""Parts of the diagnosis tests: probes of every kind, and a diagnosis that takes them in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import count

from monitor.diagnosis.diagnosis import Diagnosis
from monitor.judge.content_check import CheckResult
from monitor.record.observation import Observation
from monitor.record.parts import ServerError
from monitor.stream.endings import AfterCut, BodyFraming, Deadline, Ending, EndKind, Head
from monitor.stream.events import Finish, Output
from monitor.stream.recorder import Recorder
from monitor.target import Target
from tests.sinks.samples import GATEWAY, START, begun, chunks, end, line, observed

BEHIND = Target("behind", "openai-chat", "http://10.0.0.9:8000/v1", interval=60.0)
IN_FRONT = replace(GATEWAY, upstream="behind")
MINUTE = timedelta(minutes=1)

Series = Sequence[Observation]
_IDS = count()


def at(minutes: float, one: Observation, target: Target | None = None) -> Observation:
    """Return a probe so many minutes after the start, of another target if one is given."""
    target = target or one.target
    return replace(one, probe_id=f"probe-{next(_IDS)}", timestamp=START + MINUTE * minutes, target=target)


def given(*series: Observation) -> Diagnosis:
    """Return a diagnosis that has taken these probes, in the order in which they ended."""
    diagnosis = Diagnosis()
    for one in sorted(series, key=lambda one: one.timestamp + timedelta(seconds=one.duration)):
        diagnosis.take(one)
    return diagnosis


def suspects(*series: Observation, upstream: Series = (), target: Target = GATEWAY) -> dict[str, str]:
    """Return who is suspected after these probes of a target, a minute apart, the oldest first, and why."""
    observations = [at(number, one, target) for number, one in enumerate(series)]
    return {it.suspect: it.because for it in given(*observations, *upstream).now(target.name)}


def cut(at: float, kind: EndKind = EndKind.INCOMPLETE, last: float | None = None, number: int = 3) -> Observation:
    """Return a stream that was cut after so many seconds, its last byte at `last`, or just before."""
    recorder = begun(*chunks(*(0.2 + 0.1 * one for one in range(number)), at - 0.02 if last is None else last))
    return observed(end(recorder, kind, at))


def silent() -> Observation:
    """Return a stream that ended in good order and without its end."""
    return observed(line(*chunks(0.2, 0.3)))


def nothing() -> Observation:
    """Return a stream with an end and nothing in it."""
    return observed(line((0.2, Finish("stop"))))


def answered(status: int, words: str = "", after: float = 0.3, retry: int | None = None) -> Observation:
    """Return a refusal with that status, and with those words."""
    recorder = Recorder()
    recorder.head = Head(status, "application/json", framing=BodyFraming.LENGTH, retry_after=retry)
    recorder.connected = True
    error = ServerError(message=words) if words else None
    return observed(end(recorder, EndKind.DECLINED, after), tokens=None, server_error=error)


def unheard(kind: EndKind = EndKind.CLOSED, at: float = 0.1) -> Observation:
    """Return a connection that was closed before any head."""
    recorder = Recorder()
    recorder.connected = True
    return observed(end(recorder, kind, at), tokens=None)


def unreached(kind: EndKind = EndKind.DNS) -> Observation:
    """Return a probe that found no way."""
    return observed(end(Recorder(), kind, 0.01), tokens=None)


def too_slow(deadline: Deadline) -> Observation:
    """Return a probe that a deadline of ours ended before any head."""
    recorder = Recorder()
    recorder.connected = deadline is not Deadline.CONNECT
    recorder.ending = Ending(EndKind.DEADLINE, 5.0, "5 s", deadline)
    return observed(recorder.finish(), tokens=None)


def in_one_piece() -> Observation:
    """Return a stream whose chunks all came in one read."""
    recorder = begun()
    recorder.arrived(2.0, 1e-5, 700)
    for number in range(6):
        recorder.record(Output("x"), 100 + number * 100)
    recorder.record(Finish("stop"), 700)
    return observed(end(recorder, EndKind.COMPLETE, 2.1))


def piece_by_piece() -> Observation:
    """Return a stream of as many chunks, each in a read of its own."""
    return observed(line(*chunks(0.1, 1, 2, 3, 4, 5), (6, Finish("stop"))))


def sized(at: float) -> Observation:
    """Return a cut body with a declared length: a file, not a generator."""
    recording = cut(at).recording
    assert recording.head is not None
    return observed(replace(recording, head=replace(recording.head, framing=BodyFraming.LENGTH)))


def invented() -> Observation:
    """Return a correct beginning of the list, followed by the protocol's end."""
    check = CheckResult("count", "missing", 0.5, beginning=True)
    return observed(line(*chunks(0.2, 0.3), (0.4, Finish("stop"))), check=check)


def after(one: Observation, found: AfterCut) -> Observation:
    """Return a cut with what a connection attempt after it found."""
    return replace(one, after_cut=found)
