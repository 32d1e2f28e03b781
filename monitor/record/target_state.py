"""The state of one target: up or down, confirmed by several probes in a row; metrics, pages and API show it."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from monitor.record.parts import prepared
from monitor.record.target_summary import BriefProbe


@dataclass(slots=True)
class ConfirmedState:
    """Up until `confirm` probes in a row failed, then down until `recover` in a row succeeded."""

    up: bool = True
    failures: int = 0
    """Failures in a row, up to the last probe."""
    successes: int = 0
    truncations: int = 0
    """Truncated streams in a row, up to the last probe."""

    def take(self, *, available: bool, truncated: bool, confirm: int, recover: int) -> None:
        """Count one scheduled or confirming probe that is neither aborted nor inconclusive."""
        self.failures = 0 if available else self.failures + 1
        self.truncations = self.truncations + 1 if truncated else 0
        self.successes = self.successes + 1 if available else 0
        if self.failures >= confirm:
            self.up = False
        elif self.successes >= recover:
            self.up = True


@prepared
class TargetState(msgspec.Struct, kw_only=True):
    """The confirmed state of a target with the probes that bound its incident; the history stores it."""

    confirmed: ConfirmedState = msgspec.field(default_factory=ConfirmedState)
    began: BriefProbe | None = None
    """The first failure of the current incident; None if the target is up and does not fail."""
    last_good: BriefProbe | None = None
    """The last probe that found the target available."""

    def take(self, probe: BriefProbe, *, confirm: int, recover: int) -> None:
        """Count one scheduled or confirming probe that is neither aborted nor inconclusive."""
        available = bool(probe.available)
        if available:
            self.last_good = probe
        elif self.began is None:
            self.began = probe
        self.confirmed.take(available=available, truncated=probe.truncated, confirm=confirm, recover=recover)
        if self.confirmed.up and not self.confirmed.failures:
            self.began = None
