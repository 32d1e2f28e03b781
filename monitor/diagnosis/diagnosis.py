"""The suspects of all targets' incidents: takes every observation and returns what it changes."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from monitor.diagnosis.facts import ProbeFacts, facts_of, is_evidence
from monitor.diagnosis.incident import History, Incident
from monitor.diagnosis.suspects import Scene, buffering, is_common_evidence, work_out
from monitor.record.observation import Observation
from monitor.record.parts import Suspicion
from monitor.target import Target

_MARKS = 16
"""The most cuts that are stored for all targets at one address, or with one upstream."""

_TOGETHER = 1.0
"""Cuts of several targets within this many seconds can be one event."""

Suspicions = tuple[Suspicion, ...]
_Marks = deque[tuple[History, ProbeFacts]]


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """The suspects of an observation, and the current suspects by target: its own and others that it changes."""

    suspicions: Suspicions = ()
    now: Mapping[str, Suspicions] = field(default_factory=dict)


def _marks() -> _Marks:
    return deque(maxlen=_MARKS)


class Diagnosis:
    """Stores the latest probes and the incidents of every target, some kilobytes each."""

    def __init__(self) -> None:
        self._histories: dict[str, History] = {}
        self._in_front: defaultdict[str, set[str]] = defaultdict(set)
        """The targets of each upstream, by its name."""
        self._at: defaultdict[str, _Marks] = defaultdict(_marks)
        """By host and port, the failures of its targets that the end of a process can have caused."""
        self._over: defaultdict[str, _Marks] = defaultdict(_marks)
        """The same by name of the upstream."""

    def take(self, observation: Observation) -> Diagnosed:
        """Take an observation and return its suspects; an aborted or inconclusive probe has none."""
        if not is_evidence(observation):
            return Diagnosed()
        history, probe = self._history(observation.target), facts_of(observation)
        history.add(probe)
        if is_common_evidence(probe):
            self._at[history.endpoint].append((history, probe))
            if history.upstream is not None:
                self._over[history.upstream].append((history, probe))
        touched = self._touched(history, probe)
        before = {other.name: self.now(other.name) for other in touched}
        for other in ([] if probe.good else [history]) + touched:
            self._work_out(other)
        after = {name: self.now(name) for name in before}
        own = self.now(history.name)
        return Diagnosed(own, {name: it for name, it in after.items() if it != before[name]} | {history.name: own})

    def now(self, name: str) -> Suspicions:
        """Return the suspects of a target's current incident; none after it has recovered."""
        history = self._histories.get(name)
        if history is None:
            return ()
        if history.incident is not None:
            return history.incident.suspicions
        return buffering(history, self._upstream(history))

    def known(self, observation: Observation) -> Observation:
        """Return an observation with its current suspects: evidence may have arrived since it ended."""
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
        """Forget a target that is no longer probed."""
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
        """Return a target's history; a target with a new URL or upstream gets an empty one."""
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
        if is_common_evidence(probe):
            at, over = self._at[history.endpoint], self._over.get(history.upstream or "", ())
            names |= {other.name for other, one in at if abs(one.end - probe.end) <= other.interval + _TOGETHER}
            names |= {other.name for other, one in over if abs(one.end - probe.end) <= _TOGETHER}
        names.discard(history.name)
        found = (self._histories[name] for name in sorted(names) if name in self._histories)
        return [other for other in found if _is_news_for(other, probe, history.reach)]

    def _work_out(self, history: History) -> None:
        """Update the suspects of the current incident or, just after it, of the last one: evidence arrives late."""
        incident = next(history.incidents)
        incident.suspicions = work_out(self._scene(history, incident))

    def _scene(self, history: History, incident: Incident) -> Scene:
        at, over = self._at.get(history.endpoint, ()), self._over.get(history.upstream or "", ())
        return Scene(history, incident, self._upstream(history), _others(at, history), _others(over, history))


def _others(marks: Iterable[tuple[History, ProbeFacts]], history: History) -> list[tuple[History, ProbeFacts]]:
    return [mark for mark in marks if mark[0] is not history]


def _is_news_for(history: History, probe: ProbeFacts, reach: float) -> bool:
    """Whether a target has, or just had, an incident that another target's probe can explain."""
    incident = next(history.incidents, None)
    return incident is not None and (history.incident is not None or incident.newest.end >= probe.start - reach)


def _without(marks: defaultdict[str, _Marks], key: str, name: str) -> None:
    """Remove a target's marks at a key, and the key if it is empty then."""
    left = [mark for mark in marks.get(key, ()) if mark[0].name != name]
    if left:
        marks[key] = deque(left, maxlen=_MARKS)
    else:
        marks.pop(key, None)
