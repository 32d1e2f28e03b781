"""The event of one probe as it is read back from the API or the history: checked, and only what the commands show.

It may be of another version, or a file that somebody sent: what it lacks has a default, and what it has too much is
passed over. No text of it is safe to print before it went through `redact.visible`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Annotated

import msgspec

from monitor.judge.verdict import OUR_OWN, TRUNCATED, UNREADABLE, Outcome

_LONGEST = 1e9
Seconds = Annotated[float, msgspec.Meta(ge=0, le=_LONGEST)]
Count = Annotated[int, msgspec.Meta(ge=0)]
_MIN_TOKENS = 2
_GOOD = 2


class EventError(ValueError):
    """What was read is no event of a probe; the text says what is wrong with it."""


class Tokens(msgspec.Struct, frozen=True):
    """Tokens of one probe; `estimated` where the server counted none."""

    output: Count = 0
    estimated: bool = False


class Check(msgspec.Struct, frozen=True):
    """How far the answer was right."""

    progress: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None


class Slo(msgspec.Struct, frozen=True):
    """Whether the probe was good, by each objective; absent where it says nothing of the target."""

    availability: bool
    first_chunk: bool


class ServerError(msgspec.Struct, frozen=True):
    """The server's own words of what failed."""

    message: str | None = None


class Suspicion(msgspec.Struct, frozen=True):
    """Whom the recent probes, together, point at, and by what."""

    suspect: str
    because: str


class Timeline(msgspec.Struct, frozen=True):
    """Arrivals as time, uncertainty, offset and bytes; events as time, uncertainty, kind and payload offset."""

    arrivals: tuple[tuple[Seconds, float, Count, Count], ...] = ()
    events: tuple[tuple[Seconds, float, str, int], ...] = ()


class Event(msgspec.Struct, frozen=True):
    """One probe; times in seconds from zero."""

    probe_id: str
    target: str
    timestamp: str
    outcome: str
    detail: str
    protocol: str
    duration: Seconds
    cause: str | None = None
    unclean_cause: str | None = None
    trigger: str = ""
    url: str = ""
    peer: str | None = None
    http_status: int | None = None
    request_ids: dict[str, str] = {}
    timings: dict[str, Seconds] = {}
    uncertainty: Seconds = 0.0
    chunks: Count = 0
    pings: Count = 0
    gap: dict[str, Seconds] = {}
    buffered: bool = False
    tokens: Tokens | None = None
    check: Check | None = None
    slo: Slo | None = None
    server_error: ServerError | None = None
    last_words: str | None = None
    diagnosis: tuple[Suspicion, ...] = ()
    timeline: Timeline | None = None

    @property
    def verdict(self) -> str:
        """Outcome and cause as one word."""
        return f"{self.outcome}/{self.cause}" if self.cause else self.outcome

    @property
    def available(self) -> bool:
        """Whether the availability SLO counts it as good."""
        return self.slo is not None and self.slo.availability

    @property
    def ours(self) -> bool:
        """Whether it says nothing of the target."""
        return self.outcome in OUR_OWN

    @property
    def accepted(self) -> bool:
        """Whether a 2xx head came, and a stream that could be read."""
        good = self.http_status is not None and self.http_status // 100 == _GOOD
        return good and not self.ours and (self.outcome, self.cause) not in UNREADABLE

    @property
    def truncated(self) -> bool:
        """Whether the truncation ratio counts it."""
        return self.accepted and (self.outcome, self.cause) in TRUNCATED

    @property
    def wrong_content(self) -> bool:
        """Whether the content check failed."""
        return self.outcome == Outcome.WRONG_CONTENT

    @property
    def output_rate(self) -> float | None:
        """Output tokens a second between the first chunk and the last; None where that says nothing."""
        span = self.timings.get("last_chunk", 0.0) - self.timings.get("first_chunk", 0.0)
        if self.tokens is None or self.tokens.output < _MIN_TOKENS or span <= 0:
            return None
        return (self.tokens.output - 1) / span


@dataclass(frozen=True, slots=True)
class Glance:
    """One target at a glance: its last probe, and what was worked out of those before it; times in seconds."""

    name: str
    outcomes: Sequence[str] = ()
    """Of the recent probes, newest first."""
    last: Event | None = None
    first_chunk: float | None = None
    """The time that half of the recent probes did not pass."""
    truncation_ratio: float | None = None
    failures: int = 0
    """How many failed one after the other, up to the last."""
    note: str = ""
    """Why it is not being asked, where it is not."""


def glance(name: str, events: Sequence[Event]) -> Glance:
    """Return what the events of one target, newest first, come to."""
    judged = [event for event in events if not event.ours]
    counted = [event for event in judged if event.accepted and event.trigger == "schedule"]
    firsts = sorted(event.timings["first_chunk"] for event in events if "first_chunk" in event.timings)
    return Glance(
        name,
        outcomes=[event.outcome for event in events],
        last=(judged or list(events))[0] if events else None,
        first_chunk=firsts[(len(firsts) - 1) // 2] if firsts else None,
        truncation_ratio=sum(event.truncated for event in counted) / len(counted) if counted else None,
        failures=len(list(takewhile(lambda event: not event.available, judged))),
    )


def read(value: object) -> Event:
    """Return what JSON says of a probe; EventError where it is no event."""
    try:
        return msgspec.convert(value, Event)
    except (msgspec.ValidationError, RecursionError) as error:
        raise EventError(f"no event of a probe: {error}") from None
