"""Whether one timer can have ended several streams: their ages are close, and nothing else explains that."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

_APART, _APART_SHARE = 0.4, 0.01
"""Cuts of one timer lie within this many seconds or this share of the age: nginx is up to 300 ms early."""
_ENOUGH, _MANY = 3, 4
_SHARE = 0.6
"""The share of the cuts that must be at that age: of five, two may have another cause."""
_LATEST = 6
_SHORTEST = 1.0
"""Below this many seconds the pace of an answer, not a timer, makes ages equal."""
_ROUND, _NEAR = 5.0, 0.35
"""Most time-outs are multiples of 5 s."""
_EXACT = 0.15
"""Seconds within which a timer of whole seconds from the request is exact."""
_LONG = 10.0
"""From this many seconds on, an age that is not round needs one more cut."""
_PAUSES = 4.0
"""A silence that a timer ended is longer than the usual pause between chunks by this factor."""


class Cut(NamedTuple):
    """When a stream was cut: its age and the silence before it in seconds, and how much of the answer had arrived."""

    age: float
    silence: float | None
    chunks: int


class Timer(NamedTuple):
    """The timer that ended these cuts: the shortest and the longest time, and what starts it."""

    shortest: float
    longest: float
    since: str

    def __str__(self) -> str:
        middle, spread = (self.shortest + self.longest) / 2, (self.longest - self.shortest) / 2
        return f"{middle:.1f} s +- {spread:.1f} after {self.since}"

    def ended(self, cut: Cut) -> bool:
        """Whether it can have ended this stream."""
        time = cut.age if self.since == REQUEST else cut.silence
        slack = max(_APART, _APART_SHARE * self.shortest)
        return time is not None and self.longest - slack <= time <= self.shortest + slack


REQUEST, LAST_BYTE = "the request", "the last byte"


def timer_of(cuts: Sequence[Cut]) -> Timer | None:
    """Return the timer that ended most of these cuts, newest first; None if there is no such timer."""
    latest = cuts[:_LATEST]
    return _since_request(latest) or _since_last_byte(latest)


def may_be_one(cuts: Sequence[Cut]) -> bool:
    """Whether most of at least two cuts are so close together that a timer may have ended them."""
    ages = together(cut.age for cut in cuts if cut.age >= _SHORTEST)
    silences = together(_long_silences(cuts))
    return max(len(ages), len(silences)) > max(len(cuts) / 2, 1)


def together(times: Iterable[float]) -> list[float]:
    """Return the largest group of times that one timer can have ended, in rising order."""
    ordered = sorted(times)
    groups = [
        [time for time in ordered if first <= time <= first + max(_APART, _APART_SHARE * first)] for first in ordered
    ]
    return max(groups, key=len, default=[])


def _enough(group: Sequence[float], of: int) -> bool:
    return len(group) >= max(_ENOUGH, _SHARE * of) and group[0] >= _SHORTEST


def _since_request(cuts: Sequence[Cut]) -> Timer | None:
    group = together(cut.age for cut in cuts)
    if not _enough(group, len(cuts)):
        return None
    first, last = group[0], group[-1]
    middle, spread = (first + last) / 2, last - first
    amounts = {cut.chunks for cut in cuts if first <= cut.age <= last}
    by_content = len(amounts) == 1 and amounts != {0}
    """The last piece of the answer was the same in each: such streams also stop at one age."""
    is_round = abs(middle - round(middle / _ROUND) * _ROUND) <= _NEAR + spread / 2
    is_exact = spread <= _EXACT and abs(middle - round(middle)) <= _EXACT
    is_long = len(group) >= _MANY and first >= _LONG
    found = (is_round and is_exact) if by_content else (is_round or is_exact or is_long)
    return Timer(first, last, REQUEST) if found else None


def _since_last_byte(cuts: Sequence[Cut]) -> Timer | None:
    group = together(_long_silences(cuts))
    return Timer(group[0], group[-1], LAST_BYTE) if _enough(group, len(cuts)) else None


def _long_silences(cuts: Sequence[Cut]) -> list[float]:
    """Return the silences before cuts that are more than a pause of their stream."""
    return [cut.silence for cut in cuts if cut.silence is not None and _is_long(cut.silence, cut)]


def _is_long(silence: float, cut: Cut) -> bool:
    beyond = cut.chunks <= 1 or silence > _PAUSES * (cut.age - silence) / cut.chunks
    return beyond and silence >= _SHORTEST
