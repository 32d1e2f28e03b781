"""Who is suspected of the incidents of all targets: takes every observation, and says what it changes."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from monitor.diagnosis.facts import ProbeFacts, facts_of, says_something
from monitor.diagnosis.incident import History, Incident
from monitor.diagnosis.suspects import Scene, buffering, is_mark, work_out
from monitor.record.observation import Observation
from monitor.record.parts import Suspicion
from monitor.target import Target

_MARKS = 16
"""Cuts that are kept of all targets at one address, or with one upstream."""

_TOGETHER = 1.0
"""Seconds within which cuts of several targets can be one event."""

Suspicions = tuple[Suspicion, ...]
_Marks = deque[tuple[History, ProbeFacts]]


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """Whom an observation points at, and who is suspected now by target: of its own, and of others that it changes."""

    suspicions: Suspicions = ()
    now: Mapping[str, Suspicions] = field(default_factory=dict)


def _marks() -> _Marks:
    return deque(maxlen=_MARKS)


class Diagnosis:
    """Remembers the latest probes and the incidents of every target, some kilobytes each."""

    def __init__(self) -> None:
        self._histories: dict[str, History] = {}
        self._in_front: defaultdict[str, set[str]] = defaultdict(set)
        """By the name of an upstream, the targets in front of it."""
        self._at: defaultdict[str, _Marks] = defaultdict(_marks)
        """By host and port, what its targets met that the end of a process can have caused."""
        self._over: defaultdict[str, _Marks] = defaultdict(_marks)
        """The same by the name of the upstream."""

    def take(self, observation: Observation) -> Diagnosed:
        """Take an observation and return whom it points at; what we stopped or broke ourselves points at nobody."""
        if not says_something(observation):
            return Diagnosed()
        history, probe = self._history(observation.target), facts_of(observation)
        history.add(probe)
        if is_mark(probe):
            self._at[history.endpoint].append((history, probe))
            if history.upstream is not None:
                self._over[history.upstream].append((history, probe))
        touched = self._touched(history, probe)
        before = {other.name: self.now(other.name) for other in touched}
        for other in ([] if probe.good else [history]) + touched:
            self._work_out(other)
        after = {name: self.now(name) for name in before}
        mine = self.now(history.name)
        return Diagnosed(mine, {name: it for name, it in after.items() if it != before[name]} | {history.name: mine})

    def now(self, name: str) -> Suspicions:
        """Return who is suspected of what a target is in now: nobody once it has recovered."""
        history = self._histories.get(name)
        if history is None:
            return ()
        if history.incident is not None:
            return history.incident.suspicions
        return buffering(history, self._upstream(history))

    def known(self, observation: Observation) -> Observation:
        """Return an observation with who is suspected of it by now: evidence may have arrived since."""
        history = self._histories.get(observation.target.name)
        found = history.incident_of(observation.probe_id) if history is not None else None
        if found is None:
            return observation
        incident, failed = found
        suspicions = incident.suspicions
        if failed.blame is not None and failed.blame not in {it.suspect for it in suspicions}:
            suspicions = (Suspicion(failed.blame, failed.because), *suspicions)
        return observation if suspicions == observation.diagnosis else replace(observation, diagnosis=suspicions)

    def forget(self, name: str) -> None:
        """Forget a target that is not watched any more."""
        history = self._histories.pop(name, None)
        if history is None:
            return
        _without(self._at, history.endpoint, name)
        if history.upstream is not None:
            _without(self._over, history.upstream, name)
            self._in_front[history.upstream].discard(name)
            if not self._in_front[history.upstream]:
                del self._in_front[history.upstream]

    def _history(self, target: Target) -> History:
        """Return a target's history: one that is asked elsewhere, or has another upstream, begins anew."""
        history = self._histories.get(target.name)
        if history is not None and (history.url, history.upstream) != (target.url, target.upstream):
            self.forget(target.name)
            history = None
        if history is None:
            history = self._histories[target.name] = History.of(target)
            if target.upstream is not None:
                self._in_front[target.upstream].add(target.name)
        history.follow(target)
        return history

    def _upstream(self, history: History) -> History | None:
        return self._histories.get(history.upstream) if history.upstream is not None else None

    def _touched(self, history: History, probe: ProbeFacts) -> list[History]:
        """Return the other targets for which a probe can be evidence."""
        names = set(self._in_front.get(history.name, ()))
        if is_mark(probe):
            at, over = self._at[history.endpoint], self._over.get(history.upstream or "", ())
            names |= {other.name for other, one in at if abs(one.end - probe.end) <= other.interval + _TOGETHER}
            names |= {other.name for other, one in over if abs(one.end - probe.end) <= _TOGETHER}
        names.discard(history.name)
        found = (self._histories[name] for name in sorted(names) if name in self._histories)
        return [other for other in found if _is_news_for(other, probe, history.reach)]

    def _work_out(self, history: History) -> None:
        """Work out the incident of now, or, just after it, the last one: evidence arrives late."""
        incident = next(history.incidents)
        incident.suspicions = work_out(self._scene(history, incident))

    def _scene(self, history: History, incident: Incident) -> Scene:
        at, over = self._at.get(history.endpoint, ()), self._over.get(history.upstream or "", ())
        return Scene(history, incident, self._upstream(history), _others(at, history), _others(over, history))


def _others(marks: Iterable[tuple[History, ProbeFacts]], history: History) -> list[tuple[History, ProbeFacts]]:
    return [mark for mark in marks if mark[0] is not history]


def _is_news_for(history: History, probe: ProbeFacts, reach: float) -> bool:
    """Whether a target has an incident, or had one a moment ago, that the probe of another can explain."""
    incident = next(history.incidents, None)
    return incident is not None and (history.incident is not None or incident.newest.end >= probe.start - reach)


def _without(marks: defaultdict[str, _Marks], key: str, name: str) -> None:
    """Remove what a target left there, and the place if nothing is left in it."""
    left = [mark for mark in marks.get(key, ()) if mark[0].name != name]
    if left:
        marks[key] = deque(left, maxlen=_MARKS)
    else:
        marks.pop(key, None)
