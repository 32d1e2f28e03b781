"""What the diagnosis stores of one probe: a small record, made in one place from an observation."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from urllib.parse import urlsplit

from monitor.diagnosis.error_messages import Statement, classify
from monitor.judge.verdict import OUR_OWN, Outcome
from monitor.record.observation import Observation
from monitor.record.parts import Suspect
from monitor.stream.endings import AfterCut, BodyFraming, EndKind, Mark
from monitor.stream.statistics import BUFFERABLE, buffered

Pair = tuple[Outcome, str | None]
_PORTS = {"http": 80, "https": 443}
_WHOLE = 1.0


class UpstreamState(Enum):
    """The state of the upstream at the time of a failure."""

    UNKNOWN = "unknown"
    FAILED = "failed"
    HEALTHY = "healthy"
    """Its probes before and after were good."""
    RUNNING = "running"
    """A good stream of it was running at that moment."""


@dataclass(slots=True, eq=False)
class ProbeFacts:
    """One probe of a target. Times are Unix seconds, durations seconds; the fields from `rank` on are its diagnosis."""

    probe_id: str
    start: float
    end: float
    pair: Pair
    status: int = 0
    """The final status; 0 without a head."""
    chunked: bool = False
    clean: bool = False
    """The body was chunked or length-delimited and ended as declared, so its sender was running."""
    age: float = 0.0
    """From the request to the end."""
    silence: float | None = None
    """From the last byte of the body to the end; None if none arrived."""
    first_byte: float | None = None
    chunks: int = 0
    whole: bool = False
    """The content check shows the whole answer, however the stream ended."""
    beginning: bool = False
    """The content check shows only a correct beginning."""
    connected: bool = False
    after_cut: AfterCut | None = None
    statement: Statement = Statement.NOTHING
    retry_after: bool = False
    buffered: bool | None = None
    """Whether it arrived in one piece; None if it was too short to decide."""
    upstream_state: UpstreamState = UpstreamState.UNKNOWN
    rank: int = 0
    blame: Suspect | None = None
    because: str = ""

    @property
    def good(self) -> bool:
        """Whether it got a whole answer."""
        return self.pair[0] in GOOD

    @property
    def word(self) -> str:
        """Outcome and cause as the docs write them."""
        return "/".join(filter(None, self.pair))

    @property
    def waited_since(self) -> float:
        """The earliest time at which its failure may have begun: the last byte, or the request if none arrived."""
        return self.end - (self.age if self.silence is None else self.silence)


GOOD = frozenset({Outcome.OK, Outcome.UNVERIFIED})


def is_evidence(observation: Observation) -> bool:
    """Whether a probe is evidence; aborted and inconclusive probes are not."""
    return observation.verdict.outcome not in OUR_OWN


def endpoint_of(url: str) -> str:
    """Return host and port of a URL: one process or one group of processes listens there."""
    parts = urlsplit(url)
    port = parts.port or _PORTS.get(parts.scheme.lower(), 0)
    return f"{parts.hostname or ''}:{port}"


def facts_of(observation: Observation) -> ProbeFacts:
    """Return the facts of an observation."""
    line, verdict, error = observation.recording, observation.verdict, observation.server_error
    head, start, last = line.head, observation.timestamp.timestamp(), line.last_byte
    framing = head.framing if head is not None else None
    ended = line.ending.kind is EndKind.COMPLETE
    return ProbeFacts(
        probe_id=observation.probe_id,
        start=start,
        end=start + observation.duration,
        pair=(verdict.outcome, verdict.cause),
        status=head.status if head is not None else 0,
        chunked=framing is BodyFraming.CHUNKED,
        clean=ended and framing is not BodyFraming.CLOSE,
        age=observation.duration,
        silence=None if last is None else max(observation.duration - last, 0.0),
        first_byte=line.marks.get(Mark.FIRST_BYTE),
        chunks=line.chunks,
        whole=observation.check is not None
        and (observation.check.fault is None or observation.check.progress == _WHOLE),
        beginning=observation.check is not None and observation.check.beginning,
        connected=line.connected,
        after_cut=observation.after_cut,
        statement=classify(error.message or None, error.type or None, error.code or None)
        if error is not None
        else Statement.NOTHING,
        retry_after=head is not None and head.retry_after is not None,
        buffered=buffered(line) if line.chunks >= BUFFERABLE else None,
    )
