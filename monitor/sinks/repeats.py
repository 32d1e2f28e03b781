"""Repeated messages: the first of a kind in a period pass, the others are counted."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

MOST = 20
"""Messages of one kind that pass in a period; as many pass in total of kinds beyond the limit of kinds."""
_KINDS = 1000
_NUMBER = re.compile(r"\d+")


class MessageKind(NamedTuple):
    """What two messages must have in common to be of one kind; numbers in the text are ignored."""

    level: str
    logger: str
    """The library that the message comes from; "" for the daemon itself."""
    text: str


class Repeated(NamedTuple):
    """The last message of a kind, the number that did not pass, and the length of the period in seconds."""

    last: MessageKind
    times: int
    seconds: float


class Repeats:
    """Counts the messages of a period by kind; thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._since = clock, clock()
        self._times: Counter[MessageKind] = Counter()
        self._last: dict[MessageKind, MessageKind] = {}
        self._lock = threading.Lock()

    def passes(self, message: MessageKind) -> bool:
        """Whether to write a message; if not, it is counted."""
        kind = message._replace(text=_NUMBER.sub("0", message.text))
        with self._lock:
            if kind not in self._times and len(self._times) >= _KINDS:
                kind, message = _OTHERS, _OTHERS
            self._times[kind] += 1
            self._last[kind] = message
            return self._times[kind] <= MOST

    def next_period(self) -> list[Repeated]:
        """End the period, begin the next, and return the messages that did not pass."""
        with self._lock:
            now = self._clock()
            seconds, self._since = now - self._since, now
            found = [
                Repeated(self._last[kind], times - MOST, seconds) for kind, times in self._times.items() if times > MOST
            ]
            self._times.clear()
            self._last.clear()
        return found


_OTHERS = MessageKind("warning", "", "other messages")
