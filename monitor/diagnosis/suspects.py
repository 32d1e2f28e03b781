"""Who is suspected: what each failure of an incident is blamed on, and which explanation covers most of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from monitor.diagnosis.error_messages import Statement
from monitor.diagnosis.facts import Pair, ProbeFacts, UpstreamState
from monitor.diagnosis.incident import History, Incident
from monitor.diagnosis.timers import Cut, Timer, may_be_one, timer_of
from monitor.diagnosis.upstream import can_come_from_upstream, upstream_state_at
from monitor.judge.verdict import Outcome
from monitor.record.parts import Suspect, Suspicion
from monitor.stream.endings import AfterCut

PATTERN, REPORTED, OBSERVED = 1, 2, 3
"""The strength of evidence: several probes share something; the server reports it; another probe observes it."""
_WINDOW = 10
"""How many probes back failures of past incidents are compared with those of the current one."""
_TOGETHER = 1.0
"""Seconds within which cuts of several streams are one event."""
_TWICE, _THRICE = 2, 3
_BUFFERED, _BUFFERED_LATEST = 3, 5
_RECENT = 2
"""A suspect has to explain at least one of this many newest failures."""
_USUAL = 0.25
"""If answers usually began within this share of a gateway's time-out, its upstream hangs."""
_INTERNAL, _BAD_GATEWAY, _UNAVAILABLE, _GATEWAY_TIMEOUT = 500, 502, 503, 504

Pairs = frozenset[Pair]
REFUSED: Pair = (Outcome.UNREACHABLE, "refused")
_BROKEN: Pairs = frozenset({
    (Outcome.TRUNCATED, "incomplete_body"), (Outcome.TRUNCATED, "reset"),
    (Outcome.NO_RESPONSE, "closed"), (Outcome.NO_RESPONSE, "reset"), (Outcome.NO_RESPONSE, "partial_head"),
})  # fmt: skip
"""The peer broke the connection, as a process does that ends."""
_SHORT: Pairs = frozenset({
    (Outcome.TRUNCATED, "no_terminator"), (Outcome.TRUNCATED, "mid_event"), (Outcome.TRUNCATED, "incomplete_answer"),
})  # fmt: skip
_CUT = _BROKEN | _SHORT
"""The peer ended the stream before its end."""
_STOPPED = _CUT | {(Outcome.TRUNCATED, "server_abort"), (Outcome.STREAM_ERROR, "other")}
"""The outcomes of streams whose server is stopped; some servers report that before they close."""
_SILENT: Pairs = frozenset({
    (Outcome.TRUNCATED, "no_terminator"), (Outcome.TRUNCATED, "incomplete_answer"), (Outcome.EMPTY, "no_output"),
})  # fmt: skip
"""Clean ends of a body that may hide an error which was not passed on."""
_INVENTED: Pair = (Outcome.WRONG_CONTENT, "missing")
_LEFT: Pair = (Outcome.TRUNCATED, "incomplete_body")
_NOT_REACHED: Pairs = frozenset({(Outcome.UNREACHABLE, "dns"), (Outcome.UNREACHABLE, "network")})
_NO_CONNECTION: Pair = (Outcome.TIMEOUT, "connect")
_HANGING: Pairs = frozenset({
    (Outcome.STALLED, "silent"), (Outcome.STALLED, "no_output"), (Outcome.TIMEOUT, "headers"),
    (Outcome.TIMEOUT, "first_chunk"), (Outcome.TIMEOUT, "total"),
})  # fmt: skip
_OVERLOADED: Pairs = frozenset({(Outcome.HTTP_ERROR, "overloaded"), (Outcome.STREAM_ERROR, "overloaded")})
_CONTEXT: Pairs = frozenset({(Outcome.STREAM_ERROR, "context_length"), (Outcome.TRUNCATED, "token_limit")})
_ERRORS: Pairs = _OVERLOADED | {
    (Outcome.HTTP_ERROR, "server"), (Outcome.HTTP_ERROR, "rate_limited"), (Outcome.HTTP_ERROR, "rejected"),
    (Outcome.STREAM_ERROR, "upstream"), (Outcome.STREAM_ERROR, "other"), (Outcome.STREAM_ERROR, "rate_limited"),
}  # fmt: skip
"""Errors whose text describes the server or its upstream."""


_HEALTHY = frozenset({UpstreamState.HEALTHY, UpstreamState.RUNNING})


@dataclass(frozen=True)
class Scene:
    """What is known when an incident is worked out."""

    history: History
    incident: Incident
    upstream: History | None = None
    """Its upstream, if that is probed."""
    others: Sequence[tuple[History, ProbeFacts]] = ()
    """Other targets on the same host and port, with their latest failures that the end of a process can have caused."""
    sharing: Sequence[tuple[History, ProbeFacts]] = ()
    """Other targets with the same upstream, with their latest cuts."""

    @cached_property
    def pool(self) -> Sequence[ProbeFacts]:
        """The failures of the incident, and the unexplained ones shortly before it, the newest first."""
        own = list(reversed(self.incident.failures))
        known = set(map(id, own))
        before = [one for one in self.history.latest(_WINDOW) if not one.good and id(one) not in known]
        return [*own, *(one for one in before if one.rank < REPORTED or one.blame is Suspect.PROXY_TIMEOUT)]

    @property
    def has_upstream(self) -> bool:
        """Whether the config names an upstream."""
        return self.history.upstream is not None

    def may_be_its_own(self, failed: ProbeFacts) -> bool:
        """Whether no upstream can be at fault: none is configured, or it was healthy then and has not failed lately."""
        if not self.has_upstream:
            return True
        return failed.upstream_state in _HEALTHY and self.upstream is not None and not _fails_at_times(self.upstream)


def _fails_at_times(history: History) -> bool:
    return any(one.pair in _STOPPED | _SILENT | _ERRORS for one in history.probes)


Because = Callable[[Scene, ProbeFacts], str]


# -- evidence that is observed -----------------------------------------------------------------------------------------


def _upstream_failed(scene: Scene, failed: ProbeFacts) -> str:
    """Blame the upstream, which failed at that time too."""
    if scene.upstream is None:
        return ""
    state, by = upstream_state_at(failed, scene.upstream)
    if state is not UpstreamState.UNKNOWN:
        failed.upstream_state = state
    if by is None or state is not UpstreamState.FAILED:
        return ""
    return f"its upstream, {scene.upstream.name}, failed as well: {by.word}"


def _cut_together(scene: Scene, failed: ProbeFacts) -> str:
    """Blame the common upstream of several gateways that lost their streams within a second."""
    if failed.pair not in _CUT or failed.upstream_state is UpstreamState.RUNNING:
        return ""
    others = [h for h, one in scene.sharing if h.endpoint != scene.history.endpoint and _one_event(failed, one)]
    names = sorted({h.name for h in others})
    return f"{names[0]} has the same upstream and was cut within a second" if names else ""


def _gone(scene: Scene, failed: ProbeFacts) -> str:
    """Blame a restart: connections are refused where a server answered before."""
    if failed.pair == REFUSED and (scene.history.answered or any(h.answered for h, _ in scene.others)):
        return "connections are refused where a server answered before"
    if failed.after_cut is AfterCut.REFUSED:
        return "a probe was cut, and a connection right after that was refused"
    if failed.pair not in _STOPPED:
        return ""
    if any(cut is failed and after.pair == REFUSED for cut, after in pairwise(scene.incident.failures)):
        return "a probe was cut, and the next one was refused"
    for other, one in scene.others:
        if one.pair == REFUSED and -_TOGETHER <= one.end - failed.end <= scene.history.interval + _TOGETHER:
            return f"a probe was cut, and {other.name} was refused at the same address"
    return ""


# -- evidence that the server reports ----------------------------------------------------------------------------------


def _reports_upstream_failure(_: Scene, failed: ProbeFacts) -> str:
    if failed.statement is Statement.UPSTREAM_LOST and failed.pair in _ERRORS:
        return "the response says that an upstream failed"
    if failed.status == _BAD_GATEWAY:
        return "a 502: a gateway got no valid response from its upstream"
    if failed.pair == (Outcome.STREAM_ERROR, "upstream") and failed.statement not in {
        Statement.TIMED_OUT,
        Statement.CONTEXT,
    }:
        return "the stream says that an upstream failed"
    return ""


def _reports_starting(scene: Scene, failed: ProbeFacts) -> str:
    reported = failed.statement is Statement.STARTING and failed.pair in _ERRORS
    return "the server says that it is starting" if reported and scene.history.ever_good else ""


def _reports_overload(_: Scene, failed: ProbeFacts) -> str:
    if failed.statement in {Statement.TIMED_OUT, Statement.STARTING}:
        return ""
    reported = failed.pair in _ERRORS and failed.statement is Statement.OVERLOADED and failed.pair[1] != "rate_limited"
    plain = failed.pair in _OVERLOADED and (failed.status != _UNAVAILABLE or failed.retry_after)
    return "the server says that it is overloaded" if reported or plain else ""


def _reports_context(_: Scene, failed: ProbeFacts) -> str:
    reported = failed.pair in _CONTEXT or (failed.pair in _ERRORS and failed.statement is Statement.CONTEXT)
    return "the answer reached a limit on the model's context or output" if reported else ""


def _not_reached(_: Scene, failed: ProbeFacts) -> str:
    return "the request did not reach the server" if failed.pair in _NOT_REACHED else ""


def _invented_end(scene: Scene, failed: ProbeFacts) -> str:
    reported = failed.pair == _INVENTED and failed.beginning and scene.may_be_its_own(failed)
    return "the answer is incomplete, but the stream sent a complete end" if reported else ""


# -- what several probes have in common --------------------------------------------------------------------------------


def _late(scene: Scene, failed: ProbeFacts) -> str:
    """Blame a gateway's time-out that is too short: its upstream answers others, or usually needs nearly as long."""
    if not _is_late(failed):
        return ""
    late = [one for one in scene.pool if _is_late(one) and one.upstream_state is not UpstreamState.FAILED]
    slow = _slow_upstream(scene, failed)
    if scene.has_upstream and failed.upstream_state is not UpstreamState.UNKNOWN:
        enough = failed.upstream_state in _HEALTHY and (
            slow or sum(one.upstream_state in _HEALTHY for one in late) >= _TWICE
        )
        return "a gateway timed out while its upstream was healthy" if enough else ""
    usual = max(scene.history.first_bytes, default=None)
    enough = usual is not None and usual >= failed.age / 2 and len(late) >= _TWICE
    return f"a gateway timed out, and answers took up to {usual:.1f} s to begin before" if enough else ""


def _slow_upstream(scene: Scene, failed: ProbeFacts) -> bool:
    """Whether the upstream began a good answer after more time than the gateway waits."""
    probes = scene.upstream.probes if scene.upstream is not None else ()
    near = (one for one in probes if one.good and abs(one.end - failed.end) <= scene.history.reach)
    return any(one.first_byte is not None and one.first_byte >= failed.age for one in near)


def _upstream_hangs(scene: Scene, failed: ProbeFacts) -> str:
    """Blame an upstream that hangs: a gateway waited far longer than answers ever needed, several times."""
    if not _is_late(failed) or scene.has_upstream:
        return ""
    usual = max(scene.history.first_bytes, default=None)
    late = [one for one in scene.incident.failures if _is_late(one)]
    if usual is None or len(late) < _THRICE or any(usual > _USUAL * one.age for one in late):
        return ""
    return f"a gateway waited {failed.age:.0f} s for answers that began within {usual:.1f} s before"


def _is_late(failed: ProbeFacts) -> bool:
    return failed.status == _GATEWAY_TIMEOUT or (failed.statement is Statement.TIMED_OUT and failed.pair in _ERRORS)


def _timer(scene: Scene, failed: ProbeFacts) -> str:
    """Blame the time-out of a hop: cuts at one age, or after one silence."""
    found = _timer_of(scene)
    if found is None or not _can_be_timed(failed) or not found.ended(_cut(failed)):
        return ""
    cuts = [one for one in scene.pool if _can_be_timed(one)]
    return f"{sum(found.ended(_cut(one)) for one in cuts)} of the last {len(cuts)} cuts came {found}"


def _timer_of(scene: Scene) -> Timer | None:
    return timer_of([_cut(one) for one in scene.pool if _can_be_timed(one)])


def _can_be_timed(failed: ProbeFacts) -> bool:
    stronger = failed.rank >= REPORTED and failed.blame is not Suspect.PROXY_TIMEOUT
    return failed.pair in _CUT and not failed.whole and not stronger and failed.after_cut is not AfterCut.REFUSED


def _cut(failed: ProbeFacts) -> Cut:
    return Cut(failed.age, failed.silence, failed.chunks)


def _several_at_once(scene: Scene, failed: ProbeFacts) -> str:
    """Blame a restart: several targets at one address were cut within a second."""
    if failed.pair not in _CUT or _has_common_upstream(scene, failed):
        return ""
    others = sorted({h.name for h, one in scene.others if one.pair in _CUT and _one_event(failed, one)})
    return f"{others[0]}, at the same address, was cut within a second" if others else ""


def _has_common_upstream(scene: Scene, failed: ProbeFacts) -> bool:
    """Whether the targets that were cut together share one upstream, so that it may have ended."""
    if not scene.has_upstream:
        return False
    return all(h.upstream == scene.history.upstream for h, one in scene.others if _one_event(failed, one))


def _one_event(one: ProbeFacts, other: ProbeFacts) -> bool:
    """Whether two cuts are one event: at the same time, of streams that neither began nor fell silent together."""
    if abs(one.end - other.end) > _TOGETHER or abs(one.start - other.start) <= _TOGETHER:
        return False
    silent = (one.silence or 0.0) > _TOGETHER and (other.silence or 0.0) > _TOGETHER
    return not silent


def _lacks_last_chunk(scene: Scene, failed: ProbeFacts) -> str:
    """Blame the application: bodies without the last chunk at no common age, or several 500s, with a good upstream."""
    own = [one for one in scene.pool if scene.may_be_its_own(one) and one.rank < REPORTED]
    if scene.has_upstream and len(own) < _THRICE:
        return ""
    left = [one for one in own if _is_left(scene, one)]
    if _is_left(scene, failed) and failed in left and len(left) >= _TWICE:
        if not _may_be_timed(scene, left):
            return f"{len(left)} streams lacked the last chunk, and the server still answers"
        return ""
    raised = [one for one in own if _is_raised(one)]
    if failed in raised and len(raised) >= _TWICE:
        return f"{len(raised)} responses report an internal error of the server"
    return ""


def _is_left(scene: Scene, one: ProbeFacts) -> bool:
    """Whether a body ended without its last chunk while the process is still running."""
    if one.pair != _LEFT or not one.chunked or one.after_cut not in {AfterCut.ACCEPTED, None}:
        return False
    return not any(_one_event(one, other) for _, other in scene.others)


def _may_be_timed(scene: Scene, left: Sequence[ProbeFacts]) -> bool:
    """Whether a timer may have caused these cuts, which are too few to decide."""
    cuts = [_cut(one) for one in left]
    if _timer_of(scene) is not None:
        return True
    few = len(cuts) == _TWICE or len({cut.chunks for cut in cuts}) > 1
    return few and may_be_one(cuts)


def _is_raised(one: ProbeFacts) -> bool:
    if one.statement in {
        Statement.UPSTREAM_LOST,
        Statement.TIMED_OUT,
        Statement.STARTING,
        Statement.OVERLOADED,
        Statement.CONTEXT,
    }:
        return False
    in_stream = one.pair == (Outcome.STREAM_ERROR, "other") and one.statement is Statement.INTERNAL
    return one.status == _INTERNAL or in_stream


def _plain_503(scene: Scene, failed: ProbeFacts) -> str:
    """Blame overload for a 503 without a message, if no other failure of the incident shows a server that stopped."""
    if failed.pair not in _OVERLOADED or failed.statement not in {Statement.NOTHING, Statement.INTERNAL}:
        return ""
    others = {one.pair for one in scene.incident.failures}
    went = others & (_STOPPED | {REFUSED}) or not scene.may_be_its_own(failed)
    return "" if went else "a 503 from a server that is still up"


def _connect_times_out(scene: Scene, failed: ProbeFacts) -> str:
    """Blame the network for connections that time out, unless the server accepted some and then hung."""
    if failed.pair != _NO_CONNECTION:
        return ""
    pairs = [one.pair for one in scene.incident.failures]
    hung = any(pair in _HANGING or pair[0] is Outcome.HTTP_ERROR for pair in pairs)
    return "" if hung or pairs.count(_NO_CONNECTION) < _TWICE else "the request did not reach the server"


def _swallowed(scene: Scene, failed: ProbeFacts) -> str:
    """Blame an error that was not passed on: clean ends without the protocol's end, from a server that still runs."""
    silent = [one for one in scene.pool if _is_silent(one) and scene.may_be_its_own(one) and one.rank < REPORTED]
    if failed not in silent or len(silent) < _TWICE or _timer_of(scene) is not None:
        return ""
    return f"{len(silent)} streams ended cleanly and were not complete"


def _is_silent(one: ProbeFacts) -> bool:
    return one.pair in _SILENT and (one.clean or one.after_cut is AfterCut.ACCEPTED or one.whole)


def is_common_evidence(probe: ProbeFacts) -> bool:
    """Whether a probe may be evidence for other targets at its address, or with its upstream."""
    return probe.pair in _CUT or probe.pair == REFUSED


@dataclass(frozen=True, slots=True)
class Rule:
    """What a failure is blamed on: `because` returns the evidence, or "" if there is none."""

    suspect: Suspect
    strength: int
    because: Because


RULES = (
    Rule(Suspect.UPSTREAM, OBSERVED, _upstream_failed),
    Rule(Suspect.RESTART, OBSERVED, _gone),
    Rule(Suspect.UPSTREAM, REPORTED, _reports_upstream_failure),
    Rule(Suspect.RESTART, REPORTED, _reports_starting),
    Rule(Suspect.CONTEXT, REPORTED, _reports_context),
    Rule(Suspect.OVERLOAD, REPORTED, _reports_overload),
    Rule(Suspect.NETWORK, REPORTED, _not_reached),
    Rule(Suspect.PROXY_TIMEOUT, REPORTED, _timer),
    Rule(Suspect.UPSTREAM, PATTERN, _cut_together),
    Rule(Suspect.PROXY_TIMEOUT, PATTERN, _late),
    Rule(Suspect.UPSTREAM, PATTERN, _upstream_hangs),
    Rule(Suspect.RESTART, PATTERN, _several_at_once),
    Rule(Suspect.SILENT_END, PATTERN, _invented_end),
    Rule(Suspect.SILENT_END, PATTERN, _swallowed),
    Rule(Suspect.APP_EXCEPTION, PATTERN, _lacks_last_chunk),
    Rule(Suspect.OVERLOAD, PATTERN, _plain_503),
    Rule(Suspect.NETWORK, PATTERN, _connect_times_out),
)
"""The strongest first. Only stronger evidence replaces a blame; patterns are evaluated again each time."""


def work_out(scene: Scene) -> tuple[Suspicion, ...]:
    """Blame each failure of an incident, and return the suspects with their evidence."""
    for failed in scene.incident.failures:
        _blame(scene, failed, OBSERVED)
    for failed in scene.incident.failures:
        _blame(scene, failed, REPORTED)
    for failed in scene.incident.failures:
        if failed.rank == PATTERN:
            failed.rank, failed.blame = 0, None
        _blame(scene, failed, PATTERN)
    return _suspicions(scene)


def _blame(scene: Scene, failed: ProbeFacts, strength: int) -> None:
    if failed.rank >= strength:
        return
    for rule in RULES:
        if rule.strength == strength and (because := rule.because(scene, failed)):
            failed.rank, failed.blame, failed.because = strength, rule.suspect, because
            return


def _suspicions(scene: Scene) -> tuple[Suspicion, ...]:
    """Return the explanation that covers most of the incident, and that of the newest failure if the first cannot."""
    failures = list(scene.incident.failures)
    explanations = [_explanation(suspect, failures) for suspect in dict.fromkeys(_blamed(failures))]
    recent = set(map(id, failures[-_RECENT:]))
    current = [one for one in explanations if recent & set(map(id, one.covered))]
    if not current:
        return ()
    best = max(current, key=lambda one: (len(one.covered), one.strength, one.latest))
    found, newest = [best], failures[-1]
    if newest.rank >= REPORTED and newest.blame is not best.suspect and newest not in best.covered:
        found.extend(one for one in current if one.suspect is newest.blame)
    return tuple(Suspicion(one.suspect, one.because(scene.incident)) for one in found)


def _blamed(failures: Iterable[ProbeFacts]) -> Iterable[Suspect]:
    return (failed.blame for failed in failures if failed.blame is not None)


@dataclass(frozen=True, slots=True)
class _Explanation:
    """A suspect with the failures that it covers: those blamed on it, and those that it explains as well."""

    suspect: Suspect
    covered: Sequence[ProbeFacts]
    evidence: ProbeFacts
    """The newest of the failures that point at it most strongly."""

    @property
    def strength(self) -> int:
        return self.evidence.rank

    @property
    def latest(self) -> float:
        return self.covered[-1].end

    def because(self, incident: Incident) -> str:
        """Return the evidence, and how many failures it explains if its text has no count."""
        text = self.evidence.because
        if incident.count == 1 or text[0].isdigit() or text.startswith("its upstream, "):
            return text
        return f"{text} ({len(self.covered)} of {incident.count} failures of this incident)"


def _explanation(suspect: Suspect, failures: Sequence[ProbeFacts]) -> _Explanation:
    blamed = [one for one in failures if one.blame is suspect]
    strength = max(one.rank for one in blamed)
    evidence = next(one for one in reversed(blamed) if one.rank == strength)
    covered = [one for one in failures if one.blame is suspect or (one.rank < strength and _EXPLAINS[suspect](one))]
    return _Explanation(suspect, covered, evidence)


def _pairs(pairs: Pairs) -> Callable[[ProbeFacts], bool]:
    return lambda one: one.pair in pairs


_EXPLAINS: dict[Suspect, Callable[[ProbeFacts], bool]] = {
    Suspect.UPSTREAM: lambda one: can_come_from_upstream(one) and one.upstream_state not in _HEALTHY,
    Suspect.RESTART: lambda one: one.pair in _STOPPED | {REFUSED} or (
        one.pair in _OVERLOADED and one.upstream_state is not UpstreamState.FAILED
    ),
    Suspect.OVERLOAD: _pairs(_OVERLOADED | _HANGING),
    Suspect.NETWORK: _pairs(_NOT_REACHED | {_NO_CONNECTION}),
    Suspect.APP_EXCEPTION: _pairs(frozenset({_LEFT, (Outcome.HTTP_ERROR, "server"), (Outcome.STREAM_ERROR, "other")})),
    Suspect.SILENT_END: _pairs(_SILENT | {_INVENTED}),
    Suspect.PROXY_TIMEOUT: lambda one: _is_late(one) and one.upstream_state is not UpstreamState.FAILED,
    Suspect.CONTEXT: lambda _: False,
}  # fmt: skip
"""Which other failures a suspect of `RULES` explains, once stronger evidence points at it."""


def buffering(history: History, upstream: History | None) -> tuple[Suspicion, ...]:
    """Suspect a proxy that buffers: the latest streams arrived in one piece, but not those of the upstream."""
    streams = [one for one in reversed(history.probes) if one.buffered is not None][:_BUFFERED_LATEST]
    if len(streams) < _BUFFERED or not all(one.buffered for one in streams):
        return ()
    if upstream is not None and _is_buffered(upstream):
        return ()
    return (Suspicion(Suspect.BUFFERING_PROXY, f"the last {len(streams)} streams arrived in one piece"),)


def _is_buffered(history: History) -> bool:
    return next((bool(one.buffered) for one in reversed(history.probes) if one.buffered is not None), False)
