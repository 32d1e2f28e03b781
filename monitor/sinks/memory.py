"""The memory sink: the newest probes of each target, its confirmed state, and its counts."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from sys import getsizeof

import msgspec
from msgspec import UNSET

from monitor.judge.verdict import OUR_OWN
from monitor.record.from_observation import event_of
from monitor.record.observation import Observation
from monitor.record.parts import Suspicion, given
from monitor.record.probe_event import ProbeEvent
from monitor.record.rollup import Rollup
from monitor.record.target_state import TargetState
from monitor.record.target_summary import CONFIRMING, BriefProbe, brief_of
from monitor.settings import KEPT_BYTES, KEPT_BYTES_PER_TARGET, probes_kept
from monitor.stream.endings import Mark
from monitor.stream.thinning import thinned
from monitor.target import Target

_EACH = 4096
"""The approximate size in bytes of an observation without its recording and its last words."""
_CHARACTER = 4
"""The most bytes of a character."""
_WINDOW = 50
"""The number of scheduled probes for availability and the SLOs."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The result of one scheduled probe for the two SLOs."""

    available: bool
    first_chunk_good: bool


_NOTHING = Sample(available=False, first_chunk_good=False)


def _weight(observation: Observation) -> int:
    return observation.recording.weight + getsizeof(observation.last_words) + _EACH


class RecentProbe:
    """One probe in memory: in brief, and as its event on demand, which takes about 100 us."""

    __slots__ = ("_event", "brief", "observation", "suspicions", "weight")

    def __init__(self, brief: BriefProbe, observation: Observation | None, event: ProbeEvent | None) -> None:
        self.brief = brief
        self.observation = observation
        """None if the probe was read from the history."""
        self.suspicions: tuple[Suspicion, ...] | None = None
        """Its current suspects, if they have changed since it ended."""
        self._event = event
        self.weight = 0 if observation is None else _weight(observation)
        """The approximate size of the observation in bytes."""

    @classmethod
    def observed(cls, observation: Observation) -> RecentProbe:
        """Return a probe that has just ended."""
        brief = BriefProbe(
            outcome=observation.verdict.outcome.value,
            cause=given(observation.verdict.cause),
            probe_id=observation.probe_id,
            timestamp=observation.timestamp.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            trigger=observation.trigger,
            available=observation.available,
            first_chunk=given(observation.recording.marks.get(Mark.FIRST_CHUNK)),
        )
        return cls(brief, observation, None)

    @classmethod
    def restored(cls, event: ProbeEvent) -> RecentProbe:
        """Return a probe that was read from the history."""
        return cls(brief_of(event), None, event)

    @property
    def event(self) -> ProbeEvent:
        """The event without its timeline."""
        event = self._event
        if event is None:
            assert self.observation is not None, "a probe has one of the two"
            event = self._event = event_of(self.observation)
        if self.suspicions is not None and self.suspicions != (event.diagnosis or ()):
            return msgspec.structs.replace(event, diagnosis=self.suspicions or UNSET)
        return event

    @property
    def suspected(self) -> Sequence[Suspicion]:
        """Who is suspected of it by now; no event is made for that."""
        if self.suspicions is not None:
            return self.suspicions
        if self.observation is not None:
            return self.observation.diagnosis
        return (self._event and self._event.diagnosis) or ()

    @property
    def full_event(self) -> ProbeEvent:
        """The event with its timeline, if that is in memory."""
        if self.observation is None:
            return self.event
        one = self.observation
        return event_of(one if self.suspicions is None else replace(one, diagnosis=self.suspicions), timeline=True)

    @property
    def ours(self) -> bool:
        """Whether it says nothing about the target."""
        return self.brief.outcome in OUR_OWN

    @property
    def failed(self) -> bool:
        """Whether it found the target not available."""
        return not self.brief.available and not self.ours

    @property
    def scheduled(self) -> bool:
        """Whether ratios count it: probes by hand and our own faults do not count."""
        return self.brief.trigger == "schedule" and not self.ours

    def shrink(self, size: int) -> None:
        """Reduce the observation to `size` bytes: its timeline is thinned, and its last words are cut."""
        if self.observation is None:
            return
        room, words = size - _EACH, self.observation.last_words
        if words is not None and getsizeof(words) > room // 2:
            words = words[-(room // 2 // _CHARACTER) :]
        recording = thinned(self.observation.recording, room - getsizeof(words))
        if recording is not self.observation.recording or words is not self.observation.last_words:
            self.observation = replace(self.observation, recording=recording, last_words=words)
            self.weight = _weight(self.observation)


@dataclass(slots=True)
class TargetMemory:
    """What is known about one target from its probes, by the same rules as the metrics."""

    counts: Rollup = field(default_factory=Rollup)
    """The counts since the start, without distributions, which would cost the loop too much time."""
    state: TargetState = field(default_factory=TargetState)
    began: RecentProbe | None = None
    """The first probe of the incident, kept while it lasts."""
    samples: deque[Sample] = field(default_factory=deque)
    """The newest scheduled probes; pages only read the two sums, in their thread."""
    available: int = 0
    in_time: int = 0
    last: RecentProbe | None = None
    """The last scheduled or confirming probe that is neither aborted nor inconclusive."""

    @property
    def failing_since(self) -> str | None:
        """When the first failure of the incident began; None if the target is up and does not fail."""
        return (self.state.began and self.state.began.timestamp) or None

    def take(self, probe: RecentProbe, target: Target, *, first_chunk_good: bool) -> None:
        """Take one probe into the state; `first_chunk_good` is by the target's SLO."""
        available = bool(probe.brief.available)
        if probe.scheduled:
            self._sample(Sample(available, first_chunk_good))
        if probe.ours or probe.brief.trigger not in CONFIRMING:
            return
        self.last = probe
        self.state.take(probe.brief, confirm=target.confirm, recover=target.recover)
        if self.state.began is None:
            self.began = None
        elif self.state.began == probe.brief:
            self.began = probe

    def _sample(self, sample: Sample) -> None:
        self.samples.append(sample)
        oldest = self.samples.popleft() if len(self.samples) > _WINDOW else _NOTHING
        self.available += sample.available - oldest.available
        self.in_time += sample.first_chunk_good - oldest.first_chunk_good


def _count(counts: Rollup, probe: RecentProbe, observation: Observation) -> None:
    """Count a probe as `rollup_of` does."""
    if observation.tokens is not None:
        counts.input_tokens += observation.tokens.input
        counts.output_tokens += observation.tokens.output
    if probe.scheduled:
        counts.probes += 1
        counts.accepted += observation.verdict.accepted
        counts.truncated += observation.verdict.truncated
        counts.available += observation.available
        counts.in_time += observation.first_chunk_good
        counts.outcomes[probe.brief.verdict] = counts.outcomes.get(probe.brief.verdict, 0) + 1


def _share(targets: int) -> int:
    """Return the most bytes of the observations of one target."""
    return max(KEPT_BYTES // max(targets, 1), KEPT_BYTES_PER_TARGET)


class RecentProbes:
    """Keeps up to 50 probes a target, fewer if there are many targets or the streams are large.

    The newest of each is always kept; its timeline is thinned, and its last words are cut, to the target's share.
    """

    def __init__(self, targets: int) -> None:
        self._each = probes_kept(targets)
        self._bytes = _share(targets)
        self._kept: defaultdict[str, deque[RecentProbe]] = defaultdict(lambda: deque(maxlen=self._each))
        self._memories: defaultdict[str, TargetMemory] = defaultdict(TargetMemory)

    @property
    def each(self) -> int:
        """The most probes of a target that are kept."""
        return self._each

    def share(self, targets: int) -> None:
        """Share the memory among another number of targets; of each the newest probes are kept."""
        for _ in self.sharing(targets):
            pass

    def sharing(self, targets: int) -> Iterator[None]:
        """Do what `share` does, target by target."""
        before = self._each, self._bytes
        self._each, self._bytes = probes_kept(targets), _share(targets)
        for name in tuple(self._kept) if (self._each, self._bytes) != before else ():
            self._kept[name] = deque(islice(self._kept[name], self._each), self._each)
            for probe in self._kept[name]:
                probe.shrink(self._bytes)
            self._drop_oldest(self._kept[name])
            yield

    def __call__(self, observation: Observation) -> None:
        """Store one probe; our own faults, and probes that were not scheduled, are not counted."""
        probe = RecentProbe.observed(observation)
        kept = self._kept[observation.target.name]
        kept.appendleft(probe)
        probe.shrink(self._bytes)
        self._drop_oldest(kept)
        memory = self._memories[observation.target.name]
        memory.take(probe, observation.target, first_chunk_good=observation.first_chunk_good)
        _count(memory.counts, probe, observation)

    def restore(
        self,
        targets: Iterable[Target],
        events: Mapping[str, Sequence[ProbeEvent]],
        states: Mapping[str, TargetState] | None = None,
    ) -> None:
        """Restore the events of the history, newest first by target, and its states; nothing is counted.

        Without a state, it is computed from the events.
        """
        for target in targets:
            for event in reversed(events.get(target.name, ())):
                probe = RecentProbe.restored(event)
                self._kept[target.name].appendleft(probe)
                self._memories[target.name].take(
                    probe, target, first_chunk_good=bool(event.slo and event.slo.first_chunk)
                )
            if (state := (states or {}).get(target.name)) is not None:
                self._memories[target.name].state = state

    def _drop_oldest(self, kept: deque[RecentProbe]) -> None:
        while len(kept) > 1 and sum(probe.weight for probe in kept) > self._bytes:
            kept.pop()

    def of(self, name: str) -> tuple[RecentProbe, ...]:
        """Return the probes of a target, newest first."""
        return tuple(self._kept.get(name, ()))

    def find(self, probe_id: str) -> RecentProbe | None:
        """Return the probe with that id; None if it is no longer in memory."""
        began = (memory.began for memory in self._memories.values() if memory.began is not None)
        kept = (it for kept in self._kept.values() for it in kept)
        return next((it for it in chain(kept, began) if it.brief.probe_id == probe_id), None)

    def forget(self, name: str) -> None:
        """Forget a target that is no longer probed."""
        self._kept.pop(name, None)
        self._memories.pop(name, None)

    def memory(self, name: str) -> TargetMemory:
        """Return a target's memory."""
        return self._memories.get(name) or TargetMemory()
