"""Whether a target's upstream was healthy at the time of a failure, by the upstream's probes around that time."""

from __future__ import annotations

from monitor.diagnosis.error_messages import Statement
from monitor.diagnosis.facts import Pair, ProbeFacts, UpstreamState
from monitor.diagnosis.incident import History
from monitor.judge.verdict import Outcome

_MARGIN = 1.0
"""Seconds by which one failure may be observed earlier or later than the other, because of different hops."""
_RUNNING = 0.2
"""A stream that continued this many seconds after a moment was not ended by it."""

_NO_CONNECTION: Pair = (Outcome.TIMEOUT, "connect")
_PASSED_ON: frozenset[Pair] = frozenset({
    *((Outcome.TRUNCATED, cause) for cause in (
        "incomplete_body", "reset", "malformed_body", "no_terminator", "mid_event", "server_abort", "incomplete_answer",
    )),
    (Outcome.EMPTY, "no_output"), (Outcome.EMPTY, "no_body"), (Outcome.WRONG_CONTENT, "missing"),
    (Outcome.WRONG_CONTENT, "too_short"),
    (Outcome.STALLED, "silent"), (Outcome.STALLED, "no_output"),
    (Outcome.TIMEOUT, "headers"), (Outcome.TIMEOUT, "first_chunk"), (Outcome.TIMEOUT, "total"),
    (Outcome.HTTP_ERROR, "server"), (Outcome.HTTP_ERROR, "overloaded"),
    (Outcome.STREAM_ERROR, "upstream"), (Outcome.STREAM_ERROR, "overloaded"), (Outcome.STREAM_ERROR, "other"),
    (Outcome.NO_RESPONSE, "closed"), (Outcome.NO_RESPONSE, "reset"), (Outcome.NO_RESPONSE, "partial_head"),
    (Outcome.BAD_RESPONSE, "content_type"),
})  # fmt: skip
"""Outcomes of a server whose upstream dies, hangs or raises."""
_FAILED: frozenset[Pair] = (_PASSED_ON - {(Outcome.WRONG_CONTENT, "too_short")}) | {
    (Outcome.UNREACHABLE, "refused"), (Outcome.UNREACHABLE, "network"), _NO_CONNECTION,
}  # fmt: skip
"""Outcomes of an upstream that dies, hangs or raises; a refused key of ours is not its fault."""


def can_come_from_upstream(failed: ProbeFacts) -> bool:
    """Whether the upstream can have caused a failure: a gateway passes it on or answers in its place."""
    return failed.pair in _PASSED_ON or failed.statement in {Statement.UPSTREAM_LOST, Statement.TIMED_OUT}


def explains(upstream: ProbeFacts, failed: ProbeFacts) -> bool:
    """Whether a failure of the upstream explains a failure of its gateway."""
    if upstream.good or failed.pair[0] is Outcome.UNREACHABLE or failed.pair == _NO_CONNECTION:
        return False
    return upstream.pair == failed.pair or (upstream.pair in _FAILED and can_come_from_upstream(failed))


def upstream_state_at(failed: ProbeFacts, upstream: History) -> tuple[UpstreamState, ProbeFacts | None]:
    """Return the upstream's state when `failed` failed, and the probe that shows it; None if there is none yet.

    A probe is evidence from its start to its end. One that was running at that moment decides, else the probes before
    and after it: one failure is enough, and the upstream was healthy if both were good.
    """
    begun, ended = failed.waited_since, failed.end
    near = [one for one in upstream.probes if _within(one, begun - upstream.reach, ended + upstream.reach)]
    meanwhile = [one for one in near if not one.good and _within(one, begun - _MARGIN, ended + _MARGIN)]
    before = max((one for one in near if one.end <= ended), key=_end, default=None)
    after = min((one for one in near if one.end > ended), key=_end, default=None)
    running = next((one for one in near if one.good and one.start < begun and one.end > ended + _RUNNING), None)
    found = next((one for one in meanwhile if explains(one, failed)), None)
    if found is None and running is not None:
        return UpstreamState.RUNNING, running
    found = found or next((one for one in (after, before) if one is not None and explains(one, failed)), None)
    if found is not None:
        return UpstreamState.FAILED, found
    return (UpstreamState.HEALTHY, after) if after is not None and after.good else (UpstreamState.UNKNOWN, None)


def _within(one: ProbeFacts, begin: float, end: float) -> bool:
    """Whether a probe is evidence for a moment in this span: a good one from its start on, a failed one at its end."""
    return (one.start if one.good else one.waited_since) <= end and one.end >= begin


def _end(one: ProbeFacts) -> float:
    return one.end
