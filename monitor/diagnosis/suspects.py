"""Who cut it: what the recent probes of a target, together, point at.

A suspect is named where more than one probe says the same, or where the server says it itself; where two explain the
same probes, the one that explains more stands alone. No suspect is better than a wrong one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice, pairwise

from monitor.judge.verdict import CAUSES, OUR_OWN, Outcome
from monitor.record.observation import Observation
from monitor.record.parts import Suspect, Suspicion
from monitor.stream.endings import AfterCut, BodyFraming
from monitor.stream.statistics import BUFFERABLE, buffered
from monitor.target import Target

Of = Callable[[str], Sequence[Observation]]
"""Returns the recent observations of the target of that name."""

_WINDOW = 10
"""Probes that are looked at together; what lies further back is another story."""
_LATEST = 5
_ENOUGH, _MOST = 3, 4
"""Cuts that say anything by their age: at an age that people set, and at any other. Of five, one may be of another."""
_SHORTEST, _SHORTEST_ODD = 4.5, 10.0
"""Seconds below which no time-out of a proxy is expected: at a round age, and at an odd one."""
_APART, _APART_SHARE = 0.4, 0.01
"""Seconds, and where that is more the share of the age, within which cuts are at one age: timers are exact."""
_ROUND, _NEAR = 5.0, 0.35
"""Time-outs are set in multiples of 5 s; a cut is seen that near to one: nginx moves a timer only by 300 ms or more."""
_TWICE = 2
_GATEWAY_TIMEOUT, _BAD_GATEWAY, _UNAVAILABLE, _INTERNAL = 504, 502, 503, 500

Pairs = frozenset[tuple[Outcome, str | None]]
_WIRE: Pairs = frozenset({
    (Outcome.TRUNCATED, "incomplete_body"), (Outcome.TRUNCATED, "reset"),
    (Outcome.NO_RESPONSE, "closed"), (Outcome.NO_RESPONSE, "reset"),
})  # fmt: skip
"""The peer broke off, as a process that dies does."""
_CUT: Pairs = _WIRE | {
    (Outcome.TRUNCATED, "no_terminator"), (Outcome.TRUNCATED, "mid_event"), (Outcome.TRUNCATED, "incomplete_answer"),
}  # fmt: skip
"""The peer ended it, before its end: what a time-out in between does, too."""
_OVERLOADED: Pairs = frozenset({(Outcome.HTTP_ERROR, "overloaded"), (Outcome.STREAM_ERROR, "overloaded")})
_CONTEXT: Pairs = frozenset({(Outcome.STREAM_ERROR, "context_length"), (Outcome.TRUNCATED, "token_limit")})
_UNREACHED: Pairs = frozenset({
    (Outcome.UNREACHABLE, "dns"), (Outcome.UNREACHABLE, "network"), (Outcome.TIMEOUT, "connect"),
})  # fmt: skip
_SILENT: Pairs = frozenset({
    (Outcome.TRUNCATED, "no_terminator"), (Outcome.TRUNCATED, "incomplete_answer"), (Outcome.EMPTY, "no_output"),
})  # fmt: skip
"""A clean end of the wire under which an error may lie that nobody passed on."""
_FROM_BEHIND: Pairs = _CUT | _SILENT | _OVERLOADED | {
    (Outcome.STALLED, "silent"), (Outcome.STALLED, "no_output"), (Outcome.TIMEOUT, "headers"),
    (Outcome.TIMEOUT, "first_chunk"), (Outcome.TIMEOUT, "total"), (Outcome.HTTP_ERROR, "server"),
    *((Outcome.STREAM_ERROR, cause) for cause in CAUSES[Outcome.STREAM_ERROR]),
}  # fmt: skip
"""What a server comes to whose own upstream fails."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is known of a target: its latest probes, newest first, and those of the target behind it."""

    window: Sequence[Observation]
    upstream: Sequence[Observation]

    @property
    def latest(self) -> Sequence[Observation]:
        """The newest five."""
        return self.window[:_LATEST]


def diagnose(seen: Observation, of: Of) -> tuple[Suspicion, ...]:
    """Return what `seen` and the probes before it point at; nothing for a probe that we ended ourselves.

    What its upstream did meanwhile may come to light later: asked again, the answer may be another.
    """
    if seen.verdict.outcome in OUR_OWN:
        return ()
    before = (one for one in of(seen.target.name) if one.timestamp < seen.timestamp and _told_of(one, seen.target))
    window = (seen, *islice(before, _WINDOW - 1))
    upstream = of(seen.target.upstream) if seen.target.upstream is not None else ()
    case, found = Case(window, upstream), dict[Suspect, str]()
    for rule in RULES:
        if not found.keys() & rule.unless and (because := rule.because(case)):
            found[rule.suspect] = because
    return tuple(Suspicion(suspect, because) for suspect, because in found.items())


def _told_of(one: Observation, target: Target) -> bool:
    """Whether a probe says something, and of the server that is asked now."""
    return one.verdict.outcome not in OUR_OWN and one.target.url == target.url


# -- the rules ---------------------------------------------------------------------------------------------------------


def _pair(one: Observation) -> tuple[Outcome, str | None]:
    return one.verdict.outcome, one.verdict.cause


def _status(one: Observation) -> int:
    head = one.recording.head
    return head.status if head is not None else 0


def _share(those: Sequence[Observation], of: Sequence[Observation], what: str) -> str:
    """Say how many of the recent ones did something; nothing where none did."""
    return f"{len(those)} of the last {len(of)} {what}" if those else ""


def _at_one_age(ages: Iterable[float]) -> list[float]:
    """Return the largest group of ages that one timer can have ended."""
    ordered = sorted(ages)
    groups = [
        [age for age in ordered if first <= age <= first + max(_APART, _APART_SHARE * first)] for first in ordered
    ]
    return max(groups, key=len, default=[])


def _timer(ages: Sequence[float], since: str) -> str:
    """Say that a time-out ended most of these, where it is one; `ages` are the seconds since `since`."""
    group = _at_one_age(ages)
    if len(group) < max(_ENOUGH, min(len(ages), _MOST)) or group[0] < _SHORTEST:
        return ""
    middle, spread = (group[0] + group[-1]) / 2, (group[-1] - group[0]) / 2
    is_round = abs(middle - round(middle / _ROUND) * _ROUND) <= _NEAR + spread
    if not is_round and (len(group) < _MOST or group[0] < _SHORTEST_ODD):
        return ""
    return f"{len(group)} of the last {len(ages)} cuts came {middle:.1f} s +- {spread:.1f} after {since}"


def _proxy_timeout(case: Case) -> str:
    refused = [one for one in case.latest if _status(one) == _GATEWAY_TIMEOUT]
    cuts = [one for one in case.window if _pair(one) in _CUT][:_LATEST]
    ages = [one.duration for one in cuts]
    silences = [one.duration - last for one in cuts if (last := one.recording.last_byte) is not None]
    return (
        _timer(ages, "the request")
        or _timer(silences, "the last byte")
        or _share(refused, case.latest, "probes got a 504: a gateway waited no longer")
    )


def _restart(case: Case) -> str:
    if any(one.after_cut is AfterCut.REFUSED for one in case.latest):
        return "a probe was cut, and right after it nobody was listening"
    for after, cut in pairwise(case.latest):
        if _pair(cut) not in _WIRE:
            continue
        if _pair(after) == (Outcome.UNREACHABLE, "refused"):
            return "a probe was cut, and the next one found nobody listening"
        if _status(after) in {_BAD_GATEWAY, _UNAVAILABLE}:
            return f"a probe was cut, and the next one was answered with {_status(after)}"
    return ""


def _upstream(case: Case) -> str:
    said = [one for one in case.latest if _pair(one) == (Outcome.STREAM_ERROR, "upstream")]
    gone = [one for one in case.latest if _status(one) == _BAD_GATEWAY]
    return (
        _failed_with(case.window[0], case.upstream)
        or _share(said, case.latest, "probes said that the server behind had failed")
        or _share(gone, case.latest, "probes got a 502: the server behind a gateway did not answer it")
    )


def _failed_with(seen: Observation, upstream: Sequence[Observation]) -> str:
    """Say that the target behind failed as well, when it was asked at about the same time."""
    known = [one for one in upstream if one.verdict.outcome not in OUR_OWN]
    nearest = min(known, key=lambda one: abs(one.timestamp - seen.timestamp), default=None)
    if nearest is None or nearest.available or _pair(seen) not in _FROM_BEHIND:
        return ""
    if abs(nearest.timestamp - seen.timestamp) > timedelta(seconds=2 * nearest.target.interval):
        return ""
    return f"the target behind it, {nearest.target.name}, failed as well: {'/'.join(filter(None, _pair(nearest)))}"


def _app_exception(case: Case) -> str:
    """Judge by a chunked body without its last chunk, ended in good order: so servers end what an exception left."""
    streams = [one for one in case.window if one.verdict.accepted]
    left = [one for one in streams if _pair(one) == (Outcome.TRUNCATED, "incomplete_body") and _chunked(one)]
    failed = [one for one in case.latest if _status(one) == _INTERNAL]
    if len(left) < _TWICE:
        return _share(failed, case.latest, "probes got a 500")
    return _share(left, streams, "streams lacked the last chunk, from a server that goes on answering")


def _chunked(one: Observation) -> bool:
    return one.recording.head is not None and one.recording.head.framing is BodyFraming.CHUNKED


def _silent_end(case: Case) -> str:
    streams = [one for one in case.window if one.verdict.accepted]
    silent = [one for one in streams if _pair(one) in _SILENT]
    return _share(silent, streams, "streams ended as if all were well, and were not whole")


def _buffering_proxy(case: Case) -> str:
    streams = [one for one in case.window if one.recording.chunks >= BUFFERABLE][:_LATEST]
    whole = [one for one in streams if buffered(one.recording)]
    return _share(whole, streams, "streams came in one piece") if len(streams) == len(whole) >= _ENOUGH else ""


def _said(pairs: Pairs, what: str) -> Callable[[Case], str]:
    """Return the rule for which a verdict alone is enough."""
    return lambda case: _share([one for one in case.latest if _pair(one) in pairs], case.latest, what)


@dataclass(frozen=True, slots=True)
class Rule:
    """When a suspect is named: `because` says why, or nothing; `unless` are those that explain the same better."""

    suspect: Suspect
    because: Callable[[Case], str]
    unless: frozenset[Suspect] = frozenset()


_ELSEWHERE = frozenset({Suspect.PROXY_TIMEOUT, Suspect.RESTART, Suspect.UPSTREAM})
RULES = (
    Rule(Suspect.PROXY_TIMEOUT, _proxy_timeout),
    Rule(Suspect.RESTART, _restart),
    Rule(Suspect.UPSTREAM, _upstream, frozenset({Suspect.RESTART})),
    Rule(Suspect.APP_EXCEPTION, _app_exception, _ELSEWHERE),
    Rule(Suspect.OVERLOAD, _said(_OVERLOADED, "probes were told of overload"), frozenset({Suspect.RESTART})),
    Rule(Suspect.CONTEXT, _said(_CONTEXT, "probes met the limit of the model's context or output")),
    Rule(Suspect.NETWORK, _said(_UNREACHED, "probes did not get as far as the server")),
    Rule(Suspect.BUFFERING_PROXY, _buffering_proxy),
    Rule(Suspect.SILENT_END, _silent_end, _ELSEWHERE),
)
"""In this order: whoever is in the `unless` of another stands before it."""
