"""What must hold of the event of a stream that was read late."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from monitor.http.errors import TOO_LATE
from tests.stopped.connection import ServedStream, Span

Event = Mapping[str, Any]
_TOLERANCE = 0.5e-3
"""Seconds between a write and its arrival on loopback, at most."""
_OURS = "inconclusive/resources"
_BLAMED = frozenset({"incomplete_body", "reset", "closed", "partial_head", "tls_handshake"})
"""Causes that say that the peer ended the connection."""


class Run(NamedTuple):
    """All streams, read once: their events, what the servers did, and three times of `time.monotonic`."""

    events: Sequence[Event]
    served: Sequence[ServedStream]
    began: float
    resumed: float
    """From then on the client's process ran."""
    ended: float


class Claim(NamedTuple):
    """A time of an event, at most `uncertainty` too late, and when it was."""

    what: str
    at: float
    uncertainty: float
    truth: Span


def verdict(event: Event) -> str:
    """Return outcome and cause, and whether the end was unclean."""
    return f"{event['outcome']}/{event.get('cause', '')}" + (" unclean" if event.get("unclean_end") else "")


def wrong_verdict(event: Event, wanted: str, served: ServedStream, run: Run) -> str | None:
    """Return what is wrong with a verdict, compared with that of the stream that was read at once.

    It may be the monitor's own if that may not have run for more than a second.
    """
    found = verdict(event)
    if wanted == _OURS or (found == _OURS and run.ended - run.began > TOO_LATE):
        return None
    if found != wanted:
        return f"{found} ({event.get('detail')}) in place of {wanted}"
    ended = served.spans[served.stream.end].end
    if run.resumed - ended > TOO_LATE and event.get("cause") in _BLAMED and not _explained(served):
        return f"{found}, although it ended while the process was stopped"
    return None


def _explained(served: ServedStream) -> bool:
    """Whether bytes of the response say that it ends."""
    return isinstance(served.stream.steps[served.stream.end], bytes)


def wrong_times(event: Event, served: ServedStream) -> str | None:
    """Return which two times cannot both be right, whatever moment the event's zero is."""
    if verdict(event) == _OURS:
        return None
    if len(_outputs(event)) != len(served.stream.chunks):
        return f"{len(_outputs(event))} chunks in place of {len(served.stream.chunks)}"
    claims = list(_claims(event, served))
    late = max(claims, key=lambda one: one.truth.begin - one.at)
    early = min(claims, key=lambda one: one.truth.end - one.at + one.uncertainty)
    apart = late.truth.begin - late.at - (early.truth.end - early.at + early.uncertainty)
    return f"{late.what} and {early.what} are wrong by {1e3 * apart:.2f} ms" if apart > _TOLERANCE else None


def _claims(event: Event, served: ServedStream) -> Iterator[Claim]:
    timings, unsure = event["timings"], event["uncertainties"]
    marks = {"request_sent": served.requested, "end": served.spans[served.stream.end]}
    if served.stream.head is not None:
        marks["headers"] = served.spans[served.stream.head]
    chunks = [served.spans[step] for step in served.stream.chunks]
    if chunks:
        marks |= {"first_byte": chunks[0], "first_chunk": chunks[0], "last_chunk": chunks[-1]}
    for name, truth in marks.items():
        if name in timings:
            yield Claim(name, timings[name], unsure.get(name, 0.0), truth)
    for number, ((at, uncertainty, *_), truth) in enumerate(zip(_outputs(event), chunks, strict=True)):
        yield Claim(f"chunk {number}", at, uncertainty, truth)


def _outputs(event: Event) -> list[list[Any]]:
    return [row for row in event["timeline"]["events"] if row[2] == "output"]


def wrong(run: Run, prompt: Run) -> str:
    """Return what is wrong with a run, a line each, compared with one in which all streams were read at once."""
    found = []
    for event, before, served in zip(run.events, prompt.events, run.served, strict=True):
        problems = (wrong_verdict(event, verdict(before), served, run), wrong_times(event, served))
        found += [f"{served.stream.name}: {problem}" for problem in problems if problem]
    return "\n".join(found)
