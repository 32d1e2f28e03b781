"""Whether the protocol's end has arrived: a table over end, output, marker, wire and `terminator` (contract, "Ends").

The first match wins. An end *stands* if no output followed it; an *early-ending* stream has taken an end back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from monitor.stream.endings import EndKind
from monitor.stream.recording import Recording
from monitor.target import Terminator

CUT = frozenset({EndKind.INCOMPLETE, EndKind.RESET, EndKind.MALFORMED})


@dataclass(frozen=True, slots=True)
class ArrivalFacts:
    """The facts that the table tests."""

    stands: bool
    early_ending: bool
    with_output: bool
    """The end that stands came in the same message as output."""
    marker: bool
    beginning: bool
    """A configured check shows that the answer is only a correct beginning."""
    clean: bool
    """The body ended cleanly, and not inside a message."""
    cut: bool


class ArrivalRule(NamedTuple):
    """One line of the table."""

    when: Callable[[ArrivalFacts], bool]
    arrived: bool


_BY_THE_END = (
    # an end in the first chunk, as servers send that put it in every chunk: a marker or a correct answer proves it
    ArrivalRule(lambda it: it.stands and it.with_output and it.beginning and it.cut and not it.marker, arrived=False),
    ArrivalRule(lambda it: it.stands and not it.early_ending, arrived=True),
    ArrivalRule(lambda it: it.stands and (it.marker or it.clean), arrived=True),
    ArrivalRule(lambda it: it.stands, arrived=False),  # a cut, silence or a deadline: that decides
)
_NOT = ArrivalRule(lambda _: True, arrived=False)
TABLE: dict[Terminator, tuple[ArrivalRule, ...]] = {
    Terminator.END: (*_BY_THE_END, _NOT),
    Terminator.EITHER: (*_BY_THE_END, ArrivalRule(lambda it: it.marker, arrived=True), _NOT),
    Terminator.MARKER: (ArrivalRule(lambda it: it.marker, arrived=True), _NOT),
    Terminator.BOTH: (ArrivalRule(lambda it: it.marker and it.stands, arrived=True), _NOT),
    Terminator.NONE: (_NOT,),
}


def arrived(recording: Recording, *, beginning: bool) -> bool:
    """Whether the end has arrived; `beginning` says that the check found only a correct beginning."""
    end, kind = recording.end, recording.ending.kind
    facts = ArrivalFacts(
        stands=end.stands_at is not None,
        early_ending=end.early_ending,
        with_output=end.with_output,
        marker=end.marker_at is not None,
        beginning=beginning,
        clean=kind is EndKind.COMPLETE and not recording.partial,
        cut=kind in CUT,
    )
    return next(row.arrived for row in TABLE[recording.rule.terminator] if row.when(facts))
