"""The stored history of one target: its latest probes, and its incidents with their blame."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from monitor.diagnosis.facts import ProbeFacts, endpoint_of
from monitor.record.parts import Suspicion
from monitor.target import Target

KEPT = 16
"""The most probes of a target and failures of an incident that are stored: about 400 bytes each."""
_PAST = 3


@dataclass(slots=True)
class Incident:
    """Failures of one target, from the first to its recovery; the newest are stored, and all are counted."""

    failures: deque[ProbeFacts] = field(default_factory=lambda: deque(maxlen=KEPT))
    count: int = 0
    good: int = 0
    """Good probes in a row since the last failure."""
    suspicions: tuple[Suspicion, ...] = ()

    def add(self, failed: ProbeFacts) -> None:
        """Add a failure."""
        self.failures.append(failed)
        self.count += 1
        self.good = 0

    @property
    def newest(self) -> ProbeFacts:
        """The last failure."""
        return self.failures[-1]


@dataclass(slots=True)
class History:
    """One target's latest probes, oldest first, its current incident, and its last past ones."""

    name: str
    url: str
    upstream: str | None
    interval: float
    recover: int
    endpoint: str
    probes: deque[ProbeFacts] = field(default_factory=lambda: deque(maxlen=KEPT))
    first_bytes: deque[float] = field(default_factory=lambda: deque(maxlen=8))
    """The times to first byte of the latest good answers: what is usual."""
    incident: Incident | None = None
    past: deque[Incident] = field(default_factory=lambda: deque(maxlen=_PAST))
    answered: bool = False
    """Whether a server has ever answered there."""
    ever_good: bool = False

    @classmethod
    def of(cls, target: Target) -> History:
        """Return the empty history of a target."""
        return cls(target.name, target.url, target.upstream, target.interval, target.recover, endpoint_of(target.url))

    def follow(self, target: Target) -> None:
        """Take the settings that a reload can change without the target being a different server."""
        self.interval = target.interval
        self.recover = target.recover

    def add(self, probe: ProbeFacts) -> None:
        """Add a probe: a failure begins or continues an incident, good probes end it."""
        self.probes.append(probe)
        self.answered = self.answered or probe.connected
        if not probe.good:
            self.incident = self.incident or Incident()
            self.incident.add(probe)
            return
        self.ever_good = True
        if probe.first_byte is not None:
            self.first_bytes.append(probe.first_byte)
        if self.incident is not None:
            self.incident.good += 1
            if self.incident.good >= self.recover:
                self.past.append(self.incident)
                self.incident = None

    @property
    def incidents(self) -> Iterator[Incident]:
        """The current incident, then the past ones, newest first."""
        if self.incident is not None:
            yield self.incident
        yield from reversed(self.past)

    def incident_of(self, probe_id: str) -> tuple[Incident, ProbeFacts] | None:
        """Return the incident that a probe is part of, and the probe's facts; None if it is not stored."""
        for incident in self.incidents:
            for failed in incident.failures:
                if failed.probe_id == probe_id:
                    return incident, failed
        return None

    def latest(self, number: int) -> Sequence[ProbeFacts]:
        """Return the latest probes, the newest first."""
        return tuple(islice(reversed(self.probes), number))

    @property
    def reach(self) -> float:
        """Seconds within which one of its probes is evidence for another moment."""
        return 2.0 * self.interval + 1.0
