"""What one probe saw: all that sinks, pages and the command line receive; and its record, the event of the contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from statistics import quantiles
from urllib.parse import urlsplit, urlunsplit

from monitor import __version__
from monitor.judge.content_check import CheckResult
from monitor.judge.verdict import OUR_OWN, Outcome, Verdict
from monitor.stream.endings import AfterCut, Mark
from monitor.stream.recording import Recording
from monitor.stream.statistics import buffered, gaps, uncertainty
from monitor.target import Target

SCHEMA = 1
_MIN_SAMPLES = 2


class Suspect(StrEnum):
    """Who may be at fault: a closed set, as it stands in events, labels and docs."""

    PROXY_TIMEOUT = "proxy_timeout"
    RESTART = "restart"
    APP_EXCEPTION = "app_exception"
    UPSTREAM = "upstream"
    OVERLOAD = "overload"
    CONTEXT = "context"
    NETWORK = "network"
    BUFFERING_PROXY = "buffering_proxy"
    SILENT_END = "silent_end"


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What the recent probes, together, point at, and by what, in our words."""

    suspect: Suspect
    because: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one probe; `estimated` where the server counted none."""

    input: int
    output: int
    reasoning: int = 0
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class ServerError:
    """The server's own words of what failed, cut to length, escaped and redacted."""

    type: str | None = None
    code: str | None = None
    message: str | None = None


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
    tokens: Tokens | None = None
    check: CheckResult | None = None
    server_error: ServerError | None = None
    last_words: str | None = None
    """The last text before a cut, where `record` keeps it."""
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
        """Whether it found the target not available; what is our own says nothing of it."""
        return not self.available and self.verdict.outcome not in OUR_OWN

    @property
    def check_required(self) -> bool:
        """Whether a failed check makes the probe a failure: said in the config, or true where no end is declared."""
        said = self.target.check.required if self.target.check else None
        return said if said is not None else not self.recording.rule.declared

    @property
    def first_chunk_good(self) -> bool:
        """Whether the first chunk came within its threshold; not reached is bad."""
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
        """Output tokens a second: (output - 1) / (last_chunk - first_chunk); None where that says nothing."""
        marks = self.recording.marks
        if self.tokens is None or self.tokens.output < _MIN_SAMPLES or Mark.FIRST_CHUNK not in marks:
            return None
        span = marks[Mark.LAST_CHUNK] - marks[Mark.FIRST_CHUNK]
        return (self.tokens.output - 1) / span if span > 0 else None

    @property
    def steps(self) -> dict[str, float]:
        """Durations of the steps that were passed, in the words of `chat_stream_last_step_seconds`."""
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


def public_url(url: str) -> str:
    """Return `url` without user-info and query values."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    pairs = [pair.partition("=") for pair in parts.query.split("&") if pair]
    query = "&".join(f"{name}=***" if equals else "***" for name, equals, _ in pairs)
    return urlunsplit((parts.scheme, host, parts.path, query, ""))


def host_of(url: str) -> str:
    """Return the host, with its port where one is given, of `url`."""
    return urlsplit(url).netloc.rpartition("@")[2]


def gap_summary(apart: list[float]) -> dict[str, float] | None:
    """Return p50, p99 and max of the gaps `apart` in seconds; None without any."""
    if not apart:
        return None
    if len(apart) < _MIN_SAMPLES:
        return {"p50": _seconds(apart[0]), "p99": _seconds(apart[0]), "max": _seconds(apart[0])}
    cuts = quantiles(apart, n=100, method="inclusive")
    return {"p50": _seconds(cuts[49]), "p99": _seconds(cuts[98]), "max": _seconds(max(apart))}


def record(seen: Observation, *, timeline: bool = False) -> dict[str, object]:
    """Return the event of contract.md, section 3: a key that does not apply or was not reached is absent."""
    event: dict[str, object] = {
        "event": "probe",
        "schema": SCHEMA,
        "probe_id": seen.probe_id,
        "target": seen.target.name,
        "labels": dict(seen.target.labels) or None,
        "location": seen.location or None,
        "timestamp": seen.timestamp.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "trigger": seen.trigger,
        "monitor_version": __version__,
        **_verdict(seen),
        **_request(seen),
        **_response(seen),
        **_measured(seen),
        **_judged(seen),
        "diagnosis": [{"suspect": it.suspect.value, "because": it.because} for it in seen.diagnosis] or None,
        "timeline": _timeline(seen.recording) if timeline else None,
    }
    return {key: value for key, value in event.items() if value is not None}


def _verdict(seen: Observation) -> dict[str, object]:
    verdict = seen.verdict
    return {
        "outcome": verdict.outcome.value,
        "cause": verdict.cause,
        "phase": verdict.phase.value,
        "unclean_end": verdict.unclean is not None,
        "unclean_cause": verdict.unclean.value if verdict.unclean else None,
        "detail": verdict.detail,
    }


def _request(seen: Observation) -> dict[str, object]:
    return {
        "protocol": seen.target.protocol,
        "model": seen.target.model,
        "response_model": seen.recording.model,
        "url": public_url(seen.target.url),
        "peer": seen.peer,
        "ip_family": seen.ip_family,
        "connection": seen.connection,
        "retried": seen.retried or None,
    }


def _response(seen: Observation) -> dict[str, object]:
    head = seen.recording.head
    if head is None:
        return {}
    return {
        "http_status": head.status,
        "content_type": head.content_type or None,
        "content_type_mismatch": seen.verdict.content_type_mismatch or None,
        "body_framing": head.framing.value,
        "request_ids": dict(head.request_ids) or None,
        "finish_reason": seen.recording.end.reason,
        "retry_after": head.retry_after,
    }


def _measured(seen: Observation) -> dict[str, object]:
    line = seen.recording
    return {
        "timings": {mark.value: _seconds(line.marks[mark]) for mark in Mark if mark in line.marks},
        "uncertainty": _seconds(uncertainty(line)),
        "schedule_delay": None if seen.schedule_delay is None else _seconds(seen.schedule_delay),
        "duration": _seconds(seen.duration),
        "tail": None if seen.tail is None else _seconds(seen.tail),
        "chunks": line.chunks,
        "pings": line.pings,
        "malformed_events": line.end.malformed_events,
        "bytes": line.bytes,
        "arrivals": line.reads,
        "gap": gap_summary([gap for gap, _ in gaps(line)]),
        "buffered": buffered(line),
    }


def _judged(seen: Observation) -> dict[str, object]:
    tokens, check, error = seen.tokens, seen.check, seen.server_error
    return {
        "tokens": tokens
        and {
            "input": tokens.input,
            "output": tokens.output,
            "reasoning": tokens.reasoning,
            "estimated": tokens.estimated,
        },
        "check": check and _present({"kind": check.kind, "progress": _ratio(check.progress)}),
        "slo": None
        if seen.verdict.outcome in OUR_OWN
        else {"availability": seen.available, "first_chunk": seen.first_chunk_good},
        "server_error": (error and _present({"type": error.type, "code": error.code, "message": error.message}))
        or None,
        "last_words": seen.last_words,
        "after_cut": seen.after_cut and seen.after_cut.value,
    }


def _timeline(line: Recording) -> dict[str, object]:
    arrivals, before = [], 0
    for arrival in line.arrivals:
        arrivals.append([_seconds(arrival.time), _seconds(arrival.uncertainty), before, arrival.offset - before])
        before = arrival.offset
    events = [[_seconds(at.time), _seconds(at.uncertainty), kind.value, offset] for at, kind, offset in line.events]
    return {"arrivals": arrivals, "events": events}


def _present(values: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in values.items() if value is not None}


def _ratio(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _seconds(value: float) -> float:
    """Microseconds are the finest that is meant."""
    return round(value, 6)
