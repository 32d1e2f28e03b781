"""Whether it is us: every target fails before its head at once, so the fault most likely is our own network."""

from __future__ import annotations

from collections import Counter
from urllib.parse import urlsplit

from monitor.judge.verdict import OUR_OWN, Outcome
from monitor.record.observation import Observation

_TARGETS = 5
_HOSTS = 2


class Isolation:
    """Keeps what each target last came to; told of an observation, it says whether we are cut off.

    What was stopped by us, or never sent because our own rule forbids the address, says nothing either way.
    """

    def __init__(self) -> None:
        self._cut_off: dict[str, str] = {}
        self._hosts: Counter[str] = Counter()
        """Of the targets that are cut off, how many are on each host."""
        self._answered: set[str] = set()

    def __call__(self, observation: Observation) -> bool:
        """Take an observation and return whether every target now fails before its head."""
        if not _says_nothing(observation):
            self.forget(observation.target.name)
            if observation.recording.head is None:
                host = urlsplit(observation.target.url).hostname or ""
                self._cut_off[observation.target.name] = host
                self._hosts[host] += 1
            else:
                self._answered.add(observation.target.name)
        return self.now

    def forget(self, name: str) -> None:
        """Leave a target out until it is heard of again: it was removed, or is not probed for now."""
        if (host := self._cut_off.pop(name, None)) is not None:
            self._hosts[host] -= 1
            if not self._hosts[host]:
                del self._hosts[host]
        self._answered.discard(name)

    @property
    def now(self) -> bool:
        """Whether all that is known points at us: five targets or more, on two hosts or more, and no answer."""
        return not self._answered and len(self._cut_off) >= _TARGETS and len(self._hosts) >= _HOSTS


def _says_nothing(observation: Observation) -> bool:
    verdict = observation.verdict
    return verdict.outcome in OUR_OWN or (verdict.outcome is Outcome.UNREACHABLE and verdict.cause == "policy")
