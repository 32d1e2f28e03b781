"""The result of one probe: every sink receives it, and the probe event is made from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from urllib.parse import quote, urlsplit, urlunsplit

from monitor.judge.content_check import CheckResult
from monitor.judge.verdict import OUR_OWN, Outcome, Verdict
from monitor.record.parts import ServerError, Suspicion, Tokens
from monitor.stream.endings import AfterCut, Mark
from monitor.stream.recording import Recording
from monitor.target import Target

_MIN_SAMPLES = 2


@dataclass(frozen=True, slots=True)
class Observation:
    """One probe, judged. Times in seconds; `timestamp` is the wall clock at zero, in UTC."""

    probe_id: str
    target: Target
    timestamp: datetime
    trigger: str
    recording: Recording
    verdict: Verdict
    location: str = ""
    peer: str | None = None
    ip_family: int | None = None
    connection: str = "fresh"
    retried: bool = False
    schedule_delay: float | None = None
    own_delay: float | None = None
    """The monitor's own delay in seconds until the request was sent; it is not part of any time."""
    tokens: Tokens | None = None
    charged: int = 0
    """Tokens charged to the budget, bounded so that a server's wrong count cannot exhaust it."""
    check: CheckResult | None = None
    server_error: ServerError | None = None
    last_words: str | None = None
    """The last text before a cut, if `record` stores it."""
    certificate_expiry: float | None = None
    """Unix time at which the leaf certificate expires."""
    response_content_type: str = ""
    after_cut: AfterCut | None = None
    diagnosis: tuple[Suspicion, ...] = field(default=())

    @property
    def duration(self) -> float:
        """Seconds from zero to the end."""
        return self.recording.marks.get(Mark.END, 0.0)

    @property
    def available(self) -> bool:
        """Whether the availability SLO counts it as good."""
        if self.verdict.outcome is Outcome.WRONG_CONTENT:
            return not self.check_required
        return self.verdict.outcome in {Outcome.OK, Outcome.UNVERIFIED}

    @property
    def failed(self) -> bool:
        """Whether the target was unavailable; False for aborted and inconclusive probes."""
        return not self.available and self.verdict.outcome not in OUR_OWN

    @property
    def check_required(self) -> bool:
        """Whether a failed check makes the probe a failure: as configured, by default if the protocol has no end."""
        required = self.target.check.required if self.target.check else None
        return required if required is not None else not self.recording.rule.declared

    @property
    def first_chunk_good(self) -> bool:
        """Whether the first chunk came within its threshold; False if it never came."""
        first = self.recording.marks.get(Mark.FIRST_CHUNK)
        return first is not None and first <= self.target.slo.first_chunk.threshold

    @property
    def tail(self) -> float | None:
        """Seconds from the last chunk to the end."""
        marks = self.recording.marks
        if Mark.LAST_CHUNK not in marks or Mark.END not in marks:
            return None
        return max(marks[Mark.END] - marks[Mark.LAST_CHUNK], 0.0)

    @property
    def output_rate(self) -> float | None:
        """Output tokens a second: (output - 1) / (last_chunk - first_chunk); None if that is undefined."""
        marks = self.recording.marks
        if self.tokens is None or self.tokens.output < _MIN_SAMPLES or Mark.FIRST_CHUNK not in marks:
            return None
        span = marks[Mark.LAST_CHUNK] - marks[Mark.FIRST_CHUNK]
        return (self.tokens.output - 1) / span if span > 0 else None

    @property
    def steps(self) -> dict[str, float]:
        """Durations of the completed steps, by the labels of `chat_stream_last_step_seconds`."""
        marks, before, found = self.recording.marks, 0.0, {}
        for step, mark in _STEPS:
            if mark in marks:
                found[step] = max(marks[mark] - before, 0.0)
                before = max(marks[mark], before)
        return found


_STEPS = (
    ("dns", Mark.DNS),
    ("connect", Mark.CONNECT),
    ("tls", Mark.TLS),
    ("request", Mark.REQUEST_SENT),
    ("headers", Mark.HEADERS),
    ("first_chunk", Mark.FIRST_CHUNK),
    ("stream", Mark.LAST_CHUNK),
)


_SHORTEST_HIDDEN = 4
"""The fewest characters of a value that is hidden in a path: a shorter one may be an ordinary word."""


def shown_url(target: Target) -> str:
    """Return the URL of a target without user-info, query values and the values of variables in its path."""
    hidden = {one.reveal() for one in target.from_variables} if target.from_variables else set()
    return public_url(target.url, hidden)


def public_url(url: str, hidden: Iterable[str] = ()) -> str:
    """Return `url` without user-info and query values, and without the `hidden` values in its path."""
    parts = urlsplit(url)
    path = parts.path
    for value in sorted(hidden, key=len, reverse=True):
        for form in (value, quote(value, safe="")) if len(value) >= _SHORTEST_HIDDEN else ():
            path = path.replace(form, "***")
    host = parts.netloc.rpartition("@")[2]
    pairs = [pair.partition("=") for pair in parts.query.split("&") if pair]
    query = "&".join(f"{name}=***" if equals else "***" for name, equals, _ in pairs)
    return urlunsplit((parts.scheme, host, path, query, ""))


@lru_cache(maxsize=16_384)  # the status page of 10,000 targets asks for each: 23 ms
def host_of(url: str) -> str:
    """Return the host of `url`, with its port if one is given."""
    return urlsplit(url).netloc.rpartition("@")[2]
