"""Whether the target behind another was well at the time of a failure: by its probes around that time."""

from __future__ import annotations

from monitor.diagnosis.facts import Behind, Pair, ProbeFacts
from monitor.diagnosis.incident import History
from monitor.diagnosis.words import Statement
from monitor.judge.verdict import Outcome

_MARGIN = 1.0
"""Seconds by which one failure is seen earlier or later than the other: they pass through other hops."""
_RUNNING = 0.2
"""Seconds that a stream went on after a moment, to be one that this moment did not end."""

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
"""What a server comes to whose upstream dies, hangs or raises."""
_FAILED: frozenset[Pair] = (_PASSED_ON - {(Outcome.WRONG_CONTENT, "too_short")}) | {
    (Outcome.UNREACHABLE, "refused"), (Outcome.UNREACHABLE, "network"), _NO_CONNECTION,
}  # fmt: skip
"""What an upstream comes to that dies, hangs or raises; a key of ours that it refuses is no fault of it."""


def can_come_from_behind(failed: ProbeFacts) -> bool:
    """Whether the server behind can be what failed: a gateway passes on or answers for it."""
    return failed.pair in _PASSED_ON or failed.says in {Statement.GONE, Statement.LATE}


def explains(behind: ProbeFacts, failed: ProbeFacts) -> bool:
    """Whether a failure of the target behind is one that makes the target in front fail so."""
    if behind.good or failed.pair[0] is Outcome.UNREACHABLE or failed.pair == _NO_CONNECTION:
        return False
    return behind.pair == failed.pair or (behind.pair in _FAILED and can_come_from_behind(failed))


def look_behind(failed: ProbeFacts, upstream: History) -> tuple[Behind, ProbeFacts | None]:
    """Return what the upstream was when `failed` failed, and its probe that says so; None if none does yet.

    A probe says what it met from its beginning to its end. One that runs at the moment decides; else the probes
    before and after that moment do: one failure is enough, and it is well if both were good.
    """
    begun, ended = failed.waited_since, failed.end
    near = [one for one in upstream.probes if _within(one, begun - upstream.reach, ended + upstream.reach)]
    meanwhile = [one for one in near if not one.good and _within(one, begun - _MARGIN, ended + _MARGIN)]
    before = max((one for one in near if one.end <= ended), key=_end, default=None)
    after = min((one for one in near if one.end > ended), key=_end, default=None)
    running = next((one for one in near if one.good and one.start < begun and one.end > ended + _RUNNING), None)
    found = next((one for one in meanwhile if explains(one, failed)), None)
    if found is None and running is not None:
        return Behind.RUNNING, running
    found = found or next((one for one in (after, before) if one is not None and explains(one, failed)), None)
    if found is not None:
        return Behind.FAILED, found
    return (Behind.WELL, after) if after is not None and after.good else (Behind.UNKNOWN, None)


def _within(one: ProbeFacts, begin: float, end: float) -> bool:
    """Whether what a probe says is about a moment between these: a good one about all of it, else about its end."""
    return (one.start if one.good else one.waited_since) <= end and one.end >= begin


def _end(one: ProbeFacts) -> float:
    return one.end
