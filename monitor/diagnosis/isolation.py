"""Whether the monitor is isolated: every target fails before its head, so most likely our own network failed."""

from __future__ import annotations

from collections import Counter
from urllib.parse import urlsplit

from monitor.judge.verdict import OUR_OWN, Outcome
from monitor.record.observation import Observation

_TARGETS = 5
_HOSTS = 2


class Isolation:
    """Stores the last result of each target; called with an observation, it returns whether we are isolated.

    Probes that we aborted, or did not send because our own policy denies the address, are ignored.
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
                host = str(urlsplit(observation.target.url).hostname)
                self._cut_off[observation.target.name] = host
                self._hosts[host] += 1
            else:
                self._answered.add(observation.target.name)
        return self.now

    def forget(self, name: str) -> None:
        """Ignore a target until its next observation: it was removed or is not probed for now."""
        if (host := self._cut_off.pop(name, None)) is not None:
            self._hosts[host] -= 1
            if not self._hosts[host]:
                del self._hosts[host]
        self._answered.discard(name)

    @property
    def now(self) -> bool:
        """Whether at least five targets on at least two hosts are known, and none answers."""
        return not self._answered and len(self._cut_off) >= _TARGETS and len(self._hosts) >= _HOSTS


def _says_nothing(observation: Observation) -> bool:
    verdict = observation.verdict
    return verdict.outcome in OUR_OWN or (verdict.outcome is Outcome.UNREACHABLE and verdict.cause == "policy")
