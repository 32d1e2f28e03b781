"""Whether a stream has said its end: choices, marker, ends that stand, errors before and after it, and numbers."""

from __future__ import annotations

from monitor.stream.events import Failure, Finish, Malformed, Stop
from monitor.stream.recording import End, EndRule
from monitor.target import Terminator

_KEPT_MALFORMED, _KEPT_AFTER = 3, 100


class EndState:
    """Follows what the stream says about its end; `times` are in seconds from zero."""

    __slots__ = (
        "_after", "_amid", "_finished", "_malformed", "_malformed_events", "_open", "_sequence", "at", "failure", "gap",
        "marker", "reason", "rule", "stops", "trailing",
    )  # fmt: skip

    def __init__(self, rule: EndRule) -> None:
        self.rule = rule
        self.at: float | None = None
        """When the last byte of the message that says the end arrived; None as long as it has not."""
        self.marker = False
        self.stops: set[Stop] = set()
        self.reason: str | None = None
        self.failure: Failure | None = None
        self.trailing = False
        self.gap = False
        self._malformed: list[str] = []
        self._malformed_events = 0
        self._amid = 0
        self._after: list[Failure | Malformed] = []
        self._open: set[int] = set()
        self._finished: set[int] = set()
        self._sequence: int | None = None

    def result(self) -> End:
        """Return what the stream said, once it has ended."""
        return End(
            self.at, self.marker, frozenset(self.stops), self.reason, self.failure, tuple(self._malformed),
            self._malformed_events, self._amid, self.trailing, self.gap,
        )  # fmt: skip

    @property
    def sealed(self) -> bool:
        """Whether the last thing that the protocol has to say was said: its marker or, if it has none, its end."""
        return self.marker if self.rule.declares_marker else self.at is not None

    def output(self, choice: int) -> bool:
        """Take a piece of the answer; whether it is one: after the end there is none."""
        if self.at is not None and not self._goes_on(choice):
            self.trailing = True
            return False
        self._open.add(choice)
        self._amid = self._malformed_events
        return True

    def opened(self, choice: int) -> None:
        """Take that a message speaks of a choice, which takes the end back if it has not finished."""
        if self._begins(choice):
            self.at = None
            self._open.add(choice)

    def finish(self, event: Finish, time: float) -> None:
        """Take the end of one choice."""
        if self.at is not None and not self._goes_on(event.choice):
            return
        self._finished.add(event.choice)
        self._open.discard(event.choice)
        self.stops.add(event.stop)
        self.reason = event.reason if event.reason is not None else self.reason
        self._settle(time)

    def done(self, time: float) -> None:
        """Take the marker."""
        self.marker = True
        self._settle(time)

    def fail(self, event: Failure) -> None:
        """Take an error; the first one before the end counts."""
        if self.sealed:
            self._keep_after(event)
        elif self.failure is None:
            self.failure = event

    def misread(self, event: Malformed) -> None:
        """Take an event that does not decode."""
        if self.sealed:
            self.trailing = True
            self._keep_after(event)
            return
        self._malformed_events += 1
        if self._sequence is not None:
            self._sequence += 1  # it came, whatever its number was
        if len(self._malformed) < _KEPT_MALFORMED:
            self._malformed.append(event.why)

    def number(self, number: int) -> None:
        """Take the number of a numbered event."""
        before, self._sequence = self._sequence, number
        if before is not None and number > before + 1 and not self.sealed:
            self.gap = True

    def _goes_on(self, choice: int) -> bool:
        """Whether the end is taken back: it was said early, and only the last one counts, or another answer goes on."""
        if self.rule.early:
            self.stops.clear()
            self.at = None
            self._look_again()
            return True
        if not self._begins(choice):
            return False
        self.at = None
        return True

    def _keep_after(self, event: Failure | Malformed) -> None:
        """Keep what counts for nothing after the end, if that may prove to be none."""
        if self.rule.early and len(self._after) < _KEPT_AFTER:
            self._after.append(event)

    def _look_again(self) -> None:
        """Take what came after an end that was none as what it is."""
        after, self._after, self.trailing = self._after, [], False
        for event in after:
            if isinstance(event, Failure):
                self.fail(event)
            else:
                self.misread(event)

    def _begins(self, choice: int) -> bool:
        """Whether an answer has not finished yet, and still can; after the marker nothing comes that counts."""
        return choice not in self._finished and not self.marker

    def _settle(self, time: float) -> None:
        """Note the end when what the target's terminator asks for has been seen."""
        most = 1 if self.marker else self.rule.choices  # a server may send fewer than were asked for
        finished = len(self._finished) >= most and not self._open
        seen = {
            Terminator.END: finished,
            Terminator.MARKER: self.marker,
            Terminator.EITHER: finished or self.marker,
            Terminator.BOTH: finished and self.marker,
            Terminator.NONE: False,
        }[self.rule.terminator]
        if seen and self.at is None:
            self.at = time
